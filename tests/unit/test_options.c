/* The command line: whose option is whose, and that every mistake is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/options.h"

#define WORDS_MAX 16

struct world {
    char config[64];
    char secret[64];
    struct cfs_options options;
    char why[1024];
};

static void write_file(char *path, const char *name, const char *text)
{
    FILE *file;

    snprintf(path, 64, "/tmp/coordfs-test-%d-%s", (int)getpid(), name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, 0600), 0);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    char text[256];

    write_file(w->secret, "secret", "0123456789abcdef0123456789abcdef\n");
    snprintf(text, sizeof text,
             "node = 1\nmember = 1@127.0.0.1:9001\ndata = /var/lib/x\nsecret_file = %s\n"
             "timeout = 7\n",
             w->secret);
    write_file(w->config, "config", text);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    unlink(w->config);
    unlink(w->secret);
    cfs_options_close(&w->options);
    free(w);
    return 0;
}

/* Parses `line`, words separated by blanks; CONFIG becomes the file's name. */
static int parse(struct world *w, const char *line)
{
    char text[1024], joined[900] = "", *words[WORDS_MAX + 1] = {0}, *at;
    const char *config = strstr(line, "CONFIG");
    int count = 0, result;

    if (config)
        snprintf(joined, sizeof joined, "%.*s%s%s", (int)(config - line), line, w->config,
                 config + strlen("CONFIG"));
    snprintf(text, sizeof text, "coordfs %.900s", config ? joined : line);
    for (at = strtok(text, " "); at && count < WORDS_MAX; at = strtok(NULL, " "))
        words[count++] = at;
    cfs_options_close(&w->options);
    w->why[0] = '\0';
    result = cfs_options_parse(&w->options, count, words, w->why, sizeof w->why);
    return result;
}

static void accept(struct world *w, const char *line)
{
    if (parse(w, line) != 0)
        fail_msg("\"%s\" should be accepted, but: %s", line, w->why);
}

static void refuse(struct world *w, const char *line, const char *words)
{
    if (parse(w, line) == 0)
        fail_msg("\"%s\" should be refused", line);
    if (!strstr(w->why, words))
        fail_msg("expected \"%s\" in: %s", words, w->why);
}

static void a_file_says_it_all(void **state)
{
    struct world *w = *state;

    accept(w, "-o config=CONFIG /mnt");
    assert_int_equal(w->options.command, CFS_COMMAND_MOUNT);
    assert_string_equal(w->options.directory, "/mnt");
    assert_int_equal(w->options.config.node, 1);
    assert_int_equal(w->options.config.timeout_ms, 7000);
    assert_false(w->options.config.foreground);
    assert_string_equal(w->options.mount_options, "nosuid,nodev");
}

static void options_override_the_file_wherever_they_stand(void **state)
{
    struct world *w = *state;

    accept(w, "-f /mnt -otimeout=3,config=CONFIG");
    assert_int_equal(w->options.config.timeout_ms, 3000);
    assert_true(w->options.config.foreground);
    accept(w, "-o timeout=3 -o config=CONFIG -o timeout=4 /mnt");
    assert_int_equal(w->options.config.timeout_ms, 4000);
}

static void what_is_for_mount_is_passed_on_or_ignored(void **state)
{
    struct world *w = *state;

    accept(w,
           "-o config=CONFIG,rw,noauto,_netdev,x-systemd.automount,user=joe,nofail,defaults /mnt");
    assert_string_equal(w->options.mount_options, "nosuid,nodev");
    accept(w, "-o config=CONFIG,ro,noexec,suid,fsname=one /mnt");
    assert_string_equal(w->options.mount_options, "nosuid,nodev,ro,noexec,suid,fsname=one");
}

static void a_backslash_protects_a_comma(void **state)
{
    struct world *w = *state;

    accept(w, "-o config=CONFIG,data=/a\\,b,timeout=2 /mnt");
    assert_string_equal(w->options.config.data, "/a,b");
    assert_int_equal(w->options.config.timeout_ms, 2000);
}

static void mistakes_are_named(void **state)
{
    struct world *w = *state;

    refuse(w, "", "directory");
    refuse(w, "-o config=CONFIG", "directory");
    refuse(w, "-o config=CONFIG /mnt /too", "/too");
    refuse(w, "-o config=CONFIG,nonsense /mnt", "nonsense");
    refuse(w, "-o config=CONFIG,timeout=soon /mnt", "timeout=soon");
    refuse(w, "-o config=/no/such/file /mnt", "/no/such/file");
    refuse(w, "-x /mnt", "-x");
    refuse(w, "/mnt -o", "-o");
    refuse(w, "umount", "directory");
    refuse(w, "umount -f /mnt", "-f");
    refuse(w, "umount /mnt /too", "/too");
}

