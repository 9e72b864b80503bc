/* GET /metrics, parsed back as Prometheus would: every line by the rules of the text format, every
 * metric with its help and type, and the numbers where a scraper looks for them. */
#include "status_world.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/metrics.h"

enum { SAMPLES_MAX = 256, FAMILIES_MAX = 64 };

struct sample {
    const char *series; /* name{labels} */
    double value;
};

static struct scrape {
    char *text;
    struct sample samples[SAMPLES_MAX];
    size_t count;
    char families[FAMILIES_MAX][96];
    size_t family_count;
    char type[16]; /* of the newest family */
} scrape;

static bool is_name(const char *text, size_t len)
{
    if (len == 0 || isdigit((unsigned char)text[0]))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) && text[i] != '_' && text[i] != ':')
            return false;
    return true;
}

/* {name="value",name="value"}; returns what follows. No value of ours needs escaping. */
static const char *skip_labels(const char *at)
{
    do {
        size_t name = strcspn(++at, "=");

        assert_true(is_name(at, name));
        at += name + 1;
        assert_true(*at++ == '"');
        at += strcspn(at, "\"\\\n");
        assert_true(*at++ == '"');
    } while (*at == ',');
    assert_true(*at == '}');
    return at + 1;
}

/* Whether a sample named so belongs to the newest family. */
static bool belongs(const char *name, size_t len)
{
    const char *family = scrape.families[scrape.family_count - 1];
    size_t family_len = strlen(family);
    const char *suffix = name + family_len;

    if (len < family_len || strncmp(name, family, family_len) != 0)
        return false;
    if (strcmp(scrape.type, "histogram") != 0)
        return len == family_len;
    return strncmp(suffix, "_bucket{", 8) == 0 || strncmp(suffix, "_sum", 4) == 0 ||
           strncmp(suffix, "_count", 6) == 0;
}

static void parse_sample(char *line)
{
    size_t name = strcspn(line, "{ ");
    const char *labels = line + name, *number = *labels == '{' ? skip_labels(labels) : labels;
    char *end;

    assert_true(is_name(line, name));
    assert_true(scrape.family_count > 0 && belongs(line, name));
    assert_true(scrape.count < SAMPLES_MAX);
    assert_true(*number == ' ');
    scrape.samples[scrape.count].value = strtod(number + 1, &end);
    assert_true(end > number + 1 && *end == 0);
    line[number - line] = 0;
    for (size_t i = 0; i < scrape.count; i++)
        assert_string_not_equal(scrape.samples[i].series, line);
    scrape.samples[scrape.count++].series = line;
}

/* HELP opens a family, TYPE follows at once; no family comes twice. */
static void parse_comment(const char *line)
{
    char kind[8], name[96], rest[256];

    assert_int_equal(sscanf(line, "# %7s %95s %255[^\n]", kind, name, rest), 3);
    assert_true(is_name(name, strlen(name)));
    if (strcmp(kind, "HELP") == 0) {
        for (size_t i = 0; i < scrape.family_count; i++)
            assert_string_not_equal(scrape.families[i], name);
        assert_true(scrape.family_count < FAMILIES_MAX);
        strcpy(scrape.families[scrape.family_count++], name);
        scrape.type[0] = 0;
        return;
    }
    assert_string_equal(kind, "TYPE");
    assert_string_equal(scrape.families[scrape.family_count - 1], name);
    assert_true(strcmp(rest, "gauge") == 0 || strcmp(rest, "counter") == 0 ||
                strcmp(rest, "histogram") == 0);
    /* What only grows is named so, and nothing else is. */
    assert_int_equal(strcmp(rest, "counter") == 0,
                     strlen(name) > 6 && strcmp(name + strlen(name) - 6, "_total") == 0);
    strcpy(scrape.type, rest);
}

