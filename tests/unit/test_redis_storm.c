/* Everything at once: two nodes produce, take, settle and give up at random, while connections break,
 * answers are lost, Redis crashes and sessions end. Judged by what was answered alone: what was
 * produced is there until it is acknowledged, and not after; a claim that was answered is one's own.
 *
 *     test_redis_storm [SEED [STEPS]] */
#include "redis_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

enum { MESSAGES_MAX = 20000, ASKED_MAX = 64 };

enum fate { UNKNOWN, PRODUCED, PERHAPS, DONE, PERHAPS_DONE };

struct asked {
    struct redis_asked *asked; /* NULL: free */
    struct redis_node *node;
    enum cfs_op op;
    int message; /* that is produced or acknowledged */
    uint64_t claim;
};

struct storm {
    struct redis_world w;
    unsigned seed;
    enum fate fates[MESSAGES_MAX];
    int produced;
    struct asked asked[ASKED_MAX];
    int done;
    cfs_session_id session;
};

static unsigned chance(struct storm *s, unsigned n)
{
    return (unsigned)rand_r(&s->seed) % n;
}

static struct asked *free_slot(struct storm *s)
{
    for (int i = 0; i < ASKED_MAX; i++)
        if (!s->asked[i].asked)
            return &s->asked[i];
    return NULL;
}

static void ask(struct storm *s, struct asked as, const struct cfs_request *request)
{
    struct asked *slot = free_slot(s);

    if (!slot)
        return;
    *slot = as;
    slot->op = request->op;
    slot->node = &s->w.nodes[1 + chance(s, 2)];
    slot->asked = redis_submit(slot->node, request);
}

static void produce(struct storm *s)
{
    struct cfs_request request;
    char body[16];

    if (s->produced == MESSAGES_MAX || !free_slot(s))
        return;
    snprintf(body, sizeof body, "%d", s->produced);
    request = redis_produce("q", body);
    request.produce.wait = chance(s, 2);
    s->fates[s->produced] = UNKNOWN;
    ask(s, (struct asked){.message = s->produced++}, &request);
}

static void consume(struct storm *s)
{
    struct cfs_request request = redis_consume("q");

    request.consume.wait = chance(s, 2);
    request.consume.max = 1 + chance(s, 3);
    ask(s, (struct asked){0}, &request);
}

/* The next free message of those that failed is perhaps there. */
static void produced(struct storm *s, const struct asked *as)
{
    enum cfs_error error = as->asked->answer.error;

    if (s->fates[as->message] != UNKNOWN)
        return; /* it was taken before its producer heard of it */
    s->fates[as->message] = error == CFS_OK ? PRODUCED : PERHAPS;
    if (error == CFS_ERR_FULL)
        s->fates[as->message] = DONE;
}

static void settle(struct storm *s, const struct asked *as, const struct cfs_message_info *info)
{
    struct cfs_request request;
    char body[16];
    int message;

    snprintf(body, sizeof body, "%.*s", (int)info->len, (const char *)info->body);
    message = atoi(body);
    if (s->fates[message] == DONE)
        fail_msg("message %d was acknowledged, and comes again", message);
    if (s->fates[message] == UNKNOWN || s->fates[message] == PERHAPS)
        s->fates[message] = PRODUCED;
    request = redis_settle(chance(s, 4) ? CFS_OP_ACK : CFS_OP_GIVE_BACK, "q", &info->claim);
    ask(s, (struct asked){.message = message, .claim = info->claim}, &request);
    (void)as;
}

static void acknowledged(struct storm *s, const struct asked *as)
{
    enum cfs_error error = as->asked->answer.error;

    if (error == CFS_OK)
        s->fates[as->message] = DONE;
    else if (error != CFS_ERR_NOT_CLAIMED && s->fates[as->message] != DONE)
        s->fates[as->message] = PERHAPS_DONE;
}

static void take_answer(struct storm *s, struct asked *slot)
{
    struct asked as = *slot;
    const struct cfs_answer *answer = &as.asked->answer;

    slot->asked = NULL;
    if (as.op == CFS_OP_PRODUCE)
        produced(s, &as);
    else if (as.op == CFS_OP_ACK)
        acknowledged(s, &as);
    for (uint32_t i = 0; as.op == CFS_OP_CONSUME && i < answer->message_count; i++)
        settle(s, &as, &answer->messages[i]);
}

