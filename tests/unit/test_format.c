/* What another version of coordfs has written is named: each kind, with both versions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/command.h"
#include "core/format.h"
#include "core/group_head.h"
#include "core/machine.h"

static void nobody(void *arg, struct cfs_asker asker, bool queued, const struct cfs_answer *answer)
{
    (void)arg;
    (void)asker;
    (void)queued;
    (void)answer;
}

static void apply(struct cfs_machine *machine, uint64_t index, struct cfs_command command)
{
    struct cfs_writer writer = {0};
    struct cfs_entry *entry;

    cfs_command_encode(&writer, &command);
    entry = cfs_entry_new(CFS_ENTRY_COMMAND, index, 1, writer.data, (uint32_t)writer.len);
    cfs_machine_apply(machine, entry);
    cfs_entry_unref(entry);
    free(writer.data);
}

static struct cfs_request lock(void)
{
    return (struct cfs_request){
        .op = CFS_OP_ACQUIRE,
        .name = "lock",
        .acquire = {.mode = CFS_EXCLUSIVE, .kind = CFS_LOCKFILE, .form = CFS_FORM_FILE}};
}

static struct cfs_request make_queue(const char *name)
{
    struct cfs_request request = {.op = CFS_OP_QUEUE_MAKE, .queue_make = {.perm = 0666}};

    strcpy(request.name, name);
    return request;
}

static struct cfs_request produce(void)
{
    return (struct cfs_request){.op = CFS_OP_PRODUCE,
                                .name = "full",
                                .produce = {.data = (const uint8_t *)"m", .len = 1, .key = 7}};
}

static struct cfs_request await_message(void)
{
    return (struct cfs_request){
        .op = CFS_OP_CONSUME, .name = "empty", .consume = {.wait = true, .max = 1}};
}

static struct cfs_request deliver(void)
{
    return (struct cfs_request){
        .op = CFS_OP_DELIVER,
        .name = "full",
        .delivery = {.group = 2, .id = 1, .oldest = 1, .data = (const uint8_t *)"d", .len = 1}};
}

/* A machine with a piece of each kind. */
static void fill(struct cfs_machine *machine)
{
    struct cfs_request requests[] = {lock(),    make_queue("full"), make_queue("empty"),
                                     produce(), await_message(),    deliver()};
    struct cfs_command open = {
        .kind = CFS_CMD_OPEN_SESSION, .node = 1, .nonce = 1, .session_term = CFS_SECONDS(5)};
    struct cfs_command nodes = {
        .kind = CFS_CMD_FILL_NODES, .node = 1, .nodes = {{.id = 1}}, .node_count = 1};
    struct cfs_request write = {
        .op = CFS_OP_CACHE_PUT,
        .cache_put = {
            .ino = 2, .kind = CFS_PUT_APPEND, .max = 1, .data = (const uint8_t *)"e", .len = 1}};
    struct cfs_request make = {.op = CFS_OP_CACHE_MAKE,
                               .name = "f",
                               .cache_make = {.parent = CFS_CACHE_ROOT, .type = CFS_INODE_FILE}};
    struct cfs_answer answer = {0};
    uint64_t index = 0;

    cfs_machine_init(machine, nobody, NULL);
    apply(machine, ++index, open);
    apply(machine, ++index, nodes);
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        apply(machine, ++index,
              (struct cfs_command){.kind = CFS_CMD_REQUEST,
                                   .node = 1,
                                   .session = 1,
                                   .sequence = i + 1,
                                   .oldest = 1,
                                   .request = requests[i]});
    cfs_names_apply(machine->names, (struct cfs_moment){.index = ++index}, &make, &answer);
    answer = (struct cfs_answer){0};
    cfs_contents_apply(machine->contents, (struct cfs_moment){.index = ++index}, &write, &answer);
}

