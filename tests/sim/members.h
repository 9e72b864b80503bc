/* Who belongs to the cluster changes while it runs: nodes are added, removed, replaced, and in the
 * end all of them are in it again. */
#ifndef SIM_MEMBERS_H
#define SIM_MEMBERS_H

#include "coordfs/request.h"

struct sim;
struct sim_node;

/* Requests of the administrator are told from those of processes by their ids. */
#define SIM_ADMIN_ID ((uint64_t)1 << 62)

/* A fault like the others: one change, of a random kind. */
void sim_members_change(struct sim *sim);

/* From now on whoever is outside is brought in. */
void sim_members_gather(struct sim *sim);

/* The node was told that it is none of the cluster any more. */
void sim_members_removed(struct sim *sim, struct sim_node *node);

/* Whether a node but `except` may have forgotten something that its groups count on it for. */
bool sim_members_forgetful(const struct sim *sim, const struct sim_node *except);

/* Whether somebody has lost what he had promised for certain, be it found out or not. */
bool sim_members_bereft(const struct sim *sim);

/* Whether some node does not run, so that it cannot be seen whom its groups count on. */
bool sim_members_unseen(const struct sim *sim);

/* Whether the cluster has named its nodes, and all of them are in it. */
bool sim_members_complete(const struct sim *sim);

#endif
