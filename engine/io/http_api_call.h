/* What a client has asked and the engine has not answered. A call lives from its request until the
 * last answer that it waits for, also when the client went away in between. */
#ifndef CFS_IO_HTTP_API_CALL_H
#define CFS_IO_HTTP_API_CALL_H

#include "io/http_api_internal.h"

/* First in a struct of the route's own, if it needs one. */
struct cfs_http_call {
    struct cfs_http_api *api;
    struct cfs_http_request *http; /* NULL once the client went away */
    struct cfs_request request;    /* as the engine is asked; may change from asking to asking */

    /* For the route to set. */
    bool cancel_when_gone; /* or half closed for a while, if it waits */
    /* Responds, which ends the call, or asks on: true. Called while there is a client. */
    bool (*answered)(struct cfs_http_call *call, const struct cfs_answer *answer);
    /* What was granted, and nobody hears of it; NULL: it is to stay. */
    void (*give_back)(struct cfs_http_call *call, const struct cfs_answer *answer);
    enum cfs_error in_vain;                    /* what a wait for nothing is called */
    void (*close)(struct cfs_http_call *call); /* frees what it owns; or NULL */

    uint64_t id;            /* the engine's */
    struct cfs_timer timer; /* the end of the wait */
    bool waited;            /* it is over */
    bool half_closed;       /* the client may be gone */
    cfs_time since;
    bool asking, ended;
    struct cfs_http_call *prev, *next;
};

/* A zeroed struct of `size` bytes that begins with a call. */
void *cfs_http_call_new(struct cfs_http_api *api, struct cfs_http_request *http, size_t size,
                        enum cfs_op op, const char *name);

/* Asks the engine; the wait ends `wait` after the call came, 0: never. The call may have ended when
 * this returns. */
void cfs_http_call_ask(struct cfs_http_call *call, cfs_time wait);

/* For who asks the engine himself: there is nothing more to wait for. */
void cfs_http_call_end(struct cfs_http_call *call);

/* What to call the answer's error: at the end of the wait, in_vain or that nobody could be asked.
 */
enum cfs_error cfs_http_call_error(const struct cfs_http_call *call,
                                   const struct cfs_answer *answer);

#endif
