/* One timer for each. */
#include "cachers.h"

#include <inttypes.h>
#include <string.h>

#include "describe.h"
#include "sim.h"

/* A request is answered within the timeout and this. */
#define ANSWER_SLACK CFS_MS(500)
#define SLOT 8u /* bytes */

static void act(struct sim *sim, void *arg, uint64_t value);

static void act_after(struct sim *sim, struct sim_cacher *cacher, cfs_time longest)
{
    sim_at(sim, sim->world.now + sim_random_between(&sim->random_cacher, 200, longest), act, cacher,
           0);
}

static bool is_directory(uint32_t name)
{
    return name >= SIM_CACHE_KEYS;
}

/* Asking. */

/* Everything has been repaired, the node has long had its session, and what was slow is over. */
static bool is_peace(const struct sim *sim, const struct sim_cacher *cacher)
{
    const struct sim_swarm *swarm = &sim->swarm;
    cfs_time over = swarm->quiet_at + swarm->slow_max + swarm->recall_slow_max;

    return sim->live.stage >= SIM_STAGE_WORK && sim->world.now > over + 3 * swarm->cache_lease &&
           cacher->session_seen && sim->world.now > cacher->session_since + swarm->timeout;
}

static bool is_read(const struct sim_cacher *cacher)
{
    return cacher->request.op >= CFS_OP_CACHE_LOOKUP;
}

/* What does not come from the files is recalled from them like what others change. */
static void forget_own(const struct sim_cacher *cacher)
{
    if (!cacher->request.outside)
        sim_files_change(cacher->node, &cacher->request);
}

static void ask(struct sim *sim, struct sim_cacher *cacher, const struct cfs_request *request)
{
    struct cfs_event event = {.type = CFS_EV_REQUEST, .request = &cacher->request};
    struct sim_random *random = &sim->random_cacher;
    char words[300];

    event.id = cacher->id = SIM_CACHER_ID + ++sim->cachers.requests;
    cacher->request = *request;
    cacher->begin = sim_cache_begins(sim);
    cacher->asked = sim->world.now;
    cacher->give_up = CFS_NEVER;
    if (sim_random_chance(random, 20) && sim->live.stage < SIM_STAGE_END)
        cacher->give_up = sim->world.now + sim_random_below(random, CFS_MS(50));
    cacher->asked_in_peace = is_peace(sim, cacher);
    if (!is_read(cacher)) {
        cacher->request.outside = sim_random_chance(random, 80);
        sim_check_change(sim, request, cacher->begin);
        forget_own(cacher);
    }
    sim_describe_request(words, sizeof words, request);
    sim_say(sim, "n%u cacher %" PRIu64 ": %s", cacher->node->id, cacher->id - SIM_CACHER_ID, words);
    sim->operations++;
    sim_node_event(sim, cacher->node, cacher->node->life, &event);
}

static void ask_of(struct sim *sim, struct sim_cacher *cacher, enum cfs_op op, cfs_ino ino,
                   const char *name)
{
    struct cfs_request request = {.op = op, .cache_read = {.ino = ino}};

    strcpy(request.name, name);
    if (op == CFS_OP_CACHE_FETCH) {
        request.cache_read.len = SIM_SLOTS_MAX * SLOT;
        request.cache_read.patient = sim_random_chance(&sim->random_cacher, 500);
    }
    ask(sim, cacher, &request);
}

/* Reading: a copy says it at once, or it is asked for. */

static void say_hit(struct sim *sim, const struct sim_cacher *cacher, const struct sim_cached *copy)
{
    static const char *const kinds[] = {"name", "attributes", "listing", "contents"};

    sim->cachers.hits++;
    sim_say(sim, "n%u%s reads its copy of %s of %" PRIu64 " %s: inode %" PRIu64 " version %" PRIu64,
            cacher->node->id, cacher->node->state == SIM_PAUSED ? " (stopped)" : "",
            kinds[copy->kind], copy->ino,
            copy->kind == SIM_COPY_NAME ? sim_cache_name(copy->name) : "", copy->seen.ino,
            copy->seen.version);
}

