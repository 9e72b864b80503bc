/* Who waits for ever: cycles that must be seen, near misses that must not, and whom it hits. The
 * stories use handles as processes: who waits through handle 11 and holds through handle 10 is one
 * process when its node reports handle 10 as stuck behind that wait. */
#include "core/wait_graph.h"
#include "lock_world.h"

#define STUCK_MAX 64

/* What the nodes say: per session, handles with the waits they are stuck behind. */
struct reports {
    struct cfs_report items[4];
    struct cfs_stuck stuck[4][STUCK_MAX];
    uint64_t waits[4][STUCK_MAX][4];
};

/* `count` waits follow. */
static void stuck(struct reports *r, cfs_session_id session, uint64_t handle, int count, ...)
{
    struct cfs_report *report = &r->items[session];
    uint32_t at = report->stuck_count++;
    va_list waits;

    report->node = (cfs_node_id)session;
    report->session = session;
    report->stuck = r->stuck[session];
    r->stuck[session][at] = (struct cfs_stuck){
        .handle = handle, .wait_count = (uint32_t)count, .waits = r->waits[session][at]};
    va_start(waits, count);
    for (int i = 0; i < count; i++)
        r->waits[session][at][i] = va_arg(waits, uint64_t);
    va_end(waits);
}

static bool find(const struct world *w, const struct reports *r, struct cfs_asker *victim)
{
    return cfs_wait_graph_find(w->table, r->items, 4, victim);
}

static void no_cycle(const struct world *w, const struct reports *r)
{
    struct cfs_asker victim;

    assert_false(find(w, r, &victim));
}

static void hits(const struct world *w, const struct reports *r, uint64_t sequence)
{
    struct cfs_asker victim;

    assert_true(find(w, r, &victim));
    assert_int_equal(victim.sequence, sequence);
}

static void hold(struct world *w, cfs_session_id session, const char *name, uint64_t handle)
{
    granted(w, session, name, flock_of(handle, CFS_EXCLUSIVE));
}

static uint64_t wait_for(struct world *w, cfs_session_id session, const char *name, uint64_t handle)
{
    return queued(w, session, name, flock_of(handle, CFS_EXCLUSIVE));
}

static void test_nobody_waits(void **state)
{
    struct world *w = *state;
    struct reports r = {0};

    no_cycle(w, &r);
    hold(w, 1, "a", 10);
    stuck(&r, 1, 10, 1, (uint64_t)99); /* behind a wait that is over */
    no_cycle(w, &r);
}

static void test_two_processes(void **state)
{
    struct world *w = *state;
    struct reports r = {0};
    uint64_t first, second;

    hold(w, 1, "a", 10);
    hold(w, 2, "b", 20);
    first = wait_for(w, 1, "b", 11);
    stuck(&r, 1, 10, 1, first);
    no_cycle(w, &r);
    second = wait_for(w, 2, "a", 21);
    no_cycle(w, &r); /* node 2 has not said that 20 is stuck: it runs */
    stuck(&r, 2, 20, 1, second);
    hits(w, &r, second);
    cfs_lock_table_dismiss(w->table, 2, second, tick(w), CFS_ERR_DEADLOCK);
    no_cycle(w, &r);
}

static void test_three_processes(void **state)
{
    struct world *w = *state;
    struct reports r = {0};
    uint64_t waits[3];

    hold(w, 1, "a", 10);
    hold(w, 2, "b", 20);
    hold(w, 3, "c", 30);
    waits[2] = wait_for(w, 3, "a", 31);
    waits[0] = wait_for(w, 1, "b", 11);
    waits[1] = wait_for(w, 2, "c", 21);
    stuck(&r, 1, 10, 1, waits[0]);
    stuck(&r, 2, 20, 1, waits[1]);
    no_cycle(w, &r);
    stuck(&r, 3, 30, 1, waits[2]);
    hits(w, &r, waits[1]);
}

