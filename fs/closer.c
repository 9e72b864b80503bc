/* Reading /proc about a process that closes a file.
 *
 * What counts is PF_SIGNALED. It blurs in one place: when a process of several threads exits, the
 * kernel ends the others by signals, and the last of them closes the files. The exit code tells;
 * where that is hidden from us, the process counts as killed. */
#include "fs/closer.h"

#include <inttypes.h>
#include <string.h>

#include "fs/proc.h"

/* include/linux/sched.h in the kernel. */
#define PF_EXITING 0x4u
#define PF_SIGNALED 0x400u
#define DELETED " (deleted)"

/* A field that is hidden reads as 0; `io` is readable by those it is not hidden from. */
static bool may_know(const struct cfs_closer *closer)
{
    char text[512];

    return cfs_proc_read(closer->proc, text, sizeof text, "%" PRIu32 "/io", closer->pid);
}

static bool exited_by_itself(const struct cfs_closer *closer, uint64_t exit_code)
{
    return (exit_code & 0x7f) == 0 && may_know(closer);
}

void cfs_closer_look(struct cfs_closer *closer, int proc, uint32_t tid)
{
    uint64_t flags = 0, exit_code = 0;
    struct cfs_process process;
    uint32_t parent;
    char text[1024];

    *closer = (struct cfs_closer){.proc = proc};
    cfs_proc_identify(proc, tid, &process, &parent);
    if (!process.pid || !cfs_proc_read(proc, text, sizeof text, "%" PRIu32 "/stat", tid) ||
        !cfs_proc_parse_end(text, &flags, &exit_code))
        return;
    closer->pid = process.pid;
    closer->ends = flags & PF_EXITING;
    closer->reason = CFS_CLOSE_ORDERLY;
    if (flags & PF_SIGNALED && !exited_by_itself(closer, exit_code))
        closer->reason = CFS_CLOSE_KILLED;
}

bool cfs_closer_has_thread(const struct cfs_closer *closer, uint32_t tid)
{
    struct cfs_process process;
    uint32_t parent;

    if (!closer->pid || tid == closer->pid)
        return closer->pid;
    cfs_proc_identify(closer->proc, tid, &process, &parent);
    return process.pid == closer->pid;
}

struct search {
    const struct cfs_closer *closer;
    const char *base;
    uint64_t ino;
    bool found;
};

/* The kernel calls a name deleted that it has looked up anew since. */
static bool has_base(const char *target, const char *base)
{
    const char *last = strrchr(target, '/');
    size_t len = strlen(base);

    return last && strncmp(last + 1, base, len) == 0 &&
           (!last[1 + len] || strcmp(last + 1 + len, DELETED) == 0);
}

static bool see_descriptor(void *arg, uint32_t pid, uint32_t fd, const char *target)
{
    struct search *search = arg;
    uint64_t ino, mount_id;

    if (!has_base(target, search->base))
        return true;
    cfs_proc_fd_identity(search->closer->proc, pid, fd, &ino, &mount_id);
    search->found = !ino || ino == search->ino;
    return !search->found;
}

/* The one that is being closed is not among them any more, and of a process that ends none is. */
static bool has_another(const struct cfs_closer *closer, const char *base, uint64_t ino)
{
    struct search search = {closer, base, ino, false};

    if (closer->ends)
        return false;
    return cfs_proc_each_fd(closer->proc, closer->pid, see_descriptor, &search) < 0 || search.found;
}

static bool has_children(const struct cfs_closer *closer)
{
    struct cfs_pids threads = {0}, children = {0};
    bool seen = cfs_proc_threads(closer->proc, closer->pid, &threads) &&
                cfs_proc_children(closer->proc, closer->pid, &threads, &children);
    bool has = !seen || children.count;

    cfs_pids_close(&threads);
    cfs_pids_close(&children);
    return has;
}

bool cfs_closer_may_share(const struct cfs_closer *closer, const char *base, uint64_t ino)
{
    return !closer->pid || has_another(closer, base, ino) || has_children(closer);
}
