/* One connection to a Redis, made again whenever it breaks: hiredis, driven by the loop.
 *
 * A link is up when the Redis has let it in and knows the script, or has subscribed it to its
 * channel. Whoever asks over it while it is not up asks nobody; what was asked and not answered
 * when it goes down may have been done or not. */
#ifndef CFS_IO_REDIS_LINK_H
#define CFS_IO_REDIS_LINK_H

#include "core/codec.h"
#include "io/loop.h"
#include "io/redis_url.h"

struct redisReply;
struct cfs_redis_link;

/* `reply` is the callee's only during the call; NULL: the link went down before one came. */
typedef void (*cfs_redis_reply_fn)(void *arg, const struct redisReply *reply);

/* None is called from within a function named here. */
struct cfs_redis_link_events {
    void *arg;
    void (*up)(void *arg);
    void (*down)(void *arg, const char *why);                 /* also of each attempt that failed */
    void (*message)(void *arg, const char *text, size_t len); /* on the channel; NUL-terminated */
};

/* `url` must outlive the link. `script`: what cfs_redis_link_run runs, NULL on a link that has a
 * `channel` instead; both must outlive it too. Begins to connect. */
struct cfs_redis_link *cfs_redis_link_new(struct cfs_loop *loop, const struct cfs_redis_url *url,
                                          const char *script, const char *channel,
                                          const struct cfs_redis_link_events *events);

/* Replies that are not there yet come as NULL, `down` does not. NULL is allowed. Not from within a
 * callback. */
void cfs_redis_link_free(struct cfs_redis_link *link);

bool cfs_redis_link_is_up(const struct cfs_redis_link *link);

/* Arguments of one command, as they go over the wire. Zeroed memory is none. */
struct cfs_redis_args {
    struct cfs_writer bytes;
    uint32_t count;
};

void cfs_redis_add(struct cfs_redis_args *args, const void *data, size_t len);
void cfs_redis_add_text(struct cfs_redis_args *args, const char *text);
void cfs_redis_add_number(struct cfs_redis_args *args, uint64_t number);

/* Runs the script with the key `key` and `args`, which it empties. Only while the link is up. */
void cfs_redis_link_run(struct cfs_redis_link *link, const char *key, struct cfs_redis_args *args,
                        cfs_redis_reply_fn fn, void *arg);

/* Any command; as above. */
void cfs_redis_link_ask(struct cfs_redis_link *link, struct cfs_redis_args *args,
                        cfs_redis_reply_fn fn, void *arg);

/* Breaks the connection, to make another: it is of no use, for the reason `why`. `down` comes at
 * once, so only from within a callback of the loop. */
void cfs_redis_link_restart(struct cfs_redis_link *link, const char *why);

/* Sends what was asked: at the end of a turn. */
void cfs_redis_link_flush(struct cfs_redis_link *link);

#endif
