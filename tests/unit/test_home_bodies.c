/* Answers whose messages are on the disk: held until they have been read, once for all resends. */
#include "core_home_bench.h"
#include "queue_requests.h"

#include <stdlib.h>
#include <string.h>

static struct home_bench hb;

/* Two messages, "a" and "b", whose bodies are on the disk alone, and one that is in memory. */
static int set_up(void **state)
{
    struct cfs_writer pieces = {0};

    home_bench_open(&hb);
    home_bench_do(&hb, 2, make_queue("q"));
    home_bench_do(&hb, 2, produce_to("q", "a", true));
    home_bench_do(&hb, 2, produce_to("q", "b", true));
    cfs_machine_save(&hb.machine, &pieces);
    cfs_machine_saved(&hb.machine);
    free(pieces.data);
    home_bench_do(&hb, 2, produce_to("q", "c", true));
    bench_clear(&hb.rb.bench);
    *state = &hb;
    return 0;
}

static int tear_down(void **state)
{
    home_bench_close(*state);
    return 0;
}

static uint32_t reads(void)
{
    return bench_effect_count(&hb.rb.bench, CFS_FX_READ);
}

static struct cfs_request consume(uint32_t max)
{
    struct cfs_request request = consume_from("q", true);

    request.consume.max = max;
    return request;
}

/* The disk answers the newest read: a byte of `bodies` for each of the keys it asked for; '-' where
 * there is none. */
static void read_done(const char *bodies)
{
    const struct cfs_effect *effect = bench_effect(&hb.rb.bench, CFS_FX_READ);
    struct cfs_reader keys = {.data = effect->read.keys.data, .len = effect->read.keys.len};
    struct cfs_writer pieces = {0};

    for (; keys.at < keys.len; bodies++) {
        struct cfs_piece_key key = {0};
        const uint8_t *bytes = cfs_get_bytes(&keys, &key.len);
        memcpy(key.bytes, bytes, key.len);
        assert_int_equal(bytes[0], CFS_PIECE_BODY);
        assert_true(*bodies);
        if (*bodies != '-')
            cfs_piece_put(&pieces, &key,
                          &(struct cfs_writer){.data = (uint8_t *)(uintptr_t)bodies, .len = 1});
    }
    assert_false(*bodies);
    cfs_home_pieces_read(&hb.home, &(struct cfs_read_pieces){
                                       .id = effect->id, .data = pieces.data, .len = pieces.len});
    free(pieces.data);
}

/* Bodies as a string: what the answer handed out. */
static void handed(cfs_node_id node, uint64_t sequence, const char *bodies)
{
    const struct cfs_msg_answer *said = home_bench_said(&hb, CFS_TO_COMMAND, node, sequence, NULL);
    struct cfs_answer answer;
    void *owned;

    assert_non_null(said);
    assert_int_equal(cfs_answer_decode(&answer, &owned, said->answer, said->len), 0);
    assert_int_equal(answer.error, CFS_OK);
    assert_int_equal(answer.message_count, strlen(bodies));
    for (uint32_t i = 0; i < answer.message_count; i++)
        assert_memory_equal(answer.messages[i].body, bodies + i, 1);
    free(owned);
}

static bool answered(cfs_node_id node, uint64_t sequence)
{
    return home_bench_said(&hb, CFS_TO_COMMAND, node, sequence, NULL);
}

static void who_is_handed_an_old_message_waits_for_its_body(void **state)
{
    uint64_t sequence = home_bench_do(&hb, 3, consume(1));

    (void)state;
    assert_false(answered(3, sequence));
    assert_int_equal(reads(), 1);
    read_done("a");
    handed(3, sequence, "a");
    assert_null(hb.home.held);
}

static void only_what_is_not_in_memory_is_read(void **state)
{
    uint64_t sequence = home_bench_do(&hb, 3, consume(3));

    (void)state;
    assert_int_equal(reads(), 1);
    assert_int_equal(bench_effect(&hb.rb.bench, CFS_FX_READ)->read.keys.len, 2 * (4 + 9));
    read_done("ab");
    handed(3, sequence, "abc");
}

