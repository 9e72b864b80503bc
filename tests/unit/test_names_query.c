/* What is asked of the tree of the cache: names, inodes, listings, orphans, and what a change makes
 * others give up. */
#include "names_world.h"

#include <stdio.h>

static void *ask(const struct world *w, enum cfs_op op, cfs_ino ino, const char *name,
                 struct cfs_answer *answer)
{
    struct cfs_cache_read read = {.ino = ino};

    *answer = (struct cfs_answer){0};
    return cfs_names_read(w->names, op, name, &read, answer);
}

static void asked(const struct world *w, enum cfs_op op, cfs_ino ino, enum cfs_error error)
{
    struct cfs_answer answer;

    assert_null(ask(w, op, ino, "x", &answer));
    assert_int_equal(answer.error, error);
    assert_int_equal(answer.cache.inode.ino, 0);
}

static void what_is_not_there_is_said_so(void **state)
{
    struct world *w = *state;
    cfs_ino file = make_file(w, ROOT, "f"), gone = make_directory(w, ROOT, "gone");

    assert_int_equal(remove_it(w, ROOT, "gone", true), CFS_OK);
    asked(w, CFS_OP_CACHE_LOOKUP, ROOT, CFS_ERR_NO_FILE);
    asked(w, CFS_OP_CACHE_LOOKUP, gone, CFS_ERR_NO_FILE);
    asked(w, CFS_OP_CACHE_LOOKUP, 12345, CFS_ERR_NO_FILE);
    asked(w, CFS_OP_CACHE_NODE, 12345, CFS_ERR_NO_FILE);
    asked(w, CFS_OP_CACHE_LIST, 12345, CFS_ERR_NO_FILE);
    asked(w, CFS_OP_CACHE_LOOKUP, file, CFS_ERR_FILE_NOT_DIRECTORY);
    asked(w, CFS_OP_CACHE_LIST, file, CFS_ERR_FILE_NOT_DIRECTORY);
    asked(w, CFS_OP_CACHE_FETCH, file, CFS_ERR_INVALID);
    assert_int_equal(look_up(w, ROOT, "."), 0);
    assert_int_equal(look_up(w, ROOT, ".."), 0);
    assert_int_equal(look_up(w, ROOT, ""), 0);
}

static void a_symlink_is_answered_with_its_target(void **state)
{
    struct world *w = *state;
    cfs_ino link = make_it(w, ROOT, "l", CFS_INODE_SYMLINK);
    struct cfs_answer answer;

    ask(w, CFS_OP_CACHE_LOOKUP, ROOT, "l", &answer);
    assert_int_equal(answer.cache.inode.size, 6);
    assert_memory_equal(answer.cache.target, "target", 6);
    ask(w, CFS_OP_CACHE_NODE, link, "", &answer);
    assert_memory_equal(answer.cache.target, "target", 6);
    make_file(w, ROOT, "f");
    ask(w, CFS_OP_CACHE_LOOKUP, ROOT, "f", &answer);
    assert_null(answer.cache.target);
}

static void a_listing_is_in_the_order_of_bytes(void **state)
{
    struct world *w = *state;
    const char *const wanted[] = {".hidden", "B", "a", "aa", "b", "\xc3\xa4"};
    cfs_ino inodes[6];
    struct cfs_answer answer;
    const char *name;
    void *owned;

    for (size_t i = 6; i--;)
        inodes[i] = make_it(w, ROOT, wanted[i], i % 2 ? CFS_INODE_FILE : CFS_INODE_DIRECTORY);
    owned = ask(w, CFS_OP_CACHE_LIST, ROOT, "", &answer);
    assert_int_equal(answer.cache.inode.ino, ROOT);
    assert_int_equal(answer.cache.entry_count, 6);
    assert_false(answer.more);
    name = answer.names;
    for (size_t i = 0; i < 6; i++) {
        assert_string_equal(name, wanted[i]);
        assert_int_equal(answer.cache.entries[i].ino, inodes[i]);
        name += strlen(name) + 1;
    }
    assert_int_equal(name - answer.names, answer.names_len);
    free(owned);
    owned = ask(w, CFS_OP_CACHE_LIST, ROOT, "a", &answer);
    assert_int_equal(answer.cache.entry_count, 3);
    assert_string_equal(answer.names, "aa");
    free(owned);
    owned = ask(w, CFS_OP_CACHE_LIST, ROOT, "aaaa is not there", &answer);
    assert_string_equal(answer.names, "b");
    free(owned);
    owned = cfs_names_read(w->names, CFS_OP_CACHE_LIST, "B",
                           &(struct cfs_cache_read){.ino = ROOT, .len = 2}, &answer);
    assert_int_equal(answer.cache.entry_count, 2);
    assert_string_equal(answer.names, "a");
    assert_true(answer.more);
    free(owned);
    owned = ask(w, CFS_OP_CACHE_LIST, inodes[0], "", &answer);
    assert_int_equal(answer.error, CFS_OK);
    assert_int_equal(answer.names_len, 0);
    free(owned);
}

