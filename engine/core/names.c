/* The tree of the cache: changes. names_rules.c has said what each comes to before it begins. */
#include "core/names.h"

#include <stdlib.h>
#include <string.h>

#include "core/command.h"
#include "core/names_internal.h"

/* The root needs nobody to make it. It is not sticky: fs.protected_regular would refuse O_CREAT of
 * another's file there. */
static struct cfs_inode *make_root(struct cfs_names *names)
{
    struct cfs_inode *root = cfs_inode_new(names, CFS_CACHE_ROOT, CFS_INODE_DIRECTORY);

    root->perm = 0777;
    root->version = CFS_CACHE_ROOT;
    return root;
}

struct cfs_names *cfs_names_new(void)
{
    struct cfs_names *names = cfs_alloc_zeroed(1, sizeof *names);

    names->last = names->saved_last = CFS_CACHE_ROOT;
    names->root = make_root(names);
    return names;
}

void cfs_names_free(struct cfs_names *names)
{
    struct cfs_inode *inode, *next;

    for (inode = names->all; inode; inode = next) {
        next = inode->next;
        if (inode->type == CFS_INODE_SYMLINK)
            free(inode->target);
        free(inode->name);
        free(inode);
    }
    cfs_id_table_close(&names->inodes);
    cfs_id_table_close(&names->by_name);
    free(names->links);
    free(names->changes.inodes);
    free(names->changes.gone.data);
    free(names);
}

/* Begins a change: its number. */
static uint64_t next_number(struct cfs_names *names, struct cfs_moment moment)
{
    uint64_t own = moment.index + CFS_CACHE_ROOT;

    names->last = own > names->last ? own : names->last + 1;
    return names->last;
}

/* What this change does to an inode shows in its version and ctime; with `data` in its mtime too.
 * No two of these times are equal: who compares mtimes must see a change, however fast it came. */
static void touch(struct cfs_names *names, struct cfs_inode *inode, cfs_wall_time wall, bool data)
{
    cfs_wall_time now = wall > inode->ctime ? wall : inode->ctime + 1;

    if (data && now == inode->mtime)
        now++;
    inode->ctime = now;
    if (data)
        inode->mtime = now;
    inode->version = names->last;
    cfs_inode_changed(names, inode);
}

/* As mkdir(2): in a directory with the set-group-ID bit all belongs to its group, and directories
 * have the bit themselves. */
static void set_owner(struct cfs_inode *inode, const struct cfs_inode *parent,
                      const struct cfs_cache_make *make)
{
    const uint16_t setgid = 02000;

    inode->uid = make->uid;
    inode->gid = parent->perm & setgid ? parent->gid : make->gid;
    inode->perm = inode->type == CFS_INODE_SYMLINK ? 0777 : make->perm & CFS_PERM_MASK;
    if (inode->type == CFS_INODE_DIRECTORY)
        inode->perm |= parent->perm & setgid;
}

static struct cfs_inode *make_inode(struct cfs_names *names, struct cfs_moment moment,
                                    struct cfs_inode *parent, const struct cfs_request *request)
{
    const struct cfs_cache_make *make = &request->cache_make;
    struct cfs_inode *inode = cfs_inode_new(names, next_number(names, moment), make->type);

    set_owner(inode, parent, make);
    if (make->type == CFS_INODE_SYMLINK) {
        inode->target = cfs_alloc_copy(make->target, make->target_len);
        inode->target_len = make->target_len;
    }
    inode->mtime = inode->atime = inode->ctime = moment.wall;
    inode->version = names->last;
    cfs_inode_link(names, parent, request->name, inode);
    cfs_inode_changed(names, inode);
    touch(names, parent, moment.wall, true);
    return inode;
}

static void orphan(struct cfs_names *names, struct cfs_moment moment, struct cfs_inode *inode)
{
    cfs_inode_unlink(names, inode);
    cfs_inode_orphan(names, inode, names->last, moment.time);
    touch(names, inode, moment.wall, false);
}

