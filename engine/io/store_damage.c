/* What is said when the store is not what was written. */
#include <ctype.h>
#include <stdio.h>

#include "coordfs/log.h"
#include "io/store_internal.h"

#define PRINTED_KEY_BYTES 64u

/* For people: what is no printable ASCII as \xNN, a long one cut. */
static void print_key(const uint8_t *key, size_t len, char *text, size_t size)
{
    size_t at = 0;

    text[0] = '\0';
    for (size_t i = 0; i < len && i < PRINTED_KEY_BYTES; i++) {
        bool plain = key[i] < 0x80 && isprint(key[i]) && key[i] != '\\' && key[i] != '"';
        at += (size_t)snprintf(text + at, size - at, plain ? "%c" : "\\x%02x", key[i]);
    }
    if (len > PRINTED_KEY_BYTES)
        snprintf(text + at, size - at, "...");
}

int cfs_store_damaged(const struct cfs_store_db *db, cfs_group_id group, const char *what)
{
    cfs_log(CFS_LOG_ERROR, "%s/data.mdb is damaged: group %u: %s. " CFS_STORE_ADVICE, db->dir,
            group, what, db->data);
    return MDB_CORRUPTED;
}

int cfs_store_damaged_record(const struct cfs_store_db *db, cfs_group_id group, const MDB_val *key)
{
    size_t len = key->mv_size - CFS_STORE_PREFIX_BYTES;
    char printed[PRINTED_KEY_BYTES * 4 + 8], what[PRINTED_KEY_BYTES * 4 + 64];

    print_key((const uint8_t *)key->mv_data + CFS_STORE_PREFIX_BYTES, len, printed,
              sizeof(printed));
    if (len == 0)
        snprintf(what, sizeof(what), "its head: the checksum is wrong");
    else
        snprintf(what, sizeof(what), "key \"%s\": the checksum is wrong", printed);
    return cfs_store_damaged(db, group, what);
}
