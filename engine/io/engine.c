/* The shell: turns the world into events, performs effects, in this order each turn of the loop:
 *
 *     readable descriptors and timers -> steps of the core
 *     answers to the files and clients, whose callbacks may ask more
 *     FLUSH: one AppendEntries to each follower that is due for one
 *     messages to the peers           (replication is on its way ...)
 *     the WAL batch to its writer     (... before the local fdatasync starts)
 *
 * Answers, session changes, recalls, drains and collections are kept until the step that ordered
 * them is over: their callbacks may submit, and steps do not nest. */
#include "coordfs/engine.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>

#include "coordfs/config.h"
#include "coordfs/log.h"
#include "core/alloc.h"
#include "io/clock.h"
#include "io/engine_internal.h"
#include "io/process.h"
#include "io/restore.h"

/* Turns that feed on their own output end after this many rounds; the rest waits for the next turn.
 */
#define ROUNDS_MAX 8

static void keep(struct cfs_engine *engine, struct cfs_effect *effect)
{
    *cfs_effects_add(&engine->kept, effect->type) = *effect;
    effect->buffer = NULL;
    effect->owned = NULL;
    if (effect->type == CFS_FX_RECALL)
        effect->recall = NULL;
}

static void persist(struct cfs_engine *engine, const struct cfs_effect *effect, cfs_time now)
{
    const struct cfs_record *record = &effect->record;

    cfs_wal_append(engine->wal, record, effect->lsn);
    if (record->type == CFS_RECORD_ENTRY && record->group == 0)
        cfs_commit_watch_proposed(&engine->commits, record->entry->index, now);
}

static void perform(struct cfs_engine *engine, struct cfs_effect *effect, cfs_time now)
{
    switch (effect->type) {
    case CFS_FX_PERSIST:
        persist(engine, effect, now);
        break;
    case CFS_FX_SEND:
        cfs_transport_send(engine->transport, &effect->message);
        break;
    case CFS_FX_ANSWER:
    case CFS_FX_DRAIN:
    case CFS_FX_COLLECT:
    case CFS_FX_SESSION:
    case CFS_FX_RECALL:
    case CFS_FX_LAPSE:
    case CFS_FX_REMOVED:
        keep(engine, effect);
        break;
    case CFS_FX_NODES:
        cfs_cluster_changed(&engine->cluster);
        break;
    case CFS_FX_CHECKPOINT:
    case CFS_FX_STAGE:
    case CFS_FX_FETCH:
    case CFS_FX_END_FETCH:
    case CFS_FX_READ:
        cfs_checkpoints_perform(engine->checkpoints, effect);
        break;
    case CFS_FX_CAUGHT_UP:
        cfs_wal_remember(engine->wal, (cfs_group_id)effect->id, CFS_GROUPS);
        break;
    }
}

/* Entries of a follower are forgotten here too, in the step that brought them. */
static void watch_commits(struct cfs_engine *engine, cfs_time now)
{
    bool leads;
    uint64_t commit = cfs_core_commit(engine->core, &leads);

    if (leads)
        cfs_commit_watch_committed(&engine->commits, commit, now);
    else
        cfs_commit_watch_forget(&engine->commits);
}

/* The clock is read for each event, after it has come in: a node that was stopped in the middle of
 * a turn must not judge what arrived since by a lease of before. */
void cfs_engine_step(struct cfs_engine *engine, struct cfs_event *event)
{
    event->now = cfs_clock_now();
    event->wall = cfs_clock_wall();
    cfs_core_step(engine->core, event, &engine->effects);
    for (size_t i = 0; i < engine->effects.count; i++)
        perform(engine, &engine->effects.items[i], event->now);
    watch_commits(engine, event->now);
    cfs_effects_clear(&engine->effects);
    engine->stepped = true;
}

static void step_type(struct cfs_engine *engine, enum cfs_event_type type, uint64_t id)
{
    cfs_engine_step(engine, &(struct cfs_event){.type = type, .id = id});
}

