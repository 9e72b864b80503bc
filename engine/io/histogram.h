/* Latencies in microseconds, counted in fixed buckets from 50 us to 10 s: what a Prometheus
 * histogram is made of. Adding costs a short search and no memory; zeroed memory is an empty
 * histogram, and a copy of one is a snapshot. */
#ifndef CFS_IO_HISTOGRAM_H
#define CFS_IO_HISTOGRAM_H

#include "coordfs/types.h"

#define CFS_HISTOGRAM_BOUNDS 17u

struct cfs_histogram {
    uint64_t buckets[CFS_HISTOGRAM_BOUNDS + 1]; /* each counts its own; the last is beyond 10 s */
    uint64_t count, sum_us;
};

/* The largest value that bucket `i` takes, in microseconds; i < CFS_HISTOGRAM_BOUNDS. */
uint64_t cfs_histogram_bound(uint32_t i);

void cfs_histogram_add(struct cfs_histogram *histogram, uint64_t us);

/* An estimate of the value that `permille` of all values do not exceed: within the right bucket,
 * whose values are taken to be spread evenly. Beyond 10 s it says 10 s; 0 when there is none. */
uint64_t cfs_histogram_quantile(const struct cfs_histogram *histogram, uint32_t permille);

#endif
