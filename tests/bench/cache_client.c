/* One client of a cache, as fast as it can:
 *
 *   cache_client SYSTEM get   SECONDS BYTES TARGET [TARGET]    gets a value again and again, from
 * the last target; it was stored at the first cache_client SYSTEM put   SECONDS BYTES TARGET
 * replaces a value again and again cache_client SYSTEM miss  SECONDS BYTES TARGET TARGET      gets,
 * from the second target, a value under a new name that was stored at the first: the getting
 *   cache_client SYSTEM renew SECONDS BYTES TARGET TARGET      likewise a value that it had until
 *                             another was stored under the same name
 *   cache_client SYSTEM share SECONDS BYTES TARGET TARGET...   cache_share.c
 *   cache_client spawn  SECONDS COMMAND...                     starts a program and waits for its
 * end, again and again; what it prints is thrown away
 *
 * SYSTEM is file, file-rename or file-held (TARGET: a mount, or a directory that has a cache/),
 * redis or memcached (TARGET: a unix socket). Each value that is read is looked at. Prints one
 * line: how many a second, median and 99th percentile in microseconds; `share` also reads, and of
 * them stale, back and torn. What was stored is removed. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cache_client.h"

#define SAMPLES_MAX (1u << 24) /* others are counted, and not in the percentiles */

static uint32_t *samples; /* pages not written cost nothing */
static uint64_t sample_count;
static char data[VALUE_MAX];

int cache_complain(const struct cache *cache, const char *what)
{
    fprintf(stderr, "cache_client at %s: %s%s%s\n", cache->target, what, errno ? ": " : "",
            errno ? strerror(errno) : "");
    return -1;
}

uint64_t cache_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- values and samples --------------------------------------------------------------------- */

void cache_fill(char *value, size_t bytes, uint64_t number)
{
    char digits[DIGITS + 1];

    snprintf(digits, sizeof(digits), "%016" PRIx64, number);
    for (size_t i = 0; i < bytes; i++)
        value[i] = digits[i % DIGITS];
}

/* A value repeats itself: it is one if it is the same when it is moved by the digits. */
uint64_t cache_number(const char *value, ssize_t got, size_t bytes)
{
    char digits[DIGITS + 1] = "";

    if (got != (ssize_t)bytes || memcmp(value, value + DIGITS, bytes - DIGITS) != 0)
        return UINT64_MAX;
    memcpy(digits, value, DIGITS);
    return strtoull(digits, NULL, 16);
}

