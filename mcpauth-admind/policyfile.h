/* SPDX-License-Identifier: Apache-2.0 */
/* The policy snapshot that httpd's parent wrote (<StateDir>/policy.json): read at start, when the file changes, and at once when
 * a child runs with another generation. Trusted only from root or the daemon's own user. A bad file never replaces a good policy.
 */
#ifndef ADMIND_POLICYFILE_H
#define ADMIND_POLICYFILE_H

#include "loop.h"
#include "policy/snapshot.h"

typedef struct admind_policyfile admind_policyfile_t;

typedef struct admind_policy_view {
    uint64_t generation; /* of the policy in use; 0: none */
    int64_t written_us;  /* by httpd */
    int64_t loaded_us;   /* by us */
    size_t issuers, locations;
    const char *error; /* why the file as it is now cannot be used; "" when it is in use, or there is none yet */
} admind_policy_view_t;

/* changed: a policy that is new to us; borrowed for the call. */
admind_policyfile_t *admind_policyfile_new(admind_loop_t *loop, const char *state_dir,
                                           void (*changed)(void *ctx, const mcpa_snapshot_t *snapshot), void *ctx);
void admind_policyfile_free(admind_policyfile_t **file);
/* Looks whether the file changed and takes it. */
void admind_policyfile_look(admind_policyfile_t *file);
/* A child says which generation it runs with. */
void admind_policyfile_hint(admind_policyfile_t *file, uint64_t generation);
void admind_policyfile_view(const admind_policyfile_t *file, admind_policy_view_t *view);

#endif
