/* The file `peers` in the data directory: where the nodes of the cluster were last. A node that
 * starts has to find the others before the log can tell it where they are. */
#ifndef CFS_IO_PEERS_FILE_H
#define CFS_IO_PEERS_FILE_H

#include "coordfs/request.h"

struct cfs_peers {
    struct cfs_node_info nodes[CFS_NODE_MAX]; /* by id */
    uint32_t count;
};

/* NULL when there is none of that id. */
const struct cfs_node_info *cfs_peers_find(const struct cfs_peers *peers, cfs_node_id id);

/* "1@host:port+2@host:port"; malloc'd, the caller frees. */
char *cfs_peers_text(const struct cfs_peers *peers);

/* 1 and the list; 0: there is none, or it is of another cluster, or (after a log line) damaged; -1
 * after a log line: it is of a format that is not known here. */
int cfs_peers_load(const char *dir, uint64_t cluster, struct cfs_peers *peers);

/* Writes lists on a thread of its own: the loop waits for no disk. */
struct cfs_peers_writer;

struct cfs_peers_writer *cfs_peers_writer_new(const char *dir, uint64_t cluster);

/* Replaces the file soon, whole or not at all; what goes wrong is logged. */
void cfs_peers_save(struct cfs_peers_writer *writer, const struct cfs_peers *peers);

/* Waits for what was to be saved. NULL is allowed. */
void cfs_peers_writer_free(struct cfs_peers_writer *writer);

#endif
