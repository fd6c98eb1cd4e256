/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's one event loop: descriptors and timers on one epoll. Callbacks run on its one thread and must not block.
 * While it waits for events another thread may have the turn (turn.h). */
#ifndef ADMIND_LOOP_H
#define ADMIND_LOOP_H

#include <stdbool.h>
#include <stdint.h>

typedef struct admind_loop admind_loop_t;
typedef struct admind_watch admind_watch_t;
typedef struct admind_timer admind_timer_t;

admind_loop_t *admind_loop_new(void);
void admind_loop_free(admind_loop_t **loop);
/* Runs until admind_loop_stop; may be run again. After each round of events the 'after' callbacks run once (group commit), in the
 * order they were given; at most 8, false when there is no room. */
void admind_loop_run(admind_loop_t *loop);
void admind_loop_stop(admind_loop_t *loop);
bool admind_loop_after(admind_loop_t *loop, void (*fn)(void *ctx), void *ctx);

/* events: EPOLLIN, EPOLLOUT. The watch borrows fd; free it before closing. */
admind_watch_t *admind_watch_new(admind_loop_t *loop, int fd, uint32_t events, void (*fn)(void *ctx, int fd, uint32_t events),
                                 void *ctx);
bool admind_watch_set(admind_watch_t *watch, uint32_t events);
void admind_watch_free(admind_watch_t **watch); /* safe from inside its own callback */

/* One-shot, to be armed again; created disarmed. delay_ms 0: next round. */
admind_timer_t *admind_timer_new(admind_loop_t *loop, void (*fn)(void *ctx), void *ctx);
void admind_timer_arm(admind_timer_t *timer, int64_t delay_ms);
void admind_timer_disarm(admind_timer_t *timer);
void admind_timer_free(admind_timer_t **timer);

/* The clocks of this round, microseconds. */
int64_t admind_loop_wall_us(const admind_loop_t *loop);
int64_t admind_loop_mono_us(const admind_loop_t *loop);
/* By another thread that has the turn: sets both to now, because the loop's own may be waiting for long. */
void admind_loop_read_clocks(admind_loop_t *loop);

#endif
