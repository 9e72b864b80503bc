/* A log in a directory of its own, for its tests. Record number i of a log (counted from 0 over all
 * its lives) is a function of i, so whatever an open hands back is compared with what must be
 * there. What the log says on stderr while it opens is kept.
 *
 * A header with bodies, because each test is one source. */
#ifndef CFS_TEST_WAL_WORLD_H
#define CFS_TEST_WAL_WORLD_H

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/alloc.h"
#include "core/entry.h"
#include "io/wal_internal.h"

#define NODE 3
#define WAIT_MS 20000 /* a bound, not a delay */
#define BIG_BYTES 131072u
#ifdef __SANITIZE_THREAD__
#define BYTE_STEP 5 /* each open costs 0.2 s there */
#else
#define BYTE_STEP 1
#endif

struct world {
    char root[256];  /* this test's own directory */
    char dir[272];   /* the log's */
    char said[4096]; /* what was said on stderr while it was caught */
    int said_fd, stderr_fd;
    struct cfs_wal *wal;
    uint64_t lsn;               /* of the newest record */
    uint64_t stored;            /* records appended over all lives: the number of the next */
    uint64_t first;             /* number of the first record that must be there */
    uint64_t seen;              /* number of the record that an open hands over next */
    struct cfs_wal_begin begin; /* what the log is opened with */
    struct cfs_wal_origin origin;
    uint32_t big; /* data bytes of each entry; 0: varies */
};

static inline uint32_t data_len(const struct world *w, uint64_t number)
{
    return w->big ? w->big : (uint32_t)(number * 37 % 150);
}

/* Its entry, if any, is the caller's. */
static inline struct cfs_record make_record(const struct world *w, uint64_t number)
{
    struct cfs_record record = {.group = (cfs_group_id)(number % 5), .type = CFS_RECORD_ENTRY};
    uint32_t len = data_len(w, number);
    struct cfs_entry *entry;

    if (number % 3 == 0 && !w->big) {
        record.type = CFS_RECORD_HARD_STATE;
        record.term = number + 7;
        record.vote = (cfs_node_id)(number % 4);
        return record;
    }
    entry = cfs_entry_new(CFS_ENTRY_COMMAND, number + 1, number / 2, NULL, len);
    memset(entry->data, (int)(number % 251) + 1, len);
    entry->time = number * 1000;
    entry->wall = number * 1001;
    record.entry = entry;
    return record;
}

static inline void on_record(void *arg, const struct cfs_record *record)
{
    struct world *w = arg;
    struct cfs_record expected = make_record(w, w->seen++);

    assert_int_equal(record->type, expected.type);
    assert_int_equal(record->group, expected.group);
    if (record->type == CFS_RECORD_HARD_STATE) {
        assert_int_equal(record->term, expected.term);
        assert_int_equal(record->vote, expected.vote);
        return;
    }
    assert_int_equal(record->entry->kind, expected.entry->kind);
    assert_int_equal(record->entry->index, expected.entry->index);
    assert_int_equal(record->entry->term, expected.entry->term);
    assert_int_equal(record->entry->time, expected.entry->time);
    assert_int_equal(record->entry->wall, expected.entry->wall);
    assert_int_equal(record->entry->len, expected.entry->len);
    assert_memory_equal(record->entry->data, expected.entry->data, expected.entry->len);
    cfs_entry_unref(expected.entry);
}

/* From here on stderr goes to a file. */
static inline void catch_stderr(struct world *w)
{
    char path[300];

    snprintf(path, sizeof(path), "%s/said", w->root);
    w->said_fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    w->stderr_fd = dup(STDERR_FILENO);
    assert_true(w->said_fd >= 0 && w->stderr_fd >= 0);
    dup2(w->said_fd, STDERR_FILENO);
}

static inline void read_stderr(struct world *w)
{
    ssize_t len = pread(w->said_fd, w->said, sizeof(w->said) - 1, 0);

    assert_true(len >= 0);
    w->said[len] = '\0';
}

static inline void release_stderr(struct world *w)
{
    read_stderr(w);
    dup2(w->stderr_fd, STDERR_FILENO);
    close(w->stderr_fd);
    close(w->said_fd);
}

static inline int try_open(struct world *w, cfs_node_id node)
{
    int rv;

    w->seen = w->first;
    w->lsn = 0;
    catch_stderr(w);
    rv = cfs_wal_open(&w->wal, w->dir, node, w->begin, &w->origin, on_record, w);
    release_stderr(w);
    if (rv == 0)
        w->lsn = cfs_wal_recovered(w->wal);
    return rv;
}

