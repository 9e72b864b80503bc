/* Who waits in which process.
 *
 * The cheap questions come first, for most locks under contention are held by a process that simply
 * runs: the taker, while nobody has closed a descriptor of the file; then the process that was last
 * seen to have it; and only for what is left over a pass over the descriptors of all processes, in
 * bounded time. What that found to be stuck stays so, without another pass, as long as those who
 * have it open wait for the very same requests: they cannot have handed it on meanwhile.
 *
 * Descriptors are recognised by what their link in /proc/PID/fd ends in, then by inode number and
 * mount, which hold in other mount namespaces too. Links are read, never followed: that would ask
 * this very daemon. All opens of a name count as opens of each handle of that name, for the kernel
 * does not tell them apart; so a process that has a lock's file open without having locked it may
 * keep a deadlock from being noticed, and so may one that uses two mounts of one machine. Files in
 * flight in a socket, and those only mapped, are not seen. */
#include "fs/waits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "fs/clock.h"
#include "fs/memory.h"

/* Parents that wait for children that wait ... deeper counts as running. */
#define DEPTH_MAX 64
/* After a close: how long the kernel's word of it may be on its way. */
#define RELEASE_DELAY_MAX CFS_MS(25)
/* A pass over all processes that takes longer is given up: the node's leases come first. */
#define SCAN_MAX CFS_MS(50)
#define DELETED " (deleted)"

/* What one call found out about one process. */
struct process {
    uint32_t pid;
    bool waits;
    bool scanned;       /* its descriptors were looked at */
    struct cfs_ids ids; /* acquires it waits for */
    UT_hash_handle hh;
};

struct call {
    struct cfs_waits *waits;
    struct process *processes;
    struct cfs_held *by_name;
    uint32_t undecided; /* held locks in that state */
};

void cfs_waits_init(struct cfs_waits *waits, int proc, cfs_parked_fn parked, void *arg)
{
    *waits = (struct cfs_waits){.proc = proc, .parked = parked, .arg = arg};
}

void cfs_waits_close(struct cfs_waits *waits)
{
    while (waits->held)
        cfs_waits_remove(waits, waits->held);
    free(waits->stuck);
    waits->stuck = NULL;
}

static void ids_close(struct cfs_ids *ids)
{
    free(ids->items);
    *ids = (struct cfs_ids){0};
}

static bool ids_contain(const struct cfs_ids *ids, uint64_t id)
{
    for (uint32_t i = 0; i < ids->count; i++)
        if (ids->items[i] == id)
            return true;
    return false;
}

static void ids_add(struct cfs_ids *ids, uint64_t id)
{
    if (ids_contain(ids, id))
        return;
    if (ids->count == ids->capacity) {
        ids->capacity = ids->capacity ? 2 * ids->capacity : 4;
        ids->items = cfs_fs_resize(ids->items, ids->capacity, sizeof *ids->items);
    }
    ids->items[ids->count++] = id;
}

static void ids_add_all(struct cfs_ids *ids, const struct cfs_ids *others)
{
    for (uint32_t i = 0; i < others->count; i++)
        ids_add(ids, others->items[i]);
}

static bool ids_equal(const struct cfs_ids *a, const struct cfs_ids *b)
{
    bool equal = a->count == b->count;

    for (uint32_t i = 0; equal && i < a->count; i++)
        equal = ids_contain(b, a->items[i]);
    return equal;
}

void cfs_waits_add(struct cfs_waits *waits, struct cfs_held *held)
{
    held->state = CFS_HELD_UNDECIDED;
    DL_APPEND(waits->held, held);
}

void cfs_waits_remove(struct cfs_waits *waits, struct cfs_held *held)
{
    DL_DELETE(waits->held, held);
    cfs_pids_close(&held->openers);
    ids_close(&held->ids);
}

/* --- does a process wait? ---------------------------------------------------------------- */

static struct process *judge(struct call *call, uint32_t pid, int depth);

static bool children_wait(struct call *call, struct process *process,
                          const struct cfs_pids *threads, int depth)
{
    struct cfs_pids children = {0};
    bool wait = cfs_proc_children(call->waits->proc, process->pid, threads, &children) &&
                children.count && depth < DEPTH_MAX;

    for (size_t i = 0; wait && i < children.count; i++) {
        const struct process *child = judge(call, children.items[i], depth + 1);
        wait = child->waits;
        ids_add_all(&process->ids, &child->ids);
    }
    cfs_pids_close(&children);
    return wait;
}

