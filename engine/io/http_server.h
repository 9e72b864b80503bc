/* HTTP/1.1 server on libmicrohttpd, driven by the loop (external epoll, no threads of its own).
 * Every request waits suspended until it is answered, now or later. */
#ifndef CFS_IO_HTTP_SERVER_H
#define CFS_IO_HTTP_SERVER_H

#include "coordfs/config.h"
#include "io/loop.h"

struct cfs_http_server;
struct cfs_http_request;

/* A complete request has arrived; the handler answers it exactly once by cfs_http_respond, at once
 * or later. */
typedef void (*cfs_http_handler_fn)(void *arg, struct cfs_http_request *request);

/* NULL after a log line that says why (the address is in use, ...). */
struct cfs_http_server *cfs_http_server_new(struct cfs_loop *loop, const struct cfs_config *config,
                                            cfs_http_handler_fn handler, void *arg);

/* Unanswered requests are closed, without word to whoever holds them: free those first. */
void cfs_http_server_free(struct cfs_http_server *server);

/* Resumes what was answered outside the server's own callbacks: at the end of a turn. */
void cfs_http_server_flush(struct cfs_http_server *server);

const char *cfs_http_method(const struct cfs_http_request *request);
const char *
cfs_http_path(const struct cfs_http_request *request); /* still percent-encoded, no query */
const uint8_t *cfs_http_body(const struct cfs_http_request *request, size_t *len);
/* Decoded; NULL when absent. */
const char *cfs_http_query(const struct cfs_http_request *request, const char *key);
const char *cfs_http_header(const struct cfs_http_request *request, const char *name);

/* Percent escapes to bytes, in place. False for a malformed one and for a zero byte. */
bool cfs_http_decode(char *text);

/* Whether the request carries the cluster's secret (Authorization: Bearer) or, for /raft/, proves
 * to know it (io/peer_auth.h); the response then does so too. */
bool cfs_http_authorized(const struct cfs_http_request *request);

/* Called when the client went away before the answer; the request is then freed after `gone`
 * returns and must not be answered. */
void cfs_http_on_gone(struct cfs_http_request *request, void (*gone)(void *arg), void *arg);

/* A client that closed its socket looks like one that ended its sending side (shutdown(2), nc -N)
 * and still reads. `counts` is called with the argument of on_gone, once: true if that is to count
 * as going away; without it, it does. */
void cfs_http_on_half_close(struct cfs_http_request *request, bool (*counts)(void *arg));

/* Answers; frees the request. `body` is copied. `header`/`value`: one extra header, or NULL. */
void cfs_http_respond(struct cfs_http_request *request, int status, const char *content_type,
                      const void *body, size_t len, const char *header, const char *value);

/* Answers {"error": sentence, "code": code}, with the header that 401, 429 and 503 call for. */
void cfs_http_respond_error(struct cfs_http_request *request, int status, const char *code,
                            const char *sentence);

/* Answers 405; `allowed` lists the methods that would do. */
void cfs_http_respond_method(struct cfs_http_request *request, const char *allowed);

#endif
