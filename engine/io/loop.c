/* The loop: epoll for descriptors, a sorted list for timers, an eventfd to be stopped by.
 *
 * A turn is: sleep, read the clock, run the timers that are due, serve the descriptors that are
 * ready, call the hook. Timers come first, so that a lease that ended while the machine slept is
 * over before a request that would have relied on it is served.
 *
 * A callback may unwatch any descriptor and free what it belonged to, also one whose event is still
 * in the batch being served: each registration has a generation, epoll hands it back with the
 * event, and an event of an older generation is dropped. Timers that are due are moved to a list of
 * their own first, from which cancelling still works, and one that a callback sets again waits for
 * the next turn: no timer can keep the loop from its descriptors.
 *
 * Sleeps end to the microsecond (epoll_pwait2), so a timer neither spins for the rest of a
 * millisecond nor comes early. They are measured by CLOCK_MONOTONIC, timers by CLOCK_BOOTTIME:
 * after a suspend a timer may be as late as it had to run when the suspend began, unless anything
 * else wakes the loop. */
#include "io/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"
#include "io/clock.h"

enum { EVENTS_MAX = 64 }; /* served per turn; what is left over comes with the next */

/* What is registered for the descriptor that is its index. */
struct watch {
    cfs_loop_fn fn; /* NULL: nothing */
    void *arg;
    uint32_t generation; /* grows with every unwatch */
};

struct cfs_loop {
    int epoll_fd, stop_fd;
    atomic_bool stopping; /* the eventfd only ends the sleep */
    bool again;           /* the next sleep is to be none */
    struct watch *watches;
    size_t watch_count;
    struct cfs_timer timers; /* head of a ring, soonest first */
    cfs_timer_fn turn_end;
    void *turn_end_arg;
    cfs_time now;
};

static void ring_init(struct cfs_timer *head)
{
    head->prev = head->next = head;
}

static void ring_remove(struct cfs_timer *timer)
{
    timer->prev->next = timer->next;
    timer->next->prev = timer->prev;
    timer->prev = timer->next = NULL;
}

static void ring_insert_after(struct cfs_timer *where, struct cfs_timer *timer)
{
    timer->prev = where;
    timer->next = where->next;
    where->next->prev = timer;
    where->next = timer;
}

/* The flag is what counts; this drain, left to the next run, costs it one empty turn. */
static void on_stop(void *arg, uint32_t events)
{
    struct cfs_loop *loop = arg;
    uint64_t count;

    (void)events;
    if (read(loop->stop_fd, &count, sizeof count) < 0)
        assert(errno == EAGAIN);
}

struct cfs_loop *cfs_loop_new(void)
{
    struct cfs_loop *loop = cfs_alloc_zeroed(1, sizeof *loop);
    int error;

    ring_init(&loop->timers);
    loop->now = cfs_clock_now();
    loop->stop_fd = -1;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        goto failed;
    loop->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->stop_fd < 0)
        goto failed;
    if (cfs_loop_watch(loop, loop->stop_fd, EPOLLIN, on_stop, loop) < 0)
        goto failed;
    return loop;
failed:
    error = errno;
    cfs_loop_free(loop);
    errno = error;
    return NULL;
}

void cfs_loop_free(struct cfs_loop *loop)
{
    if (!loop)
        return;
    if (loop->stop_fd >= 0)
        close(loop->stop_fd);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    free(loop->watches);
    free(loop);
}

static struct watch *room_for(struct cfs_loop *loop, int fd)
{
    size_t count = loop->watch_count;

    if ((size_t)fd >= count) {
        count = (size_t)fd * 2 + 16;
        loop->watches = cfs_realloc(loop->watches, count * sizeof *loop->watches);
        for (size_t i = loop->watch_count; i < count; i++)
            loop->watches[i] = (struct watch){0};
        loop->watch_count = count;
    }
    return &loop->watches[fd];
}

int cfs_loop_watch(struct cfs_loop *loop, int fd, uint32_t events, cfs_loop_fn fn, void *arg)
{
    assert(fd >= 0 && fn);
    struct watch *watch = room_for(loop, fd);
    struct epoll_event event = {.events = events,
                                .data.u64 = (uint64_t)watch->generation << 32 | (uint32_t)fd};
    int result = epoll_ctl(loop->epoll_fd, watch->fn ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);

    if (result < 0)
        return -errno;
    watch->fn = fn;
    watch->arg = arg;
    return 0;
}

