/* The cache at the leader: what is shared, what a change recalls, and what it waits for. */
#include "core_home_bench.h"

#include <stdlib.h>
#include <string.h>

#define FILE_A ((cfs_ino)100)
#define EPOCH 7u

static struct home_bench hb;

static struct bench *bench(void)
{
    return &hb.rb.bench;
}

static void pass(cfs_time duration)
{
    for (; duration; duration -= CFS_MS(10))
        home_bench_tick_in_contact(&hb, CFS_MS(10));
}

static int set_up(void **state)
{
    (void)state;
    home_bench_open(&hb);
    pass(CFS_MS(1100)); /* what a home before it had shared is over */
    bench_clear(bench());
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    home_bench_close(&hb);
    return 0;
}

static void forward(const struct cfs_command *command, uint64_t epoch)
{
    struct cfs_writer writer = {0};

    cfs_command_encode(&writer, command);
    home_bench_receive(
        &hb, (struct cfs_message){
                 .type = CFS_MSG_FORWARD,
                 .from = command->node,
                 .term = hb.rb.raft.term,
                 .forward = {.epoch = epoch, .command = writer.data, .len = (uint32_t)writer.len}});
}

static uint64_t ask(cfs_node_id node, struct cfs_request request)
{
    struct cfs_command command = home_bench_command(&hb, node, request);

    forward(&command, EPOCH);
    return command.sequence;
}

static struct cfs_request put(cfs_ino ino, bool laundered)
{
    return (struct cfs_request){.op = CFS_OP_CACHE_PUT,
                                .cache_put = {.ino = ino,
                                              .kind = CFS_PUT_REPLACE,
                                              .laundered = laundered,
                                              .max = 1000,
                                              .data = (const uint8_t *)"abc",
                                              .len = 3}};
}

static struct cfs_request make(cfs_ino parent, const char *name)
{
    struct cfs_request request = {
        .op = CFS_OP_CACHE_MAKE,
        .cache_make = {.parent = parent, .type = CFS_INODE_FILE, .exclusive = true, .perm = 0644}};

    strcpy(request.name, name);
    return request;
}

static struct cfs_request remove_name(cfs_ino parent, const char *name)
{
    struct cfs_request request = {.op = CFS_OP_CACHE_REMOVE, .cache_remove = {.parent = parent}};

    strcpy(request.name, name);
    return request;
}

static struct cfs_answer command_answer(cfs_node_id node, uint64_t sequence)
{
    struct cfs_answer answer = {0};

    assert_non_null(home_bench_said(&hb, CFS_TO_COMMAND, node, sequence, &answer));
    return answer;
}

static bool is_answered(cfs_node_id node, uint64_t sequence)
{
    return home_bench_said(&hb, CFS_TO_COMMAND, node, sequence, NULL) != NULL;
}

static struct cfs_answer read_under(cfs_node_id node, enum cfs_op op, cfs_ino ino, const char *name,
                                    uint64_t epoch)
{
    static uint64_t id;
    struct cfs_answer answer = {0};
    struct cfs_message message = {
        .type = CFS_MSG_READ,
        .from = node,
        .term = hb.rb.raft.term,
        .read = {.id = ++id, .op = op, .cache = {.ino = ino, .epoch = epoch}}};

    strcpy(message.read.name, name);
    home_bench_receive(&hb, message);
    assert_non_null(home_bench_said(&hb, CFS_TO_READ, node, id, &answer));
    return answer;
}

static bool fetch(cfs_node_id node, cfs_ino ino)
{
    return read_under(node, CFS_OP_CACHE_FETCH, ino, "", EPOCH).cache.share.epoch == EPOCH;
}

static const struct cfs_msg_recall *recalled_from(cfs_node_id node)
{
    const struct cfs_message *message = bench_sent(bench(), CFS_MSG_RECALL, node);

    return message ? &message->recall : NULL;
}

