/* The bench of a group other than 0. */
#include "core_guest_bench.h"

void guest_bench_place(struct guest_bench *gb, cfs_node_id first, cfs_node_id second,
                       cfs_node_id third)
{
    cfs_node_id *nodes = gb->placement.nodes[GUEST_GROUP];

    nodes[0] = first;
    nodes[1] = second;
    nodes[2] = third;
}

void guest_bench_open(struct guest_bench *gb)
{
    struct home_bench *hb = &gb->hb;
    struct cfs_membership members;

    *gb = (struct guest_bench){.placement = {.groups = GUEST_GROUP}};
    home_bench_init(hb);
    members = bench_members(&hb->rb.bench);
    cfs_group_init(&gb->root, &hb->rb.bench.env, 0, &hb->rb.bench.config, &members);
    guest_bench_place(gb, 1, 2, 3);
    hb->rb.raft.group = GUEST_GROUP;
    hb->home.root = &gb->root;
    hb->home.placement = &gb->placement;
    home_bench_serve(hb);
    guest_bench_look(gb, CFS_MS(100));
    bench_clear(&hb->rb.bench);
}

void guest_bench_close(struct guest_bench *gb)
{
    cfs_group_close(&gb->root);
    home_bench_close(&gb->hb);
}

static void remove_session(struct guest_bench *gb, cfs_node_id node)
{
    struct cfs_sessions *sessions = &gb->root.machine->sessions;
    struct cfs_session *session = cfs_sessions_of_node(sessions, node);

    if (session)
        cfs_sessions_remove(sessions, session);
    gb->hb.sessions[node] = 0;
}

static void add_session(struct guest_bench *gb, cfs_node_id node, uint64_t at, cfs_session_id began)
{
    remove_session(gb, node);
    cfs_sessions_add(&gb->root.machine->sessions, at, node, at, gb->hb.rb.bench.config.session)
        ->began = began;
    gb->hb.sessions[node] = at;
    gb->hb.sequences[node] = 0;
    gb->root.raft.applied = at;
}

void guest_bench_session(struct guest_bench *gb, cfs_node_id node, uint64_t at)
{
    add_session(gb, node, at, at);
}

void guest_bench_resumed(struct guest_bench *gb, cfs_node_id node, uint64_t at)
{
    const struct cfs_session *old = cfs_sessions_of_node(&gb->root.machine->sessions, node);

    assert_non_null(old);
    add_session(gb, node, at, old->began);
}

void guest_bench_ended(struct guest_bench *gb, cfs_node_id node, uint64_t at)
{
    remove_session(gb, node);
    gb->root.raft.applied = at;
}

void guest_bench_commit(struct guest_bench *gb)
{
    struct raft_bench *rb = &gb->hb.rb;

    raft_bench_durable(rb);
    CFS_EACH_NODE (node, cfs_membership_all(&rb->raft.members) & ~gb->away & ~CFS_NODE_BIT(1))
        raft_bench_acknowledge(rb, node,
                               gb->lagging & CFS_NODE_BIT(node) ? rb->raft.progress[node].match
                                                                : cfs_log_last_index(&rb->raft.log),
                               rb->bench.env.now);
    home_bench_settle(&gb->hb);
    cfs_raft_flush(&rb->raft);
}

void guest_bench_look(struct guest_bench *gb, cfs_time duration)
{
    bench_pass(&gb->hb.rb.bench, duration);
    guest_bench_commit(gb);
    cfs_home_tick(&gb->hb.home);
    home_bench_settle(&gb->hb);
}

void guest_bench_come_to_rest(struct guest_bench *gb)
{
    for (int i = 0; i < 12; i++)
        guest_bench_look(gb, CFS_MS(100));
    guest_bench_commit(gb);
}

static bool is_command(const struct guest_bench *gb, uint64_t index, enum cfs_command_kind kind,
                       struct cfs_command *command)
{
    const struct cfs_entry *entry = cfs_log_get(&gb->hb.rb.raft.log, index);

    return entry->kind == CFS_ENTRY_COMMAND &&
           cfs_command_decode(command, entry->data, entry->len) == 0 && command->kind == kind;
}

uint32_t guest_bench_count(const struct guest_bench *gb, enum cfs_command_kind kind)
{
    struct cfs_command command;
    uint32_t count = 0;

    for (uint64_t i = 1; i <= cfs_log_last_index(&gb->hb.rb.raft.log); i++)
        count += is_command(gb, i, kind, &command);
    return count;
}

struct cfs_command guest_bench_newest(const struct guest_bench *gb, enum cfs_command_kind kind)
{
    struct cfs_command command = {0};

    for (uint64_t i = cfs_log_last_index(&gb->hb.rb.raft.log); i > 0; i--)
        if (is_command(gb, i, kind, &command))
            return command;
    fail();
    return command;
}

void guest_bench_assert_members(const struct guest_bench *gb, cfs_node_set voters,
                                cfs_node_set outgoing, cfs_node_set learners)
{
    const struct cfs_membership *members = &gb->hb.rb.raft.members;

    assert_int_equal(members->voters, voters);
    assert_int_equal(members->outgoing, outgoing);
    assert_int_equal(members->learners, learners);
}
