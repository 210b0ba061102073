/* SPDX-License-Identifier: Apache-2.0 */
/* bind.c - bind to an address that VPP has and this host's kernel has not */
#include <errno.h>
#include <netinet/in.h>

#include "core/base/kernel.h"
#include "core/sock/dgram.h"
#include "core/sock/sock.h"
#include "core/sock/table.h"
#include "core/sock/vudp.h"

/* What is bound may listen or connect: is either VPP's by the rules? */
static bool is_vpps(const struct sockaddr *sa, bool udp)
{
	struct conf_choice choice;

	conf_choose(conf_get(), udp ? CONF_UDP_RECEIVER : CONF_TCP_SERVER, sa,
		    NULL, &choice);
	if (choice.use == CONF_VPP)
		return true;
	conf_choose(conf_get(), udp ? CONF_UDP_CONNECT : CONF_TCP_CLIENT, sa,
		    NULL, &choice);
	return choice.use == CONF_VPP;
}

static bool vpp_is_there(void)
{
	struct app *app;

	sock_init();
	app = app_get(CONF_VPP);
	if (app)
		app_put(app);
	return app;
}

static int bind_freely(int fd, int domain, const struct sockaddr *sa,
		       socklen_t len)
{
	int level = domain == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
	    name = domain == AF_INET ? IP_FREEBIND : IPV6_FREEBIND, on = 1, err;

	err = k_setsockopt(fd, level, name, &on, sizeof(on));
	return err ? err : k_bind(fd, sa, len);
}

/* The kernel has said @err.  From here on VPP's datagrams come as well. */
static int bind_udp(struct sock *s, int fd, const struct sockaddr *sa,
		    socklen_t len, int err)
{
	bool vpps = err == -EADDRNOTAVAIL;
	struct ctrl_addr addr;

	if (!s->dgram->may_vpp || (err && !vpps))
		return err;
	if (vpps) {
		if (addr_to_ctrl(sa, len, &addr) || !is_vpps(sa, true) ||
		    !vpp_is_there())
			return err;
		err = bind_freely(fd, s->domain, sa, len);
	}
	if (err)
		return err;
	s->dgram->bound = true;
	return vudp_bound(s, fd, vpps);
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
	struct sock *s = sock_get(fd);
	bool udp = s && s->kind == SOCK_UDP;
	struct ctrl_addr addr;

	if (udp)
		err = bind_udp(s, fd, sa, len, err);
	if (s)
		sock_put(s);
	if (udp || err != -EADDRNOTAVAIL || conf_get()->disabled ||
	    addr_to_ctrl(sa, len, &addr) || !is_vpps(sa, false))
		return err;
	domain = sock_tcp_domain(fd);
	if (domain < 0 || !vpp_is_there())
		return err;
	return bind_freely(fd, domain, sa, len);
}
