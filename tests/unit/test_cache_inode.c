/* What is known of cache/'s inodes: what is kept under which share, names, positions in listings,
 * and who makes room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "fs/cache.h"

/* The engine: shares of this epoch are valid. */
static uint64_t valid_epoch = 1;

cfs_time cfs_engine_cache_valid(struct cfs_engine *engine, const struct cfs_cache_share *share)
{
    (void)engine;
    return share->epoch == valid_epoch ? 1000 : 0;
}

/* Of no use here, but the engine's own would come with the rest of it. */
void cfs_engine_cache_recalled(struct cfs_engine *engine, uint64_t id)
{
    (void)engine, (void)id;
}

void cfs_engine_cache_lapsed(struct cfs_engine *engine, cfs_group_id group, uint64_t epoch)
{
    (void)engine, (void)group, (void)epoch;
}

uint64_t cfs_engine_submit(struct cfs_engine *engine, const struct cfs_request *request,
                           cfs_answer_fn answer, void *arg)
{
    (void)engine, (void)request, (void)answer, (void)arg;
    return 1;
}

void cfs_engine_cancel(struct cfs_engine *engine, uint64_t id)
{
    (void)engine, (void)id;
}

int cfs_engine_watch(struct cfs_engine *engine, int fd, cfs_readable_fn fn, void *arg)
{
    (void)engine, (void)fd, (void)fn, (void)arg;
    return 0;
}

void cfs_engine_unwatch(struct cfs_engine *engine, int fd)
{
    (void)engine, (void)fd;
}

static struct cfs_config config;
static struct cfs_cache cache;

static int setup(void **state)
{
    (void)state;
    valid_epoch = 1;
    config = (struct cfs_config){.cache_size = 100000};
    cache = (struct cfs_cache){.config = &config};
    return 0;
}

static int teardown(void **state)
{
    struct cfs_cache_inode *inode, *next;

    (void)state;
    HASH_ITER (hh, cache.inodes, inode, next)
        cfs_cache_inode_free(&cache, inode);
    return 0;
}

static void an_inode_lives_as_long_as_the_kernel_knows_it_or_a_call(void **state)
{
    struct cfs_cache_inode *inode = cfs_cache_inode_of(&cache, 7);

    (void)state;
    assert_ptr_equal(cfs_cache_inode_of(&cache, 7), inode);
    cfs_cache_told_of(inode);
    cfs_cache_told_of(inode);
    cfs_cache_ref(inode);
    cfs_cache_forget(&cache, 7, 2);
    assert_ptr_equal(cfs_cache_find(&cache, 7), inode);
    cfs_cache_unref(&cache, inode);
    assert_null(cfs_cache_find(&cache, 7));
}

static void what_is_not_shared_is_not_kept(void **state)
{
    struct cfs_cache_inode *inode = cfs_cache_inode_of(&cache, 7);
    struct cfs_cache_answer answer = {.content = {.version = 3, .size = 2}};

    (void)state;
    cfs_cache_keep_content(inode, &answer);
    assert_false(cfs_cache_has_content(&cache, inode));
    answer.share.epoch = 1;
    cfs_cache_keep_content(inode, &answer);
    cfs_cache_keep_head(inode, (const uint8_t *)"ab", 2);
    assert_true(cfs_cache_has_content(&cache, inode));
    valid_epoch = 2;
    assert_false(cfs_cache_has_content(&cache, inode));
}

static void bytes_of_another_version_go(void **state)
{
    struct cfs_cache_inode *inode = cfs_cache_inode_of(&cache, 7);
    struct cfs_cache_answer answer = {.share.epoch = 1, .content = {.version = 3, .size = 2}};

    (void)state;
    cfs_cache_keep_content(inode, &answer);
    cfs_cache_keep_head(inode, (const uint8_t *)"ab", 2);
    cfs_cache_keep_content(inode, &answer);
    assert_non_null(inode->head);
    answer.content.version = 4;
    cfs_cache_keep_content(inode, &answer);
    assert_null(inode->head);
}

static void what_is_shown_has_its_bytes_when_all_are_there(void **state)
{
    struct cfs_cache_inode *inode = cfs_cache_inode_of(&cache, 7);
    struct cfs_content_info content = {.version = 3, .size = 2};

    (void)state;
    cfs_cache_show(inode, &content, (const uint8_t *)"ab", 2);
    assert_memory_equal(inode->shown.head, "ab", 2);
    content = (struct cfs_content_info){.version = 4, .size = 5000};
    cfs_cache_show(inode, &content, (const uint8_t *)"abc", 3);
    assert_null(inode->shown.head);
    assert_int_equal(inode->shown.content.version, 4);
}

static void names_are_kept_found_and_dropped(void **state)
{
    struct cfs_cache_inode *dir = cfs_cache_inode_of(&cache, CFS_CACHE_ROOT);
    struct cfs_cache_share none = {0}, share = {.epoch = 1};

    (void)state;
    cfs_cache_name_keep(dir, "a", 5, &none);
    assert_null(cfs_cache_name_find(dir, "a"));
    cfs_cache_name_keep(dir, "a", 5, &share);
    cfs_cache_name_keep(dir, "b", 0, &share); /* that it is not there */
    cfs_cache_name_keep(dir, "a", 6, &share);
    assert_int_equal(cfs_cache_name_find(dir, "a")->child, 6);
    assert_int_equal(cfs_cache_name_find(dir, "b")->child, 0);
    cfs_cache_name_drop(dir, "a");
    cfs_cache_name_drop(dir, "a");
    assert_null(cfs_cache_name_find(dir, "a"));
}

static void a_position_in_a_listing_stays_that_of_its_name(void **state)
{
    struct cfs_cache_inode *dir = cfs_cache_inode_of(&cache, CFS_CACHE_ROOT);
    char name[8];

    (void)state;
    assert_null(cfs_cache_cookie_name(dir, 0));
    assert_null(cfs_cache_cookie_name(dir, 3));
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(cfs_cache_cookie(dir, name), i + 3);
    }
    assert_int_equal(cfs_cache_cookie(dir, "n42"), 45);
    assert_string_equal(cfs_cache_cookie_name(dir, 45), "n42");
}

static void what_was_used_longest_ago_makes_room(void **state)
{
    struct cfs_cache_inode *one = cfs_cache_inode_of(&cache, 11);
    struct cfs_cache_inode *two = cfs_cache_inode_of(&cache, 12);
    struct cfs_cache_inode *three = cfs_cache_inode_of(&cache, 13);
    struct cfs_cache_answer answer = {.share.epoch = 1};

    (void)state;
    cfs_cache_keep_content(one, &answer);
    cfs_cache_keep_content(two, &answer);
    cfs_cache_charge(&cache, one, 40000);
    cfs_cache_charge(&cache, two, 40000);
    cfs_cache_charge(&cache, one, 40000); /* used again */
    cfs_cache_charge(&cache, three, 30000);
    assert_true(cfs_cache_has_content(&cache, one));
    assert_false(cfs_cache_has_content(&cache, two));
    assert_int_equal(cache.charged, 70000);
    cfs_cache_charge(&cache, two, 1); /* a page, as the kernel keeps it */
    assert_int_equal(cache.charged, 74096);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_inode_lives_as_long_as_the_kernel_knows_it_or_a_call),
        TEST(what_is_not_shared_is_not_kept),
        TEST(bytes_of_another_version_go),
        TEST(what_is_shown_has_its_bytes_when_all_are_there),
        TEST(names_are_kept_found_and_dropped),
        TEST(a_position_in_a_listing_stays_that_of_its_name),
        TEST(what_was_used_longest_ago_makes_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
