/* Answers about the cache as bytes; as test_command_answer.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/command.h"

static const uint8_t data[] = "some\0bytes";
static const char target[] = "../target";

static const struct cfs_inode_info file = {.ino = 0x1122334455667788,
                                           .parent = 18,
                                           .type = CFS_INODE_FILE,
                                           .uid = 1,
                                           .gid = 2,
                                           .perm = 04751,
                                           .nlink = 3,
                                           .size = 4,
                                           .mtime = 5,
                                           .atime = 6,
                                           .ctime = 7,
                                           .version = 8};
static const struct cfs_inode_info symlink = {
    .ino = 9, .type = CFS_INODE_SYMLINK, .perm = 0777, .nlink = 1, .size = sizeof target - 1};

static const struct cfs_content_info content = {
    .version = 10, .changed = 11, .size = 12, .mtime = 13, .atime = 14, .ctime = 15};

static const struct cfs_cache_share share = {
    .group = 16, .epoch = 0xfedcba9876543210, .exclusive = true};

static struct cfs_answer of_names(void)
{
    return (struct cfs_answer){.id = 9,
                               .cache = {.share = share, .inode = symlink, .target = target}};
}

static struct cfs_answer of_contents(void)
{
    return (struct cfs_answer){
        .cache = {.share = share, .content = content, .data = data, .len = sizeof data}};
}

static struct cfs_answer listing(void)
{
    static const char names[] = "a\0b c\0\xff"; /* three of them */
    static struct cfs_inode_info entries[3];

    entries[0] = file;
    entries[1] = symlink;
    entries[2] = (struct cfs_inode_info){.ino = 17, .type = CFS_INODE_DIRECTORY};
    return (struct cfs_answer){.names = names,
                               .names_len = sizeof names,
                               .more = true,
                               .cache = {.inode = file, .entries = entries, .entry_count = 3}};
}

static struct cfs_answer decoded(const struct cfs_answer *answer, struct cfs_writer *bytes,
                                 void **owned)
{
    struct cfs_answer got;

    *bytes = (struct cfs_writer){0};
    cfs_answer_encode(bytes, answer);
    assert_int_equal(cfs_answer_decode(&got, owned, bytes->data, bytes->len), 0);
    return got;
}

static void check_inode(const struct cfs_inode_info *got, const struct cfs_inode_info *want)
{
    assert_int_equal(got->ino, want->ino);
    assert_int_equal(got->parent, want->parent);
    assert_int_equal(got->type, want->type);
    assert_int_equal(got->uid, want->uid);
    assert_int_equal(got->gid, want->gid);
    assert_int_equal(got->perm, want->perm);
    assert_int_equal(got->nlink, want->nlink);
    assert_int_equal(got->size, want->size);
    assert_int_equal(got->mtime, want->mtime);
    assert_int_equal(got->atime, want->atime);
    assert_int_equal(got->ctime, want->ctime);
    assert_int_equal(got->version, want->version);
}

static void what_is_said_of_an_inode_comes_out(void **state)
{
    struct cfs_answer answer = of_names(), got;
    struct cfs_writer bytes;
    void *owned;

    (void)state;
    got = decoded(&answer, &bytes, &owned);
    assert_null(owned);
    assert_int_equal(got.id, 9);
    assert_int_equal(got.cache.share.group, 16);
    assert_int_equal(got.cache.share.epoch, share.epoch);
    assert_true(got.cache.share.exclusive);
    check_inode(&got.cache.inode, &symlink);
    assert_memory_equal(got.cache.target, target, sizeof target - 1);
    assert_int_equal(got.cache.content.changed, 0);
    free(bytes.data);
    answer = (struct cfs_answer){.cache.inode = file};
    got = decoded(&answer, &bytes, &owned);
    check_inode(&got.cache.inode, &file);
    assert_null(got.cache.target);
    assert_int_equal(got.cache.share.epoch, 0);
    free(bytes.data);
}

static void what_is_said_of_contents_comes_out(void **state)
{
    struct cfs_answer answer = of_contents(), got;
    struct cfs_writer bytes;
    void *owned;

    (void)state;
    got = decoded(&answer, &bytes, &owned);
    assert_null(owned);
    assert_int_equal(got.cache.content.version, 10);
    assert_int_equal(got.cache.content.changed, 11);
    assert_int_equal(got.cache.content.size, 12);
    assert_int_equal(got.cache.content.mtime, 13);
    assert_int_equal(got.cache.content.atime, 14);
    assert_int_equal(got.cache.content.ctime, 15);
    assert_int_equal(got.cache.len, sizeof data);
    assert_memory_equal(got.cache.data, data, sizeof data);
    assert_int_equal(got.cache.inode.ino, 0);
    free(bytes.data);
}

