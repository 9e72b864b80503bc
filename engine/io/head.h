/* The JSON head of a batch, taken apart without a tree: its values in a row, as they stand in the
 * text. Strict (RFC 8259), but that the bytes of strings need not be UTF-8; escapes are left in. */
#ifndef CFS_IO_HEAD_H
#define CFS_IO_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cfs_head_kind {
    CFS_HEAD_OBJECT,
    CFS_HEAD_ARRAY,
    CFS_HEAD_STRING,
    CFS_HEAD_INTEGER, /* without fraction or exponent */
    CFS_HEAD_TRUE,
    CFS_HEAD_FALSE,
    CFS_HEAD_OTHER, /* null, and other numbers */
};

/* The members of an object, a string and its value each, and the elements of an array follow it. */
struct cfs_head_value {
    enum cfs_head_kind kind;
    uint32_t next; /* the number of the value behind it and all that is in it */
    uint32_t len;  /* of a string, in bytes; of an array and an object: how many are in it */
    union {
        const char *text; /* of a string, borrowed from what was parsed, not terminated */
        int64_t number;
    };
};

struct cfs_head {
    struct cfs_head_value *values; /* the first one is all */
    uint32_t count;
    size_t capacity;
    uint32_t object, behind; /* the object last asked, and what stands behind its answer */
};

/* 0, or -1 and what is wrong in `why`, when there is nothing to close. Objects have
 * CFS_HEAD_MEMBERS_MAX members at most, none of them twice; depth is bounded as well. Takes up to
 * 24 bytes for each of the text. `text` has to stay. */
int cfs_head_parse(struct cfs_head *head, const char *text, size_t len, char *why, size_t size);

enum { CFS_HEAD_MEMBERS_MAX = 64 };

/* The value of a member; NULL when `object` is none, or has no such member. Fast when members are
 * looked for in the order in which they stand. */
const struct cfs_head_value *cfs_head_get(struct cfs_head *head,
                                          const struct cfs_head_value *object, const char *key);

/* The first element of an array that has one; NULL: it has none. */
const struct cfs_head_value *cfs_head_first(const struct cfs_head *head,
                                            const struct cfs_head_value *array);

/* The one behind `value` in its array, which has one. */
const struct cfs_head_value *cfs_head_next(const struct cfs_head *head,
                                           const struct cfs_head_value *value);

/* Whether it is that string; NULL is none. */
bool cfs_head_is(const struct cfs_head_value *value, const char *string);

void cfs_head_close(struct cfs_head *head);

#endif
