/* Threads beside the loop's. */
#ifndef CFS_IO_THREAD_H
#define CFS_IO_THREAD_H

#include <pthread.h>

/* As pthread_create, for a thread that takes no signals: they are for the one that runs the loop.
 * `name` is what ps -L shows, at most 15 characters. 0 or -errno. */
int cfs_thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *arg);

#endif
