/* Locks over HTTP: POST takes or renews one, DELETE gives it back, GET looks at it.
 *
 * A lock taken here belongs to no process and no session: it lives `ttl` seconds from each POST
 * that renews it by its token. Whoever waits for one waits in its queue; when the time for that is
 * over, or the client goes away, the wait is cancelled, and should the grant have been faster, what
 * a client that is gone was granted is given back at once: by the name of its asking, not by the
 * token, which the same client may have got by then to a repeated request.
 *
 * Gone or not cannot be told of a client that ended its sending side (nc -N), which is what a
 * closed socket looks like. One that does so right after its request gets the answer if that is
 * quick, and waits no longer; one that does so after it has been waiting is gone. And whoever does
 * not wait is answered in any case: at worst his lock lives for its ttl.
 *
 * A call lives from its request until the engine's answer, also when the client went away in
 * between. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include <utlist.h>
#include <xxhash.h>

#include "core/alloc.h"
#include "io/http_api_internal.h"

enum {
    TTL_DEFAULT_MS = 30000,
    SECONDS_MAX = 86400,
    HALF_CLOSED_MS = 500, /* what is quick, and right after */
};

struct cfs_lock_call {
    struct cfs_http_api *api;
    struct cfs_http_request *http; /* NULL once the client went away */
    struct cfs_request request;
    uint64_t id;            /* the engine's */
    struct cfs_timer timer; /* ACQUIRE: the end of the wait */
    bool waited;            /* it is over */
    bool half_closed;       /* the client may be gone */
    cfs_time since;
    bool submitting, answered;
    struct cfs_lock_call *prev, *next;
};

static struct cfs_lock_call *call_new(struct cfs_http_api *api, struct cfs_http_request *http,
                                      enum cfs_op op, const char *name)
{
    struct cfs_lock_call *call = cfs_alloc_zeroed(1, sizeof *call);

    call->api = api;
    call->http = http;
    call->since = cfs_loop_now(api->loop);
    call->request.op = op;
    memcpy(call->request.name, name, strlen(name) + 1);
    DL_APPEND(api->calls, call);
    return call;
}

static void call_free(struct cfs_lock_call *call)
{
    DL_DELETE(call->api->calls, call);
    cfs_timer_cancel(call->api->loop, &call->timer);
    free(call);
}

static bool takes_a_lock(const struct cfs_lock_call *call)
{
    return call->request.op == CFS_OP_ACQUIRE && !call->request.acquire.renew;
}

static void on_gone(void *arg)
{
    struct cfs_lock_call *call = arg;

    call->http = NULL;
    if (takes_a_lock(call))
        cfs_engine_cancel(call->api->engine, call->id);
}

static void on_wait_over(void *arg)
{
    struct cfs_lock_call *call = arg;

    call->waited = true;
    cfs_engine_cancel(call->api->engine, call->id);
}

static bool on_half_close(void *arg)
{
    struct cfs_lock_call *call = arg;
    cfs_time until = call->since + CFS_MS(HALF_CLOSED_MS);

    if (!takes_a_lock(call) || !call->request.acquire.wait)
        return false;
    if (cfs_loop_now(call->api->loop) >= until)
        return true;
    call->half_closed = true;
    if (call->timer.set && call->timer.at > until)
        cfs_timer_set(call->api->loop, &call->timer, until);
    return false;
}

static void on_given_back(void *arg, const struct cfs_answer *answer)
{
    (void)arg; /* should it fail, the ttl ends it */
    (void)answer;
}

static void give_back(struct cfs_lock_call *call)
{
    struct cfs_request request = {
        .op = CFS_OP_RELEASE,
        .release = {.kind = CFS_LEASED, .handle = call->request.acquire.handle}};

    memcpy(request.name, call->request.name, sizeof request.name);
    cfs_engine_submit(call->api->engine, &request, on_given_back, NULL);
}

static void put(json_t *object, const char *key, const char *word)
{
    json_object_set_new(object, key, json_string(word));
}

/* A renewal needs to say no more than its token; what it does say is true of the lock, or the
 * answer would be DIFFERS. */
