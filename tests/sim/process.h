/* The processes of the cluster: each does one thing at a time, thinks, and does another. */
#ifndef SIM_PROCESS_H
#define SIM_PROCESS_H

#include "coordfs/request.h"
#include "kernel.h"
#include "swarm.h"

struct sim;
struct sim_node;
struct sim_op;

#define SIM_PROCESSES_MAX 4u /* on each node; the last one belongs to check_live.c */

/* A lock over HTTP. */
struct sim_lease {
    bool held;
    uint32_t name;
    enum cfs_lock_mode mode;
    cfs_token token;
    uint64_t key;
    bool
        unclear; /* the acquire with this key may or may not have happened: it can be asked again */
    cfs_token floor; /* as of the first time it was asked */
};

struct sim_process {
    struct sim_node *node;
    uint32_t number; /* among its node's */
    struct cfs_process identity;
    uint32_t uid;
    struct sim_op *op;        /* under way */
    bool op_leases;           /* it asks for a lock over HTTP */
    uint64_t wake;            /* number of the timer that counts */
    struct sim_handle *using; /* of `op` */
    struct sim_lease lease;
    uint32_t made; /* names of lockfiles that it made: a bit set */
    bool dying;
    bool done;   /* winding down, and nothing left */
    bool probes; /* its requests belong to check_live.c */
    struct {
        uint32_t name;
        cfs_token token;
    } past; /* an exclusive hold given back: its token must be refused */
};

const char *sim_name(uint32_t name);
struct sim_process *sim_process(struct sim *sim, const struct sim_node *node, uint32_t number);

void sim_clients_start(struct sim *sim);

/* From now on they only give back what they have; true once all of them have nothing left. */
void sim_clients_wind_down(struct sim *sim);
bool sim_clients_done(const struct sim *sim);

/* The request under way got its answer; called before `op` is freed. */
void sim_process_answered(struct sim *sim, struct sim_process *process, const struct sim_op *op,
                          const struct cfs_answer *answer);

/* The daemon died: what was under way failed, open files are gone. */
void sim_process_broken(struct sim *sim, struct sim_process *process);

/* One step of the process' work, by kind (actions.c). False: it could not. */
bool sim_act(struct sim *sim, struct sim_process *process, enum sim_action action);

/* Sends one request and waits for its answer; may give up after a while. */
struct sim_op *sim_process_ask(struct sim *sim, struct sim_process *process,
                               const struct cfs_request *request, uint32_t name);

/* Gives back something that the process has; false when there is nothing. */
bool sim_give_back(struct sim *sim, struct sim_process *process);

#endif
