/* Compares what a node shows after a step with what the cluster has shown so far. */
#include "check_raft.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "describe.h"
#include "sim.h"

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

static void check_entry(struct sim *sim, const struct sim_node *node, const struct cfs_entry *entry,
                        uint64_t previous_term)
{
    struct sim_known_entry *known, wanted;
    uint64_t digest = digest_of(entry);

    memset(&wanted, 0, sizeof wanted);
    wanted.key.index = entry->index;
    wanted.key.term = entry->term;
    HASH_FIND(hh, sim->raft.known, &wanted.key, sizeof wanted.key, known);
    if (!known) {
        known = cfs_alloc_zeroed(1, sizeof *known);
        known->key = wanted.key;
        known->previous_term = previous_term;
        known->digest = digest;
        HASH_ADD(hh, sim->raft.known, key, sizeof known->key, known);
        return;
    }
    if (known->digest != digest || known->previous_term != previous_term)
        sim_fail(sim, "log-matching",
                 "node %u has another entry %" PRIu64 " of term %" PRIu64
                 " than was seen before, or another one before it",
                 node->id, entry->index, entry->term);
}

/* What a node has compacted was committed: it is taken to be what the cluster saw committed there,
 * and the digests of the states tell if it is not. */
static uint64_t term_of(const struct sim *sim, const struct sim_node *node, uint64_t index)
{
    const struct cfs_entry *entry = cfs_core_entry(node->core, 0, index);

    if (!entry && index <= node->view.base_index && index < sim->raft.committed_count)
        return sim->raft.committed[index].term;
    return entry ? entry->term : 0;
}

/* Brings the shadow up to date. A log changes at its end: what differs is a suffix. */
static void check_log(struct sim *sim, struct sim_node *node, struct sim_shadow *shadow, bool led)
{
    uint64_t last = node->view.last_index, same = last < shadow->count ? last : shadow->count;
    uint64_t before = shadow->count;

    while (same && term_of(sim, node, same) != shadow->terms[same - 1])
        same--;
    if (led && same < before)
        sim_fail(sim, "leader-append-only",
                 "node %u changed its log from index %" PRIu64 " on while it led term %" PRIu64,
                 node->id, same + 1, node->view.term);
    shadow->count = same;
    for (uint64_t i = same + 1; i <= last; i++) {
        const struct cfs_entry *entry = cfs_core_entry(node->core, 0, i);
        if (!entry && i > node->view.base_index) {
            sim_fail(sim, "log-matching", "node %u has no entry %" PRIu64 " below its end",
                     node->id, i);
            return;
        }
        if (entry)
            check_entry(sim, node, entry, i > 1 ? shadow->terms[i - 2] : 0);
        shadow->terms =
            cfs_array_room(shadow->terms, shadow->count, &shadow->capacity, sizeof *shadow->terms);
        shadow->terms[shadow->count++] = term_of(sim, node, i);
    }
}

/* Leader completeness. */

static void check_has_committed(struct sim *sim, const struct sim_node *node, uint64_t index)
{
    const struct sim_committed *committed = &sim->raft.committed[index];

    if (committed->term && committed->committed < node->view.term &&
        term_of(sim, node, index) != committed->term)
        sim_fail(sim, "leader-completeness",
                 "node %u leads term %" PRIu64 " without entry %" PRIu64 " of term %" PRIu64
                 ", which was committed in term %" PRIu64,
                 node->id, node->view.term, index, committed->term, committed->committed);
}

static void check_new_leader(struct sim *sim, const struct sim_node *node)
{
    struct sim_term *term = term_at(&sim->raft, node->view.term);

    if (term->leader && (term->leader != node->id || term->life != node->life))
        sim_fail(sim, "election-safety", "nodes %u and %u both lead term %" PRIu64, term->leader,
                 node->id, node->view.term);
    term->leader = node->id;
    term->life = node->life;
    for (uint64_t i = 1; i < sim->raft.committed_count; i++)
        check_has_committed(sim, node, i);
}

static void check_standing_leaders(struct sim *sim, uint64_t index)
{
    for (uint32_t i = 0; i < sim->swarm.node_count; i++)
        if (sim->nodes[i].state != SIM_DOWN && sim->raft.shadows[i].leads)
            check_has_committed(sim, &sim->nodes[i], index);
}

/* State machine safety: one entry for an index, and one state after it. */

static void say_committed(struct sim *sim, const struct cfs_entry *entry)
{
    char words[500];

    if (!sim->world.trace)
        return;
    sim_describe_entry(words, sizeof words, entry);
    sim_say(sim, "entry %" PRIu64 " is committed: %s", entry->index, words);
}

