/* The step's surroundings: ordering effects, waiting for the disk, tracing. */
#include "core/env.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h> /* vsnprintf: formatting only */
#include <stdlib.h>
#include <utlist.h>

#include "core/alloc.h"

/* How long after a promise was made something else waits for it at most: most writes take a
 * fraction of that, and a disk that stands still is to hold up nothing but promises. */
#define COMPANY_WITHIN CFS_MS(2)

struct cfs_deferred {
    uint64_t lsn;
    cfs_time since;
    bool along; /* it promises nothing */
    struct cfs_message message;
    struct cfs_deferred *prev, *next;
};

void cfs_env_close(struct cfs_env *env)
{
    struct cfs_deferred *item, *next;
    struct cfs_message message;

    DL_FOREACH_SAFE (env->deferred, item, next) {
        cfs_message_clear(&item->message);
        free(item);
    }
    env->deferred = NULL;
    while (cfs_env_take_inbox(env, &message))
        cfs_message_clear(&message);
    free(env->inbox);
    env->inbox = NULL;
}

uint64_t cfs_env_persist_state(struct cfs_env *env, cfs_group_id group, uint64_t term,
                               cfs_node_id vote)
{
    struct cfs_effect *effect = cfs_effects_add(env->effects, CFS_FX_PERSIST);

    effect->lsn = ++env->lsn;
    effect->record = (struct cfs_record){
        .group = group, .type = CFS_RECORD_HARD_STATE, .term = term, .vote = vote};
    return env->lsn;
}

uint64_t cfs_env_persist_entry(struct cfs_env *env, cfs_group_id group, struct cfs_entry *entry)
{
    struct cfs_effect *effect = cfs_effects_add(env->effects, CFS_FX_PERSIST);

    effect->lsn = ++env->lsn;
    effect->record = (struct cfs_record){
        .group = group, .type = CFS_RECORD_ENTRY, .entry = cfs_entry_ref(entry)};
    return env->lsn;
}

uint64_t cfs_env_persist_install(struct cfs_env *env, cfs_group_id group, uint64_t install)
{
    struct cfs_effect *effect = cfs_effects_add(env->effects, CFS_FX_PERSIST);

    effect->lsn = ++env->lsn;
    effect->record =
        (struct cfs_record){.group = group, .type = CFS_RECORD_INSTALL, .term = install};
    return env->lsn;
}

void cfs_env_send(struct cfs_env *env, struct cfs_message *message)
{
    message->from = env->self;
    if (message->to == env->self) {
        env->inbox =
            cfs_array_room(env->inbox, env->inbox_count, &env->inbox_capacity, sizeof *env->inbox);
        env->inbox[env->inbox_count++] = *message;
    } else {
        cfs_effects_add(env->effects, CFS_FX_SEND)->message = *message;
    }
    *message = (struct cfs_message){0};
}

void cfs_env_send_durable(struct cfs_env *env, struct cfs_message *message)
{
    if (env->durable >= env->lsn) {
        cfs_env_send(env, message);
        return;
    }
    struct cfs_deferred *item = cfs_alloc(sizeof *item);
    *item = (struct cfs_deferred){.lsn = env->lsn, .since = env->now, .message = *message};
    DL_APPEND(env->deferred, item);
    *message = (struct cfs_message){0};
}

/* The oldest promise to a node: the next thing that is sure to be sent to it. */
static struct cfs_deferred *next_promise(const struct cfs_env *env, cfs_node_id to)
{
    struct cfs_deferred *item;

    DL_FOREACH (env->deferred, item)
        if (item->message.to == to)
            break;
    return item;
}

void cfs_env_send_along(struct cfs_env *env, struct cfs_message *message)
{
    struct cfs_deferred *promise = next_promise(env, message->to), *item;

    if (!promise || env->now >= promise->since + COMPANY_WITHIN) {
        cfs_env_send(env, message);
        return;
    }
    item = cfs_alloc(sizeof *item);
    *item = *promise;
    item->along = true;
    item->message = *message;
    DL_APPEND_ELEM(env->deferred, promise, item);
    *message = (struct cfs_message){0};
}

/* NULL: nothing waits that need not. They stand in the order in which they are due. */
static struct cfs_deferred *first_along(const struct cfs_env *env)
{
    struct cfs_deferred *item;

    DL_FOREACH (env->deferred, item)
        if (item->along)
            break;
    return item;
}

cfs_time cfs_env_deadline(const struct cfs_env *env)
{
    const struct cfs_deferred *item = first_along(env);

    return item ? item->since + COMPANY_WITHIN : CFS_NEVER;
}

static void send_deferred(struct cfs_env *env, struct cfs_deferred *item)
{
    DL_DELETE(env->deferred, item);
    cfs_env_send(env, &item->message);
    free(item);
}

void cfs_env_tick(struct cfs_env *env)
{
    while (cfs_env_deadline(env) <= env->now)
        send_deferred(env, first_along(env));
}

void cfs_env_persisted(struct cfs_env *env, uint64_t lsn)
{
    assert(lsn <= env->lsn);
    if (lsn > env->durable)
        env->durable = lsn;
    while (env->deferred && env->deferred->lsn <= env->durable)
        send_deferred(env, env->deferred);
}

bool cfs_env_take_inbox(struct cfs_env *env, struct cfs_message *message)
{
    if (env->inbox_at == env->inbox_count) {
        env->inbox_at = env->inbox_count = 0;
        return false;
    }
    *message = env->inbox[env->inbox_at++];
    return true;
}

cfs_time cfs_env_next_beat(const struct cfs_env *env, const struct cfs_core_config *config)
{
    cfs_time passed = config->groups ? env->wall % config->heartbeat : 0;

    return env->now + config->heartbeat - passed;
}

cfs_time cfs_env_beat_before(const struct cfs_env *env, const struct cfs_core_config *config,
                             cfs_time due)
{
    cfs_time next = cfs_env_next_beat(env, config);

    return config->groups && next <= due ? due - (due - next) % config->heartbeat : due;
}

uint64_t cfs_env_random(struct cfs_env *env, uint64_t bound)
{
    uint64_t z = env->random += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return bound ? z % bound : z;
}

void cfs_trace(struct cfs_env *env, const char *format, ...)
{
    char sentence[512];
    va_list arguments;

    if (!env->trace)
        return;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    env->trace(env->trace_arg, sentence);
}
