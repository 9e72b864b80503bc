/* How claims and waits end by themselves: time, sessions, askers who have gone; and queues. */
#include "queue_world.h"

static void expire_at(struct world *w, cfs_time time)
{
    tick(w);
    w->now.time = time;
    cfs_queues_expire(w->queues, w->now);
}

/* Time. */

static void a_claim_ends_with_its_time(void **state)
{
    struct world *w = *state;
    struct handed a;
    cfs_time end;

    assert_int_equal(cfs_queues_next_expiry(w->queues), CFS_NEVER);
    put(w, "q", "a");
    a = take(w, 1, "q", "a");
    end = w->now.time + CFS_SECONDS(30);
    assert_int_equal(cfs_queues_next_expiry(w->queues), end);
    expire_at(w, end - 1);
    counts(w, "q", 0, 1, 0);
    expire_at(w, end);
    counts(w, "q", 1, 0, 0);
    assert_int_equal(ack(w, "q", a.info.claim), CFS_ERR_NOT_CLAIMED);
    assert_int_equal(take(w, 2, "q", "a").info.deliveries, 2);
}

static void an_extended_claim_begins_anew(void **state)
{
    struct world *w = *state;
    struct handed a;

    put(w, "q", "a");
    a = take(w, 1, "q", "a");
    w->now.time += CFS_SECONDS(20);
    assert_int_equal(extend(w, "q", a.info.claim), CFS_OK);
    assert_int_equal(cfs_queues_next_expiry(w->queues), w->now.time + CFS_SECONDS(30));
    assert_int_equal(extend(w, "q", a.info.claim + 1), CFS_ERR_NOT_CLAIMED);
}

static void the_time_is_that_of_the_queue(void **state)
{
    struct world *w = *state;
    struct cfs_queue_config config = {.visibility_ms = 500};

    configure(w, "q", CFS_CONFIG_VISIBILITY, config);
    put(w, "q", "a");
    assert_int_equal(take(w, 1, "q", "a").info.left, CFS_MS(500));
}

/* All of those whose time is the same, however many; of the others some are left. */
static void very_many_claims_end_a_part_at_a_time(void **state)
{
    struct world *w = *state;
    uint32_t calls = 0;

    for (int i = 0; i < 10000; i++)
        put(w, "q", "x");
    for (int i = 0; i < 40; i++)
        consume(w, 1, "q", waiting(CFS_CONSUME_MAX));
    counts(w, "q", 0, 10000, 0);
    for (; cfs_queues_next_expiry(w->queues) != CFS_NEVER; calls++)
        expire_at(w, w->now.time + CFS_SECONDS(60));
    assert_int_equal(calls, 3);
    counts(w, "q", 10000, 0, 0);
}

static void what_ended_in_time_goes_to_who_waits(void **state)
{
    struct world *w = *state;
    uint64_t waiter;

    put(w, "q", "a");
    take(w, 1, "q", "a");
    waiter = take_waits(w, 2, "q");
    expire_at(w, w->now.time + CFS_SECONDS(31));
    woken(w, waiter, "a");
}

/* Sessions. */

static void with_a_session_its_claims_end(void **state)
{
    struct world *w = *state;

    put(w, "q", "a");
    put(w, "q", "b");
    put(w, "q", "c");
    take(w, 1, "q", "a");
    take(w, 2, "q", "b");
    take(w, 1, "q", "c");
    cfs_queues_end_session(w->queues, 1, tick(w));
    counts(w, "q", 2, 1, 0);
    assert_int_equal(take(w, 3, "q", "a").info.deliveries, 2);
    take(w, 3, "q", "c");
}

static void with_a_session_its_waits_end_unsaid(void **state)
{
    struct world *w = *state;
    uint64_t gone, stays, producer;

    gone = take_waits(w, 1, "q");
    stays = take_waits(w, 2, "q");
    cfs_queues_end_session(w->queues, 1, tick(w));
    put(w, "q", "a");
    waits(w, gone);
    woken(w, stays, "a");
    make(w, "full", true);
    bound_messages(w, "full", 1);
    put(w, "full", "x");
    gone = put_waits(w, 1, "full", "large");
    producer = put_waits(w, 2, "full", "y");
    cfs_queues_end_session(w->queues, 1, tick(w));
    ack(w, "full", take(w, 3, "full", "x").info.claim);
    waits(w, gone);
    assert_int_equal(end_of(w, producer)->error, CFS_OK);
}

