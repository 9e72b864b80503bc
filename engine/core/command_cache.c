/* Requests to the cache as bytes; as command.c, of which this is a part. */
#include <string.h>

#include "core/command_internal.h"

#define PERM_MAX 07777u

#define TIMES (CFS_CACHE_ATIME | CFS_CACHE_MTIME | CFS_CACHE_ATIME_NOW | CFS_CACHE_MTIME_NOW)
#define OWNER (CFS_CACHE_PERM | CFS_CACHE_UID | CFS_CACHE_GID)

static cfs_ino get_ino(struct cfs_reader *reader)
{
    cfs_ino ino = cfs_get_u64(reader);

    if (!ino)
        reader->failed = true;
    return ino;
}

uint32_t cfs_get_perm(struct cfs_reader *reader)
{
    uint32_t perm = cfs_get_u32(reader);

    if (perm > PERM_MAX)
        reader->failed = true;
    return perm;
}

static void put_make(struct cfs_writer *writer, const struct cfs_cache_make *make)
{
    cfs_put_u64(writer, make->parent);
    cfs_put_u8(writer, (uint8_t)make->type);
    cfs_put_u8(writer, make->exclusive);
    cfs_put_u32(writer, make->uid);
    cfs_put_u32(writer, make->gid);
    cfs_put_u32(writer, make->perm);
    if (make->type == CFS_INODE_SYMLINK)
        cfs_put_bytes(writer, make->target, make->target_len);
}

const uint8_t *cfs_get_target(struct cfs_reader *reader, uint32_t *len)
{
    const uint8_t *target = cfs_get_bytes(reader, len);

    if (reader->failed || !*len || *len > CFS_TARGET_MAX || memchr(target, 0, *len))
        reader->failed = true;
    return target;
}

static void get_make(struct cfs_reader *reader, struct cfs_cache_make *make)
{
    make->parent = get_ino(reader);
    make->type = cfs_get_enum(reader, CFS_INODE_FILE, CFS_INODE_SYMLINK);
    make->exclusive = cfs_get_bool(reader);
    make->uid = cfs_get_u32(reader);
    make->gid = cfs_get_u32(reader);
    make->perm = cfs_get_perm(reader);
    if (make->type == CFS_INODE_SYMLINK)
        make->target = cfs_get_target(reader, &make->target_len);
}

static void put_remove(struct cfs_writer *writer, const struct cfs_cache_remove *remove)
{
    cfs_put_u64(writer, remove->parent);
    cfs_put_u8(writer, remove->directory);
    cfs_put_u32(writer, remove->uid);
}

static void get_remove(struct cfs_reader *reader, struct cfs_cache_remove *remove)
{
    remove->parent = get_ino(reader);
    remove->directory = cfs_get_bool(reader);
    remove->uid = cfs_get_u32(reader);
}

static void put_rename(struct cfs_writer *writer, const struct cfs_cache_rename *rename)
{
    cfs_put_u64(writer, rename->parent);
    cfs_put_u64(writer, rename->to_parent);
    cfs_put_string(writer, rename->to);
    cfs_put_u8(writer, rename->no_replace);
    cfs_put_u8(writer, rename->exchange);
    cfs_put_u32(writer, rename->uid);
}

static void get_rename(struct cfs_reader *reader, struct cfs_cache_rename *rename)
{
    rename->parent = get_ino(reader);
    rename->to_parent = get_ino(reader);
    cfs_get_string(reader, rename->to, sizeof rename->to);
    rename->no_replace = cfs_get_bool(reader);
    rename->exchange = cfs_get_bool(reader);
    rename->uid = cfs_get_u32(reader);
    if (!cfs_name_valid(rename->to) || (rename->no_replace && rename->exchange))
        reader->failed = true;
}

static void put_set(struct cfs_writer *writer, const struct cfs_cache_set *set)
{
    cfs_put_u64(writer, set->ino);
    cfs_put_u32(writer, set->fields);
    if (set->fields & CFS_CACHE_PERM)
        cfs_put_u32(writer, set->perm);
    if (set->fields & CFS_CACHE_UID)
        cfs_put_u32(writer, set->uid);
    if (set->fields & CFS_CACHE_GID)
        cfs_put_u32(writer, set->gid);
    if (set->fields & CFS_CACHE_ATIME)
        cfs_put_u64(writer, set->atime);
    if (set->fields & CFS_CACHE_MTIME)
        cfs_put_u64(writer, set->mtime);
}

static bool are_fields(uint32_t fields, uint32_t allowed)
{
    return !(fields & ~allowed) && !(fields & CFS_CACHE_ATIME && fields & CFS_CACHE_ATIME_NOW) &&
           !(fields & CFS_CACHE_MTIME && fields & CFS_CACHE_MTIME_NOW);
}

