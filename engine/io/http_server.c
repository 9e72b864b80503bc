/* Connections and the course of a request, on libmicrohttpd.
 *
 * libmicrohttpd has an epoll descriptor of its own, which the loop watches; it runs (MHD_run) when
 * that is readable, when a timeout of its own is due, and at the end of a turn in which requests
 * were answered, so that an answer leaves in the turn that made it.
 *
 * A request that the handler does not answer at once is suspended: libmicrohttpd then forgets its
 * socket until it is resumed, and would not notice that the client has gone. So the loop watches
 * every connection too, for nothing but the end of the stream (EPOLLRDHUP, edge-triggered: it costs
 * one epoll_ctl per connection and no wakeup while data flows). A client that shuts down only its
 * sending side looks the same as one that closed its socket, until something is sent to it: what
 * that means is for the request to say. A reset is always the end.
 *
 * A client whose kernel vanished is found out by TCP (http_listen.c).
 *
 * Limits: connections, as the descriptor limit allows, up to CONNECTIONS_MAX, and few of them for
 * those without the secret (http_strangers.c); a body, by route; a request head, MEMORY_MAX. What a
 * client without the secret sends as a body is not kept. */
#include "io/http_server.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "coordfs/log.h"
#include "core/alloc.h"
#include "io/http_internal.h"

enum {
    CONNECTIONS_MAX = 4096,
    MEMORY_MAX = 32768,             /* per connection, for the head and as receive buffer */
    IDLE_SECONDS = 300,             /* peers keep connections for their next message */
    RUNS_MAX = 16,                  /* in a row, before other descriptors get their turn */
    RUNS_OF_RESUMED = 3,            /* until a connection that was resumed is done with */
    DISCARD_MAX = 16 * 1024 * 1024, /* of a body that is too big, before the connection is closed */
};

struct cfs_http_server {
    struct cfs_loop *loop;
    const struct cfs_config *config;
    cfs_http_handler_fn handler;
    void *arg;
    struct MHD_Daemon *daemon;
    struct cfs_peer_auth *auth;
    struct cfs_http_strangers strangers;
    int epoll_fd;
    struct cfs_timer timer;           /* libmicrohttpd's own timeouts */
    struct cfs_http_request *waiting; /* list of the suspended */
    bool resumed;                     /* some were since the last run */
    bool hang_ups;                    /* a waiting request's client may have gone unannounced */
    bool running, flushing, closing;
};

static void wait_for_answer(struct cfs_http_request *request)
{
    struct cfs_http_server *server = request->connection->server;

    request->state = CFS_HTTP_WAITING;
    request->prev = NULL;
    request->next = server->waiting;
    if (server->waiting)
        server->waiting->prev = request;
    server->waiting = request;
    MHD_suspend_connection(request->mhd);
    if (request->connection->hung_up)
        server->hang_ups = true;
}

/* The access handler is called once more and finds the new state. */
static void resume(struct cfs_http_request *request, enum cfs_http_state state)
{
    struct cfs_http_server *server = request->connection->server;

    if (request->prev)
        request->prev->next = request->next;
    else
        server->waiting = request->next;
    if (request->next)
        request->next->prev = request->prev;
    request->state = state;
    server->resumed = true;
    MHD_resume_connection(request->mhd);
    cfs_timer_set(server->loop, &server->timer, 0); /* if no flush should come before */
}

static bool client_is_gone(struct cfs_http_request *request)
{
    bool (*half_close)(void *arg);

    if (!request || request->state != CFS_HTTP_WAITING || !request->gone ||
        !request->connection->hung_up)
        return false;
    half_close = request->half_close;
    request->half_close = NULL;
    if (half_close && !request->connection->broken)
        request->stays = !half_close(request->gone_arg);
    return request->connection->broken || !request->stays;
}

static void tell_gone(struct cfs_http_request *request)
{
    if (request->connection->server->flushing)
        cfs_loop_again(request->connection->server->loop);
    resume(request, CFS_HTTP_GONE);
    request->gone(request->gone_arg);
}

void cfs_http_on_gone(struct cfs_http_request *request, void (*gone)(void *arg), void *arg)
{
    request->gone = gone;
    request->gone_arg = arg;
    if (request->connection->hung_up)
        request->connection->server->hang_ups = true;
}

void cfs_http_on_half_close(struct cfs_http_request *request, bool (*counts)(void *arg))
{
    request->half_close = counts;
}

