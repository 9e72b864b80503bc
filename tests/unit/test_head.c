/* Heads of batches: what they hold is found, in whatever order one asks, and what is no JSON is
 * refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "io/head.h"

/* Of exactly its bytes, so that a sanitizer sees who reads on. */
static int parse(struct cfs_head *head, const char *text, char **copy, char why[64])
{
    size_t len = strlen(text);

    *copy = malloc(len ? len : 1);
    assert_non_null(*copy);
    memcpy(*copy, text, len);
    return cfs_head_parse(head, *copy, len, why, 64);
}

static int64_t number_of(struct cfs_head *head, const struct cfs_head_value *object,
                         const char *key)
{
    const struct cfs_head_value *value = cfs_head_get(head, object, key);

    assert_non_null(value);
    assert_int_equal(value->kind, CFS_HEAD_INTEGER);
    return value->number;
}

static void members_are_found_in_any_order(void **state)
{
    struct cfs_head head;
    const struct cfs_head_value *all, *inner;
    char why[64], *copy;

    (void)state;
    assert_int_equal(parse(&head, " {\"a\": 1, \"b\" : {\"a\":2,\"c\":-3}, \"c\":4}\n", &copy, why),
                     0);
    all = head.values;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(number_of(&head, all, "a"), 1);
        inner = cfs_head_get(&head, all, "b");
        assert_int_equal(number_of(&head, inner, "c"), -3);
        assert_int_equal(number_of(&head, inner, "a"), 2);
        assert_null(cfs_head_get(&head, inner, "b"));
        assert_int_equal(number_of(&head, all, "c"), 4);
        assert_null(cfs_head_get(&head, all, "d"));
        assert_null(cfs_head_get(&head, all, ""));
    }
    assert_null(cfs_head_get(&head, cfs_head_get(&head, all, "a"), "a")); /* it is no object */
    assert_null(cfs_head_get(&head, NULL, "a"));
    cfs_head_close(&head);
    free(copy);
}

static void lists_are_walked_over_what_is_in_them(void **state)
{
    static const enum cfs_head_kind kinds[] = {CFS_HEAD_INTEGER, CFS_HEAD_OBJECT, CFS_HEAD_ARRAY,
                                               CFS_HEAD_TRUE,    CFS_HEAD_FALSE,  CFS_HEAD_OTHER,
                                               CFS_HEAD_OTHER,   CFS_HEAD_STRING};
    struct cfs_head head;
    const struct cfs_head_value *value;
    char why[64], *copy;

    (void)state;
    assert_int_equal(
        parse(&head, "[0,{\"a\":[1,2]},[],true,false,null,-1.5e+3,\"word\"]", &copy, why), 0);
    assert_int_equal(head.values->kind, CFS_HEAD_ARRAY);
    assert_int_equal(head.values->len, 8);
    value = cfs_head_first(&head, head.values);
    for (uint32_t i = 0; i < 8; i++, value = cfs_head_next(&head, value)) {
        assert_int_equal(value->kind, kinds[i]);
        if (i == 2)
            assert_null(cfs_head_first(&head, value));
        assert_int_equal(cfs_head_is(value, "word"), i == 7);
    }
    cfs_head_close(&head);
    free(copy);
}

static void numbers_reach_to_their_ends(void **state)
{
    struct cfs_head head;
    char why[64], *copy;

    (void)state;
    assert_int_equal(parse(&head, "9223372036854775807", &copy, why), 0);
    assert_true(head.values->number == INT64_MAX);
    cfs_head_close(&head);
    free(copy);
    assert_int_equal(parse(&head, "-0", &copy, why), 0);
    assert_int_equal(head.values->number, 0);
    cfs_head_close(&head);
    free(copy);
}

static void what_is_no_json_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\":1",
        "{\"a\":1,}",
        "{,}",
        "{\"a\" 1}",
        "1 2",
        "01",
        "-",
        "-a",
        "1.",
        ".5",
        "1e",
        "1e+",
        "+1",
        "tru",
        "truer",
        "nul",
        "\"",
        "\"a",
        "\"\\",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\u12",
        "\"\t\"",
        "{\"a\":1}}",
        "{\"a\":1,\"b\":2,\"a\":3}",
        "9223372036854775808",
        "[1]x",
        "nan",
        "'a'",
    };
    struct cfs_head head;
    char why[64], *copy;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (parse(&head, texts[i], &copy, why) == 0)
            fail_msg("taken for JSON: %s", texts[i]);
        assert_non_null(strstr(why, " at byte "));
        assert_null(head.values);
        free(copy);
    }
}

static void strings_keep_their_escapes(void **state)
{
    struct cfs_head head;
    char why[64], *copy;

    (void)state;
    assert_int_equal(parse(&head, "\"a\\\"b\\u00e4\\\\\"", &copy, why), 0);
    assert_true(cfs_head_is(head.values, "a\\\"b\\u00e4\\\\"));
    cfs_head_close(&head);
    free(copy);
}

static void depth_and_members_are_bounded(void **state)
{
    struct cfs_head head;
    char why[64], *copy, text[4096] = "{";

    (void)state;
    for (int i = 0; i < CFS_HEAD_MEMBERS_MAX; i++)
        sprintf(text + strlen(text), "\"%d\":1,", i);
    strcpy(text + strlen(text) - 1, "}");
    assert_int_equal(parse(&head, text, &copy, why), 0);
    assert_int_equal(number_of(&head, head.values, "63"), 1);
    cfs_head_close(&head);
    free(copy);
    strcpy(text + strlen(text) - 1, ",\"more\":1}");
    assert_int_equal(parse(&head, text, &copy, why), -1);
    assert_non_null(strstr(why, "too many"));
    free(copy);
    memset(text, '[', 1000);
    text[1000] = '\0';
    assert_int_equal(parse(&head, text, &copy, why), -1);
    assert_non_null(strstr(why, "too deep"));
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_found_in_any_order),
        cmocka_unit_test(lists_are_walked_over_what_is_in_them),
        cmocka_unit_test(numbers_reach_to_their_ends),
        cmocka_unit_test(what_is_no_json_is_refused),
        cmocka_unit_test(strings_keep_their_escapes),
        cmocka_unit_test(depth_and_members_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
