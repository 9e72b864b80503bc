/* What the files ask for shares with: changes of their own, from the asking to the answer. */
#include "cache_requests.h"
#include "client_calls_world.h"

#define DIRECTORY 1u

/* Whether the answer to the newest look, as the leader shares it, may be kept. */
static bool is_kept(const char *name)
{
    struct cfs_request request = of_cache(CFS_OP_CACHE_LOOKUP, name);
    const struct cfs_message *read;
    uint64_t id;

    request.cache_read.ino = DIRECTORY;
    id = client_bench_request(&cb, request);
    read = bench_sent(&cb.bench, CFS_MSG_READ, 0);
    client_bench_read_answer(
        &cb, read->read.id,
        (struct cfs_answer){
            .cache = {.share = {.epoch = read->read.cache.epoch},
                      .inode = {.ino = 10, .parent = DIRECTORY, .type = CFS_INODE_FILE}}});
    assert_int_equal(said(id), CFS_OK);
    return client_bench_said(&cb, id)->cache.share.epoch;
}

static void lose_session(void)
{
    client_bench_kept_alive(&cb, cb.bench.env.now, false);
    client_bench_tick(&cb, 0);
}

static void what_is_read_is_kept(void **state)
{
    (void)state;
    assert_true(is_kept("a"));
}

static void what_a_change_touches_is_not_kept_until_it_is_answered(void **state)
{
    uint64_t id;

    (void)state;
    id = client_bench_request(&cb, remove_file(DIRECTORY, "a"));
    assert_false(is_kept("a"));
    client_bench_answer(&cb, sequence(), (struct cfs_answer){.id = 10});
    assert_int_equal(said(id), CFS_OK);
    assert_true(is_kept("a"));
}

/* The home recalls nothing of it from this node, and the files gave it up when they asked. */
static void neither_is_it_before_the_change_can_be_sent(void **state)
{
    (void)state;
    lose_session();
    client_bench_request(&cb, remove_file(DIRECTORY, "a"));
    assert_false(is_kept("a"));
    client_bench_opened(&cb, client_bench_sent(&cb).nonce, BENCH_SESSION + 1);
    assert_int_equal(client_bench_sent(&cb).request.op, CFS_OP_CACHE_REMOVE);
    assert_false(is_kept("a"));
}

static void what_was_never_sent_is_over_when_it_is_given_up(void **state)
{
    uint64_t id;

    (void)state;
    lose_session();
    id = client_bench_request(&cb, remove_file(DIRECTORY, "a"));
    cfs_client_cancel(&cb.client, id);
    assert_int_equal(said(id), CFS_ERR_INTERRUPTED);
    assert_true(is_kept("a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(what_is_read_is_kept),
        T(what_a_change_touches_is_not_kept_until_it_is_answered),
        T(neither_is_it_before_the_change_can_be_sent),
        T(what_was_never_sent_is_over_when_it_is_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
