/* The world: a list of events in order of time, and per node what its disk and its files know. */
#include "core_world.h"

#include <stdlib.h>

#include "core/alloc.h"
#include "core/lock_table.h"

#define MESSAGE_TAKES CFS_MS(1)
#define DISK_TAKES ((cfs_time)200)
#define STORE_TAKES CFS_MS(1)

void world_open(struct world *w, uint32_t count)
{
    *w = (struct world){.now = CFS_SECONDS(1000), .count = count};
    for (cfs_node_id id = 1; id <= count; id++) {
        struct bench bench;
        bench_open(&bench, count);
        w->nodes[id].config = bench.config;
        w->nodes[id].config.node = id;
        bench_close(&bench);
    }
}

void world_open_groups(struct world *w, uint32_t count, uint32_t members, uint32_t groups)
{
    world_open(w, count);
    for (cfs_node_id id = 1; id <= count; id++) {
        struct cfs_core_config *config = &w->nodes[id].config;
        w->addresses[id - 1] = (struct cfs_node_info){.id = id, .host = "node", .port = 7000};
        config->groups = groups;
        config->member_count = id <= members ? members : 0;
        config->addresses = w->addresses;
        sim_disk_replace(&w->nodes[id].disk);
    }
}

/* Stable: what happens at one time happens in the order it was arranged in. */
static void arrange(struct world *w, struct world_event event)
{
    size_t at = w->event_count;

    w->events = cfs_array_room(w->events, w->event_count, &w->event_capacity, sizeof *w->events);
    for (; at > 0 && w->events[at - 1].at > event.at; at--)
        w->events[at] = w->events[at - 1];
    w->events[at] = event;
    w->event_count++;
}

static struct world_event take_first(struct world *w)
{
    struct world_event first = w->events[0];

    w->event_count--;
    for (size_t i = 0; i < w->event_count; i++)
        w->events[i] = w->events[i + 1];
    return first;
}

static void send(struct world *w, struct cfs_message message)
{
    if (w->hold && w->hold(&message)) {
        w->held = cfs_array_room(w->held, w->held_count, &w->held_capacity, sizeof *w->held);
        w->held[w->held_count++] = message;
    } else if (w->cut[message.from][message.to]) {
        cfs_message_clear(&message);
    } else {
        if (w->twice)
            arrange(w, (struct world_event){.at = w->now + 5 * MESSAGE_TAKES,
                                            .node = message.to,
                                            .message = cfs_message_copy(&message)});
        arrange(w, (struct world_event){
                       .at = w->now + MESSAGE_TAKES, .node = message.to, .message = message});
    }
}

static void persist(struct world *w, cfs_node_id id, struct cfs_effect *effect)
{
    struct world_node *node = &w->nodes[id];

    sim_disk_append(&node->disk, &effect->record, effect->lsn);
    effect->record.entry = NULL;
    assert_int_equal(sim_disk_lsn(&node->disk), effect->lsn);
    arrange(w, (struct world_event){
                   .at = w->now + DISK_TAKES, .node = id, .life = node->life, .lsn = effect->lsn});
}

/* One job after the other: they take the same time. */
static void begin_job(struct world *w, cfs_node_id id, struct cfs_effect *effect)
{
    struct cfs_effect *job = cfs_alloc_copy(effect, sizeof *effect);

    if (effect->type == CFS_FX_CHECKPOINT)
        effect->checkpoint = (struct cfs_checkpoint){0};
    else if (effect->type == CFS_FX_STAGE)
        effect->stage = (struct cfs_stage){0};
    else if (effect->type == CFS_FX_READ)
        effect->read.keys = (struct cfs_writer){0};
    arrange(w, (struct world_event){
                   .at = w->now + STORE_TAKES, .node = id, .life = w->nodes[id].life, .job = job});
}

static void free_job(struct cfs_effect *job)
{
    if (job && job->type == CFS_FX_CHECKPOINT)
        cfs_checkpoint_clear(&job->checkpoint);
    else if (job && job->type == CFS_FX_STAGE)
        cfs_part_clear(&job->stage.part);
    else if (job && job->type == CFS_FX_READ)
        free(job->read.keys.data);
    free(job);
}

static void note_message(struct world_message *message, const struct cfs_answer *answer)
{
    const struct cfs_message_info *first = answer->messages;

    if (!answer->message_count)
        return;
    assert_true(first->len < sizeof message->body);
    *message = (struct world_message){
        .id = first->id, .claim = first->claim, .deliveries = first->deliveries};
    memcpy(message->body, first->body, first->len);
}

