/* Heartbeats and acknowledgements on the wire: by far the most messages, and alike. A node that
 * leads many groups says all of them to a peer ten times a second, so they travel as rows of
 * numbers in one raw body instead of a JSON object each. */
#ifndef CFS_IO_WIRE_BEATS_H
#define CFS_IO_WIRE_BEATS_H

#include "core/codec.h"
#include "core/message.h"

#define CFS_WIRE_BEAT_MAX 64u /* bytes of one */

/* AppendEntries without entries, and replies to AppendEntries. */
bool cfs_wire_is_beat(const struct cfs_message *message);

size_t cfs_wire_beat_size(const struct cfs_message *message);

/* -1 when a number does not fit the format. */
int cfs_wire_put_beat(struct cfs_writer *body, const struct cfs_message *message);

/* The next one: its type, group, term and the rest. -1 when it cannot be. */
int cfs_wire_get_beat(struct cfs_reader *body, struct cfs_message *message);

#endif
