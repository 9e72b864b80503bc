/* Requests and log entries as words, for the trace. */
#include "describe.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/command.h"

static const char *kind_word(enum cfs_lock_kind kind)
{
    return kind == CFS_FLOCK ? "flock" : kind == CFS_LOCKFILE ? "lockfile" : "leased";
}

static void acquire(char *out, size_t size, const struct cfs_request *request)
{
    const struct cfs_acquire *a = &request->acquire;

    snprintf(out, size,
             "acquire %s %s %s%s%s handle %" PRIu64 " pid %u ttl %u renew %" PRIu64 " key %" PRIu64
             " ticket %" PRIu64,
             request->name, a->mode == CFS_SHARED ? "shared" : "exclusive", kind_word(a->kind),
             a->form == CFS_FORM_DIRECTORY ? " directory" : "", a->wait ? " wait" : "", a->handle,
             a->process.pid, a->ttl_ms, a->renew, a->key, a->ticket);
}

static void cache(char *out, size_t size, const struct cfs_request *request)
{
    static const char *const puts[] = {[CFS_PUT_WRITE] = "write",
                                       [CFS_PUT_APPEND] = "append",
                                       [CFS_PUT_REPLACE] = "replace",
                                       [CFS_PUT_TRUNCATE] = "truncate"};

    switch (request->op) {
    case CFS_OP_CACHE_MAKE:
        snprintf(out, size, "make %s %" PRIu64 "/%s%s",
                 request->cache_make.type == CFS_INODE_DIRECTORY ? "directory" : "file",
                 request->cache_make.parent, request->name,
                 request->cache_make.exclusive ? " exclusive" : "");
        break;
    case CFS_OP_CACHE_REMOVE:
        snprintf(out, size, "remove %" PRIu64 "/%s", request->cache_remove.parent, request->name);
        break;
    case CFS_OP_CACHE_RENAME:
        snprintf(out, size, "%s %" PRIu64 "/%s to %" PRIu64 "/%s",
                 request->cache_rename.exchange ? "exchange" : "rename",
                 request->cache_rename.parent, request->name, request->cache_rename.to_parent,
                 request->cache_rename.to);
        break;
    case CFS_OP_CACHE_SETNODE:
        snprintf(out, size, "chmod %" PRIu64 " %o", request->cache_set.ino,
                 request->cache_set.perm);
        break;
    case CFS_OP_CACHE_PUT:
        snprintf(out, size, "%s %" PRIu64 " at %" PRIu64 " of %u bytes",
                 puts[request->cache_put.kind], request->cache_put.ino, request->cache_put.offset,
                 request->cache_put.len);
        break;
    default:
        snprintf(out, size, "%s %" PRIu64 " %s",
                 request->op == CFS_OP_CACHE_LOOKUP  ? "look up"
                 : request->op == CFS_OP_CACHE_NODE  ? "stat"
                 : request->op == CFS_OP_CACHE_LIST  ? "list"
                 : request->op == CFS_OP_CACHE_FETCH ? "fetch"
                                                     : "collect",
                 request->cache_read.ino, request->name);
    }
}

void sim_describe_request(char *out, size_t size, const struct cfs_request *request)
{
    switch (request->op) {
    case CFS_OP_ACQUIRE:
        acquire(out, size, request);
        break;
    case CFS_OP_RELEASE:
        snprintf(out, size, "release %s %s handle %" PRIu64 " token %" PRIu64, request->name,
                 kind_word(request->release.kind), request->release.handle, request->release.token);
        break;
    case CFS_OP_REMOVE:
        snprintf(out, size, "remove %s as %u%s", request->name, request->remove.uid,
                 request->remove.form == CFS_FORM_DIRECTORY ? " directory" : "");
        break;
    case CFS_OP_WRITE:
        snprintf(out, size, "write %s token %" PRIu64 " \"%.*s\"", request->name,
                 request->write.token, (int)request->write.len, (const char *)request->write.data);
        break;
    case CFS_OP_SETATTR:
        snprintf(out, size, "setattr %s", request->name);
        break;
    case CFS_OP_MEMBER:
        snprintf(out, size, "%s node %u for %u", request->member.remove ? "remove" : "add",
                 request->member.info.id, request->member.info.replaces);
        break;
    case CFS_OP_GET:
        snprintf(out, size, "get %s", request->name);
        break;
    case CFS_OP_LIST:
        snprintf(out, size, "list");
        break;
    default:
        if (cfs_op_is_of_cache(request->op))
            cache(out, size, request);
        else
            snprintf(out, size, "operation %d on queue %s", (int)request->op, request->name);
        break;
    }
}

static void describe_command(char *out, size_t size, const struct cfs_command *command)
{
    static const char *const kinds[] = {[CFS_CMD_REQUEST] = "request",
                                        [CFS_CMD_CANCEL] = "cancel",
                                        [CFS_CMD_OPEN_SESSION] = "open session",
                                        [CFS_CMD_CLOSE_SESSION] = "close session",
                                        [CFS_CMD_EXPIRE_SESSION] = "expire session",
                                        [CFS_CMD_EXPIRE_LEASED] = "expire leased",
                                        [CFS_CMD_REFUSE] = "refuse",
                                        [CFS_CMD_FILL_NODES] = "fill nodes",
                                        [CFS_CMD_DROP_NODE] = "drop node"};
    char words[300] = "";

    if (command->kind == CFS_CMD_REQUEST)
        sim_describe_request(words, sizeof words, &command->request);
    else
        snprintf(words, sizeof words, "target %" PRIu64 " of session %" PRIu64 "%s%s",
                 command->target, command->target_session, command->undo ? " undo" : "",
                 command->resume ? " resume" : "");
    snprintf(out, size, "n%u session %" PRIu64 " sequence %" PRIu64 ": %s %s", command->node,
             command->session, command->sequence, kinds[command->kind], words);
}

void sim_describe_entry(char *out, size_t size, const struct cfs_entry *entry)
{
    struct cfs_command command;

    if (entry->kind != CFS_ENTRY_COMMAND)
        snprintf(out, size, "no-op");
    else if (cfs_command_decode(&command, entry->data, entry->len) != 0)
        snprintf(out, size, "unreadable");
    else
        describe_command(out, size, &command);
}
