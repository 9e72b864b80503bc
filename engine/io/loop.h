/* The one loop of the one thread that owns all state: epoll, timers, and a hook at the end of each
 * turn, so that what one turn brought in goes out as one batch. */
#ifndef CFS_IO_LOOP_H
#define CFS_IO_LOOP_H

#include "coordfs/types.h"

struct cfs_loop;

/* `events` are those of epoll(7). */
typedef void (*cfs_loop_fn)(void *arg, uint32_t events);
typedef void (*cfs_timer_fn)(void *arg);

/* Intrusive; owned by the caller, zeroed but for fn and arg before first use. */
struct cfs_timer {
    cfs_timer_fn fn;
    void *arg;
    cfs_time at;                   /* when set: node time */
    struct cfs_timer *prev, *next; /* the loop's, sorted by `at` */
    bool set;
};

/* NULL and errno on failure. */
struct cfs_loop *cfs_loop_new(void);
void cfs_loop_free(struct cfs_loop *loop);

/* Watches `fd` for `events`, replacing what was watched before. 0 or -errno. */
int cfs_loop_watch(struct cfs_loop *loop, int fd, uint32_t events, cfs_loop_fn fn, void *arg);
void cfs_loop_unwatch(struct cfs_loop *loop,
                      int fd); /* before close(fd); unknown fds are ignored */

/* Calls timer->fn once, at `at` or soon after; moves a timer that is set already. */
void cfs_timer_set(struct cfs_loop *loop, struct cfs_timer *timer, cfs_time at);
void cfs_timer_cancel(struct cfs_loop *loop, struct cfs_timer *timer);

/* At the end of each turn, before the loop sleeps; set once by its owner. */
void cfs_loop_set_turn_end(struct cfs_loop *loop, cfs_timer_fn fn, void *arg);

/* Makes another turn follow this one without sleeping: for whoever brings something in so late that
 * the hook may have run already. */
void cfs_loop_again(struct cfs_loop *loop);

/* CLOCK_BOOTTIME, read once per turn: after the sleep and before the callbacks. */
cfs_time cfs_loop_now(const struct cfs_loop *loop);

/* Turns until stopped. */
void cfs_loop_run(struct cfs_loop *loop);

/* Ends the run after this turn; safe from signal handlers and other threads. */
void cfs_loop_stop(struct cfs_loop *loop);

#endif
