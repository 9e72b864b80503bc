/* Requests to queues as bytes: what goes in comes out, and nothing else is let in; as
 * test_command.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/command.h"

static const uint8_t bodies[] = "onetwothree";
static const uint32_t lengths[] = {3, 3, 0, 5};
static const uint64_t ids[CFS_CONSUME_MAX + 1] = {0x1122334455667788, 2, 3};

static struct cfs_command request(enum cfs_op op)
{
    struct cfs_command command = {.kind = CFS_CMD_REQUEST,
                                  .node = 3,
                                  .session = 9,
                                  .sequence = 42,
                                  .oldest = 40,
                                  .request = {.op = op}};

    strcpy(command.request.name, "queue with\nodd bytes\xff");
    return command;
}

static struct cfs_command produce(uint32_t count)
{
    struct cfs_command command = request(CFS_OP_PRODUCE);

    command.request.produce =
        (struct cfs_produce){.data = bodies, .len = 11, .wait = true, .key = 0xfedcba9876543210};
    if (!count)
        return command;
    command.request.produce.lengths = lengths;
    command.request.produce.count = count;
    return command;
}

static struct cfs_command settle(enum cfs_op op, enum cfs_message_place place, uint32_t count)
{
    struct cfs_command command = request(op);

    command.request.settle = (struct cfs_settle){.place = place, .ids = ids, .count = count};
    return command;
}

static struct cfs_command consume(bool wait, bool bound, bool leased, uint32_t max)
{
    struct cfs_command command = request(CFS_OP_CONSUME);

    command.request.consume =
        (struct cfs_consume){.wait = wait, .bound = bound, .leased = leased, .max = max};
    return command;
}

static struct cfs_command move(enum cfs_message_place place, const char *to)
{
    struct cfs_command command = request(CFS_OP_MESSAGE_MOVE);

    command.request.message_move = (struct cfs_message_move){.place = place, .id = 77};
    strcpy(command.request.message_move.to, to);
    return command;
}

static struct cfs_command config(uint32_t fields)
{
    struct cfs_command command = request(CFS_OP_QUEUE_CONFIG);

    command.request.queue_set = (struct cfs_queue_set){.fields = fields,
                                                       .uid = 5,
                                                       .config = {.visibility_ms = 1,
                                                                  .max_deliveries = 2,
                                                                  .max_messages = 3,
                                                                  .max_bytes = 4,
                                                                  .framing = CFS_FRAMING_FILE}};
    return command;
}

static struct cfs_command setattr(uint32_t fields)
{
    struct cfs_command command = request(CFS_OP_QUEUE_SETATTR);

    command.request.setattr = (struct cfs_setattr){
        .fields = fields, .caller = 1, .perm = 0600, .uid = 2, .gid = 3, .mtime = 6};
    return command;
}

static struct cfs_command make(void)
{
    struct cfs_command command = request(CFS_OP_QUEUE_MAKE);

    command.request.queue_make =
        (struct cfs_queue_make){.uid = 1, .gid = 2, .perm = 0640, .exclusive = true};
    return command;
}

static struct cfs_command caller(enum cfs_op op)
{
    struct cfs_command command = request(op);

    command.request.queue_caller.uid = 1000;
    return command;
}

#define SAMPLES_MAX 24

static size_t samples(struct cfs_command *out)
{
    size_t count = 0;

    out[count++] = produce(0);
    out[count++] = produce(4);
    out[count++] = consume(true, true, false, 1);
    out[count++] = consume(false, false, true, CFS_CONSUME_MAX);
    out[count++] = settle(CFS_OP_ACK, CFS_INFLIGHT, 3);
    out[count++] = settle(CFS_OP_ACK, CFS_DEAD, 1);
    out[count++] = settle(CFS_OP_GIVE_BACK, CFS_INFLIGHT, 2);
    out[count++] = settle(CFS_OP_EXTEND, CFS_INFLIGHT, 1);
    out[count++] = move(CFS_INFLIGHT, "to");
    out[count++] = move(CFS_DEAD, "x");
    out[count++] = make();
    out[count++] = caller(CFS_OP_QUEUE_REMOVE);
    out[count++] = caller(CFS_OP_PURGE);
    out[count++] = setattr(CFS_SET_PERM | CFS_SET_MTIME_NOW);
    out[count++] = config(31);
    out[count++] = config(CFS_CONFIG_MAX_BYTES);
    out[count++] = config(0);
    assert_true(count <= SAMPLES_MAX);
    return count;
}

static struct cfs_writer encoded(const struct cfs_command *command)
{
    struct cfs_writer writer = {0};

    cfs_command_encode(&writer, command);
    return writer;
}

/* From an exact copy, so that reading past the end is seen by the sanitizer. */
static int decode_copy(struct cfs_command *got, const uint8_t *data, size_t len, uint8_t **copy)
{
    *copy = malloc(len ? len : 1);
    assert_non_null(*copy);
    memcpy(*copy, data, len);
    return cfs_command_decode(got, *copy, len);
}

