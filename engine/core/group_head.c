/* Heads as bytes. */
#include "core/group_head.h"

#include "core/command_internal.h"

void cfs_group_head_encode(struct cfs_writer *writer, const struct cfs_group_head *head)
{
    cfs_put_u8(writer, CFS_GROUP_HEAD_VERSION);
    cfs_put_u64(writer, head->base.index);
    cfs_put_u64(writer, head->base.term);
    cfs_put_u64(writer, head->base.time);
    cfs_put_u64(writer, head->term);
    cfs_put_u32(writer, head->vote);
    cfs_membership_put(writer, &head->members);
    cfs_put_u64(writer, head->install);
    cfs_put_u64(writer, head->dropped.index);
    cfs_put_u64(writer, head->dropped.term);
}

int cfs_group_head_decode(struct cfs_group_head *head, const uint8_t *data, size_t len)
{
    struct cfs_reader reader = {.data = data, .len = len};

    *head = (struct cfs_group_head){0};
    cfs_get_enum(&reader, CFS_GROUP_HEAD_VERSION, CFS_GROUP_HEAD_VERSION);
    head->base.index = cfs_get_u64(&reader);
    head->base.term = cfs_get_u64(&reader);
    head->base.time = cfs_get_u64(&reader);
    head->term = cfs_get_u64(&reader);
    head->vote = cfs_get_u32(&reader);
    cfs_membership_get(&reader, &head->members);
    head->install = cfs_get_u64(&reader);
    head->dropped.index = cfs_get_u64(&reader);
    head->dropped.term = cfs_get_u64(&reader);
    return cfs_reader_whole(&reader) ? 0 : -1;
}