/* flock a; flock a through another open of a single-threaded process */
static void test_a_process_behind_itself(void **state)
{
    struct world *w = *state;
    struct reports r = {0};
    uint64_t wait;

    hold(w, 1, "a", 10);
    wait = wait_for(w, 1, "a", 11);
    no_cycle(w, &r);
    stuck(&r, 1, 10, 1, wait);
    hits(w, &r, wait);
}

/* Two readers want to become writers by way of another open: each waits for the other's shared
 * hold. */
static void test_shared_holders(void **state)
{
    struct world *w = *state;
    struct reports r = {0};
    uint64_t first, second;

    granted(w, 1, "a", flock_of(10, CFS_SHARED));
    granted(w, 2, "a", flock_of(20, CFS_SHARED));
    first = wait_for(w, 1, "a", 11);
    stuck(&r, 2, 20, 1, (uint64_t)0);
    no_cycle(w, &r);
    second = wait_for(w, 2, "a", 21);
    r = (struct reports){0};
    stuck(&r, 2, 20, 1, second);
    hits(w, &r, second); /* it waits for 20 itself, and behind the first wait, which does too */
    stuck(&r, 1, 10, 1, first);
    hits(w, &r, second);
}

/* One of several shared holders that can go on is not enough: an exclusive wait needs all to go. */
static void test_one_stuck_holder_among_running_ones(void **state)
{
    struct world *w = *state;
    struct reports r = {0};
    uint64_t writer, other;

    granted(w, 1, "a", flock_of(10, CFS_SHARED));
    granted(w, 2, "a", flock_of(20, CFS_SHARED));
    hold(w, 3, "b", 30);
    writer = wait_for(w, 3, "a", 31);
    other = wait_for(w, 1, "b", 11);
    stuck(&r, 3, 30, 1, writer);
    stuck(&r, 1, 10, 1, other); /* and 20 runs */
    hits(w, &r, other);
}

/* The cycle may lead through the queue: a reader behind a writer behind another reader. */
static void test_a_waiter_behind_a_waiter(void **state)
{
    struct world *w = *state;
    struct reports r = {0};
    uint64_t reader, last;

    hold(w, 1, "b", 10);
    granted(w, 3, "a", flock_of(30, CFS_SHARED));
    wait_for(w, 2, "a", 20);
    reader = queued(w, 1, "a", flock_of(11, CFS_SHARED));
    stuck(&r, 1, 10, 1, reader);
    no_cycle(w, &r);
    last = wait_for(w, 3, "b", 31);
    stuck(&r, 3, 30, 1, last);
    hits(w, &r, last);
}

/* A file open in several threads or processes is given up by whichever goes on first. */
static void test_a_handle_needs_only_one_of_its_waits(void **state)
{
    struct world *w = *state;
    struct reports r = {0};
    uint64_t mutual, back, free_to_go;

    hold(w, 1, "a", 10);
    hold(w, 2, "b", 20);
    hold(w, 3, "c", 30); /* runs */
    mutual = wait_for(w, 1, "b", 11);
    free_to_go = wait_for(w, 1, "c", 12);
    back = wait_for(w, 2, "a", 21);
    stuck(&r, 1, 10, 2, mutual, free_to_go);
    stuck(&r, 2, 20, 1, back);
    no_cycle(w, &r);
    stuck(&r, 3, 30, 1, wait_for(w, 3, "b", 31)); /* now c's holder hangs in it too */
    hits(w, &r, w->sequence);
}