static void remove_name(struct cfs_names *names, struct cfs_moment moment,
                        const struct cfs_names_plan *plan)
{
    next_number(names, moment);
    orphan(names, moment, plan->inode);
    touch(names, plan->parent, moment.wall, true);
}

static void rename_inode(struct cfs_names *names, struct cfs_moment moment,
                         const struct cfs_names_plan *plan, const struct cfs_request *request)
{
    const struct cfs_cache_rename *rename = &request->cache_rename;

    next_number(names, moment);
    if (plan->other && rename->exchange) {
        cfs_inode_unlink(names, plan->other);
        touch(names, plan->other, moment.wall, false);
    } else if (plan->other) {
        orphan(names, moment, plan->other);
    }
    cfs_inode_unlink(names, plan->inode);
    cfs_inode_link(names, plan->to_parent, rename->to, plan->inode);
    if (rename->exchange)
        cfs_inode_link(names, plan->parent, request->name, plan->other);
    touch(names, plan->inode, moment.wall, false);
    touch(names, plan->parent, moment.wall, true);
    if (plan->to_parent != plan->parent)
        touch(names, plan->to_parent, moment.wall, true);
}

static void set_fields(struct cfs_names *names, struct cfs_moment moment, struct cfs_inode *inode,
                       const struct cfs_cache_set *set)
{
    next_number(names, moment);
    touch(names, inode, moment.wall, set->fields & CFS_CACHE_MTIME_NOW);
    if (set->fields & CFS_CACHE_PERM)
        inode->perm = set->perm & CFS_PERM_MASK;
    if (set->fields & CFS_CACHE_UID)
        inode->uid = set->uid;
    if (set->fields & CFS_CACHE_GID)
        inode->gid = set->gid;
    if (set->fields & CFS_CACHE_ATIME)
        inode->atime = set->atime;
    if (set->fields & CFS_CACHE_ATIME_NOW)
        inode->atime = inode->ctime;
    if (set->fields & CFS_CACHE_MTIME)
        inode->mtime = set->mtime;
}

static void forget(struct cfs_names *names, struct cfs_moment moment, struct cfs_inode *inode)
{
    next_number(names, moment);
    cfs_inode_adopt(names, inode);
    cfs_inode_gone(names, inode);
    cfs_inode_drop(names, inode);
}

/* What the plan says, which is not refused. Returns the inode it is about; NULL: it is gone. */
static struct cfs_inode *carry_out(struct cfs_names *names, struct cfs_moment moment,
                                   const struct cfs_request *request,
                                   const struct cfs_names_plan *plan)
{
    if (plan->idle)
        return plan->inode;
    switch (request->op) {
    case CFS_OP_CACHE_MAKE:
        return make_inode(names, moment, plan->parent, request);
    case CFS_OP_CACHE_REMOVE:
        remove_name(names, moment, plan);
        break;
    case CFS_OP_CACHE_RENAME:
        rename_inode(names, moment, plan, request);
        break;
    case CFS_OP_CACHE_SETNODE:
        set_fields(names, moment, plan->inode, &request->cache_set);
        break;
    default:
        forget(names, moment, plan->inode);
        return NULL;
    }
    return plan->inode;
}

void cfs_names_apply(struct cfs_names *names, struct cfs_moment moment,
                     const struct cfs_request *request, struct cfs_answer *answer)
{
    struct cfs_names_plan plan = cfs_names_plan(names, request);
    const struct cfs_inode *inode;

    answer->error = plan.error;
    if (plan.error)
        return;
    inode = carry_out(names, moment, request, &plan);
    if (!inode)
        return;
    answer->id = inode->item.id;
    if (request->op == CFS_OP_CACHE_MAKE || request->op == CFS_OP_CACHE_SETNODE)
        answer->cache.inode = cfs_inode_info(inode);
    if (plan.other && plan.other->orphaned)
        answer->token = plan.other->item.id;
}

void cfs_names_renew(struct cfs_names *names, uint64_t clock)
{
    names->last = cfs_renewed(names->last, clock);
}
