/* Heartbeats of two nodes meet. Both sides' are due at the same moments (cfs_env_next_beat), so
 * three batches do for them and what acknowledges them, where four would if each went out by
 * itself:
 *
 *     A to B    heartbeats
 *     B to A    acknowledgements and heartbeats
 *     A to B    acknowledgements
 *
 * So what is patient waits a little for what is as good as there: heartbeats for those of a peer
 * whose turn it is to begin, acknowledgements for heartbeats of our own. A lease counts from when a
 * heartbeat was made, not from when it went out: what waits shortens it. */
#ifndef CFS_IO_MEETING_H
#define CFS_IO_MEETING_H

#include "io/outbox.h"

/* Company that is due within this part of the period is waited for, until as much after. */
#define CFS_MEETING_PART 10u

struct cfs_meeting {
    cfs_time period;      /* between heartbeats */
    cfs_time sent, heard; /* when patient ones were last queued to the peer, when its last came */
};

/* A message to the peer is queued, or one has come from it. */
void cfs_meeting_note_sent(struct cfs_meeting *meeting, const struct cfs_message *message,
                           cfs_time now);
void cfs_meeting_note_heard(struct cfs_meeting *meeting, const struct cfs_message *message,
                            cfs_time now);

/* Until when what is queued waits for company; not after `now`: it does not. `begins`: it is for
 * this node to begin. */
cfs_time cfs_meeting_wait(const struct cfs_meeting *meeting, const struct cfs_outbox *outbox,
                          bool begins, cfs_time now);

#endif
