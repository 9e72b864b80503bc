/* Settings, one key at a time: KEYS is the whole vocabulary, and --help is made from it. What can
 * be judged by itself is refused when it is set, with the key and the value in the message; what
 * depends on other keys or on the machine waits for cfs_config_finish (config_finish.c). */
#include "coordfs/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "io/config_value.h"
#include "io/members_client.h"
#include "io/redis_url.h"

#define LINE_BYTES 8192

struct key;

/* NULL, or what is wrong with the value; most say what their key accepts. */
typedef const char *(*set_fn)(const struct key *key, struct cfs_config *config, const char *value);

struct key {
    const char *name;
    set_fn set;
    size_t offset;     /* of the field in struct cfs_config */
    uint32_t min, max; /* of a number; `max` also: bytes of a string */
    const char *accepted;
};

static void *field(const struct key *key, struct cfs_config *config)
{
    return (char *)config + key->offset;
}

/* A number with so many decimals, kept without the point: seconds become milliseconds. */
static const char *set_decimal(const struct key *key, struct cfs_config *config, const char *value,
                               unsigned decimals)
{
    uint64_t number;

    if (cfs_parse_decimal(value, decimals, &number) != 0 || number < key->min || number > key->max)
        return key->accepted;
    *(uint32_t *)field(key, config) = (uint32_t)number;
    return NULL;
}

static const char *set_number(const struct key *key, struct cfs_config *config, const char *value)
{
    return set_decimal(key, config, value, 0);
}

static const char *set_seconds(const struct key *key, struct cfs_config *config, const char *value)
{
    return set_decimal(key, config, value, 3);
}

/* Bytes, or with K, M or G behind it so many times 1024 of them. */
static const char *set_bytes(const struct key *key, struct cfs_config *config, const char *value)
{
    static const char units[] = "KMG";
    size_t len = strlen(value);
    const char *unit = len ? strchr(units, value[len - 1]) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    char digits[24];
    uint64_t number;

    len -= unit != NULL;
    if (len >= sizeof digits)
        return key->accepted;
    memcpy(digits, value, len);
    digits[len] = '\0';
    if (cfs_parse_decimal(digits, 0, &number) != 0 || number > UINT64_MAX >> (shift + 1))
        return key->accepted;
    number <<= shift;
    if (number < key->min || (key->max && number > key->max))
        return key->accepted;
    *(uint64_t *)field(key, config) = number;
    return NULL;
}

static const char *set_flag(const struct key *key, struct cfs_config *config, const char *value)
{
    bool yes = value[0] == '\0' || strcmp(value, "yes") == 0;

    if (!yes && strcmp(value, "no") != 0)
        return key->accepted;
    *(bool *)field(key, config) = yes;
    return NULL;
}

static const char *set_string(const struct key *key, struct cfs_config *config, const char *value)
{
    size_t len = strlen(value);

    if (len == 0 || len >= key->max)
        return key->accepted;
    memcpy(field(key, config), value, len + 1);
    return NULL;
}

static const char *set_log(const struct key *key, struct cfs_config *config, const char *value)
{
    config->use_syslog = strcmp(value, "syslog") == 0;
    return config->use_syslog || strcmp(value, "stderr") == 0 ? NULL : key->accepted;
}

static const char *set_level(const struct key *key, struct cfs_config *config, const char *value)
{
    static const char *const words[] = {"error", "warning", "info", "debug"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(value, words[i]) == 0) {
            config->log_level = (enum cfs_log_level)i;
            return NULL;
        }
    }
    return key->accepted;
}

static const char *set_listen(const struct key *key, struct cfs_config *config, const char *value)
{
    char host[sizeof(config->listen_host)];

    if (cfs_parse_address(value, strlen(value), host, &config->listen_port) != 0)
        return key->accepted;
    memcpy(config->listen_host, host, sizeof(host));
    return NULL;
}

static const char *set_join(const struct key *key, struct cfs_config *config, const char *value)
{
    return cfs_members_url(config->join, value) == 0 ? NULL : key->accepted;
}

static const char *set_store(const struct key *key, struct cfs_config *config, const char *value)
{
    struct cfs_redis_url url;

    if (strcmp(value, CFS_STORE_EMBEDDED) != 0 && cfs_redis_url_parse(&url, value) != 0)
        return key->accepted;
    return set_string(key, config, value);
}

/* Keeps the list sorted. */
static const char *add_member(struct cfs_config *config, const struct cfs_member *member)
{
    uint32_t i, at = 0;

    if (config->member_count == CFS_MEMBERS_MAX)
        return "there are at most 5 members";
    for (i = 0; i < config->member_count; i++) {
        const struct cfs_member *other = &config->members[i];

        if (other->id == member->id)
            return "that id is given to a member already";
        if (other->port == member->port && strcasecmp(other->host, member->host) == 0)
            return "that address is given to a member already";
        at += other->id < member->id;
    }
    memmove(&config->members[at + 1], &config->members[at],
            (config->member_count - at) * sizeof(*member));
    config->members[at] = *member;
    config->member_count++;
    return NULL;
}

