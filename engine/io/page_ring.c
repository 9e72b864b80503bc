/* Where the groups are: which nodes the ring wants for each, and what this node knows of them. Of a
 * group of which it has no replica that is at most who leads it. */
#include <string.h>

#include "io/json.h"
#include "io/page.h"

static json_t *wanted_of(const struct cfs_group_status *group)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < group->wanted_count; i++)
        json_array_append_new(list, cfs_json_number(group->wanted[i]));
    return list;
}

static json_t *replicas_of(const struct cfs_group_status *group)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < group->view.member_count; i++)
        json_array_append_new(list, json_pack("{s:o, s:s}", "node",
                                              cfs_json_number(group->members[i].node), "role",
                                              group->members[i].role));
    return list;
}

static json_t *describe_group(const struct cfs_group_status *group, cfs_group_id id)
{
    const struct cfs_core_view *view = &group->view;
    json_t *object = json_object();
    bool here = view->replica;

    json_object_set_new(object, "group", cfs_json_number(id));
    json_object_set_new(object, "leader", cfs_json_number_or_null(view->leader));
    json_object_set_new(object, "wanted", wanted_of(group));
    json_object_set_new(object, "replicas", here ? replicas_of(group) : json_null());
    json_object_set_new(object, "role", here ? json_string(view->role) : json_null());
    json_object_set_new(object, "term", here ? cfs_json_number(view->term) : json_null());
    json_object_set_new(object, "commit", here ? cfs_json_number(view->commit) : json_null());
    json_object_set_new(object, "applied", here ? cfs_json_number(view->applied) : json_null());
    json_object_set_new(object, "lag",
                        here ? cfs_json_number(view->last_index - view->applied) : json_null());
    json_object_set_new(object, "snapshot",
                        here && view->installing ? cfs_json_number(view->installed_chunks)
                                                 : json_null());
    return object;
}

json_t *cfs_page_groups(const struct cfs_status *status)
{
    json_t *list = json_array();

    for (cfs_group_id id = 0; id <= CFS_GROUPS; id++)
        json_array_append_new(list, describe_group(&status->groups[id], id));
    return list;
}

json_t *cfs_page_ring(const struct cfs_status *status)
{
    return json_pack("{s:o, s:o}", "seen_by", cfs_json_number(status->config->node), "groups",
                     cfs_page_groups(status));
}

/* "1,2,3"; learners and those that go in brackets. */
static json_t *in_a_word(const json_t *nodes)
{
    char word[8 * CFS_NODE_MAX] = "", room[CFS_PAGE_WORD_BYTES];
    size_t len = 0, i;
    const json_t *node;

    json_array_foreach(nodes, i, node)
    {
        const char *role = json_string_value(json_object_get(node, "role"));
        bool full = !role || strcmp(role, "voter") == 0;
        const char *id = cfs_page_word(role ? json_object_get(node, "node") : node, room);
        len += (size_t)snprintf(word + len, sizeof word - len, "%s%s%s%s", i ? "," : "",
                                full ? "" : "(", id, full ? "" : ")");
    }
    return len ? json_string(word) : json_null();
}

void cfs_page_put_ring(FILE *out, json_t *page)
{
    static const struct cfs_page_column columns[] = {
        {"group", true}, {"leader", true},   {"wanted", false}, {"replicas", false},
        {"role", false}, {"term", true},     {"commit", true},  {"applied", true},
        {"lag", true},   {"snapshot", true},
    };
    json_t *groups = json_object_get(page, "groups"), *group;
    char room[CFS_PAGE_WORD_BYTES];
    size_t i;

    json_array_foreach(groups, i, group)
    {
        json_object_set_new(group, "wanted", in_a_word(json_object_get(group, "wanted")));
        json_object_set_new(group, "replicas", in_a_word(json_object_get(group, "replicas")));
    }
    fprintf(out,
            "# as node %s knows it; group 0 holds nodes, sessions and locks, group %u the names in "
            "cache/, the others queues and values\n",
            cfs_page_word(json_object_get(page, "seen_by"), room), CFS_GROUPS);
    cfs_page_put_table(out, groups, columns, sizeof columns / sizeof *columns);
}
