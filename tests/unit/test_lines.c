/* Lines of a home: who shares, who waits, whose epoch counts. And the page that describes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/lines.h"

#define LEASE CFS_MS(1020)
#define START CFS_SECONDS(100)
#define FILE_A ((cfs_ino)10)
#define FILE_B ((cfs_ino)11)
#define NUMBER_A cfs_line_number(FILE_A, true)
#define NUMBER_B cfs_line_number(FILE_B, true)

static struct cfs_lines lines;
static uint64_t sequence;

static int set_up(void **state)
{
    (void)state;
    lines = (struct cfs_lines){0};
    cfs_lines_open(&lines, START, LEASE);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cfs_lines_close(&lines);
    return 0;
}

static bool share_at(cfs_time now, cfs_node_id node, uint64_t epoch, cfs_ino ino)
{
    uint64_t number = cfs_line_number(ino, true);
    bool exclusive;

    return cfs_lines_share(&lines, node, epoch, now, &number, 1, &exclusive);
}

static bool share(cfs_node_id node, uint64_t epoch, cfs_ino ino)
{
    return share_at(START, node, epoch, ino);
}

static struct cfs_change *begin_items(cfs_node_id node, const struct cfs_cache_recall_item *items,
                                      uint32_t count)
{
    struct cfs_change *change =
        cfs_lines_begin(&lines, (struct cfs_asker){7, ++sequence, node}, true, items, count);

    change->epoch = 1;
    return change;
}

static struct cfs_change *begin(cfs_node_id node, cfs_ino ino)
{
    return begin_items(node, &(struct cfs_cache_recall_item){.ino = ino}, 1);
}

static void recall(struct cfs_change *change)
{
    assert_ptr_equal(lines.ready, change);
    cfs_lines_recall(&lines, change, START, START + CFS_MS(50));
}

static enum cfs_line_state state_of(cfs_node_id node, cfs_ino ino)
{
    return cfs_lines_state(&lines, node, cfs_line_number(ino, true));
}

static void a_line_is_exclusive_until_another_shares_it(void **state)
{
    uint64_t ino = NUMBER_A;
    bool exclusive;

    (void)state;
    assert_true(cfs_lines_share(&lines, 1, 1, START, &ino, 1, &exclusive));
    assert_true(exclusive);
    assert_int_equal(state_of(1, FILE_A), CFS_LINE_E);
    assert_true(cfs_lines_share(&lines, 2, 1, START, &ino, 1, &exclusive));
    assert_false(exclusive);
    assert_int_equal(state_of(1, FILE_A), CFS_LINE_S);
    assert_int_equal(state_of(2, FILE_A), CFS_LINE_S);
    assert_int_equal(state_of(3, FILE_A), CFS_LINE_I);
}

static void names_and_contents_of_an_inode_are_two_lines(void **state)
{
    uint64_t names = cfs_line_number(FILE_A, false);
    struct cfs_change *change;
    bool exclusive;

    (void)state;
    share(2, 1, FILE_A);
    assert_true(cfs_lines_share(&lines, 2, 1, START, &names, 1, &exclusive));
    change = begin(1, FILE_A);
    recall(change);
    cfs_lines_recalled(&lines, 2, change->id);
    assert_int_equal(cfs_lines_state(&lines, 2, names), CFS_LINE_E);
    assert_int_equal(state_of(2, FILE_A), CFS_LINE_I);
}

static void a_change_recalls_from_all_others(void **state)
{
    struct cfs_change *change;

    (void)state;
    for (cfs_node_id node = 1; node <= 3; node++)
        assert_true(share(node, 1, FILE_A));
    change = begin(1, FILE_A);
    recall(change);
    assert_int_equal(change->awaited, CFS_NODE_BIT(2) | CFS_NODE_BIT(3));
    assert_false(share(3, 1, FILE_A));
    assert_true(share(3, 1, FILE_B));
    cfs_lines_recalled(&lines, 2, change->id);
    cfs_lines_recalled(&lines, 2, change->id);
    assert_ptr_equal(lines.recalling, change);
    cfs_lines_recalled(&lines, 3, change->id + 1);
    assert_ptr_equal(lines.recalling, change);
    cfs_lines_recalled(&lines, 3, change->id);
    assert_ptr_equal(lines.settled, change);
    cfs_lines_commit(&lines, change, 5);
    assert_false(share(2, 1, FILE_A));
    cfs_lines_finish(&lines, change);
    assert_int_equal(state_of(1, FILE_A), CFS_LINE_E);
    assert_true(share(2, 1, FILE_A));
}

/* Their own RECALLED, however late, is of another change. */
/* Whoever asked has no copy, but others on its node may. */
static void a_change_from_outside_recalls_from_its_own_node_too(void **state)
{
    struct cfs_change *change;

    (void)state;
    assert_true(share(1, 1, FILE_A));
    change = begin(1, FILE_A);
    change->outside = true;
    recall(change);
    assert_ptr_equal(lines.recalling, change);
    cfs_lines_recalled(&lines, 1, change->id);
    assert_ptr_equal(lines.settled, change);
    cfs_lines_finish(&lines, change);
}

