/* Compares what a node shows after a step with what the cluster has shown so far. */
#include "check_raft.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "describe.h"
#include "sim.h"

/* One group of one node after its step. */
struct look {
    struct sim *sim;
    const struct sim_node *node;
    cfs_group_id group;
    const struct cfs_core_view *view;
    struct sim_raft_check *check;
    struct sim_shadow *shadow;
};

static struct look look_at(struct sim *sim, const struct sim_node *node, cfs_group_id group)
{
    return (struct look){.sim = sim,
                         .node = node,
                         .group = group,
                         .view = &node->views[group],
                         .check = &sim->raft[group],
                         .shadow = &sim->raft[group].shadows[node->id - 1]};
}

void sim_raft_close(struct sim_raft_check *check)
{
    struct sim_known_entry *known, *next;

    HASH_ITER (hh, check->known, known, next) {
        HASH_DEL(check->known, known);
        free(known);
    }
    free(check->committed);
    free(check->states);
    free(check->terms);
    for (uint32_t i = 0; i < CFS_MEMBERS_MAX; i++)
        free(check->shadows[i].terms);
}

/* Arrays that grow to hold `index`, zeroed. */

static void *grow(void *items, size_t *count, size_t *capacity, size_t index, size_t size)
{
    while (*count <= index) {
        items = cfs_array_room(items, *count, capacity, size);
        memset((char *)items + *count * size, 0, size);
        (*count)++;
    }
    return items;
}

static struct sim_term *term_at(struct sim_raft_check *check, uint64_t term)
{
    check->terms =
        grow(check->terms, &check->term_count, &check->term_capacity, term, sizeof *check->terms);
    return &check->terms[term];
}

static struct sim_committed *committed_at(struct sim_raft_check *check, uint64_t index)
{
    check->committed = grow(check->committed, &check->committed_count, &check->committed_capacity,
                            index, sizeof *check->committed);
    return &check->committed[index];
}

static struct sim_state *state_at(struct sim_raft_check *check, uint64_t index)
{
    check->states = grow(check->states, &check->state_count, &check->state_capacity, index,
                         sizeof *check->states);
    return &check->states[index];
}

/* Log matching: by induction over the previous entry's term, equal index and term mean equal logs.
 */

static uint64_t digest_of(const struct cfs_entry *entry)
{
    uint64_t digest = 0xcbf29ce484222325u ^ entry->time ^ (uint64_t)entry->kind << 56;

    for (uint32_t i = 0; i < entry->len; i++)
        digest = (digest ^ entry->data[i]) * 0x100000001b3u;
    return digest;
}

static void check_entry(const struct look *look, const struct cfs_entry *entry,
                        uint64_t previous_term)
{
    struct sim_known_entry *known, wanted;
    uint64_t digest = digest_of(entry);

    memset(&wanted, 0, sizeof wanted);
    wanted.key.index = entry->index;
    wanted.key.term = entry->term;
    HASH_FIND(hh, look->check->known, &wanted.key, sizeof wanted.key, known);
    if (!known) {
        known = cfs_alloc_zeroed(1, sizeof *known);
        known->key = wanted.key;
        known->previous_term = previous_term;
        known->digest = digest;
        HASH_ADD(hh, look->check->known, key, sizeof known->key, known);
        sim_groups_proposed(look->sim, look->node, look->group, entry);
        return;
    }
    if (known->digest != digest || known->previous_term != previous_term)
        sim_fail(look->sim, "log-matching",
                 "node %u has another entry %" PRIu64 " of term %" PRIu64
                 " of group %u than was seen before, or another one before it",
                 look->node->id, entry->index, entry->term, look->group);
}

/* What a node has compacted was committed: it is taken to be what the cluster saw committed there,
 * and the digests of the states tell if it is not. */
static uint64_t term_of(const struct look *look, uint64_t index)
{
    const struct cfs_entry *entry = cfs_core_entry(look->node->core, look->group, index);

    if (!entry && index <= look->view->base_index && index < look->check->committed_count)
        return look->check->committed[index].term;
    return entry ? entry->term : 0;
}

