/* The table of nodes: who is wanted, who replaces whom, and the table as pieces. */
#include "core_bench.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/node_table.h"

static struct cfs_node_table table;
static struct cfs_writer saved;

static struct cfs_node_info info(cfs_node_id id, const char *host, cfs_node_id replaces)
{
    struct cfs_node_info it = {.id = id, .port = (uint16_t)(7000 + id), .replaces = replaces};

    strcpy(it.host, host);
    return it;
}

/* Nodes 1 to 3. */
static int set_up(void **state)
{
    const struct cfs_node_info first[] = {info(1, "one", 0), info(2, "two", 0), info(3, "::3", 0)};

    table = (struct cfs_node_table){0};
    cfs_node_table_fill(&table, first, 3);
    *state = &table;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(saved.data);
    saved = (struct cfs_writer){0};
    return 0;
}

static enum cfs_error add(cfs_node_id id, cfs_node_id replaces)
{
    return cfs_node_table_change(&table,
                                 &(struct cfs_member_change){.info = info(id, "new", replaces)});
}

static enum cfs_error move(cfs_node_id id)
{
    return cfs_node_table_change(
        &table, &(struct cfs_member_change){.move = true, .info = info(id, "new", 0)});
}

static enum cfs_error remove_node(cfs_node_id id)
{
    return cfs_node_table_change(
        &table, &(struct cfs_member_change){.remove = true, .info = info(id, "", 0)});
}

static void assert_nodes(cfs_node_set expected)
{
    assert_int_equal(cfs_node_table_all(&table), expected);
}

#define FIRST (CFS_NODE_BIT(1) | CFS_NODE_BIT(2) | CFS_NODE_BIT(3))

/* Changes. */

static void a_table_is_filled_once(void **state)
{
    const struct cfs_node_info other = info(9, "nine", 0);
    uint64_t version = table.version;

    (void)state;
    assert_nodes(FIRST);
    cfs_node_table_fill(&table, &other, 1);
    assert_nodes(FIRST);
    assert_int_equal(table.version, version);
    assert_string_equal(table.nodes[3].host, "::3");
    assert_int_equal(table.nodes[3].port, 7003);
}

static void others_take_the_place_of_all_and_weights_stay(void **state)
{
    const struct cfs_node_info others[] = {info(3, "three", 0), info(9, "nine", 0)};
    uint64_t version = table.version;

    (void)state;
    table.nodes[3].weight = 7;
    cfs_node_table_replace(&table, others, 2);
    assert_nodes(CFS_NODE_BIT(3) | CFS_NODE_BIT(9));
    assert_string_equal(table.nodes[3].host, "three");
    assert_true(table.nodes[3].weight == 7 && table.nodes[9].weight == 1);
    assert_true(table.version > version);
}

static void an_empty_table_is_not_changed(void **state)
{
    (void)state;
    table = (struct cfs_node_table){0};
    assert_int_equal(add(4, 0), CFS_ERR_NOT_FOUNDED);
    assert_int_equal(remove_node(1), CFS_ERR_NOT_FOUNDED);
    assert_nodes(0);
    assert_int_equal(table.version, 0);
}

static void nodes_come_move_and_go(void **state)
{
    uint64_t version = table.version;

    (void)state;
    assert_int_equal(add(CFS_NODE_MAX, 0), CFS_OK);
    assert_nodes(FIRST | CFS_NODE_BIT(CFS_NODE_MAX));
    assert_int_equal(add(2, 0), CFS_ERR_EXISTS); /* another one, by mistake */
    assert_int_equal(move(2), CFS_OK);
    assert_string_equal(table.nodes[2].host, "new");
    assert_int_equal(remove_node(1), CFS_OK);
    assert_nodes(CFS_NODE_BIT(2) | CFS_NODE_BIT(3) | CFS_NODE_BIT(CFS_NODE_MAX));
    assert_int_equal(table.version, version + 3);
}

static void who_is_not_there_cannot_go_and_the_last_one_stays(void **state)
{
    uint64_t version = table.version;

    (void)state;
    assert_int_equal(remove_node(9), CFS_ERR_NOT_MEMBER);
    assert_int_equal(table.version, version);
    assert_int_equal(remove_node(1), CFS_OK);
    assert_int_equal(remove_node(3), CFS_OK);
    assert_int_equal(remove_node(2), CFS_ERR_NOT_MEMBER);
    assert_nodes(CFS_NODE_BIT(2));
}

