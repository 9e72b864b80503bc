/* Taking back what the kernel keeps.
 *
 * While a job about an inode is under way its gate is closed: nobody is told its attributes, so
 * that who asks for them before he looks at pages or names, as read(2) and every path walk do once
 * they are not valid any more, comes after the job. docs/coherence.md, "The kernel's copies". */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <utlist.h>

#include "fs/cache.h"
#include "fs/clock.h"
#include "fs/memory.h"
#include "fs/proc.h"

/* How long who may hold a directory's lock waits for it to be needed by nobody. */
#define LOCKED_FOR CFS_MS(2)
/* How often somebody is looked at who cannot be seen: he has not gone to sleep yet. */
#define LOOKS_MAX 8u
/* How long a page stays that was read once more because it had been forgotten before its reader
 * ran; twice as long each time, that often. */
#define AGAIN_AFTER ((cfs_time)50)
#define AGAIN_MAX 7u
/* How long after the kernel did not know an inode it is told once more. */
#define UNKNOWN ((cfs_time)200)

/* --- jobs ---------------------------------------------------------------------------------- */

/* Whether there is a kernel that keeps anything. */
static bool is_mounted(const struct cfs_cache *cache)
{
    return !cache->closing && !cache->gone && cache->notifier;
}

static struct cfs_notify_job *new_job(const struct cfs_cache *cache, struct cfs_cache_inode *inode,
                                      enum cfs_notify_kind kind)
{
    struct cfs_notify_job *job = cfs_fs_alloc(sizeof *job);

    job->kind = kind;
    job->id = cfs_cache_id(cache, inode->ino);
    job->inode = cfs_cache_ref(inode);
    job->pages_came = inode->pages.came;
    inode->jobs++;
    return job;
}

/* Pages from `offset` on, `after` a while. */
static void forget_range_after(struct cfs_cache *cache, struct cfs_cache_inode *inode,
                               int64_t offset, int64_t len, struct cfs_cache_recalling *recalling,
                               cfs_time after)
{
    struct cfs_notify_job *job;

    if (!is_mounted(cache))
        return;
    job = new_job(cache, inode, CFS_NOTIFY_RANGE);
    job->offset = offset;
    job->len = len;
    job->after = after;
    job->recalling = recalling;
    if (recalling) {
        recalling->left++;
        DL_APPEND2(inode->ranges, job, prev_own, next_own);
    }
    cfs_notifier_add(cache->notifier, job);
}

static void forget_range(struct cfs_cache *cache, struct cfs_cache_inode *inode, int64_t offset,
                         int64_t len, struct cfs_cache_recalling *recalling)
{
    forget_range_after(cache, inode, offset, len, recalling, 0);
}

static void give_bytes(struct cfs_notify_job *job, const uint8_t *data, uint32_t len)
{
    job->len = (int64_t)len;
    if (!len)
        return;
    job->data = cfs_fs_alloc(len);
    memcpy(job->data, data, len);
}

void cfs_cache_store(struct cfs_cache *cache, struct cfs_cache_inode *inode,
                     const struct cfs_content_info *content, uint64_t offset, const uint8_t *data,
                     uint32_t len)
{
    uint64_t page = cfs_cache_size_page(inode);
    struct cfs_notify_job *job;

    if (!is_mounted(cache))
        return;
    job = new_job(cache, inode, CFS_NOTIFY_STORE);
    job->content = *content;
    job->from = (int64_t)(page < offset ? page : offset);
    job->offset = (int64_t)offset;
    give_bytes(job, data, len);
    inode->stores++;
    cfs_notifier_add(cache->notifier, job);
}

bool cfs_cache_have_asked(struct cfs_cache_call *call, int fd, const uint8_t *head, uint32_t len)
{
    struct cfs_cache_inode *inode = call->about;
    struct cfs_notify_job *job;

    if (!is_mounted(call->cache))
        return false;
    job = new_job(call->cache, inode, CFS_NOTIFY_ASK);
    job->content = call->content;
    job->proc = call->cache->proc_fd;
    job->reader = call->tid;
    job->fd = fd;
    job->touched = inode->size.touched;
    cfs_cache_fill(call, &job->attr);
    job->attr.st_dev = call->cache->device;
    give_bytes(job, head, len);
    inode->size.asking = job;
    cfs_notifier_add(call->cache->notifier, job);
    return true;
}

