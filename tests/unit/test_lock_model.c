/* Random commands against the model of lock_model.h: after every step the table must have answered,
 * woken and look as the model says, and a twin fed the same commands must have the same digest.
 * The twin is saved now and then, what changed since the last time, and in some runs a table loaded
 * from all that was saved takes its place.
 * Apart from the model the promises themselves are checked: nobody shares with whom he conflicts,
 * nobody waits without reason or is overtaken, tokens grow. A failure prints seed and step. */
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "../sim/store.h"
#include "lock_model.h"

#define SEEDS 50
#define STEPS 3000
#define NODES 3
#define TICKETS 8

struct run {
    uint64_t seed, step, random;
    struct model model;
    struct cfs_lock_table *table, *twin;
    struct sim_store store; /* what the twin has saved */
    bool reload;            /* the twin is replaced by what it saved */
    struct model_end ends[MODEL_ENDS], twin_ends[MODEL_ENDS];
    size_t end_count, twin_count;
    struct cfs_moment now;
    cfs_session_id sessions[NODES]; /* of nodes 1 and up */
    uint64_t sequence;
    uint64_t tickets[TICKETS]; /* of waits given up lately; 0: none */
    int ticket_names[TICKETS];
    cfs_token before[MODEL_NAMES]; /* the newest token granted before this step */
    cfs_token newest[MODEL_NAMES];
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

static void note_end(void *arg, struct cfs_asker asker, const struct cfs_answer *answer)
{
    struct run *run = arg;

    run->ends[run->end_count++] =
        (struct model_end){asker, answer->error, answer->token, answer->ticket};
}

static void note_twin_end(void *arg, struct cfs_asker asker, const struct cfs_answer *answer)
{
    struct run *run = arg;

    run->twin_ends[run->twin_count++] =
        (struct model_end){asker, answer->error, answer->token, answer->ticket};
}

/* ---- commands ---- */

static uint64_t take_ticket(struct run *run, int name)
{
    uint64_t i = pick(run, TICKETS), ticket = run->tickets[i];

    if (run->ticket_names[i] != name)
        return 0;
    run->tickets[i] = 0;
    return ticket;
}

static struct cfs_acquire random_acquire(struct run *run, int name)
{
    struct cfs_acquire ask = {.mode = chance(run, 60) ? CFS_EXCLUSIVE : CFS_SHARED,
                              .kind = CFS_FLOCK,
                              .form = CFS_FORM_FILE,
                              .wait = chance(run, 75),
                              .process = {(uint32_t)pick(run, 4), 1 + pick(run, 10) / 9},
                              .uid = (uint32_t)pick(run, 3),
                              .gid = (uint32_t)pick(run, 3),
                              .perm = (uint32_t)pick(run, 010000)};
    uint64_t kind = pick(run, 10);

