/* Clients of a queue as fast as they can, each a process with a connection of its own:
 *
 *   queue_client SYSTEM make QUEUE TARGET                          prints who leads it, if somebody
 *   queue_client SYSTEM pass QUEUE SECONDS CLIENTS BYTES TARGET... clients send for that long; then
 *                    as many take and acknowledge all of it. Two lines: messages a second, median
 *                    and 99th percentile of a message in microseconds; of sending, of taking
 *   queue_client SYSTEM both QUEUE SECONDS CLIENTS BYTES TARGET... as many send and take at the
 * same time, and all is taken. One such line, of taking; the times from before the sending to after
 * the taking queue_client SYSTEM wake QUEUE SECONDS 1 BYTES TARGET TARGET   one sends when the
 * other has been waiting for a while. One such line, with the times as above queue_client SYSTEM
 * lines QUEUE SECONDS CLIENTS BYTES TARGET...  sends only, LINES_PER_SENDING lines at once, which a
 * queue with framing=line makes messages of. One line as of sending, in which a message is a line
 * and the times are those of a sending
 *
 * SYSTEM is file or file-anew (TARGET: a mount), redis, redis-wait, nats or beanstalkd (HOST:PORT).
 * Client i uses target i modulo their number; the second half of clients, those that take, begin
 * again at the first. */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "queue_client.h"

#define CLIENTS_MAX 64
#define SAMPLES_MAX (1u << 20) /* of one client; others are not counted in the percentiles */
#define LINES_PER_SENDING 500
#define REST_US 3000 /* wake: until the one who takes is sure to wait */

/* What all processes see. Pages not written cost nothing. */
struct shared {
    atomic_uint ready;
    atomic_bool go;
    atomic_uint sending;       /* clients that still send */
    atomic_long sent, tickets; /* messages; those of them that somebody has undertaken to take */
    atomic_long taken;
    _Atomic uint64_t begin_ns, end_ns; /* of sending, then of taking */
    uint32_t counts[CLIENTS_MAX];
    uint32_t sample_ns[CLIENTS_MAX][SAMPLES_MAX];
};

struct run {
    const struct queue_system *system;
    const char *queue;
    double seconds; /* drain: messages */
    int clients;
    size_t bytes;
    char **targets;
    int target_count;
};

static struct shared *shared;
static char data[MESSAGE_MAX + 1];

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void add_sample(int id, uint64_t ns)
{
    if (shared->counts[id] < SAMPLES_MAX)
        shared->sample_ns[id][shared->counts[id]++] = (uint32_t)ns;
}

static void wait_for_start(void)
{
    atomic_fetch_add(&shared->ready, 1);
    while (!atomic_load(&shared->go))
        usleep(100);
}

/* Each message is another one: who sends it, the how manieth it is, and when. */
static void fill(int id, uint64_t number, size_t bytes)
{
    char head[64];
    int len = snprintf(head, sizeof(head), "%d.%llu.%llu.", id, (unsigned long long)number,
                       (unsigned long long)now_ns());

    memset(data, 'x', bytes);
    memcpy(data, head, (size_t)len < bytes ? (size_t)len : bytes);
}

static uint64_t sent_ns(long len)
{
    char *end;

    data[len] = '\0';
    strtoull(data, &end, 10);
    strtoull(end + 1, &end, 10);
    return strtoull(end + 1, NULL, 10);
}

/* --- what a client does: its exit status ---------------------------------------------------- */

static int send_messages(const struct run *run, struct client *client, bool sampled)
{
    uint64_t end, before, number = 0;

    if (run->system->open_producer(client) != 0)
        return 1;
    wait_for_start();
    before = now_ns();
    end = before + (uint64_t)(run->seconds * 1e9);
    while (before < end) {
        uint64_t after;

        fill(client->id, ++number, run->bytes);
        if (run->system->produce(client, data, run->bytes) != 0)
            return 1;
        atomic_fetch_add(&shared->sent, 1);
        after = now_ns();
        if (sampled)
            add_sample(client->id, after - before);
        before = after;
    }
    atomic_store(&shared->end_ns, before);
    atomic_fetch_sub(&shared->sending, 1);
    return 0;
}

/* Undertakes to take a message, so that nobody waits for one that does not come. */
static bool draw_ticket(void)
{
    for (;;) {
        bool all = atomic_load(&shared->sending) == 0;
        long sent = atomic_load(&shared->sent), ticket = atomic_load(&shared->tickets);

        if (ticket < sent && atomic_compare_exchange_weak(&shared->tickets, &ticket, ticket + 1))
            return true;
        if (ticket >= sent && all)
            return false;
        if (ticket >= sent)
            usleep(50);
    }
}

