/* Records as bytes; a file of them, written and read. */
#include "io/backup_file.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "core/alloc.h"

/* For printf and scanf alike. */
#define TITLE "coordfs backup format %" SCNu32 "\n"
#define TITLE_MAX 40
#define HEAD_BYTES 8u /* bytes, kind */
#define SUM_BYTES 8u

/* ---- records ---- */

static size_t begin(struct cfs_writer *writer, enum cfs_backup_kind kind)
{
    size_t start = writer->len;

    cfs_put_u32(writer, 0);
    cfs_put_u32(writer, kind);
    return start;
}

static void seal(struct cfs_writer *writer, size_t start)
{
    uint32_t bytes = htole32((uint32_t)(writer->len - start + SUM_BYTES));

    memcpy(writer->data + start, &bytes, sizeof bytes);
    cfs_put_u64(writer, XXH3_64bits(writer->data + start, writer->len - start));
}

void cfs_backup_put_origin(struct cfs_writer *writer, const struct cfs_backup_origin *origin)
{
    size_t start = begin(writer, CFS_BACKUP_ORIGIN);

    cfs_put_u64(writer, origin->cluster);
    cfs_put_u64(writer, origin->taken);
    cfs_put_u64(writer, origin->newest);
    cfs_put_u32(writer, origin->node);
    cfs_put_string(writer, origin->made_by);
    cfs_put_u32(writer, origin->groups);
    cfs_put_u32(writer, origin->node_count);
    for (uint32_t i = 0; i < origin->node_count; i++) {
        cfs_put_u32(writer, origin->nodes[i].id);
        cfs_put_string(writer, origin->nodes[i].host);
        cfs_put_u32(writer, origin->nodes[i].port);
    }
    seal(writer, start);
}

void cfs_backup_put_chunk(struct cfs_writer *writer, const struct cfs_backup_chunk *chunk)
{
    size_t start = begin(writer, CFS_BACKUP_CHUNK);

    cfs_put_u32(writer, chunk->group);
    cfs_put_u32(writer, chunk->number);
    cfs_put_u8(writer, chunk->last);
    cfs_put_bytes(writer, chunk->head, chunk->head_len);
    cfs_put_bytes(writer, chunk->pieces, chunk->pieces_len);
    seal(writer, start);
}

static void put_end(struct cfs_writer *writer, uint64_t count, uint64_t sum)
{
    size_t start = begin(writer, CFS_BACKUP_END);

    cfs_put_u64(writer, count);
    cfs_put_u64(writer, sum);
    seal(writer, start);
}

static void get_node(struct cfs_reader *reader, struct cfs_node_info *node)
{
    uint32_t port;

    node->id = cfs_get_u32(reader);
    cfs_get_string(reader, node->host, sizeof node->host);
    port = cfs_get_u32(reader);
    if (node->id > CFS_NODE_MAX || port > UINT16_MAX)
        reader->failed = true;
    node->port = (uint16_t)port;
}

static void get_origin(struct cfs_reader *reader, struct cfs_backup_origin *origin)
{
    *origin = (struct cfs_backup_origin){0};
    origin->cluster = cfs_get_u64(reader);
    origin->taken = cfs_get_u64(reader);
    origin->newest = cfs_get_u64(reader);
    origin->node = cfs_get_u32(reader);
    cfs_get_string(reader, origin->made_by, sizeof origin->made_by);
    origin->groups = cfs_get_u32(reader);
    origin->node_count = cfs_get_u32(reader);
    if (origin->groups > CFS_GROUPS_MAX || origin->node_count > CFS_NODE_MAX)
        reader->failed = true;
    for (uint32_t i = 0; i < origin->node_count && !reader->failed; i++)
        get_node(reader, &origin->nodes[i]);
}

static void get_chunk(struct cfs_reader *reader, struct cfs_backup_chunk *chunk)
{
    uint8_t last;

    *chunk = (struct cfs_backup_chunk){.group = cfs_get_u32(reader)};
    chunk->number = cfs_get_u32(reader);
    last = cfs_get_u8(reader);
    chunk->head = cfs_get_bytes(reader, &chunk->head_len);
    chunk->pieces = cfs_get_bytes(reader, &chunk->pieces_len);
    chunk->last = last == 1;
    if (last > 1 || chunk->group > CFS_GROUPS_MAX || chunk->last != (chunk->head_len > 0))
        reader->failed = true;
}

