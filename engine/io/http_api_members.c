/* The nodes of the cluster over HTTP: POST has one come, move or take another's place, DELETE has
 * one go. Answered when that is decided; it is done step by step afterwards, and GET shows how far
 * it is. Also under http_open these need the secret.
 *
 * A call lives from its request until the engine's answer, also when the client went away in
 * between. */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "core/alloc.h"
#include "io/config_value.h"
#include "io/http_api_internal.h"

struct cfs_member_call {
    struct cfs_http_api *api;
    struct cfs_http_request *http; /* NULL once the client went away */
    cfs_node_id node;
    struct cfs_member_call *prev, *next;
};

static void call_free(struct cfs_member_call *call)
{
    DL_DELETE(call->api->member_calls, call);
    free(call);
}

static void on_gone(void *arg)
{
    struct cfs_member_call *call = arg;

    call->http = NULL;
}

static void respond_exists(struct cfs_http_request *http)
{
    cfs_http_respond_error(http, 409, "exists",
                           "that id belongs to a node at another address; 'move=yes' if it is that "
                           "node, which has moved");
}

static void respond_error(struct cfs_http_request *http, enum cfs_error error)
{
    const char *sentence = error == CFS_ERR_BUSY ? "another node takes that one's place already"
                                                 : cfs_error_sentence(error);

    if (error == CFS_ERR_EXISTS)
        respond_exists(http);
    else
        cfs_http_respond_error(http, cfs_error_http_status(error), cfs_error_word(error), sentence);
}

static void on_answer(void *arg, const struct cfs_answer *answer)
{
    struct cfs_member_call *call = arg;

    if (call->http && answer->error)
        respond_error(call->http, answer->error);
    else if (call->http)
        cfs_http_respond_json(call->http, 200, json_pack("{s:i}", "node", (int)call->node));
    call_free(call);
}

static void submit(struct cfs_http_api *api, struct cfs_http_request *http,
                   const struct cfs_member_change *change)
{
    struct cfs_request request = {.op = CFS_OP_MEMBER, .member = *change};
    struct cfs_member_call *call = cfs_alloc_zeroed(1, sizeof *call);

    *call = (struct cfs_member_call){.api = api, .http = http, .node = change->info.id};
    DL_APPEND(api->member_calls, call);
    cfs_http_on_gone(http, on_gone, call);
    cfs_engine_submit(api->engine, &request, on_answer, call);
}

/* ---- parameters: each reader gives false after a response ---- */

static bool read_id(struct cfs_http_request *http, const char *field, const char *text,
                    cfs_node_id *out)
{
    uint64_t id = 0;

    if (!cfs_http_read_number(http, field, text ? text : "", 1, CFS_NODE_MAX,
                              "is a node's id, from 1 to 63", &id))
        return false;
    *out = (cfs_node_id)id;
    return true;
}

static bool read_host(struct cfs_http_request *http, char host[CFS_HOST_MAX + 1])
{
    const char *text = cfs_http_query(http, "host");

    if (text && cfs_parse_host(text, host) == 0)
        return true;
    cfs_http_respond_bad(http, "host", "is a host name or an address");
    return false;
}

static bool read_info(struct cfs_http_request *http, struct cfs_node_info *info)
{
    const char *replaces = cfs_http_query(http, "replaces");
    const char *port = cfs_http_query(http, "port");
    const char *share = cfs_http_query(http, "weight");
    uint64_t number = 0, weight = 0;

    if (!read_id(http, "node", cfs_http_query(http, "node"), &info->id) ||
        !read_host(http, info->host) ||
        !cfs_http_read_number(http, "port", port ? port : "", 1, UINT16_MAX,
                              "is a port, from 1 to 65535", &number) ||
        (share && !cfs_http_read_number(http, "weight", share, 1, CFS_WEIGHT_MAX,
                                        "is a weight, from 1 to 100", &weight)) ||
        (replaces && !read_id(http, "replaces", replaces, &info->replaces)))
        return false;
    info->weight = (uint32_t)weight;
    info->port = (uint16_t)number;
    return true;
}

/* ---- the routes ---- */

void cfs_http_members_add(struct cfs_http_api *api, struct cfs_http_request *request,
                          const char *argument)
{
    const char *move = cfs_http_query(request, "move");
    struct cfs_member_change change = {.move = move && strcmp(move, "yes") == 0};

    (void)argument;
    if (read_info(request, &change.info))
        submit(api, request, &change);
}

void cfs_http_members_remove(struct cfs_http_api *api, struct cfs_http_request *request,
                             const char *argument)
{
    struct cfs_member_change change = {.remove = true};

    if (read_id(request, "node", argument, &change.info.id))
        submit(api, request, &change);
}

void cfs_http_members_close(struct cfs_http_api *api)
{
    while (api->member_calls) {
        struct cfs_member_call *call = api->member_calls;

        if (call->http)
            cfs_http_respond_failure(call->http, CFS_ERR_TIMED_OUT);
        call_free(call);
    }
}
