/* The page .coordfs/queues: what is in the queues that this node has replicas of. */
#include "status_world.h"

#include <stdlib.h>
#include <string.h>

struct world {
    struct cfs_status status;
    struct cfs_queues *queues[2]; /* of groups 1 and 5 */
    uint64_t sequence;
};

static void ignore(void *arg, struct cfs_asker asker, const struct cfs_answer *answer)
{
    (void)arg;
    (void)asker;
    (void)answer;
}

/* Node 1 has replicas of groups 0, 1 and 5, of which node 2 leads 1, and nobody 5. */
static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    w->status = status_of_a_leader();
    for (cfs_group_id id = 1; id <= CFS_GROUPS; id++)
        status_group(id)->view = (struct cfs_core_view){.replica = id == 1 || id == 5};
    status_group(1)->view.leader = 2;
    w->queues[0] = cfs_queues_new(ignore, NULL);
    w->queues[1] = cfs_queues_new(ignore, NULL);
    status_group(1)->queues = w->queues[0];
    status_group(5)->queues = w->queues[1];
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    cfs_queues_free(w->queues[0]);
    cfs_queues_free(w->queues[1]);
    free(w);
    return 0;
}

static struct cfs_asker next_asker(struct world *w)
{
    return (struct cfs_asker){.session = 12, .sequence = ++w->sequence, .node = 1};
}

static void make(struct world *w, int group, const char *name)
{
    struct cfs_queue_make make = {.perm = 0644};

    assert_int_equal(cfs_queues_make(w->queues[group], (struct cfs_moment){.time = 1}, name, &make),
                     CFS_OK);
}

static void produce(struct world *w, int group, const char *name, const char *body)
{
    struct cfs_produce produce = {.data = (const uint8_t *)body, .len = (uint32_t)strlen(body)};
    struct cfs_answer answer = {0};

    cfs_queues_produce(w->queues[group], next_asker(w), (struct cfs_moment){.time = 1}, name,
                       &produce, &answer);
    assert_int_equal(answer.error, CFS_OK);
}

static void consume(struct world *w, int group, const char *name, bool wait)
{
    struct cfs_consume consume = {.max = 1, .wait = wait};
    struct cfs_answer answer = {0};

    cfs_queues_consume(w->queues[group], next_asker(w), (struct cfs_moment){.time = 1}, name,
                       &consume, &answer);
    assert_int_equal(answer.error, CFS_OK);
}

static void text_is(const struct world *w, const char *expected)
{
    char *text = cfs_page_make("queues", false, &w->status);

    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static void test_no_queues_are_said_too(void **state)
{
    text_is(*state,
            "# 0 queues in the 2 groups that node 1 has a replica of, as it has applied their "
            "logs; not a linearizable read\n"
            "name  ready  inflight  dead  bytes  consumers  producers  group  leader\n");
}

static void test_queues_of_all_groups_are_listed(void **state)
{
    struct world *w = *state;

    make(w, 0, "two words");
    make(w, 1, "jobs");
    produce(w, 0, "two words", "one");
    produce(w, 0, "two words", "two");
    consume(w, 0, "two words", false);
    consume(w, 1, "jobs", true);
    text_is(w, "# 2 queues in the 2 groups that node 1 has a replica of, as it has applied their "
               "logs; not a linearizable read\n"
               "name          ready  inflight  dead  bytes  consumers  producers  group  leader\n"
               "two\\040words      1         1     0      6          0          0      1       2\n"
               "jobs              0         0     0      0          1          0      5       -\n");
}

static void test_json_says_the_same(void **state)
{
    struct world *w = *state;
    const json_t *row;
    json_t *root;

    make(w, 0, "jobs");
    produce(w, 0, "jobs", "one");
    root = page_as_json("queues", &w->status);
    row = json_array_get(json_object_get(root, "queues"), 0);
    assert_number(root, "node", 1);
    assert_number(root, "groups", 2);
    assert_number(root, "count", 1);
    assert_string_equal(json_string_value(json_object_get(row, "name")), "jobs");
    assert_number(row, "ready", 1);
    assert_number(row, "bytes", 3);
    assert_number(row, "group", 1);
    assert_number(row, "leader", 2);
    json_decref(root);
}

static void test_the_page_is_bounded_and_says_so(void **state)
{
    struct world *w = *state;
    const char *end = "\n# and 7 more\n";
    char name[32], *text;
    json_t *root;

    for (uint32_t i = 0; i < CFS_PAGE_ROWS_MAX + 7; i++) {
        snprintf(name, sizeof name, "queue-%u", i);
        make(w, i % 2, name);
    }
    root = page_as_json("queues", &w->status);
    text = cfs_page_make("queues", false, &w->status);
    assert_int_equal(json_array_size(json_object_get(root, "queues")), CFS_PAGE_ROWS_MAX);
    assert_string_equal(text + strlen(text) - strlen(end), end);
    json_decref(root);
    free(text);
}

/* Of a store the page has what was seen last, and says how long ago. */
static void test_queues_of_a_store_are_shown_as_they_were_seen(void **state)
{
    struct world *w = *state;
    struct cfs_queue_row row = {.name = "jobs", .info = {.ready = 3, .bytes = 9, .node = 1}};
    struct cfs_queue_overview overview = {
        .seen = w->status.now - CFS_MS(250), .count = 2, .rows = &row, .row_count = 1};
    char *text;

    w->status.store = "redis://r:6379/0";
    w->status.overview = &overview;
    text = cfs_page_make("queues", false, &w->status);
    assert_string_equal(text,
                        "# 2 queues in redis://r:6379/0, as node 1 saw them 250 ms ago; not a "
                        "linearizable read\n"
                        "name  ready  inflight  dead  bytes  consumers  producers  group  leader\n"
                        "jobs      3         0     0      9          0          0      -       -\n"
                        "# and 1 more\n");
    free(text);
    overview.seen = 0;
    text = cfs_page_make("queues", false, &w->status);
    assert_non_null(strstr(text, "saw them - ms ago"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(test_no_queues_are_said_too),
        T(test_queues_of_all_groups_are_listed),
        T(test_json_says_the_same),
        T(test_the_page_is_bounded_and_says_so),
        T(test_queues_of_a_store_are_shown_as_they_were_seen),
    };

    return cmocka_run_group_tests_name("page_queues", tests, NULL, NULL);
}