bool cfs_backup_read_record(struct cfs_backup_record *record, const uint8_t *data, size_t len)
{
    struct cfs_reader reader = {.data = data, .len = len - SUM_BYTES};
    uint64_t sum;

    *record = (struct cfs_backup_record){0};
    if (len < HEAD_BYTES + SUM_BYTES)
        return false;
    memcpy(&sum, data + len - SUM_BYTES, sizeof sum);
    record->checksum = le64toh(sum);
    if (XXH3_64bits(data, len - SUM_BYTES) != record->checksum || cfs_get_u32(&reader) != len)
        return false;
    record->kind = cfs_get_u32(&reader);
    if (record->kind == CFS_BACKUP_ORIGIN) {
        get_origin(&reader, &record->origin);
    } else if (record->kind == CFS_BACKUP_CHUNK) {
        get_chunk(&reader, &record->chunk);
    } else if (record->kind == CFS_BACKUP_END) {
        record->end.count = cfs_get_u64(&reader);
        record->end.sum = cfs_get_u64(&reader);
    } else {
        return false;
    }
    return !reader.failed && reader.at == reader.len;
}

/* ---- writing ---- */

static int __attribute__((format(printf, 2, 3)))
explain(char why[CFS_BACKUP_WHY_BYTES], const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, CFS_BACKUP_WHY_BYTES, format, args);
    va_end(args);
    return -1;
}

static int cannot_write(struct cfs_backup_out *out)
{
    return explain(out->why, "%s cannot be written: %s", out->temporary, strerror(errno));
}

int cfs_backup_out_open(struct cfs_backup_out *out, const char *path)
{
    size_t size = strlen(path) + 1;
    int fd, len;

    *out = (struct cfs_backup_out){.path = cfs_alloc_copy(path, size)};
    out->temporary = cfs_alloc(size + 4);
    snprintf(out->temporary, size + 4, "%s.new", path);
    fd = open(out->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0)
        out->file = fdopen(fd, "w");
    if (fd >= 0 && !out->file)
        close(fd);
    if (!out->file)
        return cannot_write(out);
    len = fprintf(out->file, TITLE, CFS_BACKUP_FORMAT);
    if (len < 0)
        return cannot_write(out);
    out->bytes = (uint64_t)len;
    return 0;
}

int cfs_backup_out_add(struct cfs_backup_out *out, const uint8_t *record, size_t len)
{
    uint64_t sum;

    if (fwrite(record, 1, len, out->file) != len)
        return cannot_write(out);
    memcpy(&sum, record + len - SUM_BYTES, sizeof sum);
    out->sum += le64toh(sum);
    out->count++;
    out->bytes += len;
    return 0;
}

static int sync_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) + 1 : 1;
    char *directory = cfs_alloc_zeroed(len + 1, 1);
    int fd, rv = -1;

    memcpy(directory, slash ? path : ".", len);
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(directory);
    if (fd >= 0)
        rv = fsync(fd);
    if (fd >= 0)
        close(fd);
    return rv;
}

int cfs_backup_out_finish(struct cfs_backup_out *out)
{
    struct cfs_writer end = {0};
    int rv;

    put_end(&end, out->count, out->sum);
    rv = cfs_backup_out_add(out, end.data, end.len);
    free(end.data);
    if (rv != 0)
        return -1;
    if (fflush(out->file) != 0 || fsync(fileno(out->file)) != 0 ||
        rename(out->temporary, out->path) != 0)
        return cannot_write(out);
    fclose(out->file);
    out->file = NULL;
    if (sync_directory(out->path) == 0)
        return 0;
    return explain(out->why, "the directory of %s cannot be synced: %s", out->path,
                   strerror(errno));
}

void cfs_backup_out_close(struct cfs_backup_out *out)
{
    if (out->file) {
        fclose(out->file);
        unlink(out->temporary);
    }
    free(out->path);
    free(out->temporary);
    out->file = NULL;
    out->path = out->temporary = NULL;
}

/* ---- reading ---- */

static int damaged(struct cfs_backup_in *in, const char *what)
{
    return explain(in->why, "%s is damaged at offset %" PRIu64 ": %s", in->path, in->at, what);
}

