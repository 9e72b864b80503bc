/* Names to addresses beside the loop. */
#include <dlfcn.h>
#include <netdb.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "io/clock.h"
#include "io/resolve.h"

#define HANGING "a-name-server-that-does-not-answer.invalid"

static sem_t let_go, ended;

/* In place of the C library's: one name is not answered until it is let go. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **list)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    struct timespec until;

    if (strcmp(host, HANGING) == 0) {
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 8;
        sem_timedwait(&let_go, &until);
        sem_post(&ended);
        return EAI_AGAIN;
    }
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(host, service, hints, list);
}

struct fixture {
    struct cfs_loop *loop;
    struct cfs_timer timer;
    struct cfs_resolved resolved;
    unsigned calls;
};

static void on_resolved(void *arg, const struct cfs_resolved *resolved)
{
    struct fixture *f = arg;

    f->resolved = *resolved;
    f->calls++;
    cfs_loop_stop(f->loop);
}

static void on_timer(void *arg)
{
    struct fixture *f = arg;

    cfs_loop_stop(f->loop);
}

static int set_up(void **state)
{
    static struct fixture f;

    f = (struct fixture){.loop = cfs_loop_new()};
    f.timer = (struct cfs_timer){.fn = on_timer, .arg = &f};
    sem_init(&let_go, 0, 0);
    sem_init(&ended, 0, 0);
    *state = &f;
    return f.loop ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    cfs_loop_free(f->loop);
    return 0;
}

static void a_name_has_addresses(void **state)
{
    struct fixture *f = *state;
    bool found = false;

    assert_non_null(cfs_resolve_start(f->loop, "localhost", on_resolved, f));
    assert_int_equal(f->calls, 0);
    cfs_loop_run(f->loop);
    assert_int_equal(f->calls, 1);
    for (uint32_t i = 0; i < f->resolved.count; i++)
        found = found || strcmp(f->resolved.addresses[i], "127.0.0.1") == 0 ||
                strcmp(f->resolved.addresses[i], "::1") == 0;
    assert_true(found);
}

static void a_name_that_is_unknown_is_said_to_be(void **state)
{
    struct fixture *f = *state;

    assert_non_null(cfs_resolve_start(f->loop, "no name at all", on_resolved, f));
    cfs_loop_run(f->loop);
    assert_int_equal(f->resolved.count, 0);
    assert_true(f->resolved.why && f->resolved.why[0]);
}

static void a_name_that_is_not_resolved_holds_up_nothing(void **state)
{
    struct fixture *f = *state;
    struct cfs_resolve *resolve = cfs_resolve_start(f->loop, HANGING, on_resolved, f);
    cfs_time begun = cfs_clock_now();

    cfs_timer_set(f->loop, &f->timer, begun + CFS_MS(30));
    cfs_loop_run(f->loop);
    assert_int_equal(f->calls, 0);
    cfs_resolve_cancel(resolve);
    assert_true(cfs_clock_now() - begun < CFS_SECONDS(2));
    sem_post(&let_go);
    sem_wait(&ended);
    cfs_timer_set(f->loop, &f->timer, cfs_clock_now() + CFS_MS(30));
    cfs_loop_run(f->loop);
    assert_int_equal(f->calls, 0); /* nobody wants to know any more */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_name_has_addresses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_that_is_unknown_is_said_to_be, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_that_is_not_resolved_holds_up_nothing, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
