/* The routes for clients, as a table; and the three that answer at once. */
#include "io/http_api_internal.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "io/backups.h"
#include "io/metrics.h"

/* `argument` is what follows a path that ends with a slash. */
typedef void (*route_fn)(struct cfs_http_api *api, struct cfs_http_request *request,
                         const char *argument);

static void get_health(struct cfs_http_api *api, struct cfs_http_request *request,
                       const char *argument)
{
    (void)argument;
    if (cfs_engine_available(api->engine))
        cfs_http_respond_json(request, 200, json_pack("{s:s}", "status", "ok"));
    else
        cfs_http_respond_failure(request, CFS_ERR_TIMED_OUT);
}

static void respond_page(struct cfs_http_api *api, struct cfs_http_request *request,
                         const char *name)
{
    char *page = cfs_engine_page(api->engine, name, true);

    if (page)
        cfs_http_respond(request, 200, "application/json", page, strlen(page), NULL, NULL);
    else
        cfs_http_respond_failure(request, CFS_ERR_IO);
    free(page);
}

static void get_status(struct cfs_http_api *api, struct cfs_http_request *request,
                       const char *argument)
{
    (void)argument;
    respond_page(api, request, "status");
}

static void get_members(struct cfs_http_api *api, struct cfs_http_request *request,
                        const char *argument)
{
    (void)argument;
    respond_page(api, request, "nodes");
}

static void get_metrics(struct cfs_http_api *api, struct cfs_http_request *request,
                        const char *argument)
{
    char *text = cfs_engine_metrics(api->engine);

    (void)argument;
    if (text)
        cfs_http_respond(request, 200, CFS_METRICS_CONTENT_TYPE, text, strlen(text), NULL, NULL);
    else
        cfs_http_respond_failure(request, CFS_ERR_IO);
    free(text);
}

static void begin_backup(struct cfs_http_api *api, struct cfs_http_request *request,
                         const char *argument)
{
    (void)argument;
    cfs_backups_begin(api->backups, request);
}

static void step_backup(struct cfs_http_api *api, struct cfs_http_request *request,
                        const char *argument)
{
    cfs_backups_step(api->backups, request, argument);
}

static void read_backup(struct cfs_http_api *api, struct cfs_http_request *request,
                        const char *argument)
{
    cfs_backups_read(api->backups, request, argument);
}

static void end_backup(struct cfs_http_api *api, struct cfs_http_request *request,
                       const char *argument)
{
    cfs_backups_end(api->backups, request, argument);
}

/* Who may ask without the secret. */
enum access {
    ANYBODY,
    CLIENTS, /* if the node is told so: http_open */
    NOBODY,
};

