/* POST requests on libcurl's multi interface.
 *
 * libcurl says which sockets it wants watched and when it wants to be called; the loop does that.
 * Requests and their easy handles are pooled; connections are kept by libcurl.
 *
 * A request is sent once. libcurl sends one again by itself when a kept connection ends before the
 * first byte of the response came, on a fresh connection. It is let to connect, for that tells
 * whether the peer still serves (REFUSED) within the same millisecond, but is stopped before it
 * sends (on_sending): then the request is BROKEN, as it is on a connection that was new. (The
 * receivers would bear with a repeated message, but it could come ten seconds late.)
 *
 * Names are resolved by threads of libcurl's. One that hangs, since no name server answers, is left
 * behind when the time to connect is over: the loop waits for nobody.
 *
 * Limits: connect 1 s, request 30 s; a peer that leaves data unacknowledged for UNACKNOWLEDGED_MS,
 * or does not answer keepalive probes that long, is cut off. */
#include "io/http_client.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "coordfs/log.h"
#include "core/alloc.h"
#include "io/peer_auth.h"

enum {
    CONNECT_MS = 1000,
    TOTAL_MS = 30000,
    KEEPALIVE_SECONDS = 3, /* of silence until the first probe */
    PROBE_SECONDS = 1,
    UNACKNOWLEDGED_MS = 2000,
    CONNECTIONS_MAX = 64, /* kept open, busy or not */
    RECEIVE_BUFFER = 65536,
};

struct request {
    struct cfs_http_client *client;
    CURL *easy;
    cfs_http_done_fn done;
    void *arg;
    struct cfs_peer_proof proof; /* that the response has to answer */
    char authorization[16 + CFS_PROOF_SIZE];
    struct curl_slist headers; /* that one, then those of all requests */
    uint8_t *sent, *received;
    size_t len, capacity;
    unsigned tries;
    char why[CURL_ERROR_SIZE];
    struct request *prev, *next; /* under way; `next` also in the pool */
};

struct cfs_http_client {
    struct cfs_loop *loop;
    CURLM *multi;
    struct cfs_peer_auth *auth;
    struct curl_slist *headers; /* of all requests */
    size_t response_max;
    struct request *under_way, *pool;
    struct cfs_timer timer;
    bool posted; /* since the last flush */
    bool flushing;
};

/* The headers of the response have been seen: its length is known, if it said so. */
static void reserve(struct request *request, size_t more)
{
    curl_off_t announced = 0;

    if (request->len + more <= request->capacity)
        return;
    curl_easy_getinfo(request->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    request->capacity = (request->len + more) * 2;
    if (announced > 0 && (size_t)announced <= request->client->response_max &&
        (size_t)announced > request->len + more)
        request->capacity = (size_t)announced;
    request->received = cfs_realloc(request->received, request->capacity);
}

/* CURLOPT_WRITEFUNCTION: taking less than came makes the request fail. */
static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct request *request = arg;
    size_t more = size * count;

    if (request->len + more > request->client->response_max)
        return 0;
    reserve(request, more);
    memcpy(request->received + request->len, data, more);
    request->len += more;
    return more;
}

/* CURLOPT_PREREQFUNCTION: connected, nothing sent. */
static int on_sending(void *arg, char *to, char *from, int to_port, int from_port)
{
    struct request *request = arg;

    (void)to;
    (void)from;
    (void)to_port;
    (void)from_port;
    return request->tries++ == 0 ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

/* CURLOPT_OPENSOCKETFUNCTION */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    int unacknowledged_ms = UNACKNOWLEDGED_MS;

    (void)arg;
    (void)purpose;
    if (fd < 0)
        return CURL_SOCKET_BAD;
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof unacknowledged_ms);
    return fd;
}