static void check_copy(struct sim *sim, const struct sim_node *node, uint64_t begin,
                       const struct sim_cached *copy)
{
    const struct sim_seen *seen = &copy->seen;

    if (copy->kind == SIM_COPY_NAME)
        sim_check_name(sim, node, begin, copy->ino, copy->name, seen->ino);
    else if (copy->kind == SIM_COPY_NODE)
        sim_check_node(sim, node, begin, copy->ino, seen);
    else if (copy->kind == SIM_COPY_LIST)
        sim_check_list(sim, node, begin, copy->ino, seen);
    else
        sim_check_content(sim, node, begin, copy->ino, seen);
}

static const struct sim_cached *hit(struct sim *sim, struct sim_cacher *cacher,
                                    enum sim_cached_kind kind, cfs_ino ino, uint32_t name)
{
    const struct sim_cached *copy = sim_files_find(sim, cacher->node, kind, ino, name);

    if (copy) {
        say_hit(sim, cacher, copy);
        check_copy(sim, cacher->node, sim_cache_begins(sim), copy);
    }
    return copy;
}

/* Whose the name is; false: it is being asked for, or cannot be. */
static bool look_up(struct sim *sim, struct sim_cacher *cacher, cfs_ino directory, uint32_t name,
                    cfs_ino *ino)
{
    const struct sim_cached *copy = hit(sim, cacher, SIM_COPY_NAME, directory, name);

    if (copy) {
        *ino = copy->seen.ino;
        return true;
    }
    if (cacher->node->state == SIM_UP)
        ask_of(sim, cacher, CFS_OP_CACHE_LOOKUP, directory, sim_cache_name(name));
    else
        cacher->busy = false;
    return false;
}

/* The last step of a reading. */
static void read_copy(struct sim *sim, struct sim_cacher *cacher, enum sim_cached_kind kind,
                      enum cfs_op op, cfs_ino ino)
{
    if (!hit(sim, cacher, kind, ino, 0) && cacher->node->state == SIM_UP)
        ask_of(sim, cacher, op, ino, "");
}

static void read_content(struct sim *sim, struct sim_cacher *cacher, cfs_ino ino)
{
    read_copy(sim, cacher, SIM_COPY_CONTENT, CFS_OP_CACHE_FETCH, ino);
}

/* Changing. */

static enum cfs_put_kind put_kind(const struct sim_cacher *cacher)
{
    switch (cacher->goal) {
    case SIM_GOAL_APPEND:
        return CFS_PUT_APPEND;
    case SIM_GOAL_WRITE:
    case SIM_GOAL_PUT_OPEN:
        return CFS_PUT_WRITE;
    case SIM_GOAL_TRUNCATE:
        return CFS_PUT_TRUNCATE;
    default:
        return CFS_PUT_REPLACE;
    }
}

static void put(struct sim *sim, struct sim_cacher *cacher, cfs_ino ino)
{
    struct sim_put what = {.ino = ino, .kind = put_kind(cacher)};
    struct cfs_request request = {.op = CFS_OP_CACHE_PUT};
    bool cuts = what.kind == CFS_PUT_TRUNCATE;
    const struct sim_cached *known;
    uint64_t offset;

    if (cuts || what.kind == CFS_PUT_WRITE)
        what.slot = (uint32_t)sim_random_below(&sim->random_cacher, 6);
    known = sim_files_find(sim, cacher->node, SIM_COPY_CONTENT, ino, 0);
    cacher->put = sim_check_put(sim, &what);
    cacher->data = cacher->put;
    /* A kernel names what it takes for the end. */
    offset = what.kind == CFS_PUT_APPEND && known ? known->seen.value.count : what.slot;
    offset *= SLOT;
    request.cache_put = (struct cfs_cache_put){.ino = ino,
                                               .kind = what.kind,
                                               .offset = offset,
                                               .max = SIM_SLOTS_MAX * SLOT,
                                               .data = (const uint8_t *)&cacher->data,
                                               .len = cuts ? 0 : SLOT};
    ask(sim, cacher, &request);
}

