/* Backups read from a node over HTTP, on a real store: what a copy is of, which chunk is next, and
 * what becomes of copies that nobody reads on. */
#include "io/backups.h"

#include "core/group_head.h"
#include "core/piece.h"
#include "http_world.h"
#include "io/backup_file.h"
#include "io/clock.h"
#include "store_world.h"

#define SELF 2u

struct bench {
    struct world *w;
    struct http_world http;
    struct cfs_wal *wal;
    struct cfs_checkpoints *checkpoints;
    struct cfs_backups *backups;
    unsigned saves; /* asked for */
    cfs_time held;  /* moves are, until then */
    bool late;      /* checkpoints are not made when they are asked for */
    uint64_t led;
    cfs_node_id holder; /* of the groups, as their heads say */
    const char *text;   /* the piece of each group */
    uint64_t last_id;
    char id[17];
};

static struct bench *b;

/* ---- the node ---- */

static struct cfs_part make_part(cfs_group_id group)
{
    struct cfs_group_head head = {.base = {.index = 7, .term = 1},
                                  .members = {.voters = CFS_NODE_BIT(b->holder)}};
    struct cfs_piece_key key = {.bytes = "key", .len = 3};
    struct cfs_part part = {.group = group};
    struct cfs_writer value = {0};

    cfs_group_head_encode(&part.head, &head);
    cfs_put_raw(&value, b->text, strlen(b->text));
    cfs_piece_put(&part.pieces, &key, &value);
    free(value.data);
    return part;
}

static void save_now(void)
{
    struct cfs_effect effect = {.type = CFS_FX_CHECKPOINT, .id = ++b->last_id};

    effect.checkpoint = (struct cfs_checkpoint){
        .parts = cfs_alloc(3 * sizeof *effect.checkpoint.parts), .part_count = 3, .led = b->led};
    for (cfs_group_id group = 0; group < 3; group++)
        effect.checkpoint.parts[group] = make_part(group);
    cfs_checkpoints_perform(b->checkpoints, &effect);
}

static void on_save(void *arg)
{
    (void)arg;
    b->saves++;
    if (!b->late)
        save_now();
}

static void on_hold(void *arg, cfs_time until)
{
    (void)arg;
    b->held = until;
}

static void on_event(void *arg, struct cfs_event *event)
{
    (void)arg;
    (void)event;
}

static void on_failed(void *arg)
{
    (void)arg;
    fail_msg("the store failed");
}

static void on_saved(void *arg, uint64_t order, uint64_t led)
{
    (void)arg;
    cfs_backups_saved(b->backups, order, led);
}

static void on_read(void *arg, uint64_t number, const struct cfs_store_done *done)
{
    (void)arg;
    cfs_backups_fetched(b->backups, number, done);
}

static void ignore_record(void *arg, const struct cfs_record *record)
{
    (void)arg;
    (void)record;
}

static void handle(struct http_world *w, struct cfs_http_request *request)
{
    const char *path = cfs_http_path(request);

    (void)w;
    if (strcmp(path, "/backup") == 0)
        cfs_backups_begin(b->backups, request);
    else if (strcmp(cfs_http_method(request), "POST") == 0)
        cfs_backups_step(b->backups, request, path + strlen("/backup/"));
    else if (strcmp(cfs_http_method(request), "DELETE") == 0)
        cfs_backups_end(b->backups, request, path + strlen("/backup/"));
    else
        cfs_backups_read(b->backups, request, path + strlen("/backup/"));
}

static int set_up_bench(void **state)
{
    struct cfs_checkpoints_events events = {
        .event = on_event, .failed = on_failed, .saved = on_saved, .read = on_read};
    struct cfs_backups_events asked = {.save = on_save, .hold_moves = on_hold};
    struct cfs_wal_origin origin = {0};

    b = calloc(1, sizeof *b);
    b->holder = SELF;
    b->led = 1 | 4;
    b->text = "first";
    assert_int_equal(set_up((void **)&b->w), 0);
    open_store(b->w);
    http_world_open(&b->http);
    b->http.handle = handle;
    assert_int_equal(cfs_wal_open(&b->wal, b->w->data, SELF, cfs_store_wal_begin(b->w->store),
                                  &origin, ignore_record, NULL),
                     0);
    b->checkpoints = cfs_checkpoints_new(b->http.loop, b->w->store, b->wal, &events);
    b->backups = cfs_backups_new(b->http.loop, b->checkpoints, SELF, &asked);
    http_open_client(&b->http);
    *state = b;
    return 0;
}

