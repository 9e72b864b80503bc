/* Extended attributes of a file: one small blob of names and values, as CACHE_XATTRS answers it. */
#include "core/contents_internal.h"

#include <stdlib.h>
#include <string.h>

/* One attribute in the blob. */
struct place {
    uint32_t at, len; /* all of it; len 0: there is none */
};

/* In what was checked when it came. */
static struct place find(const struct cfs_content *content, const char *name)
{
    struct cfs_reader blob = {0};

    if (content)
        blob = (struct cfs_reader){.data = content->xattrs, .len = content->xattrs_len};
    while (blob.at < blob.len) {
        const char *here = (const char *)blob.data + blob.at;
        uint32_t at = (uint32_t)blob.at, len;
        blob.at += strlen(here) + 1;
        cfs_get_bytes(&blob, &len);
        if (strcmp(here, name) == 0)
            return (struct place){at, (uint32_t)blob.at - at};
    }
    return (struct place){0};
}

static uint32_t len_of(const char *name, const struct cfs_cache_xattr *xattr)
{
    return (uint32_t)strlen(name) + 1 + 4 + xattr->len;
}

enum cfs_error cfs_content_xattr_refusal(const struct cfs_content *content, const char *name,
                                         const struct cfs_cache_xattr *xattr)
{
    uint32_t old = find(content, name).len, all = content ? content->xattrs_len : 0;

    if (!old && (xattr->replace || xattr->remove))
        return CFS_ERR_NO_ATTRIBUTE;
    if (xattr->remove)
        return CFS_OK;
    if (old && xattr->create)
        return CFS_ERR_FILE_EXISTS;
    return xattr->len > CFS_XATTRS_MAX || all - old + len_of(name, xattr) > CFS_XATTRS_MAX
               ? CFS_ERR_ATTRIBUTES_FULL
               : CFS_OK;
}

void cfs_content_xattr(struct cfs_content *content, const char *name,
                       const struct cfs_cache_xattr *xattr)
{
    struct place old = find(content, name);
    uint32_t behind = old.at + old.len;
    struct cfs_writer blob = {0};

    cfs_put_raw(&blob, content->xattrs, old.at);
    if (content->xattrs_len > behind)
        cfs_put_raw(&blob, content->xattrs + behind, content->xattrs_len - behind);
    if (!xattr->remove) {
        cfs_put_raw(&blob, name, strlen(name) + 1);
        cfs_put_bytes(&blob, xattr->value, xattr->len);
    }
    free(content->xattrs);
    content->xattrs = cfs_alloc_copy(blob.data, blob.len);
    content->xattrs_len = (uint32_t)blob.len;
    free(blob.data);
}
