/* A server in a loop, and a client of it in the same process: the client writes, the loop turns
 * until the answer is there, and nothing ever sleeps for a fixed time. */
#ifndef CFS_TEST_HTTP_WORLD_H
#define CFS_TEST_HTTP_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "io/http_server.h"

#define SECRET "a secret of the cluster"
#define AUTHORIZED "Authorization: Bearer " SECRET "\r\n"

struct http_world {
    struct cfs_loop *loop;
    struct cfs_config config;
    struct cfs_http_server *server;
    void (*handle)(struct http_world *w, struct cfs_http_request *request);
    int handled; /* requests */
    int client;  /* the socket whose replies are collected */
    char reply[131072];
    size_t len;
    bool closed;
    bool (*until)(struct http_world *w);
    struct cfs_timer deadline;
};

/* A server at a free port of the loopback; `w` is zeroed. */
void http_world_open(struct http_world *w);
void http_world_close(struct http_world *w);

/* Turns the loop until `until` says so, asked at the end of each turn; fails the test after a
 * while. */
void http_turn_until(struct http_world *w, bool (*until)(struct http_world *w));

/* Serves what is ready, without waiting for anything. */
void http_turn_once(struct http_world *w);

/* Conditions to wait for. */
bool http_replied(struct http_world *w); /* a whole response: head and as much body as it says */
bool http_handled_one(struct http_world *w);

uint16_t http_free_port(void);
int http_connect_to(const struct http_world *w);

/* Makes w->client a fresh connection. */
void http_open_client(struct http_world *w);
void http_close_client(struct http_world *w);

void http_write(struct http_world *w, const void *data, size_t len);
void http_write_text(struct http_world *w, const char *text);

/* Reads what has come, without turning the loop. */
void http_collect(struct http_world *w);

/* Writes a request and waits for its response. */
void http_ask(struct http_world *w, const char *text);

/* The header by which a peer says who it is when it POSTs that body to /raft/append-entries. */
const char *http_peers_header(const void *body, size_t len);

/* About the last response. */
void http_assert_status(const struct http_world *w, const char *status);
void http_assert_has(const struct http_world *w, const char *text);

#endif
