/* .q/config: its text, what may be written to it, and by whom. */
#include <stdio.h>

#include "queue_file_world.h"

static bool parse(struct cfs_queue_set *set, const char *text)
{
    *set = (struct cfs_queue_set){0};
    return cfs_queue_config_parse(set, text, strlen(text));
}

static void all_keys_are_printed_and_read_again(void **state)
{
    struct cfs_queue_config config = {.visibility_ms = 1500,
                                      .max_deliveries = UINT32_MAX,
                                      .max_messages = 9999999999999999999u,
                                      .max_bytes = 7,
                                      .framing = CFS_FRAMING_LINE};
    char text[CFS_CONFIG_TEXT_MAX], again[CFS_CONFIG_TEXT_MAX];
    struct cfs_queue_set set;

    (void)state;
    config.visibility_ms = UINT32_MAX;
    assert_true(cfs_queue_config_print(&config, text, sizeof text) < sizeof text);
    config.visibility_ms = 1500;
    cfs_queue_config_print(&config, text, sizeof text);
    assert_string_equal(text, "visibility_timeout=1.5\nmax_deliveries=4294967295\n"
                              "max_messages=9999999999999999999\nmax_bytes=7\nframing=line\n");
    assert_true(parse(&set, text));
    assert_int_equal(set.fields, 31);
    cfs_queue_config_print(&set.config, again, sizeof again);
    assert_string_equal(again, text);
}

static void what_is_not_named_is_not_set(void **state)
{
    struct cfs_queue_set set;

    (void)state;
    assert_true(parse(&set, "visibility_timeout=60\n"));
    assert_int_equal(set.fields, CFS_CONFIG_VISIBILITY);
    assert_int_equal(set.config.visibility_ms, 60000);
    assert_true(parse(&set, "# nothing\n\n"));
    assert_int_equal(set.fields, 0);
    assert_true(parse(&set, "framing = file")); /* blanks, and no newline */
    assert_int_equal(set.config.framing, CFS_FRAMING_FILE);
    assert_true(parse(&set, "max_bytes=1\r\nmax_bytes=2\r\n"));
    assert_int_equal(set.config.max_bytes, 2);
}

static void seconds_have_decimals(void **state)
{
    static const struct {
        const char *text;
        uint32_t ms;
    } good[] = {{"0.001", 1}, {"0.5", 500}, {"30", 30000}, {"2.25", 2250}, {"4294967.295", ~0u}};
    static const char *const bad[] = {"0",   "0.000", "-1",          "1.",  ".5", "1.2345",
                                      "1e3", "inf",   "4294967.296", "1 s", ""};
    struct cfs_queue_set set;
    char line[64];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(line, sizeof line, "visibility_timeout=%s\n", good[i].text);
        assert_true(parse(&set, line));
        assert_int_equal(set.config.visibility_ms, good[i].ms);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(line, sizeof line, "visibility_timeout=%s\n", bad[i]);
        assert_false(parse(&set, line));
    }
}

static void one_bad_line_spoils_all(void **state)
{
    static const char *const bad[] = {"max_deliveries=0", "max_deliveries=4294967296",
                                      "max_messages=-1",  "max_messages=99999999999999999999",
                                      "max_bytes=1k",     "max_bytes=0x10",
                                      "framing=lines",    "framing=",
                                      "framing",          "=line",
                                      "Framing=line",     "colour=red"};
    struct cfs_queue_set set;
    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "max_bytes=5\n%s\nmax_messages=5\n", bad[i]);
        assert_false(parse(&set, text));
    }
    assert_false(cfs_queue_config_parse(&set, "max_bytes=5\0=", 13));
}

/* --- the file ---------------------------------------------------------------------------- */

static struct cfs_node *config_node(struct world *w)
{
    return find(w, find(w, queues_dir(w), ".q", &QUEUE), "config", &QUEUE);
}