/* The threads keep no order: what is stored may come behind what a recall has had forgotten. So
 * the pages are forgotten once more when it has come, and the recall is not done before; but when a
 * write is under way, which may have the page locked that the store waits for, and the gate is
 * closed for longer. */
static void forget_behind_stores(struct cfs_cache_inode *inode,
                                 struct cfs_cache_recalling *recalling)
{
    struct cfs_cache_behind *behind;

    if (!inode->stores || inode->writes)
        return;
    behind = cfs_fs_alloc(sizeof *behind);
    behind->recalling = recalling;
    recalling->left++;
    LL_PREPEND(inode->behind, behind);
}

static void recalled_if_done(struct cfs_cache_recalling *recalling);

static void forget_behind(struct cfs_cache *cache, struct cfs_cache_inode *inode)
{
    struct cfs_cache_behind *all = inode->behind, *behind, *next;

    inode->behind = NULL;
    LL_FOREACH_SAFE(all, behind, next)
    {
        struct cfs_cache_recalling *recalling = behind->recalling;
        free(behind);
        cfs_cache_forget_pages(cache, inode, recalling);
        recalling->left--;
        recalled_if_done(recalling); /* unmounted: nothing is left to do */
    }
}

/* It may have come over what is being written. */
static void distrust_writes(struct cfs_cache_inode *inode)
{
    struct cfs_cache_call *write;

    DL_FOREACH2 (inode->writes, write, write.next) {
        cfs_cache_close_gate(write);
    }
}

static void stored(struct cfs_cache *cache, struct cfs_cache_inode *inode,
                   const struct cfs_notify_job *job)
{
    inode->pages.came++;
    inode->hold.has_pages = true; /* they came behind the beginning of the hold, if there is one */
    cfs_cache_size_reaches(inode, job->content.size);
    cfs_cache_show(inode, &job->content, job->data, job->offset ? 0 : (uint32_t)job->len);
    distrust_writes(inode);
    if (--inode->stores)
        return;
    if (!cfs_cache_has_content(cache, inode) || inode->content.version != job->content.version)
        cfs_cache_forget_pages(cache, inode, NULL);
    forget_behind(cache, inode);
}

void cfs_cache_pause(struct cfs_cache *cache, struct cfs_cache_inode *inode, cfs_time pause)
{
    struct cfs_notify_job *job;

    if (!is_mounted(cache))
        return;
    job = new_job(cache, inode, CFS_NOTIFY_PAUSE);
    job->after = pause;
    cfs_notifier_add(cache->notifier, job);
}

/* One that is being read or written is locked until that is answered, so that it is forgotten
 * behind; one that is stored may come later. */
bool cfs_cache_has_pages(const struct cfs_cache_inode *inode)
{
    return inode->stores || inode->pages.came != inode->pages.forgotten;
}

void cfs_cache_forget_attributes(struct cfs_cache *cache, struct cfs_cache_inode *inode,
                                 struct cfs_cache_recalling *recalling)
{
    forget_range(cache, inode, -1, 0, recalling);
}

/* The last page of a write that is not answered may be locked until it is; then nobody can read it,
 * because it is not up to date, and the recall need not wait for it. Writes of one file come one at
 * a time, but those of mappings, which the home does not have wait. */
void cfs_cache_forget_pages(struct cfs_cache *cache, struct cfs_cache_inode *inode,
                            struct cfs_cache_recalling *recalling)
{
    const struct cfs_cache_call *write = inode->writes;
    int64_t page;

