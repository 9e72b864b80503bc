/* Locks over HTTP: POST takes or renews one, DELETE gives it back, GET looks at it.
 *
 * A lock taken here belongs to no process and no session: it lives `ttl` seconds from each POST
 * that renews it by its token. What a client that went away while it waited (http_api_call.c) was
 * granted is given back by the name of its asking, not by the token, which the same client may have
 * got by then to a repeated request. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "io/http_api_call.h"

enum { TTL_DEFAULT_MS = 30000 };

static void on_given_back(void *arg, const struct cfs_answer *answer)
{
    (void)arg; /* should it fail, the ttl ends it */
    (void)answer;
}

static void give_back(struct cfs_http_call *call, const struct cfs_answer *answer)
{
    struct cfs_request request = {
        .op = CFS_OP_RELEASE,
        .release = {.kind = CFS_LEASED, .handle = call->request.acquire.handle}};

    (void)answer;
    memcpy(request.name, call->request.name, sizeof request.name);
    cfs_engine_submit(call->api->engine, &request, on_given_back, NULL);
}

static void put(json_t *object, const char *key, const char *word)
{
    json_object_set_new(object, key, json_string(word));
}

/* A renewal needs to say no more than its token; what it does say is true of the lock, or the
 * answer would be DIFFERS. */
static void respond_acquired(struct cfs_http_call *call, cfs_token token)
{
    const struct cfs_acquire *acquire = &call->request.acquire;
    const char *name = call->request.name;
    json_t *body = json_pack("{s:o, s:I, s:o}", "name", cfs_json_bytes(name, strlen(name)), "token",
                             (json_int_t)token, "ttl", cfs_json_seconds(acquire->ttl_ms));

    if (acquire->owner[0] || !acquire->renew)
        put(body, "holder", acquire->owner[0] ? acquire->owner : "http");
    if (acquire->mode)
        put(body, "lock_type", cfs_json_mode(acquire->mode));
    cfs_http_respond_json(call->http, 200, body);
}

static bool respond(struct cfs_http_call *call, const struct cfs_answer *answer)
{
    const char *name = call->request.name;

    if (answer->error)
        cfs_http_respond_failure(call->http, cfs_http_call_error(call, answer));
    else if (call->request.op == CFS_OP_ACQUIRE)
        respond_acquired(call, answer->token);
    else if (call->request.op == CFS_OP_GET)
        cfs_http_respond_json(call->http, 200, cfs_http_lock_body(name, &answer->lock));
    else
        cfs_http_respond_json(call->http, 200,
                              json_pack("{s:o}", "name", cfs_json_bytes(name, strlen(name))));
    return false;
}

static struct cfs_http_call *call_new(struct cfs_http_api *api, struct cfs_http_request *http,
                                      enum cfs_op op, const char *name)
{
    struct cfs_http_call *call = cfs_http_call_new(api, http, sizeof *call, op, name);

    call->answered = respond;
    call->in_vain = CFS_ERR_WOULD_BLOCK;
    return call;
}

/* ---- parameters: each reader gives false after a 400 that names the field ---- */

static bool read_token(struct cfs_http_request *http, cfs_token *token)
{
    const char *text = cfs_http_query(http, "token");

    return !text || cfs_http_read_number(http, "token", text, 1, INT64_MAX,
                                         "is the number that POST answered", token);
}

static bool read_ttl(struct cfs_http_request *http, uint32_t *ms)
{
    *ms = TTL_DEFAULT_MS;
    if (!cfs_http_read_seconds(http, "ttl", ms))
        return false;
    if (*ms == 0)
        cfs_http_respond_bad(http, "ttl", "is more than 0 seconds");
    return *ms > 0;
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
                                  .key = cfs_http_read_key(request)};
    struct cfs_http_call *call;
    uint32_t wait_ms = 0;

    if (!read_token(request, &acquire.renew) || !read_mode(request, &acquire) ||
        !read_ttl(request, &acquire.ttl_ms) || !cfs_http_read_seconds(request, "wait", &wait_ms) ||
        !read_owner(request, acquire.owner))
        return;
    acquire.wait = wait_ms > 0;
    call = call_new(api, request, CFS_OP_ACQUIRE, name);
    call->request.acquire = acquire;
    call->cancel_when_gone = !acquire.renew;
    call->give_back = acquire.renew ? NULL : give_back;
    cfs_http_call_ask(call, CFS_MS(wait_ms));
}

void cfs_http_lock_release(struct cfs_http_api *api, struct cfs_http_request *request,
                           const char *name)
{
    struct cfs_release release = {.kind = CFS_LEASED};
    struct cfs_http_call *call;

    if (!read_token(request, &release.token))
        return;
    if (!release.token) {
        cfs_http_respond_bad(request, "token", "is missing");
        return;
    }
    call = call_new(api, request, CFS_OP_RELEASE, name);
    call->request.release = release;
    cfs_http_call_ask(call, 0);
}

void cfs_http_lock_get(struct cfs_http_api *api, struct cfs_http_request *request, const char *name)
{
    cfs_http_call_ask(call_new(api, request, CFS_OP_GET, name), 0);
}
