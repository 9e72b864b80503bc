/* The settings as a whole: what is missing, what does not fit together, what the machine has to
 * say. A setting that would run, but not safely, is refused with what to do instead. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "coordfs/config.h"
#include "io/config_value.h"

#define SECRET_MIN 16
#define SECRET_MAX (sizeof(((struct cfs_config *)0)->secret) - 1)

/* Where a sentence goes. */
struct why {
    char *text;
    size_t size;
};

static int __attribute__((format(printf, 2, 3))) refuse(struct why why, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why.text, why.size, format, args);
    va_end(args);
    return -1;
}

/* Finds this node and fills in where it listens. */
static int check_members(struct cfs_config *config, struct why why)
{
    const struct cfs_member *self = NULL;

    if (config->node == 0)
        return refuse(why, "node is not set: node=ID says which of the members this is");
    if (config->member_count == 0)
        return refuse(why, "member is not set: member=ID@HOST:PORT, once for each member");
    for (uint32_t i = 0; i < config->member_count; i++)
        if (config->members[i].id == config->node)
            self = &config->members[i];
    if (!self)
        return refuse(why, "node=%u: no member has this id; add member=%u@HOST:PORT", config->node,
                      config->node);
    if (config->listen_host[0] == '\0') {
        memcpy(config->listen_host, self->host, sizeof(config->listen_host));
        config->listen_port = self->port;
    }
    return 0;
}

static int check_listen(const struct cfs_config *config, struct why why)
{
    if (config->insecure || cfs_host_is_loopback(config->listen_host))
        return 0;
    return refuse(why,
                  "listening on %s needs -o insecure: there is no TLS yet, so whoever can read "
                  "that network can read the secret. Use a network that only the members are on, "
                  "or 127.0.0.1 and a tunnel",
                  config->listen_host);
}

static int check_times(const struct cfs_config *config, struct why why)
{
    if (config->lease_ms < 2 * config->heartbeat_ms)
        return refuse(why,
                      "lease_ms=%u is less than twice heartbeat_ms=%u: one lost heartbeat would "
                      "end the lease",
                      config->lease_ms, config->heartbeat_ms);
    if (config->election_ms <= config->lease_ms)
        return refuse(why,
                      "election_ms=%u is not more than lease_ms=%u: a leader would be replaced "
                      "while its lease runs",
                      config->election_ms, config->lease_ms);
    if (config->session_ms < 4 * config->lease_ms)
        return refuse(why,
                      "session=%u.%03u is less than four times lease_ms=%u: sessions would end "
                      "while a new leader is elected",
                      config->session_ms / 1000, config->session_ms % 1000, config->lease_ms);
    return 0;
}

/* A daemon that detaches changes its working directory. */
static int check_data(struct cfs_config *config, struct why why)
{
    char cwd[sizeof(config->data)], relative[sizeof(config->data)];
    int len;

    if (config->data[0] == '\0')
        return refuse(why, "data is not set: data=DIR is where this node keeps its log");
    if (config->data[0] == '/')
        return 0;
    memcpy(relative, config->data, sizeof(relative));
    if (!getcwd(cwd, sizeof(cwd)))
        return refuse(why, "data=%s: the working directory is unknown: %s", relative,
                      strerror(errno));
    len = snprintf(config->data, sizeof(config->data), "%s/%s", cwd, relative);
    if (len < 0 || (size_t)len >= sizeof(config->data))
        return refuse(why, "data=%s: the path is too long", relative);
    return 0;
}

static int check_secret_file(const char *path, int fd, struct why why)
{
    struct stat st;

    if (fd < 0)
        return refuse(why, "secret_file=%s: %s", path, strerror(errno));
    if (fstat(fd, &st) != 0)
        return refuse(why, "secret_file=%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return refuse(why, "secret_file=%s is not a regular file", path);
    if (st.st_uid != 0 && st.st_uid != geteuid())
        return refuse(why, "secret_file=%s belongs to user %u: chown it to root or to yourself",
                      path, st.st_uid);
    if (st.st_mode & 077)
        return refuse(why, "secret_file=%s has mode %04o, so others may read it: chmod 600 %s",
                      path, st.st_mode & 07777, path);
    return 0;
}

static int check_secret(const struct cfs_config *config, struct why why)
{
    size_t len = strlen(config->secret);

    if (len < SECRET_MIN)
        return refuse(why,
                      "secret_file=%s holds %zu characters, and at least %d are needed: head -c 24 "
                      "/dev/urandom | base64 makes a good one",
                      config->secret_file, len, SECRET_MIN);
    for (size_t i = 0; i < len; i++)
        if (config->secret[i] <= ' ' || config->secret[i] > '~')
            return refuse(why,
                          "secret_file=%s: the secret may hold printable ASCII characters only, "
                          "and no blanks",
                          config->secret_file);
    return 0;
}

static int read_secret(struct cfs_config *config, struct why why)
{
    char text[SECRET_MAX + 16];
    ssize_t len = -1;
    int fd, rv;

    if (config->secret_file[0] == '\0')
        return refuse(why, "secret_file is not set: secret_file=FILE holds the secret that all "
                           "members share");
    /* O_NONBLOCK: a FIFO is refused, not waited for. */
    fd = open(config->secret_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    rv = check_secret_file(config->secret_file, fd, why);
    if (rv == 0) {
        len = read(fd, text, sizeof(text));
        if (len < 0)
            rv = refuse(why, "secret_file=%s: %s", config->secret_file, strerror(errno));
    }
    if (fd >= 0)
        close(fd);
    if (rv != 0)
        return rv;
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    if ((size_t)len > SECRET_MAX)
        return refuse(why, "secret_file=%s: the secret is longer than %zu characters",
                      config->secret_file, SECRET_MAX);
    if (memchr(text, '\0', (size_t)len))
        return refuse(why, "secret_file=%s holds a NUL byte", config->secret_file);
    memcpy(config->secret, text, (size_t)len);
    config->secret[len] = '\0';
    return check_secret(config, why);
}

int cfs_config_read_secret(struct cfs_config *config, char *why, size_t size)
{
    return read_secret(config, (struct why){why, size});
}

int cfs_config_finish(struct cfs_config *config, char *why, size_t size)
{
    struct why to = {why, size};

    if (check_members(config, to) != 0 || check_data(config, to) != 0 ||
        check_times(config, to) != 0 || check_listen(config, to) != 0)
        return -1;
    return read_secret(config, to);
}
