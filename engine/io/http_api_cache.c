/* Values over HTTP: GET and DELETE of /cache/{key}, POST of /cache/invalidate/{key}. A key is a
 * path; POST of one see http_api_cache_put.c. */
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "io/http_api_cache.h"

static void respond_key(struct cfs_http_walk *walk)
{
    cfs_http_respond_json(walk->call.http, 200,
                          json_pack("{s:o}", "key", cfs_json_bytes(walk->key, strlen(walk->key))));
}

/* ---- GET: the bytes of one version, in several readings if they are many ---- */

struct get {
    struct cfs_http_walk walk;
    uint64_t version, size;
    uint8_t *data;
    uint64_t len; /* bytes that are there */
};

static void free_data(struct cfs_http_walk *walk)
{
    free(((struct get *)walk)->data);
}

static bool read_on(struct get *get)
{
    get->walk.call.request.cache_read =
        (struct cfs_cache_read){.ino = get->walk.inode.ino, .offset = get->len, .len = CFS_PUT_MAX};
    return cfs_http_walk_ask(&get->walk, CFS_OP_CACHE_FETCH, "");
}

static bool begin_to_read(struct cfs_http_walk *walk)
{
    struct get *get = (struct get *)walk;

    if (!cfs_http_walk_is_file(walk))
        return false;
    get->len = 0;
    return read_on(get);
}

static bool respond_value(struct get *get)
{
    struct cfs_http_request *http = get->walk.call.http;
    cfs_ino ino = get->walk.inode.ino;
    struct cfs_etag etag = cfs_etag(ino, get->version);
    const char *known = cfs_http_header(http, "If-None-Match");

    if (known && (strcmp(known, "*") == 0 || cfs_etag_is_in(known, ino, get->version)))
        cfs_http_respond(http, 304, NULL, NULL, 0, "ETag", etag.text);
    else
        cfs_http_respond(http, 200, CFS_BYTES_CONTENT_TYPE, get->data, get->size, "ETag",
                         etag.text);
    return false;
}

static void begin_value(struct get *get, const struct cfs_content_info *content)
{
    get->version = content->version;
    get->size = content->size;
    get->data = cfs_realloc(get->data, get->size + 1);
}

static bool value_came(struct cfs_http_walk *walk, const struct cfs_answer *answer)
{
    const struct cfs_cache_answer *cache = &answer->cache;
    struct get *get = (struct get *)walk;

    if (answer->error == CFS_ERR_STALE)
        return cfs_http_walk_again(walk);
    if (answer->error)
        return cfs_http_walk_fail(walk, answer->error);
    if (!get->len)
        begin_value(get, &cache->content);
    else if (cache->content.version != get->version)
        return cfs_http_walk_again(walk);
    if (cache->len > get->size - get->len || (!cache->len && get->len < get->size))
        return cfs_http_walk_again(walk);
    if (cache->len)
        memcpy(get->data + get->len, cache->data, cache->len);
    get->len += cache->len;
    return get->len < get->size ? read_on(get) : respond_value(get);
}

void cfs_http_cache_get(struct cfs_http_api *api, struct cfs_http_request *request,
                        const char *encoded)
{
    struct get *get = cfs_http_walk_new(api, request, sizeof *get, encoded);

    if (!get)
        return;
    get->walk.found = begin_to_read;
    get->walk.next = value_came;
    get->walk.close = free_data;
    cfs_http_walk_begin(&get->walk);
}

/* ---- DELETE ---- */

static bool remove_it(struct cfs_http_walk *walk)
{
    if (!walk->inode.ino)
        return cfs_http_walk_fail(walk, CFS_ERR_NO_FILE);
    walk->call.request.cache_remove = (struct cfs_cache_remove){
        .parent = walk->directory, .directory = walk->inode.type == CFS_INODE_DIRECTORY};
    return cfs_http_walk_ask(walk, CFS_OP_CACHE_REMOVE, cfs_http_walk_name(walk));
}

static bool respond_done(struct cfs_http_walk *walk, const struct cfs_answer *answer)
{
    if (answer->error)
        return cfs_http_walk_fail(walk, answer->error);
    respond_key(walk);
    return false;
}

void cfs_http_cache_remove(struct cfs_http_api *api, struct cfs_http_request *request,
                           const char *encoded)
{
    struct cfs_http_walk *walk;

    if (cfs_http_header(request, "If-Match") || cfs_http_header(request, "If-None-Match")) {
        cfs_http_respond_bad(request, "If-Match", "is for GET and POST");
        return;
    }
    walk = cfs_http_walk_new(api, request, sizeof *walk, encoded);
    if (!walk)
        return;
    walk->found = remove_it;
    walk->next = respond_done;
    cfs_http_walk_begin(walk);
}

/* ---- POST /cache/invalidate/{key}: a change that changes nothing is recalled from all nodes ----
 */

static bool touch(struct cfs_http_walk *walk)
{
    bool is_file = walk->inode.type == CFS_INODE_FILE;

    if (!walk->inode.ino)
        return cfs_http_walk_fail(walk, CFS_ERR_NO_FILE);
    walk->call.request.cache_set = (struct cfs_cache_set){.ino = walk->inode.ino};
    return cfs_http_walk_ask(walk, is_file ? CFS_OP_CACHE_TOUCH : CFS_OP_CACHE_SETNODE, "");
}

void cfs_http_cache_invalidate(struct cfs_http_api *api, struct cfs_http_request *request,
                               const char *encoded)
{
    struct cfs_http_walk *walk = cfs_http_walk_new(api, request, sizeof *walk, encoded);

    if (!walk)
        return;
    walk->found = touch;
    walk->next = respond_done;
    cfs_http_walk_begin(walk);
}
