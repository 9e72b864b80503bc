/* What http_server.c (the course of a request), http_request.c (what it says), http_strangers.c
 * (who may connect) and http_listen.c (the socket) share. */
#ifndef CFS_IO_HTTP_INTERNAL_H
#define CFS_IO_HTTP_INTERNAL_H

#include <microhttpd.h>

#include "io/http_server.h"
#include "io/peer_auth.h"

struct cfs_http_connection {
    struct cfs_http_server *server;
    struct MHD_Connection *mhd;
    int fd;       /* libmicrohttpd's; watched here for the client's going away only */
    bool hung_up; /* the client closed its end, or the connection broke */
    bool broken;  /* the latter */
    struct cfs_http_request *request;        /* under way; NULL between requests */
    bool known;                              /* has shown the secret once */
    bool stranger;                           /* is in the list of those who have not */
    struct cfs_http_connection *prev, *next; /* of that list */
};

/* See http_strangers.c. */
struct cfs_http_strangers {
    struct cfs_http_connection *oldest;
    unsigned count, max;
};

/* The course of a request. From WAITING it goes on by MHD_resume_connection only. */
enum cfs_http_state {
    CFS_HTTP_RECEIVING,
    CFS_HTTP_HANDLING, /* the handler is being called */
    CFS_HTTP_WAITING,  /* suspended, in the server's list */
    CFS_HTTP_ANSWERED, /* has its response, which libmicrohttpd may not have yet */
    CFS_HTTP_GONE,     /* nobody to answer to: the connection is to be closed */
};

struct cfs_http_parameter {
    char *key, *value; /* decoded; in one allocation */
    struct cfs_http_parameter *next;
};

struct cfs_http_request {
    struct cfs_http_connection *connection;
    struct MHD_Connection *mhd;
    const char *method, *path; /* libmicrohttpd's, for as long as the request lives */
    bool for_peers;            /* below /raft/ */
    bool authorized;
    struct cfs_peer_proof proof; /* authorized for_peers */
    bool keep_body;              /* false: read and forgotten, since a refusal will follow */
    uint8_t *body;
    size_t len, capacity, limit;
    struct cfs_http_parameter *parameters;
    const char *malformed; /* the field of the query that cannot be decoded, as it came */
    enum cfs_http_state state;
    struct MHD_Response *response;
    unsigned status;
    void (*gone)(void *arg);
    bool (*half_close)(void *arg);        /* NULL once it was called */
    bool stays;                           /* that was its answer */
    void *gone_arg;                       /* of both */
    struct cfs_http_request *prev, *next; /* WAITING: the server's list */
};

void cfs_http_strangers_init(struct cfs_http_strangers *strangers, unsigned connections_max);

/* A connection comes to be a stranger, which may close another; is none for the present or any
 * more; has shown the secret, and may be idle for longer. */
void cfs_http_stranger_enter(struct cfs_http_strangers *strangers,
                             struct cfs_http_connection *connection);
void cfs_http_stranger_leave(struct cfs_http_strangers *strangers,
                             struct cfs_http_connection *connection);
void cfs_http_stranger_known(struct cfs_http_strangers *strangers,
                             struct cfs_http_connection *connection, unsigned idle_seconds);

/* A listening socket at the first of the addresses of `host` (a name, IPv4, IPv6 with or without
 * brackets) that works; -1 after a log line. */
int cfs_http_listen(const char *host, uint16_t port);

/* Decodes the query. False, and `malformed` is set, when it has a bad percent escape or a zero
 * byte. */
bool cfs_http_read_query(struct cfs_http_request *request);

/* Whether the request carries `secret`. */
bool cfs_http_read_secret(const struct cfs_http_request *request, const char *secret);

void cfs_http_free_query(struct cfs_http_request *request);

#endif