static void make(struct sim *sim, struct sim_cacher *cacher, enum cfs_inode_type type)
{
    struct cfs_request request = {.op = CFS_OP_CACHE_MAKE,
                                  .cache_make = {.parent = cacher->from.ino,
                                                 .type = type,
                                                 .exclusive = cacher->goal != SIM_GOAL_OPEN,
                                                 .perm = 0644}};

    strcpy(request.name, sim_cache_name(cacher->from.name));
    ask(sim, cacher, &request);
}

static void remove_name(struct sim *sim, struct sim_cacher *cacher)
{
    struct cfs_request request = {
        .op = CFS_OP_CACHE_REMOVE,
        .cache_remove = {.parent = cacher->from.ino, .directory = is_directory(cacher->from.name)}};

    strcpy(request.name, sim_cache_name(cacher->from.name));
    ask(sim, cacher, &request);
}

static void rename_it(struct sim *sim, struct sim_cacher *cacher)
{
    struct cfs_request request = {.op = CFS_OP_CACHE_RENAME,
                                  .cache_rename = {.parent = cacher->from.ino,
                                                   .to_parent = cacher->to.ino,
                                                   .exchange = cacher->goal == SIM_GOAL_EXCHANGE}};

    strcpy(request.name, sim_cache_name(cacher->from.name));
    strcpy(request.cache_rename.to, sim_cache_name(cacher->to.name));
    if (cacher->from.ino != cacher->to.ino || cacher->from.name != cacher->to.name)
        ask(sim, cacher, &request);
}

static void chmod_it(struct sim *sim, struct sim_cacher *cacher)
{
    struct cfs_request request = {
        .op = CFS_OP_CACHE_SETNODE,
        .cache_set = {.ino = cacher->ino,
                      .fields = CFS_CACHE_PERM,
                      .perm = (uint32_t)sim_random_below(&sim->random_cacher, 01000)}};

    ask(sim, cacher, &request);
}

/* Wishes. */

static struct sim_place any_place(struct sim *sim, enum sim_cacher_goal goal)
{
    struct sim_random *random = &sim->random_cacher;
    const struct sim_swarm *swarm = &sim->swarm;
    bool only = goal == SIM_GOAL_MKDIR || goal == SIM_GOAL_RMDIR;
    bool some = goal == SIM_GOAL_STAT || goal == SIM_GOAL_RENAME || goal == SIM_GOAL_EXCHANGE ||
                goal == SIM_GOAL_CHMOD;
    struct sim_place place = {.directory = SIM_CACHE_NAMES_MAX};

    if (swarm->directory_count && (only || (some && sim_random_chance(random, 300)))) {
        place.name = SIM_CACHE_KEYS + (uint32_t)sim_random_below(random, swarm->directory_count);
        return place;
    }
    if (swarm->directory_count && sim_random_chance(random, 500))
        place.directory =
            SIM_CACHE_KEYS + (uint32_t)sim_random_below(random, swarm->directory_count);
    place.name = (uint32_t)sim_random_below(random, swarm->key_count);
    return place;
}

static void wish(struct sim *sim, struct sim_cacher *cacher)
{
    static const uint32_t weights[SIM_GOAL_COUNT] = {
#define X(id, weight) [SIM_GOAL_##id] = weight,
        SIM_CACHER_GOAL_MAP(X)
#undef X
    };

    cacher->goal =
        (enum sim_cacher_goal)sim_random_weighted(&sim->random_cacher, weights, SIM_GOAL_COUNT);
    cacher->from = any_place(sim, cacher->goal);
    cacher->to = any_place(sim, cacher->goal);
    cacher->ino = 0;
    cacher->busy = true;
}

static bool makes(const struct sim_cacher *cacher)
{
    return cacher->goal == SIM_GOAL_CREATE || cacher->goal == SIM_GOAL_OPEN ||
           cacher->goal == SIM_GOAL_MKDIR;
}

static bool moves(const struct sim_cacher *cacher)
{
    return cacher->goal == SIM_GOAL_RENAME || cacher->goal == SIM_GOAL_EXCHANGE;
}

