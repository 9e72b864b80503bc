/* The page .coordfs/nodes: the leader tells what it hears from whom, all others what little they
 * know. */
#include "status_world.h"

#include <stdlib.h>

static const json_t *member(const json_t *root, size_t i)
{
    return json_array_get(json_object_get(root, "nodes"), i);
}

static void assert_word(const json_t *object, const char *key, const char *expected)
{
    assert_string_equal(json_string_value(json_object_get(object, key)), expected);
}

static void assert_unknown(const json_t *object, const char *key)
{
    if (!json_is_null(json_object_get(object, key)))
        fail_msg("%s claims to be known", key);
}

static void test_a_leader_knows_every_member(void **state)
{
    struct cfs_status status = status_of_a_leader();
    json_t *root = page_as_json("nodes", &status);

    (void)state;
    assert_number(root, "seen_by", 1);
    assert_number(root, "term", 7);
    assert_number(root, "leader", 1);
    assert_number(root, "applied", 118);
    assert_word(root, "role", "leader");
    assert_word(root, "cluster", "0123456789abcdef");
    assert_true(json_is_false(json_object_get(root, "changing")));
    assert_int_equal(json_array_size(json_object_get(root, "nodes")), 2);
    assert_number(member(root, 0), "node", 1);
    assert_word(member(root, 0), "url", "http://127.0.0.1:7001");
    assert_word(member(root, 0), "state", "leader");
    assert_number(member(root, 0), "session", 12);
    assert_unknown(member(root, 0), "heard_ms");
    assert_number(member(root, 1), "node", 2);
    assert_word(member(root, 1), "url", "http://[::1]:7002");
    assert_word(member(root, 1), "role", "voter");
    assert_word(member(root, 1), "state", "follower");
    assert_unknown(member(root, 1), "replaces");
    assert_number(member(root, 1), "heard_ms", 30);
    assert_number(member(root, 1), "match", 110);
    assert_number(member(root, 1), "lag", 11);
    assert_unknown(member(root, 1), "session");
    json_decref(root);
}

/* What the leader says of node 2, when that was last heard `heard` before now. */
static void assert_state_of_other(struct cfs_status *status, cfs_time heard, const char *expected)
{
    json_t *root;

    status->members[1].heard = heard;
    root = page_as_json("nodes", status);
    assert_word(member(root, 1), "state", expected);
    json_decref(root);
}

static void test_a_member_falls_silent(void **state)
{
    struct cfs_status status = status_of_a_leader();
    cfs_time patience = CFS_MS(status.config->election_ms);

    (void)state;
    assert_state_of_other(&status, status.now - patience, "follower");
    assert_state_of_other(&status, status.now - patience - 1, "silent");
    /* Never heard of in this term, which began ten seconds ago; or just now. */
    assert_state_of_other(&status, 0, "silent");
    status.core.leader_since = status.now - CFS_MS(10);
    assert_state_of_other(&status, 0, "unknown");
}

static struct cfs_status of_a_follower(void)
{
    struct cfs_status status = status_of_a_leader();

    status.core.role = "follower";
    status.core.leader = 2;
    status.core.leader_since = 0;
    status.members[0].match = status.members[1].match = 0;
    return status;
}

static void test_a_follower_knows_of_its_leader(void **state)
{
    struct cfs_status status = of_a_follower();
    json_t *root = page_as_json("nodes", &status);

    (void)state;
    assert_word(member(root, 0), "state", "follower");
    assert_unknown(member(root, 0), "match");
    assert_unknown(member(root, 0), "lag");
    assert_word(member(root, 1), "state", "leader");
    assert_number(member(root, 1), "heard_ms", 30);
    assert_unknown(member(root, 1), "match");
    json_decref(root);
    assert_state_of_other(&status, status.now - CFS_SECONDS(1), "silent");
}

static void test_without_a_leader_nothing_is_claimed(void **state)
{
    struct cfs_status status = of_a_follower();
    json_t *root;

    (void)state;
    status.core.role = "candidate";
    status.core.leader = 0;
    status.members[1].heard = 0;
    root = page_as_json("nodes", &status);
    assert_unknown(root, "leader");
    assert_word(member(root, 0), "state", "candidate");
    assert_word(member(root, 1), "state", "unknown");
    assert_unknown(member(root, 1), "heard_ms");
    json_decref(root);
}

static void test_text_is_a_line_about_the_view_and_a_table(void **state)
{
    static const char expected[] =
        "# as node 1 sees it in term 7; leader: unknown\n"
        "node  url                    role   state      heard_ms  match  lag  session  replaces\n"
        "1     http://127.0.0.1:7001  voter  candidate         -      -    -       12         -\n"
        "2     http://[::1]:7002      voter  unknown           -      -    -        -         -\n";
    struct cfs_status status = of_a_follower();
    char *text;

    (void)state;
    status.core.role = "candidate";
    status.core.leader = 0;
    status.members[1].heard = 0;
    text = cfs_page_make("nodes", false, &status);
    assert_string_equal(text, expected);
    free(text);
}

/* Node 3 is to take the place of node 2, which is no replica any more than node 3 is one yet; node
 * 4 has been removed, and its replica is still needed. */
static void test_nodes_come_and_go(void **state)
{
    struct cfs_status status = status_of_a_leader();
    json_t *root;

    (void)state;
    status.core.changing = true;
    status.nodes[2] = (struct cfs_node_info){.id = 3, .host = "h", .port = 3, .replaces = 2};
    status.node_count = 3;
    status.members[1] = (struct cfs_member_view){.node = 4, .role = "outgoing", .match = 121};
    root = page_as_json("nodes", &status);
    assert_true(json_is_true(json_object_get(root, "changing")));
    assert_int_equal(json_array_size(json_object_get(root, "nodes")), 4);
    assert_word(member(root, 1), "role", "joining");
    assert_word(member(root, 2), "role", "joining");
    assert_word(member(root, 2), "url", "http://h:3");
    assert_word(member(root, 2), "state", "unknown");
    assert_number(member(root, 2), "replaces", 2);
    assert_unknown(member(root, 2), "lag");
    assert_number(member(root, 3), "node", 4);
    assert_word(member(root, 3), "role", "outgoing");
    assert_unknown(member(root, 3), "url");
    assert_number(member(root, 3), "lag", 0);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_leader_knows_every_member),
        cmocka_unit_test(test_a_member_falls_silent),
        cmocka_unit_test(test_a_follower_knows_of_its_leader),
        cmocka_unit_test(test_without_a_leader_nothing_is_claimed),
        cmocka_unit_test(test_nodes_come_and_go),
        cmocka_unit_test(test_text_is_a_line_about_the_view_and_a_table),
    };

    return cmocka_run_group_tests_name("page_nodes", tests, NULL, NULL);
}
