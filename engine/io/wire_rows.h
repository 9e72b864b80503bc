/* The frequent messages on the wire: heartbeats, entries, acknowledgements, forwarded commands and
 * answers. They are nearly all there are, and alike, so they travel as rows of numbers and bytes in
 * one raw body instead of a JSON object each. */
#ifndef CFS_IO_WIRE_ROWS_H
#define CFS_IO_WIRE_ROWS_H

#include "core/codec.h"
#include "core/message.h"

bool cfs_wire_is_row(const struct cfs_message *message);

size_t cfs_wire_row_size(const struct cfs_message *message);

/* -1 when a number does not fit the format. */
int cfs_wire_put_row(struct cfs_writer *body, const struct cfs_message *message);

/* The next one: its type, group, term and the rest. -1 when it cannot be; what `message` has then
 * is to be cleared all the same. */
int cfs_wire_get_row(struct cfs_reader *body, struct cfs_message *message);

#endif