static void a_late_recalled_is_of_no_account(void **state)
{
    struct cfs_change *change;
    uint64_t id;

    (void)state;
    share(2, 1, FILE_A);
    change = begin(1, FILE_A);
    recall(change);
    id = change->id;
    cfs_lines_recalled(&lines, 2, id);
    cfs_lines_commit(&lines, change, 5);
    cfs_lines_finish(&lines, change);
    share(2, 1, FILE_A);
    change = begin(1, FILE_A);
    recall(change);
    cfs_lines_recalled(&lines, 2, id);
    assert_ptr_equal(lines.recalling, change);
    assert_int_equal(change->awaited, CFS_NODE_BIT(2));
}

static void changes_of_one_line_come_one_after_the_other(void **state)
{
    struct cfs_change *first = begin(1, FILE_A), *second = begin(2, FILE_A),
                      *other = begin(3, FILE_B);

    (void)state;
    assert_ptr_equal(lines.ready, first);
    assert_ptr_equal(first->next, other);
    assert_null(other->next);
    assert_true(second->delayed);
    recall(first);
    recall(other);
    assert_null(lines.ready);
    cfs_lines_finish(&lines, first);
    recall(second);
    assert_ptr_equal(cfs_lines_find(&lines, (struct cfs_asker){7, second->asker.sequence, 2}),
                     second);
}

/* Behind what has the line, before what came later. */
static void what_touches_something_else_by_now_takes_its_place_there(void **state)
{
    const struct cfs_cache_recall_item both[] = {{FILE_A, ""}, {FILE_B, ""}};
    struct cfs_change *first = begin(1, FILE_A), *second = begin(2, FILE_A),
                      *third = begin(3, FILE_B);

    (void)state;
    cfs_lines_finish(&lines, first);
    assert_ptr_equal(lines.ready, third);
    assert_ptr_equal(third->next, second);
    assert_true(cfs_lines_touch(&lines, second, both, 2));
    assert_ptr_equal(lines.ready, second);
    assert_null(second->next);
    assert_true(third->delayed);
    cfs_lines_finish(&lines, second);

    recall(third);
    second = begin(2, FILE_A);
    assert_false(cfs_lines_touch(&lines, second, both, 2));
    cfs_lines_finish(&lines, third);
    recall(second);
}

static void who_gave_up_a_name_keeps_the_others(void **state)
{
    const struct cfs_cache_recall_item items[] = {{FILE_A, "name"}, {FILE_B, ""}};
    struct cfs_change *change;

    (void)state;
    share(2, 1, FILE_A);
    share(2, 1, FILE_B);
    change = begin_items(1, items, 2);
    recall(change);
    cfs_lines_recalled(&lines, 2, change->id);
    cfs_lines_commit(&lines, change, 5);
    cfs_lines_finish(&lines, change);
    assert_int_equal(state_of(2, FILE_A), CFS_LINE_E);
    assert_int_equal(state_of(2, FILE_B), CFS_LINE_I);
}

static void nobody_is_waited_for_longer_than_its_lease(void **state)
{
    struct cfs_change *change;

    (void)state;
    share(2, 5, FILE_A);
    share(2, 5, FILE_B);
    share(3, 5, FILE_A);
    change = begin(1, FILE_A);
    recall(change);
    share_at(START + CFS_MS(500), 3, 5, FILE_B);
    cfs_lines_end_leases(&lines, change, START + LEASE - 1);
    assert_int_equal(change->awaited, CFS_NODE_BIT(2) | CFS_NODE_BIT(3));
    cfs_lines_end_leases(&lines, change, START + LEASE);
    assert_int_equal(change->awaited, CFS_NODE_BIT(3));
    assert_int_equal(state_of(2, FILE_B), CFS_LINE_I);
    cfs_lines_end_leases(&lines, change, START + LEASE + CFS_MS(500));
    assert_ptr_equal(lines.settled, change);
}

