/* The messages of a queue as files, in three directories. A file's content is the message.
 *
 *     inflight/ID   what is claimed; ID is the claim's. rm: it is done with. touch: the claim's
 * time begins anew. mv: gives back, or passes on (queue_move.c) dead/ID       what was handed out
 * too often; ID is the message's. rm drops it, mv tries again ready/ID      what waits; ID is the
 * message's. To look at, no more
 *
 * A claim that has passed is no file any more, whatever is done with it: ENOENT tells a slow worker
 * that the message is somebody else's. So touch(1), which opens with O_CREAT, must not make one. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/clock.h"
#include "fs/listing.h"
#include "fs/memory.h"
#include "fs/queues.h"

#define DIGITS_MAX 20 /* of a number of 64 bits */

enum cfs_message_place cfs_queue_place(enum cfs_queue_part part)
{
    if (part == CFS_PART_INFLIGHT)
        return CFS_INFLIGHT;
    return part == CFS_PART_DEAD ? CFS_DEAD : CFS_READY;
}

uint64_t cfs_message_number(const char *name)
{
    size_t len = strspn(name, "0123456789");
    uint64_t number;

    if (name[len] || !len || len > DIGITS_MAX || *name == '0')
        return 0;
    errno = 0;
    number = strtoull(name, NULL, 10);
    return errno ? 0 : number;
}

struct cfs_request cfs_message_request(const struct cfs_node *node)
{
    struct cfs_request request = cfs_queue_request(CFS_OP_MESSAGE_GET, node->name);

    request.queue_read =
        (struct cfs_queue_read){.place = cfs_queue_place(node->part), .number = node->number};
    return request;
}

/* --- lookup, stat ------------------------------------------------------------------------ */

static struct stat attributes(const struct cfs_node *node, const struct cfs_message_info *message)
{
    struct stat attr = {.st_ino = node->ino,
                        .st_mode = node->mode,
                        .st_nlink = 1,
                        .st_uid = node->uid,
                        .st_gid = node->gid,
                        .st_size = message->len,
                        .st_blocks = (message->len + 511) / 512,
                        .st_blksize = 4096};

    attr.st_mtim = attr.st_atim = attr.st_ctim = cfs_timespec_of(message->sent);
    return attr;
}

/* A file like the directory it is in, which the kernel has just looked up: who may enter that may
 * read and touch what is in it. */
static struct cfs_node *new_node(struct cfs_fs *fs, const struct cfs_node *dir, uint64_t number)
{
    struct cfs_node *node = cfs_node_new(&fs->nodes, &cfs_tree_queue_message, dir->name);

    node->part = dir->part;
    node->number = number;
    node->mode = S_IFREG | (dir->mode & 0666);
    node->uid = dir->uid;
    node->gid = dir->gid;
    node->ino = cfs_message_ino(dir->part, dir->name, number);
    return node;
}

static void looked_up(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    struct cfs_node *node = pending->node;
    struct fuse_entry_param entry = {.ino = node->id};

    if (answer->error) {
        cfs_pending_reply_error(pending, answer->error);
        return;
    }
    entry.attr = attributes(node, answer->messages);
    if (fuse_reply_entry(cfs_pending_take(pending), &entry) == 0)
        cfs_node_told(&pending->fs->nodes, node);
}

static void lookup(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *dir, const char *name)
{
    uint64_t number = cfs_message_number(name);
    struct cfs_pending *pending;
    struct cfs_request request;
    struct cfs_node *node;

    if (!number) {
        fuse_reply_err(req, ENOENT);
        return;
    }
    node = new_node(fs, dir, number);
    request = cfs_message_request(node);
    pending = cfs_pending_new(fs, req, node, NULL);
    cfs_node_unref(&fs->nodes, node);
    cfs_pending_submit(pending, &request, looked_up);
}

static void got_attr(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    struct stat attr;

    if (answer->error) {
        cfs_pending_reply_error(pending, answer->error);
        return;
    }
    attr = attributes(pending->node, answer->messages);
    fuse_reply_attr(cfs_pending_take(pending), &attr, 0);
}

static void get_attr(struct cfs_pending *pending)
{
    struct cfs_request request = cfs_message_request(pending->node);

    cfs_pending_submit(pending, &request, got_attr);
}

static void getattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node)
{
    get_attr(cfs_pending_new(fs, req, node, NULL));
}

/* --- touch ------------------------------------------------------------------------------- */

static void extended(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    if (answer->error) {
        cfs_pending_reply_error(pending, answer->error);
        return;
    }
    pending->committed = true;
    get_attr(pending);
}

/* Whatever time is given: the claim's begins anew now. */
static void setattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node,
                    struct cfs_handle *handle, const struct stat *attr, int fields)
{
    const int times = FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_ATIME_NOW |
                      FUSE_SET_ATTR_MTIME_NOW;
    const int others =
        FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID | FUSE_SET_ATTR_SIZE;
    struct cfs_request request = cfs_queue_request(CFS_OP_EXTEND, node->name);