static void on_hang_up(void *arg, uint32_t events)
{
    struct cfs_http_connection *connection = arg;

    connection->hung_up = true;
    if (events & (EPOLLHUP | EPOLLERR))
        connection->broken = true;
    if (client_is_gone(connection->request))
        tell_gone(connection->request);
}

static void add_header(struct MHD_Response *response, const char *header, const char *value)
{
    if (header)
        MHD_add_response_header(response, header, value);
}

/* A peer believes no other response. */
static void sign(const struct cfs_http_request *request, int status, const void *body, size_t len,
                 struct MHD_Response *response)
{
    char mac[CFS_MAC_SIZE];

    if (!request->for_peers || !request->authorized)
        return;
    cfs_peer_auth_sign_response(request->connection->server->auth, &request->proof, status, body,
                                len, mac);
    add_header(response, CFS_MAC_HEADER, mac);
}

void cfs_http_respond(struct cfs_http_request *request, int status, const char *content_type,
                      const void *body, size_t len, const char *header, const char *value)
{
    /* MHD_RESPMEM_MUST_COPY: libmicrohttpd writes to the buffer no more than to a constant. */
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY);

    assert(!request->response);
    if (!response)
        abort();
    if (len)
        add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    add_header(response, header, value);
    sign(request, status, body, len, response);
    if (status == MHD_HTTP_UNAUTHORIZED) /* a guess more costs a connection more */
        add_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    request->response = response;
    request->status = (unsigned)status;
    if (request->state == CFS_HTTP_WAITING)
        resume(request, CFS_HTTP_ANSWERED);
    else
        request->state = CFS_HTTP_ANSWERED;
}

static enum MHD_Result queue_response(struct cfs_http_request *request)
{
    return MHD_queue_response(request->mhd, request->status, request->response);
}

static void refuse_body(struct cfs_http_request *request)
{
    char sentence[64];

    snprintf(sentence, sizeof sentence, "the body has more than %zu bytes", request->limit);
    cfs_http_respond_error(request, MHD_HTTP_CONTENT_TOO_LARGE, "too_big", sentence);
}

/* The field may be any bytes, an error is JSON. */
static void refuse_query(struct cfs_http_request *request)
{
    char sentence[128] = "the query has a bad percent escape", *at;

    at = sentence + strlen(sentence);
    snprintf(at, 64, " in '%s'", request->malformed);
    for (; *at; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
    cfs_http_respond_error(request, MHD_HTTP_BAD_REQUEST, "invalid", sentence);
}

static size_t content_length(const struct cfs_http_request *request)
{
    const char *value = cfs_http_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);

    return value ? strtoull(value, NULL, 10) : 0;
}

static bool read_authority(struct cfs_http_request *request)
{
    const struct cfs_http_server *server = request->connection->server;

    if (!request->for_peers)
        return cfs_http_read_secret(request, server->config->secret);
    return cfs_peer_auth_check_head(server->auth, request->method, request->path,
                                    cfs_http_header(request, MHD_HTTP_HEADER_AUTHORIZATION),
                                    &request->proof);
}

/* Whoever needs no secret is no stranger for as long as he is answered. */
static void admit(struct cfs_http_request *request)
{
    struct cfs_http_connection *connection = request->connection;
    struct cfs_http_strangers *strangers = &connection->server->strangers;

    if (request->authorized)
        cfs_http_stranger_known(strangers, connection, IDLE_SECONDS);
    else if (request->keep_body)
        cfs_http_stranger_leave(strangers, connection);
}

static size_t body_limit(const struct cfs_http_server *server,
                         const struct cfs_http_request *request)
{
    if (request->for_peers)
        return CFS_BATCH_BYTES_MAX;
    return strncmp(request->path, "/cache/", 7) == 0 ? server->config->max_value : CFS_MESSAGE_MAX;
}

/* The head has come. An answer made here goes out before the body comes in. */
static struct cfs_http_request *begin(struct cfs_http_server *server, struct MHD_Connection *mhd,
                                      const char *method, const char *path)
{
    struct cfs_http_connection *connection =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    struct cfs_http_request *request = cfs_alloc_zeroed(1, sizeof *request);

    request->connection = connection;
    request->mhd = mhd;
    request->method = method;
    request->path = path;
    request->for_peers = strncmp(path, "/raft/", 6) == 0;
    request->limit = body_limit(server, request);
    request->authorized = read_authority(request);
    request->keep_body = request->authorized || (server->config->http_open && !request->for_peers);
    connection->request = request;
    admit(request);
    if (content_length(request) > request->limit)
        refuse_body(request);
    else if (!cfs_http_read_query(request))
        refuse_query(request);
    return request;
}

