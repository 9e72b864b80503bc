/* What the routes (http_api.c), those of locks (http_api_lock.c), queues (http_api_queue*.c), the
 * cache (http_api_cache*.c) and nodes (http_api_members.c), their parameters (http_api_query.c) and
 * their JSON (http_api_json.c) share. */
#ifndef CFS_IO_HTTP_API_INTERNAL_H
#define CFS_IO_HTTP_API_INTERNAL_H

#include "io/http_api.h"
#include "io/json.h"

struct cfs_http_api {
    struct cfs_engine *engine;
    struct cfs_loop *loop;
    const struct cfs_config *config;
    struct cfs_backups *backups;
    struct cfs_http_call *calls; /* list of what the engine has not answered (http_api_call.h) */
    struct cfs_member_call *member_calls;
    bool closing; /* the engine is not to be asked any more */
    uint64_t counts[CFS_ROUTE_CLASSES];
};

/* POST, DELETE, GET of /lock/{name}; `name` is decoded and valid. */
void cfs_http_lock_acquire(struct cfs_http_api *api, struct cfs_http_request *request,
                           const char *name);
void cfs_http_lock_release(struct cfs_http_api *api, struct cfs_http_request *request,
                           const char *name);
void cfs_http_lock_get(struct cfs_http_api *api, struct cfs_http_request *request,
                       const char *name);

/* Of /queue/{name}: POST, GET, DELETE; of the paths below /queue/ that say what they do: POST of
 * ack, nack, extend, config, purge, kick, GET of stats and peek; and GET of /queue. */
void cfs_http_queue_produce(struct cfs_http_api *api, struct cfs_http_request *request,
                            const char *name);
void cfs_http_queue_consume(struct cfs_http_api *api, struct cfs_http_request *request,
                            const char *name);
void cfs_http_queue_remove(struct cfs_http_api *api, struct cfs_http_request *request,
                           const char *name);
void cfs_http_queue_ack(struct cfs_http_api *api, struct cfs_http_request *request,
                        const char *name);
void cfs_http_queue_nack(struct cfs_http_api *api, struct cfs_http_request *request,
                         const char *name);
void cfs_http_queue_extend(struct cfs_http_api *api, struct cfs_http_request *request,
                           const char *name);
void cfs_http_queue_configure(struct cfs_http_api *api, struct cfs_http_request *request,
                              const char *name);
void cfs_http_queue_purge(struct cfs_http_api *api, struct cfs_http_request *request,
                          const char *name);
void cfs_http_queue_kick(struct cfs_http_api *api, struct cfs_http_request *request,
                         const char *name);
void cfs_http_queue_stats(struct cfs_http_api *api, struct cfs_http_request *request,
                          const char *name);
void cfs_http_queue_peek(struct cfs_http_api *api, struct cfs_http_request *request,
                         const char *name);
void cfs_http_queue_list(struct cfs_http_api *api, struct cfs_http_request *request,
                         const char *argument);

/* Of /cache/{key}: GET, POST, DELETE; and POST of /cache/invalidate/{key}. The key as it came. */
void cfs_http_cache_get(struct cfs_http_api *api, struct cfs_http_request *request,
                        const char *encoded);
void cfs_http_cache_put(struct cfs_http_api *api, struct cfs_http_request *request,
                        const char *encoded);
void cfs_http_cache_remove(struct cfs_http_api *api, struct cfs_http_request *request,
                           const char *encoded);
void cfs_http_cache_invalidate(struct cfs_http_api *api, struct cfs_http_request *request,
                               const char *encoded);

/* Answers 503 to all calls that wait, and forgets them: the engine must not answer them any more.
 */
void cfs_http_calls_close(struct cfs_http_api *api);

/* POST of /members and DELETE of /members/{id}. */
void cfs_http_members_add(struct cfs_http_api *api, struct cfs_http_request *request,
                          const char *argument);
void cfs_http_members_remove(struct cfs_http_api *api, struct cfs_http_request *request,
                             const char *argument);

/* As cfs_http_calls_close. */
void cfs_http_members_close(struct cfs_http_api *api);

/* Answers `status` with `body`, which is taken. */
void cfs_http_respond_json(struct cfs_http_request *request, int status, json_t *body);

/* Answers with what `error` says of itself. */
void cfs_http_respond_failure(struct cfs_http_request *request, enum cfs_error error);

/* Answers 400: "'`field`' `what`". */
void cfs_http_respond_bad(struct cfs_http_request *request, const char *field, const char *what);

/* `field` in the query as milliseconds; left alone when it is not there. */
bool cfs_http_read_seconds(struct cfs_http_request *http, const char *field, uint32_t *ms);

/* `text`, of `field`, as a number from `min` to `max`, which otherwise "'`field`' `what`". */
bool cfs_http_read_number(struct cfs_http_request *http, const char *field, const char *text,
                          uint64_t min, uint64_t max, const char *what, uint64_t *out);

/* `mode` in the query, an octal number; left alone when it is not there. */
bool cfs_http_read_mode(struct cfs_http_request *http, uint32_t *perm);

/* Of the Idempotency-Key header; 0 without one. */
uint64_t cfs_http_read_key(const struct cfs_http_request *http);

/* A held lock as GET shows it: with its content; new. */
json_t *cfs_http_lock_body(const char *name, const struct cfs_lock_info *lock);

/* A message of `queue` as it is handed out or looked at, new. Its "id" is what it is settled by:
 * that of the claim where there is one. */
json_t *cfs_http_message_body(const char *queue, const struct cfs_message_info *message);

/* Answers with the body of a message alone; its "id" is in the header Coordfs-Id. */
void cfs_http_respond_message(struct cfs_http_request *request,
                              const struct cfs_message_info *message);

#define CFS_BYTES_CONTENT_TYPE "application/octet-stream"

/* Whether the client asks for that: Accept says so, and nothing else. */
bool cfs_http_wants_bytes(const struct cfs_http_request *http);

/* A queue as its statistics show it; new. */
json_t *cfs_http_queue_body(const char *name, const struct cfs_queue_info *queue);

#endif
