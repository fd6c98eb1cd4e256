/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/seal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>

#include "audit/line.h"
#include "audit/names.h"
#include "base/text.h"

/* What is hashed for one purpose is never what is hashed for another. */
static const unsigned char chain_domain[] = "mcpauth journal block 1";
static const unsigned char seal_domain[] = "mcpauth journal seal 1";
static const char evolve_domain[] = "mcpauth journal key evolve 1";
static const char id_domain[] = "mcpauth journal key id 1";
static const char check_domain[] = "mcpauth journal key check 1";

#define KEY_WORD "mcpauth-seal-key 1"

static bool unhex(unsigned char *bytes, size_t len, mcpa_str_t hex)
{
    static const char digits[] = "0123456789abcdef";

    if (hex.len != 2 * len) {
        return false;
    }
    for (size_t i = 0; i < hex.len; i++) {
        const char *digit = memchr(digits, hex.ptr[i], 16);

        if (digit == NULL) {
            return false;
        }
        bytes[i / 2] = (unsigned char)(i % 2 == 0 ? (digit - digits) << 4 : bytes[i / 2] | (digit - digits));
    }
    return true;
}

/* ---- chain */

/* One for the thread's life: fetching the algorithm anew takes longer than hashing a line. */
static EVP_MD_CTX *hasher(void)
{
    static _Thread_local EVP_MD_CTX *context;

    if (context == NULL) {
        context = EVP_MD_CTX_new();
        if (context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
            EVP_MD_CTX_free(context);
            context = NULL;
        }
    }
    return context;
}

bool admind_chain_add(admind_chain_t *chain, const char *file, uint64_t offset, mcpa_str_t line)
{
    EVP_MD_CTX *context = hasher();

    if (context == NULL) {
        return false;
    }
    if (chain->lines == 0) {
        snprintf(chain->file, sizeof(chain->file), "%s", file);
        chain->offset = offset;
        SHA256(chain_domain, sizeof(chain_domain), chain->hash);
    }
    if (EVP_DigestInit_ex(context, NULL, NULL) != 1 || EVP_DigestUpdate(context, chain->hash, sizeof(chain->hash)) != 1 ||
        EVP_DigestUpdate(context, line.ptr, line.len) != 1 || EVP_DigestUpdate(context, "\n", 1) != 1 ||
        EVP_DigestFinal_ex(context, chain->hash, NULL) != 1) {
        return false;
    }
    chain->lines++;
    return true;
}

void admind_chain_print(mcpa_jsonw_t *w, const char *name, const admind_chain_t *chain)
{
    char hex[2 * ADMIND_SEAL_BYTES + 1];

    mcpa_hex(hex, chain->hash, sizeof(chain->hash));
    mcpa_jsonw_open_object(w, name);
    mcpa_jsonw_z(w, "file", chain->file);
    mcpa_jsonw_u64(w, "offset", chain->offset);
    mcpa_jsonw_u64(w, "lines", chain->lines);
    mcpa_jsonw_z(w, "chain", hex);
    mcpa_jsonw_close_object(w);
}

bool admind_chain_parse(admind_chain_t *chain, const mcpa_json_t *json)
{
    mcpa_str_t file = mcpa_json_string(mcpa_json_member(json, "file"));
    admind_journal_name_t name;
    int64_t offset, lines;

    if (!mcpa_json_integer(mcpa_json_member(json, "offset"), &offset) || offset < 0 ||
        !mcpa_json_integer(mcpa_json_member(json, "lines"), &lines) || lines < 1 || file.ptr == NULL ||
        file.len >= sizeof(chain->file) ||
        !unhex(chain->hash, sizeof(chain->hash), mcpa_json_string(mcpa_json_member(json, "chain")))) {
        return false;
    }
    memcpy(chain->file, file.ptr, file.len);
    memset(chain->file + file.len, 0, sizeof(chain->file) - file.len);
    chain->offset = (uint64_t)offset;
    chain->lines = (uint64_t)lines;
    return admind_journal_name_parse(&name, chain->file);
}

/* ---- keys */

/* memory: domain, then at most three secrets' worth of bytes. */
static void hash_secret(unsigned char out[ADMIND_SEAL_BYTES], const char *domain, const void *bytes, size_t len)
{
    unsigned char memory[128];
    size_t domain_len = strlen(domain) + 1;

    memcpy(memory, domain, domain_len);
    memcpy(memory + domain_len, bytes, len);
    SHA256(memory, domain_len + len, out);
    OPENSSL_cleanse(memory, sizeof(memory));
}

void admind_seal_key_begin(admind_seal_key_t *key, const unsigned char secret[ADMIND_SEAL_BYTES])
{
    unsigned char digest[ADMIND_SEAL_BYTES];

    key->epoch = 0;
    memmove(key->secret, secret, sizeof(key->secret));
    hash_secret(digest, id_domain, key->secret, sizeof(key->secret));
    memcpy(key->id, digest, sizeof(key->id));
}

