/* Stories of queues: what goes in comes out in order, at least once, to one at a time. */
#include "queue_world.h"

static void what_went_in_first_comes_out_first(void **state)
{
    struct world *w = *state;
    struct handed a, b;

    put(w, "q", "first");
    put(w, "q", "second");
    a = take(w, 1, "q", "first");
    b = take(w, 2, "q", "second");
    assert_true(b.info.claim > a.info.claim);
    assert_true(b.info.id > a.info.id);
    assert_int_equal(a.info.deliveries, 1);
    assert_int_equal(a.info.node, 1);
    assert_int_equal(b.info.left, CFS_SECONDS(30));
    counts(w, "q", 0, 2, 0);
    assert_int_equal(ack(w, "q", a.info.claim), CFS_OK);
    assert_int_equal(ack(w, "q", b.info.claim), CFS_OK);
    counts(w, "q", 0, 0, 0);
    assert_int_equal(info_of(w, "q").bytes, 0);
}

static void an_empty_body_is_a_message_too(void **state)
{
    struct world *w = *state;

    put(w, "q", "");
    assert_int_equal(take(w, 1, "q", "").info.len, 0);
}

static void a_queue_that_is_not_there_takes_and_gives_nothing(void **state)
{
    struct world *w = *state;

    put_refused(w, "none", "x", CFS_ERR_NO_QUEUE);
    take_refused(w, "none", CFS_ERR_NO_QUEUE);
    produce(w, 1, "none", one("x"));
    assert_int_equal(w->answer.error, CFS_ERR_NO_QUEUE);
    consume(w, 1, "none", waiting(1));
    assert_int_equal(w->answer.error, CFS_ERR_NO_QUEUE);
    assert_int_equal(ack(w, "none", 1), CFS_ERR_NOT_CLAIMED);
    assert_int_equal(bury(w, "none", 1), CFS_ERR_NO_MESSAGE);
    assert_int_equal(cfs_queues_remove(w->queues, "none", 0), CFS_ERR_NO_QUEUE);
    assert_int_equal(cfs_queues_purge(w->queues, tick(w), "none", 0), CFS_ERR_NO_QUEUE);
}

static void many_messages_go_in_at_once(void **state)
{
    struct world *w = *state;
    const uint32_t lengths[] = {1, 0, 2};
    struct cfs_produce what = one("abb");

    what.lengths = lengths;
    what.count = 3;
    produce(w, 1, "q", what);
    assert_int_equal(w->answer.error, CFS_OK);
    counts(w, "q", 3, 0, 0);
    take(w, 1, "q", "a");
    take(w, 1, "q", "");
    take(w, 1, "q", "bb");
}

static void the_id_of_a_produce_is_that_of_its_last_message(void **state)
{
    struct world *w = *state;
    const uint32_t lengths[] = {1, 1};
    struct cfs_produce what = one("ab");
    cfs_message_id last;

    what.lengths = lengths;
    what.count = 2;
    produce(w, 1, "q", what);
    last = w->answer.id;
    assert_int_equal(take(w, 1, "q", "a").info.id, last - 1);
    assert_int_equal(take(w, 1, "q", "b").info.id, last);
}

static void many_are_handed_out_at_once_as_far_as_bytes_go(void **state)
{
    struct world *w = *state;
    uint8_t *half = calloc(1, CFS_MESSAGE_MAX);
    struct cfs_produce what = {.data = half, .len = CFS_MESSAGE_MAX / 2};

    for (int i = 0; i < 3; i++) {
        produce(w, 1, "q", what);
        assert_int_equal(w->answer.error, CFS_OK);
    }
    what.len = CFS_MESSAGE_MAX;
    produce(w, 1, "q", what);
    put(w, "q", "small");
    consume(w, 1, "q", waiting(CFS_CONSUME_MAX));
    assert_int_equal(w->answer.message_count, 2);
    assert_int_equal(w->answer.messages[1].claim, w->answer.messages[0].claim + 1);
    consume(w, 1, "q", waiting(CFS_CONSUME_MAX));
    assert_int_equal(w->answer.message_count, 1);
    consume(w, 1, "q", waiting(CFS_CONSUME_MAX));
    assert_int_equal(w->answer.message_count, 1);
    assert_int_equal(w->answer.messages[0].len, CFS_MESSAGE_MAX);
    take(w, 1, "q", "small");
    free(half);
}

