/* The replicated machine: a log of commands goes in, answers come out, each command happens once.
 */
#include "machine_world.h"

static void a_session_is_named_by_the_index_of_its_opening(void **state)
{
    struct replica *r = *state;

    assert_int_equal(open_session(r, 1, 100, true), 1);
    assert_int_equal(open_session(r, 2, 100, true), 2);
    assert_int_equal(r->heard[0].asker.session, 0);
    assert_int_equal(r->heard[0].asker.sequence, 100);
    assert_int_equal(r->heard[0].asker.node, 1);
}

static void opening_twice_is_opening_once(void **state)
{
    struct replica *r = *state;
    cfs_session_id s = open_session(r, 1, 100, true);

    ask(r, s, 1, 1, bench_lockfile("x"));
    assert_int_equal(open_session(r, 1, 100, true), s);
    assert_true(is_held(r, "x"));
}

static void a_node_that_comes_back_in_time_keeps_its_lockfiles_and_nothing_else(void **state)
{
    struct replica *r = *state;
    cfs_session_id s = open_session(r, 1, 100, true), again;

    ask(r, s, 1, 1, bench_lockfile("file"));
    ask(r, s, 1, 2, bench_flock("flock", 7, CFS_EXCLUSIVE, true));
    again = open_session(r, 1, 101, true);
    assert_int_not_equal(again, s);
    assert_true(is_held(r, "file"));
    assert_false(is_held(r, "flock"));
    ask(r, s, 1, 3, bench_lockfile("y"));
    assert_int_equal(error_of(r, s, 3), CFS_ERR_LOST);
}

static void a_node_that_lost_its_session_gives_back_all_of_it(void **state)
{
    struct replica *r = *state;
    cfs_session_id s = open_session(r, 1, 100, true);

    ask(r, s, 1, 1, bench_lockfile("file"));
    assert_int_not_equal(open_session(r, 1, 101, false), s);
    assert_false(is_held(r, "file"));
}

/* A message may be delayed for as long as it likes, or come twice. */
static void a_late_copy_of_an_older_opening_ends_no_newer_session(void **state)
{
    struct replica *r = *state;
    cfs_session_id s;

    open_session(r, 1, 100, true);
    s = open_session(r, 1, 200, true);
    ask(r, s, 1, 1, bench_flock("x", 7, CFS_EXCLUSIVE, true));
    assert_int_equal(try_open(r, 1, 100, 0, true)->error, CFS_ERR_BUSY);
    assert_non_null(cfs_sessions_find(&r->machine.sessions, s));
    assert_true(is_held(r, "x"));
}

static void a_command_of_an_unknown_session_is_refused(void **state)
{
    struct replica *r = *state;

    ask(r, 77, 1, 1, bench_lockfile("x"));
    assert_int_equal(error_of(r, 77, 1), CFS_ERR_LOST);
    assert_false(is_held(r, "x"));
}

static void a_command_in_the_session_of_another_node_is_refused(void **state)
{
    struct replica *r = *state;
    cfs_session_id s = open_session(r, 1, 100, true);

    ask(r, s, 2, 1, bench_lockfile("x"));
    assert_int_equal(error_of(r, s, 1), CFS_ERR_LOST);
    assert_false(is_held(r, "x"));
}

static void a_command_that_arrives_twice_happens_once_and_is_answered_the_same(void **state)
{
    struct replica *r = *state;
    cfs_session_id s = open_session(r, 1, 100, true);
    cfs_token token;

    ask(r, s, 1, 1, bench_lockfile("x"));
    token = heard(r, s, 1)->answer.token;
    ask(r, s, 1, 2, bench_lockfile("x"));
    assert_int_equal(error_of(r, s, 2), CFS_ERR_EXISTS);
    ask(r, s, 1, 1, bench_lockfile("x"));
    assert_int_equal(error_of(r, s, 1), CFS_OK);
    assert_int_equal(heard(r, s, 1)->answer.token, token);
    assert_int_equal(r->count, 4);
}

