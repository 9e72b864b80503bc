/* Requests from the asking to the answer. */
#include "io/redis_queue_internal.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "core/alloc.h"
#include "io/clock.h"
#include "io/redis_request.h"

/* How long an interrupted request may take to be settled before its caller is let go anyway. */
#define CANCEL_GRACE CFS_MS(50)
/* When Redis has answered an error of its own. */
#define AGAIN_AFTER CFS_MS(200)
/* One look at all calls serves everything that became due in between. */
#define LOOK_GAP CFS_MS(10)

static void move(struct cfs_redis_call *call, struct cfs_redis_call **list)
{
    if (call->list)
        DL_DELETE(*call->list, call);
    call->list = list;
    if (list)
        DL_APPEND(*list, call);
}

static void look_at(struct cfs_redis_queue *queue, cfs_time due)
{
    cfs_time now = cfs_clock_now();

    due = due < now ? now : due; /* a time long past would look like one that was missed */
    if (due != CFS_NEVER && (!queue->look.set || due < queue->look.at))
        cfs_timer_set(queue->loop, &queue->look, due);
}

static bool waits(const struct cfs_redis_call *call)
{
    const struct cfs_request *request = &call->request;

    return request->op == CFS_OP_QUEUE_AWAIT ||
           (request->op == CFS_OP_PRODUCE && request->produce.wait) ||
           (request->op == CFS_OP_CONSUME && request->consume.wait);
}

static struct cfs_redis_call *add_call(struct cfs_redis_queue *queue)
{
    struct cfs_redis_call *call = cfs_alloc_zeroed(1, sizeof *call);

    call->serial = ++queue->next_serial;
    call->deadline = call->give_up = CFS_NEVER;
    HASH_ADD(hh_serial, queue->by_serial, serial, sizeof call->serial, call);
    move(call, &queue->unsent);
    queue->call_count++;
    return call;
}

static void forget_id(struct cfs_redis_queue *queue, struct cfs_redis_call *call)
{
    if (call->id)
        HASH_DELETE(hh_id, queue->by_id, call);
    call->id = 0;
}

static void forget_number(struct cfs_redis_queue *queue, struct cfs_redis_call *call)
{
    if (call->number)
        HASH_DELETE(hh_number, queue->by_number, call);
    call->number = 0;
}

static void drop(struct cfs_redis_queue *queue, struct cfs_redis_call *call)
{
    forget_id(queue, call);
    forget_number(queue, call);
    HASH_DELETE(hh_serial, queue->by_serial, call);
    move(call, NULL);
    queue->call_count--;
    free(call->owned[0]);
    free(call->owned[1]);
    free(call);
}

static void own_request(struct cfs_redis_call *call, const struct cfs_request *request)
{
    struct cfs_produce *produce = &call->request.produce;
    struct cfs_settle *settle = &call->request.settle;

    call->request = *request;
    switch (request->op) {
    case CFS_OP_PRODUCE:
        produce->data = call->owned[0] = cfs_alloc_copy(produce->data, produce->len);
        if (produce->lengths)
            produce->lengths = call->owned[1] =
                cfs_alloc_copy(produce->lengths, produce->count * sizeof *produce->lengths);
        break;
    case CFS_OP_ACK:
    case CFS_OP_GIVE_BACK:
    case CFS_OP_EXTEND:
        settle->ids = call->owned[0] =
            cfs_alloc_copy(settle->ids, settle->count * sizeof *settle->ids);
        break;
    default:
        break;
    }
}

uint64_t cfs_redis_oldest(const struct cfs_redis_queue *queue)
{
    return queue->open ? queue->open->number : queue->next_number;
}

/* That it has waited in line is for HTTP to know, which then says "empty" and not "no majority". */
static void reply_with(struct cfs_redis_queue *queue, struct cfs_redis_call *call,
                       struct cfs_answer *answer)
{
    uint64_t id = call->id;

    answer->queued = call->queued;
    forget_id(queue, call);
    if (id)
        queue->events.answer(queue->events.arg, id, answer);
}

static void reply(struct cfs_redis_queue *queue, struct cfs_redis_call *call, enum cfs_error error)
{
    reply_with(queue, call, &(struct cfs_answer){.error = error});
}

static void send(struct cfs_redis_queue *queue, struct cfs_redis_call *call);