static void deliver_answer(void *arg, uint64_t id, const struct cfs_answer *answer)
{
    struct cfs_engine *engine = arg;
    struct cfs_engine_call *call;

    HASH_FIND(hh, engine->calls, &id, sizeof id, call);
    if (!call)
        return;
    HASH_DEL(engine->calls, call);
    call->answer(call->arg, answer);
    free(call);
}

static cfs_session_id current_session(const struct cfs_engine *engine)
{
    struct cfs_core_view view;

    cfs_core_view(engine->core, 0, &view);
    return view.session;
}

static void deliver_session(struct cfs_engine *engine, enum cfs_session_change change)
{
    const struct cfs_files *files = &engine->files;

    cfs_queue_store_session(&engine->queues,
                            change == CFS_SESSION_OPENED ? current_session(engine) : 0);
    if (change == CFS_SESSION_OPENED) {
        cfs_log(CFS_LOG_INFO, "the node has a session: it can serve");
        if (files->session_opened)
            files->session_opened(files->arg);
    } else if (change == CFS_SESSION_LOST) {
        cfs_log(CFS_LOG_WARNING, "the node's session ended: what it held is lost");
        if (files->session_lost)
            files->session_lost(files->arg);
    } else {
        engine->closed = true;
    }
}

static void deliver_removal(struct cfs_engine *engine)
{
    cfs_log(CFS_LOG_WARNING, "this node was removed from the cluster: it ends");
    cfs_loop_stop(engine->loop);
}

static void deliver_collection(struct cfs_engine *engine, uint64_t id)
{
    const struct cfs_stuck_handle *handles = NULL;
    struct cfs_event event = {.type = CFS_EV_STUCK, .id = id};
    struct cfs_event_stuck *stuck = NULL;

    if (engine->files.stuck_handles)
        event.stuck_count = engine->files.stuck_handles(engine->files.arg, &handles);
    if (!handles)
        event.stuck_count = 0;
    stuck = cfs_alloc(event.stuck_count * sizeof *stuck);
    for (uint32_t i = 0; i < event.stuck_count; i++)
        stuck[i] =
            (struct cfs_event_stuck){handles[i].handle, handles[i].waits, handles[i].wait_count};
    event.stuck = stuck;
    cfs_engine_step(engine, &event);
    free(stuck);
}

static void add_drain(struct cfs_engine *engine, uint64_t id)
{
    engine->drains = cfs_array_room(engine->drains, engine->drain_count, &engine->drain_capacity,
                                    sizeof *engine->drains);
    engine->drains[engine->drain_count++] = id;
}

static void check_drains(struct cfs_engine *engine)
{
    size_t count;

    if (!engine->draining)
        engine->draining = engine->drain_count;
    if (!engine->draining || (engine->files.drained && !engine->files.drained(engine->files.arg)))
        return;
    count = engine->draining;
    engine->draining = 0;
    /* Those that came in meanwhile are for the next time. */
    for (size_t i = 0; i < count; i++)
        step_type(engine, CFS_EV_DRAINED, engine->drains[i]);
    engine->drain_count -= count;
    memmove(engine->drains, engine->drains + count, engine->drain_count * sizeof *engine->drains);
}

static void deliver_kept(struct cfs_engine *engine)
{
    struct cfs_effects batch = engine->kept;

    engine->kept = (struct cfs_effects){0};
    for (size_t i = 0; i < batch.count; i++) {
        struct cfs_effect *effect = &batch.items[i];
        if (effect->type == CFS_FX_ANSWER)
            deliver_answer(engine, effect->id, &effect->answer);
        else if (effect->type == CFS_FX_SESSION)
            deliver_session(engine, effect->session);
        else if (effect->type == CFS_FX_REMOVED)
            deliver_removal(engine);
        else if (effect->type == CFS_FX_DRAIN)
            add_drain(engine, effect->id);
        else if (effect->type == CFS_FX_RECALL)
            cfs_engine_recall(engine, effect->recall);
        else if (effect->type == CFS_FX_LAPSE)
            cfs_engine_lapse(engine, &effect->lapse);
        else
            deliver_collection(engine, effect->id);
    }
    cfs_effects_close(&batch);
    check_drains(engine);
}

