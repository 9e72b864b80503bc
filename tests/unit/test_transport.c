/* Messages between two nodes: that they arrive, by which way, what happens when the other is not
 * there, and what when there is too much. */
#include "peers_world.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/alloc.h"
#include "io/clock.h"

/* ---- what is waited for ---- */

static bool two_saw_one(struct peers *f)
{
    return f->nodes[2].seen_count >= 1;
}

static bool one_saw_one(struct peers *f)
{
    return f->nodes[1].seen_count >= 1;
}

static bool one_was_refused(struct peers *f)
{
    return f->nodes[1].refused >= 1;
}

static bool one_of_them_holds(struct peers *f)
{
    return f->nodes[1].requests + f->nodes[2].requests >= 1;
}

static bool one_saw_a_hundred(struct peers *f)
{
    return f->nodes[1].seen_count >= 100;
}

static bool two_saw_a_thousand(struct peers *f)
{
    return f->nodes[2].seen_count >= 1000;
}

/* ---- the peer is there ---- */

static void a_message_arrives_and_so_does_the_reply(void **state)
{
    struct peers *f = *state;

    peers_start(f, 1);
    peers_start(f, 2);
    f->nodes[2].echo = true;
    peers_send_drain(&f->nodes[1], 2, CFS_MSG_DRAIN, 42);
    peers_turn_until(f, one_saw_one);
    assert_int_equal(f->nodes[2].seen[0], 42);
    assert_int_equal(f->nodes[1].seen[0], 42);
    assert_int_equal(f->nodes[1].unreachable, 0);
}

static bool ask_again(struct peers *f)
{
    static uint32_t asked;

    if (f->nodes[1].seen_count == 0)
        asked = 0;
    if (f->nodes[1].seen_count > asked) {
        asked = f->nodes[1].seen_count;
        peers_send_drain(&f->nodes[1], 2, CFS_MSG_DRAIN, asked);
        cfs_loop_again(f->loop);
    }
    return one_saw_a_hundred(f);
}

/* A hundred questions and answers take a hundred HTTP requests, whoever makes them. */
static void an_exchange_is_one_http_request(void **state)
{
    struct peers *f = *state;

    peers_start(f, 1);
    peers_start(f, 2);
    peers_turn_until(f, one_of_them_holds);
    f->nodes[1].requests = f->nodes[2].requests = 0;
    f->nodes[2].echo = true;
    peers_send_drain(&f->nodes[1], 2, CFS_MSG_DRAIN, 0);
    peers_turn_until(f, ask_again);
    assert_in_range(f->nodes[1].requests + f->nodes[2].requests, 95, 110);
}

/* ---- the peer is not there, comes, goes ---- */

static void nobody_there_is_a_refusal(void **state)
{
    struct peers *f = *state;

    peers_start(f, 1);
    peers_send_drain(&f->nodes[1], 2, CFS_MSG_DRAIN, 1);
    peers_turn_until(f, one_was_refused);
    assert_true(f->nodes[1].unreachable >= 1);
}

/* The first refusals are forgotten and nothing more is to come. */
static bool all_is_quiet(struct peers *f)
{
    if (!f->end)
        f->end = cfs_clock_now() + CFS_MS(150);
    return cfs_loop_now(f->loop) >= f->end;
}

static void wake(void *arg)
{
    (void)arg;
}

/* Either can speak by it, and its end tells either of the other's. */
static void one_post_is_left_open_between_two(void **state)
{
    struct peers *f = *state;
    struct cfs_timer timer = {.fn = wake};

    peers_start(f, 1);
    peers_start(f, 2);
    f->nodes[1].echo = f->nodes[2].echo = true;
    for (uint64_t id = 1; id <= 3; id++) {
        f->nodes[1].seen_count = 0;
        peers_send_drain(&f->nodes[1], 2, CFS_MSG_DRAIN, id);
        peers_turn_until(f, one_saw_one);
    }
    f->nodes[1].requests = f->nodes[2].requests = 0;
    cfs_timer_set(f->loop, &timer, cfs_clock_now() + CFS_MS(200));
    peers_turn_until(f, all_is_quiet);
    cfs_timer_cancel(f->loop, &timer);
    assert_in_range(f->nodes[1].requests + f->nodes[2].requests, 0, 1);
}

