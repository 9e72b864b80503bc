/* Every bound in the system, and what has to hold between them. */
#ifndef COORDFS_LIMITS_H
#define COORDFS_LIMITS_H

#include <assert.h>

#define CFS_NAME_MAX 255u           /* bytes of a lock's or queue's name */
#define CFS_CONTENT_MAX 65536u      /* bytes of a lock's content */
#define CFS_HOST_MAX 255u           /* bytes of a host's name or address */
#define CFS_OWNER_MAX 64u           /* bytes of an HTTP client's name for itself */
#define CFS_MEMBERS_MAX 5u          /* replicas of group 0 */
#define CFS_NODE_MAX 63u            /* largest node id: nodes are kept in sets of 64 bits */
#define CFS_GROUPS_MAX 63u          /* groups beside group 0: kept in sets of 64 bits */
#define CFS_GROUPS 17u              /* groups of a cluster beside group 0; the last has names */
#define CFS_WEIGHT_MAX 100u         /* largest weight of a node on the ring */
#define CFS_MESSAGE_MAX 1048575u    /* bytes of a queue's message: 1 MiB - 1 */
#define CFS_PRODUCE_MAX 16384u      /* messages of one produce */
#define CFS_CONSUME_MAX 256u        /* messages handed out or settled by one request */
#define CFS_MESSAGE_LIST_MAX 65536u /* ids of messages in one page of a listing */
#define CFS_TARGET_MAX 4095u        /* bytes of a symlink's target */
#define CFS_PUT_MAX 1048576u        /* bytes of one change or reading of a cached value */
#define CFS_XATTRS_MAX 4096u        /* bytes of a cached file's attributes, names and values */
#define CFS_ENTRIES_MAX 4096u       /* names in one page of a cached directory */
#define CFS_COMMAND_MAX 1179648u    /* bytes of an encoded command: messages, lengths and head */
#define CFS_REQUESTS_MAX 16384u     /* requests of one node that wait for an answer */
#define CFS_HOLDERS_MAX 512u        /* holders that are listed of a lock that many share */
#define CFS_ACKS_MAX 16u            /* ends of waits that one command acknowledges */
#define CFS_SESSION_MS_MIN 1000u    /* a node's session */
#define CFS_SESSION_MS_MAX 3600000u
#define CFS_APPEND_BYTES_MAX 2359296u  /* entry bytes in one AppendEntries */
#define CFS_APPEND_ENTRIES_MAX 1024u   /* entries in one AppendEntries */
#define CFS_APPEND_GATHER_BYTES 65536u /* of entries for which one more is sent at once */
#define CFS_APPEND_SPARE_ENTRIES 16u   /* that a follower is sent at once whom no majority needs */
#define CFS_APPEND_SPARE_TIME 5000u    /* microseconds, and when it is sent fewer at the latest */
#define CFS_PIECE_KEY_MAX 400u         /* bytes of the key of a piece of state */
#define CFS_SNAPSHOT_BYTES 262144u   /* of pieces in one message, about: one piece may be larger */
#define CFS_GROUP_HEAD_MAX 4096u     /* bytes of what a checkpoint says beside the state */
#define CFS_INFLIGHT_MAX 4u          /* AppendEntries under way to one follower */
#define CFS_LIST_BYTES_MAX 1048576u  /* names in one page of a listing */
#define CFS_BATCH_BYTES_MAX 5242880u /* one HTTP request between nodes */

static_assert(CFS_CONTENT_MAX + CFS_NAME_MAX + CFS_OWNER_MAX + 512 <= CFS_COMMAND_MAX,
              "a write of a whole content fits a command");
static_assert(CFS_MESSAGE_MAX + CFS_PRODUCE_MAX * 4 + CFS_NAME_MAX + 1024 <= CFS_COMMAND_MAX,
              "messages of one produce fit a command");
static_assert(CFS_PUT_MAX + CFS_NAME_MAX + 512 <= CFS_COMMAND_MAX, "a write fits a command");
static_assert(CFS_GROUPS <= CFS_GROUPS_MAX, "the groups fit a set");
static_assert(CFS_NAME_MAX + 1 <= CFS_PIECE_KEY_MAX, "a name makes a key");
static_assert(CFS_HOLDERS_MAX * (CFS_OWNER_MAX + 24) <= 65536,
              "the list of holders fits an extended attribute");
static_assert(CFS_COMMAND_MAX <= CFS_APPEND_BYTES_MAX, "any command fits an AppendEntries");
static_assert(CFS_LIST_BYTES_MAX * 2 <= CFS_BATCH_BYTES_MAX, "a page of names fits a batch");
static_assert(CFS_APPEND_BYTES_MAX * 2 <= CFS_BATCH_BYTES_MAX, "an AppendEntries fits a batch");

#endif
