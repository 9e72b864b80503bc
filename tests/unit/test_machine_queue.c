/* Queues in the machine: each request done once, waits remembered, sessions and their ends. */
#include "machine_world.h"
#include "queue_requests.h"

/* A session of node 1 and of node 2, and the queue "q". */
static cfs_session_id first, second;

static int set_up_queue(void **state)
{
    struct replica *r;

    set_up(state);
    r = *state;
    first = open_session(r, 1, 11, false);
    second = open_session(r, 2, 12, false);
    ask(r, first, 1, 1, make_queue("q"));
    return 0;
}

static void queued(const struct replica *r, cfs_session_id session, uint64_t sequence)
{
    const struct heard *h = heard(r, session, sequence);

    assert_non_null(h);
    assert_true(h->queued);
}

/* The claim of the one message that the consume was answered with. */
static cfs_claim_id claim_of(const struct replica *r, cfs_session_id session, uint64_t sequence)
{
    const struct heard *h = heard(r, session, sequence);

    assert_non_null(h);
    assert_false(h->queued);
    assert_int_equal(h->answer.error, CFS_OK);
    assert_int_equal(h->answer.message_count, 1);
    return h->answer.messages[0].claim; /* what the table lends is still the same */
}

static struct cfs_queue_info info(const struct replica *r)
{
    struct cfs_queue_info info;

    assert_true(cfs_queues_stat(r->machine.queues, "q", &info));
    return info;
}

static void a_message_goes_from_hand_to_hand(void **state)
{
    struct replica *r = *state;
    cfs_claim_id claim;

    ask(r, first, 1, 2, produce_to("q", "body", true));
    assert_int_equal(error_of(r, first, 2), CFS_OK);
    assert_true(heard(r, first, 2)->answer.id > 0);
    ask(r, second, 2, 1, consume_from("q", false));
    claim = claim_of(r, second, 1);
    ask(r, second, 2, 2, settle_claim(CFS_OP_EXTEND, "q", &claim));
    assert_int_equal(error_of(r, second, 2), CFS_OK);
    ask(r, second, 2, 3, settle_claim(CFS_OP_GIVE_BACK, "q", &claim));
    assert_int_equal(error_of(r, second, 3), CFS_OK);
    assert_int_equal(info(r).ready, 1);
    ask(r, second, 2, 4, settle_claim(CFS_OP_ACK, "q", &claim));
    assert_int_equal(error_of(r, second, 4), CFS_ERR_NOT_CLAIMED);
    ask(r, first, 1, 3, of_queue(CFS_OP_PURGE, "q"));
    ask(r, first, 1, 4, remove_queue("q"));
    assert_int_equal(error_of(r, first, 4), CFS_OK);
}

static void what_is_produced_twice_by_a_resend_is_there_once(void **state)
{
    struct replica *r = *state;
    cfs_message_id id;

    ask(r, first, 1, 2, produce_to("q", "body", true));
    id = heard(r, first, 2)->answer.id;
    ask(r, first, 1, 2, produce_to("q", "body", true));
    assert_int_equal(heard(r, first, 2)->answer.id, id);
    assert_int_equal(info(r).ready, 1);
}

static void a_consume_that_is_sent_again_is_answered_with_the_same_message(void **state)
{
    struct replica *r = *state;
    cfs_claim_id claim;

    ask(r, first, 1, 2, produce_to("q", "a", true));
    ask(r, first, 1, 3, produce_to("q", "b", true));
    ask(r, second, 2, 1, consume_from("q", true));
    claim = claim_of(r, second, 1);
    ask(r, second, 2, 1, consume_from("q", true));
    assert_int_equal(claim_of(r, second, 1), claim);
    assert_int_equal(info(r).inflight, 1);
    ask(r, second, 2, 2, settle_claim(CFS_OP_ACK, "q", &claim));
    ask(r, second, 2, 1, consume_from("q", true)); /* it has come too late */
    assert_int_equal(error_of(r, second, 1), CFS_ERR_NOT_CLAIMED);
    assert_int_equal(info(r).ready, 1);
}

static void who_waits_is_remembered_and_answered(void **state)
{
    struct replica *r = *state;

    ask(r, second, 2, 1, consume_from("q", true));
    queued(r, second, 1);
    ask(r, second, 2, 1, consume_from("q", true));
    queued(r, second, 1);
    assert_int_equal(info(r).consumers, 1);
    ask(r, first, 1, 2, produce_to("q", "a", true));
    claim_of(r, second, 1);
    assert_int_equal(r->machine.queued, 0); /* nothing for the hunt for deadlocks */
}

static void a_cancelled_wait_ends(void **state)
{
    struct replica *r = *state;

    ask(r, second, 2, 1, consume_from("q", true));
    cancel(r, second, 2, 2, 1, false);
    assert_int_equal(error_of(r, second, 1), CFS_ERR_INTERRUPTED);
    assert_int_equal(info(r).consumers, 0);
    cancel(r, second, 2, 3, 4, true); /* before it has come */
    ask(r, second, 2, 4, consume_from("q", true));
    assert_int_equal(error_of(r, second, 4), CFS_ERR_INTERRUPTED);
    assert_int_equal(info(r).consumers, 0);
}

static void a_cancelled_grant_goes_back(void **state)
{
    struct replica *r = *state;

    ask(r, first, 1, 2, produce_to("q", "a", true));
    ask(r, second, 2, 1, consume_from("q", true));
    cancel(r, second, 2, 2, 1, false); /* too late, and it is wanted after all */
    assert_int_equal(info(r).inflight, 1);
    cancel(r, second, 2, 3, 1, true);
    assert_int_equal(info(r).ready, 1);
    ask(r, second, 2, 4, consume_from("q", true));
    assert_int_equal(heard(r, second, 4)->answer.messages[0].deliveries, 1);
}