static void say_recalled(cfs_node_id node)
{
    uint64_t id = recalled_from(node)->id;

    home_bench_receive(&hb, (struct cfs_message){.type = CFS_MSG_RECALLED,
                                                 .from = node,
                                                 .term = hb.rb.raft.term,
                                                 .recalled = {.id = id}});
}

static void keep_share(cfs_node_id node, uint64_t epoch)
{
    home_bench_receive(&hb, (struct cfs_message){.type = CFS_MSG_SHARE_KEEP,
                                                 .from = node,
                                                 .term = hb.rb.raft.term,
                                                 .share_keep = {.epoch = epoch, .sent = 4711}});
}

/* Makes a file; its inode number. */
static cfs_ino make_file(const char *name)
{
    uint64_t sequence = ask(2, make(CFS_CACHE_ROOT, name));

    home_bench_commit(&hb);
    return command_answer(2, sequence).id;
}

static void what_nobody_shares_is_logged_at_once(void **state)
{
    uint64_t end = home_bench_log_end(&hb), sequence = ask(2, put(FILE_A, false));
    struct cfs_answer answer;

    (void)state;
    assert_int_equal(home_bench_log_end(&hb), end + 1);
    assert_false(is_answered(2, sequence));
    home_bench_commit(&hb);
    answer = command_answer(2, sequence);
    assert_int_equal(answer.error, CFS_OK);
    assert_int_equal(answer.cache.share.epoch, EPOCH);
    assert_int_equal(cfs_lines_state(&hb.home.lines, 2, cfs_line_number(FILE_A, true)), CFS_LINE_E);
}

static void others_give_up_before_it_is_logged(void **state)
{
    uint64_t end = home_bench_log_end(&hb), sequence;

    (void)state;
    assert_true(fetch(2, FILE_A));
    assert_true(fetch(3, FILE_A));
    sequence = ask(2, put(FILE_A, false));
    assert_null(recalled_from(2));
    assert_non_null(recalled_from(3));
    assert_true(recalled_from(3)->contents);
    assert_int_equal(recalled_from(3)->count, 1);
    assert_int_equal(recalled_from(3)->items[0].ino, FILE_A);
    assert_int_equal(home_bench_log_end(&hb), end);
    say_recalled(3);
    assert_int_equal(home_bench_log_end(&hb), end + 1);
    home_bench_commit(&hb);
    assert_int_equal(command_answer(2, sequence).error, CFS_OK);
    assert_true(fetch(3, FILE_A));
}

/* It may have them in a mapping, which asks nobody. */
static void who_was_told_the_old_meanwhile_is_recalled_before_the_answer(void **state)
{
    uint64_t sequence, first;
    struct cfs_command command;

    (void)state;
    assert_true(fetch(3, FILE_A));
    command = home_bench_command(&hb, 2, put(FILE_A, false));
    sequence = command.sequence;
    forward(&command, EPOCH);
    first = recalled_from(3)->id;
    assert_false(fetch(3, FILE_A)); /* before it says RECALLED, or after */
    say_recalled(3);
    home_bench_commit(&hb);
    assert_false(is_answered(2, sequence));
    assert_int_not_equal(recalled_from(3)->id, first);
    forward(&command, EPOCH); /* a resend is no way round */
    assert_false(is_answered(2, sequence));
    say_recalled(3);
    assert_int_equal(command_answer(2, sequence).error, CFS_OK);
    assert_true(fetch(3, FILE_A));
}

static uint64_t ask_patiently(cfs_node_id node)
{
    static uint64_t id = 5000;

    home_bench_receive(
        &hb,
        (struct cfs_message){.type = CFS_MSG_READ,
                             .from = node,
                             .term = hb.rb.raft.term,
                             .read = {.id = ++id,
                                      .op = CFS_OP_CACHE_FETCH,
                                      .cache = {.ino = FILE_A, .patient = true, .epoch = EPOCH}}});
    return id;
}

