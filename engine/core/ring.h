/* Placement by consistent hashing: name -> group -> nodes in order of preference.
 *
 * Each node stands on a ring of 64-bit positions at CFS_RING_POINTS points per unit of its weight;
 * a group stands at one position, and prefers the nodes in the order in which their points follow.
 * So a node that comes takes its share from all others, one that goes leaves its share to all
 * others, and nothing else moves.
 *
 * Placement is on disk, and all nodes have to agree on it: the hash, its salts, the points per
 * weight and the order of points are for ever (tests/unit/test_ring.c has golden values). A node's
 * weight counts as such, not as a ratio: when all weights double, some groups move. */
#ifndef CFS_CORE_RING_H
#define CFS_CORE_RING_H

#include "coordfs/limits.h"
#include "coordfs/types.h"

/* How many more groups than its fair share the busiest of five nodes of weight 1 leads, as the mean
 * over 2000 sets of nodes; of 16 groups somebody has to lead 4, which is 1.25 times the share:
 *
 *     points per node     16 groups   64 groups   256 groups   4096 groups
 *           8                1.77        1.62         1.46         1.43
 *          16                1.69        1.52         1.35         1.30
 *          32                1.65        1.43         1.28         1.22
 *          64                1.69        1.38         1.23         1.15
 *         256                1.80        1.34         1.18         1.08
 *
 * More than 64 buys little: with few groups it is their own small number that is uneven. Where the
 * nodes are 1 to N, as in most clusters, the salt of the groups was chosen to be lucky (ring.c):
 * nodes 1 to 5 lead 16, 64 and 256 groups at 1.25, 1.09 and 1.21 times the share. */
#define CFS_RING_POINTS 64u

struct cfs_ring_node {
    cfs_node_id node;
    uint32_t weight; /* up to CFS_WEIGHT_MAX; 0: a member that gets nothing */
};

struct cfs_ring_point {
    uint64_t at;
    cfs_node_id node;
};

struct cfs_ring {
    struct cfs_ring_point *points; /* ascending */
    uint32_t point_count;
    uint32_t node_count; /* of those with points */
};

/* The same nodes in another order make the same ring. 0, or -1 with nothing to close: a node id out
 * of range or there twice, or a weight that is too large. Cost: a sort of all points, some 50 ms
 * for 63 nodes of weight 100. */
int cfs_ring_init(struct cfs_ring *ring, const struct cfs_ring_node *nodes, uint32_t count);
void cfs_ring_close(struct cfs_ring *ring);

/* The group of `name`, which is any bytes: 1 to `groups`, which is not 0. */
cfs_group_id cfs_ring_group_of(const void *name, size_t len, uint32_t groups);

/* Fills `out` with up to `max` different nodes, the most preferred first; returns how many: fewer
 * when the ring has fewer. */
uint32_t cfs_ring_preference(const struct cfs_ring *ring, cfs_group_id group, cfs_node_id *out,
                             uint32_t max);

#endif
