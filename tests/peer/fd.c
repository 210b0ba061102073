/* SPDX-License-Identifier: Apache-2.0 */
/* fd.c - a socket as a descriptor: flags, ioctls, stat, numbers, dup */
#include <linux/sockios.h>
#include <sys/stat.h>

#include "tests/peer/peer.h"

TOPIC(nonblock)
{
	char buf[10];
	int copy, on = 1;

	far_open();
	copy = TRY_FD(dup(near_fd));
	TRY(fcntl(near_fd, F_GETFL) & ~O_LARGEFILE);
	TRY(fcntl(near_fd, F_SETFL, O_RDWR | O_NONBLOCK));
	TRY(fcntl(copy, F_GETFL) & ~O_LARGEFILE); /* of the same description */
	TRY(recv(copy, buf, sizeof(buf), 0));
	TRY(read(near_fd, buf, sizeof(buf)));
	TRY(fcntl(copy, F_SETFL, O_RDWR));
	TRY(fcntl(near_fd, F_GETFL) & ~O_LARGEFILE);
	TRY(ioctl(near_fd, FIONBIO, &on));
	TRY(fcntl(copy, F_GETFL) & ~O_LARGEFILE);
	TRY(recv(copy, buf, sizeof(buf), 0));
	on = 0;
	TRY(ioctl(copy, FIONBIO, &on));
	TRY(fcntl(near_fd, F_GETFL) & ~O_LARGEFILE);
	far_go(act_text, (long)"abc", 0);
	TRY(recv(near_fd, buf, sizeof(buf), 0)); /* blocks */
	far_end();
}

TOPIC(flags)
{
	int fds[2], copy;

	sock_pair(fds);
	TRY(fcntl(fds[0], F_GETFD));
	TRY(fcntl(fds[0], F_SETFD, FD_CLOEXEC));
	TRY(fcntl(fds[0], F_GETFD));
	copy = TRY_FD(dup(fds[0]));
	TRY(fcntl(copy, F_GETFD));
	copy = TRY_FD(fcntl(fds[0], F_DUPFD_CLOEXEC, 40));
	say("at least 40: %d", copy >= 40);
	TRY(fcntl(copy, F_GETFD));
	copy = TRY_FD(fcntl(fds[0], F_DUPFD, 50));
	say("at least 50: %d", copy >= 50);
	TRY(fcntl(copy, F_GETFD));
	TRY(ioctl(copy, FIOCLEX));
	TRY(fcntl(copy, F_GETFD));
	TRY(ioctl(copy, FIONCLEX));
	TRY(fcntl(copy, F_GETFD));
	TRY(fcntl(fds[0], F_DUPFD, -1));
	TRY(fcntl(fds[0], F_DUPFD, 1 << 30));
	TRY(fcntl(-1, F_GETFD));
	TRY(fcntl(copy, 12345));
	TRY(fcntl(copy, F_SETOWN, getpid()));
	TRY(fcntl(copy, F_GETOWN) == getpid());
	TRY(close(copy));
	TRY(fcntl(copy, F_GETFL));
}

TOPIC(queues)
{
	int have = -1;
	char buf[10];

	far_open();
	TRY(ioctl(near_fd, FIONREAD, &have));
	say("readable %d", have);
	TRY(far_text("hello"));
	until_input(near_fd, 5);
	TRY(ioctl(near_fd, FIONREAD, &have));
	say("readable %d", have);
	TRY(recv(near_fd, buf, 2, 0));
	TRY(ioctl(near_fd, SIOCINQ, &have));
	say("readable %d", have);
	TRY(send(near_fd, "hi", 2, 0));
	TRY(far_do(act_read, 2, MSG_WAITALL));
	until_sent(near_fd);
	TRY(ioctl(near_fd, SIOCOUTQ, &have));
	say("to send %d", have);
	TRY(far_do(act_close, 0, 0));
	until_poll(near_fd, POLLRDHUP);
	TRY(ioctl(near_fd, FIONREAD, &have));
	say("readable %d", have);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(ioctl(near_fd, FIONREAD, &have));
	say("readable %d", have);
	TRY(ioctl(near_fd, 0x12345, &have));
	TRY(ioctl(-1, FIONREAD, &have));
}

TOPIC(queues_unconnected)
{
	int fd = sock_tcp(family_client()), listener, port, have = -1;

	TRY(ioctl(fd, FIONREAD, &have));
	say("readable %d", have);
	TRY(ioctl(fd, SIOCOUTQ, &have));
	say("to send %d", have);
	listener = sock_listener(8, &port);
	TRY(ioctl(listener, FIONREAD, &have));
	TRY(ioctl(listener, SIOCOUTQ, &have));
}