static void parse(const struct cfs_status *status)
{
    char *rest;

    free(scrape.text);
    memset(&scrape, 0, sizeof scrape);
    rest = scrape.text = cfs_metrics_text(status);
    assert_non_null(rest);
    assert_true(rest[strlen(rest) - 1] == '\n');
    for (char *line; (line = strsep(&rest, "\n")) && rest;) {
        assert_true(line[0] != 0);
        if (line[0] == '#')
            parse_comment(line);
        else
            parse_sample(line);
    }
}

static bool has(const char *series)
{
    for (size_t i = 0; i < scrape.count; i++)
        if (strcmp(scrape.samples[i].series, series) == 0)
            return true;
    return false;
}

static void is(const char *series, double expected)
{
    for (size_t i = 0; i < scrape.count; i++) {
        if (strcmp(scrape.samples[i].series, series) != 0)
            continue;
        if (fabs(scrape.samples[i].value - expected) > 1e-9)
            fail_msg("%s is %g, not %g", series, scrape.samples[i].value, expected);
        return;
    }
    fail_msg("there is no %s", series);
}

static void test_every_number_is_there(void **state)
{
    struct cfs_status status = status_of_a_leader();

    (void)state;
    parse(&status);
    is("coordfs_info{version=\"" CFS_VERSION "\",node=\"1\"}", 1);
    is("coordfs_raft_term{group=\"0\"}", 7);
    is("coordfs_raft_leader{group=\"0\"}", 1);
    is("coordfs_raft_serving{group=\"0\"}", 1);
    is("coordfs_raft_commit_index{group=\"0\"}", 119);
    is("coordfs_raft_applied_index{group=\"0\"}", 118);
    is("coordfs_raft_last_index{group=\"0\"}", 121);
    is("coordfs_raft_durable_index{group=\"0\"}", 120);
    is("coordfs_raft_elections_total{group=\"0\"}", 3);
    is("coordfs_raft_leaderships_total{group=\"0\"}", 2);
    is("coordfs_raft_term{group=\"1\"}", 3);
    is("coordfs_raft_applied_index{group=\"1\"}", 39);
    assert_false(has("coordfs_raft_term{group=\"2\"}")); /* of which this node has no replica */
    is("coordfs_sessions{group=\"0\"}", 2);
    is("coordfs_locks_held{group=\"0\"}", 4);
    is("coordfs_locks_waiting{group=\"0\"}", 2);
    is("coordfs_available", 1);
    is("coordfs_store_available", 1);
    is("coordfs_requests_outstanding", 3);
    is("coordfs_cache_hits_total", 21);
    is("coordfs_cache_bytes", 8192);
    is("coordfs_cache_lines{group=\"0\"}", 5);
    assert_false(has("coordfs_cache_lines{group=\"1\"}")); /* which another node leads */
    is("coordfs_wal_pending_records", 6);
    is("coordfs_wal_records_total", 60);
    is("coordfs_wal_bytes_total", 5e9);
    is("coordfs_wal_segments", 2);
    is("process_resident_memory_bytes", 8192);
    is("coordfs_uptime_seconds", 60);
    is("coordfs_peer_unsent_messages{peer=\"2\"}", 5);
    is("coordfs_http_requests_total{route=\"lock\"}", 17);
    is("coordfs_http_requests_total{route=\"unknown\"}", 1);
    is("coordfs_http_requests_total{route=\"raft\"}", 0);
    assert_false(has("coordfs_peer_unsent_messages{peer=\"1\"}"));
}

static void test_exactly_one_role_is_one(void **state)
{
    static const char *const roles[] = {"leader", "follower", "candidate", "pre-candidate"};
    struct cfs_status status = status_of_a_leader();
    char series[96];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        status_group(0)->view.role = roles[i];
        parse(&status);
        for (size_t k = 0; k < 4; k++) {
            snprintf(series, sizeof series, "coordfs_raft_role{group=\"0\",role=\"%s\"}", roles[k]);
            is(series, i == k);
        }
    }
}

