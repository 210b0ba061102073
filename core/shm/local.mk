core_libshm_la_SOURCES += %D%/map.h %D%/seg.h %D%/fifo.h %D%/mq.h %D%/ctrl.h
core_libshm_la_SOURCES += %D%/dialect.h %D%/dialect.c
core_libshm_la_SOURCES += %D%/ctrl.c %D%/crypto.c %D%/crypto.h
core_libshm_la_SOURCES += %D%/mq.c
core_libshm_la_SOURCES += %D%/map.c %D%/seg.c %D%/chunk.c %D%/fifo.c \
	%D%/fifo_list.h %D%/fifo_put.c %D%/fifo_take.c
core_libshm_la_SOURCES += %D%/frame.h %D%/frame.c %D%/ring.h %D%/ring.c %D%/link.h %D%/link.c
core_libshm_la_SOURCES += %D%/packet.h %D%/packet.c
