/* The step's surroundings: what promises something waits for the disk, what promises nothing does
 * not. */
#include "core_bench.h"

#include <string.h>

static struct cfs_message reply(uint64_t match)
{
    return (struct cfs_message){
        .type = CFS_MSG_APPEND_REPLY, .to = 2, .append_reply = {.match = match}};
}

static void records_are_numbered_from_1_without_a_gap(void **state)
{
    struct bench b;
    struct cfs_entry *entry = cfs_entry_new(CFS_ENTRY_NOOP, 1, 1, NULL, 0);

    (void)state;
    bench_open(&b, 3);
    assert_int_equal(cfs_env_persist_state(&b.env, 0, 4, 2), 1);
    assert_int_equal(bench_effect(&b, CFS_FX_PERSIST)->record.term, 4);
    assert_int_equal(bench_effect(&b, CFS_FX_PERSIST)->record.vote, 2);
    assert_int_equal(cfs_env_persist_entry(&b.env, 0, entry), 2);
    assert_int_equal(bench_effect(&b, CFS_FX_PERSIST)->lsn, 2);
    assert_ptr_equal(bench_effect(&b, CFS_FX_PERSIST)->record.entry, entry);
    cfs_entry_unref(entry);
    bench_close(&b);
}

static void a_promise_waits_until_all_that_was_ordered_before_is_durable(void **state)
{
    struct bench b;
    struct cfs_message message = reply(5);

    (void)state;
    bench_open(&b, 3);
    cfs_env_persist_state(&b.env, 0, 1, 0);
    cfs_env_persist_state(&b.env, 0, 2, 0);
    cfs_env_send_durable(&b.env, &message);
    assert_int_equal(message.type, 0); /* taken */
    cfs_env_persisted(&b.env, 1);
    assert_int_equal(bench_effect_count(&b, CFS_FX_SEND), 0);
    cfs_env_persisted(&b.env, 2);
    assert_int_equal(bench_sent(&b, CFS_MSG_APPEND_REPLY, 2)->append_reply.match, 5);
    assert_int_equal(bench_sent(&b, CFS_MSG_APPEND_REPLY, 2)->from, BENCH_SELF);
    bench_close(&b);
}

static void a_promise_goes_out_at_once_when_nothing_is_missing_on_the_disk(void **state)
{
    struct bench b;
    struct cfs_message message = reply(5);

    (void)state;
    bench_open(&b, 3);
    cfs_env_persist_state(&b.env, 0, 1, 0);
    cfs_env_persisted(&b.env, 1);
    cfs_env_send_durable(&b.env, &message);
    assert_int_equal(bench_effect_count(&b, CFS_FX_SEND), 1);
    bench_close(&b);
}

static void promises_go_out_in_the_order_they_were_made(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b, 3);
    for (uint64_t i = 1; i <= 3; i++) {
        struct cfs_message message = reply(i);
        cfs_env_persist_state(&b.env, 0, i, 0);
        cfs_env_send_durable(&b.env, &message);
    }
    bench_clear(&b);
    cfs_env_persisted(&b.env, 3);
    for (uint64_t i = 1; i <= 3; i++)
        assert_int_equal(b.effects.items[i - 1].message.append_reply.match, i);
    bench_close(&b);
}

static struct cfs_message forward(cfs_node_id to)
{
    return (struct cfs_message){.type = CFS_MSG_FORWARD, .to = to};
}

static void open_with_a_promise(struct bench *b)
{
    struct cfs_message promise = reply(5);

    bench_open(b, 3);
    b->env.now = CFS_SECONDS(1);
    cfs_env_persist_state(&b->env, 0, 1, 0);
    cfs_env_send_durable(&b->env, &promise);
    bench_clear(b);
}

