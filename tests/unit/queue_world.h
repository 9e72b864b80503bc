/* A world for stories about queues: sessions 1, 2, 3 (of nodes 1, 2, 3) produce and consume, each
 * request has the next sequence, and the end of a wait is looked up by the sequence that waited.
 * Bodies are strings. */
#ifndef TESTS_UNIT_QUEUE_WORLD_H
#define TESTS_UNIT_QUEUE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/queue.h"

#define ENDS_MAX 1000
#define BODY_MAX 64
#define ON_DISK "(on the disk)" /* in place of a body that is not in memory */

/* What a message was when it was handed out. */
struct handed {
    struct cfs_message_info info;
    char body[BODY_MAX];
};

struct end {
    struct cfs_asker asker;
    enum cfs_error error;
    cfs_message_id id;
    uint32_t count;
    struct handed first;
};

struct world {
    struct cfs_queues *queues;
    struct cfs_moment now;
    uint64_t sequence; /* of the newest request */
    struct end ends[ENDS_MAX];
    size_t end_count;
    enum cfs_outcome outcome; /* of the newest one */
    struct cfs_answer answer;
};

static inline struct handed keep(const struct cfs_message_info *info)
{
    struct handed handed = {.info = *info};

    assert_true(info->len < BODY_MAX);
    if (info->len && info->body)
        memcpy(handed.body, info->body, info->len);
    else if (info->len)
        strcpy(handed.body, ON_DISK);
    return handed;
}

static inline void note_end(void *arg, struct cfs_asker asker, const struct cfs_answer *answer)
{
    struct world *w = arg;
    struct end *end = &w->ends[w->end_count++];

    assert_true(w->end_count < ENDS_MAX);
    *end = (struct end){
        .asker = asker, .error = answer->error, .id = answer->id, .count = answer->message_count};
    if (answer->message_count)
        end->first = keep(&answer->messages[0]);
}

static inline struct cfs_moment tick(struct world *w)
{
    w->now.index++;
    w->now.time += CFS_MS(1);
    w->now.wall++;
    return w->now;
}

static inline enum cfs_error make(struct world *w, const char *name, bool exclusive)
{
    struct cfs_queue_make m = {.uid = 1000, .gid = 100, .perm = 0640, .exclusive = exclusive};

    return cfs_queues_make(w->queues, tick(w), name, &m);
}

/* There is a queue "q" of user 1000. */
static inline int make_world(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    w->queues = cfs_queues_new(note_end, w);
    w->now = (struct cfs_moment){.index = 100, .time = CFS_SECONDS(1), .wall = 5000};
    assert_int_equal(make(w, "q", true), CFS_OK);
    *state = w;
    return 0;
}

static inline int end_world(void **state)
{
    struct world *w = *state;

    cfs_queues_free(w->queues);
    free(w);
    return 0;
}

static inline struct cfs_produce one(const char *body)
{
    return (struct cfs_produce){
        .data = (const uint8_t *)body, .len = (uint32_t)strlen(body), .wait = true};
}

/* Returns the sequence. */
static inline uint64_t produce(struct world *w, cfs_session_id session, const char *name,
                               struct cfs_produce what)
{
    struct cfs_asker asker = {session, ++w->sequence, (cfs_node_id)session};

    w->outcome = cfs_queues_produce(w->queues, asker, tick(w), name, &what, &w->answer);
    return asker.sequence;
}

/* It went in; returns its id. */
static inline cfs_message_id put(struct world *w, const char *name, const char *body)
{
    produce(w, 1, name, one(body));
    assert_int_equal(w->outcome, CFS_ANSWERED);
    assert_int_equal(w->answer.error, CFS_OK);
    assert_true(w->answer.id > 0);
    return w->answer.id;
}

static inline uint64_t put_waits(struct world *w, cfs_session_id session, const char *name,
                                 const char *body)
{
    uint64_t sequence = produce(w, session, name, one(body));

    assert_int_equal(w->outcome, CFS_QUEUED);
    return sequence;
}

static inline void put_refused(struct world *w, const char *name, const char *body,
                               enum cfs_error error)
{
    struct cfs_produce what = one(body);

    what.wait = false;
    produce(w, 1, name, what);
    assert_int_equal(w->outcome, CFS_ANSWERED);
    assert_int_equal(w->answer.error, error);
    assert_int_equal(w->answer.id, 0);
}

static inline struct cfs_consume waiting(uint32_t max)
{
    return (struct cfs_consume){.wait = true, .max = max};
}

static inline uint64_t consume(struct world *w, cfs_session_id session, const char *name,
                               struct cfs_consume how)
{
    struct cfs_asker asker = {session, ++w->sequence, (cfs_node_id)session};

    w->outcome = cfs_queues_consume(w->queues, asker, tick(w), name, &how, &w->answer);
    return asker.sequence;
}

