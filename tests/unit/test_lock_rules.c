/* Who conflicts with whom, on claims alone; whole stories are in test_lock_table.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/lock_table_internal.h"

static struct cfs_claim claim(enum cfs_lock_kind kind, enum cfs_lock_mode mode,
                              cfs_session_id session, uint32_t pid)
{
    struct cfs_acquire acquire = {.kind = kind,
                                  .mode = mode,
                                  .form = CFS_FORM_FILE,
                                  .handle = session * 10 + pid,
                                  .process = {.pid = pid, .start = 1}};

    return cfs_claim_probe((struct cfs_asker){.session = session, .sequence = 1}, 1, &acquire);
}

static void shared_goes_with_shared_and_with_nothing_else(void **state)
{
    struct cfs_claim s1 = claim(CFS_FLOCK, CFS_SHARED, 1, 1);
    struct cfs_claim s2 = claim(CFS_FLOCK, CFS_SHARED, 2, 2);
    struct cfs_claim x3 = claim(CFS_FLOCK, CFS_EXCLUSIVE, 3, 3);

    (void)state;
    assert_false(cfs_claim_conflicts_with_holder(&s1, &s2));
    assert_true(cfs_claim_conflicts_with_holder(&x3, &s1));
    assert_true(cfs_claim_conflicts_with_holder(&s1, &x3));
}

static void kinds_of_one_process_do_not_conflict(void **state)
{
    struct cfs_claim file = claim(CFS_LOCKFILE, CFS_EXCLUSIVE, 1, 7);
    struct cfs_claim same = claim(CFS_FLOCK, CFS_EXCLUSIVE, 1, 7);
    struct cfs_claim other = claim(CFS_FLOCK, CFS_EXCLUSIVE, 1, 8);
    struct cfs_claim elsewhere = claim(CFS_FLOCK, CFS_EXCLUSIVE, 2, 7);

    (void)state;
    assert_false(cfs_claim_conflicts_with_holder(&same, &file));
    assert_true(cfs_claim_conflicts_with_holder(&other, &file));
    assert_true(cfs_claim_conflicts_with_holder(&elsewhere, &file));
}

static void an_unknown_process_is_equal_to_none(void **state)
{
    struct cfs_claim file = claim(CFS_LOCKFILE, CFS_EXCLUSIVE, 1, 0);
    struct cfs_claim flock = claim(CFS_FLOCK, CFS_EXCLUSIVE, 1, 0);

    (void)state;
    assert_true(cfs_claim_conflicts_with_holder(&flock, &file));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_goes_with_shared_and_with_nothing_else),
        cmocka_unit_test(kinds_of_one_process_do_not_conflict),
        cmocka_unit_test(an_unknown_process_is_equal_to_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
