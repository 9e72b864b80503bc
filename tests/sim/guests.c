/* One timer for each guest. */
#include "guests.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/command.h"
#include "core/ring.h"
#include "sim.h"

/* A question is answered within the timeout and this. */
#define ANSWER_SLACK CFS_MS(500)

static struct sim_guest *guest_of(struct sim *sim, const struct sim_node *node, cfs_group_id group)
{
    return &sim->guests.guests[node->id - 1][group - 1];
}

/* Whoever serves the group; NULL: nobody. */
static struct sim_node *leader_of(struct sim *sim, cfs_group_id group)
{
    struct sim_node *found = NULL;

    for (uint32_t i = 0; i < sim->swarm.node_count; i++) {
        struct sim_node *node = &sim->nodes[i];
        if (node->state == SIM_UP && node->views[group].serving &&
            (!found || node->views[group].term > found->views[group].term))
            found = node;
    }
    return found;
}

/* Commands. */

static struct cfs_message command_of(const struct sim_guest *guest, const struct sim_node *leader)
{
    struct cfs_command command = {.kind = CFS_CMD_REQUEST,
                                  .node = guest->node->id,
                                  .session = guest->session,
                                  .sequence = guest->sequence,
                                  .oldest = guest->sequence,
                                  .request = {.op = CFS_OP_REMOVE}};
    struct cfs_message message = {.type = CFS_MSG_FORWARD,
                                  .group = guest->group,
                                  .from = guest->node->id,
                                  .to = leader->id,
                                  .term = leader->views[guest->group].term};
    struct cfs_writer writer = {0};

    if (guest->state == SIM_GUEST_FREE) {
        command.request.op = CFS_OP_ACQUIRE;
        command.request.acquire = (struct cfs_acquire){
            .mode = CFS_EXCLUSIVE, .kind = CFS_LOCKFILE, .form = CFS_FORM_FILE, .perm = 0600};
    } else {
        command.request.remove = (struct cfs_remove){.form = CFS_FORM_FILE};
    }
    strcpy(command.request.name, guest->name);
    cfs_command_encode(&writer, &command);
    message.forward.command = writer.data;
    message.forward.len = (uint32_t)writer.len;
    return message;
}

/* What a leader answers to its own node is not heard outside. In the end, whatever it had asked
 * for, the guest gives back what it may hold. */
static void give_back(struct sim *sim, struct sim_guest *guest)
{
    struct cfs_message message;
    struct cfs_event event = {.type = CFS_EV_MESSAGE, .message = &message};

    guest->state = SIM_GUEST_UNSURE;
    guest->waits = false;
    guest->sequence++;
    message = command_of(guest, guest->node);
    sim_node_event(sim, guest->node, guest->node->life, &event);
    cfs_message_clear(&message);
}

/* What an ended session held is free. A node that has just started may have resumed one. */
static void follow_session(struct sim_guest *guest)
{
    struct sim_node *node = guest->node;

    if (guest->life == node->life && guest->session == node->view.session)
        return;
    guest->state = guest->life == node->life ? SIM_GUEST_FREE : SIM_GUEST_UNSURE;
    guest->life = node->life;
    guest->session = node->view.session;
    guest->sequence = 0;
    guest->waits = false;
}

static void command(struct sim *sim, struct sim_guest *guest)
{
    struct sim_node *leader = leader_of(sim, guest->group);
    struct cfs_message message;
    bool ending = sim->live.stage >= SIM_STAGE_END;

    follow_session(guest);
    if (leader == guest->node && ending && leader->views[guest->group].held)
        give_back(sim, guest);
    if (!leader || leader == guest->node ||
        (!guest->waits && ending && guest->state == SIM_GUEST_FREE))
        return;
    if (!guest->waits)
        guest->sequence++;
    guest->waits = true;
    message = command_of(guest, leader);
    guest->term = message.term;
    sim_network_send(sim, &message);
}

static bool is_expected(const struct sim_guest *guest, enum cfs_error error)
{
    switch (guest->state) {
    case SIM_GUEST_FREE:
        return error == CFS_OK || error == CFS_ERR_NO_SPACE;
    case SIM_GUEST_HOLDS:
        return error == CFS_OK;
    case SIM_GUEST_UNSURE:
        break;
    }
    return error == CFS_OK || error == CFS_ERR_NOT_HELD;
}

static void command_answered(struct sim *sim, struct sim_guest *guest, enum cfs_error error)
{
    static const char *const states[] = {"may hold", "does not hold", "holds"};

    sim_say(sim, "n%u guest of g%u, which %s its lock, is told: %s", guest->node->id, guest->group,
            states[guest->state], cfs_error_word(error));
    guest->waits = false;
    if (error == CFS_ERR_LOST)
        return; /* the node hears it, too */
    if (!is_expected(guest, error))
        sim_fail(sim, "guests",
                 "node %u, which %s a lock of its own in group %u, is told: %s (command %" PRIu64
                 " of session %" PRIu64 ")",
                 guest->node->id, states[guest->state], guest->group, cfs_error_sentence(error),
                 guest->sequence, guest->session);
    if (error != CFS_ERR_NO_SPACE)
        guest->state = guest->state == SIM_GUEST_FREE ? SIM_GUEST_HOLDS : SIM_GUEST_FREE;
}

