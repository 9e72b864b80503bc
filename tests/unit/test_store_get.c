/* What is too large to be in memory: it is not loaded, does not count, comes in copies, and is read
 * piece by piece. Keys that begin with BIG are large. */
#include "store_world.h"

#define BIG "\x80"

/* "a b" as keys, and what came as "a=x b=y" (BIG is shown as '!'); malloc'd. */
static char *get(struct world *w, cfs_group_id group, const char *keys, int *error)
{
    struct cfs_store_job job = {.kind = CFS_STORE_GET, .group = group};
    char *copy = strdup(keys), *rest = copy, *word, *text = calloc(1, 4096);
    struct cfs_writer writer = {0};
    struct cfs_store_done done;
    struct cfs_reader reader;

    while ((word = strsep(&rest, " ")))
        cfs_put_string(&writer, word);
    free(copy);
    job.keys = writer.data;
    job.keys_len = writer.len;
    submit(w, job);
    done = await(w);
    *error = done.error;
    assert_int_equal(done.kind, CFS_STORE_GET);
    assert_int_equal(done.group, group);
    reader = (struct cfs_reader){.data = done.pieces, .len = done.pieces_len};
    while (reader.at < reader.len) {
        uint32_t key_len, value_len;
        const uint8_t *key, *value;
        assert_int_equal(cfs_get_u8(&reader), CFS_STORE_PUT);
        key = cfs_get_bytes(&reader, &key_len);
        value = cfs_get_bytes(&reader, &value_len);
        sprintf(text + strlen(text), "%s%.*s=%.*s", *text ? " " : "", (int)key_len, key,
                (int)value_len, value);
    }
    free(done.pieces);
    for (char *at = text; *at; at++)
        *at = *at == *BIG ? '!' : *at;
    return text;
}

static void assert_got(struct world *w, cfs_group_id group, const char *keys, const char *expected)
{
    int error;
    char *text = get(w, group, keys, &error);

    assert_int_equal(error, 0);
    assert_string_equal(text, expected);
    free(text);
}

static void test_single_pieces_are_read(void **state)
{
    struct world *w = *state;

    open_store(w);
    assert_int_equal(checkpoint(w, 1, "head", "a=1 " BIG "a=2 " BIG "b=3"), 0);
    assert_got(w, 1, BIG "b " BIG "a", "!b=3 !a=2");
    assert_got(w, 1, "a " BIG "none", "a=1");
    assert_got(w, 1, BIG "none", "");
    assert_got(w, 2, BIG "a", "");
    assert_int_equal(checkpoint(w, 1, "head", "-" BIG "a " BIG "c=4"), 0);
    assert_got(w, 1, BIG "a " BIG "b " BIG "c", "!b=3 !c=4");
}

static void test_large_ones_are_not_loaded(void **state)
{
    struct world *w = *state;

    open_store(w);
    assert_int_equal(checkpoint(w, 1, "head", "a=1 " BIG "a=2"), 0);
    assert_int_equal(checkpoint(w, 2, "other", BIG "b=3"), 0);
    assert_int_equal(checkpoint(w, 3, "third", "c=3"), 0);
    assert_holds(w, "1 head a=1\n2 other\n3 third c=3");
    assert_int_equal(checkpoint(w, 1, "head", BIG "a=5 b=2 -" BIG "none"), 0);
    assert_int_equal(checkpoint(w, 2, "other", "-" BIG "b"), 0);
    assert_holds(w, "1 head a=1 b=2\n2 other\n3 third c=3");
    assert_got(w, 1, BIG "a", "!a=5");
}

static void test_large_ones_are_in_copies_and_stages(void **state)
{
    struct cfs_store_job job = {.kind = CFS_STORE_READ, .group = 1, .transfer = 9, .bytes = 100000};
    struct cfs_store_done done;
    struct world *w = *state;

    open_store(w);
    assert_int_equal(checkpoint(w, 1, "old", BIG "a=old " BIG "z=old"), 0);
    assert_int_equal(stage(w, 1, "a=1", true, NULL), 0);
    assert_int_equal(stage(w, 1, BIG "a=new", false, NULL), 0);
    assert_got(w, 1, BIG "a", "!a=old");
    assert_int_equal(stage(w, 1, BIG "b=new", false, "head"), 0);
    assert_got(w, 1, BIG "a " BIG "b " BIG "z", "!a=new !b=new");
    assert_holds(w, "1 head a=1");
    submit(w, job);
    done = await(w);
    assert_int_equal(done.error, 0);
    assert_true(done.done);
    assert_non_null(memmem(done.pieces, done.pieces_len, "new", 3));
    free(done.head);
    free(done.pieces);
}

static void test_malformed_keys_are_refused(void **state)
{
    struct cfs_store_job job = {.kind = CFS_STORE_GET, .group = 1};
    struct world *w = *state;

    open_store(w);
    assert_int_equal(checkpoint(w, 1, "head", BIG "a=1"), 0);
    job.keys = cfs_alloc_copy("\7\0\0\0abc", 7);
    job.keys_len = 7;
    assert_int_equal(perform(w, job), -EINVAL);
    job.keys = cfs_alloc_copy("\0\0\0\0", 4);
    job.keys_len = 4;
    assert_int_equal(perform(w, job), -EINVAL);
}

/* Changes one byte of the closed file, behind the first occurrence of `text`. */
static void spoil(struct world *w, const char *text)
{
    int fd = open(path_of(w, "store/data.mdb"), O_RDWR | O_CLOEXEC);
    off_t size = lseek(fd, 0, SEEK_END);
    char *bytes = cfs_alloc((size_t)size), *found;

    assert_int_equal(pread(fd, bytes, (size_t)size, 0), size);
    found = memmem(bytes, (size_t)size, text, strlen(text));
    assert_non_null(found);
    assert_int_equal(pwrite(fd, "X", 1, found - bytes), 1);
    free(bytes);
    close(fd);
}

static void test_what_is_damaged_is_found_when_it_is_read(void **state)
{
    struct world *w = *state;
    int error;

    open_store(w);
    assert_int_equal(checkpoint(w, 1, "head", "a=1 " BIG "a=precious " BIG "b=2"), 0);
    close_store(w);
    spoil(w, "precious");
    assert_holds(w, "1 head a=1");
    assert_got(w, 1, BIG "b", "!b=2");
    catch_stderr(w);
    free(get(w, 1, BIG "b " BIG "a", &error));
    release_stderr(w);
    assert_int_equal(error, -EBADMSG);
    assert_said(w, "group 1: key \"\\x80a\": the checksum is wrong");
}

static void test_what_was_asked_is_done_before_the_end(void **state)
{
    struct cfs_store_job job = {.kind = CFS_STORE_GET, .group = 1};
    struct cfs_writer writer = {0};
    struct world *w = *state;

    open_store(w);
    assert_int_equal(checkpoint(w, 1, "head", BIG "a=1"), 0);
    for (int i = 0; i < 20; i++) {
        cfs_put_string(&writer, BIG "a");
        job.keys = writer.data;
        job.keys_len = writer.len;
        writer = (struct cfs_writer){0};
        submit(w, job);
    }
    close_store(w); /* nothing is lost of what nobody takes */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(single_pieces_are_read),
        TEST(large_ones_are_not_loaded),
        TEST(large_ones_are_in_copies_and_stages),
        TEST(malformed_keys_are_refused),
        TEST(what_is_damaged_is_found_when_it_is_read),
        TEST(what_was_asked_is_done_before_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