static enum cfs_http_outcome outcome_of(CURL *easy, CURLcode code)
{
    curl_off_t connected = 0;
    long os_error = 0;

    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
    switch (code) {
    case CURLE_OK:
        return CFS_HTTP_RESPONDED;
    case CURLE_COULDNT_CONNECT:
        return os_error == ECONNREFUSED ? CFS_HTTP_REFUSED : CFS_HTTP_UNREACHED;
    case CURLE_COULDNT_RESOLVE_HOST:
        return CFS_HTTP_UNREACHED;
    case CURLE_OPERATION_TIMEDOUT:
        curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
        return connected ? CFS_HTTP_FAILED : CFS_HTTP_UNREACHED;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_ABORTED_BY_CALLBACK: /* by on_sending */
        return CFS_HTTP_BROKEN;
    default:
        return CFS_HTTP_FAILED;
    }
}

static void recycle(struct request *request)
{
    struct cfs_http_client *client = request->client;

    if (request->prev)
        request->prev->next = request->next;
    else
        client->under_way = request->next;
    if (request->next)
        request->next->prev = request->prev;
    free(request->sent);
    free(request->received);
    request->sent = request->received = NULL;
    request->prev = NULL;
    request->next = client->pool;
    client->pool = request;
}

static bool is_authentic(const struct request *request, const struct cfs_http_result *result)
{
    struct curl_header *mac = NULL;

    curl_easy_header(request->easy, CFS_MAC_HEADER, 0, CURLH_HEADER, -1, &mac);
    return cfs_peer_auth_check_response(request->client->auth, &request->proof, result->status,
                                        result->body, result->len, mac ? mac->value : NULL);
}

static void finish(struct request *request, CURLcode code)
{
    struct cfs_http_result result = {.outcome = outcome_of(request->easy, code)};
    long status = 0;

    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_multi_remove_handle(request->client->multi, request->easy);
    if (result.outcome == CFS_HTTP_RESPONDED) {
        result.status = (int)status;
        result.body = request->received;
        result.len = request->len;
        result.authentic = is_authentic(request, &result);
    } else {
        result.why = request->why[0] ? request->why : curl_easy_strerror(code);
    }
    if (request->client->flushing)
        cfs_loop_again(
            request->client->loop); /* the turn's end has passed for what `done` brings */
    request->done(request->arg, &result);
    recycle(request);
}

static void finish_all(struct cfs_http_client *client)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(client->multi, &left))) {
        struct request *request;

        assert(message->msg == CURLMSG_DONE);
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
        finish(request, message->data.result);
    }
}

static void act(struct cfs_http_client *client, curl_socket_t fd, int events)
{
    int running;

    curl_multi_socket_action(client->multi, fd, events, &running);
    finish_all(client);
}

/* What the loop hands back with an event. */
struct watched {
    struct cfs_http_client *client;
    curl_socket_t fd;
};

static void on_socket_ready(void *arg, uint32_t events)
{
    struct watched *watched = arg;
    int mask = 0;

    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        mask |= CURL_CSELECT_IN;
    if (events & (EPOLLOUT | EPOLLERR))
        mask |= CURL_CSELECT_OUT;
    act(watched->client, watched->fd, mask); /* may free `watched` */
}

/* CURLMOPT_SOCKETFUNCTION */
static int on_socket_wanted(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct cfs_http_client *client = arg;
    struct watched *watched = socket_arg;
    uint32_t events = 0;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        cfs_loop_unwatch(client->loop, fd);
        curl_multi_assign(client->multi, fd, NULL);
        free(watched);
        return 0;
    }
    if (!watched) {
        watched = cfs_alloc(sizeof *watched);
        *watched = (struct watched){.client = client, .fd = fd};
        curl_multi_assign(client->multi, fd, watched);
    }
    if (what & CURL_POLL_IN)
        events |= EPOLLIN;
    if (what & CURL_POLL_OUT)
        events |= EPOLLOUT;
    return cfs_loop_watch(client->loop, fd, events, on_socket_ready, watched);
}

/* CURLMOPT_TIMERFUNCTION */
static int on_timer_wanted(CURLM *multi, long after_ms, void *arg)
{
    struct cfs_http_client *client = arg;

    (void)multi;
    if (after_ms < 0)
        cfs_timer_cancel(client->loop, &client->timer);
    else
        cfs_timer_set(client->loop, &client->timer, cfs_loop_now(client->loop) + CFS_MS(after_ms));
    return 0;
}

