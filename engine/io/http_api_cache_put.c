/* POST of /cache/{key}: the body is the value from now on.
 *
 * A file that is there and a body that one change can carry: that one change. Else the value is
 * written under a name of its own in the same directory, which is then renamed: so nobody sees a
 * part of it, nor the empty file before it. Such a name, .NAME.coordfs- and 16 digits, is left
 * behind by a node that dies meanwhile. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coordfs/beside.h"
#include "core/alloc.h"
#include "io/http_api_cache.h"

struct put {
    struct cfs_http_walk walk;
    const char *match; /* If-Match; NULL without it */
    bool only_new;     /* If-None-Match: * */
    uint32_t perm;     /* of a new file */
    const uint8_t *body;
    size_t len;
    /* Of what is written beside. */
    char name[CFS_NAME_MAX + 1]; /* "": nothing is */
    cfs_ino ino;
    size_t at; /* bytes that it has */
    uint64_t version;
};

static void nobody(void *arg, const struct cfs_answer *answer)
{
    (void)arg;
    (void)answer;
}

/* What will not be renamed any more goes. While the node stops the engine is not asked. */
static void remove_beside(struct cfs_http_walk *walk)
{
    const struct put *put = (struct put *)walk;
    struct cfs_request request = {
        .op = CFS_OP_CACHE_REMOVE, .outside = true, .cache_remove = {.parent = walk->directory}};

    if (!put->name[0] || walk->call.api->closing)
        return;
    memcpy(request.name, put->name, sizeof request.name);
    cfs_engine_submit(walk->call.api->engine, &request, nobody, NULL);
}

static bool respond_put(struct put *put, cfs_ino ino, uint64_t version)
{
    struct cfs_http_walk *walk = &put->walk;
    json_t *body = json_pack("{s:o, s:o}", "key", cfs_json_bytes(walk->key, strlen(walk->key)),
                             "version", cfs_json_number(version));
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    struct cfs_etag etag = cfs_etag(ino, version);

    json_decref(body);
    if (text)
        cfs_http_respond(walk->call.http, walk->inode.ino ? 200 : 201, "application/json", text,
                         strlen(text), "ETag", etag.text);
    else
        cfs_http_respond_failure(walk->call.http, CFS_ERR_IO);
    free(text);
    return false;
}

/* ---- one change ---- */

/* The version that the field names, if it is of this file. */
static bool read_match(const struct put *put, cfs_ino ino, uint64_t *version)
{
    cfs_ino of;
    char end;

    return sscanf(put->match, "\"%" SCNu64 "-%" SCNu64 "%c", &of, version, &end) == 3 &&
           of == ino && strcmp(cfs_etag(of, *version).text, put->match) == 0;
}

static bool replace(struct put *put)
{
    struct cfs_cache_put *change = &put->walk.call.request.cache_put;
    bool any = !put->match || strcmp(put->match, "*") == 0;

    *change = (struct cfs_cache_put){.ino = put->walk.inode.ino,
                                     .kind = CFS_PUT_REPLACE,
                                     .conditional = !any,
                                     .max = put->walk.call.api->config->max_value,
                                     .data = put->body,
                                     .len = (uint32_t)put->len};
    if (!any && !read_match(put, change->ino, &change->expected))
        return cfs_http_walk_fail(&put->walk, CFS_ERR_CHANGED);
    return cfs_http_walk_ask(&put->walk, CFS_OP_CACHE_PUT, "");
}

static bool replaced(struct put *put, const struct cfs_answer *answer)
{
    if (answer->error == CFS_ERR_STALE)
        return cfs_http_walk_again(&put->walk);
    if (answer->error)
        return cfs_http_walk_fail(&put->walk, answer->error);
    return respond_put(put, put->walk.inode.ino, answer->id);
}

/* ---- beside, and renamed ---- */

static bool make_beside(struct put *put)
{
    const struct cfs_inode_info *old = &put->walk.inode;

    if (cfs_name_beside(put->name, cfs_http_walk_name(&put->walk)) != 0)
        return cfs_http_walk_fail(&put->walk, CFS_ERR_IO);
    put->walk.call.request.cache_make =
        (struct cfs_cache_make){.parent = put->walk.directory,
                                .type = CFS_INODE_FILE,
                                .exclusive = true,
                                .uid = old->ino ? old->uid : geteuid(),
                                .gid = old->ino ? old->gid : getegid(),
                                .perm = old->ino ? old->perm : put->perm};
    return cfs_http_walk_ask(&put->walk, CFS_OP_CACHE_MAKE, put->name);
}

