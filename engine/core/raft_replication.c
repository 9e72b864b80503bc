/* Replication: AppendEntries and its replies, the commit rule, pipelining. */
#include <assert.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "core/command.h"
#include "core/planted.h"
#include "core/raft.h"

void cfs_raft_append_local(struct cfs_raft *raft, struct cfs_entry *entry)
{
    struct cfs_mark mark = {.index = entry->index, .term = entry->term};

    mark.lsn = cfs_env_persist_entry(raft->env, raft->group, entry);
    cfs_raft_log_append(raft, entry, mark.lsn);
    raft->marks =
        cfs_array_room(raft->marks, raft->mark_count, &raft->mark_capacity, sizeof *raft->marks);
    raft->marks[raft->mark_count++] = mark;
    if (CFS_PLANTED(BUG_ACK_BEFORE_DURABLE))
        raft->durable_index = entry->index;
}

/* What a follower needs may be compacted; then entries have to wait for a snapshot. Whether that is
 * news. */
static bool check_compacted(const struct cfs_raft *raft, struct cfs_progress *progress)
{
    bool before = progress->snapshot;

    progress->snapshot |= progress->next <= raft->log.base.index;
    return progress->snapshot && !before;
}

/* Whoever voted for this leader can have voted for no other in its term, and a majority that
 * follows it, not counting the receiver, has no part in a later one. Then nothing that the receiver
 * may have promised to others stands against this leader. */
static bool stands_without(const struct cfs_raft *raft, const struct cfs_progress *receiver)
{
    cfs_node_set following = CFS_NODE_BIT(raft->env->self);

    if (raft->unanimous)
        return true;
    CFS_EACH_NODE (node, cfs_membership_deciding(&raft->members)) {
        const struct cfs_progress *progress = &raft->progress[node];
        if (progress != receiver && !progress->forgetful && progress->acked &&
            progress->acked + raft->config->election > raft->env->now)
            following |= CFS_NODE_BIT(node);
    }
    return cfs_membership_is_quorum(&raft->members, following);
}

/* All that was committed before this leadership, and what it knows to be committed since. */
static uint64_t sound_at(const struct cfs_raft *raft, const struct cfs_progress *receiver)
{
    if (!stands_without(raft, receiver))
        return 0;
    return raft->commit > raft->noop_index ? raft->commit : raft->noop_index;
}

/* Index 0, where all logs agree, serves a heartbeat to a follower that waits for a snapshot. */
static struct cfs_message append_message(const struct cfs_raft *raft,
                                         const struct cfs_progress *progress)
{
    uint64_t prev = progress->snapshot ? 0 : progress->next - 1;

    return (struct cfs_message){
        .type = CFS_MSG_APPEND,
        .group = raft->group,
        .to = progress->node,
        .term = raft->term,
        .append = {.prev_index = prev,
                   .prev_term = prev ? cfs_log_term_at(&raft->log, prev) : 0,
                   .commit = raft->commit,
                   .sent = raft->env->now,
                   .lease = raft->config->lease,
                   .sound_at = sound_at(raft, progress),
                   .serving = cfs_raft_serving(raft)}};
}

void cfs_raft_broadcast_heartbeat(struct cfs_raft *raft, bool patient)
{
    CFS_EACH_NODE (node, cfs_membership_all(&raft->members)) {
        if (node == raft->env->self)
            continue;
        if (check_compacted(raft, &raft->progress[node]))
            raft->dirty = true; /* nothing else may come that begins the snapshot */
        struct cfs_message message = append_message(raft, &raft->progress[node]);
        message.patient = patient;
        cfs_env_send(raft->env, &message);
    }
    raft->majority = 0; /* who is the quickest shows again with the next entry */
    raft->heartbeat_due = cfs_env_next_beat(raft->env, raft->config);
}