static void note_value(char value[64], const struct cfs_cache_answer *cache)
{
    assert_true(cache->len < 64);
    memcpy(value, cache->len ? cache->data : (const uint8_t *)"", cache->len);
    value[cache->len] = 0;
}

static void note_answer(struct world *w, cfs_node_id id, const struct cfs_effect *effect)
{
    struct world_node *node = &w->nodes[id];
    struct world_answer *answer;

    assert_null(world_answer(w, id, effect->id));
    node->answers = cfs_array_room(node->answers, node->answer_count, &node->answer_capacity,
                                   sizeof *node->answers);
    answer = &node->answers[node->answer_count++];
    *answer = (struct world_answer){.id = effect->id, .answer = effect->answer, .at = w->now};
    note_message(&answer->message, &effect->answer);
    note_value(answer->value, &effect->answer.cache);
    answer->answer.lock.holders = NULL;
    answer->answer.lock.content = NULL;
    answer->answer.names = NULL;
    answer->answer.messages = NULL;
    answer->answer.ids = NULL;
    answer->answer.cache.target = NULL;
    answer->answer.cache.data = NULL;
    answer->answer.cache.entries = NULL;
}

static void note_drain(struct world_node *node, uint64_t id)
{
    node->drains++;
    node->rounds = cfs_array_room(node->rounds, node->round_count, &node->round_capacity,
                                  sizeof *node->rounds);
    node->rounds[node->round_count++] = id;
}

static void perform(struct world *w, cfs_node_id id, struct cfs_effect *effect)
{
    struct world_node *node = &w->nodes[id];

    switch (effect->type) {
    case CFS_FX_PERSIST:
        persist(w, id, effect);
        break;
    case CFS_FX_SEND:
        send(w, effect->message);
        effect->message = (struct cfs_message){0};
        break;
    case CFS_FX_ANSWER:
        note_answer(w, id, effect);
        break;
    case CFS_FX_SESSION:
        node->session.opened += effect->session == CFS_SESSION_OPENED;
        node->session.lost += effect->session == CFS_SESSION_LOST;
        node->session.closed += effect->session == CFS_SESSION_CLOSED;
        break;
    case CFS_FX_DRAIN:
        note_drain(node, effect->id);
        if (!node->files_busy)
            world_drained(w, id);
        break;
    case CFS_FX_COLLECT:
        node->collections++;
        if (!node->files_busy)
            world_step(w, id,
                       (struct cfs_event){.type = CFS_EV_STUCK,
                                          .id = effect->id,
                                          .stuck = node->stuck,
                                          .stuck_count = node->stuck_count});
        break;
    case CFS_FX_RECALL:
        world_step(w, id, (struct cfs_event){.type = CFS_EV_RECALLED, .id = effect->recall->id});
        break;
    case CFS_FX_LAPSE:
        world_step(w, id, (struct cfs_event){.type = CFS_EV_LAPSED, .lapsed = effect->lapse});
        break;
    case CFS_FX_NODES:
        break;
    case CFS_FX_REMOVED:
        node->removed++;
        break;
    case CFS_FX_CAUGHT_UP:
        node->disk.amnesia[effect->id] = CFS_REMEMBERS;
        break;
    case CFS_FX_CHECKPOINT:
    case CFS_FX_STAGE:
    case CFS_FX_FETCH:
    case CFS_FX_END_FETCH:
    case CFS_FX_READ:
        begin_job(w, id, effect);
        break;
    }
}

void world_step(struct world *w, cfs_node_id id, struct cfs_event event)
{
    struct cfs_effects effects = {0};
    struct cfs_core *core = w->nodes[id].core;

    event.now = event.wall = w->now;
    cfs_core_step(core, &event, &effects);
    for (size_t i = 0; i < effects.count; i++)
        perform(w, id, &effects.items[i]);
    cfs_effects_close(&effects);
    if (cfs_core_wants_flush(core))
        world_step(w, id, (struct cfs_event){.type = CFS_EV_FLUSH});
}

void world_start(struct world *w, cfs_node_id id)
{
    struct world_node *node = &w->nodes[id];

    assert_null(node->core);
    node->life++;
    node->config.seed = 1000 * id + node->life;
    node->core = cfs_core_new(&node->config);
    assert_true(sim_disk_restore(&node->disk, node->core));
    node->round_count = 0;
    world_step(w, id, (struct cfs_event){.type = CFS_EV_TICK});
}

void world_start_all(struct world *w)
{
    for (cfs_node_id id = 1; id <= w->count; id++)
        world_start(w, id);
}

void world_crash(struct world *w, cfs_node_id id)
{
    struct world_node *node = &w->nodes[id];

    cfs_core_free(node->core);
    node->core = NULL;
    sim_disk_crash(&node->disk, 0);
}

