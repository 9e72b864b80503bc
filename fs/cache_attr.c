/* LOOKUP, GETATTR, SETATTR: what is known of an inode, put together from the two places where it
 * is.
 *
 * As long as a share holds nobody is asked: the kernel's question, which comes once a lease, is
 * answered here. Of a file the first bytes come with the size, for who looks a file up mostly reads
 * it. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "fs/cache.h"
#include "fs/clock.h"
#include "fs/memory.h"

/* The kernel counts in ticks, and from when the asker takes the reply. */
#define MARGIN CFS_MS(50)
/* A reply that took longer is not to be relied on. */
#define LATE CFS_MS(20)

/* --- finding out --------------------------------------------------------------------------- */

static void find_out(struct cfs_cache_call *call);

/* A file that is open and gone, or a directory that somebody stands in. */
static void fail(struct cfs_cache_call *call, enum cfs_error error)
{
    cfs_cache_reply_error(call, error == CFS_ERR_NO_FILE ? CFS_ERR_STALE : error);
}

static void got_node(struct cfs_cache_call *call, const struct cfs_answer *answer)
{
    if (answer->error) {
        fail(call, answer->error);
        return;
    }
    cfs_cache_keep_info(call->about, &answer->cache);
    call->info = answer->cache.inode;
    call->has_info = true;
    find_out(call);
}

static void got_content(struct cfs_cache_call *call, const struct cfs_answer *answer)
{
    if (answer->error) {
        fail(call, answer->error);
        return;
    }
    cfs_cache_keep_beginning(call->about, &answer->cache);
    free(call->data);
    call->len = answer->cache.len;
    call->data = cfs_fs_alloc(call->len);
    if (call->len)
        memcpy(call->data, answer->cache.data, call->len);
    call->content = answer->cache.content;
    call->data_version = call->content.version;
    call->has_content = true;
    find_out(call);
}

/* What is shared now is newer than what the call was told before. */
static void take_known(struct cfs_cache_call *call)
{
    const struct cfs_cache_inode *inode = call->about;

    if (cfs_cache_has_info(call->cache, inode)) {
        call->info = inode->info;
        call->has_info = true;
    }
    if (cfs_cache_has_content(call->cache, inode)) {
        call->content = inode->content;
        call->has_content = true;
    }
}

static void find_out(struct cfs_cache_call *call)
{
    struct cfs_request request = {.cache_read.ino = call->about->ino};

    take_known(call);
    if (!call->has_info) {
        request.op = CFS_OP_CACHE_NODE;
        cfs_cache_ask(call, &request, got_node);
    } else if (call->info.type == CFS_INODE_FILE && !call->has_content) {
        request.op = CFS_OP_CACHE_FETCH;
        request.cache_read.len = CFS_CACHE_HEAD;
        request.cache_read.patient = call->patient;
        cfs_cache_ask(call, &request, got_content);
    } else {
        call->finish(call);
    }
}

static void turn_to(struct cfs_cache_call *call, struct cfs_cache_inode *inode)
{
    assert(inode);
    cfs_cache_ref(inode);
    if (call->about)
        cfs_cache_unref(call->cache, call->about);
    if (call->about != inode)
        call->has_info = call->has_content = false;
    call->about = inode;
}

void cfs_cache_be_about(struct cfs_cache_call *call, struct cfs_cache_inode *inode)
{
    turn_to(call, inode);
    take_known(call);
}

void cfs_cache_attributes(struct cfs_cache_call *call, struct cfs_cache_inode *inode,
                          cfs_cache_go_fn finish)
{
    turn_to(call, inode);
    call->finish = finish;
    find_out(call);
}

/* --- telling the kernel -------------------------------------------------------------------- */

double cfs_cache_seconds(struct cfs_cache *cache, const struct cfs_cache_share *share)
{
    cfs_time valid = cfs_cache_valid(cache, share);

    return valid > MARGIN ? (double)(valid - MARGIN) / 1e6 : 0;
}

mode_t cfs_cache_type_bits(enum cfs_inode_type type)
{
    return type == CFS_INODE_DIRECTORY ? S_IFDIR : type == CFS_INODE_SYMLINK ? S_IFLNK : S_IFREG;
}

