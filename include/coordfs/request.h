/* What may be asked of the cluster, and what it answers. Plain values: whoever fills a request or
 * an answer in owns every pointer in it; the callee copies what it keeps. */
#ifndef COORDFS_REQUEST_H
#define COORDFS_REQUEST_H

#include "coordfs/cache.h"
#include "coordfs/error.h"
#include "coordfs/limits.h"
#include "coordfs/queue.h"
#include "coordfs/types.h"

enum cfs_lock_mode { CFS_SHARED = 1, CFS_EXCLUSIVE = 2 };

/* How a lock is held, which decides what ends it. */
enum cfs_lock_kind {
    CFS_LOCKFILE = 1, /* by O_EXCL or mkdir: until removed, or the node's session ends */
    CFS_FLOCK = 2,    /* by flock(2): until the open file is closed, or the node's session ends */
    CFS_LEASED = 3,   /* over HTTP: until deleted, or its ttl passes without renewal */
};

/* What a lock looks like in a listing; flock and HTTP locks are files. */
enum cfs_lock_form { CFS_FORM_FILE = 1, CFS_FORM_DIRECTORY = 2 };

enum cfs_op {
    /* Changes: replicated, applied exactly once. */
    CFS_OP_ACQUIRE = 1, /* take a lock, or take one's place in its queue */
    CFS_OP_RELEASE,     /* give back what one handle or one token holds; nothing held: CFS_OK */
    CFS_OP_REMOVE,      /* unlink or rmdir a lockfile by name, from any node */
    CFS_OP_WRITE,       /* store content under an exclusive hold */
    CFS_OP_SETATTR,     /* mode, owner, mtime, content size of a held lock */
    CFS_OP_MEMBER,      /* a node joins, moves, replaces another one, or goes */
    /* The same, of queues (queue.h). */
    CFS_OP_PRODUCE, /* add messages at the tail */
    CFS_OP_CONSUME, /* be handed messages from the head, or take one's place among who waits */
    CFS_OP_ACK,     /* messages are done with */
    CFS_OP_GIVE_BACK,
    CFS_OP_EXTEND,
    CFS_OP_MESSAGE_MOVE,
    CFS_OP_QUEUE_MAKE,
    CFS_OP_QUEUE_REMOVE,
    CFS_OP_PURGE,
    CFS_OP_QUEUE_SETATTR, /* NO_QUEUE, NOT_PERMITTED */
    CFS_OP_QUEUE_CONFIG,
    CFS_OP_DELIVER, /* the engine's own, to `name`: a message that moves from another group */
    CFS_OP_MOVED,   /* the engine's own: how that ended */
    /* The same, of the cache (cache.h). */
    CFS_OP_CACHE_MAKE, /* names */
    CFS_OP_CACHE_REMOVE,
    CFS_OP_CACHE_RENAME,
    CFS_OP_CACHE_SETNODE,
    CFS_OP_CACHE_FORGET,
    CFS_OP_CACHE_PUT, /* contents */
    CFS_OP_CACHE_TOUCH,
    CFS_OP_CACHE_XATTR,
    CFS_OP_CACHE_DROP,
    /* Reads: linearizable, not replicated. */
    CFS_OP_GET,  /* one lock */
    CFS_OP_LIST, /* the names of held locks, sorted by bytes; a page at a time, each by itself */
    CFS_OP_QUEUE_STAT,   /* NO_QUEUE */
    CFS_OP_QUEUE_LIST,   /* as LIST, of one part of the cluster after the other */
    CFS_OP_MESSAGE_LIST, /* the ids in a place, in its order: ready by turn, others ascending */
    CFS_OP_MESSAGE_GET,  /* NO_QUEUE, NO_MESSAGE, NOT_CLAIMED */
    CFS_OP_QUEUE_AWAIT,
    CFS_OP_CACHE_LOOKUP, /* names */
    CFS_OP_CACHE_NODE,
    CFS_OP_CACHE_LIST,
    CFS_OP_CACHE_FETCH, /* contents */
    CFS_OP_CACHE_XATTRS,
};

