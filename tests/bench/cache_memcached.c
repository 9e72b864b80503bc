/* memcached over its unix socket, in its text protocol: set and get. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_client.h"

#define END "END\r\n"

static int set_key(struct cache *cache)
{
    (void)cache;
    return 0;
}

static ssize_t rest_of_stored(const char *line)
{
    return strncmp(line, "STORED", 6) == 0 ? 0 : -1;
}

/* "VALUE key flags bytes": keys of ours have no blank. */
static long value_len(const char *line)
{
    const char *flags = strncmp(line, "VALUE ", 6) == 0 ? strchr(line + 6, ' ') : NULL;
    char *end;

    if (!flags)
        return -1;
    strtoul(flags, &end, 10);
    return strtol(end, NULL, 10);
}

static ssize_t rest_of_value(const char *line)
{
    long len = value_len(line);

    return len < 0 ? -1 : (ssize_t)len + 2 + (ssize_t)strlen(END);
}

static int put(struct cache *cache, const char *data, size_t len)
{
    char line[LINE_BYTES];
    int head = snprintf(line, sizeof(line), "set %s 0 0 %zu\r\n", cache->key, len);

    if (wire_send(cache, line, (size_t)head) != 0 || wire_send(cache, data, len) != 0 ||
        wire_send(cache, "\r\n", 2) != 0)
        return -1;
    return wire_answer(cache, rest_of_stored) > 0 ? 0 : -1;
}

static ssize_t get(struct cache *cache, const char **value)
{
    char line[LINE_BYTES];
    int len = snprintf(line, sizeof(line), "get %s\r\n", cache->key);
    ssize_t head;

    if (wire_send(cache, line, (size_t)len) != 0)
        return -1;
    head = wire_answer(cache, rest_of_value);
    if (head < 0)
        return -1;
    *value = cache->in + head;
    return value_len(cache->in);
}

static void drop(struct cache *cache)
{
    (void)cache;
}

const struct cache_system cache_memcached = {
    "memcached", wire_connect, set_key, put, get, drop,
};
