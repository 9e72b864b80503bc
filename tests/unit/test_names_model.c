/* Random changes to the tree of the cache against a naive model, a flat list of inodes that is gone
 * through for everything: after each change the answer must be the model's, and a twin that is fed
 * the same must have the same digest; now and then all that can be seen is compared. The twin is
 * saved at times, and a tree that is loaded from all that was saved takes its place. A failure
 * prints seed and step. */
#include "names_world.h"

#include <stdio.h>

#include "../sim/store.h"
#include "core/piece.h"

#define SEEDS 8
#define STEPS 2000
#define INODES_MAX (STEPS + 2)
#define NAMES 7 /* few, so that they meet */

struct known {
    cfs_ino ino, parent; /* parent 0: it lost its name */
    enum cfs_inode_type type;
    char name[CFS_NAME_MAX + 1];
    uint32_t uid, gid, perm;
    uint64_t version, orphaned;
    cfs_time since;
    bool gone;                  /* forgotten */
    cfs_wall_time mtime, ctime; /* as last seen; they grow whenever `data`, `touched` */
    bool data, touched;
};

struct run {
    uint64_t seed, step, random;
    struct known known[INODES_MAX];
    size_t count;
    struct world world;
    struct cfs_names *twin;
    struct sim_store store; /* what the twin has saved */
    uint64_t number;        /* of the newest change */
    cfs_ino orphans;        /* after which the next orphan is asked for */
};

#define CHECK(run, condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            print_error("seed %lu step %lu: ", (run)->seed, (run)->step);                          \
            fail_msg("%s", #condition);                                                            \
            abort(); /* is not reached, which clang-tidy cannot know */                            \
        }                                                                                          \
    } while (0)

static uint64_t pick(struct run *run, uint64_t bound)
{
    uint64_t z = run->random += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % bound;
}

static bool chance(struct run *run, uint64_t percent)
{
    return pick(run, 100) < percent;
}

/* The model. */

static struct known *find(struct run *run, cfs_ino ino)
{
    for (size_t i = 0; i < run->count; i++)
        if (run->known[i].ino == ino && !run->known[i].gone)
            return &run->known[i];
    return NULL;
}

static struct known *find_in(struct run *run, cfs_ino parent, const char *name)
{
    for (size_t i = 1; i < run->count; i++)
        if (run->known[i].parent == parent && strcmp(run->known[i].name, name) == 0)
            return &run->known[i];
    return NULL;
}

static uint32_t count_in(const struct run *run, cfs_ino parent, bool directories)
{
    uint32_t count = 0;

    for (size_t i = 1; i < run->count; i++)
        count += run->known[i].parent == parent &&
                 (!directories || run->known[i].type == CFS_INODE_DIRECTORY);
    return count;
}

static bool is_directory(const struct known *known)
{
    return known->type == CFS_INODE_DIRECTORY;
}

static bool is_above(struct run *run, const struct known *known, cfs_ino ino)
{
    while (ino && ino != known->ino && ino != ROOT)
        ino = find(run, ino)->parent;
    return ino == known->ino;
}

static enum cfs_error directory_error(struct run *run, cfs_ino ino)
{
    const struct known *known = find(run, ino);

    if (!known)
        return CFS_ERR_NO_FILE;
    return is_directory(known) ? CFS_OK : CFS_ERR_FILE_NOT_DIRECTORY;
}

static bool may_take(struct run *run, const struct known *known, uint32_t uid)
{
    const struct known *parent = find(run, known->parent);

    return !(parent->perm & 01000) || uid == 0 || uid == known->uid || uid == parent->uid;
}

static void touched(struct run *run, struct known *known, bool data)
{
    known->touched = true;
    known->data |= data;
    known->version = run->number;
}

static void begin(struct run *run)
{
    uint64_t own = run->world.now.index + 1;

    run->number = own > run->number ? own : run->number + 1;
}

static void orphan(struct run *run, struct known *known)
{
    known->parent = 0;
    known->orphaned = run->number;
    known->since = run->world.now.time;
    touched(run, known, false);
}

static enum cfs_error model_make(struct run *run, const struct cfs_request *request,
                                 struct cfs_answer *answer)
{
    const struct cfs_cache_make *make = &request->cache_make;
    struct known *parent = find(run, make->parent), *known;
    enum cfs_error error = directory_error(run, make->parent);

