/* Redis, as reliable queues are built on it: LPUSH sends, BLMOVE takes to a list of the consumer's
 * own, LREM acknowledges. `redis-wait` says WAIT 1 behind each of them: a replica has it too. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue_client.h"

/* Sends a command of `count` words, then the bytes of the last one, which has none in the list. */
static int send_command(struct client *client, const char *data, size_t len, int count, ...)
{
    static char out[MESSAGE_MAX + LINE_BYTES];
    size_t at;
    va_list words;

    at = (size_t)snprintf(out, LINE_BYTES, "*%d\r\n", count + (data != NULL));
    va_start(words, count);
    for (int i = 0; i < count; i++) {
        const char *word = va_arg(words, const char *);

        at += (size_t)snprintf(out + at, LINE_BYTES - at, "$%zu\r\n%s\r\n", strlen(word), word);
    }
    va_end(words);
    if (data) {
        at += (size_t)snprintf(out + at, LINE_BYTES - at, "$%zu\r\n", len);
        memcpy(out + at, data, len);
        at += len;
        out[at++] = '\r';
        out[at++] = '\n';
    }
    return wire_send(client, out, at);
}

static int send_wait(struct client *client)
{
    return send_command(client, NULL, 0, 3, "WAIT", "1", "0");
}

/* The number that answers a command. */
static int number(struct client *client, long *value)
{
    char line[LINE_BYTES];

    if (wire_line(client, line) != 0)
        return -1;
    errno = 0;
    if (line[0] != ':')
        return client_complain(client, line);
    *value = strtol(line + 1, NULL, 10);
    return 0;
}

static int at_least_one(struct client *client)
{
    long value = 0;

    if (number(client, &value) != 0)
        return -1;
    return value > 0 ? 0 : client_complain(client, "nothing was done");
}

static int make(struct client *client)
{
    return wire_connect(client);
}

static int open_client(struct client *client)
{
    snprintf(client->message_name, sizeof(client->message_name), "%s-of-%d", client->queue,
             client->id);
    return wire_connect(client);
}

static int produce(struct client *client, const char *data, size_t len)
{
    if (send_command(client, data, len, 2, "LPUSH", client->queue) != 0)
        return -1;
    return at_least_one(client);
}

static int produce_wait(struct client *client, const char *data, size_t len)
{
    if (send_command(client, data, len, 2, "LPUSH", client->queue) != 0 || send_wait(client) != 0)
        return -1;
    return at_least_one(client) == 0 ? at_least_one(client) : -1;
}

static long take_reply(struct client *client, char *data, size_t size)
{
    char line[LINE_BYTES];
    long len;

    if (wire_line(client, line) != 0)
        return -1;
    errno = 0;
    len = line[0] == '$' ? strtol(line + 1, NULL, 10) : -1;
    if (len < 0 || (size_t)len > size)
        return client_complain(client, line);
    if (wire_bytes(client, data, (size_t)len) != 0)
        return -1;
    memcpy(client->held, data, (size_t)len);
    client->held_len = (size_t)len;
    return len;
}

static int send_take(struct client *client)
{
    return send_command(client, NULL, 0, 6, "BLMOVE", client->queue, client->message_name, "RIGHT",
                        "LEFT", "0");
}

static long take(struct client *client, char *data, size_t size)
{
    return send_take(client) == 0 ? take_reply(client, data, size) : -1;
}

/* WAIT behind a BLMOVE that waits is read by the server when that is over. */
static long take_wait(struct client *client, char *data, size_t size)
{
    long len;

    if (send_take(client) != 0 || send_wait(client) != 0)
        return -1;
    len = take_reply(client, data, size);
    return len < 0 || at_least_one(client) != 0 ? -1 : len;
}

static int acknowledge(struct client *client)
{
    if (send_command(client, client->held, client->held_len, 3, "LREM", client->message_name,
                     "1") != 0)
        return -1;
    return at_least_one(client);
}

static int acknowledge_wait(struct client *client)
{
    if (send_command(client, client->held, client->held_len, 3, "LREM", client->message_name,
                     "1") != 0 ||
        send_wait(client) != 0)
        return -1;
    return at_least_one(client) == 0 ? at_least_one(client) : -1;
}

const struct queue_system queue_redis = {
    "redis", make, open_client, open_client, produce, take, acknowledge,
};

const struct queue_system queue_redis_wait = {
    "redis-wait", make, open_client, open_client, produce_wait, take_wait, acknowledge_wait,
};
