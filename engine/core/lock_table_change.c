/* What holders and others do to a held lock: give it back, remove it, write to it, change its
 * looks. */
#include <stdlib.h>
#include <string.h>

#include "core/lock_table_internal.h"

static void give_back(struct cfs_lock_table *table, struct cfs_claim *hold,
                      struct cfs_moment moment)
{
    struct cfs_lock *lock = hold->lock;

    cfs_claim_drop(table, hold);
    cfs_lock_settle(table, lock, moment);
}

static enum cfs_error release_flock(struct cfs_lock_table *table, const struct cfs_lock *lock,
                                    cfs_session_id session, struct cfs_moment moment,
                                    uint64_t handle)
{
    struct cfs_acquire ask = {.kind = CFS_FLOCK, .handle = handle};
    struct cfs_claim probe = cfs_claim_probe((struct cfs_asker){.session = session}, 0, &ask);
    struct cfs_claim *hold = lock ? cfs_claim_same(table, lock, &probe) : NULL;

    if (hold)
        give_back(table, hold, moment);
    return CFS_OK;
}

/* By token, so that it never releases the lock that somebody else has made since. */
static enum cfs_error release_lockfile(struct cfs_lock_table *table, const struct cfs_lock *lock,
                                       cfs_session_id session, struct cfs_moment moment,
                                       cfs_token token)
{
    struct cfs_claim *hold = lock ? cfs_claim_by_token(lock, token) : NULL;

    if (hold && hold->ask.kind == CFS_LOCKFILE && hold->session == session)
        give_back(table, hold, moment);
    return CFS_OK;
}

static struct cfs_claim *by_asking(const struct cfs_lock *lock, uint64_t handle)
{
    struct cfs_claim *hold;

    DL_FOREACH (lock->holders, hold)
        if (hold->ask.kind == CFS_LEASED && hold->ask.handle == handle)
            return hold;
    return NULL;
}

static enum cfs_error release_leased(struct cfs_lock_table *table, const struct cfs_lock *lock,
                                     struct cfs_moment moment, const struct cfs_release *release)
{
    struct cfs_claim *hold = NULL;

    if (lock && release->handle)
        hold = by_asking(lock, release->handle);
    else if (lock)
        hold = cfs_claim_by_token(lock, release->token);

    if (!lock)
        return CFS_ERR_NOT_HELD;
    if (!hold || hold->ask.kind != CFS_LEASED)
        return CFS_ERR_NOT_HOLDER;
    give_back(table, hold, moment);
    return CFS_OK;
}

enum cfs_error cfs_lock_table_release(struct cfs_lock_table *table, cfs_session_id session,
                                      struct cfs_moment moment, const char *name,
                                      const struct cfs_release *release)
{
    const struct cfs_lock *lock = cfs_lock_find(table, name);

    if (release->kind == CFS_FLOCK)
        return release_flock(table, lock, session, moment, release->handle);
    if (release->kind == CFS_LOCKFILE)
        return release_lockfile(table, lock, session, moment, release->token);
    return release_leased(table, lock, moment, release);
}

/* At most one: lockfiles are exclusive. */
static struct cfs_claim *lockfile_of(const struct cfs_lock *lock)
{
    struct cfs_claim *hold;

    DL_FOREACH (lock->holders, hold)
        if (hold->ask.kind == CFS_LOCKFILE)
            return hold;
    return NULL;
}

static bool may_change(const struct cfs_lock *lock, uint32_t uid)
{
    return uid == 0 || uid == lock->uid;
}

enum cfs_error cfs_lock_table_remove(struct cfs_lock_table *table, struct cfs_moment moment,
                                     const char *name, const struct cfs_remove *remove)
{
    struct cfs_lock *lock = cfs_lock_find(table, name);
    struct cfs_claim *hold = lock ? lockfile_of(lock) : NULL;

    if (!lock)
        return CFS_ERR_NOT_HELD;
    if (remove->form == CFS_FORM_FILE && lock->form == CFS_FORM_DIRECTORY)
        return CFS_ERR_IS_DIRECTORY;
    if (remove->form == CFS_FORM_DIRECTORY && lock->form == CFS_FORM_FILE)
        return CFS_ERR_NOT_DIRECTORY;
    if (!hold)
        return CFS_ERR_BUSY;
    if (!may_change(lock, remove->uid))
        return CFS_ERR_NOT_PERMITTED;
    give_back(table, hold, moment);
    return CFS_OK;
}

static bool holds_exclusively(const struct cfs_lock *lock, cfs_token token)
{
    const struct cfs_claim *hold = cfs_claim_by_token(lock, token);

    return hold && hold->ask.mode == CFS_EXCLUSIVE;
}

/* What is added reads as zeros. */
static void resize(struct cfs_lock *lock, uint32_t len)
{
    lock->content = cfs_realloc(lock->content, len);
    if (len > lock->content_len)
        memset(lock->content + lock->content_len, 0, len - lock->content_len);
    lock->content_len = len;
}

enum cfs_error cfs_lock_table_write(struct cfs_lock_table *table, struct cfs_moment moment,
                                    const char *name, const struct cfs_write *write)
{
    struct cfs_lock *lock = cfs_lock_find(table, name);

    if (!lock || !holds_exclusively(lock, write->token))
        return CFS_ERR_NOT_HOLDER;
    if (!write->len)
        return CFS_OK; /* as write(2): nothing grows, not even over a gap */
    if (write->offset > CFS_CONTENT_MAX || write->len > CFS_CONTENT_MAX - write->offset)
        return CFS_ERR_TOO_BIG;
    if (write->offset + write->len > lock->content_len)
        resize(lock, (uint32_t)write->offset + write->len);
    memcpy(lock->content + write->offset, write->data, write->len);
    lock->mtime = moment.wall;
    cfs_lock_changed(table, lock);
    return CFS_OK;
}

static enum cfs_error check_setattr(const struct cfs_lock *lock, const struct cfs_setattr *setattr)
{
    if (!lock)
        return CFS_ERR_NOT_HELD;
    if ((setattr->fields & ~(uint32_t)CFS_SET_SIZE) && !may_change(lock, setattr->caller))
        return CFS_ERR_NOT_PERMITTED;
    if (!(setattr->fields & CFS_SET_SIZE))
        return CFS_OK;
    if (!holds_exclusively(lock, setattr->token))
        return CFS_ERR_NOT_HOLDER;
    return setattr->size > CFS_CONTENT_MAX ? CFS_ERR_TOO_BIG : CFS_OK;
}

/* All of it or, on an error, nothing. */
enum cfs_error cfs_lock_table_setattr(struct cfs_lock_table *table, struct cfs_moment moment,
                                      const char *name, const struct cfs_setattr *setattr)
{
    struct cfs_lock *lock = cfs_lock_find(table, name);
    enum cfs_error error = check_setattr(lock, setattr);

    if (error)
        return error;
    cfs_lock_changed(table, lock);
    if (setattr->fields & CFS_SET_PERM)
        lock->perm = setattr->perm & 07777u;
    if (setattr->fields & CFS_SET_UID)
        lock->uid = setattr->uid;
    if (setattr->fields & CFS_SET_GID)
        lock->gid = setattr->gid;
    if (setattr->fields & CFS_SET_SIZE)
        resize(lock, (uint32_t)setattr->size);
    if (setattr->fields & (CFS_SET_SIZE | CFS_SET_MTIME_NOW))
        lock->mtime = moment.wall;
    if (setattr->fields & CFS_SET_MTIME)
        lock->mtime = setattr->mtime;
    return CFS_OK;
}
