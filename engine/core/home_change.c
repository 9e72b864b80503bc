/* Changes of the cache at the leader, from the command to the answer: whoever keeps something of
 * what a change touches is asked to give it up before it is logged (docs/coherence.md). */
#include <stdlib.h>

#include "core/alloc.h"
#include "core/home.h"
#include "core/planted.h"

#define RESEND_AFTER CFS_MS(50)

static uint32_t touched(const struct cfs_home *home, const struct cfs_request *request,
                        struct cfs_cache_recall_item items[CFS_RECALL_ITEMS_MAX])
{
    if (cfs_op_is_of_names(request->op))
        return cfs_names_touched(home->machine->names, request, items);
    items[0] = (struct cfs_cache_recall_item){.ino = cfs_request_contents(request)};
    return 1;
}

enum cfs_error cfs_home_change_refusal(const struct cfs_home *home,
                                       const struct cfs_request *request)
{
    return cfs_op_is_of_names(request->op) ? cfs_names_refusal(home->machine->names, request)
                                           : cfs_contents_refusal(home->machine->contents, request);
}

static struct cfs_change *begin(struct cfs_home *home, struct cfs_asker asker, uint64_t epoch,
                                const struct cfs_request *request)
{
    struct cfs_cache_recall_item items[CFS_RECALL_ITEMS_MAX];
    uint32_t count = touched(home, request, items);
    struct cfs_change *change =
        cfs_lines_begin(&home->lines, asker, cfs_op_is_of_contents(request->op), items, count);

    change->epoch = epoch;
    return change;
}

bool cfs_home_changes(struct cfs_home *home, struct cfs_asker asker, uint64_t epoch)
{
    struct cfs_change *change = cfs_lines_find(&home->lines, asker);

    if (change && epoch > change->epoch)
        change->epoch = epoch;
    return change;
}

void cfs_home_change(struct cfs_home *home, struct cfs_asker asker,
                     const struct cfs_request *request, struct cfs_msg_forward *forward)
{
    struct cfs_change *change;

    if (cfs_home_changes(home, asker, forward->epoch))
        return;
    change = begin(home, asker, forward->epoch, request);
    change->outside = forward->outside;
    change->command = forward->command;
    change->len = forward->len;
    *forward = (struct cfs_msg_forward){0};
}

/* What a mapping wrote is logged at once, for a recall may be waiting for it. If one is under way
 * that will be logged behind it, that has told everyone; else the others are told beside. */
void cfs_home_launder(struct cfs_home *home, struct cfs_asker asker,
                      const struct cfs_request *request, const struct cfs_msg_forward *forward)
{
    struct cfs_change *change;
    uint64_t line = cfs_line_number(cfs_request_contents(request), true);
    bool told = cfs_lines_recalls(&home->lines, line);

    cfs_home_log(home, asker, forward);
    if (told)
        return;
    change = begin(home, asker, forward->epoch, request);
    change->index = cfs_log_last_index(&home->raft->log);
}

/* What it touches has changed, perhaps, by those it waited for. Whether it still waits for none. */
static bool look_again(struct cfs_home *home, struct cfs_change *change)
{
    struct cfs_cache_recall_item items[CFS_RECALL_ITEMS_MAX];
    struct cfs_command command;
    bool is_free = true;

    if (!change->delayed || !change->command)
        return true;
    if (cfs_command_decode(&command, change->command, change->len) == 0)
        is_free =
            cfs_lines_touch(&home->lines, change, items, touched(home, &command.request, items));
    cfs_command_clear(&command);
    return is_free;
}

static void send_recall(struct cfs_home *home, const struct cfs_change *change)
{
    uint32_t count = change->item_count;

    CFS_EACH_NODE (node, change->awaited) {
        struct cfs_message message = {
            .type = CFS_MSG_RECALL,
            .group = home->raft->group,
            .to = node,
            .term = home->raft->term,
            .recall = {.id = change->id,
                       .contents = change->contents,
                       .count = count,
                       .items = cfs_alloc_copy(change->items, count * sizeof *change->items)}};
        cfs_env_send(home->env, &message);
    }
}

/* Who gives up a directory's attributes keeps the names in it. */
static void keep_names(const struct cfs_home *home, struct cfs_change *change)
{
    for (uint32_t i = 0; i < change->claim_count; i++) {
        struct cfs_claim *claim = &change->claims[i];
        if (!change->contents && !CFS_PLANTED(BUG_FORGET_NAMES) &&
            cfs_names_is_directory(home->machine->names, cfs_lines_claimed(claim)))
            claim->whole = false;
    }
}

static void recall(struct cfs_home *home, struct cfs_change *change)
{
    if (!look_again(home, change))
        return;
    keep_names(home, change);
    cfs_lines_recall(&home->lines, change, home->env->now, home->env->now + RESEND_AFTER);
    CFS_EACH_NODE (node, change->awaited)
        cfs_trace(home->env, "recalls inode %lu from node %u", change->items[0].ino, node);
    send_recall(home, change);
}

