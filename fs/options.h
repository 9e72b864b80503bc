/* The command line: which command, on which directory, with which settings. */
#ifndef CFS_FS_OPTIONS_H
#define CFS_FS_OPTIONS_H

#include "coordfs/backup.h"
#include "coordfs/config.h"
#include "coordfs/member.h"
#include "coordfs/queue_command.h"
#include "coordfs/value_command.h"

enum cfs_command {
    CFS_COMMAND_MOUNT,
    CFS_COMMAND_UMOUNT,
    CFS_COMMAND_MEMBER,
    CFS_COMMAND_QUEUE,
    CFS_COMMAND_VALUE,
    CFS_COMMAND_BACKUP,
    CFS_COMMAND_RESTORE,
    CFS_COMMAND_HELP,
    CFS_COMMAND_VERSION
};

struct cfs_options {
    enum cfs_command command;
    char *directory;          /* as given; MOUNT and UMOUNT */
    bool lazy;                /* UMOUNT */
    struct cfs_config config; /* MOUNT, RESTORE: complete and checked; else at least the secret,
                                 where there is a cluster to ask */
    struct cfs_member_command member; /* MEMBER; its words are those of the command line */
    struct cfs_queue_command queue;   /* QUEUE; likewise, as those below */
    struct cfs_value_command value;   /* VALUE */
    struct cfs_backup_command backup;
    struct cfs_restore_command restore;
    char *mount_options; /* MOUNT: what is not ours, for mount(8); "" if none */
};

/* Reads the command line: the file that config= names first, then the other options in their order.
 * 0, or -1 with a sentence in `why` that names what is wrong and says what to do. */
int cfs_options_parse(struct cfs_options *options, int argc, char **argv, char *why, size_t size);
void cfs_options_close(struct cfs_options *options);

/* What --help prints before and after the settings of cfs_config_help. */
extern const char cfs_options_usage[];
extern const char cfs_options_notes[];

#endif
