/* Changes go one at a time: the next is handed to the store when the one before is durable, so a
 * disk that has filled up leaves a queue in order, and nothing lands whose predecessor did not.
 * Reads wait for nobody. */
#include "io/checkpoints.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <utlist.h>

#include "coordfs/log.h"
#include "core/alloc.h"
#include "io/clock.h"

#define RETRY_AFTER CFS_SECONDS(1)

/* A checkpoint or a stage that is not durable yet. */
struct change {
    struct cfs_effect effect;
    struct cfs_wal_begin wal; /* CHECKPOINT: the log's beginning once it is durable */
    struct change *prev, *next;
};

struct cfs_checkpoints {
    struct cfs_loop *loop;
    struct cfs_store *store;
    struct cfs_wal *wal;
    struct cfs_checkpoints_events events;
    struct change *changes; /* the first one is with the store, or waits for room */
    struct cfs_timer retry;
    bool complained; /* that there is no room */
    bool watching;
};

static struct cfs_store_part copy_part(const struct cfs_part *part)
{
    return (struct cfs_store_part){.group = part->group,
                                   .head = cfs_alloc_copy(part->head.data, part->head.len),
                                   .head_len = (uint32_t)part->head.len,
                                   .pieces = cfs_alloc_copy(part->pieces.data, part->pieces.len),
                                   .pieces_len = part->pieces.len};
}

/* The store gets copies: what it could not do it has to be asked again. */
static void hand_over(struct cfs_checkpoints *c)
{
    const struct cfs_effect *effect = &c->changes->effect;
    bool stage = effect->type == CFS_FX_STAGE;
    uint32_t count = stage ? 1 : effect->checkpoint.part_count;
    const struct cfs_part *parts = stage ? &effect->stage.part : effect->checkpoint.parts;
    struct cfs_store_job job = {.kind = stage ? CFS_STORE_STAGE : CFS_STORE_CHECKPOINT,
                                .id = effect->id,
                                .part_count = count,
                                .parts = cfs_alloc(count * sizeof *job.parts)};

    for (uint32_t i = 0; i < count; i++)
        job.parts[i] = copy_part(&parts[i]);
    if (stage) {
        job.first = effect->stage.first;
        job.last = effect->stage.last;
    } else {
        job.wal = c->changes->wal;
    }
    cfs_store_submit(c->store, &job);
}

static void change_free(struct change *change)
{
    if (change->effect.type == CFS_FX_STAGE)
        cfs_part_clear(&change->effect.stage.part);
    else
        cfs_checkpoint_clear(&change->effect.checkpoint);
    free(change);
}

static void add_change(struct cfs_checkpoints *c, struct cfs_effect *effect)
{
    struct change *change = cfs_alloc_zeroed(1, sizeof *change);
    bool first = !c->changes;

    change->effect = *effect;
    if (effect->type == CFS_FX_STAGE) {
        effect->stage = (struct cfs_stage){0};
    } else {
        change->wal = cfs_wal_begin_for(c->wal, effect->checkpoint.keep_lsn);
        effect->checkpoint = (struct cfs_checkpoint){0};
    }
    DL_APPEND(c->changes, change);
    if (first)
        hand_over(c);
}

static void get(struct cfs_read *read, struct cfs_store_job *job)
{
    job->kind = CFS_STORE_GET;
    job->group = read->group;
    job->keys = read->keys.data;
    job->keys_len = read->keys.len;
    read->keys = (struct cfs_writer){0};
}

void cfs_checkpoints_perform(struct cfs_checkpoints *c, struct cfs_effect *effect)
{
    struct cfs_store_job job = {.transfer = effect->id, .id = effect->id};

    if (effect->type == CFS_FX_CHECKPOINT || effect->type == CFS_FX_STAGE) {
        add_change(c, effect);
        return;
    }
    job.kind = effect->type == CFS_FX_FETCH ? CFS_STORE_READ : CFS_STORE_END_READ;
    if (effect->type == CFS_FX_FETCH) {
        job.group = effect->fetch.group;
        job.bytes = effect->fetch.bytes;
    }
    if (effect->type == CFS_FX_READ)
        get(&effect->read, &job);
    cfs_store_submit(c->store, &job);
}

static void on_retry(void *arg)
{
    hand_over(arg);
}

