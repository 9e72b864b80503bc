/* A cluster whose members may have forgotten what they promised elects nobody rather than forget
 * for good. From outside that looks like a network that is broken: so it is said. */
#ifndef CFS_IO_LEADERLESS_H
#define CFS_IO_LEADERLESS_H

#include "core/node_core.h"

#define CFS_LEADERLESS_BYTES 1024u

/* Zeroed memory has seen nothing yet. */
struct cfs_leaderless {
    cfs_time since; /* that there is no leader; 0: there is one */
    cfs_time said;  /* 0: not yet */
};

/* To be called about each second. True: nobody has led for some seconds, memory is the reason or
 * one of them, and it is time to say the sentence (again). */
bool cfs_leaderless_look(struct cfs_leaderless *leaderless, const struct cfs_core_view *view,
                         cfs_time now, char sentence[CFS_LEADERLESS_BYTES]);

/* "none", "torn", "blank". */
const char *cfs_amnesia_word(enum cfs_amnesia amnesia);

#endif
