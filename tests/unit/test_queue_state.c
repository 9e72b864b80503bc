/* Queues as pieces: what a save says, what it leaves out, and what no queues are made of. Random
 * queues are saved and loaded in test_queue_model.c. */
#include "queue_world.h"

#include "../sim/store.h"
#include "core/alloc.h"
#include "core/piece.h"

#define PIECES_MAX 64

/* What one save said. */
struct said {
    struct cfs_writer bytes;
    struct cfs_piece pieces[PIECES_MAX]; /* point into the bytes */
    uint32_t count;
};

static struct said save(struct cfs_queues *queues)
{
    struct said said = {0};
    struct cfs_reader reader;

    cfs_queues_save(queues, &said.bytes);
    reader = (struct cfs_reader){.data = said.bytes.data, .len = said.bytes.len};
    while (cfs_piece_next(&reader, &said.pieces[said.count]))
        assert_true(++said.count < PIECES_MAX);
    assert_false(reader.failed);
    return said;
}

static void forget(struct said *said)
{
    free(said->bytes.data);
}

static uint32_t count(const struct said *said, enum cfs_piece_tag tag, bool put)
{
    uint32_t found = 0;

    for (uint32_t i = 0; i < said->count; i++)
        found += said->pieces[i].key[0] == tag && said->pieces[i].put == put;
    return found;
}

/* What a store makes of two saves. */
static void store_both(struct sim_store *store, const struct said *first, const struct said *second)
{
    struct cfs_part part = {.pieces = first->bytes};
    struct cfs_checkpoint checkpoint = {.parts = &part, .part_count = 1};

    sim_store_checkpoint(store, &checkpoint);
    part.pieces = second->bytes;
    sim_store_checkpoint(store, &checkpoint);
}

/* Loads all that is stored; false: it is refused. */
static bool load_all(struct cfs_queues *queues, const struct sim_store *store)
{
    for (size_t i = 0; i < store->states[0].count; i++) {
        const struct sim_item *item = &store->states[0].items[i];
        struct cfs_piece piece = {true, item->key, item->value, item->key_len, item->value_len};
        if (cfs_queues_load(queues, &piece) != 0)
            return false;
    }
    return cfs_queues_loaded(queues);
}

static struct cfs_queues *load_both(struct world *w, const struct said *first,
                                    const struct said *second)
{
    struct cfs_queues *queues = cfs_queues_new(note_end, w);
    struct sim_store store = {0};

    store_both(&store, first, second);
    assert_true(load_all(queues, &store));
    sim_store_close(&store);
    return queues;
}

/* One of each: messages in all places, waiters of both kinds, keys, two queues. */
static void fill(struct world *w)
{
    const uint32_t lengths[] = {1, 0, 2};
    struct cfs_produce many = one("abb"), keyed = one("keyed");
    struct cfs_consume leased = {.leased = true, .max = 1}, bound = {.bound = true, .max = 1};
    struct handed dead, back;

    make(w, "full", true);
    bound_deliveries(w, "full", 2);
    put(w, "full", "dead");
    give_back(w, "full", take(w, 1, "full", "dead").info.claim);
    dead = take(w, 1, "full", "dead");
    give_back(w, "full", dead.info.claim);
    put(w, "full", "1");
    put(w, "full", "2");
    keyed.key = 99;
    produce(w, 1, "full", keyed);
    produce(w, 1, "full", one(""));
    put(w, "full", "5");
    back = take(w, 1, "full", "1");
    consume(w, 2, "full", bound);
    consume(w, 1, "full", leased);
    give_back(w, "full", back.info.claim);
    bound_messages(w, "full", 5);
    many.lengths = lengths;
    many.count = 3;
    many.key = 100;
    produce(w, 3, "full", many);
    assert_int_equal(w->outcome, CFS_QUEUED);
    put_waits(w, 2, "full", "wait");
    take_waits(w, 1, "q");
    take_waits(w, 2, "q");
}

