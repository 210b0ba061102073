/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.h - the objects of the daemon, and who owns whom
 *
 * DOC: A namespace owns a listening socket, connections and applications. A
 * connection (an attach socket) owns at most one worker, and its end is the
 * worker's end. An application owns its workers, its queue to the daemon, its
 * listeners and its sessions. A session is one end of a connection; two of
 * them share a pair of FIFOs, which lies in a segment that only the two
 * applications have. FIFOs go when both ends have been told that their session
 * is gone; a segment goes with its last pair.
 *
 *	ns --< conn --- worker >-- app --< session --- pair >-- segment
 *	 |		  |	    |	      |				  |
 *	 +------< app	  +--< ----	      +-- peer session	 two apps
 *
 * Nothing here is freed while a round of the loop runs, but sessions, pairs
 * and listeners, which nobody holds across calls. Whoever finds a worker at
 * fault, or hears that it left, says worker_doom(); state_reap() buries the
 * doomed between two rounds. A doomed worker is sent nothing.
 */
#ifndef DAEMON_STATE_H
#define DAEMON_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

#include "core/shm/ctrl.h"
#include "core/shm/fifo.h"
#include "core/shm/mq.h"
#include "core/shm/seg.h"
#include "core/wire/ext.h"
#include "core/wire/offer.h"
#include "daemon/addr.h"
#include "daemon/conf.h"
#include "daemon/list.h"

#define MAX_WORKERS 255 /* a subscriber is named by one byte */
#define WORKER_WORDS ((MAX_WORKERS + 63) / 64)
#define PORT_HASH 256

struct ns {
	struct ns_conf conf;
	int fd;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	bool leaving; /* no longer in the configuration */
	struct list conns, apps;
	struct list listeners[PORT_HASH]; /* by port */
	unsigned n_conns, n_apps, n_unattached;
	uint8_t ports[65536 / 8]; /* given to clients of ours */
	uint16_t next_port;
	uint32_t turn; /* whose turn it is among listeners on one endpoint */
};

struct conn {
	uint32_t index;
	int fd;
	struct ns *ns;
	struct list on_ns;
	struct list on_doomed;
	struct worker *worker; /* NULL: has not attached */
	bool doomed;
	uid_t uid;
	pid_t pid;
	uint64_t netns;
	uint64_t deadline;   /* to attach; 0 once it has */
	struct diag *diag;   /* asks the kernel where the client is; NULL */
	uint32_t skip_bytes; /* the packet that follows a certificate message */
};

struct app {
	uint32_t index;
	struct ns *ns;
	struct list on_ns;
	char name[64];
	uid_t uid;
	pid_t pid;
	uint64_t netns;
	bool ext; /* it is libsapi's: may be told our extensions */
	bool mq_eventfd;
	bool ready; /* on the list of those with messages left */
	struct list on_ready;
	struct seg mq_seg; /* its queue to us: only its workers have it */
	struct mq mq;
	uint64_t mq_off;
	int evfd;
	uint32_t evt_queue_size;
	uint64_t add_segment_size;
	uint32_t rx_size, tx_size;
	struct worker *workers[MAX_WORKERS]; /* by worker map index */
	unsigned n_workers;
	struct list listeners;
	struct list segments[2]; /* as SIDE_SERVER, as SIDE_CLIENT */
	unsigned n_listeners, n_sessions, n_segments;
	uint64_t segment_bytes; /* as client: the connecting end pays */
	/* links, at either end: their halves, blocks, and segments */
	unsigned n_links, n_trunks;
	uint64_t link_bytes;
};

struct worker {
	struct app *app;
	struct conn *conn;
	uint32_t index;	 /* worker map index */
	uint32_t handle; /* api_client_handle */
	bool congested;
	struct list on_congested;
	struct seg seg; /* its queue from us, and its counters */
	uint64_t mq_off, stats_off, mail_off, kept_off;
	struct mq mq;
	int evfd;
	struct bell *bell;    /* wakes a client that waits without eventfd */
	struct list sessions; /* that it owns */
	struct list pending;  /* messages that did not fit */
	unsigned n_pending;
	struct list pending_io; /* sessions with an I/O event to come */
	struct sub_io *sub_io;	/* the same, where it is only subscribed */
	unsigned n_sub_io, max_sub_io;
	/* of libsapi only: see ext.h */
	struct list letters; /* messages that its socket had no room for */
	unsigned n_letters;
	uint32_t n_mails;   /* messages that it has been sent */
	struct peer *peer;  /* NULL: has offered nothing */
	struct port *ports; /* kernel ports that it listens on */
	unsigned n_ports;
};