static void a_node_has_one_heir(void **state)
{
    (void)state;
    assert_int_equal(cfs_node_table_heir(&table, 2), 0);
    assert_int_equal(add(4, 2), CFS_OK);
    assert_int_equal(cfs_node_table_heir(&table, 2), 4);
    assert_int_equal(add(5, 2), CFS_ERR_BUSY);
    assert_nodes(FIRST | CFS_NODE_BIT(4));
    assert_int_equal(add(4, 2), CFS_OK); /* the same once more */
    assert_int_equal(add(4, 0), CFS_OK); /* the same without a word of it */
    assert_int_equal(cfs_node_table_heir(&table, 2), 4);
    assert_int_equal(add(4, 3), CFS_OK); /* or for another one */
    assert_int_equal(cfs_node_table_heir(&table, 2), 0);
    assert_int_equal(cfs_node_table_heir(&table, 3), 4);
}

static void only_a_node_that_is_there_is_replaced_and_by_another_one(void **state)
{
    (void)state;
    assert_int_equal(add(4, 9), CFS_ERR_NOT_MEMBER);
    assert_int_equal(add(4, 4), CFS_ERR_NOT_MEMBER);
    assert_int_equal(add(4, CFS_NODE_MAX + 1), CFS_ERR_NOT_MEMBER);
    assert_int_equal(add(3, 3), CFS_ERR_EXISTS);
    assert_nodes(FIRST);
}

static void who_has_gone_is_not_replaced_any_more(void **state)
{
    (void)state;
    add(4, 2);
    assert_int_equal(remove_node(2), CFS_OK);
    assert_int_equal(table.nodes[4].replaces, 0);
    assert_int_equal(add(2, 0), CFS_OK); /* back again, it is not on its way out */
    assert_int_equal(cfs_node_table_heir(&table, 2), 0);
}

static void when_the_heir_goes_the_old_one_stays(void **state)
{
    (void)state;
    add(4, 2);
    assert_int_equal(remove_node(4), CFS_OK);
    assert_nodes(FIRST);
    assert_int_equal(cfs_node_table_heir(&table, 2), 0);
}

/* As bytes. */

static void what_is_known_of_a_node_comes_out_as_it_went_in(void **state)
{
    struct cfs_node_info node = info(CFS_NODE_MAX, "", 62), got;
    struct cfs_writer writer = {0};

    (void)state;
    memset(node.host, 'h', CFS_HOST_MAX);
    node.port = UINT16_MAX;
    node.weight = CFS_WEIGHT_MAX;
    cfs_node_info_put(&writer, &node);
    for (size_t len = 0; len <= writer.len; len++) {
        uint8_t *exact = cfs_alloc_copy(writer.data, len);
        struct cfs_reader reader = {.data = exact, .len = len};
        cfs_node_info_get(&reader, &got);
        assert_int_equal(reader.failed, len < writer.len);
        free(exact);
    }
    assert_true(got.id == node.id && got.port == node.port && got.replaces == node.replaces &&
                got.weight == node.weight);
    assert_string_equal(got.host, node.host);
    free(writer.data);
}

static bool is_refused(const uint8_t *data, size_t len)
{
    struct cfs_reader reader = {.data = data, .len = len};
    struct cfs_node_info got;

    cfs_node_info_get(&reader, &got);
    return reader.failed;
}

static void what_cannot_be_a_node_is_refused(void **state)
{
    struct cfs_node_info node = info(1, "h", 0);
    struct cfs_writer writer = {0};
    size_t replaces, port;

    (void)state;
    cfs_node_info_put(&writer, &node);
    replaces = writer.len - 2;
    port = writer.len - 6;
    assert_false(is_refused(writer.data, writer.len));
    writer.data[0] = 0;
    assert_true(is_refused(writer.data, writer.len));
    writer.data[0] = CFS_NODE_MAX + 1;
    assert_true(is_refused(writer.data, writer.len));
    writer.data[0] = 1;
    writer.data[replaces] = CFS_NODE_MAX + 1;
    assert_true(is_refused(writer.data, writer.len));
    writer.data[replaces] = 0;
    writer.data[port + 2] = 1; /* more than 16 bits */
    assert_true(is_refused(writer.data, writer.len));
    free(writer.data);
}

/* As pieces. */

static struct cfs_reader save(void)
{
    free(saved.data);
    saved = (struct cfs_writer){0};
    cfs_node_table_save(&table, &saved);
    return (struct cfs_reader){.data = saved.data, .len = saved.len};
}

