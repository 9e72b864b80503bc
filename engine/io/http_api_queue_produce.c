/* Messages over HTTP: POST of /queue/{name}. The body is one message, or as many as the query cuts
 * it into; all of them are queued, or none.
 *
 * A queue that is not there is made. Two requests to the cluster then, and between them somebody
 * may remove it: it is tried a few times. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "io/http_api_call.h"

enum { TRIES_MAX = 3 };

struct produce {
    struct cfs_http_call call;
    struct cfs_produce messages;
    struct cfs_queue_make make;
    cfs_time wait;
    unsigned tries; /* to make the queue, that are left */
    uint32_t *lengths;
    uint8_t *data; /* where the bodies do not stand side by side in the request */
};

static void free_messages(struct cfs_http_call *call)
{
    struct produce *produce = (struct produce *)call;

    free(produce->lengths);
    free(produce->data);
}

static void ask_to_produce(struct produce *produce)
{
    produce->call.request.op = CFS_OP_PRODUCE;
    produce->call.request.produce = produce->messages;
    cfs_http_call_ask(&produce->call, produce->wait);
}

static void ask_to_make(struct produce *produce)
{
    produce->tries--;
    produce->call.request.op = CFS_OP_QUEUE_MAKE;
    produce->call.request.queue_make = produce->make;
    cfs_http_call_ask(&produce->call, 0);
}

static void respond_produced(struct produce *produce, cfs_message_id last)
{
    const char *name = produce->call.request.name;
    json_t *body = json_pack("{s:o}", "name", cfs_json_bytes(name, strlen(name)));
    json_t *ids = json_array();

    for (uint32_t left = produce->messages.count; left > 0; left--)
        json_array_append_new(ids, cfs_json_number(last - (left - 1)));
    json_object_set_new(body, "id", cfs_json_number(last));
    if (produce->messages.lengths)
        json_object_set(body, "ids", ids);
    json_decref(ids);
    cfs_http_respond_json(produce->call.http, 201, body);
}

static bool on_answer(struct cfs_http_call *call, const struct cfs_answer *answer)
{
    struct produce *produce = (struct produce *)call;
    bool made = call->request.op == CFS_OP_QUEUE_MAKE;

    if (made && !answer->error)
        return ask_to_produce(produce), true;
    if (!made && answer->error == CFS_ERR_NO_QUEUE && produce->tries > 0)
        return ask_to_make(produce), true;
    if (answer->error)
        cfs_http_respond_failure(call->http, cfs_http_call_error(call, answer));
    else
        respond_produced(produce, answer->id);
    return false;
}

/* ---- how the body is cut: each gives false after a 400 ---- */

static bool add_length(struct produce *produce, uint64_t length, size_t *capacity)
{
    struct cfs_produce *messages = &produce->messages;

    if (messages->count == CFS_PRODUCE_MAX)
        return false;
    produce->lengths =
        cfs_array_room(produce->lengths, messages->count, capacity, sizeof *produce->lengths);
    produce->lengths[messages->count++] = (uint32_t)length;
    messages->lengths = produce->lengths;
    return true;
}

/* Each newline ends a message; the last one may have none. */
static bool cut_lines(struct produce *produce, const uint8_t *body, size_t len)
{
    const uint8_t *end = body + len;
    size_t capacity = 0;

    produce->data = cfs_alloc(len + 1);
    while (body < end) {
        const uint8_t *newline = memchr(body, '\n', (size_t)(end - body));
        size_t length = (size_t)((newline ? newline : end) - body);

        memcpy(produce->data + produce->messages.len, body, length);
        if (!add_length(produce, length, &capacity))
            return false;
        produce->messages.len += (uint32_t)length;
        body += length + (newline != NULL);
    }
    produce->messages.data = produce->data;
    return produce->messages.count > 0;
}

static bool cut_by_lengths(struct produce *produce, const char *text, size_t len)
{
    size_t capacity = 0, sum = 0;

    for (;; text++) {
        size_t digits = strspn(text, "0123456789");
        uint64_t length = strtoull(text, NULL, 10);

        if (!digits || length > len - sum || !add_length(produce, length, &capacity))
            return false;
        sum += length;
        text += digits;
        if (*text != ',')
            return !*text && sum == len;
    }
}

static bool cut(struct produce *produce, struct cfs_http_request *request)
{
    const char *framing = cfs_http_query(request, "framing");
    const char *lengths = cfs_http_query(request, "lengths");
    size_t len;
    const uint8_t *body = cfs_http_body(request, &len);

    if (lengths || !framing) {
        produce->messages.data = body ? body : (const uint8_t *)"";
        produce->messages.len = (uint32_t)len;
    }
    if (lengths && (framing || !cut_by_lengths(produce, lengths, len))) {
        cfs_http_respond_bad(request, "lengths",
                             "is the length of each message, a comma between; they add up to the "
                             "body's, and there are at most 16384");
        return false;
    }
    if (framing && (strcmp(framing, "line") != 0 || !cut_lines(produce, body, len))) {
        cfs_http_respond_bad(request, "framing", "is line, and the body has 1 to 16384 of them");
        return false;
    }
    return true;
}

/* ---- the rest of the query ---- */

static bool read_create(struct cfs_http_request *request, unsigned *tries)
{
    const char *text = cfs_http_query(request, "create");

    *tries = text && strcmp(text, "no") == 0 ? 0 : TRIES_MAX;
    if (!text || !*tries || strcmp(text, "yes") == 0)
        return true;
    cfs_http_respond_bad(request, "create", "is yes or no");
    return false;
}

/* Whoever has the secret may do anything; so may everybody with the files then, unless `mode` says
 * otherwise. */
void cfs_http_queue_produce(struct cfs_http_api *api, struct cfs_http_request *request,
                            const char *name)
{
    struct produce *produce =
        cfs_http_call_new(api, request, sizeof *produce, CFS_OP_PRODUCE, name);
    uint32_t wait_ms = 0;

    produce->call.close = free_messages;
    produce->make = (struct cfs_queue_make){.uid = geteuid(), .gid = getegid(), .perm = 0666};
    if (!read_create(request, &produce->tries) ||
        !cfs_http_read_mode(request, &produce->make.perm) ||
        !cfs_http_read_seconds(request, "wait", &wait_ms) || !cut(produce, request)) {
        cfs_http_call_end(&produce->call);
        return;
    }
    produce->wait = CFS_MS(wait_ms);
    produce->messages.wait = wait_ms > 0;
    produce->messages.key = cfs_http_read_key(request);
    produce->call.answered = on_answer;
    produce->call.cancel_when_gone = wait_ms > 0;
    produce->call.in_vain = CFS_ERR_FULL;
    ask_to_produce(produce);
}
