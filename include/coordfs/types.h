/* The vocabulary shared by files and engine: identities, times and their units. */
#ifndef COORDFS_TYPES_H
#define COORDFS_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Microseconds of the node's CLOCK_BOOTTIME: all leases and timeouts. It goes on during suspend. */
typedef uint64_t cfs_time;

#define CFS_MS(n) ((cfs_time)(n) * 1000u)
#define CFS_SECONDS(n) ((cfs_time)(n) * 1000000u)
#define CFS_NEVER UINT64_MAX

static inline cfs_time cfs_earlier(cfs_time a, cfs_time b)
{
    return a < b ? a : b;
}

static inline cfs_time cfs_later(cfs_time a, cfs_time b)
{
    return a > b ? a : b;
}

/* Microseconds since the epoch, as the leader's clock had it: for people. All that is decided by it
 * is when in its period a heartbeat goes out. */
typedef uint64_t cfs_wall_time;

typedef uint32_t cfs_node_id;    /* 1 and up; 0 means none */
typedef uint32_t cfs_group_id;   /* 0 is the group of members, sessions and locks */
typedef uint64_t cfs_session_id; /* the log index of the command that opened it; 0 means none */
typedef uint64_t cfs_token;      /* fencing token: grows with every acquisition; 0 means none */

/* A process on its node. The start time (clock ticks since boot, proc(5) stat field 22) tells a
 * recycled pid from its predecessor. pid 0: unknown, equal to no process, not even itself. */
struct cfs_process {
    uint32_t pid;
    uint64_t start;
};

#endif
