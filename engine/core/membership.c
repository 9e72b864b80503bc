/* Sets, majorities, and what the log says of them. */
#include "core/membership.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/command_internal.h"
#include "core/planted.h"

cfs_node_id cfs_node_set_next(cfs_node_set set, cfs_node_id node)
{
    cfs_node_set later = node < CFS_NODE_MAX ? set >> (node + 1) : 0;

    return later ? node + 1 + (cfs_node_id)__builtin_ctzll(later) : 0;
}

uint32_t cfs_node_set_count(cfs_node_set set)
{
    return (uint32_t)__builtin_popcountll(set);
}

cfs_node_set cfs_membership_all(const struct cfs_membership *members)
{
    return members->voters | members->outgoing | members->learners;
}

cfs_node_set cfs_membership_deciding(const struct cfs_membership *members)
{
    return members->voters | members->outgoing;
}

static bool is_majority(cfs_node_set of, cfs_node_set nodes)
{
    return cfs_node_set_count(nodes & of) > cfs_node_set_count(of) / 2;
}

bool cfs_membership_is_quorum(const struct cfs_membership *members, cfs_node_set nodes)
{
    if (!members->voters)
        return false;
    if (CFS_PLANTED(BUG_JOINT_EITHER) && members->outgoing)
        return is_majority(members->voters, nodes) || is_majority(members->outgoing, nodes);
    return is_majority(members->voters, nodes) &&
           (!members->outgoing || is_majority(members->outgoing, nodes));
}

bool cfs_membership_equal(const struct cfs_membership *a, const struct cfs_membership *b)
{
    return a->voters == b->voters && a->outgoing == b->outgoing && a->learners == b->learners;
}

/* Sorted from the largest down, a majority has reached what stands in the middle. */
static uint64_t reached(cfs_node_set of, const uint64_t values[CFS_NODE_MAX + 1])
{
    uint64_t sorted[CFS_NODE_MAX + 1];
    uint32_t count = 0;

    CFS_EACH_NODE (node, of) {
        uint32_t slot = count++;
        for (; slot > 0 && sorted[slot - 1] < values[node]; slot--)
            sorted[slot] = sorted[slot - 1];
        sorted[slot] = values[node];
    }
    if (CFS_PLANTED(BUG_COMMIT_MINORITY) && count > 1)
        return sorted[count / 2 - 1];
    return count ? sorted[count / 2] : 0;
}

uint64_t cfs_membership_reached(const struct cfs_membership *members,
                                const uint64_t values[CFS_NODE_MAX + 1])
{
    uint64_t incoming = reached(members->voters, values);
    uint64_t outgoing = members->outgoing ? reached(members->outgoing, values) : incoming;

    if (CFS_PLANTED(BUG_JOINT_EITHER))
        return incoming > outgoing ? incoming : outgoing;
    return incoming < outgoing ? incoming : outgoing;
}

void cfs_membership_put(struct cfs_writer *writer, const struct cfs_membership *members)
{
    cfs_put_u64(writer, members->voters);
    cfs_put_u64(writer, members->outgoing);
    cfs_put_u64(writer, members->learners);
}

void cfs_membership_get(struct cfs_reader *reader, struct cfs_membership *members)
{
    members->voters = cfs_get_u64(reader);
    members->outgoing = cfs_get_u64(reader);
    members->learners = cfs_get_u64(reader);
    if (cfs_membership_all(members) & 1u || cfs_membership_deciding(members) & members->learners)
        reader->failed = true;
}

void cfs_membership_encode(struct cfs_writer *writer, const struct cfs_membership *members)
{
    cfs_put_u8(writer, CFS_MEMBERSHIP_VERSION);
    cfs_membership_put(writer, members);
}

int cfs_membership_decode(struct cfs_membership *members, const uint8_t *data, size_t len)
{
    struct cfs_reader reader = {.data = data, .len = len};

    cfs_get_enum(&reader, CFS_MEMBERSHIP_VERSION, CFS_MEMBERSHIP_VERSION);
    cfs_membership_get(&reader, members);
    return cfs_reader_whole(&reader) && members->voters ? 0 : -1;
}

void cfs_membership_history_reset(struct cfs_membership_history *history, uint64_t index,
                                  const struct cfs_membership *members)
{
    history->count = 0;
    cfs_membership_history_add(history, index, members);
}

void cfs_membership_history_close(struct cfs_membership_history *history)
{
    free(history->marks);
    *history = (struct cfs_membership_history){0};
}

void cfs_membership_history_add(struct cfs_membership_history *history, uint64_t index,
                                const struct cfs_membership *members)
{
    history->marks =
        cfs_array_room(history->marks, history->count, &history->capacity, sizeof *history->marks);
    history->marks[history->count++] = (struct cfs_membership_mark){index, *members};
}

void cfs_membership_history_truncate(struct cfs_membership_history *history, uint64_t index)
{
    while (history->count > 1 && history->marks[history->count - 1].index >= index)
        history->count--;
}

void cfs_membership_history_compact(struct cfs_membership_history *history, uint64_t index)
{
    size_t gone = 0;

    while (gone + 1 < history->count && history->marks[gone + 1].index <= index)
        gone++;
    history->count -= gone;
    memmove(history->marks, history->marks + gone, history->count * sizeof *history->marks);
}

const struct cfs_membership_mark *
cfs_membership_history_at(const struct cfs_membership_history *history, uint64_t index)
{
    size_t at = history->count;

    assert(at > 0);
    while (at > 1 && history->marks[at - 1].index > index)
        at--;
    return &history->marks[at - 1];
}
