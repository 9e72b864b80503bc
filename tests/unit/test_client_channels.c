/* What a node asks of the different groups: each has its leader and its sequence, all one session.
 * Of queues' groups this node has no replica, so it asks who leads them. */
#include "core_bench.h"

#include <stdio.h>

#define GROUPS 4u
#define LEADER 3u /* of the group under test */
#define TERM 9u

static struct client_bench cb;

static int set_up(void **state)
{
    client_bench_open_groups(&cb, GROUPS);
    client_bench_leader(&cb);
    client_bench_opened(&cb, client_bench_sent(&cb).nonce, BENCH_SESSION);
    bench_clear(&cb.bench);
    *state = &cb;
    return 0;
}

static int tear_down(void **state)
{
    client_bench_close(*state);
    return 0;
}

static const char *name_in(cfs_group_id group)
{
    static char name[32];

    for (unsigned i = 0;; i++) {
        snprintf(name, sizeof name, "queue%u", i);
        if (cfs_placement_group_of(&cb.bench.placement, name) == group)
            return name;
    }
}

static struct cfs_request look_in(cfs_group_id group)
{
    struct cfs_request request = bench_get(name_in(group));

    request.op = CFS_OP_QUEUE_STAT;
    return request;
}

static uint64_t ask(cfs_group_id group)
{
    return client_bench_request(&cb, look_in(group));
}

static struct cfs_channel *channel(cfs_group_id group)
{
    return &cb.client.channels[group];
}

/* `from` says who leads. */
static void tell(cfs_group_id group, cfs_node_id from, cfs_node_id leader, uint64_t term)
{
    cfs_client_located(&cb.client, &(struct cfs_message){.type = CFS_MSG_LOCATED,
                                                         .group = group,
                                                         .from = from,
                                                         .term = term,
                                                         .located = {.leader = leader}});
}

static uint32_t questions(cfs_node_id to)
{
    return bench_sent_count(&cb.bench, CFS_MSG_LOCATE, to);
}

static const struct cfs_message *read_sent(void)
{
    return bench_sent(&cb.bench, CFS_MSG_READ, 0);
}

/* The leader of the group answers its read. */
static void answer_read(cfs_group_id group)
{
    uint64_t number = read_sent()->read.id;
    struct cfs_writer writer = {0};
    struct cfs_message message = {.type = CFS_MSG_ANSWER,
                                  .group = group,
                                  .from = LEADER,
                                  .term = TERM,
                                  .answer = {.to = CFS_TO_READ, .id = number}};

    cfs_answer_encode(&writer, &(struct cfs_answer){.error = CFS_ERR_NO_QUEUE});
    message.answer.answer = writer.data;
    message.answer.len = (uint32_t)writer.len;
    cfs_client_answer(&cb.client, &message);
    cfs_message_clear(&message);
}

/* A change for that group, as the engine's own are made. */
static void change_in(cfs_group_id group, const char *name)
{
    struct cfs_call *call = cfs_client_add(&cb.client, channel(group), CFS_CMD_REQUEST);

    call->request = bench_lockfile(name);
    cfs_client_send(&cb.client, call);
}

/* Finding. */

static void nobody_asks_who_leads_before_it_matters(void **state)
{
    (void)state;
    client_bench_run(&cb, CFS_SECONDS(1));
    assert_int_equal(questions(0), 0);
}

static void who_has_a_question_asks_where_the_group_should_be(void **state)
{
    (void)state;
    ask(2);
    assert_null(read_sent());
    assert_int_equal(questions(2), 1);
    assert_int_equal(questions(3), 1);
    assert_int_equal(bench_sent(&cb.bench, CFS_MSG_LOCATE, 2)->group, 2);
    ask(2); /* that question is on its way */
    assert_int_equal(questions(2), 1);
}

static void it_asks_ten_times_a_second(void **state)
{
    (void)state;
    ask(2);
    client_bench_run(&cb, CFS_MS(1050));
    assert_in_range(questions(2), 10, 12);
}