static cfs_wall_time newer(cfs_wall_time a, cfs_wall_time b)
{
    return a > b ? a : b;
}

void cfs_cache_fill(const struct cfs_cache_call *call, struct stat *attr)
{
    const struct cfs_inode_info *info = &call->info;
    const struct cfs_content_info *content = &call->content;
    bool written = info->type == CFS_INODE_FILE && call->has_content && content->changed;

    *attr = (struct stat){.st_ino = cfs_cache_shown_ino(call->cache, info->ino),
                          .st_mode = cfs_cache_type_bits(info->type) | (info->perm & 07777),
                          .st_nlink = info->nlink,
                          .st_uid = info->uid,
                          .st_gid = info->gid,
                          .st_blksize = 4096,
                          .st_size = (off_t)info->size,
                          .st_atim = cfs_timespec_of(info->atime),
                          .st_mtim = cfs_timespec_of(info->mtime),
                          .st_ctim = cfs_timespec_of(info->ctime)};
    if (info->type == CFS_INODE_FILE)
        attr->st_size = call->has_content ? (off_t)content->size : 0;
    if (written) {
        attr->st_atim = cfs_timespec_of(content->atime);
        attr->st_mtim = cfs_timespec_of(content->mtime);
        attr->st_ctim = cfs_timespec_of(newer(content->ctime, info->ctime));
    }
    attr->st_blocks = (attr->st_size + 511) / 512;
    if (cfs_cache_hold_is_of(call, call->about))
        attr->st_size = attr->st_blocks = 0;
}

/* A reading that comes of these attributes is to give what they belong to. */
static void show(struct cfs_cache_call *call)
{
    uint32_t len;
    const uint8_t *head = cfs_cache_head_of(call, &len);

    cfs_cache_show(call->about, &call->content, head, len);
}

bool cfs_cache_tells_shown(const struct cfs_cache_call *call)
{
    const struct cfs_cache_inode *inode = call->about;

    return inode->shown.known && (!call->asks_file || call->pushed) &&
           (inode->jobs || call->content.size > inode->shown.content.size);
}

double cfs_cache_stat(struct cfs_cache_call *call, struct stat *attr)
{
    struct cfs_cache_inode *inode = call->about;
    bool file = call->info.type == CFS_INODE_FILE, own = cfs_cache_hold_is_of(call, inode);
    double seconds, content;

    take_known(call);
    if (file && !own && cfs_cache_tells_shown(call))
        call->content = inode->shown.content;
    cfs_cache_fill(call, attr);
    if (file)
        cfs_cache_size_told(call, (uint64_t)attr->st_size);
    if (own)
        inode->shown.known = false;
    else if (file && call->has_content)
        show(call);
    inode->unkept.times = 0;
    if (inode->jobs || call->passes || !inode->has_info || inode->hold.state != CFS_HOLD_NONE)
        return 0;
    seconds = cfs_cache_seconds(call->cache, &inode->info_share);
    if (!file)
        return seconds;
    if (!inode->has_content || inode->content.version != call->content.version)
        return 0;
    content = cfs_cache_seconds(call->cache, &inode->content_share);
    return content < seconds ? content : seconds;
}

void cfs_cache_replied(struct cfs_cache_call *call, cfs_time asked)
{
    if (cfs_fs_now() - asked <= LATE)
        return;
    if (call->about)
        cfs_cache_forget_pages(call->cache, call->about, NULL);
    if (*call->name)
        cfs_cache_forget_name(call->cache, call->inode, call->name,
                              call->about ? call->about->ino : 0);
}

static double name_seconds(struct cfs_cache_call *call)
{
    const struct cfs_cache_name *name = cfs_cache_name_find(call->inode, call->name);

    return name ? cfs_cache_seconds(call->cache, &name->share) : 0;
}

