/* The page .coordfs/status: both forms, with every value where programs and people look. */
#include "status_world.h"

#include <stdlib.h>
#include <string.h>

static void test_json_has_every_value(void **state)
{
    struct cfs_status status = status_of_a_leader();
    json_t *root = page_as_json("status", &status);
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
    assert_string_equal(json_string_value(json_object_get(root, "amnesia")), "none");
    assert_number(root, "held", 4);
    assert_number(root, "waiting", 2);
    assert_number(root, "outstanding", 3);
    assert_number(root, "sessions", 2);
    assert_number(root, "commit_us_p50", 500);
    assert_number(root, "commit_us_p99", 500);
    assert_number(root, "uptime_s", 60);
    assert_number(wal, "syncs", 50);
    assert_number(wal, "records", 60);
    assert_number(wal, "bytes", 5000000000);
    assert_number(wal, "sync_us_last", 120);
    assert_number(wal, "sync_us_max", 900);
    assert_number(wal, "sync_us_p50", 75);
    assert_number(wal, "sync_us_p99", 750);
    assert_number(wal, "pending", 6);
    assert_number(wal, "segment", 9);
    assert_number(wal, "segments", 2);
    assert_number(wal, "disk_bytes", 33554432);
    assert_number(wal, "cut_bytes", 5);
    json_decref(root);
}

static void test_what_was_not_measured_is_null(void **state)
{
    struct cfs_status status = status_of_a_leader();
    json_t *root;

    (void)state;
    status.core.leader = 0;
    status.core.lease_until = 0;
    status.commits = (struct cfs_histogram){0};
    root = page_as_json("status", &status);
    assert_true(json_is_null(json_object_get(root, "leader")));
    assert_true(json_is_null(json_object_get(root, "commit_us_p99")));
    assert_number(root, "lease_ms", 0);
    json_decref(root);
}

static void test_what_the_disk_lost_has_a_word(void **state)
{
    struct cfs_status status = status_of_a_leader();
    json_t *root;

    (void)state;
    status.core.amnesia = CFS_TORN;
    root = page_as_json("status", &status);
    assert_string_equal(json_string_value(json_object_get(root, "amnesia")), "torn");
    json_decref(root);
    status.core.amnesia = CFS_BLANK;
    root = page_as_json("status", &status);
    assert_string_equal(json_string_value(json_object_get(root, "amnesia")), "blank");
    json_decref(root);
}

static void test_pages_are_found_by_name(void **state)
{
    struct cfs_status status = status_of_a_leader();

    (void)state;
    assert_null(cfs_page_make("nothing", false, &status));
    assert_null(cfs_page_make("", true, &status));
    assert_null(cfs_page_make("status.json", true, &status));
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
        "store             embedded\n"
        "store_available   yes\n"
        "amnesia           none\n"
        "commit            119\n"
        "applied           118\n"
        "last_index        121\n"
        "durable_index     120\n"
        "held              4\n"
        "waiting           2\n"
        "outstanding       3\n"
        "sessions          2\n"
        "commit_us_p50     500\n"
        "commit_us_p99     500\n"
        "uptime_s          60\n"
        "wal_syncs         50\n"
        "wal_records       60\n"
        "wal_bytes         5000000000\n"
        "wal_sync_us_last  120\n"
        "wal_sync_us_max   900\n"
        "wal_sync_us_p50   75\n"
        "wal_sync_us_p99   750\n"
        "wal_pending       6\n"
        "wal_segment       9\n"
        "wal_segments      2\n"
        "wal_disk_bytes    33554432\n"
        "wal_cut_bytes     5\n"
        "\n"
        "node  url                    role   state     heard_ms  match  lag  session  replaces\n"
        "1     http://127.0.0.1:7001  voter  leader           -    120    1       12         -\n"
        "2     http://[::1]:7002      voter  follower        30    110   11        -         -\n";
    struct cfs_status status = status_of_a_leader();
    char *text = cfs_page_make("status", false, &status);

    (void)state;
    assert_string_equal(text, expected);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_has_every_value),
        cmocka_unit_test(test_what_was_not_measured_is_null),
        cmocka_unit_test(test_what_the_disk_lost_has_a_word),
        cmocka_unit_test(test_pages_are_found_by_name),
        cmocka_unit_test(test_text_is_aligned_lines_and_a_table),
    };

    return cmocka_run_group_tests_name("page_status", tests, NULL, NULL);
}