void admind_seal_key_evolve(admind_seal_key_t *key)
{
    unsigned char next[ADMIND_SEAL_BYTES];

    hash_secret(next, evolve_domain, key->secret, sizeof(key->secret));
    memcpy(key->secret, next, sizeof(key->secret));
    key->epoch++;
    OPENSSL_cleanse(next, sizeof(next));
}

void admind_seal_key_erase(admind_seal_key_t *key)
{
    OPENSSL_cleanse(key, sizeof(*key));
}

static void put_u64(unsigned char *at, uint64_t value)
{
    for (int i = 7; i >= 0; i--) {
        at[i] = (unsigned char)value;
        value >>= 8;
    }
}

static void checksum(char hex[2 * ADMIND_SEAL_ID_BYTES + 1], const admind_seal_key_t *key)
{
    unsigned char bytes[ADMIND_SEAL_ID_BYTES + 8 + ADMIND_SEAL_BYTES], digest[ADMIND_SEAL_BYTES];

    memcpy(bytes, key->id, sizeof(key->id));
    put_u64(bytes + sizeof(key->id), key->epoch);
    memcpy(bytes + sizeof(key->id) + 8, key->secret, sizeof(key->secret));
    hash_secret(digest, check_domain, bytes, sizeof(bytes));
    mcpa_hex(hex, digest, ADMIND_SEAL_ID_BYTES);
    OPENSSL_cleanse(bytes, sizeof(bytes));
}

void admind_seal_key_print(char text[ADMIND_SEAL_KEY_BYTES], const admind_seal_key_t *key)
{
    char id[2 * ADMIND_SEAL_ID_BYTES + 1], secret[2 * ADMIND_SEAL_BYTES + 1], check[2 * ADMIND_SEAL_ID_BYTES + 1];

    mcpa_hex(id, key->id, sizeof(key->id));
    mcpa_hex(secret, key->secret, sizeof(key->secret));
    checksum(check, key);
    snprintf(text, ADMIND_SEAL_KEY_BYTES, KEY_WORD " %s %llu %s %s\n", id, (unsigned long long)key->epoch, secret, check);
    OPENSSL_cleanse(secret, sizeof(secret));
}

bool admind_seal_key_parse(admind_seal_key_t *key, mcpa_str_t text)
{
    mcpa_str_t words[6], rest = text;
    char again[ADMIND_SEAL_KEY_BYTES];
    admind_seal_key_t origin;
    bool good;

    rest.len -= text.len > 0 && text.ptr[text.len - 1] == '\n' ? 1 : 0;
    for (size_t i = 0; i < 6; i++) {
        if (!mcpa_text_next_word(&rest, &words[i])) {
            return false;
        }
    }
    if (!unhex(key->id, sizeof(key->id), words[2]) || !mcpa_text_u64(words[3], &key->epoch) ||
        !unhex(key->secret, sizeof(key->secret), words[4])) {
        return false;
    }
    admind_seal_key_print(again, key); /* the words before and behind, and one spelling */
    good = key->epoch <= ADMIND_SEAL_EPOCH_MAX && mcpa_secret_eq(mcpa_str(again), text);
    if (good && key->epoch == 0) {
        admind_seal_key_begin(&origin, key->secret);
        good = memcmp(origin.id, key->id, sizeof(key->id)) == 0;
        admind_seal_key_erase(&origin);
    }
    OPENSSL_cleanse(again, sizeof(again));
    return good;
}

/* ---- seals */

static void mac_of(unsigned char mac[ADMIND_SEAL_BYTES], const admind_seal_t *seal, const unsigned char secret[ADMIND_SEAL_BYTES])
{
    unsigned char bytes[sizeof(seal_domain) + ADMIND_SEAL_ID_BYTES + 4 * 8 + ADMIND_JOURNAL_NAME_BYTES + 2 * ADMIND_SEAL_BYTES];
    unsigned char *at = bytes;
    size_t name_len = strnlen(seal->block.file, sizeof(seal->block.file));

    memset(bytes, 0, sizeof(bytes));
    memcpy(at, seal_domain, sizeof(seal_domain));
    at += sizeof(seal_domain);
    memcpy(at, seal->key, sizeof(seal->key));
    at += sizeof(seal->key);
    put_u64(at, seal->epoch);
    put_u64(at + 8, (uint64_t)seal->ts);
    put_u64(at + 16, seal->block.offset);
    put_u64(at + 24, seal->block.lines);
    at += 32;
    memcpy(at, seal->block.file, name_len);
    at += ADMIND_JOURNAL_NAME_BYTES;
    memcpy(at, seal->block.hash, sizeof(seal->block.hash));
    memcpy(at + ADMIND_SEAL_BYTES, seal->previous, sizeof(seal->previous));
    if (HMAC(EVP_sha256(), secret, ADMIND_SEAL_BYTES, bytes, sizeof(bytes), mac, NULL) == NULL) {
        memset(mac, 0, ADMIND_SEAL_BYTES); /* the library failed: a seal that no check believes */
    }
}

