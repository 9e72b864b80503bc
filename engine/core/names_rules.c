/* What a change to the tree comes to, before anything is changed: the errors of open(2), mkdir(2),
 * unlink(2), rmdir(2), rename(2) and renameat2(2), in the order in which Linux finds them. */
#include <string.h>

#include "core/names_internal.h"
#include "core/planted.h"

/* A directory in which names can be looked up. One that was removed has none, and gets none. */
static enum cfs_error find_directory(const struct cfs_names *names, cfs_ino ino,
                                     struct cfs_inode **directory)
{
    *directory = cfs_inode_find(names, ino);
    if (!*directory)
        return CFS_ERR_NO_FILE;
    return (*directory)->type == CFS_INODE_DIRECTORY ? CFS_OK : CFS_ERR_FILE_NOT_DIRECTORY;
}

/* Whether `uid` may take the name of `inode` away. */
static bool may_take(const struct cfs_inode *inode, uint32_t uid)
{
    const uint16_t sticky = 01000;
    const struct cfs_inode *directory = inode->parent;

    return !(directory->perm & sticky) || !uid || uid == inode->uid || uid == directory->uid;
}

static bool is_directory(const struct cfs_inode *inode)
{
    return inode->type == CFS_INODE_DIRECTORY;
}

/* The name of something that is, or is not, a directory. */
static enum cfs_error check_kind(const struct cfs_inode *inode, bool directory)
{
    if (is_directory(inode) == directory)
        return CFS_OK;
    return directory ? CFS_ERR_FILE_NOT_DIRECTORY : CFS_ERR_FILE_IS_DIRECTORY;
}

static bool makes_sense(const struct cfs_cache_make *make)
{
    switch (make->type) {
    case CFS_INODE_FILE:
    case CFS_INODE_DIRECTORY:
        return !make->target_len;
    case CFS_INODE_SYMLINK:
        return make->target_len && make->target_len <= CFS_TARGET_MAX &&
               !memchr(make->target, 0, make->target_len);
    }
    return false;
}

static enum cfs_error plan_make(const struct cfs_names *names, const struct cfs_request *request,
                                struct cfs_names_plan *plan)
{
    const struct cfs_cache_make *make = &request->cache_make;
    enum cfs_error error;

    if (!cfs_name_valid(request->name) || !makes_sense(make))
        return CFS_ERR_INVALID;
    error = find_directory(names, make->parent, &plan->parent);
    if (error)
        return error;
    plan->inode = cfs_inode_in(names, plan->parent, request->name);
    if (!plan->inode)
        return plan->parent->orphaned ? CFS_ERR_NO_FILE : CFS_OK;
    plan->idle = true;
    return make->type == CFS_INODE_FILE && plan->inode->type == CFS_INODE_FILE &&
                   (!make->exclusive || CFS_PLANTED(BUG_EXCLUSIVE_OPENS))
               ? CFS_OK
               : CFS_ERR_FILE_EXISTS;
}

static enum cfs_error plan_remove(const struct cfs_names *names, const struct cfs_request *request,
                                  struct cfs_names_plan *plan)
{
    const struct cfs_cache_remove *remove = &request->cache_remove;
    enum cfs_error error;

    if (!cfs_name_valid(request->name))
        return CFS_ERR_INVALID;
    error = find_directory(names, remove->parent, &plan->parent);
    if (error)
        return error;
    plan->inode = cfs_inode_in(names, plan->parent, request->name);
    if (!plan->inode)
        return CFS_ERR_NO_FILE;
    if (!may_take(plan->inode, remove->uid))
        return CFS_ERR_NOT_PERMITTED;
    error = check_kind(plan->inode, remove->directory);
    if (error)
        return error;
    return remove->directory && plan->inode->entry_count ? CFS_ERR_DIRECTORY_NOT_EMPTY : CFS_OK;
}

/* Whether it may go to its new place, where `other` may be, with all that is below it. */
static enum cfs_error check_place(const struct cfs_names_plan *plan,
                                  const struct cfs_cache_rename *rename)
{
    const struct cfs_inode *other = plan->other;

    if (rename->no_replace && other)
        return CFS_ERR_FILE_EXISTS;
    if (rename->exchange && !other)
        return CFS_ERR_NO_FILE;
    if (is_directory(plan->inode) && cfs_inode_is_above(plan->inode, plan->to_parent))
        return CFS_ERR_LOOP;
    if (other && is_directory(other) && cfs_inode_is_above(other, plan->parent))
        return rename->exchange ? CFS_ERR_LOOP : CFS_ERR_DIRECTORY_NOT_EMPTY;
    return CFS_OK;
}

