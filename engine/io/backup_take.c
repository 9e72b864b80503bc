/* Three rounds over all nodes (io/backups.h): each begins, each holds moves, each copies what it
 * leads. The last two are over before any node lets go again, or all is tried anew. Then the chunks
 * are fetched, of all groups in turn: no copy is left alone for so long that its node would give it
 * up. */
#include "io/backup_take.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/alloc.h"
#include "io/backups.h"
#include "io/clock.h"

enum {
    STEP_MS = 20000, /* a checkpoint has to be written */
    CHUNK_MS = 60000,
    HELD_MS = CFS_BACKUP_HOLD / 1000 * 9 / 10, /* clocks differ */
    TRY_S = 10,                                /* while leaders change */
    RETRY_MS = 250,
};

/* What one node gives. */
struct source {
    char url[CFS_URL_BYTES];
    struct cfs_http_link link;
    char id[24];     /* of its backup; "": none */
    uint64_t groups; /* (bits) that are to come from it */
    uint32_t next[CFS_GROUPS_MAX + 1];
};

struct take {
    struct cfs_backup_out *out;
    struct cfs_members_client *client;
    struct cfs_members_view view;
    struct source sources[CFS_NODE_MAX];
    uint32_t source_count;
    uint64_t all, found; /* groups (bits) that there are, and that have a source */
};

static int __attribute__((format(printf, 2, 3))) fail(struct take *take, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(take->out->why, sizeof take->out->why, format, args);
    va_end(args);
    return -1;
}

/* ---- copies ---- */

static void ask(struct take *take, struct source *source, struct cfs_http_reply *reply,
                const char *method, const char *path, unsigned timeout_ms)
{
    char url[CFS_URL_BYTES + 112];

    snprintf(url, sizeof url, "%s/backup%s", source->url, path);
    cfs_http_exchange_on(&source->link, reply,
                         &(struct cfs_http_question){.method = method,
                                                     .url = url,
                                                     .secret = take->client->secret,
                                                     .timeout_ms = timeout_ms});
}

static void end_source(struct take *take, struct source *source)
{
    struct cfs_http_reply reply;
    char path[sizeof source->id + 1];

    if (source->id[0]) {
        snprintf(path, sizeof path, "/%s", source->id);
        ask(take, source, &reply, "DELETE", path, STEP_MS);
        cfs_http_reply_clear(&reply);
        source->id[0] = '\0';
    }
    cfs_http_link_close(&source->link);
}

static void end_sources(struct take *take)
{
    for (uint32_t i = 0; i < take->source_count; i++)
        end_source(take, &take->sources[i]);
    take->source_count = 0;
    take->found = 0;
}

/* A step of a node's backup, and what it answered: NULL, and why, when that is nothing. */
static json_t *ask_step(struct take *take, struct source *source, const char *path)
{
    struct cfs_http_reply reply;
    json_t *root = NULL;

    ask(take, source, &reply, "POST", path, STEP_MS);
    if (reply.status == 200 && reply.body)
        root = json_loads(reply.body, 0, NULL);
    if (!root)
        cfs_http_reply_explain(&reply, source->url, take->out->why, sizeof take->out->why);
    cfs_http_reply_clear(&reply);
    return root;
}

enum result {
    DONE,
    AGAIN, /* not now */
    NEVER,
};

static enum result read_begun(struct take *take, struct source *source, const json_t *root)
{
    const char *id = json_string_value(json_object_get(root, "backup"));
    json_int_t format = json_integer_value(json_object_get(root, "v"));
    json_int_t of = json_integer_value(json_object_get(root, "of"));

    if (format != CFS_BACKUP_FORMAT) {
        fail(take,
             "%s makes backups of format %" JSON_INTEGER_FORMAT "; this coordfs knows format %u",
             source->url, format, CFS_BACKUP_FORMAT);
        return NEVER;
    }
    if (!id || strlen(id) >= sizeof source->id || of < 0 || of > (json_int_t)CFS_GROUPS_MAX) {
        fail(take, "%s answers something else than a backup", source->url);
        return NEVER;
    }
    strcpy(source->id, id);
    take->all = UINT64_MAX >> (CFS_GROUPS_MAX - of);
    return DONE;
}