static enum MHD_Result take_body(struct cfs_http_request *request, const char *data, size_t len)
{
    if (request->len + len > request->limit || !request->keep_body) {
        request->keep_body = false; /* chunked, else it would have been refused by its length */
        request->len += len;
        return request->len <= DISCARD_MAX ? MHD_YES : MHD_NO;
    }
    if (request->len + len > request->capacity) {
        size_t announced = content_length(request);

        request->capacity = (request->len + len) * 2;
        if (request->capacity < announced)
            request->capacity = announced;
        request->body = cfs_realloc(request->body, request->capacity);
    }
    memcpy(request->body + request->len, data, len);
    request->len += len;
    return MHD_YES;
}

/* The body is complete. */
static void handle(struct cfs_http_server *server, struct cfs_http_request *request)
{
    request->state = CFS_HTTP_HANDLING;
    if (request->len > request->limit) {
        refuse_body(request);
        return;
    }
    if (!request->keep_body)
        request->len = 0;
    if (request->for_peers && request->authorized)
        request->authorized =
            cfs_peer_auth_check_body(&request->proof, request->body, request->len);
    if (server->closing) {
        cfs_http_respond_error(request, 503, "stopping", "the node stops");
        return;
    }
    if (server->flushing)
        cfs_loop_again(server->loop); /* the turn's end has passed for what the handler brings in */
    server->handler(server->arg, request);
    if (request->state == CFS_HTTP_HANDLING)
        wait_for_answer(request);
}

/* MHD_AccessHandlerCallback: called when the head is there, for each piece of the body, at its end,
 * and after a resume. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *len, void **context)
{
    struct cfs_http_server *server = arg;
    struct cfs_http_request *request = *context;

    (void)version;
    if (!request) {
        *context = request = begin(server, mhd, method, url);
        return request->response ? queue_response(request) : MHD_YES;
    }
    if (*len > 0) {
        enum MHD_Result result = take_body(request, data, *len);
        *len = 0;
        return result;
    }
    if (request->state == CFS_HTTP_RECEIVING)
        handle(server, request);
    switch (request->state) {
    case CFS_HTTP_ANSWERED:
        return queue_response(request);
    case CFS_HTTP_WAITING:
        return MHD_YES;
    default:
        return MHD_NO;
    }
}

/* MHD_RequestCompletedCallback: the response is sent, or the connection broke. */
static void on_completed(void *arg, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode code)
{
    struct cfs_http_request *request = *context;

    (void)arg;
    (void)mhd;
    (void)code;
    if (!request)
        return;
    assert(request->state != CFS_HTTP_WAITING);
    request->connection->request = NULL;
    if (!request->connection->known)
        cfs_http_stranger_enter(&request->connection->server->strangers, request->connection);
    if (request->response)
        MHD_destroy_response(request->response);
    cfs_http_free_query(request);
    free(request->body);
    free(request);
    *context = NULL;
}

/* MHD_NotifyConnectionCallback: after accept(2) and before close(2). */
static void on_connection(void *arg, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct cfs_http_server *server = arg;
    struct cfs_http_connection *connection = *context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        connection = cfs_alloc_zeroed(1, sizeof *connection);
        connection->server = server;
        connection->mhd = mhd;
        connection->fd =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        cfs_loop_watch(server->loop, connection->fd, EPOLLRDHUP | EPOLLET, on_hang_up, connection);
        cfs_http_stranger_enter(&server->strangers, connection);
        *context = connection;
        return;
    }
    cfs_http_stranger_leave(&server->strangers, connection);
    cfs_loop_unwatch(server->loop, connection->fd);
    free(connection);
    *context = NULL;
}

/* libmicrohttpd is to leave paths and queries as they came: %2F in a name is not a slash. */
static size_t leave_escaped(void *arg, struct MHD_Connection *mhd, char *text)
{
    (void)arg;
    (void)mhd;
    return strlen(text);
}

__attribute__((format(printf, 2, 0))) static void on_log(void *arg, const char *format,
                                                         va_list arguments)
{
    char line[256];

    (void)arg;
    if (!cfs_log_wants(CFS_LOG_DEBUG))
        return;
    vsnprintf(line, sizeof line, format, arguments);
    line[strcspn(line, "\n")] = 0;
    cfs_log(CFS_LOG_DEBUG, "http: %s", line);
}

