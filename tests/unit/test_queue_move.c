/* Messages that move to a queue of another group: here and there. */
#include "queue_world.h"

#include "core/codec.h"
#include "core/piece.h"

static bool lives;

static bool session_lives(void *arg, cfs_session_id session)
{
    (void)arg, (void)session;
    return lives;
}

/* Returns the sequence of who asked, who waits. */
static uint64_t move_away(struct world *w, enum cfs_message_place place, uint64_t id)
{
    struct cfs_asker asker = {2, ++w->sequence, 2};
    struct cfs_message_move move = {.place = place, .id = id, .to = "elsewhere", .away = true};

    tick(w);
    w->outcome = cfs_queues_move_away(w->queues, asker, "q", &move, &w->answer);
    return asker.sequence;
}

static void moved(struct world *w, uint64_t id, enum cfs_error error)
{
    cfs_queues_moved(w->queues, tick(w), &(struct cfs_moved){id, error}, session_lives, NULL);
}

static struct cfs_move_info only_move(const struct world *w)
{
    struct cfs_move_info info, other;

    assert_true(cfs_queues_next_move(w->queues, 0, &info));
    assert_false(cfs_queues_next_move(w->queues, info.id, &other));
    assert_int_equal(cfs_queues_move_count(w->queues), 1);
    return info;
}

static enum cfs_error deliver(struct world *w, uint64_t id, uint64_t oldest, const char *body)
{
    struct cfs_delivery delivery = {.group = 5,
                                    .id = id,
                                    .oldest = oldest,
                                    .sent = 77,
                                    .data = (const uint8_t *)body,
                                    .len = (uint32_t)strlen(body)};

    return cfs_queues_deliver(w->queues, tick(w), "q", &delivery);
}

static void what_moves_is_gone_when_it_has_arrived(void **state)
{
    struct world *w = *state;
    uint64_t asked;
    struct cfs_move_info move;

    put(w, "q", "a");
    asked = move_away(w, CFS_INFLIGHT, take(w, 1, "q", "a").info.claim);
    assert_int_equal(w->outcome, CFS_QUEUED);
    waits(w, asked);
    counts(w, "q", 0, 0, 0);
    move = only_move(w);
    assert_string_equal(move.from, "q");
    assert_string_equal(move.to, "elsewhere");
    assert_int_equal(cfs_queues_remove(w->queues, "q", 0), CFS_ERR_NOT_EMPTY);
    moved(w, move.id, CFS_OK);
    sent_away(w, asked, CFS_OK);
    moved(w, move.id, CFS_OK); /* said again */
    assert_int_equal(cfs_queues_move_count(w->queues), 0);
    assert_int_equal(cfs_queues_remove(w->queues, "q", 0), CFS_OK);
}

static void it_can_be_read_while_it_moves(void **state)
{
    struct world *w = *state;
    struct cfs_queue_read read = {0};

    put(w, "q", "a");
    move_away(w, CFS_INFLIGHT, take(w, 1, "q", "a").info.claim);
    read.number = only_move(w).id;
    w->answer = (struct cfs_answer){0};
    cfs_queues_get(w->queues, "q", &read, w->now.time, &w->answer);
    assert_int_equal(w->answer.message_count, 1);
    assert_string_equal(keep(&w->answer.messages[0]).body, "a");
}

static void a_claim_that_moves_is_no_claim(void **state)
{
    struct world *w = *state;
    cfs_claim_id claim;

    put(w, "q", "a");
    claim = take(w, 1, "q", "a").info.claim;
    move_away(w, CFS_INFLIGHT, claim);
    assert_int_equal(ack(w, "q", claim), CFS_ERR_NOT_CLAIMED);
    assert_int_equal(extend(w, "q", claim), CFS_ERR_NOT_CLAIMED);
    move_away(w, CFS_INFLIGHT, claim);
    assert_int_equal(w->outcome, CFS_ANSWERED);
    assert_int_equal(w->answer.error, CFS_ERR_NOT_CLAIMED);
    w->now.time += CFS_SECONDS(60);
    cfs_queues_expire(w->queues, tick(w));
    cfs_queues_end_session(w->queues, 1, tick(w));
    counts(w, "q", 0, 0, 0); /* it goes on moving */
}

static void what_is_refused_there_is_under_its_claim_again(void **state)
{
    struct world *w = *state;
    cfs_claim_id claim;
    uint64_t asked;

    put(w, "q", "a");
    claim = take(w, 1, "q", "a").info.claim;
    asked = move_away(w, CFS_INFLIGHT, claim);
    lives = true;
    moved(w, only_move(w).id, CFS_ERR_FULL);
    sent_away(w, asked, CFS_ERR_FULL);
    counts(w, "q", 0, 1, 0);
    assert_int_equal(ack(w, "q", claim), CFS_OK);
}

