/* JSON for clients: answers and errors. A lock's content and a message's body are bytes and JSON is
 * UTF-8: one that is not is shown as "content_base64" in place of "content". */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "io/http_api_internal.h"

void cfs_http_respond_json(struct cfs_http_request *request, int status, json_t *body)
{
    /* As many digits as a double has: 0.1 is 0.1. */
    char *text = body ? json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;

    json_decref(body);
    if (text)
        cfs_http_respond(request, status, "application/json", text, strlen(text), NULL, NULL);
    else
        cfs_http_respond_failure(request, CFS_ERR_IO);
    free(text);
}

void cfs_http_respond_failure(struct cfs_http_request *request, enum cfs_error error)
{
    if (error == CFS_ERR_EMPTY) /* not one to whoever asks what there is */
        cfs_http_respond(request, 204, NULL, NULL, 0, NULL, NULL);
    else
        cfs_http_respond_error(request, cfs_error_http_status(error), cfs_error_word(error),
                               cfs_error_sentence(error));
}

void cfs_http_respond_bad(struct cfs_http_request *request, const char *field, const char *what)
{
    char sentence[160];

    snprintf(sentence, sizeof sentence, "'%s' %s", field, what);
    cfs_http_respond_error(request, 400, "invalid", sentence);
}

static json_t *base64(const uint8_t *bytes, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = cfs_alloc((len + 2) / 3 * 4), *at = text;
    json_t *string;

    for (size_t i = 0; i < len; i += 3) {
        uint32_t left = (uint32_t)(len - i), group = (uint32_t)bytes[i] << 16;

        group |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
        group |= left > 2 ? bytes[i + 2] : 0;
        *at++ = digits[group >> 18];
        *at++ = digits[group >> 12 & 63];
        *at++ = left > 1 ? digits[group >> 6 & 63] : '=';
        *at++ = left > 2 ? digits[group & 63] : '=';
    }
    string = json_stringn(text, (size_t)(at - text));
    free(text);
    return string;
}

static void put_bytes(json_t *object, const char *key, const char *key_base64, const uint8_t *bytes,
                      size_t len)
{
    json_t *string = json_stringn(len ? (const char *)bytes : "", len);

    if (string)
        json_object_set_new(object, key, string);
    else
        json_object_set_new(object, key_base64, base64(bytes, len));
}

json_t *cfs_http_lock_body(const char *name, const struct cfs_lock_info *lock)
{
    json_t *object = cfs_json_lock(name, lock);

    if (object && lock->more_holders)
        json_object_set_new(object, "more_holders", json_integer(lock->more_holders));
    if (object && lock->content_len)
        put_bytes(object, "content", "content_base64", lock->content, lock->content_len);
    return object;
}

static uint64_t id_of(const struct cfs_message_info *message)
{
    return message->claim ? message->claim : message->id;
}

json_t *cfs_http_message_body(const char *queue, const struct cfs_message_info *message)
{
    json_t *object = json_object();

    json_object_set_new(object, "id", cfs_json_number(id_of(message)));
    if (message->claim)
        json_object_set_new(object, "processing_queue", cfs_json_encoded(queue, strlen(queue)));
    put_bytes(object, "body", "body_base64", message->body, message->len);
    json_object_set_new(object, "message", cfs_json_number(message->id));
    json_object_set_new(object, "deliveries", cfs_json_number(message->deliveries));
    json_object_set_new(object, "sent", cfs_json_moment(message->sent));
    if (message->claim)
        json_object_set_new(object, "left", cfs_json_seconds(message->left / CFS_MS(1)));
    if (message->node)
        json_object_set_new(object, "node", cfs_json_number(message->node));
    return object;
}

void cfs_http_respond_message(struct cfs_http_request *request,
                              const struct cfs_message_info *message)
{
    char id[24];

    snprintf(id, sizeof id, "%" PRIu64, id_of(message));
    cfs_http_respond(request, 200, CFS_BYTES_CONTENT_TYPE, message->body, message->len,
                     "Coordfs-Id", id);
}

json_t *cfs_http_queue_body(const char *name, const struct cfs_queue_info *queue)
{
    const struct cfs_queue_config *config = &queue->config;
    json_t *object = json_object();

    json_object_set_new(object, "name", cfs_json_bytes(name, strlen(name)));
    json_object_set_new(object, "ready", cfs_json_number(queue->ready));
    json_object_set_new(object, "inflight", cfs_json_number(queue->inflight));
    json_object_set_new(object, "dead", cfs_json_number(queue->dead));
    json_object_set_new(object, "bytes", cfs_json_number(queue->bytes));
    json_object_set_new(object, "consumers", cfs_json_number(queue->consumers));
    json_object_set_new(object, "producers", cfs_json_number(queue->producers));
    json_object_set_new(object, "node", cfs_json_number_or_null(queue->node));
    json_object_set_new(object, "mode", json_sprintf("%04o", (unsigned)queue->perm));
    json_object_set_new(object, "uid", cfs_json_number(queue->uid));
    json_object_set_new(object, "gid", cfs_json_number(queue->gid));
    json_object_set_new(object, "mtime", cfs_json_moment(queue->mtime));
    json_object_set_new(object, "visibility_timeout", cfs_json_seconds(config->visibility_ms));
    json_object_set_new(object, "max_deliveries", cfs_json_number(config->max_deliveries));
    json_object_set_new(object, "max_messages", cfs_json_number(config->max_messages));
    json_object_set_new(object, "max_bytes", cfs_json_number(config->max_bytes));
    json_object_set_new(object, "framing", json_string(cfs_json_framing(config->framing)));
    return object;
}
