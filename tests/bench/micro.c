/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of a request cost, each alone, on one thread: nanoseconds, and how many times a reference loop that ran in the same rounds (100 steps
 * of a generator of random numbers). Medians of rounds in which all have their turn. See README.md. */
#include <ftw.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "apr_general.h"
#include "base/digest.h"
#include "mcp/jsonrpc.h"
#include "spool.h"
#include "state/ratetable.h"
#include "test_jose_signer.h"
#include "test_state_tokencache.h"

#define ROUNDS     9
#define ENTRIES    65536
#define IDENTITIES 10000
#define BODY_BYTES 102400
#define STEPS      100

typedef struct bench {
    const char *name;
    const char *unit; /* NULL: one call; else what a call consists of 'per' of */
    double per;
    unsigned calls; /* of one round */
    void (*run)(unsigned calls);
    void (*ready)(void); /* what is not measured, before each round; may be NULL */
    double ns[ROUNDS];
} bench_t;

static volatile uint64_t sink;
static uint64_t clock_now = 1000 * SECOND;
static mcpa_ratetable_t *limits;
static mcpa_tokencache_t *cache;
static mod_mcp_spool_t *spool;
static char body[BODY_BYTES];
static char tokens[MCPA_ALG_COUNT][2048];

static void *block(size_t bytes)
{
    return shared_memory(bytes); /* zeroed, and of whole pages */
}

static void reference(unsigned calls)
{
    uint64_t random = 1;

    for (unsigned i = 0; i < calls * STEPS; i++) {
        (void)next_random(&random);
    }
    sink = random;
}

static void decide_limit(unsigned calls)
{
    for (unsigned i = 0; i < calls; i++) {
        char name[48];
        uint64_t wait;
        int len = snprintf(name, sizeof(name), "https://as.example\nsuser-%u", i % IDENTITIES);

        clock_now += 1000;
        sink += mcpa_ratetable_take(limits, 1, (mcpa_str_t){ name, (size_t)len }, clock_now, MILLISECOND, 100, &wait);
    }
}

/* What the names alone cost, to be taken off. */
static void name_only(unsigned calls)
{
    for (unsigned i = 0; i < calls; i++) {
        char name[48];

        sink += (uint64_t)snprintf(name, sizeof(name), "https://as.example\nsuser-%u", i % IDENTITIES);
    }
}

static void get_token(unsigned calls)
{
    mcpa_token_cache_key_t key = key_of(1, 1, 1);
    mcpa_token_facts_t facts;

    for (unsigned i = 0; i < calls; i++) {
        sink += mcpa_tokencache_get(cache, &key, &facts);
    }
}

static void put_token(unsigned calls)
{
    mcpa_token_cache_key_t key = key_of(2, 1, 1);
    mcpa_token_facts_t facts = facts_of(2, 1);

    for (unsigned i = 0; i < calls; i++) {
        memcpy(key.token_hash, &i, sizeof(i));
        mcpa_tokencache_put(cache, &key, &facts, 0, NULL);
    }
}

static void hash_token(unsigned calls)
{
    unsigned char digest[MCPA_SHA256_BYTES];

    for (unsigned i = 0; i < calls; i++) {
        sink += mcpa_sha256(digest, (mcpa_str_t){ body, 800 });
    }
}

static void scan_body(unsigned calls)
{
    static mcpa_rpc_t rpc;

    for (unsigned i = 0; i < calls; i++) {
        if (mcpa_rpc_scan(&rpc, (mcpa_str_t){ body, sizeof(body) }, NULL) != MCPA_RPC_OK) {
            abort();
        }
    }
}

static void commit_record(unsigned calls)
{
    mcpa_record_t record;

    mcpa_record_init(&record);
    record.ts = 1;
    record.path = (mcpa_str_t){ body, 300 };
    for (unsigned i = 0; i < calls; i++) {
        if (mod_mcp_spool_commit(spool, &record) != MCPA_OK) {
            abort();
        }
    }
}

/* As the link's thread does. */
static void make_segments(void)
{
    mod_mcp_spool_tend(spool);
    mod_mcp_spool_tend(spool);
}

static void verify_alg(unsigned calls, mcpa_alg_t alg)
{
    for (unsigned i = 0; i < calls; i++) {
        if (!accepts(signer_of(alg)->set, mcpa_str(tokens[alg]))) {
            abort();
        }
    }
}

