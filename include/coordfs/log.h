/* One line to stderr or syslog(3). Safe from any thread. */
#ifndef COORDFS_LOG_H
#define COORDFS_LOG_H

#include "coordfs/config.h"

void cfs_log_open(enum cfs_log_level level, bool use_syslog);

/* Whether a line of `level` would be written: to spare making it. */
bool cfs_log_wants(enum cfs_log_level level);

void cfs_log(enum cfs_log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
