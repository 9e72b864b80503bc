/* What options.c, the command lines with words of their own (options_member.c, options_queue.c,
 * options_value.c, options_backup.c) and what these have in common (options_line.c) share. */
#ifndef CFS_FS_OPTIONS_INTERNAL_H
#define CFS_FS_OPTIONS_INTERNAL_H

#include "fs/options.h"

/* Says `what` and `word` in `why`; -1. */
int cfs_options_wrong(char *why, size_t size, const char *what, const char *word);

/* Joins what several -o say. */
void cfs_options_add_list(char **lists, const char *list);

/* Reads the file that config= names, then sets the other options in their order. 0 or -1. */
int cfs_options_apply(struct cfs_options *options, const char *lists, char *why, size_t size);

int cfs_options_parse_member(struct cfs_options *options, int argc, char **argv, char *why,
                             size_t size);
int cfs_options_parse_queue(struct cfs_options *options, int argc, char **argv, char *why,
                            size_t size);
int cfs_options_parse_value(struct cfs_options *options, int argc, char **argv, char *why,
                            size_t size);
int cfs_options_parse_backup(struct cfs_options *options, int argc, char **argv, char *why,
                             size_t size);
int cfs_options_parse_restore(struct cfs_options *options, int argc, char **argv, char *why,
                              size_t size);

/* ---- a command about a running cluster: words, and options between them ---- */

enum { CFS_LINE_WORDS = 2, CFS_LINE_UNKNOWN = 1 };

struct cfs_line {
    char **argv; /* ended by NULL */
    int at;      /* the next one */
    /* An option of the command's own: 0, -1, or CFS_LINE_UNKNOWN. */
    int (*take_option)(struct cfs_options *options, struct cfs_line *line, const char *word,
                       char *why, size_t size);
    /* Whether the words make sense, once all are there: 0 or -1. */
    int (*check)(struct cfs_options *options, const struct cfs_line *line, char *why, size_t size);
    const char *unknown; /* what to say of a word too many: "... what to do with " */
    const void *verb;    /* the command's */
    const char *words[CFS_RESTORE_FILES_MAX];
    int count, most; /* words; 0: CFS_LINE_WORDS at most */
    bool only_words; /* behind "--" */
    char *lists;     /* what -o says */
    const char *url;
    bool no_cluster; /* it is about none: no settings are asked for */
    bool or_none;    /* it may be about none, when none is named */
};

/* The argument of the option that was just taken. 0 or -1. */
int cfs_line_value(struct cfs_line *line, const char **value, char *why, size_t size);

/* Whether a cluster is named. */
bool cfs_line_names_cluster(const struct cfs_options *options, const struct cfs_line *line);

/* All of the line, and the settings that it names: at least the secret. 0 or -1. */
int cfs_line_parse(struct cfs_options *options, struct cfs_line *line, char *why, size_t size);

#endif
