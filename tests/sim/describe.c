/* Requests as words, for the trace. */
#include "describe.h"

#include <inttypes.h>
#include <stdio.h>

static const char *kind_word(enum cfs_lock_kind kind)
{
    return kind == CFS_FLOCK ? "flock" : kind == CFS_LOCKFILE ? "lockfile" : "leased";
}

static void acquire(char *out, size_t size, const struct cfs_request *request)
{
    const struct cfs_acquire *a = &request->acquire;

    snprintf(out, size, "acquire %s %s %s%s%s handle %" PRIu64 " pid %u ttl %u renew %" PRIu64
             " key %" PRIu64 " ticket %" PRIu64,
             request->name, a->mode == CFS_SHARED ? "shared" : "exclusive", kind_word(a->kind),
             a->form == CFS_FORM_DIRECTORY ? " directory" : "", a->wait ? " wait" : "", a->handle,
             a->process.pid, a->ttl_ms, a->renew, a->key, a->ticket);
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
    case CFS_OP_GET:
        snprintf(out, size, "get %s", request->name);
        break;
    case CFS_OP_LIST:
        snprintf(out, size, "list");
        break;
    }
}
