/* Lines: who shares them, and the changes that come to them one after the other. */
#include "core/lines.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "core/alloc.h"
#include "core/planted.h"

struct cfs_line {
    uint64_t number; /* key */
    cfs_node_set sharers;
    struct cfs_claim *claims; /* list, in the order in which they are served */
    UT_hash_handle hh;
};

enum cfs_line_state cfs_line_after(enum cfs_line_state state, enum cfs_line_event event)
{
    enum { I = CFS_LINE_I, S = CFS_LINE_S, E = CFS_LINE_E, M = CFS_LINE_M, x = CFS_LINE_NEVER };
    static const uint8_t after[CFS_LINE_NEVER][CFS_LINE_EVENT_COUNT] = {
        /* READ ALONE OTHER CHANGE DONE REFUSED GONE */
        [I] = {S, E, I, M, x, x, I},
        [S] = {S, E, S, M, x, x, I},
        [E] = {x, E, S, M, x, x, I},
        [M] = {x, x, x, M, E, I, M},
    };

    return (enum cfs_line_state)after[state][event];
}

static struct cfs_line *find_line(const struct cfs_lines *lines, uint64_t number)
{
    struct cfs_line *line;

    HASH_FIND(hh, lines->by_number, &number, sizeof number, line);
    return line;
}

static struct cfs_line *line_of(struct cfs_lines *lines, uint64_t number)
{
    struct cfs_line *line = find_line(lines, number);

    if (!line) {
        line = cfs_alloc_zeroed(1, sizeof *line);
        line->number = number;
        HASH_ADD(hh, lines->by_number, number, sizeof line->number, line);
    }
    return line;
}

static void drop_line_if_empty(struct cfs_lines *lines, struct cfs_line *line)
{
    if (line->sharers || line->claims)
        return;
    HASH_DEL(lines->by_number, line);
    free(line);
}

static void move(struct cfs_change *change, struct cfs_change **list)
{
    if (change->list)
        DL_DELETE(*change->list, change);
    change->list = list;
    if (list)
        DL_APPEND(*list, change);
}

void cfs_lines_open(struct cfs_lines *lines, cfs_time now, cfs_time lease)
{
    uint64_t last_id = lines->last_id;

    assert(!lines->by_number && !lines->by_id);
    *lines = (struct cfs_lines){.last_id = last_id, /* what is late from before means nothing now */
                                .lease = lease,
                                .open_at = CFS_PLANTED(BUG_OPEN_AT_ONCE) ? now : now + lease};
}

void cfs_lines_close(struct cfs_lines *lines)
{
    struct cfs_line *line, *next;

    while (lines->by_id)
        cfs_lines_finish(lines, lines->by_id);
    HASH_ITER (hh, lines->by_number, line, next) {
        HASH_DEL(lines->by_number, line);
        free(line);
    }
}

/* Who is awaited, and no more. */
static void release(struct cfs_lines *lines, struct cfs_change *change, cfs_node_set nodes)
{
    CFS_EACH_NODE (node, change->awaited & nodes)
        lines->nodes[node].owed--;
    change->awaited &= ~nodes;
    if (!change->awaited && change->list == &lines->recalling)
        move(change, change->state == CFS_CHANGE_TELLING ? &lines->told : &lines->settled);
}

/* The node relies on nothing any more: its epoch is over. */
static void forget(struct cfs_lines *lines, cfs_node_id node)
{
    struct cfs_share_lease *lease = &lines->nodes[node];
    struct cfs_change *change, *next_change;
    struct cfs_line *line, *next;

    if (lease->epoch)
        lease->ended = lease->epoch;
    lease->epoch = 0;
    HASH_ITER (hh, lines->by_number, line, next) {
        line->sharers &= ~CFS_NODE_BIT(node);
        drop_line_if_empty(lines, line);
    }
    DL_FOREACH_SAFE (lines->recalling, change, next_change)
        release(lines, change, CFS_NODE_BIT(node));
}

/* Files that hang must not keep the others waiting for ever: they are let lapse. */
static bool owes_for_long(const struct cfs_lines *lines, cfs_node_id node, cfs_time now)
{
    const struct cfs_change *change;

    if (!lines->nodes[node].owed)
        return false;
    DL_FOREACH (lines->recalling, change)
        if (change->awaited & CFS_NODE_BIT(node) && now >= change->since + lines->lease)
            return true;
    return false;
}

