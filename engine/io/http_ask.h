/* One HTTP request that is waited for: for the command line, and for a node that has no loop yet.
 */
#ifndef CFS_IO_HTTP_ASK_H
#define CFS_IO_HTTP_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cfs_http_reply {
    int status; /* 0: there was none, for the reason `why` */
    char *body; /* malloc'd, ended by a zero; NULL if it was empty */
    size_t len;
    char etag[64]; /* the field ETag; "" if there was none, or a longer one */
    bool unsent;   /* nobody was reached: what was asked for was not done */
    char why[256];
};

/* A request with all that it may have; what is NULL or 0 it has not. The secret is sent as a client
 * does. */
struct cfs_http_question {
    const char *method, *url, *secret;
    const char *accept; /* the form of the answer */
    const char *header; /* one more: "NAME: VALUE" */
    const uint8_t *body;
    size_t len;
    size_t reply_max;    /* bytes of an answer, a longer one is none; 0: 8 MiB */
    unsigned timeout_ms; /* for all of it */
    unsigned silence_ms; /* without a byte in either direction */
};

/* Clear the reply in any case. */
void cfs_http_exchange(struct cfs_http_reply *reply, const struct cfs_http_question *question);
void cfs_http_reply_clear(struct cfs_http_reply *reply);

/* The same over a connection that is kept for the next one. Zeroed memory is a link; close it. */
struct cfs_http_link {
    void *easy;
};
void cfs_http_exchange_on(struct cfs_http_link *link, struct cfs_http_reply *reply,
                          const struct cfs_http_question *question);
void cfs_http_link_close(struct cfs_http_link *link);

/* What went wrong, in a sentence: what the error says of itself, or else its status. */
void cfs_http_reply_explain(const struct cfs_http_reply *reply, const char *url, char *why,
                            size_t size);

#endif
