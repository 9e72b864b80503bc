/* Replacing a value: `echo v > key`.
 *
 * The kernel truncates when the file is opened, and writes a little later. Each of them alone would
 * show everybody the empty file in between, so open's truncation is answered at once, with the size
 * that the file has, and held back: the first write at its beginning becomes one change that
 * replaces all there is. Who truncated it sees it empty meanwhile, other nodes see the old value,
 * and the others here wait, but for `trunc_hold` at most: then it takes effect as it is.
 *
 * The pages go before the write begins, else it would show over the old value before it is
 * answered. The kernel asks for an attribute before each write (security.capability), and is not
 * answered before they are gone. */
#include <utlist.h>

#include "coordfs/log.h"
#include "fs/cache.h"
#include "fs/clock.h"
#include "fs/proc.h"

/* Who was reading when the pages went asks for them once more, and is to be done with them. */
#define QUIET CFS_MS(1)

static uint32_t process_of(const struct cfs_cache *cache, uint32_t tid)
{
    uint32_t pid = cfs_proc_pid(cache->proc_fd, tid);

    return pid ? pid : tid;
}

bool cfs_cache_hold_is_of(const struct cfs_cache_call *call, const struct cfs_cache_inode *inode)
{
    return inode->hold.state != CFS_HOLD_NONE && call->tid &&
           (call->tid == inode->hold.pid || process_of(call->cache, call->tid) == inode->hold.pid);
}

static void stop_waiting(struct cfs_cache *cache, struct cfs_cache_inode *inode)
{
    if (inode->hold.state == CFS_HOLD_WAITS)
        DL_DELETE2(cache->held, inode, hold.prev, hold.next);
}

/* Who it is is looked up before he is replied to: his thread may end with that. */
static void begin(struct cfs_cache *cache, struct cfs_cache_inode *inode, uint32_t tid)
{
    stop_waiting(cache, inode);
    if (inode->hold.state == CFS_HOLD_NONE)
        cfs_cache_ref(inode);
    inode->hold.state = CFS_HOLD_WAITS;
    inode->hold.pid = process_of(cache, tid);
    inode->hold.opens++;
    inode->hold.until = cfs_fs_now() + CFS_MS(cache->config->trunc_hold_ms);
    inode->hold.has_pages = cfs_cache_has_pages(inode);
    DL_APPEND2(cache->held, inode, hold.prev, hold.next);
    cfs_cache_wake_at(cache, inode->hold.until);
}

/* The size that is told is that of before. */
void cfs_cache_hold(struct cfs_cache_call *call)
{
    enum cfs_cache_hold state = call->inode->hold.state;
    struct stat attr;

    if (state == CFS_HOLD_WAITS) {
        stop_waiting(call->cache, call->inode);
        cfs_cache_unref(call->cache, call->inode); /* the call has its own */
    }
    call->inode->hold.state = CFS_HOLD_NONE;
    cfs_cache_stat(call, &attr);
    begin(call->cache, call->inode, call->tid);
    fuse_reply_attr(cfs_cache_take(call), &attr, 0);
}

/* While another one takes effect there is nothing left to truncate. */
void cfs_cache_hold_opened(struct cfs_cache_call *call, cfs_cache_go_fn reply)
{
    if (call->about->hold.state != CFS_HOLD_SENT)
        begin(call->cache, call->about, call->tid);
    reply(call);
}

bool cfs_cache_clear_for_write(struct cfs_cache_call *call, cfs_cache_go_fn go)
{
    struct cfs_cache_inode *inode = call->inode;

    if (inode->hold.state == CFS_HOLD_NONE)
        return false;
    if (inode->hold.has_pages)
        cfs_cache_forget_pages(call->cache, inode, NULL);
    else if (inode->hold.last_read + QUIET > cfs_fs_now())
        cfs_cache_pause(call->cache, inode, QUIET);
    inode->hold.has_pages = false;
    if (inode->jobs)
        cfs_cache_park(call, &inode->parked, go);
    return inode->jobs;
}

void cfs_cache_hold_over(struct cfs_cache *cache, struct cfs_cache_inode *inode)
{
    if (inode->hold.state == CFS_HOLD_NONE)
        return;
    stop_waiting(cache, inode);
    inode->hold.state = CFS_HOLD_NONE;
    cfs_cache_unpark(&inode->hold.parked);
    cfs_cache_unref(cache, inode);
}

bool cfs_cache_hold_is_met(struct cfs_cache *cache, struct cfs_cache_inode *inode)
{
    if (!inode->hold.opens ||
        (inode->hold.state == CFS_HOLD_NONE && inode->hold.until <= cfs_fs_now()))
        return false;
    inode->hold.opens--;
    stop_waiting(cache, inode);
    if (inode->hold.state == CFS_HOLD_NONE)
        cfs_cache_ref(inode);
    inode->hold.state = CFS_HOLD_SENT;
    cfs_cache_drop_content(inode);
    return true;
}

static void truncated(struct cfs_cache_call *call, const struct cfs_answer *answer)
{
    if (answer->error && answer->error != CFS_ERR_STALE)
        cfs_log(CFS_LOG_WARNING, "cache: a file was not truncated: %s",
                cfs_error_sentence(answer->error));
    cfs_cache_drop_content(call->inode);
    if (!answer->error && answer->cache.content.changed)
        cfs_cache_keep_content(call->inode, &answer->cache);
    cfs_cache_forget_pages(call->cache, call->inode, NULL);
    cfs_cache_hold_over(call->cache, call->inode);
}

static void truncate_now(struct cfs_cache_call *call)
{
    struct cfs_request request = {.op = CFS_OP_CACHE_PUT,
                                  .cache_put = {.ino = call->inode->ino,
                                                .kind = CFS_PUT_TRUNCATE,
                                                .max = call->cache->config->max_value}};

    cfs_cache_ask(call, &request, truncated);
}

/* In nobody's name: open(2) has returned. */
static void take_effect(struct cfs_cache *cache, struct cfs_cache_inode *inode)
{
    stop_waiting(cache, inode);
    inode->hold.state = CFS_HOLD_SENT;
    inode->hold.opens = 0;
    cfs_cache_run(cfs_cache_call_new(cache, NULL, inode), truncate_now);
}

bool cfs_cache_end_hold(struct cfs_cache_call *call, cfs_cache_go_fn go)
{
    struct cfs_cache_inode *inode = call->inode;

    if (inode->hold.state == CFS_HOLD_NONE)
        return false;
    cfs_cache_park(call, &inode->hold.parked, go);
    if (inode->hold.state == CFS_HOLD_WAITS)
        take_effect(call->cache, inode);
    return true;
}

bool cfs_cache_await_hold(struct cfs_cache_call *call, cfs_cache_go_fn go)
{
    struct cfs_cache_inode *inode = call->inode;

    if (inode->hold.state == CFS_HOLD_NONE || cfs_cache_hold_is_of(call, inode))
        return false;
    cfs_cache_park(call, &inode->hold.parked, go);
    return true;
}

cfs_time cfs_cache_look_held(struct cfs_cache *cache, cfs_time now)
{
    while (cache->held && cache->held->hold.until <= now)
        take_effect(cache, cache->held);
    return cache->held ? cache->held->hold.until : CFS_NEVER;
}
