/* What the kernel takes a file's size to be.
 *
 * It ignores attributes that it asked for before an invalidation, and while it writes itself; and
 * then who has asked for them reads with the size of before: he would miss what was appended and
 * answered before he began, or see zeros behind a value that has become shorter. So a size that is
 * perhaps not taken from a reply is put into the kernel before anybody is told: one that grows with
 * the last bytes of the file. One that shrinks cannot be; but the kernel believes what it asks for
 * from now on, so it is made to ask, by a thread of ours that looks at the file which the reader
 * has open (/proc/PID/fd). */
#include <stdlib.h>
#include <string.h>

#include "fs/cache.h"
#include "fs/clock.h"

/* Older than that is what has made the kernel ignore attributes: it was asked before, however late
 * that is read from /dev/fuse, and a writer may not run at once when he is answered. */
#define UNSURE CFS_MS(100)

/* Who has asked so often while others write without a pause is told what there is: some 50 ms. */
#define PUSHES_MAX 64u

const uint8_t *cfs_cache_head_of(const struct cfs_cache_call *call, uint32_t *len)
{
    const struct cfs_cache_inode *inode = call->about;

    if (inode->head && inode->content.version == call->content.version) {
        *len = inode->head_len;
        return inode->head;
    }
    *len = call->data_version == call->content.version ? call->len : 0;
    return call->data;
}

void cfs_cache_size_touched(struct cfs_cache_inode *inode)
{
    inode->size.touched = cfs_fs_now();
}

/* It may take `size` for it, or what it did before. */
static void may_be(struct cfs_cache_inode *inode, uint64_t size)
{
    if (size < inode->size.at_least)
        inode->size.at_least = size;
    if (size > inode->size.at_most)
        inode->size.at_most = size;
}

static void is(struct cfs_cache_inode *inode, uint64_t size)
{
    inode->size.at_least = inode->size.at_most = size;
}

void cfs_cache_size_reaches(struct cfs_cache_inode *inode, uint64_t end)
{
    if (end > inode->size.at_least)
        inode->size.at_least = end;
    if (end > inode->size.at_most)
        inode->size.at_most = end;
}

static bool is_unsure(const struct cfs_cache_call *call, const struct cfs_cache_inode *inode)
{
    return inode->jobs || inode->writes || inode->size.touched + UNSURE > call->received;
}

void cfs_cache_size_told(const struct cfs_cache_call *call, uint64_t size)
{
    may_be(call->about, size);
    if (!is_unsure(call, call->about))
        is(call->about, size);
    cfs_cache_size_touched(call->about); /* replies to what was asked before this one are ignored */
}

void cfs_cache_size_read(struct cfs_cache_call *call, uint64_t len)
{
    if (len < call->read.size)
        may_be(call->inode, call->read.offset + len);
}

uint64_t cfs_cache_size_page(const struct cfs_cache_inode *inode)
{
    return inode->size.at_least / CFS_CACHE_PAGE * CFS_CACHE_PAGE;
}

static void ask_again(struct cfs_cache_call *call)
{
    cfs_cache_go_fn again = call->push_then;

    call->has_info = call->has_content = false;
    again(call);
}

static void store(struct cfs_cache_call *call, uint64_t offset, const uint8_t *data, uint32_t len)
{
    call->pushed = true;
    cfs_cache_store(call->cache, call->about, &call->content, offset, data, len);
    ask_again(call); /* at the gate, which is closed now */
}

static void got_tail(struct cfs_cache_call *call, const struct cfs_answer *answer)
{
    const struct cfs_cache_answer *cache = &answer->cache;

    if (answer->error) {
        cfs_cache_reply_error(call, answer->error);
        return;
    }
    cfs_cache_keep_content(call->about, cache);
    call->content = cache->content; /* perhaps newer */
    if (call->tail + cache->len == cache->content.size && !call->about->writes)
        store(call, call->tail, cache->data, cache->len);
    else
        ask_again(call);
}

/* From the page on that the kernel takes for the last: what it has there may be bytes that it has
 * appended itself, which went elsewhere. */
