/* Queues over HTTP, from the consumer's side: GET takes messages, and ack, nack and extend say what
 * becomes of them.
 *
 * A claim made here belongs to no session: it ends with its time, whatever becomes of the node or
 * the client. A message that is too late for its client (http_api_call.c) goes back at once; one
 * whose client went away while it was on its way to it comes back by itself. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "io/http_api_call.h"

#define ID_TEXT_MAX 20u /* digits of the largest */

/* ---- GET ---- */

struct consume {
    struct cfs_http_call call;
    bool many; /* `max` was given: an array */
    bool raw;  /* the body as it is */
};

static void on_given_back(void *arg, const struct cfs_answer *answer)
{
    (void)arg; /* should it fail, their time ends */
    (void)answer;
}

static void give_back(struct cfs_http_call *call, const struct cfs_answer *answer)
{
    uint64_t claims[CFS_CONSUME_MAX];
    struct cfs_request request = {
        .op = CFS_OP_GIVE_BACK,
        .settle = {.place = CFS_INFLIGHT, .ids = claims, .count = answer->message_count}};

    for (uint32_t i = 0; i < answer->message_count; i++)
        claims[i] = answer->messages[i].claim;
    memcpy(request.name, call->request.name, sizeof request.name);
    cfs_engine_submit(call->api->engine, &request, on_given_back, NULL);
}

static json_t *messages_body(const char *name, const struct cfs_answer *answer)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < answer->message_count; i++)
        json_array_append_new(list, cfs_http_message_body(name, &answer->messages[i]));
    return json_pack("{s:o}", "messages", list);
}

static bool respond_consumed(struct cfs_http_call *call, const struct cfs_answer *answer)
{
    const struct consume *consume = (struct consume *)call;
    const char *name = call->request.name;

    if (answer->error)
        cfs_http_respond_failure(call->http, cfs_http_call_error(call, answer));
    else if (consume->raw)
        cfs_http_respond_message(call->http, &answer->messages[0]);
    else if (consume->many)
        cfs_http_respond_json(call->http, 200, messages_body(name, answer));
    else
        cfs_http_respond_json(call->http, 200, cfs_http_message_body(name, &answer->messages[0]));
    return false;
}

void cfs_http_queue_consume(struct cfs_http_api *api, struct cfs_http_request *request,
                            const char *name)
{
    const char *max = cfs_http_query(request, "max");
    bool raw = cfs_http_wants_bytes(request);
    struct consume *consume;
    uint32_t wait_ms = 0;
    uint64_t count = 1;

    if (!cfs_http_read_seconds(request, "wait", &wait_ms) ||
        (max && !cfs_http_read_number(request, "max", max, 1, CFS_CONSUME_MAX,
                                      "is a number of messages, from 1 to 256", &count)))
        return;
    if (raw && max) {
        cfs_http_respond_bad(request, "max", "is for JSON: bytes are those of one message");
        return;
    }
    consume = cfs_http_call_new(api, request, sizeof *consume, CFS_OP_CONSUME, name);
    consume->many = max != NULL;
    consume->raw = raw;
    consume->call.answered = respond_consumed;
    consume->call.give_back = give_back;
    consume->call.cancel_when_gone = true;
    consume->call.in_vain = CFS_ERR_EMPTY;
    consume->call.request.consume =
        (struct cfs_consume){.wait = wait_ms > 0, .leased = true, .max = (uint32_t)count};
    cfs_http_call_ask(&consume->call, CFS_MS(wait_ms));
}

/* ---- ack, nack, extend ---- */

struct settle {
    struct cfs_http_call call;
    uint64_t ids[CFS_CONSUME_MAX];
};

static bool respond_settled(struct cfs_http_call *call, const struct cfs_answer *answer)
{
    const char *name = call->request.name;

    if (answer->error)
        cfs_http_respond_failure(call->http, answer->error);
    else
        cfs_http_respond_json(call->http, 200,
                              json_pack("{s:o, s:i}", "name", cfs_json_bytes(name, strlen(name)),
                                        "count", (int)call->request.settle.count));
    return false;
}

/* Numbers, separated by commas. False after a 400. */
static bool read_ids(struct cfs_http_request *request, uint64_t ids[CFS_CONSUME_MAX],
                     uint32_t *count)
{
    static const char what[] = "is the id that GET answered, or up to 256 of them, a comma between";
    const char *text = cfs_http_query(request, "id");

    for (*count = 0; text && *count < CFS_CONSUME_MAX; (*count)++) {
        char one[ID_TEXT_MAX + 1] = "";
        size_t len = strcspn(text, ",");

        if (len < sizeof one)
            memcpy(one, text, len);
        if (!cfs_http_read_number(request, "id", one, 1, UINT64_MAX, what, &ids[*count]))
            return false;
        text = text[len] ? text + len + 1 : NULL;
    }
    if (*count && !text)
        return true;
    cfs_http_respond_bad(request, "id", what);
    return false;
}

/* Dead letters can be done with as well. */
static bool read_place(struct cfs_http_request *request, enum cfs_op op,
                       enum cfs_message_place *place)
{
    const char *text = op == CFS_OP_ACK ? cfs_http_query(request, "place") : NULL;

    *place = text && strcmp(text, "dead") == 0 ? CFS_DEAD : CFS_INFLIGHT;
    if (!text || *place == CFS_DEAD || strcmp(text, "inflight") == 0)
        return true;
    cfs_http_respond_bad(request, "place", "is inflight or dead");
    return false;
}

static void settle(struct cfs_http_api *api, struct cfs_http_request *request, enum cfs_op op,
                   const char *name)
{
    struct cfs_settle wanted = {0};
    uint64_t ids[CFS_CONSUME_MAX];
    struct settle *settle;

    if (!read_ids(request, ids, &wanted.count) || !read_place(request, op, &wanted.place))
        return;
    settle = cfs_http_call_new(api, request, sizeof *settle, op, name);
    memcpy(settle->ids, ids, wanted.count * sizeof *ids);
    wanted.ids = settle->ids;
    settle->call.request.settle = wanted;
    settle->call.answered = respond_settled;
    cfs_http_call_ask(&settle->call, 0);
}

void cfs_http_queue_ack(struct cfs_http_api *api, struct cfs_http_request *request,
                        const char *name)
{
    settle(api, request, CFS_OP_ACK, name);
}

void cfs_http_queue_nack(struct cfs_http_api *api, struct cfs_http_request *request,
                         const char *name)
{
    settle(api, request, CFS_OP_GIVE_BACK, name);
}

void cfs_http_queue_extend(struct cfs_http_api *api, struct cfs_http_request *request,
                           const char *name)
{
    settle(api, request, CFS_OP_EXTEND, name);
}
