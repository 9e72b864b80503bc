/* What can go wrong, once: code, errno(3), HTTP status, word for programs, sentence for people. */
#ifndef COORDFS_ERROR_H
#define COORDFS_ERROR_H

#include <errno.h>

#define CFS_ERROR_MAP(X)                                                                           \
    X(CFS_OK, 0, 200, "ok", "success")                                                             \
    X(CFS_ERR_EXISTS, EEXIST, 423, "held", "the lock is held")                                     \
    X(CFS_ERR_WOULD_BLOCK, EWOULDBLOCK, 423, "locked",                                             \
      "the lock is held and waiting was not asked for")                                            \
    X(CFS_ERR_DEADLOCK, EDEADLK, 409, "deadlock",                                                  \
      "waiting would never end: each waits for the other")                                         \
    X(CFS_ERR_TIMED_OUT, ETIMEDOUT, 503, "no_quorum",                                              \
      "no majority of the cluster could be reached in time")                                       \
    X(CFS_ERR_INTERRUPTED, EINTR, 408, "interrupted", "the wait was given up")                     \
    X(CFS_ERR_LOST, EIO, 410, "lost", "the lock was lost with the node's session")                 \
    X(CFS_ERR_NOT_HELD, ENOENT, 404, "not_held", "the lock is not held")                           \
    X(CFS_ERR_NOT_HOLDER, ENOLCK, 403, "not_holder", "only the exclusive holder may do that")      \
    X(CFS_ERR_BUSY, EBUSY, 409, "busy", "the lock is held through an open file")                   \
    X(CFS_ERR_NOT_PERMITTED, EPERM, 403, "not_permitted", "only the owner and root may do that")   \
    X(CFS_ERR_IS_DIRECTORY, EISDIR, 409, "is_directory", "the lock was made by mkdir: use rmdir")  \
    X(CFS_ERR_NOT_DIRECTORY, ENOTDIR, 409, "not_directory", "the lock is a file: use rm")          \
    X(CFS_ERR_INVALID, EINVAL, 400, "invalid", "the request makes no sense")                       \
    X(CFS_ERR_NAME_TOO_LONG, ENAMETOOLONG, 400, "name_too_long", "a name has at most 255 bytes")   \
    X(CFS_ERR_TOO_BIG, EFBIG, 413, "too_big", "a lock's content has at most 64 KiB")               \
    X(CFS_ERR_NO_SPACE, ENOSPC, 507, "no_space", "the disks of a majority of the nodes are full")  \
    X(CFS_ERR_TOO_MANY, EAGAIN, 503, "too_many", "too many requests wait for an answer")           \
    X(CFS_ERR_NOT_MEMBER, ENOENT, 404, "not_member",                                               \
      "there is no such node in the cluster, or it is the last one")                               \
    X(CFS_ERR_REMOVED, ESTALE, 410, "removed", "the node was removed from the cluster")            \
    X(CFS_ERR_IO, EIO, 500, "io", "the node could not store the change")                           \
    X(CFS_ERR_DIFFERS, EINVAL, 422, "differs",                                                     \
      "that token or key belongs to a request with another mode or another owner")                 \
    X(CFS_ERR_NO_QUEUE, ENOENT, 404, "no_queue", "there is no such queue")                         \
    X(CFS_ERR_QUEUE_EXISTS, EEXIST, 409, "queue_exists", "there is a queue of that name")          \
    X(CFS_ERR_NOT_EMPTY, ENOTEMPTY, 409, "not_empty",                                              \
      "there are messages in the queue: purge it first")                                           \
    X(CFS_ERR_EMPTY, EAGAIN, 404, "empty", "no message is ready")                                  \
    X(CFS_ERR_FULL, EAGAIN, 429, "full", "the queue is full")                                      \
    X(CFS_ERR_NO_MESSAGE, ENOENT, 404, "no_message", "there is no such message")                   \
    X(CFS_ERR_NOT_CLAIMED, ENOENT, 410, "not_claimed",                                             \
      "the claim has passed: the message went back to its queue")                                  \
    X(CFS_ERR_MESSAGE_TOO_BIG, EMSGSIZE, 413, "message_too_big",                                   \
      "a message has at most 1 MiB - 1 bytes")                                                     \
    X(CFS_ERR_NOT_FOUNDED, EAGAIN, 503, "not_founded",                                             \
      "the cluster has only just been made: ask again in a moment")                                \
    X(CFS_ERR_NO_FILE, ENOENT, 404, "no_file", "there is no such file or directory")               \
    X(CFS_ERR_FILE_EXISTS, EEXIST, 409, "file_exists", "there is a file of that name")             \
    X(CFS_ERR_FILE_IS_DIRECTORY, EISDIR, 409, "file_is_directory", "that is a directory")          \
    X(CFS_ERR_FILE_NOT_DIRECTORY, ENOTDIR, 409, "file_not_directory", "that is no directory")      \
    X(CFS_ERR_DIRECTORY_NOT_EMPTY, ENOTEMPTY, 409, "directory_not_empty",                          \
      "there are files in the directory: remove them first")                                       \
    X(CFS_ERR_LOOP, EINVAL, 409, "loop", "a directory cannot be moved into itself")                \
    X(CFS_ERR_VALUE_TOO_BIG, EFBIG, 413, "value_too_big",                                          \
      "that is more than max_value allows in one file")                                            \
    X(CFS_ERR_NO_ATTRIBUTE, ENODATA, 404, "no_attribute", "the file has no such attribute")        \
    X(CFS_ERR_ATTRIBUTES_FULL, ENOSPC, 413, "attributes_full",                                     \
      "the attributes of a file have at most 4 KiB")                                               \
    X(CFS_ERR_STALE, ESTALE, 410, "stale", "the file was removed, and is gone by now")             \
    X(CFS_ERR_CHANGED, EAGAIN, 412, "changed", "the value is not of that version any more")

enum cfs_error {
#define X(code, number, status, word, sentence) code,
    CFS_ERROR_MAP(X)
#undef X
        CFS_ERROR_COUNT
};

/* The errno(3) value of `error`, positive; 0 for CFS_OK. */
int cfs_error_errno(enum cfs_error error);

/* The HTTP status of `error` (RFC 9110, 15). */
int cfs_error_http_status(enum cfs_error error);

/* A lower-case word that programs may compare with; static. */
const char *cfs_error_word(enum cfs_error error);

/* A sentence for people, without a full stop; static. */
const char *cfs_error_sentence(enum cfs_error error);

#endif
