/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/forward.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "forward/forwarder.h"

#define SAVE_MS 1000

struct admind_forward {
    admind_forward_place_t place;
    admind_timer_t *save_timer;
    admind_forwarder_t *forwarders[ADMIND_FORWARDS_MAX];
    size_t count;
    bool distrusted; /* the journal fails, and that was told */
};

static void on_save(void *ctx)
{
    admind_forward_t *forward = ctx;

    for (size_t i = 0; i < forward->count; i++) {
        admind_forwarder_save(forward->forwarders[i]);
    }
    admind_timer_arm(forward->save_timer, SAVE_MS);
}

void admind_forward_round(admind_forward_t *forward)
{
    admind_position_t end;

    if (forward->count == 0) {
        return;
    }
    /* When the journal begins to fail it takes lines back, and when it is mended it writes others in their place. Not in between: a forwarder that
     * works off older files would never get on. */
    if (forward->distrusted != admind_journal_is_failing(forward->place.journal)) {
        forward->distrusted = !forward->distrusted;
        for (size_t i = 0; i < forward->count; i++) {
            admind_forwarder_distrust(forward->forwarders[i]);
        }
    }
    admind_journal_position(forward->place.journal, &end);
    for (size_t i = 0; i < forward->count && !forward->distrusted; i++) {
        admind_forwarder_wake(forward->forwarders[i], &end);
    }
}

bool admind_forward_has_cursors(const admind_forward_t *forward)
{
    for (size_t i = 0; i < forward->count; i++) {
        if (!admind_forwarder_has_cursor(forward->forwarders[i])) {
            return false;
        }
    }
    return true;
}

void admind_forward_refresh(const admind_forward_t *forward)
{
    for (size_t i = 0; i < forward->count; i++) {
        admind_forwarder_refresh(forward->forwarders[i]);
    }
}

bool admind_forward_view(const admind_forward_t *forward, size_t i, admind_forward_view_t *view)
{
    if (i >= forward->count) {
        return false;
    }
    admind_forwarder_view(forward->forwarders[i], view);
    return true;
}

admind_forward_t *admind_forward_new(admind_loop_t *loop, const admind_config_t *config, const admind_journal_t *journal,
                                     mcpa_metrics_t *metrics, char *error, size_t cap)
{
    admind_forward_t *forward = calloc(1, sizeof(*forward));
    admind_forward_place_t *place;

    snprintf(error, cap, "no memory");
    if (forward == NULL) {
        return NULL;
    }
    place = &forward->place;
    *place = (admind_forward_place_t){ .loop = loop, .journal_dir = config->journal_dir, .journal = journal, .metrics = metrics };
    if (gethostname(place->host, sizeof(place->host) - 1) != 0 || place->host[0] == '\0') {
        snprintf(place->host, sizeof(place->host), "localhost");
    }
    forward->save_timer = admind_timer_new(loop, on_save, forward);
    for (size_t i = 0; forward->save_timer != NULL && i < config->n_forwards; i++) {
        forward->forwarders[i] = admind_forwarder_new(place, &config->forwards[i], error, cap);
        if (forward->forwarders[i] == NULL) {
            break;
        }
        forward->count++;
    }
    if (forward->save_timer == NULL || forward->count < config->n_forwards) {
        admind_forward_free(&forward);
        return NULL;
    }
    if (forward->count > 0) {
        admind_timer_arm(forward->save_timer, SAVE_MS);
    }
    return forward;
}

void admind_forward_free(admind_forward_t **forward)
{
    admind_forward_t *gone = *forward;

    if (gone == NULL) {
        return;
    }
    *forward = NULL;
    for (size_t i = 0; i < gone->count; i++) {
        admind_forwarder_save(gone->forwarders[i]);
        admind_forwarder_free(&gone->forwarders[i]);
    }
    admind_timer_free(&gone->save_timer);
    free(gone);
}
