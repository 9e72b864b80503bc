/* A /proc made of files: processes, their threads, children and descriptors, as stories need them.
 */
#ifndef TESTS_UNIT_FAKE_PROC_H
#define TESTS_UNIT_FAKE_PROC_H

struct fake_proc {
    char root[64];
    int fd; /* of the directory, as code under test takes it */
};

void fake_proc_open(struct fake_proc *proc);
void fake_proc_close(struct fake_proc *proc);

/* Writes a file, and makes the directories on the way to it. */
void fake_put(const struct fake_proc *proc, const char *text, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A thread; `syscall` is the number of the call it is blocked in, -1: running. */
void fake_put_thread(const struct fake_proc *proc, int pid, int tid, long syscall,
                     const char *children);

/* A process of one thread, that has no descriptors yet. */
void fake_put_process(const struct fake_proc *proc, int pid, long syscall, const char *children);

/* The kernel's flags of a process that is there, its exit code as wait(2) has it, and whether it is
 * one whose exit code we may know. */
void fake_put_end(const struct fake_proc *proc, int pid, unsigned flags, int exit_code, int known);

void fake_put_fd(const struct fake_proc *proc, int pid, int fd, const char *target,
                 unsigned mount_id, unsigned long ino);

#endif
