/* A server on a thread of its own that says what it was told to say, for clients that wait: each
 * answer is for the next request that begins like it. */
#ifndef CFS_TEST_CANNED_WORLD_H
#define CFS_TEST_CANNED_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>

enum { CANNED_MAX = 24 };

struct canned {
    int listener;
    uint16_t port;
    char url[64];
    pthread_t thread;
    struct {
        char request[128]; /* "GET /members" */
        int status;
        char body[4096];
        size_t len;
        bool used;
    } answers[CANNED_MAX];
    int count;
    char asked[CANNED_MAX][512]; /* all that came: the first line of each */
    int order[CANNED_MAX];       /* of these among those of all servers */
    int asked_count;
    bool authorized; /* all of them so far */
};

/* The address is known from then on, and who connects waits until canned_serve. */
void canned_open(struct canned *c);
void canned_will_say(struct canned *c, const char *request, int status, const char *body);
/* Any bytes. */
void canned_will_send(struct canned *c, const char *request, int status, const void *body,
                      size_t len);
void canned_serve(struct canned *c);

/* Ends the thread: afterwards `asked` may be read. */
void canned_close(struct canned *c);

#endif
