/* The cache at the leader: its tree is read from the applied state, and what takes room needs some.
 */
#include "cache_requests.h"
#include "core_home_bench.h"

#include <string.h>

static struct home_bench hb;

static int set_up(void **state)
{
    home_bench_open(&hb);
    home_bench_tick_in_contact(&hb, CFS_SECONDS(2)); /* a home before may have shared something */
    *state = &hb;
    return 0;
}

static int tear_down(void **state)
{
    home_bench_close(*state);
    return 0;
}

static struct cfs_answer read_answer(uint64_t id, enum cfs_op op, cfs_ino ino, const char *name)
{
    struct cfs_message message = {
        .type = CFS_MSG_READ,
        .from = 2,
        .term = hb.rb.raft.term,
        .read = {.id = id, .op = op, .cache = {.ino = ino, .len = CFS_PUT_MAX}}};
    struct cfs_answer answer = {0};

    strcpy(message.read.name, name);
    home_bench_receive(&hb, message);
    assert_non_null(home_bench_said(&hb, CFS_TO_READ, 2, id, &answer));
    return answer;
}

static struct cfs_answer done(struct cfs_request request)
{
    struct cfs_answer answer = {0};
    uint64_t sequence = home_bench_do(&hb, 2, request);

    assert_non_null(home_bench_said(&hb, CFS_TO_COMMAND, 2, sequence, &answer));
    return answer;
}

static void names_and_inodes_are_read(void **state)
{
    cfs_ino d = done(make_directory(CFS_CACHE_ROOT, "d")).id, f = done(make_file(d, "f")).id;
    struct cfs_answer answer = read_answer(1, CFS_OP_CACHE_LOOKUP, CFS_CACHE_ROOT, "d");

    (void)state;
    assert_int_equal(answer.cache.inode.ino, d);
    assert_int_equal(answer.cache.inode.type, CFS_INODE_DIRECTORY);
    assert_int_equal(read_answer(2, CFS_OP_CACHE_LOOKUP, d, "f").cache.inode.ino, f);
    assert_int_equal(read_answer(3, CFS_OP_CACHE_LOOKUP, d, "g").error, CFS_ERR_NO_FILE);
    assert_int_equal(read_answer(4, CFS_OP_CACHE_NODE, f, "").cache.inode.perm, 0640);
    assert_int_equal(read_answer(5, CFS_OP_CACHE_LIST, CFS_CACHE_ROOT, "").cache.entry_count, 1);
}

static void contents_are_read(void **state)
{
    cfs_ino f = done(make_file(CFS_CACHE_ROOT, "f")).id;
    struct cfs_answer answer;

    (void)state;
    assert_int_equal(read_answer(1, CFS_OP_CACHE_FETCH, f, "").cache.content.version, 0);
    done(put_value(f, "value"));
    answer = read_answer(2, CFS_OP_CACHE_FETCH, f, "");
    assert_int_equal(answer.cache.content.size, 5);
    assert_int_equal(answer.cache.len, 5);
}

/* All deciding disks but the leader's are full: it says so with each acknowledgement. */
static void says_full(cfs_node_id node)
{
    raft_bench_receive(&hb.rb,
                       (struct cfs_message){.type = CFS_MSG_APPEND_REPLY,
                                            .from = node,
                                            .term = hb.rb.raft.term,
                                            .append_reply = {.success = true,
                                                             .match = home_bench_log_end(&hb),
                                                             .sent = hb.rb.bench.env.now,
                                                             .sound = true,
                                                             .full = true}});
}

/* Whether it is not refused for want of room. */
static bool takes(struct cfs_request request)
{
    struct cfs_answer answer = {0};
    uint64_t sequence = home_bench_ask(&hb, 2, request);

    return !home_bench_said(&hb, CFS_TO_COMMAND, 2, sequence, &answer) ||
           answer.error != CFS_ERR_NO_SPACE;
}

static void on_full_disks_only_what_frees_room_is_taken(void **state)
{
    cfs_ino f = done(make_file(CFS_CACHE_ROOT, "f")).id;
    struct cfs_request truncation = put_value(f, ""), attribute = of_cache(CFS_OP_CACHE_XATTR, "a");
    struct cfs_request drop = of_cache(CFS_OP_CACHE_DROP, "");

    (void)state;
    done(put_value(f, "value"));
    says_full(2);
    says_full(3);
    assert_false(takes(make_file(CFS_CACHE_ROOT, "g")));
    assert_false(takes(put_value(f, "v")));
    attribute.cache_xattr = (struct cfs_cache_xattr){.ino = f, .value = (const uint8_t *)"", 0};
    assert_false(takes(attribute));
    attribute.cache_xattr.remove = true;
    assert_true(takes(attribute));
    assert_true(takes(put_value(f, "")));
    truncation.cache_put.kind = CFS_PUT_TRUNCATE;
    truncation.cache_put.offset = 3;
    assert_true(takes(truncation));
    assert_true(takes(rename_to(CFS_CACHE_ROOT, "f", CFS_CACHE_ROOT, "g")));
    assert_true(takes(remove_file(CFS_CACHE_ROOT, "g")));
    drop.cache_drop.ino = f;
    assert_true(takes(drop));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(names_and_inodes_are_read),
        T(contents_are_read),
        T(on_full_disks_only_what_frees_room_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
