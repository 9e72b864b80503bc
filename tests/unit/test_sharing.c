/* What a node may keep, and for how long; what a recall strikes out. */
#include "core_bench.h"

#include <string.h>

#include "core/sharing.h"

#define LEASE CFS_SECONDS(1)
#define RELIED (LEASE - LEASE / 50)
#define HOME 2u
#define TERM 5u
#define GROUP 1u

static struct bench bench;
static struct cfs_sharing sharing;

static int set_up(void **state)
{
    (void)state;
    bench_open(&bench, 3);
    bench.config.groups = 2;
    bench.config.cache_lease = LEASE;
    cfs_sharing_init(&sharing, &bench.env, &bench.config);
    cfs_sharing_leader(&sharing, GROUP, HOME, TERM);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cfs_sharing_close(&sharing);
    bench_close(&bench);
    return 0;
}

static struct cfs_request fetch(cfs_ino ino)
{
    return (struct cfs_request){.op = CFS_OP_CACHE_FETCH, .cache_read = {.ino = ino}};
}

static struct cfs_request look_up(cfs_ino directory, const char *name)
{
    struct cfs_request request = {.op = CFS_OP_CACHE_LOOKUP, .cache_read = {.ino = directory}};

    strcpy(request.name, name);
    return request;
}

static struct cfs_share_ask ask(void)
{
    struct cfs_share_ask asked = {0};

    cfs_sharing_ask(&sharing, GROUP, &asked);
    return asked;
}

/* The home answers with a share; the epoch that is left of it. */
static uint64_t confirm_found(const struct cfs_share_ask *asked, struct cfs_request request,
                              cfs_ino found)
{
    struct cfs_answer answer = {
        .cache = {.share = {.group = 9, .epoch = asked->epoch, .exclusive = true},
                  .inode = {.ino = found}}};

    cfs_sharing_confirm(&sharing, GROUP, asked, &request, &answer);
    assert_int_equal(answer.cache.share.group, GROUP);
    assert_int_equal(answer.cache.share.exclusive, answer.cache.share.epoch != 0);
    return answer.cache.share.epoch;
}

static uint64_t confirm(const struct cfs_share_ask *asked, struct cfs_request request)
{
    return confirm_found(asked, request, 0);
}

/* Something is kept from now on. */
static uint64_t keep(void)
{
    struct cfs_share_ask asked = ask();
    uint64_t epoch = confirm(&asked, fetch(10));

    assert_int_not_equal(epoch, 0);
    return epoch;
}

static cfs_time valid(uint64_t epoch)
{
    return cfs_sharing_valid(&sharing, &(struct cfs_cache_share){.group = GROUP, .epoch = epoch},
                             bench.env.now);
}

static void recall(uint64_t id, bool contents, cfs_ino ino, const char *name)
{
    struct cfs_cache_recall_item item = {.ino = ino};
    struct cfs_message message = {
        .type = CFS_MSG_RECALL,
        .group = GROUP,
        .from = HOME,
        .term = TERM,
        .recall = {.id = id, .contents = contents, .count = 1, .items = &item}};

    strcpy(item.name, name);
    cfs_sharing_recall(&sharing, &message);
}

static void kept(uint64_t epoch, bool known, uint64_t floor, cfs_time sent)
{
    struct cfs_message message = {
        .type = CFS_MSG_SHARE_KEPT,
        .group = GROUP,
        .from = HOME,
        .term = TERM,
        .share_kept = {.epoch = epoch, .known = known, .floor = floor, .sent = sent}};

    cfs_sharing_kept(&sharing, &message);
}

static void a_lease_runs_from_the_first_sending(void **state)
{
    struct cfs_share_ask asked = ask();
    uint64_t first = asked.epoch;

    (void)state;
    assert_int_not_equal(first, 0);
    bench_pass(&bench, CFS_MS(300));
    assert_int_equal(cfs_sharing_ask(&sharing, GROUP, &asked), first);
    bench_pass(&bench, CFS_MS(300));
    assert_int_equal(confirm(&asked, fetch(10)), first);
    assert_int_equal(valid(first), RELIED - CFS_MS(600));
    assert_int_equal(valid(first + 1), 0);
    assert_int_equal(valid(0), 0);
    bench_pass(&bench, RELIED - CFS_MS(600));
    assert_int_equal(valid(first), 0);
}