static int take_messages(const struct run *run, struct client *client, bool through)
{
    uint64_t before;

    if (run->system->open_consumer(client) != 0)
        return 1;
    wait_for_start();
    while (draw_ticket()) {
        long len;

        before = now_ns();
        len = run->system->take(client, data, sizeof(data));
        if (len < 0)
            return 1;
        if (through) {
            add_sample(client->id, now_ns() - sent_ns(len));
        }
        if (run->system->acknowledge(client) != 0)
            return 1;
        if (!through)
            add_sample(client->id, now_ns() - before);
        atomic_fetch_add(&shared->taken, 1);
    }
    atomic_store(&shared->end_ns, now_ns());
    return 0;
}

static int send_to_one_who_waits(const struct run *run, struct client *client)
{
    uint64_t end, number = 0;

    if (run->system->open_producer(client) != 0)
        return 1;
    wait_for_start();
    end = now_ns() + (uint64_t)(run->seconds * 1e9);
    while (now_ns() < end) {
        usleep(REST_US);
        fill(client->id, ++number, run->bytes);
        if (run->system->produce(client, data, run->bytes) != 0)
            return 1;
        while (atomic_load(&shared->taken) < (long)number)
            usleep(100);
    }
    atomic_store(&shared->sending, 0);
    fill(client->id, 0, run->bytes); /* one more, so that the other wakes and sees it */
    return run->system->produce(client, data, run->bytes) != 0;
}

static int wait_and_take(const struct run *run, struct client *client)
{
    if (run->system->open_consumer(client) != 0)
        return 1;
    wait_for_start();
    for (;;) {
        long len = run->system->take(client, data, sizeof(data));

        if (len < 0)
            return 1;
        if (atomic_load(&shared->sending))
            add_sample(client->id, now_ns() - sent_ns(len));
        if (run->system->acknowledge(client) != 0)
            return 1;
        atomic_store(&shared->end_ns, now_ns());
        if (!atomic_load(&shared->sending))
            return 0;
        atomic_fetch_add(&shared->taken, 1);
    }
}

static int send_lines(const struct run *run, struct client *client)
{
    size_t len = (run->bytes + 1) * LINES_PER_SENDING;
    uint64_t end, before;

    if (len > MESSAGE_MAX - 1 || run->system->open_producer(client) != 0)
        return 1;
    memset(data, 'x', len);
    for (size_t i = 1; i <= LINES_PER_SENDING; i++)
        data[i * (run->bytes + 1) - 1] = '\n';
    wait_for_start();
    before = now_ns();
    end = before + (uint64_t)(run->seconds * 1e9);
    while (before < end) {
        if (run->system->produce(client, data, len) != 0)
            return 1;
        atomic_fetch_add(&shared->sent, LINES_PER_SENDING);
        add_sample(client->id, now_ns() - before);
        before = now_ns();
    }
    atomic_store(&shared->end_ns, before);
    return 0;
}

/* --- a run ---------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Messages a second, median and 99th percentile of the samples of all clients. */
static int report(long messages)
{
    double seconds = (double)(shared->end_ns - shared->begin_ns) / 1e9;
    size_t total = 0, median, late;
    uint32_t *all;

    for (int i = 0; i < CLIENTS_MAX; i++)
        total += shared->counts[i];
    all = malloc((total + 1) * sizeof(*all));
    if (!all || total == 0) {
        fprintf(stderr, "queue_client: nothing to report\n");
        free(all);
        return 1;
    }
    total = 0;
    for (int i = 0; i < CLIENTS_MAX; i++) {
        memcpy(all + total, shared->sample_ns[i], shared->counts[i] * sizeof(*all));
        total += shared->counts[i];
    }
    qsort(all, total, sizeof(*all), compare);
    median = total / 2;
    late = total * 99 / 100;
    printf("%.0f %.1f %.1f\n", (double)messages / seconds, all[median] / 1e3, all[late] / 1e3);
    fflush(stdout);
    free(all);
    return 0;
}

enum part { SEND, TAKE, SEND_UNSAMPLED, TAKE_THROUGH, SEND_LINES, WAKE, WAIT };

static int do_part(const struct run *run, struct client *client, enum part part)
{
    switch (part) {
    case SEND:
        return send_messages(run, client, true);
    case SEND_UNSAMPLED:
        return send_messages(run, client, false);
    case TAKE:
        return take_messages(run, client, false);
    case TAKE_THROUGH:
        return take_messages(run, client, true);
    case SEND_LINES:
        return send_lines(run, client);
    case WAKE:
        return send_to_one_who_waits(run, client);
    case WAIT:
        return wait_and_take(run, client);
    }
    return 1;
}

