/* A parser by recursive descent: a function for each rule of the grammar, which has read all of it
 * when it gives true. */
#include "io/head.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

enum { DEPTH_MAX = 16 };

struct parser {
    struct cfs_head *head;
    const char *text, *at, *end;
    const char *wrong; /* NULL: nothing yet */
    unsigned depth;
};

static bool fails(struct parser *p, const char *wrong)
{
    if (!p->wrong)
        p->wrong = wrong;
    return false;
}

/* 0 at the end, which is no part of any rule. */
static char peek(const struct parser *p)
{
    return p->at < p->end ? *p->at : 0;
}

static void pass_space(struct parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\r' || *p->at == '\n'))
        p->at++;
}

static bool pass(struct parser *p, char c)
{
    pass_space(p);
    if (peek(p) != c)
        return false;
    p->at++;
    return true;
}

static bool pass_word(struct parser *p, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(p->end - p->at) < len || memcmp(p->at, word, len) != 0)
        return fails(p, "no value");
    p->at += len;
    return true;
}

/* Its number. */
static uint32_t add_value(struct parser *p, enum cfs_head_kind kind)
{
    struct cfs_head *head = p->head;

    head->values = cfs_array_room(head->values, head->count, &head->capacity, sizeof *head->values);
    head->values[head->count] = (struct cfs_head_value){.kind = kind, .next = head->count + 1};
    return head->count++;
}

static bool parse_escape(struct parser *p)
{
    char c = peek(p);

    if (!c || !strchr("\"\\/bfnrtu", c))
        return fails(p, "no escape");
    p->at++;
    for (int i = 0; c == 'u' && i < 4; i++, p->at++)
        if (!peek(p) || !strchr("0123456789abcdefABCDEF", *p->at))
            return fails(p, "no escape");
    return true;
}

static bool parse_string(struct parser *p)
{
    uint32_t number = add_value(p, CFS_HEAD_STRING);
    const char *begin = ++p->at;

    while (p->at < p->end && *p->at != '"') {
        char c = *p->at++;

        if ((unsigned char)c < ' ')
            return fails(p, "a control character in a string");
        if (c == '\\' && !parse_escape(p))
            return false;
    }
    if (p->at == p->end)
        return fails(p, "a string without an end");
    p->head->values[number].text = begin;
    p->head->values[number].len = (uint32_t)(p->at++ - begin);
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool pass_digits(struct parser *p)
{
    if (!is_digit(peek(p)))
        return fails(p, "no number");
    while (is_digit(peek(p)))
        p->at++;
    return true;
}

static bool parse_fraction(struct parser *p)
{
    if (peek(p) == '.') {
        p->at++;
        if (!pass_digits(p))
            return false;
    }
    if (peek(p) == 'e' || peek(p) == 'E') {
        p->at++;
        if (peek(p) == '+' || peek(p) == '-')
            p->at++;
        return pass_digits(p);
    }
    return true;
}

static bool parse_number(struct parser *p)
{
    uint32_t at = add_value(p, CFS_HEAD_INTEGER);
    bool negative = peek(p) == '-';
    const char *begin = p->at += negative;
    int64_t number = 0;

    if (!pass_digits(p))
        return false;
    if (*begin == '0' && p->at > begin + 1)
        return fails(p, "a number that begins with 0");
    if (peek(p) == '.' || peek(p) == 'e' || peek(p) == 'E') {
        p->head->values[at].kind = CFS_HEAD_OTHER;
        return parse_fraction(p);
    }
    for (const char *digit = begin; digit < p->at; digit++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, *digit - '0', &number))
            return fails(p, "a number too large");
    p->head->values[at].number = negative ? -number : number;
    return true;
}

static bool parse_value(struct parser *p);

static bool parse_array(struct parser *p)
{
    uint32_t number = add_value(p, CFS_HEAD_ARRAY), count = 0;

    p->at++;
    if (!pass(p, ']')) {
        do {
            if (!parse_value(p))
                return false;
            count++;
        } while (pass(p, ','));
        if (!pass(p, ']'))
            return fails(p, "an array without an end");
    }
    p->head->values[number].len = count;
    p->head->values[number].next = p->head->count;
    return true;
}

