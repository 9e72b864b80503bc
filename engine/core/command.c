/* Commands as bytes: a version, a head, then what the kind or operation needs and no more.
 *
 * There is one encoding of a value, and only what the encoder writes is accepted: unknown
 * enumerators, booleans other than 0 and 1, bad names and bytes left over are refused. Fields that
 * an operation does not use are not carried; they are zero after decoding. What is no command (a
 * shared lockfile, a read) can be encoded but not decoded: whoever lets bytes in decodes them. */
#include "core/command_internal.h"

#include <assert.h>
#include <stdlib.h>

#include "core/node_table.h"

#define RENEW_STEP UINT64_C(1000000000000)

bool cfs_get_bool(struct cfs_reader *reader)
{
    uint8_t value = cfs_get_u8(reader);

    if (value > 1)
        reader->failed = true;
    return value == 1;
}

uint8_t cfs_get_enum(struct cfs_reader *reader, unsigned first, unsigned last)
{
    uint8_t value = cfs_get_u8(reader);

    if (value < first || value > last)
        reader->failed = true;
    return value;
}

bool cfs_reader_whole(const struct cfs_reader *reader)
{
    return !reader->failed && reader->at == reader->len;
}

void cfs_put_process(struct cfs_writer *writer, struct cfs_process process)
{
    cfs_put_u32(writer, process.pid);
    cfs_put_u64(writer, process.start);
}

struct cfs_process cfs_get_process(struct cfs_reader *reader)
{
    struct cfs_process process;

    process.pid = cfs_get_u32(reader);
    process.start = cfs_get_u64(reader);
    return process;
}

void cfs_put_acquire(struct cfs_writer *writer, const struct cfs_acquire *acquire)
{
    cfs_put_u8(writer, (uint8_t)acquire->mode);
    cfs_put_u8(writer, (uint8_t)acquire->kind);
    cfs_put_u8(writer, acquire->wait);
    cfs_put_process(writer, acquire->process);
    cfs_put_u32(writer, acquire->uid);
    cfs_put_u32(writer, acquire->gid);
    cfs_put_u32(writer, acquire->perm);
    cfs_put_u64(writer, acquire->ticket);
    if (acquire->kind == CFS_LOCKFILE)
        cfs_put_u8(writer, (uint8_t)acquire->form);
    else
        cfs_put_u64(writer, acquire->handle);
    if (acquire->kind == CFS_LEASED) {
        cfs_put_u32(writer, acquire->ttl_ms);
        cfs_put_u64(writer, acquire->key);
        cfs_put_u64(writer, acquire->renew);
        cfs_put_string(writer, acquire->owner);
    }
}

void cfs_get_acquire(struct cfs_reader *reader, struct cfs_acquire *acquire)
{
    acquire->mode = cfs_get_enum(reader, 0, CFS_EXCLUSIVE);
    acquire->kind = cfs_get_enum(reader, CFS_LOCKFILE, CFS_LEASED);
    acquire->wait = cfs_get_bool(reader);
    acquire->process = cfs_get_process(reader);
    acquire->uid = cfs_get_u32(reader);
    acquire->gid = cfs_get_u32(reader);
    acquire->perm = cfs_get_u32(reader);
    acquire->ticket = cfs_get_u64(reader);
    acquire->form = CFS_FORM_FILE;
    if (acquire->kind == CFS_LOCKFILE) {
        acquire->form = cfs_get_enum(reader, CFS_FORM_FILE, CFS_FORM_DIRECTORY);
        if (acquire->mode != CFS_EXCLUSIVE)
            reader->failed = true;
    }
    if (acquire->kind != CFS_LOCKFILE)
        acquire->handle = cfs_get_u64(reader);
    if (acquire->kind == CFS_LEASED) {
        acquire->ttl_ms = cfs_get_u32(reader);
        acquire->key = cfs_get_u64(reader);
        acquire->renew = cfs_get_u64(reader);
        cfs_get_string(reader, acquire->owner, sizeof acquire->owner);
    }
    if (!acquire->mode && !acquire->renew)
        reader->failed = true;
}

