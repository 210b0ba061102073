# differential programs: NAME.c is tests/peer/NAME, its topics in topics
EXTRA_DIST += %D%/run %D%/topics
check_LTLIBRARIES = %D%/libpeer.la
%C%_libpeer_la_SOURCES = %D%/peer.h %D%/peer.c %D%/sock.c

peer_programs = %D%/connect %D%/data %D%/peek
check_PROGRAMS += $(peer_programs)
TESTS += %D%/run

%C%_connect_SOURCES = %D%/connect.c
%C%_connect_LDADD = %D%/libpeer.la
%C%_data_SOURCES = %D%/data.c
%C%_data_LDADD = %D%/libpeer.la
%C%_peek_SOURCES = %D%/peek.c
%C%_peek_LDADD = %D%/libpeer.la
