/* SPDX-License-Identifier: Apache-2.0 */
/* conf.c - the environment, the defaults, and which file is read */
#include "core/sess/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/kernel.h"
#include "core/base/log.h"
#include "core/sess/conf_parse.h"

#define FILE_MAX (1u << 20)

static struct conf the_conf;
static pthread_once_t the_once = PTHREAD_ONCE_INIT;
/* What the thread in conf_preset() brings, for load_once() to take. */
static __thread struct conf_preset *the_preset
	__attribute__((tls_model("initial-exec")));

/**
 * conf_slurp() - Read a file
 * @path:	of a regular file
 * @text:	set to its content and a NUL, to be freed
 *
 * Return: 0 or -errno; -EINVAL if it is no regular file (a pipe could block
 * the program), -EFBIG if it is above 1 MiB.
 */
int conf_slurp(const char *path, char **text)
{
	int fd = k_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0), ret;
	struct stat st;
	size_t len = 0;
	ssize_t got;
	char *buf;

	if (fd < 0)
		return fd;
	ret = k_fstat(fd, &st);
	if (ret == 0 && !S_ISREG(st.st_mode))
		ret = -EINVAL;
	if (ret == 0 && st.st_size > FILE_MAX)
		ret = -EFBIG;
	if (ret < 0)
		goto close_fd;
	ret = -ENOMEM;
	buf = malloc((size_t)st.st_size + 1);
	if (!buf)
		goto close_fd;
	do {
		got = k_read(fd, buf + len, (size_t)st.st_size - len);
		len += got > 0 ? (size_t)got : 0;
	} while (got > 0 && len < (size_t)st.st_size);
	buf[len] = '\0';
	*text = buf;
	ret = got < 0 ? (int)got : 0;
	if (ret < 0)
		free(buf);
close_fd:
	k_close(fd);
	return ret;
}

static void copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from);
}

/**
 * conf_init() - The defaults, as stock VCL has them
 * @conf:	to fill
 */
void conf_init(struct conf *conf)
{
	*conf = (struct conf){
		.namespace_id = "default",
		.segment_size = 256u << 20,
		.add_segment_size = 128u << 20,
		.rx_fifo_size = 1u << 20,
		.tx_fifo_size = 1u << 20,
		.event_queue_size = 2048,
		.prealloc_fifo_pairs = 8,
		.session_timeout_ms = 600000,
		.spin_us = 50,
		.upgrade_turns = 3,
		.upgrade_bytes = 64u << 10,
		.stats = true,
		.use = CONF_AUTO,
	};
	copy(conf->program, sizeof(conf->program),
	     program_invocation_short_name);
	copy(conf->app_name, sizeof(conf->app_name), conf->program);
}

/**
 * conf_free() - Free what parsing allocated
 * @conf:	initialised by conf_init()
 */
void conf_free(struct conf *conf)
{
	struct conf_rule *rule = conf->rules, *next;

	for (; rule; rule = next) {
		next = rule->next;
		conf_tls_free(&rule->tls);
		free(rule);
	}
	conf->rules = NULL;
}

static int parse(struct conf *conf, const char *file, const char *text,
		 bool rules_only, struct conf_rule **tail,
		 conf_complain *complain, void *arg)
{
	struct conf_input in = {
		.conf = conf,
		.complain = complain,
		.arg = arg,
		.file = file,
		.filter.applies = true,
		.tail = tail,
	};

	conf_text(&in, text, rules_only);
	return in.wrong;
}

/**
 * conf_parse() - Read a configuration file's text
 * @conf:	changed; rules are appended
 * @file:	its name, for complaints and for `include`
 * @text:	its content
 * @complain:	is given each wrong line; may be NULL
 * @arg:	for @complain
 *
 * Return: how many lines were wrong.
 */
