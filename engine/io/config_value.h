/* Values of settings as people write them. */
#ifndef CFS_IO_CONFIG_VALUE_H
#define CFS_IO_CONFIG_VALUE_H

#include "coordfs/config.h"

/* Digits, and after a point at most `decimals` more, in units of the last: "1.5" with 3 is 1500.
 * 0 or -1. */
int cfs_parse_decimal(const char *text, unsigned decimals, uint64_t *out);

/* A host name or an address; an IPv6 address with brackets, which `host` leaves out, or without.
 * 0 or -1. */
int cfs_parse_host(const char *text, char host[256]);

/* HOST:PORT in the first `len` bytes; an IPv6 address stands in brackets, which `host` leaves out.
 * 0 or -1. */
int cfs_parse_address(const char *text, size_t len, char host[256], uint16_t *port);

/* ID@HOST:PORT in the first `len` bytes. 0 or -1. */
int cfs_parse_member(const char *text, size_t len, struct cfs_member *member);

/* Room for what cfs_format_member writes. */
#define CFS_MEMBER_BYTES 280u

/* ID@HOST:PORT as cfs_parse_member reads it. */
void cfs_format_member(char text[CFS_MEMBER_BYTES], cfs_node_id id, const char *host,
                       uint16_t port);

/* Whether only this machine can reach `host`; of names that is believed of "localhost" alone. */
bool cfs_host_is_loopback(const char *host);

#endif