    if (!write) {
        forget_range(cache, inode, 0, 0, recalling);
        return;
    }
    page = (int64_t)write->write.last_page;
    if (page)
        forget_range(cache, inode, 0, page * CFS_CACHE_PAGE, recalling);
    else
        forget_range(cache, inode, -1, 0, recalling);
    forget_range(cache, inode, (page + 1) * CFS_CACHE_PAGE, 0, recalling);
    forget_range(cache, inode, page * CFS_CACHE_PAGE, CFS_CACHE_PAGE, NULL);
}

void cfs_cache_forget_read(struct cfs_cache *cache, struct cfs_cache_inode *inode, uint64_t offset)
{
    uint32_t times;

    if (inode->unkept.times && inode->unkept.offset == offset)
        inode->unkept.times++;
    else
        inode->unkept.times = 1;
    inode->unkept.offset = offset;
    times = inode->unkept.times < AGAIN_MAX ? inode->unkept.times : AGAIN_MAX;
    if (times > 1)
        forget_range_after(cache, inode, 0, 0, NULL, AGAIN_AFTER << (times - 2));
    else
        cfs_cache_forget_pages(cache, inode, NULL);
}

void cfs_cache_write_begins(struct cfs_cache *cache, struct cfs_cache_inode *inode)
{
    struct cfs_notify_job *job, *next, *ranges = inode->ranges;

    inode->ranges = NULL;
    DL_FOREACH_SAFE2(ranges, job, next, next_own)
    {
        struct cfs_cache_recalling *recalling = job->recalling;
        /* This one goes on as what nobody waits for. */
        job->recalling = NULL;
        cfs_cache_forget_pages(cache, inode, recalling);
        recalling->left--;
        recalled_if_done(recalling);
    }
    forget_behind(cache, inode);
}

static void forget_names(struct cfs_cache *cache, struct cfs_cache_inode *dir)
{
    struct cfs_notify_job *job;

    if (dir->forgetting_names || !dir->names_next)
        return;
    if (!is_mounted(cache)) {
        cfs_notify_names_free(dir->names_next);
        dir->names_next = NULL;
        return;
    }
    job = new_job(cache, dir, CFS_NOTIFY_NAMES);
    job->names = dir->names_next;
    dir->names_next = NULL;
    dir->forgetting_names = true;
    cfs_notifier_add(cache->notifier, job);
}

/* Names of one directory are forgotten in one go, for they wait for the same lock. */
void cfs_cache_forget_name(struct cfs_cache *cache, struct cfs_cache_inode *dir, const char *name,
                           cfs_ino child)
{
    const struct cfs_cache_inode *inode = child ? cfs_cache_find(cache, child) : NULL;
    size_t len = strlen(name);
    struct cfs_notify_name *added;

    if (!is_mounted(cache))
        return;
    added = cfs_fs_alloc(sizeof *added + len + 1);
    memcpy(added->name, name, len + 1);
    added->stays = inode && inode->type == CFS_INODE_DIRECTORY;
    added->next = dir->names_next;
    dir->names_next = added;
    forget_names(cache, dir);
}

static void go_on(struct cfs_cache_call *call)
{
    cfs_cache_go_fn go = call->go;

    call->go = NULL;
    cfs_cache_run(call, go);
}

static void recalled_if_done(struct cfs_cache_recalling *recalling)
{
    struct cfs_cache *cache = recalling->cache;

    if (recalling->left)
        return;
    LL_DELETE(cache->recallings, recalling);
    if (recalling->call)
        go_on(recalling->call);
    else if (recalling->lapse)
        cfs_engine_cache_lapsed(cache->engine, recalling->group, recalling->id);
    else
        cfs_engine_cache_recalled(cache->engine, recalling->id);
    free(recalling);
}

static void open_gate(struct cfs_cache_inode *inode)
{
    if (!--inode->jobs)
        cfs_cache_unpark(&inode->parked);
}

/* The kernel was told of an inode that it does not know. Either it has forgotten it, which it is
 * about to say, or who asked for it has not run since he was answered, and will take what he was
 * told for valid. */
static bool is_to_come(const struct cfs_cache *cache, const struct cfs_notify_job *job)
{
    const struct cfs_cache_inode *inode = job->inode;

    return job->unknown && inode->lookups && is_mounted(cache);
}