static void pieces_of_this_version_are_known_and_of_others_named(void **state)
{
    struct cfs_machine machine;
    struct cfs_writer pieces = {0};
    struct cfs_reader reader;
    struct cfs_piece piece;
    unsigned seen = 0, bodies = 0;

    (void)state;
    fill(&machine);
    cfs_machine_save(&machine, &pieces);
    reader = (struct cfs_reader){.data = pieces.data, .len = pieces.len};
    while (cfs_piece_next(&reader, &piece)) {
        uint8_t *value = malloc(piece.value_len);
        struct cfs_format format;
        if (piece.key[0] >= CFS_PIECE_BODY) { /* bytes, of no version */
            bodies++;
            free(value);
            continue;
        }
        memcpy(value, piece.value, piece.value_len);
        assert_false(
            cfs_format_of_piece(piece.key, piece.key_len, value, piece.value_len, &format));
        value[0]++;
        assert_true(cfs_format_of_piece(piece.key, piece.key_len, value, piece.value_len, &format));
        assert_int_equal(format.known, piece.value[0]);
        assert_int_equal(format.found, piece.value[0] + 1);
        assert_non_null(format.what);
        assert_non_null(cfs_format_kind(piece.key[0]));
        seen |= 1u << piece.key[0];
        free(value);
    }
    assert_int_equal(seen, (1u << CFS_PIECE_TAG_COUNT) - 2); /* each kind there is */
    assert_int_equal(bodies, 3);                             /* of messages two */
    free(pieces.data);
    cfs_machine_close(&machine);
}

static void a_kind_that_is_not_known_is_named_by_its_number(void **state)
{
    uint8_t key[] = {200, 1}, value[] = {1};
    struct cfs_format format;

    (void)state;
    assert_true(cfs_format_of_piece(key, sizeof key, value, sizeof value, &format));
    assert_int_equal(format.known, 0);
    assert_int_equal(format.found, 200);
    assert_null(cfs_format_kind(200));
    assert_null(cfs_format_kind(0));
}

static void heads_have_a_version(void **state)
{
    struct cfs_group_head head = {.base = {.index = 1, .term = 1}};
    struct cfs_writer writer = {0};
    struct cfs_format format;

    (void)state;
    cfs_group_head_encode(&writer, &head);
    assert_false(cfs_format_of_head(writer.data, writer.len, &format));
    writer.data[0] = 77;
    assert_true(cfs_format_of_head(writer.data, writer.len, &format));
    assert_true(format.found == 77 && format.known == CFS_GROUP_HEAD_VERSION);
    free(writer.data);
}

static void check_entry(enum cfs_entry_kind kind, struct cfs_writer *data)
{
    struct cfs_entry *entry = cfs_entry_new(kind, 1, 1, data->data, (uint32_t)data->len);
    struct cfs_format format;

    assert_false(cfs_format_of_entry(entry, &format));
    entry->data[0] += 7;
    assert_true(cfs_format_of_entry(entry, &format));
    assert_int_equal(format.found, format.known + 7);
    cfs_entry_unref(entry);
    data->len = 0;
}

static void entries_have_versions(void **state)
{
    struct cfs_command command = {.kind = CFS_CMD_EXPIRE_LEASED, .node = 1};
    struct cfs_membership members = {.voters = 2};
    struct cfs_entry *nothing = cfs_entry_new(CFS_ENTRY_NOOP, 1, 1, NULL, 0);
    struct cfs_writer writer = {0};
    struct cfs_format format;

    (void)state;
    cfs_command_encode(&writer, &command);
    check_entry(CFS_ENTRY_COMMAND, &writer);
    cfs_membership_encode(&writer, &members);
    check_entry(CFS_ENTRY_MEMBERS, &writer);
    assert_false(cfs_format_of_entry(nothing, &format));
    cfs_entry_unref(nothing);
    free(writer.data);
}

static void a_body_is_of_no_version(void **state)
{
    uint8_t key[] = {CFS_PIECE_BODY, 1}, value[] = {99};
    struct cfs_format format;

    (void)state;
    assert_false(cfs_format_of_piece(key, sizeof key, value, sizeof value, &format));
    assert_non_null(cfs_format_kind(CFS_PIECE_BODY));
    key[0] = CFS_PIECE_EXTENT;
    assert_false(cfs_format_of_piece(key, sizeof key, value, sizeof value, &format));
    assert_non_null(cfs_format_kind(CFS_PIECE_EXTENT));
}

static void nothing_is_of_no_version(void **state)
{
    struct cfs_format format;

    (void)state;
    assert_false(cfs_format_of_head(NULL, 0, &format));
    assert_false(cfs_format_of_piece(NULL, 0, NULL, 0, &format));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_this_version_are_known_and_of_others_named),
        cmocka_unit_test(a_kind_that_is_not_known_is_named_by_its_number),
        cmocka_unit_test(heads_have_a_version),
        cmocka_unit_test(entries_have_versions),
        cmocka_unit_test(a_body_is_of_no_version),
        cmocka_unit_test(nothing_is_of_no_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
