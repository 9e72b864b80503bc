/* One producer or consumer of a queue under test. It writes each call to the history as it begins
 * and as it ends (history.py explains the lines), and goes on until it is told to end:
 *
 *   worker send WHO MOUNT QUEUE HISTORY SEED COUNT PAUSE_US    COUNT messages, a pause after each
 *   worker take WHO MOUNT QUEUE HISTORY SEED HOW               until SIGTERM
 *
 * HOW says how it takes a message and acknowledges it:
 *
 *   end      one open file, and the read of the end
 *   anew     the same, and a file opened anew for each message, as `cat` does
 *   close    no read of the end: the close, once all bytes were read
 *   claim    the path from .QUEUE/claim; cat and rm of the message
 *
 * Now and then it breaks a delivery off on purpose: closes with bytes unread, or moves a claim
 * back. A message says which it is and what has to be in it: every byte of it is checked. */
#include "../record.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MESSAGE_MAX (1 << 20)
#define LEAST_BYTES 64 /* more than HEAD_BYTES: a message is not read whole by a first look */
#define HEAD_BYTES 48  /* of a message: who, which, how long */
#define GONE_US 20000  /* until a mount that is not there is looked for again */
#define TROUBLE_US 100000
#define DROP_PERCENT 2

struct worker {
    struct record record;
    const char *mount, *queue, *how;
    uint64_t random;
    int fd; /* of the queue, -1: not open */
};

enum outcome { OK, NO, MAYBE, LOST };

static volatile sig_atomic_t told_to_end;
static char data[MESSAGE_MAX + 1], expected[MESSAGE_MAX + 1];

static void on_term(int signal)
{
    (void)signal;
    told_to_end = 1;
}

/* --- the history --------------------------------------------------------------------------- */

/* The last call has failed with errno. Those of a dying daemon, and of a session that has ended,
 * leave open whether it happened. */
static enum outcome failed(const struct worker *worker, const char *what, bool holds)
{
    switch (errno) {
    case EIO:
        if (holds) {
            chaos_say(&worker->record, "lost EIO");
            return LOST;
        }
        break;
    case ENOENT:
        if (holds) {
            chaos_say(&worker->record, "lost ENOENT");
            return LOST;
        }
        chaos_say(&worker->record, "no ENOENT"); /* the mount is gone, or the queue not there yet */
        return NO;
    case ETIMEDOUT:
    case EINTR:
    case ENOTCONN:
    case ECONNABORTED:
        break;
    default:
        chaos_fail(&worker->record, what);
    }
    chaos_say(&worker->record, "maybe %s", strerrorname_np(errno));
    return MAYBE;
}

/* Errors can come much faster than answers. */
static void rest_after(enum outcome outcome)
{
    if (outcome == MAYBE || outcome == LOST)
        usleep(TROUBLE_US);
}

static bool daemon_is_gone(void)
{
    return errno == ENOTCONN || errno == ECONNABORTED;
}

/* --- messages ------------------------------------------------------------------------------ */

static size_t message_size(struct worker *worker)
{
    uint64_t kind = chaos_next(&worker->random) % 1000, more = chaos_next(&worker->random);

    if (kind < 950)
        return LEAST_BYTES + more % 200;
    if (kind < 998)
        return LEAST_BYTES + more % 8000;
    return LEAST_BYTES + more % 300000;
}

static bool read_head(size_t have, char name[BODY_NAME], size_t *len)
{
    return body_read_head(data, have, name, len) && *len >= LEAST_BYTES && *len <= MESSAGE_MAX;
}

/* --- the queue ------------------------------------------------------------------------------ */

static int open_at(struct worker *worker, const char *name, int flags)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/queues/%s", worker->mount, name);
    return open(path, flags | O_CLOEXEC);
}

/* Without a daemon there is no mount for a while, and an empty directory in its place; without the
 * store behind all there is EIO. */
static bool open_queue(struct worker *worker, int flags)
{
    char name[256];

    if (worker->fd >= 0)
        return true;
    snprintf(name, sizeof(name), strcmp(worker->how, "claim") == 0 ? ".%s/claim" : "%s",
             worker->queue);
    worker->fd = open_at(worker, name, flags);
    if (worker->fd >= 0)
        return true;
    if (errno != ENOENT && errno != ETIMEDOUT && errno != EINTR && errno != EIO &&
        !daemon_is_gone())
        chaos_fail(&worker->record, "open");
    usleep(GONE_US);
    return false;
}