void cfs_cache_job_done(struct cfs_cache *cache, struct cfs_notify_job *job)
{
    struct cfs_cache_inode *inode = job->inode;
    struct cfs_cache_recalling *recalling = job->recalling;

    if (is_to_come(cache, job)) {
        job->after = UNKNOWN;
        cfs_notifier_add(cache->notifier, job);
        return;
    }
    if (job->kind == CFS_NOTIFY_ASK)
        cfs_cache_size_asked(inode, job);
    cfs_cache_size_touched(inode);
    if (job->kind == CFS_NOTIFY_RANGE && !job->offset && !job->len &&
        job->pages_came > inode->pages.forgotten)
        inode->pages.forgotten = job->pages_came;
    if (job->kind == CFS_NOTIFY_STORE)
        stored(cache, inode, job);
    if (job->kind == CFS_NOTIFY_NAMES) {
        inode->forgetting_names = false;
        forget_names(cache, inode);
    }
    if (recalling)
        DL_DELETE2(inode->ranges, job, prev_own, next_own);
    cfs_notify_job_free(job);
    open_gate(inode);
    if (recalling) {
        recalling->left--;
        recalled_if_done(recalling);
    }
    cfs_cache_unref(cache, inode);
}

/* --- recalls and lapses -------------------------------------------------------------------- */

static struct cfs_cache_recalling *new_recalling(struct cfs_cache *cache, cfs_group_id group,
                                                 uint64_t id, bool lapse)
{
    struct cfs_cache_recalling *recalling = cfs_fs_alloc(sizeof *recalling);

    *recalling =
        (struct cfs_cache_recalling){.cache = cache, .lapse = lapse, .id = id, .group = group};
    LL_PREPEND(cache->recallings, recalling);
    return recalling;
}

void cfs_cache_forget_others(struct cfs_cache_call *call, cfs_cache_go_fn go)
{
    struct cfs_cache *cache = call->cache;
    struct cfs_cache_recalling *recalling = new_recalling(cache, 0, 0, false);
    int64_t first = (int64_t)call->write.first_page, last = (int64_t)call->write.last_page;

    recalling->call = call;
    call->go = go;
    recalling->left++;
    if (first)
        forget_range(cache, call->inode, 0, first * CFS_CACHE_PAGE, recalling);
    forget_range(cache, call->inode, (last + 1) * CFS_CACHE_PAGE, 0, recalling);
    recalling->left--;
    if (!recalling->left) /* unmounted: nobody waits */
        recalled_if_done(recalling);
}

/* What a mapping has written waits at the home for others to give up what they keep, as every
 * change does; but this recall waits for it. So it is cancelled, and asked for as what waits for
 * nobody.
 *
 * Also when there is nothing to forget: a page may have been filled from an answer that was not
 * shared, and is being forgotten at this moment; this job comes behind that one. */
static void recall_content(struct cfs_cache *cache, struct cfs_cache_inode *inode,
                           struct cfs_cache_recalling *recalling)
{
    struct cfs_cache_call *write, *next;

    cfs_cache_drop_content(inode);
    cfs_cache_uncharge(cache, inode);
    distrust_writes(inode);
    DL_FOREACH_SAFE2(inode->launders, write, next, write.next)
    {
        cfs_engine_cancel(cache->engine, write->id);
    }
    cfs_cache_forget_pages(cache, inode, recalling);
    forget_behind_stores(inode, recalling);
}

static void recall_info(struct cfs_cache *cache, struct cfs_cache_inode *inode,
                        struct cfs_cache_recalling *recalling)
{
    cfs_cache_drop_info(inode);
    cfs_cache_forget_attributes(cache, inode, recalling);
}

/* The directory's attributes first: from then on each walk through it asks for them before it looks
 * at any name, and waits at the gate until the name is forgotten. That takes the directory's lock,
 * which a change of this node may hold that waits at the home for this very recall. */
