/* As many buckets as items. With n buckets, 2^k < n <= 2^(k+1), an item is in the bucket that the
 * lowest k + 1 bits of its hash name, or, if that one is not there yet, in the one that is divided
 * into the two of them later: without the highest of these bits. */
#include "core/id_table.h"

#include <assert.h>
#include <stdlib.h>

#include "core/alloc.h"

#define CAPACITY_MIN 8u

/* SplitMix64's finaliser. */
static uint64_t hash(uint64_t id)
{
    id = (id ^ (id >> 30)) * 0xbf58476d1ce4e5b9u;
    id = (id ^ (id >> 27)) * 0x94d049bb133111ebu;
    return id ^ (id >> 31);
}

/* With `buckets` of them, one at least; `span` is the power of two at or above that. */
static size_t bucket_of(uint64_t id, size_t buckets, size_t span)
{
    size_t bucket = hash(id) & (span - 1);

    return bucket < buckets ? bucket : bucket & (span / 2 - 1);
}

static size_t span_of(size_t buckets)
{
    return buckets > 1 ? (size_t)1 << (64 - __builtin_clzll(buckets - 1)) : 1;
}

static struct cfs_id_item **bucket(const struct cfs_id_table *table, uint64_t id)
{
    return &table->buckets[bucket_of(id, table->count, span_of(table->count))];
}

struct cfs_id_item *cfs_id_find(const struct cfs_id_table *table, uint64_t id)
{
    struct cfs_id_item *item = table->count ? *bucket(table, id) : NULL;

    while (item && item->id != id)
        item = item->chain;
    return item;
}

static void resize(struct cfs_id_table *table, size_t capacity)
{
    table->buckets = cfs_realloc(table->buckets, capacity * sizeof(struct cfs_id_item *));
    table->capacity = capacity;
}

static void push(struct cfs_id_item **link, struct cfs_id_item *item)
{
    item->chain = *link;
    *link = item;
}

/* The new bucket takes what is its own from the one that had it so far. */
static void add_bucket(struct cfs_id_table *table)
{
    size_t newest = table->count, span;
    struct cfs_id_item **link;

    if (newest == table->capacity)
        resize(table, newest ? newest * 2 : CAPACITY_MIN);
    table->buckets[newest] = NULL;
    table->count++;
    if (!newest)
        return;
    span = span_of(table->count);
    link = &table->buckets[newest & (span / 2 - 1)];
    while (*link) {
        struct cfs_id_item *item = *link;
        if (bucket_of(item->id, table->count, span) != newest) {
            link = &item->chain;
            continue;
        }
        *link = item->chain;
        push(&table->buckets[newest], item);
    }
}

void cfs_id_add(struct cfs_id_table *table, struct cfs_id_item *item)
{
    add_bucket(table);
    push(bucket(table, item->id), item);
}

/* The last bucket gives all it has to the one that it was made from. */
static void remove_bucket(struct cfs_id_table *table)
{
    size_t last = table->count - 1;
    struct cfs_id_item *item = table->buckets[last], *next;

    table->count--;
    for (; item; item = next) {
        next = item->chain;
        push(bucket(table, item->id), item);
    }
    if (table->capacity > CAPACITY_MIN && table->count < table->capacity / 4)
        resize(table, table->capacity / 2);
}

void cfs_id_remove(struct cfs_id_table *table, struct cfs_id_item *item)
{
    struct cfs_id_item **link = bucket(table, item->id);

    while (*link != item) {
        assert(*link);
        link = &(*link)->chain;
    }
    *link = item->chain;
    remove_bucket(table);
}

void cfs_id_table_close(struct cfs_id_table *table)
{
    free(table->buckets);
    *table = (struct cfs_id_table){0};
}