static void who_is_patient_is_told_the_new(void **state)
{
    uint64_t sequence, id = ask_patiently(3);
    struct cfs_answer answer;

    (void)state;
    assert_non_null(home_bench_said(&hb, CFS_TO_READ, 3, id, NULL)); /* nothing is under way */
    sequence = ask(2, put(FILE_A, false));
    id = ask_patiently(3);
    assert_null(home_bench_said(&hb, CFS_TO_READ, 3, id, NULL));
    say_recalled(3);
    assert_null(home_bench_said(&hb, CFS_TO_READ, 3, id, NULL));
    home_bench_commit(&hb);
    assert_non_null(home_bench_said(&hb, CFS_TO_READ, 3, id, &answer));
    assert_int_equal(answer.cache.content.size, 3);
    assert_int_equal(answer.cache.share.epoch, EPOCH);
    assert_int_equal(command_answer(2, sequence).error, CFS_OK);
    assert_int_equal(cfs_home_question_deadline(&hb.home), CFS_NEVER);
}

static void patience_ends(void **state)
{
    struct cfs_answer answer;
    uint64_t sequence, id;

    (void)state;
    fetch(3, FILE_A);
    sequence = ask(2, put(FILE_A, false));
    id = ask_patiently(3);
    assert_int_equal(cfs_home_question_deadline(&hb.home), bench()->env.now + CFS_MS(10));
    pass(CFS_MS(10));
    assert_non_null(home_bench_said(&hb, CFS_TO_READ, 3, id, &answer));
    assert_int_equal(answer.cache.content.version, 0);
    assert_int_equal(answer.cache.share.epoch, 0);
    say_recalled(3);
    home_bench_commit(&hb);
    assert_false(is_answered(2, sequence)); /* before what that was told is taken back */
}

static void a_resend_adds_nothing(void **state)
{
    uint64_t end = home_bench_log_end(&hb);
    struct cfs_command command = home_bench_command(&hb, 2, put(FILE_A, false));

    (void)state;
    fetch(3, FILE_A);
    forward(&command, EPOCH);
    forward(&command, EPOCH + 1);
    assert_int_equal(bench_sent_count(bench(), CFS_MSG_RECALL, 3), 1);
    say_recalled(3);
    forward(&command, EPOCH + 1);
    assert_int_equal(home_bench_log_end(&hb), end + 1);
    home_bench_commit(&hb);
    assert_int_equal(command_answer(2, command.sequence).cache.share.epoch, EPOCH + 1);
    bench_clear(bench());
    forward(&command, EPOCH + 1);
    assert_int_equal(command_answer(2, command.sequence).error, CFS_OK);
    assert_int_equal(command_answer(2, command.sequence).cache.share.epoch, 0);
    assert_int_equal(home_bench_log_end(&hb), end + 1);
}

static void a_recall_is_sent_again_until_the_lease_is_over(void **state)
{
    uint64_t end = home_bench_log_end(&hb), sent;

    (void)state;
    fetch(3, FILE_A);
    ask(2, put(FILE_A, false));
    pass(CFS_MS(200));
    sent = bench_sent_count(bench(), CFS_MSG_RECALL, 3);
    assert_true(sent >= 4 && sent <= 6);
    pass(CFS_MS(700));
    assert_int_equal(home_bench_log_end(&hb), end);
    pass(CFS_MS(200));
    assert_int_equal(home_bench_log_end(&hb), end + 1);
    home_bench_commit(&hb);
    /* The epoch is over, and its node is told. */
    assert_false(fetch(3, FILE_A));
    assert_false(bench_sent(bench(), CFS_MSG_SHARE_KEPT, 3)->share_kept.known);
    assert_int_equal(bench_sent(bench(), CFS_MSG_SHARE_KEPT, 3)->share_kept.floor, EPOCH);
    assert_int_equal(read_under(3, CFS_OP_CACHE_FETCH, FILE_A, "", EPOCH + 1).cache.share.epoch,
                     EPOCH + 1);
}