static void commands_happen_in_whatever_order_they_arrive(void **state)
{
    struct replica *r = *state;
    cfs_session_id s = open_session(r, 1, 100, true);

    ask(r, s, 1, 5, bench_lockfile("five"));
    ask(r, s, 1, 3, bench_lockfile("three"));
    assert_int_equal(error_of(r, s, 5), CFS_OK);
    assert_int_equal(error_of(r, s, 3), CFS_OK);
}

static void a_command_that_the_session_has_its_answer_to_is_not_done_again(void **state)
{
    struct replica *r = *state;
    cfs_session_id s = open_session(r, 1, 100, true);
    struct cfs_command next = in(s, 1, 2, CFS_CMD_REQUEST);
    struct cfs_request remove = bench_get("x");
    size_t count;

    ask(r, s, 1, 1, bench_lockfile("x"));
    remove.op = CFS_OP_REMOVE;
    remove.remove = (struct cfs_remove){.form = CFS_FORM_FILE};
    next.request = remove;
    next.oldest = 2;
    apply(r, &next);
    assert_false(is_held(r, "x"));
    count = r->count;
    ask(r, s, 1, 1, bench_lockfile("x")); /* a late copy */
    assert_false(is_held(r, "x"));
    assert_int_equal(r->count, count);
}

static void an_acquire_that_must_wait_is_told_so_each_time_it_asks(void **state)
{
    struct replica *r = *state;
    cfs_session_id s = open_session(r, 1, 100, true);
    size_t told;

    ask(r, s, 1, 1, bench_flock("x", 7, CFS_EXCLUSIVE, true));
    ask(r, s, 1, 2, bench_flock("x", 8, CFS_EXCLUSIVE, true));
    assert_true(heard(r, s, 2)->queued);
    told = r->count;
    ask(r, s, 1, 2, bench_flock("x", 8, CFS_EXCLUSIVE, true));
    assert_int_equal(r->count, told + 1);
    assert_true(heard(r, s, 2)->queued);
    assert_int_equal(cfs_lock_table_waiter_count(r->machine.locks), 1);
    ask(r, s, 1, 3, bench_unflock("x", 7));
    assert_int_equal(error_of(r, s, 2), CFS_OK);
    assert_true(cfs_machine_recall(&r->machine, heard(r, s, 2)->asker));
    assert_int_equal(error_of(r, s, 2), CFS_OK);
}

static void a_command_cancelled_before_it_arrives_never_happens(void **state)
{
    struct replica *r = *state;
    cfs_session_id s = open_session(r, 1, 100, true);

    cancel(r, s, 1, 2, 1, false);
    assert_int_equal(error_of(r, s, 1), CFS_ERR_INTERRUPTED);
    assert_int_equal(error_of(r, s, 2), CFS_OK);
    ask(r, s, 1, 1, bench_lockfile("x"));
    assert_int_equal(error_of(r, s, 1), CFS_ERR_INTERRUPTED);
    assert_false(is_held(r, "x"));
}

static void a_wait_that_is_cancelled_ends_interrupted_with_its_place(void **state)
{
    struct replica *r = *state;
    cfs_session_id s = open_session(r, 1, 100, true);
    struct cfs_request again = bench_flock("x", 8, CFS_EXCLUSIVE, true);
    uint64_t place;

    ask(r, s, 1, 1, bench_flock("x", 7, CFS_EXCLUSIVE, true));
    ask(r, s, 1, 2, again);
    place = r->index;
    ask(r, s, 1, 3, bench_flock("x", 9, CFS_EXCLUSIVE, true));
    cancel(r, s, 1, 4, 2, false);
    assert_int_equal(error_of(r, s, 2), CFS_ERR_INTERRUPTED);
    assert_int_equal(heard(r, s, 2)->answer.ticket, place);
    again.acquire.ticket = place; /* and with it, it is before handle 9 once more */
    ask(r, s, 1, 5, again);
    ask(r, s, 1, 6, bench_unflock("x", 7));
    assert_int_equal(error_of(r, s, 5), CFS_OK);
    assert_true(heard(r, s, 3)->queued);
}

