/* The loop around a core: timers that come late, flushes, syncs, effects in their order. */
#include "node.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/raft.h" /* CFS_CLOCK_GUARD */
#include "sim.h"

/* Wall clocks are set, forwards and back: nothing may depend on them. */
static void set_wall_clock(struct sim *sim, struct sim_node *node)
{
    cfs_time range =
        sim_random_chance(&sim->random_node, 500) ? CFS_SECONDS(10) : CFS_SECONDS(100000);

    node->wall_base = CFS_SECONDS(1700000000) + sim_random_below(&sim->random_node, range);
}

void sim_node_init(struct sim *sim, struct sim_node *node, cfs_node_id id)
{
    struct sim_random *random = &sim->random_node;
    uint64_t drift = sim_random_below(random, 2 * sim->swarm.drift_ppm_max + 1);

    *node = (struct sim_node){.id = id, .tick_at = CFS_NEVER};
    sim_disk_replace(&node->disk);
    node->clock =
        (struct sim_clock){.node_base = CFS_SECONDS(sim_random_between(random, 1, 100000)),
                           .drift_ppm = (int64_t)drift - (int64_t)sim->swarm.drift_ppm_max};
    set_wall_clock(sim, node);
    sim_kernel_init(&node->kernel, sim, node);
}

void sim_node_close(struct sim_node *node)
{
    cfs_core_free(node->core);
    cfs_effects_close(&node->effects);
    sim_jobs_close(&node->jobs);
    sim_disk_close(&node->disk);
    sim_kernel_close(&node->kernel);
    sim_files_close(node);
}

cfs_time sim_node_time(const struct sim *sim, const struct sim_node *node)
{
    int64_t elapsed = (int64_t)(sim->world.now - node->clock.true_base);

    return node->clock.node_base + (cfs_time)(elapsed + elapsed * node->clock.drift_ppm / 1000000);
}

cfs_time sim_node_true_time(const struct sim_node *node, cfs_time at)
{
    int64_t elapsed = (int64_t)(at - node->clock.node_base);

    if (at <= node->clock.node_base)
        return node->clock.true_base;
    return node->clock.true_base +
           (cfs_time)(elapsed * 1000000 / (1000000 + node->clock.drift_ppm)) + 1;
}

cfs_time sim_node_lease_end(const struct sim *sim, const struct sim_node *node)
{
    cfs_time session = sim->swarm.sessions[node->id - 1];

    if (!node->lease_seen)
        return 0;
    return sim_node_true_time(node, node->lease_seen + session - CFS_CLOCK_GUARD(session)) - 1;
}

/* Timers. */

static void tick(struct sim *sim, void *arg, uint64_t number);

static void set_timer(struct sim *sim, struct sim_node *node)
{
    cfs_time due = cfs_core_deadline(node->core), at;

    if (due == CFS_NEVER)
        return;
    at = sim_node_true_time(node, due);
    if (at < sim->world.now)
        at = sim->world.now;
    if (at >= node->tick_at)
        return;
    node->tick_at = at;
    at += 1 + sim_random_below(&sim->random_node, sim->swarm.lateness_max);
    sim_at(sim, at, tick, node, ++node->tick_number);
}

static void tick(struct sim *sim, void *arg, uint64_t number)
{
    struct sim_node *node = arg;
    struct cfs_event event = {.type = CFS_EV_TICK};

    if (number != node->tick_number)
        return;
    node->tick_at = CFS_NEVER;
    if (node->state != SIM_UP)
        return;
    if (cfs_core_deadline(node->core) <= sim_node_time(sim, node))
        sim_node_event(sim, node, node->life, &event);
    else
        set_timer(sim, node);
}

static void flush(struct sim *sim, void *arg, uint64_t life)
{
    struct sim_node *node = arg;
    struct cfs_event event = {.type = CFS_EV_FLUSH};

    if (life != node->life)
        return;
    node->flush_coming = false;
    sim_node_event(sim, node, life, &event);
}

static void set_flush(struct sim *sim, struct sim_node *node)
{
    if (node->flush_coming || !cfs_core_wants_flush(node->core))
        return;
    node->flush_coming = true;
    sim_at(sim, sim->world.now + sim_random_below(&sim->random_node, 100), flush, node, node->life);
}

/* The disk. */

static void synced(struct sim *sim, void *arg, uint64_t count);

