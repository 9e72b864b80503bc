/* Random commands against the model of queue_model.h: after every step the queues must have
 * answered, settled and look as the model says, and a twin fed the same commands must have the same
 * digest. The twin is saved now and then, what changed since the last time, and in some runs one
 * that is loaded from all that was saved takes its place. A failure prints seed and step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "../sim/store.h"
#include "queue_model.h"

#define SEEDS 20
#define STEPS 2500
#define NODES 3

struct run {
    uint64_t seed, step, random;
    struct model model;
    struct cfs_queues *queues, *twin;
    struct sim_store store; /* what the twin has saved */
    bool reload;            /* the twin is replaced by what it saved */
    struct model_end ends[MODEL_ENDS], twin_ends[MODEL_ENDS];
    size_t end_count, twin_count;
    cfs_session_id sessions[NODES]; /* of nodes 1 and up */
    uint64_t sequence;
};

#define CHECK(run, condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            print_error("seed %lu step %lu: ", (run)->seed, (run)->step);                          \
            fail_msg("%s", #condition);                                                            \
        }                                                                                          \
    } while (0)

static uint64_t pick(struct run *run, uint64_t bound)
{
    uint64_t z = run->random += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % bound;
}

static bool chance(struct run *run, uint64_t percent)
{
    return pick(run, 100) < percent;
}

static struct model_end end_of(struct cfs_asker asker, const struct cfs_answer *answer)
{
    struct model_end end = {
        .asker = asker, .error = answer->error, .id = answer->id, .count = answer->message_count};

    if (answer->message_count) {
        end.claim = answer->messages[0].claim;
        end.handed = answer->messages[0].id;
        end.len = answer->messages[0].len;
        end.deliveries = answer->messages[0].deliveries;
    }
    return end;
}

static void note_end(void *arg, struct cfs_asker asker, const struct cfs_answer *answer)
{
    struct run *run = arg;

    run->ends[run->end_count++] = end_of(asker, answer);
}

static void note_twin_end(void *arg, struct cfs_asker asker, const struct cfs_answer *answer)
{
    struct run *run = arg;

    run->twin_ends[run->twin_count++] = end_of(asker, answer);
}

static bool same_end(const struct model_end *a, const struct model_end *b)
{
    return a->asker.session == b->asker.session && a->asker.sequence == b->asker.sequence &&
           a->asker.node == b->asker.node && a->error == b->error && a->id == b->id &&
           a->count == b->count && a->claim == b->claim && a->handed == b->handed &&
           a->len == b->len && a->deliveries == b->deliveries;
}

static struct cfs_asker random_asker(struct run *run)
{
    uint32_t node = (uint32_t)pick(run, NODES);

    return (struct cfs_asker){run->sessions[node], ++run->sequence, node + 1};
}

/* ---- commands ---- */

static void do_produce(struct run *run, int q)
{
    static const uint8_t zeros[64];
    struct model_wait wait = {.queue = q, .produces = true, .asker = random_asker(run)};
    struct cfs_produce what = {.data = zeros, .wait = chance(run, 60)};
    struct cfs_answer got, twin;
    struct model_end want, said;
    enum cfs_outcome outcome;

    wait.count = 1 + (uint32_t)pick(run, MODEL_LENGTHS);
    for (uint32_t i = 0; i < wait.count; i++)
        what.len += wait.lengths[i] = (uint32_t)pick(run, 20);
    if (wait.count > 1 || chance(run, 30)) {
        what.lengths = wait.lengths;
        what.count = wait.count;
    }
    if (chance(run, 20))
        what.key = wait.key = 1 + pick(run, 8);
    outcome = model_produce(&run->model, wait, what.wait, &want);
    CHECK(run, cfs_queues_produce(run->queues, wait.asker, run->model.now, model_names[q], &what,
                                  &got) == outcome);
    CHECK(run, cfs_queues_produce(run->twin, wait.asker, run->model.now, model_names[q], &what,
                                  &twin) == outcome);
    if (outcome == CFS_QUEUED)
        return;
    said = end_of(wait.asker, &got);
    CHECK(run, same_end(&said, &want));
    said = end_of(wait.asker, &twin);
    CHECK(run, same_end(&said, &want));
}

