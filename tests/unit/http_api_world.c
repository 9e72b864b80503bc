/* The world of http_api_world.h: it takes the engine's place when a test is linked. */
#include "http_api_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct http_engine http_engine;
struct cfs_http_api *http_api;

uint64_t cfs_engine_submit(struct cfs_engine *e, const struct cfs_request *request,
                           cfs_answer_fn answer, void *arg)
{
    (void)e;
    assert_true(http_engine.count < CALLS_MAX);
    http_engine.calls[http_engine.count].request = *request;
    if (http_engine.at_once)
        answer(arg, &(struct cfs_answer){.error = http_engine.at_once});
    else
        http_engine.calls[http_engine.count].answer = answer;
    http_engine.calls[http_engine.count].arg = arg;
    return ++http_engine.count;
}

void cfs_engine_cancel(struct cfs_engine *e, uint64_t id)
{
    (void)e;
    assert_in_range(id, 1, http_engine.count);
    http_engine.calls[id - 1].cancelled = true;
}

bool cfs_engine_available(const struct cfs_engine *e)
{
    (void)e;
    return http_engine.available;
}

char *cfs_engine_page(struct cfs_engine *e, const char *page, bool json)
{
    (void)e;
    if (strcmp(page, "nodes") == 0 && json)
        return strdup("{\"nodes\":[]}");
    return strcmp(page, "status") == 0 && json ? strdup("{\"node\":1}") : NULL;
}

char *cfs_engine_metrics(struct cfs_engine *e)
{
    (void)e;
    return strdup("a_metric 1\n");
}

/* ---- the fixture ---- */

static void handle(struct http_world *w, struct cfs_http_request *request)
{
    (void)w;
    cfs_http_api_handle(http_api, request);
}

int http_api_set_up(void **state)
{
    struct http_world *w = calloc(1, sizeof *w);

    *state = w;
    memset(&http_engine, 0, sizeof http_engine);
    http_engine.available = true;
    http_world_open(w);
    w->handle = handle;
    http_api = cfs_http_api_new(NULL, w->loop, &w->config);
    http_open_client(w);
    return 0;
}

int http_api_tear_down(void **state)
{
    struct http_world *w = *state;

    cfs_http_api_free(http_api);
    http_world_close(w);
    free(w);
    return 0;
}

void http_request(struct http_world *w, const char *line, const char *headers)
{
    char text[2048];

    snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: x\r\n" AUTHORIZED "%s\r\n", line, headers);
    w->len = 0;
    w->reply[0] = 0;
    w->handled = 0;
    http_write_text(w, text);
}

void http_request_with(struct http_world *w, const char *line, const char *headers,
                       const void *body, size_t len)
{
    char text[1024];

    snprintf(text, sizeof text, "%sContent-Length: %zu\r\n", headers, len);
    http_request(w, line, text);
    http_write(w, body, len);
}

static uint64_t awaited;

static bool is_asked(struct http_world *w)
{
    (void)w;
    return http_engine.count >= awaited;
}

void http_turn_until_asked(struct http_world *w, uint64_t count)
{
    awaited = count;
    http_turn_until(w, is_asked);
}

void http_begin(struct http_world *w, const char *line)
{
    http_request(w, line, "");
    http_turn_until(w, http_handled_one);
}

/* One that needs no http_engine. */
void http_get(struct http_world *w, const char *line)
{
    http_request(w, line, "");
    http_turn_until(w, http_replied);
}

const struct cfs_request *http_asked(uint64_t id)
{
    assert_true(id <= http_engine.count);
    return &http_engine.calls[id - 1].request;
}

void http_answer(uint64_t id, const struct cfs_answer *a)
{
    cfs_answer_fn fn = http_engine.calls[id - 1].answer;

    assert_non_null(fn);
    http_engine.calls[id - 1].answer = NULL;
    fn(http_engine.calls[id - 1].arg, a);
}

void http_answer_error(uint64_t id, enum cfs_error error)
{
    http_answer(id, &(struct cfs_answer){.error = error});
}