/* Whether `other` may lose its name to what is moved. */
static enum cfs_error check_replaced(const struct cfs_names_plan *plan,
                                     const struct cfs_cache_rename *rename)
{
    bool directory = is_directory(plan->inode);
    enum cfs_error error;

    if (!plan->other)
        return CFS_OK;
    if (!may_take(plan->other, rename->uid))
        return CFS_ERR_NOT_PERMITTED;
    if (rename->exchange)
        return CFS_OK;
    error = check_kind(plan->other, directory);
    if (error)
        return error;
    return directory && plan->other->entry_count ? CFS_ERR_DIRECTORY_NOT_EMPTY : CFS_OK;
}

static enum cfs_error plan_rename(const struct cfs_names *names, const struct cfs_request *request,
                                  struct cfs_names_plan *plan)
{
    const struct cfs_cache_rename *rename = &request->cache_rename;
    enum cfs_error error;

    if (!cfs_name_valid(request->name) || !cfs_name_valid(rename->to) ||
        (rename->no_replace && rename->exchange))
        return CFS_ERR_INVALID;
    error = find_directory(names, rename->parent, &plan->parent);
    if (!error)
        error = find_directory(names, rename->to_parent, &plan->to_parent);
    if (error)
        return error;
    plan->inode = cfs_inode_in(names, plan->parent, request->name);
    if (!plan->inode || plan->to_parent->orphaned)
        return CFS_ERR_NO_FILE;
    plan->other = cfs_inode_in(names, plan->to_parent, rename->to);
    error = check_place(plan, rename);
    if (error)
        return error;
    plan->idle = plan->other == plan->inode;
    if (plan->idle)
        return CFS_OK;
    if (!may_take(plan->inode, rename->uid))
        return CFS_ERR_NOT_PERMITTED;
    return check_replaced(plan, rename);
}

/* A file's times are with its contents. */
static enum cfs_error plan_set(const struct cfs_names *names, const struct cfs_cache_set *set,
                               struct cfs_names_plan *plan)
{
    const uint32_t own = CFS_CACHE_PERM | CFS_CACHE_UID | CFS_CACHE_GID;
    const uint32_t times =
        CFS_CACHE_ATIME | CFS_CACHE_MTIME | CFS_CACHE_ATIME_NOW | CFS_CACHE_MTIME_NOW;

    plan->inode = cfs_inode_find(names, set->ino);
    if (!plan->inode)
        return CFS_ERR_NO_FILE;
    if (set->fields & ~(plan->inode->type == CFS_INODE_FILE ? own : own | times))
        return CFS_ERR_INVALID;
    plan->idle = !set->fields;
    return CFS_OK;
}

/* It may have been done before. */
static enum cfs_error plan_forget(const struct cfs_names *names, const struct cfs_cache_drop *drop,
                                  struct cfs_names_plan *plan)
{
    plan->inode = cfs_inode_find(names, drop->ino);
    plan->idle = !plan->inode;
    return plan->idle || plan->inode->orphaned ? CFS_OK : CFS_ERR_INVALID;
}

struct cfs_names_plan cfs_names_plan(const struct cfs_names *names,
                                     const struct cfs_request *request)
{
    struct cfs_names_plan plan = {0};

    switch (request->op) {
    case CFS_OP_CACHE_MAKE:
        plan.error = plan_make(names, request, &plan);
        break;
    case CFS_OP_CACHE_REMOVE:
        plan.error = plan_remove(names, request, &plan);
        break;
    case CFS_OP_CACHE_RENAME:
        plan.error = plan_rename(names, request, &plan);
        break;
    case CFS_OP_CACHE_SETNODE:
        plan.error = plan_set(names, &request->cache_set, &plan);
        break;
    case CFS_OP_CACHE_FORGET:
        plan.error = plan_forget(names, &request->cache_drop, &plan);
        break;
    default:
        plan.error = CFS_ERR_INVALID;
    }
    return plan;
}

enum cfs_error cfs_names_refusal(const struct cfs_names *names, const struct cfs_request *request)
{
    return cfs_names_plan(names, request).error;
}
