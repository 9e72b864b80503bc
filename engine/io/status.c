/* What a node tells about itself, described once as JSON; the text for people is the same tree, a
 * line for each value and a table for the members. Units are in the names. */
#include "io/status.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

/* 0 means that there is none. */
static json_t *number_or_null(uint64_t value)
{
    return value ? number(value) : json_null();
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

static json_t *describe_member(const struct cfs_status *status, uint32_t i)
{
    bool leads = status->core.leader == status->config->node;
    cfs_node_id node = status->core.members[i].node;
    cfs_time heard = status->core.members[i].heard;
    uint64_t heard_ms = status->now > heard ? (status->now - heard) / CFS_MS(1) : 0;
    json_t *member = json_object();

    json_object_set_new(member, "node", number(node));
    json_object_set_new(member, "url", url_of(status->config, node));
    json_object_set_new(member, "match",
                        leads ? number(status->core.members[i].match) : json_null());
    json_object_set_new(member, "heard_ms", leads && heard ? number(heard_ms) : json_null());
    json_object_set_new(member, "session", number_or_null(status->core.members[i].session));
    return member;
}

static json_t *describe_members(const struct cfs_status *status)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < status->core.member_count; i++)
        json_array_append_new(list, describe_member(status, i));
    return list;
}

static json_t *describe_wal(const struct cfs_wal_stats *wal)
{
    json_t *object = json_object();

    json_object_set_new(object, "syncs", number(wal->syncs));
    json_object_set_new(object, "records", number(wal->records));
    json_object_set_new(object, "bytes", number(wal->bytes));
    json_object_set_new(object, "sync_us_last", number(wal->sync_us_last));
    json_object_set_new(object, "sync_us_max", number(wal->sync_us_max));
    json_object_set_new(object, "segment", number(wal->segment));
    json_object_set_new(object, "segments", number(wal->segments));
    json_object_set_new(object, "disk_bytes", number(wal->disk_bytes));
    json_object_set_new(object, "cut_bytes", number(wal->cut_bytes));
    return object;
}

/* A single member's lease has no end. */
static json_t *lease_ms(const struct cfs_status *status)
{
    cfs_time until = status->core.lease_until;

    if (until == CFS_NEVER)
        return json_null();
    return number(until > status->now ? (until - status->now) / CFS_MS(1) : 0);
}

static json_t *describe(const struct cfs_status *status)
{
    const struct cfs_core_view *core = &status->core;
    json_t *root = json_object();

    json_object_set_new(root, "version", json_string(CFS_VERSION));
    json_object_set_new(root, "node", number(status->config->node));
    json_object_set_new(root, "role", json_string(core->role));
    json_object_set_new(root, "leader", number_or_null(core->leader));
    json_object_set_new(root, "term", number(core->term));
    json_object_set_new(root, "serving", json_boolean(core->serving));
    json_object_set_new(root, "lease_ms", lease_ms(status));
    json_object_set_new(root, "session", number_or_null(core->session));
    json_object_set_new(root, "available", json_boolean(core->available));
    json_object_set_new(root, "commit", number(core->commit));
    json_object_set_new(root, "applied", number(core->applied));
    json_object_set_new(root, "last_index", number(core->last_index));
    json_object_set_new(root, "durable_index", number(core->durable_index));
    json_object_set_new(root, "held", number(core->held));
    json_object_set_new(root, "waiting", number(core->waiting));
    json_object_set_new(root, "outstanding", number(core->outstanding));
    json_object_set_new(root, "sessions", number(core->session_count));
    json_object_set_new(root, "uptime_s", number((status->now - status->started) / CFS_SECONDS(1)));
    json_object_set_new(root, "wal", describe_wal(&status->wal));
    json_object_set_new(root, "members", describe_members(status));
    return root;
}

char *cfs_status_json(const struct cfs_status *status)
{
    json_t *root = describe(status);
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (out) {
        json_dumpf(root, out, JSON_INDENT(2));
        fputc('\n', out);
        fclose(out);
    }
    json_decref(root);
    return text;
}

/* Into `out` of 32 bytes where the value is not a string. */
static const char *word_of(const json_t *value, char out[32])
{
    if (json_is_string(value))
        return json_string_value(value);
    if (json_is_boolean(value))
        return json_is_true(value) ? "yes" : "no";
    if (!json_is_integer(value))
        return "-";
    snprintf(out, 32, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    return out;
}

/* A line for each value; those of an object in it are named after both. */
static void put_values(FILE *out, const char *prefix, json_t *object)
{
    char word[32], name[64];
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        snprintf(name, sizeof(name), "%s%s%s", prefix, prefix[0] ? "_" : "", key);
        if (json_is_object(value))
            put_values(out, name, value);
        else if (!json_is_array(value))
            fprintf(out, "%-17s %s\n", name, word_of(value, word));
    }
}

static void put_members(FILE *out, const json_t *members)
{
    const char *const keys[] = {"node", "url", "match", "heard_ms", "session"};
    const int widths[] = {-6, -32, 12, 9, 12};
    char word[32];
    size_t i, k;

    fputc('\n', out);
    for (i = 0; i <= json_array_size(members); i++) {
        const json_t *member = i ? json_array_get(members, i - 1) : NULL;

        for (k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
            fprintf(out, "%s%*s", k ? " " : "", widths[k],
                    member ? word_of(json_object_get(member, keys[k]), word) : keys[k]);
        fputc('\n', out);
    }
}

char *cfs_status_text(const struct cfs_status *status)
{
    json_t *root = describe(status);
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (out) {
        put_values(out, "", root);
        put_members(out, json_object_get(root, "members"));
        fclose(out);
    }
    json_decref(root);
    return text;
}
