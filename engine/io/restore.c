/* The checkpoint first, then the records behind it. Store and log vouch for their bytes; what the
 * core cannot make sense of is of another version, which is named, or not all there. */
#include "io/restore.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "coordfs/log.h"
#include "core/format.h"
#include "io/restored_dir.h"

struct restore {
    struct cfs_core *core;
    bool misfit;      /* the core would not have something */
    char strange[96]; /* what it is, if it is of another version: a sentence */
};

/* The first thing counts: the rest follows from it. */
static void note_misfit(struct restore *restore, cfs_group_id group, bool strange,
                        const struct cfs_format *format)
{
    if (!restore->misfit && strange && format->known)
        snprintf(restore->strange, sizeof restore->strange,
                 "group %u has %s of version %u; this coordfs knows version %u", group,
                 format->what, format->found, format->known);
    else if (!restore->misfit && strange)
        snprintf(restore->strange, sizeof restore->strange, "group %u has %s, number %u", group,
                 format->what, format->found);
    restore->misfit = true;
}

static void on_head(void *arg, cfs_group_id group, const uint8_t *head, uint32_t len)
{
    struct restore *restore = arg;
    struct cfs_format format;

    if (cfs_core_restore_head(restore->core, group, head, len) != 0)
        note_misfit(restore, group, cfs_format_of_head(head, len, &format), &format);
}

static void on_piece(void *arg, cfs_group_id group, const uint8_t *key, uint32_t key_len,
                     const uint8_t *value, uint32_t value_len)
{
    struct restore *restore = arg;
    struct cfs_format format;

    if (!restore->misfit &&
        cfs_core_restore_piece(restore->core, group, key, key_len, value, value_len) != 0)
        note_misfit(restore, group, cfs_format_of_piece(key, key_len, value, value_len, &format),
                    &format);
}

static void on_record(void *arg, const struct cfs_record *record)
{
    struct restore *restore = arg;
    struct cfs_format format;

    if (cfs_core_restore(restore->core, record) != 0)
        note_misfit(restore, record->group,
                    record->entry && cfs_format_of_entry(record->entry, &format), &format);
}

static int refuse(const struct cfs_config *config, const char *what)
{
    cfs_log(
        CFS_LOG_ERROR,
        "%s: %s. Nothing was changed. Start the version of coordfs that wrote it; or, while all "
        "other members run under one leader, move the directory away and start again",
        config->data, what);
    return -1;
}

static int refuse_misfit(const struct restore *restore, const struct cfs_config *config,
                         const char *what)
{
    return refuse(config, restore->strange[0] ? restore->strange : what);
}

static bool is_there(const struct cfs_config *config, const char *name)
{
    char path[sizeof config->data + 16];

    snprintf(path, sizeof path, "%s/%s", config->data, name);
    return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The store is made before the log: so somebody removed it. A snapshot that was taken over was all
 * that this node knew of the entries in it, and the log does not tell that it is gone. */
static int check_store(const struct cfs_config *config)
{
    if (is_there(config, CFS_RESTORING)) {
        cfs_log(CFS_LOG_ERROR,
                "%s holds a state whose restoring did not come to its end: empty the directory and "
                "restore it again",
                config->data);
        return -1;
    }
    if (is_there(config, "store") || !is_there(config, "identity"))
        return 0;
    cfs_log(CFS_LOG_ERROR,
            "%s has a log but no checkpoint store: a part was removed, so the node cannot start. "
            "Nothing was changed. Put the directory store back; or, while all other members run "
            "under one leader, move %s away and start again: the leader then sends everything anew",
            config->data, config->data);
    return -1;
}

int cfs_restore(struct cfs_core *core, const struct cfs_config *config,
                struct cfs_wal_origin *origin, struct cfs_store **store, struct cfs_wal **wal)
{
    struct restore restore = {.core = core};

    if (check_store(config) != 0 || cfs_store_open(store, config->data) != 0 ||
        cfs_store_load(*store, on_head, on_piece, &restore) != 0)
        return -1;
    if (restore.misfit)
        return refuse_misfit(&restore, config,
                             "the checkpoint is none that this coordfs understands");
    if (cfs_wal_open(wal, config->data, config->node, cfs_store_wal_begin(*store), origin,
                     on_record, &restore) != 0)
        return -1;
    if (restore.misfit || cfs_core_restored(core) != 0)
        return refuse_misfit(&restore, config,
                             "checkpoint and log do not fit together: something is missing");
    for (cfs_group_id group = 0; group <= CFS_GROUPS; group++)
        cfs_core_set_amnesia(core, group, cfs_wal_amnesia(*wal, group));
    if (cfs_wal_amnesia(*wal, 0) == CFS_TORN)
        cfs_log(CFS_LOG_WARNING,
                "%s: the log's end was cut: the node's vote counts again when it "
                "has caught up, or all members are there",
                config->data);
    return 0;
}