static void test_unknown_and_empty_reports_are_no_alarm(void **state)
{
    struct world *w = *state;
    struct reports r = {0};
    uint64_t first, second;

    hold(w, 1, "a", 10);
    hold(w, 2, "b", 20);
    first = wait_for(w, 1, "b", 11);
    second = wait_for(w, 2, "a", 21);
    stuck(&r, 1, 10, 0);
    stuck(&r, 2, 20, 1, second);
    no_cycle(w, &r); /* stuck behind nothing is not stuck */
    r = (struct reports){0};
    stuck(&r, 1, 10, 2, first, (uint64_t)12345);
    stuck(&r, 2, 20, 1, second);
    no_cycle(w, &r); /* the wait 12345 has ended already */
    r = (struct reports){0};
    stuck(&r, 2, 10, 1, first);
    stuck(&r, 1, 20, 1, second);
    no_cycle(w, &r); /* another session's handle of the same number */
    r = (struct reports){0};
    stuck(&r, 1, 10, 1, first);
    stuck(&r, 1, 10, 1, (uint64_t)12345);
    stuck(&r, 2, 20, 1, second);
    no_cycle(w, &r); /* said twice: all of it counts */
}

static void test_lockfiles_run(void **state)
{
    struct world *w = *state;
    struct reports r = {0};
    uint64_t wait;

    granted(w, 1, "a", lockfile(10));
    hold(w, 2, "b", 20);
    wait = wait_for(w, 2, "a", 21);
    stuck(&r, 2, 20, 1, wait);
    stuck(&r, 1, 0, 1, wait_for(w, 1, "b", 11));
    no_cycle(w, &r);
}

static void test_eight_processes_and_one_lock(void **state)
{
    struct world *w = *state;
    struct reports r = {0};

    hold(w, 1, "a", 10);
    for (uint64_t handle = 11; handle < 18; handle++)
        wait_for(w, 1 + handle % 3, "a", handle);
    no_cycle(w, &r);
}

/* The newest wait on the cycle, not a still newer one behind it nor between two cycles. */
static void test_bystanders_are_not_hit(void **state)
{
    struct world *w = *state;
    struct reports r = {0};
    uint64_t first, second;

    hold(w, 1, "a", 10);
    hold(w, 2, "b", 20);
    first = wait_for(w, 1, "b", 11);
    second = wait_for(w, 2, "a", 21);
    hold(w, 3, "c", 30);
    wait_for(w, 3, "a", 31);
    stuck(&r, 3, 30, 1, w->sequence);
    wait_for(w, 3, "c", 32);
    stuck(&r, 1, 10, 1, first);
    stuck(&r, 2, 20, 1, second);
    hits(w, &r, second);
}

static void test_between_two_cycles(void **state)
{
    struct world *w = *state;
    struct reports r = {0};
    uint64_t ab, ba, cd, dc;

    hold(w, 1, "a", 10);
    hold(w, 2, "b", 20);
    hold(w, 1, "c", 12);
    hold(w, 2, "d", 22);
    ab = wait_for(w, 1, "b", 11);
    ba = wait_for(w, 2, "a", 21);
    cd = wait_for(w, 1, "d", 13);
    dc = wait_for(w, 2, "c", 23);
    /* holds e, which d's holder wants as well; waits for a: neither on a cycle nor a mere follower
     */
    hold(w, 3, "e", 30);
    wait_for(w, 3, "a", 31);
    stuck(&r, 3, 30, 1, w->sequence);
    stuck(&r, 1, 10, 1, ab);
    stuck(&r, 2, 20, 1, ba);
    stuck(&r, 1, 12, 1, cd);
    stuck(&r, 2, 22, 2, dc, wait_for(w, 2, "e", 24));
    hits(w, &r, dc);
}

/* An interrupted wait that took its old place again is as old as its place. */
static void test_age_is_the_ticket(void **state)
{
    struct world *w = *state;
    struct reports r = {0};
    struct cfs_acquire again = flock_of(11, CFS_EXCLUSIVE);
    uint64_t first, second;

    hold(w, 1, "a", 10);
    hold(w, 2, "b", 20);
    first = queued(w, 1, "b", again);
    second = wait_for(w, 2, "a", 21);
    cfs_lock_table_dismiss(w->table, 1, first, tick(w), CFS_ERR_INTERRUPTED);
    again.ticket = end_of(w, first)->ticket;
    first = queued(w, 1, "b", again);
    assert_true(first > second);
    stuck(&r, 1, 10, 1, first);
    stuck(&r, 2, 20, 1, second);
    hits(w, &r, second);
}

