/* Reading /proc. */
#include "fs/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fs/memory.h"

void cfs_pids_add(struct cfs_pids *pids, uint32_t pid)
{
    if (pids->count == pids->capacity) {
        pids->capacity = pids->capacity ? 2 * pids->capacity : 16;
        pids->items = cfs_fs_resize(pids->items, pids->capacity, sizeof *pids->items);
    }
    pids->items[pids->count++] = pid;
}

void cfs_pids_close(struct cfs_pids *pids)
{
    free(pids->items);
    *pids = (struct cfs_pids){0};
}

/* As openat(2), of a path made from a format; -1 on failure. */
static int open_file(int proc, int flags, const char *format, va_list args)
{
    char path[128];
    int len = vsnprintf(path, sizeof path, format, args);

    if (len < 0 || (size_t)len >= sizeof path)
        return -1;
    return openat(proc, path, flags | O_RDONLY | O_CLOEXEC);
}

static DIR *open_dir(int proc, const char *format, ...)
{
    va_list args;
    DIR *dir = NULL;
    int fd;

    va_start(args, format);
    fd = open_file(proc, O_DIRECTORY, format, args);
    va_end(args);
    if (fd >= 0)
        dir = fdopendir(fd);
    if (fd >= 0 && !dir)
        close(fd);
    return dir;
}

bool cfs_proc_read(int proc, char *text, size_t size, const char *format, ...)
{
    va_list args;
    size_t len = 0;
    ssize_t got = -1;
    int fd;

    va_start(args, format);
    fd = open_file(proc, 0, format, args);
    va_end(args);
    if (fd < 0)
        return false;
    while (len < size - 1 && (got = read(fd, text + len, size - 1 - len)) > 0)
        len += (size_t)got;
    close(fd);
    text[len] = '\0';
    return got >= 0;
}

static bool status_field(const char *status, const char *name, uint32_t *value)
{
    const char *at = strstr(status, name);

    return at && sscanf(at + strlen(name), "%" SCNu32, value) == 1;
}

bool cfs_proc_parse_status(const char *status, uint32_t *tgid, uint32_t *parent)
{
    /* Name, the first line, is the process's to choose; the kernel escapes newlines in it. */
    return status_field(status, "\nTgid:", tgid) && status_field(status, "\nPPid:", parent);
}

bool cfs_proc_parse_stat(const char *stat, char *state, uint64_t *start)
{
    /* The command in brackets may contain anything, so fields are counted from its end. */
    const char *at = strrchr(stat, ')');

    return at && sscanf(at,
                        ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
                        "%*d %" SCNu64,
                        state, start) == 2;
}

bool cfs_proc_parse_end(const char *stat, uint64_t *flags, uint64_t *exit_code)
{
    const char *at = strrchr(stat, ')');
    int field = 2;

    for (; at && field < 52; field++) {
        at = strchr(at + 1, ' ');
        if (at && field + 1 == 9)
            *flags = strtoull(at, NULL, 10);
    }
    if (!at)
        return false;
    *exit_code = strtoull(at, NULL, 10);
    return true;
}

static bool read_start(int proc, uint32_t pid, char *state, uint64_t *start)
{
    char text[1024];

    return cfs_proc_read(proc, text, sizeof text, "%" PRIu32 "/stat", pid) &&
           cfs_proc_parse_stat(text, state, start);
}

static bool read_status(int proc, uint32_t tid, uint32_t *pid, uint32_t *parent)
{
    char text[1024]; /* the fields asked for are among the first */

    return tid && cfs_proc_read(proc, text, sizeof text, "%" PRIu32 "/status", tid) &&
           cfs_proc_parse_status(text, pid, parent);
}

uint32_t cfs_proc_pid(int proc, uint32_t tid)
{
    uint32_t pid, parent;

    return read_status(proc, tid, &pid, &parent) ? pid : 0;
}

