/* Whoever waits does so in a queue of the cluster's. When the time for that is over, or the client
 * goes away, the wait is cancelled; and should the grant have been faster, what a client that is
 * gone was granted is given back at once.
 *
 * Gone or not cannot be told of a client that ended its sending side (nc -N), which is what a
 * closed socket looks like. One that does so right after its request gets the answer if that is
 * quick, and waits no longer; one that does so after it has been waiting is gone. And whoever does
 * not wait is answered in any case: what he was granted ends with its time at worst. */
#include "io/http_api_call.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "core/alloc.h"

enum { HALF_CLOSED_MS = 500 }; /* what is quick, and right after */

static void on_wait_over(void *arg)
{
    struct cfs_http_call *call = arg;

    call->waited = true;
    cfs_engine_cancel(call->api->engine, call->id);
}

void *cfs_http_call_new(struct cfs_http_api *api, struct cfs_http_request *http, size_t size,
                        enum cfs_op op, const char *name)
{
    struct cfs_http_call *call = cfs_alloc_zeroed(1, size);

    call->api = api;
    call->http = http;
    call->since = cfs_loop_now(api->loop);
    call->request.op = op;
    memcpy(call->request.name, name, strlen(name) + 1);
    call->timer = (struct cfs_timer){.fn = on_wait_over, .arg = call};
    DL_APPEND(api->calls, call);
    return call;
}

static void call_free(struct cfs_http_call *call)
{
    DL_DELETE(call->api->calls, call);
    cfs_timer_cancel(call->api->loop, &call->timer);
    if (call->close)
        call->close(call);
    free(call);
}

void cfs_http_call_end(struct cfs_http_call *call)
{
    call->ended = true;
    if (!call->asking)
        call_free(call);
}

static void on_gone(void *arg)
{
    struct cfs_http_call *call = arg;

    call->http = NULL;
    if (call->cancel_when_gone)
        cfs_engine_cancel(call->api->engine, call->id);
}

static bool on_half_close(void *arg)
{
    struct cfs_http_call *call = arg;
    cfs_time until = call->since + CFS_MS(HALF_CLOSED_MS);

    if (!call->cancel_when_gone || !cfs_request_may_wait(&call->request))
        return false;
    if (cfs_loop_now(call->api->loop) >= until)
        return true;
    call->half_closed = true;
    if (call->timer.set && call->timer.at > until)
        cfs_timer_set(call->api->loop, &call->timer, until);
    return false;
}

static void on_answer(void *arg, const struct cfs_answer *answer)
{
    struct cfs_http_call *call = arg;
    bool deaf = !call->http || (call->half_closed && call->waited);
    bool unheard = deaf && !answer->error && call->give_back;

    if (unheard)
        call->give_back(call, answer);
    if (call->http && unheard)
        cfs_http_respond_failure(call->http, call->in_vain);
    else if (call->http && call->answered(call, answer))
        return;
    cfs_http_call_end(call);
}

/* The answer may come before submit returns. */
void cfs_http_call_ask(struct cfs_http_call *call, cfs_time wait)
{
    struct cfs_http_api *api = call->api;

    if (call->half_closed && wait > CFS_MS(HALF_CLOSED_MS))
        wait = CFS_MS(HALF_CLOSED_MS);
    cfs_http_on_gone(call->http, on_gone, call);
    cfs_http_on_half_close(call->http, on_half_close);
    call->asking = true;
    call->id = cfs_engine_submit(api->engine, &call->request, on_answer, call);
    call->asking = false;
    if (call->ended)
        call_free(call);
    else if (wait)
        cfs_timer_set(api->loop, &call->timer, call->since + wait);
}

enum cfs_error cfs_http_call_error(const struct cfs_http_call *call,
                                   const struct cfs_answer *answer)
{
    if (answer->error != CFS_ERR_INTERRUPTED || !call->waited)
        return answer->error;
    return answer->queued ? call->in_vain : CFS_ERR_TIMED_OUT;
}

void cfs_http_calls_close(struct cfs_http_api *api)
{
    api->closing = true;
    while (api->calls) {
        struct cfs_http_call *call = api->calls;

        if (call->http)
            cfs_http_respond_failure(call->http, CFS_ERR_TIMED_OUT);
        call_free(call);
    }
}
