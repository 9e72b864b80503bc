/* From backups to a data directory. All files are read through before anything is made: a damaged
 * one must not leave half a cluster. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "coordfs/backup.h"
#include "core/alloc.h"
#include "io/backup_look.h"
#include "io/members_client.h"
#include "io/restored_dir.h"

struct job {
    const struct cfs_restore_command *command;
    const struct cfs_config *config;
    struct cfs_backup_look looks[CFS_RESTORE_FILES_MAX];
    uint32_t best[CFS_GROUPS + 1]; /* by group: which file, from 1 on; 0: none */
    struct cfs_restored_dir dir;
};

static int __attribute__((format(printf, 1, 2))) fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("coordfs restore: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return 1;
}

/* ---- which file counts ---- */

/* Of two logs the one whose last entry is of a later term, then the longer one (3.6.1). */
static bool is_newer(const struct cfs_group_head *a, const struct cfs_group_head *b)
{
    return a->base.term != b->base.term ? a->base.term > b->base.term
                                        : a->base.index > b->base.index;
}

static void choose(struct job *job, uint32_t file)
{
    const struct cfs_backup_look *look = &job->looks[file];

    for (cfs_group_id group = 0; group <= CFS_GROUPS; group++) {
        uint32_t best = job->best[group];
        if (look->groups >> group & 1 &&
            (!best || is_newer(&look->group[group].head, &job->looks[best - 1].group[group].head)))
            job->best[group] = file + 1;
    }
}

static int look(struct job *job, uint32_t file)
{
    struct cfs_backup_look *look = &job->looks[file];
    const char *path = job->command->files[file];

    if (cfs_backup_look(look, path) != 0)
        return fail("%s", look->why);
    if (look->origin.groups != CFS_GROUPS)
        return fail("%s is of a cluster with %u groups; this coordfs makes clusters with %u", path,
                    look->origin.groups, CFS_GROUPS);
    if (look->origin.cluster != job->looks[0].origin.cluster)
        return fail("%s is of cluster %016" PRIx64 ", and %s of cluster %016" PRIx64, path,
                    look->origin.cluster, job->command->files[0], job->looks[0].origin.cluster);
    choose(job, file);
    return 0;
}

static int look_at_all(struct job *job)
{
    for (uint32_t file = 0; file < job->command->file_count; file++)
        if (look(job, file) != 0)
            return 1;
    if (!job->best[0])
        return fail("nothing of group 0 is there, which knows what numbers were given out: that "
                    "file is of a node that had just begun");
    return 0;
}

/* ---- the directory ---- */

static int restore_chunk(struct job *job, uint32_t file, const struct cfs_backup_chunk *chunk)
{
    const struct cfs_group_head *head = &job->looks[file].group[chunk->group].head;

    if (chunk->group > CFS_GROUPS || job->best[chunk->group] != file + 1)
        return 0;
    if (chunk->pieces_len &&
        cfs_restored_dir_add(&job->dir, chunk->group, chunk->pieces, chunk->pieces_len) != 0)
        return -1;
    return chunk->last ? cfs_restored_dir_head(&job->dir, chunk->group, head) : 0;
}

static int restore_file(struct job *job, uint32_t file)
{
    struct cfs_backup_in in;
    struct cfs_backup_chunk chunk;
    int more = cfs_backup_in_open(&in, job->command->files[file]) == 0 ? 1 : -1;
    int rv = 0;

    while (more > 0 && rv == 0) {
        more = cfs_backup_in_next(&in, &chunk);
        if (more > 0)
            rv = restore_chunk(job, file, &chunk);
    }
    if (more < 0)
        fail("%s", in.why);
    cfs_backup_in_close(&in);
    return more < 0 ? -1 : rv;
}

static int make_directory(struct job *job)
{
    int rv = cfs_restored_dir_open(&job->dir, job->config);

    for (uint32_t file = 0; rv == 0 && file < job->command->file_count; file++)
        rv = restore_file(job, file);
    if (rv == 0)
        rv = cfs_restored_dir_finish(&job->dir);
    cfs_restored_dir_close(&job->dir);
    return rv == 0 ? 0 : fail("%s was not restored", job->config->data);
}

/* ---- what is said ---- */

static void tell_missing(const struct job *job)
{
    for (cfs_group_id group = 0; group <= CFS_GROUPS; group++)
        if (!job->best[group])
            printf("group %u: nothing of it is there; it begins empty\n", group);
}

static void tell_end(const struct job *job)
{
    const struct cfs_config *config = job->config;

    printf("%s holds the state of cluster %016" PRIx64 " as the beginning of cluster %016" PRIx64
           ", of which node %u is the first node\n",
           config->data, job->looks[0].origin.cluster, job->dir.cluster, config->node);
    tell_missing(job);
    printf("nobody holds a lock there, and tokens go on from %" PRIu64 " at least\n",
           job->dir.clock);
    for (uint32_t i = 0; i < config->member_count; i++) {
        const struct cfs_member *member = &config->members[i];
        char url[CFS_URL_BYTES];
        if (member->id != config->node || config->member_count == 1)
            continue;
        cfs_members_make_url(url, member->host, member->port);
        printf("Start node %u. Then start the other nodes with empty data directories, each once "
               "with --join %s\n",
               member->id, url);
    }
}

int cfs_restore_run(const struct cfs_restore_command *command, const struct cfs_config *config)
{
    struct job *job = cfs_alloc_zeroed(1, sizeof *job);
    int rv;

    job->command = command;
    job->config = config;
    rv = look_at_all(job);
    if (rv == 0)
        rv = make_directory(job);
    if (rv == 0)
        tell_end(job);
    free(job);
    return rv;
}
