/* The command line of `coordfs queue`. */
#include <string.h>

#include "fs/options_internal.h"

static const struct verb {
    const char *word;
    enum cfs_queue_verb verb;
    int words_min, words_max;
    const char *usage;
} verbs[] = {
    {"ls", CFS_QUEUE_LS, 0, 0, "coordfs queue ls [--json]"},
    {"stats", CFS_QUEUE_STATS, 0, 1, "coordfs queue stats [NAME] [--json]"},
    {"peek", CFS_QUEUE_PEEK, 1, 1, "coordfs queue peek NAME [--place P] [--json [--max N]]"},
    {"purge", CFS_QUEUE_PURGE, 1, 1, "coordfs queue purge NAME"},
    {"kick", CFS_QUEUE_KICK, 1, 2, "coordfs queue kick NAME [COUNT]"},
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
    const struct verb *verb = line->verb;
    bool peeks = verb->verb == CFS_QUEUE_PEEK;
    bool shows = peeks || verb->verb == CFS_QUEUE_LS || verb->verb == CFS_QUEUE_STATS;

    if (shows && strcmp(word, "--json") == 0) {
        options->queue.json = true;
        return 0;
    }
    if (peeks && strcmp(word, "--place") == 0)
        return cfs_line_value(line, &options->queue.place, why, size);
    if (peeks && strcmp(word, "--max") == 0)
        return cfs_line_value(line, &options->queue.count, why, size);
    return CFS_LINE_UNKNOWN;
}

static int check(struct cfs_options *options, const struct cfs_line *line, char *why, size_t size)
{
    const struct verb *verb = line->verb;
    struct cfs_queue_command *queue = &options->queue;

    if (line->count < verb->words_min || line->count > verb->words_max ||
        (verb->verb == CFS_QUEUE_PEEK && queue->count && !queue->json))
        return cfs_options_wrong(why, size, "it is said like this: ", verb->usage);
    queue->verb = verb->verb;
    queue->name = line->count ? line->words[0] : NULL;
    if (line->count == 2)
        queue->count = line->words[1];
    queue->url = line->url;
    return 0;
}

int cfs_options_parse_queue(struct cfs_options *options, int argc, char **argv, char *why,
                            size_t size)
{
    const char *word = argc > 2 ? argv[2] : "nothing";
    struct cfs_line line = {.argv = argv,
                            .at = 3,
                            .take_option = take_option,
                            .check = check,
                            .unknown = "coordfs queue does not know what to do with ",
                            .verb = find_verb(word)};

    options->command = CFS_COMMAND_QUEUE;
    if (!line.verb)
        return cfs_options_wrong(why, size, "coordfs queue ls|stats|peek|purge|kick, and not ",
                                 word);
    return cfs_line_parse(options, &line, why, size);
}