/* Is handed one message at once, and it is `body`. */
static inline struct handed take(struct world *w, cfs_session_id session, const char *name,
                                 const char *body)
{
    struct handed handed;

    consume(w, session, name, waiting(1));
    assert_int_equal(w->outcome, CFS_ANSWERED);
    assert_int_equal(w->answer.error, CFS_OK);
    assert_int_equal(w->answer.message_count, 1);
    handed = keep(&w->answer.messages[0]);
    assert_string_equal(handed.body, body);
    assert_true(handed.info.claim > 0);
    return handed;
}

static inline uint64_t take_waits(struct world *w, cfs_session_id session, const char *name)
{
    uint64_t sequence = consume(w, session, name, waiting(1));

    assert_int_equal(w->outcome, CFS_QUEUED);
    return sequence;
}

static inline void take_refused(struct world *w, const char *name, enum cfs_error error)
{
    consume(w, 1, name, (struct cfs_consume){.max = 1});
    assert_int_equal(w->outcome, CFS_ANSWERED);
    assert_int_equal(w->answer.error, error);
    assert_int_equal(w->answer.message_count, 0);
}

/* What ended the wait; NULL while it waits. */
static inline const struct end *end_of(const struct world *w, uint64_t sequence)
{
    const struct end *found = NULL;

    for (size_t i = 0; i < w->end_count; i++) {
        if (w->ends[i].asker.sequence != sequence)
            continue;
        assert_null(found); /* told once */
        found = &w->ends[i];
    }
    return found;
}

static inline void waits(const struct world *w, uint64_t sequence)
{
    assert_null(end_of(w, sequence));
}

static inline struct handed woken(const struct world *w, uint64_t sequence, const char *body)
{
    const struct end *end = end_of(w, sequence);

    assert_non_null(end);
    assert_int_equal(end->error, CFS_OK);
    assert_int_equal(end->count, 1);
    assert_string_equal(end->first.body, body);
    return end->first;
}

static inline void sent_away(const struct world *w, uint64_t sequence, enum cfs_error error)
{
    const struct end *end = end_of(w, sequence);

    assert_non_null(end);
    assert_int_equal(end->error, error);
}

static inline enum cfs_error ack(struct world *w, const char *name, cfs_claim_id claim)
{
    struct cfs_settle s = {.place = CFS_INFLIGHT, .ids = &claim, .count = 1};

    return cfs_queues_ack(w->queues, tick(w), name, &s);
}

static inline enum cfs_error bury(struct world *w, const char *name, cfs_message_id dead)
{
    struct cfs_settle s = {.place = CFS_DEAD, .ids = &dead, .count = 1};

    return cfs_queues_ack(w->queues, tick(w), name, &s);
}

static inline enum cfs_error give_back(struct world *w, const char *name, cfs_claim_id claim)
{
    struct cfs_settle s = {.place = CFS_INFLIGHT, .ids = &claim, .count = 1};

    return cfs_queues_give_back(w->queues, tick(w), name, &s);
}

static inline enum cfs_error extend(struct world *w, const char *name, cfs_claim_id claim)
{
    struct cfs_settle s = {.place = CFS_INFLIGHT, .ids = &claim, .count = 1};

    return cfs_queues_extend(w->queues, tick(w), name, &s);
}

static inline enum cfs_error move_to(struct world *w, const char *name,
                                     enum cfs_message_place place, uint64_t id, const char *to)
{
    struct cfs_message_move m = {.place = place, .id = id};

    strcpy(m.to, to);
    return cfs_queues_move(w->queues, tick(w), name, &m);
}

static inline enum cfs_error configure(struct world *w, const char *name, uint32_t fields,
                                       struct cfs_queue_config config)
{
    struct cfs_queue_set set = {.fields = fields, .uid = 1000, .config = config};

    return cfs_queues_configure(w->queues, tick(w), name, &set);
}

static inline void bound_messages(struct world *w, const char *name, uint64_t max)
{
    struct cfs_queue_config config = {.max_messages = max};

    assert_int_equal(configure(w, name, CFS_CONFIG_MAX_MESSAGES, config), CFS_OK);
}

static inline void bound_deliveries(struct world *w, const char *name, uint32_t max)
{
    struct cfs_queue_config config = {.max_deliveries = max};

    assert_int_equal(configure(w, name, CFS_CONFIG_MAX_DELIVERIES, config), CFS_OK);
}

static inline struct cfs_queue_info info_of(struct world *w, const char *name)
{
    struct cfs_queue_info info;

    assert_true(cfs_queues_stat(w->queues, name, &info));
    return info;
}

static inline void counts(struct world *w, const char *name, uint64_t ready, uint64_t inflight,
                          uint64_t dead)
{
    struct cfs_queue_info info = info_of(w, name);

    assert_int_equal(info.ready, ready);
    assert_int_equal(info.inflight, inflight);
    assert_int_equal(info.dead, dead);
}

/* The ids in a place behind `after`, which the caller frees. */
static inline uint64_t *list(struct world *w, const char *name, enum cfs_message_place place,
                             uint64_t after, struct cfs_answer *answer)
{
    struct cfs_queue_read read = {.place = place, .number = after};

    *answer = (struct cfs_answer){0};
    return cfs_queues_list_messages(w->queues, name, &read, answer);
}

/* A test in a world of its own. */
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, make_world, end_world)

#endif