static void what_took_longer_than_a_lease_is_not_kept(void **state)
{
    struct cfs_share_ask asked = ask();

    (void)state;
    bench_pass(&bench, RELIED);
    assert_int_equal(confirm(&asked, fetch(10)), 0);
    cfs_sharing_check(&sharing);
    assert_int_equal(bench_effect_count(&bench, CFS_FX_LAPSE), 0);
}

static void an_answer_without_a_share_has_none(void **state)
{
    struct cfs_share_ask asked = ask();
    struct cfs_answer answer = {0};
    struct cfs_request request = fetch(10);

    (void)state;
    cfs_sharing_confirm(&sharing, GROUP, &asked, &request, &answer);
    assert_int_equal(answer.cache.share.epoch, 0);
    assert_int_equal(cfs_sharing_deadline(&sharing), CFS_NEVER);
}

static void a_lease_that_is_over_ends_the_epoch(void **state)
{
    uint64_t epoch = keep();
    struct cfs_share_ask before = ask(), during = {0};

    (void)state;
    assert_true(cfs_sharing_deadline(&sharing) <= bench.env.now + LEASE / 4);
    bench_pass(&bench, RELIED - 1);
    cfs_sharing_check(&sharing);
    assert_int_equal(bench_effect_count(&bench, CFS_FX_LAPSE), 0);
    bench_pass(&bench, 1);
    cfs_sharing_check(&sharing);
    assert_int_equal(bench_effect_count(&bench, CFS_FX_LAPSE), 1);
    assert_int_equal(bench_effect(&bench, CFS_FX_LAPSE)->lapse.group, GROUP);
    assert_int_equal(bench_effect(&bench, CFS_FX_LAPSE)->lapse.epoch, epoch + 1);
    assert_int_equal(confirm(&before, fetch(10)), 0);

    /* Until the files have given up, nothing is asked for. */
    assert_int_equal(cfs_sharing_ask(&sharing, GROUP, &during), 0);
    cfs_sharing_lapsed(&sharing, GROUP, epoch);
    assert_int_equal(cfs_sharing_ask(&sharing, GROUP, &during), 0);
    cfs_sharing_lapsed(&sharing, GROUP, epoch + 1);
    assert_int_equal(cfs_sharing_ask(&sharing, GROUP, &during), epoch + 1);
    assert_int_equal(confirm(&during, fetch(10)), epoch + 1);
}

static void another_leader_ends_the_epoch(void **state)
{
    uint64_t epoch = keep();
    struct cfs_share_ask before = ask();

    (void)state;
    cfs_sharing_leader(&sharing, GROUP, 0, TERM + 1);
    cfs_sharing_leader(&sharing, GROUP, HOME, TERM);
    assert_int_equal(valid(epoch), RELIED);
    cfs_sharing_leader(&sharing, GROUP, 3, TERM + 1);
    assert_int_equal(valid(epoch), 0);
    assert_int_equal(confirm(&before, fetch(10)), 0);
    assert_int_equal(bench_effect_count(&bench, CFS_FX_LAPSE), 1);
    /* Of which nothing is kept: the files need not hear of it. */
    cfs_sharing_lapsed(&sharing, GROUP, epoch + 1);
    assert_int_equal(ask().epoch, epoch + 1);
    cfs_sharing_leader(&sharing, GROUP, 3, TERM + 2);
    assert_int_equal(ask().epoch, epoch + 2);
    assert_int_equal(bench_effect_count(&bench, CFS_FX_LAPSE), 1);
}