/* Half a second, with something to send at every turn: one or two attempts in RETRY_MS. */
static void an_absent_peer_is_not_stormed(void **state)
{
    struct peers *f = *state;

    peers_start(f, 1);
    f->nodes[1].eager = true;
    peers_turn_until(f, peers_half_a_second);
    assert_in_range(f->nodes[1].refused, 5, 24);
    assert_in_range(f->turns, 10, 400);
    assert_in_range(f->nodes[1].unreachable, 5, 80);
}

static void a_peer_that_comes_later_is_found(void **state)
{
    struct peers *f = *state;

    peers_start(f, 1);
    peers_turn_until(f, one_was_refused);
    peers_start(f, 2);
    peers_turn_until(f, one_of_them_holds);
    peers_send_drain(&f->nodes[1], 2, CFS_MSG_DRAIN, 1);
    peers_turn_until(f, two_saw_one);
}

static bool never(struct peers *f)
{
    (void)f;
    return false;
}

/* Node 2 as a process of its own, with a loop of its own; it echoes until it is killed. */
static pid_t start_process(struct peers *f)
{
    pid_t pid;

    cfs_loop_free(f->loop);
    pid = fork();
    assert_true(pid >= 0);
    peers_make_loop(f);
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    f->nodes[2].echo = true;
    peers_start(f, 2);
    f->until = never;
    cfs_loop_run(f->loop);
    _exit(0);
}

static bool one_holds(struct peers *f)
{
    return f->nodes[1].requests >= 1;
}

/* The heart of a fast failover: the peer's process is killed while nothing is said. */
static void a_peer_that_is_killed_is_noticed_at_once(void **state)
{
    struct peers *f = *state;
    struct cfs_timer timer = {.fn = wake};
    pid_t pid = start_process(f);
    cfs_time killed;

    peers_start(f, 1);
    peers_turn_until(f, one_holds);
    cfs_timer_set(f->loop, &timer, cfs_clock_now() + CFS_MS(200));
    peers_turn_until(f, all_is_quiet);
    cfs_timer_cancel(f->loop, &timer);
    f->nodes[1].refused = 0; /* before the process was up */
    killed = cfs_clock_now();
    kill(pid, SIGKILL);
    peers_turn_until(f, one_was_refused);
    print_message("noticed after %u us\n", (unsigned)(f->nodes[1].refused_first - killed));
    assert_true(f->nodes[1].refused_first - killed < CFS_MS(250));
    waitpid(pid, NULL, 0);
}

static void a_peer_that_returns_is_talked_to_again(void **state)
{
    struct peers *f = *state;

    peers_start(f, 1);
    peers_start(f, 2);
    peers_turn_until(f, one_of_them_holds);
    for (int round = 0; round < 3; round++) {
        peers_stop(f, 2);
        f->nodes[1].refused = 0;
        peers_turn_until(f, one_was_refused);
        f->nodes[1].requests = f->nodes[2].requests = 0;
        peers_start(f, 2);
        peers_turn_until(f, one_of_them_holds);
        f->nodes[1].seen_count = f->nodes[2].seen_count = 0;
        peers_send_drain(&f->nodes[1], 2, CFS_MSG_DRAIN, 7);
        peers_turn_until(f, two_saw_one);
        peers_send_drain(&f->nodes[2], 1, CFS_MSG_DRAIN, 8);
        peers_turn_until(f, one_saw_one);
    }
}

/* ---- much at once ---- */