static void no_more_are_handed_out_than_asked_for(void **state)
{
    struct world *w = *state;

    for (int i = 0; i < 5; i++)
        put(w, "q", "x");
    consume(w, 1, "q", waiting(3));
    assert_int_equal(w->answer.message_count, 3);
    counts(w, "q", 2, 3, 0);
}

static void who_waits_is_served_first_come_first_served(void **state)
{
    struct world *w = *state;
    uint64_t first = take_waits(w, 1, "q"), second = take_waits(w, 2, "q");

    take_refused(w, "q", CFS_ERR_EMPTY);
    put(w, "q", "a");
    woken(w, first, "a");
    waits(w, second);
    put(w, "q", "b");
    assert_int_equal(woken(w, second, "b").info.node, 2);
    assert_int_equal(info_of(w, "q").consumers, 0);
}

static void what_was_given_back_goes_to_who_waits(void **state)
{
    struct world *w = *state;
    struct handed a;
    uint64_t waiter;

    put(w, "q", "a");
    a = take(w, 1, "q", "a");
    waiter = take_waits(w, 2, "q");
    assert_int_equal(give_back(w, "q", a.info.claim), CFS_OK);
    assert_int_equal(woken(w, waiter, "a").info.deliveries, 2);
    assert_int_equal(ack(w, "q", a.info.claim), CFS_ERR_NOT_CLAIMED);
}

static void what_goes_back_finds_its_old_place(void **state)
{
    struct world *w = *state;
    struct handed a, b, c;

    put(w, "q", "a");
    put(w, "q", "b");
    put(w, "q", "c");
    put(w, "q", "d");
    a = take(w, 1, "q", "a");
    b = take(w, 1, "q", "b");
    c = take(w, 1, "q", "c");
    give_back(w, "q", b.info.claim);
    give_back(w, "q", c.info.claim);
    give_back(w, "q", a.info.claim);
    take(w, 1, "q", "a");
    take(w, 1, "q", "b");
    take(w, 1, "q", "c");
    take(w, 1, "q", "d");
}

static void a_claim_is_good_in_its_queue_alone(void **state)
{
    struct world *w = *state;
    struct handed a;

    make(w, "other", true);
    put(w, "q", "a");
    a = take(w, 1, "q", "a");
    assert_int_equal(ack(w, "other", a.info.claim), CFS_ERR_NOT_CLAIMED);
    assert_int_equal(give_back(w, "other", a.info.claim), CFS_ERR_NOT_CLAIMED);
    assert_int_equal(extend(w, "other", a.info.claim), CFS_ERR_NOT_CLAIMED);
    assert_int_equal(ack(w, "q", a.info.id), CFS_ERR_NOT_CLAIMED);
    assert_int_equal(ack(w, "q", a.info.claim), CFS_OK);
}

static void of_many_claims_those_that_are_there_are_done(void **state)
{
    struct world *w = *state;
    uint64_t ids[3];
    struct cfs_settle s = {.place = CFS_INFLIGHT, .ids = ids, .count = 3};

    put(w, "q", "a");
    put(w, "q", "b");
    ids[0] = take(w, 1, "q", "a").info.claim;
    ids[1] = 12345;
    ids[2] = take(w, 1, "q", "b").info.claim;
    assert_int_equal(cfs_queues_ack(w->queues, tick(w), "q", &s), CFS_ERR_NOT_CLAIMED);
    counts(w, "q", 0, 0, 0);
}

/* Back-pressure. */

static void a_full_queue_makes_producers_wait_in_order(void **state)
{
    struct world *w = *state;
    struct handed a;
    uint64_t b, c;

    bound_messages(w, "q", 1);
    put(w, "q", "a");
    put_refused(w, "q", "x", CFS_ERR_FULL);
    b = put_waits(w, 1, "q", "b");
    c = put_waits(w, 2, "q", "c");
    assert_int_equal(info_of(w, "q").producers, 2);
    a = take(w, 1, "q", "a"); /* in flight it takes its room */
    waits(w, b);
    ack(w, "q", a.info.claim);
    assert_int_equal(end_of(w, b)->error, CFS_OK);
    assert_true(end_of(w, b)->id > a.info.id);
    waits(w, c);
    ack(w, "q", take(w, 1, "q", "b").info.claim);
    take(w, 1, "q", "c");
    assert_int_equal(end_of(w, c)->error, CFS_OK);
}

