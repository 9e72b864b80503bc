/* One timer for each worker. */
#include "workers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/command.h"
#include "core/ring.h"
#include "describe.h"
#include "sim.h"

/* A request that does not wait is answered within the timeout and this. */
#define ANSWER_SLACK CFS_MS(500)

enum { STEP_MAKE, STEP_CONFIGURE, STEPS };

static void act(struct sim *sim, void *arg, uint64_t value);

static void act_after(struct sim *sim, struct sim_worker *worker, cfs_time longest)
{
    sim_at(sim, sim->world.now + sim_random_between(&sim->random_worker, 500, longest), act, worker,
           0);
}

/* Asking. */

static struct cfs_request request_of(const struct sim *sim, const struct sim_worker *worker,
                                     enum cfs_op op)
{
    struct cfs_request request = {.op = op};

    strcpy(request.name, sim->workers.names[worker->queue]);
    return request;
}

bool sim_worker_in_its_session(const struct sim_worker *worker)
{
    return worker->node->view.session == worker->session;
}

/* Everything has been repaired, and the node has long had its session. */
static bool is_peace(const struct sim *sim, const struct sim_worker *worker)
{
    return sim->live.stage >= SIM_STAGE_WORK &&
           sim->world.now > sim->swarm.quiet_at + sim->swarm.slow_max && worker->session_seen &&
           sim->world.now > worker->session_since + sim->swarm.timeout;
}

/* What the request's pointers need is there until this returns. */
static void ask(struct sim *sim, struct sim_worker *worker, const struct cfs_request *request)
{
    struct cfs_event event = {.type = CFS_EV_REQUEST, .request = request};
    char words[300];

    event.id = worker->id = SIM_WORKER_ID + ++sim->workers.requests;
    worker->request = *request;
    worker->session = worker->node->view.session;
    worker->asked = worker->since = sim->world.now;
    worker->give_up = CFS_NEVER;
    worker->given_up = false;
    worker->queued = 0;
    worker->before = worker->sequence;
    worker->overtaken = 0;
    worker->asked_in_peace = is_peace(sim, worker);
    sim_describe_request(words, sizeof words, request);
    sim_say(sim, "n%u worker %" PRIu64 ": %s", worker->node->id, worker->id - SIM_WORKER_ID, words);
    sim->operations++;
    sim_node_event(sim, worker->node, worker->node->life, &event);
}

/* One that waits does so for a while. */
static void ask_and_wait(struct sim *sim, struct sim_worker *worker,
                         const struct cfs_request *request)
{
    bool patient = sim_random_chance(&sim->random_worker, 700);
    cfs_time longest = patient ? CFS_SECONDS(2) : CFS_MS(100);

    ask(sim, worker, request);
    if (worker->id && cfs_request_may_wait(request))
        worker->give_up = sim->world.now + sim_random_below(&sim->random_worker, longest);
}

static void produce(struct sim *sim, struct sim_worker *worker)
{
    struct cfs_request request = request_of(sim, worker, CFS_OP_PRODUCE);
    char bodies[SIM_BATCH_MAX * 16] = "", body[16];
    uint32_t lengths[SIM_BATCH_MAX];
    bool again = worker->key;

    if (!again) {
        worker->count = (uint32_t)sim_random_between(&sim->random_worker, 1, SIM_BATCH_MAX);
        worker->key = sim_random_chance(&sim->random_worker, 200) ? ++sim->workers.keys : 0;
    }
    for (uint32_t i = 0; i < worker->count; i++) {
        if (!again)
            worker->numbers[i] = sim_queues_message(sim, worker->queue);
        sim_queues_body(worker->numbers[i], body);
        lengths[i] = (uint32_t)strlen(body);
        strcat(bodies, body);
    }
    request.produce = (struct cfs_produce){.data = (const uint8_t *)bodies,
                                           .len = (uint32_t)strlen(bodies),
                                           .lengths = lengths,
                                           .count = worker->count,
                                           .wait = sim_random_chance(&sim->random_worker, 600),
                                           .key = worker->key};
    ask_and_wait(sim, worker, &request);
}

static void consume(struct sim *sim, struct sim_worker *worker, bool wait)
{
    struct cfs_request request = request_of(sim, worker, CFS_OP_CONSUME);
    bool leased = sim_random_chance(&sim->random_worker, 250);

    request.consume = (struct cfs_consume){
        .wait = wait,
        .bound = !leased && sim_random_chance(&sim->random_worker, 500),
        .leased = leased,
        .max = (uint32_t)sim_random_between(&sim->random_worker, 1, SIM_BATCH_MAX)};
    ask_and_wait(sim, worker, &request);
}

