/* The steps 1, 2.5, 5 of each decade are those of Prometheus' own clients: fine enough for an
 * estimate within a third, few enough to be scraped by the thousand. */
#include "io/histogram.h"

#include <assert.h>

static const uint64_t bounds[CFS_HISTOGRAM_BOUNDS] = {
    50,    100,    250,    500,    1000,    2500,    5000,    10000,    25000,
    50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000,
};

uint64_t cfs_histogram_bound(uint32_t i)
{
    assert(i < CFS_HISTOGRAM_BOUNDS);
    return bounds[i];
}

void cfs_histogram_add(struct cfs_histogram *histogram, uint64_t us)
{
    uint32_t i = 0;

    while (i < CFS_HISTOGRAM_BOUNDS && us > bounds[i])
        i++;
    histogram->buckets[i]++;
    histogram->count++;
    histogram->sum_us += us;
}

/* Where in bucket `i` the value of rank `rank` lies, 1 being its smallest. */
static uint64_t interpolate(const struct cfs_histogram *histogram, uint32_t i, uint64_t rank)
{
    uint64_t low = i ? bounds[i - 1] : 0;

    return low +
           (uint64_t)((double)(bounds[i] - low) * (double)rank / (double)histogram->buckets[i]);
}

uint64_t cfs_histogram_quantile(const struct cfs_histogram *histogram, uint32_t permille)
{
    uint64_t rank;

    assert(permille <= 1000);
    if (!histogram->count)
        return 0;
    /* Rounded up, without overflow; the smallest value has rank 1. */
    rank = histogram->count / 1000 * permille + (histogram->count % 1000 * permille + 999) / 1000;
    rank = rank ? rank : 1;
    for (uint32_t i = 0; i < CFS_HISTOGRAM_BOUNDS; i++) {
        if (rank <= histogram->buckets[i])
            return interpolate(histogram, i, rank);
        rank -= histogram->buckets[i];
    }
    return bounds[CFS_HISTOGRAM_BOUNDS - 1];
}
