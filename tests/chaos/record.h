/* What the programs under faults share: the lines of a history (history.py explains them), and
 * bodies of which every byte tells whether it is the one that was written. */
#ifndef CHAOS_RECORD_H
#define CHAOS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define BODY_NAME 32 /* bytes of a body's name, with the end */

struct record {
    const char *who; /* c7@2; borrowed */
    int fd;          /* of the history, opened to append */
};

/* Of CLOCK_MONOTONIC, which is one for all processes of the machine. */
struct timespec chaos_now(void);

/* Appends a line: the time, who, and what `format` makes of the rest; 500 bytes at most. Ends the
 * process with 3 when it cannot. */
void chaos_say(const struct record *record, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Says on stderr that `what` has failed with an errno that no call may answer, and ends with 1. */
void chaos_fail(const struct record *record, const char *what) __attribute__((noreturn));

/* A number out of *state, which must not be 0. */
uint64_t chaos_next(uint64_t *state);

/* Writes the body `name` of `len` bytes to `out`: a line with both, and letters that follow from
 * the name. `len` is at least body_least() of them. */
void body_write(char *out, const char *name, size_t len);

/* The least length that a body of this name can have. */
size_t body_least(const char *name);

/* The name and the length that the first bytes of a body tell. `data` has `have` bytes and room for
 * one more. False: they are not those of a body. */
bool body_read_head(char *data, size_t have, char name[BODY_NAME], size_t *len);

/* Whether `have` bytes of `data` are all of that body. `scratch` has room for `len` bytes. */
bool body_is_whole(const char *data, size_t have, const char *name, size_t len, char *scratch);

#endif
