/* HMAC-SHA256 (RFC 2104) with the cluster's secret as key.
 *
 * The problem: a node's port may be had by anybody while the node is down. Who was sent the secret
 * there, or was believed without it, would be a member.
 *
 * A request proves by a MAC over method, path, a random nonce and the SHA-256 of its body. The
 * digest travels in the header, so that the head alone tells a stranger, and no stranger's body is
 * kept. The response proves by a MAC over status, the request's nonce and its body: it answers this
 * request and no other.
 *
 * Requests are not remembered: who could hear one can repeat it, to the node it names as receiver,
 * as the network itself may (the core bears with that). He cannot change it, nor answer it. */
#include "io/peer_auth.h"

#include <assert.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/alloc.h"

#define SCHEME "Coordfs "
#define NONCE_BYTES ((CFS_NONCE_SIZE - 1) / 2)

static_assert(CFS_MAC_SIZE == SHA256_DIGEST_SIZE * 2 + 1 && CFS_DIGEST_SIZE == CFS_MAC_SIZE,
              "two digits a byte");
static_assert(sizeof SCHEME - 1 == 8, "as CFS_PROOF_SIZE counts it");

struct cfs_peer_auth {
    struct hmac_sha256_ctx keyed; /* copied for each MAC: the key is hashed once */
};

struct cfs_peer_auth *cfs_peer_auth_new(const char *secret)
{
    struct cfs_peer_auth *auth = cfs_alloc_zeroed(1, sizeof *auth);

    assert(secret[0]);
    hmac_sha256_set_key(&auth->keyed, strlen(secret), (const uint8_t *)secret);
    return auth;
}

void cfs_peer_auth_free(struct cfs_peer_auth *auth)
{
    free(auth);
}

static void to_hex(char *out, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = 0;
}

static void digest_of(char digest[CFS_DIGEST_SIZE], const void *body, size_t len)
{
    uint8_t bytes[SHA256_DIGEST_SIZE];
    struct sha256_ctx context;

    sha256_init(&context);
    sha256_update(&context, len, body);
    sha256_digest(&context, sizeof bytes, bytes);
    to_hex(digest, bytes, sizeof bytes);
}

/* Each with what ends it, for the next begins with what the sender chooses. */
static void update(struct hmac_sha256_ctx *context, const char *text)
{
    hmac_sha256_update(context, strlen(text), (const uint8_t *)text);
    hmac_sha256_update(context, 1, (const uint8_t *)"\n");
}

static void end(struct hmac_sha256_ctx *context, char mac[CFS_MAC_SIZE])
{
    uint8_t bytes[SHA256_DIGEST_SIZE];

    hmac_sha256_digest(context, sizeof bytes, bytes);
    to_hex(mac, bytes, sizeof bytes);
}

static void request_mac(const struct cfs_peer_auth *auth, const char *method, const char *path,
                        const struct cfs_peer_proof *proof, char mac[CFS_MAC_SIZE])
{
    struct hmac_sha256_ctx context = auth->keyed;

    update(&context, "request");
    update(&context, method);
    update(&context, path);
    update(&context, proof->nonce);
    update(&context, proof->digest);
    end(&context, mac);
}

void cfs_peer_auth_sign(const struct cfs_peer_auth *auth, const char *method, const char *path,
                        const void *body, size_t len, struct cfs_peer_proof *proof,
                        char value[CFS_PROOF_SIZE])
{
    uint8_t nonce[NONCE_BYTES];
    char mac[CFS_MAC_SIZE];

    if (getrandom(nonce, sizeof nonce, 0) != sizeof nonce)
        abort();
    to_hex(proof->nonce, nonce, sizeof nonce);
    digest_of(proof->digest, body, len);
    request_mac(auth, method, path, proof, mac);
    snprintf(value, CFS_PROOF_SIZE, SCHEME "%s %s %s", proof->nonce, proof->digest, mac);
}

/* Takes as long wherever the first difference is. */
static bool same_mac(const char *given, const char mac[CFS_MAC_SIZE])
{
    return strlen(given) == CFS_MAC_SIZE - 1 && memeql_sec(given, mac, CFS_MAC_SIZE - 1);
}

/* The word at `at`, of `size` with what ends it. */
static const char *take_word(const char *at, char *word, size_t size)
{
    memcpy(word, at, size - 1);
    word[size - 1] = 0;
    return at + size;
}

bool cfs_peer_auth_check_head(const struct cfs_peer_auth *auth, const char *method,
                              const char *path, const char *value, struct cfs_peer_proof *proof)
{
    char mac[CFS_MAC_SIZE];

    if (!value || strlen(value) != CFS_PROOF_SIZE - 1 ||
        strncmp(value, SCHEME, strlen(SCHEME)) != 0)
        return false;
    value = take_word(value + strlen(SCHEME), proof->nonce, sizeof proof->nonce);
    value = take_word(value, proof->digest, sizeof proof->digest);
    request_mac(auth, method, path, proof, mac);
    return same_mac(value, mac);
}

bool cfs_peer_auth_check_body(const struct cfs_peer_proof *proof, const void *body, size_t len)
{
    char digest[CFS_DIGEST_SIZE];

    digest_of(digest, body, len);
    return strcmp(digest, proof->digest) == 0; /* no secret: the head has proved it */
}

void cfs_peer_auth_sign_response(const struct cfs_peer_auth *auth,
                                 const struct cfs_peer_proof *proof, int status, const void *body,
                                 size_t len, char value[CFS_MAC_SIZE])
{
    struct hmac_sha256_ctx context = auth->keyed;
    char number[16];

    snprintf(number, sizeof number, "%d", status);
    update(&context, "response");
    update(&context, number);
    update(&context, proof->nonce);
    hmac_sha256_update(&context, len, body);
    end(&context, value);
}

bool cfs_peer_auth_check_response(const struct cfs_peer_auth *auth,
                                  const struct cfs_peer_proof *proof, int status, const void *body,
                                  size_t len, const char *value)
{
    char mac[CFS_MAC_SIZE];

    cfs_peer_auth_sign_response(auth, proof, status, body, len, mac);
    return value && same_mac(value, mac);
}