/* Starts `count` clients that do `part`; the first has the number `first`. */
static int start(const struct run *run, int first, int shift, enum part part)
{
    int started = 0;

    for (int i = 0; i < run->clients; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            struct client *client = calloc(1, sizeof(*client));

            prctl(PR_SET_PDEATHSIG, SIGKILL);
            client->target = run->targets[(i + shift) % run->target_count];
            client->queue = run->queue;
            client->id = first + i;
            _exit(do_part(run, client, part));
        }
        started += pid > 0;
    }
    return started;
}

/* Lets `started` clients go together, and waits for their ends. 0, or 1 as soon as one of them has
 * failed; the others end with this process. */
static int let_go(int started)
{
    int failed = 0, status;

    while (atomic_load(&shared->ready) < (unsigned)started && !failed) {
        failed = waitpid(-1, &status, WNOHANG) != 0;
        usleep(1000);
    }
    atomic_store(&shared->begin_ns, now_ns());
    atomic_store(&shared->go, true);
    while (!failed && wait(&status) > 0)
        failed = status != 0;
    return failed;
}

static void begin_anew(void)
{
    atomic_store(&shared->ready, 0);
    atomic_store(&shared->go, false);
    memset(shared->counts, 0, sizeof(shared->counts));
}

static int pass(const struct run *run)
{
    atomic_store(&shared->sending, (unsigned)run->clients);
    if (let_go(start(run, 0, 0, SEND)) != 0 || report(shared->sent) != 0)
        return 1;
    begin_anew();
    return let_go(start(run, 0, 0, TAKE)) != 0 || report(shared->taken) != 0;
}

static int drain(const struct run *run)
{
    atomic_store(&shared->sent, (long)run->seconds);
    return let_go(start(run, 0, 0, TAKE)) != 0 || report(shared->taken) != 0;
}

static int both(const struct run *run)
{
    int started;

    atomic_store(&shared->sending, (unsigned)run->clients);
    started = start(run, 0, 0, SEND_UNSAMPLED);
    started += start(run, run->clients, 0, TAKE_THROUGH);
    return let_go(started) != 0 || report(shared->taken) != 0;
}

static int wake(const struct run *run)
{
    int started;

    atomic_store(&shared->sending, 1);
    started = start(run, 0, 0, WAKE);
    started += start(run, 1, 1, WAIT);
    return let_go(started) != 0 || report(shared->taken) != 0;
}

static int lines(const struct run *run)
{
    return let_go(start(run, 0, 0, SEND_LINES)) != 0 || report(shared->sent) != 0;
}

static int make(const struct run *run)
{
    struct client *client = calloc(1, sizeof(*client));

    client->target = run->targets[0];
    client->queue = run->queue;
    return run->system->make(client) != 0;
}

static const struct queue_system *const systems[] = {
    &queue_file, &queue_file_anew, &queue_redis, &queue_redis_wait, &queue_nats, &queue_beanstalkd,
};

static const struct verb {
    const char *name;
    int (*run)(const struct run *run);
} verbs[] = {{"pass", pass}, {"both", both}, {"wake", wake}, {"drain", drain}, {"lines", lines}};

static const struct queue_system *find_system(const char *name)
{
    for (size_t i = 0; i < sizeof(systems) / sizeof(*systems); i++)
        if (strcmp(systems[i]->name, name) == 0)
            return systems[i];
    return NULL;
}

static int usage(void)
{
    fprintf(stderr, "usage: queue_client SYSTEM make QUEUE TARGET\n"
                    "       queue_client SYSTEM pass|both|wake|drain|lines QUEUE SECONDS CLIENTS "
                    "BYTES TARGET...\n");
    return 2;
}

static int run_verb(const struct run *run, const char *name)
{
    if (run->seconds <= 0 || run->clients < 1 || run->clients * 2 > CLIENTS_MAX || run->bytes < 1 ||
        run->bytes >= MESSAGE_MAX)
        return usage();
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (shared == MAP_FAILED) {
        perror("queue_client: mmap");
        return 1;
    }
    for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return verbs[i].run(run);
    return usage();
}

int main(int argc, char **argv)
{
    struct run run = {0};

    if (argc < 5 || !(run.system = find_system(argv[1])))
        return usage();
    run.queue = argv[3];
    run.targets = argv + 4;
    run.target_count = 1;
    if (strcmp(argv[2], "make") == 0)
        return make(&run);
    if (argc < 8)
        return usage();
    run.seconds = strtod(argv[4], NULL);
    run.clients = (int)strtol(argv[5], NULL, 10);
    run.bytes = strtoul(argv[6], NULL, 10);
    run.targets = argv + 7;
    run.target_count = argc - 7;
    return run_verb(&run, argv[2]);
}
