/* One process that reads and writes values of a cache under test. It writes to the history what it
 * does and is told (rules.py explains the lines), and goes on until it is told to end:
 *
 *   worker work WHO DIR HISTORY SEED ORIGIN KEYS PAUSE_US WEIGHTS    until SIGTERM
 *   worker final WHO DIR HISTORY SEED ORIGIN KEYS      reads every name there has been, once
 *
 * DIR is the directory cache/ of a node, with directories d0 to d3 in it. There are KEYS names at a
 * time; each moves on to a fresh one now and then. WEIGHTS, numbers with commas between, say how
 * often it does what:
 *
 *   open       opens a name and reads; sometimes it holds the descriptor
 *   pread      reads a descriptor that it holds
 *   mmap       reads a mapping of it
 *   rename     writes a new file and moves it over a name
 *   overwrite  what `echo value > name` does, with values of up to 4 KiB
 *   append     what `echo line >> log` does
 *   log        reads the end of the log
 *
 * Each tenth name has values of up to 64 KiB; those are not overwritten in place. A value says
 * which it is and what has to be in it: every byte of it is checked. */
#include "../record.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SMALL_MAX 4096        /* bytes of a value that `>` may write in one piece */
#define LARGE_MAX (64 * 1024) /* of one that comes by rename */
#define LARGE_EVERY 10        /* each so manyth name has large values */
#define DIRECTORIES 4
#define PERIOD 15.0 /* seconds until a name moves on, which keeps histories short */
#define HELD 8      /* descriptors at a time */
#define HOLD_PERCENT 15
#define HOLD_SECONDS 20 /* well below the 60 for which a file without a name is kept */
#define LINE 16         /* bytes of a line of the log: they never lie across a page */
#define MAPPING_TRIES 300
#define MAPPING_TRY_US 1000
#define GONE_US 20000 /* until a mount that is not there is looked for again */
#define TROUBLE_US 50000

enum way { OPEN, PREAD, MMAP, RENAME, OVERWRITE, APPEND, LOG, WAYS };

struct held {
    int fd; /* -1: none */
    char *map;
    size_t map_len;
    struct timespec since;
    uint64_t ino;
    char key[BODY_NAME];
};

struct worker {
    struct record record;
    const char *path; /* of cache/ */
    int dir;          /* the same, open; -1: not */
    uint64_t random;
    double origin;
    unsigned keys;
    unsigned *known; /* of each name the number of the fresh one that has been seen, plus 1 */
    unsigned weights[WAYS], weight;
    useconds_t pause_us;
    unsigned long values, lines;
    struct held held[HELD];
};

static volatile sig_atomic_t told_to_end;
static char data[LARGE_MAX + 2], scratch[LARGE_MAX + 2];
static sigjmp_buf fault;
static volatile sig_atomic_t reads_mapping;

static void on_term(int signal)
{
    (void)signal;
    told_to_end = 1;
}

static void on_bus(int signal)
{
    if (reads_mapping)
        siglongjmp(fault, 1);
    _exit(128 + signal);
}

/* --- the directory -------------------------------------------------------------------------- */

/* Names are taken relative to an open directory: without a mount they would be looked for in an
 * empty one. */
