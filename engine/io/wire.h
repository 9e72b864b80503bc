/* Messages between nodes as bytes: batches, in the form docs/protocol.md describes. */
#ifndef CFS_IO_WIRE_H
#define CFS_IO_WIRE_H

#include "core/message.h"

/* Whose batch it is. Nodes of two clusters may share a secret, or get each other's addresses. */
struct cfs_batch_head {
    uint64_t cluster;
    cfs_node_id from, to;
};

struct cfs_batch {
    struct cfs_batch_head head;
    uint32_t count;
    struct cfs_message *messages; /* owned, with all that they own */
};

/* An upper bound of the bytes `message` adds to a batch. */
size_t cfs_wire_size(const struct cfs_message *message);

/* An upper bound of an empty batch. */
size_t cfs_wire_size_empty(void);

/* `count` messages, 0 for an empty batch, as malloc'd bytes: the caller frees `*out`. -1 when a
 * number does not fit the format (2^63 and up): then none of them can be sent together. */
int cfs_wire_encode(uint8_t **out, size_t *len, const struct cfs_batch_head *head,
                    const struct cfs_message *messages, uint32_t count);

/* 0, or -1 with a sentence in `why` and nothing in `batch`. Each message gets the batch's from and
 * to. */
int cfs_wire_decode(struct cfs_batch *batch, const uint8_t *data, size_t len, char *why,
                    size_t size);

void cfs_batch_clear(struct cfs_batch *batch);

#endif
