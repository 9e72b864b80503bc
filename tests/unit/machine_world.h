/* One replica of the machine: a log of commands goes in, and what it answered is looked up by
 * session and sequence. */
#ifndef TESTS_UNIT_MACHINE_WORLD_H
#define TESTS_UNIT_MACHINE_WORLD_H

#include "core_bench.h"

#include <stdlib.h>
#include <string.h>

#include "core/machine.h"

struct heard {
    struct cfs_asker asker;
    bool queued;
    struct cfs_answer answer;
};

struct replica {
    struct cfs_machine machine;
    uint64_t index;
    cfs_time time;
    struct heard heard[256];
    size_t count;
};

static inline void note(void *arg, struct cfs_asker asker, bool queued,
                        const struct cfs_answer *answer)
{
    struct replica *replica = arg;

    assert_true(replica->count < sizeof replica->heard / sizeof *replica->heard);
    replica->heard[replica->count] = (struct heard){.asker = asker, .queued = queued};
    if (answer)
        replica->heard[replica->count].answer = *answer;
    replica->count++;
}

static inline int set_up(void **state)
{
    struct replica *r = calloc(1, sizeof *r);

    r->time = CFS_SECONDS(1);
    cfs_machine_init(&r->machine, note, r);
    *state = r;
    return 0;
}

static inline int tear_down(void **state)
{
    struct replica *r = *state;

    cfs_machine_close(&r->machine);
    free(r);
    return 0;
}

/* The next entry of the log; returns its index. */
static inline uint64_t apply(struct replica *r, const struct cfs_command *command)
{
    struct cfs_writer writer = {0};
    struct cfs_entry *entry;

    cfs_command_encode(&writer, command);
    entry = cfs_entry_new(CFS_ENTRY_COMMAND, ++r->index, 1, writer.data, (uint32_t)writer.len);
    entry->time = r->time;
    cfs_machine_apply(&r->machine, entry);
    cfs_entry_unref(entry);
    free(writer.data);
    return r->index;
}

static inline const struct cfs_answer *try_open(struct replica *r, cfs_node_id node, uint64_t nonce,
                                                cfs_session_id replaces, bool resume)
{
    size_t before = r->count;

    apply(r, &(struct cfs_command){.kind = CFS_CMD_OPEN_SESSION,
                                   .node = node,
                                   .sequence = nonce,
                                   .nonce = nonce,
                                   .target = replaces,
                                   .session_term = CFS_SECONDS(5),
                                   .resume = resume});
    assert_true(r->count > before);
    return &r->heard[before].answer;
}

/* As a node does: it is told which session it replaces, and asks again. */
static inline cfs_session_id open_session(struct replica *r, cfs_node_id node, uint64_t nonce,
                                          bool resume)
{
    const struct cfs_answer *answer = try_open(r, node, nonce, 0, resume);

    if (answer->error == CFS_ERR_BUSY)
        answer = try_open(r, node, nonce, answer->token, resume);
    assert_int_equal(answer->error, CFS_OK);
    return answer->token;
}

static inline struct cfs_command in(cfs_session_id session, cfs_node_id node, uint64_t sequence,
                                    enum cfs_command_kind kind)
{
    return (struct cfs_command){
        .kind = kind, .node = node, .session = session, .sequence = sequence, .oldest = 1};
}

static inline void ask(struct replica *r, cfs_session_id session, cfs_node_id node,
                       uint64_t sequence, struct cfs_request request)
{
    struct cfs_command command = in(session, node, sequence, CFS_CMD_REQUEST);

    command.request = request;
    apply(r, &command);
}

static inline void cancel(struct replica *r, cfs_session_id session, cfs_node_id node,
                          uint64_t sequence, uint64_t target, bool undo)
{
    struct cfs_command command = in(session, node, sequence, CFS_CMD_CANCEL);

    command.target = target;
    command.undo = undo;
    apply(r, &command);
}

/* The newest answer to (session, sequence); NULL if there is none. */
static inline const struct heard *heard(const struct replica *r, cfs_session_id session,
                                        uint64_t sequence)
{
    for (size_t i = r->count; i > 0; i--)
        if (r->heard[i - 1].asker.session == session && r->heard[i - 1].asker.sequence == sequence)
            return &r->heard[i - 1];
    return NULL;
}

static inline enum cfs_error error_of(const struct replica *r, cfs_session_id session,
                                      uint64_t sequence)
{
    const struct heard *h = heard(r, session, sequence);

    assert_non_null(h);
    assert_false(h->queued);
    return h->answer.error;
}

static inline bool is_held(const struct replica *r, const char *name)
{
    struct cfs_lock_info info;

    return cfs_lock_table_get(r->machine.locks, name, &info);
}

#endif