static void recall_name(struct cfs_cache *cache, struct cfs_cache_inode *dir, const char *name,
                        struct cfs_cache_recalling *recalling)
{
    cfs_cache_drop_info(dir);
    forget_range(cache, dir, 0, 0, recalling);
    if (!cfs_cache_name_find(dir, name))
        return;
    cfs_cache_name_drop(dir, name);
    cfs_cache_forget_name(cache, dir, name, 0);
}

void cfs_cache_recall(struct cfs_cache *cache, const struct cfs_cache_recall *recall)
{
    struct cfs_cache_recalling *recalling = new_recalling(cache, recall->group, recall->id, false);

    recalling->left++; /* as long as it is being begun */
    for (uint32_t i = 0; i < recall->count; i++) {
        const struct cfs_cache_recall_item *item = &recall->items[i];
        struct cfs_cache_inode *inode = cfs_cache_find(cache, item->ino);

        if (!inode)
            continue;
        cache->counts.invalidations++;
        if (recall->contents)
            recall_content(cache, inode, recalling);
        else if (*item->name)
            recall_name(cache, inode, item->name, recalling);
        else
            recall_info(cache, inode, recalling);
    }
    recalling->left--;
    recalled_if_done(recalling);
}

static bool is_lapsed(const struct cfs_cache_share *share, const struct cfs_cache_recalling *lapse)
{
    return share->epoch && share->group == lapse->group && share->epoch < lapse->id;
}

static bool drop_lapsed_names(struct cfs_cache *cache, struct cfs_cache_inode *dir,
                              const struct cfs_cache_recalling *lapse)
{
    struct cfs_cache_name *name, *next;
    bool any = false;

    HASH_ITER (hh, dir->names, name, next) {
        if (!is_lapsed(&name->share, lapse))
            continue;
        any = true;
        cfs_cache_forget_name(cache, dir, name->name, name->child);
        cfs_cache_name_drop(dir, name->name);
    }
    return any;
}

void cfs_cache_lapse(struct cfs_cache *cache, cfs_group_id group, uint64_t epoch)
{
    struct cfs_cache_recalling *lapse = new_recalling(cache, group, epoch, true);
    struct cfs_cache_inode *inode, *next;

    cache->counts.lapses++;
    lapse->left++;
    HASH_ITER (hh, cache->inodes, inode, next) {
        bool names = drop_lapsed_names(cache, inode, lapse);
        if (is_lapsed(&inode->content_share, lapse))
            recall_content(cache, inode, lapse);
        if (names || is_lapsed(&inode->info_share, lapse)) {
            cfs_cache_drop_info(inode);
            forget_range(cache, inode, names ? 0 : -1, 0, lapse);
        }
    }
    lapse->left--;
    recalled_if_done(lapse);
}

/* --- the gate ------------------------------------------------------------------------------ */

void cfs_cache_close_gate(struct cfs_cache_call *call)
{
    if (!call->closes_gate)
        call->inode->jobs++;
    call->closes_gate = true;
}

void cfs_cache_open_gate(struct cfs_cache_call *call)
{
    if (call->closes_gate)
        open_gate(call->inode);
    call->closes_gate = false;
}

/* What a thread that asks for a directory's attributes is in. */
enum in_call {
    IN_WALK,    /* or something else that holds no lock */
    IN_CHANGE,  /* it may hold the directory's lock, and begins once more when told ESTALE */
    IN_LISTING, /* it holds the lock, and is past its walk */
    IN_UNKNOWN,
};

#define CALL(name) (number == SYS_##name)

static bool makes_or_removes(long number)
{
    bool is = CALL(mkdirat) || CALL(mknodat) || CALL(unlinkat) || CALL(symlinkat) || CALL(linkat) ||
              CALL(renameat2) || CALL(openat2);

#ifdef SYS_renameat
    is = is || CALL(renameat);
#endif
#ifdef SYS_mkdir
    is = is || CALL(mkdir) || CALL(mknod) || CALL(unlink) || CALL(rmdir) || CALL(symlink) ||
         CALL(link) || CALL(rename) || CALL(creat);
#endif
    return is;
}