static void commit(struct cfs_home *home, struct cfs_change *change)
{
    const struct cfs_msg_forward forward = {.command = change->command, .len = change->len};

    if (change->command) {
        cfs_home_log(home, change->asker, &forward);
        cfs_lines_commit(&home->lines, change, cfs_log_last_index(&home->raft->log));
        free(change->command);
        change->command = NULL;
    } else {
        cfs_lines_commit(&home->lines, change, change->index);
        if (change->index <= home->raft->applied)
            cfs_lines_finish(&home->lines, change);
    }
}

/* Nobody has what it replaced any more. */
static void tell(struct cfs_home *home, struct cfs_change *change)
{
    const struct cfs_writer answer = {.data = change->answer, .len = change->len};
    struct cfs_asker asker = change->asker;

    change->answer = NULL;
    cfs_lines_finish(&home->lines, change);
    cfs_home_say(home, CFS_TO_COMMAND, asker, &answer);
}

/* Those that were answered are finished; of the others nobody waits for an answer any more. */
static void finish_applied(struct cfs_home *home)
{
    struct cfs_lines *lines = &home->lines;

    while (lines->committing && lines->committing->index <= home->raft->applied)
        cfs_lines_finish(lines, lines->committing);
}

void cfs_home_changes_progress(struct cfs_home *home)
{
    struct cfs_lines *lines = &home->lines;

    finish_applied(home);
    while (lines->told)
        tell(home, lines->told);
    while (lines->ready || (lines->settled && home->env->now >= lines->open_at)) {
        if (lines->ready)
            recall(home, lines->ready);
        else
            commit(home, lines->settled);
    }
}

/* Who was told the bytes of before while the change was under way may have them in a mapping, which
 * asks nobody: they are taken back before it is answered. Whoever asks from now on hears the new.
 */
static bool retract(struct cfs_home *home, struct cfs_change *change,
                    const struct cfs_answer *answer)
{
    struct cfs_writer writer = {0};

    if (change->state != CFS_CHANGE_COMMITTING || !change->late)
        return false;
    cfs_answer_encode(&writer, answer);
    change->answer = writer.data;
    change->len = (uint32_t)writer.len;
    cfs_lines_retract(&home->lines, change, home->env->now, home->env->now + RESEND_AFTER);
    send_recall(home, change);
    return true;
}

enum cfs_change_word cfs_home_changed(struct cfs_home *home, struct cfs_asker asker,
                                      const struct cfs_answer *answer, struct cfs_answer *shared)
{
    struct cfs_change *change = cfs_lines_find(&home->lines, asker);
    cfs_ino ino = answer->cache.inode.ino;
    bool exclusive = false;

    /* A CANCEL may have been quicker than the log: the change is told so when its turn comes. */
    if (!change || !change->index || change->index > home->raft->applied)
        return CFS_CHANGE_AS_IT_IS;
    if (change->state == CFS_CHANGE_TELLING)
        return CFS_CHANGE_HELD; /* it was asked again */
    *shared = *answer;
    if (!answer->error && cfs_home_lease_valid(home) &&
        cfs_lines_share_changed(&home->lines, change, ino ? cfs_line_number(ino, false) : 0,
                                home->env->now, &exclusive))
        shared->cache.share = (struct cfs_cache_share){
            .group = home->raft->group, .epoch = change->epoch, .exclusive = exclusive};
    if (retract(home, change, shared))
        return CFS_CHANGE_HELD;
    if (change->state == CFS_CHANGE_COMMITTING)
        cfs_lines_finish(&home->lines, change);
    return CFS_CHANGE_SHARED;
}

void cfs_home_recalled(struct cfs_home *home, const struct cfs_message *message)
{
    if (message->term == home->raft->term)
        cfs_lines_recalled(&home->lines, message->from, message->recalled.id);
}

static void end_leases(struct cfs_home *home, struct cfs_change *change)
{
    cfs_node_set before = change->awaited;

    cfs_lines_end_leases(&home->lines, change, home->env->now);
    CFS_EACH_NODE (node, before & ~change->awaited)
        cfs_trace(home->env, "takes back what node %u shares: its lease is over", node);
}

void cfs_home_changes_tick(struct cfs_home *home)
{
    struct cfs_lines *lines = &home->lines;

    while (lines->recalling && lines->recalling->resend <= home->env->now) {
        struct cfs_change *change = lines->recalling;
        end_leases(home, change);
        if (!change->awaited)
            continue;
        send_recall(home, change);
        cfs_lines_recall_again(lines, change, home->env->now + RESEND_AFTER);
    }
}

cfs_time cfs_home_changes_deadline(const struct cfs_home *home)
{
    const struct cfs_lines *lines = &home->lines;
    cfs_time due = lines->recalling ? lines->recalling->resend : CFS_NEVER;

    return lines->settled && lines->open_at < due ? lines->open_at : due;
}