void world_replace_disk(struct world *w, cfs_node_id id)
{
    assert_null(w->nodes[id].core);
    sim_disk_replace(&w->nodes[id].disk);
}

void world_checkpoints(struct world *w, uint64_t bytes, uint32_t chunk)
{
    for (cfs_node_id id = 1; id <= w->count; id++) {
        w->nodes[id].config.checkpoint_bytes = bytes;
        w->nodes[id].config.snapshot_bytes = chunk;
    }
}

void world_close(struct world *w)
{
    for (cfs_node_id id = 1; id <= w->count; id++) {
        struct world_node *node = &w->nodes[id];
        cfs_core_free(node->core);
        sim_disk_close(&node->disk);
        free(node->answers);
        free(node->rounds);
    }
    for (size_t i = 0; i < w->event_count; i++) {
        cfs_message_clear(&w->events[i].message);
        free_job(w->events[i].job);
    }
    free(w->events);
    world_drop_held(w);
    free(w->held);
}

static void deliver_disk(struct world *w, struct world_event *event)
{
    struct world_node *node = &w->nodes[event->node];

    if (event->life != node->life || !node->core)
        return;
    if (node->disk_stalls || node->paused) {
        event->at = w->now + CFS_MS(1);
        arrange(w, *event);
        return;
    }
    sim_disk_sync(&node->disk, event->lsn);
    world_step(w, event->node, (struct cfs_event){.type = CFS_EV_PERSISTED, .lsn = event->lsn});
}

static void do_job(struct world *w, struct world_node *node, const struct cfs_effect *job)
{
    uint64_t keep;

    if (job->type == CFS_FX_CHECKPOINT) {
        sim_store_checkpoint(&node->disk.store, &job->checkpoint);
        keep = job->checkpoint.keep_lsn;
        sim_disk_trim(&node->disk, keep > w->slack ? keep - w->slack : 0);
        node->checkpoints++;
    } else if (job->type == CFS_FX_STAGE) {
        sim_store_stage(&node->disk.store, &job->stage);
        node->stages++;
        node->installs += job->stage.last;
    } else if (job->type == CFS_FX_END_FETCH) {
        sim_store_end_fetch(&node->disk.store, job->id);
    }
}

static void report_job(struct world *w, cfs_node_id id, const struct cfs_effect *job)
{
    struct cfs_event event = {.id = job->id};
    struct cfs_read_pieces read = {.id = job->id, .group = job->read.group};
    struct cfs_writer pieces = {0};
    struct cfs_fetched fetched;

    switch (job->type) {
    case CFS_FX_CHECKPOINT:
        event.type = CFS_EV_CHECKPOINTED;
        break;
    case CFS_FX_STAGE:
        event.type = CFS_EV_STAGED;
        break;
    case CFS_FX_FETCH:
        sim_store_fetch(&w->nodes[id].disk.store, job->id, &job->fetch, &fetched);
        event = (struct cfs_event){.type = CFS_EV_FETCHED, .fetched = &fetched};
        break;
    case CFS_FX_READ:
        sim_store_read(&w->nodes[id].disk.store, &job->read, &pieces);
        read.data = pieces.data;
        read.len = pieces.len;
        event = (struct cfs_event){.type = CFS_EV_READ, .read = &read};
        w->nodes[id].reads++;
        break;
    default:
        return;
    }
    world_step(w, id, event);
    free(pieces.data);
}

static void deliver_job(struct world *w, struct world_event *event)
{
    struct world_node *node = &w->nodes[event->node];
    struct cfs_effect *job = event->job;
    bool last = job->type == CFS_FX_STAGE && job->stage.last;

    if (event->life == node->life && node->core &&
        (node->paused || node->store == STORE_STALLS ||
         (node->store == STORE_STALLS_AT_LAST && last))) {
        event->at = w->now + CFS_MS(1);
        arrange(w, *event);
        return;
    }
    if (event->life == node->life && node->core) {
        do_job(w, node, job);
        if (!last || node->store != STORE_SILENT_AFTER_LAST)
            report_job(w, event->node, job);
    }
    free_job(job);
}

