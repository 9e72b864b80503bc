/* The queues as pages show them, who ask nobody: looked at now and then. */
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "io/clock.h"
#include "io/redis_queue_internal.h"

/* How old it may be, while somebody looks at it and else. */
#define RENEW_AFTER CFS_SECONDS(1)
#define RENEW_UNSEEN_AFTER CFS_SECONDS(10)
#define LOOKED_AT CFS_SECONDS(60)

static void forget_rows(struct cfs_queue_overview *overview)
{
    for (size_t i = 0; i < overview->row_count; i++)
        free(overview->rows[i].name);
    free(overview->rows);
    overview->rows = NULL;
    overview->row_count = 0;
}

/* Names and numbers in turn, from the third element on. */
static void take_rows(struct cfs_queue_overview *overview, const redisReply *list)
{
    overview->rows = cfs_alloc_zeroed(list->elements / 2 + 1, sizeof *overview->rows);
    for (size_t i = 2; i + 1 < list->elements; i += 2) {
        struct cfs_queue_row *row = &overview->rows[overview->row_count];
        if (cfs_redis_read_info(list->element[i + 1]->str, &row->info) != 0)
            continue;
        row->name = strdup(list->element[i]->str);
        overview->row_count += row->name != NULL;
    }
}

static void on_overview(void *arg, const struct redisReply *reply)
{
    struct cfs_redis_queue *queue = arg;
    struct cfs_redis_told told;

    if (!reply || !cfs_redis_told(&told, reply) || strcmp(told.word, "ok") != 0)
        return;
    forget_rows(&queue->overview);
    queue->overview.seen = cfs_clock_now();
    queue->overview.count = strtoull(told.value, NULL, 10);
    take_rows(&queue->overview, reply);
}

void cfs_redis_renew_overview(struct cfs_redis_queue *queue)
{
    cfs_time now = cfs_clock_now();
    bool looked_at = queue->overview_looked_at && now < queue->overview_looked_at + LOOKED_AT;
    struct cfs_redis_args args = {0};

    if (queue->overview_asked &&
        now < queue->overview_asked + (looked_at ? RENEW_AFTER : RENEW_UNSEEN_AFTER))
        return;
    queue->overview_asked = now;
    cfs_redis_begin(queue, &args, "overview", 0);
    cfs_redis_add_number(&args, CFS_QUEUE_ROWS_MAX);
    cfs_redis_run(queue, &args, on_overview, queue);
}

const struct cfs_queue_overview *cfs_redis_overview(void *self)
{
    struct cfs_redis_queue *queue = self;

    queue->overview_looked_at = cfs_clock_now();
    return &queue->overview;
}

void cfs_redis_overview_close(struct cfs_redis_queue *queue)
{
    forget_rows(&queue->overview);
}
