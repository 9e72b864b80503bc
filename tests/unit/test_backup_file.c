/* A backup as a file: what goes in comes out; what was cut, changed, doubled or left out is refused
 * by name and offset. Damage is tried exhaustively: every cut, every byte. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "io/backup_file.h"

struct world {
    char directory[64];
    char path[96];
    uint8_t bytes[4096]; /* of the file that was read last */
    size_t len;
    struct cfs_backup_out out;
    struct cfs_backup_in in;
};

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    strcpy(w->directory, "/tmp/coordfs-backup-XXXXXX");
    assert_non_null(mkdtemp(w->directory));
    snprintf(w->path, sizeof w->path, "%s/backup", w->directory);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    char temporary[112];

    cfs_backup_out_close(&w->out);
    cfs_backup_in_close(&w->in);
    snprintf(temporary, sizeof temporary, "%s.new", w->path);
    unlink(temporary);
    unlink(w->path);
    assert_int_equal(rmdir(w->directory), 0);
    free(w);
    return 0;
}

/* ---- writing ---- */

static const struct cfs_backup_origin origin = {
    .cluster = 0xfedcba9876543210,
    .taken = 1795727484134861,
    .newest = 77,
    .node = 3,
    .made_by = "1.2.3",
    .groups = 2,
    .nodes = {{.id = 1, .host = "one.example", .port = 8001},
              {.id = 63, .host = "::1", .port = 65535}},
    .node_count = 2};

static void begin(struct world *w)
{
    struct cfs_writer writer = {0};

    if (cfs_backup_out_open(&w->out, w->path) != 0)
        fail_msg("%s", w->out.why);
    cfs_backup_put_origin(&writer, &origin);
    assert_int_equal(cfs_backup_out_add(&w->out, writer.data, writer.len), 0);
    free(writer.data);
}

/* The last one has a head. */
static void add(struct world *w, cfs_group_id group, uint32_t number, bool last, const char *pieces)
{
    struct cfs_backup_chunk chunk = {.group = group,
                                     .number = number,
                                     .last = last,
                                     .head = (const uint8_t *)"head",
                                     .head_len = last ? 4 : 0,
                                     .pieces = (const uint8_t *)pieces,
                                     .pieces_len = (uint32_t)strlen(pieces)};
    struct cfs_writer writer = {0};

    cfs_backup_put_chunk(&writer, &chunk);
    assert_int_equal(cfs_backup_out_add(&w->out, writer.data, writer.len), 0);
    free(writer.data);
}

static void finish(struct world *w)
{
    if (cfs_backup_out_finish(&w->out) != 0)
        fail_msg("%s", w->out.why);
    cfs_backup_out_close(&w->out);
}

/* Two groups, one among the other. */
static void write_backup(struct world *w)
{
    begin(w);
    add(w, 0, 0, false, "first");
    add(w, 2, 0, true, "");
    add(w, 0, 1, true, "second");
    finish(w);
}

/* ---- reading ---- */

/* Reads all of it: 0 or -1. */
static int read_all(struct world *w)
{
    struct cfs_backup_chunk chunk;
    int rv = cfs_backup_in_open(&w->in, w->path);

    if (rv == 0)
        do
            rv = cfs_backup_in_next(&w->in, &chunk);
        while (rv > 0);
    cfs_backup_in_close(&w->in);
    return rv;
}

static void refuse(struct world *w, const char *words)
{
    assert_int_equal(read_all(w), -1);
    if (!strstr(w->in.why, w->path) || !strstr(w->in.why, words))
        fail_msg("expected \"%s\" in: %s", words, w->in.why);
}

static void load(struct world *w)
{
    FILE *file = fopen(w->path, "re");

    assert_non_null(file);
    w->len = fread(w->bytes, 1, sizeof w->bytes, file);
    fclose(file);
    assert_in_range(w->len, 1, sizeof w->bytes - 1);
}

