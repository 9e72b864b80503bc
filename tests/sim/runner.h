/* Many seeds on several processors: each worker is a process of its own, so that a core that aborts
 * or loops ends only the seed it was in. */
#ifndef SIM_RUNNER_H
#define SIM_RUNNER_H

#include "sim.h"

struct sim_batch {
    uint64_t from, count;
    uint32_t jobs;
    bool bare;
    bool twice;          /* run each seed twice: the same has to happen */
    bool first_only;     /* stop at the smallest seed that fails */
    const char *planted; /* for the replay line; NULL: none */
};

struct sim_tally {
    uint64_t seeds, failures, operations, events, messages, checkpoints, installs, torn, replaced;
    uint64_t virtual_seconds;
    uint64_t first_failure; /* seed */
    char first_sentence[1024];
};

/* Runs the batch; prints a line for each failure unless `first_only`. */
void sim_batch_run(const struct sim_batch *batch, struct sim_tally *tally);

/* One line: property, seed, virtual time, and how to see it again. */
void sim_print_failure(uint64_t seed, cfs_time at, const char *failure, const char *planted,
                       bool bare);

#endif
