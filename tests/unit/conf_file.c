/* SPDX-License-Identifier: Apache-2.0 */
/* conf_file.c - whole files and the environment */
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/unit/conf_help.h"

/* tests/data/conf/@name */
static int load(struct conf *conf, const char *name, struct seen *seen)
{
	const char *top = getenv("top_srcdir");
	char path[512];

	snprintf(path, sizeof(path), "%s/tests/data/conf/%s", top ? top : ".",
		 name);
	conf_init(conf);
	strcpy(conf->program, "nginx");
	strcpy(conf->app_name, "front");
	unsetenv("SAPI_RULES");
	unsetenv("SAPI_DEFAULT");
	unsetenv("SAPI_APPLICATION_ID");
	unsetenv("LDP_APP_NAME");
	unsetenv("SAPI_SOCKET");
	return conf_load(conf, path, note, seen);
}

TEST(a_vcl_conf_works_unchanged)
{
	struct seen seen = { 0 };
	struct conf conf;

	CHECK(load(&conf, "vcl_full.conf", &seen) == 0);
	CHECK(conf.rx_fifo_size == 4000000 && conf.use_mq_eventfd);
	CHECK(conf.session_timeout_ms == 60000 && !conf.huge_page);
	CHECK(load(&conf, "vcl_nginx.conf", &seen) == 0);
	CHECK(conf.segment_size == 4000000000 && !conf.use_mq_eventfd);
	CHECK(load(&conf, "vcl_envoy.conf", &seen) == 0);
	CHECK(conf.scope_local && conf.scope_global);
	CHECK(!strcmp(conf.vpp_socket, "/var/run/app_ns_sockets/default"));
	CHECK(load(&conf, "vcl_one_line.conf", &seen) == 0);
	CHECK(conf.rx_fifo_size == 65536 && conf.tx_fifo_size == 131072);
	CHECK(conf.scope_local && conf.use_mq_eventfd);
	CHECK(load(&conf, "vcl_quirks.conf", &seen) == 0);
	CHECK(conf.rx_fifo_size == 65536 && conf.tx_fifo_size == 131072);
	CHECK(conf.huge_page);
	CHECK(seen.n == 0);
	/* what stock VCL does not read is complained about, no more */
	CHECK(load(&conf, "vcl_old.conf", &seen) == 1);
	CHECK(seen.n == 1 && seen.line[0] == 18);
	CHECK(!strcmp(conf.namespace_id, "green"));
	CHECK(conf.segment_size == 256000000);
	CHECK(conf.prealloc_fifo_pairs == 16);
}

TEST(two_stanzas_and_an_included_libvma_conf)
{
	struct seen seen = { 0 };
	struct conf_choice c;
	struct conf conf;

	CHECK(load(&conf, "both.conf", &seen) == 0);
	CHECK(!strcmp(conf.shm_socket, "/run/sapi/test.sock"));
	CHECK(conf.spin_us == 20 && !conf.stats && conf.vpp_release == 2606);
	CHECK(conf.fifo_size == 2u << 20 && conf.rx_fifo_size == 4000000);
	c = choose(&conf, "tcp_client", "127.0.0.1:6379", NULL);
	CHECK(c.use == CONF_SHM && c.require && c.spin_us == 5);
	CHECK(c.fifo_size == 4u << 20);
	c = choose(&conf, "tcp_server", "0.0.0.0:2022", NULL);
	CHECK(c.use == CONF_OS && c.line == 5);
	CHECK(strstr(c.file, "/libvma.conf"));
	c = choose(&conf, "tcp_server", "10.0.0.1:8080", NULL);
	CHECK(c.use == CONF_VPP && strstr(c.file, "/both.conf"));
	c = choose(&conf, "tcp_server", "10.0.0.1:8081", NULL);
	CHECK(c.use == CONF_AUTO && c.fifo_size == 2u << 20);
	conf_free(&conf);
}

TEST(each_wrong_line_is_told_once_with_its_number)
{
	static const unsigned lines[] = { 2,  3,  4,  5,  9,  10, 11,
					  12, 13, 14, 15, 16, 17, 18,
					  19, 20, 21, 22, 25 };
	struct seen seen = { 0 };
	struct conf conf;
	size_t i;

	CHECK(load(&conf, "wrong.conf", &seen) == (int)ARRAY_SIZE(lines));
	CHECK(seen.n == ARRAY_SIZE(lines));
	for (i = 0; i < seen.n; i++) {
		if (seen.line[i] != lines[i])
			printf("# %u: %s\n", seen.line[i], seen.what[i]);
		CHECK(seen.line[i] == lines[i]);
		CHECK(strstr(seen.file[i], "/wrong.conf"));
	}
	/* the lines around them count */
	CHECK(conf.rx_fifo_size == 1u << 20 && conf.event_queue_size == 512);
	CHECK(choose(&conf, "tcp_client", "1.2.3.4:80", NULL).line == 23);
	conf_free(&conf);
}

TEST(a_file_that_cannot_be_read_is_no_configuration)
{
	struct seen seen = { 0 };
	struct conf conf;

	conf_init(&conf);
	CHECK(conf_load(&conf, "/no/such/file", note, &seen) == -ENOENT);
	CHECK(conf_load(&conf, "/", note, &seen) == -EINVAL);
	CHECK(conf_load(&conf, "/dev/null", note, &seen) == -EINVAL);
	CHECK(seen.n == 0);
}

