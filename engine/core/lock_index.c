/* Finding claims: by who asked, by what makes asking again the same, by session, by token. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/lock_table_internal.h"

/* Session and sequence stand first in an asker and without a gap. */
#define ASKER_KEY offsetof(struct cfs_asker, node)
static_assert(ASKER_KEY == 2 * sizeof(uint64_t), "session and sequence are one key");

struct cfs_claim *cfs_claim_by_asker(const struct cfs_lock_table *table, cfs_session_id session,
                                     uint64_t sequence)
{
    struct cfs_asker asker;
    struct cfs_claim *claim;

    memset(&asker, 0, sizeof asker); /* uthash takes all bytes of a key */
    asker.session = session;
    asker.sequence = sequence;
    HASH_FIND(hh_asker, table->by_asker, &asker, ASKER_KEY, claim);
    return claim;
}

void cfs_index_asker(struct cfs_lock_table *table, struct cfs_claim *claim)
{
    if (claim->asker.sequence)
        HASH_ADD(hh_asker, table->by_asker, asker, ASKER_KEY, claim);
}

void cfs_unindex_asker(struct cfs_lock_table *table, struct cfs_claim *claim)
{
    if (claim->asker.sequence)
        HASH_DELETE(hh_asker, table->by_asker, claim);
}

static struct cfs_claim_identity identity_of(const struct cfs_claim *claim,
                                             const struct cfs_lock *lock)
{
    if (claim->ask.kind == CFS_FLOCK)
        return (struct cfs_claim_identity){lock->serial, CFS_FLOCK, claim->session,
                                           claim->ask.handle};
    if (claim->ask.kind == CFS_LEASED && claim->ask.key)
        return (struct cfs_claim_identity){lock->serial, CFS_LEASED, 0, claim->ask.key};
    return (struct cfs_claim_identity){0};
}

struct cfs_claim *cfs_claim_same(const struct cfs_lock_table *table, const struct cfs_lock *lock,
                                 const struct cfs_claim *claim)
{
    struct cfs_claim_identity identity = identity_of(claim, lock);
    struct cfs_claim *same;

    if (!identity.kind)
        return NULL;
    HASH_FIND(hh_identity, table->by_identity, &identity, sizeof identity, same);
    return same;
}

void cfs_index_identity(struct cfs_lock_table *table, struct cfs_claim *claim)
{
    claim->identity = identity_of(claim, claim->lock);
    if (claim->identity.kind)
        HASH_ADD(hh_identity, table->by_identity, identity, sizeof claim->identity, claim);
}

void cfs_unindex_identity(struct cfs_lock_table *table, struct cfs_claim *claim)
{
    if (claim->identity.kind)
        HASH_DELETE(hh_identity, table->by_identity, claim);
    claim->identity.kind = 0;
}

struct cfs_lock_session *cfs_lock_session_find(const struct cfs_lock_table *table,
                                               cfs_session_id id)
{
    struct cfs_lock_session *session;

    HASH_FIND(hh, table->sessions, &id, sizeof id, session);
    return session;
}

void cfs_index_session(struct cfs_lock_table *table, struct cfs_claim *claim)
{
    struct cfs_lock_session *session = cfs_lock_session_find(table, claim->session);

    if (!session) {
        session = cfs_alloc_zeroed(1, sizeof *session);
        session->id = claim->session;
        HASH_ADD(hh, table->sessions, id, sizeof session->id, session);
    }
    DL_APPEND2(session->claims, claim, session_prev, session_next);
}

void cfs_unindex_session(struct cfs_lock_table *table, struct cfs_claim *claim)
{
    struct cfs_lock_session *session = cfs_lock_session_find(table, claim->session);

    assert(session);
    DL_DELETE2(session->claims, claim, session_prev, session_next);
    if (!session->claims) {
        HASH_DELETE(hh, table->sessions, session);
        free(session);
    }
}

/* Few hold exclusively and hold content, and one client holds over HTTP: a walk is enough. */
struct cfs_claim *cfs_claim_by_token(const struct cfs_lock *lock, cfs_token token)
{
    struct cfs_claim *claim;

    DL_FOREACH (lock->holders, claim)
        if (claim->token == token)
            return claim;
    return NULL;
}
