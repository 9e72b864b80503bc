/* Snapshots: chunks from a leader's checkpoint to a follower's staging area, one at a time, and
 * what the follower does with the last one. `gb` leads as node 1; `fb` is node 2. */
#include "core_group_bench.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

static struct group_bench gb, fb;

/* Node 2 has nothing, and the leader has only a checkpoint for it, up to index 12. */
static int set_up(void **state)
{
    group_bench_open(&gb, 1);
    group_bench_open(&fb, 2);
    group_bench_leave_behind(&gb);
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

/* The leader's newest chunk. */
static const struct cfs_msg_snapshot *chunk(void)
{
    const struct cfs_message *message = bench_sent(&gb.bench, CFS_MSG_SNAPSHOT, 2);

    return message ? &message->snapshot : NULL;
}

static uint32_t chunks(void)
{
    return bench_sent_count(&gb.bench, CFS_MSG_SNAPSHOT, 2);
}

static uint32_t fetches(void)
{
    return bench_effect_count(&gb.bench, CFS_FX_FETCH);
}

static uint64_t transfer(void)
{
    return bench_effect(&gb.bench, CFS_FX_FETCH)->id;
}

static void reply_from(cfs_node_id from, uint64_t id, uint64_t next, bool done)
{
    group_bench_receive(
        &gb, (struct cfs_message){.type = CFS_MSG_SNAPSHOT_REPLY,
                                  .from = from,
                                  .term = gb.group.raft.term,
                                  .snapshot_reply = {.transfer = id, .next = next, .done = done}});
}

/* Sending. */

static void who_needs_compacted_entries_is_sent_a_checkpoint(void **state)
{
    const struct cfs_effect *fetch = bench_effect(&gb.bench, CFS_FX_FETCH);

    (void)state;
    assert_int_equal(fetches(), 1);
    assert_int_equal(fetch->fetch.group, 0);
    assert_int_equal(fetch->fetch.bytes, GROUP_CHUNK);
    assert_null(chunk()); /* nothing to send yet */
    cfs_group_flush(&gb.group);
    group_bench_tick(&gb, CFS_MS(10));
    assert_int_equal(fetches(), 1);
    group_bench_fetch(&gb);
    assert_int_equal(chunk()->transfer, transfer());
    assert_int_equal(chunk()->offset, 0);
    assert_false(chunk()->last);
    assert_true(chunk()->len >= GROUP_CHUNK);
}

/* They are this node's promises and nobody else's. */
static void a_snapshot_tells_nothing_of_what_the_leader_promised(void **state)
{
    struct cfs_group_head head;

    (void)state;
    group_bench_fetch(&gb);
    assert_int_equal(cfs_group_head_decode(&head, chunk()->head, chunk()->head_len), 0);
    assert_true(head.base.index == 12 && head.base.term == 1);
    assert_true(head.term == 0 && head.vote == 0 && head.install == 0);
}

static void the_next_chunk_is_read_when_the_follower_has_this_one(void **state)
{
    (void)state;
    group_bench_fetch(&gb);
    reply_from(2, transfer(), 1, false);
    assert_int_equal(fetches(), 2);
    reply_from(2, transfer(), 1, false); /* once more: it is being read */
    assert_int_equal(fetches(), 2);
    group_bench_fetch(&gb);
    assert_int_equal(chunk()->offset, 1);
    reply_from(2, transfer(), 1, false); /* late: it has been sent */
    assert_int_equal(fetches(), 2);
    assert_int_equal(chunks(), 2);
}

/* Time passes for the leader, whom node 3 answers. */
static void pass(cfs_time duration)
{
    for (; duration > CFS_MS(100); duration -= CFS_MS(100)) {
        group_bench_tick(&gb, CFS_MS(100));
        group_bench_acknowledge(&gb, 3, 12);
    }
    group_bench_tick(&gb, duration);
}

static void a_chunk_that_is_not_answered_is_sent_again(void **state)
{
    (void)state;
    assert_int_equal(cfs_snapshot_deadline(&gb.group), CFS_NEVER); /* the disk takes its time */
    pass(CFS_SECONDS(3));
    assert_int_equal(fetches(), 1);
    group_bench_fetch(&gb);
    assert_int_equal(cfs_snapshot_deadline(&gb.group), gb.bench.env.now + CFS_MS(500));
    pass(CFS_MS(499));
    assert_int_equal(chunks(), 1);
    pass(CFS_MS(1));
    assert_int_equal(chunks(), 2);
    assert_int_equal(chunk()->offset, 0);
}

static void a_copy_that_cannot_be_read_is_asked_for_again(void **state)
{
    struct cfs_fetched nothing = {.transfer = transfer()};

    (void)state;
    cfs_snapshot_fetched(&gb.group, &nothing);
    assert_null(chunk());
    assert_int_equal(cfs_snapshot_deadline(&gb.group), gb.bench.env.now + CFS_SECONDS(1));
    pass(CFS_MS(999));
    assert_int_equal(fetches(), 1);
    pass(CFS_MS(1));
    assert_int_equal(fetches(), 2);
    group_bench_fetch(&gb);
    assert_int_equal(chunk()->offset, 0);
}

static void entries_follow_a_snapshot_that_is_there(void **state)
{
    (void)state;
    group_bench_fetch(&gb);
    group_bench_hold(&gb, "more", 2);
    reply_from(2, transfer(), 0, true);
    assert_int_equal(bench_effect(&gb.bench, CFS_FX_END_FETCH)->id, transfer());
    assert_null(gb.group.transfers);
    assert_int_equal(gb.group.raft.progress[2].match, 12);
    cfs_group_flush(&gb.group);
    assert_int_equal(bench_sent(&gb.bench, CFS_MSG_APPEND, 2)->append.prev_index, 12);
    assert_int_equal(bench_sent(&gb.bench, CFS_MSG_APPEND, 2)->append.entry_count, 2);
    assert_int_equal(fetches(), 1);
}

static void a_follower_that_has_forgotten_the_chunks_gets_another_snapshot(void **state)
{
    uint64_t first = transfer();

    (void)state;
    group_bench_fetch(&gb);
    reply_from(2, first, 1, false);
    group_bench_fetch(&gb);
    reply_from(2, first, 0, false);
    assert_int_equal(bench_effect(&gb.bench, CFS_FX_END_FETCH)->id, first);
    assert_true(gb.group.raft.dirty);
    cfs_group_flush(&gb.group);
    assert_int_not_equal(transfer(), first);
    group_bench_fetch(&gb);
    assert_int_equal(chunk()->offset, 0);
}

static void replies_to_something_else_change_nothing(void **state)
{
    struct cfs_message old = {.type = CFS_MSG_SNAPSHOT_REPLY,
                              .from = 2,
                              .term = 0,
                              .snapshot_reply = {.transfer = transfer(), .done = true}};

    (void)state;
    group_bench_fetch(&gb);
    reply_from(3, transfer(), 1, true);     /* another node's */
    reply_from(2, transfer() + 1, 1, true); /* another transfer's */
    group_bench_receive(&gb, old);          /* an older term's */
    reply_from(2, transfer(), 7, false);    /* a chunk far ahead */
    assert_non_null(gb.group.transfers);
    assert_true(gb.group.raft.progress[2].snapshot);
    assert_int_equal(fetches(), 1);
}

static void who_ceases_to_lead_ceases_to_send(void **state)
{
    (void)state;
    group_bench_fetch(&gb);
    group_bench_receive(&gb, (struct cfs_message){.type = CFS_MSG_SNAPSHOT_REPLY,
                                                  .from = 2,
                                                  .term = 9,
                                                  .snapshot_reply = {.transfer = transfer()}});
    assert_int_equal(gb.group.raft.role, CFS_FOLLOWER);
    assert_int_equal(gb.group.raft.term, 9);
    assert_null(gb.group.transfers);
    assert_int_equal(bench_effect(&gb.bench, CFS_FX_END_FETCH)->id, transfer());
}

/* What the disk brings afterwards is nobody's. */
static void a_chunk_of_a_transfer_that_has_ended_is_dropped(void **state)
{
    (void)state;
    cfs_snapshot_stop(&gb.group);
    group_bench_fetch(&gb);
    assert_null(chunk());
}

/* Installing. */

static void hand_over(const struct cfs_msg_snapshot *snapshot)
{
    struct cfs_message message = {
        .type = CFS_MSG_SNAPSHOT, .from = 1, .term = gb.group.raft.term, .snapshot = *snapshot};
    struct cfs_message copy = cfs_message_copy(&message);

    group_bench_receive(&fb, copy);
}

/* The newest reply of the follower; NULL: none. */
static const struct cfs_msg_snapshot_reply *reply(void)
{
    const struct cfs_message *message = bench_sent(&fb.bench, CFS_MSG_SNAPSHOT_REPLY, 1);

    return message ? &message->snapshot_reply : NULL;
}

static const struct cfs_stage *staged(void)
{
    return &bench_effect(&fb.bench, CFS_FX_STAGE)->stage;
}

/* Sends chunk after chunk; the last one is on its way afterwards. */
static void send_all_but_the_last(void)
{
    group_bench_fetch(&gb);
    while (!chunk()->last) {
        hand_over(chunk());
        group_bench_stage(&fb);
        reply_from(2, reply()->transfer, reply()->next, false);
        group_bench_fetch(&gb);
    }
    assert_true(chunk()->offset >= 5); /* or it would be no test of chunks */
}

static void a_chunk_is_acknowledged_when_it_is_staged(void **state)
{
    (void)state;
    group_bench_fetch(&gb);
    hand_over(chunk());
    assert_true(staged()->first && !staged()->last);
    assert_int_equal(staged()->part.pieces.len, chunk()->len);
    assert_int_equal(staged()->part.head.len, 0); /* it would be taken for the whole */
    assert_null(reply());
    hand_over(chunk()); /* again, while the disk is at it */
    assert_int_equal(bench_effect_count(&fb.bench, CFS_FX_STAGE), 1);
    group_bench_stage(&fb);
    assert_true(reply()->transfer == transfer() && reply()->next == 1 && !reply()->done);
    reply_from(2, transfer(), 1, false);
    group_bench_fetch(&gb);
    hand_over(chunk());
    assert_false(staged()->first || staged()->last);
}

static void chunks_out_of_order_are_asked_for_in_order(void **state)
{
    struct cfs_msg_snapshot later;

    (void)state;
    group_bench_fetch(&gb);
    hand_over(chunk());
    group_bench_stage(&fb);
    later = *chunk();
    later.offset = 5;
    hand_over(&later);
    assert_int_equal(reply()->next, 1);
    hand_over(chunk()); /* the first one again */
    assert_int_equal(reply()->next, 1);
    assert_int_equal(bench_effect_count(&fb.bench, CFS_FX_STAGE), 1);
}

static void a_chunk_in_the_middle_of_nothing_is_answered_with_the_beginning(void **state)
{
    struct cfs_msg_snapshot later;

    (void)state;
    group_bench_fetch(&gb);
    later = *chunk();
    later.offset = 5;
    hand_over(&later);
    assert_true(reply()->next == 0 && !reply()->done);
    assert_null(fb.group.install);
}

/* The record first: or a crash after the last stage would bring old entries back behind it. */
static void the_record_is_durable_before_the_last_stage_is_ordered(void **state)
{
    uint32_t stages;
    const struct cfs_record *record;

    (void)state;
    send_all_but_the_last();
    stages = bench_effect_count(&fb.bench, CFS_FX_STAGE);
    assert_false(cfs_snapshot_switching(&fb.group));
    hand_over(chunk());
    record = &bench_effect(&fb.bench, CFS_FX_PERSIST)->record;
    assert_int_equal(record->type, CFS_RECORD_INSTALL);
    assert_int_not_equal(record->term, 0);
    assert_true(cfs_snapshot_switching(&fb.group));
    cfs_env_persisted(&fb.bench.env, fb.bench.env.lsn - 1);
    cfs_group_persisted(&fb.group);
    assert_int_equal(bench_effect_count(&fb.bench, CFS_FX_STAGE), stages);
    group_bench_durable(&fb);
    assert_int_equal(bench_effect_count(&fb.bench, CFS_FX_STAGE), stages + 1);
    assert_true(staged()->last);
    assert_int_equal(fb.group.raft.applied, 0); /* not yet */
}

static void the_new_state_is_sealed_with_what_this_node_promised(void **state)
{
    struct cfs_group_head head;

    (void)state;
    fb.group.raft.vote = 1;
    fb.group.raft.term = gb.group.raft.term;
    send_all_but_the_last();
    hand_over(chunk());
    group_bench_durable(&fb);
    assert_int_equal(
        cfs_group_head_decode(&head, staged()->part.head.data, staged()->part.head.len), 0);
    assert_true(head.base.index == 12 && head.term == gb.group.raft.term && head.vote == 1);
    assert_int_equal(head.install, bench_effect(&fb.bench, CFS_FX_PERSIST)->record.term);
}

static void install_all(void)
{
    send_all_but_the_last();
    hand_over(chunk());
    group_bench_durable(&fb);
    group_bench_stage(&fb);
}

static void an_installed_snapshot_is_the_leaders_state(void **state)
{
    struct group_bench again;

    (void)state;
    install_all();
    assert_true(reply()->done);
    assert_null(fb.group.install);
    assert_int_equal(fb.group.raft.applied, 12);
    assert_int_equal(cfs_log_last_index(&fb.group.raft.log), 12);
    assert_int_equal(cfs_machine_digest(fb.group.machine), cfs_machine_digest(gb.group.machine));
    assert_ptr_equal(fb.group.home.machine, fb.group.machine);
    /* And so it is after a restart, and in the checkpoints that follow. */
    group_bench_checkpoint(&fb);
    assert_int_equal(group_bench_restart(&again, 2, &fb.store), 0);
    assert_int_equal(cfs_machine_digest(again.group.machine), cfs_machine_digest(gb.group.machine));
    assert_int_equal(again.group.raft.applied, 12);
    assert_int_equal(again.group.raft.install, fb.group.raft.install);
    group_bench_close(&again);
}

/* Whatever the size of the chunks: the whole in one, which is first and last. */
static void a_snapshot_may_fit_one_chunk(void **state)
{
    (void)state;
    cfs_snapshot_stop(&gb.group);
    gb.bench.config.snapshot_bytes = CFS_SNAPSHOT_BYTES;
    cfs_group_flush(&gb.group);
    group_bench_fetch(&gb);
    assert_true(chunk()->last);
    hand_over(chunk());
    group_bench_durable(&fb);
    assert_true(staged()->first && staged()->last);
    group_bench_stage(&fb);
    assert_int_equal(cfs_machine_digest(fb.group.machine), cfs_machine_digest(gb.group.machine));
}

static void who_is_being_replaced_takes_no_entries(void **state)
{
    (void)state;
    send_all_but_the_last();
    hand_over(chunk());
    bench_clear(&fb.bench);
    group_bench_receive(&fb, raft_entries(1, 1, 0, 0, 1, 1));
    group_bench_receive(&fb, raft_vote_request(3, 9, false, 99, 9));
    hand_over(chunk()); /* and not the chunk again */
    assert_int_equal(fb.bench.effects.count, 0);
    assert_int_equal(cfs_log_last_index(&fb.group.raft.log), 0);
}

static void the_reports_of_other_stages_end_nothing(void **state)
{
    (void)state;
    send_all_but_the_last();
    hand_over(chunk());
    group_bench_durable(&fb);
    cfs_snapshot_staged(&fb.group, bench_effect(&fb.bench, CFS_FX_STAGE)->id - 1);
    assert_int_equal(fb.group.raft.applied, 0);
    group_bench_stage(&fb);
    assert_int_equal(fb.group.raft.applied, 12);
}

static void a_snapshot_that_is_there_already_is_done_at_once(void **state)
{
    (void)state;
    install_all();
    bench_clear(&fb.bench);
    hand_over(chunk());
    assert_true(reply()->done);
    assert_int_equal(bench_effect_count(&fb.bench, CFS_FX_STAGE), 0);
}

/* Appends that were under way when the leader gave them up for lost: what they brought may have
 * been counted towards a majority, so no snapshot may take it back (thesis 5.3). */
static void entries_that_were_acknowledged_outlive_a_snapshot(void **state)
{
    (void)state;
    send_all_but_the_last();
    group_bench_receive(&fb, raft_entries(1, 1, 0, 0, 15, 1));
    group_bench_durable(&fb);
    assert_int_equal(bench_sent(&fb.bench, CFS_MSG_APPEND_REPLY, 1)->append_reply.match, 15);
    hand_over(chunk());
    assert_int_equal(bench_effect_count(&fb.bench, CFS_FX_PERSIST), 1 + 15); /* no record of it */
    assert_true(reply()->done);
    assert_null(fb.group.install);
    assert_int_equal(cfs_log_last_index(&fb.group.raft.log), 15);
    assert_int_equal(fb.group.raft.commit, 12); /* the leader had applied as much */
    assert_int_equal(fb.group.raft.applied, 12);
}

/* Else the leader would look for its place behind them for ever, should they be lost. */
static void a_snapshot_is_there_when_its_entries_are_durable(void **state)
{
    (void)state;
    group_bench_fetch(&gb);
    group_bench_receive(&fb, raft_entries(1, 1, 0, 0, 15, 1));
    hand_over(chunk());
    assert_null(reply());
    group_bench_durable(&fb);
    hand_over(chunk());
    assert_true(reply()->done);
}

static void entries_of_another_term_do_not_outlive_a_snapshot(void **state)
{
    (void)state;
    group_bench_close(&gb);
    group_bench_open(&gb, 1);
    gb.group.raft.term = 4;
    group_bench_leave_behind(&gb); /* its entries are of term 5 */
    group_bench_receive(&fb, raft_entries(3, 1, 0, 0, 15, 1));
    send_all_but_the_last();
    hand_over(chunk());
    group_bench_durable(&fb);
    group_bench_stage(&fb);
    assert_int_equal(cfs_log_last_index(&fb.group.raft.log), 12);
    assert_int_equal(cfs_machine_digest(fb.group.machine), cfs_machine_digest(gb.group.machine));
}

static void a_leader_of_an_older_term_is_refused(void **state)
{
    (void)state;
    group_bench_receive(&fb, raft_entries(3, 9, 0, 0, 0, 0));
    group_bench_fetch(&gb);
    hand_over(chunk());
    assert_int_equal(bench_sent(&fb.bench, CFS_MSG_SNAPSHOT_REPLY, 1)->term, 9);
    assert_false(reply()->done);
    assert_null(fb.group.install);
}

/* Chunks are a sign of life: a long snapshot starts no election. */
static void a_chunk_keeps_the_follower_from_standing(void **state)
{
    (void)state;
    bench_pass(&fb.bench, CFS_MS(240));
    group_bench_fetch(&gb);
    hand_over(chunk());
    assert_int_equal(fb.group.raft.leader, 1);
    assert_true(fb.group.raft.election_due >= fb.bench.env.now + CFS_MS(250));
}

static void another_leaders_snapshot_takes_the_place_of_the_one_under_way(void **state)
{
    struct cfs_message message = {.type = CFS_MSG_SNAPSHOT, .from = 3, .term = 9};
    struct cfs_message copy;

    (void)state;
    group_bench_fetch(&gb);
    hand_over(chunk());
    group_bench_stage(&fb);
    message.snapshot = *chunk();
    message.snapshot.transfer = 77;
    copy = cfs_message_copy(&message);
    group_bench_receive(&fb, copy);
    assert_true(staged()->first);
    group_bench_stage(&fb);
    assert_int_equal(bench_sent(&fb.bench, CFS_MSG_SNAPSHOT_REPLY, 3)->snapshot_reply.next, 1);
    hand_over(chunk()); /* the old leader is heard no more */
    assert_int_equal(reply()->next, 0);
    assert_int_equal(bench_sent(&fb.bench, CFS_MSG_SNAPSHOT_REPLY, 1)->term, 9);
}

/* What no leader sends. */

static void heads_that_are_none_are_not_answered(void **state)
{
    struct cfs_msg_snapshot headless;

    (void)state;
    group_bench_fetch(&gb);
    headless = *chunk();
    headless.head_len--;
    hand_over(&headless);
    assert_int_equal(fb.bench.effects.count, 0);
    assert_null(fb.group.install);
}

/* Who was away, or is new, does not know who the members are by now. */
static void a_leader_that_is_no_member_as_far_as_is_known_here_is_followed(void **state)
{
    struct cfs_message message;

    (void)state;
    group_bench_fetch(&gb);
    message =
        (struct cfs_message){.type = CFS_MSG_SNAPSHOT, .from = 9, .term = 9, .snapshot = *chunk()};
    group_bench_receive(&fb, cfs_message_copy(&message));
    assert_non_null(fb.group.install);
    assert_int_equal(fb.group.raft.leader, 9);
}

static void assert_dropped(const struct cfs_msg_snapshot *snapshot)
{
    bench_clear(&fb.bench);
    hand_over(snapshot);
    assert_null(fb.group.install);
    assert_int_equal(bench_effect_count(&fb.bench, CFS_FX_STAGE), 0);
    assert_false(fb.group.raft.replaced);
}

/* Nothing of it reaches the disk; the leader sends it again, and whole it is taken. */
static void a_chunk_that_is_no_state_is_dropped(void **state)
{
    struct cfs_msg_snapshot bad;

    (void)state;
    group_bench_fetch(&gb);
    bad = *chunk();
    bad.len--; /* cut within a piece */
    assert_dropped(&bad);
    bad = *chunk();
    bad.pieces = cfs_alloc_copy(bad.pieces, bad.len);
    bad.pieces[5] = CFS_PIECE_TAG_COUNT; /* the first piece's key is something else */
    assert_dropped(&bad);
    free(bad.pieces);
    hand_over(chunk());
    assert_non_null(fb.group.install);
}

static void a_state_that_is_not_whole_is_dropped(void **state)
{
    struct cfs_msg_snapshot early;

    (void)state;
    group_bench_fetch(&gb);
    early = *chunk();
    early.len = 0; /* no counters, no sessions, nothing */
    early.last = true;
    assert_dropped(&early);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(who_needs_compacted_entries_is_sent_a_checkpoint),
        T(a_snapshot_tells_nothing_of_what_the_leader_promised),
        T(the_next_chunk_is_read_when_the_follower_has_this_one),
        T(a_chunk_that_is_not_answered_is_sent_again),
        T(a_copy_that_cannot_be_read_is_asked_for_again),
        T(entries_follow_a_snapshot_that_is_there),
        T(a_follower_that_has_forgotten_the_chunks_gets_another_snapshot),
        T(replies_to_something_else_change_nothing),
        T(who_ceases_to_lead_ceases_to_send),
        T(a_chunk_of_a_transfer_that_has_ended_is_dropped),
        T(a_chunk_is_acknowledged_when_it_is_staged),
        T(chunks_out_of_order_are_asked_for_in_order),
        T(a_chunk_in_the_middle_of_nothing_is_answered_with_the_beginning),
        T(the_record_is_durable_before_the_last_stage_is_ordered),
        T(the_new_state_is_sealed_with_what_this_node_promised),
        T(an_installed_snapshot_is_the_leaders_state),
        T(a_snapshot_may_fit_one_chunk),
        T(who_is_being_replaced_takes_no_entries),
        T(the_reports_of_other_stages_end_nothing),
        T(a_snapshot_that_is_there_already_is_done_at_once),
        T(entries_that_were_acknowledged_outlive_a_snapshot),
        T(a_snapshot_is_there_when_its_entries_are_durable),
        T(entries_of_another_term_do_not_outlive_a_snapshot),
        T(a_leader_of_an_older_term_is_refused),
        T(a_chunk_keeps_the_follower_from_standing),
        T(another_leaders_snapshot_takes_the_place_of_the_one_under_way),
        T(heads_that_are_none_are_not_answered),
        T(a_leader_that_is_no_member_as_far_as_is_known_here_is_followed),
        T(a_chunk_that_is_no_state_is_dropped),
        T(a_state_that_is_not_whole_is_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
