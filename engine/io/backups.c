/* From the first request to the last: checkpoints that are waited for, then one chunk of each group
 * ahead of who reads. The first chunks are fetched at once, so that all copies are of that moment
 * and not of the one at which somebody comes to read them. */
#include "io/backups.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <utlist.h>

#include "coordfs/log.h"
#include "core/alloc.h"
#include "core/group_head.h"
#include "io/backup_file.h"
#include "io/clock.h"
#include "io/config_value.h"
#include "io/http_api_internal.h"

#define ID_BYTES 17u /* hexadecimal */

/* One group of a backup. */
struct copy {
    struct backup *backup;
    cfs_group_id group;
    uint64_t number;          /* of the copy in the store */
    uint32_t chunk;           /* the next to be handed out */
    bool fetching;            /* it is being read */
    bool failed, over;        /* there is no more: something is wrong; all of it was handed out */
    bool last;                /* the chunk below is the last one */
    struct cfs_writer record; /* the next chunk, as it stands in a file */
    struct cfs_http_request *http; /* waits for it; NULL: nobody */
};

enum step { SAVING = 1, READY, COPYING, COPIED };

struct backup {
    struct cfs_backups *all;
    char id[ID_BYTES];
    enum step step;
    uint64_t order;                /* SAVING, COPYING: of the checkpoint that is waited for */
    uint32_t unread;               /* copies whose first chunk is not there yet */
    struct cfs_http_request *http; /* waits for the end of the step; NULL: nobody */
    cfs_time held;                 /* moves are, until then */
    struct copy copies[CFS_GROUPS + 1];
    uint32_t copy_count;
    struct cfs_timer idle;
    struct backup *prev, *next;
};

struct cfs_backups {
    struct cfs_loop *loop;
    struct cfs_checkpoints *checkpoints;
    cfs_node_id self;
    struct cfs_backups_events events;
    struct backup *list;
    uint32_t count;
    uint64_t last_number;
};

static void stay(struct backup *backup)
{
    cfs_timer_set(backup->all->loop, &backup->idle, cfs_clock_now() + CFS_BACKUP_IDLE);
}

static void respond_gone(struct cfs_http_request *http)
{
    cfs_http_respond_error(http, 404, "not_found", "there is no such backup here any more");
}

/* As long as the one that holds longest. */
static void hold(struct backup *backup, cfs_time until)
{
    struct cfs_backups *all = backup->all;
    const struct backup *other;
    cfs_time longest = 0;

    if (backup->held == until)
        return;
    backup->held = until;
    DL_FOREACH (all->list, other)
        if (other->held > longest)
            longest = other->held;
    all->events.hold_moves(all->events.arg, longest);
}

static void close_copy(struct copy *copy)
{
    if (copy->http)
        respond_gone(copy->http);
    if (!copy->over && !copy->failed)
        cfs_checkpoints_end_read(copy->backup->all->checkpoints, copy->number);
    free(copy->record.data);
}

static void end(struct backup *backup)
{
    struct cfs_backups *all = backup->all;

    cfs_timer_cancel(all->loop, &backup->idle);
    hold(backup, 0);
    if (backup->http)
        cfs_http_respond_failure(backup->http, CFS_ERR_TIMED_OUT);
    for (uint32_t i = 0; i < backup->copy_count; i++)
        close_copy(&backup->copies[i]);
    DL_DELETE(all->list, backup);
    all->count--;
    free(backup);
}

static void on_idle(void *arg)
{
    struct backup *backup = arg;

    cfs_log(CFS_LOG_WARNING, "backup %s was not read on: it is given up", backup->id);
    end(backup);
}

/* ---- steps ---- */

static void on_step_gone(void *arg)
{
    struct backup *backup = arg;

    backup->http = NULL;
    end(backup);
}

static struct backup *new_backup(struct cfs_backups *all)
{
    struct backup *backup = cfs_alloc_zeroed(1, sizeof *backup);
    uint64_t id;

    if (getrandom(&id, sizeof id, 0) != sizeof id)
        abort();
    *backup = (struct backup){.all = all, .idle = {.fn = on_idle, .arg = backup}};
    snprintf(backup->id, sizeof backup->id, "%016" PRIx64, id);
    DL_APPEND(all->list, backup);
    all->count++;
    return backup;
}

