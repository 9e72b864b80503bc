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
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE_MAX (1 << 20)
#define LEAST_BYTES 64 /* more than HEAD_BYTES: a message is not read whole by a first look */
#define HEAD_BYTES 48  /* of a message: who, which, how long */
#define GONE_US 20000  /* until a mount that is not there is looked for again */
#define TROUBLE_US 100000
#define DROP_PERCENT 2

struct worker {
    const char *who, *mount, *queue, *how;
    int history;
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

static void say(const struct worker *worker, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(const struct worker *worker, const char *format, ...)
{
    struct timespec t;
    char line[512];
    va_list words;
    int len;

    clock_gettime(CLOCK_MONOTONIC, &t);
    len = snprintf(line, sizeof(line), "%lld.%06ld %s ", (long long)t.tv_sec, t.tv_nsec / 1000,
                   worker->who);
    va_start(words, format);
    len += vsnprintf(line + len, sizeof(line) - (size_t)len, format, words);
    va_end(words);
    line[len++] = '\n';
    if (write(worker->history, line, (size_t)len) != len)
        exit(3);
}

static void fail(const struct worker *worker, const char *what)
{
    fprintf(stderr, "%s: an error that no call may answer: %s: %s\n", worker->who, what,
            strerror(errno));
    exit(1);
}

/* The last call has failed with errno. Those of a dying daemon, and of a session that has ended,
 * leave open whether it happened. */
static enum outcome failed(const struct worker *worker, const char *what, bool holds)
{
    switch (errno) {
    case EIO:
        if (holds) {
            say(worker, "lost EIO");
            return LOST;
        }
        break;
    case ENOENT:
        if (holds) {
            say(worker, "lost ENOENT");
            return LOST;
        }
        say(worker, "no ENOENT"); /* the mount is gone, or the queue not there yet */
        return NO;
    case ETIMEDOUT:
    case EINTR:
    case ENOTCONN:
    case ECONNABORTED:
        break;
    default:
        fail(worker, what);
    }
    say(worker, "maybe %s", strerrorname_np(errno));
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

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* The message `name` of `len` bytes, into `out`. */
static void write_message(char *out, const char *name, size_t len)
{
    uint64_t state = 88172645463325252u;
    int head = snprintf(out, HEAD_BYTES, "%s %zu\n", name, len);

    for (const char *at = name; *at; at++)
        state = state * 31 + (unsigned char)*at;
    for (size_t i = (size_t)head; i < len; i++)
        out[i] = (char)('a' + next(&state) % 26);
}

static size_t message_size(struct worker *worker)
{
    uint64_t kind = next(&worker->random) % 1000, more = next(&worker->random);

    if (kind < 950)
        return LEAST_BYTES + more % 200;
    if (kind < 998)
        return LEAST_BYTES + more % 8000;
    return LEAST_BYTES + more % 300000;
}

/* The name that the first bytes in `data` tell, and in *len how long the message has to be. */
static bool read_head(size_t have, char name[32], size_t *len)
{
    data[have] = '\0';
    return sscanf(data, "%31s %zu\n", name, len) == 2 && *len >= LEAST_BYTES && *len <= MESSAGE_MAX;
}

static bool is_whole(const char *name, size_t len, size_t have)
{
    if (have != len)
        return false;
    write_message(expected, name, len);
    return memcmp(expected, data, len) == 0;
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
        fail(worker, "open");
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

    write_message(data, name, len);
    say(worker, "send %s", name);
    sent = write(worker->fd, data, len);
    if (sent == (ssize_t)len) {
        say(worker, "ok");
    } else if (sent >= 0) {
        fail(worker, "a short write");
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
        char name[32];

        if (!open_queue(worker, O_WRONLY))
            continue;
        snprintf(name, sizeof(name), "%s.%ld", worker->who, number++);
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
    if (!is_whole(name, len, have)) {
        say(worker, "ok damaged-%s-%zu-of-%zu", name, have, len);
        return OK;
    }
    say(worker, "ok %s", name);
    return OK;
}

static void done(struct worker *worker, const char *name)
{
    enum outcome outcome = MAYBE;

    while (outcome == MAYBE && worker->fd >= 0) {
        char end;
        bool gone;
        int rv;

        say(worker, "done %s", name);
        if (strcmp(worker->how, "close") == 0) {
            rv = close(worker->fd);
            worker->fd = -1;
        } else {
            rv = (int)read(worker->fd, &end, 1);
        }
        if (rv > 0) {
            say(worker, "ok"); /* and more than there should be */
            fail(worker, "bytes behind the end");
        }
        if (rv == 0) {
            say(worker, "ok");
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
    return next(&worker->random) % 100 < DROP_PERCENT;
}

static void drop(struct worker *worker, const char *name)
{
    int rv;

    say(worker, "drop %s", name);
    rv = close(worker->fd);
    worker->fd = -1;
    if (rv == 0)
        say(worker, "ok");
    else
        failed(worker, "close", true);
}

/* A message by reading the queue. */
static void take_stream(struct worker *worker)
{
    char name[32];
    size_t len;
    ssize_t have;

    say(worker, "take %s", worker->how);
    have = read(worker->fd, data, HEAD_BYTES);
    if (have > 0 && !read_head((size_t)have, name, &len)) {
        say(worker, "ok damaged-head");
        return;
    }
    if (have > 0 && breaks_off(worker)) {
        say(worker, "ok %s", name);
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
        say(worker, "no end");
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

static ssize_t read_claim(struct worker *worker, const char *path, char name[32], size_t *len)
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
    say(worker, "%s %s", back ? "drop" : "done", name);
    rv = back ? rename(from, to) : unlink(from);
    if (rv == 0)
        say(worker, "ok");
    else
        failed(worker, "settle", true);
}

static void take_claim(struct worker *worker)
{
    char path[256], name[32];
    size_t len = 0;
    ssize_t have;

    say(worker, "take claim");
    have = read_path(worker, path) == 0 ? read_claim(worker, path, name, &len) : -1;
    if (have < 0) {
        bool gone = daemon_is_gone();

        rest_after(failed(worker, "claim", false));
        if (gone)
            close_quietly(worker);
        return;
    }
    if (have == 0) {
        say(worker, "ok damaged-head");
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
    worker.who = argv[2];
    worker.mount = argv[3];
    worker.queue = argv[4];
    worker.history = open(argv[5], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    worker.random = strtoull(argv[6], NULL, 10) * 2654435761u + 1;
    worker.how = argv[7];
    if (worker.history < 0 || !strchr(worker.who, '@'))
        return usage();
    sigaction(SIGTERM, &action, NULL);
    if (sends)
        return send_all(&worker, strtol(argv[7], NULL, 10), (useconds_t)strtoul(argv[8], NULL, 10));
    return take_all(&worker);
}
