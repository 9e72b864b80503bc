/* What queue_client knows of a queueing system: how a client of it connects, sends a message, and
 * takes one and says that it is done. All of it waits for the answer. */
#ifndef QUEUE_CLIENT_H
#define QUEUE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_MAX (1 << 20)
#define NAME_BYTES 512
#define LINE_BYTES 4096

/* A connection that speaks in lines. */
struct wire {
    int fd;
    size_t begin, end; /* of what is in `in` and not used yet */
    char in[MESSAGE_MAX + LINE_BYTES];
};

struct client {
    const char *target; /* a mount, or HOST:PORT */
    const char *queue;
    int id; /* among the clients of a run */
    int fd;
    struct wire wire;
    char message_name[NAME_BYTES]; /* of what was taken last, for who acknowledges by name */
    char held[MESSAGE_MAX];        /* likewise its bytes, for who acknowledges by these */
    size_t held_len;
    uint64_t asked; /* requests that have an answer of their own */
};

/* 0 or -1 after a message, unless it says otherwise. */
struct queue_system {
    const char *name;
    int (*make)(struct client *client); /* connects, and makes the queue; prints who leads it, if
                                           somebody does */
    int (*open_producer)(struct client *client);
    int (*open_consumer)(struct client *client);
    int (*produce)(struct client *client, const char *data, size_t len);
    long (*take)(struct client *client, char *data, size_t size); /* waits; bytes */
    int (*acknowledge)(struct client *client);
};

extern const struct queue_system queue_file, queue_file_anew, queue_redis, queue_redis_wait,
    queue_nats, queue_beanstalkd;

/* Says what went wrong, with errno where that is not 0. Gives -1. */
int client_complain(const struct client *client, const char *what);

/* Connects to the target. */
int wire_connect(struct client *client);

/* Sends all of it. */
int wire_send(struct client *client, const char *data, size_t len);

/* The next line without its end, in `line`. */
int wire_line(struct client *client, char line[LINE_BYTES]);

/* The next `len` bytes and the line end behind them, `data` NULL: thrown away. */
int wire_bytes(struct client *client, char *data, size_t len);

#endif
