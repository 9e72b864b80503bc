/* Random changes to the tree of the cache and to a directory of tmpfs: Linux itself says with which
 * error each of them has to end, and what is where afterwards. Without root all is done by one
 * user, and sticky directories tell nothing. A failure prints the step. */
#include "names_world.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEPS 10000
#define INODES_MAX 600 /* each is an open descriptor */
#define NAMES 6

/* The same inode on both sides; it can be meant when it has lost its name, too. */
struct pair {
    cfs_ino ino;
    int fd;
    ino_t number;
    bool directory;
};

struct run {
    struct world world;
    struct pair pairs[INODES_MAX];
    size_t count;
    bool root;
    uint64_t random;
    int step;
};

#define CHECK(run, condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            print_error("step %d: ", (run)->step);                                                 \
            fail_msg("%s", #condition);                                                            \
            abort(); /* is not reached, which clang-tidy cannot know */                            \
        }                                                                                          \
    } while (0)

static uint64_t pick(struct run *run, uint64_t bound)
{
    uint64_t z = run->random += 0x9e3779b97f4a7c15u;

    CHECK(run, bound);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % bound;
}

static void act_as(const struct run *run, uint32_t id)
{
    if (run->root) {
        setfsgid(id);
        setfsuid(id);
    }
}

/* A directory most of the time. */
static const struct pair *some_parent(struct run *run)
{
    const struct pair *pair = &run->pairs[pick(run, run->count)];

    for (int tries = 0; tries < 9 && !pair->directory; tries++)
        pair = &run->pairs[pick(run, run->count)];
    return pair;
}

static const struct pair *find(const struct run *run, cfs_ino ino)
{
    for (size_t i = 0; i < run->count; i++)
        if (run->pairs[i].ino == ino)
            return &run->pairs[i];
    return NULL;
}

static enum cfs_inode_type type_of(mode_t mode)
{
    if (S_ISDIR(mode))
        return CFS_INODE_DIRECTORY;
    return S_ISLNK(mode) ? CFS_INODE_SYMLINK : CFS_INODE_FILE;
}

/* Both sides say the same of an inode. */
static void compare(struct run *run, const struct pair *pair)
{
    struct cfs_inode_info info = info_of(&run->world, pair->ino);
    struct stat is;

    CHECK(run, fstatat(pair->fd, "", &is, AT_EMPTY_PATH) == 0);
    CHECK(run, is.st_ino == pair->number && type_of(is.st_mode) == info.type);
    CHECK(run, (is.st_mode & 07777) == info.perm && is.st_nlink == info.nlink);
    CHECK(run, is.st_uid == info.uid && is.st_gid == info.gid);
}

static void compare_name(struct run *run, const struct pair *parent, const char *name)
{
    cfs_ino ino = look_up(&run->world, parent->ino, name);
    struct stat is;
    int there = fstatat(parent->fd, name, &is, AT_SYMLINK_NOFOLLOW);

    CHECK(run, (there == 0) == (ino != 0));
    if (ino)
        CHECK(run, find(run, ino)->number == is.st_ino);
}

static void add_pair(struct run *run, cfs_ino ino, int fd)
{
    struct stat is;

    CHECK(run, fd >= 0 && fstatat(fd, "", &is, AT_EMPTY_PATH) == 0);
    run->pairs[run->count++] =
        (struct pair){.ino = ino, .fd = fd, .number = is.st_ino, .directory = S_ISDIR(is.st_mode)};
}

/* What Linux answered: 0 or its errno. */
static void ends_with(struct run *run, const struct cfs_request *request, int result)
{
    int error = result < 0 ? errno : 0;
    int ours = cfs_error_errno(apply(&run->world, request));

    if (ours != error)
        print_error("op %d \"%s\": %s, Linux says %s\n", request->op, request->name,
                    strerrorname_np(ours), strerrorname_np(error));
    CHECK(run, ours == error);
}