static enum result begin_source(struct take *take, const struct cfs_node_info *info)
{
    struct source *source = &take->sources[take->source_count++];
    enum result result;
    json_t *root;

    *source = (struct source){0};
    cfs_members_make_url(source->url, info->host, info->port);
    root = ask_step(take, source, "");
    result = root ? read_begun(take, source, root) : AGAIN;
    json_decref(root);
    return result;
}

/* Whoever may come to lead a group has to take part. */
static bool may_lead(const struct cfs_members_node *node)
{
    bool is_yet_to_come = strcmp(node->state, "unknown") == 0 && !node->session;

    return node->info.host[0] && !is_yet_to_come && strcmp(node->state, "silent") != 0;
}

static enum result begin_sources(struct take *take)
{
    enum result result = DONE;

    if (cfs_members_ask(take->client, &take->view) != CFS_MEMBERS_OK) {
        fail(take, "%s", take->client->why);
        return NEVER;
    }
    if (take->view.leader != take->view.seen_by)
        return AGAIN; /* others do not know who is silent */
    for (uint32_t i = 0; i < take->view.count && result == DONE; i++)
        if (may_lead(&take->view.nodes[i]))
            result = begin_source(take, &take->view.nodes[i].info);
    return result;
}

static enum result hold_moves(struct take *take)
{
    for (uint32_t i = 0; i < take->source_count; i++) {
        char path[64];
        json_t *root;

        snprintf(path, sizeof path, "/%s?step=hold", take->sources[i].id);
        root = ask_step(take, &take->sources[i], path);
        if (!root)
            return AGAIN;
        json_decref(root);
    }
    return DONE;
}

static void read_copied(struct take *take, struct source *source, const json_t *root)
{
    const json_t *groups = json_object_get(root, "groups");

    for (size_t i = 0; i < json_array_size(groups); i++) {
        json_int_t group = json_integer_value(json_array_get(groups, i));
        if (group >= 0 && group <= (json_int_t)CFS_GROUPS_MAX)
            source->groups |= (uint64_t)1 << group;
    }
    source->groups &= take->all & ~take->found;
    take->found |= source->groups;
}

static enum result copy(struct take *take)
{
    for (uint32_t i = 0; i < take->source_count; i++) {
        char path[64];
        json_t *root;

        snprintf(path, sizeof path, "/%s?step=copy", take->sources[i].id);
        root = ask_step(take, &take->sources[i], path);
        if (!root)
            return AGAIN;
        read_copied(take, &take->sources[i], root);
        json_decref(root);
    }
    return take->source_count && take->found == take->all ? DONE : AGAIN;
}

static enum result find_copies(struct take *take)
{
    enum result result = begin_sources(take);
    cfs_time begin = cfs_clock_now();

    if (result == DONE)
        result = hold_moves(take);
    if (result == DONE)
        result = copy(take);
    if (result == DONE && cfs_clock_now() >= begin + CFS_MS(HELD_MS)) {
        fail(take, "the nodes are too slow: their disks take more than %d ms for a checkpoint",
             HELD_MS);
        result = AGAIN;
    }
    return result;
}

static int explain_missing(struct take *take)
{
    char groups[3 * (CFS_GROUPS_MAX + 1) + 1] = "", why[512];
    size_t len = 0;

    for (cfs_group_id group = 0; group <= CFS_GROUPS_MAX; group++)
        if ((take->all & ~take->found) >> group & 1)
            len += (size_t)snprintf(groups + len, sizeof groups - len, " %u", group);
    snprintf(why, sizeof why, "%.500s", take->out->why);
    return fail(
        take,
        "nobody gives a backup of group%s%s%s. A majority of the nodes has to be there; when "
        "it is lost for good: coordfs backup --data DIR of those that are left",
        len ? groups : "s", why[0] ? "; the last answer was: " : "", why);
}