static void do_consume(struct run *run, int q)
{
    struct cfs_asker asker = random_asker(run);
    struct cfs_consume how = {.wait = chance(run, 50), .max = 1 + (uint32_t)pick(run, 4)};
    struct cfs_answer got, twin;
    struct model_end want, said;
    enum cfs_outcome outcome;

    if (chance(run, 30))
        how.bound = true;
    else if (chance(run, 30))
        how.leased = true;
    outcome = model_consume(&run->model, q, asker, &how, &want);
    CHECK(run, cfs_queues_consume(run->queues, asker, run->model.now, model_names[q], &how, &got) ==
                   outcome);
    CHECK(run, cfs_queues_consume(run->twin, asker, run->model.now, model_names[q], &how, &twin) ==
                   outcome);
    if (outcome == CFS_QUEUED)
        return;
    said = end_of(asker, &got);
    CHECK(run, same_end(&said, &want));
    said = end_of(asker, &twin);
    CHECK(run, same_end(&said, &want));
}

/* A claim or a dead letter of the queue, mostly. */
static uint64_t some_id(struct run *run, int q, enum cfs_message_place place)
{
    uint64_t skip = pick(run, 4), found = pick(run, run->model.last + 2);

    EACH_MESSAGE(&run->model, x)
    {
        if (x->queue != q || x->place != place)
            continue;
        found = place == CFS_INFLIGHT ? x->claim : x->id;
        if (!skip--)
            break;
    }
    return found;
}

static enum cfs_error model_settle_one(struct run *run, int q, enum cfs_op op,
                                       enum cfs_message_place place, uint64_t id)
{
    struct model *m = &run->model;
    struct model_message *x = place == CFS_DEAD ? model_dead(m, q, id) : model_claim(m, q, id);

    if (!x)
        return place == CFS_DEAD ? CFS_ERR_NO_MESSAGE : CFS_ERR_NOT_CLAIMED;
    if (op == CFS_OP_ACK)
        x->used = false;
    else if (op == CFS_OP_GIVE_BACK)
        model_go_back(m, x);
    else
        x->expiry = m->now.time + CFS_MS(m->queues[q].config.visibility_ms);
    return CFS_OK;
}

static enum cfs_error settle(struct cfs_queues *queues, struct run *run, int q, enum cfs_op op,
                             const struct cfs_settle *s)
{
    struct cfs_moment now = run->model.now;

    if (op == CFS_OP_ACK)
        return cfs_queues_ack(queues, now, model_names[q], s);
    if (op == CFS_OP_GIVE_BACK)
        return cfs_queues_give_back(queues, now, model_names[q], s);
    return cfs_queues_extend(queues, now, model_names[q], s);
}

static void do_settle(struct run *run, int q)
{
    const enum cfs_op ops[] = {CFS_OP_ACK, CFS_OP_ACK, CFS_OP_GIVE_BACK, CFS_OP_EXTEND};
    enum cfs_op op = ops[pick(run, 4)];
    uint64_t ids[3];
    struct cfs_settle s = {.place = CFS_INFLIGHT, .ids = ids, .count = 1 + (uint32_t)pick(run, 3)};
    enum cfs_error want = CFS_OK, error;

    if (op == CFS_OP_ACK && chance(run, 20))
        s.place = CFS_DEAD;
    for (uint32_t i = 0; i < s.count; i++)
        ids[i] = some_id(run, q, s.place);
    for (uint32_t i = 0; i < s.count; i++) {
        error = model_settle_one(run, q, op, s.place, ids[i]);
        want = error ? error : want;
    }
    if (run->model.queues[q].there)
        model_settle(&run->model, q);
    CHECK(run, settle(run->queues, run, q, op, &s) == want);
    CHECK(run, settle(run->twin, run, q, op, &s) == want);
}

static enum cfs_error model_move(struct run *run, int q, enum cfs_message_place place, uint64_t id,
                                 int to)
{
    struct model *m = &run->model;
    struct model_message *x = place == CFS_DEAD ? model_dead(m, q, id) : model_claim(m, q, id);

    if (!x)
        return place == CFS_DEAD ? CFS_ERR_NO_MESSAGE : CFS_ERR_NOT_CLAIMED;
    if (!m->queues[to].there)
        return CFS_ERR_NO_QUEUE;
    if (q == to && place == CFS_INFLIGHT) {
        model_go_back(m, x);
    } else {
        if (model_first_wait(m, to, true) || !model_fits(m, to, 1, x->len))
            return CFS_ERR_FULL;
        x->queue = to;
        x->place = CFS_READY;
        x->deliveries = 0;
        x->turn = ++m->last;
    }
    model_settle(m, to);
    if (q != to)
        model_settle(m, q);
    return CFS_OK;
}

