/* The groups beside group 0: which sessions they know, and where they are. Sessions are judged by
 * the committed commands of group 0: a group takes up none whose end its leader has seen, and ends
 * none that lives. Once nothing goes wrong any more each group is where the ring wants it and
 * nowhere else, led by the node that the ring names first. */
#ifndef SIM_CHECK_GROUPS_H
#define SIM_CHECK_GROUPS_H

#include "core/entry.h"

struct sim;
struct sim_node;

/* A session of group 0, by indices of its log. */
struct sim_session {
    uint64_t opened, ended; /* 0: not, or not yet */
};

struct sim_groups_check {
    struct sim_session *sessions; /* by id */
    size_t count, capacity;
};

void sim_groups_close(struct sim_groups_check *check);

/* Group 0 has committed, at `index`, that a session begins or ends. */
void sim_groups_session_opened(struct sim *sim, cfs_session_id session, uint64_t index);
void sim_groups_session_ended(struct sim *sim, cfs_session_id session, uint64_t index);

/* A leader has an entry in its log that nobody has shown before; an entry of a group other than 0
 * is committed. */
void sim_groups_proposed(struct sim *sim, const struct sim_node *node, cfs_group_id group,
                         const struct cfs_entry *entry);
void sim_groups_committed(struct sim *sim, cfs_group_id group, const struct cfs_entry *entry);

/* What is missing; NULL: nothing. That all groups are served where they should be; and that they
 * are led from where they should be, too, and their replicas are equal. */
const char *sim_groups_unsettled(const struct sim *sim);
const char *sim_groups_disagreement(const struct sim *sim);

#endif