#define VERIFY(alg)                                                                                                              \
    static void verify_##alg(unsigned calls)                                                                                     \
    {                                                                                                                            \
        verify_alg(calls, MCPA_ALG_##alg);                                                                                       \
    }
VERIFY(RS256)
VERIFY(PS256)
VERIFY(ES256)
VERIFY(EDDSA)
VERIFY(HS256)

static bench_t benches[] = {
    { "reference", NULL, 1, 20000, reference, NULL, { 0 } },
    { "(making a name)", NULL, 1, 20000, name_only, NULL, { 0 } },
    { "limit decision, and a name", NULL, 1, 20000, decide_limit, NULL, { 0 } },
    { "token cache, hit", NULL, 1, 20000, get_token, NULL, { 0 } },
    { "token cache, store", NULL, 1, 20000, put_token, NULL, { 0 } },
    { "SHA-256 of 800 bytes", NULL, 1, 5000, hash_token, NULL, { 0 } },
    { "JSON-RPC scan, 100 KB tools/call", "byte", BODY_BYTES, 50, scan_body, NULL, { 0 } },
    { "audit commit, durability=process", NULL, 1, 3000, commit_record, make_segments, { 0 } },
    { "verify RS256", NULL, 1, 200, verify_RS256, NULL, { 0 } },
    { "verify PS256", NULL, 1, 200, verify_PS256, NULL, { 0 } },
    { "verify ES256", NULL, 1, 100, verify_ES256, NULL, { 0 } },
    { "verify EdDSA", NULL, 1, 100, verify_EDDSA, NULL, { 0 } },
    { "verify HS256", NULL, 1, 1000, verify_HS256, NULL, { 0 } },
};
#define BENCHES (sizeof(benches) / sizeof(benches[0]))

/* Of this thread's own time, so that others on the machine matter less. */
static double now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

static void prepare(apr_pool_t *pool, const char *dir)
{
    static const unsigned char secret[16] = "a table's secret";
    static const mcpa_alg_t algs[] = { MCPA_ALG_RS256, MCPA_ALG_PS256, MCPA_ALG_ES256, MCPA_ALG_EDDSA, MCPA_ALG_HS256 };
    const char *start = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"echo\",\"arguments\":{\"text\":\"";
    mcpa_token_cache_key_t key = key_of(1, 1, 1);
    mcpa_token_facts_t facts = facts_of(1, 1);

    limits = mcpa_ratetable_init(block(mcpa_ratetable_bytes(ENTRIES)), ENTRIES, secret);
    cache = mcpa_tokencache_init(block(mcpa_tokencache_bytes(ENTRIES)), ENTRIES);
    facts.expires_s = INT64_MAX / 2;
    mcpa_tokencache_put(cache, &key, &facts, 0, NULL);
    memset(body, 'x', sizeof(body));
    memcpy(body, start, strlen(start));
    memcpy(body + sizeof(body) - 4, "\"}}}", 4);
    (void)make_keys(NULL);
    for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++) {
        char header[128];

        snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"typ\":\"at+jwt\",\"kid\":\"k\"}", mcpa_alg_name(algs[i]));
        (void)make_token(tokens[algs[i]], sizeof(tokens[0]), header, PAYLOAD, algs[i]);
    }
    spool = mod_mcp_spool_new(pool, dir, UINT64_C(1) << 30);
    if (!spool) {
        abort();
    }
}

static int drop(const char *path, const struct stat *info __attribute__((unused)), int kind __attribute__((unused)),
                struct FTW *at __attribute__((unused)))
{
    return remove(path);
}

int main(void)
{
    char dir[] = "/tmp/mcpauth-micro-XXXXXX";
    apr_pool_t *pool;

    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS || mkdtemp(dir) == NULL) {
        return 1;
    }
    prepare(pool, dir);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < BENCHES; i++) {
            double before;

            if (benches[i].ready) {
                benches[i].ready();
            }
            before = now_ns();
            benches[i].run(benches[i].calls);
            benches[i].ns[round] = (now_ns() - before) / benches[i].calls / benches[i].per;
        }
    }
    for (size_t i = 0; i < BENCHES; i++) {
        qsort(benches[i].ns, ROUNDS, sizeof(double), compare);
    }
    printf("%-36s %10s %10s %12s\n", "", "ns", "least", "x reference");
    for (size_t i = 0; i < BENCHES; i++) {
        const bench_t *b = &benches[i];

        printf("%-36s %10.2f %10.2f %12.4f%s%s\n", b->name, b->ns[ROUNDS / 2], b->ns[0], b->ns[ROUNDS / 2] / benches[0].ns[ROUNDS / 2],
               b->unit ? " a " : "", b->unit ? b->unit : "");
    }
    apr_pool_destroy(pool);
    (void)nftw(dir, drop, 16, FTW_DEPTH | FTW_PHYS);
    (void)free_keys(NULL);
    return 0;
}
