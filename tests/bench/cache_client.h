/* What cache_client knows of a cache: how a client of it connects, stores a value and gets it. All
 * of it waits for the answer. */
#ifndef CACHE_CLIENT_H
#define CACHE_CLIENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define VALUE_MAX (1 << 20)
#define LINE_BYTES 512
#define NAME_BYTES 4096
#define NOT_THERE (-2) /* of a get: no such key */
#define DIGITS 16      /* of the number that a value repeats */

struct cache {
    const char *target; /* a mount, or the socket of a server */
    char key[64];
    char path[NAME_BYTES], other_path[NAME_BYTES]; /* files: of the key, of what becomes it */
    int fd;                                        /* -1: none */
    void (*answered)(void); /* files: called when the write of a value was; NULL: nobody asks */
    char in[VALUE_MAX + LINE_BYTES];
};

/* 0 or -1 after a message, unless it says otherwise. */
struct cache_system {
    const char *name;
    int (*open)(struct cache *cache); /* connects */
    int (*set_key)(struct cache *cache);
    int (*put)(struct cache *cache, const char *data, size_t len);
    ssize_t (*get)(struct cache *cache,
                   const char **value); /* bytes, valid until the next one; or NOT_THERE */
    void (*drop)(struct cache *cache);  /* the key */
};

/* Clients of a run, as they were asked for. */
struct run {
    const struct cache_system *system;
    double seconds;
    size_t bytes;
    char **targets;
    int target_count;
};

extern const struct cache_system cache_file, cache_file_rename, cache_file_held, cache_redis,
    cache_memcached;

/* Says what went wrong, with errno where that is not 0. Gives -1. */
int cache_complain(const struct cache *cache, const char *what);

uint64_t cache_now_ns(void);

/* A cache at a target with a key of this process's own, or NULL after a message. */
struct cache *cache_open(const struct run *run, int target, const char *part, uint64_t number);

/* Changes the key. */
int cache_set_key(const struct run *run, struct cache *cache, const char *part, uint64_t number);

/* A value of `bytes` that says `number` again and again. */
void cache_fill(char *data, size_t bytes, uint64_t number);

/* The number that a value says, which is of `bytes` and all of one number; else UINT64_MAX. */
uint64_t cache_number(const char *data, ssize_t got, size_t bytes);

/* Samples, in nanoseconds. */
void cache_sample(uint64_t ns);

/* Prints samples a second, their median and 99th percentile in microseconds, then `more` and a line
 * end. An exit status: 1 when there are none. */
int cache_report(double seconds, const char *more);

/* One stores, others look: cache_share.c. Gives an exit status. */
int cache_share(const struct run *run);

/* Connects to the socket that is the target. */
int wire_connect(struct cache *cache);

/* Sends all of it. */
int wire_send(struct cache *cache, const char *data, size_t len);

/* Receives an answer into `in`: a line, of which `rest` tells how many bytes come behind its end
 * (-1: that is not what was asked for), and these. Gives the length of the line with its end. */
ssize_t wire_answer(struct cache *cache, ssize_t (*rest)(const char *line));

#endif
