/* A node's shares: epochs, leases, recalls. */
#include "core/sharing.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/planted.h"
#include "core/sharing_internal.h"

/* SHARE_KEEP as often in a lease. */
#define KEEPS 4u
#define ROUNDS_MAX 1024u
/* So far, at most, beyond a home's last word of a life before: nobody knows what that used since.
 */
#define LEAP (UINT64_C(1) << 32)

struct cfs_recall_round {
    uint64_t id; /* of the effect */
    struct cfs_message reply;
};

void cfs_sharing_init(struct cfs_sharing *sharing, struct cfs_env *env,
                      const struct cfs_core_config *config)
{
    *sharing = (struct cfs_sharing){.env = env, .lease = config->cache_lease};
    sharing->group_count = config->groups + 1;
    sharing->groups = cfs_alloc_zeroed(sharing->group_count, sizeof *sharing->groups);
    for (uint32_t i = 0; i < sharing->group_count; i++)
        sharing->groups[i].group = i;
}

void cfs_sharing_close(struct cfs_sharing *sharing)
{
    for (uint32_t i = 0; i < sharing->group_count; i++)
        cfs_sharing_forget_changes(&sharing->groups[i]);
    free(sharing->groups);
    free(sharing->rounds);
    *sharing = (struct cfs_sharing){0};
}

/* The shares of before are void. While the files still give up older ones nothing can have been
 * shared under this epoch. */
static void begin_epoch(struct cfs_sharing *sharing, struct cfs_shares *shares, uint64_t floor)
{
    struct cfs_effect *effect;

    if (floor >= shares->epoch)
        shares->epoch = floor + 1 + cfs_env_random(sharing->env, LEAP);
    else if (shares->epoch && !CFS_PLANTED(BUG_LAPSE_KEEPS_EPOCH))
        shares->epoch++;
    if (!shares->kept)
        return;
    cfs_trace(sharing->env, "what it shared of group %u is void", shares->group);
    shares->kept = false;
    shares->lapsing = true;
    effect = cfs_effects_add(sharing->env->effects, CFS_FX_LAPSE);
    effect->lapse = (struct cfs_cache_share){.group = shares->group, .epoch = shares->epoch};
}

void cfs_sharing_leader(struct cfs_sharing *sharing, cfs_group_id group, cfs_node_id leader,
                        uint64_t term)
{
    struct cfs_shares *shares = &sharing->groups[group];

    if (!leader || (leader == shares->leader && term == shares->term))
        return;
    shares->leader = leader;
    shares->term = term;
    if (shares->epoch && !shares->lapsing)
        begin_epoch(sharing, shares, 0);
}

void cfs_sharing_session_lost(struct cfs_sharing *sharing)
{
    for (uint32_t i = 0; i < sharing->group_count; i++)
        if (sharing->groups[i].epoch && !sharing->groups[i].lapsing)
            begin_epoch(sharing, &sharing->groups[i], 0);
}

void cfs_sharing_check(struct cfs_sharing *sharing)
{
    for (uint32_t i = 0; i < sharing->group_count; i++) {
        struct cfs_shares *shares = &sharing->groups[i];
        if (shares->kept && sharing->env->now >= shares->lease_until)
            begin_epoch(sharing, shares, 0);
    }
}

uint64_t cfs_sharing_ask(struct cfs_sharing *sharing, cfs_group_id group, struct cfs_share_ask *ask)
{
    struct cfs_shares *shares = &sharing->groups[group];

    if (shares->lapsing) {
        *ask = (struct cfs_share_ask){0};
        return 0;
    }
    if (!shares->epoch)
        shares->epoch = 1 + cfs_env_random(sharing->env, INT64_MAX / 4);
    if (ask->epoch != shares->epoch)
        *ask = (struct cfs_share_ask){shares->epoch, sharing->env->now, shares->recalls};
    return ask->epoch;
}

