/* From the lock table and the nodes' reports to the graph, and from its cycles to a victim.
 *
 * Vertices are found by a key of plain bytes. A hold through an open file is known by session and
 * handle, so that what the table says and what the node reports meet; holds over HTTP by the
 * client's name. Lockfiles, and clients without a name, count as running and are left out. */
#include "core/wait_graph.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/wait_graph_internal.h"

#define uthash_malloc(size) cfs_alloc(size)
#include <uthash.h>

enum key_type { KEY_WAIT = 1, KEY_FILE = 2, KEY_CLIENT = 3 };

/* Zeroed before it is filled in: it is compared and hashed as bytes. */
struct key {
    uint64_t type, session, number; /* number: sequence or handle */
    char owner[CFS_OWNER_MAX + 8];  /* NUL-padded to a multiple of 8 */
};

struct named_vertex {
    struct key key;
    uint32_t at; /* in the graph */
    UT_hash_handle hh;
};

/* A wait of the table. */
struct wait {
    uint32_t at;
    struct cfs_asker asker;
    uint64_t ticket;
};

struct builder {
    struct cfs_graph graph;
    struct named_vertex *names;
    struct wait *waits;
    size_t wait_count, wait_capacity;
};

static struct key key_of(enum key_type type, cfs_session_id session, uint64_t number)
{
    return (struct key){.type = type, .session = session, .number = number};
}

static struct key key_of_client(const char *owner)
{
    struct key key = key_of(KEY_CLIENT, 0, 0);

    memcpy(key.owner, owner, strnlen(owner, CFS_OWNER_MAX));
    return key;
}

/* Waits count as running until the table says otherwise; holds depend on what they are reported
 * with. */
static uint32_t vertex(struct builder *builder, struct key key)
{
    struct named_vertex *named;

    HASH_FIND(hh, builder->names, &key, sizeof key, named);
    if (named)
        return named->at;
    named = cfs_alloc_zeroed(1, sizeof *named);
    named->key = key;
    named->at = cfs_graph_add_vertex(&builder->graph,
                                     key.type == KEY_WAIT ? CFS_NEVER_STUCK : CFS_STUCK_WITH_ALL);
    HASH_ADD(hh, builder->names, key, sizeof named->key, named);
    return named->at;
}

static void add_report(struct builder *builder, const struct cfs_report *report)
{
    for (uint32_t i = 0; i < report->stuck_count; i++) {
        const struct cfs_stuck *stuck = &report->stuck[i];
        uint32_t hold = vertex(builder, key_of(KEY_FILE, report->session, stuck->handle));
        for (uint32_t j = 0; j < stuck->wait_count; j++)
            cfs_graph_add_edge(&builder->graph, hold,
                               vertex(builder, key_of(KEY_WAIT, report->session, stuck->waits[j])));
    }
}

static bool known(const struct cfs_hold_vertex *hold)
{
    return hold->kind == CFS_FLOCK || (hold->kind == CFS_LEASED && hold->owner[0]);
}

static struct key key_of_hold(const struct cfs_hold_vertex *hold)
{
    return hold->kind == CFS_LEASED ? key_of_client(hold->owner)
                                    : key_of(KEY_FILE, hold->session, hold->handle);
}

static void add_wait(void *arg, const struct cfs_wait_vertex *waiter,
                     const struct cfs_hold_vertex *holds, uint32_t hold_count,
                     const struct cfs_asker *ahead, uint32_t ahead_count)
{
    struct builder *builder = arg;
    struct cfs_asker asker = waiter->asker;
    uint32_t at = vertex(builder, key_of(KEY_WAIT, asker.session, asker.sequence));

    builder->graph.vertices[at].rule = CFS_STUCK_WITH_ANY;
    builder->waits = cfs_array_room(builder->waits, builder->wait_count, &builder->wait_capacity,
                                    sizeof *builder->waits);
    builder->waits[builder->wait_count++] = (struct wait){at, asker, waiter->ticket};
    for (uint32_t i = 0; i < hold_count; i++)
        if (known(&holds[i]))
            cfs_graph_add_edge(&builder->graph, at, vertex(builder, key_of_hold(&holds[i])));
    for (uint32_t i = 0; i < ahead_count; i++)
        cfs_graph_add_edge(&builder->graph, at,
                           vertex(builder, key_of(KEY_WAIT, ahead[i].session, ahead[i].sequence)));
    if (waiter->leased && waiter->owner[0])
        cfs_graph_add_edge(&builder->graph, vertex(builder, key_of_client(waiter->owner)), at);
}

/* Tickets differ; an old one taken up again keeps its age. */
static const struct wait *newest_on_cycle(const struct builder *builder)
{
    const struct wait *newest = NULL;

    for (size_t i = 0; i < builder->wait_count; i++) {
        const struct wait *wait = &builder->waits[i];
        if (builder->graph.vertices[wait->at].on_cycle &&
            (!newest || wait->ticket > newest->ticket))
            newest = wait;
    }
    return newest;
}

static void close_builder(struct builder *builder)
{
    struct named_vertex *named, *next;

    HASH_ITER (hh, builder->names, named, next) {
        HASH_DELETE(hh, builder->names, named);
        free(named);
    }
    cfs_graph_close(&builder->graph);
    free(builder->waits);
}

bool cfs_wait_graph_find(const struct cfs_lock_table *table, const struct cfs_report *reports,
                         uint32_t report_count, struct cfs_asker *victim)
{
    struct builder builder = {0};
    const struct wait *newest;
    bool found;

    for (uint32_t i = 0; i < report_count; i++)
        add_report(&builder, &reports[i]);
    cfs_lock_table_each_wait(table, add_wait, &builder);
    cfs_graph_solve(&builder.graph);
    newest = newest_on_cycle(&builder);
    found = newest != NULL;
    if (found)
        *victim = newest->asker;
    close_builder(&builder);
    return found;
}