static void a_grant_that_is_undone_is_given_back(void **state)
{
    struct replica *r = *state;
    cfs_session_id s = open_session(r, 1, 100, true);

    ask(r, s, 1, 1, bench_lockfile("x"));
    cancel(r, s, 1, 2, 1, true);
    assert_false(is_held(r, "x"));
    ask(r, s, 1, 3, bench_flock("y", 7, CFS_EXCLUSIVE, true));
    ask(r, s, 1, 4, bench_flock("y", 8, CFS_EXCLUSIVE, true));
    ask(r, s, 1, 5, bench_unflock("y", 7));
    assert_int_equal(error_of(r, s, 4), CFS_OK); /* it had waited */
    cancel(r, s, 1, 6, 4, true);
    assert_false(is_held(r, "y"));
}

static void a_cancel_that_comes_too_late_leaves_the_grant_alone(void **state)
{
    struct replica *r = *state;
    cfs_session_id s = open_session(r, 1, 100, true);

    ask(r, s, 1, 1, bench_lockfile("x"));
    cancel(r, s, 1, 2, 1, false);
    assert_int_equal(error_of(r, s, 2), CFS_OK);
    assert_true(is_held(r, "x"));
}

/* The first cancel found it granted; by the time the second comes, the answer is forgotten. */
static void an_undo_works_when_the_answer_is_forgotten_already(void **state)
{
    struct replica *r = *state;
    cfs_session_id s = open_session(r, 1, 100, true);
    struct cfs_command later = in(s, 1, 4, CFS_CMD_REQUEST);

    ask(r, s, 1, 1, bench_flock("x", 7, CFS_EXCLUSIVE, true));
    cancel(r, s, 1, 2, 1, false);
    later.oldest = 3;
    later.request = bench_lockfile("y");
    apply(r, &later);
    cancel(r, s, 1, 3, 1, true);
    assert_false(is_held(r, "x"));
}

static void acknowledged_waits_are_forgotten(void **state)
{
    struct replica *r = *state;
    cfs_session_id s = open_session(r, 1, 100, true);
    struct cfs_session *session = cfs_sessions_find(&r->machine.sessions, s);
    struct cfs_command next = in(s, 1, 4, CFS_CMD_REQUEST);

    ask(r, s, 1, 1, bench_flock("x", 7, CFS_EXCLUSIVE, true));
    ask(r, s, 1, 2, bench_flock("x", 8, CFS_EXCLUSIVE, true));
    ask(r, s, 1, 3, bench_unflock("x", 7));
    assert_int_equal(HASH_COUNT(session->waits), 1);
    next.request = bench_lockfile("y");
    next.oldest = 4;
    next.acks[next.ack_count++] = 2;
    apply(r, &next);
    assert_int_equal(HASH_COUNT(session->waits), 0);
    assert_int_equal(HASH_COUNT(session->answers), 1);
}

/* Sequence 2 is unanswered, so 3 is not below the mark that protects from late copies. */
static void an_acknowledgement_lets_no_late_copy_in(void **state)
{
    struct replica *r = *state;
    cfs_session_id s = open_session(r, 1, 100, true);
    struct cfs_command later = in(s, 1, 5, CFS_CMD_REQUEST);

    ask(r, s, 1, 1, bench_flock("x", 7, CFS_EXCLUSIVE, true));
    ask(r, s, 1, 3, bench_flock("x", 8, CFS_EXCLUSIVE, true));
    ask(r, s, 1, 4, bench_unflock("x", 7));
    later.oldest = 2;
    later.acks[later.ack_count++] = 3;
    later.request = bench_unflock("x", 8);
    apply(r, &later);
    assert_false(is_held(r, "x"));
    ask(r, s, 1, 3, bench_flock("x", 8, CFS_EXCLUSIVE, true));
    assert_false(is_held(r, "x"));
}

