/* From what is left of a node to a file, and from files to a node that begins another cluster. */
#include "io/restored_dir.h"

#include "coordfs/backup.h"
#include "core/lock_table.h"
#include "io/backup_look.h"
#include "io/clock.h"
#include "restore_world.h"

struct lives {
    struct node *old, *new; /* one after the other, each with its directory */
    char file[300], other[300];
    char said[8192]; /* by the last command, on stdout */
};

static struct lives lives, *const l = &lives;

static int set_up_lives(void **state)
{
    *l = (struct lives){0};
    assert_int_equal(set_up_node((void **)&l->old), 0);
    assert_int_equal(set_up_node((void **)&l->new), 0);
    l->old->checkpoint_bytes = 3000;
    l->old->origin.cluster = 0xabc;
    snprintf(l->file, sizeof l->file, "%s/file", l->old->w->root);
    snprintf(l->other, sizeof l->other, "%s/other", l->old->w->root);
    l->new->groups = CFS_GROUPS;
    l->new->config.member_count = 2;
    for (uint32_t i = 0; i < 2; i++) {
        struct cfs_member *member = &l->new->config.members[i];
        *member = (struct cfs_member){.id = i + 1, .host = "here", .port = (uint16_t)(8001 + i)};
    }
    *state = l;
    return 0;
}

static int tear_down_lives(void **state)
{
    (void)state;
    tear_down_node((void **)&l->old);
    tear_down_node((void **)&l->new);
    return 0;
}

/* ---- commands, with what they say ---- */

static int catch_stdout(void)
{
    char path[300];
    int fd, old = dup(STDOUT_FILENO);

    fflush(stdout);
    snprintf(path, sizeof path, "%s/stdout", l->old->w->root);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    dup2(fd, STDOUT_FILENO);
    close(fd);
    return old;
}

static void release_stdout(int old)
{
    ssize_t len;

    fflush(stdout);
    len = pread(STDOUT_FILENO, l->said, sizeof l->said - 1, 0);
    assert_true(len >= 0);
    l->said[len] = 0;
    dup2(old, STDOUT_FILENO);
    close(old);
}

static int run_backup(struct cfs_backup_command command)
{
    int old = catch_stdout(), status;

    catch_stderr(l->old->w);
    status = cfs_backup_run(&command, &l->old->config);
    release_stderr(l->old->w);
    release_stdout(old);
    return status;
}

static int salvage(const char *file)
{
    return run_backup((struct cfs_backup_command){
        .verb = CFS_BACKUP_SALVAGE, .file = file, .data = l->old->w->data});
}

static int restore_files(const char *first, const char *second)
{
    struct cfs_restore_command command = {.files = {first, second}, .file_count = second ? 2 : 1};
    int old = catch_stdout(), status;

    catch_stderr(l->new->w);
    status = cfs_restore_run(&command, &l->new->config);
    release_stderr(l->new->w);
    release_stdout(old);
    return status;
}

static void said(const char *words)
{
    if (!strstr(l->said, words))
        fail_msg("expected \"%s\" in: %s", words, l->said);
}

static void refuse_restore(const char *first, const char *second, const char *words)
{
    assert_int_equal(restore_files(first, second), 1);
    assert_said(l->new->w, words);
}

/* ---- lives ---- */

static void live(unsigned locks)
{
    come_back(l->old);
    serve(l->old);
    hold(l->old, "lock", locks);
}

static void die(void)
{
    end(l->old);
}

/* The table lends what it shows, and stays as it is. */
static cfs_token token_of(struct node *n, const char *name)
{
    struct cfs_lock_table *locks = (struct cfs_lock_table *)(uintptr_t)cfs_core_locks(n->core);
    struct cfs_lock_info info;

    assert_true(cfs_lock_table_get(locks, name, &info));
    return info.token;
}

static void look(struct cfs_backup_look *look, const char *file)
{
    if (cfs_backup_look(look, file) != 0)
        fail_msg("%s", look->why);
}

static void what_is_left_of_a_node_begins_another_cluster(void **state)
{
    struct cfs_node_info nodes[CFS_NODE_MAX];
    cfs_wall_time clock = cfs_clock_wall();
    struct cfs_core_view group;

    (void)state;
    live(40);
    assert_true(l->old->checkpoints > 0); /* some of it is in the store, the rest in the log */
    die();
    assert_int_equal(salvage(l->file), 0);
    said("What was answered last may be missing");
    said("It has nothing of group 1, 2, 3");
    assert_int_equal(restore_files(l->file, NULL), 0);
    said("group 16: nothing of it is there");
    come_back(l->new);
    assert_int_not_equal(l->new->origin.cluster, l->old->origin.cluster);
    assert_string_equal(l->new->origin.members, "1@here:8001");
    serve(l->new);
    assert_int_equal(view(l->new).held, 0);
    assert_int_equal(cfs_core_nodes(l->new->core, nodes), 2);
    assert_true(nodes[1].id == 2 && nodes[1].port == 8002);
    assert_int_equal(ask(l->new, bench_lockfile("lock1")), CFS_OK);
    assert_true(token_of(l->new, "lock1") > clock);
    for (cfs_group_id id = 0; id <= CFS_GROUPS; id++) {
        cfs_core_view(l->new->core, id, &group);
        assert_true(group.serving && group.amnesia == CFS_REMEMBERS);
    }
}

