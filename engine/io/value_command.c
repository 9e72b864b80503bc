/* A value over HTTP, for those who have no mount, or want it compared and swapped.
 *
 * All of stdin is read before anything is asked: a producer may think as long as it likes. */
#include "coordfs/value_command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "io/http_server.h"
#include "io/json.h"
#include "io/members_client.h"

enum {
    HELD_MS = 10000,     /* a node's answer may take so much longer than the cluster's to it */
    GATHER_MS = 30000,   /* and reading all of a large value so much */
    VALUE_MAX = 1 << 30, /* no node's max_value is larger */
    READ_MIN = 65536,
};

int cfs_value_fail(const struct cfs_value_command *command, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "coordfs %s: %s: ", command->verb == CFS_VALUE_PUT ? "put" : "get",
            command->key);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return 1;
}

int cfs_value_read_input(const struct cfs_value_command *command, uint8_t **data, size_t *len)
{
    size_t room = 0;
    ssize_t got = 1;

    *data = NULL;
    *len = 0;
    while (got > 0 && *len <= VALUE_MAX) {
        if (room - *len < READ_MIN)
            *data = cfs_realloc(*data, room = room * 2 + READ_MIN);
        do
            got = read(STDIN_FILENO, *data + *len, room - *len);
        while (got < 0 && errno == EINTR);
        if (got > 0)
            *len += (size_t)got;
    }
    if (got < 0)
        return cfs_value_fail(command, "cannot read the value from stdin: %m");
    if (*len > VALUE_MAX)
        return cfs_value_fail(command, "a value has at most 1 GiB, and at most the node's "
                                       "max_value: nothing was changed");
    return 0;
}

/* ---- asking ---- */

struct job {
    const struct cfs_value_command *command;
    struct cfs_members_client client;
    struct cfs_http_question question;
    char *path; /* owned */
    char condition[96];
    struct cfs_http_reply reply;
};

/* 0 once somebody can say, or 1 after a message. */
static int ask(struct job *job)
{
    struct cfs_members_client *client = &job->client;

    return cfs_members_exchange(client, &job->reply, job->path, &job->question) != CFS_MEMBERS_LATER
               ? 0
               : cfs_value_fail(job->command, "%s", client->why);
}

/* /cache/KEY, each name encoded. What begins with invalidate/ would be another route. */
static char *make_path(const char *key, const char *query)
{
    size_t size = sizeof "/cache/%69" + 3 * strlen(key) + strlen(query), len;
    char *path = cfs_alloc(size);
    const char *rest = key;

    len = (size_t)snprintf(path, size, "/cache/");
    if (strncmp(key, "invalidate/", strlen("invalidate/")) == 0) {
        len += (size_t)snprintf(path + len, size - len, "%%69");
        rest++;
    }
    for (;;) {
        size_t part = strcspn(rest, "/");
        json_t *encoded = cfs_json_encoded(rest, part);

        len += (size_t)snprintf(path + len, size - len, "%s", json_string_value(encoded));
        json_decref(encoded);
        rest += part;
        if (!*rest)
            break;
        path[len++] = *rest++;
    }
    snprintf(path + len, size - len, "%s", query);
    return path;
}

/* Whether the answer is an error of that code. */
static bool has_code(const struct job *job, const char *code)
{
    json_t *root = job->reply.body ? json_loadb(job->reply.body, job->reply.len, 0, NULL) : NULL;
    const char *said = json_string_value(json_object_get(root, "code"));
    bool has = said && strcmp(said, code) == 0;

    json_decref(root);
    return has;
}

/* ---- put ---- */

static bool is_version(const char *text)
{
    size_t first = strspn(text, "0123456789"), second;

    if (!first || text[first] != '-')
        return false;
    second = strspn(text + first + 1, "0123456789");
    return second && !text[first + 1 + second] && strlen(text) < 64;
}

