/* Questions to the leader: reads, and acquires that do not wait. */
#include "core_home_bench.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct home_bench hb;

static int set_up(void **state)
{
    home_bench_open(&hb);
    *state = &hb;
    return 0;
}

static int tear_down(void **state)
{
    home_bench_close(*state);
    return 0;
}

static struct cfs_request flock(uint64_t handle)
{
    return bench_flock("x", handle, CFS_EXCLUSIVE, true);
}

static struct cfs_request try(uint64_t handle)
{
    return bench_flock("x", handle, CFS_EXCLUSIVE, false);
}

static bool read_answered(cfs_node_id node, uint64_t id)
{
    return home_bench_said(&hb, CFS_TO_READ, node, id, NULL) != NULL;
}

static bool try_answered(cfs_node_id node, uint64_t sequence)
{
    return home_bench_said(&hb, CFS_TO_COMMAND, node, sequence, NULL) != NULL;
}

static enum cfs_error read_error(cfs_node_id node, uint64_t id)
{
    return home_bench_error(&hb, CFS_TO_READ, node, id);
}

static enum cfs_error try_error(cfs_node_id node, uint64_t sequence)
{
    return home_bench_error(&hb, CFS_TO_COMMAND, node, sequence);
}

static uint32_t drains(cfs_node_id node)
{
    return bench_sent_count(&hb.rb.bench, CFS_MSG_DRAIN, node);
}

static uint64_t drain_id(cfs_node_id node)
{
    return bench_sent(&hb.rb.bench, CFS_MSG_DRAIN, node)->drain.id;
}

static void a_read_under_the_lease_is_answered_at_once(void **state)
{
    (void)state;
    home_bench_read(&hb, 2, 1, CFS_OP_GET, "x");
    assert_int_equal(read_error(2, 1), CFS_ERR_NOT_HELD);
    home_bench_do(&hb, 3, bench_lockfile("x"));
    home_bench_read(&hb, 2, 2, CFS_OP_GET, "x");
    assert_int_equal(read_error(2, 2), CFS_OK);
}

static void a_read_without_the_lease_waits_for_the_next_heartbeat(void **state)
{
    (void)state;
    bench_pass(&hb.rb.bench, CFS_MS(196));
    home_bench_read(&hb, 2, 1, CFS_OP_GET, "x");
    assert_false(read_answered(2, 1));
    home_bench_contact(&hb);
    assert_int_equal(read_error(2, 1), CFS_ERR_NOT_HELD);
}

/* Whatever was answered before the read was asked is in the log, and so is what its node sent. */
static void a_read_sees_everything_that_was_in_the_log_before_it(void **state)
{
    (void)state;
    home_bench_ask(&hb, 2, bench_lockfile("x"));
    home_bench_read(&hb, 2, 1, CFS_OP_GET, "x");
    assert_false(read_answered(2, 1));
    home_bench_commit(&hb);
    assert_int_equal(read_error(2, 1), CFS_OK);
}

static void a_listing_names_what_is_held(void **state)
{
    struct cfs_answer answer;

    (void)state;
    home_bench_do(&hb, 2, bench_lockfile("b"));
    home_bench_do(&hb, 2, bench_lockfile("a"));
    home_bench_read(&hb, 2, 1, CFS_OP_LIST, "");
    assert_non_null(home_bench_said(&hb, CFS_TO_READ, 2, 1, &answer));
    assert_int_equal(answer.names_len, 4);
    assert_memory_equal(answer.names, "a\0b", 4);
    home_bench_read(&hb, 2, 2, CFS_OP_LIST, "a"); /* what is behind it */
    assert_non_null(home_bench_said(&hb, CFS_TO_READ, 2, 2, &answer));
    assert_int_equal(answer.names_len, 2);
    assert_memory_equal(answer.names, "b", 2);
}

static void a_lockfile_needs_nobody_to_be_asked(void **state)
{
    (void)state;
    home_bench_do(&hb, 2, bench_lockfile("x"));
    home_bench_read(&hb, 3, 1, CFS_OP_GET, "x");
    assert_int_equal(drains(0), 0);
    assert_true(read_answered(3, 1));
}

static struct cfs_request shared_lease(void)
{
    struct cfs_request request = bench_flock("x", 0, CFS_SHARED, false);

