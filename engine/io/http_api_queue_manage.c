/* Queues over HTTP, for whoever looks after them: settings, purge, remove, and kick, which gives
 * dead letters another chance. */
#include <string.h>

#include "io/http_api_call.h"

static void respond_name(struct cfs_http_call *call)
{
    const char *name = call->request.name;

    cfs_http_respond_json(call->http, 200,
                          json_pack("{s:o}", "name", cfs_json_bytes(name, strlen(name))));
}

static void ask_as_root(struct cfs_http_call *call, enum cfs_op op)
{
    call->request.op = op;
    call->request.queue_caller = (struct cfs_queue_caller){.uid = 0};
    cfs_http_call_ask(call, 0);
}

static bool respond_done(struct cfs_http_call *call, const struct cfs_answer *answer)
{
    if (answer->error)
        cfs_http_respond_failure(call->http, answer->error);
    else
        respond_name(call);
    return false;
}

/* ---- POST /queue/config/{name}: what the query names is set ---- */

/* Numbers of the query, beside visibility_timeout. */
static bool read_limits(struct cfs_http_request *request, struct cfs_queue_set *set)
{
    const char *deliveries = cfs_http_query(request, "max_deliveries");
    const char *messages = cfs_http_query(request, "max_messages");
    const char *bytes = cfs_http_query(request, "max_bytes");
    uint64_t number = 0;

    if ((deliveries && !cfs_http_read_number(request, "max_deliveries", deliveries, 1, UINT32_MAX,
                                             "is a number, 1 or more", &number)) ||
        (messages &&
         !cfs_http_read_number(request, "max_messages", messages, 0, INT64_MAX,
                               "is a number; 0: no bound", &set->config.max_messages)) ||
        (bytes && !cfs_http_read_number(request, "max_bytes", bytes, 0, INT64_MAX,
                                        "is a number; 0: no bound", &set->config.max_bytes)))
        return false;
    set->config.max_deliveries = (uint32_t)number;
    set->fields |= (deliveries ? CFS_CONFIG_MAX_DELIVERIES : 0) |
                   (messages ? CFS_CONFIG_MAX_MESSAGES : 0) | (bytes ? CFS_CONFIG_MAX_BYTES : 0);
    return true;
}

static bool read_visibility(struct cfs_http_request *request, struct cfs_queue_set *set)
{
    if (!cfs_http_query(request, "visibility_timeout"))
        return true;
    set->fields |= CFS_CONFIG_VISIBILITY;
    if (!cfs_http_read_seconds(request, "visibility_timeout", &set->config.visibility_ms))
        return false;
    if (!set->config.visibility_ms)
        cfs_http_respond_bad(request, "visibility_timeout", "is more than 0 seconds");
    return set->config.visibility_ms > 0;
}

static bool read_framing(struct cfs_http_request *request, struct cfs_queue_set *set)
{
    const char *text = cfs_http_query(request, "framing");

    if (!text)
        return true;
    set->fields |= CFS_CONFIG_FRAMING;
    for (int i = CFS_FRAMING_WRITE; i <= CFS_FRAMING_FILE; i++)
        if (strcmp(text, cfs_json_framing((enum cfs_framing)i)) == 0) {
            set->config.framing = (enum cfs_framing)i;
            return true;
        }
    cfs_http_respond_bad(request, "framing", "is write, line or file");
    return false;
}

void cfs_http_queue_configure(struct cfs_http_api *api, struct cfs_http_request *request,
                              const char *name)
{
    struct cfs_queue_set set = {.uid = 0};
    struct cfs_http_call *call;

    if (!read_limits(request, &set) || !read_visibility(request, &set) ||
        !read_framing(request, &set))
        return;
    call = cfs_http_call_new(api, request, sizeof *call, CFS_OP_QUEUE_CONFIG, name);
    call->request.queue_set = set;
    call->answered = respond_done;
    cfs_http_call_ask(call, 0);
}

/* ---- POST /queue/purge/{name} ---- */

