/* NATS JetStream: a stream of three replicas in files, and one consumer of it that all pull from.
 * A publish waits for the stream's answer, an acknowledgement for its confirmation. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue_client.h"

static char body[MESSAGE_MAX];

static int publish(struct client *client, const char *data, size_t len, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* To the subject that `format` says, with an inbox for the answer. */
static int publish(struct client *client, const char *data, size_t len, const char *format, ...)
{
    static char out[MESSAGE_MAX + LINE_BYTES];
    char subject[NAME_BYTES];
    va_list words;
    size_t at;

    va_start(words, format);
    vsnprintf(subject, sizeof(subject), format, words);
    va_end(words);
    client->asked++;
    at = (size_t)snprintf(out, LINE_BYTES, "PUB %s _INBOX.%d.%s.%llu %zu\r\n", subject, client->id,
                          client->queue, (unsigned long long)client->asked, len);
    memcpy(out + at, data, len);
    at += len;
    out[at++] = '\r';
    out[at++] = '\n';
    return wire_send(client, out, at);
}

/* The numbers at the end of a MSG or HMSG line: bytes in all, of them a header's. */
static void sizes(char *line, size_t *header, size_t *len)
{
    char *last = strrchr(line, ' ');

    *len = strtoul(last + 1, NULL, 10);
    *header = 0;
    if (line[0] != 'H')
        return;
    *last = '\0';
    *header = strtoul(strrchr(line, ' ') + 1, NULL, 10);
}

/* A delivery says where to acknowledge it: its third word. */
static void keep_reply_subject(struct client *client, const char *line)
{
    const char *at = strstr(line, "$JS.ACK.");

    if (at)
        snprintf(client->message_name, sizeof(client->message_name), "%.*s", (int)strcspn(at, " "),
                 at);
}

/* The next message that comes, in `data` with a NUL behind it; its bytes, -1 with a message. A
 * header, which JetStream sends where it has no message to give, is an error. */
static long next_message(struct client *client, char *data, size_t size)
{
    char line[LINE_BYTES];
    size_t header, len;

    for (;;) {
        if (wire_line(client, line) != 0)
            return -1;
        if (strcmp(line, "PING") == 0 && wire_send(client, "PONG\r\n", 6) != 0)
            return -1;
        errno = 0;
        if (strncmp(line, "-ERR", 4) == 0)
            return client_complain(client, line);
        if (strncmp(line, "MSG ", 4) == 0 || strncmp(line, "HMSG ", 5) == 0)
            break;
    }
    keep_reply_subject(client, line);
    sizes(line, &header, &len);
    if (len >= size)
        return client_complain(client, "a message is too long");
    if (wire_bytes(client, data, len) != 0)
        return -1;
    data[len] = '\0';
    errno = 0;
    return header ? client_complain(client, data) : (long)len;
}

static int answered(struct client *client)
{
    if (next_message(client, body, sizeof(body)) < 0)
        return -1;
    errno = 0;
    return strstr(body, "\"error\"") ? client_complain(client, body) : 0;
}

static int open_client(struct client *client)
{
    char line[LINE_BYTES];
    int len;

    if (wire_connect(client) != 0)
        return -1;
    len = snprintf(line, sizeof(line),
                   "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,"
                   "\"no_responders\":true,\"lang\":\"c\",\"version\":\"1\",\"protocol\":1}\r\n"
                   "SUB _INBOX.%d.%s.* 1\r\nPING\r\n",
                   client->id, client->queue);
    if (wire_send(client, line, (size_t)len) != 0)
        return -1;
    do {
        if (wire_line(client, line) != 0)
            return -1;
    } while (strcmp(line, "PONG") != 0);
    return 0;
}

static int make(struct client *client)
{
    const char *leader;
    char text[LINE_BYTES];
    int len;

    if (open_client(client) != 0)
        return -1;
    len = snprintf(text, sizeof(text),
                   "{\"name\":\"%s\",\"subjects\":[\"q.%s\"],\"retention\":\"workqueue\","
                   "\"storage\":\"file\",\"num_replicas\":3,\"discard\":\"new\"}",
                   client->queue, client->queue);
    if (publish(client, text, (size_t)len, "$JS.API.STREAM.CREATE.%s", client->queue) != 0 ||
        answered(client) != 0)
        return -1;
    leader = strstr(body, "\"leader\":\"");
    if (leader)
        printf("%.*s\n", (int)strcspn(leader + 10, "\""), leader + 10);
    len = snprintf(text, sizeof(text),
                   "{\"stream_name\":\"%s\",\"config\":{\"durable_name\":\"w\","
                   "\"ack_policy\":\"explicit\",\"ack_wait\":30000000000}}",
                   client->queue);
    if (publish(client, text, (size_t)len, "$JS.API.CONSUMER.DURABLE.CREATE.%s.w", client->queue) !=
        0)
        return -1;
    return answered(client);
}

static int produce(struct client *client, const char *data, size_t len)
{
    return publish(client, data, len, "q.%s", client->queue) == 0 ? answered(client) : -1;
}

static long take(struct client *client, char *data, size_t size)
{
    static const char ask[] = "{\"batch\":1,\"expires\":60000000000}";

    if (publish(client, ask, sizeof(ask) - 1, "$JS.API.CONSUMER.MSG.NEXT.%s.w", client->queue) != 0)
        return -1;
    return next_message(client, data, size);
}

static int acknowledge(struct client *client)
{
    if (publish(client, "+ACK", 4, "%s", client->message_name) != 0)
        return -1;
    return next_message(client, body, sizeof(body)) < 0 ? -1 : 0;
}

const struct queue_system queue_nats = {
    "nats", make, open_client, open_client, produce, take, acknowledge,
};