/* Brings the shadow up to date. A log changes at its end: what differs is a suffix. */
static void check_log(const struct look *look, bool led)
{
    struct sim_shadow *shadow = look->shadow;
    uint64_t last = look->view->last_index, same = last < shadow->count ? last : shadow->count;
    uint64_t before = shadow->count;

    while (same && term_of(look, same) != shadow->terms[same - 1])
        same--;
    if (led && same < before)
        sim_fail(look->sim, "leader-append-only",
                 "node %u changed its log of group %u from index %" PRIu64
                 " on while it led term %" PRIu64,
                 look->node->id, look->group, same + 1, look->view->term);
    shadow->count = same;
    for (uint64_t i = same + 1; i <= last; i++) {
        const struct cfs_entry *entry = cfs_core_entry(look->node->core, look->group, i);
        if (!entry && i > look->view->base_index) {
            sim_fail(look->sim, "log-matching",
                     "node %u has no entry %" PRIu64 " below its end of group %u", look->node->id,
                     i, look->group);
            return;
        }
        if (entry)
            check_entry(look, entry, i > 1 ? shadow->terms[i - 2] : 0);
        shadow->terms =
            cfs_array_room(shadow->terms, shadow->count, &shadow->capacity, sizeof *shadow->terms);
        shadow->terms[shadow->count++] = term_of(look, i);
    }
}

/* Leader completeness. */

static void check_has_committed(const struct look *look, uint64_t index)
{
    const struct sim_committed *committed = &look->check->committed[index];

    if (committed->term && committed->committed < look->view->term &&
        term_of(look, index) != committed->term)
        sim_fail(look->sim, "leader-completeness",
                 "node %u leads group %u in term %" PRIu64 " without entry %" PRIu64
                 " of term %" PRIu64 ", which was committed in term %" PRIu64,
                 look->node->id, look->group, look->view->term, index, committed->term,
                 committed->committed);
}

static void check_new_leader(const struct look *look)
{
    struct sim_term *term = term_at(look->check, look->view->term);
    const struct sim_node *node = look->node;

    if (term->leader && (term->leader != node->id || term->life != node->life))
        sim_fail(look->sim, "election-safety",
                 "nodes %u and %u both lead group %u in term %" PRIu64, term->leader, node->id,
                 look->group, look->view->term);
    term->leader = node->id;
    term->life = node->life;
    for (uint64_t i = 1; i < look->check->committed_count; i++)
        check_has_committed(look, i);
}

static void check_standing_leaders(const struct look *look, uint64_t index)
{
    for (uint32_t i = 0; i < look->sim->swarm.node_count; i++) {
        struct look other = look_at(look->sim, &look->sim->nodes[i], look->group);
        if (other.node->state != SIM_DOWN && other.shadow->leads)
            check_has_committed(&other, index);
    }
}

/* State machine safety: one entry for an index, and one state after it. */

static void say_committed(const struct look *look, const struct cfs_entry *entry)
{
    char words[500];

    if (!look->sim->world.trace)
        return;
    sim_describe_entry(words, sizeof words, entry);
    sim_say(look->sim, "g%u entry %" PRIu64 " is committed: %s", look->group, entry->index, words);
}

static void check_committed(const struct look *look, uint64_t index)
{
    struct sim_committed *committed = committed_at(look->check, index);
    const struct cfs_entry *entry = cfs_core_entry(look->node->core, look->group, index);
    uint64_t term = term_of(look, index);

    if (!term) {
        sim_fail(look->sim, "state-machine-safety",
                 "node %u committed entry %" PRIu64 " of group %u, which it lacks", look->node->id,
                 index, look->group);
    } else if (!committed->term) {
        *committed = (struct sim_committed){.term = term, .committed = look->view->term};
        say_committed(look, entry);
        if (look->group)
            sim_groups_committed(look->sim, look->group, entry);
        else
            sim_locks_committed(look->sim, look->node, entry);
        check_standing_leaders(look, index);
    } else if (committed->term != term) {
        sim_fail(look->sim, "state-machine-safety",
                 "node %u committed entry %" PRIu64 " of group %u of term %" PRIu64
                 ", where one of term %" PRIu64 " was committed before",
                 look->node->id, index, look->group, term, committed->term);
    }
}

/* Of older terms' entries a leader knows only through one of its own term on top (thesis 3.6.2). */
static void check_commit_rule(const struct look *look)
{
    const struct cfs_core_view *view = look->view;

    if (view->commit > look->shadow->commit && term_of(look, view->commit) != view->term)
        sim_fail(look->sim, "commit-rule",
                 "node %u, leader of group %u in term %" PRIu64 ", commits up to entry %" PRIu64
                 " of term %" PRIu64,
                 look->node->id, look->group, view->term, view->commit,
                 term_of(look, view->commit));
}

