/* splitmix64 (Steele, Lea, Flood 2014): any two seeds give unrelated streams. */
#include "random.h"

static uint64_t scramble(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

struct sim_random sim_random_stream(uint64_t seed, uint64_t number)
{
    return (struct sim_random){scramble(seed * 0x9e3779b97f4a7c15u + 1) ^ scramble(number + 1)};
}

uint64_t sim_random_next(struct sim_random *random)
{
    return scramble(random->state += 0x9e3779b97f4a7c15u);
}

uint64_t sim_random_below(struct sim_random *random, uint64_t bound)
{
    uint64_t number = sim_random_next(random);

    return bound ? number % bound : 0;
}

uint64_t sim_random_between(struct sim_random *random, uint64_t low, uint64_t high)
{
    return high > low ? low + sim_random_below(random, high - low + 1) : low;
}

bool sim_random_chance(struct sim_random *random, uint32_t permille)
{
    return permille && sim_random_below(random, 1000) < permille;
}

uint32_t sim_random_weighted(struct sim_random *random, const uint32_t *weights, uint32_t count)
{
    uint64_t sum = 0, at;
    uint32_t i = 0;

    for (uint32_t k = 0; k < count; k++)
        sum += weights[k];
    if (!sum)
        return count;
    at = sim_random_below(random, sum);
    while (at >= weights[i])
        at -= weights[i++];
    return i;
}