/* What was handed to nobody goes back as if it never had been handed out. */
static void undo(struct cfs_redis_queue *queue, const struct cfs_redis_call *call,
                 const struct cfs_answer *answer)
{
    uint64_t claims[CFS_CONSUME_MAX];
    struct cfs_request request = {
        .op = CFS_OP_GIVE_BACK,
        .settle = {.place = CFS_INFLIGHT, .ids = claims, .count = answer->message_count}};
    struct cfs_redis_call *back;

    for (uint32_t i = 0; i < answer->message_count; i++)
        claims[i] = answer->messages[i].claim;
    memcpy(request.name, call->request.name, sizeof request.name);
    back = add_call(queue);
    own_request(back, &request);
    back->undo = true;
    send(queue, back);
}

/* The end of a wait is known: Redis may forget it. */
static void acknowledge(struct cfs_redis_queue *queue, uint64_t number)
{
    queue->acks =
        cfs_array_room(queue->acks, queue->ack_count, &queue->ack_capacity, sizeof *queue->acks);
    queue->acks[queue->ack_count++] = number;
    if (queue->ack_count == CFS_REDIS_ACKS_MAX)
        cfs_redis_tick_at(queue, 0);
}

void cfs_redis_acked(struct cfs_redis_queue *queue)
{
    if (!queue->acks_under_way)
        return;
    queue->ack_count -= queue->acks_under_way;
    memmove(queue->acks, queue->acks + queue->acks_under_way,
            queue->ack_count * sizeof *queue->acks);
    queue->acks_under_way = 0;
}

static void note_claims(struct cfs_redis_queue *queue, const struct cfs_answer *answer)
{
    for (uint32_t i = 0; i < answer->message_count; i++)
        cfs_redis_tick_at(queue, cfs_clock_now() + answer->messages[i].left);
}

/* The answer is there. */
static void finish(struct cfs_redis_queue *queue, struct cfs_redis_call *call,
                   const struct cfs_redis_told *told)
{
    enum cfs_op op = call->request.op;
    struct cfs_answer answer;

    cfs_redis_read_answer(op, told, &queue->loan, &answer);
    if (call->queued || (call->twice && waits(call)))
        acknowledge(queue, call->number);
    if (op == CFS_OP_CONSUME && answer.message_count) {
        note_claims(queue, &answer);
        if (!call->id)
            undo(queue, call, &answer);
    }
    /* Before anybody hears of it: what he asks next moves the mark on. */
    move(call, NULL);
    reply_with(queue, call, &answer);
    cfs_redis_loan_end(&queue->loan);
    drop(queue, call);
}

static void now_queued(struct cfs_redis_queue *queue, struct cfs_redis_call *call)
{
    call->queued = true;
    call->deadline = CFS_NEVER; /* from now on it depends on contact alone */
    move(call, &queue->queued);
    look_at(queue, queue->contact + queue->timeout);
}

/* Redis knows nothing of it: its session had ended. It is asked as if for the first time. */
static void ask_anew(struct cfs_redis_queue *queue, struct cfs_redis_call *call)
{
    if (call->queued)
        acknowledge(queue, call->number);
    forget_number(queue, call);
    call->queued = false;
    call->deadline = cfs_clock_now() + queue->timeout;
    look_at(queue, call->deadline);
    move(call, &queue->unsent);
    send(queue, call);
}

/* Redis has answered something that is not the end of the call: false if it is. */
static bool goes_on(struct cfs_redis_queue *queue, struct cfs_redis_call *call, const char *word)
{
    if (strcmp(word, "who") == 0) {
        cfs_redis_unknown(queue);
        return true;
    }
    cfs_redis_heard(queue);
    if (strcmp(word, "queued") == 0) {
        if (!call->queued && !call->cancelling)
            now_queued(queue, call);
        return true;
    }
    if (strcmp(word, "unknown") != 0)
        return false;
    if (!call->cancelling)
        ask_anew(queue, call);
    return true;
}

/* What a reply belongs to. */
struct asking {
    struct cfs_redis_queue *queue;
    uint64_t serial;
    bool cancelled; /* it was the cancelling that was asked */
};

static void take_error(struct cfs_redis_queue *queue, struct cfs_redis_call *call,
                       const char *error)
{
    const struct cfs_redis_told told = {.word = cfs_error_word(CFS_ERR_NO_SPACE), .value = ""};

    cfs_redis_complain(queue, error);
    /* Nothing has been done: the first write of a run is refused, or none. */
    if (!call->cancelling && (strncmp(error, "OOM", 3) == 0 || strstr(error, strerror(ENOSPC))))
        finish(queue, call, &told);
    else
        look_at(queue, cfs_clock_now() + AGAIN_AFTER);
}