static void while_something_is_kept_the_lease_is_renewed(void **state)
{
    uint64_t epoch = keep();
    const struct cfs_message *sent;

    (void)state;
    cfs_sharing_tick(&sharing);
    assert_int_equal(bench_sent_count(&bench, CFS_MSG_SHARE_KEEP, 0), 0);
    bench_pass(&bench, LEASE / 4);
    cfs_sharing_tick(&sharing);
    cfs_sharing_tick(&sharing);
    assert_int_equal(bench_sent_count(&bench, CFS_MSG_SHARE_KEEP, 0), 1);
    sent = bench_sent(&bench, CFS_MSG_SHARE_KEEP, HOME);
    assert_int_equal(sent->term, TERM);
    assert_int_equal(sent->share_keep.epoch, epoch);
    assert_int_equal(sent->share_keep.sent, bench.env.now);
    bench_pass(&bench, CFS_MS(100));
    kept(epoch, true, 0, bench.env.now - CFS_MS(100));
    assert_int_equal(valid(epoch), RELIED - CFS_MS(100));
    kept(epoch, true, 0, bench.env.now - CFS_MS(200));
    assert_int_equal(valid(epoch), RELIED - CFS_MS(100));
}

static void a_home_that_knows_of_nothing_ends_the_epoch(void **state)
{
    uint64_t epoch = keep();

    (void)state;
    kept(epoch - 1, false, epoch - 1, bench.env.now);
    assert_int_equal(valid(epoch), RELIED);
    kept(epoch, false, epoch, bench.env.now);
    assert_int_equal(valid(epoch), 0);
    assert_int_equal(bench_effect_count(&bench, CFS_FX_LAPSE), 1);
    assert_true(bench_effect(&bench, CFS_FX_LAPSE)->lapse.epoch > epoch);
}

/* It has heard of a larger one, of a life before. */
static void a_home_may_know_better(void **state)
{
    uint64_t epoch = ask().epoch;

    (void)state;
    kept(epoch, false, epoch + 1000, 0);
    assert_true(ask().epoch > epoch + 1000);
    assert_int_equal(bench_effect_count(&bench, CFS_FX_LAPSE), 0);
}

static void a_recall_is_for_the_files(void **state)
{
    const struct cfs_cache_recall *out;
    const struct cfs_message *sent;

    (void)state;
    recall(77, true, 10, "");
    recall(77, true, 10, "");
    assert_int_equal(bench_effect_count(&bench, CFS_FX_RECALL), 1);
    out = bench_effect(&bench, CFS_FX_RECALL)->recall;
    assert_int_equal(out->group, GROUP);
    assert_true(out->contents);
    assert_int_equal(out->count, 1);
    assert_int_equal(out->items[0].ino, 10);
    assert_int_equal(bench_sent_count(&bench, CFS_MSG_RECALLED, 0), 0);
    cfs_sharing_recalled(&sharing, out->id);
    cfs_sharing_recalled(&sharing, out->id);
    assert_int_equal(bench_sent_count(&bench, CFS_MSG_RECALLED, 0), 1);
    sent = bench_sent(&bench, CFS_MSG_RECALLED, HOME);
    assert_int_equal(sent->term, TERM);
    assert_int_equal(sent->recalled.id, 77);
    /* That was lost: once more. */
    recall(77, true, 10, "");
    assert_int_equal(bench_effect_count(&bench, CFS_FX_RECALL), 2);
}

static void what_a_recall_may_have_overtaken_is_not_kept(void **state)
{
    struct cfs_share_ask before = ask(), after;

    (void)state;
    recall(77, true, 10, "");
    after = ask();
    assert_int_equal(confirm(&before, fetch(10)), 0);
    assert_int_not_equal(confirm(&before, fetch(11)), 0);
    assert_int_not_equal(confirm(&before, look_up(10, "a")), 0);
    assert_int_not_equal(confirm(&after, fetch(10)), 0);
}

