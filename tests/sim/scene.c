/* Steps nodes one at a time and keeps what they send. */
#include "scene.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "core/alloc.h"

void scene_say(struct scene *scene, const char *format, ...)
{
    char line[700];
    va_list arguments;
    size_t len;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    len = strlen(line);
    if (scene->out_len + len + 2 > scene->out_capacity) {
        scene->out_capacity = 2 * (scene->out_capacity + len + 2);
        scene->out = cfs_realloc(scene->out, scene->out_capacity);
    }
    memcpy(scene->out + scene->out_len, line, len);
    scene->out_len += len;
    scene->out[scene->out_len++] = '\n';
    scene->out[scene->out_len] = 0;
}

static void forget_asks(struct scene *scene, uint32_t node)
{
    struct scene_ask *ask, *next;

    DL_FOREACH_SAFE (scene->asks, ask, next) {
        if (node && ask->node != node)
            continue;
        DL_DELETE(scene->asks, ask);
        free(ask);
    }
}

void scene_close(struct scene *scene)
{
    scene_bring(scene);
    while (scene->letters)
        scene_drop(scene, scene->letters);
    forget_asks(scene, 0);
    for (uint32_t i = 0; i < scene->node_count; i++) {
        cfs_core_free(scene->nodes[i].core);
        sim_disk_close(&scene->nodes[i].disk);
    }
    free(scene->out);
    *scene = (struct scene){0};
}

/* Effects. */

static void say_cached(struct scene *scene, const struct cfs_cache_answer *cache)
{
    if (cache->inode.ino)
        scene_say(scene, "    inode %" PRIu64, cache->inode.ino);
    if (cache->content.version)
        scene_say(scene, "    version %" PRIu64 "%s%.*s", cache->content.version,
                  cache->len ? ": " : "", (int)cache->len,
                  cache->len ? (const char *)cache->data : "");
    if (cache->share.epoch)
        scene_say(scene, "    it may be kept%s", cache->share.exclusive ? ", by nobody else" : "");
}

static void answered(struct scene_node *node, const struct cfs_effect *effect)
{
    const struct cfs_answer *answer = &effect->answer;
    struct scene *scene = node->scene;
    struct scene_ask *ask;
    char token[32] = "", place[32] = "";

    DL_SEARCH_SCALAR(scene->asks, ask, id, effect->id);
    if (answer->token)
        snprintf(token, sizeof token, ", token %" PRIu64, answer->token);
    else if (answer->lock.holder_count)
        snprintf(token, sizeof token, ", token %" PRIu64, answer->lock.token);
    if (answer->ticket)
        snprintf(place, sizeof place, ", ticket %" PRIu64, answer->ticket);
    scene_say(scene, "%u answers %s: %s%s%s", node->id, ask ? ask->label : "?",
              cfs_error_word(answer->error), token, place);
    if (ask && cfs_op_is_of_cache(ask->op))
        say_cached(scene, &answer->cache);
    else if (answer->id)
        scene_say(scene, "    message %" PRIu64, answer->id);
    for (uint32_t i = 0; i < answer->message_count; i++)
        scene_say(scene, "    message %" PRIu64 ", claim %" PRIu64 ", delivery %u: %.*s",
                  answer->messages[i].id, answer->messages[i].claim, answer->messages[i].deliveries,
                  (int)answer->messages[i].len, (const char *)answer->messages[i].body);
    for (size_t at = 0; at < answer->names_len; at += strlen(answer->names + at) + 1)
        scene_say(scene, "    %s", answer->names + at);
    if (!ask)
        return;
    DL_DELETE(scene->asks, ask);
    free(ask);
}

static void post(struct scene_node *node, struct cfs_message *message)
{
    struct scene_letter *letter = cfs_alloc_zeroed(1, sizeof *letter);

    letter->message = *message;
    *message = (struct cfs_message){0};
    DL_APPEND(node->scene->letters, letter);
}

static void collected(struct scene_node *node, uint64_t id)
{
    struct cfs_event_stuck stuck[SCENE_STUCK_MAX];
    struct cfs_event event = {
        .type = CFS_EV_STUCK, .id = id, .stuck = stuck, .stuck_count = node->stuck_count};

    for (uint32_t i = 0; i < node->stuck_count; i++)
        stuck[i] = (struct cfs_event_stuck){
            .handle = node->stuck[i].handle, .waits = &node->stuck[i].wait, .wait_count = 1};
    scene_step(node, &event);
}

