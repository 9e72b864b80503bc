/* beanstalkd: put sends, reserve takes, delete acknowledges. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue_client.h"

static int expect(struct client *client, const char *word, char line[LINE_BYTES])
{
    if (wire_line(client, line) != 0)
        return -1;
    errno = 0;
    return strncmp(line, word, strlen(word)) == 0 ? 0 : client_complain(client, line);
}

/* Both ways at once: what is used and what is watched. */
static int open_client(struct client *client)
{
    char line[LINE_BYTES];
    int len;

    if (wire_connect(client) != 0)
        return -1;
    len = snprintf(line, sizeof(line), "use %s\r\nwatch %s\r\nignore default\r\n", client->queue,
                   client->queue);
    if (wire_send(client, line, (size_t)len) != 0 || expect(client, "USING", line) != 0 ||
        expect(client, "WATCHING", line) != 0 || expect(client, "WATCHING", line) != 0)
        return -1;
    return 0;
}

static int produce(struct client *client, const char *data, size_t len)
{
    static char out[MESSAGE_MAX + LINE_BYTES];
    char line[LINE_BYTES];
    size_t at = (size_t)snprintf(out, LINE_BYTES, "put 0 0 30 %zu\r\n", len);

    memcpy(out + at, data, len);
    memcpy(out + at + len, "\r\n", 2);
    return wire_send(client, out, at + len + 2) == 0 ? expect(client, "INSERTED", line) : -1;
}

static long take(struct client *client, char *data, size_t size)
{
    char line[LINE_BYTES], *space;
    size_t len;

    if (wire_send(client, "reserve\r\n", 9) != 0 || expect(client, "RESERVED ", line) != 0)
        return -1;
    space = strchr(line + 9, ' ');
    len = space ? strtoul(space, NULL, 10) : size + 1;
    if (len > size)
        return client_complain(client, line);
    snprintf(client->message_name, sizeof(client->message_name), "%.*s", (int)(space - line - 9),
             line + 9);
    return wire_bytes(client, data, len) == 0 ? (long)len : -1;
}

static int acknowledge(struct client *client)
{
    char line[LINE_BYTES];
    int len = snprintf(line, sizeof(line), "delete %s\r\n", client->message_name);

    return wire_send(client, line, (size_t)len) == 0 ? expect(client, "DELETED", line) : -1;
}

const struct queue_system queue_beanstalkd = {
    "beanstalkd", open_client, open_client, open_client, produce, take, acknowledge,
};
