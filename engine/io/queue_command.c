/* What whoever looks after queues asks of them: each verb is a request or two of those below
 * /queue, and its answer in lines. What it writes is for scripts too: a record a line, and nothing
 * when there is nothing to say. */
#include "coordfs/queue_command.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "io/config_value.h"
#include "io/http_server.h"
#include "io/json.h"
#include "io/members_client.h"
#include "io/page.h"

enum {
    HELD_MS = 10000, /* a node's answer may take so much longer than the cluster's to it */
    NOTHING = 2,     /* the status when there is no message */
};

struct job {
    const struct cfs_queue_command *command;
    struct cfs_members_client client;
    unsigned timeout_ms;
    const char *accept;
    struct cfs_http_reply reply; /* the last */
};

static int __attribute__((format(printf, 1, 2))) fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("coordfs queue: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return 1;
}

/* ---- asking ---- */

/* `path` with the queue's name in place of its first %s. */
static __attribute__((format(printf, 3, 4))) int ask(struct job *job, const char *method,
                                                     const char *format, ...)
{
    char path[CFS_PATH_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(path, sizeof path, format, args);
    va_end(args);
    cfs_http_reply_clear(&job->reply);
    if (cfs_members_request(&job->client, method, path, job->accept, job->timeout_ms,
                            &job->reply) == CFS_MEMBERS_OK)
        return 0;
    return job->command->name ? fail("%s: %s", job->command->name, job->client.why)
                              : fail("%s", job->client.why);
}

/* The answer to it; NULL after a message. */
static json_t *read_object(const struct job *job)
{
    json_t *root = job->reply.body ? json_loadb(job->reply.body, job->reply.len, 0, NULL) : NULL;

    if (!json_is_object(root)) {
        json_decref(root);
        fail("the node answers no JSON: is it a coordfs node?");
        return NULL;
    }
    return root;
}

/* A name as it stands in a URL; the caller frees. */
static char *encode(const char *name)
{
    json_t *string = cfs_json_encoded(name, strlen(name));
    size_t size = strlen(json_string_value(string)) + 1;
    char *text = memcpy(cfs_alloc(size), json_string_value(string), size);

    json_decref(string);
    return text;
}

static void print_json(json_t *value)
{
    json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    putchar('\n');
}

/* ---- names ---- */

struct names {
    char **at;
    size_t count, capacity;
};

static void free_names(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->at[i]);
    free(names->at);
}

