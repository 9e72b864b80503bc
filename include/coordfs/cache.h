/* What may be asked of the cache: a tree of directories, regular files and symlinks, the same on
 * every node.
 *
 * It is kept in two places. One group (the names group) has the tree: directories, names, and of
 * each inode its type, mode and owner. What is in a file is with the group that the file's inode
 * number falls to on the ring (its contents), and comes into being with the first change there.
 *
 * Coherence: an answer that is `shared` may be kept, by the asking node, as long as its share is
 * valid: until a recall of what it is about has come, or the node's lease with that group is over.
 * No change is answered before all other nodes have given up what they share of it, or cannot rely
 * on it any more. What is not shared is right at the time of the question, and not to be kept. */
#ifndef COORDFS_CACHE_H
#define COORDFS_CACHE_H

#include "coordfs/error.h"
#include "coordfs/limits.h"
#include "coordfs/types.h"

typedef uint64_t cfs_ino; /* never used twice; 0: none */

#define CFS_CACHE_ROOT ((cfs_ino)1) /* the directory cache/ itself; always there */

enum cfs_inode_type { CFS_INODE_FILE = 1, CFS_INODE_DIRECTORY = 2, CFS_INODE_SYMLINK = 3 };

/* CACHE_MAKE: `name` in `parent` comes into being. Answers `id`, its inode number. NO_FILE: there
 * is no such parent; FILE_EXISTS when the name is taken, unless it is that of a file, a file is
 * wanted and `exclusive` is not set: then that one is answered. In a directory with the
 * set-group-ID bit its group is taken, and directories get the bit, as in mkdir(2). */
struct cfs_cache_make {
    cfs_ino parent;
    enum cfs_inode_type type;
    bool exclusive;
    uint32_t uid, gid, perm; /* perm: the lower 12 mode bits */
    const uint8_t *target;   /* borrowed; of a symlink */
    uint32_t target_len;     /* 1 to CFS_TARGET_MAX; else 0 */
};

/* CACHE_REMOVE: `name` in `parent` goes; answers `id`, whose name it was. NO_FILE,
 * FILE_IS_DIRECTORY, FILE_NOT_DIRECTORY, DIRECTORY_NOT_EMPTY. NOT_PERMITTED: the directory is
 * sticky and neither it nor the file belongs to `uid`. */
struct cfs_cache_remove {
    cfs_ino parent;
    bool directory; /* what is expected */
    uint32_t uid;
};

/* CACHE_RENAME: `name` in `parent` becomes `to` in `to_parent`; answers `id`, what was moved, and
 * `token`, what lost its name to it (0: nothing). Errors as rename(2) and renameat2(2) have them;
 * LOOP: a directory into itself. */
struct cfs_cache_rename {
    cfs_ino parent, to_parent;
    char to[CFS_NAME_MAX + 1];
    bool no_replace; /* FILE_EXISTS when `to` is taken */
    bool exchange;   /* both names are there before and after */
    uint32_t uid;
};

enum cfs_cache_field {
    CFS_CACHE_PERM = 1,
    CFS_CACHE_UID = 2,
    CFS_CACHE_GID = 4,
    CFS_CACHE_ATIME = 8,
    CFS_CACHE_MTIME = 16,
    CFS_CACHE_ATIME_NOW = 32, /* the leader's clock */
    CFS_CACHE_MTIME_NOW = 64,
};

/* CACHE_SETNODE, to the names group: PERM, UID and GID of any inode, times of directories and
 * symlinks (of a file: INVALID). CACHE_TOUCH, to the contents: times of a file. NO_FILE. The caller
 * has checked whether it may (default_permissions). */
struct cfs_cache_set {
    cfs_ino ino;
    uint32_t fields; /* of enum cfs_cache_field */
    uint32_t perm, uid, gid;
    cfs_wall_time atime, mtime;
};

enum cfs_put_kind {
    CFS_PUT_WRITE = 1, /* at `offset`; a gap before it reads as zeros */
    CFS_PUT_APPEND,    /* at the end, wherever that is by then */
    CFS_PUT_REPLACE,   /* the data are all there is from now on, at offset 0 */
    CFS_PUT_TRUNCATE,  /* the size becomes `offset` */
};

/* CACHE_PUT: changes what is in a file. Answers `id`, its version from now on, and `token`, the one
 * before. To write or append nothing changes nothing. VALUE_TOO_BIG: it ends beyond `max`; STALE:
 * the file's contents have been collected; CHANGED: `expected` is not its version. */
