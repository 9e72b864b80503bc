#include "fake_proc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void fake_proc_open(struct fake_proc *proc)
{
    strcpy(proc->root, "/tmp/coordfs-proc-XXXXXX");
    assert_non_null(mkdtemp(proc->root));
    proc->fd = open(proc->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static int remove_one(const char *path, const struct stat *attr, int type, struct FTW *ftw)
{
    (void)attr, (void)type, (void)ftw;
    return remove(path);
}

void fake_proc_close(struct fake_proc *proc)
{
    close(proc->fd);
    nftw(proc->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void fake_put(const struct fake_proc *proc, const char *text, const char *format, ...)
{
    char path[256];
    va_list args;
    FILE *file;
    int len = snprintf(path, sizeof path, "%s/", proc->root);

    va_start(args, format);
    vsnprintf(path + len, sizeof path - (size_t)len, format, args);
    va_end(args);
    for (char *at = path + len; (at = strchr(at, '/')); at++) {
        *at = '\0';
        mkdir(path, 0700);
        *at = '/';
    }
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

void fake_put_thread(const struct fake_proc *proc, int pid, int tid, long syscall,
                     const char *children)
{
    char text[64] = "running\n";

    if (syscall >= 0)
        snprintf(text, sizeof text, "%ld 0x1 0x2 0x3 0x4 0x5 0x6 0x7 0x8\n", syscall);
    fake_put(proc, text, "%d/task/%d/syscall", pid, tid);
    fake_put(proc, children, "%d/task/%d/children", pid, tid);
}

static void put_stat(const struct fake_proc *proc, int pid, unsigned flags, int exit_code)
{
    char text[512];

    snprintf(text, sizeof text,
             "%d (x) S 1 1 1 0 -1 %u 0 0 0 0 0 0 0 0 20 0 1 0 %d 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 17 "
             "0 0 0 0 0 0 0 0 0 0 0 0 0 %d\n",
             pid, flags, pid * 100, exit_code);
    fake_put(proc, text, "%d/stat", pid);
}

void fake_put_process(const struct fake_proc *proc, int pid, long syscall, const char *children)
{
    char path[256], text[64];

    fake_put_thread(proc, pid, pid, syscall, children);
    put_stat(proc, pid, 0, 0);
    snprintf(text, sizeof text, "Name:\tx\nTgid:\t%d\nPPid:\t1\n", pid);
    fake_put(proc, text, "%d/status", pid);
    snprintf(path, sizeof path, "%s/%d/fd", proc->root, pid);
    mkdir(path, 0700);
}

void fake_put_end(const struct fake_proc *proc, int pid, unsigned flags, int exit_code, int known)
{
    char path[256];

    put_stat(proc, pid, flags, exit_code);
    snprintf(path, sizeof path, "%s/%d/io", proc->root, pid);
    unlink(path);
    if (known)
        fake_put(proc, "rchar: 0\n", "%d/io", pid);
}

void fake_put_fd(const struct fake_proc *proc, int pid, int fd, const char *target,
                 unsigned mount_id, unsigned long ino)
{
    char path[256], text[128];

    snprintf(path, sizeof path, "%s/%d/fd/%d", proc->root, pid, fd);
    unlink(path);
    assert_int_equal(symlink(target, path), 0);
    snprintf(text, sizeof text, "pos:\t0\nflags:\t02\nmnt_id:\t%u\nino:\t%lu\n", mount_id, ino);
    fake_put(proc, text, "%d/fdinfo/%d", pid, fd);
}