static void do_move(struct run *run, int q)
{
    struct cfs_message_move move = {.place = chance(run, 60) ? CFS_INFLIGHT : CFS_DEAD};
    int to = (int)pick(run, MODEL_QUEUES);
    enum cfs_error want;

    move.id = some_id(run, q, move.place);
    strcpy(move.to, model_names[to]);
    want = model_move(run, q, move.place, move.id, to);
    CHECK(run, cfs_queues_move(run->queues, run->model.now, model_names[q], &move) == want);
    CHECK(run, cfs_queues_move(run->twin, run->model.now, model_names[q], &move) == want);
}

static void do_make(struct run *run, int q)
{
    struct cfs_queue_make make = {.uid = (uint32_t)pick(run, 3), .exclusive = chance(run, 30)};
    struct model_queue *queue = &run->model.queues[q];
    enum cfs_error want = queue->there && make.exclusive ? CFS_ERR_QUEUE_EXISTS : CFS_OK;

    if (!queue->there) {
        run->model.last++;
        *queue = (struct model_queue){
            .there = true,
            .uid = make.uid,
            .config = {.visibility_ms = 30000, .max_deliveries = 20, .framing = CFS_FRAMING_WRITE}};
    }
    CHECK(run, cfs_queues_make(run->queues, run->model.now, model_names[q], &make) == want);
    CHECK(run, cfs_queues_make(run->twin, run->model.now, model_names[q], &make) == want);
}

static enum cfs_error check_owner(struct run *run, int q, uint32_t uid)
{
    const struct model_queue *queue = &run->model.queues[q];

    if (!queue->there)
        return CFS_ERR_NO_QUEUE;
    return uid && uid != queue->uid ? CFS_ERR_NOT_PERMITTED : CFS_OK;
}

static void do_remove(struct run *run, int q)
{
    struct model *m = &run->model;
    uint32_t uid = (uint32_t)pick(run, 3);
    enum cfs_error want = check_owner(run, q, uid);
    struct model_wait *wait;

    if (!want)
        EACH_MESSAGE(m, x)
    want = x->queue == q ? CFS_ERR_NOT_EMPTY : want;
    if (!want) {
        while ((wait = model_first_wait(m, q, false))) {
            model_tell(m, (struct model_end){.asker = wait->asker, .error = CFS_ERR_NO_QUEUE});
            wait->used = false;
        }
        EACH_KEY(m, k)
        k->used = k->queue != q;
        m->queues[q].there = false;
    }
    CHECK(run, cfs_queues_remove(run->queues, model_names[q], uid) == want);
    CHECK(run, cfs_queues_remove(run->twin, model_names[q], uid) == want);
}

static void do_purge(struct run *run, int q)
{
    uint32_t uid = (uint32_t)pick(run, 3);
    enum cfs_error want = check_owner(run, q, uid);

    if (!want) {
        EACH_MESSAGE(&run->model, x)
        x->used = x->queue != q || x->place == CFS_INFLIGHT;
        model_settle(&run->model, q);
    }
    CHECK(run, cfs_queues_purge(run->queues, run->model.now, model_names[q], uid) == want);
    CHECK(run, cfs_queues_purge(run->twin, run->model.now, model_names[q], uid) == want);
}

static void do_configure(struct run *run, int q)
{
    struct cfs_queue_set set = {.fields = (uint32_t)pick(run, 16), .uid = (uint32_t)pick(run, 3)};
    enum cfs_error want = check_owner(run, q, set.uid);
    struct cfs_queue_config *config = &run->model.queues[q].config;

    set.config = (struct cfs_queue_config){.visibility_ms = 1 + (uint32_t)pick(run, 200),
                                           .max_deliveries = 1 + (uint32_t)pick(run, 4),
                                           .max_messages = pick(run, 12),
                                           .max_bytes = pick(run, 100)};
    if (!want) {
        if (set.fields & CFS_CONFIG_VISIBILITY)
            config->visibility_ms = set.config.visibility_ms;
        if (set.fields & CFS_CONFIG_MAX_DELIVERIES)
            config->max_deliveries = set.config.max_deliveries;
        if (set.fields & CFS_CONFIG_MAX_MESSAGES)
            config->max_messages = set.config.max_messages;
        if (set.fields & CFS_CONFIG_MAX_BYTES)
            config->max_bytes = set.config.max_bytes;
        model_settle(&run->model, q);
    }
    CHECK(run, cfs_queues_configure(run->queues, run->model.now, model_names[q], &set) == want);
    CHECK(run, cfs_queues_configure(run->twin, run->model.now, model_names[q], &set) == want);
}

