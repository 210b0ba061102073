# random calls, answered by the kernel and by libsapi: run says how
check_PROGRAMS += %D%/differ
%C%_differ_SOURCES = %D%/differ.h %D%/calls.c %D%/calls_block.c %D%/calls_fd.c \
	%D%/calls_io.c %D%/calls_wait.c %D%/differ.c %D%/play.c
EXTRA_DIST += %D%/run