bool cfs_lines_epoch_over(const struct cfs_lines *lines, cfs_node_id node, uint64_t epoch,
                          uint64_t *floor)
{
    const struct cfs_share_lease *lease = &lines->nodes[node];

    *floor = lease->epoch ? lease->epoch - 1 : lease->ended;
    return epoch <= *floor && !CFS_PLANTED(BUG_OLD_EPOCH);
}

/* Whoever comes with a new epoch has given up all that it had under the one before; but what comes
 * may be late, from a life before with larger epochs, and the node keep what it shares until it is
 * told. So that is recalled from it as long as its lease can last. */
static bool renew(struct cfs_lines *lines, cfs_node_id node, uint64_t epoch, cfs_time now)
{
    struct cfs_share_lease *lease = &lines->nodes[node];
    uint64_t floor;

    if (!epoch || cfs_lines_epoch_over(lines, node, epoch, &floor) ||
        owes_for_long(lines, node, now))
        return false;
    if (lease->epoch && lease->epoch != epoch) {
        if (now >= lease->until || CFS_PLANTED(BUG_OLD_EPOCH))
            forget(lines, node);
        else
            lease->mixed = lease->until;
    }
    lease->epoch = epoch;
    lease->until = now + lines->lease;
    return true;
}

static bool at_rest(const struct cfs_lines *lines, uint64_t number)
{
    const struct cfs_line *line = find_line(lines, number);

    return !line || !line->claims || CFS_PLANTED(BUG_SHARE_IN_CHANGE);
}

/* Whether nobody else shares. */
static bool add_sharer(struct cfs_line *line, cfs_node_id node)
{
    line->sharers |= CFS_NODE_BIT(node);
    return line->sharers == CFS_NODE_BIT(node);
}

bool cfs_lines_share(struct cfs_lines *lines, cfs_node_id node, uint64_t epoch, cfs_time now,
                     const uint64_t *numbers, uint32_t count, bool *exclusive)
{
    for (uint32_t i = 0; i < count; i++)
        if (!at_rest(lines, numbers[i]))
            return false;
    if (!renew(lines, node, epoch, now))
        return false;
    *exclusive = true;
    for (uint32_t i = 0; i < count; i++)
        *exclusive &= add_sharer(line_of(lines, numbers[i]), node);
    return true;
}

enum cfs_keeping cfs_lines_keep(struct cfs_lines *lines, cfs_node_id node, uint64_t epoch,
                                cfs_time now)
{
    if (!epoch || (lines->nodes[node].epoch != epoch && !CFS_PLANTED(BUG_OLD_EPOCH)))
        return CFS_KEEPING_UNKNOWN;
    return renew(lines, node, epoch, now) ? CFS_KEEPING_RENEWED : CFS_KEEPING_OWES;
}

/* Whether nothing stands before it at any of its lines. */
static bool is_free(const struct cfs_change *change)
{
    for (uint32_t i = 0; i < change->claim_count; i++)
        if (change->claims[i].line->claims != &change->claims[i])
            return false;
    return true;
}

static void wake(struct cfs_lines *lines, struct cfs_change *change)
{
    bool waits = change->state == CFS_CHANGE_WAITING;

    if (waits && !change->list && is_free(change)) {
        move(change, &lines->ready);
    } else if (waits && change->list && !is_free(change)) {
        move(change, NULL);
        change->delayed = true;
    }
}

/* Behind those that have the line, or came before. */
static void queue_claim(struct cfs_claim *claim)
{
    struct cfs_claim *behind;

    DL_FOREACH (claim->line->claims, behind)
        if (behind->change->state == CFS_CHANGE_WAITING && behind->change->id > claim->change->id)
            break;
    if (behind)
        DL_PREPEND_ELEM(claim->line->claims, behind, claim);
    else
        DL_APPEND(claim->line->claims, claim);
}

static void add_claim(struct cfs_lines *lines, struct cfs_change *change,
                      const struct cfs_cache_recall_item *item)
{
    struct cfs_claim *claim = change->claims;
    uint64_t number = cfs_line_number(item->ino, change->contents);

    while (claim < change->claims + change->claim_count && claim->line->number != number)
        claim++;
    if (claim == change->claims + change->claim_count) {
        change->claim_count++;
        *claim = (struct cfs_claim){.line = line_of(lines, number), .change = change};
        queue_claim(claim);
        /* The one behind it may have been ready. */
        if (claim->next)
            wake(lines, claim->next->change);
    }
    claim->whole |= !*item->name;
}