/* Leaders change: what is missing at one moment another node may have at the next. */
static int find_sources(struct take *take)
{
    cfs_time until = cfs_clock_now() + CFS_SECONDS(TRY_S);
    enum result result;

    for (;;) {
        take->out->why[0] = '\0';
        result = find_copies(take);
        if (result == DONE)
            return 0;
        if (result == NEVER)
            return -1;
        if (cfs_clock_now() >= until)
            return take->found == take->all && take->all ? -1 : explain_missing(take);
        end_sources(take);
        nanosleep(&(struct timespec){.tv_nsec = RETRY_MS * 1000000L}, NULL);
    }
}

/* ---- the file ---- */

static int add_origin(struct take *take)
{
    struct cfs_backup_origin origin = {.cluster = take->view.cluster,
                                       .taken = cfs_clock_wall(),
                                       .made_by = CFS_VERSION,
                                       .groups = (uint32_t)__builtin_popcountll(take->all) - 1};
    struct cfs_writer writer = {0};
    int rv;

    for (uint32_t i = 0; i < take->view.count && origin.node_count < CFS_NODE_MAX; i++)
        if (take->view.nodes[i].info.host[0])
            origin.nodes[origin.node_count++] = take->view.nodes[i].info;
    cfs_backup_put_origin(&writer, &origin);
    rv = cfs_backup_out_add(take->out, writer.data, writer.len);
    free(writer.data);
    return rv;
}

static int add_chunk(struct take *take, struct source *source, cfs_group_id group,
                     const struct cfs_http_reply *reply)
{
    struct cfs_backup_record record;

    if (reply->status != 200) {
        cfs_http_reply_explain(reply, source->url, take->out->why, sizeof take->out->why);
        return -1;
    }
    if (!cfs_backup_read_record(&record, (const uint8_t *)reply->body, reply->len) ||
        record.kind != CFS_BACKUP_CHUNK || record.chunk.group != group ||
        record.chunk.number != source->next[group])
        return fail(take, "%s answers something else than chunk %u of group %u", source->url,
                    source->next[group], group);
    source->next[group]++;
    if (record.chunk.last)
        source->groups &= ~((uint64_t)1 << group);
    return cfs_backup_out_add(take->out, (const uint8_t *)reply->body, reply->len);
}

static int fetch_chunk(struct take *take, struct source *source, cfs_group_id group)
{
    struct cfs_http_reply reply;
    char path[96];
    int rv;

    snprintf(path, sizeof path, "/%s?group=%u&chunk=%u", source->id, group, source->next[group]);
    ask(take, source, &reply, "GET", path, CHUNK_MS);
    rv = add_chunk(take, source, group, &reply);
    cfs_http_reply_clear(&reply);
    return rv;
}

/* One chunk of each group of the node that is not whole yet. 1; 0: all are; or -1. */
static int fetch_some(struct take *take, struct source *source)
{
    uint64_t groups = source->groups;

    for (cfs_group_id group = 0; group <= CFS_GROUPS_MAX; group++)
        if (groups >> group & 1 && fetch_chunk(take, source, group) != 0)
            return -1;
    if (!source->groups)
        end_source(take, source); /* others may take long */
    return source->groups != 0;
}

/* The same of all nodes. */
static int fetch_round(struct take *take)
{
    int more = 0, rv;

    for (uint32_t i = 0; i < take->source_count; i++) {
        rv = fetch_some(take, &take->sources[i]);
        if (rv < 0)
            return -1;
        more |= rv;
    }
    return more;
}

int cfs_backup_take(struct cfs_backup_out *out, struct cfs_members_client *client)
{
    struct take *take = cfs_alloc_zeroed(1, sizeof *take);
    int rv;

    take->out = out;
    take->client = client;
    rv = find_sources(take);
    if (rv == 0)
        rv = add_origin(take);
    if (rv == 0)
        do
            rv = fetch_round(take);
        while (rv > 0);
    end_sources(take);
    free(take);
    return rv;
}
