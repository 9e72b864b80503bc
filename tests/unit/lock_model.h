/* The lock table once more, as slowly and plainly as it can be said: all claims lie in one array,
 * and every question is answered by looking at all of them. Test code: the table must agree with
 * it. */
#ifndef TESTS_UNIT_LOCK_MODEL_H
#define TESTS_UNIT_LOCK_MODEL_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/lock_table.h"

#define MODEL_NAMES 4
#define MODEL_CLAIMS 512
#define MODEL_ENDS 512
#define MODEL_CONTENT 64

struct model_claim {
    bool used, holding;
    int name;
    struct cfs_asker asker;
    cfs_session_id session;
    cfs_node_id node;
    struct cfs_acquire ask;
    uint64_t ticket, arrival;
    cfs_token token;
    cfs_wall_time since;
    cfs_time expiry;
};

/* What a name looks like while it is held. */
struct model_lock {
    enum cfs_lock_form form;
    uint32_t uid, gid, perm;
    cfs_wall_time mtime;
    uint8_t content[MODEL_CONTENT];
    uint32_t content_len;
};

struct model_end {
    struct cfs_asker asker;
    enum cfs_error error;
    cfs_token token;
    uint64_t ticket;
};

struct model {
    struct model_claim claims[MODEL_CLAIMS];
    size_t top; /* claims from here on were never used */
    struct model_lock locks[MODEL_NAMES];
    struct model_end ends[MODEL_ENDS]; /* of the operation under way */
    size_t end_count;
    uint64_t arrivals;
    cfs_token token;
};

static const char *const model_names[MODEL_NAMES] = {"delta", "alpha", "charlie", "bravo"};

/* The order in which an operation on many names goes through them. */
static const int model_sorted[MODEL_NAMES] = {1, 3, 2, 0};

#define EACH_CLAIM(m, c)                                                                           \
    for (struct model_claim *c = (m)->claims; c < (m)->claims + (m)->top; c++)                     \
        if (c->used)

static inline void model_end_wait(struct model *m, struct cfs_asker asker, enum cfs_error error,
                                  cfs_token token, uint64_t ticket)
{
    assert(m->end_count < MODEL_ENDS);
    m->ends[m->end_count++] = (struct model_end){asker, error, token, ticket};
}

static inline bool model_same_process(const struct model_claim *a, const struct model_claim *b)
{
    return a->session == b->session && a->ask.process.pid && a->ask.kind != CFS_LEASED &&
           b->ask.kind != CFS_LEASED && a->ask.process.pid == b->ask.process.pid &&
           a->ask.process.start == b->ask.process.start && a->ask.form == b->ask.form;
}

static inline bool model_conflict(const struct model_claim *a, const struct model_claim *b)
{
    if (a->ask.mode == CFS_SHARED && b->ask.mode == CFS_SHARED)
        return false;
    return !(a->ask.kind != b->ask.kind && model_same_process(a, b));
}

static inline bool model_same_file(const struct model_claim *a, const struct model_claim *b)
{
    return a->ask.kind == CFS_FLOCK && b->ask.kind == CFS_FLOCK && a->session == b->session &&
           a->ask.handle == b->ask.handle;
}

static inline bool model_before(const struct model_claim *a, const struct model_claim *b)
{
    return a->ticket < b->ticket || (a->ticket == b->ticket && a->arrival < b->arrival);
}

static inline bool model_in_the_way(const struct model_claim *other, const struct model_claim *c)
{
    if (other == c || other->name != c->name || !model_conflict(other, c))
        return false;
    return other->holding ? !model_same_file(other, c) : model_before(other, c);
}

static inline bool model_blocked(struct model *m, const struct model_claim *c)
{
    EACH_CLAIM (m, other)
        if (model_in_the_way(other, c))
            return true;
    return false;
}

static inline uint32_t model_count(struct model *m, int name, bool holding)
{
    uint32_t count = 0;

    EACH_CLAIM (m, c)
        count += c->name == name && c->holding == holding;
    return count;
}

