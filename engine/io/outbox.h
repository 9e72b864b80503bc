/* Messages to one peer that wait for a batch: bounded; what is too much is lost, the oldest first.
 */
#ifndef CFS_IO_OUTBOX_H
#define CFS_IO_OUTBOX_H

#include "core/message.h"
#include "io/wire.h"

/* Zeroed memory is an empty outbox. */
struct cfs_outbox {
    struct cfs_message *messages; /* from `first` to `end` */
    size_t first, end, capacity;
    size_t bytes; /* upper bound of their size on the wire */
};

void cfs_outbox_close(struct cfs_outbox *outbox);

bool cfs_outbox_empty(const struct cfs_outbox *outbox);
size_t cfs_outbox_count(const struct cfs_outbox *outbox);

/* Takes what the message owns. False when messages were lost for it, or it was too large itself. */
bool cfs_outbox_add(struct cfs_outbox *outbox, struct cfs_message *message);

/* Loses everything; false if there was nothing. */
bool cfs_outbox_lose(struct cfs_outbox *outbox);

/* Takes out the oldest messages, as many as fit, as one batch (io/wire.h): malloc'd bytes. NULL
 * when the batch could not be encoded: its messages are lost. */
uint8_t *cfs_outbox_take(struct cfs_outbox *outbox, const struct cfs_batch_head *head, size_t *len);

#endif