static void respond_acquired(struct cfs_lock_call *call, cfs_token token)
{
    const struct cfs_acquire *acquire = &call->request.acquire;
    const char *name = call->request.name;
    uint32_t ttl_ms = acquire->ttl_ms;
    json_t *body = json_pack(
        "{s:o, s:I, s:o}", "name", cfs_json_bytes(name, strlen(name)), "token", (json_int_t)token,
        "ttl", ttl_ms % 1000 ? json_real(ttl_ms / 1000.0) : json_integer(ttl_ms / 1000));

    if (acquire->owner[0] || !acquire->renew)
        put(body, "holder", acquire->owner[0] ? acquire->owner : "http");
    if (acquire->mode)
        put(body, "lock_type", cfs_json_mode(acquire->mode));
    cfs_http_respond_json(call->http, 200, body);
}

static void respond(struct cfs_lock_call *call, const struct cfs_answer *answer)
{
    const char *name = call->request.name;

    if (answer->error == CFS_ERR_INTERRUPTED && call->waited) /* held, or no majority to ask */
        cfs_http_respond_failure(call->http,
                                 answer->queued ? CFS_ERR_WOULD_BLOCK : CFS_ERR_TIMED_OUT);
    else if (answer->error)
        cfs_http_respond_failure(call->http, answer->error);
    else if (call->request.op == CFS_OP_ACQUIRE)
        respond_acquired(call, answer->token);
    else if (call->request.op == CFS_OP_GET)
        cfs_http_respond_json(call->http, 200, cfs_http_lock_body(name, &answer->lock));
    else
        cfs_http_respond_json(call->http, 200,
                              json_pack("{s:o}", "name", cfs_json_bytes(name, strlen(name))));
}

static void on_answer(void *arg, const struct cfs_answer *answer)
{
    struct cfs_lock_call *call = arg;
    bool deaf = !call->http || (call->half_closed && call->waited);
    bool unheard = deaf && !answer->error && takes_a_lock(call);

    if (unheard)
        give_back(call);
    if (call->http && unheard)
        cfs_http_respond_failure(call->http, CFS_ERR_WOULD_BLOCK);
    else if (call->http)
        respond(call, answer);
    call->answered = true;
    if (!call->submitting)
        call_free(call);
}

/* The answer may come before submit returns. */
static void submit(struct cfs_lock_call *call, cfs_time wait)
{
    struct cfs_http_api *api = call->api;

    cfs_http_on_gone(call->http, on_gone, call);
    cfs_http_on_half_close(call->http, on_half_close);
    call->submitting = true;
    call->id = cfs_engine_submit(api->engine, &call->request, on_answer, call);
    call->submitting = false;
    if (call->answered) {
        call_free(call);
    } else if (wait) {
        call->timer = (struct cfs_timer){.fn = on_wait_over, .arg = call};
        cfs_timer_set(api->loop, &call->timer, call->since + wait);
    }
}

/* ---- parameters: each reader gives false after a 400 that names the field ---- */

static bool read_seconds(struct cfs_http_request *http, const char *field, uint32_t *ms)
{
    const char *text = cfs_http_query(http, field);
    double seconds;
    char *end;

    if (!text)
        return true;
    seconds = strtod(text, &end);
    if (!text[0] || strspn(text, "0123456789.") != strlen(text) || *end || seconds > SECONDS_MAX) {
        cfs_http_respond_bad(http, field, "is a number of seconds, at most 86400");
        return false;
    }
    *ms = (uint32_t)(seconds * 1000 + 0.5);
    return true;
}

static bool read_ttl(struct cfs_http_request *http, uint32_t *ms)
{
    *ms = TTL_DEFAULT_MS;
    if (!read_seconds(http, "ttl", ms))
        return false;
    if (*ms == 0)
        cfs_http_respond_bad(http, "ttl", "is more than 0 seconds");
    return *ms > 0;
}