struct cfs_cache_put {
    cfs_ino ino;
    enum cfs_put_kind kind;
    bool laundered;   /* what a mapping wrote: never waits for a recall */
    bool conditional; /* only if `expected` is the version (0: never written) */
    uint64_t expected;
    uint64_t offset;
    uint64_t max;        /* where a change may end: the node's max_value */
    const uint8_t *data; /* borrowed */
    uint32_t len;        /* CFS_PUT_MAX at most */
};

/* CACHE_XATTR: sets or removes the extended attribute `name` of a file or directory; kept with the
 * contents. FILE_EXISTS (create), NO_ATTRIBUTE (replace, remove), ATTRIBUTES_FULL: all of
 * a file's names and values have CFS_XATTRS_MAX bytes, as CACHE_XATTRS answers them. */
struct cfs_cache_xattr {
    cfs_ino ino;
    bool create, replace, remove;
    const uint8_t *value; /* borrowed */
    uint32_t len;
};

/* CACHE_DROP, to the contents: the file has had no name for long; nothing is left but its number.
 * CACHE_FORGET, to the names group: that is done. Both the engine's own, asked again until they are
 * answered. */
struct cfs_cache_drop {
    cfs_ino ino;
};

/* Reads. CACHE_LOOKUP: `name` in directory `ino`; NO_FILE is shared too. CACHE_NODE: `ino` itself.
 * CACHE_LIST: names in directory `ino`, behind `name` ("": all), in the order of bytes, `len` at
 * most (0: a page).
 * CACHE_FETCH: contents of `ino`, its bytes from `offset` on, `len` at most; of a file that was
 * never written version 0. CACHE_XATTRS: all extended attributes, never shared. NO_FILE,
 * FILE_NOT_DIRECTORY, STALE. */
struct cfs_cache_read {
    cfs_ino ino;
    uint64_t offset;
    uint32_t len;   /* CFS_PUT_MAX at most; 0: none; LIST: entries */
    bool patient;   /* FETCH: waits a moment for a change that is about to be logged */
    uint64_t epoch; /* filled in by the engine: of the share that is asked for; 0: none */
};

/* The names group's part of an inode. */
struct cfs_inode_info {
    cfs_ino ino;    /* 0 in an answer: NO_FILE */
    cfs_ino parent; /* of what has a name: its directory; the root: itself; else 0 */
    enum cfs_inode_type type;
    uint32_t uid, gid, perm;
    uint32_t nlink;      /* 0: it has no name any more; a directory: 2 and its subdirectories */
    uint64_t size;       /* a directory: its names; a symlink: bytes of the target; a file: 0 */
    cfs_wall_time mtime; /* a file: when it was made, which holds while it was never written */
    cfs_wall_time atime, ctime;
    uint64_t version; /* grows with each change of any of these */
};

/* The contents' part of a file. Times that are 0 were never set here: the inode's hold. */
struct cfs_content_info {
    uint64_t version; /* grows with each change of the bytes; 0: never written, all of it is 0 */
    uint64_t changed; /* grows with each change of anything here */
    uint64_t size;
    cfs_wall_time mtime; /* differs with each version, unless set */
    cfs_wall_time atime, ctime;
};

/* What allows an answer to be kept. */
struct cfs_cache_share {
    cfs_group_id group;
    uint64_t epoch; /* 0: it may not */
    bool exclusive; /* when it was answered no other node shared any of it */
};

struct cfs_cache_answer {
    struct cfs_cache_share share;
    struct cfs_inode_info inode; /* LOOKUP, NODE; LIST: the directory; MAKE, SETNODE: unless only
                                    `id` is known any more */
    const char *target;          /* of a symlink: NODE, LOOKUP; inode.size bytes, no NUL */
    struct cfs_content_info content; /* FETCH; PUT, TOUCH as inode */
    const uint8_t *data;             /* FETCH; XATTRS: name, NUL, u32 length, value, and so on */
    uint32_t len;
    const struct cfs_inode_info *entries; /* LIST: of each name in `names`, in their order */
    uint32_t entry_count;
};

/* One thing that a node has to give up. With a name: what it keeps of that name in directory `ino`,
 * that it is not there included, and of the directory's attributes and listing; other names stay.
 * Without: all it keeps of `ino`: of the names group attributes, of the contents also bytes. */
struct cfs_cache_recall_item {
    cfs_ino ino;
    char name[CFS_NAME_MAX + 1]; /* "": none */
};

#define CFS_RECALL_ITEMS_MAX 6u

struct cfs_cache_recall {
    uint64_t id; /* for cfs_engine_cache_recalled */
    cfs_group_id group;
    bool contents; /* it comes from the contents' group */
    struct cfs_cache_recall_item items[CFS_RECALL_ITEMS_MAX];
    uint32_t count;
};

#endif
