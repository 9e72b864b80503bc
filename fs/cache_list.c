/* READDIR, and READDIRPLUS, which tells of each file what a LOOKUP would.
 *
 * The home shares the attributes of all that it lists, but what is in a file is elsewhere: that is
 * asked for, for all of them at once. An entry is told with attributes when all of it is shared as
 * the reply goes out, as by a LOOKUP that is counted; else its name alone, and who wants more asks.
 * The directory's lock, which the kernel holds until it has taken the reply, keeps names from being
 * forgotten before; the attributes of an inode that it does not know yet are cache_gate.c's affair
 * (is_to_come).
 *
 * The kernel always begins with READDIRPLUS, and goes on with it when somebody has looked at what
 * was listed. So the first reply is a small one: who wants names alone makes this node share few
 * files, whose writers would have to ask it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "fs/cache.h"
#include "fs/clock.h"
#include "fs/memory.h"

/* Entries of the first reply. */
#define SAMPLE 64u
/* Bytes of an entry whose name has one: more than are asked for have no room. */
#define ENTRY_BYTES 32u
#define ENTRY_PLUS_BYTES 160u

struct listed {
    const char *name;
    cfs_ino ino;
    enum cfs_inode_type type;
    struct cfs_cache_inode *inode; /* a reference; NULL: nothing of it is shared */
    bool told;
};

struct cfs_cache_listing {
    struct cfs_cache_call *waiting; /* the call, while contents are being asked for */
    uint32_t left;                  /* of these */
    cfs_ino parent;
    char *names;
    uint32_t count;
    struct listed entries[];
};

/* What is being put together. */
struct page {
    struct cfs_cache_call *call;
    bool plus;
    char *buffer;
    size_t used;
};

/* --- finding out --------------------------------------------------------------------------- */

void cfs_cache_listing_free(struct cfs_cache *cache, struct cfs_cache_listing *listing)
{
    for (uint32_t i = 0; i < listing->count; i++)
        if (listing->entries[i].inode)
            cfs_cache_unref(cache, listing->entries[i].inode);
    free(listing->names);
    free(listing);
}

/* What it shares is kept with the directory and the inodes, where a recall finds it. */
static void keep_listed(struct cfs_cache_call *call, const struct cfs_answer *answer)
{
    const struct cfs_cache_answer *cache = &answer->cache;
    struct cfs_cache_listing *listing =
        cfs_fs_alloc(sizeof *listing + cache->entry_count * sizeof *listing->entries);
    const char *name;

    call->listing = listing;
    listing->parent = cache->inode.parent;
    listing->names = cfs_fs_alloc(answer->names_len + 1);
    if (answer->names_len)
        memcpy(listing->names, answer->names, answer->names_len);
    name = listing->names;
    for (uint32_t i = 0; i < cache->entry_count; i++, name += strlen(name) + 1) {
        const struct cfs_cache_answer entry = {.share = cache->share, .inode = cache->entries[i]};
        struct listed *listed = &listing->entries[listing->count++];

        *listed = (struct listed){.name = name, .ino = entry.inode.ino, .type = entry.inode.type};
        if (!call->read.plus || !entry.share.epoch)
            continue;
        listed->inode = cfs_cache_ref(cfs_cache_inode_of(call->cache, listed->ino));
        cfs_cache_keep_info(listed->inode, &entry);
        cfs_cache_name_keep(call->inode, name, listed->ino, &entry.share);
    }
}

static void got_content(struct cfs_cache_call *fetch, const struct cfs_answer *answer)
{
    struct cfs_cache_listing *listing = fetch->lister ? fetch->lister->listing : NULL;

    if (!answer->error)
        cfs_cache_keep_beginning(fetch->inode, &answer->cache);
    if (listing && !--listing->left)
        cfs_cache_unpark(&listing->waiting);
}

