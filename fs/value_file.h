/* `coordfs put` and `coordfs get` of a path in a mount: through the files, as any program. */
#ifndef CFS_FS_VALUE_FILE_H
#define CFS_FS_VALUE_FILE_H

#include "coordfs/value_command.h"

/* As cfs_value_run; the permissions are those of who calls, and no secret is needed. */
int cfs_value_file_run(const struct cfs_value_command *command);

#endif
