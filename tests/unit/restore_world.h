/* A node of one member on a real store and a real log, stepped by hand: a core, and the shell's
 * part in its checkpoints. It ends, and comes back from what is in its directory by then.
 *
 * A header with bodies, because each test is one source. */
#ifndef CFS_TEST_RESTORE_WORLD_H
#define CFS_TEST_RESTORE_WORLD_H

#include "core/node_core.h"
#include "core_bench.h"
#include "io/restore.h"
#include "store_world.h"

struct node {
    struct world *w;
    struct cfs_config config;
    uint64_t checkpoint_bytes;
    uint32_t groups; /* beside group 0 */
    struct cfs_core *core;
    struct cfs_wal *wal;
    struct cfs_wal_origin origin;
    cfs_time now;
    uint64_t lsn; /* of the newest record */
    uint64_t last_id;
    unsigned checkpoints, caught_up;
    enum cfs_error error; /* of the newest answer */
    uint64_t answered;    /* which it was to */
};

static inline void step(struct node *n, struct cfs_event event);

static inline void store_checkpoint(struct node *n, struct cfs_effect *effect)
{
    struct cfs_store_job job = {.kind = CFS_STORE_CHECKPOINT, .id = effect->id};
    uint32_t count = effect->checkpoint.part_count;

    job.wal = cfs_wal_begin_for(n->wal, effect->checkpoint.keep_lsn);
    job.part_count = count;
    job.parts = cfs_alloc_zeroed(count, sizeof(*job.parts));
    for (uint32_t i = 0; i < count; i++) {
        struct cfs_part *part = &effect->checkpoint.parts[i];
        job.parts[i] = (struct cfs_store_part){.group = part->group,
                                               .head = part->head.data,
                                               .head_len = (uint32_t)part->head.len,
                                               .pieces = part->pieces.data,
                                               .pieces_len = part->pieces.len};
        part->head = part->pieces = (struct cfs_writer){0};
    }
    assert_int_equal(perform(n->w, job), 0);
    n->checkpoints++;
}

static inline void perform_effect(struct node *n, struct cfs_effect *effect)
{
    if (effect->type == CFS_FX_PERSIST) {
        cfs_wal_append(n->wal, &effect->record, effect->lsn);
        n->lsn = effect->lsn;
    } else if (effect->type == CFS_FX_ANSWER) {
        n->error = effect->answer.error;
        n->answered = effect->id;
    } else if (effect->type == CFS_FX_CHECKPOINT) {
        store_checkpoint(n, effect);
    } else if (effect->type == CFS_FX_CAUGHT_UP) {
        cfs_wal_remember(n->wal, 0, 0);
        n->caught_up++;
    }
}

static inline void await_durable(struct node *n)
{
    struct pollfd pollfd = {.fd = cfs_wal_fd(n->wal), .events = POLLIN};
    uint64_t durable;

    cfs_wal_submit(n->wal);
    while (cfs_wal_durable(n->wal, &durable) == 0 && durable < n->lsn)
        assert_int_equal(poll(&pollfd, 1, WAIT_MS), 1);
    assert_true(durable >= n->lsn);
}

/* The event and all that follows from it; the files have nothing to drain. */
static inline void step(struct node *n, struct cfs_event event)
{
    struct cfs_effects effects = {0};
    uint64_t before = n->lsn, checkpoint = 0, drain = 0;

    event.now = event.wall = n->now += CFS_MS(1);
    cfs_core_step(n->core, &event, &effects);
    for (size_t i = 0; i < effects.count; i++) {
        perform_effect(n, &effects.items[i]);
        if (effects.items[i].type == CFS_FX_CHECKPOINT)
            checkpoint = effects.items[i].id;
        if (effects.items[i].type == CFS_FX_DRAIN)
            drain = effects.items[i].id;
    }
    cfs_effects_close(&effects);
    if (n->lsn != before) {
        await_durable(n);
        step(n, (struct cfs_event){.type = CFS_EV_PERSISTED, .lsn = n->lsn});
    }
    if (checkpoint)
        step(n, (struct cfs_event){.type = CFS_EV_CHECKPOINTED, .id = checkpoint});
    if (drain)
        step(n, (struct cfs_event){.type = CFS_EV_DRAINED, .id = drain});
    if (cfs_core_wants_flush(n->core))
        step(n, (struct cfs_event){.type = CFS_EV_FLUSH});
}

