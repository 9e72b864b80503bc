/* Requests to the cache as bytes: what goes in comes out, and nothing else is let in; as
 * test_command.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/command.h"

#define ODD "name with\nodd bytes\xff"
#define ALL_FIELDS                                                                                 \
    (CFS_CACHE_PERM | CFS_CACHE_UID | CFS_CACHE_GID | CFS_CACHE_ATIME | CFS_CACHE_MTIME)

static const uint8_t data[] = "the\0bytes";

static struct cfs_command request(enum cfs_op op, const char *name)
{
    struct cfs_command command = {.kind = CFS_CMD_REQUEST,
                                  .node = 3,
                                  .session = 9,
                                  .sequence = 42,
                                  .oldest = 40,
                                  .request = {.op = op}};

    strcpy(command.request.name, name);
    return command;
}

static struct cfs_command make(enum cfs_inode_type type, const char *target)
{
    struct cfs_command command = request(CFS_OP_CACHE_MAKE, ODD);

    command.request.cache_make = (struct cfs_cache_make){.parent = 0x1122334455667788,
                                                         .type = type,
                                                         .exclusive = true,
                                                         .uid = 1,
                                                         .gid = 2,
                                                         .perm = 07751,
                                                         .target = (const uint8_t *)target,
                                                         .target_len = (uint32_t)strlen(target)};
    return command;
}

static struct cfs_command removal(void)
{
    struct cfs_command command = request(CFS_OP_CACHE_REMOVE, ODD);

    command.request.cache_remove =
        (struct cfs_cache_remove){.parent = 5, .directory = true, .uid = 6};
    return command;
}

static struct cfs_command renaming(const char *to, bool no_replace, bool exchange)
{
    struct cfs_command command = request(CFS_OP_CACHE_RENAME, ODD);

    command.request.cache_rename = (struct cfs_cache_rename){
        .parent = 5, .to_parent = 7, .no_replace = no_replace, .exchange = exchange, .uid = 6};
    strcpy(command.request.cache_rename.to, to);
    return command;
}

static struct cfs_command set(enum cfs_op op, uint32_t fields)
{
    struct cfs_command command = request(op, "");

    command.request.cache_set = (struct cfs_cache_set){
        .ino = 8, .fields = fields, .perm = 04711, .uid = 9, .gid = 10, .atime = 11, .mtime = 12};
    return command;
}

static struct cfs_command put(enum cfs_put_kind kind, bool conditional)
{
    struct cfs_command command = request(CFS_OP_CACHE_PUT, "");
    bool placed = kind == CFS_PUT_WRITE || kind == CFS_PUT_TRUNCATE;

    command.request.cache_put =
        (struct cfs_cache_put){.ino = 13,
                               .kind = kind,
                               .laundered = !conditional,
                               .conditional = conditional,
                               .expected = conditional ? 14 : 0,
                               .offset = placed ? 15 : 0,
                               .max = 67108864,
                               .data = data,
                               .len = kind == CFS_PUT_TRUNCATE ? 0 : sizeof data};
    return command;
}

static struct cfs_command xattr(bool create, bool replace, bool remove)
{
    struct cfs_command command = request(CFS_OP_CACHE_XATTR, "user.a/b");

    command.request.cache_xattr = (struct cfs_cache_xattr){.ino = 16,
                                                           .create = create,
                                                           .replace = replace,
                                                           .remove = remove,
                                                           .value = data,
                                                           .len = remove ? 0 : sizeof data};
    return command;
}

static struct cfs_command drop(enum cfs_op op, cfs_ino ino)
{
    struct cfs_command command = request(op, "");

    command.request.cache_drop.ino = ino;
    return command;
}

#define SAMPLES_MAX 24

static size_t samples(struct cfs_command *out)
{
    size_t count = 0;

    out[count++] = make(CFS_INODE_FILE, "");
    out[count++] = make(CFS_INODE_DIRECTORY, "");
    out[count++] = make(CFS_INODE_SYMLINK, "../else where");
    out[count++] = removal();
    out[count++] = renaming("to", false, true);
    out[count++] = renaming(ODD, true, false);
    out[count++] = set(CFS_OP_CACHE_SETNODE, ALL_FIELDS);
    out[count++] = set(CFS_OP_CACHE_SETNODE, CFS_CACHE_UID | CFS_CACHE_MTIME_NOW);
    out[count++] = set(CFS_OP_CACHE_TOUCH, CFS_CACHE_ATIME_NOW | CFS_CACHE_MTIME);
    out[count++] = put(CFS_PUT_WRITE, false);
    out[count++] = put(CFS_PUT_APPEND, false);
    out[count++] = put(CFS_PUT_REPLACE, true);
    out[count++] = put(CFS_PUT_TRUNCATE, false);
    out[count++] = xattr(false, false, false);
    out[count++] = xattr(true, false, false);
    out[count++] = xattr(false, true, false);
    out[count++] = xattr(false, false, true);
    out[count++] = drop(CFS_OP_CACHE_DROP, 17);
    out[count++] = drop(CFS_OP_CACHE_FORGET, UINT64_MAX);
    assert_true(count <= SAMPLES_MAX);
    return count;
}

static struct cfs_writer encoded(const struct cfs_command *command)
{
    struct cfs_writer writer = {0};

    cfs_command_encode(&writer, command);
    return writer;
}

/* From an exact copy, so that reading past the end is seen by the sanitizer. */
static int decode_copy(struct cfs_command *got, const uint8_t *bytes, size_t len, uint8_t **copy)
{
    *copy = malloc(len ? len : 1);
    assert_non_null(*copy);
    memcpy(*copy, bytes, len);
    return cfs_command_decode(got, *copy, len);
}

