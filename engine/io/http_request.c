/* What a request says (query, headers, secret) and the usual answers to it. */
#include "io/http_internal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/alloc.h"

const char *cfs_http_method(const struct cfs_http_request *request)
{
    return request->method;
}

const char *cfs_http_path(const struct cfs_http_request *request)
{
    return request->path;
}

const uint8_t *cfs_http_body(const struct cfs_http_request *request, size_t *len)
{
    *len = request->len;
    return request->body;
}

const char *cfs_http_header(const struct cfs_http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->mhd, MHD_HEADER_KIND, name);
}

const char *cfs_http_query(const struct cfs_http_request *request, const char *key)
{
    for (const struct cfs_http_parameter *p = request->parameters; p; p = p->next)
        if (strcmp(p->key, key) == 0)
            return p->value;
    return NULL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool cfs_http_decode(char *text)
{
    char *to = text;

    for (; *text; text++) {
        int high, low;

        if (*text != '%') {
            *to++ = *text;
            continue;
        }
        high = hex_digit(text[1]);
        low = high < 0 ? -1 : hex_digit(text[2]);
        if (low < 0 || (high | low) == 0)
            return false;
        *to++ = (char)(high << 4 | low);
        text += 2;
    }
    *to = 0;
    return true;
}

/* MHD_KeyValueIterator: MHD_NO ends the iteration. */
static enum MHD_Result on_parameter(void *arg, enum MHD_ValueKind kind, const char *key,
                                    const char *value)
{
    struct cfs_http_request *request = arg;
    size_t key_size = strlen(key) + 1, value_size = value ? strlen(value) + 1 : 1;
    struct cfs_http_parameter *p = cfs_alloc_zeroed(1, sizeof *p + key_size + value_size);

    (void)kind;
    p->key = memcpy(p + 1, key, key_size);
    p->value = p->key + key_size;
    if (value)
        memcpy(p->value, value, value_size);
    p->next = request->parameters;
    request->parameters = p;
    if (!cfs_http_decode(p->key) || !cfs_http_decode(p->value))
        request->malformed = key;
    return request->malformed ? MHD_NO : MHD_YES;
}

bool cfs_http_read_query(struct cfs_http_request *request)
{
    MHD_get_connection_values(request->mhd, MHD_GET_ARGUMENT_KIND, on_parameter, request);
    return !request->malformed;
}

void cfs_http_free_query(struct cfs_http_request *request)
{
    while (request->parameters) {
        struct cfs_http_parameter *p = request->parameters;
        request->parameters = p->next;
        free(p);
    }
}

/* Takes as long for any secret of the given length, so that the time tells nothing about ours. */
static bool same_secret(const char *given, const char *secret)
{
    size_t given_len = strlen(given), len = strlen(secret);
    volatile unsigned difference = given_len != len;

    for (size_t i = 0; i < given_len; i++)
        difference |= (unsigned char)given[i] ^ (unsigned char)secret[i < len ? i : len];
    return difference == 0 && len > 0;
}

bool cfs_http_read_secret(const struct cfs_http_request *request, const char *secret)
{
    static const char scheme[] = "Bearer ";
    const char *value = cfs_http_header(request, MHD_HTTP_HEADER_AUTHORIZATION);

    return value && strncasecmp(value, scheme, sizeof scheme - 1) == 0 &&
           same_secret(value + sizeof scheme - 1, secret);
}

bool cfs_http_authorized(const struct cfs_http_request *request)
{
    return request->authorized;
}

static void respond_error(struct cfs_http_request *request, int status, const char *code,
                          const char *sentence, const char *header, const char *value)
{
    json_t *error = json_pack("{s:s, s:s}", "error", sentence, "code", code);
    char *body = error ? json_dumps(error, JSON_COMPACT) : NULL;

    cfs_http_respond(request, status, "application/json", body ? body : "{}",
                     body ? strlen(body) : 2, header, value);
    free(body);
    json_decref(error);
}

void cfs_http_respond_error(struct cfs_http_request *request, int status, const char *code,
                            const char *sentence)
{
    switch (status) {
    case MHD_HTTP_UNAUTHORIZED:
        respond_error(request, status, code, sentence, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                      request->for_peers ? "Coordfs" : "Bearer");
        break;
    case MHD_HTTP_SERVICE_UNAVAILABLE:
    case MHD_HTTP_TOO_MANY_REQUESTS:
        respond_error(request, status, code, sentence, MHD_HTTP_HEADER_RETRY_AFTER, "1");
        break;
    default:
        respond_error(request, status, code, sentence, NULL, NULL);
    }
}

void cfs_http_respond_method(struct cfs_http_request *request, const char *allowed)
{
    respond_error(request, MHD_HTTP_METHOD_NOT_ALLOWED, "method_not_allowed",
                  "this path does not know that method", MHD_HTTP_HEADER_ALLOW, allowed);
}
