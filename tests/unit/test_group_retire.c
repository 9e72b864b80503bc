/* A replica that its group does not need any more: what it drops, what it keeps, and how it comes
 * back. `gb` leads as node 1; `fb` is node 2. */
#include "core_group_bench.h"

#include <stdlib.h>

static struct group_bench gb, fb;

static void send_log(uint32_t first, uint32_t last);

/* Both have the same log of 12 entries, of which node 2 knows the first 10 to be committed. */
static int set_up(void **state)
{
    group_bench_open(&gb, 1);
    group_bench_open(&fb, 2);
    group_bench_lead(&gb);
    group_bench_open_session(&gb);
    group_bench_hold(&gb, "lock", 10);
    send_log(1, 10);
    send_log(11, 12);
    assert_int_equal(fb.group.raft.applied, 10);
    bench_clear(&fb.bench);
    *state = &gb;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    group_bench_close(&gb);
    group_bench_close(&fb);
    return 0;
}

/* The leader's entries reach node 2, which is told that those up to index 10 are committed. */
static void send_log(uint32_t first, uint32_t last)
{
    const struct cfs_log *log = &gb.group.raft.log;
    struct cfs_message message =
        raft_entries(1, gb.group.raft.term, first - 1, cfs_log_term_at(log, first - 1), 0, 0);

    message.append.commit = 10;
    message.append.entries = realloc(message.append.entries, (last - first + 1) * sizeof(void *));
    for (uint32_t i = first; i <= last; i++)
        message.append.entries[message.append.entry_count++] = cfs_entry_ref(cfs_log_get(log, i));
    group_bench_receive(&fb, message);
    group_bench_durable(&fb);
}

static const struct cfs_raft *raft(void)
{
    return &fb.group.raft;
}

static bool is_replica(void)
{
    return cfs_membership_all(&raft()->members) & CFS_NODE_BIT(2);
}

static void begin_to_retire(void)
{
    cfs_group_retire(&fb.group, gb.group.raft.term);
}

static void retire(void)
{
    begin_to_retire();
    group_bench_durable(&fb);
    group_bench_stage(&fb);
}

static struct cfs_group_head staged_head(void)
{
    const struct cfs_effect *effect = bench_effect(&fb.bench, CFS_FX_STAGE);
    struct cfs_group_head head;

    assert_non_null(effect);
    assert_int_equal(
        cfs_group_head_decode(&head, effect->stage.part.head.data, effect->stage.part.head.len), 0);
    return head;
}

/* Node 3 asks for a vote of node 2 in term 5, with a log that ends there. */
static bool grants(uint64_t last_index, uint64_t last_term, bool founding)
{
    struct cfs_message request = raft_vote_request(3, 5, false, last_index, last_term);
    const struct cfs_message *reply;

    request.vote.founding = founding;
    bench_clear(&fb.bench);
    group_bench_receive(&fb, request);
    group_bench_durable(&fb);
    reply = bench_sent(&fb.bench, CFS_MSG_VOTE_REPLY, 3);
    assert_non_null(reply);
    return reply->vote_reply.granted;
}

/* Going. */

static void it_has_nothing_of_the_group_afterwards(void **state)
{
    (void)state;
    retire();
    assert_false(is_replica());
    assert_int_equal(cfs_log_last_index(&raft()->log), 0);
    assert_int_equal(raft()->applied, 0);
    assert_int_equal(cfs_lock_table_held_count(fb.group.machine->locks), 0);
    assert_null(fb.group.machine->sessions.by_id);
    assert_false(raft()->replaced);
    assert_null(fb.group.install);
}

/* What it has acknowledged may have been counted, whether it knows that or not. */
static void it_keeps_how_far_its_log_went_and_whom_it_voted_for(void **state)
{
    struct cfs_group_head head;

    (void)state;
    fb.group.raft.vote = 1;
    begin_to_retire();
    assert_null(bench_effect(&fb.bench, CFS_FX_STAGE)); /* the record is not durable yet */
    assert_int_equal(bench_effect(&fb.bench, CFS_FX_PERSIST)->record.type, CFS_RECORD_INSTALL);
    group_bench_durable(&fb);
    head = staged_head();
    assert_int_equal(head.dropped.index, 12);
    assert_int_equal(head.dropped.term, 1);
    assert_int_equal(head.term, 1);
    assert_int_equal(head.vote, 1);
    assert_int_equal(head.base.index, 0);
    assert_int_equal(cfs_membership_all(&head.members), 0);
    assert_int_equal(head.install, bench_effect(&fb.bench, CFS_FX_PERSIST)->record.term);
}

