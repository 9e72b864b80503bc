/* Every record is read and every piece is looked at; none is kept. */
#include "io/backup_look.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/format.h"

static int refuse(struct cfs_backup_look *look, const struct cfs_backup_in *in, cfs_group_id group,
                  const struct cfs_format *format)
{
    int len = snprintf(look->why, sizeof look->why,
                       "%s holds at offset %" PRIu64 ", of group %u, %s of version %u", in->path,
                       in->at, group, format->what, format->found);

    if (format->known)
        snprintf(look->why + len, sizeof look->why - (size_t)len, "; this coordfs knows version %u",
                 format->known);
    return -1;
}

static int senseless(struct cfs_backup_look *look, const struct cfs_backup_in *in,
                     cfs_group_id group, const char *what)
{
    snprintf(look->why, sizeof look->why,
             "%s makes no sense at offset %" PRIu64 ": %s of group %u is none", in->path, in->at,
             what, group);
    return -1;
}

static int look_at_piece(struct cfs_backup_look *look, const struct cfs_backup_in *in,
                         cfs_group_id group, const struct cfs_piece *piece)
{
    struct cfs_format format;
    unsigned tag = piece->key[0];

    /* A deletion has a key alone: its kind has to be known. */
    if (!cfs_format_kind(tag) || piece->put)
        if (cfs_format_of_piece(piece->key, piece->key_len, piece->value, piece->value_len,
                                &format))
            return refuse(look, in, group, &format);
    look->kinds[tag] += piece->put ? 1 : -1;
    look->group[group].pieces++;
    return 0;
}

static int look_at_head(struct cfs_backup_look *look, const struct cfs_backup_in *in,
                        const struct cfs_backup_chunk *chunk)
{
    struct cfs_backup_group *group = &look->group[chunk->group];
    struct cfs_format format;

    if (cfs_group_head_decode(&group->head, chunk->head, chunk->head_len) == 0) {
        look->groups |= (uint64_t)1 << chunk->group;
        return 0;
    }
    if (cfs_format_of_head(chunk->head, chunk->head_len, &format))
        return refuse(look, in, chunk->group, &format);
    return senseless(look, in, chunk->group, "the head");
}

static int look_at_chunk(struct cfs_backup_look *look, const struct cfs_backup_in *in,
                         const struct cfs_backup_chunk *chunk)
{
    struct cfs_reader reader = {.data = chunk->pieces, .len = chunk->pieces_len};
    struct cfs_piece piece;

    while (cfs_piece_next(&reader, &piece))
        if (look_at_piece(look, in, chunk->group, &piece) != 0)
            return -1;
    if (reader.failed)
        return senseless(look, in, chunk->group, "a piece");
    look->group[chunk->group].bytes += chunk->pieces_len;
    return chunk->last ? look_at_head(look, in, chunk) : 0;
}

int cfs_backup_look(struct cfs_backup_look *look, const char *path)
{
    struct cfs_backup_in in;
    struct cfs_backup_chunk chunk;
    int more, rv = 0;

    memset(look, 0, sizeof *look);
    more = cfs_backup_in_open(&in, path) == 0 ? 1 : -1;
    while (more > 0 && rv == 0) {
        more = cfs_backup_in_next(&in, &chunk);
        if (more > 0)
            rv = look_at_chunk(look, &in, &chunk);
    }
    look->origin = in.origin;
    look->bytes = in.at + in.bytes;
    if (more < 0)
        memcpy(look->why, in.why, sizeof look->why);
    cfs_backup_in_close(&in);
    return more < 0 ? -1 : rv;
}