static void close_quietly(struct worker *worker)
{
    if (worker->fd >= 0)
        close(worker->fd);
    worker->fd = -1;
}

/* --- sending -------------------------------------------------------------------------------- */

static void send_one(struct worker *worker, const char *name, size_t len)
{
    ssize_t sent;

    body_write(data, name, len);
    chaos_say(&worker->record, "send %s", name);
    sent = write(worker->fd, data, len);
    if (sent == (ssize_t)len) {
        chaos_say(&worker->record, "ok");
    } else if (sent >= 0) {
        chaos_fail(&worker->record, "a short write");
    } else {
        bool gone = daemon_is_gone();

        rest_after(failed(worker, "write", false));
        if (gone)
            close_quietly(worker);
    }
}

static int send_all(struct worker *worker, long count, useconds_t pause_us)
{
    worker->how = "send";
    for (long number = 1; number <= count && !told_to_end;) {
        char name[BODY_NAME];

        if (!open_queue(worker, O_WRONLY))
            continue;
        snprintf(name, sizeof(name), "%s.%ld", worker->record.who, number++);
        *strchr(name, '@') = '-';
        send_one(worker, name, message_size(worker));
        if (pause_us)
            usleep(pause_us);
    }
    close_quietly(worker);
    return 0;
}

/* --- taking --------------------------------------------------------------------------------- */

/* Reads from `fd` until `len` bytes are there, of which `have` are. Gives how many there are in the
 * end; -1 with errno. */
static ssize_t read_on(int fd, size_t have, size_t len)
{
    while (have < len) {
        ssize_t got = read(fd, data + have, len - have);

        if (got < 0)
            return -1;
        if (got == 0)
            break;
        have += (size_t)got;
    }
    return (ssize_t)have;
}

/* The answer of the take that is under way. */
static enum outcome taken(struct worker *worker, const char *name, size_t len, size_t have)
{
    if (!body_is_whole(data, have, name, len, expected)) {
        chaos_say(&worker->record, "ok damaged-%s-%zu-of-%zu", name, have, len);
        return OK;
    }
    chaos_say(&worker->record, "ok %s", name);
    return OK;
}

static void done(struct worker *worker, const char *name)
{
    enum outcome outcome = MAYBE;

    while (outcome == MAYBE && worker->fd >= 0) {
        char end;
        bool gone;
        int rv;

        chaos_say(&worker->record, "done %s", name);
        if (strcmp(worker->how, "close") == 0) {
            rv = close(worker->fd);
            worker->fd = -1;
        } else {
            rv = (int)read(worker->fd, &end, 1);
        }
        if (rv > 0) {
            chaos_say(&worker->record, "ok"); /* and more than there should be */
            chaos_fail(&worker->record, "bytes behind the end");
        }
        if (rv == 0) {
            chaos_say(&worker->record, "ok");
            return;
        }
        gone = daemon_is_gone();
        outcome = failed(worker, "done", true);
        rest_after(outcome);
        if (gone)
            close_quietly(worker);
    }
}

static bool breaks_off(struct worker *worker)
{
    return chaos_next(&worker->random) % 100 < DROP_PERCENT;
}

static void drop(struct worker *worker, const char *name)
{
    int rv;

    chaos_say(&worker->record, "drop %s", name);
    rv = close(worker->fd);
    worker->fd = -1;
    if (rv == 0)
        chaos_say(&worker->record, "ok");
    else
        failed(worker, "close", true);
}

