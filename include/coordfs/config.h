/* One node's settings: from a file, from mount options, or both; checked once, then read-only. */
#ifndef COORDFS_CONFIG_H
#define COORDFS_CONFIG_H

#include "coordfs/limits.h"
#include "coordfs/types.h"

struct cfs_member {
    cfs_node_id id;
    char host[256]; /* as given: an address or a name */
    uint16_t port;
};

#define CFS_STORE_EMBEDDED "embedded"

enum cfs_log_level { CFS_LOG_ERROR, CFS_LOG_WARNING, CFS_LOG_INFO, CFS_LOG_DEBUG };

struct cfs_config {
    cfs_node_id node;                           /* this node's id among the members */
    struct cfs_member members[CFS_MEMBERS_MAX]; /* sorted by id */
    uint32_t member_count;
    char listen_host[256];  /* default: this member's host */
    uint16_t listen_port;   /* default: this member's port */
    char data[4096];        /* directory of the log; made with mode 0700 if missing */
    char secret_file[4096]; /* holds the cluster's secret, mode 0600; at least 16 characters */
    char secret[257];
    char store[512];         /* of queues: CFS_STORE_EMBEDDED, or a URL (io/redis_url.h) */
    char join[320];          /* http://HOST:PORT of a node of the cluster to join; "": none */
    uint32_t timeout_ms;     /* how long a call waits for a majority: default 5000 */
    uint32_t session_ms;     /* a node's session: default 5000 */
    uint32_t heartbeat_ms;   /* default 125 */
    uint32_t lease_ms;       /* leader lease: default 250; at least 2 heartbeats */
    uint32_t cache_lease_ms; /* of what a node keeps of cache/, the same on all: default 1000 */
    uint32_t election_ms;    /* shortest election timeout, the longest is twice it: default 300 */
    uint32_t checkpoint_kb;  /* KiB of log between checkpoints: default 8192 */
    uint64_t cache_size;     /* bytes of cached values that the kernel may keep: default 1 GiB; 0:
                                as many as it likes */
    uint64_t max_value;      /* bytes of one cached value: default 64 MiB */
    uint32_t trunc_hold_ms;  /* how long open's O_TRUNC waits for the write: default 100 */
    bool insecure;           /* permits listening beyond loopback without TLS */
    bool http_open;          /* client routes need no secret */
    bool allow_other;        /* default: true for root */
    bool foreground;
    bool use_syslog;              /* default: stderr */
    enum cfs_log_level log_level; /* default: info */
};

/* Sets every default. */
void cfs_config_init(struct cfs_config *config);

/* Sets one `key` to `value`; the keys are those of coordfs --help. 0, or -1 with a sentence that
 * names key and value in `why`. */
int cfs_config_set(struct cfs_config *config, const char *key, const char *value, char *why,
                   size_t size);

/* Reads `key = value` lines from `path`; '#' begins a comment. 0, or -1 with file and line in
 * `why`. */
int cfs_config_read(struct cfs_config *config, const char *path, char *why, size_t size);

/* Fills in what follows from the rest, reads the secret, checks all of it together. 0 or -1. */
int cfs_config_finish(struct cfs_config *config, char *why, size_t size);

/* Reads the secret alone, as cfs_config_finish does. 0 or -1. */
int cfs_config_read_secret(struct cfs_config *config, char *why, size_t size);

/* A line per key for --help: "  key=VALUE   what it does (default)"; static. */
const char *cfs_config_help(void);

#endif
