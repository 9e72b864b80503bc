/* Questions to the leader: linearizable reads (thesis 6.4), and requests that do not wait their
 * turn, which are first put as a question so that a refusal costs no disk write.
 *
 * A question is answered from the applied state when the lease is valid and everything that was in
 * the log when the question came has been applied: then it sees all that was answered before it was
 * asked, and all that its own node had sent before it. */
#include <assert.h>
#include <stdlib.h>
#include <utlist.h>

#include "core/alloc.h"
#include "core/home.h"

/* How long a holder's node may take to finish its releases before "held" is believed all the same.
 */
#define DRAIN_MAX CFS_MS(250)

/* How long whoever is patient waits for a recall. */
#define PATIENCE CFS_MS(10)

/* Whoever waits for a drain may get what he wants before it ends. That many of the oldest are
 * looked at for it when entries were applied; the others hear it from their drains. */
#define LOOK_MAX 16u

/* A resend of a question that is still open adds nothing. */
struct key {
    uint64_t asker; /* type of the message and node */
    uint64_t session, number;
};

struct cfs_question {
    struct key key;
    struct cfs_message message; /* READ or FORWARD; owned */
    struct cfs_command try;     /* FORWARD: decoded, borrowing from message; owned */
    uint64_t after;             /* applied index it has to see */
    uint64_t drain_id;          /* 0: the holders' nodes were not asked yet */
    cfs_node_set awaited;       /* have not finished yet */
    cfs_time deadline;
    struct cfs_question **list;
    struct cfs_question *prev, *next;
    UT_hash_handle hh, hh_drain;
};

static void move(struct cfs_question *question, struct cfs_question **list)
{
    if (question->list)
        DL_DELETE(*question->list, question);
    question->list = list;
    if (list)
        DL_APPEND(*list, question);
}

static struct key key_of(const struct cfs_message *message, const struct cfs_command *try)
{
    struct key key = {.asker = (uint64_t)message->type << 32 | message->from};

    key.session = try ? try->session : 0;
    key.number = try ? try->sequence : message->read.id;
    return key;
}

/* Seeing more of the log than was there when it was asked does a question no harm, and keeps those
 * that wait in order. */
static void wait_for_log(struct cfs_home *home, struct cfs_question *question)
{
    question->after = cfs_log_last_index(&home->raft->log);
    move(question, &home->questions.waiting);
}

void cfs_home_ask(struct cfs_home *home, struct cfs_message *message, struct cfs_command *try)
{
    struct key key = key_of(message, try);
    struct cfs_question *question;

    HASH_FIND(hh, home->questions.open, &key, sizeof key, question);
    if (question)
        return;
    question = cfs_alloc_zeroed(1, sizeof *question);
    question->key = key;
    question->message = *message;
    *message = (struct cfs_message){0};
    question->after = cfs_log_last_index(&home->raft->log);
    HASH_ADD(hh, home->questions.open, key, sizeof key, question);
    if (try) {
        question->try = *try;
        try->owned = NULL;
    }
    move(question, try ? &home->questions.ready : &home->questions.waiting);
}

static void end_drain(struct cfs_home *home, struct cfs_question *question)
{
    HASH_DELETE(hh_drain, home->questions.by_drain, question);
    question->awaited = 0;
    move(question, &home->questions.ready);
}

static void drop(struct cfs_home *home, struct cfs_question *question)
{
    if (question->awaited)
        end_drain(home, question);
    move(question, NULL);
    HASH_DEL(home->questions.open, question);
    cfs_message_clear(&question->message);
    cfs_command_clear(&question->try);
    free(question);
}

void cfs_home_drop_questions(struct cfs_home *home)
{
    while (home->questions.open)
        drop(home, home->questions.open);
}

static void begin_drain(struct cfs_home *home, struct cfs_question *question, uint64_t nodes)
{
    question->drain_id = ++home->questions.drain_id;
    CFS_EACH_NODE (node, nodes) {
        struct cfs_message message = {.type = CFS_MSG_DRAIN,
                                      .group = home->raft->group,
                                      .to = node,
                                      .term = home->raft->term,
                                      .drain = {.id = question->drain_id}};
        if (!cfs_home_node_alive(home, node))
            continue;
        question->awaited |= CFS_NODE_BIT(node);
        cfs_env_send(home->env, &message);
    }
    if (!question->awaited)
        return;
    question->deadline = home->env->now + DRAIN_MAX;
    HASH_ADD(hh_drain, home->questions.by_drain, drain_id, sizeof question->drain_id, question);
    move(question, &home->questions.draining);
}