static void begin_sync(struct sim *sim, struct sim_node *node)
{
    struct sim_random *random = &sim->random_node;
    const struct sim_swarm *swarm = &sim->swarm;
    cfs_time takes = sim_random_between(random, swarm->sync_min, swarm->sync_max);

    if (node->syncing || node->disk.durable == node->disk.count)
        return;
    if (!sim_quiet(sim) && sim_random_chance(random, swarm->stall_permille))
        takes = sim_random_between(random, swarm->sync_max, swarm->stall_max);
    if (sim->world.now >= node->used_up_at && sim->world.now < node->full_until)
        takes += node->full_until - sim->world.now;
    node->syncing = true;
    /* A life has fewer than 2^24 records, a run fewer than 2^40 lives. */
    sim_at(sim, sim->world.now + takes, synced, node, node->life << 24 | sim_disk_lsn(&node->disk));
}

static void synced(struct sim *sim, void *arg, uint64_t value)
{
    struct sim_node *node = arg;
    struct cfs_event event = {.type = CFS_EV_PERSISTED};

    if (value >> 24 != node->life)
        return;
    if (node->state == SIM_PAUSED) {
        sim_at(sim, node->resume_at + 1, synced, node, value);
        return;
    }
    node->syncing = false;
    if (node->sync_fails) {
        sim_say(sim, "n%u cannot sync: it stops", node->id);
        sim_node_crash(sim, node);
        sim_nemesis_stopped(sim, node);
        return;
    }
    event.lsn = sim_disk_sync(&node->disk, value & 0xffffff);
    sim_node_event(sim, node, node->life, &event);
}

static bool is_full(const struct sim *sim, const struct sim_node *node)
{
    return sim->world.now < node->full_until;
}

static void tell_of_room(struct sim *sim, void *arg, uint64_t life)
{
    struct sim_node *node = arg;
    struct cfs_event event = {.type = CFS_EV_DISK, .full = is_full(sim, node)};

    if (life == node->life && node->state == SIM_PAUSED)
        sim_at(sim, node->resume_at + 1, tell_of_room, node, life);
    else
        sim_node_event(sim, node, life, &event);
}

void sim_node_fill(struct sim *sim, struct sim_node *node, cfs_time until)
{
    if (node->state != SIM_UP || is_full(sim, node))
        return;
    sim_say(sim, "the disk of n%u is full for %" PRIu64 " ms", node->id,
            (until - sim->world.now) / 1000);
    node->full_until = until;
    node->used_up_at =
        sim->world.now + sim_random_below(&sim->random_node, 2 * (until - sim->world.now) + 1);
    tell_of_room(sim, node, node->life);
    sim_at(sim, until, tell_of_room, node, node->life);
}

/* Effects. */

static void session_effect(struct sim *sim, struct sim_node *node, enum cfs_session_change change)
{
    static const char *const words[] = {[CFS_SESSION_OPENED] = "opened",
                                        [CFS_SESSION_LOST] = "lost",
                                        [CFS_SESSION_CLOSED] = "closed"};

    sim_say(sim, "n%u session %s", node->id, words[change]);
    node->session = change == CFS_SESSION_OPENED;
    node->lease_seen = 0;
    if (change == CFS_SESSION_OPENED)
        sim_locks_session_opened(sim, node);
    if (change == CFS_SESSION_LOST) {
        sim_locks_node_lost(sim, node);
        sim_kernel_session_lost(&node->kernel);
    }
    if (change == CFS_SESSION_CLOSED && node->leaving)
        sim_node_leave(sim, node, sim->world.now);
}

static void send_effect(struct sim *sim, struct sim_node *node, struct cfs_message *message)
{
    message->from = node->id;
    sim_say(sim, "n%u -> n%u %s term %" PRIu64, node->id, message->to,
            cfs_message_type_name(message->type), message->term);
    sim_raft_sent(sim, message);
    sim_locks_session_asked(sim, node, message);
    sim_workers_sent(sim, node, message);
    sim_nemesis_sent(sim, node, message);
    sim_network_send(sim, message);
}

