/* Pieces: keys that sort as their numbers do, and buffers of which nothing is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/piece.h"

static int compare(const struct cfs_piece_key *a, const struct cfs_piece_key *b)
{
    uint32_t shorter = a->len < b->len ? a->len : b->len;
    int order = memcmp(a->bytes, b->bytes, shorter);

    return order ? order : (int)a->len - (int)b->len;
}

static struct cfs_reader reader_of(const struct cfs_piece_key *key)
{
    return (struct cfs_reader){.data = key->bytes, .len = key->len};
}

/* The store knows bytes alone, and claims are loaded in the order of their creation. */
static void keys_sort_by_tag_and_then_as_their_numbers(void **state)
{
    static const uint64_t numbers[] = {0, 1, 255, 256, 65535, 65536, UINT64_MAX - 1, UINT64_MAX};
    struct cfs_piece_key before = cfs_piece_key_number(CFS_PIECE_SESSION, UINT64_MAX);

    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct cfs_piece_key key = cfs_piece_key_number(CFS_PIECE_CLAIM, numbers[i]);
        struct cfs_reader reader = reader_of(&key);
        assert_true(compare(&before, &key) < 0);
        assert_int_equal(cfs_piece_number(&reader), numbers[i]);
        assert_false(reader.failed);
        before = key;
    }
}

static void a_name_comes_back_from_its_key(void **state)
{
    char longest[CFS_NAME_MAX + 1], name[CFS_NAME_MAX + 1];
    const char *const names[] = {"x", "\xff\xfe not UTF-8", longest};

    (void)state;
    memset(longest, 'n', CFS_NAME_MAX);
    longest[CFS_NAME_MAX] = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct cfs_piece_key key = cfs_piece_key_name(CFS_PIECE_LOCK, names[i]);
        struct cfs_reader reader = reader_of(&key);
        assert_int_equal(key.bytes[0], CFS_PIECE_LOCK);
        cfs_piece_name(&reader, name);
        assert_false(reader.failed);
        assert_string_equal(name, names[i]);
    }
}

static void a_key_of_the_wrong_length_is_no_number(void **state)
{
    static const uint8_t bytes[12] = {CFS_PIECE_CLAIM};

    (void)state;
    for (size_t len = 0; len <= sizeof bytes; len++) {
        struct cfs_reader reader = {.data = bytes, .len = len};
        cfs_piece_number(&reader);
        assert_int_equal(reader.failed, len != 9);
    }
}

static void a_key_without_a_name_or_with_too_long_a_one_is_refused(void **state)
{
    static const struct {
        size_t len, zero_at;
        bool refused;
    } cases[] = {{0, 0, true},
                 {1, 0, true},
                 {2, 0, false},
                 {CFS_NAME_MAX + 1, 0, false},
                 {CFS_NAME_MAX + 2, 0, true},
                 {9, 5, true},
                 {9, 8, true}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t *bytes = cfs_alloc(cases[i].len + 1); /* no more: the sanitizer looks on */
        struct cfs_reader reader = {.data = bytes, .len = cases[i].len};
        char name[CFS_NAME_MAX + 1];
        memset(bytes, 'n', cases[i].len + 1);
        if (cases[i].zero_at)
            bytes[cases[i].zero_at] = 0;
        cfs_piece_name(&reader, name);
        assert_int_equal(reader.failed, cases[i].refused);
        free(bytes);
    }
}

/* A put with a value, one without, and a deletion. */
static struct cfs_writer three_pieces(void)
{
    struct cfs_piece_key first = cfs_piece_key_number(CFS_PIECE_SESSION, 7);
    struct cfs_piece_key second = cfs_piece_key_name(CFS_PIECE_LOCK, "apple");
    struct cfs_writer pieces = {0}, value = {0};

    cfs_put_raw(&value, "value", 5);
    cfs_piece_put(&pieces, &first, &value);
    cfs_piece_put(&pieces, &second, &(struct cfs_writer){0});
    cfs_piece_delete(&pieces, &first);
    free(value.data);
    return pieces;
}

