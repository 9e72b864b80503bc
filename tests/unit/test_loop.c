/* The loop: order of timers, stale events, stopping, and that an idle loop sleeps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/loop.h"

struct fixture {
    struct cfs_loop *loop;
    char trace[64];
    uint32_t turns;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->loop = cfs_loop_new();
    *state = f;
    return f->loop ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    cfs_loop_free(f->loop);
    free(f);
    return 0;
}

/* A timer that writes its letter, and stops the loop when the letter is a full stop. */
struct lettered {
    struct cfs_timer timer;
    struct fixture *f;
    char letter;
};

static void write_letter(struct fixture *f, char letter)
{
    size_t len = strlen(f->trace);

    assert_true(len + 1 < sizeof f->trace);
    f->trace[len] = letter;
    if (letter == '.')
        cfs_loop_stop(f->loop);
}

static void on_lettered(void *arg)
{
    struct lettered *l = arg;

    write_letter(l->f, l->letter);
}

static void arm(struct fixture *f, struct lettered *l, char letter, cfs_time after)
{
    *l = (struct lettered){.timer = {.fn = on_lettered, .arg = l}, .f = f, .letter = letter};
    cfs_timer_set(f->loop, &l->timer, cfs_clock_now() + after);
}

static void timers_fire_in_the_order_of_their_time(void **state)
{
    struct fixture *f = *state;
    struct lettered a, b, c, d, stop;
    cfs_time start = cfs_clock_now();

    arm(f, &c, 'c', CFS_MS(6));
    arm(f, &a, 'a', CFS_MS(2));
    arm(f, &stop, '.', CFS_MS(9));
    arm(f, &b, 'b', CFS_MS(4));
    arm(f, &d, 'd', CFS_MS(3));
    cfs_timer_cancel(f->loop, &d.timer);
    cfs_timer_cancel(f->loop, &d.timer);
    cfs_timer_set(f->loop, &a.timer, start + CFS_MS(8)); /* moves it behind c */
    cfs_loop_run(f->loop);
    assert_string_equal(f->trace, "bca.");
    assert_true(cfs_clock_now() >= start + CFS_MS(9));
    assert_false(a.timer.set || d.timer.set);
}

static void equal_times_fire_in_the_order_of_setting(void **state)
{
    struct fixture *f = *state;
    struct lettered a, b, c, stop;
    cfs_time at = cfs_clock_now() + CFS_MS(1);

    arm(f, &a, 'a', CFS_MS(9));
    arm(f, &b, 'b', CFS_MS(9));
    arm(f, &c, 'c', CFS_MS(9));
    arm(f, &stop, '.', CFS_MS(9));
    cfs_timer_set(f->loop, &a.timer, at);
    cfs_timer_set(f->loop, &b.timer, at);
    cfs_timer_set(f->loop, &c.timer, at);
    cfs_timer_set(f->loop, &stop.timer, at);
    cfs_loop_run(f->loop);
    assert_string_equal(f->trace, "abc.");
}

struct pair {
    struct lettered *first, *second;
    struct fixture *f;
};

static void cancel_the_other(void *arg)
{
    struct pair *pair = arg;

    write_letter(pair->f, 'x');
    cfs_timer_cancel(pair->f->loop, &pair->second->timer);
}

static void a_timer_may_cancel_one_that_is_due_with_it(void **state)
{
    struct fixture *f = *state;
    struct lettered first, second, stop;
    struct pair pair = {&first, &second, f};

    arm(f, &first, '-', 0);
    first.timer.fn = cancel_the_other;
    first.timer.arg = &pair;
    arm(f, &second, 'b', 0);
    arm(f, &stop, '.', CFS_MS(2));
    cfs_loop_run(f->loop);
    assert_string_equal(f->trace, "x.");
}

static void set_again_at_once(void *arg)
{
    struct lettered *l = arg;

    cfs_timer_set(l->f->loop, &l->timer, cfs_loop_now(l->f->loop));
}

static void on_readable_stop(void *arg, uint32_t events)
{
    struct fixture *f = arg;

    assert_true(events & EPOLLIN);
    write_letter(f, '.');
}

static void a_timer_set_for_now_again_does_not_starve_descriptors(void **state)
{
    struct fixture *f = *state;
    struct lettered greedy;
    int fd = eventfd(1, 0);

    arm(f, &greedy, '-', 0);
    greedy.timer.fn = set_again_at_once;
    assert_int_equal(cfs_loop_watch(f->loop, fd, EPOLLIN, on_readable_stop, f), 0);
    cfs_loop_run(f->loop);
    assert_string_equal(f->trace, ".");
    cfs_timer_cancel(f->loop, &greedy.timer);
    cfs_loop_unwatch(f->loop, fd);
    close(fd);
}

