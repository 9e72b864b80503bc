/* stat of a queue and of what belongs to it, and the setters. Whatever is asked of .NAME/ is asked
 * of the queue: its parts exist when it does, and have permissions that follow from its own. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fs/attr.h"
#include "fs/clock.h"
#include "fs/proc.h"
#include "fs/queues.h"
#include "fs/tree_fixed.h"

struct cfs_request cfs_queue_request(enum cfs_op op, const char *name)
{
    struct cfs_request request = {.op = op};

    strcpy(request.name, name); /* ops.c lets no longer ones through */
    return request;
}

/* How long the kernel may keep the attributes of who opens: it looks at them between LOOKUP and
 * OPEN, which makes it forget them. It makes a tick or two of it. */
#define OPENING_S 0.001

/* --- nodes ------------------------------------------------------------------------------- */

struct part {
    const char *name; /* below .NAME/ */
    mode_t type;
    const struct cfs_tree *tree;
    bool named; /* others may be told of its node; the kernel keeps no bytes of it */
};

static const struct part parts[] = {
    [CFS_PART_QUEUE] = {NULL, S_IFREG, &cfs_tree_queues, true},
    [CFS_PART_OPENED] = {NULL, S_IFDIR, &cfs_tree_queue_opened, true},
    [CFS_PART_CLAIM] = {"claim", S_IFREG, &cfs_tree_queue_claim, true},
    [CFS_PART_CONFIG] = {"config", S_IFREG, &cfs_tree_queue_config, false},
    [CFS_PART_INFLIGHT] = {"inflight", S_IFDIR, &cfs_tree_queue_place, true},
    [CFS_PART_DEAD] = {"dead", S_IFDIR, &cfs_tree_queue_place, true},
    [CFS_PART_READY] = {"ready", S_IFDIR, &cfs_tree_queue_place, true},
};

uint64_t cfs_queue_ino(enum cfs_queue_part part, const char *name)
{
    char path[CFS_NAME_MAX + 32];

    if (part == CFS_PART_QUEUE)
        return cfs_ino_of("queues", name);
    if (part == CFS_PART_OPENED)
        snprintf(path, sizeof path, ".%s", name);
    else
        snprintf(path, sizeof path, ".%s/%s", name, parts[part].name);
    return cfs_ino_of("queues", path);
}

uint64_t cfs_message_ino(enum cfs_queue_part part, const char *name, uint64_t number)
{
    char path[CFS_NAME_MAX + 64];

    snprintf(path, sizeof path, ".%s/%s/%" PRIu64, name, parts[part].name, number);
    return cfs_ino_of("queues", path);
}

struct cfs_node *cfs_queue_node(struct cfs_fs *fs, enum cfs_queue_part part, const char *name)
{
    struct cfs_node *node = cfs_node_new(&fs->nodes, parts[part].tree, name);

    node->part = part;
    node->mode = parts[part].type;
    node->token = parts[part].named ? 1 : 0;
    node->framing = CFS_FRAMING_WRITE;
    node->ino = cfs_queue_ino(part, name);
    return node;
}

/* Who may read may take messages, so he may do all that is done with one that is taken: rm, mv and
 * touch, for which the kernel wants to see the other bits. */
static mode_t permissions(enum cfs_queue_part part, mode_t perm)
{
    mode_t readers = perm & 0444, writers = perm & 0222;

    switch (part) {
    case CFS_PART_QUEUE:
        return perm;
    case CFS_PART_OPENED:
        return 0777;
    case CFS_PART_CLAIM:
        return readers;
    case CFS_PART_CONFIG:
        return 0600 | ((readers | writers << 1) & 0044);
    case CFS_PART_INFLIGHT:
    case CFS_PART_DEAD:
    case CFS_PART_READY:
        return readers | readers >> 1 | readers >> 2;
    }
    return 0;
}

void cfs_queue_seen(struct cfs_node *node, const struct cfs_queue_info *info, uint64_t request)
{
    if (request < node->seen)
        return;
    node->seen = request;
    node->mode = parts[node->part].type | permissions(node->part, info->perm);
    node->uid = info->uid;
    node->gid = info->gid;
    node->framing = info->config.framing;
}

/* --- stat -------------------------------------------------------------------------------- */

static nlink_t link_count(enum cfs_queue_part part)
{
    if (parts[part].type != S_IFDIR)
        return 1;
    return part == CFS_PART_OPENED ? 5 : 2;
}

/* A queue and its claim have size 0, as what is in /proc: programs then read to the end, and those
 * that copy files by their size copy nothing. */
struct stat cfs_queue_attributes(const struct cfs_node *node, const struct cfs_queue_info *info)
{
    struct stat attr = {.st_ino = node->ino,
                        .st_mode = node->mode,
                        .st_uid = node->uid,
                        .st_gid = node->gid,
                        .st_blksize = 4096,
                        .st_atim = node->made,
                        .st_mtim = node->made,
                        .st_ctim = node->made};
    char text[CFS_CONFIG_TEXT_MAX];

    if (!info)
        return attr;
    attr.st_nlink = link_count(node->part);
    attr.st_mtim = attr.st_atim = cfs_timespec_of(info->mtime);
    attr.st_ctim = cfs_timespec_of(info->mtime > info->ctime ? info->mtime : info->ctime);
    if (node->part == CFS_PART_CONFIG) {
        attr.st_size = (off_t)cfs_queue_config_print(&info->config, text, sizeof text);
        attr.st_blocks = 1;
    }
    return attr;
}

