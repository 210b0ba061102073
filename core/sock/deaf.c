/* SPDX-License-Identifier: Apache-2.0 */
/* deaf.c - who may not be the kernel's: TLS, and listeners without hybrid */
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "core/base/kernel.h"
#include "core/base/user.h"
#include "core/sock/sock.h"
#include "core/sock/table.h"

/*
 * DOC: a listener that is deaf
 *
 * A listener's descriptor listens in the kernel, which keeps the number, the
 * port, and what SO_ACCEPTCONN, poll() and epoll say of it.  Where the
 * kernel's clients must not come in, as they would in plain text, it drops
 * all that is sent to this socket: by a filter, which needs no rights, cannot
 * be taken off again, and stays with the socket if another program gets it.
 * So they get no answer, rather than a refusal.
 */

/**
 * deaf_begin() - Let nothing from the network in
 * @fd:		About to listen, or listening
 */
int deaf_begin(int fd)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog prog = { .len = 1, .filter = &drop };

	return k_setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
			    sizeof(prog));
}

/**
 * deaf_keep() - For good; who came before the filter goes
 * @fd:		Listening, non-blocking in the kernel
 */
int deaf_keep(int fd)
{
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	int on = 1, early;

	while ((early = k_accept4(fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		k_setsockopt(early, SOL_SOCKET, SO_LINGER, &reset,
			     sizeof(reset));
		k_close(early);
	}
	return k_setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on));
}

/**
 * deaf_end() - It has not come to listening elsewhere: nor does it here
 * @fd:		Listening or not, with or without the filter
 */
void deaf_end(int fd)
{
	int none = 0;

	k_shutdown(fd, SHUT_RD);
	k_setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof(none));
}

/**
 * sock_tls_only() - Does a rule want TLS for this, so that the kernel may not
 * have it?
 * @fd:		A descriptor of the kernel's
 * @sa:		A server's own address, else the peer's
 */
bool sock_tls_only(int fd, enum conf_role role, const struct sockaddr *sa)
{
	struct conf_choice choice;
	int type;

	if (likely(!conf_get()->tls) || !sa ||
	    (sa->sa_family != AF_INET && sa->sa_family != AF_INET6) ||
	    sock_int_opt(fd, SOL_SOCKET, SO_TYPE, &type) || type != SOCK_STREAM)
		return false;
	conf_choose(conf_get(), role, sa, NULL, &choice);
	return choice.tls;
}

/* A program that is refused a fast open connects. */
bool sock_refuses(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct sockaddr_storage ss = { 0 };

	return unlikely(conf_get()->tls) && !sock_is(fd) && len <= sizeof(ss) &&
	       !user_get(&ss, addr, len) &&
	       sock_tls_only(fd, CONF_TCP_CLIENT, (struct sockaddr *)&ss);
}
