/* Three sources say who the nodes are, and the later ones win:
 *
 *   the settings      found a new cluster, once; or, with `join`, say whom to ask
 *   the directory     `identity`: the cluster's number and its first voters; `peers`: the nodes as
 *                     this one knew them last
 *   the node table    in the replicated machine (core/node_table.h)
 *
 * The cluster's number is a hash of its first members, so that all of them have it without having
 * spoken. Each batch carries it. A cluster that one node begins has a random one: should that node
 * come back with nothing, it begins another cluster, and must not be taken for a part of what the
 * first has grown to.
 *
 * A node that catches up sees the tables of the past one after the other. It believes none before
 * it has applied what opened its own session: that was not there before this start. */
#include "io/cluster.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>
#include <xxhash.h>

#include "coordfs/log.h"
#include "core/alloc.h"
#include "io/clock.h"
#include "io/config_value.h"
#include "io/members_client.h"

#define RETRY_MS 100u

static_assert(CFS_MEMBERS_MAX * CFS_MEMBER_BYTES <= CFS_WAL_MEMBERS_MAX, "all first members fit");

uint64_t cfs_cluster_id(const struct cfs_cluster *cluster)
{
    return cluster->origin.cluster;
}

static void add_node(struct cfs_peers *peers, cfs_node_id id, const char *host, uint16_t port)
{
    struct cfs_node_info *node = &peers->nodes[peers->count++];

    *node = (struct cfs_node_info){.id = id, .port = port};
    memcpy(node->host, host, strlen(host) + 1);
}

static struct cfs_peers settings_of(const struct cfs_config *config)
{
    struct cfs_peers peers = {0};

    for (uint32_t i = 0; i < config->member_count; i++)
        add_node(&peers, config->members[i].id, config->members[i].host, config->members[i].port);
    return peers;
}

/* Host names are the same in capitals. */
static uint64_t number_of(const char *members)
{
    char text[sizeof(((struct cfs_wal_origin *)0)->members)];
    size_t len = strlen(members);
    uint64_t number;

    for (size_t i = 0; i < len; i++)
        text[i] = (char)tolower((unsigned char)members[i]);
    number = XXH64(text, len, 0);
    return number ? number : 1;
}

/* ---- a directory that is there ---- */

/* What identity says: nothing if the node joined. 0, or -1 after a log line. */
static int read_first(struct cfs_cluster *cluster)
{
    struct cfs_peers *first = &cluster->first;
    const char *text = cluster->origin.members;

    for (size_t len; *text; text += len + (text[len] == '+')) {
        struct cfs_member member;
        len = strcspn(text, "+");
        if (first->count == CFS_MEMBERS_MAX || cfs_parse_member(text, len, &member) != 0) {
            cfs_log(CFS_LOG_ERROR, "%s/identity names members that cannot be: %s",
                    cluster->config->data, cluster->origin.members);
            return -1;
        }
        add_node(first, member.id, member.host, member.port);
    }
    return 0;
}

static bool same_place(const struct cfs_node_info *a, const struct cfs_node_info *b)
{
    return a && b && a->port == b->port && strcasecmp(a->host, b->host) == 0;
}

/* How many of the nodes but `self` are in both lists. */
static uint32_t in_common(const struct cfs_peers *a, const struct cfs_peers *b, cfs_node_id self)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < a->count; i++)
        count +=
            a->nodes[i].id != self && same_place(&a->nodes[i], cfs_peers_find(b, a->nodes[i].id));
    return count;
}

static void warn_of_own_address(const struct cfs_cluster *cluster, const struct cfs_peers *settings)
{
    cfs_node_id self = cluster->config->node;
    const struct cfs_node_info *now = cfs_peers_find(settings, self);
    const struct cfs_node_info *known = cfs_peers_find(&cluster->known, self);
    char here[CFS_MEMBER_BYTES], there[CFS_MEMBER_BYTES];

    if (!now || !known || same_place(now, known))
        return;
    cfs_format_member(here, self, now->host, now->port);
    cfs_format_member(there, self, known->host, known->port);
    cfs_log(CFS_LOG_WARNING,
            "the others look for this node at %s, and the settings say %s: tell them by "
            "coordfs member add --move %s",
            there, here, here);
}

/* The settings may be those that the cluster began with. But if they name others, and none of the
 * others is known here, they are not this cluster's. */
