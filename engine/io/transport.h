/* Messages between nodes over HTTP/1.1. A message rides on the response of a request that its
 * receiver left open with us, else in a request of our own; all messages to one peer of one turn of
 * the loop share one batch, several batches may be under way. Every batch is answered: at the
 * latest when CFS_HELD_MAX younger ones of that peer are held. */
#ifndef CFS_IO_TRANSPORT_H
#define CFS_IO_TRANSPORT_H

#include "coordfs/config.h"
#include "core/message.h"
#include "io/loop.h"

struct cfs_transport;
struct cfs_http_request; /* io/http_server.h */

struct cfs_transport_events {
    void *arg;
    void (*message)(void *arg, struct cfs_message *message); /* may take what it owns */
    void (*refused)(void *arg,
                    cfs_node_id peer); /* connect(2): ECONNREFUSED, nobody serves there */
    void (*unreachable)(void *arg, cfs_node_id peer); /* messages to it may be lost */
};

/* Knows no peer yet. Batches of another `cluster` are refused. NULL after a log line. */
struct cfs_transport *cfs_transport_new(struct cfs_loop *loop, const struct cfs_config *config,
                                        uint64_t cluster,
                                        const struct cfs_transport_events *events);

/* Where node `id` is reached from now on; `host` NULL: it is not to be asked any more. Who speaks
 * to this node without being known so is answered on the requests that it leaves here. */
void cfs_transport_set_peer(struct cfs_transport *transport, cfs_node_id id, const char *host,
                            uint16_t port);

/* Queues; takes what the message owns. Bounded: beyond the bound the message is dropped, as if
 * lost. */
void cfs_transport_send(struct cfs_transport *transport, struct cfs_message *message);

/* How many messages to `peer` are queued; 0 for nodes that are none. */
size_t cfs_transport_unsent(const struct cfs_transport *transport, cfs_node_id peer);

/* Sends off what was queued: at the end of a turn. */
void cfs_transport_flush(struct cfs_transport *transport);

/* A request for /raft/... came in: delivers what it holds, answers it or holds it open to carry
 * messages back; refuses it unless it proves to come from a node of this cluster. */
void cfs_transport_receive(struct cfs_transport *transport, struct cfs_http_request *request);

void cfs_transport_free(struct cfs_transport *transport);

#endif