void cfs_cache_reply_entry(struct cfs_cache_call *call)
{
    cfs_time asked = cfs_fs_now();
    struct fuse_entry_param entry = {.ino = cfs_cache_id(call->cache, call->about->ino),
                                     .entry_timeout = name_seconds(call)};

    entry.attr_timeout = cfs_cache_stat(call, &entry.attr);
    cfs_cache_told_of(call->about);
    if (fuse_reply_entry(cfs_cache_take(call), &entry) != 0)
        cfs_cache_forget(call->cache, call->about->ino, 1);
    cfs_cache_replied(call, asked);
}

static void reply_attr(struct cfs_cache_call *call)
{
    cfs_time asked = cfs_fs_now();
    struct stat attr;
    double seconds;

    call->asks_file = true;
    seconds = cfs_cache_stat(call, &attr);

    fuse_reply_attr(cfs_cache_take(call), &attr, seconds);
    if (seconds > 0)
        cfs_cache_replied(call, asked);
}

/* --- LOOKUP -------------------------------------------------------------------------------- */

static void reply_missing(struct cfs_cache_call *call)
{
    cfs_time asked = cfs_fs_now();
    struct fuse_entry_param entry = {.entry_timeout = name_seconds(call)};

    if (entry.entry_timeout > 0)
        fuse_reply_entry(cfs_cache_take(call), &entry); /* ino 0: there is none, to be kept */
    else
        cfs_cache_reply_errno(call, ENOENT);
    cfs_cache_replied(call, asked);
}

static void found(struct cfs_cache_call *call, const struct cfs_answer *answer)
{
    const struct cfs_cache_answer *cache = &answer->cache;
    struct cfs_cache_inode *child;

    if (answer->error && answer->error != CFS_ERR_NO_FILE) {
        fail(call, answer->error);
        return;
    }
    cfs_cache_name_drop(call->inode, call->name);
    cfs_cache_name_keep(call->inode, call->name, answer->error ? 0 : cache->inode.ino,
                        &cache->share);
    if (answer->error) {
        reply_missing(call);
        return;
    }
    child = cfs_cache_inode_of(call->cache, cache->inode.ino);
    cfs_cache_keep_info(child, cache);
    call->about = cfs_cache_ref(child);
    call->info = cache->inode;
    call->has_info = true;
    cfs_cache_attributes(call, child, cfs_cache_reply_entry);
}

static void look_up(struct cfs_cache_call *call)
{
    const struct cfs_cache_name *name = cfs_cache_name_find(call->inode, call->name);
    struct cfs_request request = {.op = CFS_OP_CACHE_LOOKUP, .cache_read.ino = call->inode->ino};

    if (!name || !cfs_cache_valid(call->cache, &name->share)) {
        memcpy(request.name, call->name, sizeof request.name);
        cfs_cache_ask(call, &request, found);
    } else if (!name->child) {
        reply_missing(call);
    } else {
        cfs_cache_attributes(call, cfs_cache_inode_of(call->cache, name->child),
                             cfs_cache_reply_entry);
    }
}

void cfs_cache_op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct cfs_cache_inode *dir = cfs_cache_op_dir(req, parent, name);
    struct cfs_cache_call *call;

    if (!dir)
        return;
    call = cfs_cache_call_new(cfs_cache_of(req), req, dir);
    call->looks_up = true;
    strcpy(call->name, name);
    cfs_cache_run(call, look_up);
}

/* --- GETATTR, READLINK, STATFS ------------------------------------------------------------- */

static void get_attributes(struct cfs_cache_call *call);

/* Attributes may have come while the gate was being closed. Who lists a directory is not held up
 * at it. */
static void got_attributes(struct cfs_cache_call *call)
{
    bool held_up = !call->passes && !cfs_cache_hold_is_of(call, call->inode);

    call->asks_file = true;
    if (held_up && call->inode->jobs && cfs_cache_gate(call, get_attributes))
        call->has_info = call->has_content = false;
    else if (!held_up || !cfs_cache_size_push(call, get_attributes))
        reply_attr(call);
}

static void get_attributes(struct cfs_cache_call *call)
{
    if (cfs_cache_gate(call, get_attributes) || cfs_cache_await_hold(call, get_attributes))
        return;
    cfs_cache_attributes(call, call->inode, got_attributes);
}

