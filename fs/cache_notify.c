/* A list of jobs, threads that take from it, and a list of what is done.
 *
 * A thread that tells the kernel to forget a name stands still, beyond the reach of any signal, as
 * long as somebody has the directory's lock, and whoever has it may wait for this daemon: also when
 * the daemon is killed, which is what guard.h is for. */
#include "fs/cache_notify.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "coordfs/log.h"
#include "fs/memory.h"

/* Those that stand still wait for a change of this node to be answered, of which there are never
 * very many at a time. */
#define THREADS_MAX 256

struct cfs_notifier {
    struct fuse_session *session;
    int done_fd;
    pthread_mutex_t mutex;
    pthread_cond_t more;
    struct cfs_notify_job *jobs, **last_job;
    struct cfs_notify_job *done, **last_done;
    pthread_t *threads;
    size_t thread_count, idle, queued;
    bool ending;
};

static struct cfs_notify_job *take_job(struct cfs_notifier *notifier)
{
    struct cfs_notify_job *job = notifier->jobs;

    if (!job)
        return NULL;
    notifier->jobs = job->next;
    if (!notifier->jobs)
        notifier->last_job = &notifier->jobs;
    notifier->queued--;
    job->next = NULL;
    return job;
}

/* How long after a name was expired this is done again. */
#define AGAIN_US 20000

/* An invalidated name is gone from the kernel's table, with whatever is known of it; one that
 * begins to be walked through at this moment ends there, and nobody finds it again. An expired one
 * stays: a directory that somebody works in would not be found by getcwd(2) otherwise. But who has
 * asked for it already, and has not run since he was answered, makes it valid again: therefore
 * twice. Kernels before 6.2 know only the first, but for 6.1 from 6.1.112 on. */
static bool forget_name(struct fuse_session *session, fuse_ino_t dir,
                        const struct cfs_notify_name *name)
{
    size_t len = strlen(name->name);

    if (name->stays && fuse_lowlevel_notify_expire_entry(session, dir, name->name, len,
                                                         FUSE_LL_EXPIRE_ONLY) != -ENOSYS)
        return true;
    fuse_lowlevel_notify_inval_entry(session, dir, name->name, len);
    return false;
}

static void forget_names(struct fuse_session *session, const struct cfs_notify_job *job)
{
    bool again = false;

    for (const struct cfs_notify_name *at = job->names; at; at = at->next)
        again |= forget_name(session, job->id, at);
    if (!again)
        return;
    usleep(AGAIN_US);
    for (const struct cfs_notify_name *at = job->names; at; at = at->next)
        if (at->stays)
            forget_name(session, job->id, at);
}

static bool is_file_of(int fd, const struct stat *attr)
{
    struct statx known;

    return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &known) == 0 &&
           known.stx_ino == attr->st_ino &&
           makedev(known.stx_dev_major, known.stx_dev_minor) == attr->st_dev;
}

/* The kernel asks us, who may tell it anything: that it has asked is all there is to it. By now the
 * descriptor may be one of another file, which may never answer. */