static bool all_threads_wait(struct call *call, struct process *process, int depth)
{
    const struct cfs_waits *waits = call->waits;
    struct cfs_pids threads = {0};
    bool wait = cfs_proc_threads(waits->proc, process->pid, &threads);
    bool for_children = false;

    for (size_t i = 0; wait && i < threads.count; i++) {
        uint64_t id = waits->parked(waits->arg, threads.items[i]);
        if (id)
            ids_add(&process->ids, id);
        else if (cfs_proc_in_wait(waits->proc, process->pid, threads.items[i]))
            for_children = true;
        else
            wait = false;
    }
    if (wait && for_children)
        wait = children_wait(call, process, &threads, depth);
    cfs_pids_close(&threads);
    return wait;
}

static struct process *judge(struct call *call, uint32_t pid, int depth)
{
    struct process *process;

    HASH_FIND(hh, call->processes, &pid, sizeof pid, process);
    if (process)
        return process;
    process = cfs_fs_alloc(sizeof *process);
    process->pid =
        pid; /* running until shown otherwise, also to itself should pids form a circle */
    HASH_ADD(hh, call->processes, pid, sizeof process->pid, process);
    process->waits = all_threads_wait(call, process, depth);
    return process;
}

/* --- deciding ---------------------------------------------------------------------------- */

static void decide(struct call *call, struct cfs_held *held, enum cfs_held_state state)
{
    if (held->state == CFS_HELD_UNDECIDED)
        call->undecided--;
    held->state = state;
}

/* What is still open is not known: it counts as running. */
static void give_up(struct call *call)
{
    struct cfs_held *held;

    DL_FOREACH (call->waits->held, held)
        if (held->state == CFS_HELD_UNDECIDED)
            decide(call, held, CFS_HELD_RUNS);
}

static void found_open(struct call *call, struct cfs_held *held, const struct process *process)
{
    if (!process->waits) {
        held->witness = process->pid;
        decide(call, held, CFS_HELD_RUNS);
        return;
    }
    cfs_pids_add(&held->openers, process->pid);
    ids_add_all(&held->ids, &process->ids);
}

/* --- who has a lock's file open? --------------------------------------------------------- */

static bool is_our_mount(const struct cfs_waits *waits, uint32_t pid, uint64_t mount_id)
{
    struct cfs_mount_line mount;

    if (!mount_id || !waits->device || mount_id == waits->mount_id)
        return true;
    /* Another view of the same file system has the same device; one that cannot be found may be
     * ours. */
    return !cfs_proc_find_mount(waits->proc, pid, mount_id, NULL, &mount) ||
           mount.device == waits->device;
}

static bool is_of(struct call *call, const struct cfs_held *held, uint32_t pid, uint32_t fd)
{
    uint64_t ino, mount_id;

    cfs_proc_fd_identity(call->waits->proc, pid, fd, &ino, &mount_id);
    return (!ino || ino == held->ino) && is_our_mount(call->waits, pid, mount_id);
}

/* The locks that a descriptor may be of, as a chain; NULL if of none. */
static struct cfs_held *recognise(struct call *call, uint32_t pid, uint32_t fd, const char *target)
{
    const char *base = strrchr(target, '/');
    struct cfs_held *held;
    size_t len;

    if (!base)
        return NULL;
    len = strlen(++base);
    HASH_FIND(hh, call->by_name, base, len, held);
    if (held && is_of(call, held, pid, fd))
        return held;
    /* The kernel says so of a name that it has looked up anew since. */
    if (len <= strlen(DELETED) || strcmp(base + len - strlen(DELETED), DELETED) != 0)
        return NULL;
    HASH_FIND(hh, call->by_name, base, len - strlen(DELETED), held);
    return held && is_of(call, held, pid, fd) ? held : NULL;
}

static bool see_descriptor(void *arg, uint32_t pid, uint32_t fd, const char *target)
{
    struct call *call = arg;
    struct cfs_held *held = recognise(call, pid, fd, target);

    for (; held; held = held->same_name)
        if (held->state == CFS_HELD_UNDECIDED)
            found_open(call, held, judge(call, pid, 0));
    return call->undecided > 0;
}

/* A process whose first thread has ended shows its descriptors in the others only. */
static void scan_other_threads(struct call *call, uint32_t pid)
{
    struct cfs_pids threads = {0};

    if (cfs_proc_threads(call->waits->proc, pid, &threads))
        for (size_t i = 0; i < threads.count && call->undecided; i++)
            if (threads.items[i] != pid)
                cfs_proc_each_fd(call->waits->proc, threads.items[i], see_descriptor, call);
    cfs_pids_close(&threads);
}

static void scan_process(struct call *call, uint32_t pid)
{
    int count = cfs_proc_each_fd(call->waits->proc, pid, see_descriptor, call);

    if (count == -EACCES && call->waits->shared)
        give_up(call);
    else if (count == 0 && cfs_proc_has_threads(call->waits->proc, pid))
        scan_other_threads(call, pid);
}

