/* Finding claims: by who asked, by token, by what makes asking again the same. */
#include "lock_world.h"

#include "core/lock_table_internal.h"

static struct cfs_claim *hold(struct world *w, struct cfs_asker asker, uint64_t handle)
{
    struct cfs_acquire acquire = {.kind = CFS_FLOCK,
                                  .mode = CFS_SHARED,
                                  .form = CFS_FORM_FILE,
                                  .handle = handle,
                                  .process = {.pid = 1, .start = 1}};
    struct cfs_answer answer;

    assert_int_equal(cfs_lock_table_acquire(w->table, asker, w->now, "job", &acquire, &answer),
                     CFS_ANSWERED);
    assert_int_equal(answer.error, CFS_OK);
    return cfs_claim_by_token(cfs_lock_find(w->table, "job"), answer.token);
}

static void a_hold_is_found_by_asker_token_and_session(void **state)
{
    struct world *w = *state;
    struct cfs_claim *first = hold(w, (struct cfs_asker){1, 1, 1}, 11);
    struct cfs_claim *second = hold(w, (struct cfs_asker){2, 1, 2}, 22);

    assert_non_null(first);
    assert_ptr_not_equal(first, second);
    assert_ptr_equal(cfs_claim_by_asker(w->table, 1, 1), first);
    assert_ptr_equal(cfs_claim_by_asker(w->table, 2, 1), second);
    assert_null(cfs_claim_by_asker(w->table, 1, 2));
    assert_null(cfs_claim_by_token(cfs_lock_find(w->table, "job"), 999));
    assert_non_null(cfs_lock_session_find(w->table, 1));
    assert_null(cfs_lock_session_find(w->table, 3));
}

static void the_same_open_file_is_recognised_and_no_other(void **state)
{
    struct world *w = *state;
    struct cfs_claim *held = hold(w, (struct cfs_asker){1, 1, 1}, 11);
    struct cfs_lock *lock = cfs_lock_find(w->table, "job");
    struct cfs_acquire again = held->ask;
    struct cfs_claim probe = cfs_claim_probe((struct cfs_asker){1, 2, 1}, 200, &again);

    assert_ptr_equal(cfs_claim_same(w->table, lock, &probe), held);
    again.handle = 12;
    probe = cfs_claim_probe((struct cfs_asker){1, 3, 1}, 201, &again);
    assert_null(cfs_claim_same(w->table, lock, &probe));
}

static void what_is_let_go_is_found_no_more(void **state)
{
    struct world *w = *state;
    struct cfs_release release = {.kind = CFS_FLOCK, .handle = 11};

    hold(w, (struct cfs_asker){1, 1, 1}, 11);
    assert_int_equal(cfs_lock_table_release(w->table, 1, w->now, "job", &release), CFS_OK);
    assert_null(cfs_claim_by_asker(w->table, 1, 1));
    assert_null(cfs_lock_find(w->table, "job"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_hold_is_found_by_asker_token_and_session, make_world,
                                        end_world),
        cmocka_unit_test_setup_teardown(the_same_open_file_is_recognised_and_no_other, make_world,
                                        end_world),
        cmocka_unit_test_setup_teardown(what_is_let_go_is_found_no_more, make_world, end_world),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
