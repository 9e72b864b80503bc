/* Reading directories in pages. */
#include "fs/listing.h"

#include <stdlib.h>
#include <string.h>

#include "fs/memory.h"

/* A directory's entries as READDIR wants them. */
struct buffer {
    fuse_req_t req;
    char *data;
    size_t size, used;
};

static bool add_entry(struct buffer *buffer, const char *name, const struct stat *attr,
                      uint64_t next)
{
    size_t left = buffer->size - buffer->used;
    size_t needed =
        fuse_add_direntry(buffer->req, buffer->data + buffer->used, left, name, attr, (off_t)next);

    if (needed > left)
        return false;
    buffer->used += needed;
    return true;
}

static bool add_directory(struct buffer *buffer, const char *name, uint64_t ino, uint64_t next)
{
    return add_entry(buffer, name, &(struct stat){.st_ino = ino, .st_mode = S_IFDIR}, next);
}

/* Offsets: 0 before ".", 1 before "..", then 2 + the name's place in what has been listed. */
static void reply_entries(const struct cfs_listing *listing, fuse_req_t req,
                          const struct cfs_node *dir, const char *names, size_t len, size_t size,
                          uint64_t offset)
{
    struct buffer buffer = {.req = req, .data = cfs_fs_alloc(size), .size = size};
    bool room = true;

    if (offset == 0)
        room = add_directory(&buffer, ".", dir->ino, ++offset);
    if (room && offset == 1)
        room = add_directory(&buffer, "..", listing->parent(dir), ++offset);
    while (room && offset - 2 < len) {
        const char *name = names + offset - 2;
        uint64_t next = offset + strlen(name) + 1;
        struct stat attr = listing->entry(dir, name);
        room = add_entry(&buffer, name, &attr, next);
        offset = next;
    }
    fuse_reply_buf(req, buffer.data, buffer.used);
    free(buffer.data);
}

void cfs_listing_read_fixed(const struct cfs_listing *listing, fuse_req_t req,
                            struct cfs_handle *handle, const char *names, size_t len, size_t size,
                            uint64_t offset)
{
    reply_entries(listing, req, handle->node, names, len, size, offset);
}

void cfs_listing_add(struct cfs_handle *handle, const char *names, size_t len)
{
    handle->text = cfs_fs_resize(handle->text, handle->text_len + len, 1);
    if (len)
        memcpy(handle->text + handle->text_len, names, len);
    handle->text_len += len;
}

const char *cfs_listing_last(const struct cfs_handle *handle)
{
    size_t at = handle->text_len;

    if (!at)
        return "";
    for (at--; at > 0 && handle->text[at - 1]; at--)
        continue;
    return handle->text + at;
}

static bool needs_page(const struct cfs_handle *handle, uint64_t offset)
{
    return !handle->text || (handle->more && offset >= handle->text_len + 2);
}

static void listed(struct cfs_pending *pending, const struct cfs_answer *answer);

static void ask_page(struct cfs_pending *pending)
{
    struct cfs_request request = pending->readdir.listing->question(pending->handle);

    cfs_pending_submit(pending, &request, listed);
}

static void listed(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    const struct cfs_listing *listing = pending->readdir.listing;
    struct cfs_handle *handle = pending->handle;

    if (answer->error) {
        cfs_pending_reply_error(pending, answer->error);
        return;
    }
    listing->add(handle, answer);
    if (needs_page(handle, pending->readdir.offset))
        ask_page(pending);
    else
        reply_entries(listing, cfs_pending_take(pending), handle->node, handle->text,
                      handle->text_len, pending->readdir.size, pending->readdir.offset);
}

void cfs_listing_read(const struct cfs_listing *listing, struct cfs_fs *fs, fuse_req_t req,
                      struct cfs_handle *handle, size_t size, uint64_t offset)
{
    struct cfs_pending *pending;

    if (!offset) {
        free(handle->text);
        handle->text = NULL;
        handle->text_len = 0;
        handle->mark = 0;
    }
    if (!needs_page(handle, offset)) {
        reply_entries(listing, req, handle->node, handle->text, handle->text_len, size, offset);
        return;
    }
    pending = cfs_pending_new(fs, req, NULL, handle);
    pending->readdir.listing = listing;
    pending->readdir.size = size;
    pending->readdir.offset = offset;
    ask_page(pending);
}
