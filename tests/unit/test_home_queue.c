/* Queues at the leader: what is refused without the log, what is read, who only waits to know. */
#include "core_home_bench.h"
#include "queue_requests.h"

#include <string.h>

static struct home_bench hb;

static int set_up(void **state)
{
    home_bench_open(&hb);
    home_bench_do(&hb, 2, make_queue("q"));
    *state = &hb;
    return 0;
}

static int tear_down(void **state)
{
    home_bench_close(*state);
    return 0;
}

static enum cfs_error command_error(cfs_node_id node, uint64_t sequence)
{
    return home_bench_error(&hb, CFS_TO_COMMAND, node, sequence);
}

static struct cfs_answer read_answer(cfs_node_id node, uint64_t id)
{
    struct cfs_answer answer = {0};
    const struct cfs_msg_answer *said = home_bench_said(&hb, CFS_TO_READ, node, id, &answer);

    assert_non_null(said);
    assert_false(said->queued);
    return answer;
}

static void read_place(cfs_node_id node, uint64_t id, enum cfs_op op, enum cfs_message_place place,
                       uint64_t number)
{
    struct cfs_message message = {
        .type = CFS_MSG_READ,
        .from = node,
        .term = hb.rb.raft.term,
        .read = {.id = id, .op = op, .name = "q", .queue = {.place = place, .number = number}}};

    home_bench_receive(&hb, message);
}

/* What is refused, and what is not. */

static void what_would_fail_costs_no_log_entry(void **state)
{
    uint64_t end = home_bench_log_end(&hb), sequence;

    (void)state;
    sequence = home_bench_ask(&hb, 2, consume_from("q", false));
    assert_int_equal(command_error(2, sequence), CFS_ERR_EMPTY);
    sequence = home_bench_ask(&hb, 2, consume_from("none", false));
    assert_int_equal(command_error(2, sequence), CFS_ERR_NO_QUEUE);
    sequence = home_bench_ask(&hb, 2, produce_to("none", "a", false));
    assert_int_equal(command_error(2, sequence), CFS_ERR_NO_QUEUE);
    assert_int_equal(home_bench_log_end(&hb), end);
    home_bench_do(&hb, 2, bound_queue("q", 1));
    home_bench_do(&hb, 2, produce_to("q", "a", false));
    end = home_bench_log_end(&hb);
    sequence = home_bench_ask(&hb, 3, produce_to("q", "b", false));
    assert_int_equal(command_error(3, sequence), CFS_ERR_FULL);
    assert_int_equal(home_bench_log_end(&hb), end);
}

static void a_refusal_is_said_again_to_its_resend(void **state)
{
    struct cfs_command command = home_bench_command(&hb, 2, consume_from("q", false));

    (void)state;
    home_bench_forward(&hb, &command);
    assert_int_equal(command_error(2, command.sequence), CFS_ERR_EMPTY);
    home_bench_do(&hb, 3, produce_to("q", "a", false));
    bench_clear(&hb.rb.bench);
    home_bench_forward(&hb, &command);
    home_bench_commit(&hb);
    assert_int_equal(command_error(2, command.sequence), CFS_ERR_EMPTY);
}

/* What the asker has produced before, and has not been answered, it must see. */
static void a_refusal_sees_what_was_in_the_log_before_it(void **state)
{
    uint64_t produced, consumed;

    (void)state;
    produced = home_bench_ask(&hb, 2, produce_to("q", "a", true));
    consumed = home_bench_ask(&hb, 2, consume_from("q", false));
    assert_null(home_bench_said(&hb, CFS_TO_COMMAND, 2, consumed, NULL));
    home_bench_commit(&hb);
    assert_int_equal(command_error(2, produced), CFS_OK);
    home_bench_commit(&hb);
    assert_int_equal(command_error(2, consumed), CFS_OK);
}