static void nobody_overtakes_who_waits_for_room(void **state)
{
    struct world *w = *state;
    struct cfs_queue_config config = {.max_bytes = 10};
    uint64_t large;

    configure(w, "q", CFS_CONFIG_MAX_BYTES, config);
    put(w, "q", "12345");
    large = put_waits(w, 1, "q", "123456");
    put_refused(w, "q", "1", CFS_ERR_FULL);
    put_waits(w, 2, "q", "1");
    ack(w, "q", take(w, 1, "q", "12345").info.claim);
    assert_int_equal(end_of(w, large)->error, CFS_OK);
    counts(w, "q", 2, 0, 0);
}

static void what_is_larger_than_the_bounds_goes_into_an_empty_queue(void **state)
{
    struct world *w = *state;
    struct cfs_queue_config config = {.max_bytes = 3};
    uint64_t waiter;

    configure(w, "q", CFS_CONFIG_MAX_BYTES, config);
    put(w, "q", "12345");
    waiter = put_waits(w, 1, "q", "123456");
    ack(w, "q", take(w, 1, "q", "12345").info.claim);
    assert_int_equal(end_of(w, waiter)->error, CFS_OK);
}

static void the_dead_take_no_room(void **state)
{
    struct world *w = *state;

    bound_messages(w, "q", 1);
    bound_deliveries(w, "q", 1);
    put(w, "q", "a");
    give_back(w, "q", take(w, 1, "q", "a").info.claim);
    counts(w, "q", 0, 0, 1);
    put(w, "q", "b");
    assert_int_equal(info_of(w, "q").bytes, 2);
}

static void larger_bounds_let_in_who_waits(void **state)
{
    struct world *w = *state;
    uint64_t b, c, d;

    bound_messages(w, "q", 1);
    put(w, "q", "a");
    b = put_waits(w, 1, "q", "b");
    c = put_waits(w, 1, "q", "c");
    d = put_waits(w, 1, "q", "d");
    bound_messages(w, "q", 3);
    assert_int_equal(end_of(w, b)->error, CFS_OK);
    assert_int_equal(end_of(w, c)->error, CFS_OK);
    waits(w, d);
    bound_messages(w, "q", 0);
    assert_int_equal(end_of(w, d)->error, CFS_OK);
}

static void what_is_let_in_goes_to_who_waits_for_it(void **state)
{
    struct world *w = *state;
    struct handed a;
    uint64_t producer, consumer;

    bound_messages(w, "q", 1);
    put(w, "q", "a");
    a = take(w, 1, "q", "a");
    consumer = take_waits(w, 2, "q");
    producer = put_waits(w, 3, "q", "b");
    ack(w, "q", a.info.claim);
    assert_int_equal(end_of(w, producer)->error, CFS_OK);
    woken(w, consumer, "b");
}

static void bodies_that_wait_have_a_bound(void **state)
{
    struct world *w = *state;
    uint8_t *body = calloc(1, CFS_MESSAGE_MAX);
    struct cfs_produce what = {.data = body, .len = CFS_MESSAGE_MAX, .wait = true};
    uint32_t count = 0;

    bound_messages(w, "q", 1);
    put(w, "q", "a");
    do
        produce(w, 1, "q", what);
    while (w->outcome == CFS_QUEUED && ++count < 1000);
    assert_int_equal(w->answer.error, CFS_ERR_TOO_MANY);
    assert_int_equal(count, 64);
    put_waits(w, 1, "q", "small");
    free(body);
}

/* Keys. */

