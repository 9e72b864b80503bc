/* Parameters that routes of several kinds read. Each reader gives false after a 400 that names the
 * field. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <xxhash.h>

#include "io/http_api_internal.h"

enum { SECONDS_MAX = 86400 };

bool cfs_http_read_seconds(struct cfs_http_request *http, const char *field, uint32_t *ms)
{
    const char *text = cfs_http_query(http, field);
    double seconds;
    char *end;

    if (!text)
        return true;
    seconds = strtod(text, &end);
    if (!text[0] || strspn(text, "0123456789.") != strlen(text) || *end || seconds > SECONDS_MAX) {
        cfs_http_respond_bad(http, field, "is a number of seconds, at most 86400");
        return false;
    }
    *ms = (uint32_t)(seconds * 1000 + 0.5);
    return true;
}

bool cfs_http_read_number(struct cfs_http_request *http, const char *field, const char *text,
                          uint64_t min, uint64_t max, const char *what, uint64_t *out)
{
    errno = 0;
    *out = strtoull(text, NULL, 10);
    if (text[0] && strspn(text, "0123456789") == strlen(text) && !errno && *out >= min &&
        *out <= max)
        return true;
    cfs_http_respond_bad(http, field, what);
    return false;
}

bool cfs_http_read_mode(struct cfs_http_request *http, uint32_t *perm)
{
    const char *text = cfs_http_query(http, "mode");

    if (!text)
        return true;
    if (!text[0] || strspn(text, "01234567") != strlen(text) || strlen(text) > 4 ||
        strtoul(text, NULL, 8) > 0777) {
        cfs_http_respond_bad(http, "mode", "is an octal number, at most 0777");
        return false;
    }
    *perm = (uint32_t)strtoul(text, NULL, 8);
    return true;
}

uint64_t cfs_http_read_key(const struct cfs_http_request *http)
{
    const char *text = cfs_http_header(http, "Idempotency-Key");
    uint64_t key = text ? XXH3_64bits(text, strlen(text)) : 0;

    return text && !key ? 1 : key; /* 0 means none */
}

bool cfs_http_wants_bytes(const struct cfs_http_request *http)
{
    const char *accept = cfs_http_header(http, "Accept");

    return accept && strcasecmp(accept, CFS_BYTES_CONTENT_TYPE) == 0;
}
