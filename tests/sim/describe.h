/* Requests as words, for the trace. */
#ifndef SIM_DESCRIBE_H
#define SIM_DESCRIBE_H

#include "core/entry.h"
#include "coordfs/request.h"

void sim_describe_request(char *out, size_t size, const struct cfs_request *request);

/* The command in an entry of the log. */
void sim_describe_entry(char *out, size_t size, const struct cfs_entry *entry);

#endif