static void producing_twice_with_a_key_is_producing_once(void **state)
{
    struct world *w = *state;
    struct cfs_produce what = one("a");
    cfs_message_id id;

    what.key = 77;
    produce(w, 1, "q", what);
    id = w->answer.id;
    produce(w, 2, "q", what);
    assert_int_equal(w->answer.error, CFS_OK);
    assert_int_equal(w->answer.id, id);
    counts(w, "q", 1, 0, 0);
    ack(w, "q", take(w, 1, "q", "a").info.claim);
    produce(w, 2, "q", what); /* also when it has been consumed */
    assert_int_equal(w->answer.id, id);
    counts(w, "q", 0, 0, 0);
    w->now.time += CFS_SECONDS(600);
    produce(w, 2, "q", what);
    assert_true(w->answer.id > id);
}

static void a_key_that_waits_is_asked_again(void **state)
{
    struct world *w = *state;
    struct cfs_produce what = one("b");
    uint64_t first, second;
    cfs_claim_id a;

    bound_messages(w, "q", 1);
    put(w, "q", "a");
    what.key = 5;
    first = produce(w, 1, "q", what);
    assert_int_equal(w->outcome, CFS_QUEUED);
    second = produce(w, 2, "q", what);
    assert_int_equal(w->outcome, CFS_QUEUED);
    sent_away(w, first, CFS_ERR_INTERRUPTED);
    what.wait = false;
    produce(w, 3, "q", what);
    assert_int_equal(w->answer.error, CFS_ERR_FULL);
    assert_int_equal(info_of(w, "q").producers, 1);
    a = take(w, 1, "q", "a").info.claim;
    ack(w, "q", a);
    assert_int_equal(end_of(w, second)->asker.node, 2);
    produce(w, 3, "q", what);
    assert_int_equal(w->answer.id, end_of(w, second)->id);
    counts(w, "q", 1, 0, 0);
}

static void a_queue_remembers_so_many_keys(void **state)
{
    struct world *w = *state;
    struct cfs_produce what = one("x");

    for (uint64_t key = 1; key <= 1025; key++) {
        what.key = key;
        produce(w, 1, "q", what);
    }
    counts(w, "q", 1025, 0, 0);
    what.key = 2;
    produce(w, 1, "q", what);
    counts(w, "q", 1025, 0, 0);
    what.key = 1; /* the oldest was forgotten */
    produce(w, 1, "q", what);
    counts(w, "q", 1026, 0, 0);
}

/* Dead letters. */

static void what_was_handed_out_too_often_is_dead(void **state)
{
    struct world *w = *state;
    cfs_message_id id;
    struct handed a;

    bound_deliveries(w, "q", 2);
    id = put(w, "q", "a");
    give_back(w, "q", take(w, 1, "q", "a").info.claim);
    a = take(w, 1, "q", "a");
    assert_int_equal(a.info.deliveries, 2);
    give_back(w, "q", a.info.claim);
    counts(w, "q", 0, 0, 1);
    take_refused(w, "q", CFS_ERR_EMPTY);
    assert_int_equal(bury(w, "q", id + 1), CFS_ERR_NO_MESSAGE);
    assert_int_equal(bury(w, "q", id), CFS_OK);
    assert_int_equal(bury(w, "q", id), CFS_ERR_NO_MESSAGE);
    counts(w, "q", 0, 0, 0);
}

static void a_dead_letter_is_tried_anew_at_the_tail(void **state)
{
    struct world *w = *state;
    cfs_message_id id;

    bound_deliveries(w, "q", 1);
    id = put(w, "q", "a");
    give_back(w, "q", take(w, 1, "q", "a").info.claim);
    put(w, "q", "b");
    assert_int_equal(move_to(w, "q", CFS_DEAD, id, "q"), CFS_OK);
    counts(w, "q", 2, 0, 0);
    take(w, 1, "q", "b");
    assert_int_equal(take(w, 1, "q", "a").info.id, id);
    assert_int_equal(move_to(w, "q", CFS_DEAD, id, "q"), CFS_ERR_NO_MESSAGE);
}

/* Moving. */