/* Also amid the checkpoint's own entries, which the log still has. */
static void all_of_it_is_in_the_file(void **state)
{
    struct cfs_backup_look *seen = malloc(sizeof *seen);
    struct cfs_core_view last;

    (void)state;
    live(40);
    last = view(l->old);
    die();
    assert_int_equal(salvage(l->file), 0);
    look(seen, l->file);
    assert_true(seen->groups == 1 && seen->origin.node == 1 && seen->origin.cluster == 0xabc);
    assert_int_equal(seen->group[0].head.base.index, last.last_index);
    assert_int_equal(seen->kinds[CFS_PIECE_LOCK], 40);
    assert_int_equal(seen->kinds[CFS_PIECE_CLAIM], 40);
    assert_in_range(seen->origin.newest, l->old->now - CFS_MS(50), l->old->now);
    assert_int_equal(
        run_backup((struct cfs_backup_command){.verb = CFS_BACKUP_CHECK, .file = l->file}), 0);
    said("locks 40\n");
    said("is whole");
    free(seen);
}

static void the_directory_stays_as_it_was(void **state)
{
    (void)state;
    live(40);
    die();
    assert_int_equal(salvage(l->file), 0);
    assert_int_equal(salvage(l->file), 0);
    come_back(l->old);
    serve(l->old);
    assert_int_equal(view(l->old).held, 40);
}

static void a_restored_node_is_backed_up_and_restored_again(void **state)
{
    cfs_token before;

    (void)state;
    live(3);
    die();
    assert_int_equal(salvage(l->file), 0);
    assert_int_equal(restore_files(l->file, NULL), 0);
    come_back(l->new);
    serve(l->new);
    assert_int_equal(ask(l->new, bench_lockfile("x")), CFS_OK);
    before = token_of(l->new, "x");
    end(l->new);
    assert_int_equal(run_backup((struct cfs_backup_command){
                         .verb = CFS_BACKUP_SALVAGE, .file = l->file, .data = l->new->w->data}),
                     0);
    snprintf(l->new->config.data, sizeof l->new->config.data, "%s/third", l->new->w->root);
    assert_int_equal(restore_files(l->file, NULL), 0);
    come_back(l->new);
    serve(l->new);
    assert_int_equal(ask(l->new, bench_lockfile("x")), CFS_OK);
    assert_true(token_of(l->new, "x") > before);
}

static void of_several_files_the_newest_counts(void **state)
{
    struct cfs_backup_look *seen = malloc(sizeof *seen);

    (void)state;
    live(3);
    die();
    assert_int_equal(salvage(l->file), 0);
    live(0);
    assert_int_equal(ask(l->old, bench_lockfile("later")), CFS_OK);
    die();
    assert_int_equal(salvage(l->other), 0);
    for (int turn = 0; turn < 2; turn++) {
        snprintf(l->new->config.data, sizeof l->new->config.data, "%s/turn%d", l->new->w->root,
                 turn);
        assert_int_equal(restore_files(turn ? l->file : l->other, turn ? l->other : l->file), 0);
        look(seen, l->other);
        come_back(l->new);
        serve(l->new);
        assert_true(view(l->new).applied > seen->group[0].head.base.index);
        end(l->new);
    }
    free(seen);
}

/* ---- refusals ---- */

static void a_directory_that_is_not_empty_is_left_alone(void **state)
{
    char path[sizeof l->new->config.data + 16];

    (void)state;
    live(3);
    die();
    assert_int_equal(salvage(l->file), 0);
    assert_int_equal(mkdir(l->new->config.data, 0700), 0);
    snprintf(path, sizeof path, "%s/lost+found", l->new->config.data);
    assert_int_equal(mkdir(path, 0700), 0); /* of a file system of its own: that is nothing */
    snprintf(path, sizeof path, "%s/file", l->new->config.data);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    refuse_restore(l->file, NULL, "is not empty");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(restore_files(l->file, NULL), 0);
    refuse_restore(l->file, NULL, "is not empty");
}

static void nobody_starts_from_half_a_state(void **state)
{
    struct cfs_restored_dir dir;

    (void)state;
    catch_stderr(l->new->w);
    assert_int_equal(cfs_restored_dir_open(&dir, &l->new->config), 0);
    cfs_restored_dir_close(&dir);
    release_stderr(l->new->w);
    refuse(l->new, "whose restoring did not come to its end");
}