static void a_name_that_is_recalled_leaves_the_others(void **state)
{
    struct cfs_share_ask before = ask();
    struct cfs_request list = {.op = CFS_OP_CACHE_LIST, .cache_read = {.ino = 10}};
    struct cfs_request node = {.op = CFS_OP_CACHE_NODE, .cache_read = {.ino = 10}};

    (void)state;
    recall(77, false, 10, "a");
    assert_int_equal(confirm(&before, look_up(10, "a")), 0);
    assert_int_not_equal(confirm(&before, look_up(10, "b")), 0);
    assert_int_equal(confirm(&before, list), 0);
    assert_int_equal(confirm(&before, node), 0);
    assert_int_equal(confirm_found(&before, look_up(9, "directory"), 10), 0);
    recall(78, false, 20, "");
    assert_int_equal(confirm(&before, look_up(20, "b")), 0);
    assert_int_equal(confirm_found(&before, look_up(9, "file"), 20), 0);
    assert_int_not_equal(confirm_found(&before, look_up(9, "file"), 21), 0);
}

static void what_is_in_a_list_and_was_recalled_spoils_it(void **state)
{
    struct cfs_share_ask before = ask();
    struct cfs_request list = {.op = CFS_OP_CACHE_LIST, .cache_read = {.ino = 10}};
    struct cfs_inode_info entries[] = {{.ino = 30}, {.ino = 31}};
    struct cfs_answer answer = {
        .cache = {.share = {.epoch = before.epoch}, .entries = entries, .entry_count = 2}};

    (void)state;
    recall(77, false, 32, "");
    cfs_sharing_confirm(&sharing, GROUP, &before, &list, &answer);
    assert_int_not_equal(answer.cache.share.epoch, 0);
    recall(78, false, 31, "");
    cfs_sharing_confirm(&sharing, GROUP, &before, &list, &answer);
    assert_int_equal(answer.cache.share.epoch, 0);
}

static void changes_are_struck_out_too(void **state)
{
    struct cfs_share_ask before = ask();
    struct cfs_request make = {.op = CFS_OP_CACHE_MAKE, .name = "a", .cache_make = {.parent = 10}};
    struct cfs_request remove = {
        .op = CFS_OP_CACHE_REMOVE, .name = "a", .cache_remove = {.parent = 10}};
    struct cfs_request rename = {
        .op = CFS_OP_CACHE_RENAME, .name = "x", .cache_rename = {9, 10, "a", false, false, 0}};
    struct cfs_request set = {.op = CFS_OP_CACHE_SETNODE, .cache_set = {.ino = 40}};
    struct cfs_request put = {.op = CFS_OP_CACHE_PUT, .cache_put = {.ino = 40}};

    (void)state;
    recall(77, false, 10, "a");
    assert_int_equal(confirm(&before, make), 0);
    assert_int_equal(confirm(&before, remove), 0);
    assert_int_equal(confirm(&before, rename), 0);
    assert_int_not_equal(confirm(&before, set), 0);
    recall(78, false, 40, "");
    assert_int_equal(confirm(&before, set), 0);
    assert_int_not_equal(confirm(&before, put), 0);
    recall(79, true, 40, "");
    assert_int_equal(confirm(&before, put), 0);
}

static struct cfs_request put(cfs_ino ino)
{
    return (struct cfs_request){.op = CFS_OP_CACHE_PUT, .cache_put = {.ino = ino}};
}

static void change_over(struct cfs_request request, const struct cfs_answer *answer)
{
    cfs_sharing_change_ends(&sharing, GROUP, &request);
    cfs_sharing_changed(&sharing, GROUP, &request, answer);
}

static void what_the_node_itself_changes_is_not_kept(void **state)
{
    struct cfs_share_ask before = ask(), meanwhile, after;
    struct cfs_request change = put(10);

    (void)state;
    cfs_sharing_change_begins(&sharing, GROUP, &change);
    meanwhile = ask();
    assert_int_equal(confirm(&before, fetch(10)), 0);
    assert_int_not_equal(confirm(&before, fetch(11)), 0);
    assert_int_equal(confirm(&meanwhile, fetch(10)), 0);
    change_over(change, NULL);
    after = ask();
    assert_int_equal(confirm(&meanwhile, fetch(10)), 0);
    assert_int_not_equal(confirm(&after, fetch(10)), 0);
}

