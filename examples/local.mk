EXTRA_DIST += %D%/quickstart %D%/bench %D%/measure.bash
# The native API, used as a program outside would: see tests/bats/install.bats
noinst_PROGRAMS += %D%/echo_server %D%/echo_client %D%/epoll_server
%C%_echo_server_SOURCES = %D%/echo_server.c
%C%_echo_client_SOURCES = %D%/echo_client.c
%C%_epoll_server_SOURCES = %D%/epoll_server.c
%C%_echo_server_LDFLAGS = $(AM_LDFLAGS) -pthread

# <sapi.h> as if it were installed, and nothing else of ours
%C%_CPPFLAGS = -I$(top_srcdir)/core
%C%_echo_server_CPPFLAGS = $(%C%_CPPFLAGS)
%C%_echo_client_CPPFLAGS = $(%C%_CPPFLAGS)
%C%_epoll_server_CPPFLAGS = $(%C%_CPPFLAGS)
%C%_echo_server_LDADD = core/libsapi.la
%C%_echo_client_LDADD = core/libsapi.la
%C%_epoll_server_LDADD = core/libsapi.la
