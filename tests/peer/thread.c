/* SPDX-License-Identifier: Apache-2.0 */
/* thread.c - several threads and one socket */
#include "tests/peer/peer.h"

static void *start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	if (pthread_create(thread, NULL, fn, arg))
		die("pthread_create");
	return NULL;
}

static long joined(pthread_t thread)
{
	void *ret;

	pthread_join(thread, &ret);
	return (long)ret;
}

static pid_t reader_tid;

static void *read_one(void *unused)
{
	char buf[10];

	__atomic_store_n(&reader_tid, gettid(), __ATOMIC_RELEASE);
	return (void *)recv(near_fd, buf, sizeof(buf), 0);
}

static void until_reading(void)
{
	UNTIL(__atomic_load_n(&reader_tid, __ATOMIC_ACQUIRE));
	until_asleep(reader_tid);
}

TOPIC(read_and_write)
{
	pthread_t reader;

	far_open();
	start(&reader, read_one, NULL);
	until_reading();
	TRY(send(near_fd, "while it reads", 14, 0));
	TRY(far_do(act_read, 14, MSG_WAITALL));
	TRY(far_text("abc"));
	say("the reader got %ld", joined(reader));
}

/* close under a reader: it reads on, and the connection lives till it is
 * done */
TOPIC(close_under_reader)
{
	pthread_t reader;

	mode.thread = false;
	far_open();
	start(&reader, read_one, NULL);
	until_reading();
	TRY(close(near_fd));
	TRY(far_do(act_read, 1, MSG_DONTWAIT));
	TRY(far_text("abc"));
	say("the reader got %ld", joined(reader));
	TRY(far_do(act_read, 1, 0));
}

TOPIC(shutdown_under_reader)
{
	pthread_t reader;

	far_open();
	start(&reader, read_one, NULL);
	until_reading();
	TRY(shutdown(near_fd, SHUT_RD));
	say("the reader got %ld", joined(reader));
	TRY(send(near_fd, "still", 5, 0));
	TRY(far_do(act_read, 5, MSG_WAITALL));
}

#define THREADS 4
#define RECORDS 500

struct record {
	char bytes[16];
};

static void *write_records(void *arg)
{
	struct record record;
	int i;

	memset(&record, 'A' + (int)(long)arg, sizeof(record));
	for (i = 0; i < RECORDS; i++)
		if (send(near_fd, &record, sizeof(record), 0) != sizeof(record))
			return (void *)-1L;
	return (void *)(long)RECORDS;
}

static long read_records(int fd, long n, long unused)
{
	struct record record;
	long i, whole = 0;

	for (i = 0; i < n; i++) {
		if (recv(fd, &record, sizeof(record), MSG_WAITALL) !=
		    sizeof(record))
			return -1;
		whole += !memcmp(record.bytes, record.bytes + 1,
				 sizeof(record) - 1);
	}
	return whole;
}

/* small messages of several writers are not torn */
TOPIC(writers)
{
	pthread_t threads[THREADS];
	long i, sum = 0;

	far_open();
	far_go(read_records, THREADS * RECORDS, 0);
	for (i = 0; i < THREADS; i++)
		start(&threads[i], write_records, (void *)i);
	for (i = 0; i < THREADS; i++)
		sum += joined(threads[i]);
	say("written %ld", sum);
	TRY(far_end());
}

static void *read_until_end(void *unused)
{
	char buf[777];
	long n = 0, ret;

	while ((ret = recv(near_fd, buf, sizeof(buf), 0)) > 0)
		n += ret;
	return (void *)(ret < 0 ? -1000000000L : n);
}

/* several readers: nothing is lost, nothing is read twice, all are told of
 * the end */
TOPIC(readers)
{
	pthread_t threads[THREADS];
	long i, sum = 0;

	far_open();
	for (i = 0; i < THREADS; i++)
		start(&threads[i], read_until_end, NULL);
	TRY(far_do(act_push, 2000000, 1));
	TRY(far_do(act_shutdown, SHUT_WR, 0));
	for (i = 0; i < THREADS; i++)
		sum += joined(threads[i]);
	say("read %ld", sum);
}

static int listener;

static void *accept_one(void *unused)
{
	int fd = accept(listener, NULL, NULL);
	char c = 0;

	if (fd < 0 || recv(fd, &c, 1, 0) != 1)
		return (void *)-1L;
	send(fd, &c, 1, 0);
	close(fd);
	return (void *)(long)c;
}

