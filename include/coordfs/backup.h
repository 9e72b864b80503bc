/* `coordfs backup` and `coordfs restore`: what a cluster holds, into a file and back. */
#ifndef COORDFS_BACKUP_H
#define COORDFS_BACKUP_H

#include "coordfs/config.h"

enum cfs_backup_verb {
    CFS_BACKUP_TAKE,    /* of a running cluster */
    CFS_BACKUP_SALVAGE, /* of what the data directory of a stopped node holds */
    CFS_BACKUP_CHECK,   /* whether the file is whole, and what is in it */
};

struct cfs_backup_command {
    enum cfs_backup_verb verb;
    const char *file;
    const char *data; /* SALVAGE */
    const char *url;  /* TAKE: of any node; NULL: the members that the settings are for */
};

#define CFS_RESTORE_FILES_MAX 8u

struct cfs_restore_command {
    const char *files[CFS_RESTORE_FILES_MAX];
    uint32_t file_count; /* 1 and up; of each group the newest state in them counts */
};

/* Does it, and says on stdout and stderr what happens and what to do next. TAKE: the secret is that
 * of `config`. The exit status: 0 when it is done. */
int cfs_backup_run(const struct cfs_backup_command *command, const struct cfs_config *config);

/* Makes the data directory of `config` for its node, the first of a new cluster; the members are
 * the nodes that it is to have. As above. */
int cfs_restore_run(const struct cfs_restore_command *command, const struct cfs_config *config);

#endif