static bool more_to_read(const struct cfs_engine *engine)
{
    for (size_t i = 0; i < CFS_WATCHES_MAX; i++)
        if (engine->watches[i].fd >= 0 && engine->watches[i].more)
            return true;
    return false;
}

static void turn_end(void *arg)
{
    struct cfs_engine *engine = arg;

    for (size_t i = 0; i < CFS_WATCHES_MAX; i++)
        if (engine->watches[i].fd >= 0 && engine->watches[i].more)
            engine->watches[i].more = engine->watches[i].fn(engine->watches[i].arg);
    /* Once even without a step: transport and server have timers of their own. */
    for (int round = 0; round == 0 || (engine->stepped && round < ROUNDS_MAX); round++) {
        engine->stepped = false;
        deliver_kept(engine);
        if (cfs_core_wants_flush(engine->core))
            step_type(engine, CFS_EV_FLUSH, 0);
        cfs_cluster_look(&engine->cluster, engine->core, engine->transport);
        cfs_transport_flush(engine->transport);
        cfs_http_server_flush(engine->server);
        cfs_wal_submit(engine->wal);
        cfs_queue_store_flush(&engine->queues);
    }
    if (engine->closed && cfs_queue_store_has_left(&engine->queues))
        cfs_loop_stop(engine->loop);
    cfs_timer_set(engine->loop, &engine->tick,
                  engine->stepped || more_to_read(engine) ? 0 : cfs_core_deadline(engine->core));
}

static void on_tick(void *arg)
{
    step_type(arg, CFS_EV_TICK, 0);
}

static void tell_of_room(struct cfs_engine *engine)
{
    bool full = cfs_wal_is_full(engine->wal);

    if (full == engine->full)
        return;
    engine->full = full;
    if (full)
        cfs_log(CFS_LOG_WARNING,
                "the disk of %s is full: the node takes nothing new until there is room",
                engine->config->data);
    else
        cfs_log(CFS_LOG_INFO, "the disk of %s has room again", engine->config->data);
    cfs_engine_step(engine, &(struct cfs_event){.type = CFS_EV_DISK, .full = full});
}

static void on_look(void *arg)
{
    struct cfs_engine *engine = arg;
    struct cfs_core_view view;
    char sentence[CFS_LEADERLESS_BYTES];

    cfs_core_view(engine->core, 0, &view);
    if (cfs_leaderless_look(&engine->leaderless, &view, cfs_clock_now(), sentence))
        cfs_log(CFS_LOG_WARNING, "%s", sentence);
    cfs_timer_set(engine->loop, &engine->look, cfs_clock_now() + CFS_SECONDS(1));
}

static void on_durable(void *arg, uint32_t events)
{
    struct cfs_engine *engine = arg;
    struct cfs_event event = {.type = CFS_EV_PERSISTED};

    (void)events;
    if (cfs_wal_durable(engine->wal, &event.lsn) == 0) {
        cfs_engine_step(engine, &event);
        tell_of_room(engine);
        return;
    }
    cfs_log(CFS_LOG_ERROR, "the log in %s cannot be written: the node stops", engine->config->data);
    engine->failed = true;
    cfs_loop_stop(engine->loop);
}

static void on_stored(void *arg, struct cfs_event *event)
{
    cfs_engine_step(arg, event);
}

static void on_saved(void *arg, uint64_t order, uint64_t led)
{
    struct cfs_engine *engine = arg;

    cfs_backups_saved(engine->backups, order, led);
}