void cfs_cache_op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct cfs_cache_inode *inode = cfs_cache_op_inode(req, ino);
    struct cfs_cache_call *call;

    (void)fi;
    if (!inode || cfs_cache_size_answer(inode, req))
        return;
    call = cfs_cache_call_new(cfs_cache_of(req), req, inode);
    call->looks_up = true;
    call->patient = true;
    cfs_cache_run(call, get_attributes);
}

static void reply_target(struct cfs_cache_call *call)
{
    if (call->inode->target)
        fuse_reply_readlink(cfs_cache_take(call), call->inode->target);
    else
        cfs_cache_reply_errno(call, EINVAL);
}

static void got_target(struct cfs_cache_call *call, const struct cfs_answer *answer)
{
    if (answer->error) {
        fail(call, answer->error);
        return;
    }
    cfs_cache_keep_info(call->inode, &answer->cache);
    reply_target(call);
}

static void read_link(struct cfs_cache_call *call)
{
    struct cfs_request request = {.op = CFS_OP_CACHE_NODE, .cache_read.ino = call->inode->ino};

    if (call->inode->target)
        reply_target(call);
    else
        cfs_cache_ask(call, &request, got_target);
}

void cfs_cache_op_readlink(fuse_req_t req, fuse_ino_t ino)
{
    struct cfs_cache_inode *inode = cfs_cache_op_inode(req, ino);

    if (inode)
        cfs_cache_run(cfs_cache_call_new(cfs_cache_of(req), req, inode), read_link);
}

/* What is free is what is free here, where a replica of most of it may be. */
void cfs_cache_op_statfs(fuse_req_t req, fuse_ino_t ino)
{
    const struct cfs_cache *cache = cfs_cache_of(req);
    struct statvfs values;

    (void)ino;
    if (statvfs(cache->config->data, &values) != 0)
        values = (struct statvfs){.f_bsize = 4096, .f_frsize = 4096};
    values.f_namemax = CFS_NAME_MAX;
    fuse_reply_statfs(req, &values);
}

/* --- SETATTR ------------------------------------------------------------------------------- */

#define TO_NODE (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)
#define TIMES                                                                                      \
    (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME_NOW)

static void set_attributes(struct cfs_cache_call *call);

static struct cfs_request set_request(const struct cfs_cache_call *call, enum cfs_op op, int fields)
{
    const struct stat *attr = &call->setattr.attr;
    struct cfs_request request = {.op = op,
                                  .cache_set = {.ino = call->inode->ino,
                                                .perm = attr->st_mode & 07777,
                                                .uid = attr->st_uid,
                                                .gid = attr->st_gid,
                                                .atime = cfs_wall_time_of(attr->st_atim),
                                                .mtime = cfs_wall_time_of(attr->st_mtim)}};
    uint32_t wanted = 0;

    wanted |= fields & FUSE_SET_ATTR_MODE ? CFS_CACHE_PERM : 0;
    wanted |= fields & FUSE_SET_ATTR_UID ? CFS_CACHE_UID : 0;
    wanted |= fields & FUSE_SET_ATTR_GID ? CFS_CACHE_GID : 0;
    if (fields & FUSE_SET_ATTR_ATIME_NOW)
        wanted |= CFS_CACHE_ATIME_NOW;
    else if (fields & FUSE_SET_ATTR_ATIME)
        wanted |= CFS_CACHE_ATIME;
    if (fields & FUSE_SET_ATTR_MTIME_NOW)
        wanted |= CFS_CACHE_MTIME_NOW;
    else if (fields & FUSE_SET_ATTR_MTIME)
        wanted |= CFS_CACHE_MTIME;
    request.cache_set.fields = wanted;
    return request;
}

static void set_node(struct cfs_cache_call *call, const struct cfs_answer *answer)
{
    cfs_cache_drop_info(call->inode);
    if (answer->error) {
        fail(call, answer->error);
        return;
    }
    if (answer->cache.inode.ino)
        cfs_cache_keep_info(call->inode, &answer->cache);
    set_attributes(call);
}