static bool is_accepted(struct cfs_command command)
{
    struct cfs_writer writer = encoded(&command);
    bool valid = cfs_command_valid(writer.data, writer.len);

    free(writer.data);
    return valid;
}

static void check_settle(const struct cfs_settle *got, const struct cfs_settle *want)
{
    assert_int_equal(got->place, want->place);
    assert_int_equal(got->count, want->count);
    assert_memory_equal(got->ids, want->ids, want->count * sizeof *want->ids);
}

static void check_produce(const struct cfs_produce *got, const struct cfs_produce *want)
{
    assert_int_equal(got->wait, want->wait);
    assert_int_equal(got->key, want->key);
    assert_int_equal(got->len, want->len);
    assert_memory_equal(got->data, want->data, want->len);
    assert_int_equal(got->count, want->count);
    if (want->count)
        assert_memory_equal(got->lengths, want->lengths, want->count * sizeof *want->lengths);
    else
        assert_null(got->lengths);
}

static void check_config(const struct cfs_queue_set *got, const struct cfs_queue_set *want)
{
    uint32_t fields = want->fields;

    assert_int_equal(got->fields, fields);
    assert_int_equal(got->uid, want->uid);
    assert_int_equal(got->config.visibility_ms, fields & CFS_CONFIG_VISIBILITY ? 1 : 0);
    assert_int_equal(got->config.max_deliveries, fields & CFS_CONFIG_MAX_DELIVERIES ? 2 : 0);
    assert_int_equal(got->config.max_messages, fields & CFS_CONFIG_MAX_MESSAGES ? 3 : 0);
    assert_int_equal(got->config.max_bytes, fields & CFS_CONFIG_MAX_BYTES ? 4 : 0);
    assert_int_equal(got->config.framing, fields & CFS_CONFIG_FRAMING ? CFS_FRAMING_FILE : 0);
}

static void check(const struct cfs_request *got, const struct cfs_request *want)
{
    assert_int_equal(got->op, want->op);
    assert_string_equal(got->name, want->name);
    switch (want->op) {
    case CFS_OP_PRODUCE:
        check_produce(&got->produce, &want->produce);
        break;
    case CFS_OP_CONSUME:
        assert_memory_equal(&got->consume, &want->consume, sizeof want->consume);
        break;
    case CFS_OP_MESSAGE_MOVE:
        assert_int_equal(got->message_move.place, want->message_move.place);
        assert_int_equal(got->message_move.id, want->message_move.id);
        assert_string_equal(got->message_move.to, want->message_move.to);
        break;
    case CFS_OP_QUEUE_MAKE:
        assert_int_equal(got->queue_make.uid, want->queue_make.uid);
        assert_int_equal(got->queue_make.gid, want->queue_make.gid);
        assert_int_equal(got->queue_make.perm, want->queue_make.perm);
        assert_int_equal(got->queue_make.exclusive, want->queue_make.exclusive);
        break;
    case CFS_OP_QUEUE_REMOVE:
    case CFS_OP_PURGE:
        assert_int_equal(got->queue_caller.uid, want->queue_caller.uid);
        break;
    case CFS_OP_QUEUE_SETATTR:
        assert_int_equal(got->setattr.fields, want->setattr.fields);
        assert_int_equal(got->setattr.caller, want->setattr.caller);
        assert_int_equal(got->setattr.perm, want->setattr.perm);
        assert_int_equal(got->setattr.uid, want->setattr.uid);
        assert_int_equal(got->setattr.gid, want->setattr.gid);
        assert_int_equal(got->setattr.mtime, want->setattr.mtime);
        break;
    case CFS_OP_QUEUE_CONFIG:
        check_config(&got->queue_set, &want->queue_set);
        break;
    default:
        check_settle(&got->settle, &want->settle);
    }
}