    if (kind < 6) {
        ask.handle = 1 + pick(run, 6);
    } else if (kind < 8) {
        ask.kind = CFS_LOCKFILE;
        ask.mode = CFS_EXCLUSIVE;
        ask.wait = chance(run, 30);
        ask.form = chance(run, 20) ? CFS_FORM_DIRECTORY : CFS_FORM_FILE;
    } else {
        ask.kind = CFS_LEASED;
        ask.ttl_ms = (uint32_t)pick(run, 50);
        ask.key = pick(run, 4);
        ask.handle = 1 + pick(run, 6);
        if (ask.key && chance(run, 80)) { /* the same request again */
            ask.mode = ask.key == 1 ? CFS_SHARED : CFS_EXCLUSIVE;
            ask.uid = (uint32_t)ask.key;
        }
        snprintf(ask.owner, sizeof ask.owner, "client-%u", ask.uid);
    }
    if (ask.wait && chance(run, 30))
        ask.ticket = take_ticket(run, name);
    return ask;
}

/* A token that somebody holds `name` by, mostly. */
static cfs_token some_token(struct run *run, int name)
{
    uint64_t skip = pick(run, 3);

    EACH_CLAIM (&run->model, c)
        if (c->name == name && c->holding && !skip--)
            return c->token;
    return pick(run, run->model.token + 2);
}

/* One step may grant several: each token is newer than all of earlier steps. */
static void check_new_token(struct run *run, int name, cfs_token token)
{
    CHECK(run, token > run->before[name]);
    if (token > run->newest[name])
        run->newest[name] = token;
}

static bool is_conversion(struct run *run, cfs_session_id session, int name,
                          const struct cfs_acquire *ask)
{
    EACH_CLAIM (&run->model, c)
        if (c->holding && c->name == name && c->session == session && c->ask.kind == CFS_FLOCK &&
            ask->kind == CFS_FLOCK && c->ask.handle == ask->handle)
            return c->ask.mode != ask->mode;
    return false;
}

static void do_acquire(struct run *run, int name, struct cfs_acquire ask)
{
    uint32_t node = (uint32_t)pick(run, NODES);
    struct cfs_asker asker = {run->sessions[node], ++run->sequence, node + 1};
    cfs_token before = run->model.token;
    struct cfs_answer want, got = {0}, twin = {0};
    bool conflicts = cfs_lock_table_conflicts(run->table, asker.session, model_names[name], &ask);
    bool converts = is_conversion(run, asker.session, name, &ask);
    enum cfs_outcome outcome = model_acquire(&run->model, asker, run->now, name, &ask, &want);
    bool conflicted =
        outcome == CFS_QUEUED || want.error == CFS_ERR_EXISTS || want.error == CFS_ERR_WOULD_BLOCK;

    CHECK(run, conflicts == (conflicted && !converts));
    CHECK(run, cfs_lock_table_acquire(run->table, asker, run->now, model_names[name], &ask, &got) ==
                   outcome);
    CHECK(run, cfs_lock_table_acquire(run->twin, asker, run->now, model_names[name], &ask, &twin) ==
                   outcome);
    CHECK(run, got.error == want.error && got.token == want.token && !got.ticket);
    CHECK(run, twin.error == want.error && twin.token == want.token);
    if (!want.error && want.token > before) /* else: queued, or held already */
        check_new_token(run, name, want.token);
}

static void do_renew(struct run *run, int name)
{
    struct cfs_acquire ask = {.mode = (enum cfs_lock_mode)(chance(run, 70) ? 0 : CFS_EXCLUSIVE),
                              .kind = CFS_LEASED,
                              .form = CFS_FORM_FILE,
                              .renew = some_token(run, name),
                              .ttl_ms = (uint32_t)pick(run, 80)};
    if (chance(run, 20))
        strcpy(ask.owner, "client-1");
    if (ask.renew)
        do_acquire(run, name, ask);
}

/* The oldest, though in the daemon there is one at most. */
static struct model_claim *by_asking(struct run *run, int name, uint64_t handle)
{
    struct model_claim *found = NULL;

    EACH_CLAIM (&run->model, c)
        if (c->name == name && c->holding && c->ask.kind == CFS_LEASED && c->ask.handle == handle &&
            (!found || c->token < found->token))
            found = c;
    return found;
}

static enum cfs_error model_release(struct run *run, cfs_session_id session, int name,
                                    const struct cfs_release *r)
{
    struct model *m = &run->model;
    struct model_claim *c = r->kind == CFS_LEASED && r->handle ? by_asking(run, name, r->handle)
                                                               : model_by_token(m, name, r->token);

    if (r->kind == CFS_FLOCK) {
        c = NULL;
        EACH_CLAIM (m, other)
            if (other->name == name && other->holding && other->ask.kind == CFS_FLOCK &&
                other->session == session && other->ask.handle == r->handle)
                c = other;
    } else if (r->kind == CFS_LOCKFILE) {
        c = c && c->ask.kind == CFS_LOCKFILE && c->session == session ? c : NULL;
    } else if (!model_count(m, name, true)) {
        return CFS_ERR_NOT_HELD;
    } else if (!c || c->ask.kind != CFS_LEASED) {
        return CFS_ERR_NOT_HOLDER;
    }
    if (c)
        model_give_back(m, c, run->now);
    return CFS_OK;
}

static void do_release(struct run *run, int name)
{
    cfs_session_id session = run->sessions[pick(run, NODES)];
    const enum cfs_lock_kind kinds[] = {CFS_FLOCK, CFS_FLOCK, CFS_FLOCK, CFS_LOCKFILE, CFS_LEASED};
    struct cfs_release r = {.kind = kinds[pick(run, 5)]};
    enum cfs_error want;

    if (r.kind == CFS_FLOCK || (r.kind == CFS_LEASED && chance(run, 50)))
        r.handle = 1 + pick(run, 6);
    else
        r.token = some_token(run, name);
    want = model_release(run, session, name, &r);
    CHECK(run,
          cfs_lock_table_release(run->table, session, run->now, model_names[name], &r) == want);
    CHECK(run, cfs_lock_table_release(run->twin, session, run->now, model_names[name], &r) == want);
}

static enum cfs_error model_remove(struct run *run, int name, const struct cfs_remove *r)
{
    struct model *m = &run->model;
    const struct model_lock *lock = &m->locks[name];
    struct model_claim *file = NULL;

