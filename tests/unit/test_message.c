/* Messages: what they own is freed once and copied deeply; entries are shared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/message.h"

static struct cfs_message append_of(struct cfs_entry *entry)
{
    struct cfs_message message = {.type = CFS_MSG_APPEND, .append = {.entry_count = 1}};

    message.append.entries = cfs_alloc(sizeof *message.append.entries);
    message.append.entries[0] = cfs_entry_ref(entry);
    return message;
}

static void clearing_empties_a_message_and_may_be_repeated(void **state)
{
    struct cfs_message message = {.type = CFS_MSG_ANSWER, .answer = {.len = 3}};

    (void)state;
    message.answer.answer = cfs_alloc(3);
    cfs_message_clear(&message);
    assert_int_equal(message.type, 0);
    assert_null(message.answer.answer);
    cfs_message_clear(&message);
}

static void a_copied_append_shares_its_entries_by_reference(void **state)
{
    struct cfs_entry *entry = cfs_entry_new(CFS_ENTRY_NOOP, 1, 1, NULL, 0);
    struct cfs_message message = append_of(entry);
    struct cfs_message copy = cfs_message_copy(&message);

    (void)state;
    assert_int_equal(entry->refs, 3);
    assert_ptr_not_equal(copy.append.entries, message.append.entries);
    assert_ptr_equal(copy.append.entries[0], entry);
    cfs_message_clear(&message);
    cfs_message_clear(&copy);
    assert_int_equal(entry->refs, 1);
    cfs_entry_unref(entry);
}

static void a_copied_command_or_answer_has_bytes_of_its_own(void **state)
{
    struct cfs_message forward = {.type = CFS_MSG_FORWARD, .forward = {.len = 3}};
    struct cfs_message answer = {.type = CFS_MSG_ANSWER, .answer = {.len = 3}};
    struct cfs_message copies[2];

    (void)state;
    forward.forward.command = cfs_alloc_copy("abc", 3);
    answer.answer.answer = cfs_alloc_copy("xyz", 3);
    copies[0] = cfs_message_copy(&forward);
    copies[1] = cfs_message_copy(&answer);
    cfs_message_clear(&forward);
    cfs_message_clear(&answer);
    assert_memory_equal(copies[0].forward.command, "abc", 3);
    assert_memory_equal(copies[1].answer.answer, "xyz", 3);
    cfs_message_clear(&copies[0]);
    cfs_message_clear(&copies[1]);
}

static void a_copied_collection_has_waits_of_its_own(void **state)
{
    struct cfs_message reply = {.type = CFS_MSG_COLLECT_REPLY, .collect_reply = {.stuck_count = 2}};
    struct cfs_message copy;
    uint64_t waits[] = {4, 5};

    (void)state;
    reply.collect_reply.stuck = cfs_alloc_zeroed(2, sizeof *reply.collect_reply.stuck);
    reply.collect_reply.stuck[1] = (struct cfs_stuck){.handle = 9, .wait_count = 2};
    reply.collect_reply.stuck[1].waits = cfs_alloc_copy(waits, sizeof waits);
    copy = cfs_message_copy(&reply);
    cfs_message_clear(&reply);
    assert_int_equal(copy.collect_reply.stuck[1].handle, 9);
    assert_memory_equal(copy.collect_reply.stuck[1].waits, waits, sizeof waits);
    cfs_message_clear(&copy);
}

static void a_copied_snapshot_has_head_and_pieces_of_its_own(void **state)
{
    struct cfs_message chunk = {.type = CFS_MSG_SNAPSHOT,
                                .snapshot = {.transfer = 9, .head_len = 3, .len = 2}};
    struct cfs_message copy;

    (void)state;
    chunk.snapshot.head = cfs_alloc_copy("abc", 3);
    chunk.snapshot.pieces = cfs_alloc_copy("xy", 2);
    copy = cfs_message_copy(&chunk);
    cfs_message_clear(&chunk);
    assert_int_equal(copy.snapshot.transfer, 9);
    assert_memory_equal(copy.snapshot.head, "abc", 3);
    assert_memory_equal(copy.snapshot.pieces, "xy", 2);
    cfs_message_clear(&copy);
}

static void a_message_without_parts_is_copied_as_a_value(void **state)
{
    struct cfs_message message = {.type = CFS_MSG_VOTE,
                                  .from = 1,
                                  .to = 2,
                                  .term = 5,
                                  .vote = {.pre = true, .last_index = 7}};
    struct cfs_message copy = cfs_message_copy(&message);

    (void)state;
    assert_memory_equal(&copy, &message, sizeof copy);
}

static void every_type_has_a_word_of_its_own(void **state)
{
    (void)state;
    for (int type = CFS_MSG_VOTE; type < CFS_MSG_TYPE_COUNT; type++) {
        assert_non_null(cfs_message_type_name(type));
        for (int other = CFS_MSG_VOTE; other < type; other++)
            assert_string_not_equal(cfs_message_type_name(type), cfs_message_type_name(other));
    }
    assert_null(cfs_message_type_name(0));
    assert_null(cfs_message_type_name(CFS_MSG_TYPE_COUNT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clearing_empties_a_message_and_may_be_repeated),
        cmocka_unit_test(a_copied_append_shares_its_entries_by_reference),
        cmocka_unit_test(a_copied_command_or_answer_has_bytes_of_its_own),
        cmocka_unit_test(a_copied_collection_has_waits_of_its_own),
        cmocka_unit_test(a_copied_snapshot_has_head_and_pieces_of_its_own),
        cmocka_unit_test(a_message_without_parts_is_copied_as_a_value),
        cmocka_unit_test(every_type_has_a_word_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
