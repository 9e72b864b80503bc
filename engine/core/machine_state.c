/* The machine as pieces: its counters, its sessions, its locks, its queues, the
 * cache's tree and contents. */
#include <stdlib.h>

#include "core/command_internal.h"
#include "core/machine.h"

static void save_counters(const struct cfs_machine *machine, struct cfs_writer *pieces)
{
    struct cfs_piece_key key = {.bytes = {CFS_PIECE_MACHINE}, .len = 1};
    struct cfs_writer value = {0};

    cfs_put_u8(&value, CFS_MACHINE_VERSION);
    cfs_put_u64(&value, cfs_lock_table_token(machine->locks));
    cfs_piece_put(pieces, &key, &value);
    free(value.data);
}

void cfs_machine_save(struct cfs_machine *machine, struct cfs_writer *pieces)
{
    save_counters(machine, pieces);
    cfs_sessions_save(&machine->sessions, pieces);
    cfs_lock_table_save(machine->locks, pieces);
    cfs_node_table_save(&machine->nodes, pieces);
    cfs_queues_save(machine->queues, pieces);
    cfs_names_save(machine->names, pieces);
    cfs_contents_save(machine->contents, pieces);
}

void cfs_machine_saved(struct cfs_machine *machine)
{
    cfs_queues_saved(machine->queues);
    cfs_contents_saved(machine->contents);
}

static int load_counters(struct cfs_machine *machine, const struct cfs_piece *piece)
{
    struct cfs_reader value = {.data = piece->value, .len = piece->value_len};
    cfs_token token;

    cfs_get_enum(&value, CFS_MACHINE_VERSION, CFS_MACHINE_VERSION);
    token = cfs_get_u64(&value);
    if (!piece->put || piece->key_len != 1 || !cfs_reader_whole(&value))
        return -1;
    cfs_lock_table_set_token(machine->locks, token);
    machine->counted = true;
    return 0;
}

int cfs_machine_load(struct cfs_machine *machine, const struct cfs_piece *piece)
{
    switch (piece->key[0]) {
    case CFS_PIECE_MACHINE:
        return load_counters(machine, piece);
    case CFS_PIECE_SESSION:
        return cfs_sessions_load(&machine->sessions, piece);
    case CFS_PIECE_LOCK:
    case CFS_PIECE_CLAIM:
        return cfs_lock_table_load(machine->locks, piece);
    case CFS_PIECE_NODE:
        return cfs_node_table_load(&machine->nodes, piece);
    case CFS_PIECE_QUEUES:
    case CFS_PIECE_QUEUE:
    case CFS_PIECE_PRODUCE_KEY:
    case CFS_PIECE_MESSAGE:
    case CFS_PIECE_QUEUE_WAIT:
    case CFS_PIECE_DELIVERIES:
    case CFS_PIECE_BODY:
        return cfs_queues_load(machine->queues, piece);
    case CFS_PIECE_NAMES:
    case CFS_PIECE_INODE:
        return cfs_names_load(machine->names, piece);
    case CFS_PIECE_CONTENT:
    case CFS_PIECE_EXTENT:
        return cfs_contents_load(machine->contents, piece);
    default:
        return -1;
    }
}

bool cfs_machine_loaded(const struct cfs_machine *machine)
{
    return machine->counted && cfs_lock_table_loaded(machine->locks) &&
           cfs_queues_loaded(machine->queues) && cfs_names_loaded(machine->names) &&
           cfs_contents_loaded(machine->contents);
}
