/* A binary heap of events, and the three outlets: trace, hash, failure. */
#include "world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "sim.h"

void sim_world_close(struct sim_world *world)
{
    free(world->events);
    world->events = NULL;
}

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void swap(struct sim_event *a, struct sim_event *b)
{
    struct sim_event old = *a;

    *a = *b;
    *b = old;
}

void sim_at(struct sim *sim, cfs_time at, sim_event_fn fn, void *arg, uint64_t value)
{
    struct sim_world *world = &sim->world;
    size_t i = world->count;

    world->events =
        cfs_array_room(world->events, world->count, &world->capacity, sizeof *world->events);
    world->events[world->count++] = (struct sim_event){.at = at > world->now ? at : world->now,
                                                       .order = world->scheduled++,
                                                       .fn = fn,
                                                       .arg = arg,
                                                       .value = value};
    for (; i && before(&world->events[i], &world->events[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&world->events[i], &world->events[(i - 1) / 2]);
}

static struct sim_event take_first(struct sim_world *world)
{
    struct sim_event first = world->events[0];
    size_t i = 0;

    world->events[0] = world->events[--world->count];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < world->count && before(&world->events[child + 1], &world->events[child]))
            child++;
        if (child >= world->count || !before(&world->events[child], &world->events[i]))
            return first;
        swap(&world->events[i], &world->events[child]);
        i = child;
    }
}

bool sim_world_next(struct sim *sim, cfs_time until)
{
    struct sim_world *world = &sim->world;
    struct sim_event event;

    if (!world->count || world->events[0].at > until) {
        world->now = until;
        return false;
    }
    event = take_first(world);
    world->now = event.at;
    world->happened++;
    event.fn(sim, event.arg, event.value);
    return true;
}

void sim_mix(struct sim *sim, uint64_t value)
{
    sim->world.hash = (sim->world.hash ^ value) * 0x9e3779b97f4a7c15u;
    sim->world.hash ^= sim->world.hash >> 29;
}

static void mix_text(struct sim *sim, const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 0x100000001b3u;
    sim->world.text_hash = (sim->world.text_hash ^ hash) * 0x9e3779b97f4a7c15u;
}

void sim_say(struct sim *sim, const char *format, ...)
{
    char line[1024];
    va_list arguments;

    if (!sim->world.trace)
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    mix_text(sim, line);
    printf("%10.6f %s\n", (double)sim->world.now / 1e6, line);
}

void sim_fail(struct sim *sim, const char *property, const char *format, ...)
{
    struct sim_world *world = &sim->world;
    va_list arguments;
    int used;

    if (world->failed)
        return;
    world->failed = true;
    world->failed_at = world->now;
    used = snprintf(world->failure, sizeof world->failure, "%s: ", property);
    va_start(arguments, format);
    vsnprintf(world->failure + used, sizeof world->failure - (size_t)used, format, arguments);
    va_end(arguments);
    sim_say(sim, "VIOLATION %s", world->failure);
}
