/* READ and WRITE, of pages.
 *
 * A reading is answered as soon as the home has answered, for the kernel holds its page locked, and
 * nobody's recall may wait for that. When it may not be kept it is forgotten at once: until then
 * the file's gate is closed. A write is answered when it has taken effect, and keeps the kernel's
 * pages when the version it made follows the one that they are of; else they are forgotten. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <utlist.h>

#include "fs/cache.h"
#include "fs/clock.h"
#include "fs/memory.h"

/* --- READ ---------------------------------------------------------------------------------- */

static void reply_bytes(struct cfs_cache_call *call, const uint8_t *bytes, uint64_t len)
{
    cfs_cache_size_read(call, len);
    fuse_reply_buf(cfs_cache_take(call), (const char *)bytes, len);
}

/* From call->read.offset to `end`, of what lies at `bytes`. */
static void reply_part(struct cfs_cache_call *call, const uint8_t *bytes, uint64_t end)
{
    uint64_t begin = call->read.offset;

    if (begin < end)
        reply_bytes(call, bytes + begin, end - begin);
    else
        reply_bytes(call, NULL, 0);
}

/* The first bytes, which came with the attributes: of a file that is not longer, or all that is
 * wanted. */
static bool read_head(struct cfs_cache_call *call)
{
    struct cfs_cache_inode *inode = call->inode;
    uint64_t end = call->read.offset + call->read.size;

    if (!inode->head || !cfs_cache_has_content(call->cache, inode) ||
        (inode->shown.known && inode->shown.content.version != inode->content.version))
        return false;
    end = end < inode->content.size ? end : inode->content.size;
    if (end > inode->head_len)
        return false;
    reply_part(call, inode->head, end);
    cfs_cache_charge(call->cache, inode, inode->content.size);
    return true;
}

/* read(2) has asked for the attributes, and will give as many bytes as they have said: they have to
 * be bytes of the same version, or it gives a mixture. The old value is right, for it began before
 * the change was answered; it is not to be kept. A page fault has not asked, and gets what is there
 * now. Who has not gone to sleep yet cannot be told: he is looked at again when the home has
 * answered. */
static bool read_shown(struct cfs_cache_call *call)
{
    struct cfs_cache_inode *inode = call->inode;
    const struct cfs_cache_shown *shown = &inode->shown;
    uint64_t end = call->read.offset + call->read.size;

    if (!shown->known || !shown->head || !cfs_cache_in_read(call))
        return false;
    end = end < shown->content.size ? end : shown->content.size;
    reply_part(call, shown->head, end);
    if (inode->hold.state != CFS_HOLD_WAITS) /* else they go before the write */
        cfs_cache_forget_read(call->cache, inode, call->read.offset);
    return true;
}

static void have_read(struct cfs_cache_call *call, const struct cfs_answer *answer)
{
    struct cfs_cache_inode *inode = call->inode;
    bool shared, reads;

    if (answer->error) {
        cfs_cache_reply_error(call, answer->error);
        return;
    }
    if (call->read.offset)
        cfs_cache_keep_content(inode, &answer->cache);
    else
        cfs_cache_keep_beginning(inode, &answer->cache);
    if (inode->shown.content.version != answer->cache.content.version && read_shown(call))
        return;
    shared = answer->cache.share.epoch && cfs_cache_valid(call->cache, &answer->cache.share);
    reads = !shared && cfs_cache_in_read(call); /* else a mapping would show it for as long */
    reply_bytes(call, answer->cache.data, answer->cache.len);
    if (shared)
        cfs_cache_charge(call->cache, inode, answer->cache.content.size);
    else if (reads)
        cfs_cache_forget_read(call->cache, inode, call->read.offset);
    else
        cfs_cache_forget_pages(call->cache, inode, NULL);
}

static void read_pages(struct cfs_cache_call *call)
{
    struct cfs_request request = {.op = CFS_OP_CACHE_FETCH,
                                  .cache_read = {.ino = call->inode->ino,
                                                 .offset = call->read.offset,
                                                 .len = call->read.size}};

    if (!read_head(call) && !read_shown(call))
        cfs_cache_ask(call, &request, have_read);
}

void cfs_cache_op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                       struct fuse_file_info *fi)
{
    struct cfs_cache_inode *inode = cfs_cache_op_inode(req, ino);
    struct cfs_cache_call *call;

    (void)fi;
    if (!inode)
        return;
    inode->pages.came++;
    inode->hold.last_read = cfs_fs_now();
    if (inode->hold.state != CFS_HOLD_NONE)
        inode->hold.has_pages = true;
    call = cfs_cache_call_new(cfs_cache_of(req), req, inode);
    cfs_cache_untold(call->cache, call->tid);
    call->looks_up = true;
    call->read.offset = (uint64_t)offset;
    call->read.size = size < CFS_PUT_MAX ? (uint32_t)size : CFS_PUT_MAX;
    cfs_cache_run(call, read_pages);
}

/* --- WRITE --------------------------------------------------------------------------------- */

/* Whether the pages are what the file is now: the version that was written upon is the one that
 * they were of, and what was appended came where the kernel has put it. */
static bool pages_are_right(const struct cfs_cache_call *call, const struct cfs_answer *answer)
{
    const struct cfs_content_info *content = &answer->cache.content;

    if (call->closes_gate || call->write.replaces || !answer->cache.share.epoch)
        return false;
    if (call->write.before != answer->token)
        return false;
    return !call->write.append || content->size == call->write.offset + call->write.size;
}

static void is_answered(struct cfs_cache_call *call)
{
    if (!call->write.mapped)
        DL_DELETE2(call->inode->writes, call, write.prev, write.next);
    else if (!call->write.laundered)
        DL_DELETE2(call->inode->launders, call, write.prev, write.next);
}