static void requests_come_out_as_they_went_in(void **state)
{
    struct cfs_command commands[SAMPLES_MAX], got;
    size_t count = samples(commands);
    uint8_t *copy;

    (void)state;
    for (size_t i = 0; i < count; i++) {
        struct cfs_writer writer = encoded(&commands[i]);
        assert_int_equal(decode_copy(&got, writer.data, writer.len, &copy), 0);
        check(&got.request, &commands[i].request);
        cfs_command_clear(&got);
        assert_null(got.owned);
        free(copy);
        free(writer.data);
    }
}

static void every_cut_is_refused(void **state)
{
    struct cfs_command commands[SAMPLES_MAX], got;
    size_t count = samples(commands);
    uint8_t *copy;

    (void)state;
    for (size_t i = 0; i < count; i++) {
        struct cfs_writer writer = encoded(&commands[i]);
        for (size_t len = 0; len < writer.len; len++) {
            assert_int_equal(decode_copy(&got, writer.data, len, &copy), -1);
            assert_null(got.owned);
            free(copy);
        }
        cfs_put_u8(&writer, 0);
        assert_int_equal(cfs_command_decode(&got, writer.data, writer.len), -1);
        free(writer.data);
    }
}

static void check_damaged(const struct cfs_writer *writer)
{
    struct cfs_command got;
    uint8_t *copy;

    if (decode_copy(&got, writer->data, writer->len, &copy) == 0) {
        struct cfs_writer again = encoded(&got);
        assert_int_equal(again.len, writer->len);
        assert_memory_equal(again.data, writer->data, again.len);
        free(again.data);
        cfs_command_clear(&got);
    }
    assert_null(got.owned);
    free(copy);
}

static void damage_is_refused_or_means_itself(void **state)
{
    struct cfs_command commands[SAMPLES_MAX];
    size_t count = samples(commands);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        struct cfs_writer writer = encoded(&commands[i]);
        for (size_t at = 0; at < writer.len; at++) {
            uint8_t was = writer.data[at];
            for (unsigned value = 0; value < 256; value++) {
                writer.data[at] = (uint8_t)value;
                check_damaged(&writer);
            }
            writer.data[at] = was;
        }
        free(writer.data);
    }
}

static void names_of_queues_have_no_leading_dot(void **state)
{
    struct cfs_command commands[SAMPLES_MAX];
    size_t count = samples(commands);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        strcpy(commands[i].request.name, ".hidden");
        assert_false(is_accepted(commands[i]));
        strcpy(commands[i].request.name, "a/b");
        assert_false(is_accepted(commands[i]));
        strcpy(commands[i].request.name, "q.");
        assert_true(is_accepted(commands[i]));
    }
    assert_false(is_accepted(move(CFS_DEAD, ".to")));
    assert_false(is_accepted(move(CFS_DEAD, "")));
}

static void what_is_produced_adds_up(void **state)
{
    struct cfs_command command = produce(4);

    (void)state;
    command.request.produce.len = 10;
    assert_false(is_accepted(command));
    command = produce(3); /* six bytes of eleven */
    assert_false(is_accepted(command));
    command.request.produce.len = 6;
    assert_true(is_accepted(command));
}

