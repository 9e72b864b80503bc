/* What a leader asks of this node's files (DRAIN, COLLECT), from the question to the reply. */
#include <stdlib.h>

#include "core/alloc.h"
#include "core/node_core_internal.h"

#define ROUNDS_MAX 1024u

struct cfs_round {
    uint64_t id; /* of the effect */
    struct cfs_message reply;
};

static bool end_round(struct cfs_core *core, uint64_t id, struct cfs_message *reply)
{
    for (size_t i = 0; i < core->round_count; i++) {
        if (core->rounds[i].id != id)
            continue;
        *reply = core->rounds[i].reply;
        core->rounds[i] = core->rounds[--core->round_count];
        return true;
    }
    return false;
}

/* Hands a leader's question to the files; the reply goes out when they have answered. */
void cfs_core_begin_round(struct cfs_core *core, enum cfs_effect_type type,
                          const struct cfs_message *request)
{
    struct cfs_round round = {
        .id = ++core->round_id,
        .reply = {.group = request->group, .to = request->from, .term = request->term}};

    if (type == CFS_FX_DRAIN) {
        round.reply.type = CFS_MSG_DRAIN_REPLY;
        round.reply.drain_reply.id = request->drain.id;
    } else {
        round.reply.type = CFS_MSG_COLLECT_REPLY;
        round.reply.collect_reply.id = request->collect.id;
        round.reply.collect_reply.session = core->client.session;
    }
    /* Files that never finish a round are as good as gone; the oldest is forgotten. */
    if (core->round_count == ROUNDS_MAX)
        end_round(core, core->rounds[0].id, &(struct cfs_message){0});
    core->rounds = cfs_array_room(core->rounds, core->round_count, &core->round_capacity,
                                  sizeof *core->rounds);
    core->rounds[core->round_count++] = round;
    cfs_effects_add(core->env.effects, type)->id = round.id;
}

void cfs_core_drained(struct cfs_core *core, uint64_t id)
{
    struct cfs_message reply;

    if (end_round(core, id, &reply))
        cfs_env_send(&core->env, &reply);
}

/* Shell ids become sequences; a wait that is not in a lock's queue means that its handle runs. */
static bool translate(const struct cfs_core *core, const struct cfs_event_stuck *from,
                      struct cfs_stuck *to)
{
    *to = (struct cfs_stuck){.handle = from->handle, .wait_count = from->wait_count};
    to->waits = cfs_alloc(from->wait_count * sizeof *to->waits);
    for (uint32_t i = 0; i < from->wait_count; i++) {
        to->waits[i] = cfs_client_wait_sequence(&core->client, from->waits[i]);
        if (!to->waits[i]) {
            free(to->waits);
            return false;
        }
    }
    return true;
}

/* What does not fit a message is left out: those handles count as running. */
void cfs_core_collected(struct cfs_core *core, const struct cfs_event *event)
{
    struct cfs_message reply;
    struct cfs_msg_collect_reply *collected;
    uint32_t waits = 0;

    if (!end_round(core, event->id, &reply))
        return;
    collected = &reply.collect_reply;
    collected->stuck = cfs_alloc(event->stuck_count * sizeof *collected->stuck);
    for (uint32_t i = 0; i < event->stuck_count && collected->stuck_count < CFS_REQUESTS_MAX; i++) {
        const struct cfs_event_stuck *stuck = &event->stuck[i];
        if (stuck->wait_count > CFS_REQUESTS_MAX - waits ||
            !translate(core, stuck, &collected->stuck[collected->stuck_count]))
            continue;
        collected->stuck_count++;
        waits += stuck->wait_count;
    }
    cfs_env_send(&core->env, &reply);
}