static void an_epoch_that_is_over_never_counts_again(void **state)
{
    struct cfs_change *change;
    uint64_t floor;

    (void)state;
    share(2, 5, FILE_A);
    change = begin(1, FILE_A);
    recall(change);
    cfs_lines_end_leases(&lines, change, START + LEASE);
    assert_false(share(2, 5, FILE_B));
    assert_false(share(2, 4, FILE_B));
    assert_int_equal(cfs_lines_keep(&lines, 2, 5, START), CFS_KEEPING_UNKNOWN);
    assert_true(cfs_lines_epoch_over(&lines, 2, 5, &floor));
    assert_int_equal(floor, 5);
    assert_true(share(2, 6, FILE_B));
    assert_false(share(2, 5, FILE_B));
    assert_int_equal(cfs_lines_keep(&lines, 2, 6, START), CFS_KEEPING_RENEWED);
}

static void a_new_epoch_ends_the_one_before_with_its_lease(void **state)
{
    (void)state;
    share(2, 5, FILE_A);
    share(2, 5, FILE_B);
    assert_true(share(2, 6, (cfs_ino)12));
    assert_int_equal(state_of(2, FILE_B), CFS_LINE_E);
    assert_true(share_at(START + LEASE, 2, 7, (cfs_ino)12));
    assert_int_equal(state_of(2, FILE_B), CFS_LINE_I);
    assert_int_equal(state_of(2, (cfs_ino)12), CFS_LINE_E);
    assert_false(share(2, 0, FILE_B));
}

/* A life before had larger epochs, and what it sent comes late: the node knows nothing of it, and
 * keeps what it shares. */
static void an_epoch_that_comes_late_takes_no_share_away(void **state)
{
    struct cfs_change *change;

    (void)state;
    share(2, 5, FILE_A);
    assert_true(share(2, 9, FILE_B));
    change = begin(2, FILE_A);
    change->epoch = 9;
    recall(change);
    assert_int_equal(change->awaited, CFS_NODE_BIT(2));
    assert_int_equal(cfs_lines_keep(&lines, 2, 5, START), CFS_KEEPING_UNKNOWN);
    cfs_lines_recalled(&lines, 2, change->id);
    assert_ptr_equal(lines.settled, change);
    assert_int_equal(state_of(2, FILE_B), CFS_LINE_E);
}

static void keeping_renews_the_lease(void **state)
{
    struct cfs_change *change;

    (void)state;
    share(2, 5, FILE_A);
    assert_int_equal(cfs_lines_keep(&lines, 2, 5, START + CFS_MS(800)), CFS_KEEPING_RENEWED);
    assert_int_equal(cfs_lines_keep(&lines, 2, 4, START), CFS_KEEPING_UNKNOWN);
    assert_int_equal(cfs_lines_keep(&lines, 3, 5, START), CFS_KEEPING_UNKNOWN);
    change = begin(1, FILE_A);
    recall(change);
    cfs_lines_end_leases(&lines, change, START + LEASE);
    assert_ptr_equal(lines.recalling, change);
    cfs_lines_end_leases(&lines, change, START + LEASE + CFS_MS(800));
    assert_ptr_equal(lines.settled, change);
}

static void who_owes_for_long_is_not_renewed(void **state)
{
    struct cfs_change *change;

    (void)state;
    share(2, 5, FILE_A);
    change = begin(1, FILE_A);
    recall(change);
    assert_int_equal(cfs_lines_keep(&lines, 2, 5, START + LEASE - 1), CFS_KEEPING_RENEWED);
    assert_int_equal(cfs_lines_keep(&lines, 2, 5, START + LEASE), CFS_KEEPING_OWES);
    assert_false(share_at(START + LEASE, 2, 5, FILE_B));
    cfs_lines_end_leases(&lines, change, START + LEASE + LEASE);
    assert_ptr_equal(lines.settled, change);
}

static void a_writer_becomes_a_sharer(void **state)
{
    struct cfs_change *change = begin(1, FILE_A);
    bool exclusive = false;

    (void)state;
    assert_false(cfs_lines_share_changed(&lines, change, 0, START, &exclusive));
    recall(change);
    cfs_lines_commit(&lines, change, 5);
    assert_true(cfs_lines_share_changed(&lines, change, NUMBER_B, START, &exclusive));
    assert_true(exclusive);
    cfs_lines_finish(&lines, change);
    assert_int_equal(state_of(1, FILE_A), CFS_LINE_E);
    assert_int_equal(state_of(1, FILE_B), CFS_LINE_E);
    change = begin(2, FILE_A);
    change->epoch = 0;
    recall(change);
    assert_false(cfs_lines_share_changed(&lines, change, 0, START, &exclusive));
}

