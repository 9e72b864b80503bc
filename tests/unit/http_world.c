/* The world of http_world.h. */
#include "http_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/peer_auth.h"

enum { DEADLINE_MS = 10000 };

static void on_request(void *arg, struct cfs_http_request *request)
{
    struct http_world *w = arg;

    w->handled++;
    w->handle(w, request);
}

void http_collect(struct http_world *w)
{
    ssize_t count = 1;

    while (w->client >= 0 && !w->closed && count > 0) {
        count = recv(w->client, w->reply + w->len, sizeof w->reply - 1 - w->len, MSG_DONTWAIT);
        if (count > 0)
            w->len += (size_t)count;
        if (count == 0 || (count < 0 && errno != EAGAIN))
            w->closed = true;
    }
    w->reply[w->len] = 0;
}

static void on_turn_end(void *arg)
{
    struct http_world *w = arg;

    cfs_http_server_flush(w->server);
    http_collect(w);
    if (w->until && w->until(w))
        cfs_loop_stop(w->loop);
}

static void on_client_ready(void *arg, uint32_t events)
{
    (void)arg; /* the turn's end collects */
    (void)events;
}

static void on_deadline(void *arg)
{
    struct http_world *w = arg;

    fail_msg("nothing happened; reply so far: '%s'", w->reply);
}

void http_turn_until(struct http_world *w, bool (*until)(struct http_world *w))
{
    w->until = until;
    w->deadline = (struct cfs_timer){.fn = on_deadline, .arg = w};
    cfs_timer_set(w->loop, &w->deadline, cfs_clock_now() + CFS_MS(DEADLINE_MS));
    cfs_loop_run(w->loop);
    cfs_timer_cancel(w->loop, &w->deadline);
    w->until = NULL;
}

static bool at_once(struct http_world *w)
{
    (void)w;
    return true;
}

void http_turn_once(struct http_world *w)
{
    cfs_loop_again(w->loop);
    http_turn_until(w, at_once);
}

uint16_t http_free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

void http_world_open(struct http_world *w)
{
    w->client = -1;
    w->loop = cfs_loop_new();
    assert_non_null(w->loop);
    strcpy(w->config.listen_host, "127.0.0.1");
    strcpy(w->config.secret, SECRET);
    w->config.listen_port = http_free_port();
    w->server = cfs_http_server_new(w->loop, &w->config, on_request, w);
    assert_non_null(w->server);
    cfs_loop_set_turn_end(w->loop, on_turn_end, w);
}

void http_world_close(struct http_world *w)
{
    cfs_http_server_free(w->server);
    if (w->client >= 0)
        close(w->client);
    cfs_loop_free(w->loop);
}

int http_connect_to(const struct http_world *w)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons(w->config.listen_port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

void http_open_client(struct http_world *w)
{
    w->client = http_connect_to(w);
    w->closed = false;
    w->len = 0;
    assert_int_equal(cfs_loop_watch(w->loop, w->client, EPOLLIN | EPOLLET, on_client_ready, w), 0);
}

void http_close_client(struct http_world *w)
{
    cfs_loop_unwatch(w->loop, w->client);
    close(w->client);
    w->client = -1;
}

void http_write(struct http_world *w, const void *data, size_t len)
{
    assert_int_equal(send(w->client, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

void http_write_text(struct http_world *w, const char *text)
{
    http_write(w, text, strlen(text));
}

bool http_replied(struct http_world *w)
{
    const char *end = strstr(w->reply, "\r\n\r\n"), *length = strstr(w->reply, "Content-Length: ");

    if (!end)
        return false;
    return !length || w->len >= (size_t)(end + 4 - w->reply) + strtoul(length + 16, NULL, 10);
}

bool http_handled_one(struct http_world *w)
{
    return w->handled == 1;
}

const char *http_peers_header(const void *body, size_t len)
{
    static char header[32 + CFS_PROOF_SIZE];
    struct cfs_peer_auth *auth = cfs_peer_auth_new(SECRET);
    struct cfs_peer_proof proof;
    char value[CFS_PROOF_SIZE];

    cfs_peer_auth_sign(auth, "POST", "/raft/append-entries", body, len, &proof, value);
    snprintf(header, sizeof header, "Authorization: %s\r\n", value);
    cfs_peer_auth_free(auth);
    return header;
}

void http_ask(struct http_world *w, const char *text)
{
    w->len = 0;
    w->reply[0] = 0;
    http_write_text(w, text);
    http_turn_until(w, http_replied);
}

void http_assert_status(const struct http_world *w, const char *status)
{
    if (strncmp(w->reply, "HTTP/1.1 ", 9) != 0 ||
        strncmp(w->reply + 9, status, strlen(status)) != 0)
        fail_msg("expected %s, got: %s", status, w->reply);
}

void http_assert_has(const struct http_world *w, const char *text)
{
    if (!strstr(w->reply, text))
        fail_msg("no '%s' in: %s", text, w->reply);
}