static void on_read(void *arg, uint64_t number, const struct cfs_store_done *done)
{
    struct cfs_engine *engine = arg;

    cfs_backups_fetched(engine->backups, number, done);
}

static void on_save(void *arg)
{
    step_type(arg, CFS_EV_SAVE, 0);
}

static void on_hold_moves(void *arg, cfs_time until)
{
    cfs_engine_step(arg, &(struct cfs_event){.type = CFS_EV_HOLD_MOVES, .until = until});
}

static void on_store_failed(void *arg)
{
    struct cfs_engine *engine = arg;

    engine->failed = true;
    cfs_loop_stop(engine->loop);
}

static void on_message(void *arg, struct cfs_message *message)
{
    cfs_engine_step(arg, &(struct cfs_event){.type = CFS_EV_MESSAGE, .message = message});
}

static void on_refused(void *arg, cfs_node_id peer)
{
    cfs_engine_step(arg, &(struct cfs_event){.type = CFS_EV_REFUSED, .peer = peer});
}

static void on_unreachable(void *arg, cfs_node_id peer)
{
    cfs_engine_step(arg, &(struct cfs_event){.type = CFS_EV_UNREACHABLE, .peer = peer});
}

static void on_http(void *arg, struct cfs_http_request *request)
{
    struct cfs_engine *engine = arg;

    if (strncmp(cfs_http_path(request), "/raft/", 6) != 0) {
        cfs_http_api_handle(engine->api, request);
    } else {
        if (cfs_http_authorized(request))
            engine->raft_requests++;
        else
            engine->raft_refused++;
        cfs_transport_receive(engine->transport, request);
    }
}

/* A session that has lapsed is noticed by the next event. */
static cfs_session_id on_store_asks_session(void *arg)
{
    struct cfs_engine *engine = arg;

    step_type(engine, CFS_EV_TICK, 0);
    return current_session(engine);
}

static enum cfs_session_fate on_store_asks_fate(void *arg, cfs_node_id node, cfs_session_id session)
{
    const struct cfs_engine *engine = arg;

    return cfs_session_fate(engine->core, node, session);
}

static void on_trace(void *arg, const char *sentence)
{
    (void)arg;
    cfs_log(CFS_LOG_DEBUG, "%s", sentence);
}

static struct cfs_core *new_core(const struct cfs_cluster *cluster)
{
    const struct cfs_config *config = cluster->config;
    struct cfs_core_config core = {.node = config->node,
                                   .groups = CFS_GROUPS,
                                   .heartbeat = CFS_MS(config->heartbeat_ms),
                                   .lease = CFS_MS(config->lease_ms),
                                   .election = CFS_MS(config->election_ms),
                                   .session = CFS_MS(config->session_ms),
                                   .timeout = CFS_MS(config->timeout_ms),
                                   .cache_lease = CFS_MS(config->cache_lease_ms),
                                   .checkpoint_bytes = (uint64_t)config->checkpoint_kb * 1024,
                                   .snapshot_bytes = CFS_SNAPSHOT_BYTES,
                                   .trace = cfs_log_wants(CFS_LOG_DEBUG) ? on_trace : NULL};

    cfs_cluster_found(cluster, &core);
    if (getrandom(&core.seed, sizeof core.seed, 0) != sizeof core.seed)
        return NULL;
    return cfs_core_new(&core);
}

static int open_store(struct cfs_engine *engine)
{
    const struct cfs_queue_store_events events = {.arg = engine,
                                                  .answer = deliver_answer,
                                                  .session = on_store_asks_session,
                                                  .fate = on_store_asks_fate};

    return cfs_queue_store_open(&engine->queues, engine->loop, engine->config,
                                cfs_cluster_id(&engine->cluster), &events);
}

static int cannot_start(void)
{
    cfs_log(CFS_LOG_ERROR, "the node cannot start: %s", strerror(errno));
    return -1;
}

