/* URLs of a Redis, as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "io/redis_url.h"

static struct cfs_redis_url parse(const char *text)
{
    struct cfs_redis_url url;

    if (cfs_redis_url_parse(&url, text) != 0)
        fail_msg("%s should be accepted", text);
    return url;
}

static void a_host_is_enough(void **state)
{
    struct cfs_redis_url url = parse("redis://queues.example");

    (void)state;
    assert_string_equal(url.host, "queues.example");
    assert_int_equal(url.port, 6379);
    assert_int_equal(url.db, 0);
    assert_string_equal(url.password, "");
    assert_string_equal(url.shown, "redis://queues.example:6379/0");
    assert_int_equal(parse("redis://queues.example/").db, 0);
}

static void port_and_db_are_taken(void **state)
{
    struct cfs_redis_url url = parse("redis://10.0.0.9:7000/15");

    (void)state;
    assert_string_equal(url.host, "10.0.0.9");
    assert_int_equal(url.port, 7000);
    assert_int_equal(url.db, 15);
}

static void an_address_of_version_6_stands_in_brackets(void **state)
{
    struct cfs_redis_url url = parse("redis://[::1]:7000/2");

    (void)state;
    assert_string_equal(url.host, "::1");
    assert_int_equal(url.port, 7000);
    assert_string_equal(url.shown, "redis://[::1]:7000/2");
    assert_int_equal(parse("redis://[fe80::1]").port, 6379);
}

static void a_login_is_taken_and_never_shown(void **state)
{
    struct cfs_redis_url url = parse("redis://:p%40ss%2c:word@host/1");

    (void)state;
    assert_string_equal(url.user, "");
    assert_string_equal(url.password, "p@ss,:word");
    assert_string_equal(url.host, "host");
    assert_string_equal(url.shown, "redis://host:6379/1");
    url = parse("redis://me:secret@host");
    assert_string_equal(url.user, "me");
    assert_string_equal(url.password, "secret");
}

static void a_socket_is_named_by_its_path(void **state)
{
    struct cfs_redis_url url = parse("redis+unix:///run/redis/a%20b.sock?db=3");

    (void)state;
    assert_string_equal(url.path, "/run/redis/a b.sock");
    assert_string_equal(url.host, "");
    assert_int_equal(url.db, 3);
    url = parse("redis+unix://:secret@/run/redis.sock");
    assert_string_equal(url.path, "/run/redis.sock");
    assert_string_equal(url.password, "secret");
}

static void what_makes_no_sense_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "redis",
        "redis://",
        "http://host",
        "redis://host:0",
        "redis://host:70000",
        "redis://host/x",
        "redis://host/-1",
        "redis://host/1/2",
        "redis://ho st",
        "redis://secret@host", /* a password has a colon before it */
        "redis://:%4@host",
        "redis://:%00@host",
        "redis://::1",
        "redis+unix://host/path",
        "redis+unix:///path?dbs=1",
        "redis+unix:///path?db=",
    };
    struct cfs_redis_url url;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (cfs_redis_url_parse(&url, texts[i]) == 0)
            fail_msg("%s should be refused", texts[i]);
}

static void what_is_too_long_is_refused(void **state)
{
    struct cfs_redis_url url;
    char text[600];

    (void)state;
    snprintf(text, sizeof text, "redis+unix:///%0107d", 1);
    assert_int_equal(cfs_redis_url_parse(&url, text), -1);
    snprintf(text, sizeof text, "redis://:%0256d@host", 1);
    assert_int_equal(cfs_redis_url_parse(&url, text), -1);
    snprintf(text, sizeof text, "redis://%0256d", 1);
    assert_int_equal(cfs_redis_url_parse(&url, text), -1);
    snprintf(text, sizeof text, "redis://%0500d", 1);
    assert_int_equal(cfs_redis_url_parse(&url, text), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_is_enough),
        cmocka_unit_test(port_and_db_are_taken),
        cmocka_unit_test(an_address_of_version_6_stands_in_brackets),
        cmocka_unit_test(a_login_is_taken_and_never_shown),
        cmocka_unit_test(a_socket_is_named_by_its_path),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(what_is_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