static bool write_on(struct put *put)
{
    size_t left = put->len - put->at;

    put->walk.call.request.cache_put =
        (struct cfs_cache_put){.ino = put->ino,
                               .kind = put->at ? CFS_PUT_WRITE : CFS_PUT_REPLACE,
                               .offset = put->at,
                               .max = put->walk.call.api->config->max_value,
                               .data = put->body + put->at,
                               .len = left < CFS_PUT_MAX ? (uint32_t)left : CFS_PUT_MAX};
    return cfs_http_walk_ask(&put->walk, CFS_OP_CACHE_PUT, "");
}

static bool rename_over(struct put *put)
{
    struct cfs_cache_rename *rename = &put->walk.call.request.cache_rename;
    const char *name = cfs_http_walk_name(&put->walk);

    *rename = (struct cfs_cache_rename){.parent = put->walk.directory,
                                        .to_parent = put->walk.directory,
                                        .no_replace = put->only_new};
    memcpy(rename->to, name, strlen(name) + 1);
    return cfs_http_walk_ask(&put->walk, CFS_OP_CACHE_RENAME, put->name);
}

static bool written(struct put *put, const struct cfs_answer *answer)
{
    put->at += put->walk.call.request.cache_put.len;
    put->version = answer->id;
    return put->at < put->len ? write_on(put) : rename_over(put);
}

static bool went_on_beside(struct put *put, const struct cfs_answer *answer)
{
    enum cfs_op op = put->walk.call.request.op;

    if (answer->error)
        return cfs_http_walk_fail(&put->walk, op == CFS_OP_CACHE_RENAME && put->only_new &&
                                                      answer->error == CFS_ERR_FILE_EXISTS
                                                  ? CFS_ERR_CHANGED
                                                  : answer->error);
    if (op == CFS_OP_CACHE_PUT)
        return written(put, answer);
    if (op == CFS_OP_CACHE_MAKE) {
        put->ino = answer->id;
        return write_on(put);
    }
    put->name[0] = 0;
    return respond_put(put, put->ino, put->version);
}

/* ---- the request ---- */

static bool went_on(struct cfs_http_walk *walk, const struct cfs_answer *answer)
{
    struct put *put = (struct put *)walk;

    return put->name[0] ? went_on_beside(put, answer) : replaced(put, answer);
}

static bool begin_to_put(struct cfs_http_walk *walk)
{
    struct put *put = (struct put *)walk;

    if (walk->inode.ino && !cfs_http_walk_is_file(walk))
        return false;
    if ((put->only_new && walk->inode.ino) || (put->match && !walk->inode.ino))
        return cfs_http_walk_fail(walk, CFS_ERR_CHANGED);
    return walk->inode.ino && put->len <= CFS_PUT_MAX ? replace(put) : make_beside(put);
}

static bool read_parents(struct cfs_http_request *request, bool *parents)
{
    const char *text = cfs_http_query(request, "parents");

    *parents = text && strcmp(text, "1") == 0;
    if (!text || *parents || strcmp(text, "0") == 0)
        return true;
    cfs_http_respond_bad(request, "parents", "is 0 or 1");
    return false;
}

/* Which version is replaced can be compared in one change alone. */
static bool read_conditions(struct cfs_http_request *request, const char **match, bool *only_new)
{
    const char *none = cfs_http_header(request, "If-None-Match");
    size_t len;

    cfs_http_body(request, &len);
    *match = cfs_http_header(request, "If-Match");
    *only_new = none != NULL;
    if (none && strcmp(none, "*") != 0)
        cfs_http_respond_bad(request, "If-None-Match", "is * or nothing");
    else if (none && *match)
        cfs_http_respond_bad(request, "If-Match", "and If-None-Match exclude each other");
    else if (*match && len > CFS_PUT_MAX)
        cfs_http_respond_error(request, 413, "too_big",
                               "with If-Match a value has at most 1048576 bytes");
    else
        return true;
    return false;
}

void cfs_http_cache_put(struct cfs_http_api *api, struct cfs_http_request *request,
                        const char *encoded)
{
    uint32_t perm = 0644;
    const char *match;
    bool parents, only_new;
    struct put *put;

    if (!read_parents(request, &parents) || !cfs_http_read_mode(request, &perm) ||
        !read_conditions(request, &match, &only_new))
        return;
    put = cfs_http_walk_new(api, request, sizeof *put, encoded);
    if (!put)
        return;
    put->match = match;
    put->only_new = only_new;
    put->perm = perm;
    put->body = cfs_http_body(request, &put->len);
    put->walk.parents = parents;
    put->walk.found = begin_to_put;
    put->walk.next = went_on;
    put->walk.close = remove_beside;
    cfs_http_walk_begin(&put->walk);
}
