/* Copies are few: every question looks at all of them. */
#include "files.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "core/alloc.h"
#include "sim.h"

/* A kernel counts jiffies, and from when its reader takes the reply. */
#define KERNEL_SLACK CFS_MS(50)

struct sim_giving_up {
    struct sim_node *node;
    bool lapse;
    struct cfs_cache_recall recall;
    struct cfs_cache_share lapsed;
    struct sim_giving_up *prev, *next;
};

static const char *const names[SIM_CACHE_NAMES_MAX] = {"k0", "k1", "k2", "k3", "d0", "d1"};

const char *sim_cache_name(uint32_t name)
{
    return names[name];
}

uint32_t sim_cache_name_number(const char *name)
{
    uint32_t number = 0;

    while (number < SIM_CACHE_NAMES_MAX && strcmp(names[number], name) != 0)
        number++;
    return number;
}

void sim_files_close(struct sim_node *node)
{
    struct sim_giving_up *work, *next;

    DL_FOREACH_SAFE (node->files.works, work, next)
        free(work);
}

static struct sim_cached *find(struct sim_node *node, enum sim_cached_kind kind, cfs_ino ino,
                               uint32_t name)
{
    struct sim_files *files = &node->files;

    for (uint32_t i = 0; i < files->count; i++) {
        struct sim_cached *copy = &files->copies[i];
        if (copy->kind == kind && copy->ino == ino && copy->name == name)
            return copy;
    }
    return NULL;
}

/* The kernel's timer, from now on. */
static void set_timer(struct sim_cached *copy, cfs_time now, cfs_time valid)
{
    copy->until = now + (valid > KERNEL_SLACK ? valid - KERNEL_SLACK : 0);
}

const struct sim_cached *sim_files_find(struct sim *sim, struct sim_node *node,
                                        enum sim_cached_kind kind, cfs_ino ino, uint32_t name)
{
    struct sim_cached *copy = find(node, kind, ino, name);
    cfs_time now = sim_node_time(sim, node), valid;

    if (!copy || now < copy->until)
        return copy;
    if (copy->leaving || node->state != SIM_UP)
        return NULL;
    valid = cfs_core_cache_valid(node->core, &copy->share, now);
    if (!valid)
        return NULL;
    set_timer(copy, now, valid);
    return copy;
}

static void drop(struct sim_files *files, struct sim_cached *copy)
{
    memmove(copy, copy + 1, (size_t)(&files->copies[--files->count] - copy) * sizeof *copy);
}

void sim_files_drop(struct sim_node *node, enum sim_cached_kind kind, cfs_ino ino, uint32_t name)
{
    struct sim_cached *copy = find(node, kind, ino, name);

    if (copy)
        drop(&node->files, copy);
}

void sim_files_forget_all(struct sim_node *node)
{
    node->files.count = 0;
}

void sim_files_keep(struct sim *sim, struct sim_node *node, enum sim_cached_kind kind, cfs_ino ino,
                    uint32_t name, const struct cfs_cache_share *share, const struct sim_seen *seen)
{
    struct sim_files *files = &node->files;
    cfs_time now = sim_node_time(sim, node);
    cfs_time valid = cfs_core_cache_valid(node->core, share, now);
    struct sim_cached *copy;

    sim_files_drop(node, kind, ino, name);
    if (!valid)
        return;
    if (files->count == SIM_COPIES_MAX)
        drop(files, &files->copies[0]);
    copy = &files->copies[files->count++];
    *copy =
        (struct sim_cached){.kind = kind, .ino = ino, .name = name, .share = *share, .seen = *seen};
    set_timer(copy, now, valid);
}

/* What a node's own change touches. */

static void drop_name(struct sim_node *node, cfs_ino directory, const char *name)
{
    sim_files_drop(node, SIM_COPY_NAME, directory, sim_cache_name_number(name));
    sim_files_drop(node, SIM_COPY_NODE, directory, 0);
    sim_files_drop(node, SIM_COPY_LIST, directory, 0);
}

/* Whose name it is by now the node may not know. */
static void drop_nodes_in(struct sim_node *node, cfs_ino directory)
{
    struct sim_files *files = &node->files;

    for (uint32_t i = files->count; i-- > 0;)
        if (files->copies[i].seen.parent == directory)
            drop(files, &files->copies[i]);
}