static void put_write(struct cfs_writer *writer, const struct cfs_write *write)
{
    cfs_put_u64(writer, write->token);
    cfs_put_u64(writer, write->offset);
    cfs_put_bytes(writer, write->data, write->len);
}

static void get_write(struct cfs_reader *reader, struct cfs_write *write)
{
    write->token = cfs_get_u64(reader);
    write->offset = cfs_get_u64(reader);
    write->data = cfs_get_bytes(reader, &write->len);
    if (write->len > CFS_CONTENT_MAX)
        reader->failed = true;
}

static void put_setattr(struct cfs_writer *writer, const struct cfs_setattr *setattr)
{
    cfs_put_u32(writer, setattr->fields);
    cfs_put_u32(writer, setattr->caller);
    cfs_put_u32(writer, setattr->perm);
    cfs_put_u32(writer, setattr->uid);
    cfs_put_u32(writer, setattr->gid);
    cfs_put_u64(writer, setattr->token);
    cfs_put_u64(writer, setattr->size);
    cfs_put_u64(writer, setattr->mtime);
}

static void get_setattr(struct cfs_reader *reader, struct cfs_setattr *setattr)
{
    setattr->fields = cfs_get_u32(reader);
    if (setattr->fields >= 2 * CFS_SET_SIZE)
        reader->failed = true;
    setattr->caller = cfs_get_u32(reader);
    setattr->perm = cfs_get_u32(reader);
    setattr->uid = cfs_get_u32(reader);
    setattr->gid = cfs_get_u32(reader);
    setattr->token = cfs_get_u64(reader);
    setattr->size = cfs_get_u64(reader);
    setattr->mtime = cfs_get_u64(reader);
}

static void put_request(struct cfs_writer *writer, const struct cfs_request *request)
{
    cfs_put_u8(writer, (uint8_t)request->op);
    cfs_put_string(writer, request->name);
    switch (request->op) {
    case CFS_OP_ACQUIRE:
        cfs_put_acquire(writer, &request->acquire);
        break;
    case CFS_OP_RELEASE:
        cfs_put_u8(writer, (uint8_t)request->release.kind);
        cfs_put_u64(writer, request->release.handle);
        cfs_put_u64(writer, request->release.token);
        break;
    case CFS_OP_REMOVE:
        cfs_put_u8(writer, (uint8_t)request->remove.form);
        cfs_put_u32(writer, request->remove.uid);
        break;
    case CFS_OP_WRITE:
        put_write(writer, &request->write);
        break;
    case CFS_OP_SETATTR:
        put_setattr(writer, &request->setattr);
        break;
    case CFS_OP_MEMBER:
        cfs_put_u8(writer, request->member.remove);
        cfs_put_u8(writer, request->member.move);
        cfs_node_info_put(writer, &request->member.info);
        break;
    default:
        if (cfs_op_is_of_cache(request->op))
            cfs_put_cache_request(writer, request);
        else
            cfs_put_queue_request(writer, request);
    }
}

static void get_request(struct cfs_reader *reader, struct cfs_request *request, void **owned)
{
    request->op = cfs_get_enum(reader, CFS_OP_ACQUIRE, CFS_OP_LAST_CHANGE);
    cfs_get_string(reader, request->name, sizeof request->name);
    if (request->op != CFS_OP_MEMBER && !cfs_op_is_of_cache(request->op) &&
        !cfs_name_valid(request->name))
        reader->failed = true;
    switch (request->op) {
    case CFS_OP_ACQUIRE:
        cfs_get_acquire(reader, &request->acquire);
        break;
    case CFS_OP_RELEASE:
        request->release.kind = cfs_get_enum(reader, CFS_LOCKFILE, CFS_LEASED);
        request->release.handle = cfs_get_u64(reader);
        request->release.token = cfs_get_u64(reader);
        break;
    case CFS_OP_REMOVE:
        request->remove.form = cfs_get_enum(reader, CFS_FORM_FILE, CFS_FORM_DIRECTORY);
        request->remove.uid = cfs_get_u32(reader);
        break;
    case CFS_OP_WRITE:
        get_write(reader, &request->write);
        break;
    case CFS_OP_SETATTR:
        get_setattr(reader, &request->setattr);
        break;
    case CFS_OP_MEMBER:
        request->member.remove = cfs_get_bool(reader);
        request->member.move = cfs_get_bool(reader);
        cfs_node_info_get(reader, &request->member.info);
        break;
    default:
        if (cfs_op_is_of_cache(request->op))
            cfs_get_cache_request(reader, request);
        else
            cfs_get_queue_request(reader, request, owned);
    }
}