static void a_closed_session_gives_everything_back_and_is_answered(void **state)
{
    struct replica *r = *state;
    cfs_session_id s = open_session(r, 1, 100, true);
    struct cfs_command close = in(s, 1, 2, CFS_CMD_CLOSE_SESSION);

    ask(r, s, 1, 1, bench_lockfile("x"));
    apply(r, &close);
    assert_int_equal(error_of(r, s, 2), CFS_OK);
    assert_false(is_held(r, "x"));
    apply(r, &close); /* resent: the session is gone, which is what was asked for */
    assert_int_equal(error_of(r, s, 2), CFS_ERR_LOST);
}

static void an_expired_session_passes_its_locks_to_who_waits(void **state)
{
    struct replica *r = *state;
    cfs_session_id a = open_session(r, 1, 100, true), b = open_session(r, 2, 100, true);

    ask(r, a, 1, 1, bench_flock("x", 7, CFS_EXCLUSIVE, true));
    ask(r, b, 2, 1, bench_flock("x", 7, CFS_EXCLUSIVE, true));
    apply(r, &(struct cfs_command){.kind = CFS_CMD_EXPIRE_SESSION, .node = 1, .target = a});
    assert_int_equal(error_of(r, b, 1), CFS_OK);
    apply(r, &(struct cfs_command){.kind = CFS_CMD_EXPIRE_SESSION, .node = 1, .target = a});
    assert_non_null(cfs_sessions_find(&r->machine.sessions, b));
}

static void what_waited_in_an_expired_session_is_not_granted(void **state)
{
    struct replica *r = *state;
    cfs_session_id a = open_session(r, 1, 100, true), b = open_session(r, 2, 100, true);

    ask(r, a, 1, 1, bench_flock("x", 7, CFS_EXCLUSIVE, true));
    ask(r, b, 2, 1, bench_flock("x", 7, CFS_EXCLUSIVE, true));
    apply(r, &(struct cfs_command){.kind = CFS_CMD_EXPIRE_SESSION, .node = 1, .target = b});
    ask(r, a, 1, 2, bench_unflock("x", 7));
    assert_false(is_held(r, "x"));
}

static struct cfs_request leased(const char *name, uint32_t ttl_ms)
{
    struct cfs_request lease = bench_flock(name, 0, CFS_EXCLUSIVE, true);

    lease.acquire.kind = CFS_LEASED;
    lease.acquire.ttl_ms = ttl_ms;
    return lease;
}

static void a_leased_lock_ends_at_the_time_of_the_entry_that_says_so(void **state)
{
    struct replica *r = *state;
    cfs_session_id s = open_session(r, 1, 100, true);

    ask(r, s, 1, 1, leased("x", 1000));
    r->time += CFS_MS(999);
    apply(r, &(struct cfs_command){.kind = CFS_CMD_EXPIRE_LEASED, .node = 1});
    assert_true(is_held(r, "x"));
    r->time += CFS_MS(1);
    apply(r, &(struct cfs_command){.kind = CFS_CMD_EXPIRE_LEASED, .node = 1});
    assert_false(is_held(r, "x"));
}

static void a_wait_that_closes_a_cycle_is_refused_and_remembered(void **state)
{
    struct replica *r = *state;
    cfs_session_id s = open_session(r, 1, 100, true);

    ask(r, s, 1, 1, bench_flock("x", 7, CFS_EXCLUSIVE, true));
    ask(r, s, 1, 2, bench_flock("x", 8, CFS_EXCLUSIVE, true));
    apply(r, &(struct cfs_command){
                 .kind = CFS_CMD_REFUSE, .node = 1, .target_session = s, .target = 2});
    assert_int_equal(error_of(r, s, 2), CFS_ERR_DEADLOCK);
    assert_true(cfs_machine_recall(&r->machine, heard(r, s, 2)->asker));
    assert_int_equal(error_of(r, s, 2), CFS_ERR_DEADLOCK);
    apply(r, &(struct cfs_command){
                 .kind = CFS_CMD_REFUSE, .node = 1, .target_session = s, .target = 2});
}

