/* Contents: each version is known by its number, and is what a change has made of the one before.
 */
#include <inttypes.h>
#include <string.h>

#include "check_inode.h"
#include "core/alloc.h"
#include "sim.h"

uint32_t sim_check_put(struct sim *sim, const struct sim_put *put)
{
    struct sim_cache_check *check = &sim->cache;

    check->puts =
        cfs_array_room(check->puts, check->put_count, &check->put_capacity, sizeof *check->puts);
    check->puts[check->put_count++] = *put;
    return (uint32_t)check->put_count;
}

static const struct sim_put *put_of(const struct sim *sim, uint32_t number)
{
    return &sim->cache.puts[number - 1];
}

void sim_put_apply(const struct sim_put *put, uint32_t number, struct sim_value *value)
{
    uint32_t slot = put->slot;

    if (put->kind == CFS_PUT_APPEND)
        slot = value->count;
    if (put->kind == CFS_PUT_REPLACE) {
        slot = 0;
        *value = (struct sim_value){0};
    }
    if (put->kind == CFS_PUT_TRUNCATE) {
        for (uint32_t i = slot; i < SIM_SLOTS_MAX; i++)
            value->slots[i] = 0;
        value->count = slot;
        return;
    }
    if (slot >= SIM_SLOTS_MAX)
        return;
    value->slots[slot] = number;
    if (value->count <= slot)
        value->count = slot + 1;
}

static struct sim_content_version *find_version(struct sim_inode_check *inode, uint64_t version)
{
    for (size_t i = inode->version_count; i-- > 0;)
        if (inode->versions[i].version == version)
            return &inode->versions[i];
    return NULL;
}

static bool value_of(struct sim_inode_check *inode, uint64_t version, struct sim_value *value)
{
    const struct sim_content_version *known = find_version(inode, version);

    if (!version)
        *value = (struct sim_value){0};
    else if (known && known->has_value)
        *value = known->value;
    else
        return false;
    return true;
}

/* What is known of two versions that follow each other has to fit; then of those that follow. */
static void derive(struct sim *sim, struct sim_inode_check *inode, uint64_t version)
{
    struct sim_content_version *known = find_version(inode, version);
    struct sim_value value;

    if (known->put && value_of(inode, known->before, &value)) {
        sim_put_apply(put_of(sim, known->put), known->put, &value);
        if (known->has_value && memcmp(&known->value, &value, sizeof value) != 0)
            sim_fail(sim, "cache-values",
                     "version %" PRIu64 " of inode %" PRIu64
                     " is not what change %u makes of version %" PRIu64,
                     version, inode->ino, known->put, known->before);
        if (known->has_value)
            return;
        known->has_value = true;
        known->value = value;
    }
    for (size_t i = 0; known->has_value && i < inode->version_count; i++)
        if (inode->versions[i].put && inode->versions[i].before == version)
            derive(sim, inode, inode->versions[i].version);
}

/* No version lies between one and what it was made of. */
static void check_gaps(struct sim *sim, const struct sim_inode_check *inode,
                       const struct sim_content_version *added)
{
    for (size_t i = 0; i < inode->version_count; i++) {
        const struct sim_content_version *other = &inode->versions[i], *of = NULL, *lost = NULL;
        if (added->put && added->before < other->version && other->version < added->version) {
            of = added;
            lost = other;
        } else if (other->put && other->before < added->version &&
                   added->version < other->version) {
            of = other;
            lost = added;
        }
        if (of)
            sim_fail(sim, "cache-lost",
                     "version %" PRIu64 " of inode %" PRIu64 " was made of version %" PRIu64
                     ", and there was version %" PRIu64,
                     of->version, inode->ino, of->before, lost->version);
    }
}

static struct sim_content_version *version_of(struct sim_inode_check *inode, uint64_t version)
{
    struct sim_content_version *known = find_version(inode, version);

    if (known)
        return known;
    inode->versions = cfs_array_room(inode->versions, inode->version_count,
                                     &inode->version_capacity, sizeof *inode->versions);
    known = &inode->versions[inode->version_count++];
    *known = (struct sim_content_version){.version = version};
    return known;
}