static void take_items(struct cfs_lines *lines, struct cfs_change *change,
                       const struct cfs_cache_recall_item *items, uint32_t count)
{
    assert(count <= CFS_RECALL_ITEMS_MAX);
    change->item_count = count;
    for (uint32_t i = 0; i < count; i++) {
        change->items[i] = items[i];
        add_claim(lines, change, &items[i]);
    }
}

static void drop_claims(struct cfs_lines *lines, struct cfs_change *change)
{
    while (change->claim_count) {
        struct cfs_claim *claim = &change->claims[--change->claim_count];
        struct cfs_line *line = claim->line;
        DL_DELETE(line->claims, claim);
        if (line->claims)
            wake(lines, line->claims->change);
        drop_line_if_empty(lines, line);
    }
}

struct cfs_change *cfs_lines_begin(struct cfs_lines *lines, struct cfs_asker asker, bool contents,
                                   const struct cfs_cache_recall_item *items, uint32_t count)
{
    struct cfs_change *change = cfs_alloc_zeroed(1, sizeof *change);

    change->id = ++lines->last_id;
    change->asker = asker;
    change->contents = contents;
    change->state = CFS_CHANGE_WAITING;
    HASH_ADD(hh, lines->by_id, id, sizeof change->id, change);
    HASH_ADD(hh_asker, lines->by_asker, asker,
             offsetof(struct cfs_asker, sequence) + sizeof asker.sequence, change);
    take_items(lines, change, items, count);
    wake(lines, change);
    change->delayed = !change->list;
    return change;
}

struct cfs_change *cfs_lines_find(const struct cfs_lines *lines, struct cfs_asker asker)
{
    struct cfs_change *change;

    HASH_FIND(hh_asker, lines->by_asker, &asker,
              offsetof(struct cfs_asker, sequence) + sizeof asker.sequence, change);
    return change;
}

static bool same_items(const struct cfs_change *change, const struct cfs_cache_recall_item *items,
                       uint32_t count)
{
    if (change->item_count != count)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (change->items[i].ino != items[i].ino ||
            strcmp(change->items[i].name, items[i].name) != 0)
            return false;
    return true;
}

bool cfs_lines_touch(struct cfs_lines *lines, struct cfs_change *change,
                     const struct cfs_cache_recall_item *items, uint32_t count)
{
    assert(change->state == CFS_CHANGE_WAITING);
    if (!same_items(change, items, count)) {
        move(change, NULL);
        drop_claims(lines, change);
        take_items(lines, change, items, count);
        wake(lines, change);
    }
    return change->list != NULL;
}

/* Whether its node knows of it, and what that makes of its copies. Of a change that comes late,
 * from a life or a session before, it does not. */
static bool is_in_its_epoch(const struct cfs_lines *lines, const struct cfs_change *change,
                            cfs_time now)
{
    const struct cfs_share_lease *lease = &lines->nodes[change->asker.node];

    return !change->outside && change->epoch == lease->epoch && now >= lease->mixed;
}

/* All of these are to say RECALLED. */
static void await(struct cfs_lines *lines, struct cfs_change *change, cfs_node_set nodes,
                  cfs_time now, cfs_time resend)
{
    change->awaited = nodes;
    change->since = now;
    change->resend = resend;
    CFS_EACH_NODE (node, nodes)
        lines->nodes[node].owed++;
}

void cfs_lines_recall(struct cfs_lines *lines, struct cfs_change *change, cfs_time now,
                      cfs_time resend)
{
    cfs_node_set sharers = 0;

    assert(change->state == CFS_CHANGE_WAITING && is_free(change));
    change->state = CFS_CHANGE_RECALLING;
    for (uint32_t i = 0; i < change->claim_count; i++)
        sharers |= change->claims[i].line->sharers;
    if (is_in_its_epoch(lines, change, now))
        sharers &= ~CFS_NODE_BIT(change->asker.node);
    await(lines, change, sharers, now, resend);
    move(change, change->awaited && !CFS_PLANTED(BUG_COMMIT_UNRECALLED) ? &lines->recalling
                                                                        : &lines->settled);
}

void cfs_lines_recall_again(struct cfs_lines *lines, struct cfs_change *change, cfs_time resend)
{
    assert(change->list == &lines->recalling);
    change->resend = resend;
    move(change, &lines->recalling);
}

void cfs_lines_end_leases(struct cfs_lines *lines, const struct cfs_change *change, cfs_time now)
{
    CFS_EACH_NODE (node, change->awaited)
        if (now >= lines->nodes[node].until)
            forget(lines, node);
}