static void the_other_commands(void **state)
{
    struct world *w = *state;

    accept(w, "--help");
    assert_int_equal(w->options.command, CFS_COMMAND_HELP);
    accept(w, "-V");
    assert_int_equal(w->options.command, CFS_COMMAND_VERSION);
    accept(w, "umount -l /mnt");
    assert_int_equal(w->options.command, CFS_COMMAND_UMOUNT);
    assert_true(w->options.lazy);
    assert_string_equal(w->options.directory, "/mnt");
}

static void join_is_an_option_like_others(void **state)
{
    struct world *w = *state;

    accept(w, "-o config=CONFIG --join http://10.0.0.1:8001/ /mnt");
    assert_string_equal(w->options.config.join, "http://10.0.0.1:8001");
    accept(w, "-o config=CONFIG,join=[::1]:8001 /mnt");
    assert_string_equal(w->options.config.join, "http://[::1]:8001");
    refuse(w, "/mnt --join", "--join");
    refuse(w, "--join somewhere /mnt", "join=somewhere");
}

static void changes_of_the_members(void **state)
{
    struct world *w = *state;
    const struct cfs_member_command *member = &w->options.member;

    accept(w, "member list -o config=CONFIG");
    assert_int_equal(w->options.command, CFS_COMMAND_MEMBER);
    assert_true(member->verb == CFS_MEMBER_LIST && !member->url && !member->no_wait);
    accept(w, "member add 4@h:1 -oconfig=CONFIG --no-wait --move --weight 3");
    assert_string_equal(w->options.member.weight, "3");
    assert_true(member->verb == CFS_MEMBER_ADD && member->no_wait && member->move);
    assert_string_equal(member->node, "4@h:1");
    accept(w, "member replace 3 4@h:1 -o config=CONFIG --url h:1");
    assert_int_equal(member->verb, CFS_MEMBER_REPLACE);
    assert_string_equal(member->old, "3");
    assert_string_equal(member->node, "4@h:1");
    assert_string_equal(member->url, "h:1");
    assert_true(strlen(w->options.config.secret) > 16);
}

static void wrong_changes_are_named(void **state)
{
    struct world *w = *state;

    refuse(w, "member", "list|add|remove|replace");
    refuse(w, "member join -o config=CONFIG", "join");
    refuse(w, "member remove -o config=CONFIG", "coordfs member remove ID");
    refuse(w, "member replace 4@h:1 -o config=CONFIG", "OLD-ID");
    refuse(w, "member add 1 2 3 -o config=CONFIG", "3");
    refuse(w, "member remove 3 --move -o config=CONFIG", "--move");
    refuse(w, "member list --fast -o config=CONFIG", "--fast");
    refuse(w, "member list --url", "--url");
    refuse(w, "member list", "which cluster");
    refuse(w, "member list --url h:1 --secret-file /no/such/file", "/no/such/file");
}

static void what_is_asked_of_queues(void **state)
{
    struct world *w = *state;
    const struct cfs_queue_command *queue = &w->options.queue;

    accept(w, "queue ls -o config=CONFIG");
    assert_int_equal(w->options.command, CFS_COMMAND_QUEUE);
    assert_true(queue->verb == CFS_QUEUE_LS && !queue->name && !queue->json && !queue->url);
    accept(w, "queue stats -oconfig=CONFIG --json");
    assert_true(queue->verb == CFS_QUEUE_STATS && !queue->name && queue->json);
    accept(w, "queue stats q -oconfig=CONFIG --url h:1");
    assert_string_equal(queue->name, "q");
    assert_string_equal(queue->url, "h:1");
    accept(w, "queue peek --place dead --json --max 7 -oconfig=CONFIG -- -q");
    assert_true(queue->verb == CFS_QUEUE_PEEK && queue->json);
    assert_string_equal(queue->name, "-q");
    assert_string_equal(queue->place, "dead");
    assert_string_equal(queue->count, "7");
    accept(w, "queue purge q -oconfig=CONFIG");
    assert_int_equal(queue->verb, CFS_QUEUE_PURGE);
    accept(w, "queue kick q -oconfig=CONFIG");
    assert_true(queue->verb == CFS_QUEUE_KICK && !queue->count);
    accept(w, "queue kick q 3 -oconfig=CONFIG");
    assert_string_equal(queue->count, "3");
    assert_true(strlen(w->options.config.secret) > 16);
}

