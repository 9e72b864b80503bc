/* The checkpoint as it stands in the store, then what the entries behind it changed. All entries
 * that the log holds are applied, committed or not: one that this node acknowledged may be
 * committed without its knowing, and was then answered. Of one that was not, nobody was told that
 * it did not happen. */
#include "io/backup_salvage.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/piece.h"
#include "io/clock.h"
#include "io/cluster.h"
#include "io/restore.h"

/* A node that is not to run. */
struct salvage {
    struct cfs_backup_out *out;
    struct cfs_config config;
    struct cfs_cluster cluster;
    struct cfs_core *core;
    struct cfs_store *store;
    struct cfs_wal *wal;
    struct cfs_checkpoint changes; /* since the checkpoint in the store */
    uint32_t next[CFS_GROUPS + 1]; /* number of the group's next chunk */
};

static int add_chunk(struct salvage *s, struct cfs_backup_chunk chunk)
{
    struct cfs_writer writer = {0};
    int rv;

    chunk.number = s->next[chunk.group]++;
    cfs_backup_put_chunk(&writer, &chunk);
    rv = cfs_backup_out_add(s->out, writer.data, writer.len);
    free(writer.data);
    return rv;
}

/* ---- the directory ---- */

static int open_directory(struct salvage *s, const char *data)
{
    struct cfs_wal_origin origin = {0};
    struct cfs_core_config core = {.groups = CFS_GROUPS, .election = CFS_SECONDS(1)};
    int known;

    cfs_config_init(&s->config);
    if (strlen(data) >= sizeof s->config.data) {
        snprintf(s->out->why, sizeof s->out->why, "the path is too long");
        return -1;
    }
    strcpy(s->config.data, data);
    known = cfs_wal_peek(data, 0, &origin);
    if (known == 0)
        snprintf(s->out->why, sizeof s->out->why, "%s is no data directory: it has no identity",
                 data);
    if (known <= 0)
        return -1;
    core.node = s->config.node = origin.owner;
    if (cfs_cluster_open(&s->cluster, &s->config) != 0)
        return -1;
    cfs_cluster_found(&s->cluster, &core);
    s->core = cfs_core_new(&core);
    return cfs_restore(s->core, &s->config, &s->cluster.origin, &s->store, &s->wal);
}

static void close_directory(struct salvage *s)
{
    cfs_checkpoint_clear(&s->changes);
    cfs_store_close(s->store);
    cfs_wal_close(s->wal);
    cfs_core_free(s->core);
    cfs_cluster_close(&s->cluster);
    free(s);
}

/* ---- what it holds ---- */

static void await(struct cfs_store *store, struct cfs_store_done *done)
{
    struct pollfd pollfd = {.fd = cfs_store_fd(store), .events = POLLIN};

    while (!cfs_store_take(store, done))
        poll(&pollfd, 1, -1);
}

/* Of a group without a checkpoint there is nothing. */
static int add_checkpoint(struct salvage *s, cfs_group_id group)
{
    struct cfs_store_done done = {0};
    int rv = 0;

    while (rv == 0 && !done.done) {
        cfs_store_submit(s->store, &(struct cfs_store_job){.kind = CFS_STORE_READ,
                                                           .transfer = group + 1,
                                                           .group = group,
                                                           .bytes = CFS_BACKUP_CHUNK_BYTES});
        await(s->store, &done);
        if (done.error == -ENOENT)
            return 0;
        if (done.error != 0)
            snprintf(s->out->why, sizeof s->out->why, "%s/store cannot be read: %s", s->config.data,
                     strerror(-done.error));
        rv = done.error
                 ? -1
                 : add_chunk(s, (struct cfs_backup_chunk){.group = group,
                                                          .pieces = done.pieces,
                                                          .pieces_len = (uint32_t)done.pieces_len});
        free(done.head);
        free(done.pieces);
    }
    return rv;
}

/* In chunks, the last one with the head. */
static int add_changes(struct salvage *s, const struct cfs_part *part)
{
    struct cfs_backup_chunk chunk = {.group = part->group};
    struct cfs_reader reader = {.data = part->pieces.data, .len = part->pieces.len};
    struct cfs_piece piece;
    size_t from = 0;
    int rv = 0;

    while (rv == 0 && cfs_piece_next(&reader, &piece)) {
        if (reader.at - from < CFS_BACKUP_CHUNK_BYTES)
            continue;
        chunk.pieces = reader.data + from;
        chunk.pieces_len = (uint32_t)(reader.at - from);
        rv = add_chunk(s, chunk);
        from = reader.at;
    }
    chunk.pieces = reader.data + from;
    chunk.pieces_len = (uint32_t)(reader.len - from);
    chunk.last = true;
    chunk.head = part->head.data;
    chunk.head_len = (uint32_t)part->head.len;
    return rv == 0 ? add_chunk(s, chunk) : -1;
}

static cfs_wall_time newest_change(const struct salvage *s)
{
    cfs_wall_time newest = 0;

    for (cfs_group_id group = 0; group <= CFS_GROUPS; group++) {
        const struct cfs_entry *entry;
        struct cfs_core_view view;
        cfs_core_view(s->core, group, &view);
        entry = cfs_core_entry(s->core, group, view.last_index);
        if (entry && entry->wall > newest)
            newest = entry->wall;
    }
    return newest;
}

static int add_origin(struct salvage *s, struct cfs_backup_origin *origin)
{
    struct cfs_writer writer = {0};
    int rv;

    *origin = (struct cfs_backup_origin){.cluster = cfs_cluster_id(&s->cluster),
                                         .taken = cfs_clock_wall(),
                                         .newest = newest_change(s),
                                         .node = s->config.node,
                                         .made_by = CFS_VERSION,
                                         .groups = CFS_GROUPS};
    origin->node_count = cfs_cluster_nodes(&s->cluster, s->core, origin->nodes);
    cfs_backup_put_origin(&writer, origin);
    rv = cfs_backup_out_add(s->out, writer.data, writer.len);
    free(writer.data);
    return rv;
}

int cfs_backup_salvage(struct cfs_backup_out *out, const char *data,
                       struct cfs_backup_origin *origin, uint64_t *groups, uint64_t *behind)
{
    struct salvage *s = cfs_alloc_zeroed(1, sizeof *s);
    int rv;

    s->out = out;
    *groups = *behind = 0;
    rv = open_directory(s, data);
    if (rv == 0)
        cfs_core_salvage(s->core, &s->changes);
    if (rv == 0)
        rv = add_origin(s, origin);
    for (uint32_t i = 0; rv == 0 && i < s->changes.part_count; i++) {
        const struct cfs_part *part = &s->changes.parts[i];
        rv = add_checkpoint(s, part->group);
        if (rv == 0)
            rv = add_changes(s, part);
        *groups |= (uint64_t)1 << part->group;
        if (cfs_wal_amnesia(s->wal, part->group) != CFS_REMEMBERS)
            *behind |= (uint64_t)1 << part->group;
    }
    close_directory(s);
    return rv;
}