/* The store is quicker than anything else. */
static void perform_store(struct scene_node *node, struct cfs_effect *effect)
{
    struct cfs_event event = {.id = effect->id};
    struct cfs_read_pieces read = {.id = effect->id, .group = effect->read.group};
    struct cfs_writer pieces = {0};
    struct cfs_fetched fetched;

    if (effect->type == CFS_FX_CHECKPOINT) {
        sim_store_checkpoint(&node->disk.store, &effect->checkpoint);
        sim_disk_trim(&node->disk, effect->checkpoint.keep_lsn);
        event.type = CFS_EV_CHECKPOINTED;
    } else if (effect->type == CFS_FX_STAGE) {
        sim_store_stage(&node->disk.store, &effect->stage);
        event.type = CFS_EV_STAGED;
    } else if (effect->type == CFS_FX_FETCH) {
        sim_store_fetch(&node->disk.store, effect->id, &effect->fetch, &fetched);
        event = (struct cfs_event){.type = CFS_EV_FETCHED, .fetched = &fetched};
    } else if (effect->type == CFS_FX_READ) {
        sim_store_read(&node->disk.store, &effect->read, &pieces);
        read.data = pieces.data;
        read.len = pieces.len;
        event = (struct cfs_event){.type = CFS_EV_READ, .read = &read};
    } else {
        sim_store_end_fetch(&node->disk.store, effect->id);
        return;
    }
    scene_step(node, &event);
    free(pieces.data);
}

/* Files that give up at once what they are asked for. */
static void recalled(struct scene_node *node, const struct cfs_cache_recall *recall)
{
    struct cfs_event event = {.type = CFS_EV_RECALLED, .id = recall->id};

    for (uint32_t i = 0; i < recall->count; i++)
        scene_say(node->scene, "%u gives up inode %lu%s%s", node->id, recall->items[i].ino,
                  *recall->items[i].name ? ", name " : "", recall->items[i].name);
    scene_step(node, &event);
}

static void lapsed(struct scene_node *node, const struct cfs_cache_share *lapse)
{
    struct cfs_event event = {.type = CFS_EV_LAPSED, .lapsed = *lapse};

    scene_say(node->scene, "%u gives up all it shared of group %u", node->id, lapse->group);
    scene_step(node, &event);
}

static void perform(struct scene_node *node, struct cfs_effect *effect)
{
    static const char *const words[] = {[CFS_SESSION_OPENED] = "opened",
                                        [CFS_SESSION_LOST] = "lost",
                                        [CFS_SESSION_CLOSED] = "closed"};
    struct cfs_event drained = {.type = CFS_EV_DRAINED, .id = effect->id};

    switch (effect->type) {
    case CFS_FX_PERSIST:
        sim_disk_append(&node->disk, &effect->record, effect->lsn);
        effect->record.entry = NULL;
        break;
    case CFS_FX_SEND:
        post(node, &effect->message);
        break;
    case CFS_FX_ANSWER:
        answered(node, effect);
        break;
    case CFS_FX_DRAIN:
        scene_step(node, &drained);
        break;
    case CFS_FX_COLLECT:
        collected(node, effect->id);
        break;
    case CFS_FX_SESSION:
        scene_say(node->scene, "%u is told: session %s", node->id, words[effect->session]);
        break;
    case CFS_FX_RECALL:
        recalled(node, effect->recall);
        break;
    case CFS_FX_LAPSE:
        lapsed(node, &effect->lapse);
        break;
    case CFS_FX_NODES:
        break;
    case CFS_FX_REMOVED:
        scene_say(node->scene, "%u is told: removed from the cluster", node->id);
        break;
    case CFS_FX_CAUGHT_UP:
        node->disk.amnesia[effect->id] = CFS_REMEMBERS;
        break;
    default:
        perform_store(node, effect);
    }
}

/* The effects of one step; a step within (a drain, a collection) has its own list. */
static void perform_all(struct scene_node *node, struct cfs_effects *effects)
{
    for (size_t i = 0; i < effects->count; i++)
        perform(node, &effects->items[i]);
    cfs_effects_close(effects);
}

void scene_step(struct scene_node *node, struct cfs_event *event)
{
    struct cfs_effects effects = {0};
    struct cfs_event flush = {.type = CFS_EV_FLUSH};

    if (!node->core)
        return;
    event->now = node->scene->now;
    event->wall = node->scene->now;
    cfs_core_step(node->core, event, &effects);
    perform_all(node, &effects);
    if (event->type != CFS_EV_FLUSH && cfs_core_wants_flush(node->core))
        scene_step(node, &flush);
    if (!node->disk_by_hand && node->disk.durable < node->disk.count)
        scene_persist(node, node->disk.count - node->disk.durable);
}

void scene_persist(struct scene_node *node, size_t count)
{
    struct cfs_event event = {.type = CFS_EV_PERSISTED};
    size_t left = node->disk.count - node->disk.durable;

    if (!node->core || !left)
        return;
    event.lsn = sim_disk_sync(&node->disk, node->disk.trimmed + node->disk.durable +
                                               (count < left ? count : left));
    scene_step(node, &event);
}

void scene_tick(struct scene_node *node)
{
    struct cfs_event event = {.type = CFS_EV_TICK};

    scene_step(node, &event);
}

/* Life. */

