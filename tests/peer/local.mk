# differential programs: NAME.c is tests/peer/NAME, NAME.peer lists its topics,
# run runs them bare and preloaded
check_LTLIBRARIES = %D%/libpeer.la
%C%_libpeer_la_SOURCES = %D%/child.c %D%/epoll.h %D%/epoll_say.c \
	%D%/peer.h %D%/peer.c %D%/sock.c %D%/udp.h %D%/udp_pair.c

peer_programs = %D%/accept \
	%D%/beside \
	%D%/close \
	%D%/connect \
	%D%/data \
	%D%/dup \
	%D%/epoll \
	%D%/epoll_edge \
	%D%/epoll_lowat \
	%D%/epoll_mix \
	%D%/exec \
	%D%/fault \
	%D%/fd \
	%D%/fork \
	%D%/killed \
	%D%/msg \
	%D%/names \
	%D%/opt \
	%D%/peek \
	%D%/poll \
	%D%/sandbox \
	%D%/select \
	%D%/shutdown \
	%D%/signal \
	%D%/splice \
	%D%/syscall \
	%D%/thread \
	%D%/udp \
	%D%/udp_wait
check_PROGRAMS += $(peer_programs)
peer_tests = %D%/accept.peer \
	%D%/beside.peer \
	%D%/close.peer \
	%D%/connect.peer \
	%D%/data.peer \
	%D%/dup.peer \
	%D%/epoll.peer \
	%D%/epoll_edge.peer \
	%D%/epoll_lowat.peer \
	%D%/epoll_mix.peer \
	%D%/exec.peer \
	%D%/fault.peer \
	%D%/fd.peer \
	%D%/fork.peer \
	%D%/killed.peer \
	%D%/msg.peer \
	%D%/names.peer \
	%D%/opt.peer \
	%D%/peek.peer \
	%D%/poll.peer \
	%D%/sandbox.peer \
	%D%/select.peer \
	%D%/shutdown.peer \
	%D%/signal.peer \
	%D%/splice.peer \
	%D%/syscall.peer \
	%D%/thread.peer \
	%D%/udp.peer \
	%D%/udp_wait.peer
TESTS += $(peer_tests)
EXTRA_DIST += %D%/run $(peer_tests)

%C%_accept_SOURCES = %D%/accept.c
%C%_accept_LDADD = %D%/libpeer.la
%C%_beside_SOURCES = %D%/beside.c
%C%_beside_LDADD = %D%/libpeer.la
%C%_close_SOURCES = %D%/close.c
%C%_close_LDADD = %D%/libpeer.la
%C%_connect_SOURCES = %D%/connect.c
%C%_connect_LDADD = %D%/libpeer.la
%C%_data_SOURCES = %D%/data.c
%C%_data_LDADD = %D%/libpeer.la
%C%_dup_SOURCES = %D%/dup.c
%C%_dup_LDADD = %D%/libpeer.la
%C%_epoll_SOURCES = %D%/epoll.c
%C%_epoll_LDADD = %D%/libpeer.la
%C%_epoll_edge_SOURCES = %D%/epoll_edge.c
%C%_epoll_edge_LDADD = %D%/libpeer.la
%C%_epoll_lowat_SOURCES = %D%/epoll_lowat.c
%C%_epoll_lowat_LDADD = %D%/libpeer.la
%C%_epoll_mix_SOURCES = %D%/epoll_mix.c
%C%_epoll_mix_LDADD = %D%/libpeer.la
%C%_exec_SOURCES = %D%/exec.c
%C%_exec_LDADD = %D%/libpeer.la
%C%_fault_SOURCES = %D%/fault.c
%C%_fault_LDADD = %D%/libpeer.la
%C%_fd_SOURCES = %D%/fd.c
%C%_fd_LDADD = %D%/libpeer.la
%C%_fork_SOURCES = %D%/fork.c
%C%_fork_LDADD = %D%/libpeer.la
%C%_killed_SOURCES = %D%/killed.c
%C%_killed_LDADD = %D%/libpeer.la
%C%_msg_SOURCES = %D%/msg.c
%C%_msg_LDADD = %D%/libpeer.la
%C%_names_SOURCES = %D%/names.c
%C%_names_LDADD = %D%/libpeer.la
%C%_opt_SOURCES = %D%/opt.c
%C%_opt_LDADD = %D%/libpeer.la
%C%_peek_SOURCES = %D%/peek.c
%C%_peek_LDADD = %D%/libpeer.la
%C%_poll_SOURCES = %D%/poll.c
%C%_poll_LDADD = %D%/libpeer.la
%C%_sandbox_SOURCES = %D%/sandbox.c
%C%_sandbox_LDADD = %D%/libpeer.la
%C%_select_SOURCES = %D%/select.c
%C%_select_LDADD = %D%/libpeer.la
%C%_shutdown_SOURCES = %D%/shutdown.c
%C%_shutdown_LDADD = %D%/libpeer.la
%C%_signal_SOURCES = %D%/signal.c
%C%_signal_LDADD = %D%/libpeer.la
%C%_splice_SOURCES = %D%/splice.c
%C%_splice_LDADD = %D%/libpeer.la
%C%_syscall_SOURCES = %D%/syscall.c
%C%_syscall_LDADD = %D%/libpeer.la
%C%_thread_SOURCES = %D%/thread.c
%C%_thread_LDADD = %D%/libpeer.la
%C%_udp_SOURCES = %D%/udp.c
%C%_udp_LDADD = %D%/libpeer.la
%C%_udp_wait_SOURCES = %D%/udp_wait.c
%C%_udp_wait_LDADD = %D%/libpeer.la