/* Nothing goes to the waiter of the session that ends. */
static void what_a_session_held_does_not_go_to_its_own_waiter(void **state)
{
    struct world *w = *state;
    uint64_t own, other;

    put(w, "q", "a");
    take(w, 1, "q", "a");
    own = take_waits(w, 1, "q");
    other = take_waits(w, 2, "q");
    cfs_queues_end_session(w->queues, 1, tick(w));
    waits(w, own);
    woken(w, other, "a");
}

static void leased_claims_belong_to_no_session(void **state)
{
    struct world *w = *state;
    struct cfs_consume how = {.leased = true, .max = 1};

    put(w, "q", "a");
    consume(w, 1, "q", how);
    assert_int_equal(w->answer.messages[0].node, 0);
    cfs_queues_end_session(w->queues, 1, tick(w));
    counts(w, "q", 0, 1, 0);
    expire_at(w, w->now.time + CFS_SECONDS(31));
    counts(w, "q", 1, 0, 0);
}

static void a_node_that_comes_back_keeps_what_no_open_file_held(void **state)
{
    struct world *w = *state;
    struct cfs_consume bound = {.bound = true, .max = 1};
    uint64_t waiter;
    struct handed a;

    put(w, "q", "a");
    put(w, "q", "b");
    a = take(w, 1, "q", "a");
    consume(w, 1, "q", bound);
    waiter = take_waits(w, 1, "q");
    cfs_queues_move_session(w->queues, 1, 11, tick(w));
    counts(w, "q", 1, 1, 0);
    put(w, "q", "c");
    waits(w, waiter);
    cfs_queues_end_session(w->queues, 1, tick(w)); /* nothing hangs on it any more */
    counts(w, "q", 2, 1, 0);
    assert_int_equal(ack(w, "q", a.info.claim), CFS_OK);
    put(w, "q", "d");
    consume(w, 11, "q", waiting(1));
    cfs_queues_end_session(w->queues, 11, tick(w));
    counts(w, "q", 3, 0, 0);
}

static void what_dies_with_a_session_is_dead(void **state)
{
    struct world *w = *state;

    bound_deliveries(w, "q", 1);
    put(w, "q", "a");
    take(w, 1, "q", "a");
    cfs_queues_end_session(w->queues, 1, tick(w));
    counts(w, "q", 0, 0, 1);
}

/* Who has gone. */

static void who_gives_up_leaves_no_trace(void **state)
{
    struct world *w = *state;
    uint64_t first = take_waits(w, 1, "q"), second = take_waits(w, 2, "q");

    assert_true(cfs_queues_dismiss(w->queues, 1, first, tick(w), CFS_ERR_INTERRUPTED));
    sent_away(w, first, CFS_ERR_INTERRUPTED);
    assert_false(cfs_queues_dismiss(w->queues, 1, first, tick(w), CFS_ERR_INTERRUPTED));
    put(w, "q", "a");
    woken(w, second, "a");
}

static void who_gives_up_waiting_for_room_lets_in_the_next(void **state)
{
    struct world *w = *state;
    struct cfs_queue_config config = {.max_bytes = 6};
    uint64_t large, small;

    configure(w, "q", CFS_CONFIG_MAX_BYTES, config);
    put(w, "q", "12345");
    large = put_waits(w, 1, "q", "12345");
    small = put_waits(w, 2, "q", "1");
    assert_true(cfs_queues_dismiss(w->queues, 1, large, tick(w), CFS_ERR_INTERRUPTED));
    assert_int_equal(end_of(w, small)->error, CFS_OK);
}

static void what_nobody_has_heard_of_was_never_handed_out(void **state)
{
    struct world *w = *state;
    uint64_t sequence;

    for (int i = 0; i < 3; i++)
        put(w, "q", "x");
    bound_deliveries(w, "q", 1);
    sequence = consume(w, 1, "q", waiting(2));
    cfs_queues_undo(w->queues, 2, sequence, tick(w));
    cfs_queues_undo(w->queues, 1, sequence + 1, tick(w));
    counts(w, "q", 1, 2, 0);
    cfs_queues_undo(w->queues, 1, sequence, tick(w));
    counts(w, "q", 3, 0, 0);
    cfs_queues_undo(w->queues, 1, sequence, tick(w));
    assert_int_equal(take(w, 1, "q", "x").info.deliveries, 1);
}

