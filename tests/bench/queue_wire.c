/* A connection that speaks in lines, as Redis, NATS and beanstalkd all do. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "queue_client.h"

#define ANSWER_S 60

int client_complain(const struct client *client, const char *what)
{
    fprintf(stderr, "queue_client %d of %s: %s%s%s\n", client->id, client->target, what,
            errno ? ": " : "", errno ? strerror(errno) : "");
    return -1;
}

int wire_connect(struct client *client)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    const char *colon = strchr(client->target, ':');
    char host[64];
    struct timeval bound = {.tv_sec = ANSWER_S};
    int one = 1;

    if (!colon || (size_t)(colon - client->target) >= sizeof(host))
        return client_complain(client, "the target is not HOST:PORT");
    memcpy(host, client->target, (size_t)(colon - client->target));
    host[colon - client->target] = '\0';
    address.sin_port = htons((uint16_t)strtol(colon + 1, NULL, 10));
    client->wire.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->wire.fd < 0 || inet_pton(AF_INET, host, &address.sin_addr) != 1 ||
        connect(client->wire.fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        return client_complain(client, "connect");
    setsockopt(client->wire.fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound));
    setsockopt(client->wire.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return 0;
}

int wire_send(struct client *client, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(client->wire.fd, data, len, MSG_NOSIGNAL);

        if (sent < 0)
            return client_complain(client, "send");
        data += sent;
        len -= (size_t)sent;
    }
    return 0;
}

static int receive(struct client *client)
{
    struct wire *wire = &client->wire;
    ssize_t got;

    memmove(wire->in, wire->in + wire->begin, wire->end - wire->begin);
    wire->end -= wire->begin;
    wire->begin = 0;
    errno = 0;
    got = recv(wire->fd, wire->in + wire->end, sizeof(wire->in) - wire->end, 0);
    if (got <= 0)
        return client_complain(client, "the connection has ended");
    wire->end += (size_t)got;
    return 0;
}

int wire_line(struct client *client, char line[LINE_BYTES])
{
    struct wire *wire = &client->wire;
    const char *end;
    size_t len;

    while (!(end = memchr(wire->in + wire->begin, '\n', wire->end - wire->begin))) {
        if (receive(client) != 0)
            return -1;
    }
    len = (size_t)(end - (wire->in + wire->begin));
    if (len >= LINE_BYTES)
        return client_complain(client, "a line is too long");
    memcpy(line, wire->in + wire->begin, len);
    line[len > 0 && line[len - 1] == '\r' ? len - 1 : len] = '\0';
    wire->begin += len + 1;
    return 0;
}

int wire_bytes(struct client *client, char *data, size_t len)
{
    struct wire *wire = &client->wire;

    if (len > MESSAGE_MAX)
        return client_complain(client, "a message is too long");
    while (wire->end - wire->begin < len + 2) {
        if (receive(client) != 0)
            return -1;
    }
    if (data)
        memcpy(data, wire->in + wire->begin, len);
    wire->begin += len + 2;
    return 0;
}
