/* What is said of each type of message, as tables that encoder and decoder share. */
#ifndef CFS_IO_WIRE_FIELDS_H
#define CFS_IO_WIRE_FIELDS_H

#include "core/message.h"

enum { CFS_WIRE_VERSION = 3, CFS_WIRE_MESSAGES_MAX = 4096 };

enum cfs_wire_kind { CFS_WIRE_U64, CFS_WIRE_U32, CFS_WIRE_BOOL };

/* A number or truth at `offset` of its struct. Tables end with a NULL key. */
struct cfs_wire_field {
    const char *key;
    enum cfs_wire_kind kind;
    size_t offset;
};

extern const struct cfs_wire_field cfs_wire_item_fields[]; /* of a RECALL */

/* NULL for no such type, and for those that travel as rows (wire_rows.h). */
const struct cfs_wire_field *cfs_wire_fields(enum cfs_message_type type);

#endif
