#include "record.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct timespec chaos_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t;
}

void chaos_say(const struct record *record, const char *format, ...)
{
    struct timespec t = chaos_now();
    char line[512];
    va_list words;
    int len;

    len =
        snprintf(line, sizeof(line), "%lld.%09ld %s ", (long long)t.tv_sec, t.tv_nsec, record->who);
    va_start(words, format);
    len += vsnprintf(line + len, sizeof(line) - (size_t)len, format, words);
    va_end(words);
    line[len++] = '\n';
    if (write(record->fd, line, (size_t)len) != len)
        exit(3);
}

void chaos_fail(const struct record *record, const char *what)
{
    fprintf(stderr, "%s: an error that no call may answer: %s: %s\n", record->who, what,
            strerror(errno));
    exit(1);
}

uint64_t chaos_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

void body_write(char *out, const char *name, size_t len)
{
    uint64_t state = 88172645463325252u;
    char head[BODY_NAME + 24];
    size_t at = (size_t)snprintf(head, sizeof(head), "%s %zu\n", name, len);

    memcpy(out, head, at);
    for (const char *c = name; *c; c++)
        state = state * 31 + (unsigned char)*c;
    for (; at < len; at++)
        out[at] = (char)('a' + chaos_next(&state) % 26);
}

size_t body_least(const char *name)
{
    return strlen(name) + sizeof(" 99\n") - 1;
}

bool body_read_head(char *data, size_t have, char name[BODY_NAME], size_t *len)
{
    data[have] = '\0';
    return sscanf(data, "%31s %zu\n", name, len) == 2 && *len >= body_least(name);
}

bool body_is_whole(const char *data, size_t have, const char *name, size_t len, char *scratch)
{
    if (have != len)
        return false;
    body_write(scratch, name, len);
    return memcmp(scratch, data, len) == 0;
}
