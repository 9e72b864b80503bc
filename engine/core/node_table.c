/* An array by id. */
#include "core/node_table.h"

#include <stdlib.h>
#include <string.h>

#include "core/command_internal.h"

cfs_node_set cfs_node_table_all(const struct cfs_node_table *table)
{
    cfs_node_set all = 0;

    for (cfs_node_id node = 1; node <= CFS_NODE_MAX; node++)
        if (table->nodes[node].id)
            all |= CFS_NODE_BIT(node);
    return all;
}

static void changed(struct cfs_node_table *table)
{
    table->version++;
    table->changed = true;
}

void cfs_node_table_fill(struct cfs_node_table *table, const struct cfs_node_info *nodes,
                         uint32_t count)
{
    if (cfs_node_table_all(table))
        return;
    for (uint32_t i = 0; i < count; i++) {
        table->nodes[nodes[i].id] = nodes[i];
        table->nodes[nodes[i].id].weight = 1;
    }
    changed(table);
}

void cfs_node_table_replace(struct cfs_node_table *table, const struct cfs_node_info *nodes,
                            uint32_t count)
{
    struct cfs_node_table old = *table;

    memset(table->nodes, 0, sizeof table->nodes);
    cfs_node_table_fill(table, nodes, count);
    for (uint32_t i = 0; i < count; i++)
        if (old.nodes[nodes[i].id].weight)
            table->nodes[nodes[i].id].weight = old.nodes[nodes[i].id].weight;
}

cfs_node_id cfs_node_table_heir(const struct cfs_node_table *table, cfs_node_id node)
{
    for (cfs_node_id heir = 1; heir <= CFS_NODE_MAX; heir++)
        if (table->nodes[heir].id && table->nodes[heir].replaces == node)
            return heir;
    return 0;
}

static bool is_elsewhere(const struct cfs_node_info *present, const struct cfs_node_info *info)
{
    return present->id && present->host[0] &&
           (present->port != info->port || strcmp(present->host, info->host) != 0);
}

/* Of two nodes with one id each would vote. */
static enum cfs_error add(struct cfs_node_table *table, const struct cfs_node_info *info, bool move)
{
    struct cfs_node_info *present = &table->nodes[info->id];
    cfs_node_id old = info->replaces;
    uint32_t weight = present->id ? present->weight : 1;

    if (is_elsewhere(present, info) && !move)
        return CFS_ERR_EXISTS;
    if (old && (old > CFS_NODE_MAX || !table->nodes[old].id || old == info->id))
        return CFS_ERR_NOT_MEMBER;
    if (old && cfs_node_table_heir(table, old) && cfs_node_table_heir(table, old) != info->id)
        return CFS_ERR_BUSY;
    old = old ? old : present->replaces; /* an heir that is named again remains one */
    *present = *info;
    present->replaces = old;
    present->weight = info->weight ? info->weight : weight;
    changed(table);
    return CFS_OK;
}

static enum cfs_error remove_node(struct cfs_node_table *table, cfs_node_id node)
{
    cfs_node_id heir = cfs_node_table_heir(table, node);

    if (!table->nodes[node].id || !(cfs_node_table_all(table) & ~CFS_NODE_BIT(node)))
        return CFS_ERR_NOT_MEMBER;
    table->nodes[node] = (struct cfs_node_info){0};
    if (heir)
        table->nodes[heir].replaces = 0;
    changed(table);
    return CFS_OK;
}

enum cfs_error cfs_node_table_change(struct cfs_node_table *table,
                                     const struct cfs_member_change *change)
{
    if (!cfs_node_table_all(table))
        return CFS_ERR_NOT_FOUNDED;
    return change->remove ? remove_node(table, change->info.id)
                          : add(table, &change->info, change->move);
}

void cfs_node_info_put(struct cfs_writer *writer, const struct cfs_node_info *info)
{
    cfs_put_u8(writer, (uint8_t)info->id);
    cfs_put_string(writer, info->host);
    cfs_put_u32(writer, info->port);
    cfs_put_u8(writer, (uint8_t)info->replaces);
    cfs_put_u8(writer, (uint8_t)info->weight);
}

void cfs_node_info_get(struct cfs_reader *reader, struct cfs_node_info *info)
{
    uint32_t port;

    info->id = cfs_get_enum(reader, 1, CFS_NODE_MAX);
    cfs_get_string(reader, info->host, sizeof info->host);
    port = cfs_get_u32(reader);
    info->replaces = cfs_get_enum(reader, 0, CFS_NODE_MAX);
    info->weight = cfs_get_enum(reader, 0, CFS_WEIGHT_MAX);
    if (port > UINT16_MAX)
        reader->failed = true;
    info->port = (uint16_t)port;
}

void cfs_node_table_save(struct cfs_node_table *table, struct cfs_writer *pieces)
{
    cfs_node_set all = cfs_node_table_all(table);

    if (!table->changed)
        return;
    CFS_EACH_NODE (gone, table->saved & ~all) {
        struct cfs_piece_key key = cfs_piece_key_number(CFS_PIECE_NODE, gone);
        cfs_piece_delete(pieces, &key);
    }
    CFS_EACH_NODE (node, all) {
        struct cfs_piece_key key = cfs_piece_key_number(CFS_PIECE_NODE, node);
        struct cfs_writer value = {0};
        cfs_put_u8(&value, CFS_NODE_VERSION);
        cfs_node_info_put(&value, &table->nodes[node]);
        cfs_piece_put(pieces, &key, &value);
        free(value.data);
    }
    table->saved = all;
    table->changed = false;
}

int cfs_node_table_load(struct cfs_node_table *table, const struct cfs_piece *piece)
{
    struct cfs_reader key = {.data = piece->key, .len = piece->key_len};
    struct cfs_reader value = {.data = piece->value, .len = piece->value_len};
    uint64_t node = cfs_piece_number(&key);
    struct cfs_node_info info = {0};

    cfs_get_enum(&value, CFS_NODE_VERSION, CFS_NODE_VERSION);
    cfs_node_info_get(&value, &info);
    if (!piece->put || key.failed || !cfs_reader_whole(&value) || info.id != node ||
        table->nodes[node].id)
        return -1;
    table->nodes[node] = info;
    table->saved |= CFS_NODE_BIT(node);
    table->version++;
    return 0;
}

uint64_t cfs_node_table_digest(const struct cfs_node_table *table)
{
    uint64_t digest = 0xcbf29ce484222325u;

    CFS_EACH_NODE (node, cfs_node_table_all(table)) {
        const struct cfs_node_info *info = &table->nodes[node];
        digest = (digest ^ node ^ (uint64_t)info->port << 8 ^ (uint64_t)info->replaces << 32 ^
                  (uint64_t)info->weight << 40) *
                 0x100000001b3u;
        for (const char *at = info->host; *at; at++)
            digest = (digest ^ (uint8_t)*at) * 0x100000001b3u;
    }
    return digest;
}
