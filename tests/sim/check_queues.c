/* Messages are few: every question looks at all of them. */
#include "check_queues.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "sim.h"

void sim_queues_close(struct sim_queues_check *check)
{
    free(check->items);
}

uint32_t sim_queues_message(struct sim *sim, uint32_t queue)
{
    struct sim_queues_check *check = &sim->queues;

    check->items =
        cfs_array_room(check->items, check->count, &check->capacity, sizeof *check->items);
    check->items[check->count] = (struct sim_message){.queue = queue, .submitted = sim->world.now};
    return (uint32_t)check->count++;
}

void sim_queues_body(uint32_t number, char body[16])
{
    snprintf(body, 16, "m%u", number);
}

/* The message with that body; NULL: there is none. */
static struct sim_message *message_of(struct sim *sim, const struct cfs_message_info *info,
                                      uint32_t *number)
{
    char body[16] = "", again[16];

    if (info->len >= sizeof body)
        return NULL;
    memcpy(body, info->body, info->len);
    *number = (uint32_t)strtoul(body + 1, NULL, 10);
    sim_queues_body(*number, again);
    return *number < sim->queues.count && strcmp(body, again) == 0 ? &sim->queues.items[*number]
                                                                   : NULL;
}

static bool is_refusal(enum cfs_error error)
{
    return error == CFS_ERR_FULL || error == CFS_ERR_NO_QUEUE || error == CFS_ERR_NO_SPACE ||
           error == CFS_ERR_TOO_MANY;
}

/* With a key it may be in already, by an earlier asking. */
void sim_queues_produced(struct sim *sim, const struct sim_worker *worker,
                         const struct cfs_answer *answer)
{
    for (uint32_t i = 0; i < worker->count; i++) {
        struct sim_message *message = &sim->queues.items[worker->numbers[i]];
        if (answer->error == CFS_OK) {
            message->state = SIM_IN;
            message->answered = sim->world.now;
        } else if (is_refusal(answer->error) && !worker->request.produce.key) {
            message->state = SIM_REFUSED;
        }
    }
}

void sim_queues_undone(struct sim *sim, uint32_t queue)
{
    sim->queues.undone[queue] = true;
}

static void check_identity(struct sim *sim, const struct sim_message *message, uint32_t number,
                           const struct cfs_message_info *info)
{
    if (message->state == SIM_REFUSED)
        sim_fail(sim, "queue-refused", "message %u, which was refused, is handed out", number);
    if (message->id && message->id != info->id)
        sim_fail(sim, "queue-once", "message %u is there twice: as %" PRIu64 " and as %" PRIu64,
                 number, message->id, info->id);
    if (message->acked && info->claim > message->acked)
        sim_fail(sim, "queue-acknowledged",
                 "message %u, acknowledged by claim %" PRIu64 ", is handed out by claim %" PRIu64,
                 number, message->acked, info->claim);
}

/* The claim of before lasts at least from when it was asked for; a clock may be a little fast. Its
 * holder has to have run ever since, and not to be giving back what it has. */
static void check_time(struct sim *sim, const struct sim_message *message, uint32_t number,
                       const struct cfs_message_info *info)
{
    const struct sim_node *node = message->holder ? message->holder->node : NULL;
    cfs_time lasts = sim->swarm.visibility - sim->swarm.visibility / 30;

    if (!node || info->claim < message->newest || sim->world.now >= message->asked + lasts)
        return;
    if (message->session &&
        (node->state != SIM_UP || node->life != message->life || node->resumed > message->heard ||
         !node->session || node->leaving || node->view.session != message->session))
        return;
    sim_fail(sim, "queue-claims",
             "message %u is handed out by claim %" PRIu64 ", %" PRIu64 " ms after claim %" PRIu64
             " of node %u was asked for",
             number, info->claim, (sim->world.now - message->asked) / 1000, message->newest,
             node->id);
}

static void check_order(struct sim *sim, const struct sim_message *message, uint32_t number,
                        const struct cfs_message_info *info)
{
    bool next = info->deliveries == message->deliveries + 1;

    if (message->overtaken && info->claim > message->overtaken && next &&
        !sim->queues.undone[message->queue])
        sim_fail(sim, "queue-order",
                 "message %u, handed out by claim %" PRIu64 ", was ready when claim %" PRIu64
                 " handed out a younger one",
                 number, info->claim, message->overtaken);
}

static bool is_younger(const struct sim_message *message, const struct sim_message *than)
{
    return message->submitted > than->answered;
}