/* rename(2) of a file to a directory, or of a name to itself, comes to nothing. */
static bool makes_sense(const struct sim *sim, const struct sim_cacher *cacher)
{
    bool of_directory = is_directory(cacher->from.name);

    if (!sim->swarm.directory_count &&
        (cacher->goal == SIM_GOAL_MKDIR || cacher->goal == SIM_GOAL_RMDIR))
        return false;
    if (!moves(cacher))
        return true;
    return of_directory == is_directory(cacher->to.name) &&
           (cacher->from.directory != cacher->to.directory || cacher->from.name != cacher->to.name);
}

static bool find_directory(struct sim *sim, struct sim_cacher *cacher, struct sim_place *place)
{
    if (place->ino)
        return true;
    if (place->directory == SIM_CACHE_NAMES_MAX) {
        place->ino = CFS_CACHE_ROOT;
        return true;
    }
    if (!look_up(sim, cacher, CFS_CACHE_ROOT, place->directory, &place->ino))
        return false;
    if (!place->ino)
        cacher->busy = false;
    return place->ino;
}

/* Everything was found: what it wants to do with it is the last step. */
static void do_it(struct sim *sim, struct sim_cacher *cacher)
{
    if (cacher->goal == SIM_GOAL_STAT)
        read_copy(sim, cacher, SIM_COPY_NODE, CFS_OP_CACHE_NODE, cacher->ino);
    else if (cacher->goal == SIM_GOAL_READ)
        read_content(sim, cacher, cacher->ino);
    else if (cacher->node->state != SIM_UP)
        cacher->busy = false;
    else if (makes(cacher))
        make(sim, cacher, cacher->goal == SIM_GOAL_MKDIR ? CFS_INODE_DIRECTORY : CFS_INODE_FILE);
    else if (moves(cacher))
        rename_it(sim, cacher);
    else if (cacher->goal == SIM_GOAL_UNLINK || cacher->goal == SIM_GOAL_RMDIR)
        remove_name(sim, cacher);
    else if (cacher->goal == SIM_GOAL_CHMOD)
        chmod_it(sim, cacher);
    else
        put(sim, cacher, cacher->ino);
}

static void use_open(struct sim *sim, struct sim_cacher *cacher)
{
    if (cacher->open && cacher->goal == SIM_GOAL_READ_OPEN)
        read_content(sim, cacher, cacher->open);
    else if (cacher->open && cacher->node->state == SIM_UP)
        put(sim, cacher, cacher->open);
}

/* From copy to copy, until something has to be asked, or it is done. */
static void go_on(struct sim *sim, struct sim_cacher *cacher)
{
    if (!find_directory(sim, cacher, &cacher->from) ||
        (moves(cacher) && !find_directory(sim, cacher, &cacher->to)))
        return;
    if (cacher->goal != SIM_GOAL_LIST && !makes(cacher) && !cacher->ino) {
        if (!look_up(sim, cacher, cacher->from.ino, cacher->from.name, &cacher->ino))
            return;
        if (!cacher->ino) {
            cacher->busy = false;
            return;
        }
        if (!is_directory(cacher->from.name))
            cacher->open = cacher->ino;
    }
    cacher->busy = false;
    if (cacher->goal == SIM_GOAL_LIST)
        read_copy(sim, cacher, SIM_COPY_LIST, CFS_OP_CACHE_LIST, cacher->from.ino);
    else
        do_it(sim, cacher);
}

static void begin(struct sim *sim, struct sim_cacher *cacher)
{
    wish(sim, cacher);
    if (!makes_sense(sim, cacher)) {
        cacher->busy = false;
    } else if (cacher->goal == SIM_GOAL_READ_OPEN || cacher->goal == SIM_GOAL_PUT_OPEN) {
        cacher->busy = false;
        use_open(sim, cacher);
    } else {
        go_on(sim, cacher);
    }
}

/* What was asked has been answered: in a step of its own. */
static void go_on_soon(struct sim *sim, void *arg, uint64_t life)
{
    struct sim_cacher *cacher = arg;

    if (cacher->life == life && cacher->node->life == life && cacher->busy && !cacher->id)
        go_on(sim, cacher);
}

/* The end: one of each node reads all files that have names. */

