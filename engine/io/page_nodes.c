/* The members of the cluster as one of them sees them. Only a leader hears from all; a follower
 * hears from the leader alone, and of the others it says that it does not know. */
#include <string.h>

#include "io/json.h"
#include "io/page.h"

static bool leads(const struct cfs_core_view *core)
{
    return strcmp(core->role, "leader") == 0;
}

static json_t *url_of(const struct cfs_config *config, cfs_node_id node)
{
    for (uint32_t i = 0; i < config->member_count; i++) {
        const struct cfs_member *member = &config->members[i];
        bool six = strchr(member->host, ':');

        if (member->id == node)
            return json_sprintf("http://%s%s%s:%u", six ? "[" : "", member->host, six ? "]" : "",
                                member->port);
    }
    return json_null();
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

static const char *state_of(const struct cfs_status *status, uint32_t i)
{
    const struct cfs_core_view *core = &status->core;
    cfs_node_id node = status->members[i].node;
    cfs_time heard = status->members[i].heard;

    if (node == status->config->node)
        return core->role;
    if (leads(core))
        return seen_by_leader(status, heard);
    if (node == core->leader)
        return is_silent(status, heard) ? "silent" : "leader";
    return "unknown";
}

static json_t *heard_ms(const struct cfs_status *status, uint32_t i)
{
    cfs_time heard = status->members[i].heard;

    if (!heard || status->members[i].node == status->config->node)
        return json_null();
    return cfs_json_number(status->now > heard ? (status->now - heard) / CFS_MS(1) : 0);
}

static json_t *describe_member(const struct cfs_status *status, uint32_t i)
{
    const struct cfs_core_view *core = &status->core;
    uint64_t match = status->members[i].match;
    cfs_node_id node = status->members[i].node;
    json_t *member = json_object();

    json_object_set_new(member, "node", cfs_json_number(node));
    json_object_set_new(member, "url", url_of(status->config, node));
    json_object_set_new(member, "state", json_string(state_of(status, i)));
    json_object_set_new(member, "heard_ms", heard_ms(status, i));
    json_object_set_new(member, "match", leads(core) ? cfs_json_number(match) : json_null());
    json_object_set_new(member, "lag",
                        leads(core) ? cfs_json_number(core->last_index - match) : json_null());
    json_object_set_new(member, "session", cfs_json_number_or_null(status->members[i].session));
    return member;
}

json_t *cfs_page_members(const struct cfs_status *status)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < status->core.member_count; i++)
        json_array_append_new(list, describe_member(status, i));
    return list;
}

void cfs_page_put_members(FILE *out, const json_t *members)
{
    static const struct cfs_page_column columns[] = {
        {"node", false}, {"url", false}, {"state", false},  {"heard_ms", true},
        {"match", true}, {"lag", true},  {"session", true},
    };

    cfs_page_put_table(out, members, columns, sizeof columns / sizeof *columns);
}

json_t *cfs_page_nodes(const struct cfs_status *status)
{
    const struct cfs_core_view *core = &status->core;

    return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o}", "seen_by",
                     cfs_json_number(status->config->node), "role", core->role, "term",
                     cfs_json_number(core->term), "leader", cfs_json_number_or_null(core->leader),
                     "applied", cfs_json_number(core->applied), "nodes", cfs_page_members(status));
}

void cfs_page_put_nodes(FILE *out, json_t *page)
{
    char seen_by[CFS_PAGE_WORD_BYTES], term[CFS_PAGE_WORD_BYTES], leader[CFS_PAGE_WORD_BYTES];
    const json_t *leads_now = json_object_get(page, "leader");

    fprintf(out, "# as node %s sees it in term %s; leader: %s\n",
            cfs_page_word(json_object_get(page, "seen_by"), seen_by),
            cfs_page_word(json_object_get(page, "term"), term),
            json_is_null(leads_now) ? "unknown" : cfs_page_word(leads_now, leader));
    cfs_page_put_members(out, json_object_get(page, "nodes"));
}
