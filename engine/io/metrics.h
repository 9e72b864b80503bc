/* The body of GET /metrics, in Prometheus' text format 0.0.4. Times are in seconds there, sizes in
 * bytes; counters begin anew when the node does. What belongs to a Raft group has the label
 * `group`, what belongs to the node has none. */
#ifndef CFS_IO_METRICS_H
#define CFS_IO_METRICS_H

#include "io/status.h"

#define CFS_METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* malloc'd, the caller frees; NULL when there is no memory. */
char *cfs_metrics_text(const struct cfs_status *status);

#endif