void cfs_proc_identify(int proc, uint32_t tid, struct cfs_process *process, uint32_t *parent)
{
    char state;

    *process = (struct cfs_process){0};
    *parent = 0;
    if (!read_status(proc, tid, &process->pid, parent) ||
        !read_start(proc, process->pid, &state, &process->start)) {
        *process = (struct cfs_process){0};
        *parent = 0;
    }
}

bool cfs_proc_exists(int proc, const struct cfs_process *process)
{
    uint64_t start;
    char state;

    return process->pid && read_start(proc, process->pid, &state, &start) &&
           start == process->start && state != 'Z';
}

bool cfs_proc_in_wait(int proc, uint32_t pid, uint32_t tid)
{
    char text[256];
    long number;

    if (cfs_proc_read(proc, text, sizeof text, "%" PRIu32 "/task/%" PRIu32 "/syscall", pid, tid))
        return sscanf(text, "%ld", &number) == 1 && (number == SYS_wait4 || number == SYS_waitid);
    return cfs_proc_read(proc, text, sizeof text, "%" PRIu32 "/task/%" PRIu32 "/wchan", pid, tid) &&
           strcmp(text, "do_wait") == 0;
}

bool cfs_proc_syscall(int proc, uint32_t tid, struct cfs_syscall *call)
{
    char text[256];

    return cfs_proc_read(proc, text, sizeof text, "%" PRIu32 "/syscall", tid) &&
           sscanf(text, "%ld %" SCNx64 " %" SCNx64 " %" SCNx64, &call->number, &call->args[0],
                  &call->args[1], &call->args[2]) == 4;
}

long cfs_proc_call(int proc, uint32_t tid)
{
    struct cfs_syscall call;

    return cfs_proc_syscall(proc, tid, &call) ? call.number : -1;
}

bool cfs_syscall_opens(const struct cfs_syscall *call, int *flags)
{
    int at = call->number == SYS_openat ? 2 : -1;

#ifdef SYS_open
    if (call->number == SYS_open)
        at = 1;
#endif
    *flags = at >= 0 ? (int)call->args[at] : 0;
    return at >= 0;
}

bool cfs_proc_write_size(int proc, uint32_t tid, uint64_t *size)
{
    char text[256];
    long number;

    *size = 0;
    if (!cfs_proc_read(proc, text, sizeof text, "%" PRIu32 "/syscall", tid))
        return true;
    if (sscanf(text, "%ld %*x %*x %" SCNx64, &number, size) != 2 || number != SYS_write)
        *size = 0;
    return strcmp(text, "running\n") != 0;
}

bool cfs_proc_has_threads(int proc, uint32_t pid)
{
    char path[64];
    struct stat attr;

    snprintf(path, sizeof path, "%" PRIu32 "/task", pid);
    return fstatat(proc, path, &attr, 0) == 0 && attr.st_nlink > 3; /* one, "." and ".." */
}

static bool is_number(const char *name, uint32_t *number)
{
    char *end;
    unsigned long value;

    if (!isdigit((unsigned char)*name))
        return false;
    value = strtoul(name, &end, 10);
    *number = (uint32_t)value;
    return *end == '\0' && value <= UINT32_MAX;
}

static bool list_numbers(DIR *dir, struct cfs_pids *out)
{
    const struct dirent *entry;
    uint32_t number;

    if (!dir)
        return false;
    while ((entry = readdir(dir)))
        if (is_number(entry->d_name, &number))
            cfs_pids_add(out, number);
    closedir(dir);
    return true;
}

bool cfs_proc_list(int proc, struct cfs_pids *out)
{
    return list_numbers(open_dir(proc, "."), out);
}

bool cfs_proc_threads(int proc, uint32_t pid, struct cfs_pids *out)
{
    return list_numbers(open_dir(proc, "%" PRIu32 "/task", pid), out) && out->count;
}