static void a_lease_is_renewed_while_something_is_kept(void **state)
{
    const struct cfs_message *kept;
    uint64_t end = home_bench_log_end(&hb);

    (void)state;
    fetch(3, FILE_A);
    pass(CFS_MS(900));
    keep_share(3, EPOCH);
    kept = bench_sent(bench(), CFS_MSG_SHARE_KEPT, 3);
    assert_true(kept->share_kept.known);
    assert_int_equal(kept->share_kept.epoch, EPOCH);
    assert_int_equal(kept->share_kept.sent, 4711);
    pass(CFS_MS(500));
    ask(2, put(FILE_A, false));
    pass(CFS_MS(300));
    assert_int_equal(home_bench_log_end(&hb), end);
    keep_share(3, EPOCH - 1);
    assert_false(bench_sent(bench(), CFS_MSG_SHARE_KEPT, 3)->share_kept.known);
    pass(CFS_MS(300));
    assert_int_equal(home_bench_log_end(&hb), end + 1);
}

static void without_the_lease_nothing_is_renewed(void **state)
{
    (void)state;
    fetch(3, FILE_A);
    bench_clear(bench());
    home_bench_tick(&hb, CFS_MS(220));
    keep_share(3, EPOCH);
    assert_null(bench_sent(bench(), CFS_MSG_SHARE_KEPT, 3));
}

static void a_read_of_another_term_is_not_shared(void **state)
{
    struct cfs_answer answer;
    struct cfs_message message = {
        .type = CFS_MSG_READ,
        .from = 3,
        .term = hb.rb.raft.term - 1,
        .read = {.id = 1000, .op = CFS_OP_CACHE_FETCH, .cache = {.ino = FILE_A, .epoch = EPOCH}}};

    (void)state;
    home_bench_receive(&hb, message);
    assert_non_null(home_bench_said(&hb, CFS_TO_READ, 3, 1000, &answer));
    assert_int_equal(answer.cache.share.epoch, 0);
}

static void a_new_home_waits_for_what_the_last_one_shared(void **state)
{
    struct home_bench *fresh = &hb;
    uint64_t end;

    (void)state;
    home_bench_close(&hb);
    home_bench_open(fresh);
    assert_true(fetch(3, FILE_A));
    end = home_bench_log_end(&hb);
    ask(3, put(FILE_A, false));
    assert_false(fetch(2, FILE_A));
    pass(CFS_MS(1000) - (bench()->env.now + CFS_MS(1020) - hb.home.lines.open_at));
    assert_int_equal(home_bench_log_end(&hb), end);
    pass(CFS_MS(30));
    assert_int_equal(home_bench_log_end(&hb), end + 1);
}

static void changes_of_one_file_come_one_after_the_other(void **state)
{
    uint64_t end = home_bench_log_end(&hb), first, second;

    (void)state;
    first = ask(2, put(FILE_A, false));
    second = ask(3, put(FILE_A, false));
    ask(3, put(FILE_A + 1, false));
    assert_int_equal(home_bench_log_end(&hb), end + 2);
    home_bench_commit(&hb);
    assert_true(is_answered(2, first));
    /* Who has just been told that it may keep it gives it up again. */
    say_recalled(2);
    assert_int_equal(home_bench_log_end(&hb), end + 3);
    home_bench_commit(&hb);
    assert_int_equal(command_answer(3, second).error, CFS_OK);
}

static void what_would_fail_recalls_nothing(void **state)
{
    uint64_t end = home_bench_log_end(&hb), sequence;

    (void)state;
    read_under(3, CFS_OP_CACHE_LOOKUP, CFS_CACHE_ROOT, "none", EPOCH);
    sequence = ask(2, remove_name(CFS_CACHE_ROOT, "none"));
    assert_int_equal(command_answer(2, sequence).error, CFS_ERR_NO_FILE);
    assert_int_equal(home_bench_log_end(&hb), end);
    assert_null(recalled_from(3));
}

