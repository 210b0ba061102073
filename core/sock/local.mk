core_libsock_la_SOURCES += %D%/sock.h \
	%D%/addr.c %D%/back.c %D%/bind.c %D%/cmsg.c %D%/connect.c %D%/copy.c %D%/cursor.h %D%/deaf.c \
	%D%/dgram.c %D%/dgram.h %D%/dgram_link.c %D%/dgram_offer.c %D%/dgram_ready.c \
	%D%/dgram_recv.c %D%/dgram_send.c %D%/diag.c %D%/epoll.c \
	%D%/epoll.h %D%/epoll_ctl.c %D%/epoll_fork.c %D%/epoll_item.c %D%/epoll_move.c %D%/epoll_nest.c \
	%D%/exec.c %D%/fault.c %D%/fault.h %D%/fd.c %D%/fork.c %D%/io.c %D%/kind.c %D%/link.c \
	%D%/link.h %D%/link_count.c %D%/link_end.c %D%/link_file.c %D%/link_list.c \
	%D%/link_lock.c %D%/link_recv.c %D%/link_send.c %D%/local.c %D%/many.c %D%/open.c \
	%D%/opt.c %D%/poll.c %D%/poll.h %D%/select.c %D%/port.c %D%/position.c %D%/ready.c %D%/sandbox.c %D%/session_io.c \
	%D%/spawn.c %D%/spawn.h %D%/splice.c %D%/stay.c %D%/table.c %D%/table.h %D%/upgrade.c %D%/vudp.c %D%/vudp.h %D%/vudp_peer.c %D%/vudp_ready.c %D%/vudp_recv.c %D%/vudp_send.c \
	%D%/watch.c
core_libsock_la_SOURCES += %D%/native.c %D%/native.h