static bool lists(long number)
{
    bool is = CALL(getdents64);

#ifdef SYS_getdents
    is = is || CALL(getdents);
#endif
    return is;
}

int cfs_cache_read_fd(const struct cfs_cache_call *call)
{
    struct cfs_syscall in;
    long number;

    if (!call->tid || !cfs_proc_syscall(call->cache->proc_fd, call->tid, &in))
        return -1;
    number = in.number;
    if (CALL(read) || CALL(pread64) || CALL(readv) || CALL(preadv) || CALL(preadv2))
        return (int)in.args[0];
    return -1;
}

bool cfs_cache_in_read(const struct cfs_cache_call *call)
{
    return cfs_cache_read_fd(call) >= 0;
}

bool cfs_cache_in_truncate(const struct cfs_cache_call *call)
{
    return call->tid && cfs_proc_call(call->cache->proc_fd, call->tid) == SYS_truncate;
}

static enum in_call call_of(const struct cfs_cache_call *call)
{
    struct cfs_syscall in;
    int flags;

    if (!call->tid || !cfs_proc_syscall(call->cache->proc_fd, call->tid, &in))
        return IN_UNKNOWN;
    if (makes_or_removes(in.number) || (cfs_syscall_opens(&in, &flags) && flags & O_CREAT))
        return IN_CHANGE;
    return lists(in.number) ? IN_LISTING : IN_WALK;
}

/* The directory's lock is needed for names to be forgotten, and who asks may hold it. Told ESTALE,
 * open(2), mkdir(2), unlink(2), rename(2) and the like give it back and begin once more, this time
 * asking for each name; they come to wait where they hold nothing. But only once in a call: who
 * was told already waits for a little, then gets his answer. */
static bool gate_of_directory(struct cfs_cache_call *call, cfs_cache_go_fn go)
{
    enum in_call in = call_of(call);

    call->looks++;
    if (in == IN_LISTING || (in == IN_CHANGE && call->looks > 1 && !call->was_unseen) ||
        (in == IN_UNKNOWN && call->looks > LOOKS_MAX))
        return false;
    if (in == IN_CHANGE && call->inode->forgetting_names &&
        !cfs_cache_tell(call->cache, call->tid)) {
        cfs_cache_reply_errno(call, ESTALE);
        return true;
    }
    call->was_unseen = in == IN_UNKNOWN;
    if (in != IN_WALK) {
        call->locked_until = cfs_fs_now() + LOCKED_FOR;
        call->in_locked = true;
        DL_APPEND2(call->cache->locked, call, prev_locked, next_locked);
        cfs_cache_wake_at(call->cache, call->locked_until);
    }
    cfs_cache_park(call, &call->inode->parked, go);
    return true;
}

bool cfs_cache_gate(struct cfs_cache_call *call, cfs_cache_go_fn go)
{
    if (call->in_locked) {
        DL_DELETE2(call->cache->locked, call, prev_locked, next_locked);
        call->in_locked = false;
    }
    if (call->passes || !call->inode->jobs)
        return false;
    if (call->inode->type != CFS_INODE_FILE) {
        call->passes = !gate_of_directory(call, go);
        return !call->passes;
    }
    cfs_cache_park(call, &call->inode->parked, go);
    return true;
}

static void take_out(struct cfs_cache_call **list, struct cfs_cache_call *call)
{
    while (*list != call)
        list = &(*list)->next_parked;
    *list = call->next_parked;
}

cfs_time cfs_cache_look_locked(struct cfs_cache *cache, cfs_time now)
{
    struct cfs_cache_call *call;
    cfs_cache_go_fn go;

    while ((call = cache->locked) && call->locked_until <= now) {
        DL_DELETE2(cache->locked, call, prev_locked, next_locked);
        call->in_locked = false;
        take_out(&call->inode->parked, call);
        go = call->go;
        call->go = NULL;
        cfs_cache_run(call, go);
    }
    return call ? call->locked_until : CFS_NEVER;
}
