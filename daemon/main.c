/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - sapid: options, signals, the loop */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef HAVE_LIBSYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "core/base/kernel.h"
#include "core/base/log.h"
#include "core/shm/dialect.h"
#include "daemon/bell.h"
#include "daemon/client.h"
#include "daemon/dispatch.h"
#include "daemon/ext.h"
#include "daemon/loop.h"
#include "daemon/ns.h"
#include "daemon/offer.h"
#include "daemon/post.h"
#include "daemon/slot.h"
#include "daemon/state.h"
#include "daemon/status.h"
#include "daemon/sys.h"

#define MAX_EXTRA 16

struct options {
	const char *conf_file; /* NULL: the default one, if it is there */
	const char *run_dir;
	const char *log;
	const char *release;
	const char *extra[MAX_EXTRA]; /* namespaces */
	unsigned n_extra;
	int ready_fd;
};

struct sapid sapid;

static volatile sig_atomic_t stopping, reloading;
static int signal_fd = -1; /* an eventfd: makes the loop look */

static const char help_text[] =
	"Usage: sapid [options]\n"
	"\n"
	"The session daemon of libsapi: connects local programs over shared\n"
	"memory. Stays in the foreground and logs to standard error.\n"
	"\n"
	"  -c, --config FILE    read FILE instead of " CONF_DEFAULT_FILE "\n"
	"      --run-dir DIR    where the sockets are; default for root is\n"
	"                       /run/sapi, else $XDG_RUNTIME_DIR/sapi, else\n"
	"                       /tmp/sapi-UID\n"
	"      --namespace NAME serve this one too; may be repeated\n"
	"      --log LEVEL      none, error, warn, info (default), debug;\n"
	"                       LEVEL:FILE writes to a file\n"
	"      --vpp-release R  what clients of namespaces that do not say\n"
	"                       otherwise speak: 26.06 (default), 25.10, ...\n"
	"      --ready-fd N     write an empty line to descriptor N, close "
	"it,\n"
	"                       once the sockets are open\n"
	"      --foreground     the default; accepted for symmetry\n"
	"  -h, --help           this text\n"
	"  -V, --version        the version\n"
	"\n"
	"SIGHUP reads the configuration again; SIGTERM and SIGINT end it.\n";

static void on_signal(int sig)
{
	const uint64_t one = 1;

	if (sig == SIGHUP)
		reloading = 1;
	else
		stopping = 1;
	/* A counter that is full has woken the loop already */
	(void)!k_write(signal_fd, &one, sizeof(one));
}

static void signal_event(uint32_t index, uint32_t events)
{
	uint64_t count;

	(void)index;
	(void)events;
	(void)!k_read(signal_fd, &count, sizeof(count));
}

static int signals_open(void)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	signal_fd = k_eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (signal_fd < 0)
		return signal_fd;
	sigfillset(&sa.sa_mask);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	loop_handle(LOOP_SIGNAL, signal_event);
	return loop_add(signal_fd, LOOP_SIGNAL, 0, EPOLLIN);
}

static void notify(const char *state)
{
#ifdef HAVE_LIBSYSTEMD
	sd_notify(0, state);
#else
	(void)state;
#endif
}

/* The programs look there too (core/sess/conf.c). */
static int choose_run_dir(const struct options *o)
{
	const char *xdg = secure_getenv("XDG_RUNTIME_DIR");
	size_t max = sizeof(sapid.run_dir);
	int n;

	if (o->run_dir)
		n = snprintf(sapid.run_dir, max, "%s", o->run_dir);
	else if (!geteuid())
		n = snprintf(sapid.run_dir, max, "/run/sapi");
	else if (xdg && *xdg)
		n = snprintf(sapid.run_dir, max, "%s/sapi", xdg);
	else
		n = snprintf(sapid.run_dir, max, "/tmp/sapi-%u", geteuid());
	return n < 0 || (size_t)n >= max ? -ENAMETOOLONG : 0;
}

static int read_conf(const struct options *o, struct conf *conf)
{
	const char *path = o->conf_file ? o->conf_file : CONF_DEFAULT_FILE;
	unsigned i;
	int ret;

	conf_init(conf);
	if (o->release && conf_dialect(o->release, &conf->dialect)) {
		log_err("--vpp-release: %s is none of VPP's that are "
			"known, " DIALECT_RELEASES,
			o->release);
		return -EINVAL;
	}
	ret = conf_load(conf, path);
	if (ret == -ENOENT && o->conf_file)
		log_err("configuration file=%s error=\"can't be read\"", path);
	if (ret && (ret != -ENOENT || o->conf_file))
		return ret;
	if (!conf->n_ns && !conf_ns(conf, "default"))
		return -ENOMEM;
	for (i = 0; i < o->n_extra; i++)
		if (!conf_ns(conf, o->extra[i])) {
			log_err("can't serve namespace=%s error=\"name\"",
				o->extra[i]);
			return -EINVAL;
		}
	return 0;
}

