/* Names: each is a register, whose value is the inode that has it, or none. What a change has set
 * it to is there from some moment between its begin and its end; until another is there for sure.
 */
#include <inttypes.h>
#include <string.h>

#include "check_inode.h"
#include "core/alloc.h"
#include "sim.h"

static void add_set(struct sim_name_check *name, struct sim_name_set set)
{
    name->sets = cfs_array_room(name->sets, name->count, &name->capacity, sizeof *name->sets);
    name->sets[name->count++] = set;
}

/* In the beginning there is none. */
static struct sim_name_check *name_of(struct sim *sim, cfs_ino directory, uint32_t number)
{
    struct sim_name_check *name = &sim_inode_check(sim, directory)->names[number];

    if (!name->count) {
        add_set(name, (struct sim_name_set){.sure = true});
        name->made_none = 1;
    }
    return name;
}

/* Readings. */

static bool sets_to(struct sim *sim, const struct sim_name_set *set, cfs_ino ino)
{
    if (!set->any)
        return set->value == ino;
    if (!ino)
        return false;
    return !set->fresh || !sim_inode_check(sim, ino)->made ||
           sim_inode_check(sim, ino)->made == set->begin;
}

/* Whether another one has for sure come after it, before `begin`. */
static bool is_over(const struct sim_name_check *name, const struct sim_name_set *set,
                    uint64_t begin)
{
    for (size_t i = 0; i < name->count; i++) {
        const struct sim_name_set *other = &name->sets[i];
        if (other->sure && other->begin > set->end && other->end < begin)
            return true;
    }
    return false;
}

/* The only one that can have set what was read has done so by now. */
static void learn(struct sim *sim, struct sim_name_set *set, cfs_ino ino)
{
    set->sure = true;
    set->any = false;
    set->value = ino;
    if (set->end > sim->cache.order)
        set->end = sim->cache.order;
}

void sim_check_name(struct sim *sim, const struct sim_node *node, uint64_t begin, cfs_ino directory,
                    uint32_t number, cfs_ino ino)
{
    struct sim_name_check *name = name_of(sim, directory, number);
    struct sim_name_set *only = NULL;
    uint32_t found = 0;

    sim_cache_begins(sim);
    for (size_t i = 0; i < name->count; i++) {
        struct sim_name_set *set = &name->sets[i];
        if (set->begin == begin || !sets_to(sim, set, ino) || is_over(name, set, begin))
            continue; /* not by the change itself that tells what it found */
        only = set;
        found++;
    }
    if (found == 1)
        learn(sim, only, ino);
    if (!found)
        sim_fail(sim, "cache-names",
                 "node %u is told that %s in directory %" PRIu64 " is inode %" PRIu64
                 ", which it was not after that began",
                 node->id, sim_cache_name(number), directory, ino);
}

/* It is somebody's. */
static void check_taken(struct sim *sim, const struct sim_node *node, uint64_t begin,
                        cfs_ino directory, uint32_t number)
{
    struct sim_name_check *name = name_of(sim, directory, number);

    for (size_t i = 0; i < name->count; i++)
        if (name->sets[i].begin != begin && (name->sets[i].any || name->sets[i].value) &&
            !is_over(name, &name->sets[i], begin))
            return;
    sim_fail(sim, "cache-names",
             "node %u is told that %s is in directory %" PRIu64 ", and it is not", node->id,
             sim_cache_name(number), directory);
}

void sim_check_list(struct sim *sim, const struct sim_node *node, uint64_t begin, cfs_ino directory,
                    const struct sim_seen *seen)
{
    sim_check_node(sim, node, begin, directory, seen);
    for (uint32_t i = 0; i < SIM_CACHE_NAMES_MAX; i++)
        sim_check_name(sim, node, begin, directory, i, seen->entries[i]);
}

/* Changes. */

static void begin_set(struct sim *sim, cfs_ino directory, const char *name, struct sim_name_set set)
{
    struct sim_name_check *check = name_of(sim, directory, sim_cache_name_number(name));

    set.end = UINT64_MAX;
    check->made_none += !set.any;
    add_set(check, set);
}

