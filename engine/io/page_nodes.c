/* The nodes of the cluster as one of them sees them: who is wanted, and who has a replica, which is
 * the same but while nodes come and go. Only a leader hears from all; a follower hears from the
 * leader alone, and of the others it says that it does not know. */
#include <inttypes.h>
#include <string.h>

#include "io/json.h"
#include "io/page.h"

static bool leads(const struct cfs_core_view *core)
{
    return strcmp(core->role, "leader") == 0;
}

static json_t *url_of(const struct cfs_node_info *info)
{
    bool six = strchr(info->host, ':');

    if (!info->id)
        return json_null();
    return json_sprintf("http://%s%s%s:%u", six ? "[" : "", info->host, six ? "]" : "", info->port);
}

/* Longer than the shortest election timeout: a follower would look for another leader by then. */
static bool is_silent(const struct cfs_status *status, cfs_time since)
{
    return status->now > since + CFS_MS(status->config->election_ms);
}

static const char *seen_by_leader(const struct cfs_status *status, cfs_time heard)
{
    cfs_time since = status->core.leader_since;

    if (is_silent(status, heard > since ? heard : since))
        return "silent";
    return heard ? "follower" : "unknown";
}

static const char *state_of(const struct cfs_status *status, const struct cfs_member_view *member)
{
    const struct cfs_core_view *core = &status->core;

    if (member->node == status->config->node)
        return core->role;
    if (leads(core) && member->role)
        return seen_by_leader(status, member->heard);
    if (member->node == core->leader)
        return is_silent(status, member->heard) ? "silent" : "leader";
    return "unknown";
}

static json_t *heard_ms(const struct cfs_status *status, const struct cfs_member_view *member)
{
    if (!member->heard || member->node == status->config->node)
        return json_null();
    return cfs_json_number(status->now > member->heard ? (status->now - member->heard) / CFS_MS(1)
                                                       : 0);
}

/* `member` without a role has no replica yet; `info` without an id is not wanted any more. */
static json_t *describe_node(const struct cfs_status *status, const struct cfs_member_view *member,
                             const struct cfs_node_info *info)
{
    const struct cfs_core_view *core = &status->core;
    bool told = leads(core) && member->role;
    json_t *node = json_object();

    json_object_set_new(node, "node", cfs_json_number(member->node));
    json_object_set_new(node, "url", url_of(info));
    json_object_set_new(node, "role", json_string(member->role ? member->role : "joining"));
    json_object_set_new(node, "state", json_string(state_of(status, member)));
    json_object_set_new(node, "heard_ms", heard_ms(status, member));
    json_object_set_new(node, "match", told ? cfs_json_number(member->match) : json_null());
    json_object_set_new(node, "lag",
                        told ? cfs_json_number(core->last_index - member->match) : json_null());
    json_object_set_new(node, "session", cfs_json_number_or_null(member->session));
    json_object_set_new(node, "replaces", cfs_json_number_or_null(info->replaces));
    json_object_set_new(node, "weight", cfs_json_number_or_null(info->weight));
    return node;
}

json_t *cfs_page_members(const struct cfs_status *status)
{
    json_t *list = json_array();

    for (cfs_node_id id = 1; id <= CFS_NODE_MAX; id++) {
        struct cfs_member_view member = {.node = id};
        struct cfs_node_info info = {0};

        for (uint32_t i = 0; i < status->core.member_count; i++)
            if (status->members[i].node == id)
                member = status->members[i];
        for (uint32_t i = 0; i < status->node_count; i++)
            if (status->nodes[i].id == id)
                info = status->nodes[i];
        if (member.role || info.id)
            json_array_append_new(list, describe_node(status, &member, &info));
    }
    return list;
}

void cfs_page_put_members(FILE *out, const json_t *members)
{
    static const struct cfs_page_column columns[] = {
        {"node", false}, {"url", false}, {"role", false},   {"state", false},   {"heard_ms", true},
        {"match", true}, {"lag", true},  {"session", true}, {"replaces", true},
    };

    cfs_page_put_table(out, members, columns, sizeof columns / sizeof *columns);
}

json_t *cfs_page_nodes(const struct cfs_status *status)
{
    const struct cfs_core_view *core = &status->core;

    return json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:b, s:o}", "cluster",
                     json_sprintf("%016" PRIx64, status->cluster), "seen_by",
                     cfs_json_number(status->config->node), "role", core->role, "term",
                     cfs_json_number(core->term), "leader", cfs_json_number_or_null(core->leader),
                     "applied", cfs_json_number(core->applied), "changing", (int)core->changing,
                     "nodes", cfs_page_members(status));
}

void cfs_page_put_nodes(FILE *out, json_t *page)
{
    char seen_by[CFS_PAGE_WORD_BYTES], term[CFS_PAGE_WORD_BYTES], leader[CFS_PAGE_WORD_BYTES];
    const json_t *leads_now = json_object_get(page, "leader");

    fprintf(out, "# as node %s sees it in term %s; leader: %s%s\n",
            cfs_page_word(json_object_get(page, "seen_by"), seen_by),
            cfs_page_word(json_object_get(page, "term"), term),
            json_is_null(leads_now) ? "unknown" : cfs_page_word(leads_now, leader),
            json_is_true(json_object_get(page, "changing")) ? "; the members are changing" : "");
    cfs_page_put_members(out, json_object_get(page, "nodes"));
}