static const struct route {
    enum cfs_route_class class;
    const char *method, *path;
    enum access open;
    route_fn fn;
} routes[] = {
    {CFS_ROUTE_HEALTH, "GET", "/health", ANYBODY, get_health},
    {CFS_ROUTE_STATUS, "GET", "/status", CLIENTS, get_status},
    {CFS_ROUTE_METRICS, "GET", "/metrics", CLIENTS, get_metrics},
    {CFS_ROUTE_LOCK, "GET", "/lock/", CLIENTS, cfs_http_lock_get},
    {CFS_ROUTE_LOCK, "POST", "/lock/", CLIENTS, cfs_http_lock_acquire},
    {CFS_ROUTE_LOCK, "DELETE", "/lock/", CLIENTS, cfs_http_lock_release},
    {CFS_ROUTE_QUEUE, "GET", "/queue", CLIENTS, cfs_http_queue_list},
    {CFS_ROUTE_QUEUE, "POST", "/queue/", CLIENTS, cfs_http_queue_produce},
    {CFS_ROUTE_QUEUE, "GET", "/queue/", CLIENTS, cfs_http_queue_consume},
    {CFS_ROUTE_QUEUE, "DELETE", "/queue/", CLIENTS, cfs_http_queue_remove},
    {CFS_ROUTE_QUEUE, "POST", "/queue/ack/", CLIENTS, cfs_http_queue_ack},
    {CFS_ROUTE_QUEUE, "POST", "/queue/nack/", CLIENTS, cfs_http_queue_nack},
    {CFS_ROUTE_QUEUE, "POST", "/queue/extend/", CLIENTS, cfs_http_queue_extend},
    {CFS_ROUTE_QUEUE, "GET", "/queue/stats/", CLIENTS, cfs_http_queue_stats},
    {CFS_ROUTE_QUEUE, "GET", "/queue/peek/", CLIENTS, cfs_http_queue_peek},
    {CFS_ROUTE_QUEUE, "POST", "/queue/config/", CLIENTS, cfs_http_queue_configure},
    {CFS_ROUTE_QUEUE, "POST", "/queue/purge/", CLIENTS, cfs_http_queue_purge},
    {CFS_ROUTE_QUEUE, "POST", "/queue/kick/", CLIENTS, cfs_http_queue_kick},
    {CFS_ROUTE_CACHE, "GET", "/cache/", CLIENTS, cfs_http_cache_get},
    {CFS_ROUTE_CACHE, "POST", "/cache/", CLIENTS, cfs_http_cache_put},
    {CFS_ROUTE_CACHE, "DELETE", "/cache/", CLIENTS, cfs_http_cache_remove},
    {CFS_ROUTE_CACHE, "POST", "/cache/invalidate/", CLIENTS, cfs_http_cache_invalidate},
    {CFS_ROUTE_MEMBERS, "GET", "/members", CLIENTS, get_members},
    {CFS_ROUTE_MEMBERS, "POST", "/members", NOBODY, cfs_http_members_add},
    {CFS_ROUTE_MEMBERS, "DELETE", "/members/", NOBODY, cfs_http_members_remove},
    {CFS_ROUTE_BACKUP, "POST", "/backup", NOBODY, begin_backup},
    {CFS_ROUTE_BACKUP, "POST", "/backup/", NOBODY, step_backup},
    {CFS_ROUTE_BACKUP, "GET", "/backup/", NOBODY, read_backup},
    {CFS_ROUTE_BACKUP, "DELETE", "/backup/", NOBODY, end_backup},
};

#define ROUTE_COUNT (sizeof routes / sizeof *routes)

/* How much of `path` the route's is; 0 when it does not match. */
static size_t match_length(const struct route *route, const char *path)
{
    size_t len = strlen(route->path);

    if (route->path[len - 1] == '/')
        return strncmp(path, route->path, len) == 0 ? len : 0;
    return strcmp(path, route->path) == 0 ? len : 0;
}

/* What the routes for `path` have for a path: the longest that matches; NULL if none does. */
static const char *find_path(const char *path)
{
    const char *best = NULL;
    size_t longest = 0;

    for (const struct route *r = routes; r < routes + ROUTE_COUNT; r++) {
        size_t len = match_length(r, path);

        if (len > longest) {
            longest = len;
            best = r->path;
        }
    }
    return best;
}

static bool is_for(const struct route *route, const char *path)
{
    return path && strcmp(route->path, path) == 0;
}

static bool is_allowed(const struct cfs_http_api *api, const struct cfs_http_request *request,
                       const struct route *route)
{
    return route->open == ANYBODY || cfs_http_authorized(request) ||
           (route->open == CLIENTS && api->config->http_open);
}

/* HEAD is a GET without a body, and what is handed out once must not be taken to be thrown away. */
static bool also_heads(const struct route *route)
{
    return strcmp(route->method, "GET") == 0 && route->fn != cfs_http_queue_consume &&
           route->fn != read_backup;
}

static bool method_matches(const struct route *route, const char *method)
{
    return strcmp(method, route->method) == 0 || (strcmp(method, "HEAD") == 0 && also_heads(route));
}

