/* The engine as the files see it: ask, be answered, give up asking.
 *
 * One thread runs cfs_engine_run and with it every callback named here; all other functions are for
 * that thread too, unless they say otherwise. Callbacks may submit and cancel, and never block. */
#ifndef COORDFS_ENGINE_H
#define COORDFS_ENGINE_H

#include "coordfs/request.h"

struct cfs_config; /* coordfs/config.h */
struct cfs_engine;

/* Called exactly once for each submitted request. `answer` is the callee's only during the call. */
typedef void (*cfs_answer_fn)(void *arg, const struct cfs_answer *answer);

/* A file descriptor became readable. Reads a bounded amount; true: there may be more to read now.
 */
typedef bool (*cfs_readable_fn)(void *arg);

/* What one open file that holds a lock waits for: it is given up only after one of `waits` (ids of
 * submitted acquires that wait) is granted. Handles not reported count as running. */
struct cfs_stuck_handle {
    uint64_t handle;
    const uint64_t *waits;
    uint32_t wait_count;
};

/* What the files have counted of cache/ since the start, and what the kernel keeps there now. */
struct cfs_cache_counts {
    uint64_t hits, misses;  /* questions of the kernel that came to the daemon: what was shared
                               answered them, or the home was asked. Most hits do not come here */
    uint64_t invalidations; /* inodes that other nodes' changes have had given up */
    uint64_t lapses;        /* times that all shares of a group were given up */
    uint64_t evictions;     /* values that made room for others */
    uint64_t inodes;        /* that the kernel knows of */
    uint64_t values, bytes; /* that it may keep pages of */
};

/* What the engine asks of the files. Every pointer may be NULL. */
struct cfs_files {
    void *arg;
    /* The cluster no longer counts anything as held by this node: fail what hangs on it. */
    void (*session_lost)(void *arg);
    /* The node can serve: called each time a session opens, the first time for readiness. */
    void (*session_opened)(void *arg);
    /* Whether releases of handles are under way: reads all that the kernel has queued, and returns
     * true once no release that was queued before the first call is unanswered. Called again until
     * true.
     */
    bool (*drained)(void *arg);
    /* Lists the handles that hold and are stuck; the list is the callee's until the next call. */
    uint32_t (*stuck_handles)(void *arg, const struct cfs_stuck_handle **out);
    /* What the recall names is to be given up, the kernel's copies included; then, from the
     * engine's thread, cfs_engine_cache_recalled. `recall` is the callee's only during the call. */
    void (*cache_recall)(void *arg, const struct cfs_cache_recall *recall);
    /* All shares of `group` older than `epoch` are void: likewise; then cfs_engine_cache_lapsed.
     * Until that has been said nothing of the group is shared anew. */
    void (*cache_lapse)(void *arg, cfs_group_id group, uint64_t epoch);
    /* Fills `counts`, which is zeroed. */
    void (*cache_counts)(void *arg, struct cfs_cache_counts *counts);
};

/* Opens the data directory, recovers what it holds, and listens. 0, or -1 after saying on the log
 * what is wrong. `config` must outlive the engine. */
int cfs_engine_open(struct cfs_engine **out, const struct cfs_config *config);

/* Installs what the files offer; before run. */
void cfs_engine_set_files(struct cfs_engine *engine, const struct cfs_files *files);

/* Calls `fn` whenever `fd` is readable; 0 or -errno. A mount has one, a node at most four. */
int cfs_engine_watch(struct cfs_engine *engine, int fd, cfs_readable_fn fn, void *arg);
void cfs_engine_unwatch(struct cfs_engine *engine, int fd);

/* Runs until cfs_engine_stop; 0 after a clean stop, -1 when the node had to stop (the log says
 * why). */
int cfs_engine_run(struct cfs_engine *engine);

/* Ends cfs_engine_run; safe from a signal handler and from any thread. */
void cfs_engine_stop(struct cfs_engine *engine);

/* Releases everything the node holds by closing its session: what a clean unmount does. Waits at
 * most `timeout_ms`; not from within a callback, nor while cfs_engine_run runs. 0, or -1 on no
 * majority. */
int cfs_engine_leave(struct cfs_engine *engine, uint32_t timeout_ms);

/* Asks. `answer` may be called before this returns only with errors of the request itself. Returns
 * an id for cancel, never 0. `request` is copied. Requests are held for the configured timeout when
 * no majority answers; then CFS_ERR_TIMED_OUT. */
uint64_t cfs_engine_submit(struct cfs_engine *engine, const struct cfs_request *request,
                           cfs_answer_fn answer, void *arg);

/* Gives up waiting: the request will be answered soon, as granted if that came first, else with
 * CFS_ERR_INTERRUPTED. Unknown ids (already answered) are ignored. */
void cfs_engine_cancel(struct cfs_engine *engine, uint64_t id);

/* Whether calls have a chance: false once one has timed out, until a leader answers again. */
bool cfs_engine_available(const struct cfs_engine *engine);

/* Whether the leader of sessions and locks was heard from just now: what is submitted is as good as
 * on its way there. */
bool cfs_engine_in_touch(const struct cfs_engine *engine);

/* For how many microseconds from now what was answered under `share` may be kept: 0 when it may not
 * be, or not any longer. */
cfs_time cfs_engine_cache_valid(struct cfs_engine *engine, const struct cfs_cache_share *share);

/* The files gave up what cache_recall or cache_lapse named. */
void cfs_engine_cache_recalled(struct cfs_engine *engine, uint64_t id);
void cfs_engine_cache_lapsed(struct cfs_engine *engine, cfs_group_id group, uint64_t epoch);

/* The .coordfs/ page `page` ("status", "ring", ...) as text, or as JSON when `json`. malloc'd, the
 * caller frees; NULL if there is no such page. */
char *cfs_engine_page(struct cfs_engine *engine, const char *page, bool json);

/* What the node counts and measures, in Prometheus' text format. malloc'd, the caller frees; NULL
 * when there is no memory. */
char *cfs_engine_metrics(struct cfs_engine *engine);

void cfs_engine_close(struct cfs_engine *engine);

#endif