static void it_votes_for_nobody_who_has_less(void **state)
{
    (void)state;
    retire();
    assert_false(grants(11, 1, false));
    assert_false(grants(10, 1, false));
    assert_true(grants(12, 1, false));
}

static void a_shorter_log_of_a_later_term_is_more(void **state)
{
    (void)state;
    retire();
    assert_true(grants(3, 2, false));
}

static void while_its_state_is_replaced_it_votes_for_nobody(void **state)
{
    (void)state;
    begin_to_retire();
    bench_clear(&fb.bench);
    group_bench_receive(&fb, raft_vote_request(3, 5, false, 50, 4));
    assert_null(bench_sent(&fb.bench, CFS_MSG_VOTE_REPLY, 3));
}

static void it_neither_stands_nor_wants_to(void **state)
{
    (void)state;
    retire();
    assert_int_equal(cfs_raft_deadline(raft()), CFS_NEVER);
    bench_clear(&fb.bench);
    for (int i = 0; i < 10; i++)
        group_bench_tick(&fb, CFS_SECONDS(1));
    assert_null(bench_sent(&fb.bench, CFS_MSG_VOTE, 0));
}

static void it_takes_no_part_in_founding_the_group_anew(void **state)
{
    (void)state;
    fb.group.raft.amnesia = CFS_BLANK; /* even if the disk was lost since */
    retire();
    assert_false(grants(0, 0, true));
    assert_false(raft()->recovered);
}

static void leaders_of_the_past_say_nothing_to_it(void **state)
{
    (void)state;
    cfs_group_retire(&fb.group, 7);
    group_bench_durable(&fb);
    group_bench_stage(&fb);
    assert_int_equal(raft()->term, 7);
    bench_clear(&fb.bench);
    group_bench_receive(&fb, raft_entries(1, 6, 0, 0, 1, 6));
    assert_int_equal(cfs_log_last_index(&raft()->log), 0);
    assert_false(bench_sent(&fb.bench, CFS_MSG_APPEND_REPLY, 1)->append_reply.success);
}

static void it_tells_nobody_of_the_leader_it_had(void **state)
{
    (void)state;
    fb.group.raft.leader_serving = true;
    assert_int_equal(cfs_group_leader(&fb.group), 1);
    retire();
    assert_int_equal(cfs_group_leader(&fb.group), 0);
}

static void it_retires_once(void **state)
{
    (void)state;
    begin_to_retire();
    begin_to_retire();
    assert_int_equal(bench_effect_count(&fb.bench, CFS_FX_PERSIST), 1);
}

/* A snapshot that was coming in goes, too. */
static void it_retires_in_the_middle_of_a_snapshot(void **state)
{
    (void)state;
    group_bench_fall_behind(&gb);
    group_bench_fetch(&gb);
    {
        struct cfs_message chunk = cfs_message_copy(bench_sent(&gb.bench, CFS_MSG_SNAPSHOT, 2));
        fb.group.raft.term = chunk.term;
        group_bench_receive(&fb, chunk);
    }
    retire();
    assert_false(is_replica());
    assert_null(fb.group.install);
}

static void a_restart_knows_what_it_has_dropped(void **state)
{
    struct group_bench again;

    (void)state;
    fb.group.raft.vote = 3;
    retire();
    assert_int_equal(group_bench_restart(&again, 2, &fb.store), 0);
    assert_true(cfs_group_restored(&again.group));
    assert_int_equal(again.group.raft.dropped.index, 12);
    assert_int_equal(again.group.raft.vote, 3);
    assert_int_equal(cfs_membership_all(&again.group.raft.members), 0);
    group_bench_checkpoint(&again); /* and the next one */
    group_bench_close(&fb);
    assert_int_equal(group_bench_restart(&fb, 2, &again.store), 0);
    assert_int_equal(fb.group.raft.dropped.index, 12);
    group_bench_close(&again);
}

/* Of the records before the one that says so nothing is left. */
static void records_of_before_do_not_come_back(void **state)
{
    struct group_bench again;
    struct cfs_record record = {.type = CFS_RECORD_INSTALL};
    uint64_t last = cfs_log_last_index(&gb.group.raft.log);

    (void)state;
    retire();
    record.term = raft()->install;
    assert_int_equal(group_bench_restart(&again, 2, &fb.store), 0);
    for (uint64_t i = 3; i <= last; i++) /* those before went with their segment */
        cfs_raft_restore(&again.group.raft,
                         &(struct cfs_record){.type = CFS_RECORD_ENTRY,
                                              .entry = cfs_log_get(&gb.group.raft.log, i)},
                         i);
    assert_false(cfs_group_restored(&again.group));
    cfs_raft_restore(&again.group.raft, &record, last + 1);
    assert_true(cfs_group_restored(&again.group));
    assert_int_equal(cfs_log_last_index(&again.group.raft.log), 0);
    group_bench_close(&again);
}

