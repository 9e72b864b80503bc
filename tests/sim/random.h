/* Chance that can be repeated: splitmix64, one stream for each concern, so that a change in one
 * does not shuffle the others. */
#ifndef SIM_RANDOM_H
#define SIM_RANDOM_H

#include "coordfs/types.h"

struct sim_random {
    uint64_t state;
};

/* The stream `number` of `seed`. */
struct sim_random sim_random_stream(uint64_t seed, uint64_t number);

uint64_t sim_random_next(struct sim_random *random);

/* Below `bound`; 0 for a bound of 0. */
uint64_t sim_random_below(struct sim_random *random, uint64_t bound);

/* From `low` to `high`, both included. */
uint64_t sim_random_between(struct sim_random *random, uint64_t low, uint64_t high);

/* True `permille` times in a thousand. */
bool sim_random_chance(struct sim_random *random, uint32_t permille);

/* An index into `weights`, as likely as its weight says; `count` when all are 0. */
uint32_t sim_random_weighted(struct sim_random *random, const uint32_t *weights, uint32_t count);

#endif
