/* Values as files. `file` stores by open(O_TRUNC), write, close, as `echo >` does, and gets by
 * open, read, close; `file-rename` stores by a temporary name and rename(2); `file-held` gets by a
 * read on a descriptor that it keeps. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cache_client.h"

static int open_nothing(struct cache *cache)
{
    cache->fd = -1;
    return 0;
}

static int set_key(struct cache *cache)
{
    snprintf(cache->path, sizeof(cache->path), "%s/cache/%s", cache->target, cache->key);
    snprintf(cache->other_path, sizeof(cache->other_path), "%s/cache/.%s", cache->target,
             cache->key);
    if (cache->fd >= 0)
        close(cache->fd);
    cache->fd = -1;
    return 0;
}

static int store(struct cache *cache, const char *path, const char *data, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    ssize_t wrote;

    if (fd < 0)
        return cache_complain(cache, path);
    for (size_t at = 0; at < len; at += (size_t)wrote) {
        wrote = write(fd, data + at, len - at);
        if (wrote <= 0) {
            close(fd);
            return cache_complain(cache, "write");
        }
    }
    if (cache->answered && path == cache->path)
        cache->answered();
    return close(fd) == 0 ? 0 : cache_complain(cache, "close");
}

static int put(struct cache *cache, const char *data, size_t len)
{
    return store(cache, cache->path, data, len);
}

static int put_by_rename(struct cache *cache, const char *data, size_t len)
{
    if (store(cache, cache->other_path, data, len) != 0)
        return -1;
    return rename(cache->other_path, cache->path) == 0 ? 0 : cache_complain(cache, "rename");
}

/* The end of a file is seen by a read that gives less than was asked for. */
static ssize_t get(struct cache *cache, const char **value)
{
    int fd = open(cache->path, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (fd < 0)
        return errno == ENOENT ? NOT_THERE : cache_complain(cache, cache->path);
    got = read(fd, cache->in, sizeof(cache->in));
    close(fd);
    *value = cache->in;
    return got >= 0 ? got : cache_complain(cache, "read");
}

static ssize_t get_held(struct cache *cache, const char **value)
{
    ssize_t got;

    if (cache->fd < 0)
        cache->fd = open(cache->path, O_RDONLY | O_CLOEXEC);
    if (cache->fd < 0)
        return cache_complain(cache, cache->path);
    got = pread(cache->fd, cache->in, sizeof(cache->in), 0);
    *value = cache->in;
    return got >= 0 ? got : cache_complain(cache, "pread");
}

static void drop(struct cache *cache)
{
    unlink(cache->path);
}

const struct cache_system cache_file = {"file", open_nothing, set_key, put, get, drop};

const struct cache_system cache_file_rename = {
    "file-rename", open_nothing, set_key, put_by_rename, get, drop,
};

const struct cache_system cache_file_held = {
    "file-held", open_nothing, set_key, put, get_held, drop,
};