static void an_undo_leaves_what_was_acknowledged(void **state)
{
    struct world *w = *state;
    uint64_t sequence;

    put(w, "q", "a");
    put(w, "q", "b");
    sequence = consume(w, 1, "q", waiting(2));
    ack(w, "q", w->answer.messages[0].claim);
    cfs_queues_undo(w->queues, 1, sequence, tick(w));
    take(w, 1, "q", "b");
    counts(w, "q", 0, 1, 0);
}

static void what_was_handed_out_can_be_said_again(void **state)
{
    struct world *w = *state;
    struct cfs_answer answer = {0};
    cfs_claim_id first;

    put(w, "q", "a");
    put(w, "q", "b");
    consume(w, 1, "q", waiting(2));
    first = w->answer.messages[0].claim;
    assert_true(cfs_queues_handed(w->queues, tick(w), first, 2, &answer));
    assert_int_equal(answer.message_count, 2);
    assert_memory_equal(answer.messages[1].body, "b", 1);
    ack(w, "q", first);
    assert_true(cfs_queues_handed(w->queues, tick(w), first, 2, &answer));
    assert_int_equal(answer.message_count, 1);
    assert_int_equal(answer.messages[0].claim, first + 1);
    ack(w, "q", first + 1);
    assert_false(cfs_queues_handed(w->queues, tick(w), first, 2, &answer));
}

/* Queues. */

static void a_queue_is_made_once(void **state)
{
    struct world *w = *state;
    struct cfs_queue_info info;

    assert_int_equal(make(w, "q", true), CFS_ERR_QUEUE_EXISTS);
    assert_int_equal(make(w, "q", false), CFS_OK);
    info = info_of(w, "q");
    assert_int_equal(info.uid, 1000);
    assert_int_equal(info.gid, 100);
    assert_int_equal(info.perm, 0640);
    assert_int_equal(info.mtime, 5001);
    assert_int_equal(info.ctime, 5001);
    assert_int_equal(info.config.visibility_ms, 30000);
    assert_int_equal(info.config.max_deliveries, 20);
    assert_int_equal(info.config.framing, CFS_FRAMING_WRITE);
    assert_false(cfs_queues_stat(w->queues, "none", &info));
}

static void a_queue_with_messages_stays(void **state)
{
    struct world *w = *state;
    cfs_message_id id;
    struct handed a;

    bound_deliveries(w, "q", 1);
    id = put(w, "q", "a");
    assert_int_equal(cfs_queues_remove(w->queues, "q", 1000), CFS_ERR_NOT_EMPTY);
    a = take(w, 1, "q", "a");
    assert_int_equal(cfs_queues_remove(w->queues, "q", 1000), CFS_ERR_NOT_EMPTY);
    give_back(w, "q", a.info.claim);
    assert_int_equal(cfs_queues_remove(w->queues, "q", 1000), CFS_ERR_NOT_EMPTY);
    bury(w, "q", id);
    assert_int_equal(cfs_queues_remove(w->queues, "q", 1001), CFS_ERR_NOT_PERMITTED);
    assert_int_equal(cfs_queues_remove(w->queues, "q", 1000), CFS_OK);
    assert_int_equal(cfs_queues_remove(w->queues, "q", 1000), CFS_ERR_NO_QUEUE);
}

static void who_waits_in_a_queue_that_goes_is_told(void **state)
{
    struct world *w = *state;
    uint64_t first = take_waits(w, 1, "q"), second = take_waits(w, 2, "q");

    assert_int_equal(cfs_queues_remove(w->queues, "q", 0), CFS_OK);
    sent_away(w, first, CFS_ERR_NO_QUEUE);
    sent_away(w, second, CFS_ERR_NO_QUEUE);
}

static void a_purge_takes_all_but_what_is_in_flight(void **state)
{
    struct world *w = *state;
    struct handed a, c;
    uint64_t producer;

    bound_deliveries(w, "q", 1);
    put(w, "q", "a");
    put(w, "q", "b");
    put(w, "q", "c");
    put(w, "q", "d");
    a = take(w, 1, "q", "a");
    take(w, 1, "q", "b");
    c = take(w, 1, "q", "c");
    give_back(w, "q", a.info.claim);
    bound_deliveries(w, "q", 9);
    give_back(w, "q", c.info.claim);
    bound_messages(w, "q", 2);
    producer = put_waits(w, 1, "q", "e");
    counts(w, "q", 2, 1, 1);
    assert_int_equal(cfs_queues_purge(w->queues, tick(w), "q", 7), CFS_ERR_NOT_PERMITTED);
    assert_int_equal(cfs_queues_purge(w->queues, tick(w), "q", 1000), CFS_OK);
    assert_int_equal(end_of(w, producer)->error, CFS_OK);
    counts(w, "q", 1, 1, 0);
    assert_int_equal(info_of(w, "q").bytes, 2);
}