/* Acknowledges a claim, mostly; it is forgotten here unless it is extended. */
static void settle(struct sim *sim, struct sim_worker *worker, enum cfs_op op)
{
    struct cfs_request request = request_of(sim, worker, op);
    uint32_t at = (uint32_t)sim_random_below(&sim->random_worker, worker->claim_count);

    worker->settles = worker->claims[at].claim;
    worker->about = worker->claims[at].number;
    request.settle =
        (struct cfs_settle){.place = CFS_INFLIGHT, .ids = &worker->settles, .count = 1};
    if (op != CFS_OP_EXTEND)
        worker->claims[at] = worker->claims[--worker->claim_count];
    worker->request = request;
    sim_queues_settling(sim, worker);
    ask(sim, worker, &request);
}

static void set_up(struct sim *sim, struct sim_worker *worker)
{
    struct cfs_request request = request_of(sim, worker, CFS_OP_QUEUE_MAKE);

    if (worker->steps == STEP_CONFIGURE) {
        request.op = CFS_OP_QUEUE_CONFIG;
        request.queue_set = (struct cfs_queue_set){
            .fields = CFS_CONFIG_VISIBILITY | CFS_CONFIG_MAX_DELIVERIES | CFS_CONFIG_MAX_MESSAGES,
            .config = {.visibility_ms = (uint32_t)(sim->swarm.visibility / 1000),
                       .max_deliveries = sim->swarm.max_deliveries,
                       .max_messages = sim->swarm.max_messages}};
    }
    ask(sim, worker, &request);
}

/* A look at the queue or at those of its messages that are dead. */
static void look(struct sim *sim, struct sim_worker *worker, enum cfs_op op)
{
    struct cfs_request request = request_of(sim, worker, op);

    request.queue_read.place = CFS_DEAD;
    ask(sim, worker, &request);
}

/* A dead letter comes to the tail once more. */
static void try_again(struct sim *sim, struct sim_worker *worker)
{
    struct cfs_request request = request_of(sim, worker, CFS_OP_MESSAGE_MOVE);

    request.message_move = (struct cfs_message_move){.place = CFS_DEAD, .id = worker->dead};
    strcpy(request.message_move.to, request.name);
    worker->dead = 0;
    sim_queues_undone(sim, worker->queue);
    ask(sim, worker, &request);
}

static void work(struct sim *sim, struct sim_worker *worker)
{
    uint64_t what = sim_random_below(&sim->random_worker, 100);
    bool may_die = sim->swarm.max_deliveries < SIM_DELIVERIES_MANY;

    if (worker->steps < STEPS)
        set_up(sim, worker);
    else if (worker->claim_count && what < 35)
        settle(sim, worker, CFS_OP_ACK);
    else if (worker->claim_count && what < 50)
        settle(sim, worker, CFS_OP_GIVE_BACK);
    else if (worker->claim_count && what < 55)
        settle(sim, worker, CFS_OP_EXTEND);
    else if (worker->claim_count > SIM_CLAIMS_MAX - SIM_BATCH_MAX)
        worker->claim_count -= SIM_BATCH_MAX; /* it forgets them: their time will end them */
    else if (worker->dead)
        try_again(sim, worker);
    else if (may_die && what < 60)
        look(sim, worker, CFS_OP_MESSAGE_LIST);
    else if (what < 75)
        produce(sim, worker);
    else
        consume(sim, worker, what < 92);
}

/* The end. */

/* The one on the first node empties the queue; the others acknowledge what they have. */
static void wind_down(struct sim *sim, struct sim_worker *worker)
{
    enum cfs_op next = worker->look;

    worker->look = 0;
    if (worker->claim_count)
        settle(sim, worker, CFS_OP_ACK);
    else if (worker->node != &sim->nodes[0])
        worker->done = true;
    else if (worker->dead)
        try_again(sim, worker);
    else if (next || sim_random_chance(&sim->random_worker, 300))
        look(sim, worker, next ? next : CFS_OP_QUEUE_STAT);
    else
        consume(sim, worker, false);
}

static void looked(struct sim *sim, struct sim_worker *worker, const struct cfs_answer *answer)
{
    const struct cfs_queue_info *info = &answer->queue;
    bool empty = !info->ready && !info->inflight && !info->dead && !info->producers;

    if (sim->live.stage < SIM_STAGE_END || (answer->error && answer->error != CFS_ERR_NO_QUEUE))
        return;
    if (answer->error || empty) {
        sim_queues_finished(sim, worker->queue);
        worker->done = true;
    } else if (info->dead && !info->ready) {
        worker->look = CFS_OP_MESSAGE_LIST;
    }
}

