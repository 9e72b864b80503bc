/* Names are found, and no others: also those of which several have one hash, while they come and go
 * in any order. */
#include "names_world.h"

#include "core/digest.h"

/* In the root these have the same hash; another name does not. */
enum { SAME = 3, ORDERS = 6 };
static const char *const same[SAME] = {"0f4ea98c", "60f66e3b", "9aa4fbdc"};
static const int orders[ORDERS][SAME] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                         {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

static uint32_t hash(const char *name)
{
    uint64_t digest = cfs_digest_number(CFS_DIGEST_START, ROOT);

    return (uint32_t)(cfs_digest_bytes(digest, name, strlen(name)) >> 32);
}

static void check(const struct world *w, const cfs_ino inodes[SAME])
{
    for (int i = 0; i < SAME; i++)
        assert_int_equal(look_up(w, ROOT, same[i]), inodes[i]);
}

static void come_and_go(struct world *w, const int come[SAME], const int go[SAME])
{
    cfs_ino inodes[SAME] = {0};

    for (int i = 0; i < SAME; i++) {
        inodes[come[i]] = make_file(w, ROOT, same[come[i]]);
        check(w, inodes);
    }
    for (int i = 0; i < SAME; i++) {
        assert_int_equal(remove_it(w, ROOT, same[go[i]], false), CFS_OK);
        assert_int_equal(w->answer.id, inodes[go[i]]);
        inodes[go[i]] = 0;
        check(w, inodes);
    }
}

static void names_of_one_hash_are_told_apart(void **state)
{
    struct world *w = *state;

    for (int i = 1; i < SAME; i++)
        assert_int_equal(hash(same[i]), hash(same[0]));
    for (int i = 0; i < ORDERS; i++)
        for (int j = 0; j < ORDERS; j++)
            come_and_go(w, orders[i], orders[j]);
}

static void one_takes_the_name_of_another_with_its_hash(void **state)
{
    struct world *w = *state;
    cfs_ino inodes[SAME] = {0};

    for (int i = 0; i < SAME; i++)
        inodes[i] = make_file(w, ROOT, same[i]);
    assert_int_equal(exchange(w, ROOT, same[0], ROOT, same[2]), CFS_OK);
    check(w, (const cfs_ino[]){inodes[2], inodes[1], inodes[0]});
    assert_int_equal(rename_it(w, ROOT, same[1], ROOT, same[0]), CFS_OK);
    check(w, (const cfs_ino[]){inodes[1], 0, inodes[0]});
}

static void the_same_name_is_another_in_another_directory(void **state)
{
    struct world *w = *state;
    cfs_ino a = make_directory(w, ROOT, "a"), b = make_directory(w, ROOT, "b");
    cfs_ino in_a = make_file(w, a, "x"), in_b = make_file(w, b, "x");

    assert_int_equal(look_up(w, a, "x"), in_a);
    assert_int_equal(look_up(w, b, "x"), in_b);
    assert_int_equal(look_up(w, ROOT, "x"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(names_of_one_hash_are_told_apart),
        IN_WORLD(one_takes_the_name_of_another_with_its_hash),
        IN_WORLD(the_same_name_is_another_in_another_directory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
