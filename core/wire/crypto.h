/* SPDX-License-Identifier: Apache-2.0 */
/* crypto.h - what goes with LISTEN and CONNECT of TLS (ABI.md 13.2, 13.3) */
#ifndef WIRE_CRYPTO_H
#define WIRE_CRYPTO_H

#include "core/wire/types.h"

/* type of wire_ext_config */
enum wire_ext_config_type {
	WIRE_EXT_CONFIG_NONE = 0,
	WIRE_EXT_CONFIG_CRYPTO = 1,
	WIRE_EXT_CONFIG_HTTP = 2, /* 25.02+ */
	WIRE_EXT_CONFIG_QUIC = 3, /* 26.06 */
};

/* crypto_engine, and option WIRE_OPT_TLS_ENGINE */
enum wire_engine {
	WIRE_ENGINE_NONE = 0, /* the application's; of that: VPP's */
	WIRE_ENGINE_OPENSSL = 1,
	WIRE_ENGINE_PICOTLS = 2, /* up to 25.10: 4 */
	WIRE_ENGINE_VPP = 3,
	WIRE_ENGINE_MBEDTLS = 4, /* up to 25.10: 2 */
};

/* verify_cfg, since 25.10 */
#define WIRE_VERIFY_NONE (1u << 0)
#define WIRE_VERIFY_PEER (1u << 1)
#define WIRE_VERIFY_PEER_CERT (1u << 2) /* it must show one */
#define WIRE_VERIFY_HOSTNAME (1u << 3)
#define WIRE_VERIFY_HOSTNAME_STRICT (1u << 4)

#define WIRE_HOSTNAME_LEN 256

/* certificate and key, each in PEM, that VPP takes (ABI.md 4.6) */
#define WIRE_CERT_MAX 10000

/* mirrors transport_endpt_crypto_cfg_t, session/transport_types.h: not packed;
 * another in nearly every release */
struct wire_crypto {
	uint32_t ckpair_index; /* 0: none */
	uint32_t ca_trust_index;
	uint32_t tls_profile_index;   /* all-ones: the defaults */
	uint32_t owner_app_wrk_index; /* all-ones: who asks */
	uint8_t alpn_protos[4];
	uint8_t crypto_engine;
	uint8_t pad[3];
	uint32_t verify_cfg;
	char hostname[WIRE_HOSTNAME_LEN];
};
WIRE_SIZE(struct wire_crypto, 284);
WIRE_AT(struct wire_crypto, ca_trust_index, 4);
WIRE_AT(struct wire_crypto, tls_profile_index, 8);
WIRE_AT(struct wire_crypto, owner_app_wrk_index, 12);
WIRE_AT(struct wire_crypto, alpn_protos, 16);
WIRE_AT(struct wire_crypto, crypto_engine, 20);
WIRE_AT(struct wire_crypto, verify_cfg, 24);
WIRE_AT(struct wire_crypto, hostname, 28);

/* of 25.10 and 26.02 */
struct wire_crypto_2510 {
	uint32_t ckpair_index;
	uint32_t ca_trust_index;
	uint8_t alpn_protos[4];
	uint8_t crypto_engine;
	uint8_t pad[3];
	uint32_t verify_cfg;
	char hostname[WIRE_HOSTNAME_LEN];
};
WIRE_SIZE(struct wire_crypto_2510, 276);
WIRE_AT(struct wire_crypto_2510, ca_trust_index, 4);
WIRE_AT(struct wire_crypto_2510, alpn_protos, 8);
WIRE_AT(struct wire_crypto_2510, crypto_engine, 12);
WIRE_AT(struct wire_crypto_2510, verify_cfg, 16);
WIRE_AT(struct wire_crypto_2510, hostname, 20);

/* of 25.06 */
struct wire_crypto_2506 {
	uint32_t ckpair_index;
	uint8_t alpn_protos[4];
	uint8_t crypto_engine;
	char hostname[WIRE_HOSTNAME_LEN];
	uint8_t pad[3];
};
WIRE_SIZE(struct wire_crypto_2506, 268);
WIRE_AT(struct wire_crypto_2506, alpn_protos, 4);
WIRE_AT(struct wire_crypto_2506, crypto_engine, 8);
WIRE_AT(struct wire_crypto_2506, hostname, 9);

/* of 23.10 to 25.02 */
struct wire_crypto_2502 {
	uint32_t ckpair_index;
	uint8_t crypto_engine;
	char hostname[WIRE_HOSTNAME_LEN];
	uint8_t pad[3];
};
WIRE_SIZE(struct wire_crypto_2502, 264);
WIRE_AT(struct wire_crypto_2502, crypto_engine, 4);
WIRE_AT(struct wire_crypto_2502, hostname, 5);

/* mirrors transport_endpt_ext_cfg_t: one record in a chunk of the mq segment.
 * VCL counts the four bytes of the head in @len, VPP not. */
struct wire_ext_config {
	uint16_t type; /* enum wire_ext_config_type */
	uint16_t len;
	union {
		struct wire_crypto crypto;
		struct wire_crypto_2510 crypto_2510;
		struct wire_crypto_2506 crypto_2506;
		struct wire_crypto_2502 crypto_2502;
		uint32_t opaque;
	};
};
WIRE_SIZE(struct wire_ext_config, 288);
WIRE_AT(struct wire_ext_config, len, 2);
WIRE_AT(struct wire_ext_config, crypto, 4);
WIRE_AT(struct wire_ext_config, crypto_2510, 4);
WIRE_AT(struct wire_ext_config, crypto_2506, 4);
WIRE_AT(struct wire_ext_config, crypto_2502, 4);
WIRE_AT(struct wire_ext_config, opaque, 4);

#endif /* WIRE_CRYPTO_H */
