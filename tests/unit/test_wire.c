/* Batches as bytes: every type of message comes back as it went, and nothing else comes in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "io/wire.h"

static const struct cfs_batch_head two_to_one = {UINT64_C(0xfedcba9876543210), 2, 1};

/* As JSON. */
#define OURS "\"cluster\":\"fedcba9876543210\","

#define BIG ((uint64_t)INT64_MAX) /* the largest number that travels */

/* Every member differs from zero and from its neighbours, so that none can be forgotten or swapped.
 */
static void fill_entries(struct cfs_msg_append *append, uint32_t count)
{
    append->entries = cfs_alloc(count * sizeof *append->entries);
    for (uint32_t i = 0; i < count; i++) {
        struct cfs_entry *e = cfs_entry_new(CFS_ENTRY_NOOP + i, append->prev_index + 1 + i, 7 + i,
                                            "{\n\0\xff}", i * 2);
        e->time = 1000 + i;
        e->wall = 1712345678901234u + i;
        append->entries[append->entry_count++] = e;
    }
}

static void fill_stuck(struct cfs_msg_collect_reply *reply)
{
    reply->stuck_count = 2;
    reply->stuck = cfs_alloc_zeroed(2, sizeof *reply->stuck);
    reply->stuck[0].handle = BIG;
    reply->stuck[1].handle = 12;
    reply->stuck[1].wait_count = 3;
    reply->stuck[1].waits = cfs_alloc_copy((uint64_t[]){5, 6, BIG}, 3 * sizeof(uint64_t));
}

static void fill_other(struct cfs_message *m)
{
    switch (m->type) {
    case CFS_MSG_SNAPSHOT:
        m->snapshot = (struct cfs_msg_snapshot){.transfer = BIG,
                                                .offset = 29,
                                                .last = true,
                                                .head_len = 4,
                                                .len = 6,
                                                .head = cfs_alloc_copy("he\n\0", 4),
                                                .pieces = cfs_alloc_copy("pieces", 6)};
        break;
    case CFS_MSG_SNAPSHOT_REPLY:
        m->snapshot_reply =
            (struct cfs_msg_snapshot_reply){.transfer = 30, .next = 31, .done = true};
        break;
    case CFS_MSG_LOCATED:
        m->located = (struct cfs_msg_located){.leader = 32, .member = true, .index = BIG};
        break;
    case CFS_MSG_RECALL:
        m->recall = (struct cfs_msg_recall){.id = BIG, .contents = true, .count = 2};
        m->recall.items = cfs_alloc_zeroed(2, sizeof *m->recall.items);
        m->recall.items[0] = (struct cfs_cache_recall_item){33, "\xff \"name\n"};
        m->recall.items[1].ino = BIG;
        break;
    case CFS_MSG_SHARE_KEEP:
        m->share_keep = (struct cfs_msg_share_keep){.epoch = BIG, .sent = 34};
        break;
    case CFS_MSG_SHARE_KEPT:
        m->share_kept =
            (struct cfs_msg_share_kept){.epoch = BIG, .known = true, .floor = 35, .sent = 36};
        break;
    case CFS_MSG_TIMEOUT_NOW:
    case CFS_MSG_LOCATE:
        break; /* its type says all */
    default:
        m->drain.id = 26;
    }
}

