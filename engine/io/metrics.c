/* Most metrics are one number of the status: two tables say which. A metric's name is for ever, as
 * dashboards and alarms are written against it. */
#include "io/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Of what is measured of group 0 alone. */
#define GROUP "group=\"0\""

struct metric {
    const char *name, *type, *help;
    size_t offset, size; /* of the number */
};

#define IN(type, field) offsetof(struct type, field), sizeof(((const struct type *)0)->field)
#define VIEW(field) IN(cfs_core_view, field)
#define STATUS(field) IN(cfs_status, field)

static const struct metric group_metrics[] = {
    {"coordfs_raft_term", "gauge", "The term this node is in.", VIEW(term)},
    {"coordfs_raft_leader", "gauge", "The node that leads as far as this one knows; 0: unknown.",
     VIEW(leader)},
    {"coordfs_raft_serving", "gauge", "1 while this node leads and takes commands and reads.",
     VIEW(serving)},
    {"coordfs_raft_commit_index", "gauge", "The newest log entry known to be committed.",
     VIEW(commit)},
    {"coordfs_raft_applied_index", "gauge", "The newest log entry that was applied here.",
     VIEW(applied)},
    {"coordfs_raft_last_index", "gauge", "The newest log entry here.", VIEW(last_index)},
    {"coordfs_raft_durable_index", "gauge", "All log entries up to it are on this node's disk.",
     VIEW(durable_index)},
    {"coordfs_raft_elections_total", "counter", "Elections that this node has begun.",
     VIEW(elections)},
    {"coordfs_raft_leaderships_total", "counter", "Elections that this node has won.",
     VIEW(leaderships)},
};

/* Of what the leader of a group alone has. */
static const struct metric home_metrics[] = {
    {"coordfs_cache_lines", "gauge", "Leader: inodes in cache/ that nodes keep something of.",
     VIEW(lines)},
    {"coordfs_cache_changes", "gauge", "Leader: changes in cache/ that are under way.",
     VIEW(line_changes)},
};

static const struct metric cluster_metrics[] = {
    {"coordfs_sessions", "gauge", "Nodes with a session, as applied here.", VIEW(session_count)},
    {"coordfs_locks_held", "gauge", "Locks that are held, as applied here.", VIEW(held)},
    {"coordfs_locks_waiting", "gauge", "Requests that wait for a lock, as applied here.",
     VIEW(waiting)},
};

