/* A handful of slots: the order is in the numbers, for a slot's address must not change while the
 * server may report its client gone. */
#include "io/held.h"

#include <assert.h>

void cfs_held_init(struct cfs_held *held, void (*gone)(void *arg), void *arg)
{
    *held = (struct cfs_held){.gone = gone, .arg = arg};
    for (uint32_t i = 0; i < CFS_HELD_MAX; i++)
        held->posts[i].held = held;
}

/* -1 without one. */
static int oldest(const struct cfs_held *held)
{
    int found = -1;

    for (uint32_t i = 0; i < CFS_HELD_MAX; i++)
        if (held->posts[i].request &&
            (found < 0 || held->posts[i].number < held->posts[found].number))
            found = (int)i;
    return found;
}

bool cfs_held_empty(const struct cfs_held *held)
{
    return oldest(held) < 0;
}

uint32_t cfs_held_count(const struct cfs_held *held)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < CFS_HELD_MAX; i++)
        count += held->posts[i].request != NULL;
    return count;
}

cfs_time cfs_held_since(const struct cfs_held *held)
{
    int i = oldest(held);

    return i < 0 ? CFS_NEVER : held->posts[i].since;
}

void cfs_held_answer(struct cfs_held *held, const uint8_t *batch, size_t len)
{
    int i = oldest(held);
    struct cfs_http_request *request;

    assert(i >= 0);
    request = held->posts[i].request;
    held->posts[i].request = NULL;
    cfs_http_respond(request, batch ? 200 : 204, "application/octet-stream", batch, len, NULL,
                     NULL);
}

void cfs_held_close(struct cfs_held *held)
{
    while (!cfs_held_empty(held))
        cfs_held_answer(held, NULL, 0);
}

static struct cfs_held_post *free_slot(struct cfs_held *held)
{
    for (uint32_t i = 0; i < CFS_HELD_MAX; i++)
        if (!held->posts[i].request)
            return &held->posts[i];
    return NULL;
}

static void on_gone(void *arg)
{
    struct cfs_held_post *post = arg;

    post->request = NULL;
    post->held->gone(post->held->arg);
}

void cfs_held_add(struct cfs_held *held, struct cfs_http_request *request, cfs_time now)
{
    struct cfs_held_post *post = free_slot(held);

    if (!post) {
        cfs_held_answer(held, NULL, 0);
        post = free_slot(held);
    }
    post->request = request;
    post->number = ++held->newest;
    post->since = now;
    cfs_http_on_gone(request, on_gone, post);
}
