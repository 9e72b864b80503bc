/* The extended attributes of a lock: what the file idiom cannot say. One table row for each. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs/locks.h"
#include "fs/memory.h"

struct xattr {
    const char *name;
    void (*print)(FILE *out, const struct cfs_lock_info *lock);
};

static void print_token(FILE *out, const struct cfs_lock_info *lock)
{
    fprintf(out, "%" PRIu64, lock->token);
}

static void print_mode(FILE *out, const struct cfs_lock_info *lock)
{
    fputs(lock->mode == CFS_SHARED ? "shared" : "exclusive", out);
}

/* node:pid; a client over HTTP has neither, only the name it may have given itself. Of very many
 * the last are but a number. */
static void print_holders(FILE *out, const struct cfs_lock_info *lock)
{
    for (uint32_t i = 0; i < lock->holder_count; i++) {
        const struct cfs_holder_info *holder = &lock->holders[i];
        if (i)
            fputc(',', out);
        if (holder->kind == CFS_LEASED)
            fprintf(out, "http:%s", holder->owner);
        else
            fprintf(out, "%" PRIu32 ":%" PRIu32, holder->node, holder->process.pid);
    }
    if (lock->more_holders)
        fprintf(out, ",+%" PRIu32, lock->more_holders);
}

/* RFC 3339. */
static void print_since(FILE *out, const struct cfs_lock_info *lock)
{
    time_t seconds = (time_t)(lock->since / 1000000);
    char text[32];
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    fprintf(out, "%s.%03uZ", text, (unsigned)(lock->since % 1000000 / 1000));
}

static void print_waiters(FILE *out, const struct cfs_lock_info *lock)
{
    fprintf(out, "%" PRIu32, lock->waiters);
}

static const struct xattr table[] = {
    {"user.coordfs.token", print_token},     {"user.coordfs.mode", print_mode},
    {"user.coordfs.holder", print_holders},  {"user.coordfs.since", print_since},
    {"user.coordfs.waiters", print_waiters},
};

#define TABLE_COUNT (sizeof table / sizeof *table)

/* A size of 0 asks how much room is needed. */
static void reply_value(fuse_req_t req, const char *value, size_t len, size_t size)
{
    if (size == 0)
        fuse_reply_xattr(req, len);
    else if (size < len)
        fuse_reply_err(req, ERANGE);
    else
        fuse_reply_buf(req, value, len);
}

static char *print(const struct xattr *xattr, const struct cfs_lock_info *lock, size_t *len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, len);

    if (!out)
        return NULL;
    xattr->print(out, lock);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

static void got_xattr(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    char *value = NULL;
    size_t len = 0;

    if (answer->error && answer->error != CFS_ERR_NOT_HELD) {
        cfs_pending_reply_error(pending, answer->error);
        return;
    }
    if (answer->error || !cfs_lock_is_node(pending->node, &answer->lock)) {
        cfs_pending_reply_errno(pending, ENODATA);
        return;
    }
    value = print(pending->xattr.field, &answer->lock, &len);
    if (value)
        reply_value(cfs_pending_take(pending), value, len, pending->xattr.size);
    else
        cfs_pending_reply_errno(pending, ENOMEM);
    free(value);
}

static void listed_xattrs(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    char names[TABLE_COUNT * 32];
    size_t len = 0;

    if (answer->error && answer->error != CFS_ERR_NOT_HELD) {
        cfs_pending_reply_error(pending, answer->error);
        return;
    }
    if (!answer->error && cfs_lock_is_node(pending->node, &answer->lock))
        for (size_t i = 0; i < TABLE_COUNT; i++) {
            strcpy(names + len, table[i].name);
            len += strlen(table[i].name) + 1;
        }
    reply_value(cfs_pending_take(pending), names, len, pending->xattr.size);
}

static void ask(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node, const struct xattr *xattr,
                size_t size, cfs_reply_fn reply)
{
    struct cfs_request request = cfs_lock_request(CFS_OP_GET, node->name);
    struct cfs_pending *pending;

    if (node->lost) {
        fuse_reply_err(req, EIO);
        return;
    }
    pending = cfs_pending_new(fs, req, node, NULL);
    pending->xattr.size = size;
    pending->xattr.field = xattr;
    cfs_pending_submit(pending, &request, reply);
}

/* The kernel asks for security.capability before each write and for more before each ls: those are
 * answered without asking the cluster. */
void cfs_lock_getxattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node, const char *name,
                       size_t size)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (strcmp(table[i].name, name) == 0) {
            ask(fs, req, node, &table[i], size, got_xattr);
            return;
        }
    }
    fuse_reply_err(req, ENODATA);
}

void cfs_lock_listxattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node, size_t size)
{
    ask(fs, req, node, NULL, size, listed_xattrs);
}