bool sim_cachers_done(const struct sim *sim)
{
    uint32_t all = sim->swarm.key_count * (1 + sim->swarm.directory_count);

    for (uint32_t i = 0; i < sim->swarm.node_count; i++)
        for (uint32_t k = 0; k < sim->swarm.cacher_count; k++) {
            const struct sim_cacher *cacher = &sim->cachers.cachers[i][k];
            if (cacher->id || cacher->busy || (k == 0 && cacher->looks < all))
                return false;
        }
    return true;
}

static void wind_down(struct sim *sim, struct sim_cacher *cacher)
{
    uint32_t directories = 1 + sim->swarm.directory_count, look = cacher->looks;

    if (cacher != &sim->cachers.cachers[cacher->node->id - 1][0] ||
        look == sim->swarm.key_count * directories)
        return;
    cacher->looks++;
    cacher->goal = SIM_GOAL_READ;
    cacher->from = (struct sim_place){.name = look / directories};
    look %= directories;
    cacher->from.directory = look ? SIM_CACHE_KEYS + look - 1 : SIM_CACHE_NAMES_MAX;
    cacher->ino = 0;
    cacher->busy = true;
    go_on(sim, cacher);
}

/* Time. */

/* What was under way died with the daemon; what became of it nobody knows. */
static void follow_node(struct sim *sim, struct sim_cacher *cacher)
{
    cfs_session_id session = cacher->node->view.session;

    if (cacher->life != cacher->node->life) {
        cacher->id = 0;
        cacher->busy = false;
        cacher->open = 0;
        cacher->life = cacher->node->life;
    }
    if (session == cacher->session_seen)
        return;
    cacher->session_seen = session;
    cacher->session_since = sim->world.now;
}

static void give_up(struct sim *sim, struct sim_cacher *cacher)
{
    struct cfs_event event = {.type = CFS_EV_CANCEL, .id = cacher->id};

    cacher->give_up = CFS_NEVER;
    sim_say(sim, "n%u cacher %" PRIu64 " gives up", cacher->node->id, cacher->id - SIM_CACHER_ID);
    sim_node_event(sim, cacher->node, cacher->node->life, &event);
}

static void check_answer(struct sim *sim, const struct sim_cacher *cacher)
{
    cfs_time allowed = sim->swarm.timeout * 101 / 100 + ANSWER_SLACK, since = cacher->asked;

    if (cacher->node->resumed > since)
        since = cacher->node->resumed;
    if (cacher->id && sim->world.now > since + allowed)
        sim_fail(sim, "answer-in-time",
                 "node %u has not answered a user of the cache for %" PRIu64 " ms",
                 cacher->node->id, (sim->world.now - since) / 1000);
}

/* There are other programs on the node, and one waits for an answer while they read what they can
 * have at once. */
static void peek(struct sim *sim, const struct sim_cacher *cacher)
{
    struct sim_node *node = cacher->node;

    for (uint32_t i = 0; i < node->files.count; i++) {
        const struct sim_cached *copy = &node->files.copies[i];
        if (!sim_files_find(sim, node, copy->kind, copy->ino, copy->name))
            continue;
        say_hit(sim, cacher, copy);
        check_copy(sim, node, sim_cache_begins(sim), copy);
    }
}

/* While the daemon stands still, copies are read all the same. */
static void act(struct sim *sim, void *arg, uint64_t value)
{
    struct sim_cacher *cacher = arg;
    struct sim_node *node = cacher->node;
    bool ending = sim->live.stage >= SIM_STAGE_END;

    (void)value;
    act_after(sim, cacher, ending ? CFS_MS(5) : sim->swarm.cacher_think_max);
    if (node->state == SIM_DOWN || node->leaving)
        return;
    follow_node(sim, cacher);
    if (node->state == SIM_UP)
        check_answer(sim, cacher);
    if (cacher->id && node->state == SIM_UP && sim->world.now >= cacher->give_up)
        give_up(sim, cacher);
    else if (cacher->id || sim_random_chance(&sim->random_cacher, 200))
        peek(sim, cacher);
    else if (!cacher->busy && ending && node->state == SIM_UP)
        wind_down(sim, cacher);
    else if (!cacher->busy && !ending)
        begin(sim, cacher);
}

