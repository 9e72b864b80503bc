/* .NAME/config: the queue's settings as text, key=value a line. A write is one change: of all the
 * keys that it names, or of none. Blank lines and those that begin with # are comments. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/memory.h"
#include "fs/queues.h"

#define DIGITS_MAX 19 /* of which any number fits 64 bits */

/* --- values ------------------------------------------------------------------------------ */

/* Decimal digits and nothing else. */
static bool parse_number(const char *text, uint64_t max, uint64_t *value)
{
    size_t len = strspn(text, "0123456789");

    if (!len || len > DIGITS_MAX || text[len])
        return false;
    *value = strtoull(text, NULL, 10);
    return *value <= max;
}

/* Seconds with up to three decimals, as milliseconds. */
static bool parse_seconds(char *text, uint64_t *ms)
{
    char *point = strchr(text, '.');
    uint64_t seconds, decimals = 0;
    size_t len = 0;

    if (point) {
        *point++ = '\0';
        len = strlen(point);
        if (len > 3 || !parse_number(point, 999, &decimals))
            return false;
    }
    if (!parse_number(text, UINT32_MAX, &seconds))
        return false;
    for (; point && len < 3; len++)
        decimals *= 10;
    *ms = seconds * 1000 + decimals;
    return true;
}

static const char *const framings[] = {
    [CFS_FRAMING_WRITE] = "write", [CFS_FRAMING_LINE] = "line", [CFS_FRAMING_FILE] = "file"};

static bool set_visibility(struct cfs_queue_config *config, char *text)
{
    uint64_t ms;

    if (!parse_seconds(text, &ms) || ms < 1 || ms > UINT32_MAX)
        return false;
    config->visibility_ms = (uint32_t)ms;
    return true;
}

static bool set_max_deliveries(struct cfs_queue_config *config, char *text)
{
    uint64_t count;

    if (!parse_number(text, UINT32_MAX, &count) || count < 1)
        return false;
    config->max_deliveries = (uint32_t)count;
    return true;
}

static bool set_max_messages(struct cfs_queue_config *config, char *text)
{
    return parse_number(text, UINT64_MAX, &config->max_messages);
}

static bool set_max_bytes(struct cfs_queue_config *config, char *text)
{
    return parse_number(text, UINT64_MAX, &config->max_bytes);
}

static bool set_framing(struct cfs_queue_config *config, char *text)
{
    for (enum cfs_framing i = CFS_FRAMING_WRITE; i <= CFS_FRAMING_FILE; i++) {
        if (strcmp(text, framings[i]) == 0) {
            config->framing = i;
            return true;
        }
    }
    return false;
}

/* --- lines ------------------------------------------------------------------------------- */

static const struct key {
    const char *name;
    enum cfs_queue_config_field field;
    bool (*set)(struct cfs_queue_config *config, char *text);
} keys[] = {
    {"visibility_timeout", CFS_CONFIG_VISIBILITY, set_visibility},
    {"max_deliveries", CFS_CONFIG_MAX_DELIVERIES, set_max_deliveries},
    {"max_messages", CFS_CONFIG_MAX_MESSAGES, set_max_messages},
    {"max_bytes", CFS_CONFIG_MAX_BYTES, set_max_bytes},
    {"framing", CFS_CONFIG_FRAMING, set_framing},
};

static char *trim(char *text)
{
    size_t len;

    while (isspace((unsigned char)*text))
        text++;
    for (len = strlen(text); len && isspace((unsigned char)text[len - 1]); len--)
        continue;
    text[len] = '\0';
    return text;
}

static bool parse_pair(struct cfs_queue_set *set, const char *name, char *value)
{
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (strcmp(keys[i].name, name) == 0) {
            set->fields |= keys[i].field;
            return keys[i].set(&set->config, value);
        }
    }
    return false;
}

static bool parse_line(struct cfs_queue_set *set, char *line)
{
    char *equals;

    line = trim(line);
    if (!*line || *line == '#')
        return true;
    equals = strchr(line, '=');
    if (!equals)
        return false;
    *equals = '\0';
    return parse_pair(set, trim(line), trim(equals + 1));
}

