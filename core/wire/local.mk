core_libshm_la_SOURCES += %D%/types.h %D%/seg.h %D%/fifo.h %D%/mq.h \
	%D%/attach.h %D%/event.h %D%/ctrl.h %D%/crypto.h %D%/ext.h %D%/check.c
core_libshm_la_SOURCES += %D%/link.h %D%/offer.h
