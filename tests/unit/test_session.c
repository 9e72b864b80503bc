/* Sessions and the answers they may still ask for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "core/alloc.h"
#include "core/session.h"

static struct cfs_sessions sessions;
static struct cfs_session *session;

static int set_up(void **state)
{
    session = cfs_sessions_add(&sessions, 10, 2, 1234, CFS_SECONDS(5));
    *state = session;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cfs_sessions_close(&sessions);
    return 0;
}

static void done(uint64_t sequence, cfs_token token)
{
    cfs_session_remember(session, sequence, CFS_ANSWER_DONE, &(struct cfs_answer){.token = token});
}

static void waits(uint64_t sequence)
{
    cfs_session_remember(session, sequence, CFS_ANSWER_WAITING, NULL);
}

static void a_session_is_found_by_its_id_and_by_its_node(void **state)
{
    struct cfs_session *other = cfs_sessions_add(&sessions, 20, 3, 99, CFS_SECONDS(7));

    (void)state;
    assert_ptr_equal(cfs_sessions_find(&sessions, 10), session);
    assert_ptr_equal(cfs_sessions_of_node(&sessions, 2), session);
    assert_ptr_equal(cfs_sessions_of_node(&sessions, 3), other);
    assert_int_equal(session->oldest, 1); /* the first sequence */
    assert_int_equal(session->term, CFS_SECONDS(5));
    assert_int_equal(other->term, CFS_SECONDS(7));
    assert_null(cfs_sessions_find(&sessions, 11));
    assert_null(cfs_sessions_of_node(&sessions, 4));
    cfs_sessions_remove(&sessions, other);
    assert_null(cfs_sessions_of_node(&sessions, 3));
}

static void an_answer_is_remembered_as_it_was(void **state)
{
    const struct cfs_remembered *known;

    (void)state;
    cfs_session_remember(
        session, 5, CFS_ANSWER_DONE,
        &(struct cfs_answer){.error = CFS_ERR_INTERRUPTED, .token = 7, .ticket = 8});
    known = cfs_session_recall(session, 5);
    assert_int_equal(known->state, CFS_ANSWER_DONE);
    assert_int_equal(known->error, CFS_ERR_INTERRUPTED);
    assert_int_equal(known->token, 7);
    assert_int_equal(known->ticket, 8);
    assert_null(cfs_session_recall(session, 6));
}

static void a_wait_becomes_an_answer(void **state)
{
    (void)state;
    waits(5);
    assert_int_equal(cfs_session_recall(session, 5)->state, CFS_ANSWER_WAITING);
    done(5, 9);
    assert_int_equal(cfs_session_recall(session, 5)->state, CFS_ANSWER_DONE);
    assert_int_equal(cfs_session_recall(session, 5)->token, 9);
    assert_int_equal(HASH_COUNT(session->waits), 1);
    assert_int_equal(HASH_COUNT(session->answers), 0);
}

static void what_is_below_the_oldest_unanswered_is_forgotten(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 9; i++)
        done(i, i);
    cfs_session_forget(session, 6);
    assert_null(cfs_session_recall(session, 5));
    assert_non_null(cfs_session_recall(session, 6));
    assert_int_equal(HASH_COUNT(session->answers), 4);
    cfs_session_forget(session, 3); /* late: nothing comes back */
    assert_int_equal(session->oldest, 6);
}

/* Memory stays bounded by what is unanswered, however long the session lives. */
static void a_long_session_remembers_little(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 10000; i++) {
        cfs_session_forget(session, i > 8 ? i - 8 : 1);
        done(i ^ 1, i); /* neighbours arrive in the other order */
    }
    assert_true(HASH_COUNT(session->answers) <= 12);
}

static void a_wait_outlives_the_oldest_unanswered(void **state)
{
    (void)state;
    waits(5);
    cfs_session_forget(session, 100);
    assert_int_equal(cfs_session_recall(session, 5)->state, CFS_ANSWER_WAITING);
    done(5, 1);
    cfs_session_forget(session, 200);
    assert_int_equal(cfs_session_recall(session, 5)->state, CFS_ANSWER_DONE);
}