    request.acquire.kind = CFS_LEASED;
    request.acquire.ttl_ms = 30000;
    memset(request.acquire.owner, 'o', CFS_OWNER_MAX);
    return request;
}

/* Else no message would hold the answer. */
static void of_very_many_holders_the_first_are_listed(void **state)
{
    struct cfs_answer answer;

    (void)state;
    for (uint32_t i = 0; i < CFS_HOLDERS_MAX + 88; i++)
        home_bench_do(&hb, 2, shared_lease());
    home_bench_read(&hb, 3, 1, CFS_OP_GET, "x");
    assert_non_null(home_bench_said(&hb, CFS_TO_READ, 3, 1, &answer));
    assert_int_equal(answer.error, CFS_OK);
    assert_int_equal(answer.lock.holder_count, CFS_HOLDERS_MAX);
    assert_int_equal(answer.lock.more_holders, 88);
}

/* close(2) returns before the kernel has told the daemon. */
static void a_read_of_a_name_held_through_an_open_file_asks_the_holders_node_first(void **state)
{
    (void)state;
    home_bench_do(&hb, 2, flock(7));
    home_bench_read(&hb, 3, 1, CFS_OP_GET, "x");
    assert_int_equal(drains(2), 1);
    assert_int_equal(drains(3), 0);
    assert_false(read_answered(3, 1));
    home_bench_do(&hb, 2, bench_unflock("x", 7)); /* it was queued in the kernel */
    home_bench_drained(&hb, 2, drain_id(2));
    assert_int_equal(read_error(3, 1), CFS_ERR_NOT_HELD);
}

static void a_holders_node_is_waited_for_a_quarter_of_a_second_at_most(void **state)
{
    (void)state;
    home_bench_do(&hb, 2, flock(7));
    home_bench_read(&hb, 3, 1, CFS_OP_GET, "x");
    assert_true(cfs_home_deadline(&hb.home) <= hb.rb.bench.env.now + CFS_MS(250));
    home_bench_tick_in_contact(&hb, CFS_MS(250) - 1);
    assert_false(read_answered(3, 1));
    home_bench_tick_in_contact(&hb, 1);
    assert_int_equal(read_error(3, 1), CFS_OK);
}

static void a_holders_node_that_is_out_of_contact_is_not_waited_for(void **state)
{
    (void)state;
    home_bench_do(&hb, 2, flock(7));
    bench_pass(&hb.rb.bench, CFS_MS(501));
    raft_bench_acknowledge(&hb.rb, 3, 1, hb.rb.bench.env.now);
    home_bench_read(&hb, 3, 1, CFS_OP_GET, "x");
    assert_int_equal(drains(0), 0);
    assert_int_equal(read_error(3, 1), CFS_OK);
}

/* It has not had the time to acknowledge anything yet. */
static void a_new_leader_counts_nobody_as_out_of_contact(void **state)
{
    (void)state;
    home_bench_do(&hb, 2, flock(7));
    hb.rb.raft.progress[2].acked = 0;
    hb.rb.raft.leader_since = hb.rb.bench.env.now;
    home_bench_read(&hb, 3, 1, CFS_OP_GET, "x");
    assert_int_equal(drains(2), 1);
}

static void a_listing_asks_every_node_that_holds_through_open_files(void **state)
{
    (void)state;
    home_bench_do(&hb, 2, flock(7));
    home_bench_do(&hb, 3, bench_lockfile("y"));
    home_bench_read(&hb, 3, 1, CFS_OP_LIST, "");
    assert_int_equal(drains(2), 1);
    assert_int_equal(drains(3), 0);
    home_bench_drained(&hb, 2, drain_id(2));
    assert_true(read_answered(3, 1));
}

static void a_reply_to_another_drain_does_not_count(void **state)
{
    (void)state;
    home_bench_do(&hb, 2, flock(7));
    home_bench_read(&hb, 3, 1, CFS_OP_GET, "x");
    home_bench_drained(&hb, 2, drain_id(2) + 1);
    home_bench_drained(&hb, 3, drain_id(2));
    home_bench_receive(&hb, (struct cfs_message){.type = CFS_MSG_DRAIN_REPLY,
                                                 .from = 2,
                                                 .term = hb.rb.raft.term - 1,
                                                 .drain_reply = {.id = drain_id(2)}});
    assert_false(read_answered(3, 1));
}

