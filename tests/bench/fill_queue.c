/* One node with a long queue: how fast it grows, what it costs in memory and on the disk, how long
 * a restart takes with it, and how fast it is emptied. Bodies older than the last checkpoint come
 * from the disk.
 *
 *     fill_queue DIRECTORY PORT [MESSAGES [BYTES [BATCH]]]
 *
 * BATCH messages are produced by one request, 64 of which are under way. Prints a line of JSON for
 * each step, with the anonymous memory at its end; `rest` is what is left a while after. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "coordfs/config.h"
#include "coordfs/engine.h"

#define WINDOW 64u /* requests under way */
#define REST_SECONDS 3u

struct bench {
    struct cfs_config config;
    struct cfs_engine *engine;
    uint64_t messages;
    uint32_t bytes, batch;
    uint64_t asked, done; /* messages of the step under way */
    uint32_t under_way;
    double began;
    bool consumes, failed;
};

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static long rss_anon_kb(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    long kb = 0;

    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "RssAnon: %ld", &kb) == 1)
            break;
    if (file)
        fclose(file);
    return kb;
}

static void report(const struct bench *b, const char *step, uint64_t count)
{
    double seconds = now() - b->began;

    printf("{\"step\": \"%s\", \"messages\": %" PRIu64 ", \"seconds\": %.3f, \"per_second\": %.0f, "
           "\"rss_anon_mib\": %.1f}\n",
           step, count, seconds, (double)count / seconds, (double)rss_anon_kb() / 1024);
    fflush(stdout);
}

static struct cfs_request of_queue(enum cfs_op op)
{
    return (struct cfs_request){.op = op, .name = "backlog"};
}

static void go_on(struct bench *b);

static void end_request(struct bench *b, const struct cfs_answer *answer, uint64_t count)
{
    b->under_way--;
    if (answer->error) {
        fprintf(stderr, "failed: %s\n", cfs_error_sentence(answer->error));
        b->failed = true;
    }
    b->done += count;
    go_on(b);
}

static void on_produced(void *arg, const struct cfs_answer *answer)
{
    struct bench *b = arg;

    end_request(b, answer, b->batch);
}

static void on_acked(void *arg, const struct cfs_answer *answer)
{
    end_request(arg, answer, 0);
}

static void on_consumed(void *arg, const struct cfs_answer *answer)
{
    struct cfs_request ack = of_queue(CFS_OP_ACK);
    uint64_t claims[CFS_CONSUME_MAX];
    struct bench *b = arg;

    for (uint32_t i = 0; i < answer->message_count; i++) {
        claims[i] = answer->messages[i].claim;
        if (answer->messages[i].len != b->bytes)
            b->failed = true;
    }
    if (answer->message_count) {
        ack.settle = (struct cfs_settle){
            .place = CFS_INFLIGHT, .ids = claims, .count = answer->message_count};
        b->under_way++;
        cfs_engine_submit(b->engine, &ack, on_acked, b);
    }
    end_request(b, answer->error == CFS_ERR_EMPTY ? &(struct cfs_answer){0} : answer,
                answer->message_count);
}

static void produce(struct bench *b)
{
    struct cfs_request request = of_queue(CFS_OP_PRODUCE);
    uint8_t *data = calloc(b->batch, b->bytes);
    uint32_t *lengths = calloc(b->batch, sizeof *lengths);

    for (uint32_t i = 0; i < b->batch; i++)
        lengths[i] = b->bytes;
    request.produce = (struct cfs_produce){.data = data,
                                           .len = b->batch * b->bytes,
                                           .lengths = lengths,
                                           .count = b->batch,
                                           .wait = true};
    b->asked += b->batch;
    b->under_way++;
    cfs_engine_submit(b->engine, &request, on_produced, b);
    free(data);
    free(lengths);
}

static void consume(struct bench *b)
{
    struct cfs_request request = of_queue(CFS_OP_CONSUME);

    request.consume.max = CFS_CONSUME_MAX;
    b->under_way++;
    cfs_engine_submit(b->engine, &request, on_consumed, b);
}

static void go_on(struct bench *b)
{
    bool over = b->failed || b->done >= b->messages;

    while (!over && b->under_way < WINDOW && (b->consumes || b->asked < b->messages)) {
        if (b->consumes)
            consume(b);
        else
            produce(b);
    }
    if (b->under_way == 0)
        cfs_engine_stop(b->engine);
}