static void ask_content(struct cfs_cache_call *fetch)
{
    struct cfs_request request = {.op = CFS_OP_CACHE_FETCH,
                                  .cache_read = {.ino = fetch->inode->ino, .len = CFS_CACHE_HEAD}};

    cfs_cache_ask(fetch, &request, got_content);
}

static void reply_listing(struct cfs_cache_call *call);

/* An error may come at once: so one more is left until all have been asked. */
static void ask_contents(struct cfs_cache_call *call)
{
    struct cfs_cache_listing *listing = call->listing;

    listing->left = 1;
    for (uint32_t i = 0; i < listing->count; i++) {
        struct cfs_cache_inode *inode = listing->entries[i].inode;
        struct cfs_cache_call *fetch;

        if (!inode || inode->type != CFS_INODE_FILE || cfs_cache_has_content(call->cache, inode))
            continue;
        listing->left++;
        fetch = cfs_cache_call_new(call->cache, NULL, inode);
        fetch->lister = call;
        cfs_cache_run(fetch, ask_content);
    }
    if (--listing->left)
        cfs_cache_park(call, &listing->waiting, reply_listing);
    else
        reply_listing(call);
}

static void interrupted(struct cfs_cache_call *call)
{
    cfs_cache_reply_errno(call, EINTR);
}

void cfs_cache_listing_kill(struct cfs_cache_call *call)
{
    struct cfs_cache_call *fetch;

    if (!call->listing->waiting)
        return;
    DL_FOREACH (call->cache->calls, fetch)
        if (fetch->lister == call)
            fetch->lister = NULL;
    call->go = NULL;
    cfs_cache_run(call, interrupted);
}

/* --- replying ------------------------------------------------------------------------------ */

/* Whether all of it is shared, and nothing of it is being taken back: then `entry` says it. */
static bool tell_all(struct cfs_cache_call *call, const struct listed *listed,
                     struct fuse_entry_param *entry)
{
    const struct cfs_cache_name *name = cfs_cache_name_find(call->inode, listed->name);
    struct cfs_cache_inode *inode = listed->inode;
    bool file = listed->type == CFS_INODE_FILE;

    if (!inode || inode->jobs || inode->hold.state != CFS_HOLD_NONE || !name ||
        name->child != inode->ino || !cfs_cache_has_info(call->cache, inode) ||
        (file && !cfs_cache_has_content(call->cache, inode)))
        return false;
    cfs_cache_be_about(call, inode);
    entry->entry_timeout = cfs_cache_seconds(call->cache, &name->share);
    entry->attr_timeout = cfs_cache_stat(call, &entry->attr);
    if (entry->entry_timeout <= 0 || entry->attr_timeout <= 0)
        return false;
    entry->ino = cfs_cache_id(call->cache, inode->ino);
    return true;
}

static size_t size_of(const struct page *page, const char *name)
{
    fuse_req_t req = page->call->req;

    return page->plus ? fuse_add_direntry_plus(req, NULL, 0, name, NULL, 0)
                      : fuse_add_direntry(req, NULL, 0, name, NULL, 0);
}

static bool has_room(const struct page *page, const char *name)
{
    return size_of(page, name) <= page->call->read.size - page->used;
}

/* It has room. */
static void add(struct page *page, const char *name, const struct fuse_entry_param *entry,
                uint64_t position)
{
    size_t size = size_of(page, name);
    char *at = page->buffer + page->used;

    if (page->plus)
        fuse_add_direntry_plus(page->call->req, at, size, name, entry, (off_t)position);
    else
        fuse_add_direntry(page->call->req, at, size, name, &entry->attr, (off_t)position);
    page->used += size;
}

/* Without a node id it is the name and the type alone. */
static struct fuse_entry_param name_alone(uint64_t ino, mode_t type)
{
    return (struct fuse_entry_param){.attr = {.st_ino = ino, .st_mode = type}};
}