static void a_large_directory_is_listed_in_pages(void **state)
{
    struct world *w = *state;
    char name[CFS_NAME_MAX + 1] = "", behind[CFS_NAME_MAX + 1] = "";
    uint32_t count = 0, pages = 0;
    struct cfs_answer answer;

    for (uint32_t i = 0; i < 2 * CFS_ENTRIES_MAX; i++) {
        struct cfs_request request = making(ROOT, "", CFS_INODE_FILE);
        snprintf(request.name, sizeof request.name, "%0255u", i * 4099 % (2 * CFS_ENTRIES_MAX));
        w->now.index++;
        cfs_names_apply(w->names, w->now, &request, &w->answer);
    }
    do {
        void *owned = ask(w, CFS_OP_CACHE_LIST, ROOT, behind, &answer);
        const char *at = answer.names;
        for (uint32_t i = 0; i < answer.cache.entry_count; i++, at += CFS_NAME_MAX + 1) {
            snprintf(name, sizeof name, "%0255u", count++);
            assert_string_equal(at, name);
        }
        strcpy(behind, name);
        pages++;
        free(owned);
    } while (answer.more);
    assert_int_equal(count, 2 * CFS_ENTRIES_MAX);
    assert_int_equal(pages, 2);
}

static void orphans_are_told_in_their_order_when_their_time_has_come(void **state)
{
    struct world *w = *state;
    cfs_ino a = make_file(w, ROOT, "a"), b = make_directory(w, ROOT, "b");
    cfs_ino c = make_file(w, ROOT, "c"), other = make_file(w, ROOT, "other");
    cfs_time now = w->now.time + CFS_SECONDS(1000), of_b;

    assert_int_equal(cfs_names_next_orphan(w->names, 0, now), 0);
    assert_int_equal(rename_it(w, ROOT, "other", ROOT, "c"), CFS_OK);
    assert_int_equal(remove_it(w, ROOT, "b", true), CFS_OK);
    of_b = w->now.time;
    w->now.time += CFS_SECONDS(20);
    assert_int_equal(remove_it(w, ROOT, "a", false), CFS_OK);
    set_perm(w, c, 0600); /* which does not change its place */
    assert_int_equal(cfs_names_next_orphan(w->names, 0, now), c);
    assert_int_equal(cfs_names_next_orphan(w->names, c, now), b);
    assert_int_equal(cfs_names_next_orphan(w->names, b, now), a);
    assert_int_equal(cfs_names_next_orphan(w->names, a, now), 0);
    assert_int_equal(cfs_names_next_orphan(w->names, other, now), c);
    assert_int_equal(cfs_names_next_orphan(w->names, c, of_b + CFS_ORPHAN_TIME - 1), 0);
    assert_int_equal(cfs_names_next_orphan(w->names, c, of_b + CFS_ORPHAN_TIME), b);
    assert_int_equal(cfs_names_next_orphan(w->names, b, of_b + CFS_ORPHAN_TIME), 0);
    assert_int_equal(cfs_names_next_orphan(w->names, 0, 0), 0);
    assert_int_equal(forget(w, c), CFS_OK);
    assert_int_equal(cfs_names_next_orphan(w->names, c, now), b);
}

/* `wanted` ends with inode 0. */
struct item {
    cfs_ino ino;
    const char *name;
};
static void touches(const struct world *w, struct cfs_request request, const struct item *wanted)
{
    struct cfs_cache_recall_item items[CFS_RECALL_ITEMS_MAX] = {{0}};
    uint32_t count = cfs_names_touched(w->names, &request, items), i;

    for (i = 0; wanted[i].ino; i++) {
        assert_true(i < count);
        assert_int_equal(items[i].ino, wanted[i].ino);
        assert_string_equal(items[i].name, wanted[i].name);
    }
    assert_int_equal(i, count);
}
#define TOUCHES(w, request, ...) touches(w, request, (const struct item[]){__VA_ARGS__, {0, NULL}})

static void a_change_says_what_others_have_to_give_up(void **state)
{
    struct world *w = *state;
    cfs_ino d = make_directory(w, ROOT, "d"), f = make_file(w, ROOT, "f"), g = make_file(w, d, "g");

    TOUCHES(w, making(d, "x", CFS_INODE_FILE), {d, "x"});
    TOUCHES(w, removing(d, "g", false), {d, "g"}, {g, ""});
    TOUCHES(w, removing(d, "x", false), {d, "x"});
    TOUCHES(w, renaming(ROOT, "f", d, "x"), {ROOT, "f"}, {f, ""}, {d, "x"});
    TOUCHES(w, renaming(ROOT, "f", d, "g"), {ROOT, "f"}, {f, ""}, {d, "g"}, {g, ""});
    TOUCHES(w, exchanging(d, "g", ROOT, "d"), {d, "g"}, {g, ""}, {ROOT, "d"}, {d, ""});
    TOUCHES(w, renaming(ROOT, "f", ROOT, "f"), {ROOT, "f"}, {f, ""});
    TOUCHES(w, renaming(f, "x", 12345, "y"), {f, "x"}, {12345, "y"});
    TOUCHES(w, setting(f, CFS_CACHE_PERM), {f, ""});
    TOUCHES(w, forgetting(f), {f, ""});
    touches(w, request_of(CFS_OP_CACHE_PUT, ""), &(const struct item){0, NULL});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(what_is_not_there_is_said_so),
        IN_WORLD(a_symlink_is_answered_with_its_target),
        IN_WORLD(a_listing_is_in_the_order_of_bytes),
        IN_WORLD(a_large_directory_is_listed_in_pages),
        IN_WORLD(orphans_are_told_in_their_order_when_their_time_has_come),
        IN_WORLD(a_change_says_what_others_have_to_give_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
