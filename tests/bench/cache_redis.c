/* Redis over its unix socket: SET and GET. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_client.h"

static int set_key(struct cache *cache)
{
    (void)cache;
    return 0;
}

static ssize_t rest_of_status(const char *line)
{
    return line[0] == '+' ? 0 : -1;
}

static ssize_t rest_of_value(const char *line)
{
    long len = line[0] == '$' ? strtol(line + 1, NULL, 10) : -1;

    return len < 0 ? -1 : (ssize_t)len + 2;
}

static int put(struct cache *cache, const char *data, size_t len)
{
    char line[LINE_BYTES];
    int head = snprintf(line, sizeof(line), "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n",
                        strlen(cache->key), cache->key, len);

    if (wire_send(cache, line, (size_t)head) != 0 || wire_send(cache, data, len) != 0 ||
        wire_send(cache, "\r\n", 2) != 0)
        return -1;
    return wire_answer(cache, rest_of_status) > 0 ? 0 : -1;
}

static ssize_t get(struct cache *cache, const char **value)
{
    char line[LINE_BYTES];
    int len = snprintf(line, sizeof(line), "*2\r\n$3\r\nGET\r\n$%zu\r\n%s\r\n", strlen(cache->key),
                       cache->key);
    ssize_t head;

    if (wire_send(cache, line, (size_t)len) != 0)
        return -1;
    head = wire_answer(cache, rest_of_value);
    if (head < 0)
        return -1;
    *value = cache->in + head;
    return rest_of_value(cache->in) - 2;
}

static void drop(struct cache *cache)
{
    (void)cache;
}

const struct cache_system cache_redis = {"redis", wire_connect, set_key, put, get, drop};
