/* Looking at queues: lists in the order they promise, a page at a time; and who watches one. */
#include "queue_world.h"

static bool find_name(const struct cfs_answer *answer, const char *name)
{
    for (uint32_t at = 0; at < answer->names_len; at += (uint32_t)strlen(answer->names + at) + 1)
        if (strcmp(answer->names + at, name) == 0)
            return true;
    return false;
}

static void queues_are_listed_by_name(void **state)
{
    struct world *w = *state;
    struct cfs_answer answer = {0};
    char *names;

    make(w, "b", true);
    make(w, "a", true);
    names = cfs_queues_list(w->queues, "", &answer);
    assert_int_equal(answer.names_len, 6);
    assert_memory_equal(names, "a\0b\0q", 6);
    assert_false(answer.more);
    free(names);
    names = cfs_queues_list(w->queues, "aa", &answer);
    assert_memory_equal(names, "b\0q", 4);
    free(names);
    cfs_queues_remove(w->queues, "b", 0);
    names = cfs_queues_list(w->queues, "a", &answer);
    assert_memory_equal(names, "q", 2);
    free(names);
    names = cfs_queues_list(w->queues, "q", &answer);
    assert_int_equal(answer.names_len, 0);
    free(names);
}

static void very_many_queues_come_in_pages(void **state)
{
    struct world *w = *state;
    struct cfs_answer answer = {.more = true};
    char name[200], after[CFS_NAME_MAX + 1] = "";
    uint32_t found = 0, pages = 0;

    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof name, "%0190d", i * 7 % 10000);
        make(w, name, true);
    }
    for (; answer.more; pages++) {
        char *names = cfs_queues_list(w->queues, after, &answer);
        assert_true(answer.names_len <= CFS_LIST_BYTES_MAX);
        assert_false(find_name(&answer, after));
        for (uint32_t at = 0; at < answer.names_len; at += (uint32_t)strlen(after) + 1) {
            assert_true(strcmp(names + at, after) > 0);
            strcpy(after, names + at);
            found++;
        }
        free(names);
    }
    assert_int_equal(found, 10001);
    assert_int_equal(pages, 2);
}

static bool add_up(void *arg, const char *name, const struct cfs_queue_info *info)
{
    uint64_t *sum = arg;

    assert_true(*name);
    *sum += info->ready;
    return true;
}

static void all_queues_can_be_looked_at(void **state)
{
    struct world *w = *state;
    uint64_t sum = 0;

    make(w, "b", true);
    put(w, "q", "x");
    put(w, "b", "x");
    put(w, "b", "x");
    cfs_queues_each(w->queues, add_up, &sum);
    assert_int_equal(sum, 3);
}

/* Ready: a b c d e, of which b and c were handed out and have come back. */
static void ready_messages_are_listed_by_turn(void **state)
{
    struct world *w = *state;
    const char *const bodies[] = {"a", "b", "c", "d", "e"};
    cfs_message_id ids[5];
    cfs_claim_id claims[3];
    struct cfs_answer answer;
    uint64_t *got;

    for (int i = 0; i < 5; i++)
        ids[i] = put(w, "q", bodies[i]);
    for (int i = 0; i < 3; i++)
        claims[i] = take(w, 1, "q", bodies[i]).info.claim;
    give_back(w, "q", claims[2]);
    give_back(w, "q", claims[1]);
    got = list(w, "q", CFS_READY, 0, &answer);
    assert_int_equal(answer.id_count, 4);
    assert_memory_equal(got, ids + 1, 4 * sizeof *got);
    free(got);
    for (int i = 0; i < 5; i++) { /* behind each, the one that is gone too */
        got = list(w, "q", CFS_READY, ids[i], &answer);
        assert_int_equal(answer.id_count, i ? 4 - i : 4);
        if (answer.id_count)
            assert_memory_equal(got, ids + (i ? i : 0) + 1, answer.id_count * sizeof *got);
        free(got);
    }
}

