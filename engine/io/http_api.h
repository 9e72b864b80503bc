/* The HTTP routes for clients without a mount: /lock, /status, /health. JSON in, JSON out. */
#ifndef CFS_IO_HTTP_API_H
#define CFS_IO_HTTP_API_H

#include "coordfs/engine.h"
#include "io/http_server.h"

struct cfs_http_api;

/* `engine` answers; requests other than /raft/ come here. */
struct cfs_http_api *cfs_http_api_new(struct cfs_engine *engine, struct cfs_loop *loop,
                                      const struct cfs_config *config);
void cfs_http_api_handle(struct cfs_http_api *api, struct cfs_http_request *request);
void cfs_http_api_free(struct cfs_http_api *api);

#endif
