/* Checkpoints of a whole node: when they are ordered, what they say of who led, and what is left of
 * a node when all that is in its logs has to count. */
#include <stdlib.h>

#include "core/lock_table.h"
#include "core/node_core.h"
#include "core_bench.h"

#define GROUPS 2u /* beside group 0 */

struct node {
    struct cfs_core *core;
    cfs_time now;
    uint64_t lsn, durable;
    struct cfs_checkpoint checkpoint; /* the newest one, without what it owns */
    uint64_t checkpoint_id;
    unsigned checkpoints;
    bool slow; /* its disk: nothing becomes durable for now */
};

static void step(struct node *n, struct cfs_event event)
{
    struct cfs_effects effects = {0};

    event.now = event.wall = n->now;
    cfs_core_step(n->core, &event, &effects);
    for (size_t i = 0; i < effects.count; i++) {
        const struct cfs_effect *effect = &effects.items[i];
        if (effect->type == CFS_FX_PERSIST)
            n->lsn = effect->lsn;
        if (effect->type != CFS_FX_CHECKPOINT)
            continue;
        n->checkpoint = effect->checkpoint;
        n->checkpoint_id = effect->id;
        n->checkpoints++;
    }
    cfs_effects_close(&effects);
    while (n->durable < n->lsn && !n->slow) {
        n->durable = n->lsn;
        step(n, (struct cfs_event){.type = CFS_EV_PERSISTED, .lsn = n->lsn});
    }
}

static void open_node(struct node *n, uint32_t members)
{
    struct cfs_core_config config = {.node = 1,
                                     .member_count = members,
                                     .groups = GROUPS,
                                     .heartbeat = CFS_MS(60),
                                     .lease = CFS_MS(200),
                                     .election = CFS_MS(250),
                                     .session = CFS_SECONDS(5),
                                     .timeout = CFS_SECONDS(5),
                                     .seed = 1,
                                     .snapshot_bytes = 1000};

    for (uint32_t i = 0; i < members; i++)
        config.members[i] = i + 1;
    *n = (struct node){.core = cfs_core_new(&config), .now = CFS_SECONDS(1000)};
}

static void serve(struct node *n)
{
    struct cfs_core_view view = {0};

    for (int i = 0; i < 20 && !view.session; i++) {
        n->now += CFS_MS(300);
        step(n, (struct cfs_event){.type = CFS_EV_TICK});
        cfs_core_view(n->core, 0, &view);
    }
    assert_true(view.serving && view.session);
}

static void save(struct node *n)
{
    step(n, (struct cfs_event){.type = CFS_EV_SAVE});
}

static void checkpointed(struct node *n)
{
    step(n, (struct cfs_event){.type = CFS_EV_CHECKPOINTED, .id = n->checkpoint_id});
}

static void a_backup_has_a_checkpoint_whatever_has_changed(void **state)
{
    struct node n;

    (void)state;
    open_node(&n, 1);
    serve(&n);
    assert_int_equal(n.checkpoints, 0);
    save(&n);
    assert_int_equal(n.checkpoints, 1);
    assert_int_equal(n.checkpoint.part_count, GROUPS + 1);
    assert_int_equal(n.checkpoint.led, (1u << (GROUPS + 1)) - 1); /* it leads all */
    checkpointed(&n);
    assert_int_equal(n.checkpoints, 1); /* once is enough */
    save(&n);
    assert_int_equal(n.checkpoints, 2);
    cfs_core_free(n.core);
}

/* The one under way may lack what was answered since it was ordered. */
static void it_waits_for_the_one_under_way_and_is_another(void **state)
{
    struct node n;

    (void)state;
    open_node(&n, 1);
    serve(&n);
    save(&n);
    save(&n);
    save(&n);
    assert_int_equal(n.checkpoints, 1);
    checkpointed(&n);
    assert_int_equal(n.checkpoints, 2);
    checkpointed(&n);
    assert_int_equal(n.checkpoints, 2); /* one for both */
    cfs_core_free(n.core);
}

static void who_leads_nothing_says_so(void **state)
{
    struct node n;

    (void)state;
    open_node(&n, 3);
    n.now += CFS_SECONDS(1);
    step(&n, (struct cfs_event){.type = CFS_EV_TICK});
    save(&n);
    assert_int_equal(n.checkpoints, 1);
    assert_int_equal(n.checkpoint.led, 0);
    cfs_core_free(n.core);
}

