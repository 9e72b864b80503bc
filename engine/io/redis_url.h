/* Where a Redis is, as the setting `store` says it. */
#ifndef CFS_IO_REDIS_URL_H
#define CFS_IO_REDIS_URL_H

#include "coordfs/types.h"

struct cfs_redis_url {
    char host[256]; /* a name or an address; "" with a path */
    uint16_t port;
    char path[108]; /* of a Unix socket */
    char user[128]; /* "": the default user */
    char password[256];
    uint32_t db;
    char shown[384]; /* for logs and pages: without user and password */
};

/* redis://[[USER]:PASSWORD@]HOST[:PORT][/DB] or redis+unix://[[USER]:PASSWORD@]/PATH[?db=DB]; user,
 * password and path are percent-encoded. 0 or -1. */
int cfs_redis_url_parse(struct cfs_redis_url *url, const char *text);

#endif