static void run_step(struct bench *b, const char *step, bool consumes)
{
    b->asked = b->done = 0;
    b->consumes = consumes;
    b->began = now();
    go_on(b);
    cfs_engine_run(b->engine);
    report(b, step, b->done);
}

static struct bench bench;

static bool on_rested(void *arg)
{
    struct bench *b = arg;

    cfs_engine_stop(b->engine);
    return false;
}

static void rest(struct bench *b)
{
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

    timerfd_settime(timer, 0, &(struct itimerspec){.it_value.tv_sec = REST_SECONDS}, NULL);
    cfs_engine_watch(b->engine, timer, on_rested, b);
    b->began = now();
    cfs_engine_run(b->engine);
    cfs_engine_unwatch(b->engine, timer);
    close(timer);
    report(b, "rest", 0);
}

static void on_session(void *arg)
{
    struct bench *b = arg;

    cfs_engine_stop(b->engine);
}

static int begin(struct bench *b)
{
    struct cfs_files files = {.arg = b, .session_opened = on_session};

    b->began = now();
    if (cfs_engine_open(&b->engine, &b->config) != 0)
        return -1;
    cfs_engine_set_files(b->engine, &files);
    return cfs_engine_run(b->engine);
}

static void on_made(void *arg, const struct cfs_answer *answer)
{
    struct bench *b = arg;

    b->failed |= answer->error != CFS_OK;
    cfs_engine_stop(b->engine);
}

static void make_queue(struct bench *b)
{
    struct cfs_request request = of_queue(CFS_OP_QUEUE_MAKE);

    cfs_engine_submit(b->engine, &request, on_made, b);
    cfs_engine_run(b->engine);
}

static int set(struct bench *b, const char *key, const char *value)
{
    char why[512];

    if (cfs_config_set(&b->config, key, value, why, sizeof why) == 0)
        return 0;
    fprintf(stderr, "%s\n", why);
    return -1;
}

static int write_secret(struct bench *b, const char *directory)
{
    char path[4000];
    FILE *file;

    snprintf(path, sizeof path, "%s.secret", directory);
    file = fopen(path, "we");
    if (!file || fchmod(fileno(file), 0600) != 0 || fputs("of-this-bench-alone", file) < 0 ||
        fclose(file) != 0)
        return -1;
    return set(b, "secret_file", path);
}

static int configure(struct bench *b, const char *directory, const char *port)
{
    char member[64], why[512];

    cfs_config_init(&b->config);
    snprintf(member, sizeof member, "1@127.0.0.1:%s", port);
    if (set(b, "node", "1") != 0 || set(b, "member", member) != 0 ||
        set(b, "data", directory) != 0 || set(b, "log_level", "warning") != 0)
        return -1;
    if (write_secret(b, directory) != 0)
        return -1;
    b->config.http_open = true;
    if (cfs_config_finish(&b->config, why, sizeof why) == 0)
        return 0;
    fprintf(stderr, "%s\n", why);
    return -1;
}

static int run(struct bench *b)
{
    if (begin(b) != 0)
        return -1;
    make_queue(b);
    run_step(b, "produce", false);
    rest(b);
    cfs_engine_close(b->engine);
    if (begin(b) != 0)
        return -1;
    report(b, "restart", b->messages);
    rest(b);
    run_step(b, "consume", true);
    cfs_engine_close(b->engine);
    return b->failed ? -1 : 0;
}

static uint64_t number(int argc, char **argv, int at, uint64_t otherwise)
{
    return argc > at ? strtoull(argv[at], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    struct bench *b = &bench;

    b->messages = number(argc, argv, 3, 1000000);
    b->bytes = (uint32_t)number(argc, argv, 4, 1024);
    b->batch = (uint32_t)number(argc, argv, 5, 1);
    if (argc < 3 || !b->batch || b->batch > CFS_PRODUCE_MAX ||
        (uint64_t)b->batch * b->bytes > CFS_MESSAGE_MAX) {
        fprintf(stderr, "usage: fill_queue DIRECTORY PORT [MESSAGES [BYTES [BATCH]]]\n");
        return 2;
    }
    return configure(b, argv[1], argv[2]) == 0 && run(b) == 0 ? 0 : 1;
}