static struct cfs_acquire by_client(const char *owner)
{
    struct cfs_acquire ask = leased(0, 30000);

    strcpy(ask.owner, owner);
    return ask;
}

static void test_clients_over_http(void **state)
{
    struct world *w = *state;
    struct reports r = {0};
    uint64_t second;

    granted(w, 1, "a", by_client("x"));
    granted(w, 2, "b", by_client("y"));
    queued(w, 1, "b", by_client("x"));
    no_cycle(w, &r);
    second = queued(w, 3, "a", by_client("y")); /* the same client through another node */
    hits(w, &r, second);
}

static void test_clients_without_a_name(void **state)
{
    struct world *w = *state;
    struct reports r = {0};

    granted(w, 1, "a", by_client(""));
    granted(w, 2, "b", by_client(""));
    queued(w, 1, "b", by_client(""));
    queued(w, 2, "a", by_client(""));
    no_cycle(w, &r);
}

static void test_a_client_and_a_process(void **state)
{
    struct world *w = *state;
    struct reports r = {0};
    uint64_t wait;

    granted(w, 1, "a", by_client("x"));
    hold(w, 2, "b", 20);
    wait = wait_for(w, 2, "a", 21);
    stuck(&r, 2, 20, 1, wait);
    no_cycle(w, &r);
    hits(w, &r, queued(w, 1, "b", by_client("x")));
}

/* Ten thousand in a row, closed at the end: no recursion, no step per pair. */
static void test_a_long_chain(void **state)
{
    enum { LONG = 10000 };
    struct world *w = *state;
    struct cfs_stuck *items = calloc(LONG, sizeof *items);
    uint64_t *waits = calloc(LONG, sizeof *waits);
    struct cfs_report report = {.node = 1, .session = 1, .stuck = items, .stuck_count = LONG};
    struct cfs_asker victim;
    char name[32];

    for (uint64_t i = 0; i < LONG; i++) {
        snprintf(name, sizeof name, "lock-%lu", i);
        hold(w, 1, name, 2 * i + 1);
    }
    for (uint64_t i = 0; i < LONG; i++) {
        snprintf(name, sizeof name, "lock-%lu", (i + 1) % LONG);
        waits[i] = wait_for(w, 1, name, 2 * i + 2);
        items[i] = (struct cfs_stuck){2 * i + 1, 1, &waits[i]};
    }
    assert_true(cfs_wait_graph_find(w->table, &report, 1, &victim));
    assert_int_equal(victim.sequence, waits[LONG - 1]);
    items[LONG / 2].wait_count = 0;
    assert_false(cfs_wait_graph_find(w->table, &report, 1, &victim));
    free(items);
    free(waits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(test_nobody_waits),
        IN_WORLD(test_two_processes),
        IN_WORLD(test_three_processes),
        IN_WORLD(test_a_process_behind_itself),
        IN_WORLD(test_shared_holders),
        IN_WORLD(test_one_stuck_holder_among_running_ones),
        IN_WORLD(test_a_waiter_behind_a_waiter),
        IN_WORLD(test_a_handle_needs_only_one_of_its_waits),
        IN_WORLD(test_unknown_and_empty_reports_are_no_alarm),
        IN_WORLD(test_lockfiles_run),
        IN_WORLD(test_eight_processes_and_one_lock),
        IN_WORLD(test_bystanders_are_not_hit),
        IN_WORLD(test_between_two_cycles),
        IN_WORLD(test_age_is_the_ticket),
        IN_WORLD(test_clients_over_http),
        IN_WORLD(test_clients_without_a_name),
        IN_WORLD(test_a_client_and_a_process),
        IN_WORLD(test_a_long_chain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