/* Several in one value are joined by '+', which no host name contains. */
static const char *set_members(const struct key *key, struct cfs_config *config, const char *value)
{
    struct cfs_member member;
    const char *wrong;
    size_t len;

    for (;; value += len + 1) {
        len = strcspn(value, "+");
        wrong = cfs_parse_member(value, len, &member) != 0 ? key->accepted
                                                           : add_member(config, &member);
        if (wrong || value[len] == '\0')
            return wrong;
    }
}

#define FLAG "expected yes or no; nothing means yes"
#define SIZE "expected bytes, as a number or with K, M or G"
#define AT(name) offsetof(struct cfs_config, name)
#define ROOM(name) sizeof(((struct cfs_config *)0)->name)

/* X(key, setter, offset, min, max, what is accepted, --help) */
#define KEYS(X)                                                                                    \
    X("node", set_number, AT(node), 1, CFS_NODE_MAX,                                               \
      "expected this node's id, a number from 1 to 63",                                            \
      "node=ID              this node's id among the members")                                     \
    X("member", set_members, 0, 0, 0,                                                              \
      "expected ID@HOST:PORT, an IPv6 address in brackets, several joined by '+'",                 \
      "member=ID@HOST:PORT  a member of the cluster: once for each, this one included, or\n"       \
      "                       joined by '+'; at most 5")                                           \
    X("listen", set_listen, 0, 0, 0, "expected HOST:PORT, an IPv6 address in brackets",            \
      "listen=HOST:PORT     where to listen (this member's own address)")                          \
    X("join", set_join, 0, 0, 0, "expected http://HOST:PORT of a node of the cluster",             \
      "join=URL             with a new data directory: join the cluster that the node at URL\n"    \
      "                       belongs to; of the members only this one needs to be named")         \
    X("data", set_string, AT(data), 0, ROOM(data), "expected a path of at most 4095 bytes",        \
      "data=DIR             where the log is kept; made if missing")                               \
    X("secret_file", set_string, AT(secret_file), 0, ROOM(secret_file),                            \
      "expected a path of at most 4095 bytes",                                                     \
      "secret_file=FILE     holds the cluster's secret, 16 characters or more; mode 0600")         \
    X("store", set_store, AT(store), 0, ROOM(store),                                               \
      "expected embedded, redis://[[USER]:PASSWORD@]HOST[:PORT][/DB] or "                          \
      "redis+unix://[[USER]:PASSWORD@]/PATH[?db=DB], with at most 511 bytes",                      \
      "store=URL            where queues are: redis://HOST:PORT/DB, the same on all nodes, or\n"   \
      "                       embedded, in the nodes themselves (embedded)")                       \
    X("timeout", set_seconds, AT(timeout_ms), 100, 3600000, "expected seconds from 0.1 to 3600",   \
      "timeout=SECONDS      how long a call waits for a majority (5)")                             \
    X("session", set_seconds, AT(session_ms), CFS_SESSION_MS_MIN, CFS_SESSION_MS_MAX,              \
      "expected seconds from 1 to 3600",                                                           \
      "session=SECONDS      a node not heard of for so long loses its locks (5)")                  \
    X("heartbeat_ms", set_number, AT(heartbeat_ms), 5, 60000, "expected a number from 5 to 60000", \
      "heartbeat_ms=N       between heartbeats of the leader (125)")                               \
    X("lease_ms", set_number, AT(lease_ms), 10, 600000, "expected a number from 10 to 600000",     \
      "lease_ms=N           the leader's lease, two heartbeats or more (250)")                     \
    X("cache_lease_ms", set_number, AT(cache_lease_ms), 100, 10000,                                \
      "expected a number from 100 to 10000",                                                       \
      "cache_lease_ms=N     for how long a node that is cut off keeps what it has of cache/, "     \
      "the\n"                                                                                      \
      "                       same on all nodes (1000)")                                           \
    X("election_ms", set_number, AT(election_ms), 11, 600000,                                      \
      "expected a number from 11 to 600000",                                                       \
      "election_ms=N        silence after which a leader is replaced, more than the lease (300)")  \
    X("checkpoint_kb", set_number, AT(checkpoint_kb), 64, 65536,                                   \
      "expected a number from 64 to 65536",                                                        \
      "checkpoint_kb=N      KiB of log between checkpoints (8192)")                                \
    X("cache_size", set_bytes, AT(cache_size), 0, 0, SIZE,                                         \
      "cache_size=BYTES     of cached values that the kernel may keep; 0: no limit (1G)")          \
    X("max_value", set_bytes, AT(max_value), 4096, 1u << 30,                                       \
      "expected bytes from 4K to 1G, as a number or with K, M or G",                               \
      "max_value=BYTES      one cached value at most (64M)")                                       \
    X("trunc_hold", set_seconds, AT(trunc_hold_ms), 0, 10000, "expected seconds from 0 to 10",     \
      "trunc_hold=SECONDS   the empty value of > KEY waits for its write (0.1)")                   \
    X("insecure", set_flag, AT(insecure), 0, 0, FLAG,                                              \
      "insecure             listen beyond loopback although nothing is encrypted")                 \
    X("http_open", set_flag, AT(http_open), 0, 0, FLAG,                                            \
      "http_open            HTTP clients need no secret")                                          \
    X("allow_other", set_flag, AT(allow_other), 0, 0, FLAG,                                        \
      "allow_other          other users may use the mount (yes for root)")                         \
    X("foreground", set_flag, AT(foreground), 0, 0, FLAG, "foreground           do not detach")    \
    X("log", set_log, 0, 0, 0, "expected stderr or syslog",                                        \
      "log=WHERE            stderr or syslog (stderr)")                                            \
    X("log_level", set_level, 0, 0, 0, "expected error, warning, info or debug",                   \
      "log_level=LEVEL      error, warning, info or debug (info)")

