/* Which cluster a node finds itself in: by its settings, by its directory, by asking. */
#include "canned_world.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "coordfs/log.h"
#include "http_world.h"
#include "io/cluster.h"

struct world {
    char root[64], dir[96];
    struct cfs_config config;
    struct cfs_cluster cluster;
    struct canned other;
    char said[4096]; /* on the log */
};

static void set(struct world *w, const char *key, const char *value)
{
    char why[256];

    if (cfs_config_set(&w->config, key, value, why, sizeof why) != 0)
        fail_msg("%s", why);
}

static void settings(struct world *w, const char *node, const char *members)
{
    cfs_config_init(&w->config);
    set(w, "node", node);
    set(w, "member", members);
    set(w, "timeout", "0.3");
    strcpy(w->config.data, w->dir);
    strcpy(w->config.secret, SECRET);
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    cfs_log_open(CFS_LOG_INFO, false);
    strcpy(w->root, "/tmp/coordfs-test-XXXXXX");
    assert_non_null(mkdtemp(w->root));
    snprintf(w->dir, sizeof w->dir, "%s/data", w->root);
    *state = w;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static int tear_down(void **state)
{
    struct world *w = *state;

    nftw(w->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(w);
    return 0;
}

/* cfs_cluster_open, with what it says on the log kept. */
static int find(struct world *w)
{
    char path[96];
    int kept = dup(STDERR_FILENO), fd, rv;
    ssize_t len;

    snprintf(path, sizeof path, "%s/said", w->root);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    dup2(fd, STDERR_FILENO);
    rv = cfs_cluster_open(&w->cluster, &w->config);
    dup2(kept, STDERR_FILENO);
    close(kept);
    len = pread(fd, w->said, sizeof w->said - 1, 0);
    close(fd);
    assert_true(len >= 0);
    w->said[len] = 0;
    return rv;
}

static void assert_said(const struct world *w, const char *words)
{
    if (!strstr(w->said, words))
        fail_msg("expected \"%s\" in: %s", words, w->said);
}

static void ignore(void *arg, const struct cfs_record *record)
{
    (void)arg;
    (void)record;
}

/* What a start does with the directory: identity and, by a node that has run, the peers. */
static void keep(struct world *w, const char *peers)
{
    struct cfs_wal_begin begin = {.segment = 1, .sequence = 1};
    struct cfs_wal *wal;

    assert_int_equal(
        cfs_wal_open(&wal, w->dir, w->config.node, begin, &w->cluster.origin, ignore, NULL), 0);
    cfs_wal_close(wal);
    if (peers) {
        struct cfs_config other = {.member_count = 0};
        struct cfs_peers list = {.count = 0};
        struct cfs_peers_writer *writer = cfs_peers_writer_new(w->dir, cfs_cluster_id(&w->cluster));
        char why[256];
        assert_int_equal(cfs_config_set(&other, "member", peers, why, sizeof why), 0);
        for (; list.count < other.member_count; list.count++) {
            list.nodes[list.count].id = other.members[list.count].id;
            list.nodes[list.count].port = other.members[list.count].port;
            strcpy(list.nodes[list.count].host, other.members[list.count].host);
        }
        cfs_peers_save(writer, &list);
        cfs_peers_writer_free(writer);
    }
    cfs_cluster_close(&w->cluster);
}

static void assert_known(const struct world *w, const char *expected)
{
    char *text = cfs_peers_text(&w->cluster.known);

    assert_string_equal(text, expected);
    free(text);
}

/* ---- founding ---- */

static void members_found_a_cluster_that_all_of_them_name_alike(void **state)
{
    struct world *w = *state;
    struct cfs_core_config core = {.node = 1};
    uint64_t first;

    settings(w, "1", "2@b:2+1@A:1+3@c:3");
    assert_int_equal(find(w), 0);
    first = cfs_cluster_id(&w->cluster);
    assert_string_equal(w->cluster.origin.members, "1@A:1+2@b:2+3@c:3");
    cfs_cluster_found(&w->cluster, &core);
    assert_true(core.member_count == 3 && core.members[2] == 3);
    assert_string_equal(core.addresses[1].host, "b");
    assert_known(w, "1@A:1+2@b:2+3@c:3");
    settings(w, "3", "3@c:3+2@b:2+1@a:1");
    assert_int_equal(find(w), 0);
    assert_true(cfs_cluster_id(&w->cluster) == first);
    settings(w, "1", "1@a:1+2@b:2+3@c:4");
    assert_int_equal(find(w), 0);
    assert_true(cfs_cluster_id(&w->cluster) != first);
}

/* It might have been lost, and the cluster gone on without it. */
static void who_begins_alone_twice_begins_two_clusters(void **state)
{
    struct world *w = *state;
    uint64_t first;

    settings(w, "1", "1@a:1");
    assert_int_equal(find(w), 0);
    first = cfs_cluster_id(&w->cluster);
    assert_int_equal(find(w), 0);
    assert_true(cfs_cluster_id(&w->cluster) != first);
    keep(w, NULL);
    first = cfs_cluster_id(&w->cluster);
    assert_int_equal(find(w), 0);
    assert_true(cfs_cluster_id(&w->cluster) == first);
}

/* ---- coming back ---- */

static void the_directory_wins_over_the_settings(void **state)
{
    struct world *w = *state;
    struct cfs_core_config core = {.node = 1};

    settings(w, "1", "1@a:1+2@b:2+3@c:3");
    assert_int_equal(find(w), 0);
    keep(w, "1@a:1+2@b:2+4@d:4");
    assert_int_equal(find(w), 0);
    assert_known(w, "1@a:1+2@b:2+4@d:4");
    assert_said(w, "the settings name 1@a:1+2@b:2+3@c:3; the cluster has become");
    cfs_cluster_found(&w->cluster, &core);
    assert_true(core.member_count == 3 && core.members[2] == 3); /* who began it */
    settings(w, "1", "1@a:1+2@b:2+4@d:4");
    assert_int_equal(find(w), 0);
    assert_string_equal(w->said, "");
}

static void without_a_list_of_peers_the_first_members_are_looked_for(void **state)
{
    struct world *w = *state;

    settings(w, "1", "1@a:1+2@b:2");
    assert_int_equal(find(w), 0);
    keep(w, NULL);
    assert_int_equal(find(w), 0);
    assert_known(w, "1@a:1+2@b:2");
}

static void the_directory_of_another_cluster_is_refused(void **state)
{
    struct world *w = *state;

    settings(w, "1", "1@a:1+2@b:2+3@c:3");
    assert_int_equal(find(w), 0);
    keep(w, NULL);
    settings(w, "1", "1@a:1+2@x:2+3@y:3");
    assert_int_equal(find(w), -1);
    assert_said(w, "holds the log of node 1 of cluster ");
    assert_said(w, "1@a:1+2@b:2+3@c:3");
    assert_said(w, "1@a:1+2@x:2+3@y:3");
}

static void the_directory_of_another_node_is_refused(void **state)
{
    struct world *w = *state;

    settings(w, "1", "1@a:1+2@b:2");
    assert_int_equal(find(w), 0);
    keep(w, NULL);
    settings(w, "2", "1@a:1+2@b:2");
    assert_int_equal(find(w), -1);
    assert_said(w, "holds the log of node 1, and this is node 2");
}

static void an_address_that_nobody_else_knows_is_warned_of(void **state)
{
    struct world *w = *state;

    settings(w, "1", "1@a:1+2@b:2");
    assert_int_equal(find(w), 0);
    keep(w, NULL);
    settings(w, "1", "1@new:1+2@b:2");
    assert_int_equal(find(w), 0);
    assert_said(w, "the others look for this node at 1@a:1, and the settings say 1@new:1");
    assert_said(w, "--move 1@new:1");
}

/* ---- joining ---- */

/* The other node leads, and knows itself and, if `more`, others. */
static void other_knows(struct world *w, const char *more)
{
    char body[2048];

    snprintf(body, sizeof body,
             "{\"cluster\":\"fedcba9876543210\",\"seen_by\":1,\"leader\":1,\"changing\":false,"
             "\"nodes\":[{\"node\":1,\"url\":\"%s\",\"role\":\"voter\",\"state\":\"leader\","
             "\"lag\":0,\"session\":5,\"replaces\":null}%s]}",
             w->other.url, more);
    canned_will_say(&w->other, "GET /members ", 200, body);
}

static int join(struct world *w)
{
    int rv;

    settings(w, "4", "4@127.0.0.1:7004");
    set(w, "join", w->other.url);
    canned_serve(&w->other);
    rv = find(w);
    canned_close(&w->other);
    return rv;
}

static void who_joins_asks_to_be_added(void **state)
{
    struct world *w = *state;
    struct cfs_core_config core = {.node = 4, .member_count = 9};

    canned_open(&w->other);
    other_knows(w, "");
    canned_will_say(&w->other, "POST /members?node=4&host=127.0.0.1&port=7004 ", 200, "{}");
    assert_int_equal(join(w), 0);
    assert_int_equal(w->other.asked_count, 2);
    assert_true(w->other.authorized);
    assert_true(cfs_cluster_id(&w->cluster) == UINT64_C(0xfedcba9876543210));
    assert_string_equal(w->cluster.origin.members, "");
    assert_int_equal(w->cluster.known.count, 2);
    cfs_cluster_found(&w->cluster, &core);
    assert_int_equal(core.member_count, 0);
    /* It has joined: the next time it asks nobody, whether it finds the list or not. */
    keep(w, NULL);
    assert_int_equal(find(w), 0);
    assert_true(cfs_cluster_id(&w->cluster) == UINT64_C(0xfedcba9876543210));
    assert_int_equal(w->cluster.known.count, 0);
}

/* As the heir of another one, perhaps: said again it would be an addition of its own. */
static void who_has_been_announced_need_not_ask(void **state)
{
    struct world *w = *state;

    canned_open(&w->other);
    other_knows(w, ",{\"node\":4,\"url\":\"http://127.0.0.1:7004\",\"role\":\"joining\","
                   "\"state\":\"unknown\",\"lag\":null,\"session\":null,\"replaces\":2}");
    assert_int_equal(join(w), 0);
    assert_int_equal(w->other.asked_count, 1);
    assert_int_equal(w->cluster.known.count, 2);
}

static void an_id_that_is_taken_is_refused(void **state)
{
    struct world *w = *state;

    canned_open(&w->other);
    other_knows(w, ",{\"node\":4,\"url\":\"http://10.0.0.4:7004\",\"role\":\"voter\","
                   "\"state\":\"follower\",\"lag\":0,\"session\":9,\"replaces\":null}");
    assert_int_equal(join(w), -1);
    assert_int_equal(w->other.asked_count, 1);
    assert_said(w, "node id 4 belongs to the node at 10.0.0.4:7004");
    assert_said(w, "coordfs member replace 4");
}

static void a_cluster_that_cannot_say_yet_is_asked_again(void **state)
{
    struct world *w = *state;

    canned_open(&w->other);
    canned_will_say(&w->other, "GET /members ", 503, "{\"error\":\"no majority\"}");
    other_knows(w, "");
    canned_will_say(&w->other, "POST /members", 503, "{\"error\":\"no majority\"}");
    other_knows(w, "");
    canned_will_say(&w->other, "POST /members", 200, "{}");
    assert_int_equal(join(w), 0);
    assert_int_equal(w->other.asked_count, 5);
}

static void nobody_there_is_told_after_a_while(void **state)
{
    struct world *w = *state;

    canned_open(&w->other);
    canned_will_say(&w->other, "GET /members ", 401, "{\"error\":\"wrong secret\"}");
    assert_int_equal(join(w), -1);
    assert_said(w, "cannot join by http://127.0.0.1");
    assert_said(w, "wrong secret");
    assert_int_equal(find(w), -1); /* that one is gone now */
    assert_said(w, "cannot join by");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(members_found_a_cluster_that_all_of_them_name_alike),
        T(who_begins_alone_twice_begins_two_clusters),
        T(the_directory_wins_over_the_settings),
        T(without_a_list_of_peers_the_first_members_are_looked_for),
        T(the_directory_of_another_cluster_is_refused),
        T(the_directory_of_another_node_is_refused),
        T(an_address_that_nobody_else_knows_is_warned_of),
        T(who_joins_asks_to_be_added),
        T(who_has_been_announced_need_not_ask),
        T(an_id_that_is_taken_is_refused),
        T(a_cluster_that_cannot_say_yet_is_asked_again),
        T(nobody_there_is_told_after_a_while),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