/* What is removed is, by its turn, something else: made anew by the change before. */
static void what_waited_looks_again_at_what_it_touches(void **state)
{
    cfs_ino old = make_file("a"), new;
    uint64_t second, third;

    (void)state;
    ask(2, remove_name(CFS_CACHE_ROOT, "a"));
    second = ask(2, remove_name(CFS_CACHE_ROOT, "a"));
    home_bench_commit(&hb);
    home_bench_commit(&hb);
    assert_int_equal(command_answer(2, second).error, CFS_ERR_NO_FILE);
    second = ask(2, make(CFS_CACHE_ROOT, "b"));
    home_bench_commit(&hb);
    new = command_answer(2, second).id;
    assert_int_not_equal(new, old);
    read_under(3, CFS_OP_CACHE_LOOKUP, CFS_CACHE_ROOT, "b", EPOCH);
    ask(2, make(CFS_CACHE_ROOT, "c"));
    third = ask(2, remove_name(CFS_CACHE_ROOT, "b"));
    say_recalled(3);
    home_bench_commit(&hb);
    assert_int_equal(recalled_from(3)->count, 2);
    assert_int_equal(recalled_from(3)->items[1].ino, new);
    say_recalled(3);
    home_bench_commit(&hb);
    assert_int_equal(command_answer(2, third).error, CFS_OK);
}

static void names_are_shared_with_their_directory(void **state)
{
    cfs_ino file = make_file("a");
    struct cfs_answer answer;

    (void)state;
    answer = read_under(3, CFS_OP_CACHE_LOOKUP, CFS_CACHE_ROOT, "a", EPOCH);
    assert_int_equal(answer.cache.share.epoch, EPOCH);
    assert_false(answer.cache.share.exclusive); /* who made it shares it */
    assert_int_equal(answer.cache.inode.ino, file);
    answer = read_under(3, CFS_OP_CACHE_LOOKUP, CFS_CACHE_ROOT, "none", EPOCH);
    assert_int_equal(answer.error, CFS_ERR_NO_FILE);
    assert_int_equal(answer.cache.share.epoch, EPOCH);
    answer = read_under(3, CFS_OP_CACHE_LIST, CFS_CACHE_ROOT, "", EPOCH);
    assert_int_equal(answer.cache.share.epoch, EPOCH);
    answer = read_under(3, CFS_OP_CACHE_NODE, 4711, "", EPOCH);
    assert_int_equal(answer.cache.share.epoch, 0);
    answer = read_under(3, CFS_OP_CACHE_NODE, file, "", 0);
    assert_int_equal(answer.cache.share.epoch, 0);

    ask(2, remove_name(CFS_CACHE_ROOT, "a"));
    assert_int_equal(recalled_from(3)->count, 2);
    assert_false(recalled_from(3)->contents);
    assert_string_equal(recalled_from(3)->items[0].name, "a");
    assert_int_equal(recalled_from(3)->items[1].ino, file);
    say_recalled(3);
    home_bench_commit(&hb);
    assert_int_equal(cfs_lines_state(&hb.home.lines, 3, cfs_line_number(CFS_CACHE_ROOT, false)),
                     CFS_LINE_S);
    assert_int_equal(cfs_lines_state(&hb.home.lines, 3, cfs_line_number(file, false)), CFS_LINE_I);
}

static void who_gives_up_a_directory_s_attributes_keeps_its_names(void **state)
{
    struct cfs_request request = {
        .op = CFS_OP_CACHE_SETNODE,
        .cache_set = {.ino = CFS_CACHE_ROOT, .fields = CFS_CACHE_PERM, .perm = 0700}};

    (void)state;
    read_under(3, CFS_OP_CACHE_LOOKUP, CFS_CACHE_ROOT, "none", EPOCH);
    ask(2, request);
    say_recalled(3);
    home_bench_commit(&hb);
    assert_int_equal(cfs_lines_state(&hb.home.lines, 3, cfs_line_number(CFS_CACHE_ROOT, false)),
                     CFS_LINE_S);
}