/* What is left of a node. */

static void restore_entry(struct cfs_core *core, uint64_t index, const struct cfs_command *command)
{
    struct cfs_record record = {.group = 0, .type = CFS_RECORD_ENTRY};
    struct cfs_writer writer = {0};

    cfs_command_encode(&writer, command);
    record.entry = cfs_entry_new(CFS_ENTRY_COMMAND, index, 3, writer.data, (uint32_t)writer.len);
    assert_int_equal(cfs_core_restore(core, &record), 0);
    cfs_entry_unref(record.entry);
    free(writer.data);
}

static const struct cfs_command opening = {
    .kind = CFS_CMD_OPEN_SESSION, .node = 1, .nonce = 1, .session_term = CFS_SECONDS(5)};

/* Nobody has told it that any of these are committed. */
static void all_that_is_in_the_log_counts(void **state)
{
    struct cfs_command ask = {
        .kind = CFS_CMD_REQUEST, .node = 1, .session = 1, .sequence = 1, .oldest = 1};
    struct cfs_checkpoint left = {0};
    struct cfs_group_head head;
    struct node n;

    (void)state;
    open_node(&n, 3);
    restore_entry(n.core, 1, &opening);
    ask.request = bench_lockfile("a");
    restore_entry(n.core, 2, &ask);
    ask.request = bench_lockfile("b");
    ask.sequence = 2;
    restore_entry(n.core, 3, &ask);
    assert_int_equal(cfs_core_restored(n.core), 0);
    cfs_core_salvage(n.core, &left);
    assert_int_equal(cfs_lock_table_held_count(cfs_core_locks(n.core)), 2);
    assert_int_equal(left.part_count, 1); /* of the other groups there is nothing */
    assert_int_equal(left.parts[0].group, 0);
    assert_int_equal(cfs_group_head_decode(&head, left.parts[0].head.data, left.parts[0].head.len),
                     0);
    assert_true(head.base.index == 3 && head.base.term == 3);
    assert_true(left.parts[0].pieces.len > 0);
    cfs_checkpoint_clear(&left);
    cfs_core_free(n.core);
}

/* Of records that go as segments some that were replaced may be left; if what took their place was
 * lost with a crash, nothing would say that they are void. */
static void none_is_ordered_while_entries_that_were_replaced_may_come_back(void **state)
{
    struct cfs_message append = raft_entries(2, 4, 1, 3, 1, 4);
    struct node n;

    (void)state;
    open_node(&n, 3);
    for (uint64_t index = 1; index <= 3; index++)
        restore_entry(n.core, index, &opening);
    assert_int_equal(cfs_core_restored(n.core), 0);
    n.now += CFS_MS(1);
    step(&n, (struct cfs_event){.type = CFS_EV_TICK});
    n.slow = true;
    step(&n, (struct cfs_event){.type = CFS_EV_MESSAGE, .message = &append});
    save(&n);
    assert_int_equal(n.checkpoints, 0);
    n.slow = false;
    step(&n, (struct cfs_event){.type = CFS_EV_TICK});
    assert_int_equal(n.checkpoints, 1);
    cfs_core_free(n.core);
}

/* It would end the node amid what is committed. */
static void a_command_that_is_not_understood_is_refused_with_the_log(void **state)
{
    struct cfs_record record = {.group = 0, .type = CFS_RECORD_ENTRY};
    struct cfs_writer writer = {0};
    struct node n;

    (void)state;
    open_node(&n, 3);
    cfs_command_encode(&writer, &opening);
    writer.data[0]++;
    record.entry = cfs_entry_new(CFS_ENTRY_COMMAND, 1, 1, writer.data, (uint32_t)writer.len);
    assert_int_equal(cfs_core_restore(n.core, &record), -1);
    cfs_entry_unref(record.entry);
    free(writer.data);
    cfs_core_free(n.core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_backup_has_a_checkpoint_whatever_has_changed),
        cmocka_unit_test(it_waits_for_the_one_under_way_and_is_another),
        cmocka_unit_test(who_leads_nothing_says_so),
        cmocka_unit_test(all_that_is_in_the_log_counts),
        cmocka_unit_test(none_is_ordered_while_entries_that_were_replaced_may_come_back),
        cmocka_unit_test(a_command_that_is_not_understood_is_refused_with_the_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