static bool find_directory(struct worker *worker)
{
    if (worker->dir < 0)
        worker->dir = open(worker->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (worker->dir >= 0)
        return true;
    if (errno != ENOENT && errno != ENOTCONN && errno != ECONNABORTED && errno != EIO &&
        errno != ETIMEDOUT)
        chaos_fail(&worker->record, "open of the directory");
    usleep(GONE_US);
    return false;
}

static void let_go(struct held *held)
{
    if (held->map)
        munmap(held->map, held->map_len);
    if (held->fd >= 0)
        close(held->fd);
    *held = (struct held){.fd = -1};
}

/* The last call has failed with errno. Gives the word for it: of a dying daemon nothing is used
 * again. ENOENT is no trouble: there is no such name. */
static const char *failure(struct worker *worker, const char *what)
{
    int error = errno;

    switch (error) {
    case ENOTCONN:
    case ECONNABORTED:
    case EIO: /* also of the directory that is beneath the mount */
        if (worker->dir >= 0)
            close(worker->dir);
        worker->dir = -1;
        break;
    case ETIMEDOUT:
    case EINTR:
    case ESTALE:
        break;
    default:
        chaos_fail(&worker->record, what);
    }
    usleep(TROUBLE_US); /* errors can come much faster than answers */
    return strerrorname_np(error);
}

static unsigned fresh(const struct worker *worker, unsigned slot)
{
    struct timespec t = chaos_now();
    double past = (double)t.tv_sec + (double)t.tv_nsec / 1e9 - worker->origin;

    return (unsigned)(past / PERIOD + (double)slot / worker->keys);
}

static void name_key(char key[BODY_NAME], unsigned slot, unsigned number)
{
    snprintf(key, BODY_NAME, "d%u/k%03u.%u", slot % DIRECTORIES, slot, number);
}

/* A name, of which the first ones are used much more than the last. */
static unsigned choose(struct worker *worker, char key[BODY_NAME], unsigned *number)
{
    double r = (double)(chaos_next(&worker->random) % 10000) / 10000;
    unsigned slot = (unsigned)(r * r * r * worker->keys);

    *number = fresh(worker, slot);
    name_key(key, slot, *number);
    return slot;
}

static bool is_large(unsigned slot)
{
    return slot % LARGE_EVERY == LARGE_EVERY - 1;
}

/* --- reading -------------------------------------------------------------------------------- */

#define AT "%lld.%09ld"
#define T(t) (long long)(t).tv_sec, (t).tv_nsec

struct look {
    const char *how, *key;
    struct timespec begin, opened;
    uint64_t ino;
};

static void saw(struct worker *worker, const struct look *look, const char *what)
{
    chaos_say(&worker->record, "saw %s %s " AT " " AT " %llu %s", look->how, look->key,
              T(look->begin), T(look->opened), (unsigned long long)look->ino, what);
}

static void missed(struct worker *worker, const struct look *look, const char *why, double age)
{
    chaos_say(&worker->record, "missed %s %s " AT " %s age=%.1f", look->how, look->key,
              T(look->begin), why, age);
}

/* What `have` bytes of `data` are: the name of a value, `empty`, or `torn`. */
static const char *recognise(size_t have, bool may_be_longer)
{
    static char what[128];
    char name[BODY_NAME];
    size_t len = 0;

    if (have == 0)
        return "empty";
    if (!body_read_head(data, have, name, &len) || len > LARGE_MAX) {
        snprintf(what, sizeof(what), "torn-head-%zu", have);
        return what;
    }
    if (may_be_longer && have > len)
        have = len;
    if (!body_is_whole(data, have, name, len, scratch))
        snprintf(what, sizeof(what), "torn-%s-%zu-of-%zu", name, have, len);
    else
        snprintf(what, sizeof(what), "%s", name);
    return what;
}

static double age(const struct held *held)
{
    struct timespec t = chaos_now();

    return (double)(t.tv_sec - held->since.tv_sec) +
           (double)(t.tv_nsec - held->since.tv_nsec) / 1e9;
}

/* Takes over the descriptor; a mapping is made of what the file has now. */
static void hold(struct worker *worker, int fd, const struct look *look, bool large, size_t size)
{
    struct held *held = &worker->held[chaos_next(&worker->random) % HELD];

    let_go(held);
    held->fd = fd;
    held->since = look->begin;
    held->ino = look->ino;
    snprintf(held->key, sizeof(held->key), "%s", look->key);
    held->map_len = large ? size : SMALL_MAX;
    if (held->map_len)
        held->map = mmap(NULL, held->map_len, PROT_READ, MAP_SHARED, fd, 0);
    if (held->map == MAP_FAILED)
        held->map = NULL;
}

static void read_name(struct worker *worker, struct look *look, bool large)
{
    struct stat st;
    ssize_t have = -1;
    int fd;

    look->how = "open";
    look->begin = chaos_now();
    fd = openat(worker->dir, look->key, O_RDONLY | O_CLOEXEC);
    look->opened = chaos_now();
    if (fd < 0 && errno == ENOENT) {
        saw(worker, look, "none");
        return;
    }
    if (fd >= 0 && fstat(fd, &st) == 0) {
        look->ino = st.st_ino;
        have = read(fd, data, LARGE_MAX + 1);
    }
    if (have < 0) {
        missed(worker, look, failure(worker, "open and read"), 0);
    } else {
        saw(worker, look, recognise((size_t)have, false));
        if (have > 0 && chaos_next(&worker->random) % 100 < HOLD_PERCENT) {
            hold(worker, fd, look, large, (size_t)have);
            fd = -1;
        }
    }
    if (fd >= 0)
        close(fd);
}

static void do_open(struct worker *worker)
{
    char key[BODY_NAME];
    struct look look = {.key = key};
    unsigned number, slot = choose(worker, key, &number);

    read_name(worker, &look, is_large(slot));
    if (look.ino)
        worker->known[slot] = number + 1;
}

/* One that is held, and not for too long; NULL: none. */
static struct held *choose_held(struct worker *worker, struct look *look)
{
    struct held *held = &worker->held[chaos_next(&worker->random) % HELD];

    if (held->fd >= 0 && age(held) > HOLD_SECONDS)
        let_go(held);
    if (held->fd < 0)
        return NULL;
    look->key = held->key;
    look->ino = held->ino;
    return held;
}

static void lost(struct worker *worker, struct look *look, struct held *held, const char *why)
{
    missed(worker, look, why, age(held));
    let_go(held);
}

static void do_pread(struct worker *worker)
{
    struct look look = {.how = "pread"};
    struct held *held = choose_held(worker, &look);
    ssize_t have;

    if (!held) {
        do_open(worker);
        return;
    }
    look.begin = look.opened = chaos_now();
    have = pread(held->fd, data, LARGE_MAX + 1, 0);
    if (have < 0)
        lost(worker, &look, held, failure(worker, "pread"));
    else
        saw(worker, &look, recognise((size_t)have, false));
}

/* Copies the mapping. Loads are not one read: the copy may be of two values, and what has become
 * shorter has no bytes there. */
static const char *copy_mapping(const struct held *held)
{
    if (sigsetjmp(fault, 1) != 0) {
        reads_mapping = 0;
        return "SIGBUS";
    }
    reads_mapping = 1;
    memcpy(data, held->map, held->map_len);
    reads_mapping = 0;
    if (data[0] == '\0')
        return "empty";
    return recognise(held->map_len, true);
}

static void do_mmap(struct worker *worker)
{
    struct look look = {.how = "mmap"};
    struct held *held = choose_held(worker, &look);
    const char *what = "";
    struct stat st;

    if (!held || !held->map) {
        do_open(worker);
        return;
    }
    for (int i = 0; i < MAPPING_TRIES; i++) {
        look.begin = look.opened = chaos_now();
        what = copy_mapping(held);
        if (strncmp(what, "torn", 4) != 0 && strcmp(what, "SIGBUS") != 0)
            break;
        usleep(MAPPING_TRY_US);
    }
    /* A mapping outlives its mount, and then nobody keeps it coherent. */
    if (fstat(held->fd, &st) != 0)
        lost(worker, &look, held, failure(worker, "fstat"));
    else if (strcmp(what, "SIGBUS") == 0)
        lost(worker, &look, held, what);
    else
        saw(worker, &look, what);
}

/* --- writing -------------------------------------------------------------------------------- */

static size_t value_size(struct worker *worker, const char *name, bool large)
{
    uint64_t kind = chaos_next(&worker->random) % 100, more = chaos_next(&worker->random);
    size_t least = body_least(name), most = SMALL_MAX;

    if (kind < 50)
        most = 64;
    else if (kind < 80)
        most = 1000;
    else if (large)
        most = LARGE_MAX;
    return least + more % (most - least + 1);
}

static size_t make_value(struct worker *worker, char name[BODY_NAME], bool large)
{
    size_t len;

    snprintf(name, BODY_NAME, "%s", worker->record.who);
    snprintf(strchr(name, '@'), BODY_NAME - strcspn(name, "@"), ".%lu", ++worker->values);
    len = value_size(worker, name, large);
    body_write(data, name, len);
    return len;
}

/* The call that is under way has failed with errno: nobody knows whether it happened. */
static void perhaps(struct worker *worker, const char *what)
{
    const char *why = failure(worker, what);

    chaos_say(&worker->record, "maybe %s", why);
}

/* Writes `data` in one piece. */
static bool write_value(struct worker *worker, int fd, size_t len)
{
    ssize_t done = write(fd, data, len);

    if (done >= 0 && (size_t)done != len)
        chaos_fail(&worker->record, "a short write");
    return done >= 0;
}

/* A new file with a value in it, which nobody knows yet; its inode number, or 0. */
static uint64_t make_file(struct worker *worker, const char *path, const char *key, bool large)
{
    char name[BODY_NAME];
    size_t len = make_value(worker, name, large);
    struct stat st = {0};
    bool done;
    int fd;

    chaos_say(&worker->record, "new %s %s", key, name);
    fd = openat(worker->dir, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    done = fd >= 0 && fstat(fd, &st) == 0 && write_value(worker, fd, len);
    if (done)
        chaos_say(&worker->record, "ok %llu", (unsigned long long)st.st_ino);
    else
        perhaps(worker, "a new file");
    if (fd >= 0)
        close(fd);
    if (!done && worker->dir >= 0)
        unlinkat(worker->dir, path, 0);
    return done ? st.st_ino : 0;
}

static void do_rename(struct worker *worker)
{
    char key[BODY_NAME], path[2 * BODY_NAME];
    unsigned number, slot = choose(worker, key, &number);
    uint64_t ino;

    snprintf(path, sizeof(path), "%.3s.%.*s-%lu", key, (int)strcspn(worker->record.who, "@"),
             worker->record.who, worker->values);
    ino = make_file(worker, path, key, is_large(slot));
    if (!ino)
        return;
    chaos_say(&worker->record, "rename %s %llu", key, (unsigned long long)ino);
    if (renameat(worker->dir, path, worker->dir, key) == 0) {
        chaos_say(&worker->record, "ok");
        worker->known[slot] = number + 1;
        return;
    }
    perhaps(worker, "rename");
    if (worker->dir >= 0)
        unlinkat(worker->dir, path, 0);
}

/* Only of a name that is there: it would come into being otherwise, and nobody could say whose file
 * it is. */
static void do_overwrite(struct worker *worker)
{
    char key[BODY_NAME], name[BODY_NAME];
    unsigned number, slot = choose(worker, key, &number);
    struct stat st;
    size_t len;
    int fd;

    if (is_large(slot) || worker->known[slot] != number + 1) {
        do_rename(worker);
        return;
    }
    len = make_value(worker, name, false);
    chaos_say(&worker->record, "empty %s %s", key, name);
    fd = openat(worker->dir, key, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || fstat(fd, &st) != 0) {
        perhaps(worker, "open to overwrite");
    } else {
        chaos_say(&worker->record, "ok %llu", (unsigned long long)st.st_ino);
        chaos_say(&worker->record, "write %s %s", key, name);
        if (write_value(worker, fd, len))
            chaos_say(&worker->record, "ok");
        else
            perhaps(worker, "write");
    }
    if (fd >= 0)
        close(fd);
}

/* --- the log -------------------------------------------------------------------------------- */

static void name_log(const struct worker *worker, char name[BODY_NAME])
{
    snprintf(name, BODY_NAME, "log.%u", fresh(worker, 0));
}

static void do_append(struct worker *worker)
{
    int who = (int)strcspn(worker->record.who, "@");
    char name[BODY_NAME];
    int fd;

    name_log(worker, name);
    snprintf(data, sizeof(data), "%-5.*s%*lu\n", who, worker->record.who, LINE - 6,
             ++worker->lines);
    chaos_say(&worker->record, "append %s %.*s.%lu", name, who, worker->record.who, worker->lines);
    fd = openat(worker->dir, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd >= 0 && write_value(worker, fd, LINE))
        chaos_say(&worker->record, "ok");
    else
        perhaps(worker, "append");
    if (fd >= 0)
        close(fd);
}

/* Of the last lines of the log, in `data`: whether each is one. */
static bool are_lines(size_t have)
{
    for (size_t i = 0; i < have; i++)
        if ((data[i] == '\n') != (i % LINE == LINE - 1) || (data[i] == 'w') != (i % LINE == 0))
            return false;
    return true;
}

static void do_log(struct worker *worker)
{
    char name[BODY_NAME], what[BODY_NAME];
    struct look look = {.how = "log", .key = name};
    struct stat st;
    off_t from = 0;
    ssize_t have = -1;
    int fd;

    name_log(worker, name);
    look.begin = look.opened = chaos_now();
    fd = openat(worker->dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        saw(worker, &look, "0");
        return;
    }
    if (fd >= 0 && fstat(fd, &st) == 0) {
        from = st.st_size > SMALL_MAX ? (st.st_size - SMALL_MAX) / LINE * LINE : 0;
        look.ino = st.st_ino;
        have = pread(fd, data, LARGE_MAX, from);
    }
    if (have < 0)
        missed(worker, &look, failure(worker, "reading the log"), 0);
    else if (have % LINE || !are_lines((size_t)have))
        saw(worker, &look, "torn-line");
    else
        snprintf(what, sizeof(what), "%lld", ((long long)from + have) / LINE),
            saw(worker, &look, what);
    if (fd >= 0)
        close(fd);
}

/* --- */

static void work(struct worker *worker)
{
    static void (*const ways[WAYS])(struct worker *) = {do_open,      do_pread,  do_mmap, do_rename,
                                                        do_overwrite, do_append, do_log};

    while (!told_to_end) {
        unsigned at = (unsigned)(chaos_next(&worker->random) % worker->weight), way = 0;

        if (!find_directory(worker))
            continue;
        while (at >= worker->weights[way])
            at -= worker->weights[way++];
        ways[way](worker);
        if (worker->pause_us)
            usleep((useconds_t)(chaos_next(&worker->random) % (2 * worker->pause_us)));
    }
}

static void look_at_all(struct worker *worker)
{
    char key[BODY_NAME];
    struct look look = {.key = key};

    for (unsigned slot = 0; slot < worker->keys; slot++) {
        for (unsigned number = 0; number <= fresh(worker, slot); number++) {
            while (!find_directory(worker) && !told_to_end)
                ;
            name_key(key, slot, number);
            read_name(worker, &look, is_large(slot));
            look.ino = 0;
        }
    }
}

static bool read_weights(struct worker *worker, char *text)
{
    unsigned way = 0;

    for (char *word = strtok(text, ","); word && way < WAYS; word = strtok(NULL, ",")) {
        worker->weights[way] = (unsigned)strtoul(word, NULL, 10);
        worker->weight += worker->weights[way++];
    }
    return worker->weight > 0;
}

static int usage(void)
{
    fprintf(stderr, "usage: worker work WHO DIR HISTORY SEED ORIGIN KEYS PAUSE_US WEIGHTS\n"
                    "       worker final WHO DIR HISTORY SEED ORIGIN KEYS\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct sigaction term = {.sa_handler = on_term, .sa_flags = SA_RESTART};
    struct sigaction bus = {.sa_handler = on_bus};
    struct worker worker = {.dir = -1};
    bool works = argc == 10 && strcmp(argv[1], "work") == 0;

    if (!works && !(argc == 8 && strcmp(argv[1], "final") == 0))
        return usage();
    worker.record.who = argv[2];
    worker.path = argv[3];
    worker.record.fd = open(argv[4], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    worker.random = strtoull(argv[5], NULL, 10) * 2654435761u + 1;
    worker.origin = strtod(argv[6], NULL);
    worker.keys = (unsigned)strtoul(argv[7], NULL, 10);
    worker.known = calloc(worker.keys + 1, sizeof(*worker.known));
    if (worker.record.fd < 0 || !strchr(worker.record.who, '@') || !worker.keys || !worker.known)
        return usage();
    for (int i = 0; i < HELD; i++)
        worker.held[i].fd = -1;
    sigaction(SIGTERM, &term, NULL);
    sigaction(SIGBUS, &bus, NULL);
    if (works) {
        worker.pause_us = (useconds_t)strtoul(argv[8], NULL, 10);
        if (!read_weights(&worker, argv[9]))
            return usage();
        work(&worker);
    } else {
        look_at_all(&worker);
    }
    for (int i = 0; i < HELD; i++)
        let_go(&worker.held[i]);
    free(worker.known);
    return 0;
}