static inline bool model_exclusive(struct model *m, int name)
{
    EACH_CLAIM (m, c)
        if (c->name == name && c->holding && c->ask.mode == CFS_EXCLUSIVE)
            return true;
    return false;
}

static inline struct model_claim *model_by_token(struct model *m, int name, cfs_token token)
{
    EACH_CLAIM (m, c)
        if (c->name == name && c->holding && c->token == token)
            return c;
    return NULL;
}

static inline struct model_claim *model_by_asker(struct model *m, cfs_session_id session,
                                                 uint64_t sequence)
{
    EACH_CLAIM (m, c)
        if (sequence && c->asker.session == session && c->asker.sequence == sequence)
            return c;
    return NULL;
}

static inline struct model_claim *model_by_file(struct model *m, const struct model_claim *c)
{
    EACH_CLAIM (m, other)
        if (other != c && other->name == c->name && other->holding && model_same_file(other, c))
            return other;
    return NULL;
}

static inline struct model_claim *model_by_key(struct model *m, const struct model_claim *c)
{
    EACH_CLAIM (m, other)
        if (other != c && other->name == c->name && other->ask.kind == CFS_LEASED && c->ask.key &&
            other->ask.key == c->ask.key)
            return other;
    return NULL;
}

static inline void model_drop(struct model *m, struct model_claim *c)
{
    c->used = false;
    if (c->holding && !model_exclusive(m, c->name))
        m->locks[c->name].content_len = 0;
}

/* Returns the token; the claim may be gone into an older one. */
static inline cfs_token model_grant(struct model *m, struct model_claim *c, struct cfs_moment now)
{
    struct model_claim *held = model_by_file(m, c);
    struct model_lock *lock = &m->locks[c->name];

    if (held && held->ask.mode == c->ask.mode) {
        held->asker.sequence = 0;
        c->used = false;
        return held->token;
    }
    if (held)
        model_drop(m, held);
    if (!model_count(m, c->name, true))
        *lock = (struct model_lock){
            .form = c->ask.form, .uid = c->ask.uid, .gid = c->ask.gid, .perm = c->ask.perm & 07777};
    lock->mtime = c->since = now.wall;
    c->token = ++m->token;
    c->holding = true;
    if (c->ask.kind == CFS_LEASED) {
        c->session = 0;
        c->node = 0;
        c->expiry = now.time + CFS_MS(c->ask.ttl_ms);
    }
    return c->token;
}

static inline struct model_claim *model_next(struct model *m, int name)
{
    struct model_claim *next = NULL;

    EACH_CLAIM (m, c)
        if (c->name == name && !c->holding && !model_blocked(m, c) &&
            (!next || model_before(c, next)))
            next = c;
    return next;
}

static inline void model_settle(struct model *m, int name, struct cfs_moment now)
{
    struct model_claim *c;

    while ((c = model_next(m, name))) {
        struct cfs_asker asker = c->asker;
        model_end_wait(m, asker, CFS_OK, model_grant(m, c, now), 0);
    }
}

static inline void model_settle_all(struct model *m, struct cfs_moment now)
{
    for (int i = 0; i < MODEL_NAMES; i++)
        model_settle(m, model_sorted[i], now);
}

static inline struct model_claim *model_new(struct model *m, struct cfs_asker asker, int name,
                                            const struct cfs_acquire *ask, uint64_t index)
{
    struct model_claim *c = m->claims;

    while (c->used)
        c++;
    assert(c < m->claims + MODEL_CLAIMS);
    if (c == m->claims + m->top)
        m->top++;
    *c = (struct model_claim){.used = true,
                              .name = name,
                              .asker = asker,
                              .session = asker.session,
                              .node = asker.node,
                              .ask = *ask,
                              .ticket = ask->ticket ? ask->ticket : index,
                              .arrival = ++m->arrivals};
    return c;
}

static inline enum cfs_outcome model_ask(struct model *m, struct model_claim *c,
                                         struct cfs_moment now, struct cfs_answer *answer)
{
    int name = c->name;

