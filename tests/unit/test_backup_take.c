/* A backup of a running cluster, as the command sees it: from which node each group comes, and what
 * is no backup. */
#include "io/backup_take.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "canned_world.h"
#include "http_world.h"

struct world {
    char directory[64], path[96];
    struct canned one, two;
    struct cfs_members_client *client;
    struct cfs_backup_out out;
};

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    strcpy(w->directory, "/tmp/coordfs-take-XXXXXX");
    assert_non_null(mkdtemp(w->directory));
    snprintf(w->path, sizeof w->path, "%s/backup", w->directory);
    canned_open(&w->one);
    canned_open(&w->two);
    w->client = calloc(1, sizeof *w->client);
    w->client->secret = SECRET;
    w->client->url_count = 1;
    strcpy(w->client->urls[0], w->one.url);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    unlink(w->path);
    assert_int_equal(rmdir(w->directory), 0);
    free(w->client);
    free(w);
    return 0;
}

/* Nodes 1 and 2; node 3 is silent, and would not answer. */
static void say_nodes(struct world *w)
{
    char text[2048];

    snprintf(
        text, sizeof text,
        "{\"cluster\":\"fedcba9876543210\",\"seen_by\":1,\"leader\":1,\"changing\":false,"
        "\"nodes\":[{\"node\":1,\"url\":\"%s\",\"role\":\"voter\",\"state\":\"leader\"},"
        "{\"node\":2,\"url\":\"%s\",\"role\":\"voter\",\"state\":\"follower\"},"
        "{\"node\":3,\"url\":\"http://127.0.0.1:1\",\"role\":\"voter\",\"state\":\"silent\"}]}",
        w->one.url, w->two.url);
    canned_will_say(&w->one, "GET /members ", 200, text);
}

static void say_begun(struct canned *c, const char *id, const char *groups)
{
    char request[64], text[256];

    snprintf(text, sizeof text, "{\"v\":1,\"backup\":\"%s\",\"of\":2}", id);
    canned_will_say(c, "POST /backup ", 200, text);
    snprintf(request, sizeof request, "POST /backup/%s?step=hold", id);
    canned_will_say(c, request, 200, "{}");
    snprintf(request, sizeof request, "POST /backup/%s?step=copy", id);
    snprintf(text, sizeof text, "{\"groups\":%s}", groups);
    canned_will_say(c, request, 200, text);
}

static void send_chunk(struct canned *c, const char *request, struct cfs_backup_chunk chunk)
{
    struct cfs_writer writer = {0};

    chunk.head = (const uint8_t *)"head";
    chunk.head_len = chunk.last ? 4 : 0;
    cfs_backup_put_chunk(&writer, &chunk);
    canned_will_send(c, request, 200, writer.data, writer.len);
    free(writer.data);
}

/* 0 or -1; then the file is as it is. */
static int take(struct world *w)
{
    int rv;

    canned_serve(&w->one);
    canned_serve(&w->two);
    rv = cfs_backup_out_open(&w->out, w->path);
    if (rv == 0)
        rv = cfs_backup_take(&w->out, w->client);
    if (rv == 0)
        rv = cfs_backup_out_finish(&w->out);
    canned_close(&w->one);
    canned_close(&w->two);
    cfs_backup_out_close(&w->out);
    return rv;
}

static void refuse(struct world *w, const char *words)
{
    assert_int_equal(take(w), -1);
    if (!strstr(w->out.why, words))
        fail_msg("expected \"%s\" in: %s", words, w->out.why);
    assert_int_equal(access(w->path, F_OK), -1);
}

static bool was_asked(const struct canned *c, const char *request)
{
    for (int i = 0; i < c->asked_count; i++)
        if (strncmp(c->asked[i], request, strlen(request)) == 0)
            return true;
    return false;
}

/* The first and the last of such requests, in the order of all. */
static void find_order(const struct world *w, const char *request, int *first, int *last)
{
    const struct canned *servers[] = {&w->one, &w->two};

    *first = INT_MAX;
    *last = -1;
    for (int s = 0; s < 2; s++) {
        for (int i = 0; i < servers[s]->asked_count; i++) {
            int order = servers[s]->order[i];
            if (!strstr(servers[s]->asked[i], request))
                continue;
            *first = order < *first ? order : *first;
            *last = order > *last ? order : *last;
        }
    }
    assert_true(*last >= 0);
}

/* Every node holds before any copies, and every one has copied before any lets go. */
static void assert_steps_in_order(const struct world *w)
{
    int first_begin, last_begin, first_hold, last_hold, first_copy, last_copy, first_read,
        last_read;

    find_order(w, "POST /backup ", &first_begin, &last_begin);
    find_order(w, "step=hold", &first_hold, &last_hold);
    find_order(w, "step=copy", &first_copy, &last_copy);
    find_order(w, "chunk=", &first_read, &last_read);
    assert_true(last_begin < first_hold && last_hold < first_copy && last_copy < first_read);
}

