/* SPDX-License-Identifier: Apache-2.0 */
/* crypto.c - the record that goes with LISTEN and CONNECT of TLS, by release */
#include "core/shm/crypto.h"

#include <errno.h>
#include <string.h>

/* mbedTLS and picotls have changed places. */
static uint8_t engine_of(uint32_t release, const struct crypto *c)
{
	if (release >= 2602 || c->engine_as_is)
		return (uint8_t)c->engine;
	if (c->engine == WIRE_ENGINE_PICOTLS)
		return WIRE_ENGINE_MBEDTLS;
	if (c->engine == WIRE_ENGINE_MBEDTLS)
		return WIRE_ENGINE_PICOTLS;
	return (uint8_t)c->engine;
}

/* What every release has, wherever it is. */
#define FILL(body)                                             \
	do {                                                   \
		(body)->ckpair_index = c->ckpair;              \
		(body)->crypto_engine = engine_of(release, c); \
		memcpy((body)->hostname, host, strlen(host));  \
		out->len = sizeof(*(body));                    \
	} while (0)

/**
 * crypto_encode() - write the record as VPP's release has it
 * @release:	"26.06" is 2606
 * @c:		what is wanted
 * @out:	the record; zeroed behind what is used
 *
 * Before 25.10 VPP can't be told what to verify, and 25.10 does not listen
 * (docs/vpp.md); nothing is then better than less than what was asked for.
 *
 * Return: bytes, with the head.
 */
ssize_t crypto_encode(uint32_t release, const struct crypto *c,
		      struct wire_ext_config *out)
{
	const char *host = c->host ? c->host : "";

	if (strlen(host) >= WIRE_HOSTNAME_LEN)
		return -ENAMETOOLONG;
	if (release < 2602 && (c->verify || *host))
		return -ENOTSUP;
	memset(out, 0, sizeof(*out));
	out->type = WIRE_EXT_CONFIG_CRYPTO;
	if (release < 2506) {
		FILL(&out->crypto_2502);
	} else if (release < 2510) {
		FILL(&out->crypto_2506);
	} else if (release < 2606) {
		FILL(&out->crypto_2510);
		out->crypto_2510.verify_cfg = c->verify;
	} else {
		FILL(&out->crypto);
		out->crypto.verify_cfg = c->verify;
		out->crypto.tls_profile_index = WIRE_INVALID_INDEX;
		out->crypto.owner_app_wrk_index = WIRE_INVALID_INDEX;
	}
	return (ssize_t)offsetof(struct wire_ext_config, opaque) + out->len;
}