static void postpone(struct cfs_checkpoints *c)
{
    if (!c->complained)
        cfs_log(CFS_LOG_WARNING, "no room on the disk for a checkpoint: the log is kept meanwhile");
    c->complained = true;
    cfs_timer_set(c->loop, &c->retry, cfs_clock_now() + RETRY_AFTER);
}

static void change_done(struct cfs_checkpoints *c, const struct cfs_store_done *done)
{
    struct change *change = c->changes;
    bool stage = done->kind == CFS_STORE_STAGE;
    struct cfs_event event = {.type = stage ? CFS_EV_STAGED : CFS_EV_CHECKPOINTED, .id = done->id};

    if (!change || change->effect.id != done->id)
        return;
    if (done->error == -ENOSPC) {
        postpone(c);
        return;
    }
    if (done->error != 0) {
        cfs_log(CFS_LOG_ERROR, "a checkpoint cannot be written: %s", strerror(-done->error));
        c->events.failed(c->events.arg);
        return;
    }
    c->complained = false;
    DL_DELETE(c->changes, change);
    if (!stage)
        cfs_wal_trim(c->wal, change->wal);
    change_free(change);
    if (c->changes)
        hand_over(c);
    c->events.event(c->events.arg, &event);
}

static void read_done(struct cfs_checkpoints *c, struct cfs_store_done *done)
{
    struct cfs_fetched fetched = {.transfer = done->id, .last = done->done};
    struct cfs_event event = {.type = CFS_EV_FETCHED, .fetched = &fetched};

    fetched.part.head = (struct cfs_writer){done->head, done->head_len, done->head_len};
    fetched.part.pieces = (struct cfs_writer){done->pieces, done->pieces_len, done->pieces_len};
    c->events.event(c->events.arg, &event);
    cfs_part_clear(&fetched.part);
}

/* What cannot be read here others have. */
static void get_done(struct cfs_checkpoints *c, struct cfs_store_done *done)
{
    struct cfs_read_pieces read = {
        .id = done->id, .group = done->group, .data = done->pieces, .len = done->pieces_len};
    struct cfs_event event = {.type = CFS_EV_READ, .read = &read};

    if (done->error != 0) {
        cfs_log(CFS_LOG_ERROR, "a message cannot be read: %s: the node stops",
                strerror(-done->error));
        c->events.failed(c->events.arg);
    } else {
        c->events.event(c->events.arg, &event);
    }
    free(done->pieces);
}

static void on_store(void *arg, uint32_t events)
{
    struct cfs_checkpoints *c = arg;
    struct cfs_store_done done;

    (void)events;
    while (cfs_store_take(c->store, &done)) {
        if (done.kind == CFS_STORE_READ)
            read_done(c, &done);
        else if (done.kind == CFS_STORE_GET)
            get_done(c, &done);
        else if (done.kind != CFS_STORE_END_READ)
            change_done(c, &done);
    }
    if (cfs_store_failed(c->store))
        c->events.failed(c->events.arg);
}

struct cfs_checkpoints *cfs_checkpoints_new(struct cfs_loop *loop, struct cfs_store *store,
                                            struct cfs_wal *wal,
                                            const struct cfs_checkpoints_events *events)
{
    struct cfs_checkpoints *c = cfs_alloc_zeroed(1, sizeof *c);

    *c = (struct cfs_checkpoints){.loop = loop,
                                  .store = store,
                                  .wal = wal,
                                  .events = *events,
                                  .retry = {.fn = on_retry, .arg = c}};
    if (cfs_loop_watch(loop, cfs_store_fd(store), EPOLLIN, on_store, c) == 0) {
        c->watching = true;
        return c;
    }
    cfs_log(CFS_LOG_ERROR, "cannot watch the checkpoint store");
    cfs_checkpoints_free(c);
    return NULL;
}

void cfs_checkpoints_free(struct cfs_checkpoints *c)
{
    struct change *change, *next;

    if (!c)
        return;
    cfs_timer_cancel(c->loop, &c->retry);
    if (c->watching)
        cfs_loop_unwatch(c->loop, cfs_store_fd(c->store));
    DL_FOREACH_SAFE (c->changes, change, next)
        change_free(change);
    free(c);
}