static void deliver(struct world *w, struct world_event event)
{
    struct world_node *node = &w->nodes[event.node];

    if (event.lsn) {
        deliver_disk(w, &event);
    } else if (event.job) {
        deliver_job(w, &event);
    } else if (node->core && node->paused) {
        event.at = w->now + CFS_MS(1);
        arrange(w, event);
    } else if (node->core) {
        world_step(w, event.node,
                   (struct cfs_event){.type = CFS_EV_MESSAGE, .message = &event.message});
        cfs_message_clear(&event.message);
    } else {
        cfs_node_id from = event.message.from;
        cfs_message_clear(&event.message);
        if (w->nodes[from].core && !w->nodes[from].paused)
            world_step(w, from, (struct cfs_event){.type = CFS_EV_REFUSED, .peer = event.node});
    }
}

/* The next node that wants a tick; 0: none before `until`. */
static cfs_node_id next_tick(const struct world *w, cfs_time until, cfs_time *at)
{
    cfs_node_id found = 0;

    *at = until;
    for (cfs_node_id id = 1; id <= w->count; id++) {
        const struct world_node *node = &w->nodes[id];
        cfs_time due = node->core && !node->paused ? cfs_core_deadline(node->core) : CFS_NEVER;
        if (due < *at) {
            *at = due < w->now ? w->now : due;
            found = id;
        }
    }
    return found;
}

/* After a tick the deadline has to lie ahead, or the daemon would spin. */
static void tick(struct world *w, cfs_node_id id)
{
    world_step(w, id, (struct cfs_event){.type = CFS_EV_TICK});
    for (int i = 0; i < 3 && cfs_core_deadline(w->nodes[id].core) <= w->now; i++)
        world_step(w, id, (struct cfs_event){.type = CFS_EV_TICK});
    assert_true(cfs_core_deadline(w->nodes[id].core) > w->now);
}

void world_run(struct world *w, cfs_time duration)
{
    cfs_time until = w->now + duration, at;
    cfs_node_id id;

    for (;;) {
        id = next_tick(w, until, &at);
        if (w->event_count && w->events[0].at <= at) {
            struct world_event event = take_first(w);
            w->now = event.at > w->now ? event.at : w->now;
            deliver(w, event);
        } else if (id) {
            w->now = at;
            tick(w, id);
        } else {
            break;
        }
    }
    w->now = until;
}

static bool cut_off(const struct world *w, cfs_node_id id)
{
    for (cfs_node_id other = 1; other <= w->count; other++)
        if (other != id && !w->cut[id][other])
            return false;
    return w->count > 1;
}

static bool settled(const struct world *w)
{
    bool all = world_leader(w) != 0;

    for (cfs_node_id id = 1; id <= w->count; id++)
        if (w->nodes[id].core && !w->nodes[id].paused && !cut_off(w, id))
            all &= world_view(w, id).session != 0;
    return all;
}

cfs_node_id world_settle(struct world *w)
{
    for (int i = 0; i < 20000 && !settled(w); i++)
        world_run(w, CFS_MS(1));
    assert_true(settled(w));
    return world_leader(w);
}

static void set_cut(struct world *w, cfs_node_id id, bool cut)
{
    for (cfs_node_id other = 1; other <= w->count; other++)
        if (other != id)
            w->cut[id][other] = w->cut[other][id] = cut;
}

void world_cut(struct world *w, cfs_node_id id)
{
    set_cut(w, id, true);
}

void world_join(struct world *w, cfs_node_id id)
{
    set_cut(w, id, false);
}

void world_hold(struct world *w, world_hold_fn hold)
{
    w->hold = hold;
}

void world_repeat(struct world *w)
{
    for (size_t i = 0; i < w->held_count; i++)
        arrange(w, (struct world_event){.at = w->now,
                                        .node = w->held[i].to,
                                        .message = cfs_message_copy(&w->held[i])});
}

void world_release(struct world *w)
{
    world_repeat(w);
    world_drop_held(w);
}

void world_drop_held(struct world *w)
{
    while (w->held_count)
        cfs_message_clear(&w->held[--w->held_count]);
}

uint64_t world_request(struct world *w, cfs_node_id id, struct cfs_request request)
{
    uint64_t call = ++w->last_id;

    world_step(w, id, (struct cfs_event){.type = CFS_EV_REQUEST, .id = call, .request = &request});
    return call;
}

void world_cancel(struct world *w, cfs_node_id id, uint64_t call)
{
    world_step(w, id, (struct cfs_event){.type = CFS_EV_CANCEL, .id = call});
}

void world_drained(struct world *w, cfs_node_id id)
{
    struct world_node *node = &w->nodes[id];

    while (node->round_count)
        world_step(
            w, id,
            (struct cfs_event){.type = CFS_EV_DRAINED, .id = node->rounds[--node->round_count]});
}

const struct world_answer *world_answer(const struct world *w, cfs_node_id id, uint64_t call)
{
    const struct world_node *node = &w->nodes[id];

    for (size_t i = 0; i < node->answer_count; i++)
        if (node->answers[i].id == call)
            return &node->answers[i];
    return NULL;
}

