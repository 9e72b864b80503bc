/* A connection over a unix socket whose answers are a line and so many bytes behind it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cache_client.h"

#define ANSWER_S 60

int wire_connect(struct cache *cache)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval bound = {.tv_sec = ANSWER_S};

    errno = ENAMETOOLONG;
    if (strlen(cache->target) >= sizeof(address.sun_path))
        return cache_complain(cache, "the socket");
    memcpy(address.sun_path, cache->target, strlen(cache->target));
    cache->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (cache->fd < 0 || connect(cache->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        return cache_complain(cache, "connect");
    setsockopt(cache->fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound));
    return 0;
}

int wire_send(struct cache *cache, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(cache->fd, data, len, MSG_NOSIGNAL);

        if (sent < 0)
            return cache_complain(cache, "send");
        data += sent;
        len -= (size_t)sent;
    }
    return 0;
}

ssize_t wire_answer(struct cache *cache, ssize_t (*rest)(const char *line))
{
    size_t have = 0, line = 0, all = sizeof(cache->in);

    while (have < all) {
        ssize_t got = recv(cache->fd, cache->in + have, all - have, 0), behind;
        const char *end;

        if (got <= 0)
            return cache_complain(cache, "the connection has ended");
        have += (size_t)got;
        if (line > 0 || !(end = memchr(cache->in, '\n', have)))
            continue;
        line = (size_t)(end - cache->in) + 1;
        behind = rest(cache->in);
        errno = 0;
        if (behind < 0 || line + (size_t)behind > sizeof(cache->in))
            return cache_complain(cache, "another answer than was asked for");
        all = line + (size_t)behind;
    }
    return (ssize_t)line;
}