static void put_acks(struct cfs_writer *writer, const struct cfs_command *command)
{
    assert(command->ack_count <= CFS_ACKS_MAX);
    cfs_put_u8(writer, (uint8_t)command->ack_count);
    for (uint32_t i = 0; i < command->ack_count; i++)
        cfs_put_u64(writer, command->acks[i]);
}

static void get_acks(struct cfs_reader *reader, struct cfs_command *command)
{
    command->ack_count = cfs_get_enum(reader, 0, CFS_ACKS_MAX);
    for (uint32_t i = 0; i < command->ack_count && !reader->failed; i++)
        command->acks[i] = cfs_get_u64(reader);
}

static void put_nodes(struct cfs_writer *writer, const struct cfs_command *command)
{
    assert(command->node_count <= CFS_MEMBERS_MAX);
    cfs_put_u8(writer, (uint8_t)command->node_count);
    for (uint32_t i = 0; i < command->node_count; i++)
        cfs_node_info_put(writer, &command->nodes[i]);
}

static void get_nodes(struct cfs_reader *reader, struct cfs_command *command, unsigned least)
{
    command->node_count = cfs_get_enum(reader, least, CFS_MEMBERS_MAX);
    for (uint32_t i = 0; i < command->node_count && !reader->failed; i++)
        cfs_node_info_get(reader, &command->nodes[i]);
}

void cfs_command_encode(struct cfs_writer *writer, const struct cfs_command *command)
{
    cfs_put_u8(writer, CFS_COMMAND_VERSION);
    cfs_put_u8(writer, (uint8_t)command->kind);
    cfs_put_u32(writer, command->node);
    cfs_put_u64(writer, command->session);
    cfs_put_u64(writer, command->sequence);
    cfs_put_u64(writer, command->oldest);
    put_acks(writer, command);
    switch (command->kind) {
    case CFS_CMD_REQUEST:
        put_request(writer, &command->request);
        break;
    case CFS_CMD_CANCEL:
        cfs_put_u64(writer, command->target);
        cfs_put_u8(writer, command->undo);
        break;
    case CFS_CMD_OPEN_SESSION:
        cfs_put_u64(writer, command->nonce);
        cfs_put_u64(writer, command->target);
        cfs_put_u64(writer, command->session_term);
        cfs_put_u8(writer, command->resume);
        break;
    case CFS_CMD_EXPIRE_SESSION:
    case CFS_CMD_DROP_NODE:
        cfs_put_u64(writer, command->target);
        break;
    case CFS_CMD_ADOPT_SESSION:
        cfs_put_u32(writer, command->owner);
        cfs_put_u64(writer, command->target_session);
        cfs_put_u64(writer, command->target);
        break;
    case CFS_CMD_REFUSE:
        cfs_put_u64(writer, command->target_session);
        cfs_put_u64(writer, command->target);
        break;
    case CFS_CMD_RENEW:
        cfs_put_u64(writer, command->target);
        put_nodes(writer, command);
        break;
    case CFS_CMD_FILL_NODES:
        put_nodes(writer, command);
        break;
    case CFS_CMD_CLOSE_SESSION:
    case CFS_CMD_EXPIRE_LEASED:
        break;
    }
}