static void make(struct run *run, const char *name, uint32_t id)
{
    enum cfs_inode_type type = (enum cfs_inode_type)(1 + pick(run, 3));
    const struct pair *parent = some_parent(run);
    struct cfs_request request = making(parent->ino, name, type);
    mode_t perm = pick(run, 3) ? 0777 : 01777;
    int result;

    request.cache_make.uid = run->root ? id : geteuid();
    request.cache_make.gid = run->root ? id : getegid();
    request.cache_make.perm = perm;
    act_as(run, id);
    if (type == CFS_INODE_DIRECTORY)
        result = mkdirat(parent->fd, name, perm);
    else if (type == CFS_INODE_SYMLINK)
        result = symlinkat("target", parent->fd, name);
    else
        result = openat(parent->fd, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, perm);
    ends_with(run, &request, result);
    act_as(run, 0);
    if (result > 0)
        close(result);
    if (result >= 0)
        add_pair(run, run->world.answer.id,
                 openat(parent->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    compare_name(run, parent, name);
}

static void take(struct run *run, const char *name, uint32_t id)
{
    const struct pair *parent = some_parent(run);
    struct cfs_request request = removing(parent->ino, name, pick(run, 2));

    request.cache_remove.uid = id;
    act_as(run, id);
    ends_with(run, &request,
              unlinkat(parent->fd, name, request.cache_remove.directory ? AT_REMOVEDIR : 0));
    act_as(run, 0);
    compare_name(run, parent, name);
}

static void move(struct run *run, const char *name, uint32_t id)
{
    const struct pair *from = some_parent(run), *to = some_parent(run);
    char new[] = {(char)('a' + (char)pick(run, NAMES)), 0};
    struct cfs_request request = renaming(from->ino, name, to->ino, new);
    unsigned flags = (unsigned)pick(run, 6);

    flags = flags == 0 ? RENAME_NOREPLACE : flags <= 2 ? RENAME_EXCHANGE : 0;
    request.cache_rename.uid = id;
    request.cache_rename.no_replace = flags == RENAME_NOREPLACE;
    request.cache_rename.exchange = flags == RENAME_EXCHANGE;
    act_as(run, id);
    ends_with(run, &request, renameat2(from->fd, name, to->fd, new, flags));
    act_as(run, 0);
    compare_name(run, from, name);
    compare_name(run, to, new);
}

/* chmod(2) of a directory, by root; through /proc as O_PATH allows nothing else. */
static void set(struct run *run)
{
    static const mode_t perms[] = {0777, 01777, 02777, 03777};
    const struct pair *pair = &run->pairs[pick(run, run->count)];
    mode_t perm = perms[pick(run, 4)];
    char path[64];

    if (!pair->directory)
        return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", pair->fd);
    CHECK(run, chmod(path, perm) == 0);
    set_perm(&run->world, pair->ino, perm);
}

static int remove_one(const char *path, const struct stat *is, int what, struct FTW *where)
{
    (void)is, (void)what, (void)where;
    return remove(path);
}

static void run_in(struct run *run, const char *path)
{
    add_pair(run, ROOT, open(path, O_PATH | O_CLOEXEC));
    CHECK(run, chmod(path, 0777) == 0 && (!run->root || chown(path, 0, 0) == 0));
    for (run->step = 1; run->step <= STEPS; run->step++) {
        const char name[] = {(char)('a' + (char)pick(run, NAMES)), 0};
        uint32_t id = run->root ? (uint32_t)pick(run, 4) : 0;
        uint64_t what = pick(run, 100);
        if (what < 20 && run->count < INODES_MAX)
            make(run, name, id);
        else if (what < 30)
            take(run, name, id);
        else if (what < 95)
            move(run, name, id);
        else
            set(run);
        for (size_t i = 0; run->root && i < run->count && run->step % 20 == 0; i++)
            compare(run, &run->pairs[i]);
    }
}

static void linux_does_the_same(void **state)
{
    struct run *run = calloc(1, sizeof *run);
    char path[] = "/dev/shm/coordfs-names-XXXXXX";
    mode_t mask = umask(0);
    (void)state;

    if (!mkdtemp(path)) {
        free(run);
        skip();
    }
    run->root = geteuid() == 0;
    run->random = 1;
    run->world.names = cfs_names_new();
    run->world.now = (struct cfs_moment){.index = 10, .time = CFS_SECONDS(1), .wall = 100000};
    run_in(run, path);
    for (size_t i = 0; i < run->count; i++)
        close(run->pairs[i].fd);
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    umask(mask);
    cfs_names_free(run->world.names);
    free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(linux_does_the_same)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
