/* Shared by the files machine*.c. */
#ifndef CFS_CORE_MACHINE_INTERNAL_H
#define CFS_CORE_MACHINE_INTERNAL_H

#include "core/machine.h"

/* Remembers and answers. */
void cfs_machine_finish(struct cfs_machine *machine, struct cfs_asker asker,
                        const struct cfs_answer *answer);
/* Remembers that it waits, and says so. */
void cfs_machine_wait(struct cfs_machine *machine, struct cfs_asker asker);

/* machine_queue.c: a request to a queue. */
void cfs_machine_apply_queue(struct cfs_machine *machine, struct cfs_asker asker,
                             const struct cfs_request *request);

/* machine_cache.c: a request to the cache. */
void cfs_machine_apply_cache(struct cfs_machine *machine, struct cfs_asker asker,
                             const struct cfs_request *request);

#endif
