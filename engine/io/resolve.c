/* The thread shares nothing with the loop but one record, which goes with the last of the two. */
#include "io/resolve.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/alloc.h"
#include "io/thread.h"

struct cfs_resolve {
    struct cfs_loop *loop;
    cfs_resolved_fn fn;
    void *arg;
    char host[256];
    struct cfs_resolved resolved;
    int done_fd; /* readable when `resolved` is there */
    atomic_int users;
};

static void release(struct cfs_resolve *resolve)
{
    if (atomic_fetch_sub(&resolve->users, 1) > 1)
        return;
    close(resolve->done_fd);
    free(resolve);
}

static void add_addresses(struct cfs_resolved *resolved, const struct addrinfo *list)
{
    for (; list && resolved->count < CFS_RESOLVE_MAX; list = list->ai_next)
        if (getnameinfo(list->ai_addr, list->ai_addrlen, resolved->addresses[resolved->count],
                        NI_MAXHOST, NULL, 0, NI_NUMERICHOST) == 0)
            resolved->count++;
}

static void *run(void *arg)
{
    struct cfs_resolve *resolve = arg;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int error = getaddrinfo(resolve->host, NULL, &hints, &list);
    uint64_t one = 1;

    if (error)
        resolve->resolved.why = gai_strerror(error);
    else
        add_addresses(&resolve->resolved, list);
    if (list)
        freeaddrinfo(list);
    while (write(resolve->done_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    release(resolve);
    return NULL;
}

static void on_done(void *arg, uint32_t events)
{
    struct cfs_resolve *resolve = arg;
    uint64_t count;

    (void)events;
    if (read(resolve->done_fd, &count, sizeof count) < 0)
        return;
    cfs_loop_unwatch(resolve->loop, resolve->done_fd);
    resolve->fn(resolve->arg, &resolve->resolved);
    release(resolve);
}

struct cfs_resolve *cfs_resolve_start(struct cfs_loop *loop, const char *host, cfs_resolved_fn fn,
                                      void *arg)
{
    struct cfs_resolve *resolve = cfs_alloc_zeroed(1, sizeof *resolve);
    pthread_t thread;

    *resolve = (struct cfs_resolve){.loop = loop, .fn = fn, .arg = arg, .users = 2};
    strncpy(resolve->host, host, sizeof resolve->host - 1);
    resolve->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (resolve->done_fd < 0 ||
        cfs_loop_watch(loop, resolve->done_fd, EPOLLIN, on_done, resolve) != 0)
        goto failed;
    if (cfs_thread_start(&thread, "resolve", run, resolve) == 0) {
        pthread_detach(thread);
        return resolve;
    }
failed:
    cfs_loop_unwatch(loop, resolve->done_fd);
    if (resolve->done_fd >= 0)
        close(resolve->done_fd);
    free(resolve);
    return NULL;
}

void cfs_resolve_cancel(struct cfs_resolve *resolve)
{
    cfs_loop_unwatch(resolve->loop, resolve->done_fd);
    release(resolve);
}