static void queues_come_back_with_all_that_was_in_them(void **state)
{
    struct world *w = *state;
    struct said all, nothing;
    struct cfs_queues *again;
    struct cfs_queue_info info;

    fill(w);
    all = save(w->queues);
    nothing = save(w->queues);
    assert_int_equal(nothing.count, 0);
    assert_int_equal(count(&all, CFS_PIECE_QUEUES, true), 1);
    assert_int_equal(count(&all, CFS_PIECE_QUEUE, true), 2);
    assert_int_equal(count(&all, CFS_PIECE_MESSAGE, true), 6);
    assert_int_equal(count(&all, CFS_PIECE_BODY, true), 5); /* one is empty */
    assert_int_equal(count(&all, CFS_PIECE_QUEUE_WAIT, true), 4);
    assert_int_equal(count(&all, CFS_PIECE_PRODUCE_KEY, true), 1);
    again = load_both(w, &all, &nothing);
    assert_int_equal(cfs_queues_digest(again), cfs_queues_digest(w->queues));
    assert_int_equal(cfs_queues_next_expiry(again), cfs_queues_next_expiry(w->queues));
    assert_true(cfs_queues_stat(again, "full", &info));
    assert_int_equal(info.ready, 3);
    assert_int_equal(info.inflight, 2);
    assert_int_equal(info.dead, 1);
    assert_int_equal(info.producers, 2);
    assert_int_equal(info.bytes, info_of(w, "full").bytes);
    forget(&all);
    forget(&nothing);
    cfs_queues_free(again);
}

static void life_goes_on_in_loaded_queues(void **state)
{
    struct world *w = *state;
    struct cfs_queues *old = w->queues;
    struct said all, nothing;
    struct cfs_answer answer;
    uint64_t *claims, waiter;

    fill(w);
    waiter = w->sequence;
    all = save(old);
    nothing = save(old);
    w->queues = load_both(w, &all, &nothing);
    put(w, "q", "a");
    put(w, "q", "b");
    woken(w, waiter - 1, "a");
    woken(w, waiter, "b");
    cfs_queues_end_session(w->queues, 2, tick(w)); /* the bound claim and who waits for room */
    counts(w, "full", 4, 1, 1);
    counts(w, "q", 1, 1, 0);
    claims = list(w, "full", CFS_INFLIGHT, 0, &answer);
    assert_int_equal(ack(w, "full", claims[0]), CFS_OK);
    free(claims);
    take(w, 1, "full", ON_DISK);
    take(w, 1, "full", ON_DISK);
    forget(&all);
    forget(&nothing);
    cfs_queues_free(old);
}

static void a_message_that_came_and_went_between_saves_is_never_mentioned(void **state)
{
    struct world *w = *state;
    struct said said = save(w->queues);

    forget(&said);
    put(w, "q", "a");
    ack(w, "q", take(w, 1, "q", "a").info.claim);
    said = save(w->queues);
    assert_int_equal(said.count, 2); /* the counter, and the queue's mtime */
    assert_int_equal(count(&said, CFS_PIECE_QUEUE, true), 1);
    forget(&said);
}

static void a_body_is_saved_once(void **state)
{
    struct world *w = *state;
    struct said said;
    struct handed a;

    put(w, "q", "a");
    said = save(w->queues);
    assert_int_equal(count(&said, CFS_PIECE_BODY, true), 1);
    forget(&said);
    a = take(w, 1, "q", "a");
    said = save(w->queues);
    assert_int_equal(said.count, 2);
    assert_int_equal(count(&said, CFS_PIECE_MESSAGE, true), 1);
    forget(&said);
    extend(w, "q", a.info.claim);
    said = save(w->queues);
    assert_int_equal(said.count, 1);
    forget(&said);
    ack(w, "q", a.info.claim);
    said = save(w->queues);
    assert_int_equal(said.count, 2);
    assert_int_equal(count(&said, CFS_PIECE_MESSAGE, false), 1);
    assert_int_equal(count(&said, CFS_PIECE_BODY, false), 1);
    forget(&said);
}

/* Once they are durable, and not before. */
static void bodies_that_were_saved_are_not_in_memory(void **state)
{
    struct world *w = *state;
    struct said said;
    struct handed a, c;

    put(w, "q", "a");
    put(w, "q", "b");
    said = save(w->queues);
    put(w, "q", "c");
    a = take(w, 1, "q", "a");
    ack(w, "q", a.info.claim);
    cfs_queues_saved(w->queues);
    take(w, 1, "q", ON_DISK);
    c = take(w, 1, "q", "c");
    give_back(w, "q", c.info.claim);
    forget(&said);
    said = save(w->queues);
    cfs_queues_saved(w->queues);
    cfs_queues_saved(w->queues); /* nothing was saved since */
    take(w, 1, "q", ON_DISK);
    forget(&said);
}