static void fill(struct cfs_message *m, enum cfs_message_type type)
{
    memset(m, 0, sizeof *m);
    m->type = type;
    m->group = 3;
    m->from = 2;
    m->to = 1;
    m->term = 99;
    switch (type) {
    case CFS_MSG_VOTE:
        m->vote =
            (struct cfs_msg_vote){.pre = true, .founding = true, .last_index = 4, .last_term = 5};
        break;
    case CFS_MSG_VOTE_REPLY:
        m->vote_reply = (struct cfs_msg_vote_reply){.granted = true, .amnesia = 2, .promise = 6};
        break;
    case CFS_MSG_APPEND:
        m->append = (struct cfs_msg_append){.prev_index = 11,
                                            .prev_term = 12,
                                            .commit = 13,
                                            .sent = BIG,
                                            .lease = 27,
                                            .sound_at = 28,
                                            .serving = true};
        fill_entries(&m->append, 3);
        break;
    case CFS_MSG_APPEND_REPLY:
        m->append_reply =
            (struct cfs_msg_append_reply){.match = 14, .sent = 15, .sound = true, .full = true};
        break;
    case CFS_MSG_FORWARD:
        m->forward = (struct cfs_msg_forward){
            .epoch = BIG, .outside = true, .len = 5, .command = cfs_alloc_copy("\n\0{\"}", 5)};
        break;
    case CFS_MSG_READ:
        m->read = (struct cfs_msg_read){
            .id = 16,
            .op = CFS_OP_MESSAGE_GET,
            .name = "\xff\xfe not UTF-8\n",
            .queue = {.place = CFS_DEAD, .number = BIG},
            .cache = {.ino = 33, .offset = 34, .len = CFS_PUT_MAX, .patient = true, .epoch = 35}};
        break;
    case CFS_MSG_ANSWER:
        m->answer = (struct cfs_msg_answer){.to = CFS_TO_READ,
                                            .session = 17,
                                            .id = 18,
                                            .len = 3,
                                            .answer = cfs_alloc_copy("abc", 3)};
        break;
    case CFS_MSG_KEEPALIVE:
        m->keepalive = (struct cfs_msg_keepalive){.session = 19, .oldest = 20, .sent = 21};
        break;
    case CFS_MSG_KEEPALIVE_REPLY:
        m->keepalive_reply =
            (struct cfs_msg_keepalive_reply){.session = 22, .known = true, .sent = 23};
        break;
    case CFS_MSG_COLLECT_REPLY:
        m->collect_reply = (struct cfs_msg_collect_reply){.id = 24, .session = 25};
        fill_stuck(&m->collect_reply);
        break;
    default:
        fill_other(m);
    }
}

static void assert_same_entries(const struct cfs_msg_append *a, const struct cfs_msg_append *b)
{
    assert_int_equal(a->entry_count, b->entry_count);
    for (uint32_t i = 0; i < a->entry_count; i++) {
        const struct cfs_entry *x = a->entries[i], *y = b->entries[i];
        assert_int_equal(x->len, y->len);
        assert_memory_equal(x->data, y->data, x->len);
        assert_true(x->index == y->index && x->term == y->term && x->time == y->time);
        assert_true(x->wall == y->wall && x->kind == y->kind && y->refs == 1);
    }
    assert_true(a->prev_index == b->prev_index && a->prev_term == b->prev_term);
    assert_true(a->commit == b->commit && a->sent == b->sent && a->serving == b->serving);
    assert_true(a->lease == b->lease && a->sound_at == b->sound_at);
}

static void assert_same_snapshot(const struct cfs_msg_snapshot *a, const struct cfs_msg_snapshot *b)
{
    assert_true(a->transfer == b->transfer && a->offset == b->offset && a->last == b->last);
    assert_true(a->head_len == b->head_len && a->len == b->len);
    assert_memory_equal(a->head, b->head, a->head_len);
    assert_memory_equal(a->pieces, b->pieces, a->len);
}

static void assert_same_stuck(const struct cfs_msg_collect_reply *a,
                              const struct cfs_msg_collect_reply *b)
{
    assert_true(a->id == b->id && a->session == b->session && a->stuck_count == b->stuck_count);
    for (uint32_t i = 0; i < a->stuck_count; i++) {
        assert_true(a->stuck[i].handle == b->stuck[i].handle);
        assert_int_equal(a->stuck[i].wait_count, b->stuck[i].wait_count);
        assert_memory_equal(a->stuck[i].waits, b->stuck[i].waits,
                            a->stuck[i].wait_count * sizeof(uint64_t));
    }
}

