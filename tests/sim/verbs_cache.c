/* Requests to the cache in words. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verbs.h"

static void fill_put(struct cfs_request *request, char **words, uint32_t count)
{
    request->op = CFS_OP_CACHE_PUT;
    request->cache_put = (struct cfs_cache_put){.ino = strtoull(words[1], NULL, 10),
                                                .kind = CFS_PUT_REPLACE,
                                                .laundered = verb_has(words, count, "laundered"),
                                                .max = CFS_PUT_MAX,
                                                .data = (const uint8_t *)words[count - 1],
                                                .len = (uint32_t)strlen(words[count - 1])};
}

int verb_fill_cache(struct cfs_request *request, char **words, uint32_t count)
{
    if (count < 2)
        return -1;
    if (strcmp(words[0], "put") == 0 && count > 2) {
        fill_put(request, words, count);
        return 0;
    }
    if (strcmp(words[0], "fetch") == 0) {
        request->op = CFS_OP_CACHE_FETCH;
        request->cache_read.ino = strtoull(words[1], NULL, 10);
        request->cache_read.len = CFS_PUT_MAX;
        return 0;
    }
    if (strcmp(words[0], "lookup") == 0) {
        request->op = CFS_OP_CACHE_LOOKUP;
        request->cache_read.ino = CFS_CACHE_ROOT;
    } else if (strcmp(words[0], "file") == 0) {
        request->op = CFS_OP_CACHE_MAKE;
        request->cache_make = (struct cfs_cache_make){
            .parent = CFS_CACHE_ROOT, .type = CFS_INODE_FILE, .exclusive = true, .perm = 0644};
    } else if (strcmp(words[0], "unlink") == 0) {
        request->op = CFS_OP_CACHE_REMOVE;
        request->cache_remove.parent = CFS_CACHE_ROOT;
    } else {
        return -1;
    }
    snprintf(request->name, sizeof request->name, "%s", words[1]);
    return 0;
}