void sim_check_change(struct sim *sim, const struct cfs_request *request, uint64_t begin)
{
    struct sim_name_set none = {.begin = begin}, any = {.any = true, .begin = begin};
    const struct cfs_cache_rename *rename = &request->cache_rename;

    if (request->op == CFS_OP_CACHE_MAKE) {
        any.fresh = true;
        begin_set(sim, request->cache_make.parent, request->name, any);
    } else if (request->op == CFS_OP_CACHE_REMOVE) {
        begin_set(sim, request->cache_remove.parent, request->name, none);
    } else if (request->op == CFS_OP_CACHE_RENAME) {
        begin_set(sim, rename->parent, request->name, rename->exchange ? any : none);
        begin_set(sim, rename->to_parent, rename->to, any);
    }
}

static struct sim_name_set *set_of(struct sim_name_check *name, uint64_t begin)
{
    struct sim_name_set *set = name->sets;

    while (set->begin != begin)
        set++;
    return set;
}

static void refuse(struct sim *sim, cfs_ino directory, const char *word, uint64_t begin)
{
    struct sim_name_check *name = name_of(sim, directory, sim_cache_name_number(word));
    struct sim_name_set *set = set_of(name, begin);

    if (set->sure)
        sim_fail(sim, "cache-refused",
                 "what a refused change makes of %s in directory %" PRIu64 " was seen", word,
                 directory);
    name->made_none -= !set->any && !set->value;
    *set = name->sets[--name->count];
}

/* It has happened; `ino`: what the name is that of from then on, if that is known. */
static void settle(struct sim *sim, cfs_ino directory, const char *word, uint64_t begin, bool known,
                   cfs_ino ino)
{
    struct sim_name_check *name = name_of(sim, directory, sim_cache_name_number(word));
    struct sim_name_set *set = set_of(name, begin);

    if (known && set->sure && set->value != ino)
        sim_fail(sim, "cache-names",
                 "%s in directory %" PRIu64 " was seen to be inode %" PRIu64 ", and %" PRIu64
                 " is what it became",
                 word, directory, set->value, ino);
    if (known) {
        set->any = false;
        set->value = ino;
    }
    set->sure = true;
    if (set->end > sim->cache.order)
        set->end = sim->cache.order;
    if (sim_inode_check(sim, directory)->orphaned &&
        sim_inode_check(sim, directory)->orphaned < begin && ino)
        sim_fail(sim, "cache-names", "%s came into directory %" PRIu64 ", which had been removed",
                 word, directory);
}

/* Each name that is made where there was none has to follow one that went. */
static void found_none(struct sim *sim, const struct sim_node *node, cfs_ino directory,
                       const char *word, uint64_t begin)
{
    struct sim_name_check *name = name_of(sim, directory, sim_cache_name_number(word));

    sim_check_name(sim, node, begin, directory, sim_cache_name_number(word), 0);
    if (++name->needed_none > name->made_none)
        sim_fail(sim, "cache-one-winner", "%s in directory %" PRIu64 " was made by two at once",
                 word, directory);
}

static void orphan(struct sim *sim, const struct sim_node *node, cfs_ino ino, uint64_t begin)
{
    struct sim_inode_check *inode = sim_inode_check(sim, ino);

    if (inode->orphaned)
        sim_fail(sim, "cache-names", "inode %" PRIu64 " lost its name twice", ino);
    for (uint32_t i = 0; i < SIM_CACHE_NAMES_MAX; i++)
        if (inode->names[i].count)
            sim_check_name(sim, node, begin, ino, i, 0);
    inode->orphaned = sim_cache_begins(sim);
    inode->lost_at = sim->world.now;
}

static void made(struct sim *sim, const struct sim_node *node, const struct cfs_request *request,
                 uint64_t begin, const struct cfs_answer *answer)
{
    const struct cfs_cache_make *make = &request->cache_make;
    struct sim_inode_check *inode = sim_inode_check(sim, answer->id);
    bool is_new = make->exclusive || make->type != CFS_INODE_FILE;

    if (is_new)
        found_none(sim, node, make->parent, request->name, begin);
    if (is_new && inode->made)
        sim_fail(sim, "cache-names", "inode %" PRIu64 " was made twice", answer->id);
    if (is_new)
        inode->made = begin;
    sim_cache_begins(sim);
    settle(sim, make->parent, request->name, begin, true, answer->id);
    if (is_new && answer->cache.inode.ino)
        sim_floor_add(sim, &sim_inode_check(sim, make->parent)->node, answer->cache.inode.version);
}

