/* The HTTP routes for clients without a mount: /lock, /queue, /cache, /members, /status, /health,
 * /metrics. JSON in, JSON out, but for values and the metrics. */
#ifndef CFS_IO_HTTP_API_H
#define CFS_IO_HTTP_API_H

#include "coordfs/engine.h"
#include "io/http_server.h"

struct cfs_http_api;

/* `engine` answers; requests other than /raft/ come here. */
struct cfs_http_api *cfs_http_api_new(struct cfs_engine *engine, struct cfs_loop *loop,
                                      const struct cfs_config *config);
/* Whose the routes of backups are; before the first request. */
struct cfs_backups;
void cfs_http_api_set_backups(struct cfs_http_api *api, struct cfs_backups *backups);

void cfs_http_api_handle(struct cfs_http_api *api, struct cfs_http_request *request);

/* What requests are counted by. */
enum cfs_route_class {
    CFS_ROUTE_HEALTH,
    CFS_ROUTE_STATUS,
    CFS_ROUTE_METRICS,
    CFS_ROUTE_LOCK,
    CFS_ROUTE_QUEUE,
    CFS_ROUTE_CACHE,
    CFS_ROUTE_MEMBERS,
    CFS_ROUTE_BACKUP,
    CFS_ROUTE_RAFT,         /* the other nodes'; never comes here */
    CFS_ROUTE_UNAUTHORIZED, /* without the secret */
    CFS_ROUTE_UNKNOWN,      /* no such path, or no such method there */
    CFS_ROUTE_CLASSES
};

/* How many requests of each class have come here so far. */
void cfs_http_api_counts(const struct cfs_http_api *api, uint64_t counts[CFS_ROUTE_CLASSES]);

void cfs_http_api_free(struct cfs_http_api *api);

#endif