static void a_read_that_is_asked_again_while_it_waits_is_one_question(void **state)
{
    (void)state;
    home_bench_do(&hb, 2, flock(7));
    for (int i = 0; i < 10; i++)
        home_bench_read(&hb, 3, 1, CFS_OP_GET, "x");
    assert_int_equal(drains(2), 1);
}

static void questions_are_told_apart_by_asker_and_number(void **state)
{
    uint64_t first, second;

    (void)state;
    home_bench_do(&hb, 2, flock(7));
    home_bench_read(&hb, 2, 1, CFS_OP_GET, "x");
    home_bench_read(&hb, 3, 1, CFS_OP_GET, "x");
    home_bench_read(&hb, 3, 2, CFS_OP_GET, "x");
    first = home_bench_ask(&hb, 3, try(8));
    second = home_bench_ask(&hb, 3, try(9));
    assert_int_equal(drains(2), 5);
    home_bench_tick_in_contact(&hb, CFS_MS(250));
    assert_true(read_answered(2, 1) && read_answered(3, 1) && read_answered(3, 2));
    assert_true(try_answered(3, first) && try_answered(3, second));
}

static void each_question_has_a_drain_of_its_own(void **state)
{
    (void)state;
    home_bench_do(&hb, 2, flock(7));
    home_bench_read(&hb, 3, 1, CFS_OP_GET, "x");
    home_bench_drained(&hb, 2, drain_id(2));
    home_bench_read(&hb, 3, 2, CFS_OP_GET, "x");
    home_bench_read(&hb, 3, 3, CFS_OP_GET, "x");
    home_bench_drained(&hb, 2, drain_id(2)); /* the third's: begun after the second was asked */
    assert_false(read_answered(3, 2));
    assert_true(read_answered(3, 3));
}

static void a_listing_that_fits_no_message_says_that_there_is_more(void **state)
{
    struct cfs_answer answer;
    char name[CFS_NAME_MAX + 1] = "";

    (void)state;
    memset(name, 'n', 250);
    for (unsigned i = 0; i <= CFS_LIST_BYTES_MAX / 251; i++) {
        for (unsigned digit = 0, rest = i; digit < 6; digit++, rest /= 10)
            name[digit] = (char)('0' + rest % 10);
        home_bench_do(&hb, 2, bench_lockfile(name));
        bench_clear(&hb.rb.bench);
    }
    home_bench_read(&hb, 3, 1, CFS_OP_LIST, "");
    assert_non_null(home_bench_said(&hb, CFS_TO_READ, 3, 1, &answer));
    assert_true(answer.more);
    assert_in_range(answer.names_len, CFS_LIST_BYTES_MAX - 251, CFS_LIST_BYTES_MAX);
}

static void an_acquire_of_a_free_name_goes_into_the_log_without_a_lease(void **state)
{
    uint64_t sequence;

    (void)state;
    bench_pass(&hb.rb.bench, CFS_MS(250));
    sequence = home_bench_do(&hb, 2, try(7));
    assert_int_equal(try_error(2, sequence), CFS_OK);
}

static void an_acquire_that_does_not_wait_is_refused_without_a_log_entry(void **state)
{
    uint64_t file, lock, end;

    (void)state;
    home_bench_do(&hb, 2, bench_lockfile("x"));
    end = home_bench_log_end(&hb);
    file = home_bench_ask(&hb, 3, bench_lockfile("x"));
    lock = home_bench_ask(&hb, 3, try(7));
    assert_int_equal(try_error(3, file), CFS_ERR_EXISTS);
    assert_int_equal(try_error(3, lock), CFS_ERR_WOULD_BLOCK);
    assert_int_equal(home_bench_log_end(&hb), end);
}

static void a_refusal_needs_the_lease(void **state)
{
    uint64_t sequence;

    (void)state;
    home_bench_do(&hb, 2, bench_lockfile("x"));
    bench_pass(&hb.rb.bench, CFS_MS(250));
    sequence = home_bench_ask(&hb, 3, bench_lockfile("x"));
    assert_false(try_answered(3, sequence));
    home_bench_contact(&hb);
    assert_int_equal(try_error(3, sequence), CFS_ERR_EXISTS);
}

