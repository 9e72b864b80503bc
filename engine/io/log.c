/* The log of the daemon: one call, one line, one write(2), so that lines of two threads never mix.
 * Names of locks may hold any byte; what would forge a line or steer a terminal is shown as '?'.
 * Limit: a line is cut at LINE_MAX_BYTES. */
#include "coordfs/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "io/clock.h"

#define LINE_MAX_BYTES 2048

static _Atomic(enum cfs_log_level) log_level = CFS_LOG_INFO;
static atomic_bool log_to_syslog;

static const struct {
    const char *word;
    int priority;
} LEVELS[] = {
    [CFS_LOG_ERROR] = {"error", LOG_ERR},
    [CFS_LOG_WARNING] = {"warning", LOG_WARNING},
    [CFS_LOG_INFO] = {"info", LOG_INFO},
    [CFS_LOG_DEBUG] = {"debug", LOG_DEBUG},
};

void cfs_log_open(enum cfs_log_level level, bool use_syslog)
{
    if (use_syslog)
        openlog("coordfs", LOG_PID | LOG_NDELAY, LOG_DAEMON);
    atomic_store(&log_level, level);
    atomic_store(&log_to_syslog, use_syslog);
}

bool cfs_log_wants(enum cfs_log_level level)
{
    return level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

/* "2026-03-01T12:00:00.123Z warning " into `out`; its length. */
static size_t put_head(char *out, size_t size, enum cfs_log_level level)
{
    cfs_wall_time wall = cfs_clock_wall();
    time_t seconds = (time_t)(wall / CFS_SECONDS(1));
    unsigned ms = (unsigned)(wall / CFS_MS(1) % 1000);
    struct tm utc;
    size_t len;

    gmtime_r(&seconds, &utc);
    len = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &utc);
    return len + (size_t)snprintf(out + len, size - len, ".%03uZ %s ", ms, LEVELS[level].word);
}

static void hide_controls(char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c < ' ' || c == 0x7f)
            *text = '?';
    }
}

static void write_line(const char *line, size_t len)
{
    ssize_t rv;

    do
        rv = write(STDERR_FILENO, line, len);
    while (rv < 0 && errno == EINTR);
}

void cfs_log(enum cfs_log_level level, const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    int saved = errno;
    size_t head, len;
    va_list args;
    int rv;

    if (!cfs_log_wants(level))
        return;
    head = put_head(line, sizeof(line), level);
    errno = saved; /* for %m */
    va_start(args, format);
    rv = vsnprintf(line + head, sizeof(line) - head - 1, format, args);
    va_end(args);
    len = rv < 0 ? 0 : (size_t)rv;
    if (len > sizeof(line) - head - 2)
        len = sizeof(line) - head - 2; /* vsnprintf ended it there; one byte is left for '\n' */
    line[head + len] = '\0';
    hide_controls(line + head);
    if (atomic_load(&log_to_syslog)) {
        syslog(LEVELS[level].priority, "%s", line + head);
    } else {
        line[head + len] = '\n';
        write_line(line, head + len + 1);
    }
    errno = saved;
}