static void what_does_not_fail_goes_to_the_log(void **state)
{
    struct cfs_answer answer;
    uint64_t sequence;

    (void)state;
    sequence = home_bench_do(&hb, 2, produce_to("q", "body", false));
    assert_non_null(home_bench_said(&hb, CFS_TO_COMMAND, 2, sequence, &answer));
    assert_true(answer.id > 0);
    sequence = home_bench_do(&hb, 3, consume_from("q", false));
    assert_non_null(home_bench_said(&hb, CFS_TO_COMMAND, 3, sequence, &answer));
    assert_int_equal(answer.error, CFS_OK);
    assert_int_equal(answer.message_count, 1);
}

static void who_waits_is_told_so_and_then_answered(void **state)
{
    uint64_t sequence = home_bench_do(&hb, 3, consume_from("q", true));
    const struct cfs_msg_answer *said = home_bench_said(&hb, CFS_TO_COMMAND, 3, sequence, NULL);

    (void)state;
    assert_true(said->queued);
    assert_int_equal(hb.home.collection.due, CFS_NEVER); /* no hunt for deadlocks */
    home_bench_do(&hb, 2, produce_to("q", "a", true));
    assert_int_equal(command_error(3, sequence), CFS_OK);
}

static void a_full_disk_takes_no_messages_and_gives_them_out(void **state)
{
    struct cfs_answer answer;
    uint64_t sequence;

    (void)state;
    home_bench_do(&hb, 2, produce_to("q", "a", true));
    hb.rb.bench.env.disk_full = true;
    hb.rb.raft.progress[2].full = hb.rb.raft.progress[3].full = true;
    sequence = home_bench_ask(&hb, 2, produce_to("q", "b", true));
    assert_int_equal(command_error(2, sequence), CFS_ERR_NO_SPACE);
    sequence = home_bench_ask(&hb, 2, make_queue("new"));
    assert_int_equal(command_error(2, sequence), CFS_ERR_NO_SPACE);
    sequence = home_bench_do(&hb, 2, consume_from("q", false));
    home_bench_said(&hb, CFS_TO_COMMAND, 2, sequence, &answer);
    assert_int_equal(answer.message_count, 1);
}

static void claims_expire_by_the_leaders_clock(void **state)
{
    struct cfs_queue_info info;

    (void)state;
    home_bench_do(&hb, 2, produce_to("q", "a", true));
    home_bench_do(&hb, 3, consume_from("q", false));
    for (int i = 0; i < 31; i++) {
        home_bench_keepalive(&hb, 2, hb.sessions[2], 1);
        home_bench_keepalive(&hb, 3, hb.sessions[3], 1);
        home_bench_tick_in_contact(&hb, CFS_SECONDS(1));
    }
    home_bench_commit(&hb);
    assert_true(cfs_queues_stat(hb.machine.queues, "q", &info));
    assert_int_equal(info.ready, 1);
    assert_int_equal(info.inflight, 0);
}

/* Reads. */

static void a_queue_can_be_looked_at(void **state)
{
    struct cfs_answer answer;

    (void)state;
    home_bench_do(&hb, 2, produce_to("q", "body", true));
    home_bench_read(&hb, 3, 1, CFS_OP_QUEUE_STAT, "q");
    answer = read_answer(3, 1);
    assert_int_equal(answer.queue.ready, 1);
    assert_int_equal(answer.queue.bytes, 4);
    assert_int_equal(answer.queue.uid, 1000);
    assert_int_equal(answer.queue.node, BENCH_SELF);
    home_bench_read(&hb, 3, 2, CFS_OP_QUEUE_STAT, "none");
    assert_int_equal(read_answer(3, 2).error, CFS_ERR_NO_QUEUE);
}

