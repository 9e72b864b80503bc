/* What this node keeps of cache/, and what it knows of the others as the home of groups that it
 * leads. Of most hits nobody but the kernel knows. */
#include "io/json.h"
#include "io/page.h"

static json_t *describe_lines(const struct cfs_status *status)
{
    json_t *rows = json_array();

    for (cfs_group_id id = 1; id <= CFS_GROUPS; id++) {
        const struct cfs_core_view *view = &status->groups[id].view;

        if (view->serving)
            json_array_append_new(rows, json_pack("{s:o, s:o, s:o}", "group", cfs_json_number(id),
                                                  "lines", cfs_json_number(view->lines), "changes",
                                                  cfs_json_number(view->line_changes)));
    }
    return rows;
}

json_t *cfs_page_cache(const struct cfs_status *status)
{
    const struct cfs_cache_counts *counts = &status->cache;

    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "node",
        cfs_json_number(status->config->node), "inodes", cfs_json_number(counts->inodes), "values",
        cfs_json_number(counts->values), "bytes", cfs_json_number(counts->bytes), "cache_size",
        cfs_json_number(status->config->cache_size), "hits", cfs_json_number(counts->hits),
        "misses", cfs_json_number(counts->misses), "invalidations",
        cfs_json_number(counts->invalidations), "lapses", cfs_json_number(counts->lapses),
        "evictions", cfs_json_number(counts->evictions), "groups", describe_lines(status));
}

void cfs_page_put_cache(FILE *out, json_t *page)
{
    static const struct cfs_page_column columns[] = {
        {"group", true}, {"lines", true}, {"changes", true}};
    char word[CFS_PAGE_WORD_BYTES];
    const char *key;
    json_t *value;

    fprintf(out, "# cache/ as node %s sees it; hits that do not leave the kernel are not counted\n",
            cfs_page_word(json_object_get(page, "node"), word));
    json_object_foreach(page, key, value)
    {
        if (json_is_integer(value))
            fprintf(out, "%-17s %s\n", key, cfs_page_word(value, word));
    }
    fputs("\n# what nodes keep of the groups that this one leads\n", out);
    cfs_page_put_table(out, json_object_get(page, "groups"), columns,
                       sizeof columns / sizeof *columns);
}
