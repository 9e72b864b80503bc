/* The routes from the other side, those below /members above all.
 *
 * Of these the leader's answer is preferred, for a follower may be behind: what one was told to be
 * done a moment ago by another node it would deny. */
#include "io/members_client.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "io/config_value.h"

enum {
    ASK_MS = 2000,
    CHANGE_MS = 15000, /* the node holds it for its own `timeout` */
    HOPS_MAX = 3,      /* from node to leader, while leaders change */
};

const struct cfs_members_node *cfs_members_find(const struct cfs_members_view *view, cfs_node_id id)
{
    for (uint32_t i = 0; i < view->count; i++)
        if (view->nodes[i].info.id == id)
            return &view->nodes[i];
    return NULL;
}

void cfs_members_make_url(char url[CFS_URL_BYTES], const char *host, uint16_t port)
{
    snprintf(url, CFS_URL_BYTES, strchr(host, ':') ? "http://[%s]:%u" : "http://%s:%u", host,
             (unsigned)port);
}

/* The address in "http://HOST:PORT", with or without a beginning and an end. 0 or -1. */
static int read_url(const char *text, char host[256], uint16_t *port)
{
    size_t len;

    if (strncmp(text, "http://", 7) == 0)
        text += 7;
    len = strlen(text);
    if (len && text[len - 1] == '/')
        len--;
    return cfs_parse_address(text, len, host, port);
}

int cfs_members_url(char url[CFS_URL_BYTES], const char *text)
{
    char host[256];
    uint16_t port;

    if (read_url(text, host, &port) != 0)
        return -1;
    cfs_members_make_url(url, host, port);
    return 0;
}

int cfs_members_client_open(struct cfs_members_client *client, const char *url,
                            const struct cfs_config *config)
{
    client->secret = config->secret;
    client->url_count = 1;
    if (url && cfs_members_url(client->urls[0], url) == 0)
        return 0;
    if (url) {
        snprintf(client->why, sizeof client->why, "--url %s: expected http://HOST:PORT", url);
        return -1;
    }
    for (uint32_t i = 0; i < config->member_count; i++) {
        bool own = config->members[i].id == config->node;

        cfs_members_make_url(client->urls[own ? 0 : client->url_count++], config->members[i].host,
                             config->members[i].port);
    }
    if (config->join[0])
        cfs_members_url(client->urls[client->url_count++], config->join);
    return 0;
}

/* ---- JSON to values ---- */