static void have_it_ask(struct cfs_notify_job *job)
{
    struct statx attr;
    char path[64];
    int fd;

    snprintf(path, sizeof path, "%u/fd/%d", job->reader, job->fd);
    fd = openat(job->proc, path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return;
    if (is_file_of(fd, &job->attr)) {
        atomic_store(&job->asker, (unsigned)gettid());
        statx(fd, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_SIZE, &attr);
    }
    close(fd);
}

static void tell(struct fuse_session *session, struct cfs_notify_job *job)
{
    struct fuse_bufvec bytes = FUSE_BUFVEC_INIT((size_t)job->len);

    bytes.buf[0].mem = job->data;
    if (job->after)
        usleep((useconds_t)job->after);
    if (job->kind == CFS_NOTIFY_STORE) {
        fuse_lowlevel_notify_inval_inode(session, job->id, job->from, 0);
        fuse_lowlevel_notify_store(session, job->id, job->offset, &bytes, 0);
    }
    if (job->kind == CFS_NOTIFY_RANGE)
        job->unknown =
            fuse_lowlevel_notify_inval_inode(session, job->id, job->offset, job->len) == -ENOENT;
    if (job->kind == CFS_NOTIFY_ASK)
        have_it_ask(job);
    forget_names(session, job);
}

static void finish(struct cfs_notifier *notifier, struct cfs_notify_job *job)
{
    uint64_t one = 1;
    bool first = !notifier->done;

    *notifier->last_done = job;
    notifier->last_done = &job->next;
    if (first && write(notifier->done_fd, &one, sizeof one) < 0)
        cfs_log(CFS_LOG_ERROR, "an eventfd cannot be written to");
}

static void *run(void *arg)
{
    struct cfs_notifier *notifier = arg;
    struct cfs_notify_job *job;

    pthread_mutex_lock(&notifier->mutex);
    while (!notifier->ending) {
        job = take_job(notifier);
        if (!job) {
            notifier->idle++;
            pthread_cond_wait(&notifier->more, &notifier->mutex);
            notifier->idle--;
            continue;
        }
        pthread_mutex_unlock(&notifier->mutex);
        tell(notifier->session, job);
        pthread_mutex_lock(&notifier->mutex);
        finish(notifier, job);
    }
    pthread_mutex_unlock(&notifier->mutex);
    return NULL;
}

/* With the mutex, or before there is anybody else. */
static bool start_thread(struct cfs_notifier *notifier)
{
    if (notifier->thread_count == THREADS_MAX ||
        pthread_create(&notifier->threads[notifier->thread_count], NULL, run, notifier) != 0)
        return false;
    notifier->thread_count++;
    return true;
}

struct cfs_notifier *cfs_notifier_new(struct fuse_session *session, int done_fd)
{
    struct cfs_notifier *notifier = cfs_fs_alloc(sizeof *notifier);
    bool started;

    notifier->session = session;
    notifier->done_fd = done_fd;
    notifier->last_job = &notifier->jobs;
    notifier->last_done = &notifier->done;
    notifier->threads = cfs_fs_alloc(THREADS_MAX * sizeof *notifier->threads);
    pthread_mutex_init(&notifier->mutex, NULL);
    pthread_cond_init(&notifier->more, NULL);
    pthread_mutex_lock(&notifier->mutex);
    started = start_thread(notifier);
    pthread_mutex_unlock(&notifier->mutex);
    if (started)
        return notifier;
    cfs_notifier_free(notifier);
    return NULL;
}

void cfs_notify_names_free(struct cfs_notify_name *names)
{
    struct cfs_notify_name *next;

    for (; names; names = next) {
        next = names->next;
        free(names);
    }
}

void cfs_notify_job_free(struct cfs_notify_job *job)
{
    cfs_notify_names_free(job->names);
    free(job->data);
    free(job);
}

static void free_jobs(struct cfs_notify_job *jobs)
{
    struct cfs_notify_job *next;

    for (; jobs; jobs = next) {
        next = jobs->next;
        cfs_notify_job_free(jobs);
    }
}

void cfs_notifier_end(struct cfs_notifier *notifier)
{
    pthread_mutex_lock(&notifier->mutex);
    notifier->ending = true;
    pthread_cond_broadcast(&notifier->more);
    pthread_mutex_unlock(&notifier->mutex);
    for (size_t i = 0; i < notifier->thread_count; i++)
        pthread_join(notifier->threads[i], NULL);
    notifier->thread_count = 0;
    *notifier->last_done = notifier->jobs;
    notifier->jobs = NULL;
}

void cfs_notifier_free(struct cfs_notifier *notifier)
{
    if (!notifier)
        return;
    cfs_notifier_end(notifier);
    free_jobs(notifier->done);
    pthread_mutex_destroy(&notifier->mutex);
    pthread_cond_destroy(&notifier->more);
    free(notifier->threads);
    free(notifier);
}

void cfs_notifier_add(struct cfs_notifier *notifier, struct cfs_notify_job *job)
{
    pthread_mutex_lock(&notifier->mutex);
    job->next = NULL;
    *notifier->last_job = job;
    notifier->last_job = &job->next;
    notifier->queued++;
    if (notifier->idle)
        pthread_cond_signal(&notifier->more);
    if (notifier->queued > notifier->idle && !start_thread(notifier))
        cfs_log(CFS_LOG_DEBUG, "all threads that tell the kernel to forget stand still");
    pthread_mutex_unlock(&notifier->mutex);
}

struct cfs_notify_job *cfs_notifier_done(struct cfs_notifier *notifier)
{
    struct cfs_notify_job *done;

    pthread_mutex_lock(&notifier->mutex);
    done = notifier->done;
    notifier->done = NULL;
    notifier->last_done = &notifier->done;
    pthread_mutex_unlock(&notifier->mutex);
    return done;
}