static void the_end_of_a_wait_is_forgotten_when_it_is_acknowledged_by_name(void **state)
{
    (void)state;
    waits(5);
    waits(6);
    done(5, 1);
    cfs_session_acknowledge(session, 5);
    cfs_session_acknowledge(session, 6); /* it still waits */
    cfs_session_acknowledge(session, 7); /* never heard of */
    assert_null(cfs_session_recall(session, 5));
    assert_int_equal(cfs_session_recall(session, 6)->state, CFS_ANSWER_WAITING);
}

static void an_acknowledgement_does_not_touch_what_was_answered_at_once(void **state)
{
    (void)state;
    done(5, 1);
    cfs_session_acknowledge(session, 5);
    assert_non_null(cfs_session_recall(session, 5));
}

/* As pieces. */

static struct cfs_writer saved;

/* Saves, and reads the first piece. */
static struct cfs_piece save(void)
{
    struct cfs_reader reader;
    struct cfs_piece piece;

    free(saved.data);
    saved = (struct cfs_writer){0};
    cfs_sessions_save(&sessions, &saved);
    reader = (struct cfs_reader){.data = saved.data, .len = saved.len};
    assert_true(cfs_piece_next(&reader, &piece));
    return piece;
}

static int tear_down_saved(void **state)
{
    free(saved.data);
    saved = (struct cfs_writer){0};
    return tear_down(state);
}

/* One answer of each sort, some forgotten. */
static void fill(void)
{
    for (uint64_t i = 1; i <= 9; i++)
        done(i, 100 + i);
    cfs_session_remember(session, 12, CFS_ANSWER_DONE,
                         &(struct cfs_answer){.error = CFS_ERR_INTERRUPTED, .ticket = 8});
    waits(5000);
    waits(5001);
    done(5001, 77);
    cfs_session_forget(session, 4);
}

static void a_saved_session_comes_back_with_what_it_may_ask_for(void **state)
{
    struct cfs_sessions other = {0};
    struct cfs_piece piece;
    struct cfs_session *again;

    (void)state;
    fill();
    session->doomed = true;
    piece = save();
    assert_int_equal(cfs_sessions_load(&other, &piece), 0);
    again = cfs_sessions_find(&other, 10);
    assert_true(again->node == 2 && again->nonce == 1234 && again->oldest == 4);
    assert_true(again->term == CFS_SECONDS(5) && again->doomed);
    assert_null(cfs_session_recall(again, 3));
    assert_int_equal(cfs_session_recall(again, 4)->token, 104);
    assert_int_equal(cfs_session_recall(again, 12)->error, CFS_ERR_INTERRUPTED);
    assert_int_equal(cfs_session_recall(again, 12)->ticket, 8);
    assert_int_equal(cfs_session_recall(again, 5000)->state, CFS_ANSWER_WAITING);
    assert_int_equal(cfs_session_recall(again, 5001)->token, 77);
    cfs_sessions_close(&other);
}

/* What was answered at once goes with `oldest`, what waited by name: loaded or not. */
static void a_loaded_session_forgets_as_any_other(void **state)
{
    struct cfs_sessions other = {0};
    struct cfs_piece piece;
    struct cfs_session *again;

    (void)state;
    fill();
    piece = save();
    assert_int_equal(cfs_sessions_load(&other, &piece), 0);
    again = cfs_sessions_find(&other, 10);
    cfs_session_forget(again, 10);
    assert_int_equal(HASH_COUNT(again->answers), 1);
    cfs_session_forget(again, 9000);
    assert_int_equal(HASH_COUNT(again->answers), 0);
    assert_int_equal(HASH_COUNT(again->waits), 2);
    cfs_session_acknowledge(again, 5001);
    cfs_session_acknowledge(again, 5000); /* it waits */
    assert_int_equal(HASH_COUNT(again->waits), 1);
    cfs_sessions_close(&other);
}

static void a_session_that_ended_since_the_last_save_is_deleted(void **state)
{
    struct cfs_piece piece;

    (void)state;
    save();
    cfs_sessions_remove(&sessions, session);
    session = cfs_sessions_add(&sessions, 11, 2, 5, CFS_SECONDS(5));
    piece = save();
    assert_false(piece.put);
    assert_int_equal(piece.key[8], 10);
    piece = save(); /* said once */
    assert_true(piece.put);
    assert_int_equal(piece.key[8], 11);
}