#define CFS_OP_LAST_CHANGE CFS_OP_CACHE_DROP
#define CFS_OP_LAST CFS_OP_CACHE_XATTRS

struct cfs_acquire {
    enum cfs_lock_mode mode; /* 0 in a renewal: whatever it is */
    enum cfs_lock_kind kind;
    enum cfs_lock_form form;
    bool wait;       /* false: a conflict answers EXISTS (lockfiles) or WOULD_BLOCK */
    uint64_t handle; /* FLOCK: the open file, unique within the session; LEASED: a random name of
                        this asking, 0: the engine draws one; else 0 */
    struct cfs_process
        process; /* who asks; holds of other kinds by the same process do not conflict */
    uint32_t uid, gid, perm; /* of the file it becomes; perm: the lower 12 mode bits */
    uint64_t ticket;         /* the place an interrupted wait had, to take it again; 0: the tail */
    uint32_t ttl_ms;         /* LEASED: how long it lives without renewal */
    uint64_t key;            /* LEASED: asking twice with the same key is asking once, DIFFERS when
                                mode or owner are not the same; 0: none */
    cfs_token renew;         /* LEASED: prolong this hold instead; NOT_HOLDER if it is gone, DIFFERS
                                if mode or owner are given and not its own */
    char owner[CFS_OWNER_MAX + 1]; /* LEASED: the client's name for itself; "" if it gave none */
};

struct cfs_release {
    enum cfs_lock_kind kind;
    uint64_t handle; /* FLOCK; LEASED: instead of the token, what the asking of this name was
                        granted and nobody has been promised since */
    cfs_token token; /* LOCKFILE: of this session's hold. LEASED: NOT_HOLDER when it does not hold,
                        NOT_HELD when nobody does */
};

struct cfs_remove {
    enum cfs_lock_form form; /* the form the caller expects: unlink FILE, rmdir DIRECTORY */
    uint32_t uid;            /* who asks: the lock's owner and root may */
};

struct cfs_write {
    cfs_token token; /* the exclusive hold it writes under; NOT_HOLDER if that is not (or no longer)
                        held */
    uint64_t offset;
    const uint8_t *data; /* borrowed; a gap before offset reads as zeros */
    uint32_t len;
};

enum cfs_setattr_field {
    CFS_SET_PERM = 1,
    CFS_SET_UID = 2,
    CFS_SET_GID = 4,
    CFS_SET_MTIME = 8,
    CFS_SET_MTIME_NOW = 16, /* the leader's clock */
    CFS_SET_SIZE = 32,      /* of the content; needs the exclusive hold `token` */
};

struct cfs_setattr {
    uint32_t fields; /* of enum cfs_setattr_field */
    uint32_t caller; /* uid: the lock's owner and root may; ignored for SIZE alone */
    uint32_t perm, uid, gid;
    cfs_token token;
    uint64_t size;
    cfs_wall_time mtime;
};

/* A node of the cluster and where it is reached. */
struct cfs_node_info {
    cfs_node_id id;
    char host[CFS_HOST_MAX + 1]; /* an address or a name */
    uint16_t port;
    cfs_node_id replaces; /* the node whose place it takes once it has caught up; 0: none */
    uint32_t weight; /* its share of the groups, beside others': 1 to CFS_WEIGHT_MAX; 0 in a change:
                        as it was, 1 for a new node */
};

struct cfs_member_change {
    bool remove; /* info.id goes; else it comes */
    bool move;   /* or it is there, and has another address now */
    struct cfs_node_info info;
};

