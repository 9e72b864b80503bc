/* The command lines of `coordfs put` and `coordfs get`. */
#include <string.h>

#include "fs/options_internal.h"

static int take_option(struct cfs_options *options, struct cfs_line *line, const char *word,
                       char *why, size_t size)
{
    struct cfs_value_command *value = &options->value;
    bool puts = value->verb == CFS_VALUE_PUT;

    if (puts && strcmp(word, "--if-version") == 0)
        return cfs_line_value(line, &value->if_version, why, size);
    if (puts && (strcmp(word, "-p") == 0 || strcmp(word, "--parents") == 0))
        value->parents = true;
    else if (puts && strcmp(word, "--if-absent") == 0)
        value->if_absent = true;
    else if (!puts && strcmp(word, "--print-version") == 0)
        value->print_version = true;
    else
        return CFS_LINE_UNKNOWN;
    return 0;
}

static bool has_dots(const char *key)
{
    for (const char *at = key; *at; at += strspn(at, "/")) {
        size_t len = strcspn(at, "/");
        if ((len == 1 && *at == '.') || (len == 2 && strncmp(at, "..", 2) == 0))
            return true;
        at += len;
    }
    return false;
}

/* Where no cluster is named the word is a path; and what begins with a slash is never a key. */
static int check(struct cfs_options *options, const struct cfs_line *line, char *why, size_t size)
{
    struct cfs_value_command *value = &options->value;

    if (line->count != 1)
        return cfs_options_wrong(why, size, "it is said like this: ",
                                 value->verb == CFS_VALUE_PUT
                                     ? "coordfs put KEY [-p] [--if-absent | --if-version V] < VALUE"
                                     : "coordfs get KEY [--print-version] > VALUE");
    if (value->if_absent && value->if_version)
        return cfs_options_wrong(why, size, "either --if-absent or ", "--if-version");
    value->key = line->words[0];
    value->url = line->url;
    value->in_mount = !cfs_line_names_cluster(options, line);
    if (!value->in_mount && value->key[0] == '/')
        return cfs_options_wrong(
            why, size, "with -o or --url a key is what stands behind cache/, and not ", value->key);
    if (!value->in_mount && has_dots(value->key))
        return cfs_options_wrong(why, size, "a key has no names . and .. in it: ", value->key);
    if (value->in_mount && (value->if_version || value->print_version))
        return cfs_options_wrong(why, size, "versions are the cluster's to compare: ",
                                 "a KEY, and -o config=FILE or --url URL --secret-file FILE");
    return 0;
}

int cfs_options_parse_value(struct cfs_options *options, int argc, char **argv, char *why,
                            size_t size)
{
    bool puts = strcmp(argv[1], "put") == 0;
    struct cfs_line line = {.argv = argv,
                            .at = 2,
                            .take_option = take_option,
                            .most = 1,
                            .check = check,
                            .or_none = true,
                            .unknown = puts ? "coordfs put does not know what to do with "
                                            : "coordfs get does not know what to do with "};

    (void)argc;
    options->command = CFS_COMMAND_VALUE;
    options->value.verb = puts ? CFS_VALUE_PUT : CFS_VALUE_GET;
    return cfs_line_parse(options, &line, why, size);
}