/* Answers. */

static struct sim_seen seen_inode(const struct cfs_inode_info *info)
{
    return (struct sim_seen){.ino = info->ino,
                             .version = info->version,
                             .perm = info->perm,
                             .nlink = info->nlink,
                             .parent = info->parent};
}

static void saw_inode(struct sim *sim, const struct sim_cacher *cacher,
                      const struct cfs_answer *answer)
{
    struct sim_seen seen = seen_inode(&answer->cache.inode);

    if (!seen.ino)
        return;
    sim_check_node(sim, cacher->node, cacher->begin, seen.ino, &seen);
    sim_files_keep(sim, cacher->node, SIM_COPY_NODE, seen.ino, 0, &answer->cache.share, &seen);
}

static void keep_name(struct sim *sim, const struct sim_cacher *cacher, cfs_ino directory,
                      const char *name, cfs_ino ino, const struct cfs_answer *answer)
{
    struct sim_seen seen = {.ino = ino};

    sim_files_keep(sim, cacher->node, SIM_COPY_NAME, directory, sim_cache_name_number(name),
                   &answer->cache.share, &seen);
}

static void looked_up(struct sim *sim, struct sim_cacher *cacher, const struct cfs_answer *answer)
{
    cfs_ino directory = cacher->request.cache_read.ino, ino = answer->cache.inode.ino;
    uint32_t name = sim_cache_name_number(cacher->request.name);

    if (answer->error && answer->error != CFS_ERR_NO_FILE) {
        cacher->busy = false;
        return;
    }
    sim_check_name(sim, cacher->node, cacher->begin, directory, name, ino);
    saw_inode(sim, cacher, answer);
    keep_name(sim, cacher, directory, cacher->request.name, ino, answer);
    if (!cacher->from.ino)
        cacher->from.ino = ino;
    else if (moves(cacher) && !cacher->to.ino)
        cacher->to.ino = ino;
    else
        cacher->ino = ino;
    if (!ino)
        cacher->busy = false;
    if (cacher->busy)
        sim_at(sim, sim->world.now, go_on_soon, cacher, cacher->life);
}

static void listed(struct sim *sim, struct sim_cacher *cacher, const struct cfs_answer *answer)
{
    struct sim_seen seen = seen_inode(&answer->cache.inode);
    const char *name = answer->names;

    for (uint32_t i = 0; i < answer->cache.entry_count; i++, name += strlen(name) + 1)
        seen.entries[sim_cache_name_number(name)] = answer->cache.entries[i].ino;
    sim_check_list(sim, cacher->node, cacher->begin, seen.ino, &seen);
    sim_files_keep(sim, cacher->node, SIM_COPY_LIST, seen.ino, 0, &answer->cache.share, &seen);
}

static void fetched(struct sim *sim, struct sim_cacher *cacher, const struct cfs_answer *answer)
{
    struct sim_seen seen = {.version = answer->cache.content.version};
    cfs_ino ino = cacher->request.cache_read.ino;
    uint64_t number;

    if (answer->cache.len != answer->cache.content.size || answer->cache.len % SLOT)
        sim_fail(sim, "cache-values", "inode %" PRIu64 " has %" PRIu64 " bytes, and %u are told",
                 ino, answer->cache.content.size, answer->cache.len);
    seen.value.count = answer->cache.len / SLOT;
    for (uint32_t i = 0; i < seen.value.count; i++) {
        memcpy(&number, answer->cache.data + (size_t)i * SLOT, SLOT);
        seen.value.slots[i] = (uint32_t)number;
    }
    sim_check_content(sim, cacher->node, cacher->begin, ino, &seen);
    sim_files_keep(sim, cacher->node, SIM_COPY_CONTENT, ino, 0, &answer->cache.share, &seen);
}

