/* The list of peers on disk: it comes back as it went, or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "coordfs/log.h"
#include "io/peers_file.h"

#define CLUSTER UINT64_C(0xfedcba9876543210)

struct world {
    char dir[64], file[96];
    struct cfs_peers peers, loaded;
};

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    cfs_log_open(CFS_LOG_ERROR, false);
    strcpy(w->dir, "/tmp/coordfs-test-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->file, sizeof w->file, "%s/peers", w->dir);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    unlink(w->file);
    assert_int_equal(rmdir(w->dir), 0); /* nothing half made is left */
    free(w);
    return 0;
}

static void add(struct world *w, cfs_node_id id, const char *host, uint16_t port)
{
    struct cfs_node_info *node = &w->peers.nodes[w->peers.count++];

    *node = (struct cfs_node_info){.id = id, .port = port};
    strcpy(node->host, host);
}

static void save(struct world *w)
{
    struct cfs_peers_writer *writer = cfs_peers_writer_new(w->dir, CLUSTER);

    cfs_peers_save(writer, &w->peers);
    cfs_peers_writer_free(writer);
}

static int load(struct world *w)
{
    return cfs_peers_load(w->dir, CLUSTER, &w->loaded);
}

/* The file's text, malloc'd. */
static char *text_of(const struct world *w)
{
    char *text = calloc(1, 65536);
    FILE *file = fopen(w->file, "r");

    assert_non_null(file);
    assert_true(fread(text, 1, 65535, file) > 0);
    fclose(file);
    return text;
}

static void write_text(const struct world *w, const char *text, size_t len)
{
    FILE *file = fopen(w->file, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    fclose(file);
}

static void there_is_none_at_first(void **state)
{
    assert_int_equal(load(*state), 0);
}

static void a_list_comes_back_as_it_went(void **state)
{
    struct world *w = *state;
    char long_host[256], *text;

    memset(long_host, 'h', 255);
    long_host[255] = 0;
    add(w, 1, "10.0.0.1", 8001);
    add(w, 7, "::1", 65535);
    for (cfs_node_id id = 8; id <= CFS_NODE_MAX; id++)
        add(w, id, long_host, 1);
    save(w);
    assert_int_equal(load(w), 1);
    assert_int_equal(w->loaded.count, w->peers.count);
    assert_memory_equal(w->loaded.nodes, w->peers.nodes, w->peers.count * sizeof *w->peers.nodes);
    assert_string_equal(cfs_peers_find(&w->loaded, 7)->host, "::1");
    assert_null(cfs_peers_find(&w->loaded, 2));
    w->peers.count = 2;
    text = cfs_peers_text(&w->peers);
    assert_string_equal(text, "1@10.0.0.1:8001+7@[::1]:65535");
    free(text);
}

static void the_newest_list_is_what_stays(void **state)
{
    struct world *w = *state;
    struct cfs_peers_writer *writer = cfs_peers_writer_new(w->dir, CLUSTER);

    for (uint16_t port = 1; port <= 20; port++) {
        w->peers.count = 0;
        add(w, 1, "h", port);
        cfs_peers_save(writer, &w->peers);
        cfs_peers_save(writer, &w->peers); /* the same again: no work */
    }
    cfs_peers_writer_free(writer);
    assert_int_equal(load(w), 1);
    assert_int_equal(w->loaded.nodes[0].port, 20);
}

static void another_clusters_list_is_none(void **state)
{
    struct world *w = *state;

    add(w, 1, "h", 1);
    save(w);
    assert_int_equal(cfs_peers_load(w->dir, CLUSTER + 1, &w->loaded), 0);
}

static void what_is_cut_off_is_none(void **state)
{
    struct world *w = *state;
    char *text;

    add(w, 1, "h", 1);
    add(w, 2, "h", 2);
    save(w);
    text = text_of(w);
    for (size_t len = 0; len < strlen(text); len++) {
        write_text(w, text, len);
        assert_int_equal(load(w), 0);
        assert_int_equal(w->loaded.count, 0);
    }
    write_text(w, text, strlen(text));
    assert_int_equal(load(w), 1);
    free(text);
}

static void another_format_is_refused(void **state)
{
    struct world *w = *state;
    char *text;

    add(w, 1, "h", 1);
    save(w);
    text = text_of(w);
    strstr(text, "format 1")[7] = '2';
    write_text(w, text, strlen(text));
    assert_int_equal(load(w), -1);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(there_is_none_at_first),        T(a_list_comes_back_as_it_went),
        T(the_newest_list_is_what_stays), T(another_clusters_list_is_none),
        T(what_is_cut_off_is_none),       T(another_format_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
