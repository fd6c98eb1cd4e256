/* SPDX-License-Identifier: Apache-2.0 */
/* Every ceiling of the project, each with its reason. Anything that grows with an input has its row here. */
#ifndef MCPA_BASE_LIMITS_H
#define MCPA_BASE_LIMITS_H

/* Tokens */
#define MCPA_TOKEN_DEFAULT_BYTES 8192  /* httpd's own LimitRequestFieldSize is 8190: longer ones arrive only where that was raised */
#define MCPA_TOKEN_MAX_BYTES 16384     /* what a Location may set at most: each part of a token is decoded on the stack */
#define MCPA_JSON_MAX_DEPTH 16         /* token headers and claims are flat; Keycloak's deepest claim has 4 levels */
#define MCPA_JSON_MAX_VALUES 2048      /* values in one token document; bounds the parser's allocations */
#define MCPA_KID_MAX_BYTES 256
#define MCPA_CLAIM_MAX_BYTES 2048      /* one string claim we carry on (subject, client id, issuer, jti) */
#define MCPA_SCOPES_MAX 128            /* scopes in one token or one rule */
#define MCPA_SCOPE_TEXT_MAX_BYTES 4096 /* all of a token's scopes, joined */
#define MCPA_SKEW_MAX_S 300            /* RFC 9068: "no more than a few minutes" */
#define MCPA_TIME_MAX_S 253402300799   /* 9999-12-31T23:59:59Z, the last second RFC 3339 can show */

/* Keys */
#define MCPA_JWKS_MAX_BYTES (256 * 1024)
#define MCPA_JWKS_MAX_KEYS 64
#define MCPA_JWKS_MAX_DEPTH 8
#define MCPA_RSA_MIN_BITS 2048
#define MCPA_RSA_MAX_BITS 8192         /* above it one signature costs milliseconds */
#define MCPA_SECRET_MAX_BYTES 1024

/* Configuration */
#define MCPA_ISSUERS_MAX 256
#define MCPA_ORIGINS_MAX 64
#define MCPA_LIMITS_MAX 8              /* rate rules of one Location */
#define MCPA_BURST_MAX 1000000
#define MCPA_OPERATIONS_MAX 1024       /* operation rules of one section */
#define MCPA_OPERATION_SECTIONS_MAX 32 /* sections with operation rules inside each other */
#define MCPA_BODY_DEFAULT_BYTES (4 * 1024 * 1024) /* the SDKs' servers refuse longer messages, too */

/* JSON-RPC: what is taken where the Location says nothing, and what it may say at most (base/lengths.h) */
#define MCPA_RPC_ID_DEFAULT_BYTES 255
#define MCPA_RPC_ID_MAX_BYTES 1024     /* it is repeated in the answer */
#define MCPA_RPC_METHOD_DEFAULT_BYTES 255
#define MCPA_RPC_METHOD_MAX_BYTES 512
#define MCPA_RPC_NAME_DEFAULT_BYTES 255 /* tool, prompt, task */
#define MCPA_RPC_NAME_MAX_BYTES 1024
#define MCPA_RPC_URI_DEFAULT_BYTES 2048 /* resource */
#define MCPA_RPC_URI_MAX_BYTES 2048
#define MCPA_RPC_WORD_MAX_BYTES 255    /* a revision, the kind of a reference: words of the protocol */
#define MCPA_RPC_MEMORY_BYTES 8704     /* each string of a message that decides, once, written with escapes */
#define MCPA_RPC_SUBSCRIPTIONS_MAX 256 /* resources one subscriptions/listen names: each is held against every rule */
#define MCPA_LIST_MAX_BYTES (4 * 1024 * 1024) /* an answer, or one event of a stream, that is held back to be filtered; as long as a request may be */
#define MCPA_RPC_MEMBERS_MAX 32        /* members of params that are compared with each other; no method has ten */

/* Audit */
#define MCPA_RECORD_MAX_BYTES 24576    /* one encoded record: every string field at its own ceiling still fits */
#define MCPA_AUDIT_TEXT_MAX_BYTES 1024 /* one client-given string in a record */
#define MCPA_FRAME_MAX_BYTES 65536     /* one frame on the link, header included */
#ifdef MCPA_CRASH_POINTS
#define MCPA_SEGMENT_BYTES (128 * 1024) /* tests/torture: killed children do not live long, and are to see many segments */
#else
#define MCPA_SEGMENT_BYTES (1024 * 1024) /* preallocated per child; prefork may have hundreds of children */
#endif

#endif