    (void)handle, (void)attr;
    if (node->part != CFS_PART_INFLIGHT || fields & others || !(fields & times)) {
        fuse_reply_err(req, EPERM);
        return;
    }
    request.settle = (struct cfs_settle){.place = CFS_INFLIGHT, .ids = &node->number, .count = 1};
    cfs_pending_submit(cfs_pending_new(fs, req, node, NULL), &request, extended);
}

/* --- open, read -------------------------------------------------------------------------- */

static void opened(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    char *text;

    if (answer->error) {
        cfs_pending_reply_error(pending, answer->error);
        return;
    }
    text = cfs_fs_alloc(answer->messages->len);
    memcpy(text, answer->messages->body, answer->messages->len);
    cfs_reply_open(pending->fs, cfs_pending_take(pending), pending->node, &pending->create, text,
                   answer->messages->len);
}

/* A message never changes. It is read from here on, though it be acknowledged meanwhile. */
static void open_message(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node,
                         const struct fuse_file_info *file)
{
    struct cfs_request request = cfs_message_request(node);
    struct cfs_pending *pending;

    if ((file->flags & O_ACCMODE) != O_RDONLY) {
        fuse_reply_err(req, EPERM);
        return;
    }
    pending = cfs_pending_new(fs, req, node, NULL);
    pending->create = *file;
    cfs_pending_submit(pending, &request, opened);
}

static void read_message(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle, size_t size,
                         uint64_t offset)
{
    (void)fs;
    cfs_reply_slice(req, handle->text, handle->text_len, size, offset);
}

/* --- in the directories ------------------------------------------------------------------ */

static void create(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *dir, const char *name,
                   mode_t mode, const struct fuse_file_info *file)
{
    (void)fs, (void)name, (void)mode, (void)file;
    fuse_reply_err(req, dir->part == CFS_PART_INFLIGHT ? ENOENT : EPERM);
}

static void acknowledged(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    if (!answer->error && pending->node->part == CFS_PART_INFLIGHT)
        cfs_queue_forget_claim(pending->fs, pending->node->name, pending->number);
    cfs_pending_reply_error(pending, answer->error);
}

static void unlink_message(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *dir,
                           const char *name)
{
    struct cfs_request request = cfs_queue_request(CFS_OP_ACK, dir->name);
    uint64_t number = cfs_message_number(name);
    struct cfs_pending *pending;

    if (dir->part == CFS_PART_READY) {
        fuse_reply_err(req, EPERM);
    } else if (!number) {
        fuse_reply_err(req, ENOENT);
    } else {
        request.settle =
            (struct cfs_settle){.place = cfs_queue_place(dir->part), .ids = &number, .count = 1};
        pending = cfs_pending_new(fs, req, dir, NULL);
        pending->number = number;
        cfs_pending_submit(pending, &request, acknowledged);
    }
}

/* --- readdir ----------------------------------------------------------------------------- */

/* The mark is the last number listed. */
static struct cfs_request next_page(const struct cfs_handle *handle)
{
    struct cfs_request request = cfs_queue_request(CFS_OP_MESSAGE_LIST, handle->node->name);

    request.queue_read = (struct cfs_queue_read){.place = cfs_queue_place(handle->node->part),
                                                 .number = handle->mark};
    return request;
}

static void add_page(struct cfs_handle *handle, const struct cfs_answer *answer)
{
    char *names = cfs_fs_resize(NULL, answer->id_count, DIGITS_MAX + 1);
    size_t len = 0;

    for (uint32_t i = 0; i < answer->id_count; i++)
        len += (size_t)sprintf(names + len, "%" PRIu64, answer->ids[i]) + 1;
    cfs_listing_add(handle, names, len);
    free(names);
    if (answer->id_count)
        handle->mark = answer->ids[answer->id_count - 1];
    handle->more = answer->more && answer->id_count;
}

static struct stat message_entry(const struct cfs_node *dir, const char *name)
{
    return (struct stat){.st_ino = cfs_message_ino(dir->part, dir->name, cfs_message_number(name)),
                         .st_mode = S_IFREG};
}

static uint64_t parent(const struct cfs_node *dir)
{
    return cfs_queue_ino(CFS_PART_OPENED, dir->name);
}

static void read_messages(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle, size_t size,
                          uint64_t offset)
{
    static const struct cfs_listing listing = {
        .question = next_page, .add = add_page, .entry = message_entry, .parent = parent};

    cfs_listing_read(&listing, fs, req, handle, size, offset);
}

const struct cfs_tree cfs_tree_queue_place = {
    .lookup = lookup,
    .create = create,
    .unlink = unlink_message,
    .rename = cfs_message_rename,
    .readdir = read_messages,
    .getattr = cfs_queue_getattr,
};

const struct cfs_tree cfs_tree_queue_message = {
    .getattr = getattr,
    .setattr = setattr,
    .getxattr = cfs_message_getxattr,
    .listxattr = cfs_message_listxattr,
    .open = open_message,
    .read = read_message,
};