static void test_only_a_leader_tells_how_far_others_lag(void **state)
{
    struct cfs_status status = status_of_a_leader();

    (void)state;
    parse(&status);
    is("coordfs_raft_peer_lag_entries{group=\"0\",peer=\"2\"}", 11);
    assert_false(has("coordfs_raft_peer_lag_entries{group=\"0\",peer=\"1\"}"));
    assert_false(has("coordfs_raft_peer_lag_entries{group=\"1\",peer=\"2\"}"));
    status_group(0)->view.role = "follower";
    status_group(0)->view.leader = 2;
    parse(&status);
    assert_false(has("coordfs_raft_peer_lag_entries{group=\"0\",peer=\"2\"}"));
}

/* The buckets of `name`, `label` being what stands before `le` in the braces. */
static void check_histogram(const char *name, const char *label, double count)
{
    char prefix[96];
    double before = 0, bound = 0;
    size_t buckets = 0;

    snprintf(prefix, sizeof prefix, "%s_bucket{%sle=\"", name, label);
    for (size_t i = 0; i < scrape.count; i++) {
        const struct sample *sample = &scrape.samples[i];

        if (strncmp(sample->series, prefix, strlen(prefix)) != 0)
            continue;
        assert_true(sample->value >= before);
        assert_true(strtod(sample->series + strlen(prefix), NULL) > bound); /* +Inf too */
        bound = strtod(sample->series + strlen(prefix), NULL);
        before = sample->value;
        buckets++;
    }
    assert_int_equal(buckets, CFS_HISTOGRAM_BOUNDS + 1);
    assert_true(isinf(bound));
    assert_true(before == count);
}

static void test_histograms_are_cumulative_and_in_seconds(void **state)
{
    struct cfs_status status = status_of_a_leader();

    (void)state;
    parse(&status);
    check_histogram("coordfs_raft_commit_duration_seconds", "group=\"0\",", 1);
    is("coordfs_raft_commit_duration_seconds_bucket{group=\"0\",le=\"0.00025\"}", 0);
    is("coordfs_raft_commit_duration_seconds_bucket{group=\"0\",le=\"0.0005\"}", 1);
    is("coordfs_raft_commit_duration_seconds_sum{group=\"0\"}", 0.0003);
    is("coordfs_raft_commit_duration_seconds_count{group=\"0\"}", 1);
    check_histogram("coordfs_wal_sync_duration_seconds", "", 100);
    is("coordfs_wal_sync_duration_seconds_bucket{le=\"0.00005\"}", 0);
    is("coordfs_wal_sync_duration_seconds_bucket{le=\"0.0001\"}", 98);
    is("coordfs_wal_sync_duration_seconds_bucket{le=\"0.001\"}", 100);
    is("coordfs_wal_sync_duration_seconds_bucket{le=\"10\"}", 100);
    is("coordfs_wal_sync_duration_seconds_sum", 0.00964);
    is("coordfs_wal_sync_duration_seconds_count", 100);
}

static void test_nothing_measured_is_zeros(void **state)
{
    struct cfs_status status = status_of_a_leader();

    (void)state;
    status.commits = status.wal.sync = (struct cfs_histogram){0};
    cfs_histogram_add(&status.commits, CFS_SECONDS(11));
    parse(&status);
    check_histogram("coordfs_wal_sync_duration_seconds", "", 0);
    is("coordfs_wal_sync_duration_seconds_sum", 0);
    check_histogram("coordfs_raft_commit_duration_seconds", "group=\"0\",", 1);
    is("coordfs_raft_commit_duration_seconds_bucket{group=\"0\",le=\"10\"}", 0);
    is("coordfs_raft_commit_duration_seconds_sum{group=\"0\"}", 11);
}

static int tear_down(void **state)
{
    (void)state;
    free(scrape.text);
    scrape.text = NULL;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_number_is_there),
        cmocka_unit_test(test_exactly_one_role_is_one),
        cmocka_unit_test(test_only_a_leader_tells_how_far_others_lag),
        cmocka_unit_test(test_histograms_are_cumulative_and_in_seconds),
        cmocka_unit_test(test_nothing_measured_is_zeros),
    };

    return cmocka_run_group_tests_name("metrics", tests, NULL, tear_down);
}