static bool is_accepted(struct cfs_command command)
{
    struct cfs_writer writer = encoded(&command);
    bool valid = cfs_command_valid(writer.data, writer.len);

    free(writer.data);
    return valid;
}

static void check_make(const struct cfs_cache_make *got, const struct cfs_cache_make *want)
{
    assert_int_equal(got->parent, want->parent);
    assert_int_equal(got->type, want->type);
    assert_int_equal(got->exclusive, want->exclusive);
    assert_int_equal(got->uid, want->uid);
    assert_int_equal(got->gid, want->gid);
    assert_int_equal(got->perm, want->perm);
    assert_int_equal(got->target_len, want->target_len);
    if (want->target_len)
        assert_memory_equal(got->target, want->target, want->target_len);
}

static void check_rename(const struct cfs_cache_rename *got, const struct cfs_cache_rename *want)
{
    assert_int_equal(got->parent, want->parent);
    assert_int_equal(got->to_parent, want->to_parent);
    assert_string_equal(got->to, want->to);
    assert_int_equal(got->no_replace, want->no_replace);
    assert_int_equal(got->exchange, want->exchange);
    assert_int_equal(got->uid, want->uid);
}

static void check_set(const struct cfs_cache_set *got, const struct cfs_cache_set *want)
{
    uint32_t fields = want->fields;

    assert_int_equal(got->ino, want->ino);
    assert_int_equal(got->fields, fields);
    assert_int_equal(got->perm, fields & CFS_CACHE_PERM ? want->perm : 0);
    assert_int_equal(got->uid, fields & CFS_CACHE_UID ? want->uid : 0);
    assert_int_equal(got->gid, fields & CFS_CACHE_GID ? want->gid : 0);
    assert_int_equal(got->atime, fields & CFS_CACHE_ATIME ? want->atime : 0);
    assert_int_equal(got->mtime, fields & CFS_CACHE_MTIME ? want->mtime : 0);
}

static void check_put(const struct cfs_cache_put *got, const struct cfs_cache_put *want)
{
    assert_int_equal(got->ino, want->ino);
    assert_int_equal(got->kind, want->kind);
    assert_int_equal(got->laundered, want->laundered);
    assert_int_equal(got->conditional, want->conditional);
    assert_int_equal(got->expected, want->expected);
    assert_int_equal(got->offset, want->offset);
    assert_int_equal(got->max, want->max);
    assert_int_equal(got->len, want->len);
    assert_memory_equal(got->data, want->data, want->len);
}

static void check_xattr(const struct cfs_cache_xattr *got, const struct cfs_cache_xattr *want)
{
    assert_int_equal(got->ino, want->ino);
    assert_int_equal(got->create, want->create);
    assert_int_equal(got->replace, want->replace);
    assert_int_equal(got->remove, want->remove);
    assert_int_equal(got->len, want->len);
    if (want->len)
        assert_memory_equal(got->value, want->value, want->len);
}

