/* Node ids: fresh for every file, kept for directories, gone when nobody refers to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "fs/node.h"

static int setup(void **state)
{
    struct cfs_nodes *nodes = malloc(sizeof *nodes);

    cfs_nodes_init(nodes);
    *state = nodes;
    return 0;
}

static int teardown(void **state)
{
    cfs_nodes_close(*state);
    free(*state);
    return 0;
}

/* A node as LOOKUP makes it: told to the kernel, and not referred to otherwise. */
static struct cfs_node *lookup(struct cfs_nodes *nodes, const char *name, mode_t mode,
                               cfs_token token)
{
    struct cfs_node *node = cfs_node_new(nodes, NULL, name);

    node->mode = mode;
    node->token = token;
    cfs_node_told(nodes, node);
    cfs_node_unref(nodes, node);
    return node;
}

static void every_lookup_of_a_file_has_an_id_of_its_own(void **state)
{
    struct cfs_nodes *nodes = *state;
    uint64_t first = lookup(nodes, "a", S_IFREG, 0)->id;
    uint64_t second = lookup(nodes, "a", S_IFREG, 0)->id;

    assert_int_not_equal(first, second);
    cfs_node_forget(nodes, first, 1);
    cfs_node_forget(nodes, second, 1);
    assert_null(cfs_node_find(nodes, first));
    assert_true(lookup(nodes, "a", S_IFREG, 0)->id > second);
}

static void a_node_lives_until_forgotten_as_often_as_told(void **state)
{
    struct cfs_nodes *nodes = *state;
    struct cfs_node *node = lookup(nodes, "a", S_IFREG, 0);
    uint64_t id = node->id;

    cfs_node_told(nodes, node);
    cfs_node_told(nodes, node);
    cfs_node_forget(nodes, id, 2);
    assert_ptr_equal(cfs_node_find(nodes, id), node);
    cfs_node_forget(nodes, id, 1);
    assert_null(cfs_node_find(nodes, id));
    cfs_node_forget(nodes, id, 1); /* of what is not known: nothing happens */
}

static void an_open_file_keeps_a_forgotten_node(void **state)
{
    struct cfs_nodes *nodes = *state;
    struct cfs_node *node = cfs_node_ref(lookup(nodes, "a", S_IFREG, 0));
    uint64_t id = node->id;

    cfs_node_forget(nodes, id, 1);
    assert_ptr_equal(cfs_node_find(nodes, id), node);
    cfs_node_unref(nodes, node);
    assert_null(cfs_node_find(nodes, id));
}

static void what_the_kernel_was_never_told_leaves_no_trace(void **state)
{
    struct cfs_nodes *nodes = *state;
    struct cfs_node *node = cfs_node_new(nodes, NULL, "a");
    uint64_t id = node->id;

    assert_null(cfs_node_find(nodes, id));
    cfs_node_unref(nodes, node);
    assert_null(cfs_node_find(nodes, id));
}

static void a_directory_keeps_its_id_while_it_is_the_same_acquisition(void **state)
{
    struct cfs_nodes *nodes = *state;
    struct cfs_node *first = lookup(nodes, "d", S_IFDIR, 7);
    struct cfs_node *second;

    assert_ptr_equal(cfs_node_find_named(nodes, 0, "d", 7), first);
    assert_null(cfs_node_find_named(nodes, 0, "d", 8));
    assert_null(cfs_node_find_named(nodes, 0, "e", 7));
    second = lookup(nodes, "d", S_IFDIR, 8);
    assert_int_not_equal(first->id, second->id);
    assert_ptr_equal(cfs_node_find_named(nodes, 0, "d", 8), second);
    cfs_node_forget(nodes, first->id, 1); /* the old one's end does not hide the new one */
    assert_ptr_equal(cfs_node_find_named(nodes, 0, "d", 8), second);
    cfs_node_forget(nodes, second->id, 1);
    assert_null(cfs_node_find_named(nodes, 0, "d", 8));
}

/* Told again after it was forgotten, while somebody still refers to it: one entry, not two. */
static void a_node_may_be_told_of_again(void **state)
{
    struct cfs_nodes *nodes = *state;
    struct cfs_node *node = cfs_node_ref(lookup(nodes, "d", S_IFDIR, 7));
    uint64_t id = node->id;

    cfs_node_forget(nodes, id, 1);
    cfs_node_told(nodes, node);
    cfs_node_unref(nodes, node);
    assert_ptr_equal(cfs_node_find(nodes, id), node);
    cfs_node_forget(nodes, id, 1);
    assert_null(cfs_node_find(nodes, id));
}

/* Nodes of one cluster may run different versions: the function must never change. */
static void inode_numbers_follow_from_the_name_alone(void **state)
{
    (void)state;
    assert_int_equal(cfs_ino_of("locks", "job"), 0xe787b39405c62a8fu);
    assert_int_equal(cfs_ino_of("locks", "x"), cfs_ino_of("locks", "x"));
    assert_int_not_equal(cfs_ino_of("locks", "x"), cfs_ino_of("locks", "y"));
    assert_int_not_equal(cfs_ino_of("locks", "x"), cfs_ino_of("queues", "x"));
}

static void fixed_nodes_stay(void **state)
{
    struct cfs_nodes *nodes = *state;
    struct cfs_node *root = cfs_node_add_fixed(nodes, 1, "");

    cfs_node_ref(root);
    cfs_node_unref(nodes, root);
    assert_ptr_equal(cfs_node_find(nodes, 1), root);
    assert_int_equal(root->ino, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_lookup_of_a_file_has_an_id_of_its_own),
        TEST(a_node_lives_until_forgotten_as_often_as_told),
        TEST(an_open_file_keeps_a_forgotten_node),
        TEST(what_the_kernel_was_never_told_leaves_no_trace),
        TEST(a_directory_keeps_its_id_while_it_is_the_same_acquisition),
        TEST(a_node_may_be_told_of_again),
        TEST(inode_numbers_follow_from_the_name_alone),
        TEST(fixed_nodes_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
