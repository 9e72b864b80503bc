/* Connections that have not shown the secret: anyone can make them, so they may not keep those out
 * that have it. They get little time, and beyond a number the oldest is closed for the newest: who
 * has the secret shows it at once, and needs the place for a millisecond. */
#include <sys/socket.h>
#include <utlist.h>

#include "io/http_internal.h"

enum { STRANGERS_MAX = 256, STRANGER_SECONDS = 3 };

void cfs_http_strangers_init(struct cfs_http_strangers *strangers, unsigned connections_max)
{
    unsigned quarter = connections_max / 4;

    *strangers =
        (struct cfs_http_strangers){.max = quarter < STRANGERS_MAX ? quarter : STRANGERS_MAX};
}

void cfs_http_stranger_leave(struct cfs_http_strangers *strangers,
                             struct cfs_http_connection *connection)
{
    if (!connection->stranger)
        return;
    DL_DELETE(strangers->oldest, connection);
    connection->stranger = false;
    strangers->count--;
}

/* libmicrohttpd finds the end of its stream, and closes it. */
static void close_oldest(struct cfs_http_strangers *strangers)
{
    struct cfs_http_connection *oldest = strangers->oldest;

    cfs_http_stranger_leave(strangers, oldest);
    shutdown(oldest->fd, SHUT_RDWR);
}

void cfs_http_stranger_enter(struct cfs_http_strangers *strangers,
                             struct cfs_http_connection *connection)
{
    if (connection->stranger)
        return;
    if (strangers->count >= strangers->max && strangers->oldest)
        close_oldest(strangers);
    DL_APPEND(strangers->oldest, connection);
    connection->stranger = true;
    strangers->count++;
    MHD_set_connection_option(connection->mhd, MHD_CONNECTION_OPTION_TIMEOUT,
                              (unsigned)STRANGER_SECONDS);
}

void cfs_http_stranger_known(struct cfs_http_strangers *strangers,
                             struct cfs_http_connection *connection, unsigned idle_seconds)
{
    cfs_http_stranger_leave(strangers, connection);
    if (!connection->known)
        MHD_set_connection_option(connection->mhd, MHD_CONNECTION_OPTION_TIMEOUT, idle_seconds);
    connection->known = true;
}