static void a_thousand_messages_of_a_turn_keep_their_order(void **state)
{
    struct peers *f = *state;

    peers_start(f, 1);
    peers_start(f, 2);
    for (uint64_t i = 0; i < 1000; i++)
        peers_send_drain(&f->nodes[1], 2, CFS_MSG_DRAIN, i);
    assert_int_equal(cfs_transport_unsent(f->nodes[1].transport, 2), 1000);
    assert_int_equal(cfs_transport_unsent(f->nodes[1].transport, 3), 0);
    peers_turn_until(f, two_saw_a_thousand);
    assert_int_equal(cfs_transport_unsent(f->nodes[1].transport, 2), 0);
    for (uint64_t i = 0; i < 1000; i++)
        assert_int_equal(f->nodes[2].seen[i], i);
    assert_true(f->nodes[2].requests <= 3); /* they shared one */
}

static bool two_saw_twenty(struct peers *f)
{
    return f->nodes[2].seen_count >= 20;
}

/* 20 x 128 KiB: two batches, in both directions of the choice. */
#define LARGE 131072u

static void large_messages_are_spread_over_batches(void **state)
{
    struct peers *f = *state;

    peers_start(f, 1);
    peers_start(f, 2);
    peers_turn_until(f, one_of_them_holds);
    for (int i = 0; i < 20; i++)
        peers_send_forward(&f->nodes[1], 2, LARGE);
    peers_turn_until(f, two_saw_twenty);
    assert_int_equal(f->nodes[2].bytes, 20 * LARGE);
}

static void what_exceeds_the_outbox_is_lost_and_told(void **state)
{
    struct peers *f = *state;

    peers_start(f, 1);
    peers_start(f, 2);
    for (int i = 0; i < 128; i++) /* 16 MiB in one turn */
        peers_send_forward(&f->nodes[1], 2, LARGE);
    peers_turn_until(f, peers_one_knows_of_a_loss);
    peers_turn_until(f, two_saw_twenty);
}

static void a_message_too_large_for_any_batch_is_lost_and_told(void **state)
{
    struct peers *f = *state;
    struct cfs_message m = {.type = CFS_MSG_ANSWER, .to = 2};

    peers_start(f, 1);
    peers_start(f, 2);
    m.answer.to = CFS_TO_READ;
    m.answer.len = CFS_BATCH_BYTES_MAX;
    m.answer.answer = cfs_alloc_zeroed(m.answer.len, 1);
    cfs_transport_send(f->nodes[1].transport, &m);
    assert_null(m.answer.answer);
    peers_turn_until(f, peers_one_knows_of_a_loss);
}

static void messages_to_nobody_are_dropped(void **state)
{
    struct peers *f = *state;
    struct cfs_message m = {.type = CFS_MSG_FORWARD, .to = 3};

    peers_start(f, 1);
    m.forward.len = 5;
    m.forward.command = cfs_alloc_zeroed(5, 1);
    cfs_transport_send(f->nodes[1].transport, &m);
    m.to = 1;
    m.type = CFS_MSG_DRAIN;
    cfs_transport_send(f->nodes[1].transport, &m);
}

static void a_number_that_cannot_travel_is_told_as_a_loss(void **state)
{
    struct peers *f = *state;

    peers_start(f, 1);
    peers_start(f, 2);
    peers_turn_until(f, one_of_them_holds);
    peers_send_drain(&f->nodes[1], 2, CFS_MSG_DRAIN, CFS_NEVER);
    peers_turn_until(f, peers_one_knows_of_a_loss);
}

/* ---- peers come, move and go ---- */

static void forget(struct peers *f, int i, cfs_node_id peer)
{
    cfs_transport_set_peer(f->nodes[i].transport, peer, NULL, 0);
}

static void know(struct peers *f, int i, cfs_node_id peer)
{
    cfs_transport_set_peer(f->nodes[i].transport, peer, "127.0.0.1",
                           f->nodes[peer].config.listen_port);
}

