/* The environment: made whole or not at all, and refused when it is not what was made. It gets its
 * name when its tables and its format are on the disk, so that what has the name was ours.
 *
 * Limit: LMDB trusts the pages of its file. What a checksum covers is refused with its name; damage
 * to the tree around it may end the daemon by a signal instead. */
#include "io/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "coordfs/log.h"
#include "core/alloc.h"

#define MAP_BYTES_MIN 1048576u
#define TABLES 3u

static int refuse(const struct cfs_store_db *db, const char *what, int error)
{
    if (cfs_store_is_damaged(error))
        cfs_log(CFS_LOG_ERROR, "%s/data.mdb is damaged: %s: %s. " CFS_STORE_ADVICE, db->dir, what,
                mdb_strerror(error), db->data);
    else
        cfs_log(CFS_LOG_ERROR, "cannot use the store in %s: %s: %s", db->dir, what,
                mdb_strerror(error));
    return -1;
}

static char *join(const char *dir, const char *name)
{
    size_t size = strlen(dir) + strlen(name) + 2;
    char *path = cfs_alloc(size);

    snprintf(path, size, "%s/%s", dir, name);
    return path;
}

static int sync_dir(int at, const char *path)
{
    int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rv = fd < 0 || fsync(fd) != 0 ? errno : 0;

    if (fd >= 0)
        close(fd);
    return rv;
}