static void a_refusal_comes_after_all_that_was_in_the_log_before_the_question(void **state)
{
    uint64_t sequence;

    (void)state;
    home_bench_do(&hb, 2, bench_flock("x", 7, CFS_SHARED, true));
    home_bench_ask(&hb, 2, bench_unflock("x", 7));
    sequence = home_bench_ask(&hb, 3, try(7));
    assert_false(try_answered(3, sequence));
    home_bench_commit(&hb);
    home_bench_commit(&hb);
    assert_int_equal(try_error(3, sequence), CFS_OK);
}

static void a_refusal_of_a_lockfile_comes_after_the_removal_that_was_in_the_log(void **state)
{
    struct cfs_request remove = bench_get("x");
    uint64_t sequence;

    (void)state;
    home_bench_do(&hb, 2, bench_lockfile("x"));
    remove.op = CFS_OP_REMOVE;
    remove.remove = (struct cfs_remove){.form = CFS_FORM_FILE};
    home_bench_ask(&hb, 2, remove);
    sequence = home_bench_ask(&hb, 3, bench_lockfile("x"));
    assert_false(try_answered(3, sequence));
    home_bench_commit(&hb);
    home_bench_commit(&hb);
    assert_int_equal(try_error(3, sequence), CFS_OK);
}

static void who_waits_for_a_drain_is_granted_what_becomes_free_before_it_ends(void **state)
{
    uint64_t sequence;

    (void)state;
    home_bench_do(&hb, 2, flock(7));
    sequence = home_bench_ask(&hb, 3, try(8));
    home_bench_do(&hb, 2, bench_unflock("x", 7));
    home_bench_commit(&hb);
    assert_int_equal(try_error(3, sequence), CFS_OK);
}

#define MANY 8000

/* All that wait on one node may be resent in one step when the leader changes; they must not take
 * so long that its heartbeats come late. Far from exact: it took hundreds of times as much once. */
static void thousands_of_open_questions_cost_little_each(void **state)
{
    struct cfs_command *commands = calloc(MANY, sizeof *commands);
    clock_t began = clock();

    (void)state;
    home_bench_do(&hb, 2, bench_lockfile("x"));
    home_bench_do(&hb, 2, bench_flock("y", 7, CFS_EXCLUSIVE, true));
    home_bench_ask(&hb, 2, bench_lockfile("not applied yet"));
    for (int i = 0; i < MANY; i++)
        commands[i] = home_bench_command(&hb, 3, bench_lockfile("x"));
    for (int i = 0; i < 2 * MANY; i++) {
        home_bench_read(&hb, 3, 1 + i % MANY, CFS_OP_GET, "y");
        home_bench_forward(&hb, &commands[i % MANY]);
    }
    home_bench_commit(&hb);
    assert_int_equal(try_error(3, commands[MANY - 1].sequence), CFS_ERR_EXISTS);
    assert_int_equal(drains(2), MANY);
    for (uint64_t id = 1, last = drain_id(2); id <= last; id++)
        home_bench_drained(&hb, 2, id);
    assert_true(read_answered(3, 1) && read_answered(3, MANY));
    assert_true(clock() - began < 3 * CLOCKS_PER_SEC);
    free(commands);
}

static void a_holder_that_is_closing_its_file_is_waited_for_before_a_refusal(void **state)
{
    uint64_t sequence;

    (void)state;
    home_bench_do(&hb, 2, flock(7));
    sequence = home_bench_ask(&hb, 3, try(8));
    assert_int_equal(drains(2), 1);
    assert_false(try_answered(3, sequence));
    home_bench_do(&hb, 2, bench_unflock("x", 7));
    home_bench_drained(&hb, 2, drain_id(2));
    home_bench_commit(&hb);
    assert_int_equal(try_error(3, sequence), CFS_OK);
}

static void a_holder_that_is_not_is_believed_when_its_node_says_so(void **state)
{
    uint64_t sequence;

    (void)state;
    home_bench_do(&hb, 2, flock(7));
    sequence = home_bench_ask(&hb, 3, try(8));
    home_bench_drained(&hb, 2, drain_id(2));
    assert_int_equal(try_error(3, sequence), CFS_ERR_WOULD_BLOCK);
}

