/* Open files of locks/: flock, and the content that the holder writes for all to read.
 *
 * flock is the only request that may wait for long. It is parked until the engine grants it or the
 * kernel interrupts it; when both happen, what came first counts, and is what the program is told.
 * A handle that outlives the node's session answers EIO until it is closed. */
#include <errno.h>
#include <string.h>
#include <sys/file.h>

#include "fs/access.h"
#include "fs/clock.h"
#include "fs/locks.h"

/* How long the place of an interrupted wait is kept for who asks again. */
#define PLACE_KEPT CFS_SECONDS(1)

/* --- flock ------------------------------------------------------------------------------- */

static void unlocked(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    struct cfs_handle *handle = pending->handle;

    /* Even if it could not be said in time that it is given back: it will be. */
    cfs_handle_lets_go(handle);
    if (!answer->error && !handle->acquiring)
        handle->may_hold = false;
    cfs_pending_reply_error(pending, handle->lost ? CFS_ERR_LOST : answer->error);
}

static void unlock(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle)
{
    struct cfs_request request = cfs_lock_request(CFS_OP_RELEASE, handle->node->name);

    if (!handle->may_hold) {
        fuse_reply_err(req, 0);
        return;
    }
    /* As after a close, which the kernel does not wait for either: the leader asks a holder's node
     * for what it has on the way before it tells anybody "held". */
    if (!handle->acquiring && cfs_engine_in_touch(fs->engine)) {
        cfs_handle_renew(handle);
        fuse_reply_err(req, 0);
        return;
    }
    request.release = (struct cfs_release){.kind = CFS_FLOCK, .handle = handle->id};
    cfs_pending_submit(cfs_pending_new(fs, req, NULL, handle), &request, unlocked);
}

/* By the cluster, and for certain. After other errors a conversion may not have happened; then the
 * handle goes on counting as holder, and the engine, which knows, refuses what hangs on it. */
static bool was_refused(const struct cfs_answer *answer)
{
    return answer->error == CFS_ERR_WOULD_BLOCK || (answer->error && answer->ticket);
}

static void acquired(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    struct cfs_handle *handle = pending->handle;
    bool granted = !answer->error;

    if (granted && !handle->lost && !handle->closed)
        cfs_handle_holds(handle, pending->flock.mode, answer->token);
    if (was_refused(answer) && handle->token == pending->flock.before)
        cfs_handle_lets_go(handle); /* a conversion lets go first: what it held is gone too */
    if (answer->error == CFS_ERR_INTERRUPTED && answer->ticket)
        handle->place = (struct cfs_place){.ticket = answer->ticket,
                                           .mode = pending->flock.mode,
                                           .until = cfs_fs_now() + PLACE_KEPT};
    cfs_handle_acquired(handle, granted);
    cfs_pending_reply_error(pending, handle->lost ? CFS_ERR_LOST : answer->error);
}

/* The place in the queue that an interrupted call of this kind had just now; 0: none. */
static uint64_t take_place(struct cfs_handle *handle, enum cfs_lock_mode mode)
{
    struct cfs_place place = handle->place;

    handle->place = (struct cfs_place){0};
    return place.ticket && place.mode == mode && cfs_fs_now() < place.until ? place.ticket : 0;
}

static void lock(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle, int operation)
{
    enum cfs_lock_mode mode = operation & LOCK_EX ? CFS_EXCLUSIVE : CFS_SHARED;
    uint32_t tid = (uint32_t)fuse_req_ctx(req)->pid;
    struct cfs_request request = cfs_lock_request(CFS_OP_ACQUIRE, handle->node->name);
    struct cfs_pending *pending = cfs_pending_new(fs, req, NULL, handle);

    cfs_handle_identify(handle, tid);
    request.acquire = (struct cfs_acquire){.mode = mode,
                                           .kind = CFS_FLOCK,
                                           .form = CFS_FORM_FILE,
                                           .wait = !(operation & LOCK_NB),
                                           .handle = handle->id,
                                           .process = handle->process,
                                           .uid = handle->uid,
                                           .gid = handle->gid,
                                           .perm = handle->node->mode & 07777,
                                           .ticket = take_place(handle, mode)};
    pending->flock.mode = mode;
    pending->flock.before = handle->token;
    pending->tid = request.acquire.wait ? tid : 0;
    handle->acquiring++;
    handle->may_hold = true;
    cfs_pending_submit(pending, &request, acquired);
}