/* Deadlines are added to the term and compared: one out of bounds would run over. */
static void get_open(struct cfs_reader *reader, struct cfs_command *command)
{
    command->nonce = cfs_get_u64(reader);
    command->target = cfs_get_u64(reader);
    command->session_term = cfs_get_u64(reader);
    command->resume = cfs_get_bool(reader);
    if (command->session_term < CFS_MS(CFS_SESSION_MS_MIN) ||
        command->session_term > CFS_MS(CFS_SESSION_MS_MAX))
        reader->failed = true;
}

int cfs_command_decode(struct cfs_command *command, const uint8_t *data, size_t len)
{
    struct cfs_reader reader = {.data = data, .len = len};

    *command = (struct cfs_command){0};
    cfs_get_enum(&reader, CFS_COMMAND_VERSION, CFS_COMMAND_VERSION);
    command->kind = cfs_get_enum(&reader, CFS_CMD_REQUEST, CFS_CMD_RENEW);
    command->node = cfs_get_u32(&reader);
    if (command->node == 0 || command->node > CFS_NODE_MAX)
        reader.failed = true;
    command->session = cfs_get_u64(&reader);
    command->sequence = cfs_get_u64(&reader);
    command->oldest = cfs_get_u64(&reader);
    get_acks(&reader, command);
    switch (command->kind) {
    case CFS_CMD_REQUEST:
        get_request(&reader, &command->request, &command->owned);
        break;
    case CFS_CMD_CANCEL:
        command->target = cfs_get_u64(&reader);
        command->undo = cfs_get_bool(&reader);
        break;
    case CFS_CMD_OPEN_SESSION:
        get_open(&reader, command);
        break;
    case CFS_CMD_EXPIRE_SESSION:
    case CFS_CMD_DROP_NODE:
        command->target = cfs_get_u64(&reader);
        break;
    case CFS_CMD_ADOPT_SESSION:
        command->owner = cfs_get_u32(&reader);
        command->target_session = cfs_get_u64(&reader);
        command->target = cfs_get_u64(&reader);
        if (command->owner == 0 || command->owner > CFS_NODE_MAX ||
            command->target_session > command->target)
            reader.failed = true;
        break;
    case CFS_CMD_REFUSE:
        command->target_session = cfs_get_u64(&reader);
        command->target = cfs_get_u64(&reader);
        break;
    case CFS_CMD_RENEW:
        command->target = cfs_get_u64(&reader);
        get_nodes(&reader, command, 0);
        break;
    case CFS_CMD_FILL_NODES:
        get_nodes(&reader, command, 1);
        break;
    case CFS_CMD_CLOSE_SESSION:
    case CFS_CMD_EXPIRE_LEASED:
        break;
    default:
        reader.failed = true;
    }
    if (cfs_reader_whole(&reader))
        return 0;
    cfs_command_clear(command);
    return -1;
}

void cfs_command_clear(struct cfs_command *command)
{
    free(command->owned);
    command->owned = NULL;
}

bool cfs_command_is_try(const struct cfs_command *command)
{
    const struct cfs_request *request = &command->request;

    if (command->kind != CFS_CMD_REQUEST || cfs_request_may_wait(request))
        return false;
    return (request->op == CFS_OP_ACQUIRE && !request->acquire.renew) ||
           request->op == CFS_OP_PRODUCE || request->op == CFS_OP_CONSUME ||
           (cfs_op_is_of_cache(request->op) &&
            !(request->op == CFS_OP_CACHE_PUT && request->cache_put.laundered));
}

uint64_t cfs_renewed(uint64_t last, uint64_t clock)
{
    return clock > last ? clock : last + RENEW_STEP;
}

bool cfs_command_valid(const uint8_t *data, size_t len)
{
    struct cfs_command command;
    bool valid = cfs_command_decode(&command, data, len) == 0;

    if (valid)
        cfs_command_clear(&command);
    return valid;
}