static void scan_everything(struct call *call)
{
    struct cfs_pids pids = {0};
    cfs_time until = cfs_fs_now() + SCAN_MAX;

    if (!cfs_proc_list(call->waits->proc, &pids) || (call->waits->shared && geteuid() != 0))
        give_up(call);
    for (size_t i = 0; i < pids.count && call->undecided; i++) {
        if (pids.items[i] != (uint32_t)getpid())
            scan_process(call, pids.items[i]);
        if (cfs_fs_now() > until)
            give_up(call);
    }
    cfs_pids_close(&pids);
}

/* --- one call ---------------------------------------------------------------------------- */

/* Whether all who had it open when it was found stuck still wait for the same. */
static bool is_still_stuck(struct call *call, const struct cfs_held *held)
{
    struct cfs_ids ids = {0};
    bool stuck = held->state == CFS_HELD_STUCK;

    for (size_t i = 0; stuck && i < held->openers.count; i++) {
        const struct process *process = judge(call, held->openers.items[i], 0);
        stuck = process->waits;
        ids_add_all(&ids, &process->ids);
    }
    stuck = stuck && ids_equal(&ids, &held->ids);
    ids_close(&ids);
    return stuck;
}

static void index_name(struct call *call, struct cfs_held *held)
{
    struct cfs_held *first;

    held->same_name = NULL;
    HASH_FIND(hh, call->by_name, held->name, strlen(held->name), first);
    if (first) {
        held->same_name = first->same_name;
        first->same_name = held;
    } else {
        HASH_ADD_KEYPTR(hh, call->by_name, held->name, strlen(held->name), held);
    }
}

static void begin(struct call *call)
{
    struct cfs_held *held;

    DL_FOREACH (call->waits->held, held) {
        if (is_still_stuck(call, held))
            continue;
        held->state = CFS_HELD_UNDECIDED;
        held->openers.count = 0;
        held->ids.count = 0;
        call->undecided++;
        index_name(call, held);
    }
}

static void ask_takers(struct call *call)
{
    struct cfs_held *held;

    DL_FOREACH (call->waits->held, held)
        if (held->state == CFS_HELD_UNDECIDED && !held->flushed && held->taker.pid &&
            !judge(call, held->taker.pid, 0)->waits &&
            cfs_proc_exists(call->waits->proc, &held->taker))
            decide(call, held, CFS_HELD_RUNS);
}

/* Looks at the descriptors of a process that may have it open and run, once. */
static void ask_witness(struct call *call, const struct cfs_held *held, uint32_t pid)
{
    struct process *process;

    if (!pid || held->state != CFS_HELD_UNDECIDED)
        return;
    process = judge(call, pid, 0);
    if (process->waits || process->scanned)
        return;
    process->scanned = true;
    scan_process(call, pid);
}

static void ask_witnesses(struct call *call)
{
    struct cfs_held *held;

    DL_FOREACH (call->waits->held, held) {
        ask_witness(call, held, held->witness);
        ask_witness(call, held, held->taker.pid);
    }
}

/* Everybody was asked. Who is not seen to have it open has it all the same. */
static void conclude(struct call *call)
{
    struct cfs_held *held;

    DL_FOREACH (call->waits->held, held)
        if (held->state == CFS_HELD_UNDECIDED)
            decide(call, held, held->openers.count ? CFS_HELD_STUCK : CFS_HELD_RUNS);
}

static void end(struct call *call)
{
    struct process *process, *next;

    HASH_CLEAR(hh, call->by_name);
    HASH_ITER (hh, call->processes, process, next) {
        HASH_DEL(call->processes, process);
        ids_close(&process->ids);
        free(process);
    }
}

/* The last close(2) may have returned before RELEASE came: whoever looked at the descriptor in
 * /proc, as the daemons of all mounts do, held the open file for that moment. */
static bool may_be_closed(const struct cfs_held *held)
{
    return held->flushed && cfs_fs_now() < held->flushed_at + RELEASE_DELAY_MAX;
}

static uint32_t list_stuck(struct cfs_waits *waits)
{
    const struct cfs_held *held;
    uint32_t count = 0;

    DL_FOREACH (waits->held, held) {
        if (held->state != CFS_HELD_STUCK || may_be_closed(held))
            continue;
        if (count == waits->stuck_capacity) {
            waits->stuck_capacity = count ? 2 * count : 16;
            waits->stuck = cfs_fs_resize(waits->stuck, waits->stuck_capacity, sizeof *waits->stuck);
        }
        waits->stuck[count++] =
            (struct cfs_stuck_handle){held->handle, held->ids.items, held->ids.count};
    }
    return count;
}

uint32_t cfs_waits_stuck(struct cfs_waits *waits, const struct cfs_stuck_handle **out)
{
    struct call call = {.waits = waits};
    uint32_t count;

    begin(&call);
    ask_takers(&call);
    ask_witnesses(&call);
    if (call.undecided)
        scan_everything(&call);
    conclude(&call);
    end(&call);
    count = list_stuck(waits);
    *out = waits->stuck;
    return count;
}
