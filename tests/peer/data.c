/* SPDX-License-Identifier: Apache-2.0 */
/* data.c - bytes there and back: plain, in parts, many, none */
#include "tests/peer/peer.h"

TOPIC(echo)
{
	char buf[100];
	long n;

	far_open();
	TRY(write(near_fd, "hello", 5));
	TRY(far_do(act_read, 5, MSG_WAITALL));
	TRY(far_text("well, hello"));
	until_input(near_fd, 11);
	n = TRY(read(near_fd, buf, sizeof(buf)));
	say_data(buf, n);
	TRY(far_do(act_close, 0, 0));
	TRY(read(near_fd, buf, sizeof(buf)));
	TRY(close(near_fd));
	TRY(close(near_fd));
}

TOPIC(partial_reads)
{
	char buf[100];
	int have = -1;
	long n;

	far_open();
	TRY(far_text("one"));
	TRY(far_text("two"));
	TRY(far_text("three"));
	until_input(near_fd, 11);
	n = TRY(recv(near_fd, buf, 1, 0));
	say_data(buf, n);
	n = TRY(recv(near_fd, buf, 4, 0)); /* over the borders of messages */
	say_data(buf, n);
	TRY(ioctl(near_fd, FIONREAD, &have));
	say("readable %d", have);
	n = TRY(recv(near_fd, buf, sizeof(buf), 0)); /* all that there is */
	say_data(buf, n);
	TRY(recv(near_fd, buf, sizeof(buf), MSG_DONTWAIT));
	TRY(far_text("more"));
	n = TRY(recv(near_fd, buf, sizeof(buf), 0));
	say_data(buf, n);
}

static long both(int fd, long n, long seed)
{
	long got = act_pull(fd, n, 0);

	return got == n ? act_push(fd, n, seed) : -1;
}

TOPIC(large)
{
	long n = 8 << 20;

	far_open();
	far_go(act_pull, n, 0);
	TRY(act_push(near_fd, n, 1));
	TRY(far_end());
	say("sum %016llx", (unsigned long long)far_sum());
	far_go(act_push, n, 2);
	TRY(act_pull(near_fd, n, 0));
	say("sum %016llx", (unsigned long long)act_sum);
	TRY(far_end());
	/* odd sizes, small and large reads */
	far_go(act_push, 1234567, 3);
	TRY(act_pull(near_fd, 1234567, 4097));
	say("sum %016llx", (unsigned long long)act_sum);
	TRY(far_end());
	far_go(both, 300001, 4);
	TRY(act_push(near_fd, 300001, 5));
	TRY(act_pull(near_fd, 300001, 333));
	say("sum %016llx", (unsigned long long)act_sum);
	TRY(far_end());
	say("sum %016llx", (unsigned long long)far_sum());
}

static void *push_thread(void *arg)
{
	return (void *)act_push(near_fd, (long)arg, 9);
}

static long push_and_pull(int fd, long n, long seed)
{
	pthread_t thread;
	void *pushed;
	long pulled;

	near_fd = fd; /* in the child: its own end */
	if (pthread_create(&thread, NULL, push_thread, (void *)n))
		die("pthread_create");
	pulled = act_pull(fd, n, 0);
	pthread_join(thread, &pushed);
	return pulled == n ? (long)pushed : -1;
}

TOPIC(duplex)
{
	long n = 8 << 20;

	mode.thread = false; /* near_fd is ours and the far end's in turn */
	far_open();
	far_go(push_and_pull, n, 0);
	TRY(push_and_pull(near_fd, n, 0));
	say("sum %016llx", (unsigned long long)act_sum);
	TRY(far_end());
	say("sum %016llx", (unsigned long long)far_sum());
}

TOPIC(zero_length)
{
	char buf[100];
	long n;

	far_open();
	TRY(send(near_fd, "", 0, 0));
	TRY(write(near_fd, NULL, 0));
	TRY(recv(near_fd, buf, 0, MSG_DONTWAIT));
	TRY(read(near_fd, NULL, 0));
	TRY(far_text("data"));
	until_input(near_fd, 4);
	TRY(recv(near_fd, buf, 0, 0));
	TRY(read(near_fd, buf, 0));
	n = TRY(recv(near_fd, buf, sizeof(buf), 0));
	say_data(buf, n);
	TRY(far_do(act_read, 10, MSG_DONTWAIT)); /* nothing was sent */
	TRY(far_do(act_close, 0, 0));
	until_poll(near_fd, POLLRDHUP);
	TRY(recv(near_fd, buf, 0, 0));
	TRY(recv(near_fd, buf, 1, 0));
}