static int condition_failed(struct job *job)
{
    if (job->client.unsure)
        return cfs_value_fail(job->command,
                              "not known whether it is done: a node was asked and did not "
                              "answer, and now the value is another one; look at it");
    cfs_value_fail(job->command, job->command->if_absent
                                     ? "there is a value already"
                                     : "the value is not of that version any more; coordfs get "
                                       "--print-version says which it is");
    return CFS_VALUE_NOT_SO;
}

static int say_put(struct job *job)
{
    int status = job->reply.status;

    if (status >= 200 && status < 300)
        return 0;
    if (status == 412)
        return condition_failed(job);
    if (status == 413 && job->command->if_version)
        return cfs_value_fail(job->command,
                              "%s; without --if-version it may be as large as the "
                              "nodes' max_value",
                              job->client.why);
    if (status == 413)
        return cfs_value_fail(job->command,
                              "%s, which is the node's max_value: nothing was "
                              "changed",
                              job->client.why);
    if (status == 404 && has_code(job, "no_file"))
        return cfs_value_fail(job->command, "%s; -p makes it", job->client.why);
    return cfs_value_fail(job->command, "%s", job->client.why);
}

static int put(struct job *job)
{
    const struct cfs_value_command *command = job->command;
    uint8_t *data = NULL;
    int result;

    if (command->if_version && !is_version(command->if_version))
        return cfs_value_fail(command,
                              "--if-version %s: expected what coordfs get "
                              "--print-version prints",
                              command->if_version);
    if (command->if_absent)
        snprintf(job->condition, sizeof job->condition, "If-None-Match: *");
    else if (command->if_version)
        snprintf(job->condition, sizeof job->condition, "If-Match: \"%s\"", command->if_version);
    result = cfs_value_read_input(command, &data, &job->question.len);
    if (result == 0) {
        job->path = make_path(command->key, command->parents ? "?parents=1" : "");
        job->question.method = "POST";
        job->question.header = job->condition[0] ? job->condition : NULL;
        job->question.body = data;
        job->question.silence_ms += (unsigned)(job->question.len >> 10); /* 1 MiB/s at least */
        result = ask(job);
    }
    free(data);
    return result == 0 ? say_put(job) : result;
}

/* ---- get ---- */

/* An ETag without its quotes. */
static void print_version(const struct job *job)
{
    const char *tag = job->reply.etag;
    size_t len = strlen(tag);

    if (len >= 2 && tag[0] == '"')
        printf("%.*s\n", (int)(len - 2), tag + 1);
}

static int get(struct job *job)
{
    job->path = make_path(job->command->key, "");
    job->question.method = "GET";
    job->question.silence_ms += GATHER_MS;
    if (ask(job) != 0)
        return 1;
    if (job->reply.status == 404) {
        cfs_value_fail(job->command, "%s", job->client.why);
        return CFS_VALUE_NOT_SO;
    }
    if (job->reply.status != 200)
        return cfs_value_fail(job->command, "%s", job->client.why);
    if (job->command->print_version)
        print_version(job);
    else if (job->reply.len)
        fwrite(job->reply.body, 1, job->reply.len, stdout);
    return fflush(stdout) == 0 && !ferror(stdout)
               ? 0
               : cfs_value_fail(job->command, "cannot write: %m");
}

int cfs_value_run(const struct cfs_value_command *command, const struct cfs_config *config)
{
    struct job *job = cfs_alloc_zeroed(1, sizeof *job);
    int status;

    job->command = command;
    job->question.reply_max = VALUE_MAX;
    job->question.silence_ms = config->timeout_ms + HELD_MS;
    if (cfs_members_client_open(&job->client, command->url, config) != 0)
        status = cfs_value_fail(command, "%s", job->client.why);
    else
        status = command->verb == CFS_VALUE_PUT ? put(job) : get(job);
    cfs_http_reply_clear(&job->reply);
    free(job->path);
    free(job);
    return status;
}