    EACH_CLAIM (m, c)
        if (c->name == name && c->holding && c->ask.kind == CFS_LOCKFILE)
            file = c;
    if (!model_count(m, name, true))
        return CFS_ERR_NOT_HELD;
    if (r->form != lock->form)
        return lock->form == CFS_FORM_DIRECTORY ? CFS_ERR_IS_DIRECTORY : CFS_ERR_NOT_DIRECTORY;
    if (!file)
        return CFS_ERR_BUSY;
    if (r->uid && r->uid != lock->uid)
        return CFS_ERR_NOT_PERMITTED;
    model_give_back(m, file, run->now);
    return CFS_OK;
}

static void do_remove(struct run *run, int name)
{
    struct cfs_remove r = {.form = chance(run, 80) ? CFS_FORM_FILE : CFS_FORM_DIRECTORY,
                           .uid = (uint32_t)pick(run, 3)};
    enum cfs_error want = model_remove(run, name, &r);

    CHECK(run, cfs_lock_table_remove(run->table, run->now, model_names[name], &r) == want);
    CHECK(run, cfs_lock_table_remove(run->twin, run->now, model_names[name], &r) == want);
}

static enum cfs_error model_write(struct run *run, int name, const struct cfs_write *x)
{
    struct model_claim *c = model_by_token(&run->model, name, x->token);
    struct model_lock *lock = &run->model.locks[name];

    if (!c || c->ask.mode != CFS_EXCLUSIVE)
        return CFS_ERR_NOT_HOLDER;
    if (x->offset > lock->content_len)
        memset(lock->content + lock->content_len, 0, x->offset - lock->content_len);
    memcpy(lock->content + x->offset, x->data, x->len);
    if (x->offset + x->len > lock->content_len)
        lock->content_len = (uint32_t)x->offset + x->len;
    lock->mtime = run->now.wall;
    return CFS_OK;
}

static void do_write(struct run *run, int name)
{
    uint8_t byte = (uint8_t)pick(run, 256);
    struct cfs_write x = {.token = some_token(run, name),
                          .offset = pick(run, MODEL_CONTENT),
                          .data = &byte,
                          .len = 1};
    enum cfs_error want = model_write(run, name, &x);

    CHECK(run, cfs_lock_table_write(run->table, run->now, model_names[name], &x) == want);
    CHECK(run, cfs_lock_table_write(run->twin, run->now, model_names[name], &x) == want);
}

/* One of those who wait or hold. */
static struct model_claim *some_claim(struct run *run)
{
    uint64_t skip = pick(run, 30);
    struct model_claim *found = NULL;