static void on_timer(void *arg)
{
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

void cfs_http_client_flush(struct cfs_http_client *client)
{
    if (!client->posted)
        return;
    client->posted = false;
    client->flushing = true;
    act(client, CURL_SOCKET_TIMEOUT, 0);
    client->flushing = false;
}

static CURL *make_easy(struct request *request)
{
    CURL *easy = curl_easy_init();

    if (!easy)
        abort();
    curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->why);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, &request->headers);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*"); /* else the environment is asked each time */
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* nor joins a resolver that hangs */
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_SECONDS);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)PROBE_SECONDS);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)TOTAL_MS);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_sending);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, request);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
    return easy;
}

static struct request *take_request(struct cfs_http_client *client)
{
    struct request *request = client->pool;

    if (request) {
        client->pool = request->next;
    } else {
        request = cfs_alloc_zeroed(1, sizeof *request);
        request->client = client;
        request->headers =
            (struct curl_slist){.data = request->authorization, .next = client->headers};
        request->easy = make_easy(request);
    }
    request->next = client->under_way;
    if (client->under_way)
        client->under_way->prev = request;
    client->under_way = request;
    request->len = request->capacity = 0;
    request->tries = 0;
    request->why[0] = 0;
    return request;
}

/* Writes the header that the request was set up with. */
static void sign(struct request *request, const char *url, size_t len)
{
    static const char name[] = "Authorization: ";
    const char *path = strchr(strstr(url, "//") + 2, '/');

    memcpy(request->authorization, name, sizeof name);
    cfs_peer_auth_sign(request->client->auth, "POST", path, request->sent, len, &request->proof,
                       request->authorization + sizeof name - 1);
}

void cfs_http_client_post(struct cfs_http_client *client, const char *url, uint8_t *body,
                          size_t len, cfs_http_done_fn done, void *arg)
{
    struct request *request = take_request(client);

    request->sent = body;
    request->done = done;
    request->arg = arg;
    sign(request, url, len);
    curl_easy_setopt(request->easy, CURLOPT_URL, url);
    curl_easy_setopt(request->easy, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(request->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
    if (curl_multi_add_handle(client->multi, request->easy) != CURLM_OK)
        abort();
    client->posted = true;
}

static struct curl_slist *add_header(struct curl_slist *headers, const char *header)
{
    struct curl_slist *more = curl_slist_append(headers, header);

    if (!more)
        abort();
    return more;
}

static struct curl_slist *make_headers(void)
{
    struct curl_slist *headers = add_header(NULL, "Content-Type: application/octet-stream");

    headers = add_header(headers, "Accept:"); /* not sent */
    return add_header(headers, "Expect:");    /* nor waited for */
}

struct cfs_http_client *cfs_http_client_new(struct cfs_loop *loop, const char *secret,
                                            size_t response_max)
{
    struct cfs_http_client *client;

    if (curl_global_init(CURL_GLOBAL_NOTHING) != CURLE_OK) {
        cfs_log(CFS_LOG_ERROR, "cannot start the HTTP client");
        return NULL;
    }
    client = cfs_alloc_zeroed(1, sizeof *client);
    client->loop = loop;
    client->response_max = response_max;
    client->timer = (struct cfs_timer){.fn = on_timer, .arg = client};
    client->headers = make_headers();
    client->auth = cfs_peer_auth_new(secret);
    client->multi = curl_multi_init();
    if (!client->multi)
        abort();
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wanted);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_MAX);
    return client;
}

static void free_list(struct request *request)
{
    while (request) {
        struct request *next = request->next;
        curl_easy_cleanup(request->easy);
        free(request->sent);
        free(request->received);
        free(request);
        request = next;
    }
}

void cfs_http_client_free(struct cfs_http_client *client)
{
    if (!client)
        return;
    for (struct request *r = client->under_way; r; r = r->next)
        curl_multi_remove_handle(client->multi, r->easy);
    free_list(client->under_way);
    free_list(client->pool);
    curl_multi_cleanup(client->multi);
    cfs_timer_cancel(client->loop, &client->timer);
    curl_slist_free_all(client->headers);
    cfs_peer_auth_free(client->auth);
    curl_global_cleanup();
    free(client);
}