bool cfs_queue_config_parse(struct cfs_queue_set *set, const char *text, size_t len)
{
    char *copy = cfs_fs_alloc(len + 1), *line = copy;
    bool good = !memchr(text, '\0', len);

    memcpy(copy, text, len);
    while (good && line) {
        char *end = strchr(line, '\n');
        if (end)
            *end++ = '\0';
        good = parse_line(set, line);
        line = end;
    }
    free(copy);
    return good;
}

size_t cfs_queue_config_print(const struct cfs_queue_config *config, char *text, size_t size)
{
    char decimals[8] = "";
    size_t len;

    if (config->visibility_ms % 1000)
        snprintf(decimals, sizeof decimals, ".%03u", config->visibility_ms % 1000);
    for (len = strlen(decimals); len && decimals[len - 1] == '0'; len--)
        decimals[len - 1] = '\0';
    return (size_t)snprintf(text, size,
                            "visibility_timeout=%" PRIu32 "%s\nmax_deliveries=%" PRIu32
                            "\nmax_messages=%" PRIu64 "\nmax_bytes=%" PRIu64 "\nframing=%s\n",
                            config->visibility_ms / 1000, decimals, config->max_deliveries,
                            config->max_messages, config->max_bytes, framings[config->framing]);
}

/* --- the file ---------------------------------------------------------------------------- */

static void opened(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    char *text;
    size_t len;

    if (answer->error) {
        cfs_pending_reply_error(pending, answer->error);
        return;
    }
    text = cfs_fs_alloc(CFS_CONFIG_TEXT_MAX);
    len = cfs_queue_config_print(&answer->queue.config, text, CFS_CONFIG_TEXT_MAX);
    cfs_reply_open(pending->fs, cfs_pending_take(pending), pending->node, &pending->create, text,
                   len);
}

/* What is read is the settings as they were at open(2). */
static void open_config(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node,
                        const struct fuse_file_info *file)
{
    struct cfs_request request = cfs_queue_request(CFS_OP_QUEUE_STAT, node->name);
    struct cfs_pending *pending = cfs_pending_new(fs, req, node, NULL);

    pending->create = *file;
    cfs_pending_submit(pending, &request, opened);
}

static void read_config(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle, size_t size,
                        uint64_t offset)
{
    (void)fs;
    cfs_reply_slice(req, handle->text, handle->text_len, size, offset);
}

static void written(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    if (answer->error)
        cfs_pending_reply_error(pending, answer->error);
    else
        fuse_reply_write(cfs_pending_take(pending), pending->write.len);
}

static void write_config(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle,
                         const char *data, size_t size, uint64_t offset, bool append)
{
    struct cfs_request request = cfs_queue_request(CFS_OP_QUEUE_CONFIG, handle->node->name);
    struct cfs_pending *pending;

    (void)offset, (void)append;
    request.queue_set.uid = fuse_req_ctx(req)->uid;
    if (!cfs_queue_config_parse(&request.queue_set, data, size)) {
        fuse_reply_err(req, EINVAL);
    } else if (!request.queue_set.fields) {
        fuse_reply_write(req, size);
    } else {
        pending = cfs_pending_new(fs, req, NULL, handle);
        pending->write.len = (uint32_t)size;
        cfs_pending_submit(pending, &request, written);
    }
}

/* Editors and dd cut a file off before they write it: nothing is changed by that. */
static void setattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node,
                    struct cfs_handle *handle, const struct stat *attr, int fields)
{
    (void)handle, (void)attr;
    if (fields & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))
        fuse_reply_err(req, EPERM);
    else
        cfs_queue_getattr(fs, req, node);
}

const struct cfs_tree cfs_tree_queue_config = {
    .getattr = cfs_queue_getattr,
    .setattr = setattr,
    .open = open_config,
    .read = read_config,
    .write = write_config,
};