static void took_read(struct sim *sim, struct sim_cacher *cacher, const struct cfs_answer *answer)
{
    enum cfs_op op = cacher->request.op;

    if (op == CFS_OP_CACHE_LOOKUP)
        looked_up(sim, cacher, answer);
    else if (answer->error == CFS_ERR_NO_FILE || answer->error == CFS_ERR_STALE)
        sim_check_gone(sim, cacher->node, cacher->request.cache_read.ino);
    else if (answer->error)
        return;
    else if (op == CFS_OP_CACHE_NODE)
        saw_inode(sim, cacher, answer);
    else if (op == CFS_OP_CACHE_LIST)
        listed(sim, cacher, answer);
    else
        fetched(sim, cacher, answer);
}

/* What replaced all there was is known, and may be kept. */
static void took_put(struct sim *sim, struct sim_cacher *cacher, const struct cfs_answer *answer)
{
    const struct cfs_cache_put *asked = &cacher->request.cache_put;
    struct sim_seen seen = {.version = answer->id};

    sim_check_put_ended(sim, cacher->node, cacher->begin, cacher->put, answer);
    forget_own(cacher);
    if (answer->error || asked->kind != CFS_PUT_REPLACE)
        return;
    sim_put_apply(&(struct sim_put){.kind = CFS_PUT_REPLACE}, cacher->put, &seen.value);
    sim_files_keep(sim, cacher->node, SIM_COPY_CONTENT, asked->ino, 0, &answer->cache.share, &seen);
}

static void took_change(struct sim *sim, struct sim_cacher *cacher, const struct cfs_answer *answer)
{
    const struct cfs_request *request = &cacher->request;
    const struct cfs_cache_rename *rename = &request->cache_rename;

    sim_check_changed(sim, cacher->node, request, cacher->begin, answer);
    forget_own(cacher);
    if (answer->error)
        return;
    saw_inode(sim, cacher, answer);
    if (request->op == CFS_OP_CACHE_MAKE) {
        keep_name(sim, cacher, request->cache_make.parent, request->name, answer->id, answer);
    } else if (request->op == CFS_OP_CACHE_REMOVE) {
        keep_name(sim, cacher, request->cache_remove.parent, request->name, 0, answer);
    } else if (request->op == CFS_OP_CACHE_RENAME) {
        if (!rename->exchange)
            keep_name(sim, cacher, rename->parent, request->name, 0, answer);
        keep_name(sim, cacher, rename->to_parent, rename->to, answer->id, answer);
    }
}

static void take_answer(struct sim *sim, struct sim_cacher *cacher, const struct cfs_answer *answer)
{
    sim_say(sim,
            "n%u cacher %" PRIu64 " is told: %s, id %" PRIu64 " token %" PRIu64 " inode %" PRIu64
            " version %" PRIu64 "%s",
            cacher->node->id, cacher->id - SIM_CACHER_ID, cfs_error_word(answer->error), answer->id,
            answer->token, answer->cache.inode.ino,
            answer->cache.inode.version + answer->cache.content.version,
            answer->cache.share.epoch ? ", shared" : "");
    cacher->id = 0;
    if (answer->error == CFS_ERR_TIMED_OUT && cacher->asked_in_peace)
        sim_fail(sim, "timed-out", "a user of the cache on node %u is told that it is silent",
                 cacher->node->id);
    if (is_read(cacher))
        took_read(sim, cacher, answer);
    else if (cacher->request.op == CFS_OP_CACHE_PUT)
        took_put(sim, cacher, answer);
    else
        took_change(sim, cacher, answer);
}

void sim_cachers_answered(struct sim *sim, struct sim_node *node, uint64_t id,
                          const struct cfs_answer *answer)
{
    for (uint32_t i = 0; i < sim->swarm.cacher_count; i++)
        if (sim->cachers.cachers[node->id - 1][i].id == id)
            take_answer(sim, &sim->cachers.cachers[node->id - 1][i], answer);
}

void sim_cachers_start(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->swarm.node_count; i++)
        for (uint32_t k = 0; k < sim->swarm.cacher_count; k++) {
            struct sim_cacher *cacher = &sim->cachers.cachers[i][k];
            cacher->node = &sim->nodes[i];
            act_after(sim, cacher, sim->swarm.cacher_think_max);
        }
}