void cfs_raft_greet(struct cfs_raft *raft, cfs_node_id node)
{
    struct cfs_message message = {.type = CFS_MSG_APPEND,
                                  .group = raft->group,
                                  .to = node,
                                  .term = raft->term,
                                  .append = {.sent = raft->env->now,
                                             .lease = raft->config->lease,
                                             .serving = cfs_raft_serving(raft)}};

    cfs_env_send(raft->env, &message);
}

/* How many entries from `next` on go into one message: at least one. */
static uint32_t batch_count(const struct cfs_raft *raft, uint64_t next)
{
    uint64_t last = cfs_log_last_index(&raft->log);
    size_t bytes = 0;
    uint32_t count = 0;

    while (next + count <= last && count < CFS_APPEND_ENTRIES_MAX) {
        bytes += cfs_log_get(&raft->log, next + count)->len;
        if (count && bytes > CFS_APPEND_BYTES_MAX)
            break;
        count++;
    }
    return count;
}

static void send_one(struct cfs_raft *raft, struct cfs_progress *progress)
{
    struct cfs_message message = append_message(raft, progress);
    uint32_t count = batch_count(raft, progress->next);

    message.append.entry_count = count;
    message.append.entries = cfs_alloc(count * sizeof *message.append.entries);
    for (uint32_t i = 0; i < count; i++)
        message.append.entries[i] = cfs_entry_ref(cfs_log_get(&raft->log, progress->next + i));
    progress->next += count;
    progress->inflight[progress->inflight_count++] = progress->next - 1;
    cfs_env_send(raft->env, &message);
}

static void send_entries(struct cfs_raft *raft, struct cfs_progress *progress)
{
    uint32_t room = progress->probing ? 1 : CFS_INFLIGHT_MAX;

    while (progress->next <= cfs_log_last_index(&raft->log) && progress->inflight_count < room)
        send_one(raft, progress);
}

static bool fills_a_message(const struct cfs_raft *raft, const struct cfs_progress *progress)
{
    uint64_t last = cfs_log_last_index(&raft->log);
    size_t bytes = 0;

    for (uint64_t i = progress->next; i <= last && bytes < CFS_APPEND_GATHER_BYTES; i++)
        bytes += cfs_log_get(&raft->log, i)->len;
    return bytes >= CFS_APPEND_GATHER_BYTES;
}

/* Whether those who committed the last entry can commit the next one without it, as far as this
 * leader knows ("thrifty": Moraru et al., "There Is More Consensus in Egalitarian Parliaments",
 * 2013). */
static bool is_spare(const struct cfs_raft *raft, const struct cfs_progress *progress)
{
    if (progress->probing || progress->forgetful ||
        raft->majority & CFS_NODE_BIT(progress->node) ||
        !cfs_membership_is_quorum(&raft->members, raft->majority))
        return false;
    CFS_EACH_NODE (node, raft->majority)
        if (node != raft->env->self && raft->progress[node].probing)
            return false;
    return true;
}

/* Whether entries wait for more that goes together with them: the follower writes one thing at a
 * time, and what each message and each fdatasync costs is shared by more entries. They wait for the
 * acknowledgement of what is under way (Nagle's rule); and where they are not needed for a majority
 * until there are some of them, or a moment has passed. What fills a message goes at once. */
static bool gathers(struct cfs_raft *raft, struct cfs_progress *progress)
{
    uint64_t count = cfs_log_last_index(&raft->log) + 1 - progress->next;
    cfs_time held_until = progress->held_until;

    progress->held_until = 0;
    if (!count || fills_a_message(raft, progress))
        return false;
    if (progress->inflight_count)
        return true;
    if (count >= CFS_APPEND_SPARE_ENTRIES || !is_spare(raft, progress) ||
        (held_until && raft->env->now >= held_until))
        return false;
    progress->held_until = held_until ? held_until : raft->env->now + CFS_APPEND_SPARE_TIME;
    return true;
}

