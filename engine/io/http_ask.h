/* One HTTP request that is waited for: for the command line, and for a node that has no loop yet.
 */
#ifndef CFS_IO_HTTP_ASK_H
#define CFS_IO_HTTP_ASK_H

#include <stdbool.h>
#include <stddef.h>

struct cfs_http_reply {
    int status; /* 0: there was none, for the reason `why` */
    char *body; /* malloc'd, ended by a zero; NULL if it was empty */
    size_t len;
    char why[256];
};

/* Sends the secret as a client does. `accept`: the form of the answer, NULL: any. Clear the reply
 * in any case. */
void cfs_http_ask(struct cfs_http_reply *reply, const char *method, const char *url,
                  const char *secret, const char *accept, unsigned timeout_ms);
void cfs_http_reply_clear(struct cfs_http_reply *reply);

#endif