bool cfs_proc_children(int proc, uint32_t pid, const struct cfs_pids *threads, struct cfs_pids *out)
{
    char text[16384];
    char *at, *end;

    for (size_t i = 0; i < threads->count; i++) {
        if (!cfs_proc_read(proc, text, sizeof text, "%" PRIu32 "/task/%" PRIu32 "/children", pid,
                           threads->items[i]) ||
            strlen(text) == sizeof text - 1)
            return false;
        for (at = text;; at = end) {
            unsigned long child = strtoul(at, &end, 10);
            if (end == at)
                break;
            cfs_pids_add(out, (uint32_t)child);
        }
    }
    return true;
}

int cfs_proc_each_fd(int proc, uint32_t pid, cfs_link_fn fn, void *arg)
{
    char target[PATH_MAX + 16]; /* " (deleted)" may follow a path */
    DIR *dir = open_dir(proc, "%" PRIu32 "/fd", pid);
    const struct dirent *entry;
    bool more = true;
    uint32_t fd;
    int count = 0;

    if (!dir)
        return -errno;
    while (more && (entry = readdir(dir))) {
        if (!is_number(entry->d_name, &fd))
            continue;
        ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);
        if (len < 0)
            continue; /* closed meanwhile */
        target[len] = '\0';
        count++;
        more = fn(arg, pid, fd, target);
    }
    closedir(dir);
    return count;
}

static uint64_t fdinfo_field(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    uint64_t value;

    return at && sscanf(at + strlen(name), "%" SCNu64, &value) == 1 ? value : 0;
}

void cfs_proc_fd_identity(int proc, uint32_t pid, uint32_t fd, uint64_t *ino, uint64_t *mount_id)
{
    char text[512];

    *ino = *mount_id = 0;
    if (!cfs_proc_read(proc, text, sizeof text, "%" PRIu32 "/fdinfo/%" PRIu32, pid, fd))
        return;
    *ino = fdinfo_field(text, "\nino:");
    *mount_id = fdinfo_field(text, "\nmnt_id:");
}

/* Undoes the \ooo of mountinfo in place. */
static void unescape(char *text)
{
    char *out = text;

    for (const char *in = text; *in; out++) {
        unsigned code;
        if (sscanf(in, "\\%3o", &code) == 1) {
            *out = (char)code;
            in += 4;
        } else {
            *out = *in++;
        }
    }
    *out = '\0';
}

bool cfs_proc_parse_mount(const char *line, struct cfs_mount_line *out)
{
    unsigned major_number, minor_number;
    const char *dash = strstr(line, " - ");

    /* id parent major:minor root mountpoint options [tags...] - type source options */
    if (!dash || sscanf(dash, " - %63s", out->type) != 1 ||
        sscanf(line, "%" SCNu64 " %*u %u:%u %*s %4095s", &out->id, &major_number, &minor_number,
               out->path) != 4)
        return false;
    out->device = makedev(major_number, minor_number);
    unescape(out->path);
    return true;
}

bool cfs_proc_find_mount(int proc, uint32_t pid, uint64_t id, const char *path,
                         struct cfs_mount_line *out)
{
    struct cfs_mount_line parsed;
    char name[64] = "self/mountinfo", *line = NULL;
    size_t size = 0;
    bool found = false;
    FILE *file = NULL;
    int fd;

    if (pid)
        snprintf(name, sizeof name, "%" PRIu32 "/mountinfo", pid);
    fd = openat(proc, name, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        file = fdopen(fd, "r");
    if (!file)
        goto cleanup;
    fd = -1;
    /* To the end: of several mounts on one path, the last is on top. */
    while (getline(&line, &size, file) > 0) {
        if (!cfs_proc_parse_mount(line, &parsed) ||
            (id ? parsed.id != id : strcmp(parsed.path, path) != 0))
            continue;
        *out = parsed;
        found = true;
    }

cleanup:
    if (file)
        fclose(file);
    if (fd >= 0)
        close(fd);
    free(line);
    return found;
}
