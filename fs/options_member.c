/* The command line of `coordfs member`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/memory.h"
#include "fs/options_internal.h"

static const struct verb {
    const char *word;
    enum cfs_member_verb verb;
    int words; /* that it takes */
    const char *usage;
} verbs[] = {
    {"list", CFS_MEMBER_LIST, 0, "coordfs member list"},
    {"add", CFS_MEMBER_ADD, 1, "coordfs member add ID@HOST:PORT"},
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

/* What stands between the options. */
struct words {
    const char *at[2];
    int count;
};

static int take_value(char **argv, int *at, const char **value, char *why, size_t size)
{
    *value = argv[*at];
    if (!*value)
        return cfs_options_wrong(why, size, "there should be something behind ", argv[*at - 1]);
    (*at)++;
    return 0;
}

static int take_secret_file(struct cfs_options *options, char **argv, int *at, char *why,
                            size_t size)
{
    const char *file;

    if (take_value(argv, at, &file, why, size) != 0)
        return -1;
    return cfs_config_set(&options->config, "secret_file", file, why, size);
}

static int take_list(char **argv, int *at, char **lists, char *why, size_t size)
{
    const char *list;

    if (take_value(argv, at, &list, why, size) != 0)
        return -1;
    cfs_options_add_list(lists, list);
    return 0;
}

/* One word of the line, and its argument if it takes one; moves `*at` past them. */
static int take_word(struct cfs_options *options, struct words *words, char **lists, char **argv,
                     int *at, char *why, size_t size)
{
    const char *word = argv[(*at)++];

    if (strcmp(word, "--no-wait") == 0)
        options->member.no_wait = true;
    else if (strcmp(word, "--move") == 0)
        options->member.move = true;
    else if (strcmp(word, "--url") == 0)
        return take_value(argv, at, &options->member.url, why, size);
    else if (strcmp(word, "--secret-file") == 0)
        return take_secret_file(options, argv, at, why, size);
    else if (strcmp(word, "-o") == 0)
        return take_list(argv, at, lists, why, size);
    else if (strncmp(word, "-o", 2) == 0)
        cfs_options_add_list(lists, word + 2);
    else if (word[0] == '-' || words->count == 2)
        return cfs_options_wrong(why, size, "coordfs member does not know what to do with ", word);
    else
        words->at[words->count++] = word;
    return 0;
}

static int check_words(struct cfs_options *options, const struct verb *verb,
                       const struct words *words, char *why, size_t size)
{
    if (words->count != verb->words)
        return cfs_options_wrong(why, size, "it is said like this: ", verb->usage);
    if (options->member.move && verb->verb != CFS_MEMBER_ADD)
        return cfs_options_wrong(why, size, "--move is for ", "coordfs member add");
    options->member.verb = verb->verb;
    options->member.old = words->count == 2 ? words->at[0] : NULL;
    options->member.node = words->count ? words->at[words->count - 1] : NULL;
    return 0;
}

/* With a settings file all comes from there; else a url and the secret are enough. */
static int finish(struct cfs_options *options, const char *lists, char *why, size_t size)
{
    if (cfs_options_apply(options, lists, why, size) != 0)
        return -1;
    if (options->member.url && options->config.secret_file[0])
        return cfs_config_read_secret(&options->config, why, size);
    if (!options->member.url && !*lists)
        return cfs_options_wrong(why, size, "which cluster? -o config=FILE or ",
                                 "--url URL --secret-file FILE");
    return cfs_config_finish(&options->config, why, size);
}

int cfs_options_parse_member(struct cfs_options *options, int argc, char **argv, char *why,
                             size_t size)
{
    const char *word = argc > 2 ? argv[2] : "nothing";
    const struct verb *verb = find_verb(word);
    struct words words = {0};
    char *lists;
    int result = 0;

    options->command = CFS_COMMAND_MEMBER;
    if (!verb)
        return cfs_options_wrong(why, size, "coordfs member list|add|remove|replace, and not ",
                                 word);
    lists = cfs_fs_strdup("");
    for (int at = 3; result == 0 && at < argc;)
        result = take_word(options, &words, &lists, argv, &at, why, size);
    if (result == 0)
        result = check_words(options, verb, &words, why, size);
    if (result == 0)
        result = finish(options, lists, why, size);
    free(lists);
    return result;
}