static void store(struct world *w, const uint8_t *bytes, size_t len)
{
    FILE *file = fopen(w->path, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

/* ---- tests ---- */

static void what_goes_in_comes_out(void **state)
{
    struct world *w = *state;
    struct cfs_backup_chunk chunk;

    write_backup(w);
    assert_int_equal(cfs_backup_in_open(&w->in, w->path), 0);
    assert_memory_equal(&w->in.origin, &origin, sizeof origin);
    assert_int_equal(cfs_backup_in_next(&w->in, &chunk), 1);
    assert_true(chunk.group == 0 && chunk.number == 0 && !chunk.last && !chunk.head_len);
    assert_memory_equal(chunk.pieces, "first", chunk.pieces_len);
    assert_int_equal(cfs_backup_in_next(&w->in, &chunk), 1);
    assert_true(chunk.group == 2 && chunk.last && !chunk.pieces_len);
    assert_memory_equal(chunk.head, "head", chunk.head_len);
    assert_int_equal(cfs_backup_in_next(&w->in, &chunk), 1);
    assert_true(chunk.group == 0 && chunk.number == 1 && chunk.last);
    assert_int_equal(w->in.whole, 1 | 4);
    assert_int_equal(cfs_backup_in_next(&w->in, &chunk), 0);
}

static void it_has_its_name_when_it_is_whole_and_nobody_else_may_read_it(void **state)
{
    struct world *w = *state;
    struct stat st;

    begin(w);
    assert_int_equal(access(w->path, F_OK), -1);
    cfs_backup_out_close(&w->out); /* given up */
    assert_int_equal(access(w->path, F_OK), -1);
    write_backup(w);
    assert_int_equal(stat(w->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    write_backup(w); /* in the place of the one before */
    assert_int_equal(read_all(w), 0);
}

static void every_cut_is_told(void **state)
{
    struct world *w = *state;

    write_backup(w);
    load(w);
    for (size_t len = 0; len < w->len; len++) {
        store(w, w->bytes, len);
        refuse(w, len < strlen("coordfs backup format 1\n") ? "is no backup"
                                                            : "the rest of it is missing");
    }
}

static void every_changed_byte_is_told(void **state)
{
    struct world *w = *state;

    write_backup(w);
    load(w);
    for (size_t i = 0; i < w->len; i++) {
        w->bytes[i] ^= 1;
        store(w, w->bytes, w->len);
        refuse(w, "");
        w->bytes[i] ^= 1;
    }
    store(w, w->bytes, w->len);
    assert_int_equal(read_all(w), 0);
}

static void damage_is_told_with_its_place(void **state)
{
    struct world *w = *state;

    write_backup(w);
    load(w);
    w->bytes[w->len - 40]++; /* before the end, which has 32 bytes */
    store(w, w->bytes, w->len);
    refuse(w, "is damaged at offset");
}

static void a_byte_behind_the_end_is_told(void **state)
{
    struct world *w = *state;

    write_backup(w);
    load(w);
    store(w, w->bytes, w->len + 1);
    refuse(w, "something stands behind the end");
}

static void records_have_an_order(void **state)
{
    struct world *w = *state;

    begin(w);
    add(w, 0, 1, true, "the first one is missing");
    finish(w);
    refuse(w, "missing here, or out of place");
    begin(w);
    add(w, 0, 0, false, "twice");
    add(w, 0, 0, false, "twice");
    add(w, 0, 1, true, "");
    finish(w);
    refuse(w, "missing here, or out of place");
    begin(w);
    add(w, 0, 0, true, "");
    add(w, 0, 1, true, "behind the last one");
    finish(w);
    refuse(w, "missing here, or out of place");
    begin(w);
    add(w, 1, 0, false, "and nothing more");
    finish(w);
    refuse(w, "the end of a group is missing");
    begin(w);
    add(w, 3, 0, true, "");
    finish(w);
    refuse(w, "no such group");
}

/* Each record is intact, and so is the end. */
static void a_record_that_was_taken_out_is_told(void **state)
{
    struct world *w = *state;
    size_t with, without;

    begin(w);
    add(w, 0, 0, true, "");
    fflush(w->out.file);
    without = w->out.bytes;
    add(w, 1, 0, true, "");
    with = w->out.bytes;
    finish(w);
    load(w);
    memmove(w->bytes + without, w->bytes + with, w->len - with);
    store(w, w->bytes, w->len - (with - without));
    refuse(w, "not those that were written");
}

static void another_format_is_refused_by_name(void **state)
{
    struct world *w = *state;

    write_backup(w);
    load(w);
    assert_int_equal(w->bytes[22], '1');
    w->bytes[22] = '2';
    store(w, w->bytes, w->len);
    refuse(w, "is a backup of format 2; this coordfs knows format 1");
    store(w, (const uint8_t *)"something else\n", 15);
    refuse(w, "is no backup");
    unlink(w->path);
    refuse(w, strerror(ENOENT));
}

static void what_cannot_be_written_leaves_the_old_one(void **state)
{
    struct world *w = *state;
    struct rlimit limit, old;

    write_backup(w);
    begin(w);
    add(w, 0, 0, true, "more than there is room for");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = (struct rlimit){.rlim_cur = 50, .rlim_max = old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(cfs_backup_out_finish(&w->out), -1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_non_null(strstr(w->out.why, "backup.new cannot be written: File too large"));
    cfs_backup_out_close(&w->out);
    assert_int_equal(read_all(w), 0);
    assert_int_equal(w->in.whole, 1 | 4);
}

static void where_there_is_no_directory_is_said(void **state)
{
    struct world *w = *state;

    assert_int_equal(cfs_backup_out_open(&w->out, "/no/such/directory/backup"), -1);
    assert_non_null(strstr(w->out.why, "/no/such/directory/backup.new cannot be written: No such"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(what_goes_in_comes_out),
        T(it_has_its_name_when_it_is_whole_and_nobody_else_may_read_it),
        T(every_cut_is_told),
        T(every_changed_byte_is_told),
        T(damage_is_told_with_its_place),
        T(a_byte_behind_the_end_is_told),
        T(records_have_an_order),
        T(a_record_that_was_taken_out_is_told),
        T(another_format_is_refused_by_name),
        T(what_cannot_be_written_leaves_the_old_one),
        T(where_there_is_no_directory_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
