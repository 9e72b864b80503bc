/* What the judges of the cache know of one inode; a part of check_cache.h. */
#ifndef SIM_CHECK_INODE_H
#define SIM_CHECK_INODE_H

#include <uthash.h>

#include "check_cache.h"

/* The largest version that anybody had been told, by the order of being told. */
struct sim_floors {
    struct sim_floor {
        uint64_t order, version;
    } * items;
    size_t count, capacity;
};

/* A name came to be that of `value`, perhaps: at some moment between begin and end. */
struct sim_name_set {
    cfs_ino value;
    bool any;   /* of some inode: nobody knows which */
    bool fresh; /* any: of one that it made itself */
    bool sure;  /* it happened */
    uint64_t begin, end;
};

struct sim_name_check {
    struct sim_name_set *sets;
    size_t count, capacity;
    uint32_t needed_none, made_none; /* changes that found no such name; that leave none, perhaps */
};

/* A version of the contents. */
struct sim_content_version {
    uint64_t version, before; /* before: what it was made of, as far as `put` is known */
    uint32_t put;             /* 0: not known */
    bool has_value;
    struct sim_value value;
};

struct sim_inode_check {
    cfs_ino ino;
    uint64_t made; /* begin of the change that made it; 0: not known */
    struct sim_floors node, content;
    struct sim_seen seen; /* the newest attributes */
    uint64_t orphaned;    /* order of the end of the change that took its name; 0: none has */
    cfs_time lost_at;     /* and its time */
    struct sim_name_check names[SIM_CACHE_NAMES_MAX];
    struct sim_content_version *versions;
    size_t version_count, version_capacity;
    UT_hash_handle hh;
};

struct sim_inode_check *sim_inode_check(struct sim *sim, cfs_ino ino);

/* What had been told by `order`. */
uint64_t sim_floor_at(const struct sim_floors *floors, uint64_t order);
void sim_floor_add(struct sim *sim, struct sim_floors *floors, uint64_t version);

#endif
