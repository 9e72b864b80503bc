/* Questions to the leader: linearizable reads (thesis 6.4), and acquires that do not wait, which
 * are first put as a question so that a refusal costs no disk write.
 *
 * A question is answered from the applied state when the lease is valid and everything that was in
 * the log when the question came has been applied: then it sees all that was answered before it was
 * asked, and all that its own node had sent before it. */
#include <stdlib.h>
#include <utlist.h>

#include "core/alloc.h"
#include "core/home.h"

/* How long a holder's node may take to finish its releases before "held" is believed all the same.
 */
#define DRAIN_MAX CFS_MS(250)

struct cfs_question {
    struct cfs_message message; /* READ or FORWARD; owned */
    struct cfs_command try;     /* FORWARD: decoded, borrowing from message */
    uint64_t after;             /* applied index it has to see */
    bool drained;               /* the holders' nodes were asked */
    uint64_t drain_id;
    uint32_t awaited; /* bit set by member position: have not finished yet */
    cfs_time deadline;
    struct cfs_question *prev, *next;
};

/* A resend of a question that is still open adds nothing. */
static bool is_open(const struct cfs_home *home, const struct cfs_message *message,
                    const struct cfs_command *try)
{
    const struct cfs_question *question;

    DL_FOREACH (home->questions, question) {
        if (question->message.from != message->from || question->message.type != message->type)
            continue;
        if (try ? question->try.session == try->session && question->try.sequence == try->sequence
                : question->message.read.id == message->read.id)
            return true;
    }
    return false;
}

void cfs_home_ask(struct cfs_home *home, struct cfs_message *message, const struct cfs_command *try)
{
    struct cfs_question *question;

    if (is_open(home, message, try))
        return;
    question = cfs_alloc_zeroed(1, sizeof *question);
    question->message = *message;
    *message = (struct cfs_message){0};
    if (try)
        question->try = *try;
    question->after = cfs_log_last_index(&home->raft->log);
    question->deadline = CFS_NEVER;
    DL_APPEND(home->questions, question);
}

static void drop(struct cfs_home *home, struct cfs_question *question)
{
    DL_DELETE(home->questions, question);
    cfs_message_clear(&question->message);
    free(question);
}

void cfs_home_drop_questions(struct cfs_home *home)
{
    while (home->questions)
        drop(home, home->questions);
}

/* Asks the nodes that hold through open files to finish what they have queued; true when it has to
 * be waited for. */
static bool drain(struct cfs_home *home, struct cfs_question *question, const char *name)
{
    uint64_t nodes = cfs_lock_table_flock_nodes(home->machine->locks, name);

    if (question->drained)
        return question->awaited && home->env->now < question->deadline;
    question->drained = true;
    question->drain_id = ++home->drain_id;
    question->deadline = home->env->now + DRAIN_MAX;
    for (uint32_t i = 0; i < home->config->member_count; i++) {
        cfs_node_id node = home->config->members[i];
        struct cfs_message message = {.type = CFS_MSG_DRAIN,
                                      .group = home->raft->group,
                                      .to = node,
                                      .term = home->raft->term,
                                      .drain = {.id = question->drain_id}};
        if (!(nodes >> node & 1) || !cfs_home_node_alive(home, node))
            continue;
        question->awaited |= 1u << i;
        cfs_env_send(home->env, &message);
    }
    return question->awaited != 0;
}

static void answer_read(struct cfs_home *home, const struct cfs_question *question)
{
    const struct cfs_msg_read *read = &question->message.read;
    struct cfs_writer writer = {0};
    struct cfs_answer answer = {0};
    char *names = NULL;
    struct cfs_message message = {.type = CFS_MSG_ANSWER,
                                  .group = home->raft->group,
                                  .to = question->message.from,
                                  .term = home->raft->term,
                                  .answer = {.to = CFS_TO_READ, .id = read->id}};

    if (read->op == CFS_OP_LIST)
        names = cfs_lock_table_list(home->machine->locks, read->name, &answer);
    if (read->op == CFS_OP_GET &&
        !cfs_lock_table_get(home->machine->locks, read->name, &answer.lock))
        answer.error = CFS_ERR_NOT_HELD;
    cfs_answer_encode(&writer, &answer);
    free(names);
    message.answer.answer = writer.data;
    message.answer.len = (uint32_t)writer.len;
    cfs_env_send(home->env, &message);
}

static bool progress_read(struct cfs_home *home, struct cfs_question *question)
{
    const struct cfs_msg_read *read = &question->message.read;
    const char *name = read->op == CFS_OP_LIST ? NULL : read->name;

    if (drain(home, question, name))
        return false;
    answer_read(home, question);
    return true;
}

static bool progress_try(struct cfs_home *home, struct cfs_question *question)
{
    const struct cfs_command *try = &question->try;
    const struct cfs_acquire *acquire = &try->request.acquire;
    struct cfs_asker asker = {try->session, try->sequence, try->node};

    if (cfs_home_known(home, asker))
        return true;
    /* A conversion goes to the log in any case: what has been closed must be out of its way by
     * then. */
    if (cfs_lock_table_converts(home->machine->locks, try->session, try->request.name, acquire) &&
        drain(home, question, try->request.name))
        return false;
    if (!cfs_sessions_find(&home->machine->sessions, try->session) ||
        !cfs_lock_table_conflicts(home->machine->locks, try->session, try->request.name, acquire)) {
        cfs_home_log(home, asker, &question->message.forward);
        return true;
    }
    if (home->raft->applied < question->after || !cfs_home_lease_valid(home) ||
        drain(home, question, try->request.name))
        return false;
    cfs_home_refuse(home, asker,
                    acquire->kind == CFS_LOCKFILE ? CFS_ERR_EXISTS : CFS_ERR_WOULD_BLOCK);
    return true;
}

static bool progress(struct cfs_home *home, struct cfs_question *question)
{
    if (question->message.type == CFS_MSG_FORWARD)
        return progress_try(home, question);
    return home->raft->applied >= question->after && cfs_home_lease_valid(home) &&
           progress_read(home, question);
}

void cfs_home_progress(struct cfs_home *home)
{
    struct cfs_question *question, *next;

    DL_FOREACH_SAFE (home->questions, question, next)
        if (progress(home, question))
            drop(home, question);
}

void cfs_home_drained(struct cfs_home *home, const struct cfs_message *message)
{
    int at = cfs_raft_position(home->raft, message->from);
    struct cfs_question *question;

    if (at < 0 || message->term != home->raft->term)
        return;
    DL_FOREACH (home->questions, question)
        if (question->drained && question->drain_id == message->drain_reply.id)
            question->awaited &= ~(1u << at);
}

cfs_time cfs_home_question_deadline(const struct cfs_home *home)
{
    cfs_time due = CFS_NEVER;

    for (const struct cfs_question *q = home->questions; q; q = q->next)
        if (q->awaited && q->deadline > home->env->now && q->deadline < due)
            due = q->deadline;
    return due;
}
