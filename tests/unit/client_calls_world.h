/* What the tests of requests that end early share: a client with a session, and short ways to what
 * it sent and said. */
#ifndef TESTS_UNIT_CLIENT_CALLS_WORLD_H
#define TESTS_UNIT_CLIENT_CALLS_WORLD_H

#include "core_bench.h"

static struct client_bench cb;

static inline int set_up(void **state)
{
    client_bench_open_session(&cb);
    *state = &cb;
    return 0;
}

static inline int tear_down(void **state)
{
    client_bench_close(*state);
    return 0;
}

static inline uint64_t flock(uint64_t handle)
{
    return client_bench_request(&cb, bench_flock("x", handle, CFS_EXCLUSIVE, true));
}

/* The sequence of the newest command. */
static inline uint64_t sequence(void)
{
    return client_bench_sent(&cb).sequence;
}

static inline uint32_t commands(void)
{
    return bench_sent_count(&cb.bench, CFS_MSG_FORWARD, 0);
}

static inline enum cfs_error said(uint64_t id)
{
    const struct cfs_answer *answer = client_bench_said(&cb, id);

    assert_non_null(answer);
    return answer->error;
}

static inline void granted(uint64_t of_sequence, cfs_token token)
{
    client_bench_answer(&cb, of_sequence, (struct cfs_answer){.token = token});
}

/* Contact is kept, so that only what the test is about happens. */
static inline void pass_in_contact(cfs_time duration)
{
    client_bench_kept_alive(&cb, cb.bench.env.now, true);
    client_bench_tick(&cb, duration);
}

#endif
