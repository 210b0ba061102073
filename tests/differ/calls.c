/* SPDX-License-Identifier: Apache-2.0 */
/* calls.c - one call, and what came of it in words */
#include <poll.h>
#include <stdarg.h>
#include <string.h>

#include "tests/differ/differ.h"

int slots[SLOTS];
int listener, listener_port, peer_port;
volatile int pipes;

void put(struct answer *a, const char *fmt, ...)
{
	size_t len = strlen(a->text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(a->text + len, sizeof(a->text) - len, fmt, ap);
	va_end(ap);
}

void result(struct answer *a, long ret, int err)
{
	const char *name = strerrorname_np(err);

	a->ret = ret;
	a->err = ret < 0 ? err : 0;
	if (ret < 0)
		put(a, " = %s", name ? name : "?");
	else
		put(a, " = %ld%s", ret,
		    err == ERRNO_UNTOUCHED ? "" : " errno touched");
}

const char *bits(unsigned events)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = { { POLLIN, "I" },	    { POLLPRI, "P" },
		      { POLLOUT, "O" },	    { POLLERR, "E" },
		      { POLLHUP, "H" },	    { POLLNVAL, "N" },
		      { POLLRDHUP, "R" },   { POLLRDNORM, "i" },
		      { POLLWRNORM, "o" },  { 1u << 31, "+ET" },
		      { 1u << 30, "+ONCE" } };
	static __thread char text[64];
	size_t i;

	strcpy(text, events ? "" : "-");
	for (i = 0; i < COUNT(names); i++)
		if (events & names[i].bit)
			strcat(text, names[i].name);
	return text;
}

void calls_do(const struct order *o, struct answer *a)
{
	static call_fn *const fn[CALL_KINDS] = {
		[CALL_DIAL] = call_dial,
		[CALL_ACCEPT] = call_accept,
		[CALL_SEND] = call_send,
		[CALL_RECV] = call_recv,
		[CALL_SHUTDOWN] = call_shutdown,
		[CALL_CLOSE] = call_close,
		[CALL_DUP] = call_dup,
		[CALL_DUP2] = call_dup2,
		[CALL_SET] = call_set,
		[CALL_GET] = call_get,
		[CALL_FLAGS] = call_flags,
		[CALL_IOCTL] = call_ioctl,
		[CALL_NAMES] = call_names,
		[CALL_ODD] = call_odd,
		[CALL_FAULT] = call_fault,
		[CALL_POLL] = call_poll,
		[CALL_SELECT] = call_select,
		[CALL_EP_NEW] = call_ep_new,
		[CALL_EP_CTL] = call_ep_ctl,
		[CALL_EP_WAIT] = call_ep_wait,
		[CALL_LOOK] = call_look,
		[CALL_SETTLE] = call_settle,
		[CALL_FORK] = call_fork,
		[CALL_REAP] = call_reap,
		[CALL_BLOCK] = call_block,
		[CALL_UNBLOCK] = call_unblock,
		[CALL_INTERRUPT] = call_interrupt,
		[CALL_RESET] = call_reset,
	};
	int before = pipes;

	memset(a, 0, sizeof(*a));
	fn[o->call](o, a);
	if (pipes != before)
		put(a, " SIGPIPE");
}
