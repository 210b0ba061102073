/* SPDX-License-Identifier: Apache-2.0 */
/* bind.c - bind to an address that VPP has and this host's kernel has not */
#include <errno.h>
#include <netinet/in.h>

#include "core/base/kernel.h"
#include "core/sock/sock.h"
#include "core/sock/table.h"

/* What is bound may listen or connect: is either VPP's by the rules? */
static bool is_vpps(const struct sockaddr *sa)
{
	struct conf_choice choice;

	conf_choose(conf_get(), CONF_TCP_SERVER, sa, NULL, &choice);
	if (choice.use == CONF_VPP)
		return true;
	conf_choose(conf_get(), CONF_TCP_CLIENT, sa, NULL, &choice);
	return choice.use == CONF_VPP;
}

static int bind_freely(int fd, int domain, const struct sockaddr *sa,
		       socklen_t len)
{
	int level = domain == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
	    name = domain == AF_INET ? IP_FREEBIND : IPV6_FREEBIND, on = 1, err;

	err = k_setsockopt(fd, level, name, &on, sizeof(on));
	return err ? err : k_bind(fd, sa, len);
}

/**
 * sock_bind() - bind(2), also to an address of VPP's
 *
 * The kernel's socket keeps the address for getsockname(), and the port from
 * others of this host who want both.  A VPP that is not there has no address.
 */
int sock_bind(int fd, const struct sockaddr *sa, socklen_t len)
{
	int err = k_bind(fd, sa, len), domain;
	struct ctrl_addr addr;
	struct app *app;

	if (err != -EADDRNOTAVAIL || conf_get()->disabled ||
	    addr_to_ctrl(sa, len, &addr) || !is_vpps(sa))
		return err;
	domain = sock_tcp_domain(fd);
	if (domain < 0)
		return err;
	sock_init();
	app = app_get(CONF_VPP);
	if (!app)
		return err;
	app_put(app);
	return bind_freely(fd, domain, sa, len);
}