static void check_committed(struct sim *sim, const struct sim_node *node, uint64_t index)
{
    struct sim_committed *committed = committed_at(&sim->raft, index);
    const struct cfs_entry *entry = cfs_core_entry(node->core, 0, index);
    uint64_t term = term_of(sim, node, index);

    if (!term) {
        sim_fail(sim, "state-machine-safety", "node %u committed entry %" PRIu64 ", which it lacks",
                 node->id, index);
    } else if (!committed->term) {
        *committed = (struct sim_committed){.term = term, .committed = node->view.term};
        say_committed(sim, entry);
        sim_locks_committed(sim, node, entry);
        check_standing_leaders(sim, index);
    } else if (committed->term != term) {
        sim_fail(sim, "state-machine-safety",
                 "node %u committed entry %" PRIu64 " of term %" PRIu64
                 ", where one of term %" PRIu64 " was committed before",
                 node->id, index, term, committed->term);
    }
}

/* Of older terms' entries a leader knows only through one of its own term on top (thesis 3.6.2). */
static void check_commit_rule(struct sim *sim, const struct sim_node *node,
                              const struct sim_shadow *shadow)
{
    if (node->view.commit > shadow->commit &&
        term_of(sim, node, node->view.commit) != node->view.term)
        sim_fail(
            sim, "commit-rule",
            "node %u, leader of term %" PRIu64 ", commits up to entry %" PRIu64 " of term %" PRIu64,
            node->id, node->view.term, node->view.commit, term_of(sim, node, node->view.commit));
}

static void check_applied(struct sim *sim, const struct sim_node *node, struct sim_shadow *shadow)
{
    struct sim_state *state = state_at(&sim->raft, node->view.applied);
    uint64_t digest;

    if (node->view.applied > node->view.commit)
        sim_fail(sim, "state-machine-safety",
                 "node %u applied up to %" PRIu64 ", but knows only %" PRIu64 " to be committed",
                 node->id, node->view.applied, node->view.commit);
    if (node->view.applied == shadow->applied)
        return;
    digest = cfs_core_digest(node->core, 0);
    if (state->node && state->digest != digest)
        sim_fail(sim, "state-machine-safety",
                 "nodes %u and %u have different states after entry %" PRIu64, state->node,
                 node->id, node->view.applied);
    *state = (struct sim_state){.digest = digest, .node = node->id};
}

static void check_progress(struct sim *sim, const struct sim_node *node,
                           const struct sim_shadow *shadow)
{
    const struct cfs_core_view *view = &node->view;

    if (view->term < shadow->term || view->commit < shadow->commit ||
        view->applied < shadow->applied)
        sim_fail(sim, "progress",
                 "node %u went back: term %" PRIu64 " to %" PRIu64 ", commit %" PRIu64
                 " to %" PRIu64 ", applied %" PRIu64 " to %" PRIu64,
                 node->id, shadow->term, view->term, shadow->commit, view->commit, shadow->applied,
                 view->applied);
}

void sim_raft_started(struct sim *sim, struct sim_node *node)
{
    struct sim_shadow *shadow = &sim->raft.shadows[node->id - 1];

    shadow->count = 0;
    shadow->leads = false;
    shadow->term = shadow->commit = shadow->applied = 0;
}

void sim_raft_check(struct sim *sim, struct sim_node *node)
{
    struct sim_shadow *shadow = &sim->raft.shadows[node->id - 1];
    const struct cfs_core_view *view = &node->view;
    bool leads = strcmp(view->role, "leader") == 0;
    bool led = leads && shadow->leads && shadow->term == view->term;

    check_progress(sim, node, shadow);
    check_log(sim, node, shadow, led);
    if (leads && !led)
        check_new_leader(sim, node);
    if (led)
        check_commit_rule(sim, node, shadow);
    shadow->leads = leads;
    for (uint64_t i = shadow->commit + 1; i <= view->commit; i++)
        check_committed(sim, node, i);
    check_applied(sim, node, shadow);
    shadow->term = view->term;
    shadow->commit = view->commit;
    shadow->applied = view->applied;
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
    vote = &term_at(&sim->raft, message->term)->votes[message->from];
    if (*vote && *vote != message->to)
        sim_fail(sim, "one-vote-a-term", "node %u votes for %u and for %u in term %" PRIu64,
                 message->from, *vote, message->to, message->term);
    *vote = message->to;
}
