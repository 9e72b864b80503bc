/* Messages between nodes, and what may happen to them: delay, loss, repetition, overtaking, links
 * that are cut in one or both directions and drop or refuse. */
#ifndef SIM_NETWORK_H
#define SIM_NETWORK_H

#include "core/message.h"
#include "random.h"

struct sim;

enum sim_cut { SIM_CUT_DROPS = 1, SIM_CUT_REFUSES };

struct sim_link {
    cfs_time cut_until; /* true time */
    enum sim_cut cut;
    cfs_time last_arrival; /* for links that keep order */
};

struct sim_packet {
    struct cfs_message message;
    struct sim_packet *prev, *next;
};

struct sim_network {
    struct sim_random random;
    struct sim_link links[CFS_MEMBERS_MAX + 1][CFS_MEMBERS_MAX + 1]; /* [from][to], by node id */
    struct sim_packet *under_way;
    uint64_t sent, lost;
};

void sim_network_close(struct sim_network *network);

/* Takes what the message owns. */
void sim_network_send(struct sim *sim, struct cfs_message *message);

/* Cuts the link in this direction for a while. */
void sim_network_cut(struct sim *sim, cfs_node_id from, cfs_node_id to, cfs_time until,
                     enum sim_cut cut);

/* All links work again. */
void sim_network_heal(struct sim *sim);

#endif
