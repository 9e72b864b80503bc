/* A cluster that does only what a scenario tells it to: time stands still, messages wait to be
 * delivered, and every decision of the nodes is written down. */
#ifndef SIM_SCENE_H
#define SIM_SCENE_H

#include "core/node_core.h"
#include "disk.h"

struct scene;

/* A message that was sent and not yet delivered. */
struct scene_letter {
    struct cfs_message message;
    struct scene_letter *prev, *next;
};

/* A request by the name the scenario gave it. */
struct scene_ask {
    char label[32];
    uint32_t node;
    enum cfs_op op;
    uint64_t id;
    struct scene_ask *prev, *next;
};

/* An open file whose processes all wait: what a node answers to a collection. */
struct scene_stuck {
    uint64_t handle, wait;
};

#define SCENE_STUCK_MAX 8u

struct scene_node {
    struct scene *scene;
    cfs_node_id id;
    struct cfs_core *core; /* NULL: it does not run */
    struct sim_disk disk;
    bool disk_by_hand; /* records become durable only by `persist` */
    uint32_t starts;
    bool joins; /* it knows of no first members */
    struct scene_stuck stuck[SCENE_STUCK_MAX];
    uint32_t stuck_count;
};

struct scene {
    struct cfs_core_config config;
    cfs_time now;
    struct scene_node nodes[CFS_MEMBERS_MAX];
    struct cfs_node_info addresses[CFS_MEMBERS_MAX];
    uint32_t node_count;
    struct scene_letter *letters;                       /* oldest first */
    struct scene_letter *kept;                          /* copies that come late, if at all */
    bool cut[CFS_MEMBERS_MAX + 1][CFS_MEMBERS_MAX + 1]; /* [from][to] */
    struct scene_ask *asks;
    uint64_t last_id;
    char *out; /* what happened, lines */
    size_t out_len, out_capacity;
};

void scene_close(struct scene *scene);

/* One line of what happened. */
void scene_say(struct scene *scene, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* `config` gives the times; members are made up, and start. With spare nodes, which do not, the
 * cluster can change: all disks are new, and it knows where its members are. */
void scene_cluster(struct scene *scene, uint32_t members, uint32_t spare);

/* Lets `event` happen on a node that runs, and performs what follows from it. */
void scene_step(struct scene_node *node, struct cfs_event *event);
void scene_tick(struct scene_node *node);
void scene_start(struct scene_node *node);
void scene_crash(struct scene_node *node, size_t kept);

/* The oldest `count` records that are not durable become so. */
void scene_persist(struct scene_node *node, size_t count);

/* Takes a letter out of the mail and delivers it, unless its link is cut or nobody is there. */
void scene_deliver(struct scene *scene, struct scene_letter *letter);
void scene_drop(struct scene *scene, struct scene_letter *letter);

/* Puts a copy of a letter aside; brings all such copies to where they were going. */
void scene_keep(struct scene *scene, struct scene_letter *letter);
void scene_bring(struct scene *scene);

/* Delivers until no message is under way. */
void scene_deliver_all(struct scene *scene);

/* Lets time pass as in a perfect world: timers are in time, messages and disks take no time. */
void scene_run(struct scene *scene, cfs_time duration);

void scene_ask(struct scene_node *node, const char *label, const struct cfs_request *request);
struct scene_ask *scene_find_ask(const struct scene *scene, const char *label);

#endif
