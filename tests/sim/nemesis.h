/* What goes wrong, and when: each fault a function in a table, drawn by the seed's weights. */
#ifndef SIM_NEMESIS_H
#define SIM_NEMESIS_H

#include "core/message.h"

struct sim;
struct sim_node;

#define SIM_FAULT_MAP(X)                                                                           \
    X(CRASH, crash, "a node crashes and comes back later")                                         \
    X(CRASH_LEADER, crash_leader, "the leader crashes")                                            \
    X(BLIP, blip, "a node crashes and is back at once")                                            \
    X(CRASH_ALL, crash_all, "the whole cluster loses power")                                       \
    X(REBOOT, reboot, "a machine reboots: its clock begins anew")                                  \
    X(PAUSE, pause, "a daemon is stopped and continued")                                           \
    X(PAUSE_LEADER, pause_leader, "the leader's daemon is stopped and continued")                  \
    X(ISOLATE, isolate, "a node is cut off")                                                       \
    X(ISOLATE_LEADER, isolate_leader, "the leader is cut off")                                     \
    X(REJECT_LEADER, reject_leader, "the leader is cut off, and its peers think it is gone")       \
    X(SPLIT, split, "the cluster falls into two parts")                                            \
    X(ONE_WAY, one_way, "a node is heard but hears nothing, or the reverse")                       \
    X(LINKS, links, "some links fail, in some directions")                                         \
    X(LEAVE, leave, "a node is unmounted cleanly and mounted again")                               \
    X(FILL_DISK, fill_disk, "a disk is full for a while")                                          \
    X(LOSE_DISK, lose_disk, "a node comes back with a new disk")                                   \
    X(FLIP_BIT, flip_bit, "a bit flips in what a node has on its disk")                            \
    X(FAIL_SYNC, fail_sync, "a sync fails: the node stops, and is started again")                  \
    X(CHANGE_MEMBERS, sim_members_change, "a node is added, removed or replaced")

enum sim_fault {
#define X(id, function, sentence) SIM_FAULT_##id,
    SIM_FAULT_MAP(X)
#undef X
        SIM_FAULT_COUNT
};

/* Schedules the first fault, and the end of all of them. */
void sim_nemesis_start(struct sim *sim);

/* The node has stopped because its disk failed. */
void sim_nemesis_stopped(struct sim *sim, struct sim_node *node);

/* What a node has on its disk turns out to be damaged: it is given a new one, as soon as others
 * have all that it may have lost. */
void sim_nemesis_damaged(struct sim *sim, struct sim_node *node);

/* Sees each message before it goes out: faults that strike at the worst moment. */
void sim_nemesis_sent(struct sim *sim, struct sim_node *node, const struct cfs_message *message);

#endif
