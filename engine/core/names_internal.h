/* How the tree of the cache keeps its state; shared by the files names*.c and by nobody else.
 *
 * There are no hard links, so an inode and its name are one record. It is in one of two trees: its
 * directory's, in the order of names, or, when it has lost its name, that of the orphans, in the
 * order in which they lost theirs. Only the root is in none. Between two calls from outside:
 *   - who climbs from a directory that has a name comes to the root;
 *   - an orphan has no names in it, and gets none.
 *
 * Each change has a number, larger than all before: the index of its log entry plus CFS_CACHE_ROOT,
 * unless a cluster restored from a backup has given out larger ones (cfs_names_renew). It is the
 * number of the inode that the change makes, the version of those it changes, and the place of the
 * orphan it makes. */
#ifndef CFS_CORE_NAMES_INTERNAL_H
#define CFS_CORE_NAMES_INTERNAL_H

#include <assert.h>

#include "core/alloc.h"
#include "core/codec.h"
#include "core/id_table.h"
#include "core/names.h"
#include "core/tree.h"

#define CFS_PERM_MASK 07777u

struct cfs_inode {
    struct cfs_id_item item;       /* its number */
    struct cfs_inode *prev, *next; /* in the list of all */
    struct cfs_id_item by_name;    /* the hash of its directory and name */
    struct cfs_inode *same;        /* the next one with that hash */
    struct cfs_tree_node node;     /* in its directory, or among the orphans */
    struct cfs_inode *parent;      /* NULL: the root, or an orphan */
    char *name;                    /* owned; NULL likewise */
    uint64_t orphaned;             /* the number of the change that took its name; 0: none did */
    cfs_time since;                /* of an orphan: when that was, group time */
    cfs_wall_time mtime, atime, ctime;
    uint64_t version;
    uint32_t uid, gid;
    uint16_t perm;
    uint8_t type; /* enum cfs_inode_type */
    bool saved;   /* it is in the last save, or in one before */
    bool changed; /* since the last save */
    bool rooted;  /* found to be below the root while it was loaded; of no account later */
    union {
        struct { /* of a directory */
            struct cfs_tree_node *entries;
            uint32_t entry_count, directory_count;
        };
        struct {          /* of a symlink */
            char *target; /* owned; no NUL */
            uint32_t target_len;
        };
    };
};
static_assert(sizeof(struct cfs_inode) <= 184, "a million files are 240 MB, no more");

/* An inode that was loaded, and the number of the directory it belongs to. */
struct cfs_inode_link {
    struct cfs_inode *inode;
    cfs_ino parent;
};

struct cfs_names {
    uint64_t last;       /* the number of the newest change; no inode has a larger one */
    uint64_t saved_last; /* as the last save has it */
    struct cfs_id_table inodes;
    struct cfs_id_table by_name; /* the first of those that have the same hash */
    struct cfs_inode *all;       /* list, the root first */
    struct cfs_inode *root;
    struct cfs_tree_node *orphans;
    struct cfs_inode_link *links; /* until cfs_names_loaded */
    size_t link_count, link_capacity;
    struct { /* what the next save has to say */
        cfs_ino *inodes;
        size_t count, capacity;
        struct cfs_writer gone; /* pieces: what was saved and is no more */
    } changes;
};

/* names_inode.c: records. */
struct cfs_inode *cfs_inode_find(const struct cfs_names *names, cfs_ino ino);
/* In no tree, times and all zero. */
struct cfs_inode *cfs_inode_new(struct cfs_names *names, cfs_ino ino, enum cfs_inode_type type);
/* The end of one that is in no tree. */
void cfs_inode_drop(struct cfs_names *names, struct cfs_inode *inode);
/* NULL: there is no such name. */
struct cfs_inode *cfs_inode_in(const struct cfs_names *names, const struct cfs_inode *directory,
                               const char *name);
/* Into a directory, where the name is free, and out of it: then it is in no tree. */
void cfs_inode_link(struct cfs_names *names, struct cfs_inode *directory, const char *name,
                    struct cfs_inode *inode);
void cfs_inode_unlink(struct cfs_names *names, struct cfs_inode *inode);
/* Among the orphans, and out of them. */
void cfs_inode_orphan(struct cfs_names *names, struct cfs_inode *inode, uint64_t number,
                      cfs_time since);
void cfs_inode_adopt(struct cfs_names *names, struct cfs_inode *inode);
/* The first orphan behind place `number`, or NULL; and the one that is there. */
struct cfs_inode *cfs_inode_orphan_behind(const struct cfs_names *names, uint64_t number);
struct cfs_inode *cfs_inode_orphan_at(const struct cfs_names *names, uint64_t number);
struct cfs_inode_info cfs_inode_info(const struct cfs_inode *inode);
struct cfs_inode *cfs_inode_of(struct cfs_tree_node *node);
int cfs_inode_compare_names(const void *name, const struct cfs_tree_node *node);
/* Whether `inode` is `directory`, or above it. */
bool cfs_inode_is_above(const struct cfs_inode *inode, const struct cfs_inode *directory);

/* names_index.c: who has a name in a directory; parent and name stay as they are until it is taken
 * out again. */
void cfs_names_index_add(struct cfs_names *names, struct cfs_inode *inode);
void cfs_names_index_remove(struct cfs_names *names, struct cfs_inode *inode);

/* names_rules.c: what a change comes to. */
struct cfs_names_plan {
    enum cfs_error error;                 /* then nothing else counts */
    bool idle;                            /* all is as it should be: nothing changes */
    struct cfs_inode *parent, *to_parent; /* directories whose names change; to_parent: RENAME */
    struct cfs_inode *inode;              /* that is there and meant; MAKE: idle alone */
    struct cfs_inode *other;              /* RENAME: what has the name `to` */
};
struct cfs_names_plan cfs_names_plan(const struct cfs_names *names,
                                     const struct cfs_request *request);

/* names_state.c: notes for the next save. */
void cfs_inode_changed(struct cfs_names *names, struct cfs_inode *inode);
void cfs_inode_gone(struct cfs_names *names, const struct cfs_inode *inode);

#endif