TOPIC(eof_repeats)
{
	char buf[100];
	long n;
	int i;

	far_open();
	TRY(far_text("last words"));
	TRY(far_do(act_close, 0, 0));
	until_poll(near_fd, POLLRDHUP);
	n = TRY(recv(near_fd, buf, 4, 0));
	say_data(buf, n);
	n = TRY(recv(near_fd, buf, sizeof(buf), 0));
	say_data(buf, n);
	for (i = 0; i < 3; i++) {
		TRY(recv(near_fd, buf, sizeof(buf), 0));
		TRY(read(near_fd, buf, sizeof(buf)));
		TRY(recv(near_fd, buf, sizeof(buf), MSG_PEEK));
		TRY(recv(near_fd, buf, sizeof(buf), MSG_DONTWAIT));
		TRY(recv(near_fd, buf, sizeof(buf), MSG_WAITALL));
	}
	say_error("near", near_fd);
}

TOPIC(dontwait)
{
	char buf[100];
	long n;

	far_open();
	TRY(recv(near_fd, buf, sizeof(buf), MSG_DONTWAIT));
	TRY(recv(near_fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_PEEK));
	TRY(recv(near_fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_WAITALL));
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	n = TRY(recv(near_fd, buf, 10, MSG_DONTWAIT | MSG_WAITALL));
	say_data(buf, n);
	set_nonblock(near_fd, true);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(read(near_fd, buf, sizeof(buf)));
	TRY(recv(near_fd, buf, sizeof(buf), MSG_WAITALL));
	set_nonblock(near_fd, false);
	TRY(far_text("def"));
	n = TRY(recv(near_fd, buf, sizeof(buf), 0)); /* blocks again */
	say_data(buf, n);
}

TOPIC(trunc)
{
	char buf[100];
	long n;

	/* on a stream MSG_TRUNC throws away and counts */
	far_open();
	TRY(far_text("0123456789"));
	until_input(near_fd, 10);
	memset(buf, '.', sizeof(buf));
	TRY(recv(near_fd, buf, 4, MSG_TRUNC));
	say_data(buf, 4);
	n = TRY(recv(near_fd, buf, 2, 0));
	say_data(buf, n);
	TRY(recv(near_fd, NULL, 100, MSG_TRUNC));
	TRY(recv(near_fd, buf, 100, MSG_TRUNC | MSG_DONTWAIT));
}

TOPIC(bad_calls)
{
	char buf[16];

	far_open();
	TRY(recv(near_fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_ERRQUEUE));
	TRY(listen(near_fd, 1));
	TRY(accept(near_fd, NULL, NULL));
	TRY(recv(-1, buf, 1, 0));
	TRY(send(-1, buf, 1, 0));
	TRY(recv(10000, buf, 1, 0));
	TRY(close(near_fd));
	TRY(recv(near_fd, buf, 1, 0));
	TRY(send(near_fd, buf, 1, 0));
	TRY(shutdown(near_fd, SHUT_RDWR));
}

TOPIC(urgent_first)
{
	char buf[16];
	int mark = -1, i;
	long n;

	/* before anything else, so that it stays in the kernel for good */
	far_open();
	TRY(send(near_fd, "!", 1, MSG_OOB));
	TRY(far_do(act_until_poll, POLLPRI, 0));
	TRY(far_do(act_read, 1, MSG_OOB));
	for (i = 0; i < 100; i++) {
		MUST(send(near_fd, "ping", 4, 0));
		MUST(far_do(act_pull, 4, 0));
		MUST(far_text("pong"));
		MUST(recv(near_fd, buf, 4, MSG_WAITALL));
	}
	TRY(send(near_fd, "ab!", 3, MSG_OOB));
	TRY(send(near_fd, "cd", 2, 0));
	TRY(far_do(act_until_poll, POLLPRI, 0));
	TRY(far_do(act_read, 10, 0)); /* stops at the mark */
	TRY(far_do(act_read, 1, MSG_OOB));
	TRY(far_do(act_read, 10, 0));
	TRY(ioctl(near_fd, SIOCATMARK, &mark));
	n = TRY(recv(near_fd, buf, 1, MSG_OOB | MSG_DONTWAIT));
	say_data(buf, n);
	say("at mark %d", mark);
}

TOPIC(urgent)
{
	char buf[16];
	long n;
	int mark = -1;

	/* a byte out of band keeps a connection in the kernel */
	far_open();
	TRY(far_text("ab"));
	TRY(far_do(act_text, (long)"!", MSG_OOB));
	TRY(far_text("cd"));
	until_poll(near_fd, POLLPRI);
	until_input(near_fd, 2);
	say_poll("near", near_fd, POLLIN | POLLPRI);
	TRY(recv(near_fd, buf, 1, MSG_OOB));
	say_data(buf, 1);
	n = TRY(recv(near_fd, buf, sizeof(buf), 0)); /* stops at the mark */
	say_data(buf, n);
	TRY(ioctl(near_fd, SIOCATMARK, &mark));
	say("at mark %d", mark);
	n = TRY(recv(near_fd, buf, 2, MSG_WAITALL));
	say_data(buf, n);
	TRY(recv(near_fd, buf, 1, MSG_OOB));
}
