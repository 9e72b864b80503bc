/* What the engine knows as JSON values, for the answers to clients and for the pages. All are new
 * references. */
#ifndef CFS_IO_JSON_H
#define CFS_IO_JSON_H

#include <jansson.h>

#include "coordfs/request.h"

json_t *cfs_json_number(uint64_t value);
json_t *cfs_json_number_or_null(uint64_t value); /* null for 0, where that means none */

/* A string of bytes that may not be UTF-8, which then are percent-encoded. */
json_t *cfs_json_bytes(const void *bytes, size_t len);

/* Percent-encoded in any case: a name as it stands in a URL. */
json_t *cfs_json_encoded(const void *bytes, size_t len);

/* RFC 3339, UTC, with milliseconds. */
json_t *cfs_json_moment(cfs_wall_time at);

/* Milliseconds as a number of seconds. */
json_t *cfs_json_seconds(uint64_t ms);

/* "shared" or "exclusive". */
const char *cfs_json_mode(enum cfs_lock_mode mode);

/* "write", "line" or "file". */
const char *cfs_json_framing(enum cfs_framing framing);

/* node:pid, or a client's name for itself; comma-separated where several share. */
json_t *cfs_json_holders(const struct cfs_holder_info *holders, uint32_t count);

/* A held lock, without its content. */
json_t *cfs_json_lock(const char *name, const struct cfs_lock_info *lock);

#endif
