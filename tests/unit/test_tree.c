/* Things in order: added and removed at random, they are always all there, in order, and the tree
 * never gets deep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "core/tree.h"

enum { ITEMS = 2000 };

struct item {
    struct cfs_tree_node node; /* first */
    int number;
    bool in;
};

static int compare(const void *key, const struct cfs_tree_node *node)
{
    return *(const int *)key - ((const struct item *)node)->number;
}

struct walk {
    const struct item *items;
    int next; /* the number of the last one + 1 */
    int left; /* how many more are wanted */
};

static bool visit(void *arg, struct cfs_tree_node *node)
{
    const struct item *item = (const struct item *)node;
    struct walk *walk = arg;

    for (; walk->next < item->number; walk->next++)
        assert_false(walk->items[walk->next].in);
    assert_true(item->in && item->number == walk->next++);
    return --walk->left > 0;
}

static void check(struct cfs_tree_node *root, const struct item *items, int behind)
{
    struct walk walk = {.items = items, .next = behind + 1, .left = ITEMS + 1};

    assert_true(cfs_tree_each(root, behind < 0 ? NULL : &behind, compare, visit, &walk));
    for (; walk.next < ITEMS; walk.next++)
        assert_false(items[walk.next].in);
}

static void check_found(struct cfs_tree_node *root, const struct item *items)
{
    for (int i = 0; i < ITEMS; i++)
        assert_ptr_equal(cfs_tree_find(root, &i, compare), items[i].in ? &items[i].node : NULL);
}

static int depth(const struct cfs_tree_node *node)
{
    int left, right;

    if (!node)
        return 0;
    left = depth(node->left);
    right = depth(node->right);
    return 1 + (left > right ? left : right);
}

static struct item *make_items(void)
{
    struct item *items = calloc(ITEMS, sizeof *items);

    for (int i = 0; i < ITEMS; i++)
        items[i].number = i;
    return items;
}

static void add(struct cfs_tree_node **root, struct item *item)
{
    cfs_tree_add(root, &item->node, &item->number, compare);
    item->in = true;
}

static void they_stand_in_order_as_they_come_and_go(void **state)
{
    struct item *items = make_items();
    struct cfs_tree_node *root = NULL;
    uint32_t random = 1;

    (void)state;
    for (int i = 0; i < 20 * ITEMS; i++) {
        struct item *item = &items[(random = random * 1664525u + 1013904223u) >> 8 & 1023];
        if (item->in) {
            cfs_tree_remove(&root, &item->node, &item->number, compare);
            item->in = false;
        } else {
            add(&root, item);
        }
        if (i % 1000 == 0) {
            check(root, items, -1);
            check(root, items, i / 1000 * 37);
            check_found(root, items);
        }
    }
    free(items);
}

static void the_first_is_taken_again_and_again(void **state)
{
    struct item *items = make_items();
    struct cfs_tree_node *root = NULL;

    (void)state;
    for (int i = 0; i < ITEMS; i++)
        add(&root, &items[i * 7 % ITEMS]);
    for (int i = 0; i < ITEMS; i++) {
        assert_ptr_equal(cfs_tree_first(root), &items[i].node);
        assert_ptr_equal(cfs_tree_take_first(&root), &items[i].node);
    }
    assert_null(cfs_tree_first(root));
    assert_null(cfs_tree_take_first(&root));
    free(items);
}

static void one_after_the_other_makes_no_list(void **state)
{
    struct item *items = make_items();
    struct cfs_tree_node *root = NULL;

    (void)state;
    for (int i = 0; i < ITEMS; i++)
        add(&root, &items[i]);
    assert_true(depth(root) < 60);
    free(items);
}

static void a_visitor_ends_the_walk(void **state)
{
    struct item *items = make_items();
    struct cfs_tree_node *root = NULL;
    struct walk walk = {.items = items, .next = 11, .left = 5};
    int behind = 10;

    (void)state;
    for (int i = 0; i < ITEMS; i++)
        add(&root, &items[i]);
    assert_false(cfs_tree_each(root, &behind, compare, visit, &walk));
    assert_int_equal(walk.next, 16);
    free(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_stand_in_order_as_they_come_and_go),
        cmocka_unit_test(the_first_is_taken_again_and_again),
        cmocka_unit_test(one_after_the_other_makes_no_list),
        cmocka_unit_test(a_visitor_ends_the_walk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