/* The kernel takes the file to be as long as it was, or as what was written reaches. Who began to
 * read before is shown the old value until somebody has asked for attributes; in the middle of a
 * file there is no old value any more. */
static void show_written(struct cfs_cache_call *call)
{
    if (!call->write.replaces)
        call->inode->shown.known = false;
}

static void put(struct cfs_cache_call *call);

static void write_over(struct cfs_cache_call *call)
{
    if (call->write.replaces)
        cfs_cache_hold_over(call->cache, call->inode);
    cfs_cache_size_written(call->inode);
}

static void reply_written(struct cfs_cache_call *call)
{
    cfs_cache_size_reaches(call->inode, call->write.offset + call->write.size);
    cfs_cache_size_touched(call->inode);
    fuse_reply_write(cfs_cache_take(call), call->write.size);
    if (!call->write.right)
        cfs_cache_forget_pages(call->cache, call->inode, NULL);
    write_over(call);
}

static void fail_write(struct cfs_cache_call *call, enum cfs_error error)
{
    cfs_cache_reply_error(call, error);
    cfs_cache_forget_pages(call->cache, call->inode, NULL);
    write_over(call);
}

static void keep_written(struct cfs_cache_call *call, const struct cfs_answer *answer)
{
    struct cfs_cache_inode *inode = call->inode;

    cfs_cache_keep_content(inode, &answer->cache);
    if (answer->cache.content.size == call->write.size && !call->write.offset)
        cfs_cache_keep_head(inode, call->data, call->write.size);
    if (inode->has_content)
        cfs_cache_charge(call->cache, inode, inode->content.size);
}

/* When somebody else's change came between, the other pages are old: the caller may look at them
 * through a mapping once he is told. */
static void have_written(struct cfs_cache_call *call, const struct cfs_answer *answer)
{
    is_answered(call);
    if (answer->error == CFS_ERR_INTERRUPTED && call->write.mapped && !call->write.laundered) {
        call->write.laundered = true; /* cancelled by a recall, which waits for it: see there */
        put(call);
        return;
    }
    cfs_cache_drop_content(call->inode);
    show_written(call);
    if (answer->error) {
        fail_write(call, answer->error);
        return;
    }
    call->write.right = pages_are_right(call, answer);
    if (answer->cache.content.version)
        keep_written(call, answer);
    if (call->write.shared && call->write.before != answer->token)
        cfs_cache_forget_others(call, reply_written);
    else
        reply_written(call);
}

static void put(struct cfs_cache_call *call)
{
    struct cfs_cache_inode *inode = call->inode;
    struct cfs_request request = {.op = CFS_OP_CACHE_PUT,
                                  .cache_put = {.ino = inode->ino,
                                                .kind = CFS_PUT_WRITE,
                                                .laundered = call->write.laundered,
                                                .offset = call->write.offset,
                                                .max = call->cache->config->max_value,
                                                .data = call->data,
                                                .len = call->write.size}};

    if (call->write.replaces)
        request.cache_put.kind = CFS_PUT_REPLACE;
    else if (call->write.append)
        request.cache_put.kind = CFS_PUT_APPEND;
    cfs_cache_ask(call, &request, have_written);
}

/* A mapping's pages are not kept waiting for the end of a truncation: a recall may come. */
static void begin_write(struct cfs_cache_call *call)
{
    if (call->write.replaces || call->write.mapped || !cfs_cache_end_hold(call, begin_write))
        put(call);
}

void cfs_cache_op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
                        struct fuse_file_info *fi)
{
    struct cfs_cache_inode *inode = cfs_cache_op_inode(req, ino);
    struct cfs_cache *cache = cfs_cache_of(req);
    struct cfs_cache_call *call;

    if (!inode)
        return;
    inode->pages.came++;
    call = cfs_cache_call_new(cache, req, inode);
    cfs_cache_untold(cache, call->tid);
    call->write.offset = (uint64_t)offset;
    call->write.size = (uint32_t)size;
    call->write.first_page = call->write.offset / CFS_CACHE_PAGE;
    call->write.last_page = (call->write.offset + (size ? size - 1 : 0)) / CFS_CACHE_PAGE;
    call->write.mapped = fi->writepage;
    call->write.laundered = fi->writepage && (inode->ranges || inode->behind);
    call->write.before = inode->content.version;
    call->write.shared = cfs_cache_has_content(cache, inode);
    call->write.append = !fi->writepage && fi->flags & O_APPEND;
    call->data = cfs_fs_alloc(size);
    memcpy(call->data, data, size);
    if (!call->write.mapped && (!offset || call->write.append))
        call->write.replaces = cfs_cache_hold_is_met(cache, inode);
    if (call->write.mapped && !call->write.laundered)
        DL_APPEND2(inode->launders, call, write.prev, write.next);
    if (!call->write.mapped) {
        DL_APPEND2(inode->writes, call, write.prev, write.next);
        cfs_cache_write_begins(cache, inode);
        if (!call->write.shared)
            cfs_cache_close_gate(call);
    }
    cfs_cache_run(call, begin_write);
}

/* --- FSYNC --------------------------------------------------------------------------------- */

/* What a write answered is durable; only a truncation may be left. */
static void sync_file(struct cfs_cache_call *call)
{
    if (!cfs_cache_end_hold(call, sync_file))
        cfs_cache_reply_errno(call, 0);
}

void cfs_cache_op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    struct cfs_cache_inode *inode = cfs_cache_op_inode(req, ino);

    (void)datasync, (void)fi;
    if (inode)
        cfs_cache_run(cfs_cache_call_new(cfs_cache_of(req), req, inode), sync_file);
}
