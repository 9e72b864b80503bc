/* `share`: one stores values at the first target; one at each other target has the value and reads
 * it again and again. Measured is from before the storing until all of them have read the new
 * value. Watched is what a cache must not do: give an old value to a read that began when the new
 * one had been answered (stale), go back (back), or give what nobody stored (torn). */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache_client.h"

#define READERS_MAX 8
#define PAUSE_US 20  /* between two reads, so that those who look leave the processors free */
#define REST_US 3000 /* from the last sight of a value to the next storing */
#define SIGHT_S 10   /* when nobody sees it by then, nobody will */

/* What all processes see. */
static struct shared {
    atomic_bool over;
    _Atomic uint64_t storing, answered; /* numbers of values */
    struct reader {
        _Atomic uint64_t seen, seen_ns; /* the greatest number, and when; in this order read last */
        atomic_long reads, stale, back, torn;
    } readers[READERS_MAX];
} * shared;

static void look(const struct run *run, struct cache *cache, struct reader *reader)
{
    uint64_t answered = atomic_load(&shared->answered), number, seen = atomic_load(&reader->seen);
    const char *value = NULL;
    ssize_t got = run->system->get(cache, &value);

    if (got < 0 && got != NOT_THERE)
        _exit(1);
    number = got == NOT_THERE ? 0 : cache_number(value, got, run->bytes);
    atomic_fetch_add(&reader->reads, 1);
    if (number == UINT64_MAX) {
        atomic_fetch_add(&reader->torn, 1);
        return;
    }
    if (number < answered)
        atomic_fetch_add(&reader->stale, 1);
    if (number < seen)
        atomic_fetch_add(&reader->back, 1);
    if (number <= seen)
        return;
    atomic_store(&reader->seen_ns, cache_now_ns());
    atomic_store(&reader->seen, number);
}

/* The life of a reader. Its key is the writer's. */
static void read_on(const struct run *run, const struct cache *writer, int number)
{
    struct cache *cache = cache_open(run, number + 1, "share", 0);

    if (!cache)
        _exit(1);
    snprintf(cache->key, sizeof(cache->key), "%s", writer->key);
    if (run->system->set_key(cache) != 0)
        _exit(1);
    while (!atomic_load(&shared->over)) {
        look(run, cache, &shared->readers[number]);
        usleep(PAUSE_US);
    }
    _exit(0);
}

/* When the last of `readers` saw the value; 0: one of them does not. */
static uint64_t last_sight(int readers, uint64_t number)
{
    uint64_t until = cache_now_ns() + SIGHT_S * 1000000000ull, last = 0;

    for (int i = 0; i < readers; i++) {
        struct reader *reader = &shared->readers[i];

        while (atomic_load(&reader->seen) < number) {
            if (cache_now_ns() > until || waitpid(-1, NULL, WNOHANG) != 0)
                return 0;
            usleep(PAUSE_US);
        }
        if (atomic_load(&reader->seen_ns) > last)
            last = atomic_load(&reader->seen_ns);
    }
    return last;
}

static void was_answered(void)
{
    atomic_store(&shared->answered, atomic_load(&shared->storing));
}

static int store_one(const struct run *run, struct cache *cache, uint64_t number)
{
    static char data[VALUE_MAX];

    cache_fill(data, run->bytes, number);
    atomic_store(&shared->storing, number);
    if (run->system->put(cache, data, run->bytes) != 0)
        return -1;
    was_answered();
    return 0;
}

static int store_on(const struct run *run, struct cache *cache)
{
    uint64_t begin = cache_now_ns(), end = begin + (uint64_t)(run->seconds * 1e9), before = begin;

    for (uint64_t number = 2; before < end; number++) {
        uint64_t last = last_sight(run->target_count - 1, number - 1);

        if (last == 0) {
            errno = 0;
            return cache_complain(cache, "a value is not seen by all");
        }
        if (number > 2)
            cache_sample(last - before);
        usleep(REST_US);
        before = cache_now_ns();
        if (store_one(run, cache, number) != 0)
            return -1;
    }
    return last_sight(run->target_count - 1, atomic_load(&shared->answered)) > 0 ? 0 : -1;
}

static int report(const struct run *run)
{
    long reads = 0, stale = 0, back = 0, torn = 0;
    char more[LINE_BYTES];

    for (int i = 0; i < run->target_count - 1; i++) {
        reads += atomic_load(&shared->readers[i].reads);
        stale += atomic_load(&shared->readers[i].stale);
        back += atomic_load(&shared->readers[i].back);
        torn += atomic_load(&shared->readers[i].torn);
    }
    snprintf(more, sizeof(more), " %ld %ld %ld %ld", reads, stale, back, torn);
    return cache_report(run->seconds, more);
}

int cache_share(const struct run *run)
{
    struct cache *cache = cache_open(run, 0, "share", 0);
    int status, failed;

    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || !cache)
        return 1;
    cache->answered = was_answered;
    if (run->target_count - 1 > READERS_MAX || store_one(run, cache, 1) != 0)
        return 1;
    prctl(PR_SET_TIMERSLACK, 1);
    for (int i = 0; i < run->target_count - 1; i++)
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            read_on(run, cache, i);
        }
    failed = store_on(run, cache);
    atomic_store(&shared->over, true);
    while (wait(&status) > 0)
        failed |= status != 0;
    run->system->drop(cache);
    return failed != 0 || report(run) != 0;
}