/* A quarter of the descriptors is left to everything else. */
static unsigned connection_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur / 4 * 3 > CONNECTIONS_MAX)
        return CONNECTIONS_MAX;
    return (unsigned)limit.rlim_cur / 4 * 3;
}

static struct MHD_Daemon *start_daemon(struct cfs_http_server *server, int listener)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request,
        server, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, listener,
        MHD_OPTION_CONNECTION_LIMIT, connection_limit(), MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_MAX,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, server, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL, MHD_OPTION_END);
}

static void set_timer(struct cfs_http_server *server)
{
    MHD_UNSIGNED_LONG_LONG left_ms;

    if (MHD_get_timeout(server->daemon, &left_ms) == MHD_YES)
        cfs_timer_set(server->loop, &server->timer, cfs_loop_now(server->loop) + CFS_MS(left_ms));
    else
        cfs_timer_cancel(server->loop, &server->timer);
}

/* Until libmicrohttpd has nothing more to do at once; but others want their turn too. A connection
 * that it resumes is answered in one run, watched anew in the next, and reported to be writable in
 * the one behind that, else the loop would wake up for it. */
static void run(struct cfs_http_server *server)
{
    MHD_UNSIGNED_LONG_LONG left_ms;
    int runs = 0, since_resumed = RUNS_OF_RESUMED;

    assert(!server->running);
    server->running = true;
    do {
        since_resumed = server->resumed ? 1 : since_resumed + 1;
        server->resumed = false;
        MHD_run(server->daemon);
    } while (++runs < RUNS_MAX &&
             (since_resumed < RUNS_OF_RESUMED || server->resumed ||
              (MHD_get_timeout(server->daemon, &left_ms) == MHD_YES && left_ms == 0)));
    server->running = false;
    set_timer(server);
}

static void on_ready(void *arg, uint32_t events)
{
    (void)events;
    run(arg);
}

static void on_timer(void *arg)
{
    run(arg);
}

struct cfs_http_server *cfs_http_server_new(struct cfs_loop *loop, const struct cfs_config *config,
                                            cfs_http_handler_fn handler, void *arg)
{
    struct cfs_http_server *server = cfs_alloc_zeroed(1, sizeof *server);
    int listener = cfs_http_listen(config->listen_host, config->listen_port);

    *server = (struct cfs_http_server){.loop = loop,
                                       .config = config,
                                       .handler = handler,
                                       .arg = arg,
                                       .epoll_fd = -1,
                                       .timer = {.fn = on_timer, .arg = server}};
    if (listener < 0)
        goto failed;
    server->auth = cfs_peer_auth_new(config->secret);
    cfs_http_strangers_init(&server->strangers, connection_limit());
    server->daemon = start_daemon(server, listener);
    if (!server->daemon) {
        cfs_log(CFS_LOG_ERROR, "cannot start the HTTP server");
        close(listener);
        goto failed;
    }
    server->epoll_fd = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    if (cfs_loop_watch(loop, server->epoll_fd, EPOLLIN, on_ready, server) < 0)
        goto failed;
    return server;
failed:
    cfs_http_server_free(server);
    return NULL;
}

static struct cfs_http_request *find_gone(const struct cfs_http_server *server)
{
    struct cfs_http_request *request = server->waiting;

    while (request && !client_is_gone(request))
        request = request->next;
    return request;
}

/* From the start again each time: whoever is told may answer others. */
static void tell_all_gone(struct cfs_http_server *server)
{
    struct cfs_http_request *request;

    server->hang_ups = false;
    while ((request = find_gone(server)))
        tell_gone(request);
}

void cfs_http_server_flush(struct cfs_http_server *server)
{
    server->flushing = true;
    if (server->hang_ups)
        tell_all_gone(server);
    if (server->resumed)
        run(server);
    server->flushing = false;
}

void cfs_http_server_free(struct cfs_http_server *server)
{
    if (!server)
        return;
    server->closing = true; /* whoever would handle a request is gone */
    if (server->daemon) {
        /* libmicrohttpd does not stop while any connection is suspended. */
        while (server->waiting)
            resume(server->waiting, CFS_HTTP_GONE);
        run(server);
        cfs_timer_cancel(server->loop, &server->timer);
        cfs_loop_unwatch(server->loop, server->epoll_fd);
        MHD_stop_daemon(server->daemon);
    }
    cfs_peer_auth_free(server->auth);
    free(server);
}
