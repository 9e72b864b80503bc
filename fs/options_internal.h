/* What options.c and the command lines with words of their own (options_member.c) share. */
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

#endif
