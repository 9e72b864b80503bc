/* The client that posts to peers, where it depends on more than the peer. */
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

#include "core/alloc.h"
#include "io/clock.h"
#include "io/http_client.h"

#define HANGING "a-name-server-that-does-not-answer.invalid"

static sem_t let_go;

/* In place of the C library's, for libcurl too: one name is not answered until it is let go. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **list)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    struct timespec until;

    if (strcmp(host, HANGING) == 0) {
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 8;
        sem_timedwait(&let_go, &until);
        sem_post(&let_go);
        return EAI_AGAIN;
    }
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(host, service, hints, list);
}

struct fixture {
    struct cfs_loop *loop;
    struct cfs_timer timer;
    enum cfs_http_outcome outcome;
    cfs_time turned, longest; /* between two turns */
};

static void on_done(void *arg, const struct cfs_http_result *result)
{
    struct fixture *f = arg;

    f->outcome = result->outcome;
    cfs_loop_stop(f->loop);
}

/* A heartbeat, as it were. */
static void on_timer(void *arg)
{
    struct fixture *f = arg;
    cfs_time now = cfs_clock_now();

    if (now - f->turned > f->longest)
        f->longest = now - f->turned;
    f->turned = now;
    cfs_timer_set(f->loop, &f->timer, now + CFS_MS(10));
}

static void a_name_that_is_not_resolved_holds_up_nothing(void **state)
{
    struct fixture f = {.loop = cfs_loop_new(), .turned = cfs_clock_now()};
    struct cfs_http_client *client = cfs_http_client_new(f.loop, "a secret of the cluster", 1000);
    cfs_time begun = cfs_clock_now();

    (void)state;
    sem_init(&let_go, 0, 0);
    f.timer = (struct cfs_timer){.fn = on_timer, .arg = &f};
    cfs_timer_set(f.loop, &f.timer, 0);
    cfs_http_client_post(client, "http://" HANGING ":1/", cfs_alloc_copy("x", 1), 1, on_done, &f);
    cfs_http_client_flush(client);
    cfs_loop_run(f.loop);
    on_timer(&f);
    assert_int_equal(f.outcome, CFS_HTTP_UNREACHED);
    assert_true(cfs_clock_now() - begun < CFS_SECONDS(4));
    assert_true(f.longest < CFS_SECONDS(1));
    cfs_timer_cancel(f.loop, &f.timer);
    cfs_http_client_free(client);
    cfs_loop_free(f.loop);
    sem_post(&let_go);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_that_is_not_resolved_holds_up_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
