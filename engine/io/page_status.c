/* What a node tells about itself, described once as JSON; the text for people is the same tree, a
 * line for each value and a table for the members. Units are in the names. */
#include "io/json.h"
#include "io/leaderless.h"
#include "io/page.h"

/* Null when nothing was measured, as commits on a node that never led. */
static json_t *quantile(const struct cfs_histogram *histogram, uint32_t permille)
{
    return histogram->count ? cfs_json_number(cfs_histogram_quantile(histogram, permille))
                            : json_null();
}

static json_t *describe_wal(const struct cfs_wal_stats *wal)
{
    json_t *object = json_object();

    json_object_set_new(object, "syncs", cfs_json_number(wal->syncs));
    json_object_set_new(object, "records", cfs_json_number(wal->records));
    json_object_set_new(object, "bytes", cfs_json_number(wal->bytes));
    json_object_set_new(object, "sync_us_last", cfs_json_number(wal->sync_us_last));
    json_object_set_new(object, "sync_us_max", cfs_json_number(wal->sync_us_max));
    json_object_set_new(object, "sync_us_p50", quantile(&wal->sync, 500));
    json_object_set_new(object, "sync_us_p99", quantile(&wal->sync, 990));
    json_object_set_new(object, "pending", cfs_json_number(wal->pending));
    json_object_set_new(object, "segment", cfs_json_number(wal->segment));
    json_object_set_new(object, "segments", cfs_json_number(wal->segments));
    json_object_set_new(object, "disk_bytes", cfs_json_number(wal->disk_bytes));
    json_object_set_new(object, "cut_bytes", cfs_json_number(wal->cut_bytes));
    return object;
}

/* A single member's lease has no end. */
static json_t *lease_ms(const struct cfs_status *status)
{
    cfs_time until = status->core.lease_until;

    if (until == CFS_NEVER)
        return json_null();
    return cfs_json_number(until > status->now ? (until - status->now) / CFS_MS(1) : 0);
}

json_t *cfs_page_status(const struct cfs_status *status)
{
    const struct cfs_core_view *core = &status->core;
    json_t *root = json_object();

    json_object_set_new(root, "version", json_string(CFS_VERSION));
    json_object_set_new(root, "node", cfs_json_number(status->config->node));
    json_object_set_new(root, "role", json_string(core->role));
    json_object_set_new(root, "leader", cfs_json_number_or_null(core->leader));
    json_object_set_new(root, "term", cfs_json_number(core->term));
    json_object_set_new(root, "serving", json_boolean(core->serving));
    json_object_set_new(root, "lease_ms", lease_ms(status));
    json_object_set_new(root, "session", cfs_json_number_or_null(core->session));
    json_object_set_new(root, "available", json_boolean(core->available));
    json_object_set_new(root, "store", json_string(status->store));
    json_object_set_new(root, "store_available", json_boolean(status->store_available));
    json_object_set_new(root, "amnesia", json_string(cfs_amnesia_word(core->amnesia)));
    json_object_set_new(root, "commit", cfs_json_number(core->commit));
    json_object_set_new(root, "applied", cfs_json_number(core->applied));
    json_object_set_new(root, "last_index", cfs_json_number(core->last_index));
    json_object_set_new(root, "durable_index", cfs_json_number(core->durable_index));
    json_object_set_new(root, "held", cfs_json_number(core->held));
    json_object_set_new(root, "waiting", cfs_json_number(core->waiting));
    json_object_set_new(root, "outstanding", cfs_json_number(core->outstanding));
    json_object_set_new(root, "sessions", cfs_json_number(core->session_count));
    json_object_set_new(root, "commit_us_p50", quantile(&status->commits, 500));
    json_object_set_new(root, "commit_us_p99", quantile(&status->commits, 990));
    json_object_set_new(root, "uptime_s",
                        cfs_json_number((status->now - status->started) / CFS_SECONDS(1)));
    json_object_set_new(root, "wal", describe_wal(&status->wal));
    json_object_set_new(root, "members", cfs_page_members(status));
    json_object_set_new(root, "groups", cfs_page_groups(status));
    return root;
}

/* A line for each value; those of an object in it are named after both. */
static void put_values(FILE *out, const char *prefix, json_t *object)
{
    char word[CFS_PAGE_WORD_BYTES], name[64];
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        snprintf(name, sizeof(name), "%s%s%s", prefix, prefix[0] ? "_" : "", key);
        if (json_is_object(value))
            put_values(out, name, value);
        else if (!json_is_array(value))
            fprintf(out, "%-17s %s\n", name, cfs_page_word(value, word));
    }
}

void cfs_page_put_status(FILE *out, json_t *page)
{
    put_values(out, "", page);
    fputc('\n', out);
    cfs_page_put_members(out, json_object_get(page, "members"));
}