/* It was answered once; a copy must not be granted what the caller was refused. */
static void a_refused_acquire_that_is_resent_hears_the_same_refusal(void **state)
{
    struct cfs_command command;
    struct cfs_request remove = bench_get("x");

    (void)state;
    home_bench_do(&hb, 2, bench_lockfile("x"));
    command = home_bench_command(&hb, 3, bench_lockfile("x"));
    home_bench_forward(&hb, &command);
    assert_int_equal(try_error(3, command.sequence), CFS_ERR_EXISTS);
    remove.op = CFS_OP_REMOVE;
    remove.remove = (struct cfs_remove){.form = CFS_FORM_FILE};
    home_bench_do(&hb, 2, remove);
    bench_clear(&hb.rb.bench);
    home_bench_forward(&hb, &command);
    home_bench_commit(&hb);
    assert_int_equal(try_error(3, command.sequence), CFS_ERR_EXISTS);
}

static void a_refusal_is_remembered_until_the_asker_has_it(void **state)
{
    struct cfs_command command;

    (void)state;
    home_bench_do(&hb, 2, flock(7));
    command = home_bench_command(&hb, 3, try(8));
    home_bench_forward(&hb, &command);
    home_bench_drained(&hb, 2, drain_id(2));
    assert_int_equal(try_error(3, command.sequence), CFS_ERR_WOULD_BLOCK);
    home_bench_keepalive(&hb, 3, hb.sessions[3], command.sequence); /* still unanswered there */
    home_bench_do(&hb, 2, bench_unflock("x", 7));
    bench_clear(&hb.rb.bench);
    home_bench_forward(&hb, &command);
    assert_int_equal(try_error(3, command.sequence), CFS_ERR_WOULD_BLOCK);
}

/* They were asked of another leadership, and are asked again of this one by whoever still wants. */
static void questions_end_with_the_leadership_they_were_asked_of(void **state)
{
    uint64_t sequence;

    (void)state;
    home_bench_do(&hb, 2, flock(7));
    home_bench_read(&hb, 3, 1, CFS_OP_GET, "x");
    sequence = home_bench_ask(&hb, 3, try(8));
    cfs_home_stop(&hb.home);
    home_bench_do(&hb, 2, bench_unflock("x", 7));
    home_bench_contact(&hb);
    home_bench_commit(&hb);
    assert_true(hb.home.serving);
    assert_false(read_answered(3, 1));
    assert_false(try_answered(3, sequence));
}

static void a_late_copy_of_a_refused_acquire_is_never_applied(void **state)
{
    struct cfs_command command;
    struct cfs_request remove = bench_get("x");
    struct cfs_lock_info info;

    (void)state;
    home_bench_do(&hb, 2, bench_lockfile("x"));
    command = home_bench_command(&hb, 3, bench_lockfile("x"));
    home_bench_forward(&hb, &command);
    home_bench_keepalive(&hb, 3, hb.sessions[3], command.sequence + 1); /* it has its answer */
    remove.op = CFS_OP_REMOVE;
    remove.remove = (struct cfs_remove){.form = CFS_FORM_FILE};
    home_bench_do(&hb, 2, remove);
    home_bench_forward(&hb, &command);
    home_bench_commit(&hb);
    assert_false(cfs_lock_table_get(hb.machine.locks, "x", &info));
}

static void an_acquire_cancelled_while_it_is_a_question_is_not_applied(void **state)
{
    struct cfs_command cancel;
    struct cfs_lock_info info;
    uint64_t sequence;

    (void)state;
    home_bench_do(&hb, 2, flock(7));
    sequence = home_bench_ask(&hb, 3, try(8));
    cancel = home_bench_command(&hb, 3, (struct cfs_request){0});
    cancel.kind = CFS_CMD_CANCEL;
    cancel.target = sequence;
    home_bench_forward(&hb, &cancel);
    home_bench_commit(&hb);
    assert_int_equal(try_error(3, sequence), CFS_ERR_INTERRUPTED);
    home_bench_do(&hb, 2, bench_unflock("x", 7));
    home_bench_drained(&hb, 2, drain_id(2));
    home_bench_commit(&hb);
    assert_false(cfs_lock_table_get(hb.machine.locks, "x", &info));
}