static void got_attr(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    struct cfs_node *node = pending->node;
    struct stat attr;

    /* open(2) asks between LOOKUP and OPEN, and an open file's must not fail either. */
    bool gone = answer->error == CFS_ERR_NO_QUEUE && S_ISREG(node->mode);

    if (answer->error && !gone) {
        cfs_pending_reply_error(pending, answer->error);
        return;
    }
    if (!gone)
        cfs_queue_seen(node, &answer->queue, pending->id);
    attr = cfs_queue_attributes(node, gone ? NULL : &answer->queue);
    fuse_reply_attr(cfs_pending_take(pending), &attr, 0);
}

static void get_attr(struct cfs_pending *pending)
{
    struct cfs_request request = cfs_queue_request(CFS_OP_QUEUE_STAT, pending->node->name);

    cfs_pending_submit(pending, &request, got_attr);
}

void cfs_queue_getattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node)
{
    get_attr(cfs_pending_new(fs, req, node, NULL));
}

/* --- lookup ------------------------------------------------------------------------------ */

/* Whether the thread is in open(2) or openat(2), and will come to OPEN; then with which access. */
static bool is_opening(const struct cfs_pending *pending, int *access)
{
    struct cfs_syscall call;
    int flags;

    if (!cfs_proc_syscall(pending->fs->proc_fd, (uint32_t)fuse_req_ctx(pending->req)->pid, &call) ||
        !cfs_syscall_opens(&call, &flags) || flags & O_PATH)
        return false;
    *access = flags & O_ACCMODE;
    return true;
}

/* The node that readers share. A file whose owner or permissions have changed is not told to
 * anybody any more: of several replies the kernel may take an older one. */
static struct cfs_node *shared_node(struct cfs_fs *fs, struct cfs_node *node)
{
    struct cfs_node *known = cfs_node_find_named(&fs->nodes, node->part, node->name, node->token);
    bool same =
        known && known->mode == node->mode && known->uid == node->uid && known->gid == node->gid;

    if (!known || same || S_ISDIR(known->mode))
        return known ? known : node;
    cfs_node_unname(&fs->nodes, known);
    return node;
}

/* A fresh node costs an open(2) a second question, with the directory's lock taken. So readers get
 * the one that is there, as does whoever asks for a directory; but the kernel holds an inode's lock
 * during write(2), and takes it in close(2) and chmod(2): who may write, and whoever cannot be
 * seen, gets one of his own. */
static struct cfs_node *settle(const struct cfs_pending *pending, double *seconds)
{
    struct cfs_node *node = pending->node;
    bool file = S_ISREG(node->mode), opening;
    int access = O_RDWR;

    *seconds = 0;
    if (!node->token)
        return node;
    opening = file && is_opening(pending, &access);
    if (!file || (opening && access == O_RDONLY))
        node = shared_node(pending->fs, node);
    else
        node->token = 0;
    if (opening && node == pending->node)
        *seconds = OPENING_S;
    return node;
}

static void looked_up(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    struct cfs_fs *fs = pending->fs;
    struct fuse_entry_param entry = {0};
    struct cfs_node *node;

    if (answer->error) {
        cfs_pending_reply_error(pending, answer->error);
        return;
    }
    cfs_queue_seen(pending->node, &answer->queue, pending->id);
    node = cfs_node_ref(settle(pending, &entry.attr_timeout));
    cfs_queue_seen(node, &answer->queue, pending->id);
    entry.ino = node->id;
    entry.attr = cfs_queue_attributes(node, &answer->queue);
    if (fuse_reply_entry(cfs_pending_take(pending), &entry) == 0)
        cfs_node_told(&fs->nodes, node);
    cfs_node_unref(&fs->nodes, node);
}

void cfs_queue_lookup(struct cfs_fs *fs, fuse_req_t req, enum cfs_queue_part part, const char *name)
{
    struct cfs_request request = cfs_queue_request(CFS_OP_QUEUE_STAT, name);
    struct cfs_node *node = cfs_queue_node(fs, part, name);
    struct cfs_pending *pending = cfs_pending_new(fs, req, node, NULL);

    cfs_node_unref(&fs->nodes, node);
    cfs_pending_submit(pending, &request, looked_up);
}

/* --- setattr ----------------------------------------------------------------------------- */

static void set_attr(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    if (answer->error) {
        cfs_pending_reply_error(pending, answer->error);
        return;
    }
    pending->committed = true;
    get_attr(pending);
}

/* O_TRUNC does not come here (FUSE_CAP_ATOMIC_O_TRUNC; ops_whole.c): this is ftruncate or truncate.
 */
static void resize(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node, off_t size)
{
    struct cfs_request request = cfs_queue_request(CFS_OP_PURGE, node->name);

    if (size != 0) {
        fuse_reply_err(req, EINVAL);
        return;
    }
    request.queue_caller.uid = fuse_req_ctx(req)->uid;
    cfs_pending_submit(cfs_pending_new(fs, req, node, NULL), &request, set_attr);
}

void cfs_queue_setattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node,
                       struct cfs_handle *handle, const struct stat *attr, int fields)
{
    struct cfs_request request = cfs_queue_request(CFS_OP_QUEUE_SETATTR, node->name);

    (void)handle;
    request.setattr = cfs_setattr_of(attr, fields, fuse_req_ctx(req)->uid);
    if (fields & FUSE_SET_ATTR_SIZE) /* the kernel adds times of its own */
        resize(fs, req, node, attr->st_size);
    else if (!request.setattr.fields)
        cfs_queue_getattr(fs, req, node);
    else
        cfs_pending_submit(cfs_pending_new(fs, req, node, NULL), &request, set_attr);
}
