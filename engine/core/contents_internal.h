/* How the contents keep their state; shared by the files contents*.c and by nobody else.
 *
 * A content is a map: stretches in the order of their offsets, none over another, each a range of
 * one extent's bytes. An extent's number is the index of the entry that brought its first bytes, so
 * no two have the same, and none is used again. As long as it is not saved it may grow at its end;
 * from then on it never changes. It is there as long as a stretch shows a part of it.
 *
 * How bytes are divided into extents is each replica's own affair: small neighbours become one
 * where they meet in memory, and which of them are in memory depends on when a replica saves; those
 * that are on the disk are put together after a save (contents_compact.c). What is read is the same
 * everywhere. */
#ifndef CFS_CORE_CONTENTS_INTERNAL_H
#define CFS_CORE_CONTENTS_INTERNAL_H

#include <assert.h>

#include "core/alloc.h"
#include "core/codec.h"
#include "core/contents.h"
#include "core/id_table.h"

#include <utlist.h>

/* To that many bytes an extent grows by what is written behind it. */
#define CFS_EXTENT_GROWN_MAX 65536u

/* For how long, and of how many files, a group remembers that they were dropped. */
#define CFS_DROPPED_TIME CFS_SECONDS(3600)
#define CFS_DROPPED_MAX 65536u

/* The second byte of a piece CFS_PIECE_CONTENT: what it says. */
enum { CFS_CONTENT_FILE = 1, CFS_CONTENT_DROPPED };

struct cfs_extent {
    struct cfs_id_item item; /* its number */
    uint32_t len, capacity;  /* capacity: of `own` */
    uint32_t uses;           /* stretches that show it */
    bool saved;              /* it is in the last save, or in one before */
    bool wanted;             /* within one step: its bytes are asked for already */
    const uint8_t *data;     /* NULL: on the disk alone */
    struct cfs_entry *entry; /* a reference: where data are, unless in `own` */
    uint8_t *own;
};

struct cfs_content_stretch {
    uint64_t offset; /* in the file */
    uint32_t from, len;
    struct cfs_extent *extent;
};

struct cfs_content {
    struct cfs_id_item item; /* its inode */
    struct cfs_content_info info;
    cfs_wall_time written; /* the largest mtime that a change of the bytes gave */
    struct cfs_content_stretch *map;
    size_t count, capacity;
    uint8_t *xattrs; /* owned; as CACHE_XATTRS answers them */
    uint32_t xattrs_len;
    bool saved, changed;
    bool noted;                                      /* for compaction */
    struct cfs_content *changed_prev, *changed_next; /* since the last save */
};

/* What is left of a file that was dropped. */
struct cfs_dropped {
    struct cfs_id_item item; /* its inode */
    uint64_t index;          /* of the change; their order */
    cfs_time since;          /* group time */
    bool saved;
    struct cfs_dropped *prev, *next;
    struct cfs_dropped *unsaved_prev, *unsaved_next;
};

/* contents_compact.c */
struct cfs_compaction {
    cfs_ino *noted; /* files that may be worth it */
    size_t count, capacity;
    cfs_ino ino;   /* which is gone through; 0: none */
    uint64_t at;   /* where in it */
    bool reading;  /* what is there is being read */
    uint32_t left; /* blocks until the next save */
};

/* In the number of an extent that was made of others. */
#define CFS_EXTENT_COMPACTED ((uint64_t)1 << 63)

struct cfs_contents {
    struct cfs_entry *source; /* cfs_contents_set_source */
    struct cfs_id_table by_ino, extents, dropped;
    struct cfs_dropped *oldest_dropped; /* list, oldest first */
    uint64_t bytes;                     /* sizes of all contents */
    uint64_t compacted;                 /* number of the newest extent that was made of others */
    struct cfs_compaction compaction;
    struct { /* what the next save has to say */
        struct cfs_content *contents;
        struct cfs_dropped *dropped;
        struct cfs_writer gone; /* pieces: what was saved and is no more */
    } changes;
    struct { /* extents of the last save: to be forgotten when it is durable */
        uint64_t *items;
        size_t count, capacity;
    } said;
};

/* contents.c */
struct cfs_content *cfs_content_find(const struct cfs_contents *contents, cfs_ino ino);
struct cfs_content *cfs_content_new(struct cfs_contents *contents, cfs_ino ino);
void cfs_content_set_size(struct cfs_contents *contents, struct cfs_content *content,
                          uint64_t size);

/* contents_map.c: which bytes are where. */
/* A new extent, shown nowhere yet. */
struct cfs_extent *cfs_extent_new(struct cfs_contents *contents, uint64_t number, uint32_t len);
/* Bytes come to `offset`, whatever was there. `number`: of the extent that they may become. */
void cfs_content_write(struct cfs_contents *contents, struct cfs_content *content, uint64_t offset,
                       const uint8_t *data, uint32_t len, uint64_t number);
/* The same of bytes that are given up, malloc'd, in an extent of their own. */
void cfs_content_take(struct cfs_contents *contents, struct cfs_content *content, uint64_t offset,
                      uint8_t *data, uint32_t len, uint64_t number);
/* The first stretch that ends behind `offset`, by its place in the map. */
size_t cfs_content_stretch_at(const struct cfs_content *content, uint64_t offset);
/* Nothing is shown from `offset` to `end` any more. */
void cfs_content_clear(struct cfs_contents *contents, struct cfs_content *content, uint64_t offset,
                       uint64_t end);
/* At the end of the map, where nothing is shown yet. */
void cfs_content_show(struct cfs_content *content, struct cfs_content_stretch stretch);
/* The extent's bytes are on the disk, and not in memory any more. */
void cfs_extent_forget(struct cfs_extent *extent);

/* contents_compact.c: a file is saved; and then all of them were. */
void cfs_content_note_crowd(struct cfs_contents *contents, struct cfs_content *content);
void cfs_contents_allow_compaction(struct cfs_contents *contents);

/* contents_put.c: changes of the bytes. */
enum cfs_error cfs_content_put_refusal(const struct cfs_content *content,
                                       const struct cfs_cache_put *put);
void cfs_content_put(struct cfs_contents *contents, struct cfs_content *content,
                     struct cfs_moment moment, const struct cfs_cache_put *put);
/* `wall`, but behind `before`. */
cfs_wall_time cfs_content_time(cfs_wall_time wall, cfs_wall_time before);

/* contents_xattr.c */
enum cfs_error cfs_content_xattr_refusal(const struct cfs_content *content, const char *name,
                                         const struct cfs_cache_xattr *xattr);
void cfs_content_xattr(struct cfs_content *content, const char *name,
                       const struct cfs_cache_xattr *xattr);

/* contents_dropped.c: files that are gone for good. */
struct cfs_dropped *cfs_dropped_find(const struct cfs_contents *contents, cfs_ino ino);
struct cfs_dropped *cfs_dropped_add(struct cfs_contents *contents, cfs_ino ino, uint64_t index,
                                    cfs_time since);
/* Forgets those whose time is over. */
void cfs_dropped_tidy(struct cfs_contents *contents, cfs_time now);
void cfs_dropped_free(struct cfs_contents *contents);

/* contents_state.c: what changed since the last save. */
void cfs_content_changed(struct cfs_contents *contents, struct cfs_content *content);
void cfs_content_gone(struct cfs_contents *contents, struct cfs_content *content);
void cfs_extent_gone(struct cfs_contents *contents, const struct cfs_extent *extent);
void cfs_dropped_new(struct cfs_contents *contents, struct cfs_dropped *dropped);
void cfs_dropped_gone(struct cfs_contents *contents, struct cfs_dropped *dropped);

#endif