static int compare_settings(const struct cfs_cluster *cluster)
{
    const struct cfs_config *config = cluster->config;
    struct cfs_peers settings = settings_of(config);
    uint32_t common = in_common(&settings, &cluster->known, config->node);
    uint32_t first = in_common(&settings, &cluster->first, config->node);
    char *here = cfs_peers_text(&settings), *there = cfs_peers_text(&cluster->known);
    int rv = 0;

    if (settings.count > 1 && common == 0 && first == 0) {
        cfs_log(CFS_LOG_ERROR,
                "%s holds the log of node %u of cluster %016" PRIx64 " (%s), and the settings name "
                "others (%s) that do not belong to it: it is another cluster's directory, or nodes "
                "that should be added by coordfs member add",
                config->data, config->node, cfs_cluster_id(cluster), there, here);
        rv = -1;
    } else if (settings.count > 1 &&
               (common + 1 != settings.count || settings.count != cluster->known.count)) {
        cfs_log(CFS_LOG_INFO,
                "the settings name %s; the cluster has become %s, and that is what counts", here,
                there);
    }
    if (rv == 0)
        warn_of_own_address(cluster, &settings);
    free(here);
    free(there);
    return rv;
}

static int take_up(struct cfs_cluster *cluster)
{
    const struct cfs_config *config = cluster->config;
    int known;

    if (read_first(cluster) != 0)
        return -1;
    if (!cluster->origin.cluster)
        cluster->origin.cluster = number_of(cluster->origin.members);
    known = cfs_peers_load(config->data, cfs_cluster_id(cluster), &cluster->known);
    if (known < 0)
        return -1;
    if (!known)
        cluster->known = cluster->first;
    /* A node that joined and has lost the list is found by the others. */
    return cluster->known.count ? compare_settings(cluster) : 0;
}

/* ---- a new directory ---- */

static void found(struct cfs_cluster *cluster)
{
    char *text;

    cluster->first = cluster->known = settings_of(cluster->config);
    text = cfs_peers_text(&cluster->first);
    memcpy(cluster->origin.members, text, strlen(text) + 1);
    free(text);
    cluster->origin.cluster = number_of(cluster->origin.members);
    if (cluster->first.count == 1 &&
        getrandom(&cluster->origin.cluster, sizeof cluster->origin.cluster, 0) < 0)
        abort();
}

/* Two nodes of one id would vote twice. */
static enum cfs_members_result refuse_id(struct cfs_members_client *client,
                                         const struct cfs_node_info *self,
                                         const struct cfs_members_node *other)
{
    char here[CFS_MEMBER_BYTES];

    cfs_format_member(here, self->id, self->host, self->port);
    snprintf(client->why, sizeof client->why,
             "node id %u belongs to the node at %s:%u. Take another id; with "
             "coordfs member replace %u ID@HOST:PORT that one gets its place. If it is the same "
             "node, moved and never to start at its old place again: coordfs member add --move %s",
             self->id, other->info.host, (unsigned)other->info.port, self->id, here);
    return CFS_MEMBERS_NEVER;
}

/* Somebody may have announced this node before, as the heir of another one perhaps. */
static enum cfs_members_result ask_to_join(struct cfs_members_client *client,
                                           const struct cfs_node_info *self,
                                           struct cfs_members_view *view)
{
    struct cfs_member_change change = {.info = *self};
    enum cfs_members_result result = cfs_members_ask(client, view);
    const struct cfs_members_node *present;

    if (result != CFS_MEMBERS_OK)
        return result;
    present = cfs_members_find(view, self->id);
    if (!present || !present->info.host[0])
        return cfs_members_change(client, &change);
    return same_place(&present->info, self) ? CFS_MEMBERS_OK : refuse_id(client, self, present);
}