/* A wait, or one that never was. */
static void do_dismiss(struct run *run)
{
    struct model *m = &run->model;
    struct cfs_asker asker = {run->sessions[0], 1 + pick(run, run->sequence + 1), 1};
    uint64_t skip = pick(run, 4);
    struct model_wait *found = NULL;

    EACH_WAIT(m, x)
    {
        found = x;
        if (!skip--)
            break;
    }
    if (found && chance(run, 80))
        asker = found->asker;
    else
        found = NULL;
    EACH_WAIT(m, x)
    if (x->asker.session == asker.session && x->asker.sequence == asker.sequence)
        found = x;
    if (found) {
        model_tell(m, (struct model_end){.asker = asker, .error = CFS_ERR_INTERRUPTED});
        found->used = false;
        model_settle(m, found->queue);
    }
    CHECK(run, cfs_queues_dismiss(run->queues, asker.session, asker.sequence, m->now,
                                  CFS_ERR_INTERRUPTED) == (found != NULL));
    cfs_queues_dismiss(run->twin, asker.session, asker.sequence, m->now, CFS_ERR_INTERRUPTED);
}

static void do_undo(struct run *run)
{
    struct model *m = &run->model;
    cfs_session_id session = run->sessions[pick(run, NODES)];
    uint64_t sequence = run->sequence - pick(run, 10);

    model_undo(m, session, sequence);
    cfs_queues_undo(run->queues, session, sequence, m->now);
    cfs_queues_undo(run->twin, session, sequence, m->now);
}

static void do_session(struct run *run)
{
    uint64_t node = pick(run, NODES);
    cfs_session_id old = run->sessions[node], new = 1000 + run->step;
    struct model *m = &run->model;

    run->sessions[node] = new;
    if (chance(run, 50)) {
        model_end_session(m, old, 0);
        cfs_queues_end_session(run->queues, old, m->now);
        cfs_queues_end_session(run->twin, old, m->now);
    } else {
        model_end_session(m, old, new);
        cfs_queues_move_session(run->queues, old, new, m->now);
        cfs_queues_move_session(run->twin, old, new, m->now);
    }
}

static void do_expire(struct run *run)
{
    if (chance(run, 10))
        run->model.now.time += CFS_SECONDS(pick(run, 400));
    model_expire(&run->model);
    cfs_queues_expire(run->queues, run->model.now);
    cfs_queues_expire(run->twin, run->model.now);
}

/* ---- what must hold ---- */

static void check_ends(struct run *run)
{
    CHECK(run, run->end_count == run->model.end_count);
    CHECK(run, run->twin_count == run->model.end_count);
    for (size_t i = 0; i < run->end_count; i++) {
        CHECK(run, same_end(&run->ends[i], &run->model.ends[i]));
        CHECK(run, same_end(&run->twin_ends[i], &run->model.ends[i]));
    }
    run->end_count = run->twin_count = run->model.end_count = 0;
}

static void check_place(struct run *run, int q, enum cfs_message_place place, uint64_t count)
{
    struct cfs_queue_read read = {.place = place};
    struct cfs_answer answer = {0};
    uint64_t *ids = cfs_queues_list_messages(run->queues, model_names[q], &read, &answer);
    uint64_t last = 0;

    CHECK(run, answer.id_count == count && !answer.more);
    for (uint32_t i = 0; i < answer.id_count; i++) {
        struct model_message *found = NULL;
        EACH_MESSAGE(&run->model, x)
        if (x->queue == q && x->place == place &&
            (place == CFS_INFLIGHT ? x->claim : x->id) == ids[i])
            found = x;
        CHECK(run, found);
        CHECK(run, (place == CFS_READY ? found->turn : ids[i]) > last);
        last = place == CFS_READY ? found->turn : ids[i];
    }
    free(ids);
}

