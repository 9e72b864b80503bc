/* The words of a scenario. */
#ifndef SIM_VERBS_H
#define SIM_VERBS_H

#include "scene.h"

#define VERB_WORDS_MAX 24u

/* Does what one line says. 0, or -1 with a sentence in `why`. The line is cut into words in place.
 */
int verbs_do(struct scene *scene, char *line, char *why, size_t size);

/* All verbs, for --help. */
const char *verbs_help(void);

/* A request in words (verbs_ask.c): ask NODE LABEL OPERATION... 0 or -1. */
int verb_ask(struct scene *scene, char **words, uint32_t count);

/* Of the cache (verbs_cache.c), in its root: lookup NAME, file NAME, unlink NAME; fetch INO, put
 * INO [laundered] BODY. 0, or -1: it is none of these. */
int verb_fill_cache(struct cfs_request *request, char **words, uint32_t count);

/* The node a word names; NULL if none. */
struct scene_node *verb_node(struct scene *scene, const char *word);

/* The number after `key=` among the words, or `otherwise`. */
uint64_t verb_option(char **words, uint32_t count, const char *key, uint64_t otherwise);
bool verb_has(char **words, uint32_t count, const char *word);

#endif
