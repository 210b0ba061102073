/* SPDX-License-Identifier: Apache-2.0 */
/* diag.c - one question to the kernel's socket diagnostics */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

#include "core/base/kernel.h"
#include "core/sess/app.h"
#include "core/sock/link.h"

/* The kernel answers while we send, so nothing is waited for. */
static ssize_t ask(int nl, const struct nlmsghdr *question, void *answer,
		   size_t size)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct sockaddr_nl from = { 0 };
	socklen_t len = sizeof(from);
	ssize_t n;

	n = k_sendto(nl, question, question->nlmsg_len,
		     MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&kernel,
		     sizeof(kernel));
	if (n >= 0)
		n = k_recvfrom(nl, answer, size, MSG_DONTWAIT,
			       (struct sockaddr *)&from, &len);
	/* who has the right to may send here, too */
	return n >= 0 && from.nl_pid ? -EPROTO : n;
}

ssize_t sock_diag_ask(const struct nlmsghdr *question, struct nlmsghdr *answer,
		      size_t size, size_t least)
{
	int cancel = cancel_off(), nl;
	ssize_t n;

	/* high, where a program that closes what it finds does not come */
	nl = private_fd(k_socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
				 NETLINK_SOCK_DIAG));
	n = nl < 0 ? nl : ask(nl, question, answer, size);
	private_close(nl);
	cancel_back(cancel);
	if (n >= 0 &&
	    ((size_t)n < least || answer->nlmsg_type != SOCK_DIAG_BY_FAMILY))
		return -EPROTO;
	return n;
}
