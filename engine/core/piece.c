/* Keys sort by their bytes, so numbers in them are big-endian. */
#include "core/piece.h"

#include <assert.h>
#include <string.h>

enum { PUT = 1, DELETE = 2 };

struct cfs_piece_key cfs_piece_key_number(enum cfs_piece_tag tag, uint64_t number)
{
    struct cfs_piece_key key = {.bytes = {(uint8_t)tag}, .len = 9};

    for (unsigned i = 0; i < 8; i++)
        key.bytes[1 + i] = (uint8_t)(number >> (56 - 8 * i));
    return key;
}

struct cfs_piece_key cfs_piece_key_name(enum cfs_piece_tag tag, const char *name)
{
    struct cfs_piece_key key = {.bytes = {(uint8_t)tag}};
    size_t len = strlen(name);

    assert(len <= CFS_NAME_MAX);
    memcpy(key.bytes + 1, name, len);
    key.len = (uint32_t)len + 1;
    return key;
}

uint64_t cfs_piece_number(struct cfs_reader *key)
{
    uint64_t number = 0;

    if (key->len != 9)
        key->failed = true;
    for (size_t i = 1; i < key->len && !key->failed; i++)
        number = number << 8 | key->data[i];
    return number;
}

void cfs_piece_name(struct cfs_reader *key, char name[CFS_NAME_MAX + 1])
{
    size_t len = key->len - 1;

    name[0] = 0;
    if (key->len < 2 || len > CFS_NAME_MAX || memchr(key->data + 1, 0, len)) {
        key->failed = true;
        return;
    }
    memcpy(name, key->data + 1, len);
    name[len] = 0;
}

void cfs_piece_put(struct cfs_writer *pieces, const struct cfs_piece_key *key,
                   const struct cfs_writer *value)
{
    cfs_put_u8(pieces, PUT);
    cfs_put_bytes(pieces, key->bytes, key->len);
    cfs_put_bytes(pieces, value->data, (uint32_t)value->len);
}

void cfs_piece_delete(struct cfs_writer *pieces, const struct cfs_piece_key *key)
{
    cfs_put_u8(pieces, DELETE);
    cfs_put_bytes(pieces, key->bytes, key->len);
}

bool cfs_piece_next(struct cfs_reader *pieces, struct cfs_piece *piece)
{
    uint8_t kind;

    *piece = (struct cfs_piece){0};
    if (pieces->failed || pieces->at == pieces->len)
        return false;
    kind = cfs_get_u8(pieces);
    piece->put = kind == PUT;
    piece->key = cfs_get_bytes(pieces, &piece->key_len);
    if (piece->put)
        piece->value = cfs_get_bytes(pieces, &piece->value_len);
    if ((kind != PUT && kind != DELETE) || !piece->key_len || piece->key_len > CFS_PIECE_KEY_MAX)
        pieces->failed = true;
    return !pieces->failed;
}