static int open_parts(struct cfs_engine *engine)
{
    const struct cfs_config *config = engine->config;
    struct cfs_transport_events events = {
        .arg = engine, .message = on_message, .refused = on_refused, .unreachable = on_unreachable};

    struct cfs_backups_events backups = {
        .arg = engine, .save = on_save, .hold_moves = on_hold_moves};
    struct cfs_checkpoints_events stored = {.arg = engine,
                                            .event = on_stored,
                                            .failed = on_store_failed,
                                            .saved = on_saved,
                                            .read = on_read};

    engine->loop = cfs_loop_new();
    if (!engine->loop)
        return cannot_start();
    /* Before a cluster is joined: who cannot listen has nothing to do there. */
    engine->server = cfs_http_server_new(engine->loop, config, on_http, engine);
    if (!engine->server || cfs_cluster_open(&engine->cluster, config) != 0)
        return -1;
    engine->core = new_core(&engine->cluster);
    if (!engine->core)
        return cannot_start();
    if (cfs_restore(engine->core, config, &engine->cluster.origin, &engine->store, &engine->wal) !=
        0)
        return -1;
    engine->checkpoints = cfs_checkpoints_new(engine->loop, engine->store, engine->wal, &stored);
    engine->transport =
        cfs_transport_new(engine->loop, config, cfs_cluster_id(&engine->cluster), &events);
    engine->api = cfs_http_api_new(engine, engine->loop, config);
    if (!engine->checkpoints || !engine->transport || !engine->api || open_store(engine) != 0)
        return -1;
    engine->backups = cfs_backups_new(engine->loop, engine->checkpoints, config->node, &backups);
    cfs_http_api_set_backups(engine->api, engine->backups);
    cfs_cluster_begin(&engine->cluster, engine->transport);
    return cfs_loop_watch(engine->loop, cfs_wal_fd(engine->wal), EPOLLIN, on_durable, engine);
}

int cfs_engine_open(struct cfs_engine **out, const struct cfs_config *config)
{
    struct cfs_engine *engine = cfs_alloc_zeroed(1, sizeof *engine);

    cfs_process_return_memory();
    engine->config = config;
    for (size_t i = 0; i < CFS_WATCHES_MAX; i++)
        engine->watches[i].fd = -1;
    engine->started = cfs_clock_now();
    engine->tick = (struct cfs_timer){.fn = on_tick, .arg = engine};
    engine->look = (struct cfs_timer){.fn = on_look, .arg = engine};
    if (open_parts(engine) != 0) {
        cfs_engine_close(engine);
        return -1;
    }
    cfs_loop_set_turn_end(engine->loop, turn_end, engine);
    cfs_timer_set(engine->loop, &engine->tick, 0);
    cfs_timer_set(engine->loop, &engine->look, 0);
    *out = engine;
    return 0;
}

void cfs_engine_set_files(struct cfs_engine *engine, const struct cfs_files *files)
{
    engine->files = *files;
}

static void on_watch(void *arg, uint32_t events)
{
    struct cfs_watch *watch = arg;

    (void)events;
    watch->more = watch->fn(watch->arg);
}

static struct cfs_watch *watch_of(struct cfs_engine *engine, int fd)
{
    for (size_t i = 0; i < CFS_WATCHES_MAX; i++)
        if (engine->watches[i].fd == fd)
            return &engine->watches[i];
    return NULL;
}

int cfs_engine_watch(struct cfs_engine *engine, int fd, cfs_readable_fn fn, void *arg)
{
    struct cfs_watch *watch = watch_of(engine, -1);
    int error;

    if (!watch)
        return -EMFILE;
    *watch = (struct cfs_watch){.engine = engine, .fd = fd, .fn = fn, .arg = arg};
    error = cfs_loop_watch(engine->loop, fd, EPOLLIN, on_watch, watch);
    if (error)
        watch->fd = -1;
    return error;
}