/* A message by reading the queue. */
static void take_stream(struct worker *worker)
{
    char name[BODY_NAME];
    size_t len;
    ssize_t have;

    chaos_say(&worker->record, "take %s", worker->how);
    have = read(worker->fd, data, HEAD_BYTES);
    if (have > 0 && !read_head((size_t)have, name, &len)) {
        chaos_say(&worker->record, "ok damaged-head");
        return;
    }
    if (have > 0 && breaks_off(worker)) {
        chaos_say(&worker->record, "ok %s", name);
        drop(worker, name);
        return;
    }
    if (have > 0)
        have = read_on(worker->fd, (size_t)have, len);
    if (have < 0) {
        bool gone = daemon_is_gone();

        rest_after(failed(worker, "read", false));
        if (gone)
            close_quietly(worker);
        return;
    }
    if (have == 0) { /* the end of a message whose acknowledgement nobody knows */
        chaos_say(&worker->record, "no end");
        return;
    }
    taken(worker, name, len, (size_t)have);
    done(worker, name);
    if (strcmp(worker->how, "end") != 0)
        close_quietly(worker);
}

/* The path of a claim, relative to queues/. 0 or -1 with errno. */
static int read_path(struct worker *worker, char path[256])
{
    ssize_t len = read(worker->fd, path, 255), end;
    char none;

    if (len <= 0)
        return -1;
    path[len - 1] = '\0';
    end = read(worker->fd, &none, 1);
    return end == 0 ? 0 : -1;
}

static ssize_t read_claim(struct worker *worker, const char *path, char name[BODY_NAME],
                          size_t *len)
{
    int fd = open_at(worker, path, O_RDONLY);
    ssize_t have;

    if (fd < 0)
        return -1;
    have = read_on(fd, 0, HEAD_BYTES);
    if (have > 0 && !read_head((size_t)have, name, len))
        have = 0;
    if (have > 0)
        have = read_on(fd, (size_t)have, *len);
    close(fd);
    return have;
}

static void settle_claim(struct worker *worker, const char *path, const char *name)
{
    char from[4096], to[4096];
    bool back = breaks_off(worker);
    int rv;

    snprintf(from, sizeof(from), "%s/queues/%s", worker->mount, path);
    snprintf(to, sizeof(to), "%s/queues/.%s/ready/%s", worker->mount, worker->queue,
             strrchr(path, '/') + 1);
    chaos_say(&worker->record, "%s %s", back ? "drop" : "done", name);
    rv = back ? rename(from, to) : unlink(from);
    if (rv == 0)
        chaos_say(&worker->record, "ok");
    else
        failed(worker, "settle", true);
}

static void take_claim(struct worker *worker)
{
    char path[256], name[32];
    size_t len = 0;
    ssize_t have;

    chaos_say(&worker->record, "take claim");
    have = read_path(worker, path) == 0 ? read_claim(worker, path, name, &len) : -1;
    if (have < 0) {
        bool gone = daemon_is_gone();

        rest_after(failed(worker, "claim", false));
        if (gone)
            close_quietly(worker);
        return;
    }
    if (have == 0) {
        chaos_say(&worker->record, "ok damaged-head");
        return;
    }
    taken(worker, name, len, (size_t)have);
    settle_claim(worker, path, name);
}

static int take_all(struct worker *worker)
{
    while (!told_to_end) {
        if (!open_queue(worker, O_RDONLY))
            continue;
        if (strcmp(worker->how, "claim") == 0)
            take_claim(worker);
        else
            take_stream(worker);
    }
    close_quietly(worker);
    return 0;
}

/* --- */

static int usage(void)
{
    fprintf(stderr, "usage: worker send WHO MOUNT QUEUE HISTORY SEED COUNT PAUSE_US\n"
                    "       worker take WHO MOUNT QUEUE HISTORY SEED HOW\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_term}; /* no SA_RESTART: it ends the wait */
    struct worker worker = {.fd = -1};
    bool sends = argc == 9 && strcmp(argv[1], "send") == 0;

    if (!sends && !(argc == 8 && strcmp(argv[1], "take") == 0))
        return usage();
    worker.record.who = argv[2];
    worker.mount = argv[3];
    worker.queue = argv[4];
    worker.record.fd = open(argv[5], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    worker.random = strtoull(argv[6], NULL, 10) * 2654435761u + 1;
    worker.how = argv[7];
    if (worker.record.fd < 0 || !strchr(worker.record.who, '@'))
        return usage();
    sigaction(SIGTERM, &action, NULL);
    if (sends)
        return send_all(&worker, strtol(argv[7], NULL, 10), (useconds_t)strtoul(argv[8], NULL, 10));
    return take_all(&worker);
}