static void young_messages_wait_for_nothing(void **state)
{
    uint64_t sequence;

    (void)state;
    home_bench_do(&hb, 2, consume(2));
    sequence = home_bench_do(&hb, 3, consume(1));
    handed(3, sequence, "c");
}

static void a_resend_reads_nothing_again(void **state)
{
    struct cfs_command command = home_bench_command(&hb, 3, consume(1));

    (void)state;
    home_bench_forward(&hb, &command);
    home_bench_commit(&hb);
    home_bench_forward(&hb, &command);
    home_bench_forward(&hb, &command);
    assert_int_equal(reads(), 1);
    read_done("a");
    handed(3, command.sequence, "a");
    home_bench_forward(&hb, &command); /* its answer was lost */
    assert_int_equal(reads(), 2);
}

/* Its claim has passed while it was read, and another one was quicker. */
static void what_is_gone_meanwhile_is_left_out(void **state)
{
    uint64_t sequence = home_bench_do(&hb, 3, consume(2));
    struct cfs_queue_read inflight = {.place = CFS_INFLIGHT};
    struct cfs_answer answer = {0};
    uint64_t *claims = cfs_queues_list_messages(hb.machine.queues, "q", &inflight, &answer);
    cfs_claim_id first = claims[0], second = claims[1];

    (void)state;
    free(claims);
    home_bench_do(&hb, 2, settle_claim(CFS_OP_ACK, "q", &first));
    read_done("-b");
    handed(3, sequence, "b");
    home_bench_do(&hb, 3, consume(1)); /* "c", so that nothing is left */
    home_bench_do(&hb, 2, settle_claim(CFS_OP_GIVE_BACK, "q", &second));
    sequence = home_bench_do(&hb, 3, consume(1));
    home_bench_do(&hb, 2, of_queue(CFS_OP_PURGE, "q"));
    claims = cfs_queues_list_messages(hb.machine.queues, "q", &inflight, &answer);
    second = claims[answer.id_count - 1];
    free(claims);
    home_bench_do(&hb, 2, settle_claim(CFS_OP_ACK, "q", &second));
    read_done("-");
    assert_int_equal(home_bench_error(&hb, CFS_TO_COMMAND, 3, sequence), CFS_ERR_NOT_CLAIMED);
}

static void a_look_at_a_message_waits_likewise(void **state)
{
    struct cfs_queue_read ready = {.place = CFS_READY};
    struct cfs_answer answer = {0};
    uint64_t *ids = cfs_queues_list_messages(hb.machine.queues, "q", &ready, &answer);
    struct cfs_message message = {.type = CFS_MSG_READ,
                                  .from = 3,
                                  .term = hb.rb.raft.term,
                                  .read = {.id = 7,
                                           .op = CFS_OP_MESSAGE_GET,
                                           .name = "q",
                                           .queue = {.place = CFS_READY, .number = ids[0]}}};

    (void)state;
    free(ids);
    home_bench_receive(&hb, message);
    assert_null(home_bench_said(&hb, CFS_TO_READ, 3, 7, NULL));
    read_done("a");
    assert_non_null(home_bench_said(&hb, CFS_TO_READ, 3, 7, &answer));
    assert_int_equal(answer.message_count, 1);
    message.read.id = 8;
    home_bench_receive(&hb, message);
    home_bench_do(&hb, 2, of_queue(CFS_OP_PURGE, "q"));
    read_done("-");
    assert_int_equal(home_bench_error(&hb, CFS_TO_READ, 3, 8), CFS_ERR_NO_MESSAGE);
}

static void who_does_not_lead_any_more_answers_nothing(void **state)
{
    uint64_t sequence = home_bench_do(&hb, 3, consume(1));

    (void)state;
    cfs_home_stop(&hb.home);
    assert_null(hb.home.held);
    read_done("a");
    assert_false(answered(3, sequence));
}

#define ON_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BENCH(who_is_handed_an_old_message_waits_for_its_body),
        ON_BENCH(only_what_is_not_in_memory_is_read),
        ON_BENCH(young_messages_wait_for_nothing),
        ON_BENCH(a_resend_reads_nothing_again),
        ON_BENCH(what_is_gone_meanwhile_is_left_out),
        ON_BENCH(a_look_at_a_message_waits_likewise),
        ON_BENCH(who_does_not_lead_any_more_answers_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