/* Asks the nodes that hold through open files to finish what they have queued; true when it has to
 * be waited for. */
static bool drain(struct cfs_home *home, struct cfs_question *question, const char *name)
{
    if (!question->drain_id)
        begin_drain(home, question, cfs_lock_table_flock_nodes(home->machine->locks, name));
    return question->awaited != 0;
}

void cfs_home_answer_read(struct cfs_home *home, cfs_node_id to, uint64_t id,
                          const struct cfs_answer *answer)
{
    struct cfs_asker asker = {0, id, to};
    struct cfs_writer writer = {0};

    if (answer && cfs_home_hold(home, CFS_TO_READ, asker, answer))
        return;
    if (answer)
        cfs_answer_encode(&writer, answer);
    cfs_home_say(home, CFS_TO_READ, asker, answer ? &writer : NULL);
}

static void answer_read(struct cfs_home *home, const struct cfs_question *question)
{
    const struct cfs_msg_read *read = &question->message.read;
    struct cfs_answer answer = {0};
    void *owned = NULL;

    if (cfs_op_is_of_cache(read->op)) {
        cfs_home_answer_cache(home, &question->message);
        return;
    }
    if (read->op == CFS_OP_LIST)
        owned = cfs_lock_table_list(home->machine->locks, read->name, &answer);
    else if (read->op != CFS_OP_GET)
        owned = cfs_home_look(home, read, &answer);
    else if (!cfs_lock_table_get(home->machine->locks, read->name, &answer.lock))
        answer.error = CFS_ERR_NOT_HELD;
    cfs_home_answer_read(home, question->message.from, read->id, &answer);
    free(owned);
}

static bool is_recalled(const struct cfs_home *home, const struct cfs_question *question)
{
    return cfs_lines_recalls(&home->lines, cfs_line_number(question->message.read.cache.ino, true));
}

/* Whether it waits for the end of a recall: the old value would be right, but whoever is told it
 * cannot keep it, and asks again and again, which holds up those who are to give it up. */
static bool is_put_off(struct cfs_home *home, struct cfs_question *question)
{
    struct cfs_msg_read *read = &question->message.read;

    if (read->op != CFS_OP_CACHE_FETCH || !read->cache.patient || !is_recalled(home, question))
        return false;
    read->cache.patient = false; /* it waits for one change, not for the next too */
    question->deadline = home->env->now + PATIENCE;
    move(question, &home->questions.patient);
    return true;
}

static bool progress_read(struct cfs_home *home, struct cfs_question *question)
{
    const struct cfs_msg_read *read = &question->message.read;
    const char *name = read->op == CFS_OP_LIST ? NULL : read->name;

    bool of_lock = read->op == CFS_OP_GET || read->op == CFS_OP_LIST;

    if ((of_lock && drain(home, question, name)) || is_put_off(home, question))
        return false;
    if (read->op == CFS_OP_QUEUE_AWAIT)
        cfs_home_await(home, &question->message);
    else
        answer_read(home, question);
    return true;
}

static enum cfs_error lock_refusal(const struct cfs_home *home, const struct cfs_command *try)
{
    const struct cfs_acquire *acquire = &try->request.acquire;

    if (!cfs_lock_table_conflicts(home->machine->locks, try->session, try->request.name, acquire))
        return CFS_OK;
    return acquire->kind == CFS_LOCKFILE ? CFS_ERR_EXISTS : CFS_ERR_WOULD_BLOCK;
}

static enum cfs_error refusal(const struct cfs_home *home, const struct cfs_command *try)
{
    const struct cfs_request *request = &try->request;

    if (request->op == CFS_OP_ACQUIRE)
        return lock_refusal(home, try);
    return cfs_op_is_of_cache(request->op) ? cfs_home_change_refusal(home, request)
                                           : cfs_queues_refusal(home->machine->queues, request);
}

static void begin(struct cfs_home *home, struct cfs_asker asker, struct cfs_question *question)
{
    const struct cfs_request *request = &question->try.request;

    if (cfs_op_is_of_cache(request->op))
        cfs_home_change(home, asker, request, &question->message.forward);
    else
        cfs_home_log(home, asker, &question->message.forward);
}