static void check_queue(struct run *run, int q)
{
    struct model *m = &run->model;
    uint32_t consumers = 0, producers = 0;
    struct cfs_queue_info info;

    CHECK(run, cfs_queues_stat(run->queues, model_names[q], &info) == m->queues[q].there);
    EACH_WAIT(m, w)
    {
        consumers += w->queue == q && !w->produces;
        producers += w->queue == q && w->produces;
    }
    CHECK(run, info.consumers == consumers && info.producers == producers);
    CHECK(run, info.ready == model_count(m, q, CFS_READY));
    CHECK(run, info.inflight == model_count(m, q, CFS_INFLIGHT));
    CHECK(run, info.dead == model_count(m, q, CFS_DEAD));
    CHECK(run, info.bytes == model_bytes(m, q, true));
    if (!m->queues[q].there)
        return;
    check_place(run, q, CFS_READY, info.ready);
    check_place(run, q, CFS_INFLIGHT, info.inflight);
    check_place(run, q, CFS_DEAD, info.dead);
}

static void check_expiry(struct run *run)
{
    cfs_time next = CFS_NEVER;

    EACH_MESSAGE(&run->model, x)
    if (x->place == CFS_INFLIGHT && x->expiry < next)
        next = x->expiry;
    CHECK(run, cfs_queues_next_expiry(run->queues) == next);
}

static void reload_twin(struct run *run)
{
    cfs_queues_free(run->twin);
    run->twin = cfs_queues_new(note_twin_end, run);
    for (size_t i = 0; i < run->store.states[0].count; i++) {
        const struct sim_item *item = &run->store.states[0].items[i];
        struct cfs_piece piece = {true, item->key, item->value, item->key_len, item->value_len};
        CHECK(run, cfs_queues_load(run->twin, &piece) == 0);
    }
    CHECK(run, cfs_queues_loaded(run->twin));
}

static void save_twin(struct run *run)
{
    struct cfs_part part = {0};
    struct cfs_checkpoint checkpoint = {.parts = &part, .part_count = 1};

    cfs_queues_save(run->twin, &part.pieces);
    sim_store_checkpoint(&run->store, &checkpoint);
    cfs_queues_saved(run->twin);
    free(part.pieces.data);
    if (run->reload && chance(run, 50))
        reload_twin(run);
}

static void step(struct run *run)
{
    int q = (int)pick(run, MODEL_QUEUES);
    uint64_t what = pick(run, 100);

    run->model.now.index++;
    run->model.now.time += CFS_MS(pick(run, 10));
    run->model.now.wall++;
    if (what < 30)
        do_produce(run, q);
    else if (what < 55)
        do_consume(run, q);
    else if (what < 72)
        do_settle(run, q);
    else if (what < 76)
        do_move(run, q);
    else if (what < 79)
        do_make(run, q);
    else if (what < 81)
        do_remove(run, q);
    else if (what < 82)
        do_purge(run, q);
    else if (what < 85)
        do_configure(run, q);
    else if (what < 89)
        do_dismiss(run);
    else if (what < 93)
        do_undo(run);
    else if (what < 95)
        do_session(run);
    else
        do_expire(run);
}

static void run_one(uint64_t seed)
{
    struct run *run = calloc(1, sizeof *run);

    run->seed = run->random = seed;
    run->reload = seed % 2;
    run->model.now = (struct cfs_moment){.time = CFS_SECONDS(1), .wall = 1};
    run->queues = cfs_queues_new(note_end, run);
    run->twin = cfs_queues_new(note_twin_end, run);
    for (int i = 0; i < NODES; i++)
        run->sessions[i] = 1 + (uint64_t)i;
    for (run->step = 0; run->step < STEPS; run->step++) {
        step(run);
        check_ends(run);
        for (int q = 0; q < MODEL_QUEUES; q++)
            check_queue(run, q);
        check_expiry(run);
        if (chance(run, 5))
            save_twin(run);
        CHECK(run, cfs_queues_digest(run->queues) == cfs_queues_digest(run->twin));
    }
    cfs_queues_free(run->queues);
    cfs_queues_free(run->twin);
    sim_store_close(&run->store);
    free(run);
}

static void test_random_commands(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run_one(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_commands)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