    EACH_CLAIM (&run->model, c) {
        found = c;
        if (!skip--)
            break;
    }
    return found;
}

static void model_dismiss(struct run *run, struct model_claim *c, enum cfs_error error)
{
    int name = c->name;
    uint64_t at = pick(run, TICKETS);

    run->tickets[at] = c->ticket;
    run->ticket_names[at] = name;
    model_end_wait(&run->model, c->asker, error, 0, c->ticket);
    model_drop(&run->model, c);
    model_settle(&run->model, name, run->now);
}

static void do_dismiss(struct run *run)
{
    struct model_claim *c = some_claim(run);
    struct cfs_asker asker = c ? c->asker : (struct cfs_asker){1, 1, 1};
    bool want = c && !c->holding;

    if (want)
        model_dismiss(run, c, CFS_ERR_DEADLOCK);
    CHECK(run, cfs_lock_table_dismiss(run->table, asker.session, asker.sequence, run->now,
                                      CFS_ERR_DEADLOCK) == want);
    CHECK(run, cfs_lock_table_dismiss(run->twin, asker.session, asker.sequence, run->now,
                                      CFS_ERR_DEADLOCK) == want);
}

static void do_undo(struct run *run)
{
    struct model_claim *c = some_claim(run);
    struct cfs_asker asker = c ? c->asker : (struct cfs_asker){1, 1, 1};

    c = model_by_asker(&run->model, asker.session, asker.sequence);
    if (c && c->holding)
        model_give_back(&run->model, c, run->now);
    cfs_lock_table_undo(run->table, asker.session, asker.sequence, run->now);
    cfs_lock_table_undo(run->twin, asker.session, asker.sequence, run->now);
}

/* Ends the session of a node, or passes its lockfiles on to the next one. */
static void do_session(struct run *run, bool resume)
{
    uint64_t node = pick(run, NODES);
    cfs_session_id old = run->sessions[node], new = run->now.index;

    EACH_CLAIM (&run->model, c) {
        if (c->session != old || (c->holding && c->ask.kind == CFS_LEASED))
            continue;
        if (resume && c->holding && c->ask.kind == CFS_LOCKFILE) {
            c->session = new;
            c->asker.sequence = 0;
        } else {
            model_drop(&run->model, c);
        }
    }
    model_settle_all(&run->model, run->now);
    if (resume) {
        cfs_lock_table_move_session(run->table, old, new, run->now);
        cfs_lock_table_move_session(run->twin, old, new, run->now);
    } else {
        cfs_lock_table_end_session(run->table, old, run->now);
        cfs_lock_table_end_session(run->twin, old, run->now);
    }
    run->sessions[node] = new;
}

static void do_expire(struct run *run)
{
    run->now.time += CFS_MS(pick(run, 30));
    EACH_CLAIM (&run->model, c)
        if (c->holding && c->ask.kind == CFS_LEASED && c->expiry <= run->now.time)
            model_drop(&run->model, c);
    model_settle_all(&run->model, run->now);
    cfs_lock_table_expire(run->table, run->now);
    cfs_lock_table_expire(run->twin, run->now);
}

static void do_something(struct run *run)
{
    uint64_t what = pick(run, 1000);
    int name = (int)pick(run, MODEL_NAMES);

    if (what < 450)
        do_acquire(run, name, random_acquire(run, name));
    else if (what < 480)
        do_renew(run, name);
    else if (what < 750)
        do_release(run, name);
    else if (what < 830)
        do_remove(run, name);
    else if (what < 890)
        do_write(run, name);
    else if (what < 940)
        do_dismiss(run);
    else if (what < 960)
        do_undo(run);
    else if (what < 990)
        do_expire(run);
    else
        do_session(run, what < 995);
}

/* ---- checks ---- */

static bool same_ends(const struct model_end *a, size_t a_count, const struct model_end *b,
                      size_t b_count)
{
    for (size_t i = 0; i < a_count && i < b_count; i++)
        if (a[i].asker.session != b[i].asker.session ||
            a[i].asker.sequence != b[i].asker.sequence || a[i].asker.node != b[i].asker.node ||
            a[i].error != b[i].error || a[i].token != b[i].token || a[i].ticket != b[i].ticket)
            return false;
    return a_count == b_count;
}

/* The holder after the one with token `after`. */
static const struct model_claim *next_holder(struct run *run, int name, cfs_token after)
{
    const struct model_claim *next = NULL;

    EACH_CLAIM (&run->model, c)
        if (c->name == name && c->holding && c->token > after && (!next || c->token < next->token))
            next = c;
    return next;
}

static void check_holders(struct run *run, int name, const struct cfs_lock_info *info)
{
    cfs_token token = 0;

    for (uint32_t i = 0; i < info->holder_count; i++) {
        const struct model_claim *c = next_holder(run, name, token);
        const struct cfs_holder_info *holder = &info->holders[i];
        CHECK(run, c);
        assert(c); /* said already, but not to the analyser */
        CHECK(run, holder->node == c->node && holder->kind == c->ask.kind);
        CHECK(run, holder->process.pid == c->ask.process.pid);
        CHECK(run, strcmp(holder->owner, c->ask.owner) == 0);
        token = c->token;
        CHECK(run, i + 1 < info->holder_count || (info->token == token && info->since == c->since));
    }
}

static void check_lock(struct run *run, int name)
{
    const struct model_lock *lock = &run->model.locks[name];
    uint32_t holders = model_count(&run->model, name, true);
    struct cfs_lock_info info;

    CHECK(run, cfs_lock_table_get(run->table, model_names[name], &info) == (holders > 0));
    CHECK(run, info.holder_count == holders);
    CHECK(run, info.waiters == model_count(&run->model, name, false));
    if (!holders)
        return;
    CHECK(run, info.mode == (model_exclusive(&run->model, name) ? CFS_EXCLUSIVE : CFS_SHARED));
    CHECK(run, info.form == lock->form && info.perm == lock->perm);
    CHECK(run, info.uid == lock->uid && info.gid == lock->gid && info.mtime == lock->mtime);
    CHECK(run, info.content_len == lock->content_len);
    CHECK(run, !info.content_len || !memcmp(info.content, lock->content, info.content_len));
    check_holders(run, name, &info);
}

static void check_totals(struct run *run)
{
    uint32_t held = 0, waiting = 0;
    uint64_t nodes = 0;
    cfs_time expiry = CFS_NEVER;

    for (int name = 0; name < MODEL_NAMES; name++) {
        held += model_count(&run->model, name, true) > 0;
        waiting += model_count(&run->model, name, false);
    }
    EACH_CLAIM (&run->model, c) {
        if (c->holding && c->ask.kind == CFS_LEASED && c->expiry < expiry)
            expiry = c->expiry;
        if (c->holding && c->ask.kind == CFS_FLOCK)
            nodes |= 1ull << c->node;
    }
    CHECK(run, cfs_lock_table_held_count(run->table) == held);
    CHECK(run, cfs_lock_table_waiter_count(run->table) == waiting);
    CHECK(run, cfs_lock_table_next_expiry(run->table) == expiry);
    CHECK(run, cfs_lock_table_flock_nodes(run->table, NULL) == nodes);
    CHECK(run, cfs_lock_table_digest(run->table) == cfs_lock_table_digest(run->twin));
}

/* What was promised, said without the model's rules for granting. */
static void check_promises(struct run *run)
{
    EACH_CLAIM (&run->model, a) {
        bool reason = a->holding;
        EACH_CLAIM (&run->model, b) {
            if (a == b || a->name != b->name || !model_conflict(a, b))
                continue;
            CHECK(run, !(a->holding && b->holding));
            reason = reason || b->holding || model_before(b, a);
        }
        CHECK(run, reason);
    }
}

/* Whoever was woken has left nobody in the queue who came before him and conflicts with him, but
 * one who has just come with an old ticket. */
static void check_ends(struct run *run)
{
    const struct model *m = &run->model;

    CHECK(run, same_ends(run->ends, run->end_count, m->ends, m->end_count));
    CHECK(run, same_ends(run->twin_ends, run->twin_count, m->ends, m->end_count));
    for (size_t i = 0; i < run->end_count; i++) {
        const struct model_claim *granted =
            model_by_asker(&run->model, run->ends[i].asker.session, run->ends[i].asker.sequence);
        if (run->ends[i].error || !granted || !granted->holding)
            continue;
        check_new_token(run, granted->name, granted->token);
        EACH_CLAIM (&run->model, c)
            CHECK(run, c->holding || c->name != granted->name || !model_before(c, granted) ||
                           !model_conflict(c, granted) || c->asker.sequence == run->sequence);
    }
}

/* ---- saving and loading ---- */

static void save(struct cfs_lock_table *table, struct sim_store *store)
{
    struct cfs_part part = {0};
    struct cfs_checkpoint checkpoint = {.parts = &part, .part_count = 1};

    cfs_lock_table_save(table, &part.pieces);
    sim_store_checkpoint(store, &checkpoint);
    cfs_part_clear(&part);
}

static struct cfs_lock_table *load(struct run *run)
{
    const struct sim_saved *saved = &run->store.states[0];
    struct cfs_lock_table *table = cfs_lock_table_new(note_twin_end, run);