static void on_reply(void *arg, const struct redisReply *reply)
{
    struct asking asking = *(struct asking *)arg;
    struct cfs_redis_call *call;
    struct cfs_redis_told told;

    free(arg);
    if (!reply) /* the link is down, and says so itself */
        return;
    HASH_FIND(hh_serial, asking.queue->by_serial, &asking.serial, sizeof asking.serial, call);
    if (!call)
        return;
    if (call->cancelling == asking.cancelled)
        call->under_way = false;
    if (reply->type == REDIS_REPLY_ERROR)
        take_error(asking.queue, call, reply->str);
    else if (!cfs_redis_told(&told, reply))
        cfs_redis_complain(asking.queue, "an answer that makes no sense");
    else if (!goes_on(asking.queue, call, told.word))
        finish(asking.queue, call, &told);
}

/* The first sending of a change gives it its number. */
static void identify(struct cfs_redis_queue *queue, struct cfs_redis_call *call)
{
    call->twice = call->number;
    if (call->number || !cfs_redis_is_change(call->request.op))
        return;
    call->number = queue->next_number++;
    HASH_ADD(hh_number, queue->by_number, number, sizeof call->number, call);
    move(call, &queue->open);
}

static void send(struct cfs_redis_queue *queue, struct cfs_redis_call *call)
{
    bool asks = call->cancelling || call->queued; /* what became of it */
    struct cfs_redis_args args = {0};
    struct asking *asking;

    if (!queue->greeted || call->under_way || call->wrong)
        return;
    identify(queue, call);
    cfs_redis_begin(queue, &args,
                    call->cancelling ? "cancel"
                    : call->queued   ? "poll"
                                     : cfs_redis_verb(call->request.op),
                    call->number);
    if (asks) {
        cfs_redis_add_text(&args, call->request.name);
        cfs_redis_add_number(&args, call->request.op == CFS_OP_CONSUME);
    } else {
        cfs_redis_add_request(&args, &call->request, call->undo);
    }
    asking = cfs_alloc(sizeof *asking);
    *asking = (struct asking){queue, call->serial, call->cancelling};
    call->under_way = true;
    call->stale = false;
    cfs_redis_run(queue, &args, on_reply, asking);
}

/* What the request itself can be refused for. */
static enum cfs_error check(const struct cfs_redis_queue *queue, const struct cfs_request *request)
{
    return queue->call_count >= CFS_REQUESTS_MAX ? CFS_ERR_TOO_MANY : cfs_redis_check(request);
}

void cfs_redis_submit(struct cfs_redis_queue *queue, uint64_t id, const struct cfs_request *request)
{
    enum cfs_error wrong = check(queue, request);
    struct cfs_redis_call *call = add_call(queue);

    call->id = id;
    HASH_ADD(hh_id, queue->by_id, id, sizeof call->id, call);
    call->wrong = wrong;
    if (!wrong)
        own_request(call, request);
    if (!wrong && !cfs_redis_is_change(request->op))
        move(call, &queue->reads);
    /* What cannot be answered is told so by the next look, never from within this. */
    call->deadline = cfs_clock_now() + (queue->available && !wrong ? queue->timeout : 0);
    look_at(queue, call->deadline);
    send(queue, call);
}

static void begin_cancelling(struct cfs_redis_queue *queue, struct cfs_redis_call *call)
{
    if (call->cancelling)
        return;
    call->cancelling = true;
    call->under_way = false;
    send(queue, call);
}

void cfs_redis_cancel(struct cfs_redis_queue *queue, uint64_t id)
{
    struct cfs_redis_call *call;

    HASH_FIND(hh_id, queue->by_id, &id, sizeof id, call);
    if (!call || call->give_up != CFS_NEVER)
        return;
    call->give_up = cfs_clock_now() + (call->number ? CANCEL_GRACE : 0);
    look_at(queue, call->give_up);
    if (call->number && waits(call))
        begin_cancelling(queue, call);
}

/* The caller is let go; what he asked for must not happen later. */
static void give_up(struct cfs_redis_queue *queue, struct cfs_redis_call *call,
                    enum cfs_error error)
{
    if (error != CFS_ERR_INTERRUPTED && !call->wrong &&
        cfs_clock_now() >= queue->contact + queue->timeout)
        queue->available = false;
    reply(queue, call, error);
    call->deadline = call->give_up = CFS_NEVER;
    if (call->number)
        begin_cancelling(queue, call);
    else
        drop(queue, call);
}

static bool give_up_due(struct cfs_redis_queue *queue, struct cfs_redis_call *call, cfs_time now)
{
    bool out_of_contact = call->queued && now >= queue->contact + queue->timeout;

    if (!call->id)
        return false;
    if (call->give_up <= now)
        give_up(queue, call, CFS_ERR_INTERRUPTED);
    else if (call->deadline > now && !out_of_contact)
        return false;
    else if (call->wrong)
        give_up(queue, call, call->wrong);
    else
        give_up(queue, call, queue->session ? CFS_ERR_IO : CFS_ERR_TIMED_OUT);
    return true;
}