/* Two descriptors, ready in one batch; whoever is served first unwatches and frees the other,
 * closes its descriptor and opens a new one under the same number: the old event must reach nobody.
 */
struct watcher {
    struct fixture *f;
    int fd;
    struct watcher *other;
};

static void on_newcomer(void *arg, uint32_t events)
{
    (void)events;
    write_letter(arg, '!');
}

static void replace_the_other(void *arg, uint32_t events)
{
    struct watcher *w = arg;
    int fd = w->other->fd;

    (void)events;
    cfs_loop_unwatch(w->f->loop, fd);
    close(fd);
    free(w->other);
    w->other = NULL;
    assert_int_equal(eventfd(0, EFD_NONBLOCK), fd);
    assert_int_equal(cfs_loop_watch(w->f->loop, fd, EPOLLIN, on_newcomer, w->f), 0);
    cfs_loop_unwatch(w->f->loop, w->fd);
    write_letter(w->f, 'o');
}

static void no_event_reaches_a_successor_or_a_freed_owner(void **state)
{
    struct fixture *f = *state;
    struct watcher *w[2];
    struct lettered stop;

    for (int i = 0; i < 2; i++)
        w[i] = malloc(sizeof *w[i]);
    for (int i = 0; i < 2; i++) {
        *w[i] = (struct watcher){.f = f, .fd = eventfd(1, 0), .other = w[!i]};
        assert_int_equal(cfs_loop_watch(f->loop, w[i]->fd, EPOLLIN, replace_the_other, w[i]), 0);
    }
    int fd[2] = {w[0]->fd, w[1]->fd};
    arm(f, &stop, '.', CFS_MS(2));
    cfs_loop_run(f->loop);
    assert_string_equal(f->trace, "o.");
    free(w[0]->fd == fd[0] && w[0]->other == NULL ? w[0] : w[1]);
    for (int i = 0; i < 2; i++) {
        cfs_loop_unwatch(f->loop, fd[i]);
        close(fd[i]);
    }
}

static void unwatching_the_unknown_is_harmless_and_a_bad_descriptor_is_told(void **state)
{
    struct fixture *f = *state;

    cfs_loop_unwatch(f->loop, -1);
    cfs_loop_unwatch(f->loop, 77);
    cfs_loop_unwatch(f->loop, 1 << 20);
    assert_int_equal(cfs_loop_watch(f->loop, 1000, EPOLLIN, on_newcomer, f), -EBADF);
}

static void count_turn(void *arg)
{
    ((struct fixture *)arg)->turns++;
}

static void every_turn_ends_with_the_hook(void **state)
{
    struct fixture *f = *state;
    struct lettered a, stop;

    cfs_loop_set_turn_end(f->loop, count_turn, f);
    arm(f, &a, 'a', CFS_MS(1));
    arm(f, &stop, '.', CFS_MS(3));
    cfs_loop_run(f->loop);
    /* One for each timer; more where a sleep was interrupted. */
    assert_in_range(f->turns, 2, 5);
}

static void *stop_from_elsewhere(void *arg)
{
    cfs_loop_stop(arg);
    return NULL;
}

static void another_thread_stops_it_also_before_it_runs(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;

    cfs_loop_stop(f->loop);
    cfs_loop_run(f->loop);
    assert_int_equal(pthread_create(&thread, NULL, stop_from_elsewhere, f->loop), 0);
    cfs_loop_run(f->loop);
    pthread_join(thread, NULL);
}

static double cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_THREAD, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void waiting_for_a_timer_is_sleeping(void **state)
{
    struct fixture *f = *state;
    struct lettered stop;
    double before = cpu_seconds();

    cfs_loop_set_turn_end(f->loop, count_turn, f);
    arm(f, &stop, '.', CFS_MS(60) + 300);
    cfs_loop_run(f->loop);
    assert_in_range(f->turns, 1, 4);
    assert_true(cpu_seconds() - before < 0.02);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(timers_fire_in_the_order_of_their_time),
        T(equal_times_fire_in_the_order_of_setting),
        T(a_timer_may_cancel_one_that_is_due_with_it),
        T(a_timer_set_for_now_again_does_not_starve_descriptors),
        T(no_event_reaches_a_successor_or_a_freed_owner),
        T(unwatching_the_unknown_is_harmless_and_a_bad_descriptor_is_told),
        T(every_turn_ends_with_the_hook),
        T(another_thread_stops_it_also_before_it_runs),
        T(waiting_for_a_timer_is_sleeping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
