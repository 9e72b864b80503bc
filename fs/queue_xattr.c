/* The extended attributes of a queue and of its messages: what stat cannot say. */
#include <errno.h>
#include <inttypes.h>

#include "fs/clock.h"
#include "fs/queues.h"
#include "fs/xattr.h"

/* --- of a queue -------------------------------------------------------------------------- */

static void print_ready(FILE *out, const struct cfs_answer *answer)
{
    fprintf(out, "%" PRIu64, answer->queue.ready);
}

static void print_inflight(FILE *out, const struct cfs_answer *answer)
{
    fprintf(out, "%" PRIu64, answer->queue.inflight);
}

static void print_dead(FILE *out, const struct cfs_answer *answer)
{
    fprintf(out, "%" PRIu64, answer->queue.dead);
}

static void print_bytes(FILE *out, const struct cfs_answer *answer)
{
    fprintf(out, "%" PRIu64, answer->queue.bytes);
}

static void print_node(FILE *out, const struct cfs_answer *answer)
{
    fprintf(out, "%" PRIu32, answer->queue.node);
}

static void print_consumers(FILE *out, const struct cfs_answer *answer)
{
    fprintf(out, "%" PRIu32, answer->queue.consumers);
}

static void print_producers(FILE *out, const struct cfs_answer *answer)
{
    fprintf(out, "%" PRIu32, answer->queue.producers);
}

static const struct cfs_xattr of_queue[] = {
    {"user.coordfs.ready", print_ready},
    {"user.coordfs.inflight", print_inflight},
    {"user.coordfs.dead", print_dead},
    {"user.coordfs.bytes", print_bytes},
    {"user.coordfs.node", print_node},
    {"user.coordfs.consumers", print_consumers}, /* who wait for a message */
    {"user.coordfs.producers", print_producers}, /* who wait for room */
    {NULL, NULL},
};

/* --- of a message ------------------------------------------------------------------------ */

static void print_id(FILE *out, const struct cfs_answer *answer)
{
    fprintf(out, "%" PRIu64, answer->messages->id);
}

static void print_deliveries(FILE *out, const struct cfs_answer *answer)
{
    fprintf(out, "%" PRIu32, answer->messages->deliveries);
}

static void print_sent(FILE *out, const struct cfs_answer *answer)
{
    cfs_print_time(out, answer->messages->sent);
}

/* Seconds until a claim ends by itself. */
static void print_left(FILE *out, const struct cfs_answer *answer)
{
    cfs_time left = answer->messages->left;

    fprintf(out, "%" PRIu64 ".%03u", left / 1000000, (unsigned)(left % 1000000 / 1000));
}

/* "http" where it was claimed without a mount. */
static void print_holder(FILE *out, const struct cfs_answer *answer)
{
    if (answer->messages->node)
        fprintf(out, "%" PRIu32, answer->messages->node);
    else
        fputs("http", out);
}

static const struct cfs_xattr of_message[] = {
    {"user.coordfs.id", print_id},
    {"user.coordfs.deliveries", print_deliveries},
    {"user.coordfs.sent", print_sent},
    {NULL, NULL},
};

static const struct cfs_xattr of_claim[] = {
    {"user.coordfs.id", print_id},     {"user.coordfs.deliveries", print_deliveries},
    {"user.coordfs.sent", print_sent}, {"user.coordfs.node", print_holder},
    {"user.coordfs.left", print_left}, {NULL, NULL},
};

static const struct cfs_xattr *table_of(const struct cfs_node *node)
{
    return node->part == CFS_PART_INFLIGHT ? of_claim : of_message;
}

/* --- both -------------------------------------------------------------------------------- */

static void got_xattr(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    if (answer->error)
        cfs_pending_reply_error(pending, answer->error);
    else
        cfs_xattr_reply(cfs_pending_take(pending), pending->xattr.field, answer,
                        pending->xattr.size);
}

static void get_xattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node,
                      const struct cfs_request *request, const struct cfs_xattr *xattr, size_t size)
{
    struct cfs_pending *pending;

    if (!xattr) { /* such as security.capability, which nobody has to be asked for */
        fuse_reply_err(req, ENODATA);
        return;
    }
    pending = cfs_pending_new(fs, req, node, NULL);
    pending->xattr.size = size;
    pending->xattr.field = xattr;
    cfs_pending_submit(pending, request, got_xattr);
}

void cfs_queue_getxattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node, const char *name,
                        size_t size)
{
    struct cfs_request request = cfs_queue_request(CFS_OP_QUEUE_STAT, node->name);

    get_xattr(fs, req, node, &request, cfs_xattr_find(of_queue, name), size);
}

void cfs_queue_listxattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node, size_t size)
{
    (void)fs, (void)node;
    cfs_xattr_reply_list(req, of_queue, size);
}

void cfs_message_getxattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node,
                          const char *name, size_t size)
{
    struct cfs_request request = cfs_message_request(node);

    get_xattr(fs, req, node, &request, cfs_xattr_find(table_of(node), name), size);
}

void cfs_message_listxattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node, size_t size)
{
    (void)fs;
    cfs_xattr_reply_list(req, table_of(node), size);
}