static void what_was_laundered_waits_for_nobody(void **state)
{
    uint64_t end = home_bench_log_end(&hb), sequence;

    (void)state;
    fetch(3, FILE_A);
    sequence = ask(2, put(FILE_A, true));
    assert_int_equal(home_bench_log_end(&hb), end + 1);
    home_bench_commit(&hb);
    assert_int_equal(command_answer(2, sequence).error, CFS_OK);
    assert_int_equal(command_answer(2, sequence).cache.share.epoch, EPOCH);
    /* Whoever else had it is told, and nothing is shared before it knows. */
    assert_non_null(recalled_from(3));
    assert_false(fetch(3, FILE_A));
    say_recalled(3);
    assert_true(fetch(3, FILE_A));
    assert_int_equal(home_bench_log_end(&hb), end + 1);
}

static void a_recall_may_wait_for_what_is_laundered(void **state)
{
    uint64_t end, sequence;

    (void)state;
    fetch(3, FILE_A);
    ask(2, put(FILE_A, false));
    end = home_bench_log_end(&hb);
    sequence = ask(3, put(FILE_A, true));
    assert_int_equal(home_bench_log_end(&hb), end + 1);
    home_bench_commit(&hb);
    assert_int_equal(command_answer(3, sequence).error, CFS_OK);
    assert_int_equal(command_answer(3, sequence).cache.share.epoch, 0);
    assert_int_equal(HASH_CNT(hh, hb.home.lines.by_id), 1);
    say_recalled(3);
    assert_int_equal(home_bench_log_end(&hb), end + 2);
}

static void what_is_cancelled_meanwhile_ends_when_its_turn_comes(void **state)
{
    struct cfs_command cancel;
    uint64_t sequence;

    (void)state;
    fetch(3, FILE_A);
    sequence = ask(2, put(FILE_A, false));
    cancel = home_bench_command(&hb, 2, (struct cfs_request){0});
    cancel.kind = CFS_CMD_CANCEL;
    cancel.target = sequence;
    forward(&cancel, 0);
    home_bench_commit(&hb);
    assert_int_equal(command_answer(2, sequence).error, CFS_ERR_INTERRUPTED);
    say_recalled(3);
    home_bench_commit(&hb);
    assert_null(hb.home.lines.by_id);
    assert_int_equal(read_under(3, CFS_OP_CACHE_FETCH, FILE_A, "", EPOCH).cache.content.version, 0);
}

static void leadership_that_is_lost_takes_all_with_it(void **state)
{
    (void)state;
    fetch(3, FILE_A);
    ask(2, put(FILE_A, false));
    ask(2, put(FILE_A, false));
    cfs_home_stop(&hb.home);
    assert_null(hb.home.lines.by_id);
    assert_null(hb.home.lines.by_number);
    assert_int_equal(cfs_home_changes_deadline(&hb.home), CFS_NEVER);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_nobody_shares_is_logged_at_once),
        TEST(others_give_up_before_it_is_logged),
        TEST(who_was_told_the_old_meanwhile_is_recalled_before_the_answer),
        TEST(who_is_patient_is_told_the_new),
        TEST(patience_ends),
        TEST(a_resend_adds_nothing),
        TEST(a_recall_is_sent_again_until_the_lease_is_over),
        TEST(a_lease_is_renewed_while_something_is_kept),
        TEST(without_the_lease_nothing_is_renewed),
        TEST(a_read_of_another_term_is_not_shared),
        TEST(a_new_home_waits_for_what_the_last_one_shared),
        TEST(changes_of_one_file_come_one_after_the_other),
        TEST(what_would_fail_recalls_nothing),
        TEST(what_waited_looks_again_at_what_it_touches),
        TEST(names_are_shared_with_their_directory),
        TEST(who_gives_up_a_directory_s_attributes_keeps_its_names),
        TEST(what_was_laundered_waits_for_nobody),
        TEST(a_recall_may_wait_for_what_is_laundered),
        TEST(what_is_cancelled_meanwhile_ends_when_its_turn_comes),
        TEST(leadership_that_is_lost_takes_all_with_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