bool sim_workers_done(const struct sim *sim)
{
    for (uint32_t i = 0; i < sim->swarm.node_count; i++)
        for (uint32_t queue = 0; queue < sim->swarm.queue_count; queue++)
            if (!sim->workers.workers[i][queue].done)
                return false;
    return true;
}

/* Answers. */

/* One that ended without a clear answer may have been handed something, which goes back as if it
 * never had been. */
static void consumed(struct sim *sim, struct sim_worker *worker, const struct cfs_answer *answer)
{
    if (answer->error == CFS_OK)
        sim_queues_handed(sim, worker, answer);
    else if (answer->error != CFS_ERR_EMPTY && answer->error != CFS_ERR_NO_QUEUE)
        sim_queues_undone(sim, worker->queue);
}

static void produced(struct sim *sim, struct sim_worker *worker, const struct cfs_answer *answer)
{
    bool unclear = answer->error == CFS_ERR_TIMED_OUT || answer->error == CFS_ERR_INTERRUPTED ||
                   answer->error == CFS_ERR_LOST;

    sim_queues_produced(sim, worker, answer);
    if (!unclear)
        worker->key = 0;
}

static void take_answer(struct sim *sim, struct sim_worker *worker, const struct cfs_answer *answer)
{
    switch (worker->request.op) {
    case CFS_OP_PRODUCE:
        produced(sim, worker, answer);
        break;
    case CFS_OP_CONSUME:
        consumed(sim, worker, answer);
        break;
    case CFS_OP_ACK:
    case CFS_OP_GIVE_BACK:
    case CFS_OP_EXTEND:
        sim_queues_settled(sim, worker, answer->error);
        break;
    case CFS_OP_QUEUE_MAKE:
    case CFS_OP_QUEUE_CONFIG:
        worker->steps += answer->error == CFS_OK;
        break;
    case CFS_OP_QUEUE_STAT:
        looked(sim, worker, answer);
        break;
    case CFS_OP_MESSAGE_LIST:
        worker->dead = answer->id_count ? answer->ids[0] : 0;
        break;
    default:
        break;
    }
}

void sim_workers_answered(struct sim *sim, const struct sim_node *node, uint64_t id,
                          const struct cfs_answer *answer)
{
    for (uint32_t queue = 0; queue < sim->swarm.queue_count; queue++) {
        struct sim_worker *worker = &sim->workers.workers[node->id - 1][queue];
        if (worker->id != id)
            continue;
        sim_say(sim, "n%u worker %" PRIu64 " is told: %s, %u messages", node->id,
                id - SIM_WORKER_ID, cfs_error_word(answer->error), answer->message_count);
        worker->id = 0;
        if (answer->error == CFS_ERR_TIMED_OUT && worker->asked_in_peace &&
            sim_worker_in_its_session(worker))
            sim_fail(sim, "timed-out", "a worker of node %u is told that its group is silent",
                     node->id);
        take_answer(sim, worker, answer);
    }
}

/* What a leader sends to itself is not seen. One that was given up may be sent again, but is
 * smaller than what was asked since. */
void sim_workers_sent(struct sim *sim, const struct sim_node *node,
                      const struct cfs_message *message)
{
    struct cfs_command command;

    if (message->type != CFS_MSG_FORWARD || !message->group ||
        cfs_command_decode(&command, message->forward.command, message->forward.len) != 0)
        return;
    for (uint32_t queue = 0; queue < sim->swarm.queue_count; queue++) {
        struct sim_worker *worker = &sim->workers.workers[node->id - 1][queue];
        if (command.kind == CFS_CMD_REQUEST && command.request.op == CFS_OP_CONSUME &&
            command.session == worker->session && command.sequence > worker->sequence &&
            strcmp(command.request.name, sim->workers.names[queue]) == 0)
            worker->sequence = command.sequence;
    }
    cfs_command_clear(&command);
}

