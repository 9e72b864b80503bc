/* Who may keep something of what: the lines of a home, the leader of a group, one for each inode
 * (docs/coherence.md). Soft state that a new leader builds anew; times are its own clock's.
 *
 * A line has the nodes that share it, and the changes that touch it, in the order in which they are
 * served: the first has the line, the others wait. A line without changes is at rest.
 *
 * All that a node shares hangs on the epoch that the home knows the node by. Epochs of a node grow;
 * one that is over never counts again, whatever comes late. */
#ifndef CFS_CORE_LINES_H
#define CFS_CORE_LINES_H

#include <uthash.h>

#include "core/asker.h"
#include "core/membership.h"

/* X(id, its word, what happens, goes on when): the page has these words. */
#define CFS_CHANGE_STATES(X)                                                                       \
    X(WAITING, "waiting", "a change that came before touches one of the same lines",               \
      "that one is answered")                                                                      \
    X(RECALLING, "recalling", "every other node that shares one of the lines was sent RECALL",     \
      "each has said RECALLED, or its lease is over")                                              \
    X(COMMITTING, "committing", "it is in the log",                                                \
      "it is applied: the writer is a sharer; it is answered unless it is telling")                \
    X(TELLING, "telling", "every node that has read the bytes of before since was sent RECALL",    \
      "as recalling; it is answered")

enum cfs_change_state {
#define X(id, word, happens, until) CFS_CHANGE_##id,
    CFS_CHANGE_STATES(X)
#undef X
        CFS_CHANGE_STATE_COUNT
};

/* A line as one node sees it: X(id). */
#define CFS_LINE_STATES(X) X(I) X(S) X(E) X(M)

enum cfs_line_state {
#define X(id) CFS_LINE_##id,
    CFS_LINE_STATES(X)
#undef X
        CFS_LINE_NEVER /* that cannot be */
};

/* What can happen to it: X(id, as the page says it). */
#define CFS_LINE_EVENTS(X)                                                                         \
    X(READ, "a read of its own is shared")                                                         \
    X(ALONE, "likewise, and nobody else shares")                                                   \
    X(OTHER, "another node's read is shared")                                                      \
    X(CHANGE, "it sends a change")                                                                 \
    X(DONE, "that is answered, shared")                                                            \
    X(REFUSED, "that is answered, not shared")                                                     \
    X(GONE, "RECALL, lapse, eviction")

enum cfs_line_event {
#define X(id, sentence) CFS_LINE_EV_##id,
    CFS_LINE_EVENTS(X)
#undef X
        CFS_LINE_EVENT_COUNT
};

/* The state after it; NEVER: a node in that state sees no such event. */
enum cfs_line_state cfs_line_after(enum cfs_line_state state, enum cfs_line_event event);

/* The number of the line of an inode's names part, or of its contents: where one group has both,
 * they are two. */
static inline uint64_t cfs_line_number(cfs_ino ino, bool contents)
{
    return ino << 1 | contents;
}

struct cfs_line;
struct cfs_change;

/* A change's place at a line. */
struct cfs_claim {
    struct cfs_line *line;
    struct cfs_change *change;
    bool whole; /* an item without a name: whoever gives it up keeps nothing of the line; not so of
                   a directory */
    struct cfs_claim *prev, *next;
};

struct cfs_change {
    uint64_t id; /* key; of its RECALL */
    struct cfs_asker asker;
    uint64_t epoch; /* the newest under which its node has sent it; 0: none */
    enum cfs_change_state state;
    bool outside;  /* its node's own copies are recalled too */
    bool contents; /* it is of contents, not of names */
    bool delayed;  /* it had to wait: what it touches may have changed */
    struct cfs_cache_recall_item items[CFS_RECALL_ITEMS_MAX];
    uint32_t item_count;
    struct cfs_claim claims[CFS_RECALL_ITEMS_MAX]; /* one for each inode */
    uint32_t claim_count;
    cfs_node_set awaited; /* RECALLING, TELLING: have not said RECALLED */
    cfs_node_set late;    /* were told the bytes of before since it recalls */
    cfs_time since;       /* RECALLING, TELLING: since when */
    cfs_time resend;      /* RECALLING, TELLING: when to send RECALL again */
    uint64_t index;       /* of its log entry; 0: it has none yet */
    uint8_t *command;     /* owned; what is to be logged; NULL: nothing any more */
    uint8_t *answer;      /* TELLING: owned; what is to be said */
    uint32_t len;         /* of either */
    struct cfs_change **list;
    struct cfs_change *prev, *next;
    UT_hash_handle hh, hh_asker;
};

/* The inode that it is about. */
cfs_ino cfs_lines_claimed(const struct cfs_claim *claim);

/* What is known of a node. */
struct cfs_share_lease {
    uint64_t epoch; /* 0: it shares nothing */
    uint64_t ended; /* the newest epoch that is over */
    cfs_time until; /* the node may rely on its shares as long, by the home's clock */
    cfs_time mixed; /* on shares of an epoch before as well, as long */
    uint32_t owed;  /* changes that await it */
};

