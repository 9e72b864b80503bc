/* What /proc tells about processes. Every function takes a descriptor of /proc, so that tests can
 * bring their own. None blocks: nothing here opens or stats a file of another file system. */
#ifndef CFS_FS_PROC_H
#define CFS_FS_PROC_H

#include <sys/types.h>

#include "coordfs/types.h"

/* A list of pids. Zeroed memory is an empty one; close frees it. */
struct cfs_pids {
    uint32_t *items;
    size_t count, capacity;
};

void cfs_pids_add(struct cfs_pids *pids, uint32_t pid);
void cfs_pids_close(struct cfs_pids *pids);

/* A file below /proc as text, cut off at `size` - 1. False when it cannot be read. */
bool cfs_proc_read(int proc, char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Fields of proc(5) status and stat. False when the text is none. */
bool cfs_proc_parse_status(const char *status, uint32_t *tgid, uint32_t *parent);
bool cfs_proc_parse_stat(const char *stat, char *state, uint64_t *start);
/* The kernel's flags of the thread, and its exit code in the form of wait(2), 0 where that is not
 * for us to know. */
bool cfs_proc_parse_end(const char *stat, uint64_t *flags, uint64_t *exit_code);

/* The process that thread `tid` belongs to, and its parent. What cannot be seen is {0, 0} and 0. */
void cfs_proc_identify(int proc, uint32_t tid, struct cfs_process *process, uint32_t *parent);

/* Its pid alone, which takes half as long; 0: it cannot be seen. */
uint32_t cfs_proc_pid(int proc, uint32_t tid);

/* Whether that very process still exists. */
bool cfs_proc_exists(int proc, const struct cfs_process *process);

/* Whether the thread is blocked in wait4(2) or waitid(2). */
bool cfs_proc_in_wait(int proc, uint32_t pid, uint32_t tid);

/* A system call, and what it was given first. */
struct cfs_syscall {
    long number;
    uint64_t args[3];
};

/* The one that the thread is blocked in. False: none, or not for us to know. */
bool cfs_proc_syscall(int proc, uint32_t tid, struct cfs_syscall *call);

/* Its number; -1 for false. */
long cfs_proc_call(int proc, uint32_t tid);

/* Whether it is open(2) or openat(2); then its flags. */
bool cfs_syscall_opens(const struct cfs_syscall *call, int *flags);

/* How many bytes the thread, blocked in write(2), has asked to write; 0: it is blocked in something
 * else, or not for us to know. False: it has not gone to sleep yet. */
bool cfs_proc_write_size(int proc, uint32_t tid, uint64_t *size);

/* Whether it has more threads than the one that it is named for. */
bool cfs_proc_has_threads(int proc, uint32_t pid);

/* Appends all processes, the threads of one, the children of all these. False: cannot be seen. */
bool cfs_proc_list(int proc, struct cfs_pids *out);
bool cfs_proc_threads(int proc, uint32_t pid, struct cfs_pids *out);
bool cfs_proc_children(int proc, uint32_t pid, const struct cfs_pids *threads,
                       struct cfs_pids *out);

/* Calls `fn` with each descriptor of the process and what it points to; false from `fn` ends it.
 * Returns the number of descriptors seen, -errno when they cannot be. */
typedef bool (*cfs_link_fn)(void *arg, uint32_t pid, uint32_t fd, const char *target);
int cfs_proc_each_fd(int proc, uint32_t pid, cfs_link_fn fn, void *arg);

/* Inode number and mount of a descriptor, from its fdinfo. 0 where the kernel does not say. */
void cfs_proc_fd_identity(int proc, uint32_t pid, uint32_t fd, uint64_t *ino, uint64_t *mount_id);

/* One line of /proc/PID/mountinfo. */
struct cfs_mount_line {
    uint64_t id;
    uint64_t device; /* as makedev(3) */
    char path[4096]; /* without escapes */
    char type[64];
};

/* Looks for a mount: by `id` if that is not 0, else the topmost on `path`. `pid` 0: one's own. */
bool cfs_proc_find_mount(int proc, uint32_t pid, uint64_t id, const char *path,
                         struct cfs_mount_line *out);
bool cfs_proc_parse_mount(const char *line, struct cfs_mount_line *out);

#endif