void cfs_lock_flock(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle, int operation)
{
    if (handle->lost)
        fuse_reply_err(req, EIO);
    else if (operation & LOCK_UN)
        unlock(fs, req, handle);
    else
        lock(fs, req, handle, operation);
}

/* --- content ----------------------------------------------------------------------------- */

/* Whether the lock is held through this handle: the token tells it from those that came before and
 * after. Where several share, the newest one's is shown, and the others are checked as anybody. */
static bool is_held_by(const struct cfs_lock_info *lock, const struct cfs_handle *handle)
{
    return lock->token && (lock->token == handle->token || lock->token == handle->lockfile);
}

/* The kernel checked the lock that the name stood for at open(2), if any. By now it may be another
 * one, of another owner, that this handle would not have been opened for. */
static bool may_read(fuse_req_t req, const struct cfs_handle *handle,
                     const struct cfs_lock_info *lock)
{
    struct cfs_owner owner = {lock->uid, lock->gid, lock->perm};

    return is_held_by(lock, handle) || cfs_access_allowed(req, handle->uid, handle->gid, &owner, 4);
}

static void content_read(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    const struct cfs_handle *handle = pending->handle;
    const struct cfs_lock_info *lock = &answer->lock;

    if (handle->lost)
        cfs_pending_reply_error(pending, CFS_ERR_LOST);
    else if (answer->error && answer->error != CFS_ERR_NOT_HELD)
        cfs_pending_reply_error(pending, answer->error);
    else if (answer->error || lock->form != CFS_FORM_FILE)
        fuse_reply_buf(cfs_pending_take(pending), NULL, 0);
    else if (!may_read(pending->req, handle, lock))
        cfs_pending_reply_errno(pending, EACCES);
    else
        cfs_reply_slice(cfs_pending_take(pending), lock->content, lock->content_len,
                        pending->read.size, pending->read.offset);
}

void cfs_lock_read(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle, size_t size,
                   uint64_t offset)
{
    struct cfs_request request = cfs_lock_request(CFS_OP_GET, handle->node->name);
    struct cfs_pending *pending;

    if (handle->lost) {
        fuse_reply_err(req, EIO);
        return;
    }
    pending = cfs_pending_new(fs, req, NULL, handle);
    pending->read.size = size;
    pending->read.offset = offset;
    cfs_pending_submit(pending, &request, content_read);
}

static void content_written(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    struct cfs_handle *handle = pending->handle;

    if (handle->lost) {
        cfs_pending_reply_error(pending, CFS_ERR_LOST);
    } else if (answer->error) {
        cfs_pending_reply_error(pending, answer->error);
    } else {
        if (pending->write.end > handle->content_len)
            handle->content_len = (uint32_t)pending->write.end;
        fuse_reply_write(cfs_pending_take(pending), pending->write.len);
    }
}

/* O_APPEND: the kernel's idea of the end may be old, and only the holder writes, so the handle
 * knows it. (Where one process holds by lockfile and by flock and appends through both, it does
 * not.) */
void cfs_lock_write(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle, const char *data,
                    size_t size, uint64_t offset, bool append)
{
    struct cfs_request request = cfs_lock_request(CFS_OP_WRITE, handle->node->name);
    cfs_token token = cfs_handle_exclusive(handle);
    uint64_t at = append ? handle->content_len : offset;
    struct cfs_pending *pending;

    if (handle->lost) {
        fuse_reply_err(req, EIO);
    } else if (!token) {
        fuse_reply_err(req, ENOLCK);
    } else if (size > CFS_CONTENT_MAX || at > CFS_CONTENT_MAX - size) {
        fuse_reply_err(req, EFBIG);
    } else {
        request.write = (struct cfs_write){
            .token = token, .offset = at, .data = (const uint8_t *)data, .len = (uint32_t)size};
        pending = cfs_pending_new(fs, req, NULL, handle);
        pending->write.end = at + size;
        pending->write.len = (uint32_t)size;
        cfs_pending_submit(pending, &request, content_written);
    }
}