/* Zeroed memory: no leader. */
struct cfs_lines {
    struct cfs_line *by_number;
    struct cfs_share_lease nodes[CFS_NODE_MAX + 1];
    struct cfs_change *by_id, *by_asker;
    struct cfs_change *ready;      /* wait for nobody any more; lists */
    struct cfs_change *recalling;  /* or telling, with some awaited, by `resend` */
    struct cfs_change *settled;    /* RECALLING, and nobody is awaited */
    struct cfs_change *told;       /* TELLING, likewise */
    struct cfs_change *committing; /* by index, but for those that were logged before */
    uint64_t last_id;
    uint64_t recalled; /* changes that have begun to commit */
    cfs_time lease;    /* of a share, the clocks' guard included */
    cfs_time open_at;  /* no change is logged before: a former home's shares may be valid */
};

/* A new home, at `now`, that knows of no shares. */
void cfs_lines_open(struct cfs_lines *lines, cfs_time now, cfs_time lease);

/* It is none any more: everything is dropped. */
void cfs_lines_close(struct cfs_lines *lines);

/* Node `node` asks, under `epoch`, to keep something of these lines (by their numbers): it becomes
 * a sharer of all of them, its lease runs anew, true; or of none: one of them is not at rest, or
 * the epoch is over. `exclusive`: nobody else shares any of them. */
bool cfs_lines_share(struct cfs_lines *lines, cfs_node_id node, uint64_t epoch, cfs_time now,
                     const uint64_t *numbers, uint32_t count, bool *exclusive);

enum cfs_keeping {
    CFS_KEEPING_UNKNOWN, /* the epoch is not the one it is known by */
    CFS_KEEPING_RENEWED,
    CFS_KEEPING_OWES, /* it has owed a RECALLED for long: its lease is let run out */
};

/* SHARE_KEEP. */
enum cfs_keeping cfs_lines_keep(struct cfs_lines *lines, cfs_node_id node, uint64_t epoch,
                                cfs_time now);

/* Whether `epoch` of that node is over: a read under it is late, or its node's clock of epochs
 * stands behind. Only larger ones than `*floor` count. */
bool cfs_lines_epoch_over(const struct cfs_lines *lines, cfs_node_id node, uint64_t epoch,
                          uint64_t *floor);

/* A change comes, of names or of contents: WAITING, on the list `ready` unless it has to. Nobody
 * else's may have the asker's session and sequence. The pointer is good until it is finished. */
struct cfs_change *cfs_lines_begin(struct cfs_lines *lines, struct cfs_asker asker, bool contents,
                                   const struct cfs_cache_recall_item *items, uint32_t count);
struct cfs_change *cfs_lines_find(const struct cfs_lines *lines, struct cfs_asker asker);

/* It touches something else by now: whether it still waits for nobody. */
bool cfs_lines_touch(struct cfs_lines *lines, struct cfs_change *change,
                     const struct cfs_cache_recall_item *items, uint32_t count);

/* From WAITING to RECALLING: `awaited` are the sharers that have to be told, the asker's node not
 * among them. */
void cfs_lines_recall(struct cfs_lines *lines, struct cfs_change *change, cfs_time now,
                      cfs_time resend);

/* RECALL was sent again: the next time is `resend`, later than that of all others. Nodes whose
 * lease was over are forgotten before, with all they shared. */
void cfs_lines_recall_again(struct cfs_lines *lines, struct cfs_change *change, cfs_time resend);
void cfs_lines_end_leases(struct cfs_lines *lines, const struct cfs_change *change, cfs_time now);

/* RECALLED by `node`, of the change `id`; of one that is over: nothing. */
void cfs_lines_recalled(struct cfs_lines *lines, cfs_node_id node, uint64_t id);

/* From RECALLING to COMMITTING. */
void cfs_lines_commit(struct cfs_lines *lines, struct cfs_change *change, uint64_t index);

/* Node `node` is told bytes of the line that are not to be kept: a mapping shows them until they
 * are recalled. */
void cfs_lines_tell(struct cfs_lines *lines, cfs_node_id node, uint64_t number);

/* From COMMITTING to TELLING, when it is applied: those that were told bytes are awaited, under an
 * id of its own. */
void cfs_lines_retract(struct cfs_lines *lines, struct cfs_change *change, cfs_time now,
                       cfs_time resend);

/* Whether the line is being recalled: for a change that is not in the log yet. */
bool cfs_lines_recalls(const struct cfs_lines *lines, uint64_t number);

/* The change is applied, and answered with share: its node becomes a sharer of what it touched, and
 * of the line `also` (0: none), if its epoch is not over. To be asked before it is finished. */
bool cfs_lines_share_changed(struct cfs_lines *lines, const struct cfs_change *change,
                             uint64_t also, cfs_time now, bool *exclusive);

/* It is over, whatever state it is in, and freed. */
void cfs_lines_finish(struct cfs_lines *lines, struct cfs_change *change);

/* How many lines somebody shares or a change touches, and how many changes are under way. */
uint32_t cfs_lines_count(const struct cfs_lines *lines);
uint32_t cfs_lines_change_count(const struct cfs_lines *lines);

/* The line as `node` sees it, as far as the home knows. */
enum cfs_line_state cfs_lines_state(const struct cfs_lines *lines, cfs_node_id node,
                                    uint64_t number);

#endif
