/* A head, a line for each node, and an end that tells a whole file from a torn one. */
#include "io/peers_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coordfs/log.h"
#include "core/alloc.h"
#include "io/config_value.h"
#include "io/thread.h"

#define FORMAT 1u
/* For printf and scanf alike. */
#define HEAD "# where the nodes of the cluster were last; written by coordfs\nformat %" SCNu32 "\n"
#define REST "cluster %" SCNx64 "\n"
#define END "end\n"
#define TEXT_MAX ((CFS_NODE_MAX + 1) * CFS_MEMBER_BYTES)

struct cfs_peers_writer {
    char *dir;
    uint64_t cluster;
    char *text; /* the thread's while it runs */
    pthread_t thread;
    bool running; /* not joined yet */
};

const struct cfs_node_info *cfs_peers_find(const struct cfs_peers *peers, cfs_node_id id)
{
    for (uint32_t i = 0; i < peers->count; i++)
        if (peers->nodes[i].id == id)
            return &peers->nodes[i];
    return NULL;
}

/* The nodes, each with `between` before it or, for the first one, nothing. */
static size_t put_nodes(char *text, const struct cfs_peers *peers, const char *between)
{
    char *at = text;

    *at = '\0';
    for (uint32_t i = 0; i < peers->count; i++) {
        char member[CFS_MEMBER_BYTES];
        const struct cfs_node_info *node = &peers->nodes[i];

        cfs_format_member(member, node->id, node->host, node->port);
        at = stpcpy(stpcpy(at, i ? between : ""), member);
    }
    return (size_t)(at - text);
}

char *cfs_peers_text(const struct cfs_peers *peers)
{
    char *text = cfs_alloc(TEXT_MAX);

    put_nodes(text, peers, "+");
    return text;
}

static bool take_node(struct cfs_peers *peers, const char *line, size_t len)
{
    struct cfs_member member;
    struct cfs_node_info *node = &peers->nodes[peers->count];

    if (peers->count == CFS_NODE_MAX || cfs_parse_member(line, len, &member) != 0)
        return false;
    *node = (struct cfs_node_info){.id = member.id, .port = member.port};
    memcpy(node->host, member.host, strlen(member.host) + 1);
    peers->count++;
    return true;
}

static bool take_nodes(struct cfs_peers *peers, const char *text)
{
    for (size_t len; strcmp(text, END) != 0; text += len + 1) {
        len = strcspn(text, "\n");
        if (!text[len] || !take_node(peers, text, len))
            return false;
    }
    return true;
}

static int read_list(struct cfs_peers *peers, const char *dir, uint64_t cluster, const char *text)
{
    uint32_t format = 0;
    uint64_t owner = 0;
    int at = 0;

    if (sscanf(text, HEAD, &format) == 1 && format != FORMAT) {
        cfs_log(CFS_LOG_ERROR, "%s/peers is of format %u; this coordfs knows format %u", dir,
                format, FORMAT);
        return -1;
    }
    sscanf(text, HEAD REST "%n", &format, &owner, &at);
    if (at && owner != cluster)
        return 0;
    if (at && take_nodes(peers, text + at))
        return 1;
    cfs_log(CFS_LOG_WARNING, "%s/peers is damaged: it is not used", dir);
    peers->count = 0;
    return 0;
}

static int open_in(const char *dir, const char *name, int flags)
{
    int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;

    if (at < 0)
        return -1;
    fd = openat(at, name, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    close(at);
    return fd;
}

int cfs_peers_load(const char *dir, uint64_t cluster, struct cfs_peers *peers)
{
    char *text = cfs_alloc_zeroed(TEXT_MAX + 1, 1);
    int fd = open_in(dir, "peers", O_RDONLY), known = 0;

    peers->count = 0;
    if (fd >= 0 && read(fd, text, TEXT_MAX) >= 0)
        known = read_list(peers, dir, cluster, text);
    else if (fd >= 0 || errno != ENOENT)
        cfs_log(CFS_LOG_WARNING, "%s/peers cannot be read: %m", dir);
    if (fd >= 0)
        close(fd);
    free(text);
    return known;
}

static int rename_new(const char *dir)
{
    int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rv = -1;

    if (at >= 0 && renameat(at, "peers.new", at, "peers") == 0 && fsync(at) == 0)
        rv = 0;
    if (at >= 0)
        close(at);
    return rv;
}

static void *write_file(void *arg)
{
    struct cfs_peers_writer *writer = arg;
    size_t len = strlen(writer->text);
    int fd = open_in(writer->dir, "peers.new", O_WRONLY | O_CREAT | O_TRUNC);

    if (fd < 0 || write(fd, writer->text, len) != (ssize_t)len || fsync(fd) != 0 ||
        rename_new(writer->dir) != 0)
        cfs_log(CFS_LOG_WARNING, "%s/peers cannot be written: %m", writer->dir);
    if (fd >= 0)
        close(fd);
    return NULL;
}

static void join_thread(struct cfs_peers_writer *writer)
{
    if (writer->running)
        pthread_join(writer->thread, NULL);
    writer->running = false;
}

/* Lists change when somebody changes the cluster: that one has to wait for the one before is as
 * good as impossible. */
void cfs_peers_save(struct cfs_peers_writer *writer, const struct cfs_peers *peers)
{
    char *text = cfs_alloc(TEXT_MAX);
    size_t len = (size_t)snprintf(text, TEXT_MAX, HEAD REST, FORMAT, writer->cluster);

    len += put_nodes(text + len, peers, "\n");
    snprintf(text + len, TEXT_MAX - len, "\n" END);
    if (writer->text && strcmp(text, writer->text) == 0) {
        free(text);
        return;
    }
    join_thread(writer);
    free(writer->text);
    writer->text = text;
    writer->running = cfs_thread_start(&writer->thread, "peers", write_file, writer) == 0;
    if (!writer->running)
        write_file(writer);
}

struct cfs_peers_writer *cfs_peers_writer_new(const char *dir, uint64_t cluster)
{
    struct cfs_peers_writer *writer = cfs_alloc_zeroed(1, sizeof *writer);

    writer->dir = cfs_alloc_copy(dir, strlen(dir) + 1);
    writer->cluster = cluster;
    return writer;
}

void cfs_peers_writer_free(struct cfs_peers_writer *writer)
{
    if (!writer)
        return;
    join_thread(writer);
    free(writer->text);
    free(writer->dir);
    free(writer);
}