static void a_saved_table_comes_back_as_it_is(void **state)
{
    struct cfs_node_table again = {0};
    struct cfs_reader reader;
    struct cfs_piece piece;

    (void)state;
    add(4, 2);
    reader = save();
    while (cfs_piece_next(&reader, &piece))
        assert_int_equal(cfs_node_table_load(&again, &piece), 0);
    assert_false(reader.failed);
    assert_int_equal(cfs_node_table_all(&again), cfs_node_table_all(&table));
    assert_memory_equal(again.nodes, table.nodes, sizeof table.nodes);
    assert_int_equal(again.saved, table.saved);
    assert_true(again.version > 0); /* somebody may have to be told */
    assert_int_equal(cfs_node_table_digest(&again), cfs_node_table_digest(&table));
}

static uint32_t count_pieces(cfs_node_set *deleted)
{
    struct cfs_reader reader = save();
    struct cfs_piece piece;
    uint32_t count = 0;

    *deleted = 0;
    while (cfs_piece_next(&reader, &piece)) {
        assert_int_equal(piece.key[0], CFS_PIECE_NODE);
        if (!piece.put)
            *deleted |= CFS_NODE_BIT(piece.key[piece.key_len - 1]);
        count++;
    }
    return count;
}

static void a_table_is_saved_when_it_has_changed(void **state)
{
    cfs_node_set deleted;

    (void)state;
    assert_int_equal(count_pieces(&deleted), 3);
    assert_int_equal(deleted, 0);
    assert_int_equal(count_pieces(&deleted), 0);
    add(4, 9); /* refused */
    assert_int_equal(count_pieces(&deleted), 0);
    remove_node(2);
    assert_int_equal(count_pieces(&deleted), 3);
    assert_int_equal(deleted, CFS_NODE_BIT(2));
    add(2, 0);
    remove_node(2);
    assert_int_equal(count_pieces(&deleted), 2); /* it was not there at the last save either */
    assert_int_equal(deleted, 0);
}

static void what_is_no_piece_of_a_table_is_refused(void **state)
{
    struct cfs_node_table again = {0};
    struct cfs_reader reader;
    struct cfs_piece piece, bad;

    (void)state;
    reader = save();
    assert_true(cfs_piece_next(&reader, &piece));
    for (uint32_t len = 0; len < piece.value_len; len++) {
        uint8_t *exact = cfs_alloc_copy(piece.value, len);
        bad = piece;
        bad.value = exact;
        bad.value_len = len;
        assert_int_equal(cfs_node_table_load(&again, &bad), -1);
        free(exact);
    }
    bad = piece;
    bad.put = false;
    assert_int_equal(cfs_node_table_load(&again, &bad), -1);
    bad = piece;
    bad.key = (const uint8_t[9]){CFS_PIECE_NODE, [8] = 2}; /* of another node */
    assert_int_equal(cfs_node_table_load(&again, &bad), -1);
    bad = piece;
    bad.key_len--;
    assert_int_equal(cfs_node_table_load(&again, &bad), -1);
    assert_int_equal(cfs_node_table_all(&again), 0);
    assert_int_equal(cfs_node_table_load(&again, &piece), 0);
    assert_int_equal(cfs_node_table_load(&again, &piece), -1); /* it is there already */
}

static void the_digest_covers_all_that_is_known(void **state)
{
    uint64_t digest = cfs_node_table_digest(&table);

    (void)state;
    table.nodes[2].port++;
    assert_int_not_equal(cfs_node_table_digest(&table), digest);
    table.nodes[2].port--;
    table.nodes[2].replaces = 1;
    assert_int_not_equal(cfs_node_table_digest(&table), digest);
    table.nodes[2].replaces = 0;
    table.nodes[2].host[0]++;
    assert_int_not_equal(cfs_node_table_digest(&table), digest);
    table.nodes[2].host[0]--;
    assert_int_equal(cfs_node_table_digest(&table), digest);
    remove_node(2);
    assert_int_not_equal(cfs_node_table_digest(&table), digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(a_table_is_filled_once),
        T(others_take_the_place_of_all_and_weights_stay),
        T(an_empty_table_is_not_changed),
        T(nodes_come_move_and_go),
        T(who_is_not_there_cannot_go_and_the_last_one_stays),
        T(a_node_has_one_heir),
        T(only_a_node_that_is_there_is_replaced_and_by_another_one),
        T(who_has_gone_is_not_replaced_any_more),
        T(when_the_heir_goes_the_old_one_stays),
        T(what_is_known_of_a_node_comes_out_as_it_went_in),
        T(what_cannot_be_a_node_is_refused),
        T(a_saved_table_comes_back_as_it_is),
        T(a_table_is_saved_when_it_has_changed),
        T(what_is_no_piece_of_a_table_is_refused),
        T(the_digest_covers_all_that_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