static bool add_directory(struct page *page, const char *name, cfs_ino ino, uint64_t position)
{
    struct fuse_entry_param entry =
        name_alone(cfs_cache_shown_ino(page->call->cache, ino), S_IFDIR);

    if (page->call->read.offset >= position)
        return true;
    if (!has_room(page, name))
        return false;
    add(page, name, &entry, position);
    return true;
}

static bool add_listed(struct page *page, struct listed *listed)
{
    struct cfs_cache_call *call = page->call;
    struct fuse_entry_param entry = {0};

    if (!has_room(page, listed->name))
        return false;
    listed->told = page->plus && tell_all(call, listed, &entry);
    if (listed->told)
        cfs_cache_told_of(listed->inode);
    else
        entry = name_alone(listed->ino, cfs_cache_type_bits(listed->type));
    add(page, listed->name, &entry, cfs_cache_cookie(call->inode, listed->name));
    return true;
}

/* The kernel takes each entry that it was told as the answer to a LOOKUP, or says that it forgets
 * it. */
static void after_reply(struct cfs_cache_call *call, cfs_time asked, bool failed)
{
    struct cfs_cache_listing *listing = call->listing;

    for (uint32_t i = 0; i < listing->count; i++) {
        const struct listed *listed = &listing->entries[i];

        if (!listed->told)
            continue;
        if (failed)
            cfs_cache_forget(call->cache, listed->ino, 1);
        cfs_cache_be_about(call, listed->inode);
        strcpy(call->name, listed->name);
        cfs_cache_replied(call, asked);
    }
}

static void reply_listing(struct cfs_cache_call *call)
{
    struct cfs_cache_listing *listing = call->listing;
    struct page page = {.call = call, .plus = call->read.plus};
    cfs_time asked = cfs_fs_now();
    bool room, failed;

    page.buffer = cfs_fs_alloc(call->read.size);
    room = add_directory(&page, ".", call->inode->ino, 1) &&
           add_directory(&page, "..", listing->parent, 2);
    for (uint32_t i = 0; room && i < listing->count; i++)
        room = add_listed(&page, &listing->entries[i]);
    failed = fuse_reply_buf(cfs_cache_take(call), page.buffer, page.used) != 0;
    free(page.buffer);
    after_reply(call, asked, failed);
}

/* --- asking -------------------------------------------------------------------------------- */

static void listed(struct cfs_cache_call *call, const struct cfs_answer *answer)
{
    if (answer->error) {
        cfs_cache_reply_error(call, answer->error);
        return;
    }
    keep_listed(call, answer);
    if (call->read.plus)
        ask_contents(call);
    else
        reply_listing(call);
}

static uint32_t most(const struct cfs_cache_call *call)
{
    uint32_t most = call->read.size / (call->read.plus ? ENTRY_PLUS_BYTES : ENTRY_BYTES);

    return call->read.plus && !call->read.offset && most > SAMPLE ? SAMPLE : most;
}

static void list(struct cfs_cache_call *call)
{
    const char *after = cfs_cache_cookie_name(call->inode, call->read.offset);
    struct cfs_request request = {.op = CFS_OP_CACHE_LIST,
                                  .cache_read = {.ino = call->inode->ino, .len = most(call)}};

    if (after)
        strcpy(request.name, after);
    cfs_cache_ask(call, &request, listed);
}

static void begin(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, bool plus)
{
    struct cfs_cache_inode *inode = cfs_cache_op_inode(req, ino);
    struct cfs_cache_call *call;

    if (!inode)
        return;
    call = cfs_cache_call_new(cfs_cache_of(req), req, inode);
    call->read.offset = (uint64_t)offset;
    call->read.size = (uint32_t)size;
    call->read.plus = plus;
    cfs_cache_run(call, list);
}

void cfs_cache_op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                          struct fuse_file_info *fi)
{
    (void)fi;
    begin(req, ino, size, offset, false);
}

void cfs_cache_op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                              struct fuse_file_info *fi)
{
    (void)fi;
    begin(req, ino, size, offset, true);
}
