/* One connection, one request, one answer. */
#include "canned_world.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static atomic_int last_order;

#define BEARER "Authorization: Bearer a secret of the cluster\r\n"

void canned_open(struct canned *c)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;

    *c = (struct canned){.listener = socket(AF_INET, SOCK_STREAM, 0), .authorized = true};
    assert_int_equal(bind(c->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(c->listener, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(listen(c->listener, 16), 0);
    c->port = ntohs(address.sin_port);
    snprintf(c->url, sizeof c->url, "http://127.0.0.1:%u", c->port);
}

void canned_will_send(struct canned *c, const char *request, int status, const void *body,
                      size_t len)
{
    assert_true(c->count < CANNED_MAX && len <= sizeof c->answers[c->count].body);
    snprintf(c->answers[c->count].request, sizeof c->answers[c->count].request, "%s", request);
    memcpy(c->answers[c->count].body, body, len);
    c->answers[c->count].len = len;
    c->answers[c->count++].status = status;
}

void canned_will_say(struct canned *c, const char *request, int status, const char *body)
{
    canned_will_send(c, request, status, body, strlen(body));
}

static void answer(struct canned *c, int fd, const char *request)
{
    for (int i = 0; i < c->count; i++) {
        if (c->answers[i].used ||
            strncmp(request, c->answers[i].request, strlen(c->answers[i].request)) != 0)
            continue;
        c->answers[i].used = true;
        dprintf(fd, "HTTP/1.1 %d Canned\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
                c->answers[i].status, c->answers[i].len);
        assert_int_equal(write(fd, c->answers[i].body, c->answers[i].len), c->answers[i].len);
        return;
    }
    dprintf(fd, "HTTP/1.1 500 Nothing\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

static void serve_one(struct canned *c, int fd)
{
    char request[4096] = "";
    size_t len = 0;
    ssize_t got;

    while (!strstr(request, "\r\n\r\n") && len < sizeof request - 1 &&
           (got = read(fd, request + len, sizeof request - 1 - len)) > 0) {
        len += (size_t)got;
        request[len] = 0;
    }
    c->authorized = c->authorized && strstr(request, BEARER);
    if (c->asked_count < CANNED_MAX) {
        c->order[c->asked_count] = atomic_fetch_add(&last_order, 1);
        snprintf(c->asked[c->asked_count++], sizeof c->asked[0], "%.*s",
                 (int)strcspn(request, "\r"), request);
    }
    answer(c, fd, request);
}

static void *run(void *arg)
{
    struct canned *c = arg;
    int fd;

    while ((fd = accept(c->listener, NULL, NULL)) >= 0) {
        serve_one(c, fd);
        shutdown(fd, SHUT_WR);
        close(fd);
    }
    return NULL;
}

void canned_serve(struct canned *c)
{
    assert_int_equal(pthread_create(&c->thread, NULL, run, c), 0);
}

void canned_close(struct canned *c)
{
    shutdown(c->listener, SHUT_RDWR);
    pthread_join(c->thread, NULL);
    close(c->listener);
}