static void removed(struct sim *sim, const struct sim_node *node, const struct cfs_request *request,
                    uint64_t begin, const struct cfs_answer *answer)
{
    cfs_ino directory = request->cache_remove.parent;

    sim_check_name(sim, node, begin, directory, sim_cache_name_number(request->name), answer->id);
    orphan(sim, node, answer->id, begin);
    settle(sim, directory, request->name, begin, true, 0);
}

static void renamed(struct sim *sim, const struct sim_node *node, const struct cfs_request *request,
                    uint64_t begin, const struct cfs_answer *answer)
{
    const struct cfs_cache_rename *rename = &request->cache_rename;

    sim_check_name(sim, node, begin, rename->parent, sim_cache_name_number(request->name),
                   answer->id);
    if (rename->exchange)
        check_taken(sim, node, begin, rename->to_parent, sim_cache_name_number(rename->to));
    else if (answer->token)
        sim_check_name(sim, node, begin, rename->to_parent, sim_cache_name_number(rename->to),
                       answer->token);
    else
        found_none(sim, node, rename->to_parent, rename->to, begin);
    if (answer->token)
        orphan(sim, node, answer->token, begin);
    sim_cache_begins(sim);
    settle(sim, rename->parent, request->name, begin, !rename->exchange, 0);
    settle(sim, rename->to_parent, rename->to, begin, true, answer->id);
}

static void refused(struct sim *sim, const struct sim_node *node, const struct cfs_request *request,
                    uint64_t begin, enum cfs_error error)
{
    const struct cfs_cache_rename *rename = &request->cache_rename;
    uint32_t name = sim_cache_name_number(request->name);

    if (request->op == CFS_OP_CACHE_MAKE) {
        refuse(sim, request->cache_make.parent, request->name, begin);
        if (error == CFS_ERR_FILE_EXISTS)
            check_taken(sim, node, begin, request->cache_make.parent, name);
    } else if (request->op == CFS_OP_CACHE_REMOVE) {
        refuse(sim, request->cache_remove.parent, request->name, begin);
        if (error == CFS_ERR_NO_FILE)
            sim_check_name(sim, node, begin, request->cache_remove.parent, name, 0);
    } else if (request->op == CFS_OP_CACHE_RENAME) {
        refuse(sim, rename->parent, request->name, begin);
        refuse(sim, rename->to_parent, rename->to, begin);
        if (error == CFS_ERR_NO_FILE && !rename->exchange && rename->parent == rename->to_parent)
            sim_check_name(sim, node, begin, rename->parent, name, 0);
    }
}

static void set_attributes(struct sim *sim, const struct sim_node *node,
                           const struct cfs_request *request, uint64_t begin,
                           const struct cfs_answer *answer)
{
    const struct cfs_inode_info *info = &answer->cache.inode;
    struct sim_inode_check *inode = sim_inode_check(sim, request->cache_set.ino);

    if (!info->ino)
        return;
    if (info->version <= sim_floor_at(&inode->node, begin) || info->perm != request->cache_set.perm)
        sim_fail(sim, "cache-attributes",
                 "node %u is told that its change of inode %" PRIu64 " made version %" PRIu64
                 ", with mode %o",
                 node->id, inode->ino, info->version, info->perm);
}

void sim_check_changed(struct sim *sim, const struct sim_node *node,
                       const struct cfs_request *request, uint64_t begin,
                       const struct cfs_answer *answer)
{
    if (sim_cache_refuses(answer->error))
        refused(sim, node, request, begin, answer->error);
    else if (answer->error)
        return;
    else if (request->op == CFS_OP_CACHE_MAKE)
        made(sim, node, request, begin, answer);
    else if (request->op == CFS_OP_CACHE_REMOVE)
        removed(sim, node, request, begin, answer);
    else if (request->op == CFS_OP_CACHE_RENAME)
        renamed(sim, node, request, begin, answer);
    else
        set_attributes(sim, node, request, begin, answer);
}