static void look(struct storm *s)
{
    for (int i = 0; i < ASKED_MAX; i++)
        if (s->asked[i].asked && s->asked[i].asked->done)
            take_answer(s, &s->asked[i]);
}

static void give_up(struct storm *s)
{
    struct asked *as = &s->asked[chance(s, ASKED_MAX)];

    if (as->asked && as->op != CFS_OP_ACK)
        redis_cancel(as->node, as->asked);
}

static void lose_session(struct storm *s)
{
    struct redis_node *node = &s->w.nodes[1 + chance(s, 2)];

    redis_node_session(node, 0);
    redis_run_for(&s->w, chance(s, 5));
    redis_node_session(node, ++s->session);
}

static void fault(struct storm *s)
{
    switch (chance(s, 8)) {
    case 0:
        redis_kill(&s->w);
        redis_start(&s->w);
        break;
    case 1:
        lose_session(s);
        break;
    case 2:
        redis_break(&s->w);
        break;
    default:
        s->w.mute = true;
        redis_run_for(&s->w, 1 + chance(s, 4));
        redis_break(&s->w);
        s->w.mute = false;
        break;
    }
}

static void step(struct storm *s)
{
    unsigned which = chance(s, 100);

    if (which < 45)
        produce(s);
    else if (which < 90)
        consume(s);
    else if (which < 96)
        give_up(s);
    else if (which < 97)
        fault(s);
    redis_run_for(&s->w, 0);
    look(s);
}

static bool is_idle(void *arg)
{
    struct storm *s = arg;

    look(s);
    for (int i = 0; i < ASKED_MAX; i++)
        if (s->asked[i].asked)
            return false;
    return true;
}

/* Everything comes back that was claimed by who never heard of it, and is taken. */
static void drain(struct storm *s)
{
    struct cfs_request request = redis_consume("q");

    for (int i = 0; i < ASKED_MAX; i++)
        if (s->asked[i].asked)
            redis_cancel(s->asked[i].node, s->asked[i].asked);
    redis_run_until(&s->w, is_idle, s);
    redis_node_session(&s->w.nodes[1], ++s->session);
    redis_node_session(&s->w.nodes[2], ++s->session);
    request.consume.max = CFS_CONSUME_MAX;
    for (;;) {
        struct cfs_queue_info info = redis_stat(&s->w.nodes[1], "q");
        if (!info.ready && !info.inflight)
            return;
        redis_stat(&s->w.nodes[2], "q");
        ask(s, (struct asked){0}, &request);
        redis_run_until(&s->w, is_idle, s);
    }
}

static void judge(struct storm *s)
{
    int lost = 0;

    for (int i = 0; i < s->produced; i++)
        if (s->fates[i] == PRODUCED) {
            print_message("message %d was produced, and is lost\n", i);
            lost++;
        }
    assert_int_equal(lost, 0);
}

static unsigned first_seed = 1, steps = 3000;

static void what_was_answered_holds_through_all_of_it(void **state)
{
    struct storm *s = cfs_alloc_zeroed(1, sizeof *s);
    struct cfs_request request = redis_make("q");

    (void)state;
    print_message("seed %u, %u steps\n", first_seed, steps);
    s->seed = first_seed;
    s->session = 20;
    redis_world_open(&s->w);
    redis_node_session(redis_node_open(&s->w, 1), 11);
    redis_node_session(redis_node_open(&s->w, 2), 12);
    redis_succeeds(&s->w.nodes[1], &request);
    request = redis_configure(
        "q", CFS_CONFIG_MAX_MESSAGES | CFS_CONFIG_MAX_DELIVERIES,
        (struct cfs_queue_config){.max_messages = 30, .max_deliveries = 1000});
    redis_succeeds(&s->w.nodes[1], &request);
    for (unsigned i = 0; i < steps; i++)
        step(s);
    drain(s);
    judge(s);
    redis_world_close(&s->w);
    free(s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_answered_holds_through_all_of_it),
    };

    if (argc > 1)
        first_seed = (unsigned)strtoul(argv[1], NULL, 10);
    if (argc > 2)
        steps = (unsigned)strtoul(argv[2], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
