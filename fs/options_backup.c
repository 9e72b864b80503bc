/* The command lines of `coordfs backup` and `coordfs restore`. */
#include <string.h>

#include "fs/options_internal.h"

static int take_backup_option(struct cfs_options *options, struct cfs_line *line, const char *word,
                              char *why, size_t size)
{
    struct cfs_backup_command *backup = &options->backup;

    if (strcmp(word, "--check") == 0) {
        backup->verb = CFS_BACKUP_CHECK;
        line->no_cluster = true;
        return 0;
    }
    if (strcmp(word, "--data") == 0) {
        if (backup->verb != CFS_BACKUP_CHECK)
            backup->verb = CFS_BACKUP_SALVAGE;
        line->no_cluster = true;
        return cfs_line_value(line, &backup->data, why, size);
    }
    return CFS_LINE_UNKNOWN;
}

static int check_backup(struct cfs_options *options, const struct cfs_line *line, char *why,
                        size_t size)
{
    struct cfs_backup_command *backup = &options->backup;

    if (line->count != 1)
        return cfs_options_wrong(
            why, size, "it is said like this: ", "coordfs backup [--check | --data DIR] FILE");
    if (backup->verb == CFS_BACKUP_CHECK && backup->data)
        return cfs_options_wrong(why, size, "either --check or ", "--data");
    backup->file = line->words[0];
    backup->url = line->url;
    return 0;
}

int cfs_options_parse_backup(struct cfs_options *options, int argc, char **argv, char *why,
                             size_t size)
{
    struct cfs_line line = {.argv = argv,
                            .at = 2,
                            .take_option = take_backup_option,
                            .most = 1,
                            .check = check_backup,
                            .unknown = "coordfs backup does not know what to do with "};

    (void)argc;
    options->command = CFS_COMMAND_BACKUP;
    return cfs_line_parse(options, &line, why, size);
}

static int take_no_option(struct cfs_options *options, struct cfs_line *line, const char *word,
                          char *why, size_t size)
{
    (void)options;
    (void)line;
    (void)word;
    (void)why;
    (void)size;
    return CFS_LINE_UNKNOWN;
}

static int check_restore(struct cfs_options *options, const struct cfs_line *line, char *why,
                         size_t size)
{
    struct cfs_restore_command *restore = &options->restore;

    if (!line->count)
        return cfs_options_wrong(
            why, size, "it is said like this: ", "coordfs restore FILE... -o config=FILE");
    if (line->url || !*line->lists)
        return cfs_options_wrong(why, size, "into which data directory? ", "-o config=FILE");
    for (int i = 0; i < line->count; i++)
        restore->files[restore->file_count++] = line->words[i];
    return 0;
}

int cfs_options_parse_restore(struct cfs_options *options, int argc, char **argv, char *why,
                              size_t size)
{
    struct cfs_line line = {.argv = argv,
                            .at = 2,
                            .take_option = take_no_option,
                            .most = CFS_RESTORE_FILES_MAX,
                            .check = check_restore,
                            .unknown = "coordfs restore does not know what to do with "};

    (void)argc;
    options->command = CFS_COMMAND_RESTORE;
    return cfs_line_parse(options, &line, why, size);
}