static int tear_down_bench(void **state)
{
    (void)state;
    cfs_backups_free(b->backups);
    cfs_checkpoints_free(b->checkpoints);
    http_world_close(&b->http);
    close_store(b->w);
    cfs_wal_close(b->wal);
    tear_down((void **)&b->w);
    free(b);
    return 0;
}

/* ---- the client ---- */

static void write_request(const char *line)
{
    char text[512];

    snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n" AUTHORIZED "\r\n",
             line);
    b->http.len = 0;
    b->http.reply[0] = 0;
    http_write_text(&b->http, text);
}

static void ask(const char *line, const char *status)
{
    write_request(line);
    http_turn_until(&b->http, http_replied);
    http_assert_status(&b->http, status);
}

static void take_id(void)
{
    const char *at = strstr(b->http.reply, "\"backup\":\"");

    assert_non_null(at);
    snprintf(b->id, sizeof b->id, "%.16s", at + strlen("\"backup\":\""));
}

static void begin(void)
{
    ask("POST /backup", "200");
    take_id();
}

static void write_step(const char *step)
{
    char line[64];

    snprintf(line, sizeof line, "POST /backup/%s?step=%s", b->id, step);
    write_request(line);
}

static void ask_step(const char *step, const char *status)
{
    write_step(step);
    http_turn_until(&b->http, http_replied);
    http_assert_status(&b->http, status);
}

/* Both steps. */
static void copy(void)
{
    begin();
    ask_step("copy", "200");
}

static void ask_chunk(unsigned group, unsigned chunk, const char *status)
{
    char line[128];

    snprintf(line, sizeof line, "GET /backup/%s?group=%u&chunk=%u", b->id, group, chunk);
    ask(line, status);
}

static void end_backup(const char *status)
{
    char line[64];

    snprintf(line, sizeof line, "DELETE /backup/%s", b->id);
    ask(line, status);
}

/* The one chunk of a group holds that text. */
static void expect_chunk(unsigned group, const char *text)
{
    struct cfs_backup_record record;
    struct cfs_group_head head;
    const char *body;

    ask_chunk(group, 0, "200");
    body = strstr(b->http.reply, "\r\n\r\n") + 4;
    assert_true(cfs_backup_read_record(&record, (const uint8_t *)body,
                                       (size_t)(b->http.reply + b->http.len - body)));
    assert_int_equal(record.kind, CFS_BACKUP_CHUNK);
    assert_true(record.chunk.group == group && record.chunk.number == 0 && record.chunk.last);
    assert_int_equal(cfs_group_head_decode(&head, record.chunk.head, record.chunk.head_len), 0);
    assert_non_null(memmem(record.chunk.pieces, record.chunk.pieces_len, text, strlen(text)));
}

static bool turned_some(struct http_world *w)
{
    static unsigned turns;

    (void)w;
    cfs_loop_again(w->loop);
    return ++turns % 50 == 0;
}

/* ---- tests ---- */

static void what_the_node_leads_is_copied(void **state)
{
    (void)state;
    begin();
    http_assert_has(&b->http, "\"v\":1");
    http_assert_has(&b->http, "\"of\":17");
    assert_int_equal(b->saves, 1);
    ask_step("copy", "200");
    http_assert_has(&b->http, "\"groups\":[0,2]");
    assert_int_equal(b->saves, 2);
    expect_chunk(0, "first");
    expect_chunk(2, "first");
    ask_chunk(1, 0, "404");
    end_backup("200");
    end_backup("404");
}

static void a_copy_is_of_its_moment(void **state)
{
    char first[17];

    (void)state;
    copy();
    memcpy(first, b->id, sizeof first);
    b->text = "second";
    copy();
    expect_chunk(0, "second");
    memcpy(b->id, first, sizeof first);
    expect_chunk(0, "first");
}

/* One that was ordered before may lack what was answered since. */
static void it_waits_for_a_checkpoint_that_was_ordered_since(void **state)
{
    (void)state;
    begin();
    b->late = true;
    save_now();
    write_step("copy");
    http_turn_until(&b->http, turned_some);
    assert_int_equal(b->saves, 2);
    assert_int_equal(b->http.len, 0);
    b->text = "second";
    save_now();
    http_turn_until(&b->http, http_replied);
    http_assert_status(&b->http, "200");
    expect_chunk(0, "second");
}

