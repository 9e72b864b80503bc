/* Random holds, waits and reports: the wait-for graph must find the victim that the plain
 * definition finds, which looks at every pair (lock_model.h) until nothing changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "core/wait_graph.h"
#include "lock_model.h"

#define ROUNDS 10000
#define SESSIONS 3
#define REPORTED 8

struct round {
    uint64_t seed, random, sequence;
    struct model model;
    struct cfs_lock_table *table;
    struct cfs_report reports[SESSIONS];
    struct cfs_stuck stuck[SESSIONS][REPORTED];
    uint64_t waits[SESSIONS][REPORTED][2];
    bool is_stuck[MODEL_CLAIMS]; /* by position among the claims */
    bool reaches[MODEL_CLAIMS][MODEL_CLAIMS];
};

static uint64_t pick(struct round *round, uint64_t bound)
{
    uint64_t z = round->random += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % bound;
}

static void ignore(void *arg, struct cfs_asker asker, const struct cfs_answer *answer)
{
    (void)arg;
    (void)asker;
    (void)answer;
}

static struct cfs_acquire random_acquire(struct round *round)
{
    struct cfs_acquire ask = {.mode = pick(round, 2) ? CFS_EXCLUSIVE : CFS_SHARED,
                              .kind = CFS_FLOCK,
                              .form = CFS_FORM_FILE,
                              .wait = true,
                              .handle = 1 + pick(round, 8),
                              .process = {1 + (uint32_t)pick(round, 2), 1}};
    uint64_t kind = pick(round, 8);

    if (kind == 0) {
        ask.kind = CFS_LEASED;
        ask.ttl_ms = 1000000;
        if (pick(round, 4))
            snprintf(ask.owner, sizeof ask.owner, "client-%lu", pick(round, 3));
    } else if (kind == 1) {
        ask.kind = CFS_LOCKFILE;
        ask.mode = CFS_EXCLUSIVE;
    }
    return ask;
}

static void ask(struct round *round)
{
    int name = (int)pick(round, MODEL_NAMES);
    cfs_session_id session = 1 + pick(round, SESSIONS);
    struct cfs_asker asker = {session, ++round->sequence, (cfs_node_id)session};
    struct cfs_moment now = {.index = round->sequence};
    struct cfs_acquire acquire = random_acquire(round);
    struct cfs_answer answer;

    model_acquire(&round->model, asker, now, name, &acquire, &answer);
    cfs_lock_table_acquire(round->table, asker, now, model_names[name], &acquire, &answer);
}

/* Some wait of the session; sometimes one that is over, or never was. */
static uint64_t some_wait(struct round *round, cfs_session_id session)
{
    uint64_t skip = pick(round, 4);

    EACH_CLAIM (&round->model, c)
        if (!c->holding && c->session == session && !skip--)
            return c->asker.sequence;
    return pick(round, 3) ? 0 : pick(round, round->sequence);
}

static void report(struct round *round, cfs_session_id session)
{
    uint64_t at = session - 1;

    round->reports[at] = (struct cfs_report){
        .node = (cfs_node_id)session, .session = session, .stuck = round->stuck[at]};
    for (uint32_t i = 0; i < REPORTED; i++) {
        struct cfs_stuck *stuck = &round->stuck[at][round->reports[at].stuck_count];
        *stuck = (struct cfs_stuck){.handle = i + 1, .waits = round->waits[at][i]};
        if (!pick(round, 3))
            continue;
        while (stuck->wait_count < 2 && pick(round, 2 + stuck->wait_count * 3) < 2) {
            uint64_t wait = some_wait(round, session);
            if (!wait)
                break;
            stuck->waits[stuck->wait_count++] = wait;
        }
        round->reports[at].stuck_count++;
    }
}

static bool wait_is_stuck(struct round *round, cfs_session_id session, uint64_t sequence)
{
    struct model_claim *c = model_by_asker(&round->model, session, sequence);

    return c && !c->holding && round->is_stuck[c - round->model.claims];
}

static const struct cfs_stuck *reported(const struct round *round, const struct model_claim *hold)
{
    for (uint32_t i = 0; i < SESSIONS; i++)
        for (uint32_t j = 0; j < round->reports[i].stuck_count; j++)
            if (round->reports[i].session == hold->session &&
                round->stuck[i][j].handle == hold->ask.handle)
                return &round->stuck[i][j];
    return NULL;
}

static bool file_is_stuck(struct round *round, const struct model_claim *hold)
{
    const struct cfs_stuck *stuck = reported(round, hold);
    bool all = stuck && stuck->wait_count;

    for (uint32_t i = 0; stuck && i < stuck->wait_count; i++)
        all = all && wait_is_stuck(round, hold->session, stuck->waits[i]);
    return all;
}