cfs_time cfs_raft_held_until(const struct cfs_raft *raft)
{
    cfs_time due = CFS_NEVER;

    CFS_EACH_NODE (node, cfs_membership_all(&raft->members))
        if (raft->progress[node].held_until)
            due = cfs_earlier(due, raft->progress[node].held_until);
    return due;
}

void cfs_raft_flush(struct cfs_raft *raft)
{
    raft->dirty = false;
    if (raft->role != CFS_LEADER)
        return;
    CFS_EACH_NODE (node, cfs_membership_all(&raft->members)) {
        struct cfs_progress *progress = &raft->progress[node];
        if (node == raft->env->self)
            continue;
        check_compacted(raft, progress);
        if (progress->snapshot)
            progress->held_until = 0;
        else if (!gathers(raft, progress))
            send_entries(raft, progress);
    }
}

/* Everything that it has acknowledged it has. */
static bool is_sound(const struct cfs_raft *raft)
{
    return (!raft->amnesia || raft->recovered) && !cfs_raft_is_returning(raft);
}

static void reply_to_append(struct cfs_raft *raft, const struct cfs_message *request, bool success,
                            uint64_t match, bool durable)
{
    struct cfs_message reply = {
        .type = CFS_MSG_APPEND_REPLY,
        .group = raft->group,
        .to = request->from,
        .term = raft->term,
        .patient = success && !durable,
        .append_reply = {.success = success,
                         .match = match,
                         .sent = request->term == raft->term ? request->append.sent : 0,
                         .sound = is_sound(raft),
                         .full = raft->env->disk_full}};

    if (durable && !CFS_PLANTED(BUG_ACK_BEFORE_DURABLE))
        cfs_env_send_durable(raft->env, &reply);
    else
        cfs_env_send(raft->env, &reply);
}

/* Where the leader should try next: before our end, and before entries of terms later than its own
 * there, which cannot agree (3.5). */
static uint64_t hint(const struct cfs_raft *raft, const struct cfs_msg_append *append)
{
    uint64_t index = cfs_log_last_index(&raft->log);

    if (index >= append->prev_index)
        index = append->prev_index - 1;
    while (index > raft->commit && cfs_log_term_at(&raft->log, index) > append->prev_term)
        index--;
    return index;
}

/* Entries from `index` on are others now, also where one is the same as one before it. */
static void forget_durable(struct cfs_raft *raft, uint64_t index)
{
    if (raft->durable_index >= index)
        raft->durable_index = index - 1;
    while (raft->mark_count && raft->marks[raft->mark_count - 1].index >= index)
        raft->mark_count--;
}

static void take_entries(struct cfs_raft *raft, struct cfs_msg_append *append)
{
    for (uint32_t i = 0; i < append->entry_count; i++) {
        struct cfs_entry *entry = append->entries[i];
        if (entry->index <= raft->log.base.index)
            continue;
        uint64_t known = cfs_log_term_at(&raft->log, entry->index);

        if (known == entry->term)
            continue;
        if (known) {
            cfs_trace(raft->env, "drops entries %lu to %lu: term %lu is not the leader's %lu",
                      entry->index, cfs_log_last_index(&raft->log), known, entry->term);
#ifndef CFS_PLANTED_BUGS
            assert(entry->index > raft->commit);
#endif
            cfs_raft_log_truncate(raft, entry->index);
            forget_durable(raft, entry->index);
            raft->replaced_lsn = raft->env->lsn + 1; /* of this entry's record */
        }
        cfs_raft_append_local(raft, cfs_entry_ref(entry));
    }
}

static bool follows_our_log(const struct cfs_raft *raft, const struct cfs_msg_append *append)
{
    if (append->prev_index > cfs_log_last_index(&raft->log))
        return false;
    if (append->prev_index < raft->log.base.index)
        return true; /* what is applied is committed, and the leader has it */
    return cfs_log_term_at(&raft->log, append->prev_index) == append->prev_term ||
           CFS_PLANTED(BUG_SKIP_LOG_CHECK);
}

