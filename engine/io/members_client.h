/* Asks a cluster, over HTTP as any client: for its nodes, to change them, and whatever else. */
#ifndef CFS_IO_MEMBERS_CLIENT_H
#define CFS_IO_MEMBERS_CLIENT_H

#include "coordfs/config.h"
#include "coordfs/request.h"
#include "io/http_ask.h"

/* A node as GET /members describes it. */
struct cfs_members_node {
    struct cfs_node_info info; /* host "": nobody knows where it is */
    char role[16];             /* "voter", "outgoing", "learner", "joining" */
    char state[16];            /* "leader", "follower", "silent", ... */
    bool session;
    int64_t lag; /* -1: only the leader knows */
};

struct cfs_members_view {
    uint64_t cluster;
    cfs_node_id leader; /* 0: unknown */
    cfs_node_id seen_by;
    bool changing;
    uint32_t count;
    struct cfs_members_node nodes[2 * CFS_NODE_MAX];
};

/* NULL when there is none of that id. */
const struct cfs_members_node *cfs_members_find(const struct cfs_members_view *view,
                                                cfs_node_id id);

#define CFS_URL_BYTES 320u
#define CFS_PATH_BYTES 2048u /* of a path with its query */

/* Whom to ask. Zeroed memory with a first url and the secret is one. */
struct cfs_members_client {
    char urls[CFS_NODE_MAX + 1][CFS_URL_BYTES]; /* http://HOST:PORT; the first is asked first */
    uint32_t url_count;
    const char *secret;
    char why[1024]; /* what went wrong last: a sentence */
    bool unsure;    /* somebody else was asked before, and did not say whether it is done */
};

enum cfs_members_result {
    CFS_MEMBERS_OK,
    CFS_MEMBERS_LATER, /* not now: nobody answers, or no majority */
    CFS_MEMBERS_NEVER, /* what is asked for will not be done */
};

/* "HOST:PORT", "http://HOST:PORT" or that with a slash behind it. 0 or -1. */
int cfs_members_url(char url[CFS_URL_BYTES], const char *text);

/* The same of a node's address. */
void cfs_members_make_url(char url[CFS_URL_BYTES], const char *host, uint16_t port);

/* Whom to ask: `url`, or if that is NULL the members that the settings name, the node of the
 * settings first. Into zeroed memory; the secret stays that of `config`. 0, or -1 and `why`. */
int cfs_members_client_open(struct cfs_members_client *client, const char *url,
                            const struct cfs_config *config);

/* Asks one after the other until somebody does not say "later". The question's url and secret are
 * the client's affair. Clear the reply in any case. */
enum cfs_members_result cfs_members_exchange(struct cfs_members_client *client,
                                             struct cfs_http_reply *reply, const char *path,
                                             const struct cfs_http_question *question);
enum cfs_members_result cfs_members_request(struct cfs_members_client *client, const char *method,
                                            const char *path, const char *accept,
                                            unsigned timeout_ms, struct cfs_http_reply *reply);

/* What the leader says of the cluster, or else a node that knows a leader, or else any; remembers
 * all nodes as those to ask. */
enum cfs_members_result cfs_members_ask(struct cfs_members_client *client,
                                        struct cfs_members_view *view);

enum cfs_members_result cfs_members_change(struct cfs_members_client *client,
                                           const struct cfs_member_change *change);

#endif
