/* The table as pieces: what changed since the last save, and a table made of what was saved.
 *
 * A claim is a piece of its own, so that one more holder of a lock that thousands share costs one
 * small piece. What is not saved: serials of locks, which only tell identities apart, and every
 * order, which follows from tickets and tokens. */
#include <stdlib.h>
#include <string.h>

#include "core/command_internal.h"
#include "core/lock_table_internal.h"
#include "core/planted.h"

#define VERSION 1u

void cfs_lock_changed(struct cfs_lock_table *table, struct cfs_lock *lock)
{
    if (lock->changed)
        return;
    lock->changed = true;
    DL_APPEND2(table->changes.locks, lock, changed_prev, changed_next);
}

void cfs_lock_gone(struct cfs_lock_table *table, struct cfs_lock *lock)
{
    struct cfs_piece_key key = cfs_piece_key_name(CFS_PIECE_LOCK, lock->name);

    if (lock->changed)
        DL_DELETE2(table->changes.locks, lock, changed_prev, changed_next);
    if (lock->saved)
        cfs_piece_delete(&table->changes.gone, &key);
}

void cfs_claim_changed(struct cfs_lock_table *table, struct cfs_claim *claim)
{
    if (claim->changed)
        return;
    claim->changed = true;
    DL_APPEND2(table->changes.claims, claim, changed_prev, changed_next);
}

void cfs_claim_gone(struct cfs_lock_table *table, struct cfs_claim *claim)
{
    struct cfs_piece_key key = cfs_piece_key_number(CFS_PIECE_CLAIM, claim->serial);

    if (claim->changed)
        DL_DELETE2(table->changes.claims, claim, changed_prev, changed_next);
    if (claim->saved && !CFS_PLANTED(BUG_SAVE_KEEPS_CLAIM))
        cfs_piece_delete(&table->changes.gone, &key);
}

static void put_lock(struct cfs_writer *value, const struct cfs_lock *lock)
{
    cfs_put_u8(value, VERSION);
    cfs_put_u8(value, (uint8_t)lock->form);
    cfs_put_u32(value, lock->uid);
    cfs_put_u32(value, lock->gid);
    cfs_put_u32(value, lock->perm);
    cfs_put_u64(value, lock->mtime);
    cfs_put_bytes(value, lock->content, lock->content_len);
}

static void put_claim(struct cfs_writer *value, const struct cfs_claim *claim)
{
    cfs_put_u8(value, VERSION);
    cfs_put_string(value, claim->lock->name);
    cfs_put_u8(value, (uint8_t)claim->state);
    cfs_put_u64(value, claim->asker.session);
    cfs_put_u64(value, claim->asker.sequence);
    cfs_put_u32(value, claim->asker.node);
    cfs_put_u64(value, claim->session);
    cfs_put_u32(value, claim->node);
    cfs_put_u64(value, claim->ticket);
    cfs_put_u64(value, claim->token);
    cfs_put_u64(value, claim->since);
    cfs_put_u64(value, claim->due.at);
    cfs_put_acquire(value, &claim->ask);
}

static void save_locks(struct cfs_lock_table *table, struct cfs_writer *pieces)
{
    struct cfs_lock *lock, *next;

    DL_FOREACH_SAFE2(table->changes.locks, lock, next, changed_next)
    {
        struct cfs_piece_key key = cfs_piece_key_name(CFS_PIECE_LOCK, lock->name);
        struct cfs_writer value = {0};
        put_lock(&value, lock);
        cfs_piece_put(pieces, &key, &value);
        free(value.data);
        lock->saved = true;
        lock->changed = false;
    }
    table->changes.locks = NULL;
}

static void save_claims(struct cfs_lock_table *table, struct cfs_writer *pieces)
{
    struct cfs_claim *claim, *next;

    DL_FOREACH_SAFE2(table->changes.claims, claim, next, changed_next)
    {
        struct cfs_piece_key key = cfs_piece_key_number(CFS_PIECE_CLAIM, claim->serial);
        struct cfs_writer value = {0};
        put_claim(&value, claim);
        cfs_piece_put(pieces, &key, &value);
        free(value.data);
        claim->saved = true;
        claim->changed = false;
    }
    table->changes.claims = NULL;
}