void cfs_loop_unwatch(struct cfs_loop *loop, int fd)
{
    if (fd < 0 || (size_t)fd >= loop->watch_count || !loop->watches[fd].fn)
        return;
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    loop->watches[fd].fn = NULL;
    loop->watches[fd].generation++;
}

void cfs_timer_set(struct cfs_loop *loop, struct cfs_timer *timer, cfs_time at)
{
    struct cfs_timer *before;

    assert(timer->fn);
    cfs_timer_cancel(loop, timer);
    before = loop->timers.prev;
    while (before != &loop->timers && before->at > at)
        before = before->prev;
    timer->at = at;
    timer->set = true;
    ring_insert_after(before, timer);
}

void cfs_timer_cancel(struct cfs_loop *loop, struct cfs_timer *timer)
{
    (void)loop;
    if (!timer->set)
        return;
    timer->set = false;
    ring_remove(timer);
}

void cfs_loop_set_turn_end(struct cfs_loop *loop, cfs_timer_fn fn, void *arg)
{
    loop->turn_end = fn;
    loop->turn_end_arg = arg;
}

void cfs_loop_again(struct cfs_loop *loop)
{
    loop->again = true;
}

cfs_time cfs_loop_now(const struct cfs_loop *loop)
{
    return loop->now;
}

static void run_timers(struct cfs_loop *loop)
{
    struct cfs_timer due, *timer;

    ring_init(&due);
    while ((timer = loop->timers.next) != &loop->timers && timer->at <= loop->now) {
        ring_remove(timer);
        ring_insert_after(due.prev, timer);
    }
    while ((timer = due.next) != &due) {
        ring_remove(timer);
        timer->set = false;
        timer->fn(timer->arg);
    }
}

static void serve(struct cfs_loop *loop, const struct epoll_event *event)
{
    uint32_t fd = (uint32_t)event->data.u64, generation = (uint32_t)(event->data.u64 >> 32);
    struct watch watch = loop->watches[fd]; /* a copy: the callback may make the table move */

    if (watch.fn && watch.generation == generation)
        watch.fn(watch.arg, event->events);
}

/* Until the first timer, but an hour at most; CFS_NEVER without one. The clock is read again, for
 * the turn before took its time. */
static cfs_time time_to_sleep(struct cfs_loop *loop)
{
    const struct cfs_timer *first = loop->timers.next;
    cfs_time now;

    if (loop->again) {
        loop->again = false;
        return 0;
    }
    if (first == &loop->timers || first->at == CFS_NEVER)
        return CFS_NEVER;
    now = cfs_clock_now();
    if (first->at <= now)
        return 0;
    return first->at - now < CFS_SECONDS(3600) ? first->at - now : CFS_SECONDS(3600);
}

static int sleep_until_ready(struct cfs_loop *loop, struct epoll_event *events)
{
    cfs_time wait = time_to_sleep(loop);
    struct timespec left = {.tv_sec = (time_t)(wait / 1000000),
                            .tv_nsec = (long)(wait % 1000000) * 1000};
    int count =
        epoll_pwait2(loop->epoll_fd, events, EVENTS_MAX, wait == CFS_NEVER ? NULL : &left, NULL);

    if (count >= 0 || (errno != ENOSYS && errno != EPERM))
        return count;
    /* Before Linux 5.11, and in sandboxes that do not know the call: milliseconds, rounded up. */
    return epoll_wait(loop->epoll_fd, events, EVENTS_MAX,
                      wait == CFS_NEVER ? -1 : (int)((wait + 999) / 1000));
}

void cfs_loop_run(struct cfs_loop *loop)
{
    struct epoll_event events[EVENTS_MAX];

    loop->again = true; /* what was prepared before the run goes out by the first turn's end */
    while (!atomic_exchange(&loop->stopping, false)) {
        int count = sleep_until_ready(loop, events);

        assert(count >= 0 || errno == EINTR);
        loop->now = cfs_clock_now();
        run_timers(loop);
        for (int i = 0; i < count; i++)
            serve(loop, &events[i]);
        if (loop->turn_end)
            loop->turn_end(loop->turn_end_arg);
    }
}

void cfs_loop_stop(struct cfs_loop *loop)
{
    int error = errno; /* a signal handler must leave it alone */
    uint64_t one = 1;

    atomic_store(&loop->stopping, true);
    while (write(loop->stop_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    errno = error;
}
