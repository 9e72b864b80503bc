/* Queues over HTTP, looked at: which there are, how one stands, and what is in it; nothing is
 * taken.
 */
#include <stdlib.h>
#include <string.h>

#include "io/http_api_call.h"

/* ---- GET /queue: all names, from part to part of the cluster ---- */

/* A response ends behind the page with which it has so many bytes of names. */
#define LIST_BYTES 65536u

struct list {
    struct cfs_http_call call;
    json_t *names;
    uint32_t bytes;
};

static void free_list(struct cfs_http_call *call)
{
    json_decref(((struct list *)call)->names);
}

/* From where the listing goes on. Whether there is more to it. */
static bool add_page(struct list *list, const struct cfs_answer *answer)
{
    struct cfs_request *request = &list->call.request;
    const char *end = answer->names + answer->names_len, *last = "";

    for (const char *name = answer->names; name < end; name += strlen(name) + 1) {
        json_array_append_new(list->names, cfs_json_encoded(name, strlen(name)));
        last = name;
    }
    list->bytes += answer->names_len;
    if (!answer->more && !answer->part)
        return false;
    memcpy(request->name, answer->more ? last : "", answer->more ? strlen(last) + 1 : 1);
    if (!answer->more)
        request->queue_read.number = answer->part;
    return true;
}

static json_t *next_page(const struct cfs_request *request)
{
    json_t *after = cfs_json_encoded(request->name, strlen(request->name));
    json_t *path = json_sprintf("/queue?part=%u&after=%s", (unsigned)request->queue_read.number,
                                json_string_value(after));

    json_decref(after);
    return path;
}

static bool on_listed(struct cfs_http_call *call, const struct cfs_answer *answer)
{
    struct list *list = (struct list *)call;
    json_t *body;
    bool more;

    if (answer->error) {
        cfs_http_respond_failure(call->http, answer->error);
        return false;
    }
    more = add_page(list, answer);
    if (more && list->bytes < LIST_BYTES) {
        cfs_http_call_ask(call, 0);
        return true;
    }
    body = json_pack("{s:O}", "queues", list->names);
    if (more)
        json_object_set_new(body, "next", next_page(&call->request));
    cfs_http_respond_json(call->http, 200, body);
    return false;
}

void cfs_http_queue_list(struct cfs_http_api *api, struct cfs_http_request *request,
                         const char *argument)
{
    const char *after = cfs_http_query(request, "after"), *part = cfs_http_query(request, "part");
    uint64_t number = 0;
    struct list *list;

    (void)argument;
    if (after && strlen(after) > CFS_NAME_MAX) {
        cfs_http_respond_failure(request, CFS_ERR_NAME_TOO_LONG);
        return;
    }
    if (part && !cfs_http_read_number(request, "part", part, 0, UINT32_MAX,
                                      "is what the page before says", &number))
        return;
    list = cfs_http_call_new(api, request, sizeof *list, CFS_OP_QUEUE_LIST, after ? after : "");
    list->names = json_array();
    list->call.request.queue_read.number = number;
    list->call.answered = on_listed;
    list->call.close = free_list;
    cfs_http_call_ask(&list->call, 0);
}

/* ---- GET /queue/stats/{name} ---- */

static bool respond_stats(struct cfs_http_call *call, const struct cfs_answer *answer)
{
    if (answer->error)
        cfs_http_respond_failure(call->http, answer->error);
    else
        cfs_http_respond_json(call->http, 200,
                              cfs_http_queue_body(call->request.name, &answer->queue));
    return false;
}

void cfs_http_queue_stats(struct cfs_http_api *api, struct cfs_http_request *request,
                          const char *name)
{
    struct cfs_http_call *call =
        cfs_http_call_new(api, request, sizeof *call, CFS_OP_QUEUE_STAT, name);

    call->answered = respond_stats;
    cfs_http_call_ask(call, 0);
}

/* ---- GET /queue/peek/{name}: a list of ids, then one after the other ---- */

struct peek {
    struct cfs_http_call call;
    struct cfs_queue_read read;
    uint64_t ids[CFS_CONSUME_MAX];
    uint32_t max, count, at; /* of ids */
    json_t *messages;        /* NULL: the body of one is wanted as it is */
    uint32_t bytes;          /* of bodies */
};