enum side { SIDE_SERVER, SIDE_CLIENT };

struct segment {
	uint64_t id;
	struct seg seg;
	struct app *app[2]; /* by side; NULL once it is gone */
	struct list on_app[2];
	uint64_t known[2][WORKER_WORDS]; /* workers that have been given it */
	unsigned n_pairs;
	unsigned refs; /* announcements in the air, and its own existence */
	uint64_t bytes;
};

struct pair {
	struct segment *segment;
	struct fifo to_server, to_client;
	unsigned ends; /* sessions that are not gone */
	struct ns *ns;
	uint16_t port; /* ours, of the client, host order; 0: its own */
};

struct listener {
	uint64_t handle;
	struct app *app;
	struct list on_app;
	struct list on_ns;
	struct addr addr;
	uint64_t netns;
	bool v6only, reuseport;
	uint64_t members[WORKER_WORDS];	 /* workers that listen */
	uint64_t relieved[WORKER_WORDS]; /* of them: others accept instead */
	unsigned n_members;
	uint32_t turn;	       /* worker map index to begin with */
	struct list accepting; /* sessions announced, not yet accepted */
	unsigned n_accepting;
};

/*
 * ACCEPTING: announced to a worker of the server; what happens to it meanwhile
 * is held back in flags. Left by its reply (to OPEN, or gone), or by its
 * listener's end. CONNECTING: the client's end until then, but only up to
 * release 25.10: it hears of its connection with the server's reply. OPEN: may
 * talk; left by any of the application's ways to close, and then the session
 * is gone.
 */
enum session_state { SESSION_ACCEPTING, SESSION_CONNECTING, SESSION_OPEN };

#define SESSION_FIN_SENT (1u << 0)  /* it will write no more */
#define SESSION_FIN_TOLD (1u << 1)  /* it was told so of its peer */
#define SESSION_GONE_TOLD (1u << 2) /* ... that its peer is gone */
#define SESSION_RESET_TOLD (1u << 7)
#define SESSION_HELD_RX (1u << 3) /* to be told once it is accepted */
#define SESSION_HELD_FIN (1u << 4)
#define SESSION_HELD_RESET (1u << 5)
#define SESSION_HELD_GONE (1u << 6)

#define IO_RX (1u << 0)
#define IO_TX (1u << 1)

struct session {
	uint64_t handle;
	enum session_state state;
	enum side side;
	unsigned flags;
	struct app *app;
	struct worker *worker; /* gets its events */
	struct list on_worker;
	struct session *peer; /* NULL once that end is gone */
	struct pair *pair;
	uint32_t app_index; /* what the application calls it in I/O events */
	struct listener *listener; /* while ACCEPTING */
	struct list on_listener;
	struct addr lcl, rmt;
	unsigned io; /* I/O events to come */
	struct list on_io;
};

struct counters {
	uint64_t sessions, messages, doorbells, rejects;
	uint64_t offers, links, refused[WIRE_N_REFUSED];
	uint64_t link_bytes; /* by those that have ended; as clients say */
};

struct sapid {
	struct conf conf;
	char run_dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct ns *ns[CONF_MAX_NS];
	struct conn **conns;
	uint32_t max_conns;
	struct app **apps;
	uint32_t max_apps;
	unsigned n_sessions, n_segments, n_links, n_trunks;
	uint64_t netns; /* the daemon's own */
	uint64_t started_ms;
	struct counters count;
	struct list ready;     /* applications whose queue has more */
	struct list congested; /* workers whose queue was full */
	struct list doomed;    /* connections to bury */
};

extern struct sapid sapid;

#endif /* DAEMON_STATE_H */