void admind_seal_make(admind_seal_t *seal, const admind_seal_key_t *key)
{
    memcpy(seal->key, key->id, sizeof(seal->key));
    seal->epoch = key->epoch;
    seal->ts -= seal->ts % 1000;
    mac_of(seal->mac, seal, key->secret);
}

bool admind_seal_is_by(const admind_seal_t *seal, const admind_seal_key_t *key)
{
    static const unsigned char none[ADMIND_SEAL_BYTES];
    unsigned char mac[ADMIND_SEAL_BYTES];
    bool good;

    if (seal->epoch != key->epoch || memcmp(seal->key, key->id, sizeof(key->id)) != 0) {
        return false;
    }
    mac_of(mac, seal, key->secret);
    good = CRYPTO_memcmp(mac, seal->mac, sizeof(mac)) == 0 && memcmp(mac, none, sizeof(mac)) != 0;
    OPENSSL_cleanse(mac, sizeof(mac));
    return good;
}

static void put_hex(mcpa_jsonw_t *w, const char *name, const unsigned char *bytes, size_t len)
{
    char hex[2 * ADMIND_SEAL_BYTES + 1];

    mcpa_hex(hex, bytes, len);
    mcpa_jsonw_z(w, name, hex);
}

void admind_seal_print(mcpa_out_t *out, const admind_seal_t *seal)
{
    mcpa_jsonw_t w;
    char stamp[25];

    mcpa_text_rfc3339(stamp, seal->ts);
    mcpa_jsonw_init(&w, out);
    mcpa_jsonw_open_object(&w, NULL);
    mcpa_jsonw_z(&w, "ts", stamp);
    mcpa_jsonw_z(&w, "event", "seal");
    put_hex(&w, "key", seal->key, sizeof(seal->key));
    mcpa_jsonw_u64(&w, "epoch", seal->epoch);
    mcpa_jsonw_z(&w, "file", seal->block.file);
    mcpa_jsonw_u64(&w, "offset", seal->block.offset);
    mcpa_jsonw_u64(&w, "lines", seal->block.lines);
    put_hex(&w, "chain", seal->block.hash, sizeof(seal->block.hash));
    put_hex(&w, "previous", seal->previous, sizeof(seal->previous));
    put_hex(&w, "mac", seal->mac, sizeof(seal->mac));
    mcpa_jsonw_close_object(&w);
}

static bool read_hex(unsigned char *bytes, size_t len, const mcpa_json_t *tree, const char *name)
{
    return unhex(bytes, len, mcpa_json_string(mcpa_json_member(tree, name)));
}

mcpa_status_t admind_seal_parse(admind_seal_t *seal, mcpa_str_t text)
{
    char again[ADMIND_SEAL_LINE_BYTES];
    admind_line_t line;
    mcpa_status_t status = admind_line_parse(&line, text);
    int64_t epoch;
    mcpa_out_t out;
    bool good;

    if (status != MCPA_OK) {
        return status;
    }
    good = line.seal && line.record.ts != MCPA_RECORD_ABSENT && admind_chain_parse(&seal->block, line.tree) &&
           mcpa_json_integer(mcpa_json_member(line.tree, "epoch"), &epoch) && epoch >= 0 &&
           (uint64_t)epoch <= ADMIND_SEAL_EPOCH_MAX && read_hex(seal->key, sizeof(seal->key), line.tree, "key") &&
           read_hex(seal->previous, sizeof(seal->previous), line.tree, "previous") &&
           read_hex(seal->mac, sizeof(seal->mac), line.tree, "mac");
    if (good) {
        seal->ts = line.record.ts;
        seal->epoch = (uint64_t)epoch;
        mcpa_out_init(&out, again, sizeof(again));
        admind_seal_print(&out, seal);
        good = mcpa_out_status(&out) == MCPA_OK && mcpa_str_eq(mcpa_out_get(&out), text);
    }
    admind_line_clear(&line);
    return good ? MCPA_OK : MCPA_EMALFORMED;
}

void admind_seal_anchor_print(char text[ADMIND_SEAL_ANCHOR_BYTES], const admind_seal_t *seal)
{
    char hex[2 * ADMIND_SEAL_BYTES + 1];

    mcpa_hex(hex, seal->mac, sizeof(seal->mac));
    snprintf(text, ADMIND_SEAL_ANCHOR_BYTES, "%llu:%s", (unsigned long long)seal->epoch, hex);
}

bool admind_seal_anchor_parse(uint64_t *epoch, unsigned char mac[ADMIND_SEAL_BYTES], mcpa_str_t text)
{
    const char *colon = text.len > 0 ? memchr(text.ptr, ':', text.len) : NULL;
    size_t digits = colon == NULL ? 0 : (size_t)(colon - text.ptr);

    return colon != NULL && mcpa_text_u64((mcpa_str_t){ text.ptr, digits }, epoch) &&
           unhex(mac, ADMIND_SEAL_BYTES, (mcpa_str_t){ colon + 1, text.len - digits - 1 });
}
