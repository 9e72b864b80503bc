/* JSON for clients. Names and contents are bytes and JSON is UTF-8: a name that is not is shown as
 * it stands in its URL, percent-encoded, and a content as "content_base64" in place of "content".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

/* RFC 3986, 2.3 */
static bool unreserved(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= 'a' && byte <= 'z') || byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

static json_t *percent_encoded(const uint8_t *bytes, size_t len)
{
    char *text = cfs_alloc(len * 3 + 1), *at = text;
    json_t *string;

    for (size_t i = 0; i < len; i++)
        at += unreserved(bytes[i]) ? sprintf(at, "%c", bytes[i]) : sprintf(at, "%%%02X", bytes[i]);
    *at = 0;
    string = json_string(text);
    free(text);
    return string;
}

json_t *cfs_json_bytes(const void *bytes, size_t len)
{
    json_t *string = json_stringn(bytes, len);

    return string ? string : percent_encoded(bytes, len);
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

/* node:pid, or a client's name for itself; comma-separated where several share. */
static json_t *holders(const struct cfs_lock_info *lock)
{
    size_t len = 0;
    char *text = NULL;
    FILE *out = open_memstream(&text, &len);
    json_t *string;

    if (!out)
        return NULL;
    for (uint32_t i = 0; i < lock->holder_count; i++) {
        const struct cfs_holder_info *holder = &lock->holders[i];

        fputs(i ? "," : "", out);
        if (holder->kind != CFS_LEASED)
            fprintf(out, "%u:%u", (unsigned)holder->node, (unsigned)holder->process.pid);
        else
            fputs(holder->owner[0] ? holder->owner : "http", out);
    }
    string = fclose(out) == 0 ? cfs_json_bytes(text, len) : NULL;
    free(text);
    return string;
}

/* RFC 3339, as the extended attribute has it. */
static json_t *moment(cfs_wall_time at)
{
    time_t seconds = (time_t)(at / 1000000);
    char date[32];
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    return json_sprintf("%s.%03uZ", date, (unsigned)(at % 1000000 / 1000));
}

json_t *cfs_json_lock(const char *name, const struct cfs_lock_info *lock)
{
    json_t *object =
        json_pack("{s:o, s:s, s:I, s:o, s:o, s:I}", "name", cfs_json_bytes(name, strlen(name)),
                  "mode", lock->mode == CFS_SHARED ? "shared" : "exclusive", "token",
                  (json_int_t)lock->token, "holder", holders(lock), "since", moment(lock->since),
                  "waiters", (json_int_t)lock->waiters);

    if (object && lock->more_holders)
        json_object_set_new(object, "more_holders", json_integer(lock->more_holders));
    if (object && lock->content_len)
        put_content(object, lock);
    return object;
}