    if (error)
        return error;
    known = find_in(run, make->parent, request->name);
    if (known) {
        answer->id = known->ino;
        return known->type == CFS_INODE_FILE && make->type == CFS_INODE_FILE && !make->exclusive
                   ? CFS_OK
                   : CFS_ERR_FILE_EXISTS;
    }
    if (!parent->parent)
        return CFS_ERR_NO_FILE;
    begin(run);
    known = &run->known[run->count++];
    *known = (struct known){.ino = run->number,
                            .parent = make->parent,
                            .type = make->type,
                            .uid = make->uid,
                            .gid = parent->perm & 02000 ? parent->gid : make->gid,
                            .perm = make->perm};
    if (make->type == CFS_INODE_DIRECTORY)
        known->perm |= parent->perm & 02000;
    if (make->type == CFS_INODE_SYMLINK)
        known->perm = 0777;
    strcpy(known->name, request->name);
    touched(run, known, true);
    touched(run, parent, true);
    answer->id = known->ino;
    return CFS_OK;
}

static enum cfs_error model_remove(struct run *run, const struct cfs_request *request,
                                   struct cfs_answer *answer)
{
    const struct cfs_cache_remove *remove = &request->cache_remove;
    enum cfs_error error = directory_error(run, remove->parent);
    struct known *known = find_in(run, remove->parent, request->name);

    if (error)
        return error;
    if (!known)
        return CFS_ERR_NO_FILE;
    if (!may_take(run, known, remove->uid))
        return CFS_ERR_NOT_PERMITTED;
    if (is_directory(known) && !remove->directory)
        return CFS_ERR_FILE_IS_DIRECTORY;
    if (!is_directory(known) && remove->directory)
        return CFS_ERR_FILE_NOT_DIRECTORY;
    if (count_in(run, known->ino, false))
        return CFS_ERR_DIRECTORY_NOT_EMPTY;
    begin(run);
    orphan(run, known);
    touched(run, find(run, remove->parent), true);
    answer->id = known->ino;
    return CFS_OK;
}

static enum cfs_error rename_error(struct run *run, const struct cfs_cache_rename *rename,
                                   const struct known *known, const struct known *other)
{
    if (!known || !find(run, rename->to_parent)->parent)
        return CFS_ERR_NO_FILE;
    if (other && rename->no_replace)
        return CFS_ERR_FILE_EXISTS;
    if (!other && rename->exchange)
        return CFS_ERR_NO_FILE;
    if (is_above(run, known, rename->to_parent))
        return CFS_ERR_LOOP;
    if (other && is_above(run, other, rename->parent))
        return rename->exchange ? CFS_ERR_LOOP : CFS_ERR_DIRECTORY_NOT_EMPTY;
    if (known == other)
        return CFS_OK;
    if (!may_take(run, known, rename->uid) || (other && !may_take(run, other, rename->uid)))
        return CFS_ERR_NOT_PERMITTED;
    if (!other || rename->exchange)
        return CFS_OK;
    if (is_directory(known) != is_directory(other))
        return is_directory(known) ? CFS_ERR_FILE_NOT_DIRECTORY : CFS_ERR_FILE_IS_DIRECTORY;
    return count_in(run, other->ino, false) ? CFS_ERR_DIRECTORY_NOT_EMPTY : CFS_OK;
}

static enum cfs_error model_rename(struct run *run, const struct cfs_request *request,
                                   struct cfs_answer *answer)
{
    const struct cfs_cache_rename *rename = &request->cache_rename;
    struct known *known = find_in(run, rename->parent, request->name);
    struct known *other = find_in(run, rename->to_parent, rename->to);
    enum cfs_error error = directory_error(run, rename->parent);

    if (!error)
        error = directory_error(run, rename->to_parent);
    if (!error)
        error = rename_error(run, rename, known, other);
    if (error)
        return error;
    answer->id = known->ino;
    if (known == other)
        return CFS_OK;
    begin(run);
    if (other && rename->exchange) {
        other->parent = rename->parent;
        strcpy(other->name, request->name);
        touched(run, other, false);
    } else if (other) {
        orphan(run, other);
        answer->token = other->ino;
    }
    known->parent = rename->to_parent;
    strcpy(known->name, rename->to);
    touched(run, known, false);
    touched(run, find(run, rename->parent), true);
    touched(run, find(run, rename->to_parent), true);
    return CFS_OK;
}

static enum cfs_error model_set(struct run *run, const struct cfs_request *request,
                                struct cfs_answer *answer)
{
    const struct cfs_cache_set *set = &request->cache_set;
    struct known *known = find(run, set->ino);

    if (!known)
        return CFS_ERR_NO_FILE;
    begin(run);
    if (set->fields & CFS_CACHE_PERM)
        known->perm = set->perm;
    if (set->fields & CFS_CACHE_UID)
        known->uid = set->uid;
    if (set->fields & CFS_CACHE_GID)
        known->gid = set->gid;
    touched(run, known, false);
    answer->id = known->ino;
    return CFS_OK;
}

static enum cfs_error model_forget(struct run *run, const struct cfs_request *request)
{
    struct known *known = find(run, request->cache_drop.ino);