static void check_applied(const struct look *look)
{
    const struct cfs_core_view *view = look->view;
    struct sim_state *state = state_at(look->check, view->applied);
    uint64_t digest;

    if (view->applied > view->commit)
        sim_fail(look->sim, "state-machine-safety",
                 "node %u applied group %u up to %" PRIu64 ", but knows only %" PRIu64
                 " to be committed",
                 look->node->id, look->group, view->applied, view->commit);
    if (view->applied == look->shadow->applied)
        return;
    digest = cfs_core_digest(look->node->core, look->group);
    if (state->node && state->digest != digest)
        sim_fail(look->sim, "state-machine-safety",
                 "nodes %u and %u have different states of group %u after entry %" PRIu64,
                 state->node, look->node->id, look->group, view->applied);
    *state = (struct sim_state){.digest = digest, .node = look->node->id};
}

/* The group has let this replica go: it has nothing any more. */
static bool was_let_go(const struct look *look)
{
    return look->group && !look->view->member_count && !look->view->last_index &&
           look->shadow->count;
}

static void check_progress(const struct look *look)
{
    const struct cfs_core_view *view = look->view;
    struct sim_shadow *shadow = look->shadow;

    if (was_let_go(look))
        shadow->count = shadow->commit = shadow->applied = 0;
    if (view->term < shadow->term || view->commit < shadow->commit ||
        view->applied < shadow->applied)
        sim_fail(look->sim, "progress",
                 "node %u went back in group %u: term %" PRIu64 " to %" PRIu64 ", commit %" PRIu64
                 " to %" PRIu64 ", applied %" PRIu64 " to %" PRIu64,
                 look->node->id, look->group, shadow->term, view->term, shadow->commit,
                 view->commit, shadow->applied, view->applied);
}

static void check_group(const struct look *look)
{
    const struct cfs_core_view *view = look->view;
    struct sim_shadow *shadow = look->shadow;
    bool leads = strcmp(view->role, "leader") == 0;
    bool led = leads && shadow->leads && shadow->term == view->term;

    check_progress(look);
    check_log(look, led);
    if (leads && !led)
        check_new_leader(look);
    if (led)
        check_commit_rule(look);
    shadow->leads = leads;
    for (uint64_t i = shadow->commit + 1; i <= view->commit; i++)
        check_committed(look, i);
    check_applied(look);
    shadow->term = view->term;
    shadow->commit = view->commit;
    shadow->applied = view->applied;
}

void sim_raft_started(struct sim *sim, struct sim_node *node)
{
    for (cfs_group_id group = 0; group <= sim->swarm.groups; group++) {
        struct sim_shadow *shadow = look_at(sim, node, group).shadow;
        shadow->count = 0;
        shadow->leads = false;
        shadow->term = shadow->commit = shadow->applied = 0;
    }
}

void sim_raft_check(struct sim *sim, struct sim_node *node)
{
    /* Group 0 last: others are judged by what was known of it before the step. */
    for (cfs_group_id group = sim->swarm.groups + 1; group-- > 0;) {
        struct look look = look_at(sim, node, group);
        check_group(&look);
    }
}

uint64_t sim_raft_root_before(const struct sim *sim, const struct sim_node *node)
{
    return sim->raft[0].shadows[node->id - 1].applied;
}

void sim_raft_sent(struct sim *sim, const struct cfs_message *message)
{
    cfs_node_id *vote;

    if (message->type != CFS_MSG_VOTE_REPLY || message->vote_reply.pre ||
        !message->vote_reply.granted)
        return;
    /* A node that came back with a new disk may vote anew: its voice does not count, and who counts
     * it is found by what follows from it. */
    if (message->vote_reply.amnesia == CFS_BLANK && message->term > 1)
        return;
    vote = &term_at(&sim->raft[message->group], message->term)->votes[message->from];
    if (*vote && *vote != message->to)
        sim_fail(sim, "one-vote-a-term",
                 "node %u votes for %u and for %u in term %" PRIu64 " of group %u", message->from,
                 *vote, message->to, message->term, message->group);
    *vote = message->to;
}
