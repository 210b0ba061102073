/* SPDX-License-Identifier: Apache-2.0 */
/* cmsg.c - control messages of the program's, in sendmsg(2) */
#include <sys/socket.h>

#include "core/base/user.h"
#include "core/sock/table.h"

/* Is there one of that level?  True also if they can't be read. */
bool cmsg_any(const struct msghdr *msg, int level)
{
	struct msghdr *m = (struct msghdr *)msg; /* CMSG_NXTHDR() wants it so */
	struct cmsghdr *c;

	if (likely(!msg->msg_controllen))
		return false;
	if (!user_ok(msg->msg_control, msg->msg_controllen))
		return true;
	for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == level)
			return true;
	return false;
}
