/* A backup looked through: whether it is whole, and what is in it. */
#ifndef CFS_IO_BACKUP_LOOK_H
#define CFS_IO_BACKUP_LOOK_H

#include "core/group_head.h"
#include "core/piece.h"
#include "io/backup_file.h"

struct cfs_backup_look {
    struct cfs_backup_origin origin;
    uint64_t groups; /* (bits) that are in it */
    struct cfs_backup_group {
        struct cfs_group_head head;
        uint64_t bytes, pieces; /* deletions count, too */
    } group[CFS_GROUPS_MAX + 1];
    uint64_t bytes;
    int64_t kinds[UINT8_MAX + 1]; /* pieces by their tag, about: put less deleted */
    char why[CFS_BACKUP_WHY_BYTES];
};

/* Reads all of it. 0, or -1 and `why`: it cannot be read, is damaged, incomplete, or holds what is
 * of a version that is not known here. */
int cfs_backup_look(struct cfs_backup_look *look, const char *path);

#endif
