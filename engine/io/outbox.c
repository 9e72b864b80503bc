/* The outbox is an array that is consumed from the front, so that a batch is encoded from one
 * piece; it is moved to the front again once more than half of it is consumed. */
#include "io/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

enum { OUTBOX_BYTES_MAX = 8 * 1024 * 1024, BATCH_MESSAGES_MAX = 1024 };

static_assert(OUTBOX_BYTES_MAX >= CFS_BATCH_BYTES_MAX, "whatever fits a batch fits the outbox");

size_t cfs_outbox_count(const struct cfs_outbox *outbox)
{
    return outbox->end - outbox->first;
}

bool cfs_outbox_empty(const struct cfs_outbox *outbox)
{
    return cfs_outbox_count(outbox) == 0;
}

static void drop(struct cfs_outbox *outbox, size_t count)
{
    for (; count > 0; count--) {
        struct cfs_message *message = &outbox->messages[outbox->first++];
        outbox->bytes -= cfs_wire_size(message);
        cfs_message_clear(message);
    }
    if (cfs_outbox_empty(outbox))
        outbox->first = outbox->end = 0;
}

void cfs_outbox_close(struct cfs_outbox *outbox)
{
    drop(outbox, cfs_outbox_count(outbox));
    free(outbox->messages);
    *outbox = (struct cfs_outbox){0};
}

static void move_to_front(struct cfs_outbox *outbox)
{
    memmove(outbox->messages, outbox->messages + outbox->first,
            cfs_outbox_count(outbox) * sizeof *outbox->messages);
    outbox->end -= outbox->first;
    outbox->first = 0;
}

bool cfs_outbox_add(struct cfs_outbox *outbox, struct cfs_message *message)
{
    bool fits = true;

    if (cfs_wire_size_empty() + cfs_wire_size(message) > CFS_BATCH_BYTES_MAX) {
        cfs_message_clear(message);
        return false;
    }
    if (outbox->first > outbox->end / 2)
        move_to_front(outbox);
    outbox->messages =
        cfs_array_room(outbox->messages, outbox->end, &outbox->capacity, sizeof *outbox->messages);
    outbox->bytes += cfs_wire_size(message);
    outbox->messages[outbox->end++] = *message;
    *message = (struct cfs_message){0};
    while (outbox->bytes > OUTBOX_BYTES_MAX) {
        drop(outbox, 1);
        fits = false;
    }
    return fits;
}

bool cfs_outbox_lose(struct cfs_outbox *outbox)
{
    size_t count = cfs_outbox_count(outbox);

    drop(outbox, count);
    return count > 0;
}

static uint32_t batch_count(const struct cfs_outbox *outbox)
{
    size_t size = cfs_wire_size_empty();
    uint32_t count = 0;

    while (count < cfs_outbox_count(outbox) && count < BATCH_MESSAGES_MAX) {
        size += cfs_wire_size(&outbox->messages[outbox->first + count]);
        if (size > CFS_BATCH_BYTES_MAX)
            break;
        count++;
    }
    return count;
}

uint8_t *cfs_outbox_take(struct cfs_outbox *outbox, const struct cfs_batch_head *head, size_t *len)
{
    const struct cfs_message *oldest = outbox->messages ? outbox->messages + outbox->first : NULL;
    uint32_t count = batch_count(outbox);
    uint8_t *bytes;

    if (cfs_wire_encode(&bytes, len, head, oldest, count) < 0)
        bytes = NULL;
    drop(outbox, count);
    return bytes;
}
