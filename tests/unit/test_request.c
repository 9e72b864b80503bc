/* What may be a name, and of what kind a request is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "coordfs/request.h"

static void ordinary_names_are_names(void **state)
{
    (void)state;
    assert_true(cfs_name_valid("job"));
    assert_true(cfs_name_valid("."
                               "hidden"));
    assert_true(cfs_name_valid("..."));
    assert_true(cfs_name_valid(" \n\t\x01\xff"));
}

static void what_a_path_means_by_itself_is_no_name(void **state)
{
    (void)state;
    assert_false(cfs_name_valid(""));
    assert_false(cfs_name_valid("."));
    assert_false(cfs_name_valid(".."));
    assert_false(cfs_name_valid("a/b"));
    assert_false(cfs_name_valid("/"));
}

static void a_name_has_at_most_255_bytes(void **state)
{
    char name[CFS_NAME_MAX + 2] = {0};

    (void)state;
    memset(name, 'n', CFS_NAME_MAX);
    assert_true(cfs_name_valid(name));
    name[CFS_NAME_MAX] = 'n';
    assert_false(cfs_name_valid(name));
}

static void a_queue_is_not_hidden(void **state)
{
    (void)state;
    assert_true(cfs_queue_name_valid("job"));
    assert_false(cfs_queue_name_valid(".job"));
    assert_false(cfs_queue_name_valid("a/b"));
    assert_false(cfs_queue_name_valid(""));
}

static void what_changes_nothing_is_a_read(void **state)
{
    (void)state;
    assert_false(cfs_op_is_read(CFS_OP_ACQUIRE));
    assert_false(cfs_op_is_read(CFS_OP_LAST_CHANGE));
    assert_true(cfs_op_is_read(CFS_OP_GET));
    assert_true(cfs_op_is_read(CFS_OP_LAST));
}

static void who_asks_to_wait_may_wait(void **state)
{
    struct cfs_request consume = {.op = CFS_OP_CONSUME, .consume = {.wait = true}};
    struct cfs_request produce = {.op = CFS_OP_PRODUCE};

    (void)state;
    assert_true(cfs_request_may_wait(&consume));
    assert_false(cfs_request_may_wait(&produce));
    assert_true(cfs_request_may_wait(&(struct cfs_request){.op = CFS_OP_MESSAGE_MOVE}));
    assert_false(cfs_request_may_wait(&(struct cfs_request){.op = CFS_OP_ACK}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_names_are_names),
        cmocka_unit_test(what_a_path_means_by_itself_is_no_name),
        cmocka_unit_test(a_name_has_at_most_255_bytes),
        cmocka_unit_test(a_queue_is_not_hidden),
        cmocka_unit_test(what_changes_nothing_is_a_read),
        cmocka_unit_test(who_asks_to_wait_may_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