static void what_ended_since_the_last_save_is_deleted(void **state)
{
    struct world *w = *state;
    struct said before, after;
    struct cfs_queues *again;

    fill(w);
    before = save(w->queues);
    bound_messages(w, "full", 0);
    cfs_queues_end_session(w->queues, 1, tick(w));
    cfs_queues_end_session(w->queues, 2, tick(w));
    tick(w);
    w->now.time += CFS_SECONDS(40);
    cfs_queues_expire(w->queues, w->now);
    cfs_queues_purge(w->queues, tick(w), "full", 0);
    assert_int_equal(cfs_queues_remove(w->queues, "full", 0), CFS_OK);
    after = save(w->queues);
    assert_int_equal(count(&after, CFS_PIECE_QUEUE, false), 1);
    assert_int_equal(count(&after, CFS_PIECE_MESSAGE, false), 6);
    assert_int_equal(count(&after, CFS_PIECE_BODY, false), 5);
    assert_int_equal(count(&after, CFS_PIECE_QUEUE_WAIT, false), 4);
    assert_int_equal(count(&after, CFS_PIECE_PRODUCE_KEY, false), 1);
    again = load_both(w, &before, &after);
    assert_int_equal(cfs_queues_digest(again), cfs_queues_digest(w->queues));
    forget(&before);
    forget(&after);
    cfs_queues_free(again);
}

/* Its deletion must not come after it. */
static void a_name_that_went_and_came_back_is_there(void **state)
{
    struct world *w = *state;
    struct said before = save(w->queues), after;
    struct cfs_queues *again;

    assert_int_equal(cfs_queues_remove(w->queues, "q", 0), CFS_OK);
    make(w, "q", true);
    put(w, "q", "a");
    after = save(w->queues);
    again = load_both(w, &before, &after);
    assert_int_equal(cfs_queues_digest(again), cfs_queues_digest(w->queues));
    forget(&before);
    forget(&after);
    cfs_queues_free(again);
}

static void loaded_queues_go_on_saving_where_the_last_save_ended(void **state)
{
    struct world *w = *state;
    struct cfs_queues *old = w->queues;
    struct said all, nothing, said;

    fill(w);
    all = save(old);
    nothing = save(old);
    w->queues = load_both(w, &all, &nothing);
    said = save(w->queues);
    assert_int_equal(said.count, 0);
    cfs_queues_purge(w->queues, tick(w), "full", 0);
    said = save(w->queues);
    /* three ready, one dead; then came three, and one more would have been too many */
    assert_int_equal(count(&said, CFS_PIECE_MESSAGE, false), 4);
    assert_int_equal(count(&said, CFS_PIECE_BODY, false), 3); /* one is empty */
    assert_int_equal(count(&said, CFS_PIECE_MESSAGE, true), 3);
    assert_int_equal(count(&said, CFS_PIECE_QUEUE_WAIT, false), 1);
    assert_int_equal(count(&said, CFS_PIECE_PRODUCE_KEY, true), 1);
    forget(&all);
    forget(&nothing);
    forget(&said);
    cfs_queues_free(old);
}

/* What no queues are made of. */

/* Whether the stored state is accepted with another value in the place of one. */
static bool accepted(struct world *w, struct sim_store *store, size_t at, const uint8_t *value,
                     uint32_t len)
{
    struct sim_item *item = &store->states[0].items[at], was = *item;
    struct cfs_queues *queues = cfs_queues_new(note_end, w);
    bool good;

    item->value = cfs_alloc_copy(value, len); /* exact, so that a sanitizer sees what is behind */
    item->value_len = len;
    good = load_all(queues, store);
    cfs_queues_free(queues);
    free(item->value);
    *item = was;
    return good;
}

static void fill_store(struct world *w, struct sim_store *store)
{
    struct said all, nothing;

    fill(w);
    all = save(w->queues);
    nothing = save(w->queues);
    store_both(store, &all, &nothing);
    forget(&all);
    forget(&nothing);
}