enum cfs_error world_wait(struct world *w, cfs_node_id id, uint64_t call)
{
    for (int i = 0; i < 60000 && !world_answer(w, id, call); i++)
        world_run(w, CFS_MS(1));
    assert_non_null(world_answer(w, id, call));
    return world_answer(w, id, call)->answer.error;
}

enum cfs_error world_ask(struct world *w, cfs_node_id id, struct cfs_request request)
{
    return world_wait(w, id, world_request(w, id, request));
}

static enum cfs_error change_member(struct world *w, cfs_node_id via, bool removes,
                                    cfs_node_id node, cfs_node_id replaces)
{
    struct cfs_request request = {.op = CFS_OP_MEMBER,
                                  .member = {.remove = removes, .info = w->addresses[node - 1]}};

    request.member.info.replaces = replaces;
    return world_ask(w, via, request);
}

enum cfs_error world_add(struct world *w, cfs_node_id via, cfs_node_id node, cfs_node_id replaces)
{
    return change_member(w, via, false, node, replaces);
}

enum cfs_error world_remove(struct world *w, cfs_node_id via, cfs_node_id node)
{
    return change_member(w, via, true, node, 0);
}

struct cfs_core_view world_view(const struct world *w, cfs_node_id id)
{
    return world_group_view(w, id, 0);
}

struct cfs_core_view world_group_view(const struct world *w, cfs_node_id id, cfs_group_id group)
{
    struct cfs_core_view view;

    cfs_core_view(w->nodes[id].core, group, &view);
    return view;
}

cfs_node_id world_leader(const struct world *w)
{
    return world_group_leader(w, 0);
}

cfs_node_id world_group_leader(const struct world *w, cfs_group_id group)
{
    cfs_node_id leader = 0;

    for (cfs_node_id id = 1; id <= w->count; id++)
        if (w->nodes[id].core && !w->nodes[id].paused && world_group_view(w, id, group).serving &&
            !cut_off(w, id))
            leader = id;
    return leader;
}

cfs_node_set world_replicas(const struct world *w, cfs_node_id id, cfs_group_id group)
{
    struct cfs_member_view members[CFS_NODE_MAX];
    cfs_node_set all = 0;

    for (uint32_t i = cfs_core_members(w->nodes[id].core, group, members); i-- > 0;)
        all |= CFS_NODE_BIT(members[i].node);
    return all;
}

cfs_node_set world_placement(const struct world *w, cfs_node_id id, cfs_group_id group,
                             cfs_node_id out[CFS_MEMBERS_MAX])
{
    cfs_node_id nodes[CFS_MEMBERS_MAX];
    cfs_node_set all = 0;

    for (uint32_t i = cfs_core_placement(w->nodes[id].core, group, nodes); i-- > 0;) {
        all |= CFS_NODE_BIT(nodes[i]);
        if (out)
            out[i] = nodes[i];
    }
    return all;
}

static bool group_is_settled(const struct world *w, cfs_group_id group)
{
    cfs_node_id leader = world_group_leader(w, group), first[CFS_MEMBERS_MAX] = {0};
    cfs_node_set wanted = leader ? world_placement(w, leader, group, first) : 0;

    if (!leader || leader != first[0] || world_group_view(w, leader, group).changing)
        return false;
    for (cfs_node_id id = 1; id <= w->count; id++) {
        bool counts = w->nodes[id].core && !w->nodes[id].paused;
        cfs_node_set replicas = counts ? world_replicas(w, id, group) : 0;
        if (counts && replicas != (wanted & CFS_NODE_BIT(id) ? wanted : 0))
            return false;
    }
    return true;
}

void world_settle_groups(struct world *w)
{
    uint32_t groups = w->nodes[1].config.groups, settled = 0;

    for (int i = 0; i < 3000 && settled < groups; i++) {
        world_run(w, CFS_MS(20));
        settled = 0;
        for (cfs_group_id group = 1; group <= groups; group++)
            settled += group_is_settled(w, group);
    }
    assert_int_equal(settled, groups);
}

cfs_node_id world_follower(const struct world *w, cfs_node_id leader)
{
    return leader % w->count + 1;
}

bool world_held(const struct world *w, cfs_node_id id, const char *name)
{
    struct cfs_acquire ask = {.mode = CFS_EXCLUSIVE, .kind = CFS_LOCKFILE, .form = CFS_FORM_FILE};

    return cfs_lock_table_conflicts(cfs_core_locks(w->nodes[id].core), 0, name, &ask);
}
