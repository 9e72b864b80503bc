/* Reads of the cache at the leader, and what allows their answers to be kept (lines.h). */
#include <stdlib.h>

#include "core/alloc.h"
#include "core/home.h"

/* A node whose epoch is over goes on asking in vain until it hears of it. */
static void tell_over(struct cfs_home *home, cfs_node_id node, uint64_t epoch, uint64_t floor,
                      cfs_time sent)
{
    struct cfs_message message = {.type = CFS_MSG_SHARE_KEPT,
                                  .group = home->raft->group,
                                  .to = node,
                                  .term = home->raft->term,
                                  .share_kept = {.epoch = epoch, .floor = floor, .sent = sent}};

    cfs_env_send(home->env, &message);
}

/* Whether the answer to a read may be kept. Under another leader's term, or none's lease, nothing
 * is shared. */
static struct cfs_cache_share share(struct cfs_home *home, const struct cfs_message *message,
                                    const uint64_t *lines, uint32_t count)
{
    struct cfs_cache_share share = {.group = home->raft->group};
    uint64_t epoch = message->read.cache.epoch, floor;

    if (!epoch || message->term != home->raft->term)
        return share;
    if (cfs_lines_epoch_over(&home->lines, message->from, epoch, &floor))
        tell_over(home, message->from, epoch, floor, 0);
    else if (cfs_lines_share(&home->lines, message->from, epoch, home->env->now, lines, count,
                             &share.exclusive))
        share.epoch = epoch;
    return share;
}

/* The directory, and everything in the page. */
static struct cfs_cache_share share_list(struct cfs_home *home, const struct cfs_message *message,
                                         const struct cfs_cache_answer *listed)
{
    uint64_t *lines = cfs_alloc((listed->entry_count + 1) * sizeof *lines);
    struct cfs_cache_share shared;

    lines[0] = cfs_line_number(message->read.cache.ino, false);
    for (uint32_t i = 0; i < listed->entry_count; i++)
        lines[i + 1] = cfs_line_number(listed->entries[i].ino, false);
    shared = share(home, message, lines, listed->entry_count + 1);
    free(lines);
    return shared;
}

/* That a name is not there may be kept too. */
static struct cfs_cache_share share_names(struct cfs_home *home, const struct cfs_message *message,
                                          const struct cfs_answer *answer)
{
    const uint64_t lines[] = {cfs_line_number(message->read.cache.ino, false),
                              cfs_line_number(answer->cache.inode.ino, false)};
    bool missing = message->read.op == CFS_OP_CACHE_LOOKUP && answer->error == CFS_ERR_NO_FILE;

    if (answer->error && !missing)
        return (struct cfs_cache_share){0};
    switch (message->read.op) {
    case CFS_OP_CACHE_LOOKUP:
        return share(home, message, lines, missing ? 1 : 2);
    case CFS_OP_CACHE_LIST:
        return share_list(home, message, &answer->cache);
    default:
        return share(home, message, lines, 1);
    }
}

void cfs_home_answer_cache(struct cfs_home *home, const struct cfs_message *message)
{
    const struct cfs_msg_read *read = &message->read;
    struct cfs_answer answer = {0};
    uint64_t line = cfs_line_number(read->cache.ino, true);
    void *owned;

    if (read->op == CFS_OP_CACHE_XATTRS) {
        cfs_home_fetch(home, message->from, read, (struct cfs_cache_share){0});
    } else if (cfs_op_is_of_contents(read->op)) {
        cfs_lines_tell(&home->lines, message->from, cfs_line_number(read->cache.ino, true));
        cfs_home_fetch(home, message->from, read, share(home, message, &line, 1));
    } else {
        owned = cfs_names_read(home->machine->names, read->op, read->name, &read->cache, &answer);
        answer.cache.share = share_names(home, message, &answer);
        cfs_home_answer_read(home, message->from, read->id, &answer);
        free(owned);
    }
}

void cfs_home_keep_share(struct cfs_home *home, const struct cfs_message *message)
{
    const struct cfs_msg_share_keep *keep = &message->share_keep;
    uint64_t floor;
    struct cfs_message reply = {
        .type = CFS_MSG_SHARE_KEPT,
        .group = home->raft->group,
        .to = message->from,
        .term = home->raft->term,
        .share_kept = {.epoch = keep->epoch, .known = true, .sent = keep->sent}};

    if (message->term != home->raft->term || !cfs_home_lease_valid(home))
        return;
    switch (cfs_lines_keep(&home->lines, message->from, keep->epoch, home->env->now)) {
    case CFS_KEEPING_RENEWED:
        cfs_env_send(home->env, &reply);
        break;
    case CFS_KEEPING_UNKNOWN:
        cfs_lines_epoch_over(&home->lines, message->from, keep->epoch, &floor);
        tell_over(home, message->from, keep->epoch, floor, keep->sent);
        break;
    case CFS_KEEPING_OWES: /* silence lets its lease run out */
        break;
    }
}
