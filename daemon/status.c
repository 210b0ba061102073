/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status.c - the status socket: one document for each who connects
 *
 * DOC: The document is made when somebody connects, and sent as fast as it is
 * read; nobody is waited for. Few may read at a time, and one more takes the
 * place of the first: a reader that stopped costs one document, not the
 * service.
 */
#include "daemon/status.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "core/base/kernel.h"
#include "core/base/log.h"
#include "daemon/loop.h"
#include "daemon/state.h"
#include "daemon/sys.h"

#define READERS 8

static struct reader {
	char *text; /* NULL: free */
	size_t len, sent;
	int fd;
} readers[READERS];

static int listen_fd = -1;
static unsigned next_reader;
static char path[sizeof(sapid.run_dir) + 8];

static void reader_close(struct reader *r)
{
	if (!r->text)
		return;
	loop_del(r->fd);
	k_close(r->fd);
	free(r->text);
	r->text = NULL;
}

/* True if there is more to send later. */
static bool reader_send(struct reader *r)
{
	ssize_t n;

	while (r->sent < r->len) {
		n = k_sendto(r->fd, r->text + r->sent, r->len - r->sent,
			     MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
		if (n == -EAGAIN)
			return true;
		if (n <= 0)
			return false;
		r->sent += (size_t)n;
	}
	return false;
}

static void on_reader(uint32_t index, uint32_t events)
{
	struct reader *r = &readers[index];

	(void)events; /* an error shows in what send() says */
	if (r->text && !reader_send(r))
		reader_close(r);
}

/* Level-triggered: one a round. Out of descriptors it would come back for
 * ever, but then somebody leaves, or client.c refuses somebody. */
static void on_connect(uint32_t index, uint32_t events)
{
	struct reader *r = &readers[next_reader++ % READERS];
	int fd;

	(void)index;
	(void)events;
	fd = k_accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	reader_close(r);
	r->text = status_document();
	if (!r->text) {
		k_close(fd);
		return;
	}
	r->fd = fd;
	r->len = strlen(r->text);
	r->sent = 0;
	if (!reader_send(r) ||
	    loop_add(fd, LOOP_STATUS_CLIENT, (uint32_t)(r - readers), EPOLLOUT))
		reader_close(r);
}

/** status_open() - Open the status socket of the run folder */
int status_open(void)
{
	int ret;

	snprintf(path, sizeof(path), "%s/status", sapid.run_dir);
	loop_handle(LOOP_STATUS, on_connect);
	loop_handle(LOOP_STATUS_CLIENT, on_reader);
	ret = sys_listen_unix(path, SOCK_STREAM, READERS);
	if (ret < 0) {
		log_err("can't open status socket=%s error=\"%s\"", path,
			strerror(-ret));
		return ret;
	}
	listen_fd = ret;
	ret = sys_chmod(path, 0600);
	return ret ? ret : loop_add(listen_fd, LOOP_STATUS, 0, EPOLLIN);
}

/** status_close() - At the end */
void status_close(void)
{
	unsigned i;

	for (i = 0; i < READERS; i++)
		reader_close(&readers[i]);
	if (listen_fd < 0)
		return;
	sys_unlink(path);
	loop_del(listen_fd);
	k_close(listen_fd);
	listen_fd = -1;
}