static bool of_client(const struct model_claim *c, const struct model_claim *hold)
{
    return !c->holding && c->ask.kind == CFS_LEASED && hold->ask.owner[0] &&
           strcmp(c->ask.owner, hold->ask.owner) == 0;
}

static bool client_is_stuck(struct round *round, const struct model_claim *hold)
{
    bool any = false, all = true;

    EACH_CLAIM (&round->model, c) {
        if (!of_client(c, hold))
            continue;
        any = true;
        all = all && round->is_stuck[c - round->model.claims];
    }
    return any && all;
}

static bool hold_is_stuck(struct round *round, const struct model_claim *hold)
{
    if (hold->ask.kind == CFS_FLOCK)
        return file_is_stuck(round, hold);
    return hold->ask.kind == CFS_LEASED && client_is_stuck(round, hold);
}

static bool blocker_is_stuck(struct round *round, const struct model_claim *blocker)
{
    return blocker->holding ? hold_is_stuck(round, blocker)
                            : round->is_stuck[blocker - round->model.claims];
}

/* Whether `hold` needs `wait` to end. */
static bool hold_needs(const struct round *round, const struct model_claim *hold,
                       const struct model_claim *wait)
{
    const struct cfs_stuck *stuck = hold->ask.kind == CFS_FLOCK ? reported(round, hold) : NULL;

    for (uint32_t i = 0; stuck && i < stuck->wait_count; i++)
        if (hold->session == wait->session && stuck->waits[i] == wait->asker.sequence)
            return true;
    return hold->ask.kind == CFS_LEASED && of_client(wait, hold);
}

static bool still_stuck(struct round *round, const struct model_claim *wait)
{
    EACH_CLAIM (&round->model, other)
        if (model_in_the_way(other, wait) && blocker_is_stuck(round, other))
            return true;
    return false;
}

static void find_stuck(struct round *round)
{
    bool changed = true;

    EACH_CLAIM (&round->model, c)
        round->is_stuck[c - round->model.claims] = !c->holding;
    while (changed) {
        changed = false;
        EACH_CLAIM (&round->model, c) {
            bool *is_stuck = &round->is_stuck[c - round->model.claims];
            if (!*is_stuck || still_stuck(round, c))
                continue;
            *is_stuck = false;
            changed = true;
        }
    }
}

/* From wait to wait, directly or through one stuck hold. */
static bool leads_to(struct round *round, const struct model_claim *from,
                     const struct model_claim *to)
{
    if (model_in_the_way(to, from))
        return true;
    EACH_CLAIM (&round->model, hold)
        if (hold->holding && model_in_the_way(hold, from) && hold_is_stuck(round, hold) &&
            hold_needs(round, hold, to))
            return true;
    return false;
}

static void find_paths(struct round *round)
{
    size_t n = round->model.top;

    memset(round->reaches, 0, sizeof round->reaches);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            round->reaches[i][j] =
                round->is_stuck[i] && round->is_stuck[j] &&
                leads_to(round, &round->model.claims[i], &round->model.claims[j]);
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; round->reaches[i][k] && j < n; j++)
                round->reaches[i][j] = round->reaches[i][j] || round->reaches[k][j];
}

static const struct model_claim *newest_on_cycle(const struct round *round)
{
    const struct model_claim *newest = NULL;

    for (size_t i = 0; i < round->model.top; i++) {
        const struct model_claim *c = &round->model.claims[i];
        if (round->reaches[i][i] && (!newest || c->ticket > newest->ticket))
            newest = c;
    }
    return newest;
}

/* Returns whether there was a cycle. */
static bool play(struct round *round)
{
    const struct model_claim *want;
    struct cfs_asker got;
    bool found;

    round->table = cfs_lock_table_new(ignore, round);
    for (uint64_t count = 5 + pick(round, 30); count; count--)
        ask(round);
    for (cfs_session_id session = 1; session <= SESSIONS; session++)
        report(round, session);
    find_stuck(round);
    find_paths(round);
    want = newest_on_cycle(round);
    found = cfs_wait_graph_find(round->table, round->reports, SESSIONS, &got);
    if (found != (want != NULL) ||
        (want && (got.session != want->asker.session || got.sequence != want->asker.sequence)))
        fail_msg("seed %lu: the graph and the definition differ", round->seed);
    cfs_lock_table_free(round->table);
    return found;
}

static void test_the_graph_agrees_with_the_definition(void **state)
{
    struct round *round = calloc(1, sizeof *round);
    unsigned cycles = 0;

    (void)state;
    assert_non_null(round);
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        memset(&round->model, 0, sizeof round->model);
        memset(round->is_stuck, 0, sizeof round->is_stuck);
        round->seed = round->random = seed;
        round->sequence = 0;
        cycles += play(round);
    }
    free(round);
    /* Both outcomes were tried. */
    assert_in_range(cycles, ROUNDS / 10, ROUNDS * 9 / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_graph_agrees_with_the_definition),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
