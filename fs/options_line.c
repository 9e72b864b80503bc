/* A line of words with options between them, about a running cluster. */
#include <stdlib.h>
#include <string.h>

#include "fs/memory.h"
#include "fs/options_internal.h"

int cfs_line_value(struct cfs_line *line, const char **value, char *why, size_t size)
{
    *value = line->argv[line->at];
    if (!*value)
        return cfs_options_wrong(why, size, "there should be something behind ",
                                 line->argv[line->at - 1]);
    line->at++;
    return 0;
}

static int take_secret_file(struct cfs_options *options, struct cfs_line *line, char *why,
                            size_t size)
{
    const char *file;

    if (cfs_line_value(line, &file, why, size) != 0)
        return -1;
    return cfs_config_set(&options->config, "secret_file", file, why, size);
}

static int take_list(struct cfs_line *line, char *why, size_t size)
{
    const char *list;

    if (cfs_line_value(line, &list, why, size) != 0)
        return -1;
    cfs_options_add_list(&line->lists, list);
    return 0;
}

/* Of the command itself, or else one of those that all of them have. */
static int take_option(struct cfs_options *options, struct cfs_line *line, const char *word,
                       char *why, size_t size)
{
    int result = line->take_option(options, line, word, why, size);

    if (result != CFS_LINE_UNKNOWN)
        return result;
    if (strcmp(word, "--url") == 0)
        return cfs_line_value(line, &line->url, why, size);
    if (strcmp(word, "--secret-file") == 0)
        return take_secret_file(options, line, why, size);
    if (strcmp(word, "-o") == 0)
        return take_list(line, why, size);
    if (strncmp(word, "-o", 2) == 0) {
        cfs_options_add_list(&line->lists, word + 2);
        return 0;
    }
    return CFS_LINE_UNKNOWN;
}

static int take_word(struct cfs_options *options, struct cfs_line *line, char *why, size_t size)
{
    const char *word = line->argv[line->at++];
    int result = CFS_LINE_UNKNOWN, most = line->most ? line->most : CFS_LINE_WORDS;

    if (word[0] == '-' && !line->only_words && strcmp(word, "--") == 0) {
        line->only_words = true;
        return 0;
    }
    if (word[0] == '-' && !line->only_words)
        result = take_option(options, line, word, why, size);
    else if (line->count < most) {
        line->words[line->count++] = word;
        return 0;
    }
    if (result != CFS_LINE_UNKNOWN)
        return result;
    return cfs_options_wrong(why, size, line->unknown, word);
}

bool cfs_line_names_cluster(const struct cfs_options *options, const struct cfs_line *line)
{
    return line->url || *line->lists || options->config.secret_file[0];
}

/* With a settings file all comes from there; else a url and the secret are enough. */
static int finish(struct cfs_options *options, const struct cfs_line *line, char *why, size_t size)
{
    if (line->no_cluster || (line->or_none && !cfs_line_names_cluster(options, line)))
        return 0;
    if (cfs_options_apply(options, line->lists, why, size) != 0)
        return -1;
    if (line->url && options->config.secret_file[0])
        return cfs_config_read_secret(&options->config, why, size);
    if (line->url && !*line->lists)
        return cfs_options_wrong(
            why, size, "the cluster's secret is needed beside --url: ", "--secret-file FILE");
    if (!*line->lists)
        return cfs_options_wrong(why, size, "which cluster? -o config=FILE or ",
                                 "--url URL --secret-file FILE");
    return cfs_config_finish(&options->config, why, size);
}

int cfs_line_parse(struct cfs_options *options, struct cfs_line *line, char *why, size_t size)
{
    int result = 0;

    line->lists = cfs_fs_strdup("");
    while (result == 0 && line->argv[line->at])
        result = take_word(options, line, why, size);
    if (result == 0)
        result = line->check(options, line, why, size);
    if (result == 0)
        result = finish(options, line, why, size);
    free(line->lists);
    return result;
}
