/* Bytes in a row: what is put is got, and no length is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/codec.h"

static struct cfs_reader reader_of(const struct cfs_writer *writer)
{
    return (struct cfs_reader){.data = writer->data, .len = writer->len};
}

static void test_numbers_are_little_endian(void **state)
{
    static const uint8_t expected[] = {0x01, 0x05, 0x04, 0x03, 0x02, 0x0d, 0x0c,
                                       0x0b, 0x0a, 0x09, 0x08, 0x07, 0x06};
    struct cfs_writer writer = {0};
    struct cfs_reader reader;

    (void)state;
    cfs_put_u8(&writer, 0x01);
    cfs_put_u32(&writer, 0x02030405);
    cfs_put_u64(&writer, 0x060708090a0b0c0d);
    assert_int_equal(writer.len, sizeof expected);
    assert_memory_equal(writer.data, expected, sizeof expected);
    reader = reader_of(&writer);
    assert_int_equal(cfs_get_u8(&reader), 0x01);
    assert_int_equal(cfs_get_u32(&reader), 0x02030405);
    assert_int_equal(cfs_get_u64(&reader), 0x060708090a0b0c0d);
    assert_int_equal(reader.at, reader.len);
    assert_false(reader.failed);
    free(writer.data);
}

static void test_extremes(void **state)
{
    struct cfs_writer writer = {0};
    struct cfs_reader reader;

    (void)state;
    cfs_put_u8(&writer, UINT8_MAX);
    cfs_put_u32(&writer, UINT32_MAX);
    cfs_put_u64(&writer, UINT64_MAX);
    cfs_put_u64(&writer, 0);
    reader = reader_of(&writer);
    assert_int_equal(cfs_get_u8(&reader), UINT8_MAX);
    assert_int_equal(cfs_get_u32(&reader), UINT32_MAX);
    assert_true(cfs_get_u64(&reader) == UINT64_MAX);
    assert_true(cfs_get_u64(&reader) == 0);
    assert_false(reader.failed);
    free(writer.data);
}

static void test_bytes_and_strings(void **state)
{
    static const uint8_t bytes[] = {0, 1, 2, 0, 255};
    struct cfs_writer writer = {0};
    struct cfs_reader reader;
    char text[6];
    uint32_t len;

    (void)state;
    cfs_put_bytes(&writer, bytes, sizeof bytes);
    cfs_put_bytes(&writer, NULL, 0);
    cfs_put_string(&writer, "hello");
    cfs_put_string(&writer, "");
    reader = reader_of(&writer);
    assert_memory_equal(cfs_get_bytes(&reader, &len), bytes, sizeof bytes);
    assert_int_equal(len, sizeof bytes);
    cfs_get_bytes(&reader, &len);
    assert_int_equal(len, 0);
    cfs_get_string(&reader, text, sizeof text);
    assert_string_equal(text, "hello");
    cfs_get_string(&reader, text, sizeof text);
    assert_string_equal(text, "");
    assert_false(reader.failed);
    assert_int_equal(reader.at, reader.len);
    free(writer.data);
}

static void test_the_end_fails_and_stays_failed(void **state)
{
    static const uint8_t three[] = {1, 2, 3};
    struct cfs_reader reader = {.data = three, .len = sizeof three};
    uint32_t len = 7;

    (void)state;
    assert_int_equal(cfs_get_u32(&reader), 0);
    assert_true(reader.failed);
    assert_int_equal(cfs_get_u8(&reader), 0);
    assert_null(cfs_get_bytes(&reader, &len));
    assert_int_equal(len, 0);
}

static void test_an_empty_input(void **state)
{
    struct cfs_reader reader = {0};

    (void)state;
    assert_int_equal(cfs_get_u8(&reader), 0);
    assert_true(reader.failed);
}

static void test_a_length_is_not_believed(void **state)
{
    const uint32_t lengths[] = {4, 5, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct cfs_writer writer = {0};
        struct cfs_reader reader;
        uint32_t len;

        cfs_put_u32(&writer, lengths[i]);
        cfs_put_u8(&writer, 'x');
        reader = reader_of(&writer);
        assert_null(cfs_get_bytes(&reader, &len));
        assert_int_equal(len, 0);
        assert_true(reader.failed);
        free(writer.data);
    }
}

static void check_string(const char *bytes, uint32_t len, bool good)
{
    struct cfs_writer writer = {0};
    struct cfs_reader reader;
    char out[4] = "old";

    cfs_put_bytes(&writer, bytes, len);
    reader = reader_of(&writer);
    cfs_get_string(&reader, out, sizeof out);
    assert_int_equal(reader.failed, !good);
    assert_string_equal(out, good ? bytes : "");
    free(writer.data);
}

static void test_strings_that_do_not_fit(void **state)
{
    (void)state;
    check_string("abc", 3, true);
    check_string("abcd", 4, false);
    check_string("a\0b", 3, false);
    check_string("ab\0", 3, false);
}

static void test_a_writer_grows(void **state)
{
    struct cfs_writer writer = {0};
    struct cfs_reader reader;
    uint8_t *block = calloc(1, 100000);

    (void)state;
    for (uint32_t i = 0; i < 10000; i++)
        cfs_put_u32(&writer, i);
    cfs_put_bytes(&writer, block, 100000);
    reader = reader_of(&writer);
    for (uint32_t i = 0; i < 10000; i++)
        assert_int_equal(cfs_get_u32(&reader), i);
    assert_int_equal(reader.len - reader.at, 100004);
    free(block);
    free(writer.data);
}

static void test_allocation(void **state)
{
    size_t capacity = 0;
    uint32_t *items = NULL;
    void *none = cfs_alloc(0), *zeroed = cfs_alloc_zeroed(0, 8);

    (void)state;
    assert_non_null(none);
    assert_non_null(zeroed);
    assert_null(cfs_alloc_copy("x", 0));
    for (uint32_t i = 0; i < 1000; i++) {
        items = cfs_array_room(items, i, &capacity, sizeof *items);
        assert_true(capacity > i);
        items[i] = i;
    }
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(items[i], i);
    free(items);
    free(none);
    free(zeroed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_are_little_endian),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_bytes_and_strings),
        cmocka_unit_test(test_the_end_fails_and_stays_failed),
        cmocka_unit_test(test_an_empty_input),
        cmocka_unit_test(test_a_length_is_not_believed),
        cmocka_unit_test(test_strings_that_do_not_fit),
        cmocka_unit_test(test_a_writer_grows),
        cmocka_unit_test(test_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
