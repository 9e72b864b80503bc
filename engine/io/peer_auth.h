/* How nodes know each other: whoever asks and whoever answers proves to know the cluster's secret,
 * and neither says it. docs/protocol.md has the form. */
#ifndef CFS_IO_PEER_AUTH_H
#define CFS_IO_PEER_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CFS_NONCE_SIZE 33u /* hexadecimal digits and a NUL, as the others */
#define CFS_MAC_SIZE 65u
#define CFS_DIGEST_SIZE 65u
#define CFS_PROOF_SIZE (8u + CFS_NONCE_SIZE + CFS_DIGEST_SIZE + CFS_MAC_SIZE)

struct cfs_peer_auth;

struct cfs_peer_auth *cfs_peer_auth_new(const char *secret);
void cfs_peer_auth_free(struct cfs_peer_auth *auth);

/* What a request says in its Authorization header. */
struct cfs_peer_proof {
    char nonce[CFS_NONCE_SIZE];
    char digest[CFS_DIGEST_SIZE]; /* of the body */
};

/* Makes the header's value for a new request, and `proof` to check its response by. */
void cfs_peer_auth_sign(const struct cfs_peer_auth *auth, const char *method, const char *path,
                        const void *body, size_t len, struct cfs_peer_proof *proof,
                        char value[CFS_PROOF_SIZE]);

/* Whether the value (NULL: there is none) was made with the secret for this request: then `proof`
 * is filled in. The body is checked when it has come. */
bool cfs_peer_auth_check_head(const struct cfs_peer_auth *auth, const char *method,
                              const char *path, const char *value, struct cfs_peer_proof *proof);
bool cfs_peer_auth_check_body(const struct cfs_peer_proof *proof, const void *body, size_t len);

/* The response's part: the value of its Coordfs-Mac header (NULL: there is none). */
#define CFS_MAC_HEADER "Coordfs-Mac"
void cfs_peer_auth_sign_response(const struct cfs_peer_auth *auth,
                                 const struct cfs_peer_proof *proof, int status, const void *body,
                                 size_t len, char value[CFS_MAC_SIZE]);
bool cfs_peer_auth_check_response(const struct cfs_peer_auth *auth,
                                  const struct cfs_peer_proof *proof, int status, const void *body,
                                  size_t len, const char *value);

#endif
