/* A store in a directory of its own, for its tests. Contents are text: "a=x b=y -c" are pieces to
 * put and to delete, and what a load hands over is "GROUP HEAD a=x b=y", a line for each group.
 *
 * A header with bodies, because each test is one source. */
#ifndef CFS_TEST_STORE_WORLD_H
#define CFS_TEST_STORE_WORLD_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/alloc.h"
#include "io/store_internal.h"

#define WAIT_MS 20000 /* a bound, not a delay */

struct world {
    char root[256];  /* this test's own directory */
    char data[272];  /* the data directory */
    char said[8192]; /* what was said on stderr while it was caught */
    int said_fd, stderr_fd;
    uint64_t map_bytes;
    struct cfs_store *store;
    uint64_t last_id;
    char *loaded; /* what the last load handed over */
    size_t loaded_len;
};

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

static inline void release_stderr(struct world *w)
{
    ssize_t len = pread(w->said_fd, w->said, sizeof(w->said) - 1, 0);

    dup2(w->stderr_fd, STDERR_FILENO);
    close(w->stderr_fd);
    close(w->said_fd);
    assert_true(len >= 0);
    w->said[len] = '\0';
}

static inline void assert_said(const struct world *w, const char *words)
{
    if (!strstr(w->said, words))
        fail_msg("expected \"%s\" in: %s", words, w->said);
}

/* Opening and loading. */

static inline int try_open(struct world *w)
{
    int rv;

    catch_stderr(w);
    rv = cfs_store_open_sized(&w->store, w->data, w->map_bytes);
    release_stderr(w);
    return rv;
}

static inline void open_store(struct world *w)
{
    if (try_open(w) != 0)
        fail_msg("the store should open, but: %s", w->said);
}

static inline void close_store(struct world *w)
{
    cfs_store_close(w->store);
    w->store = NULL;
}

static inline void add_text(struct world *w, const void *text, size_t len)
{
    w->loaded = cfs_realloc(w->loaded, w->loaded_len + len + 1);
    memcpy(w->loaded + w->loaded_len, text, len);
    w->loaded_len += len;
    w->loaded[w->loaded_len] = '\0';
}

static inline void on_head(void *arg, cfs_group_id group, const uint8_t *head, uint32_t len)
{
    struct world *w = arg;
    char text[16];

    snprintf(text, sizeof(text), "%s%u ", w->loaded_len ? "\n" : "", group);
    add_text(w, text, strlen(text));
    add_text(w, head, len);
}

static inline void on_piece(void *arg, cfs_group_id group, const uint8_t *key, uint32_t key_len,
                            const uint8_t *value, uint32_t value_len)
{
    (void)group;
    add_text(arg, " ", 1);
    add_text(arg, key, key_len);
    add_text(arg, "=", 1);
    add_text(arg, value, value_len);
}

static inline int try_load(struct world *w)
{
    int rv;

    w->loaded_len = 0;
    add_text(w, "", 0);
    catch_stderr(w);
    rv = cfs_store_load(w->store, on_head, on_piece, w);
    release_stderr(w);
    return rv;
}

/* After a reopen too. */
static inline void assert_holds(struct world *w, const char *text)
{
    close_store(w);
    open_store(w);
    if (try_load(w) != 0)
        fail_msg("the store should load, but: %s", w->said);
    assert_string_equal(w->loaded, text);
}

/* Jobs. */

/* "a=x b= -c" as pieces. */
static inline void put_pieces(struct cfs_writer *writer, const char *text)
{
    char *copy = strdup(text), *rest = copy, *word, *value;

    while ((word = strsep(&rest, " "))) {
        if (!*word)
            continue;
        value = strchr(word, '=');
        cfs_put_u8(writer, value ? CFS_STORE_PUT : CFS_STORE_DELETE);
        if (value)
            *value++ = '\0';
        cfs_put_string(writer, value ? word : word + 1);
        if (value)
            cfs_put_string(writer, value);
    }
    free(copy);
}

/* Takes the writer's buffer. */
static inline void add_part(struct cfs_store_job *job, cfs_group_id group, const char *head,
                            struct cfs_writer *pieces)
{
    job->parts = cfs_realloc(job->parts, (job->part_count + 1) * sizeof(*job->parts));
    job->parts[job->part_count++] =
        (struct cfs_store_part){.group = group,
                                .head = cfs_alloc_copy(head, strlen(head)),
                                .head_len = (uint32_t)strlen(head),
                                .pieces = pieces->data,
                                .pieces_len = pieces->len};
    *pieces = (struct cfs_writer){0};
}

static inline struct cfs_store_job make_job(enum cfs_store_kind kind, cfs_group_id group,
                                            const char *head, const char *pieces)
{
    struct cfs_store_job job = {.kind = kind};
    struct cfs_writer writer = {0};

    put_pieces(&writer, pieces);
    add_part(&job, group, head, &writer);
    return job;
}

static inline uint64_t submit(struct world *w, struct cfs_store_job job)
{
    job.id = ++w->last_id;
    cfs_store_submit(w->store, &job);
    assert_null(job.parts);
    return w->last_id;
}

/* The oldest that is done. */
static inline struct cfs_store_done await(struct world *w)
{
    struct pollfd pollfd = {.fd = cfs_store_fd(w->store), .events = POLLIN};
    struct cfs_store_done done;

    while (!cfs_store_take(w->store, &done))
        assert_int_equal(poll(&pollfd, 1, WAIT_MS), 1);
    return done;
}

