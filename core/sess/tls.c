/* SPDX-License-Identifier: Apache-2.0 */
/* tls.c - certificates, and what LISTEN and CONNECT say of TLS */
#include "core/sess/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/sess/release.h"
#include "core/shm/crypto.h"
#include "core/wire/crypto.h"

/*
 * DOC: VPP ends TLS, and needs the certificate and the key for it.  They are
 * read from their files once, when the first socket wants them, and kept: a
 * program that has given up its rights since, or its root directory, can still
 * listen again when VPP has come back.  Each attachment adds them to VPP's
 * store once and keeps the index.  Workers of a family share both; VPP deletes
 * nothing when an application goes (docs/vpp.md).
 *
 * The list is guarded by the lock of the attachment to VPP, the only one that
 * gets any.
 */

#define SLICE 0 /* of the mq segment, which has one */

struct pair {
	struct pair *next;
	char *text; /* the certificate's PEM, then the key's */
	size_t cert_len, len;
	unsigned attachment; /* to which @index belongs; 0: to none */
	uint32_t index;
	char *cert, *key; /* whose names are behind this */
};

static struct pair *pairs;

static int read_pem(const char *path, char **text)
{
	int err = conf_slurp(path, text);
	size_t len = err ? 0 : strlen(*text);

	if (!err && (!len || len > WIRE_CERT_MAX)) {
		mem_free(*text);
		err = len ? -EFBIG : -EINVAL;
	}
	if (err)
		log_warn("%s: %s", path,
			 err == -EFBIG ? "too long for VPP"
				       : strerrordesc_np(-err));
	return err;
}

static void wipe(char *text)
{
	explicit_bzero(text, strlen(text));
	mem_free(text);
}

static int read_both(struct pair *p, const struct conf_tls *tls)
{
	char *cert, *key;
	int err;

	err = read_pem(tls->cert, &cert);
	if (err)
		return err;
	err = read_pem(tls->key, &key);
	if (err) {
		mem_free(cert);
		return err;
	}
	p->cert_len = strlen(cert);
	p->len = p->cert_len + strlen(key);
	if (asprintf(&p->text, "%s%s", cert, key) < 0)
		err = -ENOMEM;
	mem_free(cert);
	wipe(key);
	return err;
}

static int load(const struct conf_tls *tls, struct pair **out)
{
	size_t n = strlen(tls->cert) + 1, m = strlen(tls->key) + 1;
	struct pair *p = mem_zalloc(1, sizeof(*p) + n + m);
	int err;

	if (!p)
		return -ENOMEM;
	err = read_both(p, tls);
	if (err) {
		mem_free(p);
		return err;
	}
	p->cert = memcpy(p + 1, tls->cert, n);
	p->key = memcpy(p->cert + n, tls->key, m);
	p->next = pairs;
	pairs = p;
	*out = p;
	return 0;
}

/* The certificate's index in VPP; 0 if the rule has none. */
static int certificate(struct app *app, const struct conf_tls *tls,
		       uint32_t *index)
{
	struct pair *p = pairs;
	int err = 0;

	*index = 0;
	if (!tls->cert)
		return 0;
	while (p && (strcmp(p->cert, tls->cert) || strcmp(p->key, tls->key)))
		p = p->next;
	if (!p)
		err = load(tls, &p);
	if (!err && p->attachment != app->attachment) {
		err = attach_add_cert(app, p->text, p->cert_len, p->len,
				      &p->index);
		if (!err)
			p->attachment = app->attachment;
	}
	if (!err)
		*index = p->index;
	return err;
}

static uint32_t verify_of(const struct conf_tls *tls, bool server)
{
	uint32_t verify = 0;

	if (tls->verify)
		verify =
			WIRE_VERIFY_PEER | (server ? WIRE_VERIFY_PEER_CERT : 0);
	if (tls->host && !server)
		verify |= WIRE_VERIFY_PEER | WIRE_VERIFY_HOSTNAME;
	return verify;
}

static int put(struct app *app, const struct wire_ext_config *record,
	       size_t len, uint64_t *off)
{
	struct wire_chunk *c;
	uint32_t room;
	int err;

	err = seg_chunk_alloc(&app->mq_seg, SLICE, (uint32_t)len, off);
	if (err)
		return err;
	c = seg_chunk(&app->mq_seg, *off, &room);
	if (!c || room < len) {
		tls_config_drop(app, *off);
		return -EPROTO;
	}
	memcpy(c->data, record, len);
	return 0;
}

int tls_config(struct app *app, const struct conf_tls *tls, bool server,
	       uint64_t *ext_config)
{
	struct crypto c = {
		.engine = tls->engine,
		.engine_as_is = tls->engine_as_is,
		.verify = verify_of(tls, server),
		.host = server ? NULL : tls->host,
	};
	uint32_t release = release_for_tls(app, c.verify || c.host);
	struct wire_ext_config record;
	ssize_t len;
	int err;

	if (tls->wrong)
		return -EINVAL;
	if (app->sapid)
		return -EPROTONOSUPPORT;
	if (!release) {
		log_warn("tls: vpp-release must say which VPP this is");
		return -ENOTSUP;
	}
	err = certificate(app, tls, &c.ckpair);
	if (err)
		return err;
	len = crypto_encode(release, &c, &record);
	if (len < 0)
		return (int)len;
	return put(app, &record, (size_t)len, ext_config);
}

void tls_config_drop(struct app *app, uint64_t ext_config)
{
	if (ext_config)
		seg_chunk_free(&app->mq_seg, SLICE, ext_config);
}
