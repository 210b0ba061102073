/* SPDX-License-Identifier: Apache-2.0 */
/* crypto.h - what VPP is told of TLS, in any release's form */
#ifndef SHM_CRYPTO_H
#define SHM_CRYPTO_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/base/base.h"
#include "core/wire/crypto.h"

struct crypto {
	uint32_t ckpair;	 /* of the certificate; 0: none */
	enum wire_engine engine; /* as numbered since 26.02, */
	bool engine_as_is;	 /* or as the release numbers it */
	uint32_t verify;	 /* WIRE_VERIFY_* */
	const char *host;	 /* NULL: none */
};

/* Bytes of the record, @release as "26.06" is 2606; -ENOTSUP if that release
 * can't be told so much, -ENAMETOOLONG. */
ssize_t crypto_encode(uint32_t release, const struct crypto *c,
		      struct wire_ext_config *out) MUST_CHECK;

#endif /* SHM_CRYPTO_H */
