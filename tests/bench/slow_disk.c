/* Loaded before the C library (LD_PRELOAD): now and then an fdatasync(2) takes STALL_MS longer.
 * STALL_EVERY_MS says how often that happens in each process, on average. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static long setting(const char *name, long otherwise)
{
    const char *value = getenv(name);

    return value ? atol(value) : otherwise;
}

static long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void stall_if_due(void)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static long due;
    static unsigned seed;
    long every = setting("STALL_EVERY_MS", 2000), stall = setting("STALL_MS", 500);
    long now = now_ms();

    pthread_mutex_lock(&mutex);
    if (!due) {
        seed = (unsigned)getpid();
        due = now + every;
    }
    if (now < due)
        stall = 0;
    else
        due = now + stall + every / 2 + rand_r(&seed) % (every > 0 ? every : 1);
    pthread_mutex_unlock(&mutex);
    nanosleep(&(struct timespec){stall / 1000, stall % 1000 * 1000000}, NULL);
}

int fdatasync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");

    stall_if_due();
    return real(fd);
}
