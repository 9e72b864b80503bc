/* Who holds, and who waits for whom: this node's applied state, asked of nobody. */
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "io/json.h"
#include "io/page.h"

/* {node, applied, `counted`: total, `list`: rows}; takes `rows`. */
static json_t *view(const struct cfs_status *status, const char *counted, uint64_t total,
                    const char *list, json_t *rows)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "node", cfs_json_number(status->config->node),
                     "applied", cfs_json_number(status->core.applied), counted,
                     cfs_json_number(total), list, rows);
}

/* The first line of the text says what the rest is worth. */
static void put_view(FILE *out, const json_t *page, const char *counted)
{
    char total[CFS_PAGE_WORD_BYTES], node[CFS_PAGE_WORD_BYTES], applied[CFS_PAGE_WORD_BYTES];

    fprintf(out,
            "# %s %s, as node %s has applied the log up to index %s; not a linearizable read\n",
            cfs_page_word(json_object_get(page, counted), total), counted,
            cfs_page_word(json_object_get(page, "node"), node),
            cfs_page_word(json_object_get(page, "applied"), applied));
}

static bool add_lock(void *arg, const char *name, const struct cfs_lock_info *info)
{
    json_t *rows = arg;

    json_array_append_new(rows, cfs_json_lock(name, info));
    return json_array_size(rows) < CFS_PAGE_ROWS_MAX;
}

json_t *cfs_page_locks(const struct cfs_status *status)
{
    json_t *rows = json_array();

    cfs_lock_table_each(status->locks, add_lock, rows);
    return view(status, "held", cfs_lock_table_held_count(status->locks), "locks", rows);
}

void cfs_page_put_locks(FILE *out, json_t *page)
{
    static const struct cfs_page_column columns[] = {
        {"name", false}, {"mode", false},   {"holder", false},
        {"token", true}, {"waiters", true}, {"since", false},
    };
    const json_t *rows = json_object_get(page, "locks");

    put_view(out, page, "held");
    cfs_page_put_table(out, rows, columns, sizeof columns / sizeof *columns);
    cfs_page_put_rest(out, json_integer_value(json_object_get(page, "held")),
                      json_array_size(rows));
}

/* One waiter may have thousands in its way; the nearest tell what there is to know. */
#define NAMED_MAX 16u

struct waits {
    json_t *rows;
    struct {
        struct cfs_asker asker;
        struct cfs_holder_info who;
    } seen[CFS_PAGE_ROWS_MAX]; /* by row: those behind name those ahead */
    const char *lock;          /* of the row before */
    uint32_t place;
};

static struct cfs_holder_info waiter_info(const struct cfs_wait_vertex *waiter)
{
    struct cfs_holder_info who = {.node = waiter->asker.node,
                                  .kind = waiter->leased ? CFS_LEASED : CFS_FLOCK,
                                  .process = waiter->process};

    strncpy(who.owner, waiter->owner, sizeof who.owner - 1);
    return who;
}

static json_t *name_holds(const struct cfs_hold_vertex *holds, uint32_t count)
{
    struct cfs_holder_info named[NAMED_MAX] = {0};

    count = count < NAMED_MAX ? count : NAMED_MAX;
    for (uint32_t i = 0; i < count; i++) {
        named[i] = (struct cfs_holder_info){
            .node = holds[i].node, .kind = holds[i].kind, .process = holds[i].process};
        strncpy(named[i].owner, holds[i].owner, sizeof named[i].owner - 1);
    }
    return count ? cfs_json_holders(named, count) : json_null();
}

/* Who is ahead was seen before, most often just before. */
static const struct cfs_holder_info *find_seen(const struct waits *waits, struct cfs_asker asker)
{
    for (size_t i = json_array_size(waits->rows); i-- > 0;)
        if (waits->seen[i].asker.session == asker.session &&
            waits->seen[i].asker.sequence == asker.sequence)
            return &waits->seen[i].who;
    return NULL;
}

static json_t *name_ahead(const struct waits *waits, const struct cfs_asker *ahead, uint32_t count)
{
    struct cfs_holder_info named[NAMED_MAX];
    uint32_t named_count = 0;

    for (uint32_t i = 0; i < count && named_count < NAMED_MAX; i++) {
        const struct cfs_holder_info *who = find_seen(waits, ahead[i]);

        if (who)
            named[named_count++] = *who;
    }
    return named_count ? cfs_json_holders(named, named_count) : json_null();
}

static void add_wait(void *arg, const struct cfs_wait_vertex *waiter,
                     const struct cfs_hold_vertex *holds, uint32_t hold_count,
                     const struct cfs_asker *ahead, uint32_t ahead_count)
{
    struct waits *waits = arg;
    struct cfs_holder_info who = waiter_info(waiter);
    size_t row = json_array_size(waits->rows);

    if (row == CFS_PAGE_ROWS_MAX)
        return;
    waits->place = waiter->name == waits->lock ? waits->place + 1 : 1;
    waits->lock = waiter->name;
    json_array_append_new(waits->rows,
                          json_pack("{s:o, s:o, s:s, s:o, s:o, s:o}", "name",
                                    cfs_json_bytes(waiter->name, strlen(waiter->name)), "waiter",
                                    cfs_json_holders(&who, 1), "mode", cfs_json_mode(waiter->mode),
                                    "place", cfs_json_number(waits->place), "held_by",
                                    name_holds(holds, hold_count), "behind",
                                    name_ahead(waits, ahead, ahead_count)));
    waits->seen[row].asker = waiter->asker;
    waits->seen[row].who = who;
}

json_t *cfs_page_waits(const struct cfs_status *status)
{
    struct waits *waits = cfs_alloc_zeroed(1, sizeof *waits);
    json_t *rows = waits->rows = json_array();

    cfs_lock_table_each_wait(status->locks, add_wait, waits);
    free(waits);
    return view(status, "waiting", cfs_lock_table_waiter_count(status->locks), "waits", rows);
}

void cfs_page_put_waits(FILE *out, json_t *page)
{
    static const struct cfs_page_column columns[] = {
        {"name", false}, {"waiter", false},  {"mode", false},
        {"place", true}, {"held_by", false}, {"behind", false},
    };
    const json_t *rows = json_object_get(page, "waits");

    put_view(out, page, "waiting");
    cfs_page_put_table(out, rows, columns, sizeof columns / sizeof *columns);
    cfs_page_put_rest(out, json_integer_value(json_object_get(page, "waiting")),
                      json_array_size(rows));
}