static void the_holder_writes_what_everybody_reads(void **state)
{
    struct replica *r = *state;
    cfs_session_id s = open_session(r, 1, 100, true);
    struct cfs_request write = bench_get("x"), setattr = bench_get("x");
    struct cfs_lock_info info;

    ask(r, s, 1, 1, bench_lockfile("x"));
    write.op = CFS_OP_WRITE;
    write.write = (struct cfs_write){
        .token = heard(r, s, 1)->answer.token, .data = (const uint8_t *)"12345\n", .len = 6};
    ask(r, s, 1, 2, write);
    assert_int_equal(error_of(r, s, 2), CFS_OK);
    setattr.op = CFS_OP_SETATTR;
    setattr.setattr = (struct cfs_setattr){.fields = CFS_SET_PERM, .perm = 0600};
    ask(r, s, 1, 3, setattr);
    assert_int_equal(error_of(r, s, 3), CFS_OK);
    assert_true(cfs_lock_table_get(r->machine.locks, "x", &info));
    assert_memory_equal(info.content, "12345\n", 6);
    assert_int_equal(info.perm, 0600);
    write.write.token++;
    ask(r, s, 1, 4, write);
    assert_int_equal(error_of(r, s, 4), CFS_ERR_NOT_HOLDER);
}

static void the_digest_covers_sessions_and_what_they_remember(void **state)
{
    struct replica *r = *state;
    cfs_session_id s = open_session(r, 1, 100, true);
    struct cfs_session *session = cfs_sessions_find(&r->machine.sessions, s);
    uint64_t digest = cfs_machine_digest(&r->machine);

    cfs_session_forget(session, 7);
    assert_int_not_equal(cfs_machine_digest(&r->machine), digest);
    digest = cfs_machine_digest(&r->machine);
    cfs_session_remember(session, 8, CFS_ANSWER_DONE, NULL);
    assert_int_not_equal(cfs_machine_digest(&r->machine), digest);
}

static void replicas_that_applied_the_same_log_have_one_digest(void **state)
{
    struct replica *a = *state, *b;
    void *other = NULL;

    set_up(&other);
    b = other;
    for (int i = 0; i < 2; i++) {
        struct replica *r = i ? b : a;
        cfs_session_id s = open_session(r, 1, 100, true);
        ask(r, s, 1, 1, bench_flock("x", 7, CFS_EXCLUSIVE, true));
        ask(r, s, 1, 2, bench_flock("x", 8, CFS_EXCLUSIVE, true));
        cancel(r, s, 1, 3, 2, false);
    }
    assert_int_equal(cfs_machine_digest(&a->machine), cfs_machine_digest(&b->machine));
    ask(a, 1, 1, 4, bench_lockfile("y"));
    assert_int_not_equal(cfs_machine_digest(&a->machine), cfs_machine_digest(&b->machine));
    tear_down(&other);
}

/* Nodes of the cluster. */

/* Nodes 1 to 3. */
static void fill_nodes(struct replica *r)
{
    struct cfs_command command = {.kind = CFS_CMD_FILL_NODES, .node = 1};

    for (cfs_node_id id = 1; id <= 3; id++)
        command.nodes[command.node_count++] = (struct cfs_node_info){.id = id, .host = "h"};
    apply(r, &command);
}

static struct cfs_request member(bool removes, cfs_node_id id, cfs_node_id replaces)
{
    return (struct cfs_request){
        .op = CFS_OP_MEMBER,
        .member = {.remove = removes, .info = {.id = id, .host = "h", .replaces = replaces}}};
}

static cfs_node_set nodes_of(const struct replica *r)
{
    return cfs_node_table_all(&r->machine.nodes);
}

static void the_first_nodes_are_said_once(void **state)
{
    struct replica *r = *state;
    cfs_session_id s = open_session(r, 1, 100, true);

    ask(r, s, 1, 1, member(false, 4, 0));
    assert_int_equal(error_of(r, s, 1), CFS_ERR_NOT_FOUNDED); /* nobody knows yet who they are */
    fill_nodes(r);
    assert_int_equal(nodes_of(r), 2 | 4 | 8);
    apply(r, &(struct cfs_command){
                 .kind = CFS_CMD_FILL_NODES, .node = 1, .nodes = {{.id = 9}}, .node_count = 1});
    assert_int_equal(nodes_of(r), 2 | 4 | 8);
}