void cfs_lock_table_save(struct cfs_lock_table *table, struct cfs_writer *pieces)
{
    struct cfs_writer *gone = &table->changes.gone;

    /* First what went: a name may have come back since. */
    cfs_put_raw(pieces, gone->data, gone->len);
    free(gone->data);
    *gone = (struct cfs_writer){0};
    save_locks(table, pieces);
    save_claims(table, pieces);
}

static int load_lock(struct cfs_lock_table *table, const char *name, struct cfs_reader *value)
{
    struct cfs_lock *lock;
    const uint8_t *content;

    if (cfs_lock_find(table, name))
        return -1;
    lock = cfs_lock_new(table, name);
    lock->form = cfs_get_enum(value, CFS_FORM_FILE, CFS_FORM_DIRECTORY);
    lock->uid = cfs_get_u32(value);
    lock->gid = cfs_get_u32(value);
    lock->perm = cfs_get_u32(value);
    lock->mtime = cfs_get_u64(value);
    content = cfs_get_bytes(value, &lock->content_len);
    lock->content = cfs_alloc_copy(content, lock->content_len);
    DL_DELETE2(table->changes.locks, lock, changed_prev, changed_next);
    lock->changed = false;
    lock->saved = true;
    return cfs_reader_whole(value) ? 0 : -1;
}

static void get_claim(struct cfs_reader *value, char name[CFS_NAME_MAX + 1],
                      struct cfs_claim *claim)
{
    cfs_get_string(value, name, CFS_NAME_MAX + 1);
    claim->state = cfs_get_enum(value, CFS_CLAIM_QUEUED, CFS_CLAIM_HOLDING);
    claim->asker.session = cfs_get_u64(value);
    claim->asker.sequence = cfs_get_u64(value);
    claim->asker.node = cfs_get_u32(value);
    claim->session = cfs_get_u64(value);
    claim->node = cfs_get_u32(value);
    claim->ticket = cfs_get_u64(value);
    claim->token = cfs_get_u64(value);
    claim->since = cfs_get_u64(value);
    claim->due.at = cfs_get_u64(value);
    cfs_get_acquire(value, &claim->ask);
    if (claim->node >= CFS_NODE_BITS)
        value->failed = true;
}

static int load_claim(struct cfs_lock_table *table, uint64_t serial, struct cfs_reader *value)
{
    struct cfs_claim saved = {.serial = serial, .saved = true}, *claim;
    char name[CFS_NAME_MAX + 1];
    struct cfs_lock *lock;

    get_claim(value, name, &saved);
    lock = cfs_reader_whole(value) ? cfs_lock_find(table, name) : NULL;
    claim = lock ? cfs_claim_restore(table, lock, &saved) : NULL;
    if (!claim)
        return -1;
    if (claim->changed)
        DL_DELETE2(table->changes.claims, claim, changed_prev, changed_next);
    claim->changed = false;
    if (serial > table->claim_serial)
        table->claim_serial = serial;
    return 0;
}

int cfs_lock_table_load(struct cfs_lock_table *table, const struct cfs_piece *piece)
{
    struct cfs_reader key = {.data = piece->key, .len = piece->key_len};
    struct cfs_reader value = {.data = piece->value, .len = piece->value_len};
    char name[CFS_NAME_MAX + 1];
    uint64_t serial;

    cfs_get_enum(&value, VERSION, VERSION);
    if (!piece->put || value.failed)
        return -1;
    if (piece->key[0] == CFS_PIECE_LOCK) {
        cfs_piece_name(&key, name);
        return key.failed || !cfs_name_valid(name) ? -1 : load_lock(table, name, &value);
    }
    serial = cfs_piece_number(&key);
    return key.failed || piece->key[0] != CFS_PIECE_CLAIM ? -1 : load_claim(table, serial, &value);
}

bool cfs_lock_table_loaded(const struct cfs_lock_table *table)
{
    for (const struct cfs_lock *lock = table->locks; lock; lock = lock->hh.next)
        if (!lock->holders)
            return false;
    return true;
}

cfs_token cfs_lock_table_token(const struct cfs_lock_table *table)
{
    return table->token;
}

void cfs_lock_table_set_token(struct cfs_lock_table *table, cfs_token token)
{
    table->token = token;
}
