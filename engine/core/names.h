/* The tree of the cache: directories, names, inodes; state of the names group. Pure: the same
 * changes in the same order give the same tree on every replica. Contents are elsewhere
 * (contents.h); a file that lost its name stays as an orphan until its contents are collected. */
#ifndef CFS_CORE_NAMES_H
#define CFS_CORE_NAMES_H

#include "coordfs/request.h"
#include "core/lock_table.h"
#include "core/piece.h"

/* How long a file that has no name any more can be read, of group time. */
#define CFS_ORPHAN_TIME CFS_SECONDS(60)

struct cfs_names;

struct cfs_names *cfs_names_new(void);
void cfs_names_free(struct cfs_names *names);

/* Applies CACHE_MAKE, REMOVE, RENAME, SETNODE, FORGET; fills in the answer, which is zeroed: error,
 * id, token, and of MAKE and SETNODE cache.inode.
 *
 * Each change has a number, which is the inode number it gives out and the version of all that it
 * changes: the index of its entry plus CFS_CACHE_ROOT; or one more than the number before, where
 * that is larger: in a cluster restored from a backup, whose entries are counted anew. */
void cfs_names_apply(struct cfs_names *names, struct cfs_moment moment,
                     const struct cfs_request *request, struct cfs_answer *answer);

/* What a change that is CFS_OK for now would be told; else the error it would end in: nothing needs
 * to be recalled for it. */
enum cfs_error cfs_names_refusal(const struct cfs_names *names, const struct cfs_request *request);

/* What nodes have to give up before such a change may be answered; how many items. It is good until
 * the next change to one of the inodes named in it. */
uint32_t cfs_names_touched(const struct cfs_names *names, const struct cfs_request *request,
                           struct cfs_cache_recall_item out[CFS_RECALL_ITEMS_MAX]);

bool cfs_names_is_directory(const struct cfs_names *names, cfs_ino ino);

/* Answers CACHE_LOOKUP, NODE, LIST (cache.inode: the directory). malloc'd: what the answer's
 * pointers need beside the tree itself, from which they are borrowed until the next change. */
void *cfs_names_read(const struct cfs_names *names, enum cfs_op op, const char *name,
                     const struct cfs_cache_read *read, struct cfs_answer *answer);

/* The first orphan behind `after`, in the order in which they lost their names, if it has been one
 * for CFS_ORPHAN_TIME at group time `now`; 0: none. Everything that loses its name is one until it
 * is forgotten. The first of all when `after` is none (any more). */
cfs_ino cfs_names_next_orphan(const struct cfs_names *names, cfs_ino after, cfs_time now);

/* Inodes in all, the root included. */
uint64_t cfs_names_count(const struct cfs_names *names);

/* As those of queues (queue.h). */
void cfs_names_save(struct cfs_names *names, struct cfs_writer *pieces);
void cfs_names_renew(struct cfs_names *names, uint64_t clock);
int cfs_names_load(struct cfs_names *names, const struct cfs_piece *piece);
bool cfs_names_loaded(struct cfs_names *names);
uint64_t cfs_names_digest(const struct cfs_names *names);

#endif