TOPIC(not_a_file)
{
	struct stat st;
	char buf[10];

	far_open();
	TRY(fstat(near_fd, &st));
	say("socket %d, size %ld", S_ISSOCK(st.st_mode), (long)st.st_size);
	TRY(lseek(near_fd, 0, SEEK_SET));
	TRY(lseek(near_fd, 0, SEEK_CUR));
	TRY(pread(near_fd, buf, 1, 0));
	TRY(pwrite(near_fd, buf, 1, 0));
	TRY(ftruncate(near_fd, 0));
	TRY(fsync(near_fd));
	TRY(isatty(near_fd));
	TRY(read(near_fd, buf, 0));
	TRY(fchdir(near_fd));
}

static int next_fd(void)
{
	int fd = (int)MUST(dup(0));

	MUST(close(fd));
	return fd;
}

/* always the lowest number that is free */
TOPIC(numbers)
{
	int first = next_fd(), fds[6], i, listener, port;

	listener = sock_listener(8, &port);
	say("listener %d", listener - first);
	for (i = 0; i < 3; i++) {
		fds[i] = sock_dial(port);
		say("client %d", fds[i] - first);
	}
	for (; i < 6; i++) {
		fds[i] = sock_accept(listener);
		say("server %d", fds[i] - first);
	}
	MUST(close(fds[1]));
	MUST(close(fds[4]));
	say("socket %d", sock_tcp(family_client()) - first);
	say("dup %d", (int)MUST(dup(fds[0])) - first);
	say("dup %d", (int)MUST(dup(fds[0])) - first);
	say("beyond 20: %d",
	    (int)MUST(fcntl(fds[0], F_DUPFD, first + 20)) - first);
	MUST(close(listener));
	say("pipe %d", next_fd() - first);
	say("open %d", (int)MUST(open("/dev/null", O_RDONLY)) - first);
	say("next %d", next_fd() - first);
}

/* and it stays so when sockets become shared memory */
TOPIC(numbers_warm)
{
	int before = next_fd(), fds[2];
	char buf[10];

	sock_pair(fds);
	say("%d %d, next %d", fds[0] - before, fds[1] - before,
	    next_fd() - before);
	MUST(close(fds[0]));
	TRY(recv(fds[1], buf, sizeof(buf), 0));
	say("next %d", next_fd() - before);
	MUST(close(fds[1]));
	say("next %d", next_fd() - before);
}

TOPIC(limit)
{
	int fd, n = 0, last = -1, listener, port, conn;
	struct pollfd p;

	listener = sock_listener(8, &port);
	conn = sock_dial(port);
	p = (struct pollfd){ listener, POLLIN, 0 };
	MUST(poll(&p, 1, 5000));
	while ((fd = dup(0)) >= 0 && n < 100000) {
		last = fd;
		n++;
	}
	say("dup: %s", errname(errno));
	TRY(accept(listener, NULL, NULL));
	TRY(socket(AF_INET, SOCK_STREAM, 0));
	TRY(send(conn, "x", 1, 0)); /* goes on */
	close(last);
	fd = TRY_FD(accept(listener, NULL, NULL));
	say("same number %d", fd == last);
	TRY(recv(fd, (char[2]){ 0 }, 2, 0));
}

TOPIC(stdio)
{
	char line[50];
	FILE *f;

	/* libc reads and closes where no wrapper sees it */
	far_open();
	f = fdopen(dup(near_fd), "r+");
	TRY(far_text("a line\nanother\n"));
	say("fgets %s", fgets(line, sizeof(line), f) ? "ok" : "fails");
	say_data(line, (long)strlen(line));
	say("fgets %s", fgets(line, sizeof(line), f) ? "ok" : "fails");
	say_data(line, (long)strlen(line));
	fprintf(f, "answer %d", 42);
	TRY(fflush(f));
	TRY(far_do(act_read, 9, MSG_WAITALL));
	TRY(fclose(f));
	TRY(send(near_fd, "still", 5, 0));
	TRY(far_do(act_read, 5, MSG_WAITALL));
	/* the last descriptor goes by fclose, its number comes back */
	f = fdopen(near_fd, "r+");
	TRY(fclose(f));
	TRY(far_do(act_read, 5, 0));
	TRY(far_do(act_close, 0, 0));
	say("same number %d", sock_tcp(family_client()) == near_fd);
	TRY(recv(near_fd, line, sizeof(line), MSG_DONTWAIT));
	TRY(send(near_fd, "x", 1, MSG_NOSIGNAL));
}
