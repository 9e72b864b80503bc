#include "status_world.h"

#include <stdlib.h>
#include <string.h>

static struct cfs_config config;
static struct cfs_group_status groups[CFS_GROUPS + 1];

static void fill_groups(const struct cfs_status *status)
{
    /* Group 1 is on both nodes too, and node 2 leads it; the others are elsewhere. */
    memset(groups, 0, sizeof groups);
    groups[0].view = status->core;
    groups[0].view.replica = true;
    memcpy(groups[0].members, status->members, sizeof status->members);
    groups[1] = (struct cfs_group_status){
        .view = {.role = "follower",
                 .leader = 2,
                 .term = 3,
                 .commit = 40,
                 .applied = 39,
                 .last_index = 41,
                 .replica = true,
                 .member_count = 2},
        .members = {{.node = 1, .role = "voter"}, {.node = 2, .role = "learner"}},
        .wanted = {2, 1},
        .wanted_count = 2};
    groups[2].view.leader = 9;
}

struct cfs_status status_of_a_leader(void)
{
    struct cfs_status status = {
        .core = {.role = "leader",
                 .leader = 1,
                 .term = 7,
                 .commit = 119,
                 .applied = 118,
                 .last_index = 121,
                 .durable_index = 120,
                 .elections = 3,
                 .leaderships = 2,
                 .serving = true,
                 .leader_since = CFS_SECONDS(90),
                 .lease_until = CFS_SECONDS(100) + CFS_MS(143),
                 .session = 12,
                 .available = true,
                 .held = 4,
                 .waiting = 2,
                 .outstanding = 3,
                 .lines = 5,
                 .session_count = 2,
                 .member_count = 2},
        .wal = {.syncs = 50,
                .records = 60,
                .bytes = UINT64_C(5000000000),
                .sync_us_last = 120,
                .sync_us_max = 900,
                .pending = 6,
                .segment = 9,
                .segments = 2,
                .disk_bytes = 33554432,
                .cut_bytes = 5},
        .cluster = UINT64_C(0x123456789abcdef),
        .nodes = {{.id = 1, .host = "127.0.0.1", .port = 7001},
                  {.id = 2, .host = "::1", .port = 7002}},
        .node_count = 2,
        .config = &config,
        .cache = {.hits = 21, .bytes = 8192},
        .store = "embedded",
        .store_available = true,
        .now = CFS_SECONDS(100),
        .started = CFS_SECONDS(40),
    };
    char why[256];

    for (int i = 0; i < 98; i++)
        cfs_histogram_add(&status.wal.sync, 80);
    cfs_histogram_add(&status.wal.sync, 900);
    cfs_histogram_add(&status.wal.sync, 900);
    cfs_histogram_add(&status.commits, 300);
    status.members[0].node = 1;
    status.members[0].role = status.members[1].role = "voter";
    status.members[0].match = 120;
    status.members[0].session = 12;
    status.members[1].node = 2;
    status.unsent[1] = 5;
    status.requests[CFS_ROUTE_LOCK] = 17;
    status.requests[CFS_ROUTE_UNKNOWN] = 1;
    status.resident_bytes = 8192;
    status.members[1].match = 110;
    status.members[1].heard = CFS_SECONDS(100) - CFS_MS(30);
    fill_groups(&status);
    status.groups = groups;
    cfs_config_init(&config);
    assert_int_equal(cfs_config_set(&config, "node", "1", why, sizeof(why)), 0);
    return status;
}

struct cfs_group_status *status_group(cfs_group_id group)
{
    return &groups[group];
}

json_t *page_as_json(const char *name, const struct cfs_status *status)
{
    char *text = cfs_page_make(name, true, status);
    json_t *root;

    assert_non_null(text);
    assert_int_equal(text[strlen(text) - 1], '\n');
    root = json_loads(text, 0, NULL);
    assert_non_null(root);
    free(text);
    return root;
}

void assert_number(const json_t *object, const char *key, json_int_t expected)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_integer(value))
        fail_msg("%s is no number", key);
    assert_int_equal(json_integer_value(value), expected);
}