void sim_guests_heard(struct sim *sim, const struct sim_node *node,
                      const struct cfs_message *message)
{
    void *owned = NULL;
    struct cfs_answer answer;
    struct sim_guest *guest;

    if (message->type != CFS_MSG_ANSWER || !message->group ||
        message->answer.to != CFS_TO_COMMAND || node->state != SIM_UP)
        return;
    guest = guest_of(sim, node, message->group);
    /* As a node does it: the leader that was asked last has the last word. */
    if (!guest->waits || message->term < guest->term || guest->life != node->life ||
        guest->session != node->view.session || message->answer.session != guest->session ||
        message->answer.id != guest->sequence ||
        cfs_answer_decode(&answer, &owned, message->answer.answer, message->answer.len) != 0)
        return;
    free(owned);
    command_answered(sim, guest, answer.error);
}

/* Questions. */

static void look_up(struct sim *sim, struct sim_guest *guest)
{
    struct cfs_request request = {.op = CFS_OP_QUEUE_STAT};
    struct cfs_event event = {.type = CFS_EV_REQUEST, .request = &request};

    strcpy(request.name, guest->queue);
    event.id = guest->id = SIM_GUEST_ID + ++sim->guests.questions;
    guest->asked = sim->world.now;
    /* What was slow before may hold up a link that keeps order. */
    guest->asked_in_peace = sim->live.stage >= SIM_STAGE_WORK &&
                            sim->world.now > sim->swarm.quiet_at + sim->swarm.slow_max;
    sim_say(sim, "n%u guest of g%u asks", guest->node->id, guest->group);
    sim_node_event(sim, guest->node, guest->node->life, &event);
}

static void check_question(struct sim *sim, const struct sim_guest *guest)
{
    cfs_time allowed = sim->swarm.timeout * 101 / 100 + ANSWER_SLACK, since = guest->asked;

    if (guest->node->resumed > since)
        since = guest->node->resumed;
    if (guest->id && sim->world.now > since + allowed)
        sim_fail(sim, "answer-in-time",
                 "node %u has not answered a question to group %u for %" PRIu64 " ms",
                 guest->node->id, guest->group, (sim->world.now - since) / 1000);
}

void sim_guests_answered(struct sim *sim, const struct sim_node *node, uint64_t id,
                         enum cfs_error error)
{
    for (cfs_group_id group = 1; group <= sim->swarm.groups; group++) {
        struct sim_guest *guest = guest_of(sim, node, group);
        if (guest->id != id)
            continue;
        guest->id = 0;
        sim_say(sim, "n%u guest of g%u is told: %s", node->id, group, cfs_error_word(error));
        if (error == CFS_ERR_TIMED_OUT && guest->asked_in_peace)
            sim_fail(sim, "timed-out", "node %u is told that group %u is silent", node->id, group);
    }
}

/* Time. */

static void act(struct sim *sim, void *arg, uint64_t value)
{
    struct sim_guest *guest = arg;
    struct sim_node *node = guest->node;
    struct sim_random *random = &sim->random_guest;

    (void)value;
    sim_at(sim, sim->world.now + sim_random_between(random, 1000, sim->swarm.guest_think_max), act,
           guest, 0);
    if (node->state != SIM_UP || node->leaving)
        return;
    if (guest->id && guest->life != node->life)
        guest->id = 0; /* it died with the daemon */
    check_question(sim, guest);
    if (!guest->id && sim_random_chance(random, 300))
        look_up(sim, guest);
    else if (node->session && node->state == SIM_UP)
        command(sim, guest);
}

static void begin(struct sim *sim, struct sim_node *node, cfs_group_id group)
{
    struct sim_guest *guest = guest_of(sim, node, group);

    *guest = (struct sim_guest){.node = node, .group = group};
    snprintf(guest->name, sizeof guest->name, "guest%u", node->id);
    for (unsigned i = 0; i == 0 || cfs_ring_group_of(guest->queue, strlen(guest->queue),
                                                     sim->swarm.groups) != group;
         i++)
        snprintf(guest->queue, sizeof guest->queue, "queue%u", i);
    sim_at(sim, sim_random_below(&sim->random_guest, sim->swarm.guest_think_max), act, guest, 0);
}

void sim_guests_start(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->swarm.node_count; i++)
        for (cfs_group_id group = 1; group <= sim->swarm.groups; group++)
            if (!sim_workers_use(sim, group) && !sim->swarm.cacher_count)
                begin(sim, &sim->nodes[i], group);
}
