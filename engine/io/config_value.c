#include "io/config_value.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

int cfs_parse_decimal(const char *text, unsigned decimals, uint64_t *out)
{
    uint64_t value = 0;
    const char *at;
    bool point = false;

    for (at = text; *at; at++) {
        if (*at == '.' && !point && decimals > 0 && at > text) {
            point = true;
            continue;
        }
        if (*at < '0' || *at > '9' || (point && decimals == 0) || value > UINT32_MAX)
            return -1;
        value = value * 10 + (uint64_t)(*at - '0');
        decimals -= point;
    }
    if (at == text || at[-1] == '.')
        return -1;
    while (decimals-- > 0)
        value *= 10;
    *out = value;
    return 0;
}

/* The bytes at `text` as a number in `min` to `max`. */
static int parse_number(const char *text, size_t len, uint64_t min, uint64_t max, uint64_t *out)
{
    char digits[16] = "";

    if (len >= sizeof(digits))
        return -1;
    memcpy(digits, text, len);
    return cfs_parse_decimal(digits, 0, out) != 0 || *out < min || *out > max ? -1 : 0;
}

/* A host name, an IPv4 address, or an IPv6 address in brackets. */
static int parse_host(const char *text, size_t len, char host[256])
{
    bool bracketed = len >= 2 && text[0] == '[' && text[len - 1] == ']';
    struct in6_addr address;

    text += bracketed;
    len -= bracketed ? 2 : 0;
    if (len == 0 || len > 255)
        return -1;
    memcpy(host, text, len);
    host[len] = '\0';
    if (bracketed)
        return inet_pton(AF_INET6, host, &address) == 1 ? 0 : -1;
    return strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == len
               ? 0
               : -1;
}

int cfs_parse_host(const char *text, char host[256])
{
    struct in6_addr address;

    if (inet_pton(AF_INET6, text, &address) != 1)
        return parse_host(text, strlen(text), host);
    memcpy(host, text, strlen(text) + 1);
    return 0;
}

int cfs_parse_address(const char *text, size_t len, char host[256], uint16_t *port)
{
    const char *colon = memrchr(text, ':', len);
    size_t host_len;
    uint64_t number;

    if (!colon)
        return -1;
    host_len = (size_t)(colon - text);
    if (parse_number(colon + 1, len - host_len - 1, 1, UINT16_MAX, &number) != 0 ||
        parse_host(text, host_len, host) != 0)
        return -1;
    *port = (uint16_t)number;
    return 0;
}

int cfs_parse_member(const char *text, size_t len, struct cfs_member *member)
{
    const char *at = memchr(text, '@', len);
    size_t id_len;
    uint64_t id;

    if (!at)
        return -1;
    id_len = (size_t)(at - text);
    if (parse_number(text, id_len, 1, CFS_NODE_MAX, &id) != 0)
        return -1;
    member->id = (cfs_node_id)id;
    return cfs_parse_address(at + 1, len - id_len - 1, member->host, &member->port);
}

void cfs_format_member(char text[CFS_MEMBER_BYTES], cfs_node_id id, const char *host, uint16_t port)
{
    bool six = strchr(host, ':');

    snprintf(text, CFS_MEMBER_BYTES, "%u@%s%s%s:%u", id, six ? "[" : "", host, six ? "]" : "",
             (unsigned)port);
}

bool cfs_host_is_loopback(const char *host)
{
    struct in_addr four;
    struct in6_addr six;

    if (inet_pton(AF_INET, host, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &six) == 1)
        return IN6_IS_ADDR_LOOPBACK(&six) || (IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr[12] == 127);
    return strcasecmp(host, "localhost") == 0;
}
