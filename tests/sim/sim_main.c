/* sim: whole clusters on virtual time, one for each seed, under faults, before independent judges.
 *
 *   sim --seeds 10000                  many seeds; a line for each violation
 *   sim --seed 17 --trace              one seed, with all that happens
 *   sim --planted all --within 1000    every planted bug must be found within so many seeds */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/planted.h"
#include "runner.h"

struct options {
    uint64_t seeds, from, within, seed;
    bool one, trace, bare, twice;
    const char *planted;
    uint32_t jobs;
};

static const char *const planted_words[CFS_BUG_COUNT] = {
#define X(id, word, sentence) [CFS_##id] = word,
    CFS_PLANTED_MAP(X)
#undef X
};

static const char *const planted_sentences[CFS_BUG_COUNT] = {
#define X(id, word, sentence) [CFS_##id] = sentence,
    CFS_PLANTED_MAP(X)
#undef X
};

static void usage(FILE *out)
{
    fprintf(out, "usage: sim [--seeds N] [--from S] [--jobs J] [--bare] [--twice]\n"
                 "       sim --seed S [--trace] [--bare] [--planted WORD]\n"
                 "       sim --planted WORD|all [--within N] [--from S] [--jobs J]\n"
                 "  --seeds N     how many seeds to run (1000)\n"
                 "  --from S      the first of them (1)\n"
                 "  --jobs J      worker processes (one for each processor)\n"
                 "  --bare        no faults\n"
                 "  --twice       run each seed twice, and compare\n"
                 "  --seed S      this one seed only\n"
                 "  --trace       print everything that happens, and a hash of it\n"
                 "  --planted W   run with a bug; `all`: with each in turn\n"
                 "  --within N    how many seeds a planted bug may survive (1000)\n"
                 "planted bugs:\n");
    for (int i = 1; i < CFS_BUG_COUNT; i++)
        fprintf(out, "  %-20s %s\n", planted_words[i], planted_sentences[i]);
}

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int run_one(const struct options *options)
{
    struct sim_result result;

    sim_run(options->seed, options->trace, options->bare, &result);
    if (options->trace)
        printf("trace hash %016" PRIx64 "\n", result.text_hash);
    printf("seed %" PRIu64 ": %.3f s of virtual time, %" PRIu64 " requests, %" PRIu64
           " messages, %" PRIu64 " events, hash %016" PRIx64 "\n",
           options->seed, (double)result.end / 1e6, result.operations, result.messages,
           result.events, result.hash);
    if (result.failed)
        sim_print_failure(options->seed, result.failed_at, result.failure, options->planted,
                          options->bare);
    return result.failed;
}

static int run_many(const struct options *options)
{
    struct sim_batch batch = {.from = options->from,
                              .count = options->seeds,
                              .jobs = options->jobs,
                              .bare = options->bare,
                              .twice = options->twice};
    struct sim_tally tally;
    double began = seconds_now(), took;

    sim_batch_run(&batch, &tally);
    took = seconds_now() - began;
    printf("%" PRIu64 " seeds, %" PRIu64 " violations; %" PRIu64 " requests, %" PRIu64
           " messages, %" PRIu64 " checkpoints, %" PRIu64 " snapshots installed, %" PRIu64
           " logs torn, %" PRIu64 " disks replaced; %" PRIu64
           " s of virtual time in %.1f s (%.0f seeds a second)\n",
           tally.seeds, tally.failures, tally.operations, tally.messages, tally.checkpoints,
           tally.installs, tally.torn, tally.replaced, tally.virtual_seconds, took,
           (double)tally.seeds / took);
    return tally.failures != 0;
}

static int run_planted(const struct options *options, int bug)
{
    struct sim_batch batch = {.from = options->from,
                              .count = options->within,
                              .jobs = options->jobs,
                              .first_only = true,
                              .planted = planted_words[bug]};
    struct sim_tally tally;

    cfs_planted_bug = (enum cfs_planted)bug;
    sim_batch_run(&batch, &tally);
    cfs_planted_bug = CFS_BUG_NONE;
    if (!tally.failures) {
        printf("%-20s NOT FOUND within %" PRIu64 " seeds\n", planted_words[bug], tally.seeds);
        return 1;
    }
    printf("%-20s found by seed %" PRIu64 ": %s\n", planted_words[bug], tally.first_failure,
           tally.first_sentence);
    fflush(stdout);
    return 0;
}

/* The bug of that name; CFS_BUG_COUNT for none. */
static int find_planted(const char *word)
{
    int bug = 1;

    while (bug < CFS_BUG_COUNT && strcmp(planted_words[bug], word) != 0)
        bug++;
    return bug;
}

static int run_all_planted(const struct options *options)
{
    int missed = 0;

    if (strcmp(options->planted, "all") != 0)
        return run_planted(options, find_planted(options->planted));
    for (int bug = 1; bug < CFS_BUG_COUNT; bug++)
        missed |= run_planted(options, bug);
    return missed;
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);

    if (end == text || *end) {
        fprintf(stderr, "sim: \"%s\" is no number\n", text);
        exit(2);
    }
    return value;
}

static void set_option(struct options *options, int option)
{
    switch (option) {
    case 'n':
        options->seeds = number(optarg);
        break;
    case 'f':
        options->from = number(optarg);
        break;
    case 's':
        options->seed = number(optarg);
        options->one = true;
        break;
    case 't':
        options->trace = true;
        break;
    case 'b':
        options->bare = true;
        break;
    case '2':
        options->twice = true;
        break;
    case 'p':
        options->planted = optarg;
        break;
    case 'w':
        options->within = number(optarg);
        break;
    case 'j':
        options->jobs = (uint32_t)number(optarg);
        break;
    case 'h':
        usage(stdout);
        exit(0);
    default:
        usage(stderr);
        exit(2);
    }
}

static void read_options(struct options *options, int argc, char **argv)
{
    static const struct option names[] = {
        {"seeds", 1, NULL, 'n'},   {"from", 1, NULL, 'f'},   {"seed", 1, NULL, 's'},
        {"trace", 0, NULL, 't'},   {"bare", 0, NULL, 'b'},   {"twice", 0, NULL, '2'},
        {"planted", 1, NULL, 'p'}, {"within", 1, NULL, 'w'}, {"jobs", 1, NULL, 'j'},
        {"help", 0, NULL, 'h'},    {NULL, 0, NULL, 0},
    };
    int option;

    *options = (struct options){
        .seeds = 1000, .from = 1, .within = 1000, .jobs = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN)};
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
        set_option(options, option);
    if (options->jobs < 1 || options->jobs > 64)
        options->jobs = 1;
    if (options->planted && strcmp(options->planted, "all") != 0 &&
        find_planted(options->planted) == CFS_BUG_COUNT) {
        fprintf(stderr, "sim: there is no planted bug \"%s\"\n", options->planted);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct options options;

    read_options(&options, argc, argv);
    if (options.one) {
        if (options.planted)
            cfs_planted_bug = (enum cfs_planted)find_planted(options.planted);
        return run_one(&options);
    }
    return options.planted ? run_all_planted(&options) : run_many(&options);
}