static bool read_token(struct cfs_http_request *http, cfs_token *token)
{
    const char *text = cfs_http_query(http, "token");
    unsigned long long value;
    char *end;

    if (!text)
        return true;
    errno = 0;
    value = strtoull(text, &end, 10);
    if (!text[0] || strspn(text, "0123456789") != strlen(text) || errno || !value ||
        value > INT64_MAX) {
        cfs_http_respond_bad(http, "token", "is the number that POST answered");
        return false;
    }
    *token = value;
    return true;
}

/* To renew a lock it need not be said. */
static bool read_mode(struct cfs_http_request *http, struct cfs_acquire *acquire)
{
    const char *text = cfs_http_query(http, "lock_type");

    if (!text && acquire->renew)
        return true;
    if (text && strcmp(text, "exclusive") == 0) {
        acquire->mode = CFS_EXCLUSIVE;
    } else if (text && strcmp(text, "shared") == 0) {
        acquire->mode = CFS_SHARED;
    } else {
        cfs_http_respond_bad(http, "lock_type", "is exclusive or shared");
        return false;
    }
    return true;
}

/* It is shown in lists, separated by commas, and in JSON. */
static bool good_owner(const char *text)
{
    json_t *string = json_string(text);
    bool good = string && strlen(text) <= CFS_OWNER_MAX;

    json_decref(string);
    for (; good && *text; text++)
        good = (unsigned char)*text >= ' ' && *text != ',' && *text != 0x7f;
    return good;
}

static bool read_owner(struct cfs_http_request *http, char owner[CFS_OWNER_MAX + 1])
{
    const char *text = cfs_http_query(http, "owner");

    if (!text)
        return true;
    if (!good_owner(text)) {
        cfs_http_respond_bad(http, "owner",
                             "has at most 64 bytes, UTF-8, no comma and no control character");
        return false;
    }
    memcpy(owner, text, strlen(text) + 1);
    return true;
}

static uint64_t read_key(const struct cfs_http_request *http)
{
    const char *text = cfs_http_header(http, "Idempotency-Key");
    uint64_t key = text ? XXH3_64bits(text, strlen(text)) : 0;

    return text && !key ? 1 : key; /* 0 means none */
}

static uint64_t draw_handle(void)
{
    uint64_t handle;

    if (getrandom(&handle, sizeof handle, 0) != sizeof handle)
        abort();
    return handle | 1; /* 0 means none */
}

/* ---- the routes ---- */

void cfs_http_lock_acquire(struct cfs_http_api *api, struct cfs_http_request *request,
                           const char *name)
{
    struct cfs_acquire acquire = {.kind = CFS_LEASED,
                                  .form = CFS_FORM_FILE,
                                  .uid = geteuid(),
                                  .gid = getegid(),
                                  .perm = 0644,
                                  .handle = draw_handle(),
                                  .key = read_key(request)};
    struct cfs_lock_call *call;
    uint32_t wait_ms = 0;

    if (!read_token(request, &acquire.renew) || !read_mode(request, &acquire) ||
        !read_ttl(request, &acquire.ttl_ms) || !read_seconds(request, "wait", &wait_ms) ||
        !read_owner(request, acquire.owner))
        return;
    acquire.wait = wait_ms > 0;
    call = call_new(api, request, CFS_OP_ACQUIRE, name);
    call->request.acquire = acquire;
    submit(call, CFS_MS(wait_ms));
}

void cfs_http_lock_release(struct cfs_http_api *api, struct cfs_http_request *request,
                           const char *name)
{
    struct cfs_release release = {.kind = CFS_LEASED};
    struct cfs_lock_call *call;

    if (!read_token(request, &release.token))
        return;
    if (!release.token) {
        cfs_http_respond_bad(request, "token", "is missing");
        return;
    }
    call = call_new(api, request, CFS_OP_RELEASE, name);
    call->request.release = release;
    submit(call, 0);
}

void cfs_http_lock_get(struct cfs_http_api *api, struct cfs_http_request *request, const char *name)
{
    submit(call_new(api, request, CFS_OP_GET, name), 0);
}

void cfs_http_lock_close(struct cfs_http_api *api)
{
    while (api->calls) {
        struct cfs_lock_call *call = api->calls;

        if (call->http)
            cfs_http_respond_failure(call->http, CFS_ERR_TIMED_OUT);
        call_free(call);
    }
}
