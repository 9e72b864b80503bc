/* The files of a node as far as the cache goes: what the kernel was told, with the share under
 * which it may keep it. A copy is good as long as the kernel's own timer runs, which was set when
 * it was told and goes on while the daemon stands still; after that as long as the core says so. */
#ifndef SIM_FILES_H
#define SIM_FILES_H

#include "coordfs/request.h"
#include "swarm.h"

struct sim;
struct sim_node;

#define SIM_COPIES_MAX 64u /* that a kernel keeps; the oldest makes room */

/* What is in a file: so many slots of eight bytes, each with the number of the change that it comes
 * from; 0: nobody has written there. */
struct sim_value {
    uint32_t count;
    uint32_t slots[SIM_SLOTS_MAX];
};

/* What a reading says. */
struct sim_seen {
    cfs_ino ino;                          /* a name: whose it is; 0: there is none */
    uint64_t version;                     /* of the attributes, the listing, or the contents */
    uint32_t perm, nlink;                 /* attributes */
    cfs_ino parent;                       /* attributes */
    cfs_ino entries[SIM_CACHE_NAMES_MAX]; /* a listing: by name; 0: it is not there */
    struct sim_value value;               /* contents */
};

enum sim_cached_kind { SIM_COPY_NAME, SIM_COPY_NODE, SIM_COPY_LIST, SIM_COPY_CONTENT };

struct sim_cached {
    enum sim_cached_kind kind;
    cfs_ino ino;   /* of a name: its directory */
    uint32_t name; /* of a name; else 0 */
    struct cfs_cache_share share;
    cfs_time until; /* by the node's clock: the kernel's timer */
    bool leaving;   /* it is being given up: the timer is not set again */
    struct sim_seen seen;
};

struct sim_giving_up; /* a recall or lapse that is under way */

struct sim_files {
    struct sim_cached copies[SIM_COPIES_MAX];
    uint32_t count;
    struct sim_giving_up *works; /* list */
};

void sim_files_close(struct sim_node *node);

/* The copy, if it may be read now; NULL: the home has to be asked, if the daemon runs. */
const struct sim_cached *sim_files_find(struct sim *sim, struct sim_node *node,
                                        enum sim_cached_kind kind, cfs_ino ino, uint32_t name);

/* What was answered under `share` is kept, if it may be. */
void sim_files_keep(struct sim *sim, struct sim_node *node, enum sim_cached_kind kind, cfs_ino ino,
                    uint32_t name, const struct cfs_cache_share *share,
                    const struct sim_seen *seen);

/* The mount is gone. */
void sim_files_forget_all(struct sim_node *node);

/* A change of the node's own begins, or has ended: what it touches is kept no longer. */
void sim_files_change(struct sim_node *node, const struct cfs_request *request);
void sim_files_drop(struct sim_node *node, enum sim_cached_kind kind, cfs_ino ino, uint32_t name);

/* CFS_FX_RECALL and CFS_FX_LAPSE. Taking something back from a kernel takes time. */
void sim_files_recall(struct sim *sim, struct sim_node *node,
                      const struct cfs_cache_recall *recall);
void sim_files_lapse(struct sim *sim, struct sim_node *node, const struct cfs_cache_share *lapse);

/* Names are few: by number. */
const char *sim_cache_name(uint32_t name);
uint32_t sim_cache_name_number(const char *name); /* SIM_CACHE_NAMES_MAX: none of them */

#endif
