/* What every change of members asks of the nodes that take part (home_members.c). */
#ifndef CFS_CORE_HOME_STEPS_H
#define CFS_CORE_HOME_STEPS_H

#include "core/home.h"

/* Knows the log up to a little before its end, and answers. */
bool cfs_home_is_ready(const struct cfs_home *home, cfs_node_id node);

/* A change that leaves no majority is not begun: whoever is away, or has lost his disk, has to be
 * back first. */
bool cfs_home_can_decide(const struct cfs_home *home, cfs_node_set voters);

/* A leader that will not vote hands on before it changes anything: true while that takes. */
bool cfs_home_hand_over(struct cfs_home *home, cfs_node_set wanted);

#endif