static void an_acquire_of_a_session_that_is_gone_is_told_so(void **state)
{
    struct cfs_command command;

    (void)state;
    home_bench_do(&hb, 2, bench_lockfile("x"));
    command = home_bench_command(&hb, 3, bench_lockfile("x"));
    command.session = 9999;
    home_bench_forward(&hb, &command);
    home_bench_commit(&hb);
    assert_int_equal(try_error(3, command.sequence), CFS_ERR_LOST);
}

static void one_who_would_not_wait_does_not_overtake_one_who_does(void **state)
{
    uint64_t sequence;

    (void)state;
    home_bench_do(&hb, 2, bench_flock("x", 7, CFS_SHARED, true));
    home_bench_do(&hb, 3, bench_flock("x", 8, CFS_EXCLUSIVE, true));
    sequence = home_bench_ask(&hb, 3, bench_flock("x", 9, CFS_SHARED, false));
    home_bench_drained(&hb, 2, drain_id(2));
    assert_int_equal(try_error(3, sequence), CFS_ERR_WOULD_BLOCK);
}

/* A conversion lets go first (flock(2)), so it goes through the log; but not before the others who
 * share the lock have been asked whether they still do. */
static void a_conversion_that_does_not_wait_asks_the_other_holders_first(void **state)
{
    uint64_t sequence;

    (void)state;
    home_bench_do(&hb, 2, bench_flock("x", 7, CFS_SHARED, true));
    home_bench_do(&hb, 3, bench_flock("x", 8, CFS_SHARED, true));
    sequence = home_bench_ask(&hb, 3, try(8));
    assert_int_equal(drains(2), 1);
    home_bench_do(&hb, 2, bench_unflock("x", 7));
    home_bench_drained(&hb, 2, drain_id(2));
    if (drains(3))
        home_bench_drained(&hb, 3, drain_id(3));
    home_bench_commit(&hb);
    assert_int_equal(try_error(3, sequence), CFS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(a_read_under_the_lease_is_answered_at_once),
        T(a_read_without_the_lease_waits_for_the_next_heartbeat),
        T(a_read_sees_everything_that_was_in_the_log_before_it),
        T(a_listing_names_what_is_held),
        T(a_lockfile_needs_nobody_to_be_asked),
        T(of_very_many_holders_the_first_are_listed),
        T(a_read_of_a_name_held_through_an_open_file_asks_the_holders_node_first),
        T(a_holders_node_is_waited_for_a_quarter_of_a_second_at_most),
        T(a_holders_node_that_is_out_of_contact_is_not_waited_for),
        T(a_new_leader_counts_nobody_as_out_of_contact),
        T(a_listing_asks_every_node_that_holds_through_open_files),
        T(a_reply_to_another_drain_does_not_count),
        T(a_read_that_is_asked_again_while_it_waits_is_one_question),
        T(questions_are_told_apart_by_asker_and_number),
        T(each_question_has_a_drain_of_its_own),
        T(a_listing_that_fits_no_message_says_that_there_is_more),
        T(an_acquire_of_a_free_name_goes_into_the_log_without_a_lease),
        T(an_acquire_that_does_not_wait_is_refused_without_a_log_entry),
        T(a_refusal_needs_the_lease),
        T(a_refusal_comes_after_all_that_was_in_the_log_before_the_question),
        T(a_refusal_of_a_lockfile_comes_after_the_removal_that_was_in_the_log),
        T(who_waits_for_a_drain_is_granted_what_becomes_free_before_it_ends),
        T(thousands_of_open_questions_cost_little_each),
        T(a_holder_that_is_closing_its_file_is_waited_for_before_a_refusal),
        T(a_holder_that_is_not_is_believed_when_its_node_says_so),
        T(a_refused_acquire_that_is_resent_hears_the_same_refusal),
        T(a_refusal_is_remembered_until_the_asker_has_it),
        T(questions_end_with_the_leadership_they_were_asked_of),
        T(a_late_copy_of_a_refused_acquire_is_never_applied),
        T(an_acquire_cancelled_while_it_is_a_question_is_not_applied),
        T(an_acquire_of_a_session_that_is_gone_is_told_so),
        T(one_who_would_not_wait_does_not_overtake_one_who_does),
        T(a_conversion_that_does_not_wait_asks_the_other_holders_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
