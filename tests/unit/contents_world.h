/* Contents under test: changes one after the other, a moment each. */
#ifndef TESTS_UNIT_CONTENTS_WORLD_H
#define TESTS_UNIT_CONTENTS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/contents.h"

#define FILE_1 ((cfs_ino)7)

struct world {
    struct cfs_contents *contents;
    struct cfs_moment moment; /* of the newest change */
    struct cfs_answer answer; /* to it */
};

static inline int world_open(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    w->contents = cfs_contents_new();
    w->moment = (struct cfs_moment){.index = 100, .time = 1000, .wall = 1000000};
    *state = w;
    return 0;
}

static inline int world_close(void **state)
{
    struct world *w = *state;

    cfs_contents_free(w->contents);
    free(w);
    return 0;
}

/* As entries of the log are: the data are in the entry, which is kept by whom it may concern. */
static inline enum cfs_error apply(struct world *w, struct cfs_request request)
{
    struct cfs_cache_put *put = &request.cache_put;
    struct cfs_entry *entry = NULL;

    if (request.op == CFS_OP_CACHE_PUT && put->len) {
        entry = cfs_entry_new(CFS_ENTRY_COMMAND, 1, 1, put->data, put->len);
        put->data = entry->data;
        cfs_contents_set_source(w->contents, entry);
    }
    w->moment.index++;
    w->moment.time += 10;
    w->moment.wall += 100;
    w->answer = (struct cfs_answer){0};
    cfs_contents_apply(w->contents, w->moment, &request, &w->answer);
    cfs_contents_set_source(w->contents, NULL);
    cfs_entry_unref(entry);
    return w->answer.error;
}

static inline struct cfs_request put_of(enum cfs_put_kind kind, uint64_t offset, const char *data)
{
    return (struct cfs_request){.op = CFS_OP_CACHE_PUT,
                                .cache_put = {.ino = FILE_1,
                                              .kind = kind,
                                              .offset = offset,
                                              .max = 1000000,
                                              .data = (const uint8_t *)data,
                                              .len = (uint32_t)strlen(data)}};
}

static inline enum cfs_error put(struct world *w, enum cfs_put_kind kind, uint64_t offset,
                                 const char *data)
{
    return apply(w, put_of(kind, offset, data));
}

static inline enum cfs_error drop(struct world *w, cfs_ino ino)
{
    return apply(w, (struct cfs_request){.op = CFS_OP_CACHE_DROP, .cache_drop = {.ino = ino}});
}

static inline struct cfs_content_info info(const struct world *w)
{
    return cfs_contents_info(w->contents, FILE_1);
}

/* Stretches that a reading of all has; `on_disk`: without bytes here. */
static inline uint32_t stretches(const struct world *w, uint32_t *on_disk)
{
    uint32_t count;
    struct cfs_stretch *all = cfs_contents_read(w->contents, FILE_1, 0, UINT32_MAX, &count);

    *on_disk = 0;
    for (uint32_t i = 0; i < count; i++)
        *on_disk += all[i].extent && !all[i].data;
    free(all);
    return count;
}

/* Zeros are dots. */
static inline void reads_from(const struct world *w, uint64_t offset, uint32_t len,
                              const char *expected)
{
    uint32_t count, at = 0;
    struct cfs_stretch *all = cfs_contents_read(w->contents, FILE_1, offset, len, &count);
    char text[4096];

    for (uint32_t i = 0; i < count; at += all[i++].len) {
        assert_true(all[i].len > 0 && at + all[i].len < sizeof text);
        assert_true(all[i].data || !all[i].extent);
        if (all[i].data)
            memcpy(text + at, all[i].data, all[i].len);
        else
            memset(text + at, '.', all[i].len);
    }
    text[at] = 0;
    assert_string_equal(text, expected);
    free(all);
}

static inline void reads(const struct world *w, const char *expected)
{
    assert_int_equal(info(w).size, strlen(expected));
    reads_from(w, 0, 4000, expected);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, world_open, world_close)

#endif