    if (!known)
        return CFS_OK;
    if (known->parent)
        return CFS_ERR_INVALID;
    begin(run);
    known->gone = true;
    return CFS_OK;
}

static void model_apply(struct run *run, const struct cfs_request *request,
                        struct cfs_answer *answer)
{
    switch (request->op) {
    case CFS_OP_CACHE_MAKE:
        answer->error = model_make(run, request, answer);
        break;
    case CFS_OP_CACHE_REMOVE:
        answer->error = model_remove(run, request, answer);
        break;
    case CFS_OP_CACHE_RENAME:
        answer->error = model_rename(run, request, answer);
        break;
    case CFS_OP_CACHE_SETNODE:
        answer->error = model_set(run, request, answer);
        break;
    default:
        answer->error = model_forget(run, request);
    }
    if (answer->error)
        answer->id = 0;
}

/* What is compared. */

static struct cfs_inode_info seen(struct run *run, struct known *known)
{
    struct cfs_inode_info info = info_of(&run->world, known->ino);
    bool directory = is_directory(known);
    uint32_t links = directory ? 2 + count_in(run, known->ino, true) : 1;

    CHECK(run, info.type == known->type && info.parent == known->parent);
    CHECK(run, info.uid == known->uid && info.gid == known->gid && info.perm == known->perm);
    CHECK(run, info.nlink == (known->parent ? links : 0));
    CHECK(run, !directory || info.size == count_in(run, known->ino, false));
    CHECK(run, info.version == known->version);
    CHECK(run, (info.ctime > known->ctime) == known->touched);
    CHECK(run, (info.mtime > known->mtime) == known->data);
    known->ctime = info.ctime;
    known->mtime = info.mtime;
    known->touched = known->data = false;
    return info;
}

static void check_listing(struct run *run, const struct known *directory)
{
    struct cfs_cache_read read = {.ino = directory->ino};
    struct cfs_answer answer = {0};
    void *owned = cfs_names_read(run->world.names, CFS_OP_CACHE_LIST, "", &read, &answer);
    const char *name = answer.names, *last = "";

    CHECK(run, answer.cache.entry_count == count_in(run, directory->ino, false) && !answer.more);
    for (uint32_t i = 0; i < answer.cache.entry_count; i++) {
        const struct known *known = find_in(run, directory->ino, name);
        CHECK(run, known && known->ino == answer.cache.entries[i].ino && strcmp(last, name) < 0);
        CHECK(run, look_up(&run->world, directory->ino, name) == known->ino);
        last = name;
        name += strlen(name) + 1;
    }
    free(owned);
}

static void check_all(struct run *run)
{
    size_t there = 0;

    for (size_t i = 0; i < run->count; i++) {
        if (run->known[i].gone)
            continue;
        there++;
        if (is_directory(&run->known[i]))
            check_listing(run, &run->known[i]);
    }
    CHECK(run, cfs_names_count(run->world.names) == there);
}

/* The next one that can be collected, by going through all. */
static void check_orphans(struct run *run)
{
    cfs_time now = run->world.now.time;
    const struct known *after = find(run, run->orphans), *next = NULL;
    uint64_t place = after ? after->orphaned : 0;

    for (size_t i = 0; i < run->count; i++) {
        const struct known *known = &run->known[i];
        if (!known->gone && known->orphaned > place && (!next || known->orphaned < next->orphaned))
            next = known;
    }
    if (next && now - next->since < CFS_ORPHAN_TIME)
        next = NULL;
    run->orphans = cfs_names_next_orphan(run->world.names, run->orphans, now);
    CHECK(run, run->orphans == (next ? next->ino : 0));
}

/* The run. */

static cfs_ino some_inode(struct run *run)
{
    const struct known *known = &run->known[pick(run, run->count)];

    return chance(run, 2) ? run->number + 5 : known->ino;
}

/* A directory, mostly, and mostly one that is there. */
static cfs_ino some_directory(struct run *run)
{
    cfs_ino ino = ROOT;

    for (int tries = 0; tries < 8; tries++) {
        const struct known *known = &run->known[pick(run, run->count)];
        if (is_directory(known) && known->parent && !known->gone)
            ino = known->ino;
    }
    return chance(run, 5) ? some_inode(run) : ino;
}

static void some_name(struct run *run, char name[CFS_NAME_MAX + 1])
{
    snprintf(name, CFS_NAME_MAX + 1, "%c", (char)('a' + (char)pick(run, NAMES)));
}

static struct cfs_request some_change(struct run *run)
{
    static const uint32_t perms[] = {0755, 01777, 02770, 03777};
    struct cfs_request request;
    uint64_t what = pick(run, 100);
    cfs_ino parent = some_directory(run);
    char name[CFS_NAME_MAX + 1], to[CFS_NAME_MAX + 1];
    uint32_t uid = (uint32_t)pick(run, 4);