/* Whether the member whose name has been read last, of the object `number`, was there before. */
static bool is_double(const struct cfs_head *head, uint32_t number)
{
    const struct cfs_head_value *values = head->values, *last = &values[head->count - 1];

    for (uint32_t key = number + 1; &values[key] < last; key = values[key + 1].next)
        if (values[key].len == last->len && memcmp(values[key].text, last->text, last->len) == 0)
            return true;
    return false;
}

static bool parse_member(struct parser *p, uint32_t object)
{
    pass_space(p);
    if (peek(p) != '"')
        return fails(p, "no name of a member");
    if (!parse_string(p))
        return false;
    if (is_double(p->head, object))
        return fails(p, "a member that is there twice");
    return pass(p, ':') ? parse_value(p) : fails(p, "a member without a value");
}

static bool parse_object(struct parser *p)
{
    uint32_t number = add_value(p, CFS_HEAD_OBJECT), count = 0;

    p->at++;
    if (!pass(p, '}')) {
        do {
            if (++count > CFS_HEAD_MEMBERS_MAX)
                return fails(p, "an object with too many members");
            if (!parse_member(p, number))
                return false;
        } while (pass(p, ','));
        if (!pass(p, '}'))
            return fails(p, "an object without an end");
    }
    p->head->values[number].len = count;
    p->head->values[number].next = p->head->count;
    return true;
}

static bool parse_nested(struct parser *p, bool (*parse)(struct parser *))
{
    bool parsed;

    if (p->depth == DEPTH_MAX)
        return fails(p, "too deep");
    p->depth++;
    parsed = parse(p);
    p->depth--;
    return parsed;
}

static bool parse_value(struct parser *p)
{
    pass_space(p);
    switch (peek(p)) {
    case '{':
        return parse_nested(p, parse_object);
    case '[':
        return parse_nested(p, parse_array);
    case '"':
        return parse_string(p);
    case 't':
        add_value(p, CFS_HEAD_TRUE);
        return pass_word(p, "true");
    case 'f':
        add_value(p, CFS_HEAD_FALSE);
        return pass_word(p, "false");
    case 'n':
        add_value(p, CFS_HEAD_OTHER);
        return pass_word(p, "null");
    default:
        return parse_number(p);
    }
}

int cfs_head_parse(struct cfs_head *head, const char *text, size_t len, char *why, size_t size)
{
    struct parser p = {.head = head, .text = text, .at = text, .end = text + len};

    *head = (struct cfs_head){.object = UINT32_MAX};
    assert(len <= UINT32_MAX);
    if (parse_value(&p)) {
        pass_space(&p);
        if (p.at == p.end)
            return 0;
        fails(&p, "something behind it");
    }
    snprintf(why, size, "%s at byte %td", p.wrong, p.at - p.text);
    cfs_head_close(head);
    return -1;
}

bool cfs_head_is(const struct cfs_head_value *value, const char *string)
{
    return value && value->kind == CFS_HEAD_STRING && strlen(string) == value->len &&
           memcmp(value->text, string, value->len) == 0;
}

const struct cfs_head_value *cfs_head_get(struct cfs_head *head,
                                          const struct cfs_head_value *object, const char *key)
{
    const struct cfs_head_value *values = head->values;
    uint32_t number, at;

    if (!object || object->kind != CFS_HEAD_OBJECT)
        return NULL;
    number = (uint32_t)(object - values);
    at = number + 1;
    if (head->object == number && head->behind < object->next)
        at = head->behind;
    for (uint32_t i = 0; i < object->len; i++) {
        const struct cfs_head_value *name = &values[at], *value = name + 1;

        at = value->next < object->next ? value->next : number + 1;
        if (cfs_head_is(name, key)) {
            head->object = number;
            head->behind = at;
            return value;
        }
    }
    return NULL;
}

const struct cfs_head_value *cfs_head_first(const struct cfs_head *head,
                                            const struct cfs_head_value *array)
{
    return array->len ? &head->values[array - head->values + 1] : NULL;
}

const struct cfs_head_value *cfs_head_next(const struct cfs_head *head,
                                           const struct cfs_head_value *value)
{
    return &head->values[value->next];
}

void cfs_head_close(struct cfs_head *head)
{
    free(head->values);
    *head = (struct cfs_head){0};
}