static void a_listing_comes_out(void **state)
{
    struct cfs_answer answer = listing(), got;
    struct cfs_writer bytes;
    void *owned;

    (void)state;
    got = decoded(&answer, &bytes, &owned);
    assert_true(got.more);
    assert_int_equal(got.names_len, answer.names_len);
    assert_memory_equal(got.names, answer.names, answer.names_len);
    assert_int_equal(got.cache.entry_count, 3);
    assert_ptr_equal(got.cache.entries, owned);
    for (uint32_t i = 0; i < 3; i++)
        check_inode(&got.cache.entries[i], &answer.cache.entries[i]);
    free(owned);
    free(bytes.data);
}

/* "There is none" may be kept too. */
static void an_error_may_be_shared(void **state)
{
    struct cfs_answer answer = {.error = CFS_ERR_NO_FILE, .cache.share = share}, got;
    struct cfs_writer bytes;
    void *owned;

    (void)state;
    got = decoded(&answer, &bytes, &owned);
    assert_int_equal(got.error, CFS_ERR_NO_FILE);
    assert_int_equal(got.cache.share.epoch, share.epoch);
    free(bytes.data);
}

static void assert_refused(const struct cfs_answer *answer)
{
    struct cfs_writer bytes = {0};
    struct cfs_answer got;
    void *owned;

    cfs_answer_encode(&bytes, answer);
    assert_int_equal(cfs_answer_decode(&got, &owned, bytes.data, bytes.len), -1);
    assert_null(owned);
    free(bytes.data);
}

static void bad_answers_are_refused(void **state)
{
    struct cfs_answer answer = listing();

    (void)state;
    answer.cache.entry_count = 2; /* of three names */
    assert_refused(&answer);
    answer = listing();
    answer.names_len--;
    assert_refused(&answer);
    answer = of_names();
    answer.cache.inode.size--;
    answer.cache.target = "no\0where";
    assert_refused(&answer);
    answer = of_names();
    answer.cache.inode.perm = 010000;
    assert_refused(&answer);
    answer = of_names();
    answer.cache.inode.type = CFS_INODE_SYMLINK + 1;
    assert_refused(&answer);
    answer = of_names();
    answer.cache.share.group = CFS_GROUPS_MAX + 1;
    assert_refused(&answer);
}

static void the_largest_page_fits_a_batch(void **state)
{
    struct cfs_inode_info *entries = calloc(CFS_ENTRIES_MAX, sizeof *entries);
    char *names = malloc((CFS_NAME_MAX + 1) * (CFS_ENTRIES_MAX + 1));
    struct cfs_answer answer = {.names = names, .cache.entries = entries}, got;
    struct cfs_writer bytes;
    void *owned;

    (void)state;
    memset(names, 'n', (CFS_NAME_MAX + 1) * (CFS_ENTRIES_MAX + 1));
    for (uint32_t i = 0; i < CFS_ENTRIES_MAX; i++) {
        entries[i] = file;
        names[(i + 1) * (CFS_NAME_MAX + 1) - 1] = 0;
    }
    answer.names_len = (CFS_NAME_MAX + 1) * CFS_ENTRIES_MAX;
    answer.cache.entry_count = CFS_ENTRIES_MAX;
    got = decoded(&answer, &bytes, &owned);
    assert_int_equal(got.cache.entry_count, CFS_ENTRIES_MAX);
    assert_true(bytes.len * 2 <= CFS_BATCH_BYTES_MAX);
    free(owned);
    free(bytes.data);
    free(entries);
    free(names);
}

static void check_damaged(const uint8_t *bytes, size_t len, bool cut)
{
    struct cfs_answer got;
    void *owned;
    uint8_t *copy = malloc(len ? len : 1);
    int rv;

    assert_non_null(copy);
    memcpy(copy, bytes, len);
    rv = cfs_answer_decode(&got, &owned, copy, len);
    assert_true(rv == 0 || (!owned && !got.cache.data && !got.names));
    assert_true(!cut || rv == -1);
    if (rv == 0) {
        struct cfs_writer again = {0};
        cfs_answer_encode(&again, &got);
        assert_int_equal(again.len, len);
        assert_memory_equal(again.data, copy, len);
        free(again.data);
    }
    free(owned);
    free(copy);
}

static void damage(struct cfs_answer answer)
{
    struct cfs_writer writer = {0};

    cfs_answer_encode(&writer, &answer);
    for (size_t len = 0; len < writer.len; len++)
        check_damaged(writer.data, len, true);
    for (size_t at = 0; at < writer.len; at++) {
        uint8_t was = writer.data[at];
        for (unsigned value = 0; value < 256; value++) {
            writer.data[at] = (uint8_t)value;
            check_damaged(writer.data, writer.len, false);
        }
        writer.data[at] = was;
    }
    free(writer.data);
}

static void damage_is_refused_or_means_itself(void **state)
{
    (void)state;
    damage(of_names());
    damage(of_contents());
    damage(listing());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_said_of_an_inode_comes_out),
        cmocka_unit_test(what_is_said_of_contents_comes_out),
        cmocka_unit_test(a_listing_comes_out),
        cmocka_unit_test(an_error_may_be_shared),
        cmocka_unit_test(bad_answers_are_refused),
        cmocka_unit_test(the_largest_page_fits_a_batch),
        cmocka_unit_test(damage_is_refused_or_means_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
