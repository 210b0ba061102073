core_libshm_la_SOURCES += %D%/base.h %D%/kernel.h %D%/log.h %D%/log.c \
	%D%/fdbox.h %D%/fdbox.c %D%/mem.h %D%/mem.c \
	%D%/signal.h %D%/signal.c %D%/user.h %D%/user.c
