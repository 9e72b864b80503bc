/* Parked requests of cache/, from the kernel's question to the one reply.
 *
 * Only who is being killed is let go before the answer: a read or an open that failed because a
 * child had ended would break programs that know regular files. The kernel says once that a signal
 * came, whatever it was, so /proc is looked at until the answer is there. */
#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "fs/cache.h"
#include "fs/clock.h"
#include "fs/memory.h"
#include "fs/proc.h"

#define LOOK_AGAIN CFS_MS(100)

struct cfs_cache_call *cfs_cache_call_new(struct cfs_cache *cache, fuse_req_t req,
                                          struct cfs_cache_inode *inode)
{
    struct cfs_cache_call *call = cfs_fs_alloc(sizeof *call);

    call->cache = cache;
    call->req = req;
    call->received = cfs_fs_now();
    call->inode = inode ? cfs_cache_ref(inode) : NULL;
    if (req)
        call->tid = (uint32_t)fuse_req_ctx(req)->pid;
    DL_APPEND(cache->calls, call);
    return call;
}

static void unlist(struct cfs_cache_call *call)
{
    if (call->killable)
        DL_DELETE2(call->cache->interrupted, call, prev_killed, next_killed);
    if (call->in_locked)
        DL_DELETE2(call->cache->locked, call, prev_locked, next_locked);
    call->killable = call->in_locked = false;
}

void cfs_cache_call_close(struct cfs_cache_call *call)
{
    struct cfs_cache *cache = call->cache;

    unlist(call);
    if (call->looks_up && call->asked)
        cache->counts.misses++;
    else if (call->looks_up)
        cache->counts.hits++;
    DL_DELETE(cache->calls, call);
    if (!cache->closing)
        cfs_cache_open_gate(call);
    if (call->about)
        cfs_cache_unref(cache, call->about);
    if (call->other)
        cfs_cache_unref(cache, call->other);
    if (call->inode)
        cfs_cache_unref(cache, call->inode);
    if (call->listing)
        cfs_cache_listing_free(cache, call->listing);
    free(call->data);
    free(call);
}

/* Whoever calls a function of the call's comes by here: it is closed when nothing is left to do. */
static void enter(struct cfs_cache_call *call)
{
    call->depth++;
}

static void leave(struct cfs_cache_call *call)
{
    if (--call->depth || call->step || call->go)
        return; /* it asked further, or is parked */
    assert(!call->req);
    cfs_cache_call_close(call);
}

void cfs_cache_run(struct cfs_cache_call *call, cfs_cache_go_fn go)
{
    enter(call);
    go(call);
    leave(call);
}

static void answered(void *arg, const struct cfs_answer *answer)
{
    struct cfs_cache_call *call = arg;
    cfs_cache_step_fn step = call->step;

    call->step = NULL;
    enter(call);
    step(call, answer);
    leave(call);
}

/* Runs inside libfuse, with the request's lock held: marks. */
static void on_interrupt(fuse_req_t req, void *data)
{
    struct cfs_cache_call *call = data;

    (void)req;
    if (call->killable)
        return;
    call->killable = true;
    DL_APPEND2(call->cache->interrupted, call, prev_killed, next_killed);
    cfs_cache_wake_at(call->cache, cfs_fs_now());
}

void cfs_cache_ask(struct cfs_cache_call *call, const struct cfs_request *request,
                   cfs_cache_step_fn step)
{
    uint32_t asked = ++call->asked;
    uint64_t id;

    assert(call->depth && !call->step && !call->go);
    if (asked == 1 && call->req)
        fuse_req_interrupt_func(call->req, on_interrupt, call);
    call->step = step;
    id = cfs_engine_submit(call->cache->engine, request, answered, call);
    if (asked == call->asked) /* an error may have come at once, and more have been asked since */
        call->id = id;
}

void cfs_cache_park(struct cfs_cache_call *call, struct cfs_cache_call **list, cfs_cache_go_fn go)
{
    call->go = go;
    call->next_parked = NULL;
    while (*list)
        list = &(*list)->next_parked;
    *list = call;
}

void cfs_cache_unpark(struct cfs_cache_call **list)
{
    struct cfs_cache_call *call = *list, *next;
    cfs_cache_go_fn go;

    *list = NULL; /* who has to wait again is put into a new one */
    for (; call; call = next) {
        next = call->next_parked;
        go = call->go;
        call->go = NULL;
        call->next_parked = NULL;
        cfs_cache_run(call, go);
    }
}

fuse_req_t cfs_cache_take(struct cfs_cache_call *call)
{
    fuse_req_t req = call->req;

    assert(req);
    call->req = NULL;
    return req;
}

void cfs_cache_reply_errno(struct cfs_cache_call *call, int number)
{
    fuse_reply_err(cfs_cache_take(call), number);
}

void cfs_cache_reply_error(struct cfs_cache_call *call, enum cfs_error error)
{
    /* What goes with a session is locks; here it was a change of which nobody knows. */
    cfs_cache_reply_errno(call, cfs_error_errno(error == CFS_ERR_LOST ? CFS_ERR_TIMED_OUT : error));
}

/* A signal that ends a process is made SIGKILL for each of its threads by the kernel. */
static bool is_being_killed(int proc, uint32_t tid)
{
    char text[4096];
    const char *at;
    uint64_t own = 0, shared = 0;

    if (!cfs_proc_read(proc, text, sizeof text, "%" PRIu32 "/status", tid))
        return true; /* nobody is there */
    at = strstr(text, "\nSigPnd:");
    if (at)
        sscanf(at, "\nSigPnd: %" SCNx64, &own);
    at = strstr(text, "\nShdPnd:");
    if (at)
        sscanf(at, "\nShdPnd: %" SCNx64, &shared);
    return (own | shared) >> (SIGKILL - 1) & 1;
}

cfs_time cfs_cache_look_killed(struct cfs_cache *cache, cfs_time now)
{
    struct cfs_cache_call *call, *next;

    if (!cache->interrupted)
        return CFS_NEVER;
    DL_FOREACH_SAFE2(cache->interrupted, call, next, next_killed)
    {
        if (!is_being_killed(cache->proc_fd, call->tid))
            continue;
        DL_DELETE2(cache->interrupted, call, prev_killed, next_killed);
        call->killable = false;
        if (call->step) /* one that is parked here is let go before long */
            cfs_engine_cancel(cache->engine, call->id);
        else if (call->listing)
            cfs_cache_listing_kill(call);
        break; /* which may answer, and free others: the rest in the next round */
    }
    return cache->interrupted ? now + LOOK_AGAIN : CFS_NEVER;
}