/* Whether it is about a lock that nodes have to be asked about first. */
static bool drain_for(struct cfs_home *home, struct cfs_question *question)
{
    const struct cfs_request *request = &question->try.request;

    return request->op == CFS_OP_ACQUIRE && drain(home, question, request->name);
}

static bool progress_try(struct cfs_home *home, struct cfs_question *question)
{
    const struct cfs_command *try = &question->try;
    const struct cfs_request *request = &try->request;
    struct cfs_asker asker = {try->session, try->sequence, try->node};
    bool of_lock = request->op == CFS_OP_ACQUIRE;
    enum cfs_error error;

    if (cfs_home_known(home, asker))
        return true;
    /* A conversion goes to the log in any case: what has been closed must be out of its way by
     * then. */
    if (of_lock &&
        cfs_lock_table_converts(home->machine->locks, try->session, request->name,
                                &request->acquire) &&
        drain_for(home, question))
        return false;
    error = refusal(home, try);
    if (!error || !cfs_sessions_find(&home->machine->sessions, try->session)) {
        begin(home, asker, question);
        return true;
    }
    if (home->raft->applied < question->after || !cfs_home_lease_valid(home) ||
        drain_for(home, question))
        return false;
    cfs_home_refuse(home, asker, error);
    return true;
}

/* True when it is answered, or has become a command. */
static bool progress(struct cfs_home *home, struct cfs_question *question)
{
    if (question->message.type == CFS_MSG_FORWARD)
        return progress_try(home, question);
    return home->raft->applied >= question->after && cfs_home_lease_valid(home) &&
           progress_read(home, question);
}

static void progress_ready(struct cfs_home *home)
{
    struct cfs_questions *questions = &home->questions;

    while (questions->draining && questions->draining->deadline <= home->env->now)
        end_drain(home, questions->draining);
    while (questions->patient && questions->patient->deadline <= home->env->now)
        move(questions->patient, &questions->ready);
    while (questions->ready) {
        struct cfs_question *question = questions->ready;
        if (progress(home, question))
            drop(home, question);
        else if (!question->awaited)
            wait_for_log(home, question);
    }
}

/* Who has seen the log under the lease is answered, or drains, or is patient. */
static void progress_waiting(struct cfs_home *home)
{
    struct cfs_questions *questions = &home->questions;

    while (questions->waiting && questions->waiting->after <= home->raft->applied &&
           cfs_home_lease_valid(home)) {
        struct cfs_question *question = questions->waiting;
        if (progress(home, question))
            drop(home, question);
        else
            assert(question->list != &questions->waiting);
    }
}

static void progress_draining(struct cfs_home *home)
{
    struct cfs_question *question, *next;
    uint32_t looks = 0;

    if (home->questions.seen == home->raft->applied)
        return;
    home->questions.seen = home->raft->applied;
    DL_FOREACH_SAFE (home->questions.draining, question, next) {
        if (looks++ == LOOK_MAX)
            return;
        if (progress(home, question))
            drop(home, question);
    }
}

/* What was recalled is in the log: the change is to be seen. */
static void progress_patient(struct cfs_home *home)
{
    struct cfs_question *question, *next;

    if (home->questions.recalled == home->lines.recalled)
        return;
    home->questions.recalled = home->lines.recalled;
    DL_FOREACH_SAFE (home->questions.patient, question, next)
        if (!is_recalled(home, question))
            wait_for_log(home, question);
}

void cfs_home_progress(struct cfs_home *home)
{
    cfs_home_wake(home);
    progress_ready(home);
    progress_waiting(home);
    progress_draining(home);
    cfs_home_changes_progress(home);
    progress_patient(home);
}

void cfs_home_drained(struct cfs_home *home, const struct cfs_message *message)
{
    struct cfs_question *question;

    if (message->term != home->raft->term)
        return;
    HASH_FIND(hh_drain, home->questions.by_drain, &message->drain_reply.id,
              sizeof message->drain_reply.id, question);
    if (!question)
        return;
    if (question->awaited == CFS_NODE_BIT(message->from))
        end_drain(home, question);
    else
        question->awaited &= ~CFS_NODE_BIT(message->from);
}

cfs_time cfs_home_question_deadline(const struct cfs_home *home)
{
    const struct cfs_questions *questions = &home->questions;
    cfs_time due = questions->draining ? questions->draining->deadline : CFS_NEVER;

    return questions->patient ? cfs_earlier(due, questions->patient->deadline) : due;
}