/* Node 2 joins: it knows node 1, and node 1 has not heard of it. */
static void who_is_not_known_is_answered_on_its_own_requests(void **state)
{
    struct peers *f = *state;

    peers_start(f, 1);
    forget(f, 1, 2);
    peers_start(f, 2);
    f->nodes[1].echo = true;
    for (uint64_t id = 1; id <= 3; id++) {
        f->nodes[2].seen_count = 0;
        peers_send_drain(&f->nodes[2], 1, CFS_MSG_DRAIN, id);
        peers_turn_until(f, two_saw_one);
        assert_int_equal(f->nodes[2].seen[0], id);
    }
    assert_int_equal(f->nodes[2].requests, 0); /* nobody asked it */
    assert_int_equal(f->nodes[1].unreachable, 0);
}

static void messages_to_a_guest_that_is_silent_are_lost_and_told(void **state)
{
    struct peers *f = *state;
    struct cfs_timer timer = {.fn = wake};

    peers_start(f, 1);
    peers_start(f, 2);
    peers_turn_until(f, one_of_them_holds);
    peers_stop(f, 2);
    forget(f, 1, 2);
    cfs_timer_set(f->loop, &timer, cfs_clock_now() + CFS_MS(200));
    peers_turn_until(f, all_is_quiet); /* what node 2 had left here is seen to be gone */
    cfs_timer_cancel(f->loop, &timer);
    f->nodes[1].unreachable = f->nodes[1].refused = 0;
    peers_send_drain(&f->nodes[1], 2, CFS_MSG_DRAIN, 1);
    peers_turn_until(f, peers_one_knows_of_a_loss);
    assert_int_equal(f->nodes[1].refused, 0);
}

static bool two_is_asked(struct peers *f)
{
    return f->nodes[2].requests >= 1;
}

static void a_guest_becomes_a_peer_and_a_peer_a_guest(void **state)
{
    struct peers *f = *state;

    peers_start(f, 1);
    forget(f, 1, 2);
    peers_start(f, 2);
    peers_turn_until(f, one_holds);
    know(f, 1, 2);
    peers_send_drain(&f->nodes[1], 2, CFS_MSG_DRAIN, 8);
    peers_turn_until(f, two_is_asked);
    /* What is under way to it ends by itself, and it is heard as before. */
    forget(f, 1, 2);
    f->nodes[1].echo = true;
    f->nodes[2].seen_count = 0;
    peers_send_drain(&f->nodes[2], 1, CFS_MSG_DRAIN, 9);
    peers_turn_until(f, two_saw_one);
    assert_int_equal(f->nodes[2].seen[0], 9);
}

static void a_peer_that_moves_is_followed(void **state)
{
    struct peers *f = *state;
    uint16_t port = f->nodes[2].config.listen_port;

    peers_start(f, 1);
    cfs_transport_set_peer(f->nodes[1].transport, 2, "127.0.0.1", 1);
    peers_turn_until(f, one_was_refused);
    peers_start(f, 2);
    forget(f, 2, 1); /* or it would be found by its own POSTs */
    cfs_transport_set_peer(f->nodes[1].transport, 2, "127.0.0.1", port);
    peers_turn_until(f, two_is_asked);
    peers_send_drain(&f->nodes[1], 2, CFS_MSG_DRAIN, 4);
    peers_turn_until(f, two_saw_one);
}

/* A POST is held at the address of before while another one goes to the new address. */
static void the_old_address_says_nothing_of_the_node(void **state)
{
    struct peers *f = *state;

    peers_start(f, 1);
    peers_start(f, 2);
    peers_send_drain(&f->nodes[1], 2, CFS_MSG_DRAIN, 4);
    peers_turn_until(f, two_saw_one);
    f->nodes[1].refused = f->nodes[1].unreachable = 0;
    cfs_transport_set_peer(f->nodes[1].transport, 2, "localhost", f->nodes[2].config.listen_port);
    f->nodes[2].requests = f->nodes[2].seen_count = 0;
    peers_send_drain(&f->nodes[1], 2, CFS_MSG_DRAIN, 5);
    peers_turn_until(f, two_saw_one);
    assert_true(two_is_asked(f));
    assert_int_equal(f->nodes[1].refused, 0);
}

