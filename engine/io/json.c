/* Names are bytes and JSON is UTF-8: a name that is not is shown as it stands in its URL,
 * percent-encoded. */
#include "io/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/alloc.h"

json_t *cfs_json_number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

json_t *cfs_json_number_or_null(uint64_t value)
{
    return value ? cfs_json_number(value) : json_null();
}

/* RFC 3986, 2.3 */
static bool unreserved(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= 'a' && byte <= 'z') || byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

json_t *cfs_json_encoded(const void *from, size_t len)
{
    const uint8_t *bytes = from;
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

    return string ? string : cfs_json_encoded(bytes, len);
}

json_t *cfs_json_seconds(uint64_t ms)
{
    return ms % 1000 ? json_real((double)ms / 1000) : json_integer((json_int_t)(ms / 1000));
}

const char *cfs_json_mode(enum cfs_lock_mode mode)
{
    return mode == CFS_SHARED ? "shared" : "exclusive";
}

const char *cfs_json_framing(enum cfs_framing framing)
{
    static const char *const words[] = {
        [CFS_FRAMING_WRITE] = "write", [CFS_FRAMING_LINE] = "line", [CFS_FRAMING_FILE] = "file"};

    return words[framing];
}

static void put_holder(FILE *out, const struct cfs_holder_info *holder)
{
    if (holder->kind != CFS_LEASED)
        fprintf(out, "%u:%u", (unsigned)holder->node, (unsigned)holder->process.pid);
    else
        fputs(holder->owner[0] ? holder->owner : "http", out);
}

json_t *cfs_json_holders(const struct cfs_holder_info *holders, uint32_t count)
{
    size_t len = 0;
    char *text = NULL;
    FILE *out = open_memstream(&text, &len);
    json_t *string;

    if (!out)
        return NULL;
    for (uint32_t i = 0; i < count; i++) {
        fputs(i ? "," : "", out);
        put_holder(out, &holders[i]);
    }
    string = fclose(out) == 0 ? cfs_json_bytes(text, len) : NULL;
    free(text);
    return string;
}

json_t *cfs_json_moment(cfs_wall_time at)
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
    return json_pack("{s:o, s:s, s:I, s:o, s:o, s:I}", "name", cfs_json_bytes(name, strlen(name)),
                     "mode", cfs_json_mode(lock->mode), "token", (json_int_t)lock->token, "holder",
                     cfs_json_holders(lock->holders, lock->holder_count), "since",
                     cfs_json_moment(lock->since), "waiters", (json_int_t)lock->waiters);
}