static void who_is_told_sends_what_waited(void **state)
{
    uint64_t id = ask(2);

    (void)state;
    tell(2, 2, LEADER, TERM); /* a node that knows */
    assert_int_equal(read_sent()->to, LEADER);
    assert_int_equal(read_sent()->term, TERM);
    assert_int_equal(read_sent()->group, 2);
    answer_read(2);
    assert_int_equal(client_bench_said(&cb, id)->error, CFS_ERR_NO_QUEUE);
    bench_clear(&cb.bench);
    client_bench_run(&cb, CFS_SECONDS(1));
    assert_int_equal(questions(0), 0);
}

static void what_is_said_of_an_older_term_changes_nothing(void **state)
{
    (void)state;
    tell(2, LEADER, LEADER, TERM);
    tell(2, 2, 2, TERM - 1);
    assert_int_equal(channel(2)->leader, LEADER);
    tell(2, 2, 2, TERM + 1);
    assert_int_equal(channel(2)->leader, 2);
}

/* Losing. */

static void who_gets_no_answer_looks_for_another_leader(void **state)
{
    (void)state;
    tell(2, LEADER, LEADER, TERM);
    ask(2);
    client_bench_run(&cb, CFS_MS(290));
    assert_int_equal(questions(0), 0);
    client_bench_run(&cb, CFS_MS(30));
    assert_int_equal(questions(2), 1);
    assert_int_equal(questions(LEADER), 1);
    bench_clear(&cb.bench);
    tell(2, 2, 2, TERM + 1);
    assert_int_equal(read_sent()->to, 2);
    client_bench_run(&cb, CFS_MS(250));
    assert_int_equal(questions(0), 0);
}

static void a_leader_that_says_it_is_there_is_believed_for_a_while(void **state)
{
    (void)state;
    tell(2, LEADER, LEADER, TERM);
    ask(2);
    client_bench_run(&cb, CFS_MS(320));
    bench_clear(&cb.bench);
    tell(2, LEADER, LEADER, TERM);
    assert_null(read_sent()); /* it has the question */
    client_bench_run(&cb, CFS_MS(250));
    assert_int_equal(questions(0), 0);
}

static void who_cannot_reach_the_leader_looks_for_another_at_once(void **state)
{
    (void)state;
    tell(1, 2, 2, TERM);
    tell(2, LEADER, LEADER, TERM);
    ask(1);
    cfs_client_unreachable(&cb.client, LEADER);
    assert_int_equal(questions(0), 0); /* of that group nobody wants anything */
    ask(2);
    cfs_client_unreachable(&cb.client, LEADER);
    assert_int_equal(questions(2), 1);
    assert_int_equal(bench_sent(&cb.bench, CFS_MSG_LOCATE, 2)->group, 2);
}

static void a_group_without_a_leader_holds_up_no_other(void **state)
{
    uint64_t lost, other;

    (void)state;
    tell(1, LEADER, LEADER, TERM);
    lost = ask(2);
    for (int i = 0; i < 12; i++) { /* group 0 is there all the while */
        client_bench_run(&cb, CFS_MS(500));
        client_bench_kept_alive(&cb, cb.bench.env.now, true);
    }
    assert_int_equal(client_bench_said(&cb, lost)->error, CFS_ERR_TIMED_OUT);
    assert_false(channel(2)->available);
    lost = ask(2);
    assert_int_equal(client_bench_said(&cb, lost)->error, CFS_ERR_TIMED_OUT); /* at once */
    other = ask(1);
    assert_null(client_bench_said(&cb, other));
    answer_read(1);
    assert_int_equal(client_bench_said(&cb, other)->error, CFS_ERR_NO_QUEUE);
    assert_true(channel(0)->available && channel(1)->available);
}