static void reload(const struct options *o)
{
	struct conf conf;

	reloading = 0;
	if (read_conf(o, &conf)) {
		log_warn("reload-failed: going on as before");
		return;
	}
	sapid.conf = conf;
	if (ns_apply(&sapid.conf))
		log_warn("reload-incomplete");
	else
		log_info("reloaded namespaces=%u", sapid.conf.n_ns);
}

/* The sooner of two, where -1 is never. */
static int sooner(int a, int b)
{
	if (a < 0 || b < 0)
		return MAX(a, b);
	return MIN(a, b);
}

static int run(const struct options *o)
{
	int ms, ret = 0;

	while (!stopping && !ret) {
		if (reloading)
			reload(o);
		client_reap();
		ns_reap();
		ms = sooner(post_retry(), client_deadline());
		ms = sooner(ms, offer_deadline());
		if (!list_empty(&sapid.doomed) || !list_empty(&sapid.ready))
			ms = 0;
		ret = loop_once(ms);
		dispatch_run();
	}
	return ret;
}

static void say_ready(const struct options *o)
{
	notify("READY=1");
	if (o->ready_fd < 0)
		return;
	if (k_write(o->ready_fd, "\n", 1) < 0)
		log_warn("ready-fd can't be written");
	k_close(o->ready_fd);
}

static int start(const struct options *o)
{
	int ret;

	sapid.started_ms = loop_now_ms();
	list_init(&sapid.congested);
	list_init(&sapid.ready);
	list_init(&sapid.doomed);
	ret = choose_run_dir(o);
	if (!ret)
		ret = read_conf(o, &sapid.conf);
	if (!ret)
		ret = loop_open();
	if (!ret)
		ret = signals_open();
	if (ret)
		return ret;
	client_init();
	ext_open();
	dispatch_init();
	ret = ns_init();
	if (ret == -EBUSY)
		log_err("another sapid serves run-dir=%s", sapid.run_dir);
	else if (ret)
		log_err("can't use run-dir=%s error=\"%s\"", sapid.run_dir,
			strerror(-ret));
	if (!ret)
		ret = status_open();
	if (!ret)
		ret = ns_apply(&sapid.conf);
	return ret;
}

static void parse_extra(struct options *o, const char *name)
{
	if (o->n_extra == MAX_EXTRA) {
		fprintf(stderr, "sapid: too many --namespace\n");
		exit(2);
	}
	o->extra[o->n_extra++] = name;
}

static void parse_ready_fd(struct options *o, const char *text)
{
	unsigned long long n;

	if (sys_number(text, 1 << 20, &n)) {
		fprintf(stderr, "sapid: --ready-fd wants a descriptor\n");
		exit(2);
	}
	o->ready_fd = (int)n;
}

static void parse(struct options *o, int argc, char **argv)
{
	enum { RUN_DIR = 256, NAMESPACE, LOG, READY_FD, RELEASE, FOREGROUND };
	static const struct option long_options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "run-dir", required_argument, NULL, RUN_DIR },
		{ "namespace", required_argument, NULL, NAMESPACE },
		{ "log", required_argument, NULL, LOG },
		{ "ready-fd", required_argument, NULL, READY_FD },
		{ "vpp-release", required_argument, NULL, RELEASE },
		{ "foreground", no_argument, NULL, FOREGROUND },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "c:hV", long_options, NULL)) >= 0)
		switch (opt) {
		case 'c':
			o->conf_file = optarg;
			break;
		case RUN_DIR:
			o->run_dir = optarg;
			break;
		case NAMESPACE:
			parse_extra(o, optarg);
			break;
		case LOG:
			o->log = optarg;
			break;
		case READY_FD:
			parse_ready_fd(o, optarg);
			break;
		case RELEASE:
			o->release = optarg; /* the file may say otherwise */
			break;
		case FOREGROUND:
			break;
		case 'h':
			fputs(help_text, stdout);
			exit(0);
		case 'V':
			puts("sapid " PACKAGE_VERSION);
			exit(0);
		default:
			fputs("Try 'sapid --help'.\n", stderr);
			exit(2);
		}
	if (optind < argc) {
		fprintf(stderr, "sapid: what is '%s'?\n", argv[optind]);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct options o = { .log = "info", .ready_fd = -1 };
	int ret;

	bell_main(argc, argv);
	log_name = "sapid";
	parse(&o, argc, argv);
	if (log_open(o.log)) {
		fprintf(stderr, "sapid: --log wants a level\n");
		return 2;
	}
	umask(0077);
	sys_raise_nofile();
	ret = start(&o);
	if (!ret) {
		log_info("started version=%s run-dir=%s", PACKAGE_VERSION,
			 sapid.run_dir);
		say_ready(&o);
		ret = run(&o);
		notify("STOPPING=1");
	}
	status_close();
	ns_close_all();
	ext_close();
	client_close();
	slot_close();
	free(sapid.apps);
	loop_close();
	if (signal_fd >= 0)
		k_close(signal_fd);
	log_info("stopped");
	return ret ? 1 : 0;
}