/* Of a life before, say: its node knows nothing of it. */
static void a_change_of_another_epoch_is_recalled_from_its_own_node(void **state)
{
    struct cfs_change *change;

    (void)state;
    assert_true(share(1, 2, FILE_A));
    change = begin(1, FILE_A);
    recall(change);
    assert_int_equal(change->awaited, CFS_NODE_BIT(1));
}

static void what_is_recalled_and_not_logged_covers_what_is_laundered(void **state)
{
    struct cfs_change *change = begin(1, FILE_A);

    (void)state;
    assert_false(cfs_lines_recalls(&lines, NUMBER_A));
    recall(change);
    assert_true(cfs_lines_recalls(&lines, NUMBER_A));
    assert_false(cfs_lines_recalls(&lines, NUMBER_B));
    cfs_lines_commit(&lines, change, 5);
    assert_false(cfs_lines_recalls(&lines, NUMBER_A));
}

static void a_new_home_opens_when_the_last_ones_shares_are_over(void **state)
{
    (void)state;
    assert_int_equal(lines.open_at, START + LEASE);
    share(2, 5, FILE_A);
    begin(1, FILE_A);
    begin(2, FILE_A);
    cfs_lines_close(&lines);
    cfs_lines_open(&lines, START + LEASE, LEASE);
    assert_int_equal(lines.open_at, START + LEASE + LEASE);
    assert_true(share(2, 4, FILE_A));
    assert_int_equal(begin(1, FILE_A)->id, 3);
}

/* Whatever happens at random, each node sees what the table says. Of that node there is one change
 * at a time, for its answer ends M. */

struct model {
    enum cfs_line_state before[4];
    struct cfs_change *changes[4];
};

static void look(struct model *model)
{
    for (cfs_node_id node = 1; node <= 3; node++)
        model->before[node] = state_of(node, FILE_A);
}

static void compare(const struct model *model, cfs_node_id node, enum cfs_line_event event)
{
    enum cfs_line_state after = cfs_line_after(model->before[node], event);

    assert_int_not_equal(after, CFS_LINE_NEVER);
    assert_int_equal(state_of(node, FILE_A), after);
}

static void do_share(struct model *model, cfs_node_id node)
{
    uint64_t ino = NUMBER_A;
    bool exclusive;

    if (!cfs_lines_share(&lines, node, 1, START, &ino, 1, &exclusive)) {
        for (cfs_node_id other = 1; other <= 3; other++)
            assert_int_equal(state_of(other, FILE_A), model->before[other]);
        return;
    }
    compare(model, node, exclusive ? CFS_LINE_EV_ALONE : CFS_LINE_EV_READ);
    for (cfs_node_id other = 1; other <= 3; other++)
        if (other != node)
            compare(model, other, CFS_LINE_EV_OTHER);
}

static void do_change(struct model *model, cfs_node_id node)
{
    if (model->changes[node])
        return;
    model->changes[node] = begin(node, FILE_A);
    compare(model, node, CFS_LINE_EV_CHANGE);
    if (lines.ready)
        recall(lines.ready);
}

static void do_recalled(struct model *model, cfs_node_id node)
{
    struct cfs_change *change = lines.recalling;

    if (!change || !(change->awaited & CFS_NODE_BIT(node)))
        return;
    cfs_lines_recalled(&lines, node, change->id);
    compare(model, node, CFS_LINE_EV_GONE);
}

static void do_finish(struct model *model)
{
    struct cfs_change *change = lines.settled;
    bool exclusive;

    if (!change)
        return;
    cfs_node_id node = change->asker.node;
    cfs_lines_commit(&lines, change, 1);
    assert_true(cfs_lines_share_changed(&lines, change, 0, START, &exclusive));
    assert_true(exclusive);
    cfs_lines_finish(&lines, change);
    compare(model, node, CFS_LINE_EV_DONE);
    model->changes[node] = NULL;
    if (lines.ready)
        recall(lines.ready);
}

