/* The table of errors: every row whole, every word its own; and what may be a name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <string.h>

#include "coordfs/request.h"

static void test_every_error_has_a_whole_row(void **state)
{
    (void)state;
    for (int error = 0; error < CFS_ERROR_COUNT; error++) {
        const char *word = cfs_error_word(error), *sentence = cfs_error_sentence(error);
        int status = cfs_error_http_status(error);

        assert_true(error == CFS_OK ? cfs_error_errno(error) == 0 : cfs_error_errno(error) > 0);
        assert_true(error == CFS_OK ? status == 200 : status >= 400 && status < 600);
        assert_true(strlen(word) > 0);
        for (const char *at = word; *at; at++)
            assert_true(islower((unsigned char)*at) || *at == '_');
        assert_true(strlen(sentence) > 0);
        assert_int_not_equal(sentence[strlen(sentence) - 1], '.');
    }
}

static void test_words_tell_errors_apart(void **state)
{
    (void)state;
    for (int a = 0; a < CFS_ERROR_COUNT; a++)
        for (int b = 0; b < a; b++)
            assert_string_not_equal(cfs_error_word(a), cfs_error_word(b));
}

static void test_what_the_contract_promises(void **state)
{
    (void)state;
    assert_int_equal(cfs_error_errno(CFS_ERR_EXISTS), EEXIST);
    assert_int_equal(cfs_error_errno(CFS_ERR_WOULD_BLOCK), EWOULDBLOCK);
    assert_int_equal(cfs_error_errno(CFS_ERR_DEADLOCK), EDEADLK);
    assert_int_equal(cfs_error_errno(CFS_ERR_TIMED_OUT), ETIMEDOUT);
    assert_int_equal(cfs_error_errno(CFS_ERR_INTERRUPTED), EINTR);
    assert_int_equal(cfs_error_errno(CFS_ERR_LOST), EIO);
    assert_int_equal(cfs_error_errno(CFS_ERR_BUSY), EBUSY);
    assert_int_equal(cfs_error_errno(CFS_ERR_NOT_HOLDER), ENOLCK);
    assert_int_equal(cfs_error_http_status(CFS_ERR_WOULD_BLOCK), 423);
    assert_int_equal(cfs_error_http_status(CFS_ERR_DEADLOCK), 409);
    assert_int_equal(cfs_error_http_status(CFS_ERR_NOT_HOLDER), 403);
    assert_int_equal(cfs_error_http_status(CFS_ERR_NOT_HELD), 404);
    assert_int_equal(cfs_error_http_status(CFS_ERR_TIMED_OUT), 503);
}

static void test_names(void **state)
{
    char name[CFS_NAME_MAX + 2];

    (void)state;
    memset(name, 'n', sizeof name);
    name[CFS_NAME_MAX + 1] = 0;
    assert_false(cfs_name_valid(name));
    name[CFS_NAME_MAX] = 0;
    assert_true(cfs_name_valid(name));
    assert_false(cfs_name_valid(""));
    assert_false(cfs_name_valid("."));
    assert_false(cfs_name_valid(".."));
    assert_false(cfs_name_valid("a/b"));
    assert_false(cfs_name_valid("/"));
    assert_true(cfs_name_valid("..."));
    assert_true(cfs_name_valid(".a"));
    assert_true(cfs_name_valid("a b\n\x01\xff"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_error_has_a_whole_row),
        cmocka_unit_test(test_words_tell_errors_apart),
        cmocka_unit_test(test_what_the_contract_promises),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