static void what_may_wait_goes_out_behind_a_promise_to_the_same_node(void **state)
{
    struct bench b;
    struct cfs_message first = forward(2), other = forward(3);

    (void)state;
    open_with_a_promise(&b);
    cfs_env_send_along(&b.env, &first);
    assert_int_equal(first.type, 0); /* taken */
    cfs_env_send_along(&b.env, &other);
    assert_int_equal(bench_sent_count(&b, CFS_MSG_FORWARD, 2), 0);
    assert_int_equal(bench_sent_count(&b, CFS_MSG_FORWARD, 3), 1);
    bench_clear(&b);
    cfs_env_persist_state(&b.env, 0, 2, 0); /* what comes later holds it up no longer */
    bench_clear(&b);
    cfs_env_persisted(&b.env, 1);
    assert_int_equal(b.effects.items[0].message.type, CFS_MSG_APPEND_REPLY);
    assert_int_equal(b.effects.items[1].message.type, CFS_MSG_FORWARD);
    assert_int_equal(b.effects.items[1].message.from, BENCH_SELF);
    bench_close(&b);
}

static void a_disk_that_stands_still_holds_up_nothing_but_promises(void **state)
{
    struct bench b;
    struct cfs_message early = forward(2), late = forward(2), later = reply(6);

    (void)state;
    open_with_a_promise(&b);
    assert_true(cfs_env_deadline(&b.env) == CFS_NEVER);
    cfs_env_send_along(&b.env, &early);
    assert_true(cfs_env_deadline(&b.env) == b.env.now + CFS_MS(2));
    b.env.now += CFS_MS(2);
    cfs_env_send_durable(&b.env, &later);
    cfs_env_send_along(&b.env, &late);
    assert_int_equal(bench_sent_count(&b, CFS_MSG_FORWARD, 2), 1);
    cfs_env_tick(&b.env);
    assert_int_equal(bench_sent_count(&b, CFS_MSG_FORWARD, 2), 2);
    assert_int_equal(bench_sent_count(&b, CFS_MSG_APPEND_REPLY, 2), 0);
    assert_true(cfs_env_deadline(&b.env) == CFS_NEVER);
    bench_close(&b);
}

static void an_older_report_of_the_disk_takes_nothing_back(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b, 3);
    cfs_env_persist_state(&b.env, 0, 1, 0);
    cfs_env_persist_state(&b.env, 0, 2, 0);
    cfs_env_persisted(&b.env, 2);
    cfs_env_persisted(&b.env, 1);
    assert_int_equal(b.env.durable, 2);
    bench_close(&b);
}

static void what_never_became_durable_is_freed_with_the_surroundings(void **state)
{
    struct bench b;
    struct cfs_message message = reply(1), own = reply(2);

    (void)state;
    bench_open(&b, 3);
    own.to = BENCH_SELF;
    cfs_env_persist_state(&b.env, 0, 1, 0);
    cfs_env_send_durable(&b.env, &message);
    cfs_env_send(&b.env, &own);
    bench_close(&b);
}

static void messages_to_oneself_come_back_in_order(void **state)
{
    struct bench b;
    struct cfs_message message;

    (void)state;
    bench_open(&b, 3);
    for (uint64_t i = 1; i <= 40; i++) {
        message = reply(i);
        message.to = BENCH_SELF;
        cfs_env_send(&b.env, &message);
    }
    assert_int_equal(bench_effect_count(&b, CFS_FX_SEND), 0);
    for (uint64_t i = 1; i <= 40; i++) {
        assert_true(cfs_env_take_inbox(&b.env, &message));
        assert_int_equal(message.append_reply.match, i);
    }
    assert_false(cfs_env_take_inbox(&b.env, &message));
    bench_close(&b);
}

static void chance_follows_from_the_seed_and_stays_below_its_bound(void **state)
{
    struct cfs_env a = {.random = 1}, b = {.random = 1}, c = {.random = 2};
    bool differs = false;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        uint64_t drawn = cfs_env_random(&a, 10);
        assert_true(drawn < 10);
        assert_int_equal(drawn, cfs_env_random(&b, 10));
        differs |= drawn != cfs_env_random(&c, 10);
    }
    assert_true(differs);
}

