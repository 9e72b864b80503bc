/* What may be asked of the table without changing it. */
#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "core/lock_table_internal.h"

static void fill_info(struct cfs_holder_info *info, const struct cfs_claim *hold)
{
    *info = (struct cfs_holder_info){
        .node = hold->node, .kind = hold->ask.kind, .process = hold->ask.process};
    memcpy(info->owner, hold->ask.owner, sizeof info->owner);
}

/* Where the holders of a lock are listed; reused from lock to lock. */
struct infos {
    struct cfs_holder_info *items;
    size_t capacity;
};

/* Tens of thousands may share a lock: an answer has to fit a message. */
static uint32_t listed_count(const struct cfs_lock *lock)
{
    return lock->holder_count < CFS_HOLDERS_MAX ? lock->holder_count : CFS_HOLDERS_MAX;
}

static void fill_infos(struct infos *infos, const struct cfs_lock *lock)
{
    const struct cfs_claim *hold = lock->holders;

    for (uint32_t i = 0; i < listed_count(lock); i++, hold = hold->next) {
        infos->items = cfs_array_room(infos->items, i, &infos->capacity, sizeof *infos->items);
        fill_info(&infos->items[i], hold);
    }
}

static struct cfs_lock_info lock_info(const struct cfs_lock *lock, struct infos *infos)
{
    const struct cfs_claim *newest = lock->holders->prev;

    fill_infos(infos, lock);
    return (struct cfs_lock_info){
        .form = lock->form,
        .mode = lock->exclusive_holders ? CFS_EXCLUSIVE : CFS_SHARED,
        .token = newest->token,
        .since = newest->since,
        .mtime = lock->mtime,
        .uid = lock->uid,
        .gid = lock->gid,
        .perm = lock->perm,
        .waiters = lock->waiter_count,
        .holder_count = listed_count(lock),
        .more_holders = lock->holder_count - listed_count(lock),
        .holders = infos->items,
        .content = lock->content,
        .content_len = lock->content_len,
    };
}

bool cfs_lock_table_get(struct cfs_lock_table *table, const char *name, struct cfs_lock_info *info)
{
    const struct cfs_lock *lock = cfs_lock_find(table, name);
    struct infos infos = {table->infos, table->info_capacity};

    *info = (struct cfs_lock_info){0};
    if (!lock)
        return false;
    *info = lock_info(lock, &infos);
    table->infos = infos.items;
    table->info_capacity = infos.capacity;
    return true;
}

/* The hash keeps its locks in the order in which they came to be held. */
void cfs_lock_table_each(const struct cfs_lock_table *table, cfs_lock_fn lock, void *arg)
{
    struct infos infos = {0};
    struct cfs_lock_info info;

    for (const struct cfs_lock *held = table->locks; held; held = held->hh.next) {
        info = lock_info(held, &infos);
        if (!lock(arg, held->name, &info))
            break;
    }
    free(infos.items);
}

static uint64_t all_flock_nodes(const struct cfs_lock_table *table)
{
    uint64_t nodes = 0;

    for (uint32_t node = 0; node < CFS_NODE_BITS; node++)
        nodes |= (uint64_t)(table->flock_holds[node] != 0) << node;
    return nodes;
}

uint64_t cfs_lock_table_flock_nodes(const struct cfs_lock_table *table, const char *name)
{
    const struct cfs_lock *lock = name ? cfs_lock_find(table, name) : NULL;
    const struct cfs_claim *hold;
    uint64_t nodes = 0;

    if (!name)
        return all_flock_nodes(table);
    if (!lock)
        return 0;
    DL_FOREACH (lock->holders, hold)
        if (hold->ask.kind == CFS_FLOCK)
            nodes |= (uint64_t)1 << hold->node;
    return nodes;
}

static int by_bytes(const void *a, const void *b)
{
    const char *const *first = a, *const *second = b;

    return strcmp(*first, *second);
}

/* As many of the names as a page holds; `more` says whether some are left. */
static size_t page_of(const char *const *names, size_t count, size_t *size, bool *more)
{
    size_t taken = 0;

    *size = 0;
    while (taken < count && *size + strlen(names[taken]) + 1 <= CFS_LIST_BYTES_MAX)
        *size += strlen(names[taken++]) + 1;
    *more = taken < count;
    return taken;
}

char *cfs_lock_table_list(const struct cfs_lock_table *table, const char *after,
                          struct cfs_answer *answer)
{
    size_t count = 0, size;
    const char **names = cfs_alloc(HASH_COUNT(table->locks) * sizeof(char *));
    char *list, *end;

    for (const struct cfs_lock *lock = table->locks; lock; lock = lock->hh.next)
        if (strcmp(lock->name, after) > 0)
            names[count++] = lock->name;
    qsort(names, count, sizeof(char *), by_bytes);
    count = page_of(names, count, &size, &answer->more);
    list = end = cfs_alloc(size);
    for (size_t i = 0; i < count; i++)
        end = stpcpy(end, names[i]) + 1;
    free(names);
    answer->names = list;
    answer->names_len = (uint32_t)size;
    return list;
}

uint32_t cfs_lock_table_held_count(const struct cfs_lock_table *table)
{
    return HASH_COUNT(table->locks);
}

uint32_t cfs_lock_table_waiter_count(const struct cfs_lock_table *table)
{
    return table->waiter_count;
}

static uint64_t mix_claim(uint64_t digest, const struct cfs_claim *claim)
{
    const struct cfs_acquire *ask = &claim->ask;
    const uint64_t values[] = {
        claim->state,
        claim->asker.session,
        claim->asker.sequence,
        claim->asker.node,
        claim->session,
        claim->node,
        claim->ticket,
        claim->token,
        claim->since,
        claim->due.at,
        ask->mode,
        ask->kind,
        ask->form,
        ask->handle,
        ask->process.pid,
        ask->process.start,
        ask->uid,
        ask->gid,
        ask->perm,
        ask->ttl_ms,
        ask->key,
    };

    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        digest = cfs_digest_number(digest, values[i]);
    return cfs_digest_bytes(digest, ask->owner, strlen(ask->owner) + 1);
}

static uint64_t digest_of(const struct cfs_lock *lock)
{
    uint64_t digest = cfs_digest_bytes(CFS_DIGEST_START, lock->name, strlen(lock->name) + 1);
    const struct cfs_claim *claim;

    digest = cfs_digest_number(cfs_digest_number(cfs_digest_number(digest, lock->form), lock->uid),
                               lock->gid);
    digest = cfs_digest_number(
        cfs_digest_number(cfs_digest_number(digest, lock->perm), lock->mtime), lock->content_len);
    digest = cfs_digest_bytes(digest, lock->content, lock->content_len);
    DL_FOREACH (lock->holders, claim)
        digest = mix_claim(digest, claim);
    DL_FOREACH (lock->waiters, claim)
        digest = mix_claim(digest, claim);
    return digest;
}

/* Locks are added up: the order in which they are found says nothing about them. */
uint64_t cfs_lock_table_digest(const struct cfs_lock_table *table)
{
    uint64_t sum = 0;

    for (const struct cfs_lock *lock = table->locks; lock; lock = lock->hh.next)
        sum += digest_of(lock);
    return cfs_digest_number(sum, table->token);
}
