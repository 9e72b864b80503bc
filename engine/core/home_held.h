/* Answers that wait for pieces from the disk: what home_bodies.c and home_contents.c, which fill
 * them in, have in common. */
#ifndef CFS_CORE_HOME_HELD_H
#define CFS_CORE_HOME_HELD_H

#include "core/alloc.h"
#include "core/home.h"

#include <uthash.h>

struct cfs_held_key {
    uint64_t to, node, session, sequence; /* to: enum cfs_answer_to */
};

/* The first member of what is held. */
struct cfs_held {
    struct cfs_held_key key;
    uint64_t read; /* id of the effect */
    /* The pieces that are there: answers, and ends or orders another reading. */
    void (*came)(struct cfs_home *home, struct cfs_held *held, struct cfs_reader *pieces);
    void (*free)(struct cfs_held *held); /* what it is a part of */
    UT_hash_handle hh, hh_read;
};

/* A resend of what is being read for adds nothing. */
bool cfs_home_held_is(const struct cfs_home *home, const struct cfs_held_key *key);

/* Key and functions are filled in. */
void cfs_home_held_add(struct cfs_home *home, struct cfs_held *held);

/* Orders a reading, in place of the one before; the caller puts the keys, each with its length
 * first. */
struct cfs_writer *cfs_home_held_read(struct cfs_home *home, struct cfs_held *held);

void cfs_home_held_end(struct cfs_home *home, struct cfs_held *held);

#endif