static void note(void *arg, const char *sentence)
{
    strcpy(arg, sentence);
}

static void a_decision_is_traced_as_a_sentence_if_anybody_listens(void **state)
{
    char heard[512] = "";
    struct cfs_env env = {0};

    (void)state;
    cfs_trace(&env, "nobody hears %d", 1);
    env.trace = note;
    env.trace_arg = heard;
    cfs_trace(&env, "leads term %d", 7);
    assert_string_equal(heard, "leads term 7");
}

static void the_guard_is_two_hundredths_of_a_lease(void **state)
{
    (void)state;
    assert_int_equal(CFS_CLOCK_GUARD(CFS_MS(200)), CFS_MS(4));
    assert_int_equal(CFS_CLOCK_GUARD(CFS_SECONDS(5)), CFS_MS(100));
}

static void heartbeats_are_due_at_the_same_moments_of_the_day(void **state)
{
    struct bench b;
    struct cfs_core_config config = {.heartbeat = CFS_MS(100), .groups = 1};

    (void)state;
    bench_open(&b, 3);
    b.env.now = CFS_MS(7777);
    b.env.wall = CFS_MS(123430);
    assert_int_equal(cfs_env_next_beat(&b.env, &config), CFS_MS(7777 + 70));
    b.env.wall = CFS_MS(123400);
    assert_int_equal(cfs_env_next_beat(&b.env, &config), CFS_MS(7777 + 100));
    config.groups = 0;
    b.env.wall = CFS_MS(123430);
    assert_int_equal(cfs_env_next_beat(&b.env, &config), CFS_MS(7777 + 100));
    bench_close(&b);
}

static void what_has_time_goes_with_a_heartbeat_before_it_is_due(void **state)
{
    struct bench b;
    struct cfs_core_config config = {.heartbeat = CFS_MS(100), .groups = 1};

    (void)state;
    bench_open(&b, 3);
    b.env.now = CFS_MS(1000);
    b.env.wall = CFS_MS(30); /* heartbeats at 1070, 1170, ... */
    assert_int_equal(cfs_env_beat_before(&b.env, &config, CFS_MS(1250)), CFS_MS(1170));
    assert_int_equal(cfs_env_beat_before(&b.env, &config, CFS_MS(1270)), CFS_MS(1270));
    assert_int_equal(cfs_env_beat_before(&b.env, &config, CFS_MS(1050)), CFS_MS(1050));
    config.groups = 0;
    assert_int_equal(cfs_env_beat_before(&b.env, &config, CFS_MS(1250)), CFS_MS(1250));
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_numbered_from_1_without_a_gap),
        cmocka_unit_test(a_promise_waits_until_all_that_was_ordered_before_is_durable),
        cmocka_unit_test(a_promise_goes_out_at_once_when_nothing_is_missing_on_the_disk),
        cmocka_unit_test(promises_go_out_in_the_order_they_were_made),
        cmocka_unit_test(what_may_wait_goes_out_behind_a_promise_to_the_same_node),
        cmocka_unit_test(a_disk_that_stands_still_holds_up_nothing_but_promises),
        cmocka_unit_test(an_older_report_of_the_disk_takes_nothing_back),
        cmocka_unit_test(what_never_became_durable_is_freed_with_the_surroundings),
        cmocka_unit_test(messages_to_oneself_come_back_in_order),
        cmocka_unit_test(chance_follows_from_the_seed_and_stays_below_its_bound),
        cmocka_unit_test(a_decision_is_traced_as_a_sentence_if_anybody_listens),
        cmocka_unit_test(the_guard_is_two_hundredths_of_a_lease),
        cmocka_unit_test(heartbeats_are_due_at_the_same_moments_of_the_day),
        cmocka_unit_test(what_has_time_goes_with_a_heartbeat_before_it_is_due),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