static void assert_same(const struct cfs_message *a, const struct cfs_message *b)
{
    assert_int_equal(a->type, b->type);
    assert_true(a->group == b->group && a->from == b->from && a->to == b->to && a->term == b->term);
    switch (a->type) {
    case CFS_MSG_APPEND:
        assert_same_entries(&a->append, &b->append);
        break;
    case CFS_MSG_FORWARD:
        assert_true(a->forward.epoch == b->forward.epoch);
        assert_true(a->forward.outside == b->forward.outside);
        assert_int_equal(a->forward.len, b->forward.len);
        assert_memory_equal(a->forward.command, b->forward.command, a->forward.len);
        break;
    case CFS_MSG_ANSWER:
        assert_true(a->answer.to == b->answer.to && a->answer.session == b->answer.session);
        assert_true(a->answer.id == b->answer.id && a->answer.queued == b->answer.queued);
        assert_int_equal(a->answer.len, b->answer.len);
        assert_memory_equal(a->answer.answer, b->answer.answer, a->answer.len);
        break;
    case CFS_MSG_COLLECT_REPLY:
        assert_same_stuck(&a->collect_reply, &b->collect_reply);
        break;
    case CFS_MSG_RECALL:
        assert_true(a->recall.id == b->recall.id && a->recall.contents == b->recall.contents);
        assert_int_equal(a->recall.count, b->recall.count);
        for (uint32_t i = 0; i < a->recall.count; i++) {
            assert_true(a->recall.items[i].ino == b->recall.items[i].ino);
            assert_string_equal(a->recall.items[i].name, b->recall.items[i].name);
        }
        break;
    case CFS_MSG_SNAPSHOT:
        assert_same_snapshot(&a->snapshot, &b->snapshot);
        break;
    default: /* plain values */
        assert_memory_equal(&a->vote, &b->vote, sizeof *a - offsetof(struct cfs_message, vote));
    }
}

struct bytes {
    uint8_t *data;
    size_t len;
};

static struct bytes encode(const struct cfs_message *messages, uint32_t count)
{
    struct bytes b;

    assert_int_equal(cfs_wire_encode(&b.data, &b.len, &two_to_one, messages, count), 0);
    return b;
}

/* Decodes a copy of exactly that size, so that reading beyond it is seen by the sanitizer. */
static int decode(struct cfs_batch *batch, const void *data, size_t len, char why[256])
{
    uint8_t *exact = cfs_alloc(len);
    int result;

    memcpy(exact, data, len);
    why[0] = 0;
    result = cfs_wire_decode(batch, exact, len, why, 256);
    if (result < 0) {
        assert_true(strlen(why) > 0);
        assert_true(batch->count == 0 && batch->messages == NULL);
    }
    free(exact);
    return result;
}

static void every_type_comes_back_as_it_went(void **state)
{
    (void)state;
    for (int type = 1; type < CFS_MSG_TYPE_COUNT; type++) {
        struct cfs_message m;
        struct cfs_batch batch;
        char why[256];

        fill(&m, (enum cfs_message_type)type);
        struct bytes b = encode(&m, 1);
        assert_true(b.len <= cfs_wire_size_empty() + cfs_wire_size(&m));
        assert_int_equal(decode(&batch, b.data, b.len, why), 0);
        assert_true(batch.head.from == 2 && batch.head.to == 1 && batch.count == 1);
        assert_true(batch.head.cluster == two_to_one.cluster);
        assert_same(&m, &batch.messages[0]);
        cfs_batch_clear(&batch);
        cfs_message_clear(&m);
        free(b.data);
    }
}

static void fill_all(struct cfs_message *all)
{
    for (int type = 1; type < CFS_MSG_TYPE_COUNT; type++)
        fill(&all[type - 1], (enum cfs_message_type)type);
}

static struct bytes encode_all(void)
{
    struct cfs_message all[CFS_MSG_TYPE_COUNT - 1];

    fill_all(all);
    struct bytes b = encode(all, CFS_MSG_TYPE_COUNT - 1);
    for (int i = 0; i < CFS_MSG_TYPE_COUNT - 1; i++)
        cfs_message_clear(&all[i]);
    return b;
}

