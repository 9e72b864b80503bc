/* The routes for clients, with an engine that only notes what it is asked and answers when told to.
 */
#ifndef CFS_TEST_HTTP_API_WORLD_H
#define CFS_TEST_HTTP_API_WORLD_H

#include "http_world.h"

#include "coordfs/engine.h"
#include "io/http_api.h"

enum { CALLS_MAX = 32 };

/* The engine's double. It knows node 2, at 10.0.0.2:8002. */
extern struct http_engine {
    struct {
        struct cfs_request request;
        cfs_answer_fn answer; /* NULL: answered */
        void *arg;
        bool cancelled;
    } calls[CALLS_MAX];
    uint64_t count;
    enum cfs_error at_once; /* answered within submit, unless CFS_OK */
    bool available;
} http_engine;

extern struct cfs_http_api *http_api;

/* For cmocka: `state` is a struct http_world with a client. */
int http_api_set_up(void **state);
int http_api_tear_down(void **state);

/* Writes a request with the secret. */
void http_request(struct http_world *w, const char *line, const char *headers);

/* One with a body and more headers, "" or ended by a newline each. */
void http_request_with(struct http_world *w, const char *line, const char *headers,
                       const void *body, size_t len);

/* One that the engine is to answer: afterwards it has been asked. */
void http_begin(struct http_world *w, const char *line);

/* One that needs no engine: afterwards it has been answered. */
void http_get(struct http_world *w, const char *line);

/* Turns until the engine has been asked `count` times in all. */
void http_turn_until_asked(struct http_world *w, uint64_t count);

/* What the engine was asked, the first time, the second ... */
const struct cfs_request *http_asked(uint64_t id);

/* It answers. */
void http_answer(uint64_t id, const struct cfs_answer *a);
void http_answer_error(uint64_t id, enum cfs_error error);

#endif
