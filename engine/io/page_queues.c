/* The queues of the groups that this node has a replica of: its applied state, asked of nobody. Or
 * those of the store, as they were seen last. */
#include <string.h>

#include "io/json.h"
#include "io/page.h"

/* Where a walk through all groups is. */
struct walk {
    json_t *rows;
    uint64_t count; /* of all, also those that have no row */
    cfs_group_id group;
    cfs_node_id leader;
};

static bool add_queue(void *arg, const char *name, const struct cfs_queue_info *info)
{
    struct walk *walk = arg;

    if (++walk->count > CFS_PAGE_ROWS_MAX)
        return true;
    json_array_append_new(
        walk->rows,
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
                  cfs_json_bytes(name, strlen(name)), "ready", cfs_json_number(info->ready),
                  "inflight", cfs_json_number(info->inflight), "dead", cfs_json_number(info->dead),
                  "bytes", cfs_json_number(info->bytes), "consumers",
                  cfs_json_number(info->consumers), "producers", cfs_json_number(info->producers),
                  "group", cfs_json_number_or_null(walk->group), "leader",
                  cfs_json_number_or_null(walk->leader)));
    return true;
}

static json_t *describe_store(const struct cfs_status *status)
{
    const struct cfs_queue_overview *overview = status->overview;
    struct walk walk = {.rows = json_array()};

    for (size_t i = 0; i < overview->row_count; i++)
        add_queue(&walk, overview->rows[i].name, &overview->rows[i].info);
    return json_pack("{s:o, s:s, s:o, s:o, s:o}", "node", cfs_json_number(status->config->node),
                     "store", status->store, "age_ms",
                     overview->seen ? cfs_json_number((status->now - overview->seen) / CFS_MS(1))
                                    : json_null(),
                     "count", cfs_json_number(overview->count), "queues", walk.rows);
}

static json_t *describe_groups(const struct cfs_status *status)
{
    struct walk walk = {.rows = json_array()};
    uint64_t groups = 0;

    for (cfs_group_id id = 1; id < CFS_GROUPS; id++) { /* the last has the cache's names */
        const struct cfs_group_status *group = &status->groups[id];

        if (!group->view.replica)
            continue;
        groups++;
        walk.group = id;
        walk.leader = group->view.leader;
        cfs_queues_each(group->queues, add_queue, &walk);
    }
    return json_pack("{s:o, s:o, s:o, s:o}", "node", cfs_json_number(status->config->node),
                     "groups", cfs_json_number(groups), "count", cfs_json_number(walk.count),
                     "queues", walk.rows);
}

json_t *cfs_page_queues(const struct cfs_status *status)
{
    return status->overview ? describe_store(status) : describe_groups(status);
}

static void put_head_of_store(FILE *out, const json_t *page)
{
    char count[CFS_PAGE_WORD_BYTES], store[CFS_PAGE_WORD_BYTES], node[CFS_PAGE_WORD_BYTES],
        age[CFS_PAGE_WORD_BYTES];

    fprintf(out, "# %s queues in %s, as node %s saw them %s ms ago; not a linearizable read\n",
            cfs_page_word(json_object_get(page, "count"), count),
            cfs_page_word(json_object_get(page, "store"), store),
            cfs_page_word(json_object_get(page, "node"), node),
            cfs_page_word(json_object_get(page, "age_ms"), age));
}

static void put_head_of_groups(FILE *out, const json_t *page)
{
    char count[CFS_PAGE_WORD_BYTES], groups[CFS_PAGE_WORD_BYTES], node[CFS_PAGE_WORD_BYTES];

    fprintf(out,
            "# %s queues in the %s groups that node %s has a replica of, as it has applied their "
            "logs; not a linearizable read\n",
            cfs_page_word(json_object_get(page, "count"), count),
            cfs_page_word(json_object_get(page, "groups"), groups),
            cfs_page_word(json_object_get(page, "node"), node));
}

void cfs_page_put_queues(FILE *out, json_t *page)
{
    static const struct cfs_page_column columns[] = {
        {"name", false},     {"ready", true}, {"inflight", true},
        {"dead", true},      {"bytes", true}, {"consumers", true},
        {"producers", true}, {"group", true}, {"leader", true},
    };
    const json_t *rows = json_object_get(page, "queues");

    if (json_object_get(page, "store"))
        put_head_of_store(out, page);
    else
        put_head_of_groups(out, page);
    cfs_page_put_table(out, rows, columns, sizeof columns / sizeof *columns);
    cfs_page_put_rest(out, json_integer_value(json_object_get(page, "count")),
                      json_array_size(rows));
}