/* A flag that is read as its neighbour is seen when one of them is set. */
static void flags_are_not_mixed_up(void **state)
{
    (void)state;
    for (int flag = 0; flag < 5; flag++) {
        struct cfs_message m[2];
        struct cfs_batch batch;
        char why[256];

        fill(&m[0], CFS_MSG_VOTE);
        m[0].vote.pre = flag == 0;
        m[0].vote.founding = flag == 1;
        m[0].vote.transfer = flag == 2;
        fill(&m[1], CFS_MSG_VOTE_REPLY);
        m[1].vote_reply.pre = flag == 3;
        m[1].vote_reply.granted = flag == 4;
        m[1].vote_reply.amnesia = (uint32_t)flag % 3;
        struct bytes b = encode(m, 2);
        assert_int_equal(decode(&batch, b.data, b.len, why), 0);
        assert_same(&m[0], &batch.messages[0]);
        assert_same(&m[1], &batch.messages[1]);
        cfs_batch_clear(&batch);
        free(b.data);
    }
}

static void many_messages_share_a_batch_and_none_is_a_batch_too(void **state)
{
    struct cfs_message all[CFS_MSG_TYPE_COUNT - 1];
    struct bytes b = encode_all(), none = encode(NULL, 0);
    struct cfs_batch batch;
    char why[256];

    (void)state;
    fill_all(all);
    assert_int_equal(decode(&batch, b.data, b.len, why), 0);
    assert_int_equal(batch.count, CFS_MSG_TYPE_COUNT - 1);
    for (uint32_t i = 0; i < batch.count; i++) {
        assert_same(&all[i], &batch.messages[i]);
        cfs_message_clear(&all[i]);
    }
    cfs_batch_clear(&batch);
    assert_int_equal(decode(&batch, none.data, none.len, why), 0);
    assert_true(batch.count == 0 && batch.head.from == 2);
    cfs_batch_clear(&batch);
    free(b.data);
    free(none.data);
}

static void the_format_is_the_documented_one(void **state)
{
    struct cfs_message m;

    (void)state;
    fill(&m, CFS_MSG_SNAPSHOT);
    struct bytes b = encode(&m, 1);
    static const char expected[] =
        "{\"v\":3," OURS "\"from\":2,\"to\":1,\"messages\":["
        "{\"type\":\"snapshot\",\"group\":3,\"term\":99,\"transfer\":9223372036854775807,"
        "\"offset\":29,\"last\":true,\"head_len\":4,\"len\":6}]}\nhe\n\0pieces";
    assert_int_equal(b.len, sizeof expected - 1);
    assert_memory_equal(b.data, expected, b.len);
    cfs_message_clear(&m);
    free(b.data);
}

/* Kind, group, truths, term and the epoch; the command behind its length. */
static void the_rows_are_the_documented_ones(void **state)
{
    static const char expected[] = "{\"v\":3," OURS "\"from\":2,\"to\":1,\"messages\":["
                                   "{\"type\":\"rows\",\"len\":28}]}\n"
                                   "\4\3\1"
                                   "\x63\0\0\0\0\0\0\0"
                                   "\xff\xff\xff\xff\xff\xff\xff\x7f"
                                   "\5\0\0\0"
                                   "\n\0{\"}";
    struct cfs_message m;

    (void)state;
    fill(&m, CFS_MSG_FORWARD);
    struct bytes b = encode(&m, 1);
    assert_int_equal(b.len, sizeof expected - 1);
    assert_memory_equal(b.data, expected, b.len);
    cfs_message_clear(&m);
    free(b.data);
}