static void a_dead_letter_that_is_tried_anew_is_listed_last(void **state)
{
    struct world *w = *state;
    cfs_message_id a, b;
    struct cfs_answer answer;
    uint64_t *got;

    bound_deliveries(w, "q", 1);
    a = put(w, "q", "a");
    give_back(w, "q", take(w, 1, "q", "a").info.claim);
    b = put(w, "q", "b");
    move_to(w, "q", CFS_DEAD, a, "q");
    got = list(w, "q", CFS_READY, 0, &answer);
    assert_int_equal(got[0], b);
    assert_int_equal(got[1], a);
    free(got);
    got = list(w, "q", CFS_READY, b, &answer);
    assert_int_equal(answer.id_count, 1);
    assert_int_equal(got[0], a);
    free(got);
    assert_null(list(w, "q", CFS_READY, a, &answer));
}

static void claims_and_dead_letters_are_listed_by_number(void **state)
{
    struct world *w = *state;
    cfs_claim_id claims[3];
    struct cfs_answer answer;
    uint64_t *got;

    bound_deliveries(w, "q", 1);
    for (int i = 0; i < 3; i++)
        put(w, "q", "x");
    for (int i = 0; i < 3; i++)
        claims[i] = take(w, 1, "q", "x").info.claim;
    got = list(w, "q", CFS_INFLIGHT, claims[0], &answer);
    assert_int_equal(answer.id_count, 2);
    assert_memory_equal(got, claims + 1, 2 * sizeof *got);
    free(got);
    give_back(w, "q", claims[2]);
    give_back(w, "q", claims[0]);
    got = list(w, "q", CFS_INFLIGHT, claims[0], &answer); /* one that is gone */
    assert_int_equal(answer.id_count, 1);
    assert_int_equal(got[0], claims[1]);
    free(got);
    got = list(w, "q", CFS_DEAD, 0, &answer);
    assert_int_equal(answer.id_count, 2);
    assert_true(got[0] < got[1]);
    free(list(w, "q", CFS_DEAD, got[0], &answer));
    assert_int_equal(answer.id_count, 1);
    free(got);
    assert_null(list(w, "none", CFS_DEAD, 0, &answer));
    assert_int_equal(answer.error, CFS_ERR_NO_QUEUE);
}

static void very_many_messages_come_in_pages(void **state)
{
    struct world *w = *state;
    uint32_t *lengths = calloc(CFS_PRODUCE_MAX, sizeof *lengths);
    struct cfs_produce what = {.lengths = lengths, .count = CFS_PRODUCE_MAX};
    struct cfs_answer answer = {.more = true};
    uint64_t last = 0, found = 0;

    for (int i = 0; i < 5; i++)
        produce(w, 1, "q", what);
    while (answer.more) {
        uint64_t *got = list(w, "q", CFS_READY, last, &answer);
        assert_true(answer.id_count <= CFS_MESSAGE_LIST_MAX);
        for (uint32_t i = 0; i < answer.id_count; i++, found++)
            assert_true(got[i] > last && (last = got[i]));
        free(got);
    }
    assert_int_equal(found, 5 * CFS_PRODUCE_MAX);
    free(lengths);
}

static struct cfs_answer get(struct world *w, const char *name, enum cfs_message_place place,
                             uint64_t number)
{
    struct cfs_queue_read read = {.place = place, .number = number};
    struct cfs_answer answer = {0};

    cfs_queues_get(w->queues, name, &read, w->now.time, &answer);
    return answer;
}

static void a_message_can_be_looked_at_where_it_is(void **state)
{
    struct world *w = *state;
    cfs_message_id id = put(w, "q", "body");
    struct cfs_answer answer = get(w, "q", CFS_READY, id);
    struct handed a;

    assert_int_equal(answer.message_count, 1);
    assert_memory_equal(answer.messages[0].body, "body", 4);
    assert_int_equal(answer.messages[0].sent, w->now.wall);
    assert_int_equal(answer.messages[0].deliveries, 0);
    bound_deliveries(w, "q", 1);
    a = take(w, 1, "q", "body");
    assert_int_equal(get(w, "q", CFS_READY, id).error, CFS_ERR_NO_MESSAGE);
    w->now.time += CFS_SECONDS(10);
    answer = get(w, "q", CFS_INFLIGHT, a.info.claim);
    assert_int_equal(answer.messages[0].left, CFS_SECONDS(20));
    assert_int_equal(answer.messages[0].node, 1);
    w->now.time += CFS_SECONDS(60); /* not expired yet, but over */
    assert_int_equal(get(w, "q", CFS_INFLIGHT, a.info.claim).messages[0].left, 0);
    give_back(w, "q", a.info.claim);
    assert_int_equal(get(w, "q", CFS_INFLIGHT, a.info.claim).error, CFS_ERR_NOT_CLAIMED);
    answer = get(w, "q", CFS_DEAD, id);
    assert_int_equal(answer.messages[0].deliveries, 1);
    assert_int_equal(answer.messages[0].claim, 0);
    assert_int_equal(get(w, "none", CFS_DEAD, id).error, CFS_ERR_NO_QUEUE);
}