static void pause_ms(unsigned ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

static void remember_joined(struct cfs_cluster *cluster, const struct cfs_node_info *self,
                            const struct cfs_members_view *view)
{
    cluster->origin.cluster = view->cluster;
    for (uint32_t i = 0; i < view->count && cluster->known.count < CFS_NODE_MAX - 1; i++) {
        const struct cfs_node_info *info = &view->nodes[i].info;
        if (info->id != self->id && info->host[0])
            add_node(&cluster->known, info->id, info->host, info->port);
    }
    add_node(&cluster->known, self->id, self->host, self->port);
}

static int join(struct cfs_cluster *cluster)
{
    const struct cfs_config *config = cluster->config;
    struct cfs_peers settings = settings_of(config);
    const struct cfs_node_info *self = cfs_peers_find(&settings, config->node);
    cfs_time until = cfs_clock_now() + CFS_MS(config->timeout_ms);
    struct cfs_members_client client = {.url_count = 1, .secret = config->secret};
    struct cfs_members_view *view = cfs_alloc_zeroed(1, sizeof *view);
    enum cfs_members_result result;

    memcpy(client.urls[0], config->join, sizeof config->join);
    while ((result = ask_to_join(&client, self, view)) == CFS_MEMBERS_LATER &&
           cfs_clock_now() < until)
        pause_ms(RETRY_MS);
    if (result == CFS_MEMBERS_OK) {
        remember_joined(cluster, self, view);
        cfs_log(CFS_LOG_INFO, "joins cluster %016" PRIx64 " by %s", cfs_cluster_id(cluster),
                config->join);
    } else {
        cfs_log(CFS_LOG_ERROR, "cannot join by %s: %s", config->join, client.why);
    }
    free(view);
    return result == CFS_MEMBERS_OK ? 0 : -1;
}

int cfs_cluster_open(struct cfs_cluster *cluster, const struct cfs_config *config)
{
    int known;

    *cluster = (struct cfs_cluster){.config = config, .stale = true};
    known = cfs_wal_peek(config->data, config->node, &cluster->origin);
    if (known > 0)
        return take_up(cluster);
    if (known < 0)
        return -1;
    if (config->join[0])
        return join(cluster);
    found(cluster);
    return 0;
}

void cfs_cluster_found(const struct cfs_cluster *cluster, struct cfs_core_config *core)
{
    core->member_count = cluster->first.count;
    for (uint32_t i = 0; i < cluster->first.count; i++)
        core->members[i] = cluster->first.nodes[i].id;
    core->addresses = cluster->first.nodes;
}

/* ---- while it runs ---- */

static void set_peers(const struct cfs_cluster *cluster, struct cfs_transport *transport)
{
    cfs_node_id self = cluster->config->node;

    for (cfs_node_id id = 1; id <= CFS_NODE_MAX; id++) {
        const struct cfs_node_info *node = cfs_peers_find(&cluster->known, id);
        if (id == self || cluster->parts & CFS_NODE_BIT(id))
            continue; /* who is on its way out may be needed until it is out */
        cfs_transport_set_peer(transport, id, node ? node->host : NULL, node ? node->port : 0);
    }
}

void cfs_cluster_begin(struct cfs_cluster *cluster, struct cfs_transport *transport)
{
    cluster->writer = cfs_peers_writer_new(cluster->config->data, cfs_cluster_id(cluster));
    set_peers(cluster, transport);
    if (cluster->known.count)
        cfs_peers_save(cluster->writer, &cluster->known);
}

uint32_t cfs_cluster_nodes(const struct cfs_cluster *cluster, const struct cfs_core *core,
                           struct cfs_node_info out[CFS_NODE_MAX])
{
    uint32_t count = cfs_core_nodes(core, out);

    if (count)
        return count;
    memcpy(out, cluster->known.nodes, sizeof cluster->known.nodes);
    return cluster->known.count;
}

void cfs_cluster_changed(struct cfs_cluster *cluster)
{
    cluster->stale = true;
}

static bool is_current(const struct cfs_core *core)
{
    struct cfs_core_view view;

    cfs_core_view(core, 0, &view);
    return view.session && view.applied >= view.session;
}

/* Those that have a replica and are not in the table. */
static cfs_node_set parting(const struct cfs_cluster *cluster, const struct cfs_core *core)
{
    cfs_node_set parts = 0;

    CFS_EACH_NODE (node, cfs_core_partners(core))
        if (!cfs_peers_find(&cluster->known, node))
            parts |= CFS_NODE_BIT(node);
    return parts;
}

void cfs_cluster_look(struct cfs_cluster *cluster, const struct cfs_core *core,
                      struct cfs_transport *transport)
{
    struct cfs_peers table;

    if ((!cluster->stale && !cluster->parts) || !is_current(core))
        return;
    table.count = cfs_core_nodes(core, table.nodes);
    if (!table.count)
        return; /* the leader has not filled it yet */
    cluster->stale = false;
    cluster->known = table;
    cluster->parts = parting(cluster, core);
    set_peers(cluster, transport);
    cfs_peers_save(cluster->writer, &cluster->known);
}

void cfs_cluster_close(struct cfs_cluster *cluster)
{
    cfs_peers_writer_free(cluster->writer);
    cluster->writer = NULL;
}
