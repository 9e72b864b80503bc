/* The pages of .coordfs/ and the body of GET /status, as a table (page.c). Each is described once,
 * as JSON, and the text for people is made from that: what programs and people see cannot differ.
 *
 * A page is what this one node knows. Locks, waits and queues are its applied state, which may be
 * behind the leader's: each says so, most as of which index, and none of them asks anybody. */
#ifndef CFS_IO_PAGE_H
#define CFS_IO_PAGE_H

#include <jansson.h>
#include <stdio.h>

#include "io/status.h"

/* The page `name`, as text or as JSON. malloc'd, the caller frees; NULL if there is no such page.
 */
char *cfs_page_make(const char *name, bool json, const struct cfs_status *status);

/* ---- for the pages themselves ---- */

/* What a page describes itself as, new; and its text. */
json_t *cfs_page_status(const struct cfs_status *status);
void cfs_page_put_status(FILE *out, json_t *page);
json_t *cfs_page_nodes(const struct cfs_status *status);
void cfs_page_put_nodes(FILE *out, json_t *page);
json_t *cfs_page_locks(const struct cfs_status *status);
void cfs_page_put_locks(FILE *out, json_t *page);
json_t *cfs_page_waits(const struct cfs_status *status);
void cfs_page_put_waits(FILE *out, json_t *page);
json_t *cfs_page_queues(const struct cfs_status *status);
void cfs_page_put_queues(FILE *out, json_t *page);

json_t *cfs_page_ring(const struct cfs_status *status);
void cfs_page_put_ring(FILE *out, json_t *page);
json_t *cfs_page_cache(const struct cfs_status *status);
void cfs_page_put_cache(FILE *out, json_t *page);

/* Every group as this node knows it: an array. */
json_t *cfs_page_groups(const struct cfs_status *status);

/* Every node as this one sees it: an array. */
json_t *cfs_page_members(const struct cfs_status *status);

/* One per node: node, url, role, state, heard_ms, match, lag, session, replaces. */
void cfs_page_put_members(FILE *out, const json_t *members);

#define CFS_PAGE_WORD_BYTES 32u

/* A value as one word; into `room` where it is not a string. "-" for null. */
const char *cfs_page_word(const json_t *value, char room[CFS_PAGE_WORD_BYTES]);

struct cfs_page_column {
    const char *key; /* of each row, and the heading */
    bool right;      /* aligned */
};

/* A heading, then a line for each object of the array `rows`, in columns as wide as they need to
 * be. Blanks and control characters are shown as in /proc/mounts, so that a line is a line and a
 * column a word: \040 is a blank. */
void cfs_page_put_table(FILE *out, const json_t *rows, const struct cfs_page_column *columns,
                        size_t count);

/* Where a page that lists what is unbounded ends; what is beyond is counted, not shown. */
#define CFS_PAGE_ROWS_MAX 1000u

/* Says so, if there are more than `shown`. */
void cfs_page_put_rest(FILE *out, json_int_t total, size_t shown);

#endif