/* Older ones that were ready when this one was handed out have been overtaken. */
static void note_overtaken(struct sim *sim, const struct sim_worker *worker,
                           const struct sim_message *message, cfs_claim_id claim)
{
    for (size_t i = 0; i < sim->queues.count; i++) {
        struct sim_message *other = &sim->queues.items[i];
        bool never = other->state == SIM_IN && !other->handed && is_younger(message, other);
        bool back = other->given_back && other->ready < worker->asked && other->id < message->id;
        if (other == message || other->queue != message->queue || !(never || back))
            continue;
        if (!other->overtaken || claim < other->overtaken)
            other->overtaken = claim;
    }
}

static void note_handed(struct sim *sim, const struct sim_worker *worker,
                        struct sim_message *message, const struct cfs_message_info *info)
{
    message->handed = true;
    message->id = info->id;
    if (info->claim < message->newest)
        return; /* an old answer */
    message->newest = info->claim;
    message->deliveries = info->deliveries;
    message->given_back = false;
    message->overtaken = 0;
    message->life = worker->node->life;
    message->session = worker->request.consume.leased ? 0 : worker->node->view.session;
    /* The session may have been closed right behind: that has given it back. */
    message->holder = worker->request.consume.leased || message->session ? worker : NULL;
    message->asked = worker->asked;
    message->heard = sim->world.now;
}

static void handed_one(struct sim *sim, struct sim_worker *worker,
                       const struct cfs_message_info *info)
{
    uint32_t number;
    struct sim_message *message = message_of(sim, info, &number);

    if (!message || message->queue != worker->queue) {
        sim_fail(sim, "queue-invented", "node %u is handed a message nobody has produced there",
                 worker->node->id);
        return;
    }
    check_identity(sim, message, number, info);
    check_time(sim, message, number, info);
    check_order(sim, message, number, info);
    note_handed(sim, worker, message, info);
    note_overtaken(sim, worker, message, info->claim);
    if (worker->claim_count < SIM_CLAIMS_MAX)
        worker->claims[worker->claim_count++] = (struct sim_held_claim){info->claim, number};
}

static void check_turn(struct sim *sim, struct sim_worker *worker, cfs_claim_id claim)
{
    if (worker->overtaken && claim > worker->overtaken && sim_worker_in_its_session(worker))
        sim_fail(sim, "queue-fairness",
                 "node %u is served by claim %" PRIu64 ", after claim %" PRIu64
                 " had served one who came later",
                 worker->node->id, claim, worker->overtaken);
    for (uint32_t i = 0; i < sim->swarm.node_count; i++) {
        struct sim_worker *other = &sim->workers.workers[i][worker->queue];
        if (other == worker || !other->id || !other->queued || other->given_up ||
            other->queued >= worker->asked || !sim_worker_in_its_session(other))
            continue;
        if (!other->overtaken || claim < other->overtaken)
            other->overtaken = claim;
    }
}

void sim_queues_handed(struct sim *sim, struct sim_worker *worker, const struct cfs_answer *answer)
{
    check_turn(sim, worker, answer->messages[0].claim);
    for (uint32_t i = 0; i < answer->message_count; i++)
        handed_one(sim, worker, &answer->messages[i]);
}

/* From now on its holder relies on the claim no more. */
void sim_queues_settling(struct sim *sim, const struct sim_worker *worker)
{
    struct sim_message *message = &sim->queues.items[worker->about];

    if (message->newest == worker->settles && worker->request.op != CFS_OP_EXTEND)
        message->holder = NULL;
}

void sim_queues_settled(struct sim *sim, const struct sim_worker *worker, enum cfs_error error)
{
    struct sim_message *message = &sim->queues.items[worker->about];
    bool newest = message->newest == worker->settles;

    if (error != CFS_OK)
        return;
    if (worker->request.op == CFS_OP_ACK && !newest)
        sim_fail(sim, "queue-acknowledged",
                 "message %u is acknowledged by claim %" PRIu64 ", after claim %" PRIu64
                 " had handed it out",
                 worker->about, worker->settles, message->newest);
    if (worker->request.op == CFS_OP_ACK)
        message->acked = worker->settles;
    if (worker->request.op == CFS_OP_GIVE_BACK && newest) {
        message->given_back = true;
        message->ready = sim->world.now;
    }
}

void sim_queues_finished(struct sim *sim, uint32_t queue)
{
    for (size_t i = 0; i < sim->queues.count; i++) {
        const struct sim_message *message = &sim->queues.items[i];
        if (message->queue == queue && message->state == SIM_IN && !message->handed)
            sim_fail(sim, "queue-lost", "message %zu was produced, and nobody was ever handed it",
                     i);
    }
}
