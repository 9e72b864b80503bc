#include "core/ring.h"

#include <stdlib.h>

#include "core/alloc.h"

/* Of six million salts the one with which nodes 1 to N of equal weight, N from 2 to 7, lead 16, 32,
 * 64, 128 or 256 groups most evenly: none of them more than 1.2 times what the evenest possible
 * distribution would give it, 1.1 times on average. */
#define GROUP_SALT 0x7be3bc72343f89a9u
#define NAME_SALT 0x636f6f7264667331u

static_assert((uint64_t)CFS_NODE_MAX * CFS_WEIGHT_MAX * CFS_RING_POINTS <= UINT32_MAX / 2,
              "points are counted in 32 bits");
static_assert(CFS_NODE_MAX < 64, "nodes are kept in sets of 64 bits");

/* The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): a bijection in which each bit of
 * the input changes each bit of the output with a chance near one half. */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Up to eight bytes, the first the lowest on every machine. */
static uint64_t word_at(const uint8_t *bytes, size_t len)
{
    uint64_t word = 0;

    for (size_t i = 0; i < len && i < 8; i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

/* The length goes in first, so that zeros at the end count. */
static uint64_t hash_bytes(const uint8_t *bytes, size_t len)
{
    uint64_t hash = mix(NAME_SALT ^ len);

    for (size_t i = 0; i < len; i += 8)
        hash = mix(hash ^ word_at(bytes + i, len - i));
    return hash;
}

cfs_group_id cfs_ring_group_of(const void *name, size_t len, uint32_t groups)
{
    assert(groups > 0);
    /* The upper half of the hash as a fraction: as even as a remainder, without the division. */
    return 1 + (cfs_group_id)((hash_bytes(name, len) >> 32) * groups >> 32);
}

static int by_position(const void *a, const void *b)
{
    const struct cfs_ring_point *first = a, *second = b;

    if (first->at != second->at)
        return first->at < second->at ? -1 : 1;
    return (first->node > second->node) - (first->node < second->node);
}

/* How many points all nodes have together; -1 if that list makes no ring. */
static int64_t count_points(const struct cfs_ring_node *nodes, uint32_t count)
{
    uint64_t seen = 0;
    int64_t points = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (nodes[i].node < 1 || nodes[i].node > CFS_NODE_MAX || nodes[i].weight > CFS_WEIGHT_MAX)
            return -1;
        if (seen >> nodes[i].node & 1)
            return -1;
        seen |= (uint64_t)1 << nodes[i].node;
        points += (int64_t)nodes[i].weight * CFS_RING_POINTS;
    }
    return points;
}

static void add_points(struct cfs_ring *ring, const struct cfs_ring_node *node)
{
    uint32_t points = node->weight * CFS_RING_POINTS;

    for (uint32_t i = 0; i < points; i++)
        ring->points[ring->point_count++] =
            (struct cfs_ring_point){mix((uint64_t)node->node << 32 | i), node->node};
    ring->node_count += points > 0;
}

int cfs_ring_init(struct cfs_ring *ring, const struct cfs_ring_node *nodes, uint32_t count)
{
    int64_t points = count_points(nodes, count);

    *ring = (struct cfs_ring){0};
    if (points < 0)
        return -1;
    if (points == 0)
        return 0;
    ring->points = cfs_alloc((size_t)points * sizeof *ring->points);
    for (uint32_t i = 0; i < count; i++)
        add_points(ring, &nodes[i]);
    qsort(ring->points, ring->point_count, sizeof *ring->points, by_position);
    return 0;
}

void cfs_ring_close(struct cfs_ring *ring)
{
    free(ring->points);
    *ring = (struct cfs_ring){0};
}

/* The first point at or after `at`, beyond the last one the first. */
static uint32_t find_point(const struct cfs_ring *ring, uint64_t at)
{
    uint32_t low = 0, high = ring->point_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (ring->points[middle].at < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low == ring->point_count ? 0 : low;
}

uint32_t cfs_ring_preference(const struct cfs_ring *ring, cfs_group_id group, cfs_node_id *out,
                             uint32_t max)
{
    uint32_t wanted = max < ring->node_count ? max : ring->node_count, count = 0;
    uint32_t at = find_point(ring, mix(group ^ GROUP_SALT));
    uint64_t seen = 0;

    while (count < wanted) {
        cfs_node_id node = ring->points[at].node;

        if (!(seen >> node & 1))
            out[count++] = node;
        seen |= (uint64_t)1 << node;
        at = at + 1 == ring->point_count ? 0 : at + 1;
    }
    return count;
}