static struct cfs_handle *open_config(struct world *w, int flags)
{
    struct cfs_node *node = config_node(w);
    struct fuse_file_info fi = {.flags = flags};
    struct fuse_req *req = request(w);

    node->tree->open(&w->fs, req, node, &fi);
    answer_queue(&QUEUE);
    assert_replied(req, 0);
    fi.fh = req->fh;
    return cfs_handle_of(&fi);
}

static const char TEXT[] = "visibility_timeout=30\nmax_deliveries=20\nmax_messages=0\nmax_bytes=0\n"
                           "framing=write\n";

static void it_is_a_file_of_its_length(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = look_up(w, find(w, queues_dir(w), ".q", &QUEUE), "config", &QUEUE);
    struct cfs_handle *handle = open_config(w, O_RDONLY);

    assert_int_equal(req->entry.attr.st_size, strlen(TEXT));
    assert_int_equal(req->entry.attr.st_mode, S_IFREG | 0640);
    assert_int_equal(req->entry.attr.st_uid, 5);
    assert_read(start_read(w, handle, 4096), TEXT);
    req = request(w);
    handle->node->tree->read(&w->fs, req, handle, 4, 4);
    assert_read(req, "bili");
}

static void a_write_is_one_change(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_config(w, O_WRONLY | O_TRUNC);
    struct fuse_req *req = start_write(w, handle, "visibility_timeout=60\nmax_bytes=9\n");

    assert_int_equal(last_asked()->op, CFS_OP_QUEUE_CONFIG);
    assert_string_equal(last_asked()->name, "q");
    assert_int_equal(last_asked()->queue_set.fields, CFS_CONFIG_VISIBILITY | CFS_CONFIG_MAX_BYTES);
    assert_int_equal(last_asked()->queue_set.uid, 1000);
    answer_error(CFS_OK);
    assert_replied(req, 0);
    assert_int_equal(req->len, 34);
    req = start_write(w, handle, "framing=line\n");
    answer_error(CFS_ERR_NOT_PERMITTED);
    assert_replied(req, EPERM);
}

static void a_bad_write_asks_nobody(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_config(w, O_WRONLY);
    uint64_t asked = engine.count;
    struct fuse_req *req;

    assert_replied(start_write(w, handle, "max_bytes=9\nframing=x\n"), EINVAL);
    req = start_write(w, handle, "\n");
    assert_replied(req, 0);
    assert_int_equal(req->len, 1);
    assert_int_equal(engine.count, asked);
}

static void cutting_it_off_changes_nothing(void **state)
{
    struct world *w = *state;
    struct cfs_node *node = config_node(w);
    struct fuse_req *req = request(w);

    node->tree->setattr(&w->fs, req, node, NULL, &(struct stat){0}, FUSE_SET_ATTR_SIZE);
    answer_queue(&QUEUE);
    assert_replied(req, 0);
    assert_int_equal(req->attr.st_size, strlen(TEXT));
    req = request(w);
    node->tree->setattr(&w->fs, req, node, NULL, &(struct stat){0}, FUSE_SET_ATTR_MODE);
    assert_replied(req, EPERM);
}

static void a_config_of_a_queue_that_is_gone_cannot_be_opened(void **state)
{
    struct world *w = *state;
    struct cfs_node *node = config_node(w);
    struct fuse_req *req = request(w);

    node->tree->open(&w->fs, req, node, &(struct fuse_file_info){0});
    answer_error(CFS_ERR_NO_QUEUE);
    assert_replied(req, ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_keys_are_printed_and_read_again),
        cmocka_unit_test(what_is_not_named_is_not_set),
        cmocka_unit_test(seconds_have_decimals),
        cmocka_unit_test(one_bad_line_spoils_all),
        TEST(it_is_a_file_of_its_length),
        TEST(a_write_is_one_change),
        TEST(a_bad_write_asks_nobody),
        TEST(cutting_it_off_changes_nothing),
        TEST(a_config_of_a_queue_that_is_gone_cannot_be_opened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
