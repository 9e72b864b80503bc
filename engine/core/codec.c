/* Byte by byte, so that it does not matter whose bytes they are. */
#include "core/codec.h"

#include <assert.h>
#include <string.h>

#include "core/alloc.h"

static uint8_t *room(struct cfs_writer *writer, size_t len)
{
    size_t capacity = writer->capacity ? writer->capacity : 64;
    uint8_t *at;

    while (capacity - writer->len < len) {
        assert(capacity <= SIZE_MAX / 2);
        capacity *= 2;
    }
    if (capacity != writer->capacity) {
        writer->data = cfs_realloc(writer->data, capacity);
        writer->capacity = capacity;
    }
    at = writer->data + writer->len;
    writer->len += len;
    return at;
}

static void put_little_endian(struct cfs_writer *writer, uint64_t value, size_t width)
{
    uint8_t *at = room(writer, width);

    for (size_t i = 0; i < width; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

void cfs_put_u8(struct cfs_writer *writer, uint8_t value)
{
    put_little_endian(writer, value, 1);
}

void cfs_put_u32(struct cfs_writer *writer, uint32_t value)
{
    put_little_endian(writer, value, 4);
}

void cfs_put_u64(struct cfs_writer *writer, uint64_t value)
{
    put_little_endian(writer, value, 8);
}

void cfs_put_raw(struct cfs_writer *writer, const void *data, size_t len)
{
    if (len)
        memcpy(room(writer, len), data, len);
}

void cfs_put_bytes(struct cfs_writer *writer, const void *data, uint32_t len)
{
    cfs_put_u32(writer, len);
    cfs_put_raw(writer, data, len);
}

void cfs_put_string(struct cfs_writer *writer, const char *string)
{
    size_t len = strlen(string);

    assert(len <= UINT32_MAX);
    cfs_put_bytes(writer, string, (uint32_t)len);
}

/* The next `len` bytes, or NULL: then everything after them counts as missing too. */
static const uint8_t *take(struct cfs_reader *reader, size_t len)
{
    const uint8_t *at;

    if (reader->failed || reader->len - reader->at < len) {
        reader->failed = true;
        return NULL;
    }
    at = reader->data + reader->at;
    reader->at += len;
    return at;
}

static uint64_t get_little_endian(struct cfs_reader *reader, size_t width)
{
    const uint8_t *at = take(reader, width);
    uint64_t value = 0;

    for (size_t i = 0; at && i < width; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

uint8_t cfs_get_u8(struct cfs_reader *reader)
{
    return (uint8_t)get_little_endian(reader, 1);
}

uint32_t cfs_get_u32(struct cfs_reader *reader)
{
    return (uint32_t)get_little_endian(reader, 4);
}

uint64_t cfs_get_u64(struct cfs_reader *reader)
{
    return get_little_endian(reader, 8);
}

const uint8_t *cfs_get_bytes(struct cfs_reader *reader, uint32_t *len)
{
    uint32_t wanted = cfs_get_u32(reader);
    const uint8_t *bytes = take(reader, wanted);

    *len = bytes ? wanted : 0;
    return bytes;
}

void cfs_get_string(struct cfs_reader *reader, char *out, size_t size)
{
    uint32_t len;
    const uint8_t *bytes = cfs_get_bytes(reader, &len);

    assert(size > 0);
    out[0] = 0;
    if (!bytes)
        return;
    if (len >= size || memchr(bytes, 0, len)) {
        reader->failed = true;
        return;
    }
    memcpy(out, bytes, len);
    out[len] = 0;
}
