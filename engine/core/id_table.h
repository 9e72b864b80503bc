/* Finding many small things by number: a hash table that costs a thing 16 bytes, its number
 * included, and never stops to grow. It is linear hashing (Litwin 1980): with each thing that is
 * added one bucket is divided in two, so a million of them cost no pause as moving all of them at
 * once would. */
#ifndef CFS_CORE_ID_TABLE_H
#define CFS_CORE_ID_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* The first member of what is found. */
struct cfs_id_item {
    uint64_t id;
    struct cfs_id_item *chain; /* the table's own */
};

/* Zeroed memory is an empty table; the items are the caller's. */
struct cfs_id_table {
    struct cfs_id_item **buckets;
    size_t count;    /* of items, and of buckets in use */
    size_t capacity; /* a power of two */
};

/* NULL: there is none. */
struct cfs_id_item *cfs_id_find(const struct cfs_id_table *table, uint64_t id);

/* No other item may have its id. */
void cfs_id_add(struct cfs_id_table *table, struct cfs_id_item *item);

/* It has to be there. */
void cfs_id_remove(struct cfs_id_table *table, struct cfs_id_item *item);

/* Frees the table's own memory. */
void cfs_id_table_close(struct cfs_id_table *table);

#endif