static void free_peek(struct cfs_http_call *call)
{
    json_decref(((struct peek *)call)->messages);
}

static void respond_peeked(struct peek *peek)
{
    if (json_array_size(peek->messages))
        cfs_http_respond_json(peek->call.http, 200, json_pack("{s:O}", "messages", peek->messages));
    else
        cfs_http_respond_failure(peek->call.http, CFS_ERR_EMPTY);
}

/* The next one, or an end to it. */
static bool look_on(struct peek *peek)
{
    if (peek->at == peek->count) {
        respond_peeked(peek);
        return false;
    }
    peek->call.request.op = CFS_OP_MESSAGE_GET;
    peek->call.request.queue_read.number = peek->ids[peek->at++];
    cfs_http_call_ask(&peek->call, 0);
    return true;
}

/* What has left its place since it was listed is passed over. */
static bool on_message(struct peek *peek, const struct cfs_answer *answer)
{
    const struct cfs_message_info *message = answer->messages;

    if (answer->error)
        return look_on(peek);
    if (!peek->messages) {
        cfs_http_respond_message(peek->call.http, message);
        return false;
    }
    if (peek->bytes && peek->bytes + message->len > CFS_MESSAGE_MAX) {
        respond_peeked(peek);
        return false;
    }
    peek->bytes += message->len;
    json_array_append_new(peek->messages, cfs_http_message_body(peek->call.request.name, message));
    return look_on(peek);
}

static bool on_ids(struct peek *peek, const struct cfs_answer *answer)
{
    peek->count = answer->id_count < peek->max ? answer->id_count : peek->max;
    if (peek->count)
        memcpy(peek->ids, answer->ids, peek->count * sizeof *peek->ids);
    return look_on(peek);
}

static bool on_peeked(struct cfs_http_call *call, const struct cfs_answer *answer)
{
    struct peek *peek = (struct peek *)call;
    bool passed = answer->error == CFS_ERR_NO_MESSAGE || answer->error == CFS_ERR_NOT_CLAIMED;

    if (answer->error && !passed) {
        cfs_http_respond_failure(call->http, answer->error);
        return false;
    }
    return call->request.op == CFS_OP_MESSAGE_LIST ? on_ids(peek, answer)
                                                   : on_message(peek, answer);
}

static bool read_place(struct cfs_http_request *request, enum cfs_message_place *place)
{
    static const char *const places[] = {
        [CFS_READY] = "ready", [CFS_INFLIGHT] = "inflight", [CFS_DEAD] = "dead"};
    const char *text = cfs_http_query(request, "place");

    *place = CFS_READY;
    for (int i = CFS_READY; text && i <= CFS_DEAD; i++)
        if (strcmp(text, places[i]) == 0) {
            *place = (enum cfs_message_place)i;
            return true;
        }
    if (text)
        cfs_http_respond_bad(request, "place", "is ready, inflight or dead");
    return !text;
}

static bool read_window(struct cfs_http_request *request, uint64_t *max, uint64_t *after)
{
    const char *max_text = cfs_http_query(request, "max");
    const char *after_text = cfs_http_query(request, "after");

    return (!max_text || cfs_http_read_number(request, "max", max_text, 1, CFS_CONSUME_MAX,
                                              "is a number of messages, from 1 to 256", max)) &&
           (!after_text || cfs_http_read_number(request, "after", after_text, 1, UINT64_MAX,
                                                "is the id of a message", after));
}

void cfs_http_queue_peek(struct cfs_http_api *api, struct cfs_http_request *request,
                         const char *name)
{
    struct cfs_queue_read read = {0};
    uint64_t max = 1;
    struct peek *peek;

    if (!read_place(request, &read.place) || !read_window(request, &max, &read.number))
        return;
    peek = cfs_http_call_new(api, request, sizeof *peek, CFS_OP_MESSAGE_LIST, name);
    peek->call.request.queue_read = read;
    peek->messages = cfs_http_wants_bytes(request) ? NULL : json_array();
    peek->max = (uint32_t)max;
    peek->call.answered = on_peeked;
    peek->call.close = free_peek;
    cfs_http_call_ask(&peek->call, 0);
}