static void nodes_come_and_go_once_for_each_request(void **state)
{
    struct replica *r = *state;
    cfs_session_id s;

    fill_nodes(r);
    s = open_session(r, 1, 100, true);
    ask(r, s, 1, 1, member(false, 4, 2));
    ask(r, s, 1, 2, member(true, 3, 0));
    ask(r, s, 1, 3, member(true, 3, 0));
    assert_int_equal(error_of(r, s, 1), CFS_OK);
    assert_int_equal(error_of(r, s, 2), CFS_OK);
    assert_int_equal(error_of(r, s, 3), CFS_ERR_NOT_MEMBER);
    assert_int_equal(nodes_of(r), 2 | 4 | 16);
    assert_int_equal(cfs_node_table_heir(&r->machine.nodes, 2), 4);
    ask(r, s, 1, 4, member(false, 3, 0));
    ask(r, s, 1, 2, member(true, 3, 0)); /* a late copy */
    assert_int_equal(error_of(r, s, 2), CFS_OK);
    assert_int_equal(nodes_of(r), 2 | 4 | 8 | 16);
}

static void a_node_that_was_replaced_is_dropped(void **state)
{
    struct replica *r = *state;
    cfs_session_id s, t;

    fill_nodes(r);
    s = open_session(r, 1, 100, true);
    t = open_session(r, 2, 200, true);
    ask(r, s, 1, 1, member(false, 4, 2));
    apply(r, &(struct cfs_command){.kind = CFS_CMD_DROP_NODE, .node = 1, .target = 2});
    assert_int_equal(nodes_of(r), 2 | 8 | 16);
    assert_int_equal(r->machine.nodes.nodes[4].replaces, 0);
    assert_true(cfs_sessions_find(&r->machine.sessions, t)->doomed);
    assert_false(cfs_sessions_find(&r->machine.sessions, s)->doomed);
    apply(r, &(struct cfs_command){.kind = CFS_CMD_DROP_NODE, .node = 1, .target = 2});
    apply(r, &(struct cfs_command){.kind = CFS_CMD_DROP_NODE, .node = 1, .target = UINT64_MAX});
    /* Nobody replaces it any more. */
    apply(r, &(struct cfs_command){.kind = CFS_CMD_DROP_NODE, .node = 1, .target = 1});
    assert_int_equal(nodes_of(r), 2 | 8 | 16);
}

/* It may rely on it until its term is over. */
static void the_session_of_a_node_that_was_removed_goes_on_to_its_end(void **state)
{
    struct replica *r = *state;
    cfs_session_id s, t;
    uint64_t digest;

    fill_nodes(r);
    s = open_session(r, 1, 100, true);
    t = open_session(r, 2, 200, true);
    ask(r, t, 2, 1, bench_lockfile("x"));
    digest = cfs_machine_digest(&r->machine);
    ask(r, s, 1, 1, member(true, 2, 0));
    assert_true(cfs_sessions_find(&r->machine.sessions, t)->doomed);
    assert_int_not_equal(cfs_machine_digest(&r->machine), digest);
    assert_true(is_held(r, "x"));
    ask(r, t, 2, 2, bench_lockfile("y"));
    assert_int_equal(error_of(r, t, 2), CFS_OK);
    apply(r, &(struct cfs_command){.kind = CFS_CMD_EXPIRE_SESSION, .node = 1, .target = t});
    assert_false(is_held(r, "x") || is_held(r, "y"));
}

static void a_node_that_was_removed_opens_no_session(void **state)
{
    struct replica *r = *state;

    fill_nodes(r);
    assert_int_equal(try_open(r, 4, 400, 0, true)->error, CFS_ERR_BUSY);
    assert_null(cfs_sessions_of_node(&r->machine.sessions, 4));
    open_session(r, 3, 300, true);
}

/* Whoever had it relies on it still, and the node that has come back under that name may be a new
 * one. */
