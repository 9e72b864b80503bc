/* Workers report each seed over a pipe; what a worker that died was doing stands in shared memory.
 */
#include "runner.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_MAX 64u
/* More of them say nothing new. */
#define FAILURES_MAX 25u
/* Of processor time, for one seed: far more than any takes. */
#define SECONDS_MAX 60u

struct board {
    volatile uint64_t current[JOBS_MAX]; /* the seed each worker is in */
    volatile uint64_t limit;             /* no seed above it is of interest any more */
};

struct report {
    uint64_t seed;
    struct sim_result result;
};

struct worker {
    pid_t pid; /* 0: none */
    int fd;
};

struct pool {
    const struct sim_batch *batch;
    struct sim_tally *tally;
    struct board *board;
    struct worker workers[JOBS_MAX];
};

void sim_print_failure(uint64_t seed, cfs_time at, const char *failure, const char *planted,
                       bool bare)
{
    printf("VIOLATION %s | seed %" PRIu64 " at %.6f s | replay: sim --seed %" PRIu64
           "%s%s%s --trace\n",
           failure, seed, (double)at / 1e6, seed, planted ? " --planted " : "",
           planted ? planted : "", bare ? " --bare" : "");
    fflush(stdout);
}

/* A looping core is ended by the kernel; time of the whole worker, hence renewed for each seed. */
static void limit_time(void)
{
    struct rusage usage;
    struct rlimit limit;

    getrusage(RUSAGE_SELF, &usage);
    limit.rlim_cur = (rlim_t)usage.ru_utime.tv_sec + (rlim_t)usage.ru_stime.tv_sec + SECONDS_MAX;
    limit.rlim_max = RLIM_INFINITY;
    setrlimit(RLIMIT_CPU, &limit);
}

static void run_again(uint64_t seed, bool bare, struct sim_result *result)
{
    struct sim_result again;

    sim_run(seed, false, bare, &again);
    if (again.hash == result->hash && again.events == result->events)
        return;
    result->failed = true;
    snprintf(result->failure, sizeof result->failure, "determinism: hash %016" PRIx64
             ", then %016" PRIx64, result->hash, again.hash);
}

static void work(const struct pool *pool, uint32_t number, uint64_t seed, int fd)
{
    const struct sim_batch *batch = pool->batch;
    uint64_t end = batch->from + batch->count;

    for (; seed < end && seed <= pool->board->limit; seed += batch->jobs) {
        struct report report = {.seed = seed};
        pool->board->current[number] = seed;
        limit_time();
        sim_run(seed, false, batch->bare, &report.result);
        if (batch->twice)
            run_again(seed, batch->bare, &report.result);
        if (write(fd, &report, sizeof report) != (ssize_t)sizeof report)
            _exit(2);
    }
    pool->board->current[number] = UINT64_MAX;
    _exit(0);
}

static void start_worker(struct pool *pool, uint32_t number, uint64_t seed)
{
    struct worker *worker = &pool->workers[number];
    int ends[2];

    fflush(stdout);
    if (pipe(ends) != 0 || (worker->pid = fork()) < 0) {
        perror("sim");
        exit(2);
    }
    if (worker->pid == 0) {
        close(ends[0]);
        work(pool, number, seed, ends[1]);
    }
    close(ends[1]);
    worker->fd = ends[0];
}

static void note_failure(struct pool *pool, uint64_t seed, cfs_time at, const char *failure)
{
    struct sim_tally *tally = pool->tally;

    if (!tally->failures++ || seed < tally->first_failure) {
        tally->first_failure = seed;
        snprintf(tally->first_sentence, sizeof tally->first_sentence, "%s", failure);
    }
    if (!pool->batch->first_only)
        sim_print_failure(seed, at, failure, pool->batch->planted, pool->batch->bare);
    if (pool->batch->first_only && seed < pool->board->limit)
        pool->board->limit = seed;
    else if (tally->failures >= FAILURES_MAX)
        pool->board->limit = 0;
}

static void take_report(struct pool *pool, const struct report *report)
{
    struct sim_tally *tally = pool->tally;

    tally->seeds++;
    tally->operations += report->result.operations;
    tally->events += report->result.events;
    tally->messages += report->result.messages;
    tally->checkpoints += report->result.checkpoints;
    tally->installs += report->result.installs;
    tally->torn += report->result.torn;
    tally->replaced += report->result.replaced;
    tally->virtual_seconds += report->result.end / CFS_SECONDS(1);
    if (report->result.failed)
        note_failure(pool, report->seed, report->result.failed_at, report->result.failure);
}

/* The pipe has ended: a worker is done, or its core died of an assertion, a signal, or old age. */
static void bury(struct pool *pool, uint32_t number)
{
    struct worker *worker = &pool->workers[number];
    uint64_t seed = pool->board->current[number];
    char failure[64];
    int status;

    close(worker->fd);
    waitpid(worker->pid, &status, 0);
    worker->pid = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    if (WIFSIGNALED(status))
        snprintf(failure, sizeof failure, "crash: signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(failure, sizeof failure, "crash: exit %d", WEXITSTATUS(status));
    pool->tally->seeds++;
    note_failure(pool, seed, 0, failure);
    start_worker(pool, number, seed + pool->batch->jobs);
}

static bool wait_for_reports(struct pool *pool)
{
    struct pollfd polls[JOBS_MAX];
    uint32_t numbers[JOBS_MAX], count = 0;
    struct report report;

    for (uint32_t i = 0; i < pool->batch->jobs; i++) {
        if (!pool->workers[i].pid)
            continue;
        polls[count] = (struct pollfd){.fd = pool->workers[i].fd, .events = POLLIN};
        numbers[count++] = i;
    }
    if (!count)
        return false;
    poll(polls, count, -1);
    for (uint32_t i = 0; i < count; i++) {
        if (!polls[i].revents)
            continue;
        if (read(polls[i].fd, &report, sizeof report) == (ssize_t)sizeof report)
            take_report(pool, &report);
        else
            bury(pool, numbers[i]);
    }
    return true;
}

void sim_batch_run(const struct sim_batch *batch, struct sim_tally *tally)
{
    struct pool pool = {.batch = batch, .tally = tally};

    *tally = (struct sim_tally){0};
    pool.board =
        mmap(NULL, sizeof *pool.board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (pool.board == MAP_FAILED) {
        perror("sim");
        exit(2);
    }
    pool.board->limit = UINT64_MAX;
    for (uint32_t i = 0; i < batch->jobs; i++)
        start_worker(&pool, i, batch->from + i);
    while (wait_for_reports(&pool))
        ;
    munmap(pool.board, sizeof *pool.board);
}