static int open_data(struct cfs_store_db *db)
{
    bool made = mkdir(db->data, 0700) == 0;

    if (!made && errno != EEXIST)
        return refuse(db, "mkdir", errno);
    db->data_fd = open(db->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (db->data_fd < 0)
        return refuse(db, "open", errno);
    if (made)
        sync_dir(db->data_fd, ".."); /* best effort: a crash may lose it empty, and no more */
    if (flock(db->data_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno != EWOULDBLOCK)
        return refuse(db, "flock", errno);
    cfs_log(CFS_LOG_ERROR, "the data directory %s is in use by another process", db->data);
    return -1;
}

/* The tree below a broken page is nobody's to guess. */
static void on_assertion(MDB_env *env, const char *sentence)
{
    const struct cfs_store_db *db = mdb_env_get_userctx(env);

    cfs_log(CFS_LOG_ERROR, "%s/data.mdb is damaged: %s. " CFS_STORE_ADVICE, db->dir, sentence,
            db->data);
}

/* Addresses may be limited (ulimit -v): then fewer of them, as long as the content fits. */
static int open_env(struct cfs_store_db *db, const char *path, uint64_t map_bytes)
{
    int rv;

    do {
        rv = mdb_env_create(&db->env);
        if (rv != 0)
            return rv;
        mdb_env_set_userctx(db->env, db);
        mdb_env_set_assert(db->env, on_assertion);
        mdb_env_set_mapsize(db->env, map_bytes);
        mdb_env_set_maxdbs(db->env, TABLES);
        rv = mdb_env_open(db->env, path, MDB_NOTLS, 0600);
        if (rv == 0)
            return 0;
        mdb_env_close(db->env);
        db->env = NULL;
        map_bytes /= 2;
    } while (rv == ENOMEM && map_bytes >= MAP_BYTES_MIN);
    return rv;
}

static int open_tables(struct cfs_store_db *db, MDB_txn *txn, unsigned flags)
{
    int rv = mdb_dbi_open(txn, "meta", flags, &db->meta);

    if (rv == 0)
        rv = mdb_dbi_open(txn, "groups", flags, &db->groups);
    if (rv == 0)
        rv = mdb_dbi_open(txn, "pieces", flags, &db->pieces);
    return rv;
}

static int make_tables(struct cfs_store_db *db)
{
    MDB_txn *txn;
    int rv = mdb_txn_begin(db->env, NULL, 0, &txn);

    if (rv != 0)
        return rv;
    rv = open_tables(db, txn, MDB_CREATE);
    if (rv == 0)
        rv = cfs_store_meta_put(db, txn, (struct cfs_wal_begin){.segment = 1, .sequence = 1});
    if (rv == 0)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return rv;
}

static int make(struct cfs_store_db *db, uint64_t map_bytes)
{
    char *path = join(db->data, "store.new");
    int rv = 0;

    unlinkat(db->data_fd, "store.new/data.mdb", 0);
    unlinkat(db->data_fd, "store.new/lock.mdb", 0);
    if (mkdirat(db->data_fd, "store.new", 0700) != 0 && errno != EEXIST)
        rv = errno;
    if (rv == 0)
        rv = open_env(db, path, map_bytes);
    free(path);
    if (rv == 0)
        rv = make_tables(db);
    if (db->env)
        mdb_env_close(db->env);
    db->env = NULL;
    if (rv == 0)
        rv = sync_dir(db->data_fd, "store.new");
    if (rv == 0 && renameat(db->data_fd, "store.new", db->data_fd, "store") != 0)
        rv = errno;
    return rv == 0 ? 0 : refuse(db, "making it", rv);
}

/* LMDB takes an empty file for a new one, and reads a short one past its end. */
static int check_length(struct cfs_store_db *db, bool opened)
{
    MDB_envinfo info = {0};
    MDB_stat stat_all = {0};
    struct stat st;
    uint64_t need = 1;

    if (opened) {
        mdb_env_info(db->env, &info);
        mdb_env_stat(db->env, &stat_all);
        need = ((uint64_t)info.me_last_pgno + 1) * stat_all.ms_psize;
    }
    if (fstatat(db->data_fd, "store/data.mdb", &st, AT_SYMLINK_NOFOLLOW) != 0)
        st = (struct stat){0};
    if (S_ISREG(st.st_mode) && (uint64_t)st.st_size >= need)
        return 0;
    cfs_log(CFS_LOG_ERROR,
            "%s/data.mdb is missing or shorter than the %" PRIu64
            " bytes it had. " CFS_STORE_ADVICE,
            db->dir, need, db->data);
    return -1;
}

static int check_meta(struct cfs_store_db *db)
{
    uint32_t format = 0;
    MDB_txn *txn;
    int rv = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &txn);

    if (rv != 0)
        return refuse(db, "reading", rv);
    rv = mdb_dbi_open(txn, "meta", 0, &db->meta);
    if (rv == 0)
        rv = cfs_store_meta_get(db, txn, &format, &db->wal);
    if (rv == 0 && format != CFS_STORE_FORMAT) {
        cfs_log(CFS_LOG_ERROR, "%s holds a store of format %u; this coordfs knows format %u",
                db->dir, format, CFS_STORE_FORMAT);
        mdb_txn_abort(txn);
        return -1;
    }
    if (rv == 0)
        rv = open_tables(db, txn, 0);
    if (rv == 0)
        rv = mdb_txn_commit(txn); /* which keeps the tables open */
    else
        mdb_txn_abort(txn);
    return rv == 0 ? 0 : refuse(db, "its tables", rv == MDB_NOTFOUND ? MDB_CORRUPTED : rv);
}

int cfs_store_dir_open(struct cfs_store_db *db, const char *data_dir, uint64_t map_bytes)
{
    int rv;

    *db = (struct cfs_store_db){.data = cfs_alloc_copy(data_dir, strlen(data_dir) + 1),
                                .dir = join(data_dir, "store"),
                                .data_fd = -1};
    if (open_data(db) != 0)
        return -1;
    if (faccessat(db->data_fd, "store", F_OK, AT_SYMLINK_NOFOLLOW) != 0 && make(db, map_bytes) != 0)
        return -1;
    if (check_length(db, false) != 0)
        return -1;
    rv = open_env(db, db->dir, map_bytes);
    if (rv != 0)
        return refuse(db, "opening it", rv);
    if (check_length(db, true) != 0 || check_meta(db) != 0)
        return -1;
    /* The last start may have ended between a rename and its fsync. */
    rv = sync_dir(db->data_fd, ".");
    return rv == 0 ? 0 : refuse(db, "fsync", rv);
}

void cfs_store_dir_close(struct cfs_store_db *db)
{
    if (db->env)
        mdb_env_close(db->env);
    if (db->data_fd >= 0)
        close(db->data_fd);
    free(db->data);
    free(db->dir);
}