void cfs_engine_unwatch(struct cfs_engine *engine, int fd)
{
    struct cfs_watch *watch = fd >= 0 ? watch_of(engine, fd) : NULL;

    if (!watch)
        return;
    cfs_loop_unwatch(engine->loop, fd);
    watch->fd = -1;
    watch->more = false;
}

int cfs_engine_run(struct cfs_engine *engine)
{
    cfs_loop_run(engine->loop);
    return engine->failed ? -1 : 0;
}

void cfs_engine_stop(struct cfs_engine *engine)
{
    cfs_loop_stop(engine->loop);
}

static void on_leave_timeout(void *arg)
{
    struct cfs_engine *engine = arg;

    cfs_loop_stop(engine->loop);
}

int cfs_engine_leave(struct cfs_engine *engine, uint32_t timeout_ms)
{
    struct cfs_timer timer = {.fn = on_leave_timeout, .arg = engine};

    if (engine->failed)
        return -1;
    cfs_timer_set(engine->loop, &timer, cfs_clock_now() + CFS_MS(timeout_ms));
    cfs_queue_store_leave(&engine->queues);
    step_type(engine, CFS_EV_LEAVE, 0);
    cfs_loop_run(engine->loop);
    cfs_timer_cancel(engine->loop, &timer);
    return engine->closed ? 0 : -1;
}

uint64_t cfs_engine_submit(struct cfs_engine *engine, const struct cfs_request *request,
                           cfs_answer_fn answer, void *arg)
{
    struct cfs_engine_call *call = cfs_alloc_zeroed(1, sizeof *call);
    uint64_t id = ++engine->last_id;
    bool in_store = cfs_queue_store_takes(&engine->queues, request->op);

    *call = (struct cfs_engine_call){.id = id, .in_store = in_store, .answer = answer, .arg = arg};
    HASH_ADD(hh, engine->calls, id, sizeof call->id, call);
    if (in_store)
        engine->queues.submit(engine->queues.self, id, request);
    else
        cfs_engine_step(engine,
                        &(struct cfs_event){.type = CFS_EV_REQUEST, .id = id, .request = request});
    return id;
}

void cfs_engine_cancel(struct cfs_engine *engine, uint64_t id)
{
    struct cfs_engine_call *call;

    HASH_FIND(hh, engine->calls, &id, sizeof id, call);
    if (!call || !call->in_store)
        step_type(engine, CFS_EV_CANCEL, id);
    else
        engine->queues.cancel(engine->queues.self, id);
}

bool cfs_engine_available(const struct cfs_engine *engine)
{
    struct cfs_core_view view;

    cfs_core_view(engine->core, 0, &view);
    return view.available && view.session;
}

bool cfs_engine_in_touch(const struct cfs_engine *engine)
{
    return cfs_core_in_touch(engine->core, cfs_clock_now());
}

void cfs_engine_close(struct cfs_engine *engine)
{
    struct cfs_engine_call *call, *next;

    if (!engine)
        return;
    cfs_backups_free(engine->backups);
    if (engine->api)
        cfs_http_api_free(engine->api);
    cfs_queue_store_close(&engine->queues);
    if (engine->transport)
        cfs_transport_free(engine->transport);
    if (engine->server)
        cfs_http_server_free(engine->server);
    cfs_checkpoints_free(engine->checkpoints);
    cfs_store_close(engine->store);
    if (engine->wal)
        cfs_wal_close(engine->wal);
    cfs_cluster_close(&engine->cluster);
    cfs_core_free(engine->core);
    HASH_ITER (hh, engine->calls, call, next) {
        HASH_DEL(engine->calls, call);
        free(call);
    }
    cfs_effects_close(&engine->effects);
    cfs_effects_close(&engine->kept);
    free(engine->drains);
    if (engine->loop)
        cfs_loop_free(engine->loop);
    free(engine);
}
