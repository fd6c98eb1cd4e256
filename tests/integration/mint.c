/* SPDX-License-Identifier: Apache-2.0 */
/* Mints an access token (RFC 9068) with libjwt: the tour's issuer, and a second opinion for tests, because the module's own code makes none.
 * libjwt 1.10 writes "typ":"JWT" whatever one asks for, so the issuer's line in httpd.conf needs typ=any.
 *   mint -k KEY.pem -i ISSUER -a AUDIENCE [-K kid] [-A RS256] [-s subject] [-c client] [-S "scopes"] [-t seconds] [-C '{"claim":1}'] */
#include <getopt.h>
#include <jwt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { KEY_MAX_BYTES = 65536, JTI_BYTES = 16 };

static int fail(const char *what)
{
    fprintf(stderr, "mint: %s\n", what);
    return 2;
}

static long key_read(unsigned char *buffer, size_t size, const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) return -1;
    size_t n = fread(buffer, 1, size, f);
    int whole = feof(f) && !ferror(f);
    fclose(f);
    return whole ? (long)n : -1;
}

static int jti_add(jwt_t *jwt)
{
    unsigned char random[JTI_BYTES];
    char text[2 * JTI_BYTES + 1];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) return -1;
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(text + 2 * i, 3, "%02x", (unsigned)random[i]);
    return jwt_add_grant(jwt, "jti", text);
}

int main(int argc, char **argv)
{
    const char *key_path = NULL, *issuer = NULL, *audience = NULL, *kid = NULL, *alg = "RS256";
    const char *subject = "alice", *client = "tour", *scopes = NULL, *more = NULL;
    long seconds = 600, now = (long)time(NULL);
    for (int option; (option = getopt(argc, argv, "k:i:a:K:A:s:c:S:t:C:")) != -1;) {
        switch (option) {
        case 'k': key_path = optarg; break;
        case 'i': issuer = optarg; break;
        case 'a': audience = optarg; break;
        case 'K': kid = optarg; break;
        case 'A': alg = optarg; break;
        case 's': subject = optarg; break;
        case 'c': client = optarg; break;
        case 'S': scopes = optarg; break;
        case 't': seconds = strtol(optarg, NULL, 10); break;
        case 'C': more = optarg; break;
        default: return fail("see the head of mint.c for the options");
        }
    }
    if (key_path == NULL || issuer == NULL || audience == NULL) return fail("-k, -i and -a are needed");

    static unsigned char key[KEY_MAX_BYTES];
    long key_bytes = key_read(key, sizeof key, key_path);
    if (key_bytes <= 0) return fail("the key cannot be read");

    jwt_t *jwt = NULL;
    if (jwt_new(&jwt) != 0) return fail("out of memory");
    jwt_alg_t algorithm = jwt_str_alg(alg);
    int bad = algorithm == JWT_ALG_INVAL || jwt_set_alg(jwt, algorithm, key, (int)key_bytes) != 0;
    bad |= kid != NULL && jwt_add_header(jwt, "kid", kid) != 0;
    bad |= jwt_add_grant(jwt, "iss", issuer) != 0 || jwt_add_grant(jwt, "aud", audience) != 0;
    bad |= jwt_add_grant(jwt, "sub", subject) != 0 || jwt_add_grant(jwt, "client_id", client) != 0;
    bad |= jwt_add_grant_int(jwt, "iat", now) != 0 || jwt_add_grant_int(jwt, "exp", now + seconds) != 0;
    bad |= jti_add(jwt) != 0 || (scopes != NULL && jwt_add_grant(jwt, "scope", scopes) != 0);
    bad |= more != NULL && jwt_add_grants_json(jwt, more) != 0;
    char *token = bad ? NULL : jwt_encode_str(jwt);
    if (token != NULL) puts(token);
    free(token);
    jwt_free(jwt);
    return token != NULL ? 0 : fail("libjwt refuses: is the key of the kind the algorithm needs?");
}