static void a_claim_is_passed_on_to_another_queue(void **state)
{
    struct world *w = *state;
    struct handed a;

    make(w, "to", true);
    put(w, "to", "before");
    put(w, "q", "a");
    a = take(w, 1, "q", "a");
    assert_int_equal(move_to(w, "q", CFS_INFLIGHT, a.info.claim, "none"), CFS_ERR_NO_QUEUE);
    assert_int_equal(move_to(w, "q", CFS_INFLIGHT, a.info.id, "to"), CFS_ERR_NOT_CLAIMED);
    assert_int_equal(move_to(w, "q", CFS_INFLIGHT, a.info.claim, "to"), CFS_OK);
    assert_int_equal(move_to(w, "q", CFS_INFLIGHT, a.info.claim, "to"), CFS_ERR_NOT_CLAIMED);
    counts(w, "q", 0, 0, 0);
    counts(w, "to", 2, 0, 0);
    take(w, 1, "to", "before");
    a = take(w, 1, "to", "a");
    assert_int_equal(a.info.deliveries, 1);
}

static void a_full_queue_takes_nothing_from_another(void **state)
{
    struct world *w = *state;
    struct handed a;

    make(w, "to", true);
    bound_messages(w, "to", 1);
    put(w, "to", "x");
    put(w, "q", "a");
    a = take(w, 1, "q", "a");
    assert_int_equal(move_to(w, "q", CFS_INFLIGHT, a.info.claim, "to"), CFS_ERR_FULL);
    counts(w, "q", 0, 1, 0);
}

static void moved_onto_its_own_queue_a_claim_goes_back_to_the_head(void **state)
{
    struct world *w = *state;
    struct handed a;

    bound_messages(w, "q", 2);
    put(w, "q", "a");
    put(w, "q", "b");
    a = take(w, 1, "q", "a");
    assert_int_equal(move_to(w, "q", CFS_INFLIGHT, a.info.claim, "q"), CFS_OK);
    assert_int_equal(take(w, 1, "q", "a").info.deliveries, 2);
}

static void what_is_passed_on_makes_room_and_is_handed_out(void **state)
{
    struct world *w = *state;
    uint64_t producer, consumer;
    struct handed a;

    make(w, "to", true);
    bound_messages(w, "q", 1);
    put(w, "q", "a");
    a = take(w, 1, "q", "a");
    producer = put_waits(w, 1, "q", "b");
    consumer = take_waits(w, 2, "to");
    assert_int_equal(move_to(w, "q", CFS_INFLIGHT, a.info.claim, "to"), CFS_OK);
    assert_int_equal(end_of(w, producer)->error, CFS_OK);
    woken(w, consumer, "a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(what_went_in_first_comes_out_first),
        IN_WORLD(an_empty_body_is_a_message_too),
        IN_WORLD(a_queue_that_is_not_there_takes_and_gives_nothing),
        IN_WORLD(many_messages_go_in_at_once),
        IN_WORLD(the_id_of_a_produce_is_that_of_its_last_message),
        IN_WORLD(many_are_handed_out_at_once_as_far_as_bytes_go),
        IN_WORLD(no_more_are_handed_out_than_asked_for),
        IN_WORLD(who_waits_is_served_first_come_first_served),
        IN_WORLD(what_was_given_back_goes_to_who_waits),
        IN_WORLD(what_goes_back_finds_its_old_place),
        IN_WORLD(a_claim_is_good_in_its_queue_alone),
        IN_WORLD(of_many_claims_those_that_are_there_are_done),
        IN_WORLD(a_full_queue_makes_producers_wait_in_order),
        IN_WORLD(nobody_overtakes_who_waits_for_room),
        IN_WORLD(what_is_larger_than_the_bounds_goes_into_an_empty_queue),
        IN_WORLD(the_dead_take_no_room),
        IN_WORLD(larger_bounds_let_in_who_waits),
        IN_WORLD(what_is_let_in_goes_to_who_waits_for_it),
        IN_WORLD(bodies_that_wait_have_a_bound),
        IN_WORLD(producing_twice_with_a_key_is_producing_once),
        IN_WORLD(a_key_that_waits_is_asked_again),
        IN_WORLD(a_queue_remembers_so_many_keys),
        IN_WORLD(what_was_handed_out_too_often_is_dead),
        IN_WORLD(a_dead_letter_is_tried_anew_at_the_tail),
        IN_WORLD(a_claim_is_passed_on_to_another_queue),
        IN_WORLD(a_full_queue_takes_nothing_from_another),
        IN_WORLD(moved_onto_its_own_queue_a_claim_goes_back_to_the_head),
        IN_WORLD(what_is_passed_on_makes_room_and_is_handed_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