/* Size or times. */
static void set_content(struct cfs_cache_call *call, const struct cfs_answer *answer)
{
    cfs_cache_drop_content(call->inode);
    if (answer->error) {
        fail(call, answer->error);
        return;
    }
    if (answer->cache.content.changed)
        cfs_cache_keep_content(call->inode, &answer->cache);
    set_attributes(call);
}

static void truncate_to(struct cfs_cache_call *call)
{
    struct cfs_request request = {.op = CFS_OP_CACHE_PUT,
                                  .cache_put = {.ino = call->inode->ino,
                                                .kind = CFS_PUT_TRUNCATE,
                                                .offset = (uint64_t)call->setattr.attr.st_size,
                                                .max = call->cache->config->max_value}};

    if (request.cache_put.offset > request.cache_put.max)
        fail(call, CFS_ERR_VALUE_TOO_BIG);
    else
        cfs_cache_ask(call, &request, set_content);
}

/* One after the other: the names' part, the size, the times; each once. */
static void set_attributes(struct cfs_cache_call *call)
{
    int fields = call->setattr.fields;
    bool file = call->info.type == CFS_INODE_FILE;
    struct cfs_request request;

    if (cfs_cache_end_hold(call, set_attributes))
        return;
    if ((fields & TO_NODE) || (!file && (fields & TIMES))) {
        call->setattr.fields &= ~TO_NODE;
        if (!file)
            call->setattr.fields &= ~TIMES;
        else
            fields &= TO_NODE;
        request = set_request(call, CFS_OP_CACHE_SETNODE, fields);
        cfs_cache_ask(call, &request, set_node);
    } else if (file && (fields & FUSE_SET_ATTR_SIZE)) {
        call->setattr.fields &= ~FUSE_SET_ATTR_SIZE;
        truncate_to(call);
    } else if (fields & TIMES) {
        call->setattr.fields &= ~TIMES;
        request = set_request(call, CFS_OP_CACHE_TOUCH, fields);
        cfs_cache_ask(call, &request, set_content);
    } else {
        call->has_info = call->has_content = false;
        cfs_cache_attributes(call, call->inode, reply_attr);
    }
}

static void begin_again(struct cfs_cache_call *call);

/* A path led open(2) to a file that has lost its name: the name was old, and is asked for when the
 * call begins once more. */
static bool is_astray(struct cfs_cache_call *call)
{
    return call->setattr.opens && call->info.type == CFS_INODE_FILE && !call->info.nlink &&
           !cfs_cache_tell(call->cache, call->tid);
}

/* What may be held is open(2) with O_TRUNC, which says neither times nor a file; ftruncate(2) names
 * the file. */
static void begin_set(struct cfs_cache_call *call)
{
    if (is_astray(call)) {
        cfs_cache_reply_errno(call, ESTALE);
        return;
    }
    cfs_cache_untold(call->cache, call->tid);
    if (!call->setattr.opens || call->info.type != CFS_INODE_FILE)
        set_attributes(call);
    else if (call->inode->hold.state == CFS_HOLD_SENT)
        cfs_cache_end_hold(call, begin_again);
    else if (call->content.size)
        cfs_cache_hold(call);
    else
        reply_attr(call); /* it is empty */
}

static void begin_again(struct cfs_cache_call *call)
{
    call->has_info = call->has_content = false;
    cfs_cache_attributes(call, call->inode, begin_set);
}

void cfs_cache_op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int fields,
                          struct fuse_file_info *fi)
{
    struct cfs_cache_inode *inode = cfs_cache_op_inode(req, ino);
    struct cfs_cache_call *call;

    if (!inode)
        return;
    call = cfs_cache_call_new(cfs_cache_of(req), req, inode);
    call->setattr.attr = *attr;
    call->setattr.fields = fields;
    call->setattr.opens =
        fields == FUSE_SET_ATTR_SIZE && !attr->st_size && !fi && !cfs_cache_in_truncate(call);
    if (fields & FUSE_SET_ATTR_SIZE)
        cfs_cache_close_gate(call);
    cfs_cache_run(call, begin_again);
}
