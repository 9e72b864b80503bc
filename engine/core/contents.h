/* What is in the files of the cache: state of each group that inode numbers fall to. A content is a
 * sequence of extents, pieces of what was once written, which never change; bytes that no extent
 * covers are 0. After a checkpoint the extents' bytes are on the disk alone. */
#ifndef CFS_CORE_CONTENTS_H
#define CFS_CORE_CONTENTS_H

#include "coordfs/request.h"
#include "core/entry.h"
#include "core/lock_table.h"
#include "core/piece.h"

struct cfs_contents;

struct cfs_contents *cfs_contents_new(void);
void cfs_contents_free(struct cfs_contents *contents);

/* As cfs_queues_set_source: the entry whose bytes the data of the next change are in. */
void cfs_contents_set_source(struct cfs_contents *contents, struct cfs_entry *entry);

/* Applies CACHE_PUT, TOUCH, XATTR, DROP; fills in the answer: error, and but for DROP the version
 * from now on (id) and before (token), and cache.content, also when it is refused. */
void cfs_contents_apply(struct cfs_contents *contents, struct cfs_moment moment,
                        const struct cfs_request *request, struct cfs_answer *answer);

/* What such a change or reading would be told now if it is to fail; else CFS_OK. */
enum cfs_error cfs_contents_refusal(const struct cfs_contents *contents,
                                    const struct cfs_request *request);

/* The content's part of an inode; all zeros when nothing was ever changed. */
struct cfs_content_info cfs_contents_info(const struct cfs_contents *contents, cfs_ino ino);

/* Whether the file's contents were dropped, not long ago: reads are STALE. */
bool cfs_contents_dropped(const struct cfs_contents *contents, cfs_ino ino);

/* One stretch of what a reading covers, in order and without gaps between them. */
struct cfs_stretch {
    uint64_t extent;    /* whose bytes these are: when `data` is NULL, to be read as a piece of that
                           number; 0: zeros */
    uint32_t from, len; /* in the extent */
    const uint8_t *data; /* borrowed until the next change; NULL: on the disk, or zeros */
};

/* The bytes from `offset` on, `len` at most and no more than there are: malloc'd, `count` of them.
 */
struct cfs_stretch *cfs_contents_read(const struct cfs_contents *contents, cfs_ino ino,
                                      uint64_t offset, uint32_t len, uint32_t *count);

/* CACHE_XATTRS. Borrowed until the next change. */
void cfs_contents_xattrs(const struct cfs_contents *contents, cfs_ino ino,
                         struct cfs_answer *answer);

/* Whether there is such an extent. */
bool cfs_contents_have(const struct cfs_contents *contents, uint64_t extent);

/* Contents, and bytes of them, in all. */
uint64_t cfs_contents_count(const struct cfs_contents *contents);
uint64_t cfs_contents_bytes(const struct cfs_contents *contents);

/* As those of queues (queue.h). */
void cfs_contents_save(struct cfs_contents *contents, struct cfs_writer *pieces);
void cfs_contents_saved(struct cfs_contents *contents);
int cfs_contents_load(struct cfs_contents *contents, const struct cfs_piece *piece);
bool cfs_contents_loaded(struct cfs_contents *contents);
uint64_t cfs_contents_digest(const struct cfs_contents *contents);

/* Small extents become larger ones, which only this replica needs to know of. After a save: puts
 * the keys of pieces that are to be read for it, each with its length first; there may be none.
 * False: nothing is left to do until the next save. Then what is there of them. */
bool cfs_contents_compact_next(struct cfs_contents *contents, struct cfs_writer *keys);
void cfs_contents_compact(struct cfs_contents *contents, const uint8_t *data, size_t len);

#endif