static enum cfs_error setattr(struct world *w, struct cfs_setattr how)
{
    return cfs_queues_setattr(w->queues, tick(w), "q", &how);
}

static void its_owner_changes_how_a_queue_looks(void **state)
{
    struct world *w = *state;
    struct cfs_queue_info before = info_of(w, "q"), after;

    assert_int_equal(setattr(w, (struct cfs_setattr){.fields = CFS_SET_PERM, .caller = 7}),
                     CFS_ERR_NOT_PERMITTED);
    assert_int_equal(setattr(w, (struct cfs_setattr){.fields = CFS_SET_PERM | CFS_SET_GID,
                                                     .caller = 1000,
                                                     .perm = 0100600,
                                                     .gid = 5}),
                     CFS_OK);
    after = info_of(w, "q");
    assert_int_equal(after.perm, 0600);
    assert_int_equal(after.gid, 5);
    assert_int_equal(after.ctime, w->now.wall);
    assert_int_equal(after.mtime, before.mtime);
    assert_int_equal(
        setattr(w, (struct cfs_setattr){.fields = CFS_SET_MTIME, .caller = 0, .mtime = 3}), CFS_OK);
    assert_int_equal(info_of(w, "q").mtime, 3);
    assert_int_equal(info_of(w, "q").ctime, after.ctime);
    assert_int_equal(setattr(w, (struct cfs_setattr){.fields = CFS_SET_MTIME_NOW, .caller = 1000}),
                     CFS_OK);
    assert_int_equal(info_of(w, "q").mtime, w->now.wall);
    assert_int_equal(setattr(w, (struct cfs_setattr){.fields = CFS_SET_UID, .uid = 7}), CFS_OK);
    assert_int_equal(setattr(w, (struct cfs_setattr){.fields = CFS_SET_PERM, .caller = 1000}),
                     CFS_ERR_NOT_PERMITTED);
    put(w, "q", "x");
    assert_int_equal(info_of(w, "q").mtime, w->now.wall);
}

static void its_owner_configures_a_queue(void **state)
{
    struct world *w = *state;
    struct cfs_queue_set set = {.fields = CFS_CONFIG_FRAMING, .uid = 7};
    struct cfs_queue_config config = {.framing = CFS_FRAMING_LINE, .max_bytes = 9};

    assert_int_equal(cfs_queues_configure(w->queues, tick(w), "q", &set), CFS_ERR_NOT_PERMITTED);
    assert_int_equal(cfs_queues_configure(w->queues, tick(w), "none", &set), CFS_ERR_NO_QUEUE);
    assert_int_equal(configure(w, "q", CFS_CONFIG_FRAMING, config), CFS_OK);
    assert_int_equal(info_of(w, "q").config.framing, CFS_FRAMING_LINE);
    assert_int_equal(info_of(w, "q").config.max_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(a_claim_ends_with_its_time),
        IN_WORLD(an_extended_claim_begins_anew),
        IN_WORLD(the_time_is_that_of_the_queue),
        IN_WORLD(very_many_claims_end_a_part_at_a_time),
        IN_WORLD(what_ended_in_time_goes_to_who_waits),
        IN_WORLD(with_a_session_its_claims_end),
        IN_WORLD(with_a_session_its_waits_end_unsaid),
        IN_WORLD(what_a_session_held_does_not_go_to_its_own_waiter),
        IN_WORLD(leased_claims_belong_to_no_session),
        IN_WORLD(a_node_that_comes_back_keeps_what_no_open_file_held),
        IN_WORLD(what_dies_with_a_session_is_dead),
        IN_WORLD(who_gives_up_leaves_no_trace),
        IN_WORLD(who_gives_up_waiting_for_room_lets_in_the_next),
        IN_WORLD(what_nobody_has_heard_of_was_never_handed_out),
        IN_WORLD(an_undo_leaves_what_was_acknowledged),
        IN_WORLD(what_was_handed_out_can_be_said_again),
        IN_WORLD(a_queue_is_made_once),
        IN_WORLD(a_queue_with_messages_stays),
        IN_WORLD(who_waits_in_a_queue_that_goes_is_told),
        IN_WORLD(a_purge_takes_all_but_what_is_in_flight),
        IN_WORLD(its_owner_changes_how_a_queue_looks),
        IN_WORLD(its_owner_configures_a_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
