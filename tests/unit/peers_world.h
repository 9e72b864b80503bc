/* Two nodes' transports and servers in one process and one loop, over loopback. What is to happen
 * is waited for, never slept for. */
#ifndef CFS_TEST_PEERS_WORLD_H
#define CFS_TEST_PEERS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "io/http_server.h"
#include "io/transport.h"

#define CLUSTER UINT64_C(0x8877665544332211)

enum { NODES = 2, SEEN_MAX = 4096 };

struct peer_node {
    struct cfs_config config;
    struct cfs_http_server *server;
    struct cfs_transport *transport;
    uint64_t cluster;        /* 0: CLUSTER */
    uint64_t seen[SEEN_MAX]; /* ids of the messages that came, in order */
    uint64_t bytes;          /* of forwarded commands */
    uint32_t seen_count, refused, unreachable, requests;
    cfs_time refused_first;
    bool echo;    /* answers every drain by a drain reply */
    bool eager;   /* sends again from within the news of a loss */
    bool follows; /* acknowledges heartbeats */
};

struct peers {
    struct cfs_loop *loop;
    struct peer_node nodes[NODES + 1]; /* 1 and 2 */
    bool (*until)(struct peers *f);
    struct cfs_timer deadline;
    uint64_t turns;
    cfs_time end;
};

/* For cmocka. No node is started. */
int peers_set_up(void **state);
int peers_tear_down(void **state);

/* A new loop in place of the one that was. */
void peers_make_loop(struct peers *f);

void peers_start(struct peers *f, int i);
void peers_stop(struct peers *f, int i);

void peers_send_drain(struct peer_node *node, cfs_node_id to, enum cfs_message_type type,
                      uint64_t id);
void peers_send_forward(struct peer_node *node, cfs_node_id to, uint32_t len);

/* Turns the loop until `until` says so, asked at the end of each turn; fails the test after a
 * while. */
void peers_turn_until(struct peers *f, bool (*until)(struct peers *f));

/* Conditions to wait for; the second has node 1 send something at every turn until then. */
bool peers_one_knows_of_a_loss(struct peers *f);
bool peers_half_a_second(struct peers *f);

#endif