static void a_session_that_ends_is_neither_resumed_nor_replaced(void **state)
{
    struct replica *r = *state;
    cfs_session_id s, t;

    fill_nodes(r);
    s = open_session(r, 1, 100, true);
    t = open_session(r, 2, 200, true);
    ask(r, t, 2, 1, bench_lockfile("x"));
    ask(r, s, 1, 1, member(true, 2, 0));
    ask(r, s, 1, 2, member(false, 2, 0));
    assert_int_equal(try_open(r, 2, 201, t, true)->error, CFS_ERR_BUSY);
    assert_int_equal(try_open(r, 2, 201, t, false)->error, CFS_ERR_BUSY);
    assert_true(is_held(r, "x"));
    apply(r, &(struct cfs_command){.kind = CFS_CMD_EXPIRE_SESSION, .node = 1, .target = t});
    assert_int_equal(try_open(r, 2, 201, 0, true)->error, CFS_OK);
    assert_false(cfs_sessions_of_node(&r->machine.sessions, 2)->doomed);
    assert_false(is_held(r, "x"));
}

static void renew(struct replica *r, uint64_t clock)
{
    apply(r, &(struct cfs_command){.kind = CFS_CMD_RENEW,
                                   .node = 4,
                                   .target = clock,
                                   .nodes = {{.id = 4, .host = "new", .port = 1}},
                                   .node_count = 1});
}

static void in_a_restored_cluster_nobody_holds_anything(void **state)
{
    struct replica *r = *state;
    cfs_session_id first = open_session(r, 1, 100, true), second = open_session(r, 2, 100, true);

    ask(r, first, 1, 1, bench_lockfile("file"));
    ask(r, first, 1, 2, bench_flock("flock", 7, CFS_EXCLUSIVE, true));
    ask(r, second, 2, 1, bench_flock("flock", 8, CFS_EXCLUSIVE, true)); /* waits */
    ask(r, first, 1, 3, leased("http", 3600000));
    ask(r, second, 2, 2, leased("http", 3600000)); /* waits */
    renew(r, 1000);
    assert_int_equal(cfs_lock_table_held_count(r->machine.locks), 0);
    assert_int_equal(cfs_lock_table_waiter_count(r->machine.locks), 0);
    assert_null(r->machine.sessions.by_id);
    ask(r, first, 1, 4, bench_lockfile("file"));
    assert_int_equal(error_of(r, first, 4), CFS_ERR_LOST);
}

static void in_a_restored_cluster_tokens_go_on_from_the_clock(void **state)
{
    struct replica *r = *state;
    cfs_session_id s = open_session(r, 1, 100, true);
    cfs_token before;

    ask(r, s, 1, 1, bench_lockfile("file"));
    before = heard(r, s, 1)->answer.token;
    renew(r, 1795727484134861);
    s = open_session(r, 4, 100, true);
    ask(r, s, 4, 1, bench_lockfile("file"));
    assert_int_equal(heard(r, s, 1)->answer.token, 1795727484134862);
    renew(r, 1000); /* its clock is wrong */
    s = open_session(r, 4, 101, true);
    ask(r, s, 4, 1, bench_lockfile("file"));
    assert_true(heard(r, s, 1)->answer.token > 1795727484134862);
    assert_true(before < 1000);
}

static void a_restored_cluster_has_the_nodes_it_is_told(void **state)
{
    struct replica *r = *state;

    fill_nodes(r);
    renew(r, 1000);
    assert_int_equal(nodes_of(r), 1 << 4);
    assert_string_equal(r->machine.nodes.nodes[4].host, "new");
    apply(r, &(struct cfs_command){.kind = CFS_CMD_RENEW, .node = 4, .target = 2000});
    assert_int_equal(nodes_of(r), 1 << 4); /* a group that has no part in it */
}

/* Sessions of group 0, as another group hears of them. */
static void adopt(struct replica *r, cfs_node_id node, cfs_session_id session, cfs_session_id began)
{
    apply(r, &(struct cfs_command){.kind = CFS_CMD_ADOPT_SESSION,
                                   .node = 1,
                                   .owner = node,
                                   .target = session,
                                   .target_session = began});
}