static void a_session_that_was_never_saved_ends_without_a_word(void **state)
{
    struct cfs_piece piece;

    (void)state;
    cfs_sessions_remove(&sessions, session);
    cfs_sessions_add(&sessions, 11, 2, 5, CFS_SECONDS(5));
    piece = save();
    assert_true(piece.put);
}

static void a_session_that_was_loaded_is_deleted_when_it_ends(void **state)
{
    struct cfs_piece piece = save(), gone;
    struct cfs_sessions other = {0};
    struct cfs_writer said = {0};
    struct cfs_reader reader;

    (void)state;
    assert_int_equal(cfs_sessions_load(&other, &piece), 0);
    cfs_sessions_remove(&other, cfs_sessions_find(&other, 10));
    cfs_sessions_save(&other, &said);
    reader = (struct cfs_reader){.data = said.data, .len = said.len};
    assert_true(cfs_piece_next(&reader, &gone));
    assert_false(gone.put);
    free(said.data);
    cfs_sessions_close(&other);
}

/* A copy of the first `len` bytes of a session's piece, one of them changed. */
static int load_changed(struct cfs_piece piece, uint32_t len, uint32_t at, uint8_t byte)
{
    struct cfs_sessions other = {0};
    uint8_t *value = cfs_alloc_copy(piece.value, len);
    int result;

    if (at < len)
        value[at] = byte;
    piece.value = value;
    piece.value_len = len;
    result = cfs_sessions_load(&other, &piece);
    cfs_sessions_close(&other);
    free(value);
    return result;
}

static void a_piece_that_is_no_session_is_refused(void **state)
{
    struct cfs_sessions other = {0};
    struct cfs_piece piece;
    uint32_t doomed = 1 + 4 + 8 + 8 + 8 + 8;
    uint32_t first = doomed + 1 + 4; /* of the answers: sequence, state, error, ... */

    (void)state;
    fill();
    piece = save();
    assert_int_equal(load_changed(piece, piece.value_len, UINT32_MAX, 0), 0);
    for (uint32_t len = 0; len < piece.value_len; len++)
        assert_int_equal(load_changed(piece, len, UINT32_MAX, 0), -1);
    assert_int_equal(load_changed(piece, piece.value_len, 0, 3), -1); /* another version */
    assert_int_equal(load_changed(piece, piece.value_len, doomed, 2), -1);
    assert_int_equal(load_changed(piece, piece.value_len, first + 8, 3), -1);
    assert_int_equal(load_changed(piece, piece.value_len, first + 9, CFS_ERROR_COUNT), -1);
    assert_int_equal(cfs_sessions_load(&other, &piece), 0);
    assert_int_equal(cfs_sessions_load(&other, &piece), -1); /* it is there already */
    piece.put = false;
    piece.key = (const uint8_t[9]){CFS_PIECE_SESSION, [8] = 99};
    assert_int_equal(cfs_sessions_load(&other, &piece), -1);
    cfs_sessions_close(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(a_session_is_found_by_its_id_and_by_its_node),
        T(an_answer_is_remembered_as_it_was),
        T(a_wait_becomes_an_answer),
        T(what_is_below_the_oldest_unanswered_is_forgotten),
        T(a_long_session_remembers_little),
        T(a_wait_outlives_the_oldest_unanswered),
        T(the_end_of_a_wait_is_forgotten_when_it_is_acknowledged_by_name),
        T(an_acknowledgement_does_not_touch_what_was_answered_at_once),
#undef T
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down_saved)
        T(a_saved_session_comes_back_with_what_it_may_ask_for),
        T(a_loaded_session_forgets_as_any_other),
        T(a_session_that_ended_since_the_last_save_is_deleted),
        T(a_session_that_was_never_saved_ends_without_a_word),
        T(a_session_that_was_loaded_is_deleted_when_it_ends),
        T(a_piece_that_is_no_session_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
