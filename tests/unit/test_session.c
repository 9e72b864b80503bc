/* Sessions and the answers they may still ask for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