static void each_group_comes_from_who_leads_it(void **state)
{
    struct world *w = *state;
    struct cfs_backup_in in;
    struct cfs_backup_chunk chunk;
    unsigned chunks = 0;

    say_nodes(w);
    say_begun(&w->one, "aa", "[0, 1]");
    say_begun(&w->two, "bb", "[1, 2]"); /* group 1 has moved meanwhile: either copy would do */
    send_chunk(&w->one, "GET /backup/aa?group=0&chunk=0", (struct cfs_backup_chunk){.group = 0});
    send_chunk(&w->one, "GET /backup/aa?group=0&chunk=1",
               (struct cfs_backup_chunk){.group = 0, .number = 1, .last = true});
    send_chunk(&w->one, "GET /backup/aa?group=1&chunk=0",
               (struct cfs_backup_chunk){.group = 1, .last = true});
    send_chunk(&w->two, "GET /backup/bb?group=2&chunk=0",
               (struct cfs_backup_chunk){.group = 2, .last = true});
    if (take(w) != 0)
        fail_msg("%s", w->out.why);
    assert_true(w->one.authorized && w->two.authorized);
    assert_steps_in_order(w);
    assert_true(was_asked(&w->one, "DELETE /backup/aa ") &&
                was_asked(&w->two, "DELETE /backup/bb "));
    assert_int_equal(cfs_backup_in_open(&in, w->path), 0);
    assert_true(in.origin.cluster == UINT64_C(0xfedcba9876543210) && in.origin.node == 0);
    assert_true(in.origin.groups == 2 && in.origin.node_count == 3);
    while (cfs_backup_in_next(&in, &chunk) == 1)
        chunks++;
    assert_int_equal(chunks, 4);
    assert_int_equal(in.whole, 7);
    cfs_backup_in_close(&in);
}

/* Leaders change: all is given back, and tried again. */
static void what_nobody_leads_is_asked_for_again(void **state)
{
    struct world *w = *state;

    say_nodes(w);
    say_begun(&w->one, "aa", "[0]");
    say_begun(&w->two, "bb", "[2]");
    say_nodes(w);
    say_begun(&w->one, "cc", "[0, 1, 2]");
    say_begun(&w->two, "dd", "[]");
    for (unsigned group = 0; group < 3; group++) {
        char request[64];
        snprintf(request, sizeof request, "GET /backup/cc?group=%u&chunk=0", group);
        send_chunk(&w->one, request, (struct cfs_backup_chunk){.group = group, .last = true});
    }
    if (take(w) != 0)
        fail_msg("%s", w->out.why);
    assert_true(was_asked(&w->one, "DELETE /backup/aa ") &&
                was_asked(&w->two, "DELETE /backup/bb "));
}

static void another_format_is_refused_by_name(void **state)
{
    struct world *w = *state;

    say_nodes(w);
    canned_will_say(&w->one, "POST /backup ", 200, "{\"v\":2,\"backup\":\"aa\",\"groups\":[]}");
    refuse(w, "makes backups of format 2; this coordfs knows format 1");
}

static void what_is_no_chunk_is_refused(void **state)
{
    struct world *w = *state;

    say_nodes(w);
    say_begun(&w->one, "aa", "[0, 1, 2]");
    say_begun(&w->two, "bb", "[]");
    send_chunk(&w->one, "GET /backup/aa?group=0", (struct cfs_backup_chunk){.group = 1});
    refuse(w, "something else than chunk 0 of group 0");
}

static void a_copy_that_is_lost_ends_it(void **state)
{
    struct world *w = *state;

    say_nodes(w);
    say_begun(&w->one, "aa", "[0, 1, 2]");
    say_begun(&w->two, "bb", "[]");
    canned_will_say(&w->one, "GET /backup/aa", 410, "{\"error\":\"the copy cannot be read on\"}");
    refuse(w, "the copy cannot be read on");
    assert_true(was_asked(&w->one, "DELETE /backup/aa "));
}

static void where_nobody_answers_is_said(void **state)
{
    struct world *w = *state;

    strcpy(w->client->urls[0], "http://127.0.0.1:1");
    refuse(w, "http://127.0.0.1:1: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(each_group_comes_from_who_leads_it), T(what_nobody_leads_is_asked_for_again),
        T(another_format_is_refused_by_name),  T(what_is_no_chunk_is_refused),
        T(a_copy_that_is_lost_ends_it),        T(where_nobody_answers_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
