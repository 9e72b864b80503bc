/* Shared by the files that make up queues/.
 *
 *     tree_queues.c     the names: queues, and .NAME beside each
 *     queue_attr.c      what stat shows and sets; queue_xattr.c, extended attributes
 *     queue_file.c      open files; queue_read.c, queue_write.c, queue_poll.c, queue_close.c
 *     queue_opened.c    .NAME/ and what is in it; queue_config.c, its config
 *     queue_place.c     inflight/, dead/, ready/ and the messages in them; queue_move.c, mv */
#ifndef CFS_FS_QUEUES_H
#define CFS_FS_QUEUES_H

#include "fs/closer.h"
#include "fs/tree.h"

/* What a node is of the queue that it is named after (cfs_node.part). A message has the part of the
 * directory it is in. */
enum cfs_queue_part {
    CFS_PART_QUEUE = 1,
    CFS_PART_OPENED, /* .NAME/ */
    CFS_PART_CLAIM,
    CFS_PART_CONFIG,
    CFS_PART_INFLIGHT,
    CFS_PART_DEAD,
    CFS_PART_READY,
};

#define CFS_READERS_MAX 4u
/* As text: all five lines. */
#define CFS_CONFIG_TEXT_MAX 256u

/* Who has read of an open file; pid 0: a process that /proc does not show. */
struct cfs_reader {
    uint32_t tid, pid;
};

/* An open queue or claim: what has been read and written of it, half way through. */
struct cfs_queue_file {
    uint32_t opener; /* the thread that opened it */
    int access;      /* O_RDONLY, O_WRONLY or O_RDWR */

    /* Reading: a message, or the path of a claimed one. */
    cfs_claim_id claim; /* 0: nothing; the next read asks for it */
    char *text;
    uint32_t len, at;            /* bytes, and how many have been read */
    bool lost;                   /* the session that it was handed to is over */
    struct cfs_pending *reading; /* asks for a message, or acknowledges one */
    struct cfs_pending *behind;  /* reads that wait for the end of that */
    struct cfs_reader readers[CFS_READERS_MAX];
    uint32_t reader_count;                /* more than there is room for: there were others */
    enum cfs_close_reason closed;         /* why the last one closed it, of those who count */
    cfs_claim_id claims[CFS_CONSUME_MAX]; /* of claim: the newest; older ones end by their time */
    uint32_t claim_count;

    /* Writing. */
    enum cfs_framing framing;
    uint32_t writer; /* the thread that wrote last */
    bool cut_off;    /* a signal ended it: what it left half done is no message */
    bool writing;    /* a write or a close is asking */
    uint8_t *rest;   /* was written, and is no whole message yet */
    uint32_t rest_len;
    bool spoiled;    /* framing=file: it has become too large for a message */
    uint32_t due;    /* framing=write: the bytes still to come of a write in pieces ... */
    uint64_t due_at; /* ... and the offset of the next piece */
    int failed;      /* what became of that write, for the next one or a close to tell; 0: well */
    uint8_t *input;  /* framing=line: what is being written ... */
    uint32_t input_len, input_at; /* ... and how much of it has been dealt with */

    struct cfs_pending *awaiting; /* asks when a message is ready, for a poll */
};

/* A request about the queue `name`. */
struct cfs_request cfs_queue_request(enum cfs_op op, const char *name);

/* --- nodes --- */

/* A new node, as cfs_node_new, for `part` of the queue `name`. Its mode has no permissions yet. */
struct cfs_node *cfs_queue_node(struct cfs_fs *fs, enum cfs_queue_part part, const char *name);

/* The inode number of that, and of a message in it. */
uint64_t cfs_queue_ino(enum cfs_queue_part part, const char *name);
uint64_t cfs_message_ino(enum cfs_queue_part part, const char *name, uint64_t number);

/* Replies to LOOKUP of `part` of the queue `name`. */
void cfs_queue_lookup(struct cfs_fs *fs, fuse_req_t req, enum cfs_queue_part part,
                      const char *name);

/* The node learns owner, permissions and framing, as `request` was answered; what it knows already
 * by a later one stays. */
void cfs_queue_seen(struct cfs_node *node, const struct cfs_queue_info *info, uint64_t request);

/* What stat shows of `node`; `info` NULL: of one that is open, or about to be, of a queue that is
 * gone. */
struct stat cfs_queue_attributes(const struct cfs_node *node, const struct cfs_queue_info *info);

void cfs_queue_getattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node);
void cfs_queue_setattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node,
                       struct cfs_handle *handle, const struct stat *attr, int fields);
void cfs_queue_getxattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node, const char *name,
                        size_t size);
void cfs_queue_listxattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node, size_t size);
void cfs_message_getxattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node,
                          const char *name, size_t size);
void cfs_message_listxattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node, size_t size);

/* --- open files --- */

void cfs_queue_open(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node,
                    const struct fuse_file_info *file);

/* Replies to CREATE with an open file of `node`, of which the kernel then has been told. */
void cfs_queue_reply_create(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node,
                            const struct fuse_file_info *file, const struct stat *attr);
void cfs_queue_file_free(struct cfs_queue_file *queue);

void cfs_queue_read(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle, size_t size,
                    uint64_t offset);
void cfs_queue_write(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle, const char *data,
                     size_t size, uint64_t offset, bool append);
void cfs_queue_poll(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle);
void cfs_queue_flush(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle);
void cfs_queue_release(struct cfs_handle *handle);
void cfs_queue_lose(struct cfs_handle *handle);

/* What was being read is done with. */
void cfs_queue_forget_message(struct cfs_queue_file *queue);

/* The claim has been dealt with: no open file of `claim` has to give it back. */
void cfs_queue_forget_claim(struct cfs_fs *fs, const char *name, cfs_claim_id claim);

/* Whether a read would return at once without asking: it has something, or never takes anything. */
bool cfs_queue_has_text(const struct cfs_handle *handle);

/* A poll that was told there is nothing has to be told when there is. */
void cfs_queue_await(struct cfs_handle *handle);

/* What is left of the writes as a last message of its own: makes `request`, which borrows from
 * `queue`. False: nothing is. */
bool cfs_queue_last_message(const struct cfs_handle *handle, struct cfs_request *request);
void cfs_queue_forget_rest(struct cfs_queue_file *queue);

/* --- .NAME/ --- */

/* Prints as text and returns its length. */
size_t cfs_queue_config_print(const struct cfs_queue_config *config, char *text, size_t size);

/* Reads lines of key=value, all of them or (false) none. */
bool cfs_queue_config_parse(struct cfs_queue_set *set, const char *text, size_t len);

/* Replies to RENAME out of inflight/, dead/ or ready/. */
void cfs_message_rename(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *dir, const char *name,
                        struct cfs_node *new_dir, const char *new_name, unsigned flags);

/* The id that a message's file is named by; 0: it is no such name. */
uint64_t cfs_message_number(const char *name);

/* Asks for the message whose file `node` is. */
struct cfs_request cfs_message_request(const struct cfs_node *node);

/* The place of INFLIGHT, DEAD and READY. */
enum cfs_message_place cfs_queue_place(enum cfs_queue_part part);

#endif
