/* Settings: what is accepted, and that every refusal names the key, the value and what to do. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "coordfs/config.h"

#define SECRET "0123456789abcdefXYZ"

struct world {
    char root[256]; /* this test's own directory */
    char file[300]; /* a file of settings in it */
    char secret[300];
    struct cfs_config config;
    char why[9000];
};

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *file;

    unlink(path);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

static void set(struct world *w, const char *key, const char *value)
{
    if (cfs_config_set(&w->config, key, value, w->why, sizeof(w->why)) != 0)
        fail_msg("should be accepted, but: %s", w->why);
}

static void assert_why(const struct world *w, const char *words)
{
    if (!strstr(w->why, words))
        fail_msg("expected \"%s\" in: %s", words, w->why);
}

static void refuse(struct world *w, const char *key, const char *value, const char *words)
{
    struct cfs_config before = w->config;

    if (cfs_config_set(&w->config, key, value, w->why, sizeof(w->why)) == 0)
        fail_msg("%s=%s should be refused", key, value);
    assert_why(w, key);
    assert_why(w, value);
    assert_why(w, words);
    assert_memory_equal(&before, &w->config, sizeof(before));
}

static void finish(struct world *w)
{
    if (cfs_config_finish(&w->config, w->why, sizeof(w->why)) != 0)
        fail_msg("should be accepted, but: %s", w->why);
}

static void refuse_finish(struct world *w, const char *words)
{
    if (cfs_config_finish(&w->config, w->why, sizeof(w->why)) == 0)
        fail_msg("should be refused: %s", words);
    assert_why(w, words);
}