/* `request` waits for a checkpoint that is ordered from now on. */
static void await_checkpoint(struct backup *backup, enum step step,
                             struct cfs_http_request *request)
{
    struct cfs_backups *all = backup->all;

    backup->step = step;
    backup->http = request;
    backup->order = cfs_checkpoints_ordered(all->checkpoints) + 1;
    cfs_http_on_gone(request, on_step_gone, backup);
    stay(backup);
    all->events.save(all->events.arg);
}

void cfs_backups_begin(struct cfs_backups *all, struct cfs_http_request *request)
{
    if (all->count == CFS_BACKUPS_MAX)
        cfs_http_respond_error(request, 503, "busy", "other backups are being read already");
    else
        await_checkpoint(new_backup(all), SAVING, request);
}

/* The step is done. */
static void respond(struct backup *backup, enum step step, json_t *body)
{
    backup->step = step;
    cfs_http_respond_json(backup->http, 200, body);
    backup->http = NULL;
    stay(backup);
}

static void respond_begun(struct backup *backup)
{
    respond(backup, READY,
            json_pack("{s:i, s:s, s:i}", "v", (int)CFS_BACKUP_FORMAT, "backup", backup->id, "of",
                      (int)CFS_GROUPS));
}

static void respond_copied(struct backup *backup)
{
    json_t *groups = json_array();

    for (uint32_t i = 0; i < backup->copy_count; i++)
        if (!backup->copies[i].failed)
            json_array_append_new(groups, json_integer(backup->copies[i].group));
    respond(backup, COPIED, json_pack("{s:o}", "groups", groups));
}

static void fetch(struct copy *copy)
{
    copy->fetching = true;
    cfs_checkpoints_read(copy->backup->all->checkpoints, copy->number, copy->group,
                         CFS_BACKUP_CHUNK_BYTES);
}

static void open_copies(struct backup *backup, uint64_t led)
{
    for (cfs_group_id group = 0; group <= CFS_GROUPS; group++)
        if (led >> group & 1)
            backup->copies[backup->copy_count++] = (struct copy){
                .backup = backup, .group = group, .number = ++backup->all->last_number};
    backup->order = UINT64_MAX;
    backup->unread = backup->copy_count;
    for (uint32_t i = 0; i < backup->copy_count; i++)
        fetch(&backup->copies[i]);
    if (!backup->unread)
        respond_copied(backup);
}

void cfs_backups_saved(struct cfs_backups *all, uint64_t order, uint64_t led)
{
    struct backup *backup;

    DL_FOREACH (all->list, backup) {
        if (order < backup->order)
            continue;
        if (backup->step == SAVING)
            respond_begun(backup);
        else if (backup->step == COPYING)
            open_copies(backup, led);
    }
}

/* ---- chunks ---- */

static struct copy *find_copy(const struct cfs_backups *all, uint64_t number)
{
    struct backup *backup;

    DL_FOREACH (all->list, backup)
        for (uint32_t i = 0; i < backup->copy_count; i++)
            if (backup->copies[i].number == number)
                return &backup->copies[i];
    return NULL;
}

/* The group may have left this node since the checkpoint: then what was copied is empty. */
static bool has_left(const struct copy *copy, const struct cfs_store_done *done)
{
    struct cfs_group_head head;

    return cfs_group_head_decode(&head, done->head, done->head_len) != 0 ||
           !(cfs_membership_all(&head.members) & CFS_NODE_BIT(copy->backup->all->self));
}

static void hand_out(struct copy *copy)
{
    if (copy->failed)
        cfs_http_respond_error(copy->http, 410, "lost", "the copy cannot be read on");
    else
        cfs_http_respond(copy->http, 200, "application/octet-stream", copy->record.data,
                         copy->record.len, NULL, NULL);
    copy->http = NULL;
    stay(copy->backup);
    if (copy->failed)
        return;
    copy->record.len = 0;
    copy->chunk++;
    copy->over = copy->last;
    if (!copy->over)
        fetch(copy);
}

