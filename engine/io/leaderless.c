#include "io/leaderless.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SAY_AFTER CFS_SECONDS(5)
#define SAY_AGAIN_AFTER CFS_SECONDS(60)

const char *cfs_amnesia_word(enum cfs_amnesia amnesia)
{
    static const char *const words[] = {
        [CFS_REMEMBERS] = "none", [CFS_TORN] = "torn", [CFS_BLANK] = "blank"};

    return words[amnesia];
}

static const char *own_reason(enum cfs_amnesia amnesia)
{
    if (amnesia == CFS_BLANK)
        return ": this node's data is new, so its vote does not count before a leader has sent it "
               "everything; a new cluster begins when all its members run";
    if (amnesia == CFS_TORN)
        return ": the end of this node's log was lost, so its vote counts only when all members "
               "vote";
    return "";
}

static void add_nodes(cfs_node_set nodes, char *text, size_t size)
{
    size_t len = strlen(text);

    CFS_EACH_NODE (node, nodes)
        len += (size_t)snprintf(text + len, size - len, " %u,", node);
}

static void describe(const struct cfs_core_view *view, uint64_t seconds,
                     char sentence[CFS_LEADERLESS_BYTES])
{
    size_t len;

    snprintf(sentence, CFS_LEADERLESS_BYTES, "no leader for %" PRIu64 " s%s", seconds,
             own_reason(view->amnesia));
    if (!view->doubted)
        return;
    len = strlen(sentence);
    snprintf(sentence + len, CFS_LEADERLESS_BYTES - len, "%s votes of nodes",
             view->amnesia ? "; also, the" : ": the");
    add_nodes(view->doubted, sentence, CFS_LEADERLESS_BYTES);
    len = strlen(sentence);
    snprintf(sentence + len, CFS_LEADERLESS_BYTES - len,
             " whose data is new or lost its end, do not count: they may have forgotten what was "
             "answered. Start the members whose data is whole, or all of them");
}

bool cfs_leaderless_look(struct cfs_leaderless *leaderless, const struct cfs_core_view *view,
                         cfs_time now, char sentence[CFS_LEADERLESS_BYTES])
{
    /* A node that is to join elects nobody; what it waits for it says itself. */
    if (view->leader || !view->member_count) {
        *leaderless = (struct cfs_leaderless){0};
        return false;
    }
    if (!leaderless->since)
        leaderless->since = now;
    if ((!view->amnesia && !view->doubted) || now < leaderless->since + SAY_AFTER ||
        (leaderless->said && now < leaderless->said + SAY_AGAIN_AFTER))
        return false;
    leaderless->said = now;
    describe(view, (now - leaderless->since) / CFS_SECONDS(1), sentence);
    return true;
}
