/* What the routes of the cache share: the way from a key to its inode, and what a value is called
 * by. A key is a path below cache/; who has the secret may do what root may. */
#ifndef CFS_IO_HTTP_API_CACHE_H
#define CFS_IO_HTTP_API_CACHE_H

#include "io/http_api_call.h"

/* First in a struct of the route's own. */
struct cfs_http_walk {
    struct cfs_http_call call;
    char *key;                   /* owned; decoded, a slash between its names */
    size_t from;                 /* where in it the name begins that is looked for */
    cfs_ino directory;           /* in which */
    bool parents;                /* directories that are not there are made */
    unsigned tries;              /* to begin anew, that are left */
    struct cfs_inode_info inode; /* of the key, at the end of the way; ino 0: there is none */
    /* At its end: as `answered` of a call, whose further answers go to `next`. */
    bool (*found)(struct cfs_http_walk *walk);
    bool (*next)(struct cfs_http_walk *walk, const struct cfs_answer *answer);
    void (*close)(struct cfs_http_walk *walk); /* frees what it owns; or NULL */
};

/* A zeroed struct of `size` bytes that begins with a walk; NULL after a 400, when `encoded` is no
 * key. To be filled in, and begun. */
void *cfs_http_walk_new(struct cfs_http_api *api, struct cfs_http_request *http, size_t size,
                        const char *encoded);
void cfs_http_walk_begin(struct cfs_http_walk *walk);

/* Begins anew, for what was found has gone meanwhile; false after an answer: that happens too
 * often.
 */
bool cfs_http_walk_again(struct cfs_http_walk *walk);

/* The last name of the key. */
const char *cfs_http_walk_name(const struct cfs_http_walk *walk);

/* Asks for `op` of `name`; the rest of the request is filled in. True. */
bool cfs_http_walk_ask(struct cfs_http_walk *walk, enum cfs_op op, const char *name);

/* Whether the key is that of a regular file; else it was answered. */
bool cfs_http_walk_is_file(struct cfs_http_walk *walk);

/* Answers what `error` says; false. */
bool cfs_http_walk_fail(struct cfs_http_walk *walk, enum cfs_error error);

/* What a value is known by: "INO-VERSION", in quotes (RFC 9110, 8.8.3). A file that replaces
 * another one has another number, and versions of its own. */
struct cfs_etag {
    char text[48];
};
struct cfs_etag cfs_etag(cfs_ino ino, uint64_t version);

/* Whether a field of such tags, `*` apart, names this one. */
bool cfs_etag_is_in(const char *field, cfs_ino ino, uint64_t version);

#endif