int conf_parse(struct conf *conf, const char *file, const char *text,
	       conf_complain *complain, void *arg)
{
	struct conf_rule **tail = &conf->rules;

	while (*tail)
		tail = &(*tail)->next;
	return parse(conf, file, text, false, tail, complain, arg);
}

/**
 * conf_rules() - Put rules before all others
 * @conf:	changed
 * @origin:	where they come from, for complaints
 * @text:	rules, separated by ';' or newlines
 * @complain:	is given each wrong rule; may be NULL
 * @arg:	for @complain
 *
 * Return: how many were wrong.
 */
int conf_rules(struct conf *conf, const char *origin, const char *text,
	       conf_complain *complain, void *arg)
{
	return parse(conf, origin, text, true, &conf->rules, complain, arg);
}

/* A path that is cut off would name something else. */
static void env_path(const char *name, char path[CONF_PATH])
{
	const char *v = secure_getenv(name);

	if (v && strlen(v) >= CONF_PATH)
		log_warn("%s is too long for a socket", name);
	else if (v && *v)
		strcpy(path, v);
}

/* The environment, VCL's names first; set at all is on, as there. */
static void env_vcl(struct conf *conf)
{
	const char *v;

	if ((v = secure_getenv("VCL_APP_NAMESPACE_ID")) && *v)
		copy(conf->namespace_id, sizeof(conf->namespace_id), v);
	env_path("VCL_VPP_SAPI_SOCKET", conf->vpp_socket);
	if (secure_getenv("VCL_APP_PROXY_TRANSPORT_TCP"))
		conf->proxy_tcp = true;
	if (secure_getenv("VCL_APP_PROXY_TRANSPORT_UDP"))
		conf->proxy_udp = true;
	if (secure_getenv("VCL_APP_SCOPE_LOCAL"))
		conf->scope_local = true;
	if (secure_getenv("VCL_APP_SCOPE_GLOBAL"))
		conf->scope_global = true;
	if (secure_getenv("VCL_APP_USE_MQ_EVENTFD"))
		conf->use_mq_eventfd = true;
}

/* The names that application-id compares must be known before the file is
 * read. */
static void env_name(struct conf *conf)
{
	const char *v = secure_getenv("SAPI_APPLICATION_ID");

	if (!v || !*v)
		v = secure_getenv("LDP_APP_NAME");
	if (v && *v)
		copy(conf->app_name, sizeof(conf->app_name), v);
}

static int env_sapi(struct conf *conf, conf_complain *complain, void *arg)
{
	const char *v = secure_getenv("SAPI_DEFAULT");
	char line[64];
	int wrong = 0;

	if (v && *v) {
		snprintf(line, sizeof(line), "default %s", v);
		wrong += conf_rules(conf, "SAPI_DEFAULT", line, complain, arg);
	}
	v = secure_getenv("SAPI_RULES");
	if (v)
		wrong += conf_rules(conf, "SAPI_RULES", v, complain, arg);
	return wrong;
}

/* VCL makes every socket TLS then, and so do we every one of TCP that no rule
 * of a file is about.  Without a certificate, which VCL's clients need too, we
 * can be a client. */
static int env_tls(struct conf *conf, conf_complain *complain, void *arg)
{
	static const char rule[] = "use vpp %s *:* tls%s%s%s%s\n";
	const char *cert = secure_getenv("LDP_TLS_CERT_FILE"),
		   *key = secure_getenv("LDP_TLS_KEY_FILE");
	struct conf_rule **tail = &conf->rules;
	char *text = NULL;
	int wrong = 0, i;

	if (!secure_getenv("LDP_TRANSPARENT_TLS") ||
	    (conf->use != CONF_AUTO && conf->use != CONF_VPP))
		return 0;
	for (i = 0; i < 2; i++) {
		while (*tail)
			tail = &(*tail)->next;
		if (asprintf(&text, rule, i ? "tcp_server" : "tcp_client",
			     cert ? " tls-cert=" : "", cert ? cert : "",
			     key ? " tls-key=" : "", key ? key : "") < 0)
			return wrong;
		wrong += parse(conf, "LDP_TRANSPARENT_TLS", text, true, tail,
			       complain, arg);
		free(text);
	}
	return wrong;
}