static inline struct cfs_core_view view(const struct node *n)
{
    struct cfs_core_view view;

    cfs_core_view(n->core, 0, &view);
    return view;
}

static inline int restore(struct node *n)
{
    struct cfs_core_config config = {.node = 1,
                                     .member_count = 1,
                                     .members = {1},
                                     .groups = n->groups,
                                     .heartbeat = CFS_MS(60),
                                     .lease = CFS_MS(200),
                                     .election = CFS_MS(250),
                                     .session = CFS_SECONDS(3000),
                                     .timeout = CFS_SECONDS(5),
                                     .seed = n->now,
                                     .checkpoint_bytes = n->checkpoint_bytes,
                                     .snapshot_bytes = 1000};
    int rv;

    n->core = cfs_core_new(&config);
    catch_stderr(n->w);
    rv = cfs_restore(n->core, &n->config, &n->origin, &n->w->store, &n->wal);
    release_stderr(n->w);
    n->lsn = n->wal ? cfs_wal_recovered(n->wal) : 0;
    return rv;
}

static inline void await_remembered(const struct node *n)
{
    for (int ms = 0; ms < WAIT_MS && access(path_of(n->w, "amnesia"), F_OK) == 0; ms++)
        poll(NULL, 0, 1);
    assert_int_equal(access(path_of(n->w, "amnesia"), F_OK), -1);
}

static inline void end(struct node *n)
{
    if (n->caught_up)
        await_remembered(n);
    n->caught_up = 0;
    cfs_core_free(n->core);
    close_store(n->w);
    cfs_wal_close(n->wal);
    n->core = NULL;
    n->wal = NULL;
}

static inline void come_back(struct node *n)
{
    if (restore(n) != 0)
        fail_msg("the node should start, but: %s", n->w->said);
}

static inline void refuse(struct node *n, const char *words)
{
    if (restore(n) == 0)
        fail_msg("the node should not start: %s", words);
    assert_said(n->w, words);
    assert_said(n->w, n->w->data);
    end(n);
}

/* Leads, and has a session. */
static inline void serve(struct node *n)
{
    for (int i = 0; i < 10 && !view(n).session; i++) {
        step(n, (struct cfs_event){.type = CFS_EV_TICK});
        n->now += CFS_MS(300);
    }
    assert_true(view(n).serving && view(n).session);
}

static inline enum cfs_error ask(struct node *n, struct cfs_request request)
{
    n->answered = 0;
    step(n, (struct cfs_event){.type = CFS_EV_REQUEST, .id = ++n->last_id, .request = &request});
    assert_int_equal(n->answered, n->last_id);
    return n->error;
}

static inline void hold(struct node *n, const char *prefix, unsigned count)
{
    char name[32];

    for (unsigned i = 1; i <= count; i++) {
        snprintf(name, sizeof(name), "%s%u", prefix, i);
        assert_int_equal(ask(n, bench_lockfile(name)), CFS_OK);
    }
}

/* It leads again, and nothing of what it had is missing. */
static inline void assert_same_after_restart(struct node *n)
{
    struct cfs_core_view before = view(n);

    end(n);
    come_back(n);
    serve(n); /* applies what is in the log */
    assert_true(view(n).term > before.term);
    assert_true(view(n).applied > before.applied);
    assert_int_equal(view(n).held, before.held);
}

static inline int set_up_node(void **state)
{
    struct node *n = calloc(1, sizeof(*n));

    assert_int_equal(set_up((void **)&n->w), 0);
    n->now = CFS_SECONDS(1000);
    n->config.node = 1;
    snprintf(n->config.data, sizeof(n->config.data), "%s", n->w->data);
    snprintf(n->origin.members, sizeof(n->origin.members), "1@here:1");
    *state = n;
    return 0;
}

static inline int tear_down_node(void **state)
{
    struct node *n = *state;

    end(n);
    tear_down((void **)&n->w);
    free(n);
    return 0;
}

#endif
