/* The replicated state machine of group 0: applies committed commands to sessions and locks. The
 * same commands in the same order give the same state on every replica. */
#ifndef CFS_CORE_MACHINE_H
#define CFS_CORE_MACHINE_H

#include "core/command.h"
#include "core/entry.h"
#include "core/lock_table.h"
#include "core/session.h"

/* A command is answered, or (`queued`, no answer) waits in a lock's queue. OPEN_SESSION is answered
 * to session 0 with its nonce as the sequence and the new session's id as the token; BUSY and the
 * present session's id when that is not the one it was to replace. */
typedef void (*cfs_machine_answer_fn)(void *arg, struct cfs_asker asker, bool queued,
                                      const struct cfs_answer *answer);

struct cfs_machine {
    struct cfs_sessions sessions;
    struct cfs_lock_table *locks;
    struct cfs_moment moment; /* of the newest applied entry */
    uint64_t queued;          /* how many acquires have begun to wait so far */
    cfs_machine_answer_fn answer;
    void *arg;
};

void cfs_machine_init(struct cfs_machine *machine, cfs_machine_answer_fn answer, void *arg);
void cfs_machine_close(struct cfs_machine *machine);

void cfs_machine_apply(struct cfs_machine *machine, const struct cfs_entry *entry);

/* Answers again if the command is known already: true. */
bool cfs_machine_recall(struct cfs_machine *machine, struct cfs_asker asker);

uint64_t cfs_machine_digest(const struct cfs_machine *machine);

#endif