/* Coming back. */

static void assert_same_state(void)
{
    assert_int_equal(raft()->applied, 12);
    assert_int_equal(cfs_machine_digest(fb.group.machine), cfs_machine_digest(gb.group.machine));
}

static void it_asks_for_the_log_from_its_beginning(void **state)
{
    const struct cfs_message *reply;

    (void)state;
    retire();
    bench_clear(&fb.bench);
    send_log(13, 12); /* a heartbeat behind the end of what it had */
    reply = bench_sent(&fb.bench, CFS_MSG_APPEND_REPLY, 1);
    assert_false(reply->append_reply.success);
    assert_int_equal(reply->append_reply.match, 0);
    send_log(1, 12);
    group_bench_receive(
        &fb, (struct cfs_message){
                 .type = CFS_MSG_APPEND,
                 .from = 1,
                 .term = 1,
                 .append = {.prev_index = 12, .prev_term = 1, .commit = 12, .sent = 77}});
    assert_same_state();
}

static void it_takes_a_snapshot_of_what_it_had_once(void **state)
{
    (void)state;
    retire();
    group_bench_fall_behind(&gb);
    fb.group.raft.term = gb.group.raft.term;
    for (int i = 0; i < 30 && !raft()->applied; i++) {
        group_bench_fetch(&gb);
        group_bench_receive(&fb, cfs_message_copy(bench_sent(&gb.bench, CFS_MSG_SNAPSHOT, 2)));
        group_bench_durable(&fb);
        group_bench_stage(&fb);
        group_bench_receive(&gb,
                            cfs_message_copy(bench_sent(&fb.bench, CFS_MSG_SNAPSHOT_REPLY, 1)));
    }
    assert_int_equal(raft()->applied, gb.group.saved_index);
    assert_true(is_replica());
    assert_int_equal(cfs_lock_table_held_count(fb.group.machine->locks),
                     cfs_lock_table_held_count(gb.group.machine->locks));
    assert_int_equal(raft()->dropped.index, 12); /* that checkpoint may be older than what it had */
}

/* Of what it acknowledged once something is missing, until it has more than it ever had. */
static void it_does_not_count_before_it_has_everything_again(void **state)
{
    (void)state;
    retire();
    send_log(1, 11);
    assert_false(bench_sent(&fb.bench, CFS_MSG_APPEND_REPLY, 1)->append_reply.sound);
    send_log(12, 12);
    assert_true(bench_sent(&fb.bench, CFS_MSG_APPEND_REPLY, 1)->append_reply.sound);
}

/* Long ago it may have been one of few who decided. */
static void it_does_not_stand_by_what_an_old_part_of_the_log_says(void **state)
{
    struct cfs_membership alone = {.voters = CFS_NODE_BIT(2)};
    struct cfs_writer data = {0};
    struct cfs_message message = raft_entries(1, 1, 0, 0, 1, 1);

    (void)state;
    retire();
    cfs_membership_encode(&data, &alone);
    cfs_entry_unref(message.append.entries[0]);
    message.append.entries[0] =
        cfs_entry_new(CFS_ENTRY_MEMBERS, 1, 1, data.data, (uint32_t)data.len);
    free(data.data);
    message.append.commit = 1;
    group_bench_receive(&fb, message);
    group_bench_durable(&fb);
    assert_int_equal(raft()->members.voters, CFS_NODE_BIT(2));
    for (int i = 0; i < 10; i++)
        group_bench_tick(&fb, CFS_SECONDS(1));
    assert_int_equal(raft()->role, CFS_FOLLOWER);
    assert_int_equal(raft()->term, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(it_has_nothing_of_the_group_afterwards),
        T(it_keeps_how_far_its_log_went_and_whom_it_voted_for),
        T(it_votes_for_nobody_who_has_less),
        T(a_shorter_log_of_a_later_term_is_more),
        T(while_its_state_is_replaced_it_votes_for_nobody),
        T(it_neither_stands_nor_wants_to),
        T(it_takes_no_part_in_founding_the_group_anew),
        T(leaders_of_the_past_say_nothing_to_it),
        T(it_tells_nobody_of_the_leader_it_had),
        T(it_retires_once),
        T(it_retires_in_the_middle_of_a_snapshot),
        T(a_restart_knows_what_it_has_dropped),
        T(records_of_before_do_not_come_back),
        T(it_asks_for_the_log_from_its_beginning),
        T(it_takes_a_snapshot_of_what_it_had_once),
        T(it_does_not_count_before_it_has_everything_again),
        T(it_does_not_stand_by_what_an_old_part_of_the_log_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
