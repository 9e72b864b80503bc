/* The digest is the published one, and says the same of a number on every machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/digest.h"

static void it_is_fnv_1a(void **state)
{
    (void)state;
    assert_true(cfs_digest_bytes(CFS_DIGEST_START, "", 0) == 0xcbf29ce484222325u);
    assert_true(cfs_digest_bytes(CFS_DIGEST_START, "a", 1) == 0xaf63dc4c8601ec8cu);
    assert_true(cfs_digest_bytes(CFS_DIGEST_START, "foobar", 6) == 0x85944171f73967e8u);
}

static void a_number_is_eight_bytes_the_lowest_first(void **state)
{
    (void)state;
    assert_true(cfs_digest_number(7, 0x0807060504030201) ==
                cfs_digest_bytes(7, "\1\2\3\4\5\6\7\10", 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_fnv_1a),
        cmocka_unit_test(a_number_is_eight_bytes_the_lowest_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