static void pieces_that_are_cut_or_too_long_are_refused(void **state)
{
    struct world *w = *state;
    struct sim_store store = {0};

    fill_store(w, &store);
    for (size_t i = 0; i < store.states[0].count; i++) {
        const struct sim_item *item = &store.states[0].items[i];
        uint8_t longer[512] = {0};
        assert_true(accepted(w, &store, i, item->value, item->value_len));
        for (uint32_t len = 0; len < item->value_len; len++)
            assert_false(accepted(w, &store, i, item->value, len));
        memcpy(longer, item->value, item->value_len);
        assert_false(accepted(w, &store, i, longer, item->value_len + 1));
    }
    sim_store_close(&store);
}

static void damaged_pieces_are_refused_or_make_other_queues(void **state)
{
    struct world *w = *state;
    struct sim_store store = {0};
    uint32_t refused = 0;

    fill_store(w, &store);
    for (size_t i = 0; i < store.states[0].count; i++) {
        const struct sim_item *item = &store.states[0].items[i];
        uint8_t changed[512];
        for (uint32_t at = 0; at < item->value_len; at++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                memcpy(changed, item->value, item->value_len);
                changed[at] ^= (uint8_t)(1u << bit);
                refused += !accepted(w, &store, i, changed, item->value_len);
            }
        }
    }
    assert_true(refused > 1000);
    sim_store_close(&store);
}

static bool accepted_without(struct world *w, struct sim_store *store, uint8_t tag)
{
    struct cfs_queues *queues = cfs_queues_new(note_end, w);
    bool good = true;

    for (size_t i = 0; i < store->states[0].count; i++) {
        const struct sim_item *item = &store->states[0].items[i];
        struct cfs_piece piece = {true, item->key, item->value, item->key_len, item->value_len};
        if (item->key[0] != tag && cfs_queues_load(queues, &piece) != 0)
            good = false;
    }
    good = cfs_queues_loaded(queues) && good;
    cfs_queues_free(queues);
    return good;
}

static void what_others_refer_to_has_to_be_there(void **state)
{
    struct world *w = *state;
    struct sim_store store = {0};

    fill_store(w, &store);
    assert_true(accepted_without(w, &store, 0));
    assert_false(accepted_without(w, &store, CFS_PIECE_QUEUES));
    assert_false(accepted_without(w, &store, CFS_PIECE_QUEUE));
    assert_false(accepted_without(w, &store, CFS_PIECE_MESSAGE));
    sim_store_close(&store);
}

static void what_is_there_already_is_refused(void **state)
{
    struct world *w = *state;
    struct sim_store store = {0};
    struct cfs_queues *queues = cfs_queues_new(note_end, w);

    fill_store(w, &store);
    assert_true(load_all(queues, &store));
    for (size_t i = 0; i < store.states[0].count; i++) {
        const struct sim_item *item = &store.states[0].items[i];
        struct cfs_piece piece = {true, item->key, item->value, item->key_len, item->value_len};
        if (item->key[0] != CFS_PIECE_BODY) /* of which nothing is kept */
            assert_int_equal(cfs_queues_load(queues, &piece), -1);
        piece.put = false;
        assert_int_equal(cfs_queues_load(queues, &piece), -1);
    }
    cfs_queues_free(queues);
    sim_store_close(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(queues_come_back_with_all_that_was_in_them),
        IN_WORLD(life_goes_on_in_loaded_queues),
        IN_WORLD(a_message_that_came_and_went_between_saves_is_never_mentioned),
        IN_WORLD(a_body_is_saved_once),
        IN_WORLD(bodies_that_were_saved_are_not_in_memory),
        IN_WORLD(what_ended_since_the_last_save_is_deleted),
        IN_WORLD(a_name_that_went_and_came_back_is_there),
        IN_WORLD(loaded_queues_go_on_saving_where_the_last_save_ended),
        IN_WORLD(pieces_that_are_cut_or_too_long_are_refused),
        IN_WORLD(damaged_pieces_are_refused_or_make_other_queues),
        IN_WORLD(what_others_refer_to_has_to_be_there),
        IN_WORLD(what_is_there_already_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