static void moves_are_held_until_it_is_read_or_given_up(void **state)
{
    cfs_time now = cfs_clock_now();

    (void)state;
    begin();
    assert_int_equal(b->held, 0);
    ask_step("hold", "200");
    assert_in_range(b->held, now + CFS_BACKUP_HOLD, cfs_clock_now() + CFS_BACKUP_HOLD);
    ask_step("copy", "200");
    assert_true(b->held > now);
    expect_chunk(0, "first");
    assert_int_equal(b->held, 0);
    end_backup("200");
    begin();
    ask_step("hold", "200");
    assert_true(b->held > now);
    end_backup("200");
    assert_int_equal(b->held, 0);
}

static void as_long_as_one_of_two_holds_moves_they_are_held(void **state)
{
    char first[17];

    (void)state;
    begin();
    ask_step("hold", "200");
    memcpy(first, b->id, sizeof first);
    begin();
    ask_step("hold", "200");
    end_backup("200");
    assert_true(b->held > 0);
    memcpy(b->id, first, sizeof first);
    end_backup("200");
    assert_int_equal(b->held, 0);
}

static void steps_have_an_order(void **state)
{
    (void)state;
    begin();
    ask_chunk(0, 0, "404"); /* there is no copy yet */
    ask_step("copy", "200");
    ask_step("copy", "409");
    ask_step("hold", "409");
    expect_chunk(0, "first");
}

static void chunks_come_in_order_and_once(void **state)
{
    (void)state;
    copy();
    ask_chunk(0, 1, "409");
    expect_chunk(0, "first");
    ask_chunk(0, 0, "409"); /* a copy of the request: the answer to the first one counts */
    ask_chunk(0, 1, "409"); /* there is none */
    expect_chunk(2, "first");
}

static void what_is_asked_wrongly_is_named(void **state)
{
    (void)state;
    begin();
    ask("GET /backup/0123456789abcdef?group=0&chunk=0", "404");
    ask("GET /backup/0123456789abcdef?group=0", "400");
    http_assert_has(&b->http, "'chunk'");
    ask("GET /backup/0123456789abcdef?group=x&chunk=0", "400");
    http_assert_has(&b->http, "'group'");
    ask("POST /backup/0123456789abcdef?step=copy", "404");
    ask_step("jump", "400");
    http_assert_has(&b->http, "'step'");
}

static void who_leads_nothing_says_so(void **state)
{
    (void)state;
    b->led = 0;
    copy();
    http_assert_has(&b->http, "\"groups\":[]");
}

/* What was a replica when the checkpoint was ordered may be an empty one by now. */
static void a_group_that_has_left_is_not_given(void **state)
{
    (void)state;
    b->holder = SELF + 1;
    copy();
    http_assert_has(&b->http, "\"groups\":[]");
    ask_chunk(0, 0, "410");
}

static void not_more_than_two_at_once(void **state)
{
    (void)state;
    begin();
    begin();
    ask("POST /backup", "503");
    end_backup("200");
    begin();
}

static bool asked_again(struct http_world *w)
{
    static unsigned seen;
    bool again = b->saves != seen;

    (void)w;
    seen = b->saves;
    return again;
}

/* More often than there is room for, so one that stayed would have the last one refused. */
static void who_goes_away_while_it_waits_leaves_nothing(void **state)
{
    (void)state;
    b->late = true;
    for (unsigned i = 0; i <= CFS_BACKUPS_MAX; i++) {
        write_request("POST /backup");
        http_turn_until(&b->http, asked_again);
        http_close_client(&b->http);
        http_open_client(&b->http);
        http_turn_until(&b->http, turned_some);
    }
    b->late = false;
    copy();
    expect_chunk(0, "first");
}

static void who_waits_when_the_node_ends_is_told(void **state)
{
    (void)state;
    b->late = true;
    write_request("POST /backup");
    http_turn_until(&b->http, turned_some);
    cfs_backups_free(b->backups);
    b->backups = NULL;
    http_turn_until(&b->http, http_replied);
    http_assert_status(&b->http, "503");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up_bench, tear_down_bench)
        T(what_the_node_leads_is_copied),
        T(a_copy_is_of_its_moment),
        T(it_waits_for_a_checkpoint_that_was_ordered_since),
        T(moves_are_held_until_it_is_read_or_given_up),
        T(as_long_as_one_of_two_holds_moves_they_are_held),
        T(steps_have_an_order),
        T(chunks_come_in_order_and_once),
        T(what_is_asked_wrongly_is_named),
        T(who_leads_nothing_says_so),
        T(a_group_that_has_left_is_not_given),
        T(not_more_than_two_at_once),
        T(who_goes_away_while_it_waits_leaves_nothing),
        T(who_waits_when_the_node_ends_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