static void pieces_come_out_of_a_buffer_as_they_went_in(void **state)
{
    struct cfs_writer pieces = three_pieces();
    struct cfs_reader reader = {.data = pieces.data, .len = pieces.len};
    struct cfs_piece piece;

    (void)state;
    assert_true(cfs_piece_next(&reader, &piece));
    assert_true(piece.put && piece.key_len == 9 && piece.value_len == 5);
    assert_memory_equal(piece.value, "value", 5);
    assert_true(cfs_piece_next(&reader, &piece));
    assert_true(piece.put && piece.key_len == 6 && piece.value_len == 0);
    assert_memory_equal(piece.key + 1, "apple", 5);
    assert_true(cfs_piece_next(&reader, &piece));
    assert_false(piece.put);
    assert_int_equal(piece.key[0], CFS_PIECE_SESSION);
    assert_false(cfs_piece_next(&reader, &piece));
    assert_false(reader.failed);
    free(pieces.data);
}

/* Whole pieces before the cut may come out; that something is missing is always said. */
static void a_buffer_cut_within_a_piece_fails(void **state)
{
    struct cfs_writer pieces = three_pieces();
    size_t ends[4] = {0}, count = 1;
    struct cfs_reader whole = {.data = pieces.data, .len = pieces.len};
    struct cfs_piece piece;

    (void)state;
    while (cfs_piece_next(&whole, &piece))
        ends[count++] = whole.at;
    for (size_t len = 0; len <= pieces.len; len++) {
        uint8_t *exact = cfs_alloc_copy(pieces.data, len);
        struct cfs_reader reader = {.data = exact, .len = len};
        bool at_end = len == ends[0] || len == ends[1] || len == ends[2] || len == ends[3];
        while (cfs_piece_next(&reader, &piece))
            ;
        assert_int_equal(reader.failed, !at_end);
        assert_false(cfs_piece_next(&reader, &piece)); /* and nothing comes after that */
        free(exact);
    }
    free(pieces.data);
}

static bool is_piece(uint8_t kind, uint32_t key_len)
{
    static const uint8_t key[CFS_PIECE_KEY_MAX + 1] = {CFS_PIECE_LOCK};
    struct cfs_writer pieces = {0};
    struct cfs_reader reader;
    struct cfs_piece piece;
    bool is;

    cfs_put_u8(&pieces, kind);
    cfs_put_bytes(&pieces, key, key_len);
    cfs_put_bytes(&pieces, "v", kind == 1);
    reader = (struct cfs_reader){.data = pieces.data, .len = pieces.len};
    is = cfs_piece_next(&reader, &piece);
    assert_int_equal(reader.failed, !is);
    free(pieces.data);
    return is;
}

static void unknown_kinds_and_keys_of_impossible_lengths_are_refused(void **state)
{
    (void)state;
    assert_true(is_piece(1, 1));
    assert_true(is_piece(2, 1));
    assert_true(is_piece(1, CFS_PIECE_KEY_MAX));
    assert_false(is_piece(0, 1));
    assert_false(is_piece(3, 1));
    assert_false(is_piece(1, 0));
    assert_false(is_piece(2, 0));
    assert_false(is_piece(1, CFS_PIECE_KEY_MAX + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_sort_by_tag_and_then_as_their_numbers),
        cmocka_unit_test(a_name_comes_back_from_its_key),
        cmocka_unit_test(a_key_of_the_wrong_length_is_no_number),
        cmocka_unit_test(a_key_without_a_name_or_with_too_long_a_one_is_refused),
        cmocka_unit_test(pieces_come_out_of_a_buffer_as_they_went_in),
        cmocka_unit_test(a_buffer_cut_within_a_piece_fails),
        cmocka_unit_test(unknown_kinds_and_keys_of_impossible_lengths_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