/* Nobody else would say so: this node asks nothing of it. */
static void it_is_asked_for_until_it_has_a_leader_again(void **state)
{
    (void)state;
    ask(2);
    for (int i = 0; i < 12; i++) {
        client_bench_run(&cb, CFS_MS(500));
        client_bench_kept_alive(&cb, cb.bench.env.now, true);
    }
    bench_clear(&cb.bench);
    client_bench_run(&cb, CFS_SECONDS(1));
    assert_true(questions(2) >= 9);
    tell(2, 2, LEADER, TERM); /* hearsay */
    assert_false(channel(2)->available);
    tell(2, LEADER, LEADER, TERM);
    assert_true(channel(2)->available);
    bench_clear(&cb.bench);
    client_bench_run(&cb, CFS_SECONDS(1));
    assert_int_equal(questions(0), 0);
}

/* One session. */

static void each_group_has_a_sequence_of_its_own(void **state)
{
    struct cfs_command command;

    (void)state;
    tell(1, LEADER, LEADER, TERM);
    tell(2, 2, 2, TERM);
    change_in(1, "a");
    change_in(1, "b");
    change_in(2, "c");
    command = bench_command(bench_sent(&cb.bench, CFS_MSG_FORWARD, LEADER));
    assert_int_equal(command.sequence, 2);
    assert_int_equal(command.session, BENCH_SESSION);
    assert_int_equal(command.oldest, 1);
    command = bench_command(bench_sent(&cb.bench, CFS_MSG_FORWARD, 2));
    assert_int_equal(command.sequence, 1);
    assert_int_equal(command.session, BENCH_SESSION);
}

/* An answer of another group has the same number. */
static void answers_are_told_apart_by_group(void **state)
{
    struct cfs_message message = {
        .type = CFS_MSG_ANSWER,
        .group = 2,
        .from = 2,
        .term = TERM,
        .answer = {.to = CFS_TO_COMMAND, .session = BENCH_SESSION, .id = 1}};
    struct cfs_writer writer = {0};

    (void)state;
    tell(1, LEADER, LEADER, TERM);
    tell(2, 2, 2, TERM);
    change_in(1, "a");
    cfs_answer_encode(&writer, &(struct cfs_answer){0});
    message.answer.answer = writer.data;
    message.answer.len = (uint32_t)writer.len;
    cfs_client_answer(&cb.client, &message);
    cfs_message_clear(&message);
    assert_int_equal(cb.client.call_count, 1);
}

static void a_new_session_begins_all_sequences_anew(void **state)
{
    (void)state;
    tell(1, LEADER, LEADER, TERM);
    change_in(1, "a");
    change_in(1, "b");
    client_bench_kept_alive(&cb, cb.bench.env.now, false); /* it is lost */
    client_bench_tick(&cb, 0);
    for (cfs_group_id group = 0; group <= GROUPS; group++)
        assert_null(channel(group)->active);
    client_bench_opened(&cb, cb.client.nonce, BENCH_SESSION + 1);
    bench_clear(&cb.bench);
    change_in(1, "c");
    assert_int_equal(bench_command(bench_sent(&cb.bench, CFS_MSG_FORWARD, LEADER)).sequence, 1);
}

/* The leader of another group may know first that the session has ended. */
static void a_session_that_some_group_has_lost_is_lost(void **state)
{
    struct cfs_message message = {
        .type = CFS_MSG_ANSWER,
        .group = 1,
        .from = LEADER,
        .term = TERM,
        .answer = {.to = CFS_TO_COMMAND, .session = BENCH_SESSION, .id = 1}};
    struct cfs_writer writer = {0};

    (void)state;
    tell(1, LEADER, LEADER, TERM);
    change_in(1, "a");
    cfs_answer_encode(&writer, &(struct cfs_answer){.error = CFS_ERR_LOST});
    message.answer.answer = writer.data;
    message.answer.len = (uint32_t)writer.len;
    cfs_client_answer(&cb.client, &message);
    cfs_message_clear(&message);
    assert_int_equal(cb.client.state, CFS_SESSION_OPENING);
}