static void an_adopted_session_is_one_like_others(void **state)
{
    struct replica *r = *state;

    adopt(r, 2, 700, 700);
    ask(r, 700, 2, 1, bench_lockfile("x"));
    assert_int_equal(error_of(r, 700, 1), CFS_OK);
    assert_true(is_held(r, "x"));
    adopt(r, 2, 700, 700); /* by the next leader, once more */
    assert_true(is_held(r, "x"));
    apply(r, &(struct cfs_command){.kind = CFS_CMD_EXPIRE_SESSION, .node = 1, .target = 700});
    assert_false(is_held(r, "x"));
}

static void one_that_goes_on_from_another_takes_along_what_that_one_held(void **state)
{
    struct replica *r = *state;

    adopt(r, 2, 700, 700);
    ask(r, 700, 2, 1, bench_lockfile("x"));
    adopt(r, 2, 800, 700);
    assert_null(cfs_sessions_find(&r->machine.sessions, 700));
    assert_int_equal(cfs_sessions_find(&r->machine.sessions, 800)->began, 700);
    assert_true(is_held(r, "x"));
    adopt(r, 2, 950, 900); /* one that does not */
    assert_null(cfs_sessions_find(&r->machine.sessions, 800));
    assert_false(is_held(r, "x"));
}

static void an_adoption_that_was_overtaken_changes_nothing(void **state)
{
    struct replica *r = *state;

    adopt(r, 2, 800, 700);
    ask(r, 800, 2, 1, bench_lockfile("x"));
    adopt(r, 2, 700, 700);
    assert_null(cfs_sessions_find(&r->machine.sessions, 700));
    assert_true(is_held(r, "x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(a_session_is_named_by_the_index_of_its_opening),
        T(opening_twice_is_opening_once),
        T(a_node_that_comes_back_in_time_keeps_its_lockfiles_and_nothing_else),
        T(a_node_that_lost_its_session_gives_back_all_of_it),
        T(a_late_copy_of_an_older_opening_ends_no_newer_session),
        T(a_command_of_an_unknown_session_is_refused),
        T(a_command_in_the_session_of_another_node_is_refused),
        T(a_command_that_arrives_twice_happens_once_and_is_answered_the_same),
        T(commands_happen_in_whatever_order_they_arrive),
        T(a_command_that_the_session_has_its_answer_to_is_not_done_again),
        T(an_acquire_that_must_wait_is_told_so_each_time_it_asks),
        T(a_command_cancelled_before_it_arrives_never_happens),
        T(a_wait_that_is_cancelled_ends_interrupted_with_its_place),
        T(a_grant_that_is_undone_is_given_back),
        T(a_cancel_that_comes_too_late_leaves_the_grant_alone),
        T(an_undo_works_when_the_answer_is_forgotten_already),
        T(acknowledged_waits_are_forgotten),
        T(an_acknowledgement_lets_no_late_copy_in),
        T(a_closed_session_gives_everything_back_and_is_answered),
        T(an_expired_session_passes_its_locks_to_who_waits),
        T(what_waited_in_an_expired_session_is_not_granted),
        T(a_leased_lock_ends_at_the_time_of_the_entry_that_says_so),
        T(a_wait_that_closes_a_cycle_is_refused_and_remembered),
        T(the_holder_writes_what_everybody_reads),
        T(the_digest_covers_sessions_and_what_they_remember),
        T(replicas_that_applied_the_same_log_have_one_digest),
        T(the_first_nodes_are_said_once),
        T(nodes_come_and_go_once_for_each_request),
        T(a_node_that_was_replaced_is_dropped),
        T(the_session_of_a_node_that_was_removed_goes_on_to_its_end),
        T(a_node_that_was_removed_opens_no_session),
        T(a_session_that_ends_is_neither_resumed_nor_replaced),
        T(in_a_restored_cluster_nobody_holds_anything),
        T(in_a_restored_cluster_tokens_go_on_from_the_clock),
        T(a_restored_cluster_has_the_nodes_it_is_told),
        T(an_adopted_session_is_one_like_others),
        T(one_that_goes_on_from_another_takes_along_what_that_one_held),
        T(an_adoption_that_was_overtaken_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