static void get_set(struct cfs_reader *reader, enum cfs_op op, struct cfs_cache_set *set)
{
    set->ino = get_ino(reader);
    set->fields = cfs_get_u32(reader);
    if (!are_fields(set->fields, op == CFS_OP_CACHE_TOUCH ? TIMES : OWNER | TIMES))
        reader->failed = true;
    if (set->fields & CFS_CACHE_PERM)
        set->perm = cfs_get_perm(reader);
    if (set->fields & CFS_CACHE_UID)
        set->uid = cfs_get_u32(reader);
    if (set->fields & CFS_CACHE_GID)
        set->gid = cfs_get_u32(reader);
    if (set->fields & CFS_CACHE_ATIME)
        set->atime = cfs_get_u64(reader);
    if (set->fields & CFS_CACHE_MTIME)
        set->mtime = cfs_get_u64(reader);
}

static bool has_offset(const struct cfs_cache_put *put)
{
    return put->kind == CFS_PUT_WRITE || put->kind == CFS_PUT_TRUNCATE;
}

static void put_put(struct cfs_writer *writer, const struct cfs_cache_put *put)
{
    cfs_put_u64(writer, put->ino);
    cfs_put_u8(writer, (uint8_t)put->kind);
    cfs_put_u8(writer, put->laundered);
    cfs_put_u8(writer, put->conditional);
    if (put->conditional)
        cfs_put_u64(writer, put->expected);
    if (has_offset(put))
        cfs_put_u64(writer, put->offset);
    cfs_put_u64(writer, put->max);
    cfs_put_bytes(writer, put->data, put->len);
}

/* Ends of values are added up: none may run over. */
static void get_put(struct cfs_reader *reader, struct cfs_cache_put *put)
{
    put->ino = get_ino(reader);
    put->kind = cfs_get_enum(reader, CFS_PUT_WRITE, CFS_PUT_TRUNCATE);
    put->laundered = cfs_get_bool(reader);
    put->conditional = cfs_get_bool(reader);
    if (put->conditional)
        put->expected = cfs_get_u64(reader);
    if (has_offset(put))
        put->offset = cfs_get_u64(reader);
    put->max = cfs_get_u64(reader);
    put->data = cfs_get_bytes(reader, &put->len);
    if (put->len > CFS_PUT_MAX || put->offset > INT64_MAX - CFS_PUT_MAX || put->max > INT64_MAX ||
        (put->kind == CFS_PUT_TRUNCATE && put->len))
        reader->failed = true;
}

static void put_xattr(struct cfs_writer *writer, const struct cfs_cache_xattr *xattr)
{
    cfs_put_u64(writer, xattr->ino);
    cfs_put_u8(writer, xattr->create);
    cfs_put_u8(writer, xattr->replace);
    cfs_put_u8(writer, xattr->remove);
    if (!xattr->remove)
        cfs_put_bytes(writer, xattr->value, xattr->len);
}

static void get_xattr(struct cfs_reader *reader, struct cfs_cache_xattr *xattr)
{
    xattr->ino = get_ino(reader);
    xattr->create = cfs_get_bool(reader);
    xattr->replace = cfs_get_bool(reader);
    xattr->remove = cfs_get_bool(reader);
    if (!xattr->remove)
        xattr->value = cfs_get_bytes(reader, &xattr->len);
    if (xattr->create + xattr->replace + xattr->remove > 1 || xattr->len > CFS_XATTRS_MAX)
        reader->failed = true;
}

void cfs_put_cache_request(struct cfs_writer *writer, const struct cfs_request *request)
{
    switch (request->op) {
    case CFS_OP_CACHE_MAKE:
        put_make(writer, &request->cache_make);
        break;
    case CFS_OP_CACHE_REMOVE:
        put_remove(writer, &request->cache_remove);
        break;
    case CFS_OP_CACHE_RENAME:
        put_rename(writer, &request->cache_rename);
        break;
    case CFS_OP_CACHE_SETNODE:
    case CFS_OP_CACHE_TOUCH:
        put_set(writer, &request->cache_set);
        break;
    case CFS_OP_CACHE_PUT:
        put_put(writer, &request->cache_put);
        break;
    case CFS_OP_CACHE_XATTR:
        put_xattr(writer, &request->cache_xattr);
        break;
    case CFS_OP_CACHE_FORGET:
    case CFS_OP_CACHE_DROP:
        cfs_put_u64(writer, request->cache_drop.ino);
        break;
    default:
        break; /* reads are no commands: decoding refuses them */
    }
}

void cfs_get_cache_request(struct cfs_reader *reader, struct cfs_request *request)
{
    if (!cfs_cache_name_valid(request->op, request->name))
        reader->failed = true;
    switch (request->op) {
    case CFS_OP_CACHE_MAKE:
        get_make(reader, &request->cache_make);
        break;
    case CFS_OP_CACHE_REMOVE:
        get_remove(reader, &request->cache_remove);
        break;
    case CFS_OP_CACHE_RENAME:
        get_rename(reader, &request->cache_rename);
        break;
    case CFS_OP_CACHE_SETNODE:
    case CFS_OP_CACHE_TOUCH:
        get_set(reader, request->op, &request->cache_set);
        break;
    case CFS_OP_CACHE_PUT:
        get_put(reader, &request->cache_put);
        break;
    case CFS_OP_CACHE_XATTR:
        get_xattr(reader, &request->cache_xattr);
        break;
    case CFS_OP_CACHE_FORGET:
    case CFS_OP_CACHE_DROP:
        request->cache_drop.ino = get_ino(reader);
        break;
    default:
        reader->failed = true;
    }
}
