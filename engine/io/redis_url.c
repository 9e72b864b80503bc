/* One URL, from left to right. */
#include "io/redis_url.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/config_value.h"

#define DB_MAX 1000000u
#define DEFAULT_PORT ":6379"

/* What "%41" stands for; 0 when it stands for nothing. */
static char decode_escape(const char *text, const char *end)
{
    char digits[3] = "";

    if (end - text < 3 || !isxdigit((unsigned char)text[1]) || !isxdigit((unsigned char)text[2]))
        return 0;
    memcpy(digits, text + 1, 2);
    return (char)strtoul(digits, NULL, 16);
}

/* The `len` bytes at `text` into `out` of `size`; no NUL, encoded or not. 0 or -1. */
static int decode(const char *text, size_t len, char *out, size_t size)
{
    const char *end = text + len;
    size_t count = 0;

    for (; text < end; text++) {
        char c = *text == '%' ? decode_escape(text, end) : *text;
        if (c == 0 || count + 1 >= size)
            return -1;
        out[count++] = c;
        text += *text == '%' ? 2 : 0;
    }
    out[count] = '\0';
    return 0;
}

/* "USER:PASSWORD"; the user may be missing, the colon not. */
static int parse_login(struct cfs_redis_url *url, const char *text, size_t len)
{
    const char *colon = memchr(text, ':', len);

    if (!colon)
        return -1;
    if (decode(text, (size_t)(colon - text), url->user, sizeof url->user) != 0)
        return -1;
    return decode(colon + 1, len - (size_t)(colon + 1 - text), url->password, sizeof url->password);
}

static int parse_db(struct cfs_redis_url *url, const char *text)
{
    uint64_t db;

    if (cfs_parse_decimal(text, 0, &db) != 0 || db > DB_MAX)
        return -1;
    url->db = (uint32_t)db;
    return 0;
}

/* HOST[:PORT][/DB] */
static int parse_place(struct cfs_redis_url *url, const char *text)
{
    size_t len = strcspn(text, "/");
    const char *colon = memrchr(text, ':', len), *bracket = memrchr(text, ']', len);
    bool has_port = colon && (!bracket || colon > bracket);
    char place[320];

    if (len + sizeof DEFAULT_PORT > sizeof place)
        return -1;
    snprintf(place, sizeof place, "%.*s%s", (int)len, text, has_port ? "" : DEFAULT_PORT);
    if (cfs_parse_address(place, strlen(place), url->host, &url->port) != 0)
        return -1;
    return text[len] && text[len + 1] ? parse_db(url, text + len + 1) : 0;
}

/* /PATH[?db=DB] */
static int parse_path(struct cfs_redis_url *url, const char *text)
{
    size_t len = strcspn(text, "?");

    if (text[0] != '/' || decode(text, len, url->path, sizeof url->path) != 0)
        return -1;
    if (!text[len])
        return 0;
    return strncmp(text + len, "?db=", 4) == 0 ? parse_db(url, text + len + 4) : -1;
}

static void show(struct cfs_redis_url *url)
{
    bool six = strchr(url->host, ':');

    if (url->path[0])
        snprintf(url->shown, sizeof url->shown, "redis+unix://%s?db=%u", url->path, url->db);
    else
        snprintf(url->shown, sizeof url->shown, "redis://%s%s%s:%u/%u", six ? "[" : "", url->host,
                 six ? "]" : "", (unsigned)url->port, url->db);
}

int cfs_redis_url_parse(struct cfs_redis_url *url, const char *text)
{
    static const char tcp[] = "redis://", local[] = "redis+unix://";
    bool is_local = strncmp(text, local, sizeof local - 1) == 0;
    const char *at;

    *url = (struct cfs_redis_url){0};
    if (!is_local && strncmp(text, tcp, sizeof tcp - 1) != 0)
        return -1;
    text += is_local ? sizeof local - 1 : sizeof tcp - 1;
    at = strchr(text, '@');
    if (at && parse_login(url, text, (size_t)(at - text)) != 0)
        return -1;
    text = at ? at + 1 : text;
    if ((is_local ? parse_path(url, text) : parse_place(url, text)) != 0)
        return -1;
    show(url);
    return 0;
}