static int too_short(struct cfs_backup_in *in)
{
    if (ferror(in->file))
        return explain(in->why, "%s cannot be read: %s", in->path, strerror(errno));
    return explain(in->why,
                   "%s ends at offset %" PRIu64 ", amid a backup: the rest of it is missing",
                   in->path, in->at);
}

/* One record. 0 or -1. */
static int read_record(struct cfs_backup_in *in, struct cfs_backup_record *record)
{
    uint32_t bytes, stored;

    in->at += in->bytes;
    in->bytes = 0;
    if (fread(&stored, sizeof stored, 1, in->file) != 1)
        return too_short(in);
    bytes = le32toh(stored);
    if (bytes < HEAD_BYTES + SUM_BYTES || bytes > CFS_BACKUP_RECORD_MAX)
        return damaged(in, "no record is of that length");
    in->data = cfs_realloc(in->data, bytes);
    memcpy(in->data, &stored, sizeof stored);
    if (fread(in->data + sizeof stored, bytes - sizeof stored, 1, in->file) != 1)
        return too_short(in);
    if (!cfs_backup_read_record(record, in->data, bytes))
        return damaged(in, "the checksum of this record is wrong");
    in->bytes = bytes;
    if (record->kind != CFS_BACKUP_END) {
        in->count++;
        in->sum += record->checksum;
    }
    return 0;
}

static int read_title(struct cfs_backup_in *in)
{
    char title[TITLE_MAX] = "", known[TITLE_MAX];
    uint32_t format = 0;

    snprintf(known, sizeof known, TITLE, CFS_BACKUP_FORMAT);
    if (!fgets(title, sizeof title, in->file) || sscanf(title, TITLE, &format) != 1 ||
        (format == CFS_BACKUP_FORMAT && strcmp(title, known) != 0))
        return explain(in->why, "%s is no backup: it does not begin as one", in->path);
    if (format != CFS_BACKUP_FORMAT)
        return explain(in->why, "%s is a backup of format %u; this coordfs knows format %u",
                       in->path, format, CFS_BACKUP_FORMAT);
    in->at = strlen(title);
    return 0;
}

int cfs_backup_in_open(struct cfs_backup_in *in, const char *path)
{
    struct cfs_backup_record record;

    *in = (struct cfs_backup_in){.path = path, .file = fopen(path, "re")};
    if (!in->file)
        return explain(in->why, "%s: %s", path, strerror(errno));
    if (read_title(in) != 0 || read_record(in, &record) != 0)
        return -1;
    if (record.kind != CFS_BACKUP_ORIGIN)
        return damaged(in, "its first record should say where it comes from");
    in->origin = record.origin;
    return 0;
}

static int check_chunk(struct cfs_backup_in *in, const struct cfs_backup_chunk *chunk)
{
    uint64_t bit = (uint64_t)1 << chunk->group;

    if (chunk->group > in->origin.groups)
        return damaged(in, "there is no such group in its cluster");
    if (in->whole & bit || chunk->number != in->next[chunk->group])
        return damaged(in, "a record is missing here, or out of place");
    in->next[chunk->group]++;
    if (chunk->last)
        in->whole |= bit;
    return 1;
}

static int check_end(struct cfs_backup_in *in, const struct cfs_backup_record *end)
{
    if (end->end.count != in->count || end->end.sum != in->sum)
        return damaged(in, "the records before are not those that were written");
    for (cfs_group_id group = 0; group <= CFS_GROUPS_MAX; group++)
        if (in->next[group] && !(in->whole >> group & 1))
            return damaged(in, "the end of a group is missing");
    if (fgetc(in->file) != EOF)
        return damaged(in, "something stands behind the end");
    return 0;
}

int cfs_backup_in_next(struct cfs_backup_in *in, struct cfs_backup_chunk *chunk)
{
    struct cfs_backup_record record;

    if (read_record(in, &record) != 0)
        return -1;
    if (record.kind == CFS_BACKUP_END)
        return check_end(in, &record);
    if (record.kind != CFS_BACKUP_CHUNK)
        return damaged(in, "this record has no place there");
    *chunk = record.chunk;
    return check_chunk(in, chunk);
}

void cfs_backup_in_close(struct cfs_backup_in *in)
{
    if (in->file)
        fclose(in->file);
    free(in->data);
    in->file = NULL;
    in->data = NULL;
}
