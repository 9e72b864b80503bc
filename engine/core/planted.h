/* Bugs on purpose, in the core and in the codec of the wire. A checker that cannot fail proves
 * nothing: each rule named here can be broken in a build with CFS_PLANTED_BUGS, and the simulator
 * must notice. In every other build the condition is the constant false and the compiler removes
 * it. */
#ifndef CFS_CORE_PLANTED_H
#define CFS_CORE_PLANTED_H

#define CFS_PLANTED_MAP(X)                                                                         \
    X(BUG_VOTE_TWICE, "vote-twice", "grants its vote to two candidates of one term")               \
    X(BUG_FORGET_VOTE, "forget-vote", "does not persist term and vote")                            \
    X(BUG_STALE_LOG_VOTE, "stale-log-vote", "votes for a candidate whose log is behind")           \
    X(BUG_COMMIT_OLD_TERM, "commit-old-term",                                                      \
      "commits an older term's entry by counting replicas")                                        \
    X(BUG_COMMIT_MINORITY, "commit-minority", "commits what half of the members have")             \
    X(BUG_ACK_BEFORE_DURABLE, "ack-before-durable",                                                \
      "acknowledges entries before they are durable")                                              \
    X(BUG_SKIP_LOG_CHECK, "skip-log-check", "appends without comparing the previous entry's term") \
    X(BUG_APPLY_UNCOMMITTED, "apply-uncommitted", "applies an entry before it is committed")       \
    X(BUG_STALE_READ, "stale-read", "answers reads without a valid lease")                         \
    X(BUG_IGNORE_PROMISE, "ignore-promise",                                                        \
      "a new leader serves while the old one's lease may run")                                     \
    X(BUG_TWO_HOLDERS, "two-holders",                                                              \
      "grants an exclusive lock without looking at shared holders")                                \
    X(BUG_FORGET_CANCEL, "forget-cancel", "applies a command that was cancelled before")           \
    X(BUG_EARLY_EXPIRY, "early-expiry", "expires sessions at half their term")                     \
    X(BUG_OWN_TERM, "own-term", "expires sessions by the leader's own setting")                    \
    X(BUG_COUNT_HALTS, "count-halts",                                                              \
      "takes the time while it was stopped for the cluster's silence")                             \
    X(BUG_LATE_OPENING, "late-opening", "relies on a session that took its whole term to open")    \
    X(BUG_TOKEN_REUSE, "token-reuse", "a lock's next holder gets the token of the last")           \
    X(BUG_SAVE_KEEPS_CLAIM, "save-keeps-claim", "a checkpoint keeps a claim that has ended")       \
    X(BUG_SAVE_FORGETS_ANSWERS, "save-forgets-answers",                                            \
      "a checkpoint leaves out what was answered")                                                 \
    X(BUG_COMPACT_UNSAVED, "compact-unsaved", "drops records that the checkpoint does not cover")  \
    X(BUG_SNAPSHOT_SKIPS, "snapshot-skips", "a snapshot leaves out a chunk")                       \
    X(BUG_KEEP_OLD_LOG, "keep-old-log", "a restart brings back entries that a snapshot replaced")  \
    X(BUG_JOINT_EITHER, "joint-either",                                                            \
      "takes a majority of the old or of the new voters for one of each")                          \
    X(BUG_COUNT_FORGETFUL, "count-forgetful", "counts the vote of a node that lost its disk")      \
    X(BUG_STAYS_FULL, "stays-full", "never believes that a full disk has room again")              \
    X(BUG_ADOPT_ENDED, "adopt-ended", "a group takes up a session that it knows to have ended")    \
    X(BUG_END_UNSEEN, "end-unseen", "a group ends a session that its leader has not heard of yet") \
    X(BUG_OLD_PLACEMENT, "old-placement", "groups stay where the first table of nodes wants them") \
    X(BUG_DROP_HALF, "drop-half", "a replica that was let go and comes back has no beginning")     \
    X(BUG_DROP_ALL, "drop-all", "a replica that was let go votes as if it had never had anything") \
    X(BUG_LEAVE_EARLY, "leave-early",                                                              \
      "a removed node ends while a group may need it for the change")                              \
    X(BUG_COUNT_TORN, "count-torn", "counts the vote of a node whose log was torn like any other") \
    X(BUG_WIRE_FORGETS, "wire-forgets", "the codec leaves out what a voter has promised")          \
    X(BUG_BACK_TO_TAIL, "back-to-tail", "a message given back goes behind the others")             \
    X(BUG_UNDO_LOSES, "undo-loses", "a message that its consumer gave up is gone with the claim")  \
    X(BUG_NEWEST_FIRST, "newest-first", "who waits for a message last is served first")            \
    X(BUG_FORGET_KEY, "forget-key", "what is produced again with its key is in the queue twice")   \
    X(BUG_EARLY_RETURN, "early-return", "claims end at half their time")                           \
    X(BUG_SAVE_SKIPS_CLAIMED, "save-skips-claimed", "a checkpoint leaves out what is in flight")   \
    X(BUG_MIX_BODIES, "mix-bodies", "bodies of one length that the disk gives are mixed up")       \
    X(BUG_SHARE_IN_CHANGE, "share-in-change", "a home shares what a change is under way to")       \
    X(BUG_LATE_RECALLED, "late-recalled",                                                          \
      "a home takes a late RECALLED for that of another change")                                   \
    X(BUG_OPEN_AT_ONCE, "open-at-once", "a new home does not wait for what the last one shared")   \
    X(BUG_COMMIT_UNRECALLED, "commit-unrecalled", "a home commits before all have given up")       \
    X(BUG_OLD_EPOCH, "old-epoch", "a home goes back to an old epoch, and forgets what is shared")  \
    X(BUG_LEASE_FROM_ANSWER, "lease-from-answer", "counts a share's lease from the answer")        \
    X(BUG_LAPSE_KEEPS_EPOCH, "lapse-keeps-epoch", "what is shared after a lapse has no new epoch") \
    X(BUG_RECALL_UNMARKED, "recall-unmarked", "keeps what was recalled before its answer came")    \
    X(BUG_OWN_UNMARKED, "own-unmarked", "keeps what a change of its own has overtaken")            \
    X(BUG_FORGET_NAMES, "forget-names",                                                            \
      "who gives up a directory's attributes is told nothing of its names")                        \
    X(BUG_RENAME_UNTOLD, "rename-untold", "a rename does not recall the name that it takes")       \
    X(BUG_MISSING_UNTOLD, "missing-untold", "a file that is made is not recalled as missing")      \
    X(BUG_EXCLUSIVE_OPENS, "exclusive-opens", "O_EXCL is content with a file that is there")       \
    X(BUG_APPEND_AT_OFFSET, "append-at-offset", "appends where the asking node saw the end")       \
    X(BUG_GAP_KEEPS, "gap-keeps", "bytes beyond a new end come back when the file grows again")    \
    X(BUG_ORPHAN_AT_ONCE, "orphan-at-once", "what has lost its name is collected at once")

enum cfs_planted {
    CFS_BUG_NONE,
#define X(id, word, sentence) CFS_##id,
    CFS_PLANTED_MAP(X)
#undef X
        CFS_BUG_COUNT
};

#ifdef CFS_PLANTED_BUGS
extern enum cfs_planted cfs_planted_bug; /* set by the simulator before a run */
#define CFS_PLANTED(id) (cfs_planted_bug == CFS_##id)
#else
#define CFS_PLANTED(id) 0
#endif

#endif