void cfs_http_queue_purge(struct cfs_http_api *api, struct cfs_http_request *request,
                          const char *name)
{
    struct cfs_http_call *call = cfs_http_call_new(api, request, sizeof *call, CFS_OP_PURGE, name);

    call->answered = respond_done;
    ask_as_root(call, CFS_OP_PURGE);
}

/* ---- DELETE /queue/{name} ---- */

static bool on_removed(struct cfs_http_call *call, const struct cfs_answer *answer)
{
    if (!answer->error && call->request.op == CFS_OP_PURGE)
        return ask_as_root(call, CFS_OP_QUEUE_REMOVE), true;
    return respond_done(call, answer);
}

void cfs_http_queue_remove(struct cfs_http_api *api, struct cfs_http_request *request,
                           const char *name)
{
    const char *purge = cfs_http_query(request, "purge");
    bool purges = purge && strcmp(purge, "yes") == 0;
    struct cfs_http_call *call;

    if (purge && !purges && strcmp(purge, "no") != 0) {
        cfs_http_respond_bad(request, "purge", "is yes or no");
        return;
    }
    call = cfs_http_call_new(api, request, sizeof *call, CFS_OP_QUEUE_REMOVE, name);
    call->answered = on_removed;
    ask_as_root(call, purges ? CFS_OP_PURGE : CFS_OP_QUEUE_REMOVE);
}

/* ---- POST /queue/kick/{name}: the oldest dead letters, all at once ---- */

struct kick {
    struct cfs_http_call call;
    uint32_t max;
    uint32_t left; /* that the engine has not answered */
    uint32_t kicked;
    enum cfs_error error; /* the first */
};

/* One that another has kicked, or done with, is no error. */
static void end_kick(struct kick *kick)
{
    struct cfs_http_request *http = kick->call.http;

    if (http && kick->error && !kick->kicked)
        cfs_http_respond_failure(http, kick->error);
    else if (http)
        cfs_http_respond_json(http, 200, json_pack("{s:i}", "kicked", (int)kick->kicked));
    cfs_http_call_end(&kick->call);
}

static void on_kicked(void *arg, const struct cfs_answer *answer)
{
    struct kick *kick = arg;

    kick->kicked += !answer->error;
    if (answer->error != CFS_ERR_NO_MESSAGE && !kick->error)
        kick->error = answer->error;
    if (--kick->left == 0)
        end_kick(kick);
}

/* Each to the queue that it is in, which is to be tried anew. */
static bool on_dead(struct cfs_http_call *call, const struct cfs_answer *answer)
{
    struct kick *kick = (struct kick *)call;
    struct cfs_request request = {.op = CFS_OP_MESSAGE_MOVE, .message_move = {.place = CFS_DEAD}};
    uint32_t count = answer->id_count < kick->max ? answer->id_count : kick->max;

    if (answer->error) {
        cfs_http_respond_failure(call->http, answer->error);
        return false;
    }
    memcpy(request.name, call->request.name, sizeof request.name);
    memcpy(request.message_move.to, call->request.name, sizeof request.message_move.to);
    kick->left = count + 1; /* one more until all are asked for */
    for (uint32_t i = 0; i < count; i++) {
        request.message_move.id = answer->ids[i];
        cfs_engine_submit(call->api->engine, &request, on_kicked, kick);
    }
    on_kicked(kick, &(struct cfs_answer){.error = CFS_ERR_NO_MESSAGE});
    return true;
}

void cfs_http_queue_kick(struct cfs_http_api *api, struct cfs_http_request *request,
                         const char *name)
{
    const char *text = cfs_http_query(request, "max");
    uint64_t max = CFS_CONSUME_MAX;
    struct kick *kick;

    if (text && !cfs_http_read_number(request, "max", text, 1, CFS_CONSUME_MAX,
                                      "is a number of messages, from 1 to 256", &max))
        return;
    kick = cfs_http_call_new(api, request, sizeof *kick, CFS_OP_MESSAGE_LIST, name);
    kick->call.request.queue_read.place = CFS_DEAD;
    kick->max = (uint32_t)max;
    kick->call.answered = on_dead;
    cfs_http_call_ask(&kick->call, 0);
}