void cfs_lines_recalled(struct cfs_lines *lines, cfs_node_id node, uint64_t id)
{
    struct cfs_change *change;

    HASH_FIND(hh, lines->by_id, &id, sizeof id, change);
    if (CFS_PLANTED(BUG_LATE_RECALLED))
        change = lines->recalling;
    if (!change || !(change->awaited & CFS_NODE_BIT(node)))
        return;
    for (uint32_t i = 0; i < change->claim_count; i++)
        if (change->claims[i].whole)
            change->claims[i].line->sharers &= ~CFS_NODE_BIT(node);
    release(lines, change, CFS_NODE_BIT(node));
}

void cfs_lines_commit(struct cfs_lines *lines, struct cfs_change *change, uint64_t index)
{
    assert(change->state == CFS_CHANGE_RECALLING && change->list == &lines->settled);
    release(lines, change, change->awaited);
    change->state = CFS_CHANGE_COMMITTING;
    lines->recalled++;
    change->index = index;
    move(change, &lines->committing);
}

void cfs_lines_tell(struct cfs_lines *lines, cfs_node_id node, uint64_t number)
{
    struct cfs_line *line = find_line(lines, number);
    struct cfs_change *first = line && line->claims ? line->claims->change : NULL;

    if (first && (first->state == CFS_CHANGE_RECALLING || first->state == CFS_CHANGE_COMMITTING))
        first->late |= CFS_NODE_BIT(node);
}

void cfs_lines_retract(struct cfs_lines *lines, struct cfs_change *change, cfs_time now,
                       cfs_time resend)
{
    assert(change->state == CFS_CHANGE_COMMITTING && change->late);
    HASH_DELETE(hh, lines->by_id, change);
    change->id = ++lines->last_id;
    HASH_ADD(hh, lines->by_id, id, sizeof change->id, change);
    change->state = CFS_CHANGE_TELLING;
    await(lines, change, change->late, now, resend);
    move(change, &lines->recalling);
}

bool cfs_lines_recalls(const struct cfs_lines *lines, uint64_t number)
{
    const struct cfs_line *line = find_line(lines, number);

    return line && line->claims && line->claims->whole && !line->claims->change->index &&
           line->claims->change->state == CFS_CHANGE_RECALLING;
}

cfs_ino cfs_lines_claimed(const struct cfs_claim *claim)
{
    return claim->line->number >> 1;
}

static bool has_claim(const struct cfs_change *change, uint64_t number)
{
    for (uint32_t i = 0; i < change->claim_count; i++)
        if (change->claims[i].line->number == number)
            return true;
    return false;
}

bool cfs_lines_share_changed(struct cfs_lines *lines, const struct cfs_change *change,
                             uint64_t also, cfs_time now, bool *exclusive)
{
    cfs_node_id node = change->asker.node;

    if (has_claim(change, also))
        also = 0;
    if (change->state == CFS_CHANGE_WAITING || (also && !at_rest(lines, also)) ||
        !renew(lines, node, change->epoch, now))
        return false;
    *exclusive = true;
    for (uint32_t i = 0; i < change->claim_count; i++)
        *exclusive &= add_sharer(change->claims[i].line, node);
    if (also)
        *exclusive &= add_sharer(line_of(lines, also), node);
    return true;
}

void cfs_lines_finish(struct cfs_lines *lines, struct cfs_change *change)
{
    release(lines, change, change->awaited);
    move(change, NULL);
    HASH_DELETE(hh, lines->by_id, change);
    HASH_DELETE(hh_asker, lines->by_asker, change);
    drop_claims(lines, change);
    free(change->command);
    free(change->answer);
    free(change);
}

enum cfs_line_state cfs_lines_state(const struct cfs_lines *lines, cfs_node_id node,
                                    uint64_t number)
{
    const struct cfs_line *line = find_line(lines, number);
    const struct cfs_claim *claim;

    if (!line)
        return CFS_LINE_I;
    DL_FOREACH (line->claims, claim)
        if (claim->change->asker.node == node)
            return CFS_LINE_M;
    if (!(line->sharers & CFS_NODE_BIT(node)))
        return CFS_LINE_I;
    return line->sharers == CFS_NODE_BIT(node) ? CFS_LINE_E : CFS_LINE_S;
}

uint32_t cfs_lines_count(const struct cfs_lines *lines)
{
    return HASH_COUNT(lines->by_number);
}

uint32_t cfs_lines_change_count(const struct cfs_lines *lines)
{
    return HASH_COUNT(lines->by_id);
}
