/* A redis-server of one's own and nodes that keep their queues in it, in one loop: each node a
 * store of its own, with a session that the test gives and takes. Between nodes and Redis is a
 * relay, which can lose what is answered. */
#ifndef REDIS_WORLD_H
#define REDIS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

#include "coordfs/config.h"
#include "io/loop.h"
#include "io/queue_store.h"

#define REDIS_NODES 4
#define REDIS_PAIRS 32

struct redisContext;
struct redisReply;

/* One request and, once it is done, a copy of its answer, which lives until the world's end. */
struct redis_asked {
    uint64_t id;
    bool done;
    struct cfs_answer answer;
    struct redis_asked *next;
};

struct redis_node {
    struct redis_world *world;
    struct cfs_config config;
    struct cfs_queue_store store;
    cfs_session_id session;
};

/* Two connected sockets. */
struct redis_pair {
    struct redis_world *world;
    int client, server; /* -1: free */
};

struct redis_world {
    struct cfs_loop *loop;
    char dir[64];
    char socket[80], relay[80];
    char options[128];          /* more of redis-server's */
    uint32_t timeout_ms;        /* of the nodes; 0: two seconds */
    pid_t pid;                  /* 0: it does not run */
    struct redisContext *admin; /* past the relay */
    int listener;
    struct redis_pair pairs[REDIS_PAIRS];
    bool mute;                                /* the relay loses what Redis answers */
    bool refuses;                             /* it takes no connection */
    struct redis_node nodes[REDIS_NODES + 1]; /* by id */
    enum cfs_session_fate fates[REDIS_NODES + 1];
    struct redis_asked *asked; /* all */
    uint64_t last_id;
    bool (*until)(void *arg);
    void *until_arg;
};

void redis_world_open(struct redis_world *w);
void redis_world_close(struct redis_world *w);

/* For cmocka: a world with nodes 1 and 2 that may ask. */
int redis_set_up(void **state);
int redis_tear_down(void **state);

/* SIGKILL; then anew, with the same directory. */
void redis_kill(struct redis_world *w);
void redis_start(struct redis_world *w);

/* A command past the relay, which has to succeed. The caller frees the reply. */
struct redisReply *redis_command(struct redis_world *w, const char *format, ...);
/* The same, for its integer alone. */
long long redis_number(struct redis_world *w, const char *format, ...);

/* Runs the script past the relay, with blanks between the arguments: those of a head, and of a
 * verb. */
void redis_script(struct redis_world *w, const char *args);

/* The relay breaks all connections. */
void redis_break(struct redis_world *w);

/* A node without a session, then with one (0: none any more). */
struct redis_node *redis_node_open(struct redis_world *w, cfs_node_id id);
void redis_node_session(struct redis_node *node, cfs_session_id session);
/* As if it were killed: its connections go, and nobody hears of it any more. */
void redis_node_close(struct redis_node *node);

/* Runs the loop until `until` says so; fails after twenty seconds. */
void redis_run_until(struct redis_world *w, bool (*until)(void *arg), void *arg);
/* And for that long, in which nothing has to happen. */
void redis_run_for(struct redis_world *w, unsigned ms);

struct redis_asked *redis_submit(struct redis_node *node, const struct cfs_request *request);
void redis_cancel(struct redis_node *node, struct redis_asked *asked);
/* Waits for the answer. */
const struct cfs_answer *redis_answer(struct redis_node *node, struct redis_asked *asked);
const struct cfs_answer *redis_ask(struct redis_node *node, const struct cfs_request *request);

/* Requests. */
struct cfs_request redis_make(const char *name);
struct cfs_request redis_produce(const char *name, const char *body);
struct cfs_request redis_consume(const char *name);
/* A consume that waits, and is in line when this returns. */
struct redis_asked *redis_take(struct redis_node *node, const char *name);
struct cfs_request redis_settle(enum cfs_op op, const char *name, const uint64_t *id);
struct cfs_request redis_move(const char *name, enum cfs_message_place place, uint64_t id,
                              const char *to);
struct cfs_request redis_configure(const char *name, uint32_t fields,
                                   struct cfs_queue_config config);

/* And what is expected of them. */
void redis_succeeds(struct redis_node *node, const struct cfs_request *request);
void redis_refuses(struct redis_node *node, const struct cfs_request *request,
                   enum cfs_error error);
void redis_has_body(const struct cfs_answer *answer, const char *body);
struct cfs_queue_info redis_stat(struct redis_node *node, const char *name);
void redis_counts(struct redis_node *node, const char *name, uint64_t ready, uint64_t inflight,
                  uint64_t dead);
void redis_waits(struct redis_node *node, const char *name, uint32_t consumers, uint32_t producers);

#endif