static void producers_wait_for_room(void **state)
{
    struct replica *r = *state;
    cfs_claim_id claim;

    ask(r, first, 1, 2, bound_queue("q", 1));
    ask(r, first, 1, 3, produce_to("q", "a", true));
    ask(r, first, 1, 4, produce_to("q", "b", true));
    queued(r, first, 4);
    ask(r, first, 1, 5, produce_to("q", "c", false));
    assert_int_equal(error_of(r, first, 5), CFS_ERR_FULL);
    ask(r, second, 2, 1, consume_from("q", false));
    claim = claim_of(r, second, 1);
    ask(r, second, 2, 2, settle_claim(CFS_OP_ACK, "q", &claim));
    assert_int_equal(error_of(r, first, 4), CFS_OK);
    cancel(r, first, 1, 6, 4, true); /* what went in stays in */
    assert_int_equal(info(r).ready, 1);
}

static void claims_end_with_their_time(void **state)
{
    struct replica *r = *state;

    ask(r, first, 1, 2, produce_to("q", "a", true));
    ask(r, second, 2, 1, consume_from("q", true));
    assert_int_equal(cfs_machine_next_expiry(&r->machine), r->time + CFS_SECONDS(30));
    r->time += CFS_SECONDS(30);
    apply(r, &(struct cfs_command){.kind = CFS_CMD_EXPIRE_LEASED, .node = 1});
    assert_int_equal(info(r).ready, 1);
    assert_int_equal(cfs_machine_next_expiry(&r->machine), CFS_NEVER);
}

static void claims_end_with_their_session(void **state)
{
    struct replica *r = *state;
    struct cfs_request leased = consume_from("q", true);

    leased.consume.leased = true;
    ask(r, first, 1, 2, produce_to("q", "a", true));
    ask(r, first, 1, 3, produce_to("q", "b", true));
    ask(r, second, 2, 1, consume_from("q", true));
    ask(r, second, 2, 2, leased);
    apply(r, &(struct cfs_command){.kind = CFS_CMD_EXPIRE_SESSION, .node = 1, .target = second});
    assert_int_equal(info(r).ready, 1);
    assert_int_equal(info(r).inflight, 1);
}

static void claims_pass_on_to_the_session_that_resumes(void **state)
{
    struct replica *r = *state;
    struct cfs_request bound = consume_from("q", true);
    cfs_session_id next;

    bound.consume.bound = true;
    ask(r, first, 1, 2, produce_to("q", "a", true));
    ask(r, first, 1, 3, produce_to("q", "b", true));
    ask(r, second, 2, 1, consume_from("q", true));
    ask(r, second, 2, 2, bound);
    next = open_session(r, 2, 13, true);
    assert_int_equal(info(r).ready, 1);
    assert_int_equal(info(r).inflight, 1);
    apply(r, &(struct cfs_command){.kind = CFS_CMD_EXPIRE_SESSION, .node = 1, .target = next});
    assert_int_equal(info(r).ready, 2);
}

/* The answers of waiting consumers, too, are there in a machine made of what was saved. */
static void what_is_remembered_survives_a_restart(void **state)
{
    struct replica *r = *state, *again;
    struct cfs_writer pieces = {0};
    struct cfs_reader reader;
    struct cfs_piece piece;

    ask(r, first, 1, 2, produce_to("q", "a", true));
    ask(r, second, 2, 1, consume_from("q", true));
    ask(r, second, 2, 2, consume_from("q", true));
    cfs_machine_save(&r->machine, &pieces);
    set_up((void **)&again);
    reader = (struct cfs_reader){.data = pieces.data, .len = pieces.len};
    while (cfs_piece_next(&reader, &piece))
        assert_int_equal(cfs_machine_load(&again->machine, &piece), 0);
    assert_true(cfs_machine_loaded(&again->machine));
    assert_int_equal(cfs_machine_digest(&again->machine), cfs_machine_digest(&r->machine));
    again->index = r->index;
    ask(again, second, 2, 1, consume_from("q", true));
    assert_int_equal(claim_of(again, second, 1), claim_of(r, second, 1));
    ask(again, second, 2, 2, consume_from("q", true));
    queued(again, second, 2);
    ask(again, first, 1, 2, produce_to("q", "a", true));
    assert_int_equal(heard(again, first, 2)->answer.id, heard(r, first, 2)->answer.id);
    tear_down((void **)&again);
    free(pieces.data);
}

#define IN_QUEUE(test) cmocka_unit_test_setup_teardown(test, set_up_queue, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_QUEUE(a_message_goes_from_hand_to_hand),
        IN_QUEUE(what_is_produced_twice_by_a_resend_is_there_once),
        IN_QUEUE(a_consume_that_is_sent_again_is_answered_with_the_same_message),
        IN_QUEUE(who_waits_is_remembered_and_answered),
        IN_QUEUE(a_cancelled_wait_ends),
        IN_QUEUE(a_cancelled_grant_goes_back),
        IN_QUEUE(producers_wait_for_room),
        IN_QUEUE(claims_end_with_their_time),
        IN_QUEUE(claims_end_with_their_session),
        IN_QUEUE(claims_pass_on_to_the_session_that_resumes),
        IN_QUEUE(what_is_remembered_survives_a_restart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