void cfs_backups_fetched(struct cfs_backups *all, uint64_t number,
                         const struct cfs_store_done *done)
{
    struct copy *copy = find_copy(all, number);
    struct cfs_backup_chunk chunk;

    if (!copy)
        return;
    copy->fetching = false;
    copy->failed = done->error != 0 || has_left(copy, done);
    copy->last = done->done;
    chunk = (struct cfs_backup_chunk){.group = copy->group,
                                      .number = copy->chunk,
                                      .last = done->done,
                                      .head = done->head,
                                      .head_len = done->done ? done->head_len : 0,
                                      .pieces = done->pieces,
                                      .pieces_len = (uint32_t)done->pieces_len};
    if (!copy->failed)
        cfs_backup_put_chunk(&copy->record, &chunk);
    if (copy->http)
        hand_out(copy);
    if (copy->chunk == 0 && copy->backup->unread && --copy->backup->unread == 0)
        respond_copied(copy->backup);
}

static struct backup *find(const struct cfs_backups *all, const char *id)
{
    struct backup *backup;

    DL_FOREACH (all->list, backup)
        if (strcmp(backup->id, id) == 0)
            return backup;
    return NULL;
}

static struct copy *copy_of(struct backup *backup, uint64_t group)
{
    for (uint32_t i = 0; i < backup->copy_count; i++)
        if (backup->copies[i].group == group)
            return &backup->copies[i];
    return NULL;
}

void cfs_backups_step(struct cfs_backups *all, struct cfs_http_request *request, const char *id)
{
    const char *step = cfs_http_query(request, "step");
    struct backup *backup = find(all, id);
    bool holds = step && strcmp(step, "hold") == 0;

    if (!holds && (!step || strcmp(step, "copy") != 0)) {
        cfs_http_respond_bad(request, "step", "is hold or copy");
    } else if (!backup) {
        respond_gone(request);
    } else if (backup->step != READY) {
        cfs_http_respond_error(request, 409, "not_next", "that step is not the next one");
    } else if (holds) {
        hold(backup, cfs_clock_now() + CFS_BACKUP_HOLD);
        cfs_http_respond_json(request, 200, json_object());
    } else {
        await_checkpoint(backup, COPYING, request);
    }
}

static void on_read_gone(void *arg)
{
    struct copy *copy = arg;

    copy->http = NULL;
}

/* False after a 400. */
static bool read_number(struct cfs_http_request *request, const char *field, uint64_t *number)
{
    const char *text = cfs_http_query(request, field);

    if (text && cfs_parse_decimal(text, 0, number) == 0)
        return true;
    cfs_http_respond_bad(request, field, "is a number");
    return false;
}

void cfs_backups_read(struct cfs_backups *all, struct cfs_http_request *request, const char *id)
{
    struct backup *backup = find(all, id);
    uint64_t group, chunk;
    struct copy *copy;

    if (!read_number(request, "group", &group) || !read_number(request, "chunk", &chunk))
        return;
    copy = backup && backup->step == COPIED ? copy_of(backup, group) : NULL;
    if (!copy) {
        respond_gone(request);
    } else if (chunk != copy->chunk || copy->over || copy->http) {
        cfs_http_respond_error(request, 409, "not_next", "that chunk is not the next one");
    } else {
        copy->http = request;
        hold(backup, 0); /* all nodes have copied */
        stay(backup);
        if (copy->fetching)
            cfs_http_on_gone(request, on_read_gone, copy);
        else
            hand_out(copy);
    }
}

void cfs_backups_end(struct cfs_backups *all, struct cfs_http_request *request, const char *id)
{
    struct backup *backup = find(all, id);

    if (!backup) {
        respond_gone(request);
        return;
    }
    end(backup);
    cfs_http_respond_json(request, 200, json_object());
}

struct cfs_backups *cfs_backups_new(struct cfs_loop *loop, struct cfs_checkpoints *checkpoints,
                                    cfs_node_id self, const struct cfs_backups_events *events)
{
    struct cfs_backups *all = cfs_alloc_zeroed(1, sizeof *all);

    *all = (struct cfs_backups){
        .loop = loop, .checkpoints = checkpoints, .self = self, .events = *events};
    return all;
}

void cfs_backups_free(struct cfs_backups *all)
{
    if (!all)
        return;
    while (all->list)
        end(all->list);
    free(all);
}