static void queues_are_listed(void **state)
{
    struct cfs_placement placement = {.groups = 4};
    struct cfs_answer answer;

    (void)state;
    home_bench_do(&hb, 2, make_queue("a"));
    home_bench_read(&hb, 3, 1, CFS_OP_QUEUE_LIST, "");
    answer = read_answer(3, 1);
    assert_int_equal(answer.names_len, 4);
    assert_int_equal(answer.part, 0);
    hb.home.placement = &placement; /* as group 2 of three that have queues */
    hb.rb.raft.group = 2;
    home_bench_read(&hb, 3, 2, CFS_OP_QUEUE_LIST, "b");
    answer = read_answer(3, 2);
    assert_int_equal(answer.names_len, 2);
    assert_int_equal(answer.part, 2);
    hb.rb.raft.group = 3;
    home_bench_read(&hb, 3, 3, CFS_OP_QUEUE_LIST, "q");
    answer = read_answer(3, 3);
    assert_int_equal(answer.names_len, 0);
    assert_int_equal(answer.part, 0);
    hb.home.placement = NULL;
    hb.rb.raft.group = 0;
}

static void messages_are_listed_and_looked_at(void **state)
{
    struct cfs_answer answer;
    cfs_message_id id;

    (void)state;
    home_bench_said(&hb, CFS_TO_COMMAND, 2, home_bench_do(&hb, 2, produce_to("q", "body", true)),
                    &answer);
    id = answer.id;
    read_place(3, 1, CFS_OP_MESSAGE_LIST, CFS_READY, 0);
    assert_int_equal(read_answer(3, 1).id_count, 1);
    read_place(3, 2, CFS_OP_MESSAGE_LIST, CFS_READY, id);
    assert_int_equal(read_answer(3, 2).id_count, 0);
    read_place(3, 3, CFS_OP_MESSAGE_GET, CFS_READY, id);
    assert_int_equal(read_answer(3, 3).message_count, 1);
    read_place(3, 4, CFS_OP_MESSAGE_GET, CFS_DEAD, id);
    assert_int_equal(read_answer(3, 4).error, CFS_ERR_NO_MESSAGE);
    read_place(3, 5, CFS_OP_MESSAGE_GET, CFS_INFLIGHT, id);
    assert_int_equal(read_answer(3, 5).error, CFS_ERR_NOT_CLAIMED);
}

/* Who only waits to know. */

static bool awaits(cfs_node_id node, uint64_t id)
{
    const struct cfs_msg_answer *said = home_bench_said(&hb, CFS_TO_READ, node, id, NULL);

    assert_non_null(said);
    return said->queued;
}

static bool anybody_awaits(void)
{
    return hb.home.awaits.oldest;
}

static void who_waits_to_know_is_told_and_takes_nothing(void **state)
{
    (void)state;
    home_bench_read(&hb, 2, 1, CFS_OP_QUEUE_AWAIT, "q");
    home_bench_read(&hb, 3, 1, CFS_OP_QUEUE_AWAIT, "q");
    assert_true(awaits(2, 1) && awaits(3, 1));
    home_bench_do(&hb, 2, produce_to("q", "a", true));
    assert_int_equal(read_answer(2, 1).error, CFS_OK);
    assert_int_equal(read_answer(3, 1).error, CFS_OK);
    assert_false(anybody_awaits());
    home_bench_read(&hb, 2, 2, CFS_OP_QUEUE_AWAIT, "q");
    assert_int_equal(read_answer(2, 2).error, CFS_OK);
    home_bench_read(&hb, 2, 3, CFS_OP_QUEUE_AWAIT, "none");
    assert_int_equal(read_answer(2, 3).error, CFS_ERR_NO_QUEUE);
}

static void what_goes_to_who_waits_for_it_wakes_nobody(void **state)
{
    (void)state;
    home_bench_read(&hb, 2, 1, CFS_OP_QUEUE_AWAIT, "q");
    home_bench_do(&hb, 3, consume_from("q", true));
    home_bench_do(&hb, 2, produce_to("q", "a", true));
    assert_true(awaits(2, 1));
    home_bench_do(&hb, 2, produce_to("q", "b", true));
    assert_int_equal(read_answer(2, 1).error, CFS_OK);
}