static void ask_for_tail(struct cfs_cache_call *call)
{
    const struct cfs_cache_inode *inode = call->about;
    uint64_t size = call->content.size, begin = cfs_cache_size_page(inode);
    struct cfs_request request = {.op = CFS_OP_CACHE_FETCH, .cache_read.ino = inode->ino};

    if (size - begin > CFS_PUT_MAX / 2)
        begin = (size - 1) / CFS_CACHE_PAGE * CFS_CACHE_PAGE;
    call->tail = begin;
    request.cache_read.offset = begin;
    request.cache_read.len = CFS_PUT_MAX; /* it may have grown since */
    cfs_cache_ask(call, &request, got_tail);
}

/* Only who reads goes by a size without having asked for it himself. What is told may be what is
 * shown, though there is more by now. */
static bool shrink(struct cfs_cache_call *call)
{
    const struct cfs_cache_inode *inode = call->about;
    const struct cfs_cache_shown *shown = cfs_cache_tells_shown(call) ? &inode->shown : NULL;
    uint64_t size = shown ? shown->content.size : call->content.size;
    const uint8_t *head;
    uint32_t len;
    int fd;

    if (size >= inode->size.at_most || !is_unsure(call, inode))
        return false;
    fd = cfs_cache_read_fd(call);
    if (fd < 0)
        return false;
    if (shown) {
        call->content = shown->content;
        head = shown->head;
        len = head ? (uint32_t)size : 0;
    } else {
        head = cfs_cache_head_of(call, &len);
    }
    return cfs_cache_have_asked(call, fd, head, len);
}

bool cfs_cache_size_answer(struct cfs_cache_inode *inode, fuse_req_t req)
{
    struct cfs_notify_job *job = inode->size.asking;
    unsigned asker = job ? atomic_load(&job->asker) : 0;

    if (!asker || asker != (unsigned)fuse_req_ctx(req)->pid)
        return false;
    job->answered = true;
    may_be(inode, job->content.size);
    cfs_cache_show(inode, &job->content, job->data, (uint32_t)job->len);
    fuse_reply_attr(req, &job->attr, 0);
    return true;
}

/* Unless it was told meanwhile to forget. */
void cfs_cache_size_asked(struct cfs_cache_inode *inode, const struct cfs_notify_job *job)
{
    inode->size.asking = NULL;
    if (job->answered && inode->jobs == 1 && !inode->writes && inode->size.touched == job->touched)
        is(inode, job->content.size);
}

/* With the bytes that the file has gained, whole where it is small. */
static void grow(struct cfs_cache_call *call)
{
    const uint8_t *head;
    uint32_t len;

    head = cfs_cache_head_of(call, &len);
    if (len == call->content.size)
        store(call, 0, head, len);
    else
        ask_for_tail(call);
}

/* Once in a call: then it is told what is shown. */
static bool has_to_grow(const struct cfs_cache_call *call)
{
    const struct cfs_cache_inode *inode = call->about;
    uint64_t size = call->content.size;
    uint32_t len;

    if (call->pushed)
        return false;
    cfs_cache_head_of(call, &len);
    return (inode->shown.known && size > inode->shown.content.size && len == size) ||
           (size > inode->size.at_least && is_unsure(call, inode));
}

/* While the kernel writes, what it has beyond the size is not what the file has there. */
bool cfs_cache_size_push(struct cfs_cache_call *call, cfs_cache_go_fn again)
{
    struct cfs_cache_inode *inode = call->about;
    bool grows;

    if (call->info.type != CFS_INODE_FILE || call->pushes == PUSHES_MAX)
        return false;
    grows = has_to_grow(call);
    if (!grows && (inode->writes || !shrink(call)))
        return false;
    call->pushes++;
    call->push_then = again;
    if (!grows)
        ask_again(call); /* at the gate, which is closed now */
    else if (inode->writes)
        cfs_cache_park(call, &inode->size.parked, ask_again);
    else
        grow(call);
    return true;
}

void cfs_cache_size_written(struct cfs_cache_inode *inode)
{
    if (!inode->writes)
        cfs_cache_unpark(&inode->size.parked);
}