/* Somebody is told that he waits his turn. What was said to one that he gave up may come late. */
void sim_workers_heard(struct sim *sim, const struct sim_node *node,
                       const struct cfs_message *message)
{
    const struct cfs_core_view *leader = &sim->nodes[message->from - 1].views[message->group];

    if (message->type != CFS_MSG_ANSWER || message->answer.to != CFS_TO_COMMAND ||
        !message->answer.queued || !message->group || node->state != SIM_UP || !leader->serving ||
        leader->term != message->term)
        return;
    for (uint32_t queue = 0; queue < sim->swarm.queue_count; queue++) {
        struct sim_worker *worker = &sim->workers.workers[node->id - 1][queue];
        if (sim->workers.groups[queue] == message->group &&
            message->answer.session == node->view.session && sim_worker_in_its_session(worker) &&
            worker->id && !worker->queued && worker->sequence > worker->before &&
            message->answer.id == worker->sequence)
            worker->queued = sim->world.now;
    }
}

/* Time. */

/* What was under way died with the daemon; what it held it has forgotten. */
static void follow_node(struct sim *sim, struct sim_worker *worker)
{
    cfs_session_id session = worker->node->view.session;

    if (worker->life != worker->node->life) {
        worker->id = 0;
        worker->claim_count = 0;
        worker->life = worker->node->life;
    }
    if (session == worker->session_seen)
        return;
    worker->session_seen = session;
    worker->session_since = sim->world.now;
    worker->sequence = worker->before = 0;
}

static void give_up(struct sim *sim, struct sim_worker *worker)
{
    struct cfs_event event = {.type = CFS_EV_CANCEL, .id = worker->id};

    worker->given_up = true;
    worker->since = sim->world.now;
    sim_say(sim, "n%u worker %" PRIu64 " gives up", worker->node->id, worker->id - SIM_WORKER_ID);
    sim_node_event(sim, worker->node, worker->node->life, &event);
}

static bool waits_too_long(const struct sim *sim, const struct sim_worker *worker)
{
    bool ending = sim->live.stage >= SIM_STAGE_END;

    return cfs_request_may_wait(&worker->request) && (ending || sim->world.now >= worker->give_up);
}

static void check_answer(struct sim *sim, const struct sim_worker *worker)
{
    cfs_time allowed = sim->swarm.timeout * 101 / 100 + ANSWER_SLACK, since = worker->since;
    bool waits = cfs_request_may_wait(&worker->request) && !worker->given_up;

    if (worker->node->resumed > since)
        since = worker->node->resumed;
    if (worker->id && !waits && sim->world.now > since + allowed)
        sim_fail(sim, "answer-in-time", "node %u has not answered a worker for %" PRIu64 " ms",
                 worker->node->id, (sim->world.now - since) / 1000);
}

static void act(struct sim *sim, void *arg, uint64_t value)
{
    struct sim_worker *worker = arg;
    struct sim_node *node = worker->node;
    bool ending = sim->live.stage >= SIM_STAGE_END;

    (void)value;
    act_after(sim, worker, ending ? CFS_MS(5) : sim->swarm.worker_think_max);
    if (node->state != SIM_UP || node->leaving || worker->done)
        return;
    follow_node(sim, worker);
    check_answer(sim, worker);
    if (worker->id && !worker->given_up && waits_too_long(sim, worker))
        give_up(sim, worker);
    else if (!worker->id && ending)
        wind_down(sim, worker);
    else if (!worker->id)
        work(sim, worker);
}

bool sim_workers_use(const struct sim *sim, cfs_group_id group)
{
    for (uint32_t queue = 0; queue < sim->swarm.queue_count; queue++)
        if (sim->workers.groups[queue] == group)
            return true;
    return false;
}

/* A group for each, as far as there are some: the last one has no queues where there are others. */
static void name_queue(struct sim *sim, uint32_t queue)
{
    uint32_t groups = sim->swarm.groups > 1 ? sim->swarm.groups - 1 : sim->swarm.groups;
    cfs_group_id group = groups ? queue % groups + 1 : 0;
    char *name = sim->workers.names[queue];

    sim->workers.groups[queue] = group;
    for (unsigned i = 0;
         i == 0 || (groups && cfs_ring_group_of(name, strlen(name), groups) != group); i++)
        snprintf(name, sizeof sim->workers.names[queue], "jobs%u-%u", queue, i);
}

void sim_workers_start(struct sim *sim)
{
    for (uint32_t queue = 0; queue < sim->swarm.queue_count; queue++) {
        name_queue(sim, queue);
        for (uint32_t i = 0; i < sim->swarm.node_count; i++) {
            struct sim_worker *worker = &sim->workers.workers[i][queue];
            *worker = (struct sim_worker){.node = &sim->nodes[i], .queue = queue};
            act_after(sim, worker, sim->swarm.worker_think_max);
        }
    }
}