static void perform(struct sim *sim, struct sim_node *node, struct cfs_effect *effect)
{
    switch (effect->type) {
    case CFS_FX_PERSIST:
        sim_disk_append(&node->disk, &effect->record, effect->lsn);
        effect->record.entry = NULL;
        break;
    case CFS_FX_SEND:
        send_effect(sim, node, &effect->message);
        break;
    case CFS_FX_ANSWER:
        if (effect->id < SIM_GUEST_ID)
            sim_kernel_answered(&node->kernel, effect->id, &effect->answer);
        else if (effect->id < SIM_WORKER_ID)
            sim_guests_answered(sim, node, effect->id, effect->answer.error);
        else if (effect->id < SIM_CACHER_ID)
            sim_workers_answered(sim, node, effect->id, &effect->answer);
        else if (effect->id < SIM_ADMIN_ID)
            sim_cachers_answered(sim, node, effect->id, &effect->answer);
        break;
    case CFS_FX_DRAIN:
        sim_kernel_drain(&node->kernel, effect->id);
        break;
    case CFS_FX_COLLECT:
        sim_kernel_collect(&node->kernel, effect->id);
        break;
    case CFS_FX_SESSION:
        session_effect(sim, node, effect->session);
        break;
    case CFS_FX_CHECKPOINT:
    case CFS_FX_STAGE:
    case CFS_FX_FETCH:
    case CFS_FX_END_FETCH:
    case CFS_FX_READ:
        sim_jobs_add(sim, node, effect);
        break;
    case CFS_FX_NODES:
        break;
    case CFS_FX_RECALL:
        sim_files_recall(sim, node, effect->recall);
        break;
    case CFS_FX_LAPSE:
        sim_files_lapse(sim, node, &effect->lapse);
        break;
    case CFS_FX_REMOVED:
        sim_members_removed(sim, node);
        break;
    case CFS_FX_CAUGHT_UP:
        node->disk.amnesia[effect->id] = CFS_REMEMBERS;
        break;
    }
}

/* What the checkers may know of the node's lease before the core sees the message. */
static void notice(struct sim_node *node, const struct cfs_event *event)
{
    const struct cfs_message *message = event->message;

    if (event->type != CFS_EV_MESSAGE || message->type != CFS_MSG_KEEPALIVE_REPLY)
        return;
    if (message->keepalive_reply.known && node->session &&
        message->keepalive_reply.session == node->view.session &&
        message->keepalive_reply.sent > node->lease_seen)
        node->lease_seen = message->keepalive_reply.sent;
}

void sim_node_event(struct sim *sim, struct sim_node *node, uint64_t life, struct cfs_event *event)
{
    if (node->life != life || node->state != SIM_UP)
        return;
    event->now = sim_node_time(sim, node);
    event->wall = node->wall_base + sim->world.now;
    sim_mix(sim, sim->world.now << 8 | node->id << 4 | event->type);
    node->last_seen = event->now;
    notice(node, event);
    cfs_core_step(node->core, event, &node->effects);
    for (cfs_group_id group = 0; group <= sim->swarm.groups; group++)
        cfs_core_view(node->core, group, &node->views[group]);
    node->view = node->views[0];
    sim_mix(sim, node->effects.count);
    sim_raft_check(sim, node);
    sim_live_stepped(sim, node);
    for (size_t i = 0; i < node->effects.count; i++)
        perform(sim, node, &node->effects.items[i]);
    cfs_effects_clear(&node->effects);
    sim_locks_node_stepped(sim, node);
    set_timer(sim, node);
    set_flush(sim, node);
    begin_sync(sim, node);
}

/* Life and death. */

static void core_trace(void *arg, const char *sentence)
{
    struct sim_node *node = arg;

    sim_say(node->kernel.sim, "n%u: %s", node->id, sentence);
}

static struct cfs_core_config core_config(struct sim *sim, struct sim_node *node)
{
    const struct sim_swarm *swarm = &sim->swarm;
    struct cfs_core_config config = {.node = node->id,
                                     .member_count = node->joined ? 0 : swarm->member_count,
                                     .addresses = sim->addresses,
                                     .heartbeat = swarm->heartbeat,
                                     .lease = swarm->lease,
                                     .election = swarm->election,
                                     .session = swarm->sessions[node->id - 1],
                                     .timeout = swarm->timeout,
                                     .groups = swarm->groups,
                                     .cache_lease = swarm->cache_lease,
                                     .seed = sim_random_next(&sim->random_node),
                                     .checkpoint_bytes = swarm->checkpoint_bytes,
                                     .snapshot_bytes = swarm->snapshot_bytes,
                                     .trace = sim->world.trace ? core_trace : NULL,
                                     .trace_arg = node};

    for (uint32_t i = 0; i < config.member_count; i++)
        config.members[i] = i + 1;
    return config;
}

static void restart_clock(struct sim *sim, struct sim_node *node)
{
    node->clock.node_base = CFS_SECONDS(sim_random_between(&sim->random_node, 1, 30));
    node->clock.true_base = sim->world.now;
}