TOPIC(acceptors)
{
	pthread_t threads[2];
	int port, a, b;
	char c;

	listener = sock_listener(8, &port);
	start(&threads[0], accept_one, NULL);
	start(&threads[1], accept_one, NULL);
	a = sock_dial(port);
	b = sock_dial(port);
	TRY(send(a, "\1", 1, 0));
	TRY(send(b, "\2", 1, 0));
	TRY(recv(a, &c, 1, 0));
	TRY(recv(b, &c, 1, 0));
	say("together %ld", joined(threads[0]) + joined(threads[1]));
	TRY(recv(a, &c, 1, 0));
}

#define LOOPS 100

static void *connect_loop(void *arg)
{
	int port = (int)(long)arg, i, fd;
	long sum = 0;
	char c;

	for (i = 0; i < LOOPS; i++) {
		fd = sock_dial(port);
		MUST(send(fd, "\1", 1, 0));
		sum += recv(fd, &c, 1, 0) == 1 && c == 1;
		close(fd);
	}
	return (void *)sum;
}

static void *serve_loop(void *unused)
{
	int i, fd;
	long sum = 0;
	char c;

	for (i = 0; i < LOOPS; i++) {
		fd = sock_accept(listener);
		if (recv(fd, &c, 1, 0) == 1)
			sum += send(fd, &c, 1, 0);
		close(fd);
	}
	return (void *)sum;
}

/* connections come and go in several threads: numbers are used again */
TOPIC(churn)
{
	pthread_t clients[THREADS], servers[THREADS];
	long i, sum = 0;
	int port;

	listener = sock_listener(128, &port);
	for (i = 0; i < THREADS; i++) {
		start(&servers[i], serve_loop, NULL);
		start(&clients[i], connect_loop, (void *)(long)port);
	}
	for (i = 0; i < THREADS; i++)
		sum += joined(clients[i]) * 1000 + joined(servers[i]);
	say("together %ld", sum);
}

static int wait_fd;

static void *poll_one(void *unused)
{
	struct pollfd p = { .fd = wait_fd, .events = POLLIN };

	__atomic_store_n(&reader_tid, gettid(), __ATOMIC_RELEASE);
	return (void *)(long)(poll(&p, 1, -1) * 1000 + p.revents);
}

/* one thread polls, another reads what it waits for: it is told anyway, or
 * goes on waiting for the next */
TOPIC(poll_and_read)
{
	pthread_t poller;
	char buf[10];

	far_open();
	wait_fd = near_fd;
	start(&poller, poll_one, NULL);
	until_reading();
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	say("the poller says %ld", joined(poller));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
}

/* two threads poll one socket: both are told */
TOPIC(pollers)
{
	pthread_t a, b;

	far_open();
	wait_fd = near_fd;
	start(&a, poll_one, NULL);
	start(&b, poll_one, NULL);
	until_reading();
	TRY(far_text("abc"));
	say("both say %ld", joined(a) + joined(b));
}

/* a thread polls by a number that comes to mean something else: the kernel
 * looks it up again; and the connection has another number */
TOPIC(number_changes_under_poller)
{
	pthread_t poller;
	int other[2], i;
	char buf[10];

	far_open();
	wait_fd = (int)MUST(dup(near_fd));
	MUST(pipe(other));
	MUST(write(other[1], "x", 1));
	start(&poller, poll_one, NULL);
	until_reading();
	MUST(dup2(other[0], wait_fd));
	TRY(far_text("abc"));
	say("the poller says %ld", joined(poller));
	for (i = 0; i < 3; i++) {
		until_input(near_fd, 3);
		TRY(recv(near_fd, buf, sizeof(buf), 0));
		TRY(send(near_fd, "def", 3, 0));
		TRY(far_do(act_read, 3, MSG_WAITALL));
		TRY(far_text("abc"));
	}
	TRY(close(near_fd));
	TRY(far_do(act_read, 1, 0));
}

static void *cancelled(void *unused)
{
	char buf[10];

	__atomic_store_n(&reader_tid, gettid(), __ATOMIC_RELEASE);
	return (void *)read(near_fd, buf, sizeof(buf));
}

/* a thread is cancelled in a blocking call; the socket is as good as new */
TOPIC(cancel)
{
	pthread_t reader;
	char buf[10];

	far_open();
	start(&reader, cancelled, NULL);
	until_reading();
	TRY(pthread_cancel(reader));
	say("cancelled %d", joined(reader) == (long)PTHREAD_CANCELED);
	TRY(far_text("abc"));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(send(near_fd, "def", 3, 0));
	TRY(far_do(act_read, 3, MSG_WAITALL));
}