static uint64_t number_of(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

static void copy_word(char *out, size_t size, const json_t *object, const char *key)
{
    const char *word = json_string_value(json_object_get(object, key));

    snprintf(out, size, "%s", word ? word : "");
}

static int read_node(struct cfs_members_node *node, const json_t *object)
{
    const char *url = json_string_value(json_object_get(object, "url"));
    uint64_t id = number_of(object, "node");
    const json_t *lag = json_object_get(object, "lag");

    *node = (struct cfs_members_node){.lag = json_is_integer(lag) ? json_integer_value(lag) : -1};
    if (!id || id > CFS_NODE_MAX || (url && read_url(url, node->info.host, &node->info.port) != 0))
        return -1;
    node->info.id = (cfs_node_id)id;
    node->info.replaces = (cfs_node_id)number_of(object, "replaces");
    node->info.weight = (uint32_t)number_of(object, "weight");
    node->session = json_is_integer(json_object_get(object, "session"));
    copy_word(node->role, sizeof node->role, object, "role");
    copy_word(node->state, sizeof node->state, object, "state");
    return 0;
}

static int read_view(struct cfs_members_view *view, const json_t *root)
{
    const char *cluster = json_string_value(json_object_get(root, "cluster"));
    const json_t *nodes = json_object_get(root, "nodes");

    *view = (struct cfs_members_view){
        .cluster = cluster ? strtoull(cluster, NULL, 16) : 0,
        .leader = (cfs_node_id)number_of(root, "leader"),
        .seen_by = (cfs_node_id)number_of(root, "seen_by"),
        .changing = json_is_true(json_object_get(root, "changing")),
    };
    if (!view->cluster || !json_is_array(nodes) || json_array_size(nodes) > 2 * CFS_NODE_MAX)
        return -1;
    for (size_t i = 0; i < json_array_size(nodes); i++)
        if (read_node(&view->nodes[view->count++], json_array_get(nodes, i)) != 0)
            return -1;
    return 0;
}

/* ---- asking ---- */

static enum cfs_members_result result_of(int status)
{
    if (status >= 200 && status < 300)
        return CFS_MEMBERS_OK;
    return !status || status == 503 ? CFS_MEMBERS_LATER : CFS_MEMBERS_NEVER;
}

static enum cfs_members_result ask_one(struct cfs_members_client *client, const char *url,
                                       struct cfs_members_view *view)
{
    char whole[CFS_URL_BYTES + 16];
    struct cfs_http_reply reply;
    enum cfs_members_result result;
    json_t *root;

    snprintf(whole, sizeof whole, "%s/members", url);
    cfs_http_exchange(
        &reply, &(struct cfs_http_question){
                    .method = "GET", .url = whole, .secret = client->secret, .timeout_ms = ASK_MS});
    result = result_of(reply.status);
    root = result == CFS_MEMBERS_OK && reply.body ? json_loads(reply.body, 0, NULL) : NULL;
    if (result != CFS_MEMBERS_OK) {
        cfs_http_reply_explain(&reply, url, client->why, sizeof client->why);
    } else if (!root || read_view(view, root) != 0) {
        snprintf(client->why, sizeof client->why, "%s answers no list of nodes", url);
        result = CFS_MEMBERS_NEVER;
    }
    json_decref(root);
    cfs_http_reply_clear(&reply);
    return result;
}

static void add_url(struct cfs_members_client *client, const char *url)
{
    for (uint32_t i = 0; i < client->url_count; i++)
        if (strcmp(client->urls[i], url) == 0)
            return;
    if (client->url_count <= CFS_NODE_MAX)
        snprintf(client->urls[client->url_count++], CFS_URL_BYTES, "%s", url);
}

/* The url stays the first one, and the nodes follow. */
static void remember(struct cfs_members_client *client, const struct cfs_members_view *view)
{
    client->url_count = 1;
    for (uint32_t i = 0; i < view->count; i++) {
        char url[CFS_URL_BYTES];
        const struct cfs_node_info *info = &view->nodes[i].info;

        cfs_members_make_url(url, info->host, info->port);
        if (info->host[0])
            add_url(client, url);
    }
}

/* From whoever answered on to the leader, if it says who that is and that one answers. */
static void follow_leader(struct cfs_members_client *client, struct cfs_members_view *view)
{
    struct cfs_members_view next;
    char url[CFS_URL_BYTES];

    for (int hop = 0; hop < HOPS_MAX && view->leader != view->seen_by; hop++) {
        const struct cfs_members_node *leader = cfs_members_find(view, view->leader);

        if (!leader || !leader->info.host[0])
            return;
        cfs_members_make_url(url, leader->info.host, leader->info.port);
        if (ask_one(client, url, &next) != CFS_MEMBERS_OK || next.cluster != view->cluster)
            return;
        *view = next;
    }
}

enum cfs_members_result cfs_members_ask(struct cfs_members_client *client,
                                        struct cfs_members_view *view)
{
    struct cfs_members_view found;
    enum cfs_members_result result = CFS_MEMBERS_LATER;

    /* Who has no leader may have been removed, or be cut off. */
    view->leader = 0;
    for (uint32_t i = 0; i < client->url_count && !view->leader; i++) {
        enum cfs_members_result one = ask_one(client, client->urls[i], &found);
        if (one == CFS_MEMBERS_NEVER && result != CFS_MEMBERS_OK)
            return one;
        if (one == CFS_MEMBERS_OK && (result != CFS_MEMBERS_OK || found.leader)) {
            result = one;
            *view = found;
        }
    }
    if (result != CFS_MEMBERS_OK)
        return result;
    follow_leader(client, view);
    remember(client, view);
    return CFS_MEMBERS_OK;
}

static void write_query(char *query, size_t size, const struct cfs_member_change *change)
{
    const struct cfs_node_info *info = &change->info;
    int len;

    if (change->remove) {
        snprintf(query, size, "/members/%u", info->id);
        return;
    }
    len = snprintf(query, size, "/members?node=%u&host=%s&port=%u%s", info->id, info->host,
                   (unsigned)info->port, change->move ? "&move=yes" : "");
    if (info->weight)
        len += snprintf(query + len, size - (size_t)len, "&weight=%u", info->weight);
    if (info->replaces)
        snprintf(query + len, size - (size_t)len, "&replaces=%u", info->replaces);
}

enum cfs_members_result cfs_members_exchange(struct cfs_members_client *client,
                                             struct cfs_http_reply *reply, const char *path,
                                             const struct cfs_http_question *question)
{
    enum cfs_members_result result = CFS_MEMBERS_LATER;
    struct cfs_http_question whole = *question;
    size_t size = CFS_URL_BYTES + strlen(path);
    char *url = cfs_alloc(size);

    *reply = (struct cfs_http_reply){0};
    client->unsure = false;
    whole.url = url;
    whole.secret = client->secret;
    for (uint32_t i = 0; i < client->url_count && result == CFS_MEMBERS_LATER; i++) {
        snprintf(url, size, "%s%s", client->urls[i], path);
        client->unsure |= i && !reply->unsent;
        cfs_http_reply_clear(reply);
        cfs_http_exchange(reply, &whole);
        result = result_of(reply->status);
        if (result != CFS_MEMBERS_OK)
            cfs_http_reply_explain(reply, client->urls[i], client->why, sizeof client->why);
    }
    free(url);
    return result;
}

enum cfs_members_result cfs_members_request(struct cfs_members_client *client, const char *method,
                                            const char *path, const char *accept,
                                            unsigned timeout_ms, struct cfs_http_reply *reply)
{
    return cfs_members_exchange(
        client, reply, path,
        &(struct cfs_http_question){.method = method, .accept = accept, .timeout_ms = timeout_ms});
}

enum cfs_members_result cfs_members_change(struct cfs_members_client *client,
                                           const struct cfs_member_change *change)
{
    enum cfs_members_result result;
    char query[CFS_URL_BYTES];
    struct cfs_http_reply reply;

    write_query(query, sizeof query, change);
    result = cfs_members_request(client, change->remove ? "DELETE" : "POST", query, NULL, CHANGE_MS,
                                 &reply);
    cfs_http_reply_clear(&reply);
    return result;
}
