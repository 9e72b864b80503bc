/* The listening socket, and through it the options of all that it accepts.
 *
 * A peer whose kernel vanished (power, a cut cable) never closes anything: keepalive notices on a
 * silent connection, TCP_USER_TIMEOUT on one whose data is not acknowledged. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "coordfs/log.h"
#include "io/http_internal.h"

enum {
    KEEPALIVE_SECONDS = 10, /* of silence until the first probe */
    PROBE_SECONDS = 3,
    UNACKNOWLEDGED_MS = 10000,
    BACKLOG = 1024,
};

static void set_number(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof value);
}

/* What accepted sockets inherit is set here, once. */
static int listen_at(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);

    if (fd < 0)
        return -1;
    set_number(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    set_number(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_number(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_number(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_SECONDS);
    set_number(fd, IPPROTO_TCP, TCP_KEEPINTVL, PROBE_SECONDS);
    set_number(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS);
    if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int cfs_http_listen(const char *host, uint16_t port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list;
    char bare[256], service[8];
    int fd = -1, error;

    snprintf(bare, sizeof bare, "%s", host[0] == '[' ? host + 1 : host);
    if (host[0] == '[')
        bare[strcspn(bare, "]")] = 0;
    snprintf(service, sizeof service, "%u", (unsigned)port);
    error = getaddrinfo(bare[0] ? bare : NULL, service, &hints, &list);
    if (error) {
        cfs_log(CFS_LOG_ERROR, "cannot listen on %s:%s: %s", host, service, gai_strerror(error));
        return -1;
    }
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next)
        fd = listen_at(a);
    if (fd < 0)
        cfs_log(CFS_LOG_ERROR, "cannot listen on %s:%s: %s", host, service, strerror(errno));
    freeaddrinfo(list);
    return fd;
}
