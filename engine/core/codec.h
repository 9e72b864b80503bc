/* Little-endian integers and counted bytes in a row: the form commands and answers have in the log
 * and beside the JSON on the wire. Reading never trusts a length. */
#ifndef CFS_CORE_CODEC_H
#define CFS_CORE_CODEC_H

#include "coordfs/types.h"

/* Grows as it is written. Zeroed memory is an empty writer; the owner frees data. */
struct cfs_writer {
    uint8_t *data;
    size_t len, capacity;
};

void cfs_put_u8(struct cfs_writer *writer, uint8_t value);
void cfs_put_u32(struct cfs_writer *writer, uint32_t value);
void cfs_put_u64(struct cfs_writer *writer, uint64_t value);
void cfs_put_bytes(struct cfs_writer *writer, const void *data,
                   uint32_t len);                                   /* u32 length first */
/* `len` bytes as they are, without their length. */
void cfs_put_raw(struct cfs_writer *writer, const void *data, size_t len);
void cfs_put_string(struct cfs_writer *writer, const char *string); /* as bytes, no NUL */

/* Once it has run over the end or met a length too large, `failed` is set and all reads give 0. */
struct cfs_reader {
    const uint8_t *data;
    size_t len, at;
    bool failed;
};

uint8_t cfs_get_u8(struct cfs_reader *reader);
uint32_t cfs_get_u32(struct cfs_reader *reader);
uint64_t cfs_get_u64(struct cfs_reader *reader);
const uint8_t *cfs_get_bytes(struct cfs_reader *reader,
                             uint32_t *len); /* borrowed from the input */

/* Into `out` of `size` bytes, NUL added; fails when it does not fit or contains a NUL. */
void cfs_get_string(struct cfs_reader *reader, char *out, size_t size);

#endif