    if (!model_blocked(m, c)) {
        answer->token = model_grant(m, c, now);
        model_settle(m, name, now);
        return CFS_ANSWERED;
    }
    if (c->ask.wait)
        return CFS_QUEUED;
    answer->error = c->ask.kind == CFS_LOCKFILE ? CFS_ERR_EXISTS : CFS_ERR_WOULD_BLOCK;
    model_drop(m, c);
    return CFS_ANSWERED;
}

static inline enum cfs_outcome model_ask_flock(struct model *m, struct model_claim *c,
                                               struct cfs_moment now, struct cfs_answer *answer)
{
    struct model_claim *held = model_by_file(m, c);
    struct model_claim asked = *c;

    if (!held || held->ask.mode == c->ask.mode)
        return held ? (answer->token = model_grant(m, c, now), CFS_ANSWERED)
                    : model_ask(m, c, now, answer);
    c->used = false;
    model_drop(m, held);
    model_settle(m, asked.name, now);
    *c = asked;
    return model_ask(m, c, now, answer);
}

static inline enum cfs_outcome model_ask_leased(struct model *m, struct model_claim *c,
                                                struct cfs_moment now, struct cfs_answer *answer)
{
    struct model_claim *same = model_by_key(m, c);
    cfs_time expiry = now.time + CFS_MS(c->ask.ttl_ms);

    if (!same)
        return model_ask(m, c, now, answer);
    c->used = false;
    if (same->ask.mode != c->ask.mode || strcmp(same->ask.owner, c->ask.owner) != 0) {
        answer->error = CFS_ERR_DIFFERS;
        return CFS_ANSWERED;
    }
    if (same->holding) {
        same->expiry = expiry > same->expiry ? expiry : same->expiry;
        same->ask.handle = same->ask.handle == c->ask.handle ? c->ask.handle : 0;
        same->asker = same->ask.handle ? c->asker : (struct cfs_asker){0};
        answer->token = same->token;
        return CFS_ANSWERED;
    }
    if (!c->ask.wait) {
        answer->error = CFS_ERR_WOULD_BLOCK;
        return CFS_ANSWERED;
    }
    model_end_wait(m, same->asker, CFS_ERR_INTERRUPTED, 0, 0);
    same->asker = c->asker;
    same->ask.handle = c->ask.handle;
    same->session = c->session;
    same->node = c->node;
    return CFS_QUEUED;
}

static inline enum cfs_outcome model_acquire(struct model *m, struct cfs_asker asker,
                                             struct cfs_moment now, int name,
                                             const struct cfs_acquire *ask,
                                             struct cfs_answer *answer)
{
    struct model_claim *c;

    *answer = (struct cfs_answer){0};
    if (ask->kind == CFS_LEASED && ask->renew) {
        c = model_by_token(m, name, ask->renew);
        if (!c || c->ask.kind != CFS_LEASED) {
            answer->error = CFS_ERR_NOT_HOLDER;
        } else if ((ask->mode && ask->mode != c->ask.mode) ||
                   (ask->owner[0] && strcmp(ask->owner, c->ask.owner) != 0)) {
            answer->error = CFS_ERR_DIFFERS;
        } else {
            c->expiry = now.time + CFS_MS(ask->ttl_ms);
            answer->token = c->token;
        }
        return CFS_ANSWERED;
    }
    if (ask->kind == CFS_FLOCK && model_count(m, name, true) &&
        m->locks[name].form == CFS_FORM_DIRECTORY) {
        answer->error = CFS_ERR_IS_DIRECTORY;
        return CFS_ANSWERED;
    }
    c = model_new(m, asker, name, ask, now.index);
    if (ask->kind == CFS_FLOCK)
        return model_ask_flock(m, c, now, answer);
    if (ask->kind == CFS_LEASED)
        return model_ask_leased(m, c, now, answer);
    return model_ask(m, c, now, answer);
}

static inline void model_give_back(struct model *m, struct model_claim *c, struct cfs_moment now)
{
    int name = c->name;

    model_drop(m, c);
    model_settle(m, name, now);
}

#endif