static void the_table_says_what_each_node_sees(void **state)
{
    struct model model = {0};
    uint32_t random = 1;

    (void)state;
    for (int step = 0; step < 20000; step++) {
        cfs_node_id node;
        random = random * 1664525u + 1013904223u;
        node = 1 + (random >> 8) % 3;
        look(&model);
        switch ((random >> 16) % 8) {
        case 0:
            do_change(&model, node);
            break;
        case 1:
        case 2:
            do_finish(&model);
            break;
        case 3:
        case 4:
            do_recalled(&model, node);
            break;
        default:
            do_share(&model, node);
        }
    }
}

/* The page. */

static char *read_page(void)
{
    char path[4096];
    char *slash, *text = calloc(1, 65536);
    FILE *file;

    snprintf(path, sizeof path, "%s", __FILE__);
    slash = strrchr(path, '/');
    assert_non_null(slash);
    snprintf(slash, sizeof path - (size_t)(slash - path), "/../../docs/coherence.md");
    file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, 65535, file) > 0);
    fclose(file);
    return text;
}

/* Each row stands under the one before. */
static const char *expect_row(const char *page, const char *row)
{
    const char *found = page ? strstr(page, row) : NULL;

    if (!found)
        fail_msg("docs/coherence.md does not say, or not there: %s", row);
    return found + strlen(row);
}

static void the_page_has_the_states_of_a_change(void **state)
{
    static const char *const rows[] = {
#define X(id, word, happens, until) "| " word " | " happens " | " until " |\n",
        CFS_CHANGE_STATES(X)
#undef X
    };
    char *page = read_page();
    const char *at = strstr(page, "|---|---|---|\n");

    (void)state;
    assert_non_null(at);
    at += strlen("|---|---|---|\n");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *end = expect_row(at, rows[i]);
        assert_ptr_equal(end, at + strlen(rows[i]));
        at = end;
    }
    assert_int_equal(*at, '\n');
    free(page);
}

static void the_page_has_the_states_of_a_line(void **state)
{
    static const char letters[] = {
#define X(id) #id[0],
        CFS_LINE_STATES(X)
#undef X
    };
    static const char head[] = "| | "
#define X(id, sentence) sentence " | "
        CFS_LINE_EVENTS(X)
#undef X
        ;
    char *page = read_page(), row[64];
    const char *at;

    (void)state;
    snprintf(row, sizeof row, "%.*s", 8, head);
    at = strstr(page, row);
    assert_non_null(at);
    assert_memory_equal(at, head, strlen(head) - 1);
    at = strstr(at, "|\n|---|---|---|---|---|---|---|---|\n");
    assert_non_null(at);
    at = strchr(at + 2, '\n') + 1;
    for (int from = 0; from < CFS_LINE_NEVER; from++) {
        int len = snprintf(row, sizeof row, "| %c |", letters[from]);
        for (int event = 0; event < CFS_LINE_EVENT_COUNT; event++) {
            enum cfs_line_state after =
                cfs_line_after((enum cfs_line_state)from, (enum cfs_line_event)event);
            len += snprintf(row + len, sizeof row - (size_t)len,
                            after == CFS_LINE_NEVER ? " |" : " %c |", letters[after % 4]);
        }
        assert_memory_equal(at, row, strlen(row));
        at = strchr(at, '\n') + 1;
    }
    assert_int_equal(*at, '\n');
    free(page);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_line_is_exclusive_until_another_shares_it),
        TEST(names_and_contents_of_an_inode_are_two_lines),
        TEST(a_change_recalls_from_all_others),
        TEST(a_change_from_outside_recalls_from_its_own_node_too),
        TEST(a_late_recalled_is_of_no_account),
        TEST(changes_of_one_line_come_one_after_the_other),
        TEST(what_touches_something_else_by_now_takes_its_place_there),
        TEST(who_gave_up_a_name_keeps_the_others),
        TEST(nobody_is_waited_for_longer_than_its_lease),
        TEST(an_epoch_that_is_over_never_counts_again),
        TEST(a_new_epoch_ends_the_one_before_with_its_lease),
        TEST(an_epoch_that_comes_late_takes_no_share_away),
        TEST(keeping_renews_the_lease),
        TEST(who_owes_for_long_is_not_renewed),
        TEST(a_writer_becomes_a_sharer),
        TEST(a_change_of_another_epoch_is_recalled_from_its_own_node),
        TEST(what_is_recalled_and_not_logged_covers_what_is_laundered),
        TEST(a_new_home_opens_when_the_last_ones_shares_are_over),
        TEST(the_table_says_what_each_node_sees),
        cmocka_unit_test(the_page_has_the_states_of_a_change),
        cmocka_unit_test(the_page_has_the_states_of_a_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