TEST(files_that_include_each_other_end)
{
	char dir[] = "/tmp/sapi-conf-XXXXXX", path[64];
	struct seen seen = { 0 };
	struct conf conf;
	FILE *f;

	CHECK(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/a", dir);
	f = fopen(path, "w");
	CHECK(f);
	fputs("include a\ninclude a\ninclude a\nuse os any *:80\n", f);
	fclose(f);
	conf_init(&conf);
	CHECK(conf_load(&conf, path, note, &seen) > 0);
	CHECK(choose(&conf, "tcp_client", "1.2.3.4:80", NULL).line == 4);
	conf_free(&conf);
	unlink(path);
	rmdir(dir);
}

static void clear_environment(void)
{
	clearenv();
	setenv("SAPI_CONFIG", "/no/such/file", 1);
}

TEST(the_environment_beats_the_file)
{
	const struct conf *conf;
	const char *top = getenv("top_srcdir");
	char path[512];

	snprintf(path, sizeof(path), "%s/tests/data/conf/both.conf",
		 top ? top : ".");
	clear_environment();
	setenv("VCL_CONFIG", "/no/such/file/either", 1);
	setenv("SAPI_CONFIG", path, 1);
	setenv("SAPI_SOCKET", "/run/elsewhere", 1);
	setenv("VCL_VPP_SAPI_SOCKET", "/run/vpp/other", 1);
	setenv("VCL_APP_NAMESPACE_ID", "red", 1);
	setenv("VCL_APP_PROXY_TRANSPORT_TCP", "0", 1);
	setenv("SAPI_DEFAULT", "require", 1);
	setenv("SAPI_RULES", "use os tcp_client *:7", 1);
	setenv("SAPI_APPLICATION_ID", "front", 1);
	setenv("LDP_APP_NAME", "back", 1);
	conf = conf_get();
	CHECK(conf == conf_get());
	CHECK(!strcmp(conf->source, path));
	CHECK(!strcmp(conf->shm_socket, "/run/elsewhere"));
	CHECK(!strcmp(conf->vpp_socket, "/run/vpp/other"));
	CHECK(!strcmp(conf->namespace_id, "red"));
	CHECK(!strcmp(conf->app_name, "front"));
	CHECK(conf->proxy_tcp && !conf->proxy_udp);
	CHECK(conf->require && conf->use == CONF_AUTO && !conf->disabled);
	CHECK(choose(conf, "tcp_client", "1.2.3.4:7", NULL).use == CONF_OS);
	CHECK(conf->spin_us == 20);
}

TEST(without_a_file_there_are_defaults)
{
	const struct conf *conf;

	clear_environment();
	setenv("XDG_RUNTIME_DIR", "/no/such/dir", 1);
	conf = conf_get();
	CHECK(!conf->source[0] && !conf->vpp_socket[0] && !conf->rules);
	CHECK(conf->segment_size == 256u << 20 && conf->use == CONF_AUTO);
	CHECK(!strcmp(conf->app_name, program_invocation_short_name));
	CHECK(strstr(conf->shm_socket, "/app_ns_sockets/default"));
}

TEST(disabled_is_the_kernel)
{
	struct conf_choice c;

	clear_environment();
	setenv("SAPI_DISABLE", "1", 1);
	setenv("SAPI_RULES", "use shm any *:*", 1);
	CHECK(conf_get()->disabled);
	c = choose(conf_get(), "tcp_client", "1.2.3.4:80", NULL);
	CHECK(c.use == CONF_OS);
}

TEST(the_socket_is_where_the_daemon_is)
{
	char dir[] = "/tmp/sapi-conf-XXXXXX", path[108], made[3][64];
	struct conf conf;
	int fd, i;

	clear_environment();
	CHECK(mkdtemp(dir));
	snprintf(made[0], sizeof(made[0]), "%s/sapi", dir);
	snprintf(made[1], sizeof(made[1]), "%s/sapi/app_ns_sockets", dir);
	snprintf(made[2], sizeof(made[2]), "%s/sapi/app_ns_sockets/x", dir);
	mkdir(made[0], 0700);
	mkdir(made[1], 0700);
	fd = open(made[2], O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	close(fd);
	setenv("XDG_RUNTIME_DIR", dir, 1);
	setenv("VCL_APP_NAMESPACE_ID", "x", 1);
	conf_init(&conf);
	CHECK(conf_load(&conf, NULL, NULL, NULL) == 0);
	CHECK(!strcmp(conf.shm_socket, made[2]));
	CHECK(!conf.shm_socket_given);
	/* a namespace that has no socket: where our daemon would make it */
	setenv("VCL_APP_NAMESPACE_ID", "sapi-test-no-such-ns", 1);
	conf_init(&conf);
	CHECK(conf_load(&conf, NULL, NULL, NULL) == 0);
	snprintf(path, sizeof(path), "%s/sapi/app_ns_sockets/%s",
		 geteuid() ? dir : "/run", conf.namespace_id);
	CHECK(!strcmp(conf.shm_socket, path));
	unlink(made[2]);
	for (i = 1; i >= 0; i--)
		rmdir(made[i]);
	rmdir(dir);
}