/* A byte of a row of which there is no such value. */
static void rows_that_cannot_be_are_refused(void **state)
{
    static const struct {
        enum cfs_message_type type;
        size_t at; /* from the row's begin */
        uint8_t byte;
    } wrong[] = {
        {CFS_MSG_FORWARD, 0, 0},      /* no kind */
        {CFS_MSG_FORWARD, 0, 6},      /* nor this one */
        {CFS_MSG_FORWARD, 1, 64},     /* a group */
        {CFS_MSG_FORWARD, 2, 2},      /* a truth */
        {CFS_MSG_FORWARD, 10, 0x80},  /* a term beyond the format */
        {CFS_MSG_FORWARD, 18, 0x80},  /* an epoch */
        {CFS_MSG_FORWARD, 19, 4},     /* a length: what is left begins no row */
        {CFS_MSG_FORWARD, 19, 6},     /* more bytes than there are */
        {CFS_MSG_ANSWER, 27, 3},      /* to nobody */
        {CFS_MSG_APPEND_REPLY, 2, 8}, /* a truth */
        {CFS_MSG_APPEND, 59, 0},      /* no entries: a heartbeat is another kind */
        {CFS_MSG_APPEND, 59, 4},      /* more entries than there are */
        {CFS_MSG_APPEND, 60, 5},      /* more than are allowed */
        {CFS_MSG_APPEND, 70, 0x80},   /* an entry's term */
        {CFS_MSG_APPEND, 87, 4},      /* its kind */
        {CFS_MSG_APPEND, 87, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct cfs_message m;
        struct cfs_batch batch;
        char why[256];

        fill(&m, wrong[i].type);
        struct bytes b = encode(&m, 1);
        uint8_t *row = (uint8_t *)memchr(b.data, '\n', b.len) + 1;
        row[wrong[i].at] = wrong[i].byte;
        assert_int_equal(decode(&batch, b.data, b.len, why), -1);
        if (!strstr(why, "no row that can be"))
            fail_msg("%zu: said '%s'", i, why);
        cfs_message_clear(&m);
        free(b.data);
    }
}

static void cut_anywhere_it_is_refused(void **state)
{
    struct bytes b = encode_all();
    struct cfs_batch batch;
    char why[256];

    (void)state;
    for (size_t len = 0; len < b.len; len++)
        assert_int_equal(decode(&batch, b.data, len, why), -1);
    free(b.data);
}

static void a_byte_too_many_is_refused(void **state)
{
    struct bytes b = encode_all();
    struct cfs_batch batch;
    char why[256];

    (void)state;
    b.data = cfs_realloc(b.data, b.len + 1);
    b.data[b.len] = 'x';
    assert_int_equal(decode(&batch, b.data, b.len + 1, why), -1);
    assert_string_equal(why, "1 bytes too many");
    free(b.data);
}

/* What comes of a changed byte may be another valid batch; it must not be anything worse. */
static void garbage_does_no_harm(void **state)
{
    struct bytes b = encode_all();
    uint64_t random = 88172645463325252u; /* xorshift64, always the same */
    struct cfs_batch batch;
    char why[256];

    (void)state;
    for (int round = 0; round < 20000; round++) {
        uint8_t saved[4];
        size_t at[4];
        for (int i = 0; i < 4; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            at[i] = random % b.len;
            saved[i] = b.data[at[i]];
            if (i <= round % 4)
                b.data[at[i]] = round % 3 ? "0{}[]\",:\n-9truefalsenull"[random >> 40 & 15]
                                          : (uint8_t)(random >> 32);
        }
        if (decode(&batch, b.data, b.len, why) == 0)
            cfs_batch_clear(&batch);
        for (int i = 3; i >= 0; i--)
            b.data[at[i]] = saved[i];
    }
    free(b.data);
}

/* A head that is refused, and a part of the sentence that says why. */
struct refusal {
    const char *head, *why;
};

#define HEAD(message) "{\"v\":3," OURS "\"from\":2,\"to\":1,\"messages\":[" message "]}\n"
#define NO_CACHE "\"ino\":0,\"offset\":0,\"bytes\":0,\"patient\":false,\"epoch\":0,"
#define SNAPSHOT(rest)                                                                             \
    HEAD("{\"type\":\"snapshot\",\"group\":0,\"term\":1,\"transfer\":1,\"offset\":0,\"last\":"     \
         "true" rest "}")
#define VOTE(rest)                                                                                 \
    HEAD("{\"type\":\"vote\",\"group\":0,\"term\":1,\"pre\":true," rest                            \
         "\"last_index\":1,\"last_term\":1}")
#define VOTE_REPLY(rest)                                                                           \
    HEAD("{\"type\":\"vote_reply\",\"group\":0,\"term\":1,\"pre\":true,\"granted\":true," rest     \
         "\"promise\":1}")
#define REPLY(rest) HEAD("{\"type\":\"snapshot_reply\",\"group\":0,\"term\":1" rest "}")

static const struct refusal refusals[] = {
    {"", "no end of the head"},
    {"\n", "no JSON"},
    {"[]\n", "'v'"},
    {"{}\n", "'v'"},
    {"{\"v\":1}\n", "version 1"},
    {"{\"v\":\"1\"}\n", "'v'"},
    {"{\"v\":3,\"from\":2,\"to\":1,\"messages\":[]}\n", "'cluster'"},
    {"{\"v\":3,\"cluster\":5,\"from\":2,\"to\":1,\"messages\":[]}\n", "'cluster'"},
    {"{\"v\":3,\"cluster\":\"fedcba987654321g\",\"from\":2,\"to\":1}\n", "'cluster'"},
    {"{\"v\":3,\"cluster\":\"fedcba98765432101\",\"from\":2,\"to\":1}\n", "'cluster'"},
    {"{\"v\":3," OURS "\"to\":1,\"messages\":[]}\n", "'from'"},
    {"{\"v\":3," OURS "\"from\":-2,\"to\":1,\"messages\":[]}\n", "'from'"},
    {"{\"v\":3," OURS "\"from\":4294967296,\"to\":1,\"messages\":[]}\n", "'from'"},
    {"{\"v\":3," OURS "\"from\":2,\"messages\":[]}\n", "'to'"},
    {"{\"v\":3," OURS "\"from\":2,\"to\":1}\n", "'messages'"},
    {"{\"v\":3," OURS "\"from\":2,\"to\":1,\"messages\":{}}\n", "'messages'"},
    {"{\"v\":3,\"v\":3,\"from\":2,\"to\":1,\"messages\":[]}\n", "no JSON"},
    {"{\"v\":3," OURS "\"from\":2,\"to\":1,\"messages\":[]} x\n", "no JSON"},
    {HEAD("7"), "'type'"},
    {HEAD("{}"), "'type'"},
    {HEAD("{\"type\":7}"), "'type'"},
    {HEAD("{\"type\":\"gossip\",\"group\":0,\"term\":1}"), "'gossip' is no type"},
    {HEAD("{\"type\":\"drain\",\"term\":1,\"id\":1}"), "'group'"},
    {HEAD("{\"type\":\"drain\",\"group\":0,\"id\":1}"), "'term'"},
    {HEAD("{\"type\":\"drain\",\"group\":0,\"term\":1}"), "'id'"},
    {HEAD("{\"type\":\"drain\",\"group\":0,\"term\":1,\"id\":-1}"), "'id'"},
    {HEAD("{\"type\":\"drain\",\"group\":0,\"term\":1,\"id\":1.0}"), "'id'"},
    {HEAD("{\"type\":\"drain\",\"group\":0,\"term\":1,\"id\":9223372036854775808}"), "no JSON"},
    {HEAD("{\"type\":\"vote\",\"group\":0,\"term\":1,\"pre\":1,\"last_index\":1,\"last_term\":1}"),
     "'pre'"},
    {VOTE("\"transfer\":false,"), "'founding'"},
    {VOTE("\"founding\":1,\"transfer\":false,"), "'founding'"},
    {VOTE("\"founding\":false,"), "'transfer'"},
    {VOTE_REPLY(""), "'amnesia'"},
    {VOTE_REPLY("\"amnesia\":true,"), "'amnesia'"},
    {HEAD("{\"type\":\"append_reply\",\"group\":0,\"term\":1}"), "among 'rows'"},
    {HEAD("{\"type\":\"append\",\"group\":0,\"term\":1}"), "among 'rows'"},
    {HEAD("{\"type\":\"forward\",\"group\":0,\"term\":1}"), "among 'rows'"},
    {HEAD("{\"type\":\"answer\",\"group\":0,\"term\":1}"), "among 'rows'"},
    {HEAD("{\"type\":\"rows\"}"), "'len'"},
    {HEAD("{\"type\":\"rows\",\"len\":1}"), "a body of 1"},
    {HEAD("{\"type\":\"timeout_now\",\"group\":0}"), "'term'"},
    {HEAD("{\"type\":\"read\",\"group\":0,\"term\":1,\"id\":1,\"op\":29,\"place\":0,\"number\":"
          "0," NO_CACHE "\"len\":256}"),
     "'len'"},
    {HEAD("{\"type\":\"read\",\"group\":0,\"term\":1,\"id\":1,\"op\":28,\"place\":0,\"number\":"
          "0," NO_CACHE "\"len\":0}"),
     "'op'"},
    {HEAD("{\"type\":\"read\",\"group\":0,\"term\":1,\"id\":1,\"op\":41,\"place\":0,\"number\":"
          "0," NO_CACHE "\"len\":0}"),
     "'op'"},
    {HEAD("{\"type\":\"read\",\"group\":0,\"term\":1,\"id\":1,\"op\":39,\"place\":0,\"number\":0,"
          "\"ino\":1,\"offset\":0,\"bytes\":1048577,\"patient\":false,\"epoch\":0,"
          "\"len\":0}"),
     "'bytes'"},
    {HEAD("{\"type\":\"collect_reply\",\"group\":0,\"term\":1,\"id\":1,\"session\":1,"
          "\"stuck\":[{\"handle\":1,\"waits\":[1,\"2\"]}]}"),
     "'waits'"},
    {HEAD("{\"type\":\"collect_reply\",\"group\":0,\"term\":1,\"id\":1,\"session\":1,"
          "\"stuck\":[{\"waits\":[]}]}"),
     "'handle'"},
    {SNAPSHOT(",\"len\":0"), "'head_len'"},
    {SNAPSHOT(",\"head_len\":0"), "'len'"},
    {SNAPSHOT(",\"head_len\":4097,\"len\":0"), "4097"},
    {SNAPSHOT(",\"head_len\":0,\"len\":5242881"), "5242881"},
    {SNAPSHOT(",\"head_len\":1,\"len\":0"), "a body of 1"},
    {SNAPSHOT(",\"head_len\":1,\"len\":1") "h", "a body of 1"}, /* no pieces behind the head */
    {SNAPSHOT(",\"head_len\":1,\"len\":1") "hpx", "1 bytes too many"},
    {SNAPSHOT(",\"head_len\":-1,\"len\":1"), "'head_len'"},
    {HEAD("{\"type\":\"snapshot\",\"group\":0,\"term\":1,\"transfer\":1,\"offset\":0,\"last\":0,"
          "\"head_len\":0,\"len\":0}"),
     "'last'"},
    {REPLY(",\"next\":1,\"done\":true"), "'transfer'"},
    {REPLY(",\"transfer\":1,\"done\":true"), "'next'"},
    {REPLY(",\"transfer\":1,\"next\":1,\"done\":1"), "'done'"},
};

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const struct refusal *r = &refusals[i];
        struct cfs_batch batch;
        char why[256];

        assert_int_equal(decode(&batch, r->head, strlen(r->head), why), -1);
        if (!strstr(why, r->why))
            fail_msg("%s: said '%s', not '%s'", r->head, why, r->why);
    }
}