void cache_sample(uint64_t ns)
{
    if (sample_count < SAMPLES_MAX)
        samples[sample_count] = ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
    sample_count++;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

int cache_report(double seconds, const char *more)
{
    size_t kept = sample_count < SAMPLES_MAX ? sample_count : SAMPLES_MAX;
    uint32_t middle, high;

    if (kept == 0) {
        fprintf(stderr, "cache_client: nothing to report\n");
        return 1;
    }
    qsort(samples, kept, sizeof(*samples), compare);
    middle = samples[kept / 2];
    high = samples[kept * 99 / 100];
    printf("%.0f %.2f %.2f%s\n", (double)sample_count / seconds, middle / 1e3, high / 1e3, more);
    return 0;
}

/* --- what a client does: an exit status ----------------------------------------------------- */

int cache_set_key(const struct run *run, struct cache *cache, const char *part, uint64_t number)
{
    snprintf(cache->key, sizeof(cache->key), "bench-%s-%d-%" PRIu64, part, (int)getpid(), number);
    return run->system->set_key(cache);
}

struct cache *cache_open(const struct run *run, int target, const char *part, uint64_t number)
{
    struct cache *cache = calloc(1, sizeof(*cache));

    if (!cache)
        return NULL;
    cache->target = run->targets[target];
    if (run->system->open(cache) == 0 && cache_set_key(run, cache, part, number) == 0)
        return cache;
    free(cache);
    return NULL;
}

static int put(const struct run *run, struct cache *cache, uint64_t number)
{
    cache_fill(data, run->bytes, number);
    return run->system->put(cache, data, run->bytes);
}

static int get(const struct run *run, struct cache *cache, uint64_t number)
{
    const char *value;
    ssize_t got = run->system->get(cache, &value);

    errno = 0;
    if (got < 0)
        return got == NOT_THERE ? cache_complain(cache, "no value") : -1;
    if (got == (ssize_t)run->bytes && memcmp(value, data, DIGITS) == 0)
        return 0;
    return cache_complain(cache, cache_number(value, got, run->bytes) < number
                                     ? "an old value"
                                     : "another value than was stored");
}

/* Only the head of a value is looked at, so that what is measured is the getting. */
static int run_get(const struct run *run, struct cache *first, struct cache *last)
{
    uint64_t end, before;

    if (put(run, first, 1) != 0 || get(run, last, 1) != 0 || get(run, last, 1) != 0)
        return 1;
    before = cache_now_ns();
    end = before + (uint64_t)(run->seconds * 1e9);
    while (before < end) {
        uint64_t after;

        if (get(run, last, 1) != 0)
            return 1;
        after = cache_now_ns();
        cache_sample(after - before);
        before = after;
    }
    run->system->drop(first);
    return 0;
}

static int run_put(const struct run *run, struct cache *first, struct cache *last)
{
    uint64_t end, before, number = 1;

    (void)last;
    if (put(run, first, number) != 0)
        return 1;
    end = cache_now_ns() + (uint64_t)(run->seconds * 1e9);
    do {
        before = cache_now_ns();
        if (put(run, first, ++number) != 0)
            return 1;
        cache_sample(cache_now_ns() - before);
    } while (before < end);
    if (get(run, last, number) != 0)
        return 1;
    run->system->drop(first);
    return 0;
}

/* miss: each time another key. renew: the same. */
static int get_what_is_new(const struct run *run, struct cache *first, struct cache *last,
                           const char *part)
{
    uint64_t end = cache_now_ns() + (uint64_t)(run->seconds * 1e9), before, number = 1;

    do {
        if (part && (cache_set_key(run, first, part, number) != 0 ||
                     cache_set_key(run, last, part, number) != 0))
            return 1;
        if (put(run, first, number) != 0)
            return 1;
        before = cache_now_ns();
        if (get(run, last, number) != 0)
            return 1;
        cache_sample(cache_now_ns() - before);
        if (part)
            run->system->drop(first);
        number++;
    } while (before < end);
    if (!part)
        run->system->drop(first);
    return 0;
}

static int run_miss(const struct run *run, struct cache *first, struct cache *last)
{
    return get_what_is_new(run, first, last, "miss");
}

static int run_renew(const struct run *run, struct cache *first, struct cache *last)
{
    if (put(run, first, 0) != 0 || get(run, last, 0) != 0)
        return 1;
    return get_what_is_new(run, first, last, NULL);
}

static int run_spawn(double seconds, char **command)
{
    uint64_t end = cache_now_ns() + (uint64_t)(seconds * 1e9), before;
    posix_spawn_file_actions_t actions;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    do {
        pid_t pid;
        int status, error;

        before = cache_now_ns();
        error = posix_spawnp(&pid, command[0], &actions, NULL, command, environ);
        if (error != 0 || waitpid(pid, &status, 0) != pid || status != 0) {
            fprintf(stderr, "cache_client: %s: %s\n", command[0],
                    error ? strerror(error) : "fails");
            return 1;
        }
        cache_sample(cache_now_ns() - before);
    } while (before < end);
    posix_spawn_file_actions_destroy(&actions);
    return 0;
}

/* --- a run ---------------------------------------------------------------------------------- */

static const struct cache_system *const systems[] = {
    &cache_file, &cache_file_rename, &cache_file_held, &cache_redis, &cache_memcached,
};

static const struct verb {
    const char *name;
    int (*run)(const struct run *run, struct cache *first, struct cache *last);
} verbs[] = {{"get", run_get}, {"put", run_put}, {"miss", run_miss}, {"renew", run_renew}};

static int usage(void)
{
    fprintf(stderr, "usage: cache_client SYSTEM get|put|miss|renew|share SECONDS BYTES TARGET...\n"
                    "       cache_client spawn SECONDS COMMAND...\n");
    return 2;
}

static int run_verb(const struct run *run, const char *name)
{
    struct cache *first, *last;

    if (strcmp(name, "share") == 0)
        return run->target_count < 2 ? usage() : cache_share(run);
    for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
        if (strcmp(verbs[i].name, name) != 0)
            continue;
        first = cache_open(run, 0, name, 0);
        last = cache_open(run, run->target_count - 1, name, 0);
        if (!first || !last || verbs[i].run(run, first, last) != 0)
            return 1;
        return cache_report(run->seconds, "");
    }
    return usage();
}

static int run_system(int argc, char **argv)
{
    struct run run = {.targets = argv + 5, .target_count = argc - 5};

    if (argc < 6)
        return usage();
    for (size_t i = 0; i < sizeof(systems) / sizeof(*systems); i++)
        if (strcmp(systems[i]->name, argv[1]) == 0)
            run.system = systems[i];
    run.seconds = strtod(argv[3], NULL);
    run.bytes = strtoul(argv[4], NULL, 10);
    if (!run.system || run.seconds <= 0 || run.bytes < DIGITS || run.bytes > VALUE_MAX)
        return usage();
    return run_verb(&run, argv[2]);
}

int main(int argc, char **argv)
{
    samples = mmap(NULL, SAMPLES_MAX * sizeof(*samples), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (samples == MAP_FAILED) {
        perror("cache_client: mmap");
        return 1;
    }
    if (argc >= 4 && strcmp(argv[1], "spawn") == 0) {
        double seconds = strtod(argv[2], NULL);

        return run_spawn(seconds, argv + 3) != 0 || cache_report(seconds, "") != 0;
    }
    return run_system(argc, argv);
}