struct cfs_request {
    enum cfs_op op;
    /* Of the lock or queue; LIST, QUEUE_LIST: the one behind which to go on, "" for all;
     * MEMBER: ""; of the cache: in a directory, or of an attribute, or "". */
    char name[CFS_NAME_MAX + 1];
    bool outside; /* of the cache: for somebody who keeps nothing of it. Nothing is shared, and what
                     this node's files keep is recalled as all others' is */
    union {
        struct cfs_acquire acquire;
        struct cfs_release release;
        struct cfs_remove remove;
        struct cfs_write write;
        struct cfs_setattr setattr; /* QUEUE_SETATTR: but for token and size */
        struct cfs_member_change member;
        struct cfs_produce produce;
        struct cfs_consume consume;
        struct cfs_settle settle; /* ACK, GIVE_BACK, EXTEND */
        struct cfs_message_move message_move;
        struct cfs_queue_make queue_make;
        struct cfs_queue_caller queue_caller; /* QUEUE_REMOVE, PURGE */
        struct cfs_queue_set queue_set;
        struct cfs_delivery delivery;
        struct cfs_moved moved;
        struct cfs_queue_read queue_read; /* reads of queues */
        struct cfs_cache_make cache_make;
        struct cfs_cache_remove cache_remove;
        struct cfs_cache_rename cache_rename;
        struct cfs_cache_set cache_set; /* SETNODE, TOUCH */
        struct cfs_cache_put cache_put;
        struct cfs_cache_xattr cache_xattr;
        struct cfs_cache_drop cache_drop; /* DROP, FORGET */
        struct cfs_cache_read cache_read; /* reads of the cache */
    };
};

/* One holder of a lock. */
struct cfs_holder_info {
    cfs_node_id node; /* 0 for LEASED */
    enum cfs_lock_kind kind;
    struct cfs_process process;
    char owner[CFS_OWNER_MAX + 1];
};

/* A held lock as everyone sees it. */
struct cfs_lock_info {
    enum cfs_lock_form form;
    enum cfs_lock_mode mode;
    cfs_token token;     /* the newest of its holders' */
    cfs_wall_time since; /* of that acquisition */
    cfs_wall_time mtime;
    uint32_t uid, gid, perm;
    uint32_t waiters;
    uint32_t holder_count; /* of `holders`: the oldest, CFS_HOLDERS_MAX at most */
    uint32_t more_holders; /* that are not listed */
    const struct cfs_holder_info *holders;
    const uint8_t *content;
    uint32_t content_len;
};

struct cfs_answer {
    enum cfs_error error;
    cfs_token token; /* ACQUIRE: of the hold */
    uint64_t ticket; /* ACQUIRE that ended INTERRUPTED: the place it had in the queue; 0: none */
    bool queued; /* ACQUIRE that ended INTERRUPTED: it had waited in the queue; else nobody knows */
    struct cfs_lock_info lock;   /* GET */
    const char *names;           /* LIST, QUEUE_LIST: NUL-terminated names, one after the other */
    uint32_t names_len;          /* bytes, the NULs included */
    bool more;                   /* LIST, MESSAGE_LIST: there are others behind the last of these */
    uint32_t part;               /* QUEUE_LIST without `more`: the part to go on with, from its
                                    first name on; 0: all parts are listed */
    cfs_message_id id;           /* PRODUCE: of the last message, those before it count down */
    struct cfs_queue_info queue; /* QUEUE_STAT */
    const struct cfs_message_info *messages; /* CONSUME, MESSAGE_GET */
    uint32_t message_count;
    const uint64_t *ids; /* MESSAGE_LIST */
    uint32_t id_count;
    struct cfs_cache_answer cache;
};

/* Whether `op` is about queues. */
bool cfs_op_is_of_queue(enum cfs_op op);

/* Whether it is about the cache: about names, or about the contents of an inode. */
bool cfs_op_is_of_names(enum cfs_op op);
bool cfs_op_is_of_contents(enum cfs_op op);
bool cfs_op_is_of_cache(enum cfs_op op);

/* The inode whose contents such a request is about. */
cfs_ino cfs_request_contents(const struct cfs_request *request);

/* Whether `op` reads: it is answered and not replicated. */
bool cfs_op_is_read(enum cfs_op op);

/* Whether it may be answered long after it was asked, because it waits for others. */
bool cfs_request_may_wait(const struct cfs_request *request);

/* 1 when `name` may name a lock: 1 to 255 bytes, no '/', and neither "." nor "..". */
bool cfs_name_valid(const char *name);

/* Likewise a queue: nor may it begin with a dot. */
bool cfs_queue_name_valid(const char *name);

/* Whether such a request to the cache may have that name: "" where it is about none; of an
 * extended attribute any bytes. */
bool cfs_cache_name_valid(enum cfs_op op, const char *name);

#endif