static void messages_have_a_limit(void **state)
{
    uint8_t *data = calloc(1, CFS_MESSAGE_MAX + 1);
    uint32_t *many = calloc(CFS_PRODUCE_MAX + 1, sizeof *many);
    struct cfs_command command = produce(0);
    struct cfs_writer writer;

    (void)state;
    memset(command.request.name, 'n', CFS_NAME_MAX);
    command.ack_count = CFS_ACKS_MAX;
    command.request.produce.data = data;
    command.request.produce.len = CFS_MESSAGE_MAX;
    command.request.produce.lengths = many;
    command.request.produce.count = CFS_PRODUCE_MAX;
    many[7] = CFS_MESSAGE_MAX;
    writer = encoded(&command);
    assert_true(writer.len <= CFS_COMMAND_MAX);
    assert_true(cfs_command_valid(writer.data, writer.len));
    free(writer.data);
    command.request.produce.count++;
    assert_false(is_accepted(command));
    command.request.produce.lengths = NULL;
    assert_true(is_accepted(command));
    command.request.produce.len++;
    assert_false(is_accepted(command));
    free(many);
    free(data);
}

static void numbers_of_claims_have_bounds(void **state)
{
    (void)state;
    assert_true(is_accepted(settle(CFS_OP_ACK, CFS_INFLIGHT, CFS_CONSUME_MAX)));
    assert_false(is_accepted(settle(CFS_OP_ACK, CFS_INFLIGHT, CFS_CONSUME_MAX + 1)));
    assert_false(is_accepted(settle(CFS_OP_ACK, CFS_INFLIGHT, 0)));
    assert_true(is_accepted(consume(true, false, false, CFS_CONSUME_MAX)));
    assert_false(is_accepted(consume(true, false, false, CFS_CONSUME_MAX + 1)));
    assert_false(is_accepted(consume(true, false, false, 0)));
}

static void what_contradicts_itself_is_refused(void **state)
{
    (void)state;
    assert_false(is_accepted(consume(true, true, true, 1)));
    assert_false(is_accepted(settle(CFS_OP_ACK, CFS_READY, 1)));
    assert_false(is_accepted(settle(CFS_OP_GIVE_BACK, CFS_DEAD, 1)));
    assert_false(is_accepted(settle(CFS_OP_EXTEND, CFS_DEAD, 1)));
    assert_false(is_accepted(move(CFS_READY, "to")));
    assert_false(is_accepted(setattr(CFS_SET_SIZE)));
    assert_false(is_accepted(setattr(64)));
}

static void settings_have_their_ranges(void **state)
{
    struct cfs_command command = config(31);

    (void)state;
    command.request.queue_set.config.visibility_ms = 0;
    assert_false(is_accepted(command));
    command = config(31);
    command.request.queue_set.config.max_deliveries = 0;
    assert_false(is_accepted(command));
    command = config(31);
    command.request.queue_set.config.framing = 0;
    assert_false(is_accepted(command));
    command.request.queue_set.config.framing = CFS_FRAMING_FILE + 1;
    assert_false(is_accepted(command));
    command.request.queue_set.fields = CFS_CONFIG_MAX_BYTES; /* the others do not matter */
    assert_true(is_accepted(command));
    assert_false(is_accepted(config(32)));
}

static void reads_are_no_commands(void **state)
{
    (void)state;
    for (int op = CFS_OP_LAST_CHANGE + 1; op <= CFS_OP_LAST + 1; op++)
        assert_false(is_accepted(request(op)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_come_out_as_they_went_in),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(damage_is_refused_or_means_itself),
        cmocka_unit_test(names_of_queues_have_no_leading_dot),
        cmocka_unit_test(what_is_produced_adds_up),
        cmocka_unit_test(messages_have_a_limit),
        cmocka_unit_test(numbers_of_claims_have_bounds),
        cmocka_unit_test(what_contradicts_itself_is_refused),
        cmocka_unit_test(settings_have_their_ranges),
        cmocka_unit_test(reads_are_no_commands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
