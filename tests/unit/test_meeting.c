/* What waits for which company, and that two nodes' heartbeats and all that acknowledges them go in
 * three batches. */
#include "peers_world.h"

#include "io/clock.h"
#include "io/meeting.h"

#define PERIOD CFS_MS(100)
#define NOW CFS_SECONDS(50)
#define SLACK (PERIOD / CFS_MEETING_PART)

static const struct cfs_message heartbeat = {.type = CFS_MSG_APPEND, .patient = true};
static const struct cfs_message acknowledgement = {.type = CFS_MSG_APPEND_REPLY, .patient = true};

struct desk {
    struct cfs_meeting meeting;
    struct cfs_outbox outbox;
};

static int set_up(void **state)
{
    struct desk *desk = calloc(1, sizeof *desk);

    desk->meeting.period = PERIOD;
    *state = desk;
    return 0;
}

static int tear_down(void **state)
{
    struct desk *desk = *state;

    cfs_outbox_close(&desk->outbox);
    free(desk);
    return 0;
}

static void say(struct desk *desk, const struct cfs_message *message)
{
    struct cfs_message copy = *message;

    cfs_meeting_note_sent(&desk->meeting, &copy, NOW);
    cfs_outbox_add(&desk->outbox, &copy);
}

static bool waits(const struct desk *desk, bool begins)
{
    return cfs_meeting_wait(&desk->meeting, &desk->outbox, begins, NOW) > NOW;
}

static void heartbeats_wait_for_those_of_a_peer_that_begins(void **state)
{
    struct desk *desk = *state;

    cfs_meeting_note_heard(&desk->meeting, &heartbeat, NOW - PERIOD + CFS_MS(2));
    say(desk, &heartbeat);
    assert_int_equal(cfs_meeting_wait(&desk->meeting, &desk->outbox, false, NOW),
                     NOW + CFS_MS(2) + SLACK);
    assert_false(waits(desk, true));
}

static void they_do_not_wait_for_what_is_not_due(void **state)
{
    struct desk *desk = *state;

    say(desk, &heartbeat);
    assert_false(waits(desk, false)); /* none was ever heard */
    cfs_meeting_note_heard(&desk->meeting, &heartbeat, NOW - PERIOD / 2);
    assert_false(waits(desk, false));
    cfs_meeting_note_heard(&desk->meeting, &heartbeat, NOW - PERIOD - SLACK);
    assert_false(waits(desk, false)); /* it is late: it may be gone */
    cfs_meeting_note_heard(&desk->meeting, &heartbeat, NOW - PERIOD - SLACK + 1);
    assert_true(waits(desk, false));
}

static void acknowledgements_wait_for_own_heartbeats(void **state)
{
    struct desk *desk = *state;

    say(desk, &acknowledgement);
    assert_false(waits(desk, true)); /* this node leads nothing */
    cfs_meeting_note_sent(&desk->meeting, &heartbeat, NOW - PERIOD + CFS_MS(3));
    assert_true(waits(desk, true));
    cfs_meeting_note_sent(&desk->meeting, &heartbeat, NOW - PERIOD / 2);
    assert_false(waits(desk, true));
}

static void who_has_met_waits_no_more(void **state)
{
    struct desk *desk = *state;

    cfs_meeting_note_heard(&desk->meeting, &heartbeat, NOW);
    say(desk, &acknowledgement);
    say(desk, &heartbeat);
    assert_false(waits(desk, false));
    assert_false(waits(desk, true));
}

static void whatever_is_urgent_takes_all_along(void **state)
{
    struct desk *desk = *state;
    struct cfs_message first = {.type = CFS_MSG_APPEND}, vote = {.type = CFS_MSG_VOTE};

    cfs_meeting_note_heard(&desk->meeting, &heartbeat, NOW - PERIOD);
    say(desk, &heartbeat);
    assert_true(waits(desk, false));
    say(desk, &vote);
    assert_false(waits(desk, false));
    cfs_outbox_close(&desk->outbox);
    say(desk, &first); /* of a new leader */
    assert_false(waits(desk, false));
}

/* ---- two nodes ---- */

static struct cfs_timer beat;
static uint32_t rounds;

static void on_beat(void *arg)
{
    struct peers *f = arg;

    for (int i = 1; i <= NODES; i++) {
        struct cfs_message m = heartbeat;
        m.to = (cfs_node_id)(NODES + 1 - i);
        m.term = 1;
        cfs_transport_send(f->nodes[i].transport, &m);
    }
    rounds++;
    cfs_timer_set(f->loop, &beat, cfs_clock_now() + PERIOD);
}

static bool two_rounds(struct peers *f)
{
    (void)f;
    return rounds >= 2;
}

static bool twenty_rounds_more(struct peers *f)
{
    (void)f;
    return rounds >= 22;
}

/* Thirty exchanges, as a batch is a request or a response. Each by itself they would take forty. */
static void twenty_meetings_take_sixty_batches(void **state)
{
    struct peers *f = *state;

    for (int i = 1; i <= NODES; i++) {
        f->nodes[i].config.heartbeat_ms = PERIOD / CFS_MS(1);
        f->nodes[i].follows = true;
        peers_start(f, i);
    }
    beat = (struct cfs_timer){.fn = on_beat, .arg = f};
    cfs_timer_set(f->loop, &beat, 0);
    peers_turn_until(f, two_rounds);
    f->nodes[1].requests = f->nodes[2].requests = 0;
    peers_turn_until(f, twenty_rounds_more);
    cfs_timer_cancel(f->loop, &beat);
    assert_in_range(f->nodes[1].requests + f->nodes[2].requests, 27, 34);
    assert_in_range(f->nodes[1].seen_count, 40, 44);
    assert_in_range(f->nodes[2].seen_count, 40, 44);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(heartbeats_wait_for_those_of_a_peer_that_begins),
        T(they_do_not_wait_for_what_is_not_due),
        T(acknowledgements_wait_for_own_heartbeats),
        T(who_has_met_waits_no_more),
        T(whatever_is_urgent_takes_all_along),
        cmocka_unit_test_setup_teardown(twenty_meetings_take_sixty_batches, peers_set_up,
                                        peers_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
