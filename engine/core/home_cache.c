/* Reads of the cache's tree at the leader; of contents see home_contents.c. */
#include "core/home.h"

void *cfs_home_look_cache(struct cfs_home *home, const struct cfs_msg_read *read,
                          struct cfs_answer *answer)
{
    return cfs_names_read(home->machine->names, read->op, read->name, &read->cache, answer);
}