static void a_name_with_a_zero_byte_is_refused(void **state)
{
    static const char head[] = HEAD("{\"type\":\"read\",\"group\":0,\"term\":1,\"id\":1,\"op\":29,"
                                    "\"place\":0,\"number\":0," NO_CACHE "\"len\":3}") "a\0b";
    struct cfs_batch batch;
    char why[256];

    (void)state;
    assert_int_equal(decode(&batch, head, sizeof head - 1, why), -1);
    assert_string_equal(why, "a name with a zero byte");
}

static void unknown_fields_are_passed_over(void **state)
{
    static const char head[] =
        "{\"v\":3," OURS "\"from\":2,\"to\":1,\"since\":3,\"messages\":[{\"type\":"
        "\"drain\",\"group\":0,\"term\":1,\"id\":4,\"mood\":\"good\"}]}\n";
    struct cfs_batch batch;
    char why[256];

    (void)state;
    assert_int_equal(decode(&batch, head, sizeof head - 1, why), 0);
    assert_int_equal(batch.messages[0].drain.id, 4);
    cfs_batch_clear(&batch);
}

static void numbers_beyond_the_format_are_not_sent(void **state)
{
    struct cfs_message m;
    uint8_t *out;
    size_t len;

    (void)state;
    fill(&m, CFS_MSG_KEEPALIVE);
    m.keepalive.sent = BIG + 1;
    assert_int_equal(cfs_wire_encode(&out, &len, &two_to_one, &m, 1), -1);
    fill(&m, CFS_MSG_APPEND);
    m.append.entries[2]->time = CFS_NEVER;
    assert_int_equal(cfs_wire_encode(&out, &len, &two_to_one, &m, 1), -1);
    cfs_message_clear(&m);
    fill(&m, CFS_MSG_ANSWER);
    m.answer.session = BIG + 1;
    assert_int_equal(cfs_wire_encode(&out, &len, &two_to_one, &m, 1), -1);
    cfs_message_clear(&m);
    fill(&m, CFS_MSG_COLLECT_REPLY);
    m.collect_reply.stuck[1].waits[2] = CFS_NEVER;
    assert_int_equal(cfs_wire_encode(&out, &len, &two_to_one, &m, 1), -1);
    cfs_message_clear(&m);
}

