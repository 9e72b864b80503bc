/* The page of a node about itself: both forms, with every value where programs and people look. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "io/status.h"

static struct cfs_config config;

static struct cfs_status a_leader(void)
{
    struct cfs_status status = {
        .core = {.role = "leader",
                 .leader = 1,
                 .term = 7,
                 .commit = 119,
                 .applied = 118,
                 .last_index = 121,
                 .durable_index = 120,
                 .serving = true,
                 .lease_until = CFS_SECONDS(100) + CFS_MS(143),
                 .session = 12,
                 .available = true,
                 .held = 4,
                 .waiting = 2,
                 .outstanding = 3,
                 .session_count = 2,
                 .member_count = 2},
        .wal = {.syncs = 50,
                .records = 60,
                .bytes = UINT64_C(5000000000),
                .sync_us_last = 120,
                .sync_us_max = 900,
                .segment = 9,
                .segments = 2,
                .disk_bytes = 33554432,
                .cut_bytes = 5},
        .config = &config,
        .now = CFS_SECONDS(100),
        .started = CFS_SECONDS(40),
    };
    const char *members = "1@127.0.0.1:7001+2@[::1]:7002";
    char why[256];

    status.core.members[0].node = 1;
    status.core.members[0].match = 120;
    status.core.members[0].session = 12;
    status.core.members[1].node = 2;
    status.core.members[1].match = 110;
    status.core.members[1].heard = CFS_SECONDS(100) - CFS_MS(30);
    cfs_config_init(&config);
    assert_int_equal(cfs_config_set(&config, "node", "1", why, sizeof(why)), 0);
    assert_int_equal(cfs_config_set(&config, "member", members, why, sizeof(why)), 0);
    return status;
}

static json_t *json_of(const struct cfs_status *status)
{
    char *text = cfs_status_json(status);
    json_t *root;

    assert_non_null(text);
    assert_int_equal(text[strlen(text) - 1], '\n');
    root = json_loads(text, 0, NULL);
    assert_non_null(root);
    free(text);
    return root;
}

static void assert_number(const json_t *object, const char *key, json_int_t expected)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_integer(value))
        fail_msg("%s is no number", key);
    assert_int_equal(json_integer_value(value), expected);
}

static void test_json_has_every_value(void **state)
{
    struct cfs_status status = a_leader();
    json_t *root = json_of(&status);
    const json_t *wal = json_object_get(root, "wal");

    (void)state;
    assert_string_equal(json_string_value(json_object_get(root, "version")), CFS_VERSION);
    assert_string_equal(json_string_value(json_object_get(root, "role")), "leader");
    assert_number(root, "node", 1);
    assert_number(root, "leader", 1);
    assert_number(root, "term", 7);
    assert_number(root, "commit", 119);
    assert_number(root, "applied", 118);
    assert_number(root, "last_index", 121);
    assert_number(root, "durable_index", 120);
    assert_true(json_is_true(json_object_get(root, "serving")));
    assert_number(root, "lease_ms", 143);
    assert_number(root, "session", 12);
    assert_true(json_is_true(json_object_get(root, "available")));
    assert_number(root, "held", 4);
    assert_number(root, "waiting", 2);
    assert_number(root, "outstanding", 3);
    assert_number(root, "sessions", 2);
    assert_number(root, "uptime_s", 60);
    assert_number(wal, "syncs", 50);
    assert_number(wal, "records", 60);
    assert_number(wal, "bytes", 5000000000);
    assert_number(wal, "sync_us_last", 120);
    assert_number(wal, "sync_us_max", 900);
    assert_number(wal, "segment", 9);
    assert_number(wal, "segments", 2);
    assert_number(wal, "disk_bytes", 33554432);
    assert_number(wal, "cut_bytes", 5);
    json_decref(root);
}

static void test_json_lists_the_members(void **state)
{
    struct cfs_status status = a_leader();
    json_t *root = json_of(&status);
    const json_t *members = json_object_get(root, "members");
    const json_t *other = json_array_get(members, 1);

    (void)state;
    assert_int_equal(json_array_size(members), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(members, 0), "url")),
                        "http://127.0.0.1:7001");
    assert_true(json_is_null(json_object_get(json_array_get(members, 0), "heard_ms")));
    assert_string_equal(json_string_value(json_object_get(other, "url")), "http://[::1]:7002");
    assert_number(other, "node", 2);
    assert_number(other, "match", 110);
    assert_number(other, "heard_ms", 30);
    assert_true(json_is_null(json_object_get(other, "session")));
    json_decref(root);
}

static void test_what_only_a_leader_knows_is_null_elsewhere(void **state)
{
    struct cfs_status status = a_leader();
    const json_t *member;
    json_t *root;

    (void)state;
    status.core.role = "candidate";
    status.core.leader = 0;
    status.core.lease_until = 0;
    root = json_of(&status);
    member = json_array_get(json_object_get(root, "members"), 1);
    assert_true(json_is_null(json_object_get(root, "leader")));
    assert_number(root, "lease_ms", 0);
    assert_true(json_is_null(json_object_get(member, "match")));
    assert_true(json_is_null(json_object_get(member, "heard_ms")));
    json_decref(root);
}

static void test_text_is_aligned_lines_and_a_table(void **state)
{
    static const char expected[] =
        "version           " CFS_VERSION "\n"
        "node              1\n"
        "role              leader\n"
        "leader            1\n"
        "term              7\n"
        "serving           yes\n"
        "lease_ms          143\n"
        "session           12\n"
        "available         yes\n"
        "commit            119\n"
        "applied           118\n"
        "last_index        121\n"
        "durable_index     120\n"
        "held              4\n"
        "waiting           2\n"
        "outstanding       3\n"
        "sessions          2\n"
        "uptime_s          60\n"
        "wal_syncs         50\n"
        "wal_records       60\n"
        "wal_bytes         5000000000\n"
        "wal_sync_us_last  120\n"
        "wal_sync_us_max   900\n"
        "wal_segment       9\n"
        "wal_segments      2\n"
        "wal_disk_bytes    33554432\n"
        "wal_cut_bytes     5\n"
        "\n"
        "node   url                                     match  heard_ms      session\n"
        "1      http://127.0.0.1:7001                     120         -           12\n"
        "2      http://[::1]:7002                         110        30            -\n";
    struct cfs_status status = a_leader();
    char *text = cfs_status_text(&status);

    (void)state;
    assert_string_equal(text, expected);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_has_every_value),
        cmocka_unit_test(test_json_lists_the_members),
        cmocka_unit_test(test_what_only_a_leader_knows_is_null_elsewhere),
        cmocka_unit_test(test_text_is_aligned_lines_and_a_table),
    };

    return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