static bool has_to_be_sent(const struct cfs_redis_call *call)
{
    return !call->under_way && (!call->queued || call->stale || call->cancelling);
}

static void look_at_list(struct cfs_redis_queue *queue, struct cfs_redis_call *list, cfs_time now)
{
    struct cfs_redis_call *call, *next;

    DL_FOREACH_SAFE (list, call, next) {
        if (give_up_due(queue, call, now))
            continue;
        if (has_to_be_sent(call))
            send(queue, call);
        if (!call->id)
            continue;
        look_at(queue, call->deadline);
        look_at(queue, call->give_up);
        if (call->queued)
            look_at(queue, queue->contact + queue->timeout);
    }
}

static void on_look(void *arg)
{
    struct cfs_redis_queue *queue = arg;
    cfs_time now;

    cfs_redis_halted(queue, queue->look.at);
    now = cfs_clock_now();
    look_at_list(queue, queue->unsent, now);
    look_at_list(queue, queue->open, now);
    look_at_list(queue, queue->queued, now);
    look_at_list(queue, queue->reads, now);
    if (queue->look.set && queue->look.at < now + LOOK_GAP)
        cfs_timer_set(queue->loop, &queue->look, now + LOOK_GAP);
}

static void postpone(struct cfs_redis_call *list, cfs_time duration)
{
    for (; list; list = list->next) {
        if (list->deadline != CFS_NEVER)
            list->deadline += duration;
        if (list->give_up != CFS_NEVER)
            list->give_up += duration;
    }
}

void cfs_redis_halted(struct cfs_redis_queue *queue, cfs_time planned)
{
    cfs_time now = cfs_clock_now(), late;

    /* Of several timers that come late together only the first one counts. */
    planned = planned < queue->awake ? queue->awake : planned;
    queue->awake = now;
    late = now > planned ? now - planned : 0;
    if (late < queue->timeout / 10) /* every timer comes a little late */
        return;
    queue->contact += late;
    postpone(queue->unsent, late);
    postpone(queue->open, late);
    postpone(queue->queued, late);
    postpone(queue->reads, late);
}

static void send_list(struct cfs_redis_queue *queue, struct cfs_redis_call *list)
{
    struct cfs_redis_call *call, *next;

    DL_FOREACH_SAFE (list, call, next)
        if (has_to_be_sent(call))
            send(queue, call);
}

void cfs_redis_send_all(struct cfs_redis_queue *queue)
{
    send_list(queue, queue->open);
    send_list(queue, queue->queued);
    send_list(queue, queue->unsent);
    send_list(queue, queue->reads); /* they see what was asked before them */
}

void cfs_redis_calls_down(struct cfs_redis_queue *queue)
{
    struct cfs_redis_call *call;

    for (call = queue->by_serial; call; call = call->hh_serial.next)
        call->under_way = false;
    cfs_redis_doubt_waits(queue);
}

void cfs_redis_doubt_waits(struct cfs_redis_queue *queue)
{
    struct cfs_redis_call *call;

    DL_FOREACH (queue->queued, call)
        call->stale = true;
    send_list(queue, queue->queued);
}

/* "number word value" */
void cfs_redis_news(struct cfs_redis_queue *queue, const char *text, size_t len)
{
    char *end, word[32] = "";
    uint64_t number = strtoull(text, &end, 10);
    size_t word_len = *end ? strcspn(end + 1, " ") : sizeof word;
    struct cfs_redis_told told = {.word = word};
    struct cfs_redis_call *call;

    HASH_FIND(hh_number, queue->by_number, &number, sizeof number, call);
    if (!call || word_len >= sizeof word)
        return;
    memcpy(word, end + 1, word_len);
    told.value = end + 1 + word_len;
    told.value += *told.value == ' ';
    told.len = len - (size_t)(told.value - text);
    call->queued = true; /* it was, though the news of its end overtook that of its beginning */
    finish(queue, call, &told);
}

void cfs_redis_calls_init(struct cfs_redis_queue *queue)
{
    queue->next_number = 1;
    queue->look = (struct cfs_timer){.fn = on_look, .arg = queue};
}

void cfs_redis_calls_close(struct cfs_redis_queue *queue)
{
    struct cfs_redis_call *call, *next;

    cfs_timer_cancel(queue->loop, &queue->look);
    HASH_ITER (hh_serial, queue->by_serial, call, next)
        drop(queue, call);
    free(queue->acks);
    cfs_redis_loan_end(&queue->loan);
}
