/* Answers as bytes: error, token, ticket and id, then what was asked for, if it is there: a lock,
 * names, a queue, messages, ids or something of the cache; one of them. */
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/command_internal.h"

/* The fewest bytes of an encoded holder: bounds what a count may claim. */
#define HOLDER_BYTES_MIN 21u

/* What an answer is about. */
enum subject { NOTHING, A_LOCK, NAMES, A_QUEUE, MESSAGES, IDS, OF_CACHE };

static void put_lock(struct cfs_writer *writer, const struct cfs_lock_info *lock)
{
    cfs_put_u8(writer, (uint8_t)lock->form);
    cfs_put_u8(writer, (uint8_t)lock->mode);
    cfs_put_u64(writer, lock->token);
    cfs_put_u64(writer, lock->since);
    cfs_put_u64(writer, lock->mtime);
    cfs_put_u32(writer, lock->uid);
    cfs_put_u32(writer, lock->gid);
    cfs_put_u32(writer, lock->perm);
    cfs_put_u32(writer, lock->waiters);
    cfs_put_bytes(writer, lock->content, lock->content_len);
    cfs_put_u32(writer, lock->more_holders);
    cfs_put_u32(writer, lock->holder_count);
    for (uint32_t i = 0; i < lock->holder_count; i++) {
        const struct cfs_holder_info *holder = &lock->holders[i];
        cfs_put_u32(writer, holder->node);
        cfs_put_u8(writer, (uint8_t)holder->kind);
        cfs_put_process(writer, holder->process);
        cfs_put_string(writer, holder->owner);
    }
}

static void get_holders(struct cfs_reader *reader, struct cfs_lock_info *lock, void **owned)
{
    uint32_t count = cfs_get_u32(reader);
    struct cfs_holder_info *holders;

    if (reader->failed || count > (reader->len - reader->at) / HOLDER_BYTES_MIN) {
        reader->failed = true;
        return;
    }
    if (!count)
        return;
    *owned = holders = cfs_alloc_zeroed(count, sizeof *holders);
    for (uint32_t i = 0; i < count; i++) {
        struct cfs_holder_info *holder = &holders[i];
        holder->node = cfs_get_u32(reader);
        holder->kind = cfs_get_enum(reader, CFS_LOCKFILE, CFS_LEASED);
        holder->process = cfs_get_process(reader);
        cfs_get_string(reader, holder->owner, sizeof holder->owner);
    }
    lock->holders = holders;
    lock->holder_count = count;
}

static void get_lock(struct cfs_reader *reader, struct cfs_lock_info *lock, void **owned)
{
    lock->form = cfs_get_enum(reader, CFS_FORM_FILE, CFS_FORM_DIRECTORY);
    lock->mode = cfs_get_enum(reader, CFS_SHARED, CFS_EXCLUSIVE);
    lock->token = cfs_get_u64(reader);
    lock->since = cfs_get_u64(reader);
    lock->mtime = cfs_get_u64(reader);
    lock->uid = cfs_get_u32(reader);
    lock->gid = cfs_get_u32(reader);
    lock->perm = cfs_get_u32(reader);
    lock->waiters = cfs_get_u32(reader);
    lock->content = cfs_get_bytes(reader, &lock->content_len);
    if (lock->content_len > CFS_CONTENT_MAX)
        reader->failed = true;
    lock->more_holders = cfs_get_u32(reader);
    get_holders(reader, lock, owned);
}

static void put_names(struct cfs_writer *writer, const struct cfs_answer *answer)
{
    cfs_put_bytes(writer, answer->names, answer->names_len);
    cfs_put_u8(writer, answer->more);
    cfs_put_u32(writer, answer->part);
}

const char *cfs_get_names(struct cfs_reader *reader, uint32_t *len)
{
    const char *names = (const char *)cfs_get_bytes(reader, len);

    if (reader->failed || !*len)
        return NULL;
    if (names[*len - 1] != 0) {
        reader->failed = true;
        return NULL;
    }
    for (uint32_t at = 0; at < *len; at += (uint32_t)strlen(names + at) + 1)
        if (!cfs_name_valid(names + at))
            reader->failed = true;
    return names;
}

/* Who asks for more asks behind the last. */
static void get_names(struct cfs_reader *reader, struct cfs_answer *answer)
{
    answer->names = cfs_get_names(reader, &answer->names_len);
    answer->more = cfs_get_bool(reader);
    answer->part = cfs_get_u32(reader);
    if (!answer->names_len && (answer->more || !answer->part))
        reader->failed = true; /* there is something to say */
}

static enum subject subject_of(const struct cfs_answer *answer)
{
    if (cfs_answer_is_of_cache(answer))
        return OF_CACHE;
    if (answer->lock.form)
        return A_LOCK;
    if (answer->queue.config.framing)
        return A_QUEUE;
    if (answer->message_count)
        return MESSAGES;
    if (answer->id_count)
        return IDS;
    return answer->names_len || answer->part ? NAMES : NOTHING;
}

void cfs_answer_encode(struct cfs_writer *writer, const struct cfs_answer *answer)
{
    enum subject subject = subject_of(answer);

    cfs_put_u8(writer, CFS_COMMAND_VERSION);
    cfs_put_u8(writer, (uint8_t)answer->error);
    cfs_put_u64(writer, answer->token);
    cfs_put_u64(writer, answer->ticket);
    cfs_put_u64(writer, answer->id);
    cfs_put_u8(writer, (uint8_t)subject);
    if (subject == A_LOCK)
        put_lock(writer, &answer->lock);
    else if (subject == NAMES)
        put_names(writer, answer);
    else if (subject == A_QUEUE)
        cfs_put_queue_info(writer, &answer->queue);
    else if (subject == MESSAGES)
        cfs_put_messages(writer, answer);
    else if (subject == IDS)
        cfs_put_ids(writer, answer);
    else if (subject == OF_CACHE)
        cfs_put_cache_answer(writer, answer);
}

int cfs_answer_decode(struct cfs_answer *answer, void **owned, const uint8_t *data, size_t len)
{
    struct cfs_reader reader = {.data = data, .len = len};
    enum subject subject;

    *answer = (struct cfs_answer){0};
    *owned = NULL;
    cfs_get_enum(&reader, CFS_COMMAND_VERSION, CFS_COMMAND_VERSION);
    answer->error = cfs_get_enum(&reader, 0, CFS_ERROR_COUNT - 1);
    answer->token = cfs_get_u64(&reader);
    answer->ticket = cfs_get_u64(&reader);
    answer->id = cfs_get_u64(&reader);
    subject = cfs_get_enum(&reader, NOTHING, OF_CACHE);
    if (subject == A_LOCK)
        get_lock(&reader, &answer->lock, owned);
    else if (subject == NAMES)
        get_names(&reader, answer);
    else if (subject == A_QUEUE)
        cfs_get_queue_info(&reader, &answer->queue);
    else if (subject == MESSAGES)
        cfs_get_messages(&reader, answer, owned);
    else if (subject == IDS)
        cfs_get_ids(&reader, answer, owned);
    else if (subject == OF_CACHE)
        cfs_get_cache_answer(&reader, answer, owned);
    if (cfs_reader_whole(&reader))
        return 0;
    free(*owned);
    *owned = NULL;
    *answer = (struct cfs_answer){0};
    return -1;
}
