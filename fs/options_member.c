/* The command line of `coordfs member`. */
#include <string.h>

#include "fs/options_internal.h"

static const struct verb {
    const char *word;
    enum cfs_member_verb verb;
    int words; /* that it takes */
    const char *usage;
} verbs[] = {
    {"list", CFS_MEMBER_LIST, 0, "coordfs member list"},
    {"add", CFS_MEMBER_ADD, 1, "coordfs member add ID@HOST:PORT [--weight W] [--move]"},
    {"remove", CFS_MEMBER_REMOVE, 1, "coordfs member remove ID"},
    {"replace", CFS_MEMBER_REPLACE, 2, "coordfs member replace OLD-ID ID@HOST:PORT"},
};

static const struct verb *find_verb(const char *word)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].word, word) == 0)
            return &verbs[i];
    return NULL;
}

static int take_option(struct cfs_options *options, struct cfs_line *line, const char *word,
                       char *why, size_t size)
{
    if (strcmp(word, "--weight") == 0)
        return cfs_line_value(line, &options->member.weight, why, size);
    if (strcmp(word, "--no-wait") == 0)
        options->member.no_wait = true;
    else if (strcmp(word, "--move") == 0)
        options->member.move = true;
    else
        return CFS_LINE_UNKNOWN;
    return 0;
}

static int check(struct cfs_options *options, const struct cfs_line *line, char *why, size_t size)
{
    const struct verb *verb = line->verb;

    if (line->count != verb->words)
        return cfs_options_wrong(why, size, "it is said like this: ", verb->usage);
    if (options->member.move && verb->verb != CFS_MEMBER_ADD)
        return cfs_options_wrong(why, size, "--move is for ", "coordfs member add");
    if (options->member.weight && verb->words == 0)
        return cfs_options_wrong(why, size, "--weight is for ", "coordfs member add and replace");
    options->member.verb = verb->verb;
    options->member.old = line->count == 2 ? line->words[0] : NULL;
    options->member.node = line->count ? line->words[line->count - 1] : NULL;
    options->member.url = line->url;
    return 0;
}

int cfs_options_parse_member(struct cfs_options *options, int argc, char **argv, char *why,
                             size_t size)
{
    const char *word = argc > 2 ? argv[2] : "nothing";
    struct cfs_line line = {.argv = argv,
                            .at = 3,
                            .take_option = take_option,
                            .check = check,
                            .unknown = "coordfs member does not know what to do with ",
                            .verb = find_verb(word)};

    options->command = CFS_COMMAND_MEMBER;
    if (!line.verb)
        return cfs_options_wrong(why, size, "coordfs member list|add|remove|replace, and not ",
                                 word);
    return cfs_line_parse(options, &line, why, size);
}