static enum cfs_error refusal(struct world *w, enum cfs_op op, const char *name, uint64_t key)
{
    struct cfs_request request = {.op = op};

    strcpy(request.name, name);
    if (op == CFS_OP_PRODUCE)
        request.produce = (struct cfs_produce){.data = (const uint8_t *)"x", .len = 1, .key = key};
    else
        request.consume = (struct cfs_consume){.max = 1};
    return cfs_queues_refusal(w->queues, &request);
}

static void what_would_be_refused_is_known_before(void **state)
{
    struct world *w = *state;
    struct cfs_produce keyed = one("x");

    assert_int_equal(refusal(w, CFS_OP_CONSUME, "none", 0), CFS_ERR_NO_QUEUE);
    assert_int_equal(refusal(w, CFS_OP_PRODUCE, "none", 0), CFS_ERR_NO_QUEUE);
    assert_int_equal(refusal(w, CFS_OP_CONSUME, "q", 0), CFS_ERR_EMPTY);
    assert_int_equal(refusal(w, CFS_OP_PRODUCE, "q", 0), CFS_OK);
    keyed.key = 9;
    produce(w, 1, "q", keyed);
    bound_messages(w, "q", 1);
    assert_int_equal(refusal(w, CFS_OP_CONSUME, "q", 0), CFS_OK);
    assert_int_equal(refusal(w, CFS_OP_PRODUCE, "q", 0), CFS_ERR_FULL);
    assert_int_equal(refusal(w, CFS_OP_PRODUCE, "q", 9), CFS_OK); /* it is in already */
}

static void who_watches_is_woken_once(void **state)
{
    struct world *w = *state;
    char name[CFS_NAME_MAX + 1];

    cfs_queues_watch(w->queues, "none");
    cfs_queues_watch(w->queues, "q");
    assert_false(cfs_queues_take_woken(w->queues, name));
    take_waits(w, 1, "q");
    put(w, "q", "for him who waits");
    assert_false(cfs_queues_take_woken(w->queues, name));
    put(w, "q", "a");
    put(w, "q", "b");
    assert_true(cfs_queues_take_woken(w->queues, name));
    assert_string_equal(name, "q");
    assert_false(cfs_queues_take_woken(w->queues, name));
}

static void who_watches_is_woken_when_the_queue_goes(void **state)
{
    struct world *w = *state;
    char name[CFS_NAME_MAX + 1];

    cfs_queues_watch(w->queues, "q");
    cfs_queues_remove(w->queues, "q", 0);
    assert_true(cfs_queues_take_woken(w->queues, name));
    make(w, "q", true);
    cfs_queues_watch(w->queues, "q"); /* nobody takes it: it is forgotten with the rest */
    put(w, "q", "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(queues_are_listed_by_name),
        IN_WORLD(very_many_queues_come_in_pages),
        IN_WORLD(all_queues_can_be_looked_at),
        IN_WORLD(ready_messages_are_listed_by_turn),
        IN_WORLD(a_dead_letter_that_is_tried_anew_is_listed_last),
        IN_WORLD(claims_and_dead_letters_are_listed_by_number),
        IN_WORLD(very_many_messages_come_in_pages),
        IN_WORLD(a_message_can_be_looked_at_where_it_is),
        IN_WORLD(what_would_be_refused_is_known_before),
        IN_WORLD(who_watches_is_woken_once),
        IN_WORLD(who_watches_is_woken_when_the_queue_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
