core_libshm_la_SOURCES += %D%/map.h %D%/seg.h %D%/fifo.h %D%/mq.h %D%/ctrl.h
core_libshm_la_SOURCES += %D%/ctrl.c
core_libshm_la_SOURCES += %D%/mq.c