static bool is_there(const char *path)
{
	int fd = k_open(path, O_PATH | O_CLOEXEC, 0);

	if (fd >= 0)
		k_close(fd);
	return fd >= 0;
}

/* /tmp is everybody's: a directory there that another user made in our name
 * is not where our daemon is. */
static bool is_foreign(const char *dir)
{
	int fd = k_open(dir, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	struct stat st;
	bool foreign;

	if (fd < 0)
		return false;
	foreign = k_fstat(fd, &st) < 0 || st.st_uid != geteuid();
	k_close(fd);
	return foreign;
}

/* The namespace's socket of a daemon in @dir; "" if it has no room. */
static void socket_in(const struct conf *conf, const char *dir,
		      char path[CONF_PATH])
{
	int len = snprintf(path, CONF_PATH, "%s/app_ns_sockets/%s", dir,
			   conf->namespace_id);

	if (!*dir || len < 0 || len >= CONF_PATH)
		path[0] = '\0';
}

/* The three places where a daemon may be, as sapid chooses: "" if there is no
 * such place. */
static void place(unsigned i, char dir[CONF_PATH])
{
	const char *v = secure_getenv("XDG_RUNTIME_DIR");
	int len = 0;

	if (i == 0 && v && *v == '/')
		len = snprintf(dir, CONF_PATH, "%s/sapi", v);
	else if (i == 1)
		len = snprintf(dir, CONF_PATH, "/run/sapi");
	else if (i == 2)
		len = snprintf(dir, CONF_PATH, "/tmp/sapi-%u",
			       (unsigned)geteuid());
	if (len <= 0 || len >= CONF_PATH || (i == 2 && is_foreign(dir)))
		dir[0] = '\0';
}

/**
 * conf_own_socket() - Where the daemon would be that this user starts
 * @conf:	names the namespace
 * @path:	set; "" if it would be too long
 */
void conf_own_socket(const struct conf *conf, char path[CONF_PATH])
{
	char dir[CONF_PATH];

	place(geteuid() ? 0 : 1, dir);
	if (!*dir)
		place(2, dir);
	socket_in(conf, dir, path);
}

/* Where sapid is: $SAPI_SOCKET, the `daemon` key, else the first of its
 * places that has the namespace's socket, else where it would appear. */
static void find_daemon(struct conf *conf)
{
	char dir[CONF_PATH];
	unsigned i;

	env_path("SAPI_SOCKET", conf->shm_socket);
	conf->shm_socket_given = conf->shm_socket[0];
	for (i = 0; !conf->shm_socket_given && i < 3; i++) {
		place(i, dir);
		socket_in(conf, dir, conf->shm_socket);
		if (conf->shm_socket[0] && is_there(conf->shm_socket))
			return;
	}
	if (!conf->shm_socket_given)
		conf_own_socket(conf, conf->shm_socket);
	if (!conf->shm_socket[0])
		log_warn("/tmp/sapi-%u is somebody else's and not used",
			 (unsigned)geteuid());
}

/* The file to read: which must be there if a variable names it. */
static const char *find_file(void)
{
	static const char *const file[] = { SYSCONFDIR "/sapi/sapi.conf",
					    "/etc/sapi/sapi.conf",
					    "/etc/vpp/vcl.conf" };
	const char *v = secure_getenv("SAPI_CONFIG");
	size_t i;

	if (!v || !*v)
		v = secure_getenv("VCL_CONFIG");
	if (v && *v)
		return v;
	for (i = 0; i < ARRAY_SIZE(file); i++)
		if (is_there(file[i]))
			return file[i];
	return NULL;
}

static bool is_disabled(void)
{
	const char *v = secure_getenv("SAPI_DISABLE");

	return v && !strcmp(v, "1");
}

/* What the program says itself: beats the file, not the environment. */
static int take_preset(struct conf *conf, struct conf_preset *p,
		       conf_complain *complain, void *arg)
{
	if (!p)
		return 0;
	if (p->socket_path)
		copy(conf->shm_socket, sizeof(conf->shm_socket),
		     p->socket_path);
	if (p->rules)
		p->wrong = conf_rules(conf, "sapi_attach", p->rules, complain,
				      arg);
	p->taken = true;
	return p->wrong;
}

/**
 * conf_load() - Read a file and the environment
 * @conf:	initialised by conf_init()
 * @path:	the file; NULL: look for it as conf.h says
 * @complain:	is given what is wrong; may be NULL
 * @arg:	for @complain
 *
 * Return: how many lines were wrong, or -errno if @path can't be read.
 */
int conf_load(struct conf *conf, const char *path, conf_complain *complain,
	      void *arg)
{
	const char *file = path ? path : find_file();
	int wrong = 0, ret;
	char *text;

	conf->disabled = is_disabled();
	if (the_preset && the_preset->name)
		copy(conf->app_name, sizeof(conf->app_name), the_preset->name);
	env_name(conf);
	if (file) {
		ret = conf_slurp(file, &text);
		if (ret < 0 && path)
			return ret;
		if (ret < 0) {
			log_warn("%s: %s", file, strerror(-ret));
		} else {
			copy(conf->source, sizeof(conf->source), file);
			wrong += conf_parse(conf, file, text, complain, arg);
			free(text);
		}
	}
	wrong += take_preset(conf, the_preset, complain, arg);
	env_vcl(conf);
	wrong += env_sapi(conf, complain, arg);
	wrong += env_tls(conf, complain, arg);
	find_daemon(conf);
	return wrong;
}

/* SAPI_LOG, else LDP_DEBUG or VCL_DEBUG, whose levels are numbers. */
static void env_log(void)
{
	const char *v = secure_getenv("SAPI_LOG");

	if (v && *v) {
		if (log_open(v) == 0)
			return;
		log_level = LOG_WARN;
		log_warn("SAPI_LOG=%s: not LEVEL[:FILE]", v);
		return;
	}
	v = secure_getenv("LDP_DEBUG");
	if (!v)
		v = secure_getenv("VCL_DEBUG");
	if (v && *v > '0' && *v <= '9')
		log_level = *v == '1' && !v[1] ? LOG_INFO : LOG_DEBUG;
}

static void complain_to_log(void *arg, const char *file, unsigned line,
			    const char *what)
{
	log_warn("%s:%u: %s", file, line, what);
}

static void env_ignored(void)
{
	if (secure_getenv("LDP_SID_BIT"))
		log_info("LDP_SID_BIT means nothing here");
}

static void load_once(void)
{
	int wrong;

	conf_init(&the_conf);
	if (is_disabled()) {
		the_conf.disabled = true;
		the_conf.use = CONF_OS;
		return;
	}
	env_log();
	env_ignored();
	wrong = conf_load(&the_conf, NULL, complain_to_log, NULL);
	if (wrong > 0)
		log_info("%d wrong lines were skipped", wrong);
}

/**
 * conf_get() - The process's configuration
 *
 * Return: never NULL; the same in every call.
 */
const struct conf *conf_get(void)
{
	pthread_once(&the_once, load_once);
	return &the_conf;
}

/**
 * conf_preset() - Settle the configuration, with what the program says
 * @p:	name, socket_path and rules, any of them NULL; wrong is set
 *
 * Return: 0, -EALREADY if it was settled before and @p came too late.
 */
int conf_preset(struct conf_preset *p)
{
	p->taken = false;
	p->wrong = 0;
	the_preset = p;
	conf_get();
	the_preset = NULL;
	return p->taken ? 0 : -EALREADY;
}
