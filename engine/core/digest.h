/* Digests by which replicas find out that they differ: FNV-1a, a byte at a time, so that numbers
 * count the same on every machine. */
#ifndef CFS_CORE_DIGEST_H
#define CFS_CORE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define CFS_DIGEST_START 0xcbf29ce484222325u

/* The digest of what `digest` stands for with the value or the bytes behind it. */
uint64_t cfs_digest_number(uint64_t digest, uint64_t value);
uint64_t cfs_digest_bytes(uint64_t digest, const void *data, size_t len);

#endif
