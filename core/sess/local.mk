core_libsock_la_SOURCES += %D%/conf.h