static void check_slots(struct sim *sim, cfs_ino ino, const struct sim_value *value)
{
    for (uint32_t i = 0; i < value->count; i++) {
        uint32_t number = value->slots[i];
        if (!number)
            continue;
        if (number > sim->cache.put_count || put_of(sim, number)->ino != ino)
            sim_fail(sim, "cache-values", "inode %" PRIu64 " has bytes that nobody put there", ino);
        else if (put_of(sim, number)->state == SIM_PUT_REFUSED)
            sim_fail(sim, "cache-refused", "change %u, which was refused, is in inode %" PRIu64,
                     number, ino);
        for (uint32_t k = 0; k < i; k++)
            if (value->slots[k] == number)
                sim_fail(sim, "cache-twice", "change %u is in inode %" PRIu64 " twice", number,
                         ino);
    }
}

void sim_check_content(struct sim *sim, const struct sim_node *node, uint64_t begin, cfs_ino ino,
                       const struct sim_seen *seen)
{
    struct sim_inode_check *inode = sim_inode_check(sim, ino);
    uint64_t floor = sim_floor_at(&inode->content, begin);
    struct sim_content_version *known;

    if (seen->version < floor)
        sim_fail(sim, "cache-stale",
                 "node %u reads version %" PRIu64 " of inode %" PRIu64
                 ", after somebody had been told of %" PRIu64,
                 node->id, seen->version, ino, floor);
    check_slots(sim, ino, &seen->value);
    sim_floor_add(sim, &inode->content, seen->version);
    if (!seen->version) {
        if (seen->value.count)
            sim_fail(sim, "cache-values", "inode %" PRIu64 " has bytes and no version", ino);
        return;
    }
    known = version_of(inode, seen->version);
    if (known->has_value && memcmp(&known->value, &seen->value, sizeof known->value) != 0)
        sim_fail(sim, "cache-values", "version %" PRIu64 " of inode %" PRIu64 " has two values",
                 seen->version, ino);
    if (known->has_value)
        return;
    known->has_value = true;
    known->value = seen->value;
    check_gaps(sim, inode, known);
    derive(sim, inode, seen->version);
}

static void refused(struct sim *sim, const struct sim_inode_check *inode)
{
    for (size_t i = 0; i < inode->version_count; i++)
        if (inode->versions[i].has_value)
            check_slots(sim, inode->ino, &inode->versions[i].value);
}

static void done(struct sim *sim, const struct sim_node *node, uint64_t begin,
                 struct sim_inode_check *inode, uint32_t number, const struct cfs_answer *answer)
{
    struct sim_content_version *known = version_of(inode, answer->id);
    uint64_t floor = sim_floor_at(&inode->content, begin);

    if (answer->id <= floor || answer->token >= answer->id || answer->token < floor)
        sim_fail(sim, "cache-stale",
                 "node %u is told that change %u made version %" PRIu64 " of inode %" PRIu64
                 " from %" PRIu64 ", when somebody had been told of %" PRIu64,
                 node->id, number, answer->id, inode->ino, answer->token, floor);
    if (known->put)
        sim_fail(sim, "cache-twice",
                 "changes %u and %u both made version %" PRIu64 " of inode %" PRIu64, known->put,
                 number, answer->id, inode->ino);
    known->put = number;
    known->before = answer->token;
    check_gaps(sim, inode, known);
    derive(sim, inode, answer->id);
    sim_floor_add(sim, &inode->content, answer->id);
}

void sim_check_put_ended(struct sim *sim, const struct sim_node *node, uint64_t begin,
                         uint32_t number, const struct cfs_answer *answer)
{
    struct sim_put *put = &sim->cache.puts[number - 1];
    struct sim_inode_check *inode = sim_inode_check(sim, put->ino);

    if (!answer->error) {
        put->state = SIM_PUT_DONE;
        done(sim, node, begin, inode, number, answer);
    } else if (sim_cache_refuses(answer->error)) {
        put->state = SIM_PUT_REFUSED;
        refused(sim, inode);
    }
    if (answer->error == CFS_ERR_STALE)
        sim_check_gone(sim, node, put->ino);
}