void sim_files_change(struct sim_node *node, const struct cfs_request *request)
{
    switch (request->op) {
    case CFS_OP_CACHE_MAKE:
        drop_name(node, request->cache_make.parent, request->name);
        break;
    case CFS_OP_CACHE_REMOVE:
        drop_name(node, request->cache_remove.parent, request->name);
        drop_nodes_in(node, request->cache_remove.parent);
        break;
    case CFS_OP_CACHE_RENAME:
        drop_name(node, request->cache_rename.parent, request->name);
        drop_nodes_in(node, request->cache_rename.parent);
        drop_name(node, request->cache_rename.to_parent, request->cache_rename.to);
        drop_nodes_in(node, request->cache_rename.to_parent);
        break;
    case CFS_OP_CACHE_SETNODE:
        sim_files_drop(node, SIM_COPY_NODE, request->cache_set.ino, 0);
        sim_files_drop(node, SIM_COPY_LIST, request->cache_set.ino, 0);
        break;
    case CFS_OP_CACHE_PUT:
        sim_files_drop(node, SIM_COPY_CONTENT, request->cache_put.ino, 0);
        break;
    default:
        break;
    }
}

/* Recalls and lapses, from the effect to the event. */

static bool is_recalled(const struct sim_cached *copy, const struct cfs_cache_recall *recall)
{
    for (uint32_t i = 0; i < recall->count; i++) {
        const struct cfs_cache_recall_item *item = &recall->items[i];
        bool is_name = copy->kind == SIM_COPY_NAME;
        if (copy->ino != item->ino || recall->contents != (copy->kind == SIM_COPY_CONTENT))
            continue;
        if (!is_name || (*item->name && copy->name == sim_cache_name_number(item->name)))
            return true;
    }
    return false;
}

static bool is_concerned(const struct sim_cached *copy, const struct sim_giving_up *work)
{
    if (work->lapse)
        return copy->share.group == work->lapsed.group && copy->share.epoch < work->lapsed.epoch;
    return copy->share.group == work->recall.group && is_recalled(copy, &work->recall);
}

static void finish(struct sim *sim, void *arg, uint64_t life)
{
    struct sim_giving_up *work = arg;
    struct sim_files *files = &work->node->files;
    struct cfs_event event = {.type = CFS_EV_RECALLED, .id = work->recall.id};

    if (life == work->node->life && work->node->state == SIM_PAUSED) {
        sim_at(sim, work->node->resume_at + 1, finish, work, life);
        return;
    }
    if (life == work->node->life) {
        for (uint32_t i = files->count; i-- > 0;)
            if (is_concerned(&files->copies[i], work))
                drop(files, &files->copies[i]);
        if (work->lapse) {
            event.type = CFS_EV_LAPSED;
            event.lapsed = work->lapsed;
        }
        sim_node_event(sim, work->node, life, &event);
    }
    DL_DELETE(files->works, work);
    free(work);
}

static void begin(struct sim *sim, const struct sim_giving_up *work)
{
    struct sim_random *random = &sim->random_cacher;
    const struct sim_swarm *swarm = &sim->swarm;
    struct sim_files *files = &work->node->files;
    cfs_time takes = sim_random_between(random, 50, swarm->recall_max);
    struct sim_giving_up *copy;

    if (!sim_quiet(sim) && sim_random_chance(random, swarm->recall_slow_permille))
        takes = sim_random_between(random, swarm->recall_max, swarm->recall_slow_max);
    for (uint32_t i = 0; i < files->count; i++)
        files->copies[i].leaving |= is_concerned(&files->copies[i], work);
    copy = cfs_alloc_copy(work, sizeof *work);
    DL_APPEND(files->works, copy);
    sim_at(sim, sim->world.now + takes, finish, copy, work->node->life);
}

void sim_files_recall(struct sim *sim, struct sim_node *node, const struct cfs_cache_recall *recall)
{
    begin(sim, &(struct sim_giving_up){.node = node, .recall = *recall});
}

void sim_files_lapse(struct sim *sim, struct sim_node *node, const struct cfs_cache_share *lapse)
{
    begin(sim, &(struct sim_giving_up){.node = node, .lapse = true, .lapsed = *lapse});
}
