/* Queues as files: a write(2) sends, a read takes, the read of the end acknowledges. `file` keeps
 * its file open; `file-anew` opens and closes it for each message, as `echo >` and `cat` do. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "queue_client.h"

static int open_queue(struct client *client, int flags)
{
    char path[LINE_BYTES];

    snprintf(path, sizeof(path), "%s/queues/%s", client->target, client->queue);
    client->fd = open(path, flags | O_CLOEXEC, 0666);
    return client->fd >= 0 ? 0 : client_complain(client, path);
}

static int make(struct client *client)
{
    char node[16] = "";

    if (open_queue(client, O_WRONLY | O_CREAT) != 0)
        return -1;
    if (fgetxattr(client->fd, "user.coordfs.node", node, sizeof(node) - 1) < 0)
        return client_complain(client, "user.coordfs.node");
    printf("%s\n", node);
    return close(client->fd);
}

static int open_producer(struct client *client)
{
    return open_queue(client, O_WRONLY);
}

static int open_consumer(struct client *client)
{
    return open_queue(client, O_RDONLY);
}

static int produce(struct client *client, const char *data, size_t len)
{
    if (write(client->fd, data, len) != (ssize_t)len)
        return client_complain(client, "write");
    return 0;
}

static long take(struct client *client, char *data, size_t size)
{
    ssize_t got = read(client->fd, data, size);

    return got > 0 ? got : client_complain(client, "read");
}

static int acknowledge(struct client *client)
{
    char end;

    return read(client->fd, &end, 1) == 0 ? 0 : client_complain(client, "the read of the end");
}

const struct queue_system queue_file = {
    "file", make, open_producer, open_consumer, produce, take, acknowledge,
};

static int open_nothing(struct client *client)
{
    (void)client;
    return 0;
}

static int produce_anew(struct client *client, const char *data, size_t len)
{
    if (open_queue(client, O_WRONLY | O_CREAT | O_TRUNC) != 0 || produce(client, data, len) != 0)
        return -1;
    return close(client->fd) == 0 ? 0 : client_complain(client, "close");
}

static long take_anew(struct client *client, char *data, size_t size)
{
    if (open_queue(client, O_RDONLY) != 0)
        return -1;
    return take(client, data, size);
}

static int acknowledge_anew(struct client *client)
{
    if (acknowledge(client) != 0)
        return -1;
    return close(client->fd) == 0 ? 0 : client_complain(client, "close");
}

const struct queue_system queue_file_anew = {
    "file-anew", make, open_nothing, open_nothing, produce_anew, take_anew, acknowledge_anew,
};