/* The decoded name behind a path that ends with a slash. False after a 400. */
static bool read_name(struct cfs_http_request *request, enum cfs_route_class class,
                      const char *encoded, char name[CFS_NAME_MAX + 1])
{
    size_t size = strlen(encoded) + 1;
    char *decoded = memcpy(cfs_alloc(size), encoded, size);
    bool good = cfs_http_decode(decoded) && cfs_name_valid(decoded);
    bool reserved = good && class == CFS_ROUTE_QUEUE && !cfs_queue_name_valid(decoded);

    if (good && !reserved)
        memcpy(name, decoded, strlen(decoded) + 1);
    else if (strlen(decoded) > CFS_NAME_MAX)
        cfs_http_respond_failure(request, CFS_ERR_NAME_TOO_LONG);
    else if (reserved)
        cfs_http_respond_bad(request, "name", "of a queue does not begin with a dot");
    else
        cfs_http_respond_bad(request, "name",
                             "has 1 to 255 bytes, no slash, no zero, and is neither . nor ..");
    free(decoded);
    return good && !reserved;
}

static void take_route(struct cfs_http_api *api, struct cfs_http_request *request,
                       const struct route *route)
{
    const char *path = cfs_http_path(request);
    size_t len = strlen(route->path);
    char name[CFS_NAME_MAX + 1];

    if (route->path[len - 1] != '/')
        route->fn(api, request, NULL);
    else if (route->class == CFS_ROUTE_CACHE) /* a path, decoded name by name */
        route->fn(api, request, path + len);
    else if (read_name(request, route->class, path + len, name))
        route->fn(api, request, name);
}

static void refuse_method(struct cfs_http_request *request, const char *path)
{
    char allowed[64] = "";

    for (const struct route *r = routes; r < routes + ROUTE_COUNT; r++) {
        if (!is_for(r, path))
            continue;
        if (allowed[0])
            strcat(allowed, ", ");
        strcat(allowed, also_heads(r) ? "GET, HEAD" : r->method);
    }
    cfs_http_respond_method(request, allowed);
}

void cfs_http_api_handle(struct cfs_http_api *api, struct cfs_http_request *request)
{
    const char *path = find_path(cfs_http_path(request)), *method = cfs_http_method(request);
    bool trusted = api->config->http_open || cfs_http_authorized(request);
    bool known = false, denied = false;

    for (const struct route *r = routes; r < routes + ROUTE_COUNT; r++) {
        if (!is_for(r, path))
            continue;
        if (!is_allowed(api, request, r)) {
            denied |= method_matches(r, method);
            continue;
        }
        known = true;
        if (method_matches(r, method)) {
            api->counts[r->class]++;
            take_route(api, request, r);
            return;
        }
    }
    denied |= !trusted && !known;
    api->counts[denied ? CFS_ROUTE_UNAUTHORIZED : CFS_ROUTE_UNKNOWN]++;
    if (known && !denied)
        refuse_method(request, path);
    else if (denied)
        cfs_http_respond_error(request, 401, "unauthorized",
                               "the cluster's secret is missing or wrong");
    else
        cfs_http_respond_error(request, 404, "not_found", "there is no such path");
}

struct cfs_http_api *cfs_http_api_new(struct cfs_engine *engine, struct cfs_loop *loop,
                                      const struct cfs_config *config)
{
    struct cfs_http_api *api = cfs_alloc_zeroed(1, sizeof *api);

    *api = (struct cfs_http_api){.engine = engine, .loop = loop, .config = config};
    return api;
}

void cfs_http_api_set_backups(struct cfs_http_api *api, struct cfs_backups *backups)
{
    api->backups = backups;
}

void cfs_http_api_counts(const struct cfs_http_api *api, uint64_t counts[CFS_ROUTE_CLASSES])
{
    memcpy(counts, api->counts, sizeof api->counts);
}

void cfs_http_api_free(struct cfs_http_api *api)
{
    if (!api)
        return;
    cfs_http_calls_close(api);
    cfs_http_members_close(api);
    free(api);
}