static const struct key keys[] = {
#define X(name, set, offset, min, max, accepted, help) {name, set, offset, min, max, accepted},
    KEYS(X)
#undef X
};

const char *cfs_config_help(void)
{
#define X(name, set, offset, min, max, accepted, help) "  " help "\n"
    return KEYS(X);
#undef X
}

void cfs_config_init(struct cfs_config *config)
{
    *config = (struct cfs_config){
        .store = CFS_STORE_EMBEDDED,
        .timeout_ms = 5000,
        .session_ms = 5000,
        .heartbeat_ms = 125,
        .lease_ms = 250,
        .cache_lease_ms = 1000,
        .election_ms = 300,
        .checkpoint_kb = 8192,
        .cache_size = UINT64_C(1) << 30,
        .max_value = UINT64_C(64) << 20,
        .trunc_hold_ms = 100,
        .allow_other = geteuid() == 0,
        .log_level = CFS_LOG_INFO,
    };
}

int cfs_config_set(struct cfs_config *config, const char *key, const char *value, char *why,
                   size_t size)
{
    struct cfs_config changed = *config; /* so that a value is taken whole or not at all */
    const char *wrong = "no such setting";

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strcmp(keys[i].name, key) == 0) {
            wrong = keys[i].set(&keys[i], &changed, value);
            break;
        }
    }
    if (!wrong)
        *config = changed;
    else
        snprintf(why, size, value[0] ? "%s=%s: %s" : "%s%s: %s", key, value, wrong);
    return wrong ? -1 : 0;
}

static char *trim(char *text)
{
    size_t len;

    text += strspn(text, " \t\r\n");
    len = strlen(text);
    while (len > 0 && strchr(" \t\r\n", text[len - 1]))
        len--;
    text[len] = '\0';
    return text;
}

/* '#' begins a comment at the start of a line or after a blank; else it belongs to the value. */
static void drop_comment(char *line)
{
    for (char *at = line; *at; at++) {
        if (*at == '#' && (at == line || at[-1] == ' ' || at[-1] == '\t')) {
            *at = '\0';
            return;
        }
    }
}

static int read_line(struct cfs_config *config, char *line, char *why, size_t size)
{
    char *value;

    if (!strchr(line, '\n') && strlen(line) == LINE_BYTES - 1) {
        snprintf(why, size, "the line is longer than %d bytes", LINE_BYTES - 2);
        return -1;
    }
    drop_comment(line);
    line = trim(line);
    if (line[0] == '\0')
        return 0;
    value = strchr(line, '=');
    if (value)
        *value++ = '\0';
    return cfs_config_set(config, trim(line), value ? trim(value) : "", why, size);
}

int cfs_config_read(struct cfs_config *config, const char *path, char *why, size_t size)
{
    char line[LINE_BYTES], wrong[LINE_BYTES + 256];
    FILE *file = fopen(path, "re");
    unsigned number = 0;
    int rv = 0;

    if (!file) {
        snprintf(why, size, "%s: %s", path, strerror(errno));
        return -1;
    }
    while (rv == 0 && fgets(line, sizeof(line), file)) {
        number++;
        rv = read_line(config, line, wrong, sizeof(wrong));
        if (rv != 0)
            snprintf(why, size, "%s:%u: %s", path, number, wrong);
    }
    if (ferror(file)) {
        snprintf(why, size, "%s: %s", path, strerror(errno));
        rv = -1;
    }
    fclose(file);
    return rv;
}