static void wrong_words_about_queues_are_named(void **state)
{
    struct world *w = *state;

    refuse(w, "queue", "ls|stats|peek|purge|kick");
    refuse(w, "queue drop -o config=CONFIG", "drop");
    refuse(w, "queue ls q -o config=CONFIG", "coordfs queue ls");
    refuse(w, "queue purge -o config=CONFIG", "coordfs queue purge NAME");
    refuse(w, "queue purge a b -o config=CONFIG", "coordfs queue purge NAME");
    refuse(w, "queue peek q --max 3 -o config=CONFIG", "--json [--max N]");
    refuse(w, "queue kick a b c -o config=CONFIG", "c");
    refuse(w, "queue purge q --json -o config=CONFIG", "--json");
    refuse(w, "queue ls --place dead -o config=CONFIG", "--place");
    refuse(w, "queue peek q --place", "--place");
    refuse(w, "queue ls", "which cluster");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void values_are_of_a_cluster_or_in_a_mount(void **state)
{
    struct world *w = *state;
    const struct cfs_value_command *value = &w->options.value;

    accept(w, "put a/b -p --if-absent -o config=CONFIG");
    assert_int_equal(w->options.command, CFS_COMMAND_VALUE);
    assert_true(value->verb == CFS_VALUE_PUT && !value->in_mount && !value->url);
    assert_true(value->parents && value->if_absent);
    assert_string_equal(value->key, "a/b");
    accept(w, "put a --if-version 5-7 -oconfig=CONFIG --url h:1");
    assert_string_equal(value->if_version, "5-7");
    assert_string_equal(value->url, "h:1");
    accept(w, "get a --print-version -o config=CONFIG");
    assert_true(value->verb == CFS_VALUE_GET && value->print_version);
    accept(w, "get /mnt/cache/a"); /* needs no settings */
    assert_true(value->in_mount);
    accept(w, "put cache/a --parents");
    assert_true(value->in_mount && value->parents);
}

static void wrong_words_about_values_are_named(void **state)
{
    struct world *w = *state;

    refuse(w, "put", "coordfs put KEY");
    refuse(w, "get -o config=CONFIG", "coordfs get KEY");
    refuse(w, "get a b", "b");
    refuse(w, "get a -p", "coordfs get does not know what to do with -p");
    refuse(w, "put a --print-version", "--print-version");
    refuse(w, "put a --if-absent --if-version 1-1 -o config=CONFIG", "either --if-absent or");
    refuse(w, "put /a -o config=CONFIG", "a key is what stands behind cache/, and not /a");
    refuse(w, "put ../queue/q -o config=CONFIG", "no names . and .. in it: ../queue/q");
    refuse(w, "get a//./b -o config=CONFIG", "no names . and .. in it");
    refuse(w, "put a --if-version 1-1", "-o config=FILE");
    refuse(w, "get a --print-version", "-o config=FILE");
    refuse(w, "get a --url h:1", "secret");
}

static void what_is_asked_of_backups(void **state)
{
    struct world *w = *state;
    const struct cfs_backup_command *backup = &w->options.backup;

    accept(w, "backup FILE -o config=CONFIG");
    assert_int_equal(w->options.command, CFS_COMMAND_BACKUP);
    assert_true(backup->verb == CFS_BACKUP_TAKE && !backup->url);
    assert_string_equal(backup->file, "FILE");
    accept(w, "backup FILE --url h:1 -oconfig=CONFIG");
    assert_string_equal(backup->url, "h:1");
    accept(w, "backup --check FILE"); /* what has to do with no cluster needs no settings */
    assert_int_equal(backup->verb, CFS_BACKUP_CHECK);
    accept(w, "backup --data DIR FILE");
    assert_int_equal(backup->verb, CFS_BACKUP_SALVAGE);
    assert_string_equal(backup->data, "DIR");
    assert_string_equal(backup->file, "FILE");
    accept(w, "restore A B C D -o config=CONFIG");
    assert_int_equal(w->options.command, CFS_COMMAND_RESTORE);
    assert_int_equal(w->options.restore.file_count, 4);
    assert_string_equal(w->options.restore.files[3], "D");
    assert_int_equal(w->options.config.node, 1);
}

static void what_is_wrong_about_backups_is_named(void **state)
{
    struct world *w = *state;

    refuse(w, "backup -o config=CONFIG", "coordfs backup [--check | --data DIR] FILE");
    refuse(w, "backup A B -o config=CONFIG", "B");
    refuse(w, "backup A", "which cluster?");
    refuse(w, "backup --data", "--data");
    refuse(w, "backup --check --data DIR FILE", "either --check or --data");
    refuse(w, "backup --data DIR --check FILE", "either --check or --data");
    refuse(w, "backup --shred FILE", "--shred");
    refuse(w, "restore -o config=CONFIG", "coordfs restore FILE... -o config=FILE");
    refuse(w, "restore FILE", "into which data directory?");
    refuse(w, "restore FILE --url h:1 -o config=CONFIG", "into which data directory?");
    refuse(w, "restore 1 2 3 4 5 6 7 8 9 -o config=CONFIG", "9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_says_it_all),
        TEST(options_override_the_file_wherever_they_stand),
        TEST(what_is_for_mount_is_passed_on_or_ignored),
        TEST(a_backslash_protects_a_comma),
        TEST(mistakes_are_named),
        TEST(the_other_commands),
        TEST(join_is_an_option_like_others),
        TEST(changes_of_the_members),
        TEST(wrong_changes_are_named),
        TEST(what_is_asked_of_queues),
        TEST(wrong_words_about_queues_are_named),
        TEST(values_are_of_a_cluster_or_in_a_mount),
        TEST(wrong_words_about_values_are_named),
        TEST(what_is_asked_of_backups),
        TEST(what_is_wrong_about_backups_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
