/* That a peer is believed for what it says as it said it, and nobody else is. The numbers were made
 * with Python's hmac and hashlib: they are the form, which the nodes of a cluster share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "io/clock.h"
#include "io/peer_auth.h"

#define PATH "/raft/append-entries"
#define NONCE "00112233445566778899aabbccddeeff"
#define DIGEST "771824de42287642fa0fbe0b568b80cc3290e29b7d3cd6efbc7b1b8eb1037b04"
#define MAC "56b41af9c620b27f5731c2d1b8a4cad9939fb85564da8c2229f94fb8916e53f0"
#define RESPONSE_MAC "c802c8ef9757914224c91df1c0be82d52bd5b3959f0583d9e993c61c8d1c1290"
#define VALUE "Coordfs " NONCE " " DIGEST " " MAC

static struct cfs_peer_auth *auth, *other;

static int set_up(void **state)
{
    (void)state;
    auth = cfs_peer_auth_new("a secret of the cluster");
    other = cfs_peer_auth_new("a secret of another one");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cfs_peer_auth_free(auth);
    cfs_peer_auth_free(other);
    return 0;
}

static void the_form_of_a_request(void **state)
{
    struct cfs_peer_proof proof;

    (void)state;
    assert_true(cfs_peer_auth_check_head(auth, "POST", PATH, VALUE, &proof));
    assert_string_equal(proof.nonce, NONCE);
    assert_true(cfs_peer_auth_check_body(&proof, "a body", 6));
    assert_false(cfs_peer_auth_check_body(&proof, "a bodY", 6));
    assert_false(cfs_peer_auth_check_body(&proof, "a body", 5));
    assert_false(cfs_peer_auth_check_body(&proof, NULL, 0));
}

static void the_form_of_a_response(void **state)
{
    struct cfs_peer_proof proof = {.nonce = NONCE};
    char mac[CFS_MAC_SIZE];

    (void)state;
    cfs_peer_auth_sign_response(auth, &proof, 200, "an answer", 9, mac);
    assert_string_equal(mac, RESPONSE_MAC);
}

static void what_is_signed_is_believed_by_who_has_the_secret(void **state)
{
    char value[CFS_PROOF_SIZE], again[CFS_PROOF_SIZE];
    struct cfs_peer_proof signed_by_us, seen;

    (void)state;
    cfs_peer_auth_sign(auth, "POST", PATH, "body", 4, &signed_by_us, value);
    assert_int_equal(strlen(value), CFS_PROOF_SIZE - 1);
    assert_true(cfs_peer_auth_check_head(auth, "POST", PATH, value, &seen));
    assert_memory_equal(&signed_by_us, &seen, sizeof seen);
    assert_false(cfs_peer_auth_check_head(other, "POST", PATH, value, &seen));
    cfs_peer_auth_sign(auth, "POST", PATH, "body", 4, &signed_by_us, again);
    assert_string_not_equal(value, again);
    assert_null(strstr(value, "secret"));
}

static void a_request_that_was_changed_is_not_believed(void **state)
{
    static const char *const values[] = {
        "",
        "Coordfs",
        "Bearer a secret of the cluster",
        "Coordfs " NONCE " " DIGEST,
        "Coordfs " NONCE " " DIGEST " ",
        VALUE " ",
        "Coordfz " NONCE " " DIGEST " " MAC,
        "Coordfs " NONCE " " MAC " " DIGEST,
    };
    struct cfs_peer_proof proof;
    char value[CFS_PROOF_SIZE];

    (void)state;
    assert_false(cfs_peer_auth_check_head(auth, "POST", PATH, NULL, &proof));
    assert_false(cfs_peer_auth_check_head(auth, "GET", PATH, VALUE, &proof));
    assert_false(cfs_peer_auth_check_head(auth, "POST", "/raft/request-vote", VALUE, &proof));
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        assert_false(cfs_peer_auth_check_head(auth, "POST", PATH, values[i], &proof));
    for (size_t i = sizeof "Coordfs"; i < CFS_PROOF_SIZE - 1; i++) {
        if (VALUE[i] == ' ')
            continue;
        memcpy(value, VALUE, sizeof value);
        value[i] = value[i] == '0' ? '1' : '0';
        assert_false(cfs_peer_auth_check_head(auth, "POST", PATH, value, &proof));
    }
}

static void a_response_answers_one_request(void **state)
{
    struct cfs_peer_proof proof = {.nonce = NONCE}, later = {.nonce = NONCE};
    char mac[CFS_MAC_SIZE];

    (void)state;
    later.nonce[0] = 'f';
    cfs_peer_auth_sign_response(auth, &proof, 200, "an answer", 9, mac);
    assert_true(cfs_peer_auth_check_response(auth, &proof, 200, "an answer", 9, mac));
    assert_false(cfs_peer_auth_check_response(auth, &later, 200, "an answer", 9, mac));
    assert_false(cfs_peer_auth_check_response(auth, &proof, 204, "an answer", 9, mac));
    assert_false(cfs_peer_auth_check_response(auth, &proof, 200, "an answeR", 9, mac));
    assert_false(cfs_peer_auth_check_response(auth, &proof, 200, "an answer", 8, mac));
    assert_false(cfs_peer_auth_check_response(other, &proof, 200, "an answer", 9, mac));
    assert_false(cfs_peer_auth_check_response(auth, &proof, 200, "an answer", 9, NULL));
    assert_false(cfs_peer_auth_check_response(auth, &proof, 200, "an answer", 9, ""));
    mac[CFS_MAC_SIZE - 2] ^= 1;
    assert_false(cfs_peer_auth_check_response(auth, &proof, 200, "an answer", 9, mac));
}

/* For docs/decisions.md: the parts of both ends in one request and its response; the best of many
 * rounds, for others use the machine too. */
static void what_it_costs(void **state)
{
    enum { ROUNDS = 200, TIMES = 50, BODY = 300 };
    static const char body[BODY];
    struct cfs_peer_proof proof, seen;
    char value[CFS_PROOF_SIZE], mac[CFS_MAC_SIZE];
    cfs_time best[3] = {CFS_NEVER, CFS_NEVER, CFS_NEVER};

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        cfs_time at[4] = {cfs_clock_now()};
        for (int i = 0; i < TIMES; i++)
            cfs_peer_auth_sign(auth, "POST", PATH, body, BODY, &proof, value);
        at[1] = cfs_clock_now();
        for (int i = 0; i < TIMES; i++)
            assert_true(cfs_peer_auth_check_head(auth, "POST", PATH, value, &seen) &&
                        cfs_peer_auth_check_body(&seen, body, BODY));
        at[2] = cfs_clock_now();
        for (int i = 0; i < TIMES; i++)
            cfs_peer_auth_sign_response(auth, &seen, 200, body, BODY, mac);
        at[3] = cfs_clock_now();
        for (int part = 0; part < 3; part++)
            if (at[part + 1] - at[part] < best[part])
                best[part] = at[part + 1] - at[part];
    }
    print_message("%d bytes: sign %.2f us, check %.2f us, sign or check the response %.2f us\n",
                  BODY, (double)best[0] / TIMES, (double)best[1] / TIMES, (double)best[2] / TIMES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_form_of_a_request),
        cmocka_unit_test(the_form_of_a_response),
        cmocka_unit_test(what_is_signed_is_believed_by_who_has_the_secret),
        cmocka_unit_test(a_request_that_was_changed_is_not_believed),
        cmocka_unit_test(a_response_answers_one_request),
        cmocka_unit_test(what_it_costs),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