static void who_waits_in_a_queue_that_goes_is_told(void **state)
{
    (void)state;
    home_bench_read(&hb, 3, 1, CFS_OP_QUEUE_AWAIT, "q");
    home_bench_do(&hb, 2, remove_queue("q"));
    assert_int_equal(read_answer(3, 1).error, CFS_ERR_NO_QUEUE);
}

static void a_resend_adds_nothing(void **state)
{
    (void)state;
    home_bench_read(&hb, 3, 1, CFS_OP_QUEUE_AWAIT, "q");
    bench_clear(&hb.rb.bench);
    home_bench_read(&hb, 3, 1, CFS_OP_QUEUE_AWAIT, "q");
    assert_true(awaits(3, 1));
    assert_null(hb.home.questions.open);
    home_bench_do(&hb, 2, produce_to("q", "a", true));
    assert_false(anybody_awaits()); /* it was one */
}

static void who_does_not_ask_again_is_forgotten(void **state)
{
    (void)state;
    home_bench_read(&hb, 3, 1, CFS_OP_QUEUE_AWAIT, "q");
    home_bench_read(&hb, 3, 2, CFS_OP_QUEUE_AWAIT, "q");
    home_bench_tick_in_contact(&hb, CFS_SECONDS(4));
    home_bench_read(&hb, 3, 1, CFS_OP_QUEUE_AWAIT, "q");
    home_bench_tick_in_contact(&hb, CFS_SECONDS(4));
    home_bench_tick_in_contact(&hb, CFS_SECONDS(2));
    assert_int_equal(cfs_home_await_deadline(&hb.home), hb.rb.bench.env.now + CFS_SECONDS(4));
    home_bench_tick_in_contact(&hb, CFS_SECONDS(4));
    assert_false(anybody_awaits());
}

/* A message that came while the lease had run out is told to the next resend. */
static void without_the_lease_nobody_is_told(void **state)
{
    (void)state;
    home_bench_read(&hb, 3, 1, CFS_OP_QUEUE_AWAIT, "q");
    home_bench_ask(&hb, 2, produce_to("q", "a", true));
    raft_bench_durable(&hb.rb);
    bench_pass(&hb.rb.bench, CFS_MS(200));
    for (cfs_node_id peer = 2; peer <= 3; peer++)
        raft_bench_acknowledge(&hb.rb, peer, home_bench_log_end(&hb),
                               hb.rb.bench.env.now - CFS_MS(200));
    home_bench_settle(&hb);
    assert_int_equal(hb.rb.raft.applied, home_bench_log_end(&hb));
    assert_true(awaits(3, 1));
    home_bench_contact(&hb);
    home_bench_read(&hb, 3, 1, CFS_OP_QUEUE_AWAIT, "q");
    assert_int_equal(read_answer(3, 1).error, CFS_OK);
}

#define ON_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BENCH(what_would_fail_costs_no_log_entry),
        ON_BENCH(a_refusal_is_said_again_to_its_resend),
        ON_BENCH(a_refusal_sees_what_was_in_the_log_before_it),
        ON_BENCH(what_does_not_fail_goes_to_the_log),
        ON_BENCH(who_waits_is_told_so_and_then_answered),
        ON_BENCH(a_full_disk_takes_no_messages_and_gives_them_out),
        ON_BENCH(claims_expire_by_the_leaders_clock),
        ON_BENCH(a_queue_can_be_looked_at),
        ON_BENCH(queues_are_listed),
        ON_BENCH(messages_are_listed_and_looked_at),
        ON_BENCH(who_waits_to_know_is_told_and_takes_nothing),
        ON_BENCH(what_goes_to_who_waits_for_it_wakes_nobody),
        ON_BENCH(who_waits_in_a_queue_that_goes_is_told),
        ON_BENCH(a_resend_adds_nothing),
        ON_BENCH(who_does_not_ask_again_is_forgotten),
        ON_BENCH(without_the_lease_nobody_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