void sim_node_start(struct sim *sim, struct sim_node *node, bool reboot)
{
    struct cfs_core_config config = core_config(sim, node);
    struct cfs_event event = {.type = CFS_EV_TICK};
    bool damaged = sim_disk_is_damaged(&node->disk);

    if (!sim_disk_recover(&node->disk)) {
        sim_say(sim, "n%u refuses to start: its disk is damaged", node->id);
        sim_nemesis_damaged(sim, node);
        return;
    }
    if (damaged)
        sim_say(sim, "the log of n%u was cut", node->id);
    sim->torn += damaged;
    if (reboot)
        restart_clock(sim, node);
    if (reboot || sim_random_chance(&sim->random_node, 100))
        set_wall_clock(sim, node);
    sim_say(sim, "n%u starts%s with %zu records", node->id, reboot ? " after a reboot" : "",
            node->disk.count);
    node->state = SIM_UP;
    node->life++;
    node->tick_at = CFS_NEVER;
    node->tick_number++;
    node->flush_coming = node->syncing = node->sync_fails = false;
    node->session = node->leaving = false;
    node->lease_seen = 0;
    node->resumed = sim->world.now;
    node->core = cfs_core_new(&config);
    if (!sim_disk_restore(&node->disk, node->core))
        sim_fail(sim, "restart", "node %u cannot start with what its disk holds", node->id);
    sim_raft_started(sim, node);
    sim_kernel_start(&node->kernel);
    sim_node_event(sim, node, node->life, &event);
    if (!is_full(sim, node))
        return;
    tell_of_room(sim, node, node->life);
    sim_at(sim, node->full_until, tell_of_room, node, node->life);
}

void sim_node_fail_sync(struct sim *sim, struct sim_node *node)
{
    sim_say(sim, "the next sync of n%u fails", node->id);
    node->sync_fails = true;
}

/* Half of a batch may be left. Who remembers everything must be able to help, so that never happens
 * while somebody has lost more. */
static void tear(struct sim *sim, struct sim_node *node, size_t lost)
{
    if (!lost || !sim_random_chance(&sim->random_node, sim->swarm.half_permille) ||
        sim_members_bereft(sim))
        return;
    sim_say(sim, "the log of n%u is torn", node->id);
    sim_disk_tear(&node->disk);
    sim->torn++;
}

void sim_node_crash(struct sim *sim, struct sim_node *node)
{
    size_t unsynced = node->disk.count - node->disk.durable;
    bool loses = sim_random_chance(&sim->random_node, sim->swarm.tear_permille);
    size_t kept = loses ? sim_random_below(&sim->random_node, unsynced + 1) : unsynced;

    if (node->state == SIM_DOWN)
        return;
    sim_say(sim, "n%u crashes, losing %zu of %zu unsynced records", node->id, unsynced - kept,
            unsynced);
    tear(sim, node, unsynced - kept);
    sim_locks_node_crashed(sim, node);
    sim_jobs_crash(sim, node);
    node->state = SIM_DOWN;
    node->life++;
    node->session = false;
    cfs_core_free(node->core);
    node->core = NULL;
    sim_disk_crash(&node->disk, kept);
    sim_kernel_crash(&node->kernel);
    sim_files_forget_all(node);
}

static void resume(struct sim *sim, void *arg, uint64_t life)
{
    struct sim_node *node = arg;

    if (node->life != life || node->state != SIM_PAUSED)
        return;
    sim_say(sim, "n%u continues", node->id);
    node->state = SIM_UP;
    node->resumed = sim->world.now;
    set_timer(sim, node);
    set_flush(sim, node);
}

void sim_node_pause(struct sim *sim, struct sim_node *node, cfs_time until)
{
    if (node->state != SIM_UP)
        return;
    sim_say(sim, "n%u is stopped for %" PRIu64 " ms", node->id, (until - sim->world.now) / 1000);
    node->state = SIM_PAUSED;
    node->resume_at = until;
    node->flush_coming = false;
    sim_locks_node_paused(sim, node);
    sim_at(sim, until, resume, node, node->life);
}

static void stop(struct sim *sim, void *arg, uint64_t life)
{
    struct sim_node *node = arg;

    if (node->life == life)
        sim_node_crash(sim, node);
}

void sim_node_leave(struct sim *sim, struct sim_node *node, cfs_time until)
{
    struct cfs_event event = {.type = CFS_EV_LEAVE};
    bool first = !node->leaving;

    if (node->state != SIM_UP)
        return;
    node->leaving = true;
    sim_at(sim, until, stop, node, node->life);
    if (!first)
        return;
    sim_say(sim, "n%u leaves", node->id);
    sim_locks_node_left(sim, node);
    sim_node_event(sim, node, node->life, &event);
}
