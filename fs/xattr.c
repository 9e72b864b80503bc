/* Extended attributes from tables. */
#include "fs/xattr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct cfs_xattr *cfs_xattr_find(const struct cfs_xattr *table, const char *name)
{
    for (; table->name; table++)
        if (strcmp(table->name, name) == 0)
            return table;
    return NULL;
}

static void reply_value(fuse_req_t req, const char *value, size_t len, size_t size)
{
    if (!value)
        fuse_reply_err(req, ENOMEM);
    else if (size == 0)
        fuse_reply_xattr(req, len);
    else if (size < len)
        fuse_reply_err(req, ERANGE);
    else
        fuse_reply_buf(req, value, len);
}

void cfs_xattr_reply(fuse_req_t req, const struct cfs_xattr *xattr, const struct cfs_answer *answer,
                     size_t size)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    if (out) {
        xattr->print(out, answer);
        if (fclose(out) != 0) {
            free(text);
            text = NULL;
        }
    }
    reply_value(req, text, len, size);
    free(text);
}

void cfs_xattr_reply_list(fuse_req_t req, const struct cfs_xattr *table, size_t size)
{
    char names[1024];
    size_t len = 0;

    for (; table && table->name && len + strlen(table->name) < sizeof names; table++)
        len += (size_t)snprintf(names + len, sizeof names - len, "%s", table->name) + 1;
    reply_value(req, names, len, size);
}
