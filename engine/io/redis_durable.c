/* How durable what a Redis has answered is, and whether it may drop it: asked whenever it is there
 * again, and said when that is news. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "coordfs/log.h"
#include "io/redis_queue_internal.h"

static void say(struct cfs_redis_queue *queue, const char *sentence)
{
    if (strcmp(queue->said, sentence) == 0)
        return;
    snprintf(queue->said, sizeof queue->said, "%s", sentence);
    cfs_log(CFS_LOG_WARNING, "%s: %s", queue->url.shown, sentence);
}

/* The value of a setting in the pairs that CONFIG GET answers; "" when it is not there. */
static const char *setting(const redisReply *reply, const char *name)
{
    for (size_t i = 0; i + 1 < reply->elements; i += 2)
        if (strcmp(reply->element[i]->str, name) == 0)
            return reply->element[i + 1]->str;
    return "";
}

static void on_settings(void *arg, const struct redisReply *reply)
{
    struct cfs_redis_queue *queue = arg;

    if (!reply)
        return;
    if (reply->type != REDIS_REPLY_ARRAY) {
        say(queue, "does not say whether it keeps what it answers (CONFIG GET is refused): a "
                   "message is as durable as appendonly and appendfsync there make it");
    } else if (strcmp(setting(reply, "appendonly"), "yes") != 0 ||
               strcmp(setting(reply, "appendfsync"), "always") != 0) {
        say(queue, "messages that were answered can be lost when it crashes: it has not both "
                   "'appendonly yes' and 'appendfsync always'");
    } else {
        queue->said[0] = '\0';
    }
}

static void on_eviction(void *arg, const struct redisReply *reply)
{
    struct cfs_redis_queue *queue = arg;

    if (!reply || reply->type != REDIS_REPLY_ARRAY)
        return;
    if (strcmp(setting(reply, "maxmemory"), "0") != 0 &&
        strcmp(setting(reply, "maxmemory-policy"), "noeviction") != 0)
        cfs_log(CFS_LOG_WARNING,
                "%s drops what it likes when its memory is full: it needs 'maxmemory-policy "
                "noeviction'",
                queue->url.shown);
}

static void ask_settings(struct cfs_redis_queue *queue, const char *pattern, cfs_redis_reply_fn fn)
{
    struct cfs_redis_args args = {0};

    cfs_redis_add_text(&args, "CONFIG");
    cfs_redis_add_text(&args, "GET");
    cfs_redis_add_text(&args, pattern);
    cfs_redis_link_ask(queue->link, &args, fn, queue);
}

void cfs_redis_ask_durable(struct cfs_redis_queue *queue)
{
    ask_settings(queue, "append*", on_settings);
    ask_settings(queue, "maxmemory*", on_eviction);
}