/* 0 or 1 after a message. */
static int add_names(struct names *names, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *encoded = json_string_value(json_array_get(list, i));
        size_t size = encoded ? strlen(encoded) + 1 : 0;
        char *name;

        if (!encoded)
            return fail("the node answers no names");
        name = memcpy(cfs_alloc(size), encoded, size);
        names->at = cfs_array_room(names->at, names->count, &names->capacity, sizeof *names->at);
        names->at[names->count++] = name;
        if (!cfs_http_decode(name))
            return fail("the node answers no names");
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All of them, sorted. 0 or 1 after a message. */
static int list_names(struct job *job, struct names *names)
{
    char path[CFS_PATH_BYTES] = "/queue";

    while (path[0]) {
        const char *next;
        json_t *root;
        int result;

        if (ask(job, "GET", "%s", path) != 0 || !(root = read_object(job)))
            return 1;
        result = add_names(names, json_object_get(root, "queues"));
        next = json_string_value(json_object_get(root, "next"));
        snprintf(path, sizeof path, "%s", next ? next : "");
        json_decref(root);
        if (result != 0)
            return result;
    }
    if (names->count)
        qsort(names->at, names->count, sizeof *names->at, compare);
    return 0;
}

static int list(struct job *job)
{
    struct names names = {0};
    json_t *array = json_array();
    int result = list_names(job, &names);

    for (size_t i = 0; result == 0 && i < names.count; i++)
        if (job->command->json)
            json_array_append_new(array, cfs_json_bytes(names.at[i], strlen(names.at[i])));
        else
            puts(names.at[i]);
    if (result == 0 && job->command->json)
        print_json(array);
    json_decref(array);
    free_names(&names);
    return result;
}

/* ---- stats ---- */

/* NULL after a message. */
static json_t *ask_stats(struct job *job, const char *name)
{
    char *encoded = encode(name);
    int result = ask(job, "GET", "/queue/stats/%s", encoded);

    free(encoded);
    return result == 0 ? read_object(job) : NULL;
}

static void print_values(json_t *stats)
{
    const char *key;
    json_t *value;

    json_object_foreach(stats, key, value)
    {
        if (strcmp(key, "name") == 0)
            continue;
        printf("%s=", key);
        if (json_is_string(value))
            puts(json_string_value(value));
        else
            print_json(value);
    }
}

static int stats_of_one(struct job *job)
{
    json_t *stats = ask_stats(job, job->command->name);

    if (!stats)
        return 1;
    if (job->command->json)
        print_json(stats);
    else
        print_values(stats);
    json_decref(stats);
    return 0;
}

static void print_table(const json_t *rows)
{
    static const struct cfs_page_column columns[] = {
        {"name", false}, {"ready", true},     {"inflight", true},  {"dead", true},
        {"bytes", true}, {"consumers", true}, {"producers", true}, {"node", true},
    };

    cfs_page_put_table(stdout, rows, columns, sizeof columns / sizeof *columns);
}

/* A queue that has gone since it was listed is left out. */
static int add_stats(struct job *job, json_t *rows, const char *name)
{
    char *encoded = encode(name), path[CFS_PATH_BYTES];
    enum cfs_members_result result;
    json_t *stats;

    snprintf(path, sizeof path, "/queue/stats/%s", encoded);
    free(encoded);
    cfs_http_reply_clear(&job->reply);
    result = cfs_members_request(&job->client, "GET", path, NULL, job->timeout_ms, &job->reply);
    if (job->reply.status == 404)
        return 0;
    if (result != CFS_MEMBERS_OK)
        return fail("%s: %s", name, job->client.why);
    stats = read_object(job);
    return stats && json_array_append_new(rows, stats) == 0 ? 0 : 1;
}

static int stats_of_all(struct job *job)
{
    struct names names = {0};
    json_t *rows = json_array();
    int result = list_names(job, &names);

    for (size_t i = 0; result == 0 && i < names.count; i++)
        result = add_stats(job, rows, names.at[i]);
    if (result == 0 && !job->command->json)
        print_table(rows);
    for (size_t i = 0; result == 0 && job->command->json && i < json_array_size(rows); i++)
        print_json(json_array_get(rows, i));
    json_decref(rows);
    free_names(&names);
    return result;
}

static int stats(struct job *job)
{
    return job->command->name ? stats_of_one(job) : stats_of_all(job);
}

/* ---- peek ---- */

static const char *place_of(const struct job *job)
{
    return job->command->place ? job->command->place : "ready";
}

static int say_nothing_there(const struct job *job)
{
    fail("%s: no message is %s", job->command->name,
         strcmp(place_of(job), "inflight") == 0 ? "in flight" : place_of(job));
    return NOTHING;
}

/* As `cat` would show it. */
static int peek_bytes(struct job *job, const char *encoded)
{
    job->accept = "application/octet-stream";
    if (ask(job, "GET", "/queue/peek/%s?place=%s", encoded, place_of(job)) != 0)
        return 1;
    if (job->reply.status == 204)
        return say_nothing_there(job);
    fwrite(job->reply.len ? job->reply.body : "", 1, job->reply.len, stdout);
    return 0;
}

/* Prints what the node answered, and says how many these are; `after` is the last one's id. */
static size_t print_messages(const json_t *root, uint64_t *after)
{
    const json_t *messages = json_object_get(root, "messages");

    for (size_t i = 0; i < json_array_size(messages); i++) {
        json_t *message = json_array_get(messages, i);

        print_json(message);
        *after = (uint64_t)json_integer_value(json_object_get(message, "id"));
    }
    return json_array_size(messages);
}

static int peek_json(struct job *job, const char *encoded, uint64_t count)
{
    uint64_t after = 0, seen = 0;

    while (seen < count) {
        uint64_t max = count - seen < CFS_CONSUME_MAX ? count - seen : CFS_CONSUME_MAX;
        char behind[40] = "";
        json_t *root;

        if (after)
            snprintf(behind, sizeof behind, "&after=%" PRIu64, after);
        if (ask(job, "GET", "/queue/peek/%s?place=%s&max=%" PRIu64 "%s", encoded, place_of(job),
                max, behind) != 0)
            return 1;
        if (job->reply.status == 204)
            return seen ? 0 : say_nothing_there(job);
        if (!(root = read_object(job)))
            return 1;
        seen += print_messages(root, &after);
        json_decref(root);
    }
    return 0;
}

static int read_count(const struct job *job, uint64_t *count)
{
    const char *text = job->command->count;

    if (text && (cfs_parse_decimal(text, 0, count) != 0 || !*count))
        return fail("%s: expected a number of messages", text);
    return 0;
}

static bool is_place(const char *word)
{
    return strcmp(word, "ready") == 0 || strcmp(word, "inflight") == 0 || strcmp(word, "dead") == 0;
}

static int peek(struct job *job)
{
    uint64_t count = 1;
    char *encoded;
    int result;

    if (read_count(job, &count) != 0)
        return 1;
    if (!is_place(place_of(job)))
        return fail("--place %s: expected ready, inflight or dead", place_of(job));
    encoded = encode(job->command->name);
    result = job->command->json ? peek_json(job, encoded, count) : peek_bytes(job, encoded);
    free(encoded);
    return result;
}

/* ---- purge and kick ---- */

static int purge(struct job *job)
{
    char *encoded = encode(job->command->name);
    int result = ask(job, "POST", "/queue/purge/%s", encoded);

    free(encoded);
    return result;
}

/* Those that are dead now: what dies again meanwhile is not kicked twice. */
static int count_dead(struct job *job, uint64_t *count)
{
    json_t *stats = ask_stats(job, job->command->name);
    uint64_t dead = (uint64_t)json_integer_value(json_object_get(stats, "dead"));

    if (!stats)
        return 1;
    *count = dead < *count ? dead : *count;
    json_decref(stats);
    return 0;
}

/* As many as one request takes; `kicked` 0: there are no more. */
static int kick_some(struct job *job, const char *encoded, uint64_t max, uint64_t *kicked)
{
    json_t *root;

    if (ask(job, "POST", "/queue/kick/%s?max=%" PRIu64, encoded,
            max < CFS_CONSUME_MAX ? max : CFS_CONSUME_MAX) != 0 ||
        !(root = read_object(job)))
        return 1;
    *kicked = (uint64_t)json_integer_value(json_object_get(root, "kicked"));
    json_decref(root);
    return 0;
}

static int kick(struct job *job)
{
    uint64_t count = UINT64_MAX, done = 0, some = 1;
    char *encoded;
    int result = 0;

    if (read_count(job, &count) != 0 || count_dead(job, &count) != 0)
        return 1;
    encoded = encode(job->command->name);
    for (; result == 0 && some && done < count; done += some) {
        some = 0;
        result = kick_some(job, encoded, count - done, &some);
    }
    free(encoded);
    if (done || result == 0)
        printf("%" PRIu64 "\n", done);
    return result;
}

int cfs_queue_run(const struct cfs_queue_command *command, const struct cfs_config *config)
{
    static int (*const verbs[])(struct job * job) = {[CFS_QUEUE_LS] = list,
                                                     [CFS_QUEUE_STATS] = stats,
                                                     [CFS_QUEUE_PEEK] = peek,
                                                     [CFS_QUEUE_PURGE] = purge,
                                                     [CFS_QUEUE_KICK] = kick};
    struct job *job = cfs_alloc_zeroed(1, sizeof *job);
    int status;

    job->command = command;
    job->timeout_ms = config->timeout_ms + HELD_MS;
    if (cfs_members_client_open(&job->client, command->url, config) == 0)
        status = verbs[command->verb](job);
    else
        status = fail("%s", job->client.why);
    if (fflush(stdout) != 0 && status == 0)
        status = fail("cannot write: %m");
    cfs_http_reply_clear(&job->reply);
    free(job);
    return status;
}