    for (size_t i = 0; i < saved->count; i++) {
        const struct sim_item *item = &saved->items[i];
        struct cfs_piece piece = {true, item->key, item->value, item->key_len, item->value_len};
        CHECK(run, cfs_lock_table_load(table, &piece) == 0);
    }
    CHECK(run, cfs_lock_table_loaded(table));
    cfs_lock_table_set_token(table, cfs_lock_table_token(run->twin));
    return table;
}

static void save_twin(struct run *run)
{
    struct cfs_lock_table *loaded;

    save(run->twin, &run->store);
    loaded = load(run);
    CHECK(run, cfs_lock_table_digest(loaded) == cfs_lock_table_digest(run->twin));
    if (run->reload) {
        cfs_lock_table_free(run->twin);
        run->twin = loaded;
    } else {
        cfs_lock_table_free(loaded);
    }
}

/* What was saved bit by bit is what a table that was never saved says of itself at once. */
static void check_whole_save(struct run *run)
{
    const struct sim_saved *bits = &run->store.states[0], *whole;
    struct sim_store store = {0};

    save(run->twin, &run->store);
    save(run->table, &store);
    whole = &store.states[0];
    CHECK(run, whole->count == bits->count);
    for (size_t i = 0; i < whole->count; i++) {
        const struct sim_item *a = &whole->items[i], *b = &bits->items[i];
        CHECK(run, a->key_len == b->key_len && !memcmp(a->key, b->key, a->key_len));
        CHECK(run, a->value_len == b->value_len && !memcmp(a->value, b->value, a->value_len));
    }
    sim_store_close(&store);
}

static void step(struct run *run)
{
    run->step++;
    run->now.index++;
    run->now.time += pick(run, CFS_MS(2));
    run->now.wall++;
    run->model.end_count = run->end_count = run->twin_count = 0;
    memcpy(run->before, run->newest, sizeof run->before);
    do_something(run);
    check_ends(run);
    for (int name = 0; name < MODEL_NAMES; name++)
        check_lock(run, name);
    check_totals(run);
    check_promises(run);
    if (chance(run, 3))
        save_twin(run);
}

static void run_seed(uint64_t seed)
{
    struct run *run = calloc(1, sizeof *run);

    assert_non_null(run);
    run->seed = run->random = seed;
    run->reload = seed % 2;
    run->table = cfs_lock_table_new(note_end, run);
    run->twin = cfs_lock_table_new(note_twin_end, run);
    run->now = (struct cfs_moment){.index = 100, .time = 1000, .wall = 1000000};
    for (uint32_t node = 0; node < NODES; node++)
        run->sessions[node] = node + 1;
    while (run->step < STEPS)
        step(run);
    if (!run->reload) /* a loaded table counts its claims anew */
        check_whole_save(run);
    cfs_lock_table_free(run->table);
    cfs_lock_table_free(run->twin);
    sim_store_close(&run->store);
    free(run);
}

static void test_the_table_agrees_with_the_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run_seed(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_table_agrees_with_the_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
