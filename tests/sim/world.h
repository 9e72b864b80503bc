/* Virtual time: a queue of what is going to happen, in an order that the seed alone decides; what
 * happened, as text and as a hash; and the first violation found. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "coordfs/types.h"

struct sim;

/* `arg` and `value` are those given to sim_at; value is as a rule the life of a node: an event
 * meant for a node that crashed since does nothing. */
typedef void (*sim_event_fn)(struct sim *sim, void *arg, uint64_t value);

struct sim_event {
    cfs_time at;
    uint64_t order; /* of scheduling: decides between equal times */
    sim_event_fn fn;
    void *arg;
    uint64_t value;
};

struct sim_world {
    cfs_time now;             /* true time; nodes see it through their clocks */
    struct sim_event *events; /* a binary heap */
    size_t count, capacity;
    uint64_t scheduled, happened;
    bool trace;
    uint64_t hash;      /* of all that happened */
    uint64_t text_hash; /* of the trace's lines */
    bool failed;
    cfs_time failed_at;
    char failure[1024]; /* "property: details" */
};

void sim_world_close(struct sim_world *world);

/* Calls `fn` at true time `at`, or now if that has passed. */
void sim_at(struct sim *sim, cfs_time at, sim_event_fn fn, void *arg, uint64_t value);

/* Lets the next event happen; false when there is none or it lies after `until` (time is `until`
 * then). */
bool sim_world_next(struct sim *sim, cfs_time until);

/* A line of the trace, if it is wanted. */
void sim_say(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Makes `value` part of the run's hash. */
void sim_mix(struct sim *sim, uint64_t value);

/* A property is violated; the first one counts, and ends the run. */
void sim_fail(struct sim *sim, const char *property, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
