/* From a key to its inode: one name after the other is looked up. Symbolic links are not followed:
 * what they lead to may be outside. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "io/http_api_cache.h"

enum { TRIES_MAX = 5, DIRECTORY_PERM = 0755 };

static size_t name_length(const struct cfs_http_walk *walk)
{
    return strcspn(walk->key + walk->from, "/");
}

static bool is_last(const struct cfs_http_walk *walk)
{
    return !walk->key[walk->from + name_length(walk)];
}

bool cfs_http_walk_ask(struct cfs_http_walk *walk, enum cfs_op op, const char *name)
{
    struct cfs_request *request = &walk->call.request;

    request->op = op;
    request->outside = true;
    memmove(request->name, name, strlen(name) + 1);
    cfs_http_call_ask(&walk->call, 0);
    return true;
}

static bool ask_of_name(struct cfs_http_walk *walk, enum cfs_op op)
{
    char name[CFS_NAME_MAX + 1] = "";

    memcpy(name, walk->key + walk->from, name_length(walk));
    return cfs_http_walk_ask(walk, op, name);
}

static bool look_up(struct cfs_http_walk *walk)
{
    walk->call.request.cache_read = (struct cfs_cache_read){.ino = walk->directory};
    return ask_of_name(walk, CFS_OP_CACHE_LOOKUP);
}

static bool make_directory(struct cfs_http_walk *walk)
{
    walk->call.request.cache_make = (struct cfs_cache_make){.parent = walk->directory,
                                                            .type = CFS_INODE_DIRECTORY,
                                                            .uid = geteuid(),
                                                            .gid = getegid(),
                                                            .perm = DIRECTORY_PERM};
    return ask_of_name(walk, CFS_OP_CACHE_MAKE);
}

bool cfs_http_walk_fail(struct cfs_http_walk *walk, enum cfs_error error)
{
    cfs_http_respond_failure(walk->call.http, error);
    return false;
}

static bool refuse_link(struct cfs_http_walk *walk)
{
    cfs_http_respond_error(walk->call.http, 409, "is_symlink",
                           "that is a symbolic link, which is not followed over HTTP");
    return false;
}

/* A name may be any bytes, an error is JSON. */
static bool refuse_directory(struct cfs_http_walk *walk)
{
    char sentence[160];
    int len = (int)(walk->from + name_length(walk));

    snprintf(sentence, sizeof sentence - 1, "there is no directory '%.*s", len, walk->key);
    for (char *at = sentence; *at; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
    strcat(sentence, "'");
    cfs_http_respond_error(walk->call.http, 404, "no_file", sentence);
    return false;
}

static bool enter(struct cfs_http_walk *walk, const struct cfs_inode_info *inode)
{
    if (inode->type == CFS_INODE_SYMLINK)
        return refuse_link(walk);
    if (inode->type != CFS_INODE_DIRECTORY)
        return cfs_http_walk_fail(walk, CFS_ERR_FILE_NOT_DIRECTORY);
    walk->directory = inode->ino;
    walk->from += name_length(walk) + 1;
    return look_up(walk);
}

static bool looked_up(struct cfs_http_walk *walk, const struct cfs_answer *answer)
{
    bool missing = answer->error == CFS_ERR_NO_FILE;

    if (answer->error && !missing)
        return cfs_http_walk_fail(walk, answer->error);
    walk->inode = missing ? (struct cfs_inode_info){0} : answer->cache.inode;
    if (is_last(walk))
        return walk->found(walk);
    if (!missing)
        return enter(walk, &walk->inode);
    return walk->parents ? make_directory(walk) : refuse_directory(walk);
}

/* Made, by this one or another. */
static bool made(struct cfs_http_walk *walk, const struct cfs_answer *answer)
{
    if (answer->error && answer->error != CFS_ERR_FILE_EXISTS)
        return cfs_http_walk_fail(walk, answer->error);
    return look_up(walk);
}

static bool answered(struct cfs_http_call *call, const struct cfs_answer *answer)
{
    struct cfs_http_walk *walk = (struct cfs_http_walk *)call;

    if (call->request.op == CFS_OP_CACHE_LOOKUP)
        return looked_up(walk, answer);
    if (call->request.op == CFS_OP_CACHE_MAKE && !is_last(walk))
        return made(walk, answer);
    return walk->next(walk, answer);
}

static void close_walk(struct cfs_http_call *call)
{
    struct cfs_http_walk *walk = (struct cfs_http_walk *)call;

    if (walk->close)
        walk->close(walk);
    free(walk->key);
}

/* The names of a key, decoded one by one: %2F is none of the slashes between them. NULL: it is no
 * key, and `too_long` whether for its length. */
static char *decode_key(const char *encoded, bool *too_long)
{
    size_t size = strlen(encoded) + 1;
    char *key = cfs_alloc(size), *at = key;

    *too_long = false;
    for (const char *from = encoded;; from++) {
        size_t len = strcspn(from, "/");
        memcpy(at, from, len);
        at[len] = 0;
        if (!cfs_http_decode(at) || !cfs_name_valid(at)) {
            *too_long = strlen(at) > CFS_NAME_MAX;
            free(key);
            return NULL;
        }
        at += strlen(at);
        from += len;
        if (!*from)
            return key;
        *at++ = '/';
    }
}

void *cfs_http_walk_new(struct cfs_http_api *api, struct cfs_http_request *http, size_t size,
                        const char *encoded)
{
    bool too_long;
    char *key = decode_key(encoded, &too_long);
    struct cfs_http_walk *walk;

    if (!key && too_long)
        cfs_http_respond_failure(http, CFS_ERR_NAME_TOO_LONG);
    else if (!key)
        cfs_http_respond_bad(http, "key",
                             "is names with a slash between them, none empty, . or ..");
    if (!key)
        return NULL;
    walk = cfs_http_call_new(api, http, size, CFS_OP_CACHE_LOOKUP, "");
    walk->key = key;
    walk->tries = TRIES_MAX;
    walk->call.answered = answered;
    walk->call.close = close_walk;
    return walk;
}

void cfs_http_walk_begin(struct cfs_http_walk *walk)
{
    walk->directory = CFS_CACHE_ROOT;
    walk->from = 0;
    look_up(walk);
}

bool cfs_http_walk_again(struct cfs_http_walk *walk)
{
    if (!walk->tries--) {
        cfs_http_respond_error(walk->call.http, 503, "busy",
                               "the value changes faster than it can be read");
        return false;
    }
    cfs_http_walk_begin(walk);
    return true;
}

const char *cfs_http_walk_name(const struct cfs_http_walk *walk)
{
    const char *slash = strrchr(walk->key, '/');

    return slash ? slash + 1 : walk->key;
}

bool cfs_http_walk_is_file(struct cfs_http_walk *walk)
{
    if (!walk->inode.ino)
        return cfs_http_walk_fail(walk, CFS_ERR_NO_FILE);
    if (walk->inode.type == CFS_INODE_DIRECTORY)
        return cfs_http_walk_fail(walk, CFS_ERR_FILE_IS_DIRECTORY);
    return walk->inode.type == CFS_INODE_FILE || refuse_link(walk);
}

struct cfs_etag cfs_etag(cfs_ino ino, uint64_t version)
{
    struct cfs_etag etag;

    snprintf(etag.text, sizeof etag.text, "\"%" PRIu64 "-%" PRIu64 "\"", ino, version);
    return etag;
}

/* No tag holds a quote, so that none is found within another. */
bool cfs_etag_is_in(const char *field, cfs_ino ino, uint64_t version)
{
    return strstr(field, cfs_etag(ino, version).text) != NULL;
}
