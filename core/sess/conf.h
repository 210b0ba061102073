/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.h - environment and configuration files, read once
 *
 * Looked for: $SAPI_CONFIG, else $VCL_CONFIG, else /etc/sapi/sapi.conf, else
 * /etc/vpp/vcl.conf; a missing file is no error.  Environment beats file
 * beats default (PEERS.md 2.1, 2.2, 6.2).  The only place that reads either.
 */
#ifndef SESS_CONF_H
#define SESS_CONF_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/base/base.h"

enum conf_use {
	CONF_AUTO, /* shared memory if the peer can, else the kernel */
	CONF_SHM,  /* sapid's session layer, else the kernel */
	CONF_VPP,  /* VPP's session layer, else the kernel */
	CONF_OS,   /* the kernel */
};

enum conf_role {
	CONF_TCP_SERVER,
	CONF_TCP_CLIENT,
	CONF_UDP_SENDER,
	CONF_UDP_RECEIVER,
	CONF_UDP_CONNECT,
	CONF_UNIX_SERVER,
	CONF_UNIX_CLIENT,
};

/* TLS by VPP, as a rule wants it. */
struct conf_tls {
	bool on;
	bool wrong;  /* what the rule is about fails */
	bool meant;  /* some word of the rule begins with tls */
	bool verify; /* the peer must show a certificate that VPP trusts */
	bool engine_as_is; /* given as a number, which is VPP's own */
	uint8_t engine;	   /* enum wire_engine; 0: VPP's choice */
	char *cert, *key;  /* files, in PEM; NULL: none */
	char *host;	   /* client: whose certificate it must be; NULL */
};
#define CONF_ENGINE_MAX 4

#define CONF_PATH 108 /* as sockaddr_un.sun_path */

/* What a rule says about one socket. */
struct conf_choice {
	enum conf_use use;
	bool require;	    /* fail rather than fall back to the kernel */
	bool hybrid;	    /* a listener also listens in the kernel */
	uint32_t spin_us;   /* spin before sleeping, at most; 0: never */
	uint32_t fifo_size; /* bytes a direction */
	bool local, global; /* scope, for VPP */
	const struct conf_tls *tls; /* of VPP; NULL: none.  Never by the kernel,
				       whatever happens: require is set */
	const char *file; /* where the rule stands; "default" if none */
	unsigned line;
	int rule; /* for conf_rule_text(); -1: none matches */
};

struct conf {
	bool disabled;		    /* SAPI_DISABLE=1: touch nothing */
	char program[64];	    /* what application-id compares; the
				       program's name without its path */
	char source[256];	    /* the file that was read; "" if none */
	char app_name[64];	    /* SAPI_APPLICATION_ID, LDP_APP_NAME, else
				       the program's name */
	char shm_socket[CONF_PATH]; /* sapid's namespace socket */
	bool shm_socket_given;	    /* by variable or file: look nowhere else */
	char vpp_socket[CONF_PATH]; /* app-socket-api; "" if not given */
	char namespace_id[64];	    /* picks shm_socket; "default" */
	uint64_t segment_size;
	uint64_t add_segment_size;
	uint32_t rx_fifo_size, tx_fifo_size;
	uint32_t event_queue_size;
	uint32_t prealloc_fifo_pairs;
	bool scope_local, scope_global;
	bool use_mq_eventfd;
	bool huge_page;
	bool original_dst;
	bool proxy_tcp, proxy_udp;
	uint32_t tls_engine;
	uint32_t session_timeout_ms;
	uint32_t vpp_release; /* "26.06" as 2606; 0: find out */
	uint32_t spin_us;
	uint32_t fifo_size;	/* of a link; 0: the larger of rx and tx */
	uint32_t upgrade_turns; /* exchanges before a link is offered */
	uint32_t upgrade_bytes; /* or bytes, both ways */
	bool stats;
	bool io_uring;		 /* let the program have it */
	enum conf_use use;	 /* when no rule matches; UDP: the kernel */
	bool require;		 /* ... and whether it must */
	bool tls;		 /* a rule for this process wants it */
	struct conf_rule *rules; /* private to conf.c, in order */
};

/* The process's configuration; parsed on the first call, never freed.  Wrong
 * lines are logged with file and line and skipped. Thread-safe. */
const struct conf *conf_get(void);
/* "26.06" as 2606; *end is behind it.  -EINVAL */
int conf_release(const char *word, uint32_t *release,
		 const char **end) MUST_CHECK;

/* The program's own word, given before the first conf_get(): beats the file,
 * not the environment.  -EALREADY if it comes too late. */
struct conf_preset {
	const char *name, *socket_path, *rules; /* NULL: nothing to say */
	int wrong;				/* rules that were */
	bool taken;
};
int conf_preset(struct conf_preset *preset) MUST_CHECK;

/*
 * What to do with a socket: first rule that matches.  For a server @addr is
 * the local address; for a client @addr is the remote one and @local, which
 * may be NULL, the local one.  An IPv4-mapped IPv6 address counts as IPv4.
 */
void conf_choose(const struct conf *conf, enum conf_role role,
		 const struct sockaddr *addr, const struct sockaddr *local,
		 struct conf_choice *choice);

/* May any UDP socket have links?  Be VPP's? */
bool conf_any_udp(const struct conf *conf);
bool conf_udp_by_vpp(const struct conf *conf);

/* Is nothing to be done before the kernel's connect(2) of TCP? */
bool conf_kernel_first(const struct conf *conf);

/* Parse @text as the content of @file into @conf (for tests and tools): the
 * number of wrong lines, each given to @complain. */
typedef void conf_complain(void *arg, const char *file, unsigned line,
			   const char *what);
void conf_init(struct conf *conf);
/* What conf_get() does, without SAPI_LOG: @path, or if NULL the file looked
 * for as above, then the environment. */
int conf_load(struct conf *conf, const char *path, conf_complain *complain,
	      void *arg) MUST_CHECK;
/* shm_socket, if it is that of the daemon which this user would start */
void conf_own_socket(const struct conf *conf, char path[CONF_PATH]);
int conf_parse(struct conf *conf, const char *file, const char *text,
	       conf_complain *complain, void *arg) MUST_CHECK;
/* @text: rules separated by ';' or newlines, put before those there are */
int conf_rules(struct conf *conf, const char *origin, const char *text,
	       conf_complain *complain, void *arg) MUST_CHECK;
void conf_free(struct conf *conf);

/* The content of a regular file, to be freed: 0 or -errno */
int conf_slurp(const char *path, char **text) MUST_CHECK;

/* The rules one by one, for `sapi check`; also those that are filtered out. */
struct conf_rule_text {
	const char *file;
	unsigned line;
	bool applies;	  /* its application-id admits this process */
	char filter[160]; /* "program id [uid=n]"; "" if none */
	char use[8], role[96], match[256], options[1536];
};
/* Rule @index, from 0, the built-in ones last; false: there is none. */
bool conf_rule_text(const struct conf *conf, unsigned index,
		    struct conf_rule_text *text);
/* "tcp_server" and so on; -EINVAL if it is none */
int conf_role_of(const char *name) MUST_CHECK;
const char *conf_use_name(enum conf_use use);

#endif /* SESS_CONF_H */
