core_libsock_la_SOURCES += %D%/sock.h \
	%D%/addr.c %D%/connect.c %D%/cursor.h %D%/kind.c %D%/link.h %D%/link.c %D%/link_io.c %D%/link_list.c %D%/orphan.c %D%/port.c %D%/stay.c %D%/upgrade.c %D%/copy.c %D%/epoll.c %D%/epoll.h %D%/epoll_ctl.c %D%/epoll_move.c %D%/epoll_nest.c \
	%D%/epoll_fork.c %D%/fd.c %D%/fork.c %D%/io.c %D%/many.c %D%/open.c %D%/opt.c %D%/poll.c %D%/ready.c %D%/sandbox.c %D%/splice.c %D%/table.c %D%/table.h %D%/watch.c
core_libsock_la_SOURCES += %D%/native.c %D%/native.h
