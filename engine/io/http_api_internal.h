/* What the routes (http_api.c), those of locks (http_api_lock.c) and of nodes (http_api_members.c)
 * and their JSON (http_api_json.c) share. */
#ifndef CFS_IO_HTTP_API_INTERNAL_H
#define CFS_IO_HTTP_API_INTERNAL_H

#include "io/http_api.h"
#include "io/json.h"

struct cfs_http_api {
    struct cfs_engine *engine;
    struct cfs_loop *loop;
    const struct cfs_config *config;
    struct cfs_backups *backups;
    struct cfs_lock_call *calls; /* list of what the engine has not answered */
    struct cfs_member_call *member_calls;
    uint64_t counts[CFS_ROUTE_CLASSES];
};

/* POST, DELETE, GET of /lock/{name}; `name` is decoded and valid. */
void cfs_http_lock_acquire(struct cfs_http_api *api, struct cfs_http_request *request,
                           const char *name);
void cfs_http_lock_release(struct cfs_http_api *api, struct cfs_http_request *request,
                           const char *name);
void cfs_http_lock_get(struct cfs_http_api *api, struct cfs_http_request *request,
                       const char *name);

/* Answers 503 to all calls that wait, and forgets them: the engine must not answer them any more.
 */
void cfs_http_lock_close(struct cfs_http_api *api);

/* POST of /members and DELETE of /members/{id}. */
void cfs_http_members_add(struct cfs_http_api *api, struct cfs_http_request *request,
                          const char *argument);
void cfs_http_members_remove(struct cfs_http_api *api, struct cfs_http_request *request,
                             const char *argument);

/* As cfs_http_lock_close. */
void cfs_http_members_close(struct cfs_http_api *api);

/* Answers `status` with `body`, which is taken. */
void cfs_http_respond_json(struct cfs_http_request *request, int status, json_t *body);

/* Answers with what `error` says of itself. */
void cfs_http_respond_failure(struct cfs_http_request *request, enum cfs_error error);

/* Answers 400: "'`field`' `what`". */
void cfs_http_respond_bad(struct cfs_http_request *request, const char *field, const char *what);

/* A held lock as GET shows it: with its content; new. */
json_t *cfs_http_lock_body(const char *name, const struct cfs_lock_info *lock);

#endif