/* Who was removed stays while some group needs it, and may be added again meanwhile. */

static void refuse_as_removed(struct client_bench *fresh)
{
    struct cfs_writer writer = {0};
    struct cfs_message message = {.type = CFS_MSG_ANSWER,
                                  .from = BENCH_LEADER,
                                  .term = BENCH_TERM,
                                  .answer = {.to = CFS_TO_COMMAND, .id = fresh->client.nonce}};

    cfs_answer_encode(&writer, &(struct cfs_answer){.error = CFS_ERR_REMOVED});
    message.answer.answer = writer.data;
    message.answer.len = (uint32_t)writer.len;
    cfs_client_answer(&fresh->client, &message);
    cfs_message_clear(&message);
}

static void who_was_removed_asks_now_and_then_whether_it_still_is(void **state)
{
    struct client_bench fresh;

    (void)state;
    client_bench_open_groups(&fresh, GROUPS);
    client_bench_leader(&fresh);
    refuse_as_removed(&fresh);
    assert_true(fresh.client.removed);
    bench_clear(&fresh.bench);
    client_bench_run(&fresh, CFS_MS(900));
    assert_null(bench_sent(&fresh.bench, CFS_MSG_FORWARD, 0));
    client_bench_run(&fresh, CFS_MS(200));
    assert_int_equal(client_bench_sent(&fresh).kind, CFS_CMD_OPEN_SESSION);
    refuse_as_removed(&fresh);
    assert_true(fresh.client.removed);
    client_bench_opened(&fresh, fresh.client.nonce, BENCH_SESSION);
    assert_false(fresh.client.removed);
    client_bench_close(&fresh);
}

/* A leader sends it the log: it has it among the members again, and counts on what it acknowledges.
 * An answer of before may come late. */
static void who_is_counted_was_not_removed_by_what_was_said_before(void **state)
{
    struct client_bench fresh;
    uint64_t asked;

    (void)state;
    client_bench_open_groups(&fresh, GROUPS);
    client_bench_leader(&fresh);
    refuse_as_removed(&fresh);
    client_bench_run(&fresh, CFS_MS(100));
    asked = fresh.client.nonce;
    cfs_client_counted(&fresh.client, fresh.bench.env.now);
    assert_false(fresh.client.removed);
    assert_int_not_equal(fresh.client.nonce, asked);
    client_bench_run(&fresh, CFS_MS(100)); /* asks again at once */
    assert_int_equal(client_bench_sent(&fresh).nonce, fresh.client.nonce);
    cfs_client_counted(&fresh.client, fresh.bench.env.now);
    refuse_as_removed(&fresh);
    assert_false(fresh.client.removed);
    client_bench_run(&fresh, CFS_MS(1000));
    refuse_as_removed(&fresh); /* it is so, and was said after that */
    assert_true(fresh.client.removed);
    client_bench_close(&fresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(nobody_asks_who_leads_before_it_matters),
        T(who_has_a_question_asks_where_the_group_should_be),
        T(it_asks_ten_times_a_second),
        T(who_is_told_sends_what_waited),
        T(what_is_said_of_an_older_term_changes_nothing),
        T(who_gets_no_answer_looks_for_another_leader),
        T(a_leader_that_says_it_is_there_is_believed_for_a_while),
        T(who_cannot_reach_the_leader_looks_for_another_at_once),
        T(a_group_without_a_leader_holds_up_no_other),
        T(it_is_asked_for_until_it_has_a_leader_again),
        T(each_group_has_a_sequence_of_its_own),
        T(answers_are_told_apart_by_group),
        T(a_new_session_begins_all_sequences_anew),
        T(a_session_that_some_group_has_lost_is_lost),
        T(who_was_removed_asks_now_and_then_whether_it_still_is),
        T(who_is_counted_was_not_removed_by_what_was_said_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
