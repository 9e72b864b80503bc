/* The list of effects: it owns what its effects own, until a performer has taken it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "core/alloc.h"
#include "core/effect.h"

static void an_added_effect_is_zeroed_but_for_its_type(void **state)
{
    struct cfs_effects effects = {0};

    (void)state;
    for (int i = 0; i < 50; i++) {
        struct cfs_effect *effect = cfs_effects_add(&effects, CFS_FX_ANSWER);
        assert_int_equal(effect->type, CFS_FX_ANSWER);
        assert_int_equal(effect->id, 0);
        assert_null(effect->buffer);
        effect->id = 99;
    }
    assert_int_equal(effects.count, 50);
    cfs_effects_close(&effects);
}

/* What it does not free the leak sanitizer finds. */
static void clearing_frees_what_the_effects_own(void **state)
{
    struct cfs_effects effects = {0};
    struct cfs_effect *effect;

    (void)state;
    effect = cfs_effects_add(&effects, CFS_FX_PERSIST);
    effect->record.entry = cfs_entry_new(CFS_ENTRY_NOOP, 1, 1, NULL, 0);
    effect = cfs_effects_add(&effects, CFS_FX_PERSIST); /* a hard state has no entry */
    effect->record.type = CFS_RECORD_HARD_STATE;
    effect = cfs_effects_add(&effects, CFS_FX_SEND);
    effect->message.type = CFS_MSG_FORWARD;
    effect->message.forward.command = cfs_alloc(10);
    effect = cfs_effects_add(&effects, CFS_FX_ANSWER);
    effect->buffer = cfs_alloc(10);
    effect->owned = cfs_alloc(10);
    effect = cfs_effects_add(&effects, CFS_FX_CHECKPOINT);
    effect->checkpoint.parts = cfs_alloc_zeroed(2, sizeof *effect->checkpoint.parts);
    effect->checkpoint.part_count = 2;
    cfs_put_u64(&effect->checkpoint.parts[0].head, 1);
    cfs_put_u64(&effect->checkpoint.parts[1].pieces, 1);
    effect = cfs_effects_add(&effects, CFS_FX_STAGE);
    cfs_put_u64(&effect->stage.part.head, 1);
    cfs_put_u64(&effect->stage.part.pieces, 1);
    cfs_effects_add(&effects, CFS_FX_FETCH)->fetch.bytes = 9; /* these own nothing */
    cfs_effects_add(&effects, CFS_FX_END_FETCH);
    cfs_effects_add(&effects, CFS_FX_CAUGHT_UP);
    cfs_put_u64(&cfs_effects_add(&effects, CFS_FX_READ)->read.keys, 1);
    cfs_effects_clear(&effects);
    assert_int_equal(effects.count, 0);
    cfs_effects_close(&effects);
}

static void what_a_performer_took_is_not_freed(void **state)
{
    struct cfs_effects effects = {0};
    struct cfs_effect *effect = cfs_effects_add(&effects, CFS_FX_SEND);
    struct cfs_message taken;

    (void)state;
    effect->message.type = CFS_MSG_FORWARD;
    effect->message.forward.command = cfs_alloc_zeroed(1, 10);
    taken = effect->message;
    effect->message = (struct cfs_message){0};
    cfs_effects_close(&effects);
    assert_int_equal(taken.forward.command[9], 0);
    cfs_message_clear(&taken);
}

/* As a store does that is slower than the step: it keeps the checkpoint and leaves zeros. */
static void a_checkpoint_that_was_taken_outlives_its_effect(void **state)
{
    struct cfs_effects effects = {0};
    struct cfs_effect *effect = cfs_effects_add(&effects, CFS_FX_CHECKPOINT);
    struct cfs_checkpoint taken;

    (void)state;
    effect->checkpoint.parts = cfs_alloc_zeroed(1, sizeof *effect->checkpoint.parts);
    effect->checkpoint.part_count = 1;
    cfs_put_u64(&effect->checkpoint.parts[0].pieces, 77);
    taken = effect->checkpoint;
    effect->checkpoint = (struct cfs_checkpoint){0};
    cfs_effects_close(&effects);
    assert_int_equal(taken.parts[0].pieces.data[0], 77);
    cfs_checkpoint_clear(&taken);
    assert_null(taken.parts);
    assert_int_equal(taken.part_count, 0);
    cfs_checkpoint_clear(&taken); /* nothing more to free */
}

static void a_cleared_list_is_used_again_without_growing(void **state)
{
    struct cfs_effects effects = {0};
    size_t capacity;

    (void)state;
    for (int i = 0; i < 20; i++)
        cfs_effects_add(&effects, CFS_FX_DRAIN);
    capacity = effects.capacity;
    cfs_effects_clear(&effects);
    for (int i = 0; i < 20; i++)
        cfs_effects_add(&effects, CFS_FX_DRAIN);
    assert_int_equal(effects.capacity, capacity);
    cfs_effects_close(&effects);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_added_effect_is_zeroed_but_for_its_type),
        cmocka_unit_test(clearing_frees_what_the_effects_own),
        cmocka_unit_test(what_a_performer_took_is_not_freed),
        cmocka_unit_test(a_checkpoint_that_was_taken_outlives_its_effect),
        cmocka_unit_test(a_cleared_list_is_used_again_without_growing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
