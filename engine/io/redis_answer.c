/* Numbers are text, a message is a line of numbers and its bytes: engine/io/redis/2_message.lua. */
#include "io/redis_answer.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

static const char *text_of(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS ? reply->str
                                                                                  : NULL;
}

bool cfs_redis_told(struct cfs_redis_told *told, const struct redisReply *reply)
{
    *told = (struct cfs_redis_told){.value = "", .list = reply};
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 1)
        return false;
    told->word = text_of(reply->element[0]);
    if (reply->elements > 1 && text_of(reply->element[1])) {
        told->value = reply->element[1]->str;
        told->len = (size_t)reply->element[1]->len;
    }
    return told->word;
}

void cfs_redis_loan_end(struct cfs_redis_loan *loan)
{
    free(loan->names.data);
    free(loan->ids);
    loan->names = (struct cfs_writer){0};
    loan->ids = NULL;
}

static enum cfs_error error_of(const char *word)
{
    for (int error = CFS_OK; error < CFS_ERROR_COUNT; error++)
        if (strcmp(cfs_error_word((enum cfs_error)error), word) == 0)
            return (enum cfs_error)error;
    return CFS_ERR_IO;
}

/* Reads `count` numbers with one byte behind each: where they end, or NULL. */
static const char *read_numbers(const char *at, uint64_t *numbers, unsigned count)
{
    char *end;

    for (unsigned i = 0; i < count; i++) {
        numbers[i] = strtoull(at, &end, 10);
        if (end == at)
            return NULL;
        at = end + (*end != '\0');
    }
    return at;
}

/* 0 or -1. */
static int read_messages(const struct cfs_redis_told *told, struct cfs_redis_loan *loan,
                         struct cfs_answer *answer)
{
    const char *at = told->value, *end = told->value + told->len;
    uint64_t n[7];

    while (at < end && answer->message_count < CFS_CONSUME_MAX) {
        at = read_numbers(at, n, 7);
        if (!at || n[6] > (uint64_t)(end - at))
            return -1;
        loan->messages[answer->message_count++] =
            (struct cfs_message_info){.id = n[0],
                                      .claim = n[1],
                                      .deliveries = (uint32_t)n[2],
                                      .sent = n[3],
                                      .left = n[4],
                                      .node = (cfs_node_id)n[5],
                                      .body = (const uint8_t *)at,
                                      .len = (uint32_t)n[6]};
        at += n[6];
    }
    answer->messages = loan->messages;
    return at == end ? 0 : -1;
}

int cfs_redis_read_info(const char *text, struct cfs_queue_info *info)
{
    uint64_t n[16];

    if (!read_numbers(text, n, 16))
        return -1;
    *info = (struct cfs_queue_info){.uid = (uint32_t)n[0],
                                    .gid = (uint32_t)n[1],
                                    .perm = (uint32_t)n[2],
                                    .mtime = n[3],
                                    .ctime = n[4],
                                    .config = {.visibility_ms = (uint32_t)n[5],
                                               .max_deliveries = (uint32_t)n[6],
                                               .max_messages = n[7],
                                               .max_bytes = n[8],
                                               .framing = (enum cfs_framing)n[9]},
                                    .ready = n[10],
                                    .inflight = n[11],
                                    .dead = n[12],
                                    .bytes = n[13],
                                    .consumers = (uint32_t)n[14],
                                    .producers = (uint32_t)n[15]};
    return 0;
}

static void read_names(const redisReply *list, struct cfs_redis_loan *loan,
                       struct cfs_answer *answer)
{
    for (size_t i = 2; i < list->elements; i++)
        cfs_put_raw(&loan->names, list->element[i]->str, (size_t)list->element[i]->len + 1);
    answer->names = (const char *)loan->names.data;
    answer->names_len = (uint32_t)loan->names.len;
}

static void read_ids(const redisReply *list, struct cfs_redis_loan *loan, struct cfs_answer *answer)
{
    size_t count = list->elements > 2 ? list->elements - 2 : 0;

    loan->ids = cfs_alloc_zeroed(count + 1, sizeof *loan->ids);
    for (size_t i = 0; i < count; i++)
        loan->ids[i] = strtoull(list->element[i + 2]->str, NULL, 10);
    answer->ids = loan->ids;
    answer->id_count = (uint32_t)count;
}

static int read_value(enum cfs_op op, const struct cfs_redis_told *told,
                      struct cfs_redis_loan *loan, struct cfs_answer *answer)
{
    switch (op) {
    case CFS_OP_PRODUCE:
        return read_numbers(told->value, &answer->id, 1) ? 0 : -1;
    case CFS_OP_CONSUME:
    case CFS_OP_MESSAGE_GET:
        return read_messages(told, loan, answer);
    case CFS_OP_QUEUE_STAT:
        return cfs_redis_read_info(told->value, &answer->queue);
    case CFS_OP_QUEUE_LIST:
        answer->more = told->value[0] == '1';
        read_names(told->list, loan, answer);
        return 0;
    case CFS_OP_MESSAGE_LIST:
        answer->more = told->value[0] == '1';
        read_ids(told->list, loan, answer);
        return 0;
    default:
        return 0;
    }
}

void cfs_redis_read_answer(enum cfs_op op, const struct cfs_redis_told *told,
                           struct cfs_redis_loan *loan, struct cfs_answer *answer)
{
    *answer = (struct cfs_answer){.error = error_of(told->word)};
    if (answer->error == CFS_OK && read_value(op, told, loan, answer) != 0)
        *answer = (struct cfs_answer){.error = CFS_ERR_IO};
}