bool cfs_raft_understands(const struct cfs_entry *entry)
{
    struct cfs_membership members;

    return entry->kind == CFS_ENTRY_NOOP ||
           (entry->kind == CFS_ENTRY_MEMBERS &&
            cfs_membership_decode(&members, entry->data, entry->len) == 0) ||
           (entry->kind == CFS_ENTRY_COMMAND && cfs_command_valid(entry->data, entry->len));
}

/* What a leader of this program sends: entries in a row after `prev_index`, their terms growing up
 * to its own. */
static bool well_formed(const struct cfs_message *message)
{
    const struct cfs_msg_append *append = &message->append;
    uint64_t term = append->prev_term;

    for (uint32_t i = 0; i < append->entry_count; i++) {
        const struct cfs_entry *entry = append->entries[i];
        if (entry->index != append->prev_index + 1 + i || !entry->term || entry->term < term ||
            entry->term > message->term || !cfs_raft_understands(entry))
            return false;
        term = entry->term;
    }
    return append->prev_index != 0 || append->prev_term == 0;
}

bool cfs_raft_hear_leader(struct cfs_raft *raft, const struct cfs_message *message)
{
    if (message->term < raft->term)
        return false;
    if (message->term > raft->term || raft->leader != message->from || raft->role != CFS_FOLLOWER)
        cfs_raft_become_follower(raft, message->term, message->from);
    raft->heard = raft->env->now;
    raft->leader_gone = false;
    cfs_raft_reset_election(raft);
    return true;
}

/* Whose vote it was that this node forgot, if any, shows within two election timeouts. */
static void note_catching_up(struct cfs_raft *raft, const struct cfs_msg_append *append,
                             uint64_t last)
{
    bool up_long_enough = raft->env->now >= raft->started + 2 * raft->config->election;

    if (raft->amnesia && up_long_enough && append->sound_at && last >= append->sound_at &&
        raft->durable_index >= append->sound_at)
        raft->recovered = true;
}

void cfs_raft_handle_append(struct cfs_raft *raft, struct cfs_message *message)
{
    struct cfs_msg_append *append = &message->append;
    uint64_t last = append->prev_index + append->entry_count;
    uint64_t known_commit;

    /* A heartbeat that claims nothing of the log is answered all the same. */
    if (raft->replaced && (append->prev_index || append->entry_count))
        return;
    if (!well_formed(message)) {
        cfs_trace(raft->env, "ignores a malformed append from node %u", message->from);
        return;
    }
    if (!cfs_raft_hear_leader(raft, message)) {
        reply_to_append(raft, message, false, 0, false);
        return;
    }
    if (append->prev_index || append->entry_count)
        raft->counted = raft->env->now;
    raft->promise = raft->env->now + cfs_later(raft->config->lease, append->lease);
    raft->leader_serving = append->serving;

    if (!follows_our_log(raft, append)) {
        reply_to_append(raft, message, false, hint(raft, append), false);
        return;
    }
    take_entries(raft, append);
    known_commit = append->commit < last ? append->commit : last;
    if (known_commit > raft->commit) /* an overtaken append may end before it */
        raft->commit = known_commit;
    note_catching_up(raft, append, last);
    /* To a heartbeat at once, or in time (`patient`): the lease must survive a slow disk. */
    if (append->entry_count)
        reply_to_append(raft, message, true, last, true);
    else
        reply_to_append(raft, message, true,
                        last < raft->durable_index ? last : raft->durable_index, false);
}

static void note_match(struct cfs_progress *progress, uint64_t match)
{
    uint32_t done = 0;

    if (match > progress->match)
        progress->match = match;
    if (progress->next <= progress->match)
        progress->next = progress->match + 1;
    while (done < progress->inflight_count && progress->inflight[done] <= progress->match)
        done++;
    progress->inflight_count -= done;
    for (uint32_t i = 0; i < progress->inflight_count; i++)
        progress->inflight[i] = progress->inflight[i + done];
}