static const struct metric node_metrics[] = {
    {"coordfs_available", "gauge", "0 once a call has timed out, until a leader answers again.",
     STATUS(core.available)},
    {"coordfs_store_available", "gauge", "0 while the store of the queues cannot be used.",
     STATUS(store_available)},
    {"coordfs_requests_outstanding", "gauge", "Requests of this node that have no answer yet.",
     STATUS(core.outstanding)},
    {"coordfs_wal_pending_records", "gauge", "Records of the log that are not durable yet.",
     STATUS(wal.pending)},
    {"coordfs_wal_records_total", "counter", "Records made durable.", STATUS(wal.records)},
    {"coordfs_wal_bytes_total", "counter", "Bytes made durable.", STATUS(wal.bytes)},
    {"coordfs_wal_segments", "gauge", "Segment files of the log.", STATUS(wal.segments)},
    {"coordfs_wal_disk_bytes", "gauge", "Bytes of those files.", STATUS(wal.disk_bytes)},
    {"coordfs_cache_hits_total", "counter",
     "Questions of the kernel in cache/ that were answered here; most it need not ask.",
     STATUS(cache.hits)},
    {"coordfs_cache_misses_total", "counter", "Those for which a home was asked.",
     STATUS(cache.misses)},
    {"coordfs_cache_invalidations_total", "counter",
     "Inodes that were given up for other nodes' changes.", STATUS(cache.invalidations)},
    {"coordfs_cache_lapses_total", "counter", "Times that all shares of a group were given up.",
     STATUS(cache.lapses)},
    {"coordfs_cache_evictions_total", "counter", "Values that made room for others.",
     STATUS(cache.evictions)},
    {"coordfs_cache_inodes", "gauge", "Inodes in cache/ that the kernel knows of.",
     STATUS(cache.inodes)},
    {"coordfs_cache_values", "gauge", "Values that the kernel may keep pages of.",
     STATUS(cache.values)},
    {"coordfs_cache_bytes", "gauge", "Bytes of those values.", STATUS(cache.bytes)},
    {"process_resident_memory_bytes", "gauge", "Memory of the process that is resident.",
     STATUS(resident_bytes)},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void put_head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static uint64_t read_number(const void *base, const struct metric *metric)
{
    const uint8_t *at = (const uint8_t *)base + metric->offset;
    uint64_t number;
    uint32_t half;
    bool flag;

    if (metric->size == sizeof flag)
        return memcpy(&flag, at, sizeof flag), flag;
    if (metric->size == sizeof half)
        return memcpy(&half, at, sizeof half), half;
    assert(metric->size == sizeof number);
    return memcpy(&number, at, sizeof number), number;
}

static void put_number(FILE *out, const struct metric *metric, const char *labels, const void *base)
{
    put_head(out, metric->name, metric->type, metric->help);
    fprintf(out, "%s%s %" PRIu64 "\n", metric->name, labels, read_number(base, metric));
}

enum { SECONDS_BYTES = 32 };

/* Microseconds as seconds, exactly: 50 is 0.00005. */
static const char *in_seconds(uint64_t us, char room[SECONDS_BYTES])
{
    char *end = room + snprintf(room, SECONDS_BYTES, "%" PRIu64 ".%06u", us / 1000000,
                                (unsigned)(us % 1000000));

    while (end[-1] == '0')
        *--end = 0;
    if (end[-1] == '.')
        *--end = 0;
    return room;
}

/* `label` is "" or as GROUP. */
static void put_bucket(FILE *out, const char *name, const char *label, const char *bound,
                       uint64_t count)
{
    fprintf(out, "%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", name, label, label[0] ? "," : "", bound,
            count);
}

static void put_histogram(FILE *out, const char *name, const char *help, const char *label,
                          const struct cfs_histogram *histogram)
{
    const char *open = label[0] ? "{" : "", *close = label[0] ? "}" : "";
    char room[SECONDS_BYTES];
    uint64_t sum = 0;

    put_head(out, name, "histogram", help);
    for (uint32_t i = 0; i < CFS_HISTOGRAM_BOUNDS; i++) {
        sum += histogram->buckets[i];
        put_bucket(out, name, label, in_seconds(cfs_histogram_bound(i), room), sum);
    }
    put_bucket(out, name, label, "+Inf", histogram->count);
    fprintf(out, "%s_sum%s%s%s %s\n", name, open, label, close,
            in_seconds(histogram->sum_us, room));
    fprintf(out, "%s_count%s%s%s %" PRIu64 "\n", name, open, label, close, histogram->count);
}

/* A sample for each group of which this node has a replica, or which it leads. */
static void put_group_number(FILE *out, const struct metric *metric,
                             const struct cfs_status *status, bool leads)
{
    put_head(out, metric->name, metric->type, metric->help);
    for (cfs_group_id id = 0; id <= CFS_GROUPS; id++)
        if (leads ? status->groups[id].view.serving : status->groups[id].view.replica)
            fprintf(out, "%s{group=\"%" PRIu32 "\"} %" PRIu64 "\n", metric->name, id,
                    read_number(&status->groups[id].view, metric));
}

static void put_roles(FILE *out, const struct cfs_status *status)
{
    static const char *const roles[] = {"leader", "follower", "candidate", "pre-candidate"};

    put_head(out, "coordfs_raft_role", "gauge", "1 for the role that this node has.");
    for (cfs_group_id id = 0; id <= CFS_GROUPS; id++)
        for (size_t i = 0; i < COUNT(roles) && status->groups[id].view.replica; i++)
            fprintf(out, "coordfs_raft_role{group=\"%" PRIu32 "\",role=\"%s\"} %d\n", id, roles[i],
                    strcmp(roles[i], status->groups[id].view.role) == 0);
}

/* Only a leader knows; from all others there is no sample. */
static void put_lags_of(FILE *out, const struct cfs_group_status *group, cfs_group_id id,
                        cfs_node_id self)
{
    if (group->view.leader != self)
        return;
    for (uint32_t i = 0; i < group->view.member_count; i++)
        if (group->members[i].node != self)
            fprintf(out,
                    "coordfs_raft_peer_lag_entries{group=\"%" PRIu32 "\",peer=\"%" PRIu32
                    "\"} %" PRIu64 "\n",
                    id, group->members[i].node, group->view.last_index - group->members[i].match);
}

static void put_lags(FILE *out, const struct cfs_status *status)
{
    put_head(out, "coordfs_raft_peer_lag_entries", "gauge",
             "Leader: log entries that are not known to be durable on that peer.");
    for (cfs_group_id id = 0; id <= CFS_GROUPS; id++)
        put_lags_of(out, &status->groups[id], id, status->config->node);
}

static void put_group_metrics(FILE *out, const struct cfs_status *status)
{
    for (size_t i = 0; i < COUNT(group_metrics); i++)
        put_group_number(out, &group_metrics[i], status, false);
    for (size_t i = 0; i < COUNT(home_metrics); i++)
        put_group_number(out, &home_metrics[i], status, true);
    for (size_t i = 0; i < COUNT(cluster_metrics); i++)
        put_number(out, &cluster_metrics[i], "{" GROUP "}", &status->core);
    put_roles(out, status);
    put_lags(out, status);
    put_histogram(out, "coordfs_raft_commit_duration_seconds",
                  "From proposal to commit, of what this node proposed while it led.", GROUP,
                  &status->commits);
}

static void put_unsent(FILE *out, const struct cfs_status *status)
{
    put_head(out, "coordfs_peer_unsent_messages", "gauge",
             "Messages to that peer that wait to be sent.");
    for (uint32_t i = 0; i < status->core.member_count; i++)
        if (status->members[i].node != status->config->node)
            fprintf(out, "coordfs_peer_unsent_messages{peer=\"%" PRIu32 "\"} %" PRIu64 "\n",
                    status->members[i].node, status->unsent[i]);
}

static void put_requests(FILE *out, const struct cfs_status *status)
{
    static const char *const routes[CFS_ROUTE_CLASSES] = {
        [CFS_ROUTE_HEALTH] = "health",   [CFS_ROUTE_STATUS] = "status",
        [CFS_ROUTE_METRICS] = "metrics", [CFS_ROUTE_LOCK] = "lock",
        [CFS_ROUTE_QUEUE] = "queue",     [CFS_ROUTE_CACHE] = "cache",
        [CFS_ROUTE_MEMBERS] = "members", [CFS_ROUTE_BACKUP] = "backup",
        [CFS_ROUTE_RAFT] = "raft",       [CFS_ROUTE_UNAUTHORIZED] = "unauthorized",
        [CFS_ROUTE_UNKNOWN] = "unknown",
    };

    put_head(out, "coordfs_http_requests_total", "counter", "HTTP requests received.");
    for (size_t i = 0; i < CFS_ROUTE_CLASSES; i++)
        fprintf(out, "coordfs_http_requests_total{route=\"%s\"} %" PRIu64 "\n", routes[i],
                status->requests[i]);
}

static void put_node_metrics(FILE *out, const struct cfs_status *status)
{
    char room[SECONDS_BYTES];

    for (size_t i = 0; i < COUNT(node_metrics); i++)
        put_number(out, &node_metrics[i], "", status);
    put_histogram(out, "coordfs_wal_sync_duration_seconds",
                  "Writing a batch of records and waiting until it is durable.", "",
                  &status->wal.sync);
    put_unsent(out, status);
    put_requests(out, status);
    put_head(out, "coordfs_uptime_seconds", "gauge", "Since the start of the node.");
    fprintf(out, "coordfs_uptime_seconds %s\n", in_seconds(status->now - status->started, room));
}

char *cfs_metrics_text(const struct cfs_status *status)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return NULL;
    put_head(out, "coordfs_info", "gauge", "Always 1; what this node is.");
    fprintf(out, "coordfs_info{version=\"%s\",node=\"%" PRIu32 "\"} 1\n", CFS_VERSION,
            status->config->node);
    put_group_metrics(out, status);
    put_node_metrics(out, status);
    fclose(out);
    return text;
}