static void core_trace(void *arg, const char *sentence)
{
    const struct scene_node *node = arg;

    scene_say(node->scene, "%u %s", node->id, sentence);
}

void scene_start(struct scene_node *node)
{
    struct cfs_core_config config = node->scene->config;

    if (node->core)
        return;
    config.node = node->id;
    config.seed = node->id * 1000 + node->starts++;
    if (node->joins)
        config.member_count = 0;
    config.trace = core_trace;
    config.trace_arg = node;
    node->core = cfs_core_new(&config);
    if (!sim_disk_restore(&node->disk, node->core))
        scene_say(node->scene, "%u cannot start with what its disk holds", node->id);
    scene_tick(node);
}

void scene_crash(struct scene_node *node, size_t kept)
{
    cfs_core_free(node->core);
    node->core = NULL;
    node->stuck_count = 0;
    sim_disk_crash(&node->disk, kept);
    forget_asks(node->scene, node->id);
}

void scene_cluster(struct scene *scene, uint32_t members, uint32_t spare)
{
    scene->now = CFS_SECONDS(1);
    scene->node_count = members + spare;
    scene->config.member_count = members;
    scene->config.addresses = spare ? scene->addresses : NULL;
    for (uint32_t i = 0; i < scene->node_count; i++) {
        scene->nodes[i] = (struct scene_node){.scene = scene, .id = i + 1, .joins = i >= members};
        sim_disk_forget(&scene->nodes[i].disk, spare ? CFS_BLANK : CFS_REMEMBERS);
        scene->addresses[i] = (struct cfs_node_info){.id = i + 1};
    }
    for (uint32_t i = 0; i < members; i++)
        scene->config.members[i] = i + 1;
    for (uint32_t i = 0; i < members; i++)
        scene_start(&scene->nodes[i]);
}

/* Mail. */

void scene_drop(struct scene *scene, struct scene_letter *letter)
{
    DL_DELETE(scene->letters, letter);
    cfs_message_clear(&letter->message);
    free(letter);
}

void scene_deliver(struct scene *scene, struct scene_letter *letter)
{
    struct cfs_event event = {.type = CFS_EV_MESSAGE, .message = &letter->message};
    struct scene_node *to = &scene->nodes[letter->message.to - 1];
    bool arrives = to->core && !scene->cut[letter->message.from][letter->message.to];

    if (!arrives) {
        scene_drop(scene, letter);
        return;
    }
    DL_DELETE(scene->letters, letter);
    scene_step(to, &event);
    cfs_message_clear(&letter->message);
    free(letter);
}

void scene_keep(struct scene *scene, struct scene_letter *letter)
{
    struct scene_letter *copy = cfs_alloc_zeroed(1, sizeof *copy);

    copy->message = cfs_message_copy(&letter->message);
    DL_APPEND(scene->kept, copy);
}

void scene_bring(struct scene *scene)
{
    DL_CONCAT(scene->letters, scene->kept);
    scene->kept = NULL;
}

void scene_deliver_all(struct scene *scene)
{
    while (scene->letters)
        scene_deliver(scene, scene->letters);
}

/* The node whose timer is due first, of those before `end`. */
static struct scene_node *next_timer(struct scene *scene, cfs_time end)
{
    struct scene_node *first = NULL;
    cfs_time due = end;

    for (uint32_t i = 0; i < scene->node_count; i++) {
        struct scene_node *node = &scene->nodes[i];
        if (!node->core || cfs_core_deadline(node->core) >= due)
            continue;
        first = node;
        due = cfs_core_deadline(node->core);
    }
    return first;
}

void scene_run(struct scene *scene, cfs_time duration)
{
    cfs_time end = scene->now + duration;
    struct scene_node *node;

    scene_deliver_all(scene);
    while ((node = next_timer(scene, end))) {
        /* Always forward: a timer that stays due must not stop time. */
        scene->now = cfs_core_deadline(node->core) > scene->now ? cfs_core_deadline(node->core)
                                                                : scene->now + 1;
        if (scene->now >= end)
            break;
        scene_tick(node);
        scene_deliver_all(scene);
    }
    scene->now = end;
}

/* Requests. */

void scene_ask(struct scene_node *node, const char *label, const struct cfs_request *request)
{
    struct scene *scene = node->scene;
    struct scene_ask *ask = cfs_alloc_zeroed(1, sizeof *ask);
    struct cfs_event event = {.type = CFS_EV_REQUEST, .request = request};

    snprintf(ask->label, sizeof ask->label, "%s", label);
    ask->node = node->id;
    ask->op = request->op;
    ask->id = event.id = ++scene->last_id;
    DL_APPEND(scene->asks, ask);
    scene_step(node, &event);
}

struct scene_ask *scene_find_ask(const struct scene *scene, const char *label)
{
    struct scene_ask *ask;

    DL_FOREACH (scene->asks, ask)
        if (strcmp(ask->label, label) == 0)
            return ask;
    return NULL;
}