static inline void open_log(struct world *w)
{
    if (try_open(w, NODE) != 0)
        fail_msg("the log should open, but: %s", w->said);
    assert_int_equal(w->seen, w->stored);
    assert_int_equal(w->lsn, w->stored - w->first);
}

static inline void close_log(struct world *w)
{
    cfs_wal_close(w->wal);
    w->wal = NULL;
}

static inline void assert_said(const struct world *w, const char *words)
{
    if (!strstr(w->said, words))
        fail_msg("expected \"%s\" in: %s", words, w->said);
}

static inline void assert_refused(struct world *w, const char *words)
{
    if (try_open(w, NODE) == 0)
        fail_msg("the log should not open: %s", words);
    assert_said(w, words);
}

static inline void await_said(struct world *w, const char *words)
{
    for (int ms = 0; ms < WAIT_MS; ms++) {
        read_stderr(w);
        if (strstr(w->said, words))
            return;
        poll(NULL, 0, 1);
    }
    fail_msg("expected \"%s\" in: %s", words, w->said);
}

static inline void append(struct world *w, uint64_t count)
{
    struct cfs_record record;

    while (count-- > 0) {
        record = make_record(w, w->stored++);
        cfs_wal_append(w->wal, &record, ++w->lsn);
        cfs_entry_unref(record.entry);
    }
}

/* Waits until everything appended is durable (0), or the log failed (-1). */
static inline int await(struct world *w)
{
    struct pollfd pollfd = {.fd = cfs_wal_fd(w->wal), .events = POLLIN};
    uint64_t durable;
    int rv = cfs_wal_durable(w->wal, &durable);

    while (rv == 0 && durable < w->lsn) {
        assert_int_equal(poll(&pollfd, 1, WAIT_MS), 1);
        rv = cfs_wal_durable(w->wal, &durable);
    }
    assert_true(durable <= w->lsn);
    return rv;
}

static inline void commit(struct world *w, uint64_t count)
{
    append(w, count);
    cfs_wal_submit(w->wal);
    assert_int_equal(await(w), 0);
}

static inline struct cfs_wal_stats stats_of(struct world *w)
{
    struct cfs_wal_stats stats;

    cfs_wal_stats(w->wal, &stats);
    return stats;
}

/* The file of `segment`, or with 0 the file `name`. */
static inline const char *path_of(const struct world *w, uint64_t segment, const char *name)
{
    static char path[512];
    char segment_name[CFS_WAL_NAME_BYTES];

    cfs_wal_segment_name(segment_name, segment);
    snprintf(path, sizeof(path), "%s/%s", w->dir, segment ? segment_name : name);
    return path;
}

static inline int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    const char *tmp = getenv("TMPDIR");

    snprintf(w->root, sizeof(w->root), "%s/test_wal.XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(w->root));
    snprintf(w->dir, sizeof(w->dir), "%s/log", w->root);
    w->begin = (struct cfs_wal_begin){.segment = 1, .sequence = 1};
    *state = w;
    return 0;
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline int tear_down(void **state)
{
    struct world *w = *state;

    cfs_wal_close(w->wal);
    umount2(w->dir, MNT_DETACH); /* where a test had a disk of its own */
    nftw(w->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(w);
    return 0;
}

/* Entries of 128 KiB until the log writes to `segment`. */
static inline void fill_until(struct world *w, uint32_t segment)
{
    w->big = BIG_BYTES;
    while (stats_of(w).segment < segment)
        commit(w, 8);
}

/* What a crash, a disk or an administrator may do to a file of a closed log. */
static inline void peek(const struct world *w, uint64_t segment, uint64_t offset, void *data,
                        size_t len)
{
    int fd = open(path_of(w, segment, ""), O_RDONLY);

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, data, len, (off_t)offset), len);
    close(fd);
}

static inline void poke(const struct world *w, uint64_t segment, uint64_t offset, const void *data,
                        size_t len)
{
    int fd = open(path_of(w, segment, ""), O_WRONLY);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, len, (off_t)offset), len);
    close(fd);
}

static inline void flip(const struct world *w, uint64_t segment, uint64_t offset)
{
    uint8_t byte;

    peek(w, segment, offset, &byte, 1);
    byte ^= 0x80;
    poke(w, segment, offset, &byte, 1);
}

static inline void write_text(const struct world *w, const char *name, const char *text)
{
    FILE *file = fopen(path_of(w, 0, name), "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

#endif