/* FNV-1a; never 0. */
uint64_t cfs_sharing_hash(const char *name)
{
    uint64_t value = UINT64_C(0xcbf29ce484222325);

    for (; *name; name++)
        value = (value ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
    return value | 1;
}

static bool is_name(const struct cfs_recalled_item *item, cfs_ino directory, const char *name)
{
    return item->ino == directory && (!item->name || item->name == cfs_sharing_hash(name));
}

static bool is_listed(const struct cfs_recalled_item *item, const struct cfs_answer *answer)
{
    for (uint32_t i = 0; i < answer->cache.entry_count; i++)
        if (answer->cache.entries[i].ino == item->ino)
            return true;
    return false;
}

/* What is asked for by its number may be what has lost its name. */
static bool is_of_number(const struct cfs_recalled_item *item, const struct cfs_request *request,
                         const struct cfs_answer *answer)
{
    return item->ino == request->cache_read.ino ||
           (item->name && item->ino == answer->cache.inode.parent);
}

/* Whether what was recalled is something of what the answer says, or lets keep. */
static bool concerns(const struct cfs_recalled_item *item, const struct cfs_request *request,
                     const struct cfs_answer *answer)
{
    if (item->contents != cfs_op_is_of_contents(request->op))
        return false;
    if (item->contents)
        return item->ino == cfs_request_contents(request);
    if (item->ino == answer->cache.inode.ino)
        return true;
    switch (request->op) {
    case CFS_OP_CACHE_LOOKUP:
        return is_name(item, request->cache_read.ino, request->name);
    case CFS_OP_CACHE_NODE:
        return is_of_number(item, request, answer);
    case CFS_OP_CACHE_LIST:
        return is_of_number(item, request, answer) || is_listed(item, answer);
    case CFS_OP_CACHE_MAKE:
        return is_name(item, request->cache_make.parent, request->name);
    case CFS_OP_CACHE_REMOVE:
        return is_name(item, request->cache_remove.parent, request->name) ||
               item->ino == answer->id;
    case CFS_OP_CACHE_RENAME:
        return is_name(item, request->cache_rename.parent, request->name) ||
               is_name(item, request->cache_rename.to_parent, request->cache_rename.to) ||
               item->ino == answer->id || item->ino == answer->token;
    case CFS_OP_CACHE_SETNODE:
        return item->ino == request->cache_set.ino;
    default:
        return true;
    }
}

/* A recall that came while the request was under way may be newer than the answer. */
static bool is_recalled(const struct cfs_shares *shares, const struct cfs_share_ask *ask,
                        const struct cfs_request *request, const struct cfs_answer *answer)
{
    if (shares->recalls - ask->recalls > CFS_RECALLS_KEPT)
        return true;
    for (uint64_t i = ask->recalls; i < shares->recalls; i++)
        if (concerns(&shares->recalled[i % CFS_RECALLS_KEPT], request, answer))
            return true;
    return false;
}

static cfs_time since(const struct cfs_sharing *sharing, cfs_time sent)
{
    return CFS_PLANTED(BUG_LEASE_FROM_ANSWER) ? sharing->env->now : sent;
}

/* By what was first sent at `sent`. */
static void renew(const struct cfs_sharing *sharing, struct cfs_shares *shares, cfs_time sent)
{
    cfs_time until = sent + sharing->lease - CFS_CLOCK_GUARD(sharing->lease);

    if (!shares->kept || until > shares->lease_until)
        shares->lease_until = until;
    if (!shares->kept || sent + sharing->lease / KEEPS > shares->keep_due)
        shares->keep_due = sent + sharing->lease / KEEPS;
}

void cfs_sharing_confirm(struct cfs_sharing *sharing, cfs_group_id group,
                         const struct cfs_share_ask *ask, const struct cfs_request *request,
                         struct cfs_answer *answer)
{
    struct cfs_shares *shares = &sharing->groups[group];
    struct cfs_cache_share share = answer->cache.share;

    answer->cache.share = (struct cfs_cache_share){.group = group};
    if (!share.epoch || share.epoch != ask->epoch || share.epoch != shares->epoch ||
        shares->lapsing || is_recalled(shares, ask, request, answer) ||
        cfs_sharing_is_changing(shares, request, answer))
        return;
    renew(sharing, shares, since(sharing, ask->sent));
    if (sharing->env->now >= shares->lease_until)
        return;
    shares->kept = true;
    share.group = group;
    answer->cache.share = share;
}

void cfs_sharing_remember(struct cfs_shares *shares, cfs_ino ino, uint64_t name, bool contents)
{
    shares->recalled[shares->recalls++ % CFS_RECALLS_KEPT] =
        (struct cfs_recalled_item){.ino = ino, .name = name, .contents = contents};
}

static void remember(struct cfs_shares *shares, const struct cfs_msg_recall *recall)
{
    for (uint32_t i = 0; i < recall->count && !CFS_PLANTED(BUG_RECALL_UNMARKED); i++) {
        const struct cfs_cache_recall_item *item = &recall->items[i];
        cfs_sharing_remember(shares, item->ino, *item->name ? cfs_sharing_hash(item->name) : 0,
                             recall->contents);
    }
}

/* The files work on it already: until they are done nothing of it can have been shared anew. */
static bool is_under_way(const struct cfs_sharing *sharing, const struct cfs_message *message)
{
    for (size_t i = 0; i < sharing->round_count; i++) {
        const struct cfs_message *reply = &sharing->rounds[i].reply;
        if (reply->group == message->group && reply->to == message->from &&
            reply->term == message->term && reply->recalled.id == message->recall.id)
            return true;
    }
    return false;
}

static bool end_round(struct cfs_sharing *sharing, uint64_t id, struct cfs_message *reply)
{
    for (size_t i = 0; i < sharing->round_count; i++) {
        if (sharing->rounds[i].id != id)
            continue;
        *reply = sharing->rounds[i].reply;
        sharing->rounds[i] = sharing->rounds[--sharing->round_count];
        return true;
    }
    return false;
}

/* From whatever leader: who has nothing of it any more has to say so too. */
void cfs_sharing_recall(struct cfs_sharing *sharing, const struct cfs_message *message)
{
    const struct cfs_msg_recall *recall = &message->recall;
    struct cfs_recall_round round = {.id = ++sharing->last_round,
                                     .reply = {.type = CFS_MSG_RECALLED,
                                               .group = message->group,
                                               .to = message->from,
                                               .term = message->term,
                                               .recalled = {.id = recall->id}}};
    struct cfs_cache_recall *out;

    remember(&sharing->groups[message->group], recall);
    if (is_under_way(sharing, message))
        return;
    /* Of files that never finish the home hears nothing, and lets the lease run out. */
    if (sharing->round_count == ROUNDS_MAX)
        end_round(sharing, sharing->rounds[0].id, &(struct cfs_message){0});
    sharing->rounds = cfs_array_room(sharing->rounds, sharing->round_count,
                                     &sharing->round_capacity, sizeof *sharing->rounds);
    sharing->rounds[sharing->round_count++] = round;
    out = cfs_alloc_zeroed(1, sizeof *out);
    *out = (struct cfs_cache_recall){.id = round.id,
                                     .group = message->group,
                                     .contents = recall->contents,
                                     .count = recall->count};
    memcpy(out->items, recall->items, recall->count * sizeof *recall->items);
    cfs_effects_add(sharing->env->effects, CFS_FX_RECALL)->recall = out;
}

void cfs_sharing_recalled(struct cfs_sharing *sharing, uint64_t id)
{
    struct cfs_message reply;

    if (end_round(sharing, id, &reply))
        cfs_env_send(sharing->env, &reply);
}

void cfs_sharing_kept(struct cfs_sharing *sharing, const struct cfs_message *message)
{
    struct cfs_shares *shares = &sharing->groups[message->group];
    const struct cfs_msg_share_kept *kept = &message->share_kept;

    if (kept->epoch != shares->epoch || shares->lapsing || message->term != shares->term)
        return;
    if (!kept->known)
        begin_epoch(sharing, shares, kept->floor);
    else if (shares->kept)
        renew(sharing, shares, since(sharing, kept->sent));
}

void cfs_sharing_lapsed(struct cfs_sharing *sharing, cfs_group_id group, uint64_t epoch)
{
    struct cfs_shares *shares = &sharing->groups[group];

    if (epoch == shares->epoch)
        shares->lapsing = false;
}

void cfs_sharing_tick(struct cfs_sharing *sharing)
{
    for (uint32_t i = 0; i < sharing->group_count; i++) {
        struct cfs_shares *shares = &sharing->groups[i];
        struct cfs_message message = {
            .type = CFS_MSG_SHARE_KEEP,
            .group = shares->group,
            .to = shares->leader,
            .term = shares->term,
            .share_keep = {.epoch = shares->epoch, .sent = sharing->env->now}};
        if (!shares->kept || sharing->env->now < shares->keep_due)
            continue;
        shares->keep_due = sharing->env->now + sharing->lease / KEEPS;
        cfs_env_send(sharing->env, &message);
    }
}

cfs_time cfs_sharing_deadline(const struct cfs_sharing *sharing)
{
    cfs_time due = CFS_NEVER;

    for (uint32_t i = 0; i < sharing->group_count; i++) {
        const struct cfs_shares *shares = &sharing->groups[i];
        if (shares->kept)
            due = cfs_earlier(due, cfs_earlier(shares->keep_due, shares->lease_until));
    }
    return due;
}

cfs_time cfs_sharing_valid(const struct cfs_sharing *sharing, const struct cfs_cache_share *share,
                           cfs_time now)
{
    const struct cfs_shares *shares;

    if (share->group >= sharing->group_count || !share->epoch)
        return 0;
    shares = &sharing->groups[share->group];
    return shares->kept && share->epoch == shares->epoch && now < shares->lease_until
               ? shares->lease_until - now
               : 0;
}