    some_name(run, name);
    some_name(run, to);
    if (what < 40) {
        request = making(parent, name, (enum cfs_inode_type)(1 + pick(run, 3)));
        request.cache_make.exclusive = chance(run, 50);
        request.cache_make.uid = uid;
        request.cache_make.gid = (uint32_t)pick(run, 4);
        request.cache_make.perm = perms[pick(run, 4)];
    } else if (what < 55) {
        request = removing(parent, name, chance(run, 50));
        request.cache_remove.uid = uid;
    } else if (what < 85) {
        request = renaming(parent, name, chance(run, 30) ? parent : some_directory(run), to);
        request.cache_rename.uid = uid;
        request.cache_rename.no_replace = chance(run, 20);
        request.cache_rename.exchange = !request.cache_rename.no_replace && chance(run, 30);
    } else if (what < 93) {
        request = setting(some_inode(run), 1 + (uint32_t)pick(run, 7));
        request.cache_set.perm = perms[pick(run, 4)];
        request.cache_set.uid = uid;
        request.cache_set.gid = (uint32_t)pick(run, 4);
    } else {
        request = forgetting(some_inode(run));
    }
    return request;
}

static void reload_twin(struct run *run)
{
    cfs_names_free(run->twin);
    run->twin = cfs_names_new();
    for (size_t i = 0; i < run->store.states[0].count; i++) {
        const struct sim_item *item = &run->store.states[0].items[i];
        struct cfs_piece piece = {true, item->key, item->value, item->key_len, item->value_len};
        CHECK(run, cfs_names_load(run->twin, &piece) == 0);
    }
    CHECK(run, cfs_names_loaded(run->twin));
}

static void save_twin(struct run *run)
{
    struct cfs_part part = {0};
    struct cfs_checkpoint checkpoint = {.parts = &part, .part_count = 1};

    cfs_names_save(run->twin, &part.pieces);
    sim_store_checkpoint(&run->store, &checkpoint);
    free(part.pieces.data);
    if (chance(run, 50))
        reload_twin(run);
}

/* Each inode that a change touched is in what was said to be given up. */
static void check_touched(struct run *run, const struct cfs_cache_recall_item *items,
                          uint32_t count)
{
    for (size_t i = 0; i < run->count; i++) {
        bool found = run->known[i].ino == run->number; /* or it is new */
        for (uint32_t j = 0; j < count; j++)
            found |= items[j].ino == run->known[i].ino;
        CHECK(run, found || !run->known[i].touched);
    }
}

static void step(struct run *run)
{
    struct cfs_request request = some_change(run);
    struct cfs_answer wanted = {0}, twin = {0};
    struct cfs_cache_recall_item items[CFS_RECALL_ITEMS_MAX];
    uint32_t count = cfs_names_touched(run->world.names, &request, items);

    apply(&run->world, &request);
    cfs_names_apply(run->twin, run->world.now, &request, &twin);
    model_apply(run, &request, &wanted);
    CHECK(run, run->world.answer.error == wanted.error);
    CHECK(run, run->world.answer.id == wanted.id && run->world.answer.token == wanted.token);
    CHECK(run, twin.error == wanted.error && twin.id == wanted.id && twin.token == wanted.token);
    CHECK(run, cfs_names_digest(run->world.names) == cfs_names_digest(run->twin));
    check_touched(run, items, count);
    for (size_t i = 0; i < run->count; i++)
        if (run->known[i].touched && !run->known[i].gone)
            seen(run, &run->known[i]);
    if (run->step % 100 == 0)
        check_all(run);
    if (chance(run, 2))
        save_twin(run);
    if (chance(run, 1))
        run->world.now.wall -= 500; /* another leader's clock */
    if (chance(run, 5))
        run->world.now.time += CFS_SECONDS(5);
    check_orphans(run);
}

static void run_one(uint64_t seed)
{
    struct run *run = calloc(1, sizeof *run);

    run->seed = run->random = seed;
    run->world.names = cfs_names_new();
    run->world.now = (struct cfs_moment){.index = 10, .time = CFS_SECONDS(1), .wall = 100000};
    run->twin = cfs_names_new();
    run->known[run->count++] = (struct known){
        .ino = ROOT, .parent = ROOT, .type = CFS_INODE_DIRECTORY, .perm = 0777, .version = ROOT};
    run->number = ROOT;
    for (run->step = 1; run->step <= STEPS; run->step++) {
        if (run->step == STEPS / 2) /* a log that begins anew */
            run->world.now.index = 1;
        step(run);
    }
    cfs_names_free(run->world.names);
    cfs_names_free(run->twin);
    sim_store_close(&run->store);
    free(run);
}

static void test_random_changes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run_one(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_changes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