static void change_byte(const char *file, long at)
{
    FILE *f = fopen(file, "r+e");
    int byte;

    assert_non_null(f);
    assert_int_equal(fseek(f, at, SEEK_SET), 0);
    byte = fgetc(f);
    assert_int_equal(fseek(f, at, SEEK_SET), 0);
    fputc(byte ^ 1, f);
    assert_int_equal(fclose(f), 0);
}

static void of_a_damaged_file_nothing_is_made(void **state)
{
    struct stat st;

    (void)state;
    live(3);
    die();
    assert_int_equal(salvage(l->file), 0);
    assert_int_equal(stat(l->file, &st), 0);
    change_byte(l->file, st.st_size / 2);
    refuse_restore(l->file, NULL, "is damaged at offset");
    assert_int_equal(access(l->new->config.data, F_OK), -1);
    assert_int_equal(truncate(l->file, st.st_size / 3), 0);
    refuse_restore(l->file, NULL, "the rest of it is missing");
    assert_int_equal(
        run_backup((struct cfs_backup_command){.verb = CFS_BACKUP_CHECK, .file = l->file}), 1);
    assert_said(l->old->w, "the rest of it is missing");
}

static void files_are_of_one_cluster(void **state)
{
    (void)state;
    live(1);
    die();
    assert_int_equal(salvage(l->file), 0);
    assert_int_equal(restore_files(l->file, NULL), 0);
    assert_int_equal(run_backup((struct cfs_backup_command){
                         .verb = CFS_BACKUP_SALVAGE, .file = l->other, .data = l->new->w->data}),
                     0);
    refuse_restore(l->file, l->other, "of cluster 0000000000000abc");
}

/* A file with one chunk, of a group that the cluster has. */
static void write_file(const char *path, struct cfs_backup_chunk chunk)
{
    struct cfs_backup_origin origin = {.cluster = 1, .groups = CFS_GROUPS, .made_by = "9"};
    struct cfs_writer writer = {0};
    struct cfs_backup_out out;

    chunk.last = true;
    assert_int_equal(cfs_backup_out_open(&out, path), 0);
    cfs_backup_put_origin(&writer, &origin);
    assert_int_equal(cfs_backup_out_add(&out, writer.data, writer.len), 0);
    writer.len = 0;
    cfs_backup_put_chunk(&writer, &chunk);
    assert_int_equal(cfs_backup_out_add(&out, writer.data, writer.len), 0);
    assert_int_equal(cfs_backup_out_finish(&out), 0);
    cfs_backup_out_close(&out);
    free(writer.data);
}

static void what_another_version_has_written_is_named(void **state)
{
    struct cfs_piece_key key = cfs_piece_key_name(CFS_PIECE_LOCK, "x");
    struct cfs_group_head head = {.base = {.index = 1, .term = 1}};
    struct cfs_writer bytes = {0}, pieces = {0}, value = {0};
    struct cfs_backup_chunk chunk = {.group = 3};

    (void)state;
    cfs_group_head_encode(&bytes, &head);
    chunk.head = bytes.data;
    chunk.head_len = (uint32_t)bytes.len;
    cfs_put_u8(&value, 9);
    cfs_piece_put(&pieces, &key, &value);
    chunk.pieces = pieces.data;
    chunk.pieces_len = (uint32_t)pieces.len;
    write_file(l->file, chunk);
    refuse_restore(l->file, NULL, "of group 3, a lock of version 9; this coordfs knows version 1");
    bytes.data[0] = 7;
    chunk.pieces_len = 0;
    write_file(l->file, chunk);
    refuse_restore(l->file, NULL,
                   "of group 3, a group's head of version 7; this coordfs knows version 2");
    bytes.data[0] = CFS_GROUP_HEAD_VERSION;
    write_file(l->file, chunk);
    refuse_restore(l->file, NULL, "nothing of group 0 is there");
    free(bytes.data);
    free(pieces.data);
    free(value.data);
}

static void what_is_no_data_directory_is_not_made_one(void **state)
{
    (void)state;
    assert_int_equal(salvage(l->file), 1);
    assert_said(l->old->w, "is no data directory");
    assert_int_equal(access(l->old->w->data, F_OK), -1);
    assert_int_equal(access(l->file, F_OK), -1);
}

static void a_node_that_runs_is_not_salvaged(void **state)
{
    (void)state;
    live(1);
    assert_int_equal(salvage(l->file), 1);
    assert_said(l->old->w, "in use by");
    assert_int_equal(access(l->file, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up_lives, tear_down_lives)
        T(what_is_left_of_a_node_begins_another_cluster),
        T(all_of_it_is_in_the_file),
        T(the_directory_stays_as_it_was),
        T(a_restored_node_is_backed_up_and_restored_again),
        T(of_several_files_the_newest_counts),
        T(a_directory_that_is_not_empty_is_left_alone),
        T(nobody_starts_from_half_a_state),
        T(of_a_damaged_file_nothing_is_made),
        T(files_are_of_one_cluster),
        T(what_another_version_has_written_is_named),
        T(what_is_no_data_directory_is_not_made_one),
        T(a_node_that_runs_is_not_salvaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