static void check(const struct cfs_request *got, const struct cfs_request *want)
{
    assert_int_equal(got->op, want->op);
    assert_string_equal(got->name, want->name);
    switch (want->op) {
    case CFS_OP_CACHE_MAKE:
        check_make(&got->cache_make, &want->cache_make);
        break;
    case CFS_OP_CACHE_REMOVE:
        assert_int_equal(got->cache_remove.parent, want->cache_remove.parent);
        assert_int_equal(got->cache_remove.directory, want->cache_remove.directory);
        assert_int_equal(got->cache_remove.uid, want->cache_remove.uid);
        break;
    case CFS_OP_CACHE_RENAME:
        check_rename(&got->cache_rename, &want->cache_rename);
        break;
    case CFS_OP_CACHE_SETNODE:
    case CFS_OP_CACHE_TOUCH:
        check_set(&got->cache_set, &want->cache_set);
        break;
    case CFS_OP_CACHE_PUT:
        check_put(&got->cache_put, &want->cache_put);
        break;
    case CFS_OP_CACHE_XATTR:
        check_xattr(&got->cache_xattr, &want->cache_xattr);
        break;
    default:
        assert_int_equal(got->cache_drop.ino, want->cache_drop.ino);
    }
}

static void requests_come_out_as_they_went_in(void **state)
{
    struct cfs_command commands[SAMPLES_MAX], got;
    size_t count = samples(commands);
    uint8_t *copy;

    (void)state;
    for (size_t i = 0; i < count; i++) {
        struct cfs_writer writer = encoded(&commands[i]);
        assert_int_equal(decode_copy(&got, writer.data, writer.len, &copy), 0);
        check(&got.request, &commands[i].request);
        assert_null(got.owned);
        free(copy);
        free(writer.data);
    }
}

static void every_cut_is_refused(void **state)
{
    struct cfs_command commands[SAMPLES_MAX], got;
    size_t count = samples(commands);
    uint8_t *copy;

    (void)state;
    for (size_t i = 0; i < count; i++) {
        struct cfs_writer writer = encoded(&commands[i]);
        for (size_t len = 0; len < writer.len; len++) {
            assert_int_equal(decode_copy(&got, writer.data, len, &copy), -1);
            free(copy);
        }
        cfs_put_u8(&writer, 0);
        assert_int_equal(cfs_command_decode(&got, writer.data, writer.len), -1);
        free(writer.data);
    }
}

static void check_damaged(const struct cfs_writer *writer)
{
    struct cfs_command got;
    uint8_t *copy;

    if (decode_copy(&got, writer->data, writer->len, &copy) == 0) {
        struct cfs_writer again = encoded(&got);
        assert_int_equal(again.len, writer->len);
        assert_memory_equal(again.data, writer->data, again.len);
        free(again.data);
        cfs_command_clear(&got);
    }
    free(copy);
}

static void damage_is_refused_or_means_itself(void **state)
{
    struct cfs_command commands[SAMPLES_MAX];
    size_t count = samples(commands);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        struct cfs_writer writer = encoded(&commands[i]);
        for (size_t at = 0; at < writer.len; at++) {
            uint8_t was = writer.data[at];
            for (unsigned value = 0; value < 256; value++) {
                writer.data[at] = (uint8_t)value;
                check_damaged(&writer);
            }
            writer.data[at] = was;
        }
        free(writer.data);
    }
}

static bool is_accepted_as(struct cfs_command command, const char *name)
{
    strcpy(command.request.name, name);
    return is_accepted(command);
}

static void names_are_those_of_files(void **state)
{
    static const char *const none[] = {"", ".", "..", "a/b"};

    (void)state;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_false(is_accepted_as(make(CFS_INODE_FILE, ""), none[i]));
        assert_false(is_accepted_as(removal(), none[i]));
        assert_false(is_accepted_as(renaming("to", false, false), none[i]));
        assert_false(is_accepted(renaming(none[i], false, false)));
    }
    assert_true(is_accepted_as(make(CFS_INODE_FILE, ""), ".hidden"));
    assert_false(is_accepted_as(xattr(false, false, false), ""));
    assert_false(is_accepted_as(put(CFS_PUT_APPEND, false), "a"));
    assert_false(is_accepted_as(set(CFS_OP_CACHE_TOUCH, 0), "a"));
    assert_false(is_accepted_as(drop(CFS_OP_CACHE_DROP, 1), "a"));
}

static void inode_numbers_are_never_zero(void **state)
{
    struct cfs_command commands[SAMPLES_MAX];
    size_t count = samples(commands);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        commands[i].request.cache_drop.ino = 0; /* each begins with the number */
        assert_false(is_accepted(commands[i]));
    }
    commands[0] = renaming("to", false, false);
    commands[0].request.cache_rename.to_parent = 0;
    assert_false(is_accepted(commands[0]));
}

