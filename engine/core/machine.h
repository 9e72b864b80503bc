/* The replicated state machine of a group: applies committed commands to sessions, locks, nodes,
 * queues and the cache; which of these it has to do with depends on the group. The same commands in
 * the same order give the same state on every replica. */
#ifndef CFS_CORE_MACHINE_H
#define CFS_CORE_MACHINE_H

#include "core/command.h"
#include "core/contents.h"
#include "core/entry.h"
#include "core/lock_table.h"
#include "core/names.h"
#include "core/node_table.h"
#include "core/queue.h"
#include "core/session.h"

/* A command is answered, or (`queued`, no answer) waits: in a lock's queue, for a message or for
 * room. OPEN_SESSION is answered to session 0 with its nonce as the sequence and the new session's
 * id as the token; BUSY and the present session's id when that is not the one it was to replace. */
typedef void (*cfs_machine_answer_fn)(void *arg, struct cfs_asker asker, bool queued,
                                      const struct cfs_answer *answer);

struct cfs_machine {
    struct cfs_sessions sessions;
    struct cfs_lock_table *locks;
    struct cfs_queues *queues;
    struct cfs_names *names;
    struct cfs_contents *contents;
    struct cfs_node_table nodes;
    struct cfs_moment moment; /* of the newest applied entry */
    uint64_t queued;          /* how many acquires have begun to wait so far */
    bool counted;             /* being loaded: its counters are there */
    cfs_machine_answer_fn answer;
    void *arg;
};

void cfs_machine_init(struct cfs_machine *machine, cfs_machine_answer_fn answer, void *arg);
void cfs_machine_close(struct cfs_machine *machine);

/* Entries are kept as long as the machine has something of them: see cfs_queues_set_source
 * and cfs_contents_set_source. */
void cfs_machine_apply(struct cfs_machine *machine, struct cfs_entry *entry);

/* Answers again if the command is known already: true. */
bool cfs_machine_recall(struct cfs_machine *machine, struct cfs_asker asker);

/* The group time at which the next lock or claim expires; CFS_NEVER if none. */
cfs_time cfs_machine_next_expiry(const struct cfs_machine *machine);

/* Appends what has changed since the last save as pieces: the first time, everything. */
void cfs_machine_save(struct cfs_machine *machine, struct cfs_writer *pieces);

/* What the last save said is on the disk: what can be read there is not kept in memory. */
void cfs_machine_saved(struct cfs_machine *machine);

/* Fills a new machine with one saved piece after the other, in the order of their keys. 0, or -1
 * when it is none of a machine of this version. Then, once all are there: whether they make a
 * whole. */
int cfs_machine_load(struct cfs_machine *machine, const struct cfs_piece *piece);
bool cfs_machine_loaded(const struct cfs_machine *machine);

uint64_t cfs_machine_digest(const struct cfs_machine *machine);

#endif
