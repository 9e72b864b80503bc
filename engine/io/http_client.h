/* POST requests to peers: HTTP/1.1 over libcurl, driven by the loop, on connections that are kept.
 */
#ifndef CFS_IO_HTTP_CLIENT_H
#define CFS_IO_HTTP_CLIENT_H

#include "io/loop.h"

struct cfs_http_client;

enum cfs_http_outcome {
    CFS_HTTP_RESPONDED = 1, /* with `status` and body */
    CFS_HTTP_REFUSED,       /* connect(2): ECONNREFUSED; nobody serves there */
    CFS_HTTP_UNREACHED, /* no connection for another reason: not resolved, no route, no answer */
    CFS_HTTP_BROKEN, /* the connection ended before the response did: received or not, who knows */
    CFS_HTTP_FAILED, /* anything else: no response in time, one that is too large, ... */
};

struct cfs_http_result {
    enum cfs_http_outcome outcome;
    int status;
    const uint8_t *body;
    size_t len;
    bool authentic;  /* RESPONDED: by somebody who knows the secret, to this request */
    const char *why; /* a sentence where not RESPONDED */
};

/* Called once per request, never from within cfs_http_client_post. `result` is the callee's only
 * during the call. It may post. */
typedef void (*cfs_http_done_fn)(void *arg, const struct cfs_http_result *result);

/* Every request proves to know `secret` (io/peer_auth.h). A response body beyond `response_max`
 * fails. NULL after a log line. */
struct cfs_http_client *cfs_http_client_new(struct cfs_loop *loop, const char *secret,
                                            size_t response_max);

/* Requests under way are abandoned, their `done` is not called. */
void cfs_http_client_free(struct cfs_http_client *client);

/* Takes `body`, malloc'd. `url` has a path. Goes out with the next flush. */
void cfs_http_client_post(struct cfs_http_client *client, const char *url, uint8_t *body,
                          size_t len, cfs_http_done_fn done, void *arg);

/* Sends what was posted: at the end of a turn. */
void cfs_http_client_flush(struct cfs_http_client *client);

#endif