/* Node 1 gets through to node 2 only by answering: its heartbeat, what shows that nobody listens
 * there, and, when the next heartbeat is nearly due, one of node 2's, whose acknowledgement waits
 * for it. */
static struct {
    struct cfs_timer timer;
    cfs_time began;
    int step;
} one_way;

static void next_of_one_way(void *arg)
{
    struct peers *f = arg;
    struct cfs_message heartbeat = {.type = CFS_MSG_APPEND, .term = 1};
    static const cfs_time after[] = {0, CFS_MS(70), CFS_MS(95), CFS_MS(400)};

    switch (++one_way.step) {
    case 1:
        one_way.began = cfs_loop_now(f->loop);
        heartbeat.patient = true;
        heartbeat.to = 2;
        cfs_transport_send(f->nodes[1].transport, &heartbeat);
        break;
    case 2:
        peers_send_drain(&f->nodes[1], 2, CFS_MSG_DRAIN, 1);
        break;
    case 3:
        f->nodes[2].seen_count = f->nodes[1].seen_count = 0;
        heartbeat.to = 1;
        cfs_transport_send(f->nodes[2].transport, &heartbeat);
        break;
    default:
        return;
    }
    cfs_timer_set(f->loop, &one_way.timer, one_way.began + after[one_way.step]);
}

static bool one_way_is_over(struct peers *f)
{
    (void)f;
    return one_way.step >= 4;
}

static void what_waits_for_company_is_not_lost_while_the_peer_cannot_be_reached(void **state)
{
    struct peers *f = *state;

    f->nodes[1].config.heartbeat_ms = f->nodes[2].config.heartbeat_ms = 100;
    f->nodes[1].config.members[1].port = 1; /* nobody listens there */
    f->nodes[1].follows = true;
    peers_start(f, 1);
    peers_start(f, 2);
    peers_turn_until(f, one_holds);
    one_way.step = 0;
    one_way.timer = (struct cfs_timer){.fn = next_of_one_way, .arg = f};
    cfs_timer_set(f->loop, &one_way.timer, cfs_clock_now());
    peers_turn_until(f, one_way_is_over);
    assert_true(f->nodes[1].seen_count >= 1);
    assert_true(f->nodes[2].seen_count >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, peers_set_up, peers_tear_down)
        T(a_message_arrives_and_so_does_the_reply),
        T(an_exchange_is_one_http_request),
        T(nobody_there_is_a_refusal),
        T(one_post_is_left_open_between_two),
        T(an_absent_peer_is_not_stormed),
        T(a_peer_that_comes_later_is_found),
        T(a_peer_that_is_killed_is_noticed_at_once),
        T(a_peer_that_returns_is_talked_to_again),
        T(a_thousand_messages_of_a_turn_keep_their_order),
        T(large_messages_are_spread_over_batches),
        T(what_exceeds_the_outbox_is_lost_and_told),
        T(a_message_too_large_for_any_batch_is_lost_and_told),
        T(messages_to_nobody_are_dropped),
        T(who_is_not_known_is_answered_on_its_own_requests),
        T(messages_to_a_guest_that_is_silent_are_lost_and_told),
        T(a_guest_becomes_a_peer_and_a_peer_a_guest),
        T(a_peer_that_moves_is_followed),
        T(the_old_address_says_nothing_of_the_node),
        T(what_waits_for_company_is_not_lost_while_the_peer_cannot_be_reached),
        T(a_number_that_cannot_travel_is_told_as_a_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
