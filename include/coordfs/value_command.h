/* `coordfs put` and `coordfs get`: a value of cache/ from a pipeline, and into one. */
#ifndef COORDFS_VALUE_COMMAND_H
#define COORDFS_VALUE_COMMAND_H

#include "coordfs/config.h"

enum cfs_value_verb { CFS_VALUE_PUT, CFS_VALUE_GET };

struct cfs_value_command {
    enum cfs_value_verb verb;
    bool in_mount;          /* `key` is a path in a mount, else one below cache/ of a cluster */
    const char *key;        /* not encoded */
    const char *url;        /* of any node; NULL: the member that the settings are for */
    bool parents;           /* PUT: directories that are not there are made */
    bool if_absent;         /* PUT: only a value that is not there yet */
    const char *if_version; /* PUT: only in place of this one, as GET printed it; NULL: of any */
    bool print_version;     /* GET: instead of the value */
};

/* The exit status where a condition is not met, or there is no value. */
#define CFS_VALUE_NOT_SO 2

/* Asks a cluster: stdin becomes the value, all of it at once, or the value goes to stdout; what is
 * wrong goes to stderr. The secret is that of `config`. The exit status: 0 when it is done, 1 when
 * not, or CFS_VALUE_NOT_SO. */
int cfs_value_run(const struct cfs_value_command *command, const struct cfs_config *config);

/* Says on stderr what is wrong with the key; 1. */
int cfs_value_fail(const struct cfs_value_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* All of stdin, malloc'd, the caller frees. 0, or 1 after a message. */
int cfs_value_read_input(const struct cfs_value_command *command, uint8_t **data, size_t *len);

#endif