static void as_long_as_one_of_its_changes_is_under_way(void **state)
{
    struct cfs_request change = put(10);
    struct cfs_share_ask asked;

    (void)state;
    cfs_sharing_change_begins(&sharing, GROUP, &change);
    cfs_sharing_change_begins(&sharing, GROUP, &change);
    change_over(change, NULL);
    asked = ask();
    assert_int_equal(confirm(&asked, fetch(10)), 0);
    change_over(change, NULL);
    asked = ask();
    assert_int_not_equal(confirm(&asked, fetch(10)), 0);
}

static uint64_t confirm_node(const struct cfs_share_ask *asked, enum cfs_op op, cfs_ino ino,
                             cfs_ino parent)
{
    struct cfs_request request = {.op = op, .cache_read = {.ino = ino}};
    struct cfs_answer answer = {
        .cache = {.share = {.epoch = asked->epoch}, .inode = {.ino = ino, .parent = parent}}};

    cfs_sharing_confirm(&sharing, GROUP, asked, &request, &answer);
    return answer.cache.share.epoch;
}

/* Which inode has the name that goes the node does not know. */
static void a_name_that_the_node_takes_may_be_that_of_what_is_read(void **state)
{
    static const enum cfs_op reads[] = {CFS_OP_CACHE_NODE, CFS_OP_CACHE_LIST};
    struct cfs_request change = {.op = CFS_OP_CACHE_REMOVE, .name = "a", .cache_remove = {20}};
    struct cfs_share_ask before = ask(), meanwhile;

    (void)state;
    cfs_sharing_change_begins(&sharing, GROUP, &change);
    meanwhile = ask();
    assert_int_equal(confirm(&before, look_up(20, "a")), 0);
    assert_int_equal(confirm(&meanwhile, look_up(20, "a")), 0);
    assert_int_not_equal(confirm(&meanwhile, look_up(20, "b")), 0);
    for (size_t i = 0; i < sizeof reads / sizeof *reads; i++) {
        assert_int_equal(confirm_node(&before, reads[i], 30, 20), 0);
        assert_int_equal(confirm_node(&meanwhile, reads[i], 30, 20), 0);
        assert_int_not_equal(confirm_node(&meanwhile, reads[i], 30, 21), 0);
    }
    change_over(change, &(struct cfs_answer){.id = 31});
    assert_int_equal(confirm_found(&meanwhile, look_up(21, "c"), 31), 0);
}

static void with_the_session_all_epochs_are_over(void **state)
{
    uint64_t epoch = keep();

    (void)state;
    cfs_sharing_session_lost(&sharing);
    assert_int_equal(valid(epoch), 0);
    assert_non_null(bench_effect(&bench, CFS_FX_LAPSE));
}

static void of_too_many_recalls_one_may_be_meant(void **state)
{
    struct cfs_share_ask before = ask();

    (void)state;
    for (uint32_t i = 0; i < CFS_RECALLS_KEPT; i++)
        recall(100 + i, true, 1000 + i, "");
    assert_int_not_equal(confirm(&before, fetch(10)), 0);
    recall(99, true, 999, "");
    assert_int_equal(confirm(&before, fetch(10)), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_lease_runs_from_the_first_sending),
        TEST(what_took_longer_than_a_lease_is_not_kept),
        TEST(an_answer_without_a_share_has_none),
        TEST(a_lease_that_is_over_ends_the_epoch),
        TEST(another_leader_ends_the_epoch),
        TEST(while_something_is_kept_the_lease_is_renewed),
        TEST(a_home_that_knows_of_nothing_ends_the_epoch),
        TEST(a_home_may_know_better),
        TEST(a_recall_is_for_the_files),
        TEST(what_a_recall_may_have_overtaken_is_not_kept),
        TEST(a_name_that_is_recalled_leaves_the_others),
        TEST(what_is_in_a_list_and_was_recalled_spoils_it),
        TEST(changes_are_struck_out_too),
        TEST(what_the_node_itself_changes_is_not_kept),
        TEST(as_long_as_one_of_its_changes_is_under_way),
        TEST(a_name_that_the_node_takes_may_be_that_of_what_is_read),
        TEST(with_the_session_all_epochs_are_over),
        TEST(of_too_many_recalls_one_may_be_meant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
