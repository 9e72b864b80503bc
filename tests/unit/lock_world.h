/* A world for stories about the lock table: sessions 1, 2, 3 (of nodes 1, 2, 3) ask for locks, each
 * request has the next sequence, and the end of a wait is looked up by the sequence that waited. */
#ifndef TESTS_UNIT_LOCK_WORLD_H
#define TESTS_UNIT_LOCK_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/lock_table.h"

#define ENDS_MAX 1000

struct end {
    struct cfs_asker asker;
    struct cfs_answer answer;
};

struct world {
    struct cfs_lock_table *table;
    struct cfs_moment now;
    uint64_t sequence; /* of the newest request */
    struct end ends[ENDS_MAX];
    size_t end_count;
    /* The newest answer. */
    enum cfs_outcome outcome;
    struct cfs_answer answer;
};

static inline void note_end(void *arg, struct cfs_asker asker, const struct cfs_answer *answer)
{
    struct world *w = arg;

    assert_true(w->end_count < ENDS_MAX);
    w->ends[w->end_count++] = (struct end){asker, *answer};
}

static inline int make_world(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    w->table = cfs_lock_table_new(note_end, w);
    w->now = (struct cfs_moment){.index = 100, .time = CFS_SECONDS(1), .wall = 5000};
    *state = w;
    return 0;
}

static inline int end_world(void **state)
{
    struct world *w = *state;

    cfs_lock_table_free(w->table);
    free(w);
    return 0;
}

static inline struct cfs_moment tick(struct world *w)
{
    w->now.index++;
    w->now.time += CFS_MS(1);
    w->now.wall++;
    return w->now;
}

static inline struct cfs_acquire lockfile(uint32_t pid)
{
    return (struct cfs_acquire){.mode = CFS_EXCLUSIVE,
                                .kind = CFS_LOCKFILE,
                                .form = CFS_FORM_FILE,
                                .process = {pid, 1},
                                .uid = 1000,
                                .gid = 100,
                                .perm = 0644};
}

static inline struct cfs_acquire directory(uint32_t pid)
{
    struct cfs_acquire ask = lockfile(pid);

    ask.form = CFS_FORM_DIRECTORY;
    return ask;
}

/* Waits; each handle belongs to a process of its own, with the same number. */
static inline struct cfs_acquire flock_of(uint64_t handle, enum cfs_lock_mode mode)
{
    return (struct cfs_acquire){.mode = mode,
                                .kind = CFS_FLOCK,
                                .form = CFS_FORM_FILE,
                                .wait = true,
                                .handle = handle,
                                .process = {(uint32_t)handle, 1},
                                .uid = 1000};
}

static inline struct cfs_acquire no_wait(struct cfs_acquire ask)
{
    ask.wait = false;
    return ask;
}

static inline struct cfs_acquire leased(uint64_t key, uint32_t ttl_ms)
{
    return (struct cfs_acquire){.mode = CFS_EXCLUSIVE,
                                .kind = CFS_LEASED,
                                .form = CFS_FORM_FILE,
                                .wait = true,
                                .key = key,
                                .ttl_ms = ttl_ms,
                                .owner = "client"};
}

/* Returns the sequence. */
static inline uint64_t ask(struct world *w, cfs_session_id session, const char *name,
                           struct cfs_acquire acquire)
{
    struct cfs_asker asker = {session, ++w->sequence, (cfs_node_id)session};

    w->outcome = cfs_lock_table_acquire(w->table, asker, tick(w), name, &acquire, &w->answer);
    return asker.sequence;
}

static inline cfs_token granted(struct world *w, cfs_session_id session, const char *name,
                                struct cfs_acquire acquire)
{
    ask(w, session, name, acquire);
    assert_int_equal(w->outcome, CFS_ANSWERED);
    assert_int_equal(w->answer.error, CFS_OK);
    assert_true(w->answer.token > 0);
    return w->answer.token;
}

static inline void refused(struct world *w, cfs_session_id session, const char *name,
                           struct cfs_acquire acquire, enum cfs_error error)
{
    ask(w, session, name, acquire);
    assert_int_equal(w->outcome, CFS_ANSWERED);
    assert_int_equal(w->answer.error, error);
    assert_int_equal(w->answer.token, 0);
}

static inline uint64_t queued(struct world *w, cfs_session_id session, const char *name,
                              struct cfs_acquire acquire)
{
    uint64_t sequence = ask(w, session, name, acquire);

    assert_int_equal(w->outcome, CFS_QUEUED);
    return sequence;
}

/* The answer that ended the wait; NULL while it waits. */
static inline const struct cfs_answer *end_of(const struct world *w, uint64_t sequence)
{
    const struct cfs_answer *found = NULL;

    for (size_t i = 0; i < w->end_count; i++) {
        if (w->ends[i].asker.sequence != sequence)
            continue;
        assert_null(found); /* told once */
        found = &w->ends[i].answer;
    }
    return found;
}

static inline cfs_token woken(const struct world *w, uint64_t sequence)
{
    const struct cfs_answer *answer = end_of(w, sequence);

    assert_non_null(answer);
    assert_int_equal(answer->error, CFS_OK);
    assert_true(answer->token > 0);
    return answer->token;
}

static inline void waits(const struct world *w, uint64_t sequence)
{
    assert_null(end_of(w, sequence));
}

static inline void release(struct world *w, cfs_session_id session, const char *name,
                           uint64_t handle)
{
    struct cfs_release r = {.kind = CFS_FLOCK, .handle = handle};

    assert_int_equal(cfs_lock_table_release(w->table, session, tick(w), name, &r), CFS_OK);
}

static inline enum cfs_error release_leased(struct world *w, const char *name, cfs_token token)
{
    struct cfs_release r = {.kind = CFS_LEASED, .token = token};

    return cfs_lock_table_release(w->table, 1, tick(w), name, &r);
}

static inline enum cfs_error unlink_as(struct world *w, const char *name, uint32_t uid)
{
    struct cfs_remove r = {.form = CFS_FORM_FILE, .uid = uid};

    return cfs_lock_table_remove(w->table, tick(w), name, &r);
}

static inline enum cfs_error rmdir_as(struct world *w, const char *name, uint32_t uid)
{
    struct cfs_remove r = {.form = CFS_FORM_DIRECTORY, .uid = uid};

    return cfs_lock_table_remove(w->table, tick(w), name, &r);
}

static inline enum cfs_error write_at(struct world *w, const char *name, cfs_token token,
                                      uint64_t offset, const char *text)
{
    struct cfs_write x = {.token = token,
                          .offset = offset,
                          .data = (const uint8_t *)text,
                          .len = (uint32_t)strlen(text)};

    return cfs_lock_table_write(w->table, tick(w), name, &x);
}

static inline bool held(struct world *w, const char *name)
{
    struct cfs_lock_info info;

    return cfs_lock_table_get(w->table, name, &info);
}

static inline struct cfs_lock_info info_of(struct world *w, const char *name)
{
    struct cfs_lock_info info;

    assert_true(cfs_lock_table_get(w->table, name, &info));
    return info;
}

static inline void content_is(struct world *w, const char *name, const void *content, uint32_t len)
{
    struct cfs_lock_info info = info_of(w, name);

    assert_int_equal(info.content_len, len);
    if (len)
        assert_memory_equal(info.content, content, len);
}

/* A test in a world of its own. */
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, make_world, end_world)

#endif
