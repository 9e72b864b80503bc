/* Staged as a snapshot is, then the log, then the end of the file that says that it is not done. */
#include "io/restored_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "coordfs/log.h"
#include "core/alloc.h"
#include "core/command.h"
#include "core/entry.h"
#include "io/clock.h"
#include "io/config_value.h"
#include "io/peers_file.h"

static int refuse(const struct cfs_restored_dir *dir, const char *what)
{
    cfs_log(CFS_LOG_ERROR, "%s: %s: %m", dir->config->data, what);
    return -1;
}

/* ---- the directory ---- */

static int check_empty(const struct cfs_restored_dir *dir)
{
    DIR *list = opendir(dir->config->data);
    const struct dirent *entry;
    int rv = 0;

    if (!list)
        return refuse(dir, "opendir");
    while (rv == 0 && (entry = readdir(list)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            strcmp(entry->d_name, "lost+found") != 0)
            rv = -1;
    closedir(list);
    if (rv != 0)
        cfs_log(CFS_LOG_ERROR,
                "%s is not empty: a state is restored into an empty directory only. Move away what "
                "is there",
                dir->config->data);
    return rv;
}

static int sync_path(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rv = fd < 0 ? -1 : fsync(fd);

    if (fd >= 0)
        close(fd);
    return rv;
}

static void make_path(const struct cfs_restored_dir *dir, const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s/%s", dir->config->data, name);
}

/* A directory that a crash takes away again would look like one that was never restored. */
static int make(const struct cfs_restored_dir *dir)
{
    char path[sizeof dir->config->data + 16];

    make_path(dir, "..", path, sizeof path);
    if (mkdir(dir->config->data, 0700) != 0)
        return errno == EEXIST ? 0 : refuse(dir, "mkdir");
    return sync_path(path) == 0 ? 0 : refuse(dir, "fsync");
}

static int mark(const struct cfs_restored_dir *dir)
{
    char path[sizeof dir->config->data + 16];
    int fd;

    make_path(dir, CFS_RESTORING, path, sizeof path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return refuse(dir, CFS_RESTORING);
    close(fd);
    return sync_path(dir->config->data) == 0 ? 0 : refuse(dir, "fsync");
}

static int unmark(const struct cfs_restored_dir *dir)
{
    char path[sizeof dir->config->data + 16];

    make_path(dir, CFS_RESTORING, path, sizeof path);
    if (unlink(path) != 0 || sync_path(dir->config->data) != 0)
        return refuse(dir, CFS_RESTORING);
    return 0;
}

static const struct cfs_member *find_self(const struct cfs_config *config)
{
    for (uint32_t i = 0; i < config->member_count; i++)
        if (config->members[i].id == config->node)
            return &config->members[i];
    return NULL;
}

static void no_record(void *arg, const struct cfs_record *record)
{
    (void)arg;
    (void)record;
}

/* The node alone has founded the cluster; the others join it. */
static int open_log(struct cfs_restored_dir *dir)
{
    const struct cfs_config *config = dir->config;
    const struct cfs_member *self = find_self(config);
    struct cfs_wal_origin origin = {.restored = true, .cluster = dir->cluster};

    cfs_format_member(origin.members, self->id, self->host, self->port);
    return cfs_wal_open(&dir->wal, config->data, config->node,
                        (struct cfs_wal_begin){.segment = 1, .sequence = 1}, &origin, no_record,
                        NULL);
}

int cfs_restored_dir_open(struct cfs_restored_dir *dir, const struct cfs_config *config)
{
    *dir = (struct cfs_restored_dir){.config = config, .clock = cfs_clock_wall()};
    while (!dir->cluster)
        if (getrandom(&dir->cluster, sizeof dir->cluster, 0) != sizeof dir->cluster)
            return refuse(dir, "getrandom");
    if (make(dir) != 0 || check_empty(dir) != 0 || mark(dir) != 0 ||
        cfs_store_open(&dir->store, config->data) != 0)
        return -1;
    return open_log(dir);
}

/* ---- the store ---- */

static int perform(struct cfs_restored_dir *dir, struct cfs_store_job *job)
{
    struct pollfd pollfd = {.fd = cfs_store_fd(dir->store), .events = POLLIN};
    struct cfs_store_done done;

    job->id = ++dir->last_id;
    cfs_store_submit(dir->store, job);
    while (!cfs_store_take(dir->store, &done))
        poll(&pollfd, 1, -1);
    if (done.error == 0)
        return 0;
    cfs_log(CFS_LOG_ERROR, "%s/store cannot be written: %s", dir->config->data,
            strerror(-done.error));
    return -1;
}

static int stage(struct cfs_restored_dir *dir, const struct cfs_store_part *part, bool last)
{
    uint64_t bit = (uint64_t)1 << part->group;
    struct cfs_store_job job = {.kind = CFS_STORE_STAGE,
                                .parts = cfs_alloc_copy(part, sizeof *part),
                                .part_count = 1,
                                .first = !(dir->begun & bit),
                                .last = last};

    dir->begun |= bit;
    return perform(dir, &job);
}

int cfs_restored_dir_add(struct cfs_restored_dir *dir, cfs_group_id group, const uint8_t *pieces,
                         uint32_t len)
{
    struct cfs_store_part part = {
        .group = group, .pieces = cfs_alloc_copy(pieces, len), .pieces_len = len};

    return stage(dir, &part, false);
}

int cfs_restored_dir_head(struct cfs_restored_dir *dir, cfs_group_id group,
                          const struct cfs_group_head *head)
{
    struct cfs_group_head own = {.base = head->base, .term = head->base.term};
    struct cfs_store_part part = {.group = group};
    struct cfs_writer writer = {0};

    own.members.voters = CFS_NODE_BIT(dir->config->node);
    cfs_group_head_encode(&writer, &own);
    part.head = writer.data;
    part.head_len = (uint32_t)writer.len;
    dir->bases[group] = head->base;
    return stage(dir, &part, true);
}

/* ---- the log ---- */

static void set_nodes(const struct cfs_config *config, struct cfs_command *command)
{
    for (uint32_t i = 0; i < config->member_count; i++) {
        const struct cfs_member *member = &config->members[i];
        struct cfs_node_info *node = &command->nodes[command->node_count++];
        *node = (struct cfs_node_info){.id = member->id, .port = member->port};
        memcpy(node->host, member->host, strlen(member->host) + 1);
    }
}

/* As if this node had led, in a term of its own, and had been stopped then. */
static void append_renewal(struct cfs_restored_dir *dir, cfs_group_id group, uint64_t *lsn)
{
    const struct cfs_log_base *base = &dir->bases[group];
    struct cfs_command command = {
        .kind = CFS_CMD_RENEW, .node = dir->config->node, .target = dir->clock};
    struct cfs_record state = {.group = group,
                               .type = CFS_RECORD_HARD_STATE,
                               .term = base->term + 1,
                               .vote = dir->config->node};
    struct cfs_record record = {.group = group, .type = CFS_RECORD_ENTRY};
    struct cfs_writer writer = {0};

    if (group == 0)
        set_nodes(dir->config, &command);
    cfs_command_encode(&writer, &command);
    record.entry = cfs_entry_new(CFS_ENTRY_COMMAND, base->index + 1, base->term + 1, writer.data,
                                 (uint32_t)writer.len);
    record.entry->time = base->time;
    record.entry->wall = cfs_clock_wall();
    cfs_wal_append(dir->wal, &state, ++*lsn);
    cfs_wal_append(dir->wal, &record, ++*lsn);
    cfs_entry_unref(record.entry);
    free(writer.data);
}

static int write_log(struct cfs_restored_dir *dir)
{
    struct pollfd pollfd = {.fd = cfs_wal_fd(dir->wal), .events = POLLIN};
    uint64_t lsn = 0, durable = 0;

    for (cfs_group_id group = 0; group <= CFS_GROUPS; group++)
        append_renewal(dir, group, &lsn);
    cfs_wal_submit(dir->wal);
    while (durable < lsn) {
        if (cfs_wal_durable(dir->wal, &durable) != 0)
            return -1;
        if (durable < lsn)
            poll(&pollfd, 1, -1);
    }
    return 0;
}

/* Where the others are to be: the settings of this node need no change. */
static void write_peers(const struct cfs_restored_dir *dir)
{
    struct cfs_peers_writer *writer = cfs_peers_writer_new(dir->config->data, dir->cluster);
    struct cfs_command command = {0};
    struct cfs_peers peers = {0};

    set_nodes(dir->config, &command);
    peers.count = command.node_count;
    memcpy(peers.nodes, command.nodes, command.node_count * sizeof *peers.nodes);
    cfs_peers_save(writer, &peers);
    cfs_peers_writer_free(writer);
}

int cfs_restored_dir_finish(struct cfs_restored_dir *dir)
{
    struct cfs_store_job job = {.kind = CFS_STORE_CHECKPOINT};

    if (write_log(dir) != 0)
        return -1;
    job.wal = cfs_wal_begin_for(dir->wal, 1);
    if (perform(dir, &job) != 0)
        return -1;
    write_peers(dir);
    return unmark(dir);
}

void cfs_restored_dir_close(struct cfs_restored_dir *dir)
{
    if (dir->wal)
        cfs_wal_close(dir->wal);
    cfs_store_close(dir->store);
    dir->wal = NULL;
    dir->store = NULL;
}