/* `count` entries of `len` bytes each, with the result of decoding them. */
static int decode_entries_of(uint32_t count, uint32_t len, char why[256])
{
    struct cfs_message m;
    struct cfs_batch batch;
    int result;

    memset(&m, 0, sizeof m);
    m.type = CFS_MSG_APPEND;
    m.append.entries = cfs_alloc(count * sizeof *m.append.entries);
    m.append.entry_count = count;
    uint8_t *zeros = cfs_alloc_zeroed(len, 1);
    for (uint32_t i = 0; i < count; i++)
        m.append.entries[i] =
            cfs_entry_new(CFS_ENTRY_COMMAND, m.append.prev_index + 1 + i, 1, zeros, len);
    struct bytes b = encode(&m, 1);
    result = decode(&batch, b.data, b.len, why);
    cfs_batch_clear(&batch);
    cfs_message_clear(&m);
    free(zeros);
    free(b.data);
    return result;
}

static void the_limits_are_kept(void **state)
{
    char why[256];

    (void)state;
    assert_int_equal(decode_entries_of(CFS_APPEND_ENTRIES_MAX, 10, why), 0);
    assert_int_equal(decode_entries_of(CFS_APPEND_ENTRIES_MAX + 1, 10, why), -1);
    assert_int_equal(decode_entries_of(2, CFS_COMMAND_MAX, why), 0);
    assert_int_equal(decode_entries_of(1, CFS_COMMAND_MAX + 1, why), -1);
    assert_int_equal(decode_entries_of(3, CFS_COMMAND_MAX, why), -1);
    assert_non_null(strstr(why, "no row that can be"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_comes_back_as_it_went),
        cmocka_unit_test(flags_are_not_mixed_up),
        cmocka_unit_test(many_messages_share_a_batch_and_none_is_a_batch_too),
        cmocka_unit_test(the_format_is_the_documented_one),
        cmocka_unit_test(the_rows_are_the_documented_ones),
        cmocka_unit_test(rows_that_cannot_be_are_refused),
        cmocka_unit_test(cut_anywhere_it_is_refused),
        cmocka_unit_test(a_byte_too_many_is_refused),
        cmocka_unit_test(garbage_does_no_harm),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(a_name_with_a_zero_byte_is_refused),
        cmocka_unit_test(unknown_fields_are_passed_over),
        cmocka_unit_test(numbers_beyond_the_format_are_not_sent),
        cmocka_unit_test(the_limits_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