/* A config that cfs_config_finish accepts. */
static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    const char *tmp = getenv("TMPDIR");

    snprintf(w->root, sizeof(w->root), "%s/test_config.XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(w->root));
    snprintf(w->file, sizeof(w->file), "%s/settings", w->root);
    snprintf(w->secret, sizeof(w->secret), "%s/secret", w->root);
    write_file(w->secret, SECRET "\n", 0600);
    cfs_config_init(&w->config);
    set(w, "node", "2");
    set(w, "member", "2@127.0.0.1:7002");
    set(w, "data", "/var/lib/coordfs");
    set(w, "secret_file", w->secret);
    *state = w;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int tear_down(void **state)
{
    struct world *w = *state;

    nftw(w->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(w);
    return 0;
}

static void test_defaults(void **state)
{
    struct world *w = *state;

    finish(w);
    assert_string_equal(w->config.listen_host, "127.0.0.1");
    assert_int_equal(w->config.listen_port, 7002);
    assert_string_equal(w->config.secret, SECRET);
    assert_int_equal(w->config.timeout_ms, 5000);
    assert_int_equal(w->config.session_ms, 5000);
    assert_int_equal(w->config.heartbeat_ms, 125);
    assert_int_equal(w->config.lease_ms, 250);
    assert_int_equal(w->config.cache_lease_ms, 1000);
    assert_int_equal(w->config.election_ms, 300);
    assert_int_equal(w->config.checkpoint_kb, 8192);
    assert_int_equal(w->config.allow_other, geteuid() == 0);
    assert_int_equal(w->config.log_level, CFS_LOG_INFO);
    assert_string_equal(w->config.store, CFS_STORE_EMBEDDED);
    assert_false(w->config.insecure || w->config.http_open || w->config.foreground ||
                 w->config.use_syslog);
}

static void test_queues_are_in_the_nodes_or_in_a_redis(void **state)
{
    struct world *w = *state;

    set(w, "store", "redis://:secret@redis.example/3");
    assert_string_equal(w->config.store, "redis://:secret@redis.example/3");
    set(w, "store", "redis+unix:///run/redis.sock");
    refuse(w, "store", "redis:/host", "expected embedded");
    refuse(w, "store", "", "expected embedded");
    set(w, "store", "embedded");
    finish(w);
}

static void test_members_are_sorted_and_may_be_joined(void **state)
{
    struct world *w = *state;

    set(w, "member", "3@[::1]:7003+1@node-1.example:65535");
    assert_int_equal(w->config.member_count, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(w->config.members[i].id, i + 1);
    assert_string_equal(w->config.members[0].host, "node-1.example");
    assert_int_equal(w->config.members[0].port, 65535);
    assert_string_equal(w->config.members[2].host, "::1");
    finish(w);
}

static void test_members_that_are_refused(void **state)
{
    static const char *const malformed[] = {
        "",         "2",       "2@",        "@a:1",         "1@a",       "1@a:",
        "1@:80",    "0@a:1",   "x@a:1",     "1@a:0",        "1@a:65536", "1@a:1x",
        "1@::1:80", "1@[::1]", "1@[::1]80", "1@[x]:80",     "1@[]:80",   "1@a b:1",
        "1@a/b:1",  "1@a:1+",  "+1@a:1",    "1@a:1++4@b:1", "-1@a:1",    "4294967296@a:1",
    };
    struct world *w = *state;

    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
        refuse(w, "member", malformed[i], "expected ID@HOST:PORT");
    refuse(w, "member", "2@b:1", "id is given to a member already");
    refuse(w, "member", "3@127.0.0.1:7002", "address is given to a member already");
    refuse(w, "member", "3@a:1+4@A:1", "address is given to a member already");
    refuse(w, "member", "3@a:1+4@b:1+5@c:1+6@d:1+7@e:1", "at most 5 members");
}

static void test_times(void **state)
{
    struct world *w = *state;

    set(w, "timeout", "0.1");
    assert_int_equal(w->config.timeout_ms, 100);
    set(w, "timeout", "2.125");
    assert_int_equal(w->config.timeout_ms, 2125);
    set(w, "timeout", "3600");
    assert_int_equal(w->config.timeout_ms, 3600000);
    set(w, "session", "1.5");
    assert_int_equal(w->config.session_ms, 1500);
    set(w, "heartbeat_ms", "1000");
    assert_int_equal(w->config.heartbeat_ms, 1000);
}

static void test_numbers_that_are_refused(void **state)
{
    static const char *const seconds[] = {"0",  "0.099", "3600.001", "1e3", ".5",  "5.",  "1.2.3",
                                          "-1", "nan",   "inf",      "0x5", "1,5", "1 s", "1.0000"};
    struct world *w = *state;

    for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++)
        refuse(w, "timeout", seconds[i], "expected seconds from 0.1 to 3600");
    refuse(w, "session", "0.5", "expected seconds from 1 to 3600");
    refuse(w, "node", "0", "a number from 1 to 63");
    refuse(w, "node", "64", "a number from 1 to 63");
    refuse(w, "node", "99999999999999999999999", "a number from 1 to 63");
    refuse(w, "lease_ms", "1.5", "expected a number from 10 to 600000");
    refuse(w, "cache_lease_ms", "99", "expected a number from 100 to 10000");
    refuse(w, "heartbeat_ms", "", "expected a number from 5 to 60000");
    set(w, "cache_size", "2G");
    assert_int_equal(w->config.cache_size, UINT64_C(2) << 30);
    set(w, "cache_size", "0");
    set(w, "max_value", "4K");
    assert_int_equal(w->config.max_value, 4096);
    set(w, "trunc_hold", "0.25");
    assert_int_equal(w->config.trunc_hold_ms, 250);
    refuse(w, "max_value", "2G", "expected bytes from 4K to 1G");
    refuse(w, "cache_size", "1T", "expected bytes, as a number or with K, M or G");
    refuse(w, "cache_size", "99999999999G", "expected bytes, as a number or with K, M or G");
    refuse(w, "checkpoint_kb", "63", "expected a number from 64 to 65536");
    refuse(w, "checkpoint_kb", "65537", "expected a number from 64 to 65536");
}

static void test_words_and_flags(void **state)
{
    struct world *w = *state;

    set(w, "insecure", "");
    assert_true(w->config.insecure);
    set(w, "insecure", "no");
    assert_false(w->config.insecure);
    set(w, "allow_other", "yes");
    assert_true(w->config.allow_other);
    refuse(w, "http_open", "true", "expected yes or no");
    set(w, "log", "syslog");
    assert_true(w->config.use_syslog);
    refuse(w, "log", "file", "expected stderr or syslog");
    set(w, "log_level", "debug");
    assert_int_equal(w->config.log_level, CFS_LOG_DEBUG);
    refuse(w, "log_level", "loud", "error, warning, info or debug");
    refuse(w, "colour", "blue", "no such setting");
    refuse(w, "data", "", "expected a path");
}

static void test_reads_a_file(void **state)
{
    struct world *w = *state;

    write_file(w->file,
               "# the cluster\n\n"
               "member = 1@127.0.0.1:7001 # the first\n"
               "  member=3@127.0.0.1:7003\r\n"
               "\tforeground\n"
               "data = /srv/a#b\n"
               "timeout=1.5",
               0600);
    assert_int_equal(cfs_config_read(&w->config, w->file, w->why, sizeof(w->why)), 0);
    assert_int_equal(w->config.member_count, 3);
    assert_true(w->config.foreground);
    assert_string_equal(w->config.data, "/srv/a#b");
    assert_int_equal(w->config.timeout_ms, 1500);
    finish(w);
}

static void test_names_the_line_that_is_wrong(void **state)
{
    struct world *w = *state;
    char *text = malloc(20000);

    write_file(w->file, "# one\nnode = 2\nlease_ms = short\n", 0600);
    assert_int_equal(cfs_config_read(&w->config, w->file, w->why, sizeof(w->why)), -1);
    assert_why(w, "settings:3: lease_ms=short: expected a number");

    memset(text, 'x', 19999);
    text[19999] = '\0';
    write_file(w->file, text, 0600);
    assert_int_equal(cfs_config_read(&w->config, w->file, w->why, sizeof(w->why)), -1);
    assert_why(w, "settings:1: the line is longer");
    free(text);

    assert_int_equal(cfs_config_read(&w->config, "/nonexistent/x", w->why, sizeof(w->why)), -1);
    assert_why(w, "/nonexistent/x: No such file");
}

static void test_what_is_missing_is_named(void **state)
{
    struct world *w = *state;
    struct cfs_config whole = w->config;

    w->config.node = 0;
    refuse_finish(w, "node is not set");
    w->config = whole;
    w->config.node = 4;
    refuse_finish(w, "node=4: no member has this id");
    w->config = whole;
    w->config.member_count = 0;
    refuse_finish(w, "member is not set");
    w->config = whole;
    w->config.data[0] = '\0';
    refuse_finish(w, "data is not set");
    w->config = whole;
    w->config.secret_file[0] = '\0';
    refuse_finish(w, "secret_file is not set");
}

static void test_listening_beyond_loopback_must_be_wanted(void **state)
{
    static const char *const inner[] = {"127.3.2.1:1", "[::1]:1", "localhost:1",
                                        "[::ffff:127.0.0.1]:1"};
    static const char *const outer[] = {"0.0.0.0:1", "[::]:1", "10.1.2.3:1", "db.example:1",
                                        "127.example:1"};
    struct world *w = *state;
    size_t i;

    for (i = 0; i < sizeof(inner) / sizeof(inner[0]); i++) {
        set(w, "listen", inner[i]);
        finish(w);
    }
    for (i = 0; i < sizeof(outer) / sizeof(outer[0]); i++) {
        set(w, "insecure", "no");
        set(w, "listen", outer[i]);
        refuse_finish(w, "needs -o insecure");
        set(w, "insecure", "");
        finish(w);
    }
    refuse(w, "listen", "7000", "expected HOST:PORT");
}

static void test_times_must_fit_together(void **state)
{
    struct world *w = *state;

    set(w, "heartbeat_ms", "126");
    refuse_finish(w, "lease_ms=250 is less than twice heartbeat_ms=126");
    set(w, "heartbeat_ms", "125");
    finish(w);
    set(w, "election_ms", "250");
    refuse_finish(w, "election_ms=250 is not more than lease_ms=250");
    set(w, "election_ms", "251");
    finish(w);
    set(w, "session", "1");
    set(w, "lease_ms", "251");
    set(w, "election_ms", "300");
    refuse_finish(w, "session=1.000 is less than four times lease_ms=251");
    set(w, "lease_ms", "250");
    finish(w);
}

static void test_secrets_that_are_refused(void **state)
{
    struct world *w = *state;
    char text[400];

    write_file(w->secret, SECRET, 0640);
    refuse_finish(w, "has mode 0640, so others may read it: chmod 600");
    write_file(w->secret, SECRET, 0604);
    refuse_finish(w, "has mode 0604");
    write_file(w->secret, "0123456789abcde\n\n", 0600);
    refuse_finish(w, "holds 15 characters, and at least 16 are needed");
    write_file(w->secret, "0123456789 abcdef", 0600);
    refuse_finish(w, "printable ASCII");
    write_file(w->secret, "0123456789abcdef\nmore\n", 0600);
    refuse_finish(w, "printable ASCII");
    memset(text, 'a', sizeof(text));
    text[257] = '\0';
    write_file(w->secret, text, 0600);
    refuse_finish(w, "longer than 256 characters");
    text[256] = '\n';
    write_file(w->secret, text, 0600);
    finish(w);
    unlink(w->secret);
    refuse_finish(w, "No such file");
    assert_int_equal(mkfifo(w->secret, 0600), 0);
    refuse_finish(w, "is not a regular file");
    if (geteuid() == 0) {
        write_file(w->secret, SECRET, 0600);
        assert_int_equal(chown(w->secret, 1000, 1000), 0);
        refuse_finish(w, "belongs to user 1000");
    }
}

static void test_data_becomes_absolute(void **state)
{
    struct world *w = *state;
    char cwd[4096], expected[4200];

    assert_non_null(getcwd(cwd, sizeof(cwd)));
    snprintf(expected, sizeof(expected), "%s/some/dir", cwd);
    set(w, "data", "some/dir");
    finish(w);
    assert_string_equal(w->config.data, expected);
}

static void test_help_has_every_key(void **state)
{
    static const char *const keys[] = {
        "node",       "member",    "listen",      "data",         "secret_file",   "timeout",
        "session",    "lease_ms",  "election_ms", "insecure",     "http_open",     "allow_other",
        "foreground", "log",       "log_level",   "heartbeat_ms", "checkpoint_kb", "cache_lease_ms",
        "cache_size", "max_value", "trunc_hold"};
    const char *help = cfs_config_help();
    char words[32];

    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        snprintf(words, sizeof(words), "\n  %s", keys[i]);
        if (!strstr(help, words + (i == 0)))
            fail_msg("--help does not mention %s", keys[i]);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(defaults),
        TEST(queues_are_in_the_nodes_or_in_a_redis),
        TEST(members_are_sorted_and_may_be_joined),
        TEST(members_that_are_refused),
        TEST(times),
        TEST(numbers_that_are_refused),
        TEST(words_and_flags),
        TEST(reads_a_file),
        TEST(names_the_line_that_is_wrong),
        TEST(what_is_missing_is_named),
        TEST(listening_beyond_loopback_must_be_wanted),
        TEST(times_must_fit_together),
        TEST(secrets_that_are_refused),
        TEST(data_becomes_absolute),
        TEST(help_has_every_key),
    };

    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
