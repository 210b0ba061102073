core_libsock_la_SOURCES += %D%/sock.h
