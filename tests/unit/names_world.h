/* A tree of the cache, and one-line requests to it. */
#ifndef NAMES_WORLD_H
#define NAMES_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/names.h"

#define ROOT CFS_CACHE_ROOT
#define USER 1000u

struct world {
    struct cfs_names *names;
    struct cfs_moment now;
    struct cfs_answer answer; /* to the newest request */
};

static inline int make_world(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    w->names = cfs_names_new();
    w->now = (struct cfs_moment){.index = 100, .time = CFS_SECONDS(1), .wall = 5000};
    *state = w;
    return 0;
}

static inline int end_world(void **state)
{
    struct world *w = *state;

    cfs_names_free(w->names);
    free(w);
    return 0;
}

/* A request is first asked whether it would be refused, as the home does. */
static inline enum cfs_error apply(struct world *w, const struct cfs_request *request)
{
    enum cfs_error refusal = cfs_names_refusal(w->names, request);
    uint64_t before = cfs_names_digest(w->names);

    w->now.index++;
    w->now.time += CFS_MS(1);
    w->now.wall += 10;
    w->answer = (struct cfs_answer){0};
    cfs_names_apply(w->names, w->now, request, &w->answer);
    assert_int_equal(w->answer.error, refusal);
    if (refusal)
        assert_int_equal(cfs_names_digest(w->names), before);
    return w->answer.error;
}

static inline struct cfs_request request_of(enum cfs_op op, const char *name)
{
    struct cfs_request request = {.op = op};

    strcpy(request.name, name);
    return request;
}

static inline struct cfs_request making(cfs_ino parent, const char *name, enum cfs_inode_type type)
{
    struct cfs_request request = request_of(CFS_OP_CACHE_MAKE, name);

    request.cache_make = (struct cfs_cache_make){
        .parent = parent, .type = type, .exclusive = true, .uid = USER, .gid = 100, .perm = 0640};
    if (type == CFS_INODE_SYMLINK) {
        request.cache_make.target = (const uint8_t *)"target";
        request.cache_make.target_len = 6;
    }
    return request;
}

static inline struct cfs_request removing(cfs_ino parent, const char *name, bool directory)
{
    struct cfs_request request = request_of(CFS_OP_CACHE_REMOVE, name);

    request.cache_remove =
        (struct cfs_cache_remove){.parent = parent, .directory = directory, .uid = USER};
    return request;
}

static inline struct cfs_request renaming(cfs_ino parent, const char *name, cfs_ino to_parent,
                                          const char *to)
{
    struct cfs_request request = request_of(CFS_OP_CACHE_RENAME, name);

    request.cache_rename =
        (struct cfs_cache_rename){.parent = parent, .to_parent = to_parent, .uid = USER};
    strcpy(request.cache_rename.to, to);
    return request;
}

static inline struct cfs_request exchanging(cfs_ino parent, const char *name, cfs_ino to_parent,
                                            const char *to)
{
    struct cfs_request request = renaming(parent, name, to_parent, to);

    request.cache_rename.exchange = true;
    return request;
}

static inline struct cfs_request setting(cfs_ino ino, uint32_t fields)
{
    struct cfs_request request = request_of(CFS_OP_CACHE_SETNODE, "");

    request.cache_set = (struct cfs_cache_set){.ino = ino, .fields = fields};
    return request;
}

static inline struct cfs_request forgetting(cfs_ino ino)
{
    struct cfs_request request = request_of(CFS_OP_CACHE_FORGET, "");

    request.cache_drop.ino = ino;
    return request;
}

static inline cfs_ino make_it(struct world *w, cfs_ino parent, const char *name,
                              enum cfs_inode_type type)
{
    struct cfs_request request = making(parent, name, type);

    assert_int_equal(apply(w, &request), CFS_OK);
    assert_true(w->answer.id > ROOT);
    return w->answer.id;
}

static inline cfs_ino make_file(struct world *w, cfs_ino parent, const char *name)
{
    return make_it(w, parent, name, CFS_INODE_FILE);
}

static inline cfs_ino make_directory(struct world *w, cfs_ino parent, const char *name)
{
    return make_it(w, parent, name, CFS_INODE_DIRECTORY);
}

static inline enum cfs_error remove_it(struct world *w, cfs_ino parent, const char *name,
                                       bool directory)
{
    struct cfs_request request = removing(parent, name, directory);

    return apply(w, &request);
}

static inline enum cfs_error rename_it(struct world *w, cfs_ino parent, const char *name,
                                       cfs_ino to_parent, const char *to)
{
    struct cfs_request request = renaming(parent, name, to_parent, to);

    return apply(w, &request);
}

static inline enum cfs_error exchange(struct world *w, cfs_ino parent, const char *name,
                                      cfs_ino to_parent, const char *to)
{
    struct cfs_request request = exchanging(parent, name, to_parent, to);

    return apply(w, &request);
}

static inline void set_perm(struct world *w, cfs_ino ino, uint32_t perm)
{
    struct cfs_request request = setting(ino, CFS_CACHE_PERM);

    request.cache_set.perm = perm;
    assert_int_equal(apply(w, &request), CFS_OK);
}

static inline enum cfs_error forget(struct world *w, cfs_ino ino)
{
    struct cfs_request request = forgetting(ino);

    return apply(w, &request);
}

/* The inode that has the name; 0: none. */
static inline cfs_ino look_up(const struct world *w, cfs_ino parent, const char *name)
{
    struct cfs_cache_read read = {.ino = parent};
    struct cfs_answer answer = {0};

    assert_null(cfs_names_read(w->names, CFS_OP_CACHE_LOOKUP, name, &read, &answer));
    assert_int_equal(answer.error != CFS_OK, answer.cache.inode.ino == 0);
    return answer.cache.inode.ino;
}

/* What is known of an inode that is there. */
static inline struct cfs_inode_info info_of(const struct world *w, cfs_ino ino)
{
    struct cfs_cache_read read = {.ino = ino};
    struct cfs_answer answer = {0};

    assert_null(cfs_names_read(w->names, CFS_OP_CACHE_NODE, "", &read, &answer));
    assert_int_equal(answer.error, CFS_OK);
    assert_int_equal(answer.cache.inode.ino, ino);
    return answer.cache.inode;
}

/* A test in a world of its own. */
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, make_world, end_world)

#endif