static inline int perform(struct world *w, struct cfs_store_job job)
{
    struct cfs_store_done done;
    uint64_t id = submit(w, job);

    done = await(w);
    assert_int_equal(done.id, id);
    assert_int_equal(done.kind, job.kind);
    assert_null(done.pieces);
    return done.error;
}

static inline int checkpoint(struct world *w, cfs_group_id group, const char *head,
                             const char *pieces)
{
    return perform(w, make_job(CFS_STORE_CHECKPOINT, group, head, pieces));
}

static inline int stage(struct world *w, cfs_group_id group, const char *pieces, bool first,
                        const char *head_if_last)
{
    struct cfs_store_job job =
        make_job(CFS_STORE_STAGE, group, head_if_last ? head_if_last : "", pieces);

    job.first = first;
    job.last = head_if_last;
    return perform(w, job);
}

/* One put of `len` bytes, all `byte`. */
static inline struct cfs_store_job make_large(cfs_group_id group, const char *key, size_t len,
                                              char byte)
{
    struct cfs_store_job job = {.kind = CFS_STORE_CHECKPOINT};
    struct cfs_writer writer = {0};
    char *value = cfs_alloc(len);

    memset(value, byte, len);
    cfs_put_u8(&writer, CFS_STORE_PUT);
    cfs_put_string(&writer, key);
    cfs_put_bytes(&writer, value, (uint32_t)len);
    add_part(&job, group, "large", &writer);
    free(value);
    return job;
}

/* `count` puts, "k0000000=TEXT" and so on. */
static inline struct cfs_store_job make_many(enum cfs_store_kind kind, cfs_group_id group,
                                             const char *head, unsigned count, const char *text)
{
    struct cfs_store_job job = {.kind = kind, .first = true, .last = true};
    struct cfs_writer writer = {0};
    char key[16];

    for (unsigned i = 0; i < count; i++) {
        snprintf(key, sizeof(key), "k%07u", i);
        cfs_put_u8(&writer, CFS_STORE_PUT);
        cfs_put_string(&writer, key);
        cfs_put_string(&writer, text);
    }
    add_part(&job, group, head, &writer);
    return job;
}

/* Files and the closed store. */

static inline const char *path_of(const struct world *w, const char *name)
{
    static char path[512];

    snprintf(path, sizeof(path), "%s/%s", w->data, name);
    return path;
}

/* The file may not grow: LMDB's write comes back short, or fails with EFBIG. */
static inline void limit_files(rlim_t bytes)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* What cannot be written for another reason than space. */
static inline void break_file(struct world *w)
{
    char link[64], target[512], name[512];
    int fd = open(path_of(w, "store/data.mdb"), O_RDONLY | O_CLOEXEC);
    DIR *fds = opendir("/proc/self/fd");
    const struct dirent *entry;
    ssize_t len;

    assert_true(fd >= 0 && fds);
    snprintf(name, sizeof(name), "%s", path_of(w, "store/data.mdb"));
    while ((entry = readdir(fds))) {
        snprintf(link, sizeof(link), "/proc/self/fd/%.40s", entry->d_name);
        len = readlink(link, target, sizeof(target) - 1);
        if (len < 0 || atoi(entry->d_name) == fd)
            continue;
        target[len] = '\0';
        if (strcmp(target, name) == 0)
            assert_true(dup2(fd, atoi(entry->d_name)) >= 0);
    }
    closedir(fds);
    close(fd);
}

/* The environment of the closed store, to be looked into or changed. */
static inline void open_db(struct world *w, struct cfs_store_db *db, MDB_txn **txn)
{
    assert_int_equal(cfs_store_dir_open(db, w->data, CFS_STORE_MAP_BYTES), 0);
    assert_int_equal(mdb_txn_begin(db->env, NULL, 0, txn), 0);
}

static inline void close_db(struct cfs_store_db *db, MDB_txn *txn)
{
    assert_int_equal(mdb_txn_commit(txn), 0);
    cfs_store_dir_close(db);
}

/* Records of all generations, heads included. */
static inline size_t count_records(struct world *w)
{
    struct cfs_store_db db;
    MDB_stat stat_pieces;
    MDB_txn *txn;

    open_db(w, &db, &txn);
    assert_int_equal(mdb_stat(txn, db.pieces, &stat_pieces), 0);
    close_db(&db, txn);
    return stat_pieces.ms_entries;
}

/* Waits until old generations are removed. Leaves the store open. */
static inline void await_records(struct world *w, size_t count)
{
    size_t found = 0;

    for (int ms = 0; ms < WAIT_MS; ms += 5) {
        close_store(w);
        found = count_records(w);
        open_store(w);
        if (found == count)
            return;
        poll(NULL, 0, 5);
    }
    assert_int_equal(found, count);
}

static inline int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    const char *tmp = getenv("TMPDIR");

    snprintf(w->root, sizeof(w->root), "%s/test_store.XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(w->root));
    snprintf(w->data, sizeof(w->data), "%s/data", w->root);
    w->map_bytes = CFS_STORE_MAP_BYTES;
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

    cfs_store_close(w->store);
    umount2(w->data, MNT_DETACH); /* where a test had a disk of its own */
    nftw(w->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(w->loaded);
    free(w);
    return 0;
}

#endif
