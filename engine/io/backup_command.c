/* What is asked of backups on the command line, and what is said about them. */
#include "coordfs/backup.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/alloc.h"
#include "core/format.h"
#include "io/backup_look.h"
#include "io/backup_salvage.h"
#include "io/backup_take.h"
#include "io/config_value.h"

static int __attribute__((format(printf, 1, 2))) fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("coordfs backup: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return 1;
}

static void print_time(const char *before, cfs_wall_time wall)
{
    time_t seconds = (time_t)(wall / CFS_SECONDS(1));
    char text[32];
    struct tm utc;

    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &utc));
    printf("%s%s", before, text);
}

static void print_groups(const char *before, uint64_t groups, const char *behind)
{
    const char *between = before;

    for (cfs_group_id group = 0; group <= CFS_GROUPS_MAX; group++) {
        if (!(groups >> group & 1))
            continue;
        printf("%s%u", between, group);
        between = ", ";
    }
    printf("%s\n", behind);
}

/* ---- what is in a file ---- */

static void print_origin(const struct cfs_backup_origin *origin)
{
    printf("cluster %016" PRIx64, origin->cluster);
    print_time(", taken ", origin->taken);
    printf(" by coordfs %s", origin->made_by);
    if (origin->node)
        printf(" from the data directory of node %u", origin->node);
    if (origin->newest)
        print_time("; its newest change is of ", origin->newest);
    putchar('\n');
    for (uint32_t i = 0; i < origin->node_count; i++) {
        const struct cfs_node_info *node = &origin->nodes[i];
        char member[CFS_MEMBER_BYTES];
        cfs_format_member(member, node->id, node->host, node->port);
        printf("%s%s%s", i ? " " : "nodes ", member, i + 1 < origin->node_count ? "" : "\n");
    }
}

static void print_look(const struct cfs_backup_look *look)
{
    uint64_t all = UINT64_MAX >> (CFS_GROUPS_MAX - look->origin.groups);

    print_origin(&look->origin);
    printf("%-6s %12s %8s %12s %14s\n", "GROUP", "INDEX", "TERM", "PIECES", "BYTES");
    for (cfs_group_id group = 0; group <= look->origin.groups; group++) {
        const struct cfs_backup_group *one = &look->group[group];
        if (look->groups >> group & 1)
            printf("%-6u %12" PRIu64 " %8" PRIu64 " %12" PRIu64 " %14" PRIu64 "\n", group,
                   one->head.base.index, one->head.base.term, one->pieces, one->bytes);
    }
    for (unsigned tag = 0; tag <= UINT8_MAX; tag++)
        if (look->kinds[tag] > 0 && tag != CFS_PIECE_MACHINE && tag != CFS_PIECE_QUEUES &&
            tag != CFS_PIECE_NAMES)
            printf("%s %" PRId64 "\n", cfs_format_kind(tag), look->kinds[tag]);
    if (all & ~look->groups)
        print_groups("missing: group ", all & ~look->groups, "");
}

static int check(const struct cfs_backup_command *command)
{
    struct cfs_backup_look *look = cfs_alloc(sizeof *look);
    int rv = cfs_backup_look(look, command->file);

    if (rv == 0) {
        print_look(look);
        printf("%s is whole: %" PRIu64 " bytes\n", command->file, look->bytes);
    } else {
        fail("%s", look->why);
    }
    free(look);
    return rv == 0 ? 0 : 1;
}

/* ---- making one ---- */

static int finish(struct cfs_backup_out *out)
{
    if (cfs_backup_out_finish(out) != 0)
        return fail("%s", out->why);
    printf("%s: %" PRIu64 " bytes\n", out->path, out->bytes);
    return 0;
}

static int take(const struct cfs_backup_command *command, const struct cfs_config *config,
                struct cfs_backup_out *out)
{
    struct cfs_members_client *client = cfs_alloc_zeroed(1, sizeof *client);
    int rv = 1;

    if (cfs_members_client_open(client, command->url, config) != 0)
        fail("%s", client->why);
    else if (cfs_backup_take(out, client) != 0)
        fail("%s", out->why);
    else
        rv = finish(out);
    free(client);
    return rv;
}

static void tell_salvaged(const struct cfs_backup_origin *origin, uint64_t groups, uint64_t behind)
{
    uint64_t all = UINT64_MAX >> (CFS_GROUPS_MAX - origin->groups);

    print_origin(origin);
    printf("This is what node %u has. What was answered last may be missing, for others may have "
           "had it when this node had not: whoever relies on it has to be asked.\n",
           origin->node);
    if (behind)
        print_groups("The node knew itself that it might have lost something of group ", behind,
                     ": another node may have more.");
    if (all & ~groups)
        print_groups("It has nothing of group ", all & ~groups,
                     ": give coordfs restore the files of other nodes too; what none of them has "
                     "will be empty.");
}

static int salvage(const struct cfs_backup_command *command, struct cfs_backup_out *out)
{
    struct cfs_backup_origin *origin = cfs_alloc(sizeof *origin);
    uint64_t groups, behind;
    int rv = 1;

    if (cfs_backup_salvage(out, command->data, origin, &groups, &behind) == 0) {
        rv = finish(out);
        if (rv == 0)
            tell_salvaged(origin, groups, behind);
    } else {
        fail("%s", out->why[0] ? out->why : "the data directory cannot be read");
    }
    free(origin);
    return rv;
}

int cfs_backup_run(const struct cfs_backup_command *command, const struct cfs_config *config)
{
    struct cfs_backup_out out;
    int rv;

    if (command->verb == CFS_BACKUP_CHECK)
        return check(command);
    if (cfs_backup_out_open(&out, command->file) != 0)
        rv = fail("%s", out.why);
    else if (command->verb == CFS_BACKUP_TAKE)
        rv = take(command, config, &out);
    else
        rv = salvage(command, &out);
    cfs_backup_out_close(&out);
    return rv;
}
