/* JSON for clients: answers and errors. A content is bytes and JSON is UTF-8: one that is not is
 * shown as "content_base64" in place of "content". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "io/http_api_internal.h"

void cfs_http_respond_json(struct cfs_http_request *request, int status, json_t *body)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

    json_decref(body);
    if (text)
        cfs_http_respond(request, status, "application/json", text, strlen(text), NULL, NULL);
    else
        cfs_http_respond_failure(request, CFS_ERR_IO);
    free(text);
}

void cfs_http_respond_failure(struct cfs_http_request *request, enum cfs_error error)
{
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

static void put_content(json_t *object, const struct cfs_lock_info *lock)
{
    json_t *content = json_stringn((const char *)lock->content, lock->content_len);

    if (content)
        json_object_set_new(object, "content", content);
    else
        json_object_set_new(object, "content_base64", base64(lock->content, lock->content_len));
}

json_t *cfs_http_lock_body(const char *name, const struct cfs_lock_info *lock)
{
    json_t *object = cfs_json_lock(name, lock);

    if (object && lock->more_holders)
        json_object_set_new(object, "more_holders", json_integer(lock->more_holders));
    if (object && lock->content_len)
        put_content(object, lock);
    return object;
}