static void where_its_session_has_ended_it_goes_back_to_the_queue(void **state)
{
    struct world *w = *state;
    uint64_t first;

    first = put(w, "q", "a");
    put(w, "q", "b");
    move_away(w, CFS_INFLIGHT, take(w, 1, "q", "a").info.claim);
    lives = false;
    moved(w, only_move(w).id, CFS_ERR_NO_QUEUE);
    assert_int_equal(take(w, 3, "q", "a").info.id, first);
}

static void a_dead_letter_that_is_refused_is_dead_again(void **state)
{
    struct world *w = *state;
    cfs_message_id dead;

    bound_deliveries(w, "q", 1);
    dead = put(w, "q", "a");
    assert_int_equal(give_back(w, "q", take(w, 1, "q", "a").info.claim), CFS_OK);
    counts(w, "q", 0, 0, 1);
    move_away(w, CFS_DEAD, dead);
    counts(w, "q", 0, 0, 0);
    moved(w, only_move(w).id, CFS_ERR_NO_QUEUE);
    counts(w, "q", 0, 0, 1);
    move_away(w, CFS_DEAD, dead + 1);
    assert_int_equal(w->answer.error, CFS_ERR_NO_MESSAGE);
}

static void what_comes_twice_is_delivered_once(void **state)
{
    struct world *w = *state;

    assert_int_equal(deliver(w, 7, 7, "a"), CFS_OK);
    assert_int_equal(deliver(w, 7, 7, "a"), CFS_OK);
    counts(w, "q", 1, 0, 0);
    assert_int_equal(take(w, 1, "q", "a").info.sent, 77);
    assert_int_equal(deliver(w, 9, 9, "b"), CFS_OK);
    assert_int_equal(deliver(w, 7, 7, "a"), CFS_ERR_INTERRUPTED); /* its end is known there */
    counts(w, "q", 1, 1, 0);
}

static void a_refusal_stands_though_there_is_room_by_now(void **state)
{
    struct world *w = *state;

    bound_messages(w, "q", 1);
    put(w, "q", "full");
    assert_int_equal(deliver(w, 7, 7, "a"), CFS_ERR_FULL);
    take(w, 1, "q", "full");
    bound_messages(w, "q", 9);
    assert_int_equal(deliver(w, 7, 7, "a"), CFS_ERR_FULL);
    assert_int_equal(deliver(w, 8, 7, "b"), CFS_OK);
    counts(w, "q", 1, 1, 0);
}

static void who_waits_gets_what_arrives(void **state)
{
    struct world *w = *state;
    uint64_t waiting_since = take_waits(w, 3, "q");

    assert_int_equal(deliver(w, 7, 7, "a"), CFS_OK);
    woken(w, waiting_since, "a");
}

/* What `queues` say of themselves, loaded into new ones. */
static struct cfs_queues *copy(struct cfs_queues *queues, struct world *w)
{
    struct cfs_queues *other = cfs_queues_new(note_end, w);
    struct cfs_writer bytes = {0};
    struct cfs_reader reader;
    struct cfs_piece piece;

    cfs_queues_save(queues, &bytes);
    reader = (struct cfs_reader){.data = bytes.data, .len = bytes.len};
    while (cfs_piece_next(&reader, &piece))
        assert_int_equal(cfs_queues_load(other, &piece), 0);
    assert_true(cfs_queues_loaded(other));
    free(bytes.data);
    return other;
}

static void moves_and_outcomes_survive_a_checkpoint(void **state)
{
    struct world *w = *state;
    struct cfs_queues *other;
    cfs_claim_id claim;
    uint64_t asked, id;

    put(w, "q", "a");
    claim = take(w, 1, "q", "a").info.claim;
    asked = move_away(w, CFS_INFLIGHT, claim);
    id = only_move(w).id;
    assert_int_equal(deliver(w, 7, 7, "b"), CFS_OK);
    other = copy(w->queues, w);
    assert_int_equal(cfs_queues_digest(other), cfs_queues_digest(w->queues));
    cfs_queues_free(w->queues);
    w->queues = other;
    assert_int_equal(only_move(w).id, id);
    assert_int_equal(deliver(w, 7, 7, "b"), CFS_OK);
    counts(w, "q", 1, 0, 0);
    lives = true;
    moved(w, id, CFS_ERR_FULL);
    sent_away(w, asked, CFS_ERR_FULL);
    assert_int_equal(ack(w, "q", claim), CFS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(what_moves_is_gone_when_it_has_arrived),
        IN_WORLD(it_can_be_read_while_it_moves),
        IN_WORLD(a_claim_that_moves_is_no_claim),
        IN_WORLD(what_is_refused_there_is_under_its_claim_again),
        IN_WORLD(where_its_session_has_ended_it_goes_back_to_the_queue),
        IN_WORLD(a_dead_letter_that_is_refused_is_dead_again),
        IN_WORLD(what_comes_twice_is_delivered_once),
        IN_WORLD(a_refusal_stands_though_there_is_room_by_now),
        IN_WORLD(who_waits_gets_what_arrives),
        IN_WORLD(moves_and_outcomes_survive_a_checkpoint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