static void targets_are_for_symlinks_and_bounded(void **state)
{
    char *target = malloc(CFS_TARGET_MAX + 2);
    struct cfs_command command;

    (void)state;
    memset(target, 't', CFS_TARGET_MAX + 1);
    target[CFS_TARGET_MAX + 1] = 0;
    command = make(CFS_INODE_SYMLINK, target);
    assert_false(is_accepted(command));
    command.request.cache_make.target_len = CFS_TARGET_MAX;
    assert_true(is_accepted(command));
    target[7] = 0;
    assert_false(is_accepted(command));
    command.request.cache_make.target_len = 0;
    assert_false(is_accepted(command));
    command = make(CFS_INODE_FILE, "");
    command.request.cache_make.perm = 010000;
    assert_false(is_accepted(command));
    command.request.cache_make.perm = 0;
    command.request.cache_make.type = CFS_INODE_SYMLINK + 1;
    assert_false(is_accepted(command));
    free(target);
}

static void a_put_has_a_limit(void **state)
{
    uint8_t *bytes = calloc(1, CFS_PUT_MAX + 1);
    struct cfs_command command = put(CFS_PUT_WRITE, true);
    struct cfs_writer writer;

    (void)state;
    command.ack_count = CFS_ACKS_MAX;
    command.request.cache_put.data = bytes;
    command.request.cache_put.len = CFS_PUT_MAX;
    writer = encoded(&command);
    assert_true(writer.len <= CFS_COMMAND_MAX);
    assert_true(cfs_command_valid(writer.data, writer.len));
    free(writer.data);
    command.request.cache_put.len++;
    assert_false(is_accepted(command));
    command = put(CFS_PUT_WRITE, false);
    command.request.cache_put.offset = INT64_MAX;
    assert_false(is_accepted(command));
    command = put(CFS_PUT_TRUNCATE, false);
    command.request.cache_put.len = 1;
    assert_false(is_accepted(command));
    assert_false(is_accepted(put(CFS_PUT_TRUNCATE + 1, false)));
    free(bytes);
}

static void what_contradicts_itself_is_refused(void **state)
{
    (void)state;
    assert_false(is_accepted(renaming("to", true, true)));
    assert_false(is_accepted(xattr(true, true, false)));
    assert_false(is_accepted(xattr(true, false, true)));
    assert_false(is_accepted(xattr(false, true, true)));
    assert_false(is_accepted(set(CFS_OP_CACHE_SETNODE, 128)));
    assert_false(is_accepted(set(CFS_OP_CACHE_SETNODE, CFS_CACHE_ATIME | CFS_CACHE_ATIME_NOW)));
    assert_false(is_accepted(set(CFS_OP_CACHE_TOUCH, CFS_CACHE_MTIME | CFS_CACHE_MTIME_NOW)));
    assert_false(is_accepted(set(CFS_OP_CACHE_TOUCH, CFS_CACHE_PERM)));
    assert_false(is_accepted(set(CFS_OP_CACHE_TOUCH, CFS_CACHE_UID)));
}

static void values_of_attributes_are_bounded(void **state)
{
    uint8_t *bytes = calloc(1, CFS_XATTRS_MAX + 1);
    struct cfs_command command = xattr(false, false, false);

    (void)state;
    command.request.cache_xattr.value = bytes;
    command.request.cache_xattr.len = CFS_XATTRS_MAX;
    assert_true(is_accepted(command));
    command.request.cache_xattr.len++;
    assert_false(is_accepted(command));
    free(bytes);
}

static void reads_are_no_commands(void **state)
{
    (void)state;
    for (int op = CFS_OP_CACHE_LOOKUP; op <= CFS_OP_LAST; op++) {
        assert_false(is_accepted(request(op, "name")));
        assert_false(is_accepted(request(op, "")));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_come_out_as_they_went_in),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(damage_is_refused_or_means_itself),
        cmocka_unit_test(names_are_those_of_files),
        cmocka_unit_test(inode_numbers_are_never_zero),
        cmocka_unit_test(targets_are_for_symlinks_and_bounded),
        cmocka_unit_test(a_put_has_a_limit),
        cmocka_unit_test(what_contradicts_itself_is_refused),
        cmocka_unit_test(values_of_attributes_are_bounded),
        cmocka_unit_test(reads_are_no_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
