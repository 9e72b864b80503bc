/* The checkpoint store: what each group's state was at a log index, on disk, so that the log before
 * it can go. One LMDB environment in DATA/store, changed by one transaction per job on a thread of
 * its own; a state is a head and a set of pieces, key -> value, and the store understands neither.
 *
 * Pieces come and go many in one buffer (core/codec.h):
 *
 *     u8 kind (1 = put, 2 = delete) | u32 key_len | key | for put: u32 value_len | value
 *
 * A piece whose key begins with a byte of CFS_STORE_LARGE or more is too large to be in memory: a
 * load leaves it out, and it is read by itself when it is wanted. */
#ifndef CFS_IO_STORE_H
#define CFS_IO_STORE_H

#include "coordfs/types.h"
#include "io/wal.h"

#define CFS_STORE_KEY_MAX 400u       /* bytes of a piece's key; at least 1 */
#define CFS_STORE_VALUE_MAX 2097152u /* bytes of its value */
#define CFS_STORE_LARGE 0x80u

struct cfs_store;

enum cfs_store_kind {
    CFS_STORE_CHECKPOINT = 1, /* all parts in one transaction: apply pieces, replace heads */
    CFS_STORE_STAGE,          /* one part: add to the snapshot that the group receives */
    CFS_STORE_READ,           /* the next pieces of a consistent copy of a group */
    CFS_STORE_END_READ,       /* give that copy up */
    CFS_STORE_GET,            /* single pieces, as they are now */
};

enum cfs_store_piece { CFS_STORE_PUT = 1, CFS_STORE_DELETE = 2 };

struct cfs_store_part {
    cfs_group_id group;
    uint8_t *head; /* owned */
    uint32_t head_len;
    uint8_t *pieces; /* owned */
    size_t pieces_len;
};

struct cfs_store_job {
    enum cfs_store_kind kind;
    uint64_t id;                  /* the caller's; comes back in cfs_store_done */
    struct cfs_store_part *parts; /* CHECKPOINT, STAGE: owned */
    uint32_t part_count;
    struct cfs_wal_begin wal; /* CHECKPOINT: where the log must begin now; {0}: unchanged */
    /* STAGE: `first` forgets what was staged for the group before; `last` makes what was staged the
     * group's state, with the part's head, in the same transaction. */
    bool first, last;
    /* READ, END_READ: the copy is of the moment of the first READ with this number; it ends with
     * the READ that is `done`, with one that fails, or with END_READ. It keeps the space of what is
     * replaced meanwhile, so it must end. */
    uint64_t transfer;
    cfs_group_id group; /* READ, GET */
    size_t bytes;  /* READ: of encoded pieces, about; at least one piece comes if any is left */
    uint8_t *keys; /* GET: owned; u32 key_len | key, one after the other */
    size_t keys_len;
};

struct cfs_store_done {
    enum cfs_store_kind kind;
    uint64_t id;
    cfs_group_id group; /* READ, GET */
    /* 0, or nothing was changed and
     *   -ENOSPC   no room: try again later. The same for every CHECKPOINT and STAGE submitted
     *             before this one was taken: none is done whose predecessor was not
     *   -ENOENT   READ: the group has no checkpoint. STAGE: not `first`, and nothing is staged
     *   -EINVAL   the pieces or keys are malformed
     *   -EBADMSG  READ, GET: damaged; a log line says where
     *   -EIO      the store has failed (cfs_store_failed) */
    int error;
    uint8_t *head; /* READ: the copy's; the caller frees */
    uint32_t head_len;
    uint8_t *pieces; /* READ: puts, in key order. GET: of those that are there. The caller frees */
    size_t pieces_len;
    bool done; /* READ: these are the last */
};

/* Opens or creates the store of the data directory (made with mode 0700 when missing). 0, or -1
 * after a log line that names the file and says what to do: it is damaged, in use, of an unknown
 * format, or cannot be made. */
int cfs_store_open(struct cfs_store **out, const char *data_dir);

/* Before the first submit: hands over all but the large ones, per group its head, then its pieces
 * in key order; what the callbacks get is borrowed. 0, or -1 after a log line that names file,
 * group and key of what is damaged. */
int cfs_store_load(struct cfs_store *store,
                   void (*head)(void *arg, cfs_group_id group, const uint8_t *head, uint32_t len),
                   void (*piece)(void *arg, cfs_group_id group, const uint8_t *key,
                                 uint32_t key_len, const uint8_t *value, uint32_t value_len),
                   void *arg);

/* Where the log begins, as the newest checkpoint before the open says; {1, 1, 0} when there is
 * none.
 */
struct cfs_wal_begin cfs_store_wal_begin(const struct cfs_store *store);

/* Takes what the job owns; jobs are done in the order of submission, but a GET waits for no other
 * job than those before it of its kind, and sees what is durable when it is done. */
void cfs_store_submit(struct cfs_store *store, struct cfs_store_job *job);

/* Readable (eventfd(2)) when something is done or the store failed. */
int cfs_store_fd(const struct cfs_store *store);

/* The oldest job that is done; false, and the fd reset, when there is none. */
bool cfs_store_take(struct cfs_store *store, struct cfs_store_done *done);

/* A write or fdatasync failed, for another reason than space: what the disk then holds is unknown,
 * and the node must stop. */
bool cfs_store_failed(struct cfs_store *store);

struct cfs_store_stats {
    uint64_t checkpoints, bytes; /* of heads and pieces in them */
    uint64_t us_last, us_max;    /* what a checkpoint took */
    uint64_t disk_bytes;         /* of the file, as far as it is in use */
};
void cfs_store_stats(struct cfs_store *store, struct cfs_store_stats *stats);

/* Does what was submitted, then closes. NULL is allowed. */
void cfs_store_close(struct cfs_store *store);

#endif