void cfs_raft_handle_append_reply(struct cfs_raft *raft, const struct cfs_message *message)
{
    const struct cfs_msg_append_reply *reply = &message->append_reply;
    struct cfs_progress *progress = &raft->progress[message->from];

    if (message->term > raft->term) {
        cfs_raft_become_follower(raft, message->term, 0);
        return;
    }
    if (raft->role != CFS_LEADER || message->term < raft->term ||
        !(cfs_membership_all(&raft->members) & CFS_NODE_BIT(message->from)))
        return;
    /* An answer to this leader, since that node is a replica, and not of the future: or the clocks
     * or the disk there and here are not those it was given by. */
    if (reply->sent < progress->since || reply->sent > raft->env->now)
        return;
    /* What was overtaken by news of a lost disk says what is not so any more. */
    if (reply->sent < progress->acked && (progress->forgetful || !reply->sound))
        return;
    if (reply->sent > progress->acked)
        progress->acked = reply->sent;
    progress->full = reply->full || (progress->full && CFS_PLANTED(BUG_STAYS_FULL));
    progress->forgetful = !reply->sound && !CFS_PLANTED(BUG_COUNT_FORGETFUL);
    if (progress->forgetful && reply->match < progress->match)
        progress->match = reply->match; /* what it had is not there any more */
    if (reply->success) {
        progress->probing = false;
        note_match(progress, reply->match);
        cfs_raft_advance_commit(raft);
    } else if (reply->match + 1 < progress->next) {
        progress->next = reply->match > progress->match ? reply->match + 1 : progress->match + 1;
        progress->inflight_count = 0;
        progress->probing = true;
    }
    if (progress->next <= cfs_log_last_index(&raft->log))
        raft->dirty = true;
}

void cfs_raft_snapshot_done(struct cfs_raft *raft, cfs_node_id peer, uint64_t index)
{
    struct cfs_progress *progress = &raft->progress[peer];

    if (raft->role != CFS_LEADER)
        return;
    progress->snapshot = false;
    progress->inflight_count = 0;
    progress->probing = true;
    if (index > progress->match)
        progress->match = index;
    progress->next = progress->match + 1;
    raft->dirty = true;
    cfs_raft_advance_commit(raft);
}

/* As few of those who have `index` as are a quorum; the same as before if these have it, so that
 * followers do not take turns. */
static cfs_node_set needed_for(const struct cfs_raft *raft, const uint64_t *match, uint64_t index)
{
    cfs_node_set all = 0;

    CFS_EACH_NODE (node, cfs_membership_deciding(&raft->members))
        if (match[node] >= index)
            all |= CFS_NODE_BIT(node);
    if (cfs_membership_is_quorum(&raft->members, all & raft->majority))
        all &= raft->majority;
    CFS_EACH_NODE (node, all)
        if (node != raft->env->self &&
            cfs_membership_is_quorum(&raft->members, all & ~CFS_NODE_BIT(node)))
            all &= ~CFS_NODE_BIT(node);
    return all;
}

/* The largest index durable on a quorum, if it is of this term (3.6.2): an older entry counts
 * only through a newer one on top of it. */
void cfs_raft_advance_commit(struct cfs_raft *raft)
{
    uint64_t match[CFS_NODE_MAX + 1] = {0}, index;

    CFS_EACH_NODE (node, cfs_membership_deciding(&raft->members))
        if (!raft->progress[node].forgetful)
            match[node] = raft->progress[node].match;
    match[raft->env->self] = raft->durable_index;
    index = cfs_membership_reached(&raft->members, match);
    if (index > raft->commit &&
        (cfs_log_term_at(&raft->log, index) == raft->term || CFS_PLANTED(BUG_COMMIT_OLD_TERM))) {
        raft->commit = index;
        raft->majority = needed_for(raft, match, index);
    }
}
