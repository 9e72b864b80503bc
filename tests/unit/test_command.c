/* Commands as bytes: what goes in comes out, and nothing else is let in. Damage is tried
 * exhaustively: every cut, every byte, and what decodes in spite of it must be encoded as it came.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/command.h"

static const uint8_t content[] = "12345\n";

static struct cfs_command head(enum cfs_command_kind kind)
{
    return (struct cfs_command){.kind = kind,
                                .node = 3,
                                .session = 0x1122334455667788,
                                .sequence = 42,
                                .oldest = 40,
                                .acks = {7, 9},
                                .ack_count = 2};
}

static struct cfs_command request(enum cfs_op op)
{
    struct cfs_command command = head(CFS_CMD_REQUEST);

    command.request.op = op;
    strcpy(command.request.name, "name with\nodd bytes\xff");
    return command;
}

static struct cfs_command acquire(enum cfs_lock_kind kind)
{
    struct cfs_command command = request(CFS_OP_ACQUIRE);
    struct cfs_acquire *ask = &command.request.acquire;

    *ask = (struct cfs_acquire){.mode = CFS_EXCLUSIVE,
                                .kind = kind,
                                .form = CFS_FORM_FILE,
                                .wait = true,
                                .process = {.pid = 99, .start = 123456789012},
                                .uid = 1000,
                                .gid = 100,
                                .perm = 0644,
                                .ticket = 77};
    if (kind == CFS_LOCKFILE)
        ask->form = CFS_FORM_DIRECTORY;
    if (kind != CFS_LOCKFILE)
        ask->handle = 0xdeadbeef00000001;
    if (kind == CFS_LEASED) {
        ask->mode = CFS_SHARED;
        ask->ttl_ms = 30000;
        ask->key = 5;
        ask->renew = 6;
        memset(ask->owner, 'o', CFS_OWNER_MAX);
    }
    return command;
}

static struct cfs_node_info node_info(cfs_node_id id, const char *host)
{
    struct cfs_node_info info = {.id = id, .port = (uint16_t)(65000 + id), .replaces = id - 1};

    strcpy(info.host, host);
    return info;
}

/* A node comes, with the longest of names; it goes; two are the cluster; one was replaced. */
static size_t member_samples(struct cfs_command *out)
{
    struct cfs_command command = head(CFS_CMD_REQUEST);
    size_t count = 0;

    command.request.op = CFS_OP_MEMBER;
    command.request.member.info = node_info(CFS_NODE_MAX, "");
    memset(command.request.member.info.host, 'h', CFS_HOST_MAX);
    out[count++] = command;
    command.request.member =
        (struct cfs_member_change){.remove = true, .info = node_info(1, "::1")};
    out[count++] = command;
    command = head(CFS_CMD_FILL_NODES);
    command.nodes[command.node_count++] = node_info(1, "one.example");
    command.nodes[command.node_count++] = node_info(7, "10.0.0.7");
    out[count++] = command;
    command = head(CFS_CMD_DROP_NODE);
    command.target = 12;
    out[count++] = command;
    return count;
}

/* One of each kind and operation. Returns how many. */
static size_t samples(struct cfs_command *out)
{
    size_t count = 0;
    struct cfs_command command;

    out[count++] = acquire(CFS_LOCKFILE);
    out[count++] = acquire(CFS_FLOCK);
    out[count++] = acquire(CFS_LEASED);
    command = request(CFS_OP_RELEASE);
    command.request.release = (struct cfs_release){.kind = CFS_FLOCK, .handle = 8, .token = 9};
    out[count++] = command;
    command = request(CFS_OP_REMOVE);
    command.request.remove = (struct cfs_remove){.form = CFS_FORM_DIRECTORY, .uid = 1000};
    out[count++] = command;
    command = request(CFS_OP_WRITE);
    command.request.write =
        (struct cfs_write){.token = 4, .offset = 5, .data = content, .len = sizeof content};
    out[count++] = command;
    command = request(CFS_OP_SETATTR);
    command.request.setattr = (struct cfs_setattr){.fields = CFS_SET_SIZE | CFS_SET_PERM,
                                                   .caller = 1,
                                                   .perm = 0600,
                                                   .uid = 2,
                                                   .gid = 3,
                                                   .token = 4,
                                                   .size = 5,
                                                   .mtime = 6};
    out[count++] = command;
    command = head(CFS_CMD_CANCEL);
    command.target = 41;
    command.undo = true;
    out[count++] = command;
    command = head(CFS_CMD_OPEN_SESSION);
    command.nonce = 0xabcdef;
    command.session_term = CFS_SECONDS(5);
    command.resume = true;
    out[count++] = command;
    out[count++] = head(CFS_CMD_CLOSE_SESSION);
    command = head(CFS_CMD_EXPIRE_SESSION);
    command.target = 12;
    out[count++] = command;
    out[count++] = head(CFS_CMD_EXPIRE_LEASED);
    command = head(CFS_CMD_REFUSE);
    command.target = 12;
    command.target_session = 13;
    out[count++] = command;
    return count + member_samples(out + count);
}

#define SAMPLES_MAX 24

static struct cfs_writer encoded(const struct cfs_command *command)
{
    struct cfs_writer writer = {0};

    cfs_command_encode(&writer, command);
    return writer;
}

static void assert_refused(const struct cfs_command *command)
{
    struct cfs_writer writer = encoded(command);
    struct cfs_command got;

    assert_int_equal(cfs_command_decode(&got, writer.data, writer.len), -1);
    free(writer.data);
}

static void check_acquire(const struct cfs_acquire *got, const struct cfs_acquire *want)
{
    assert_int_equal(got->mode, want->mode);
    assert_int_equal(got->kind, want->kind);
    assert_int_equal(got->form, want->form);
    assert_int_equal(got->wait, want->wait);
    assert_int_equal(got->handle, want->handle);
    assert_int_equal(got->process.pid, want->process.pid);
    assert_int_equal(got->process.start, want->process.start);
    assert_int_equal(got->uid, want->uid);
    assert_int_equal(got->gid, want->gid);
    assert_int_equal(got->perm, want->perm);
    assert_int_equal(got->ticket, want->ticket);
    assert_int_equal(got->ttl_ms, want->ttl_ms);
    assert_int_equal(got->key, want->key);
    assert_int_equal(got->renew, want->renew);
    assert_string_equal(got->owner, want->owner);
}

static void check_setattr(const struct cfs_setattr *got, const struct cfs_setattr *want)
{
    assert_int_equal(got->fields, want->fields);
    assert_int_equal(got->caller, want->caller);
    assert_int_equal(got->perm, want->perm);
    assert_int_equal(got->uid, want->uid);
    assert_int_equal(got->gid, want->gid);
    assert_int_equal(got->token, want->token);
    assert_int_equal(got->size, want->size);
    assert_int_equal(got->mtime, want->mtime);
}

static void check_node(const struct cfs_node_info *got, const struct cfs_node_info *want)
{
    assert_int_equal(got->id, want->id);
    assert_string_equal(got->host, want->host);
    assert_int_equal(got->port, want->port);
    assert_int_equal(got->replaces, want->replaces);
}

static void check_request(const struct cfs_request *got, const struct cfs_request *want)
{
    assert_int_equal(got->op, want->op);
    assert_string_equal(got->name, want->name);
    if (want->op == CFS_OP_ACQUIRE) {
        check_acquire(&got->acquire, &want->acquire);
    } else if (want->op == CFS_OP_RELEASE) {
        assert_int_equal(got->release.kind, want->release.kind);
        assert_int_equal(got->release.handle, want->release.handle);
        assert_int_equal(got->release.token, want->release.token);
    } else if (want->op == CFS_OP_REMOVE) {
        assert_int_equal(got->remove.form, want->remove.form);
        assert_int_equal(got->remove.uid, want->remove.uid);
    } else if (want->op == CFS_OP_WRITE) {
        assert_int_equal(got->write.token, want->write.token);
        assert_int_equal(got->write.offset, want->write.offset);
        assert_int_equal(got->write.len, want->write.len);
        assert_memory_equal(got->write.data, want->write.data, want->write.len);
    } else if (want->op == CFS_OP_MEMBER) {
        assert_int_equal(got->member.remove, want->member.remove);
        check_node(&got->member.info, &want->member.info);
    } else {
        check_setattr(&got->setattr, &want->setattr);
    }
}

static void check_command(const struct cfs_command *got, const struct cfs_command *want)
{
    assert_int_equal(got->kind, want->kind);
    assert_int_equal(got->node, want->node);
    assert_int_equal(got->session, want->session);
    assert_int_equal(got->sequence, want->sequence);
    assert_int_equal(got->oldest, want->oldest);
    assert_int_equal(got->ack_count, want->ack_count);
    assert_memory_equal(got->acks, want->acks, sizeof got->acks);
    assert_int_equal(got->target, want->target);
    assert_int_equal(got->target_session, want->target_session);
    assert_int_equal(got->undo, want->undo);
    assert_int_equal(got->nonce, want->nonce);
    assert_int_equal(got->session_term, want->session_term);
    assert_int_equal(got->resume, want->resume);
    assert_int_equal(got->node_count, want->node_count);
    for (uint32_t i = 0; i < want->node_count; i++)
        check_node(&got->nodes[i], &want->nodes[i]);
    if (want->kind == CFS_CMD_REQUEST)
        check_request(&got->request, &want->request);
}

static void test_commands_come_out_as_they_went_in(void **state)
{
    struct cfs_command commands[SAMPLES_MAX], got;
    size_t count = samples(commands);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        struct cfs_writer writer = encoded(&commands[i]);
        assert_int_equal(cfs_command_decode(&got, writer.data, writer.len), 0);
        check_command(&got, &commands[i]);
        free(writer.data);
    }
}

/* Nodes are kept in sets of 64 bits. */
static void test_a_command_comes_from_a_node(void **state)
{
    struct cfs_command command = head(CFS_CMD_CLOSE_SESSION), got;
    struct cfs_writer writer;

    (void)state;
    command.node = CFS_NODE_MAX;
    writer = encoded(&command);
    assert_int_equal(cfs_command_decode(&got, writer.data, writer.len), 0);
    free(writer.data);
    command.node = CFS_NODE_MAX + 1;
    assert_refused(&command);
    command.node = 0;
    assert_refused(&command);
}

static void test_only_what_can_be_read_is_valid(void **state)
{
    struct cfs_command commands[SAMPLES_MAX];
    size_t count = samples(commands);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        struct cfs_writer writer = encoded(&commands[i]);
        assert_true(cfs_command_valid(writer.data, writer.len));
        assert_false(cfs_command_valid(writer.data, writer.len - 1));
        free(writer.data);
    }
    assert_false(cfs_command_valid(NULL, 0));
}

static void test_the_version_stands_first(void **state)
{
    struct cfs_command command = head(CFS_CMD_CLOSE_SESSION), got;
    struct cfs_writer writer = encoded(&command);

    (void)state;
    assert_int_equal(writer.data[0], 1);
    writer.data[0] = 2;
    assert_int_equal(cfs_command_decode(&got, writer.data, writer.len), -1);
    free(writer.data);
}

/* From an exact copy, so that reading past the end is seen by the sanitizer. */
static int decode_copy(struct cfs_command *got, const uint8_t *data, size_t len, uint8_t **copy)
{
    *copy = malloc(len ? len : 1);
    assert_non_null(*copy);
    memcpy(*copy, data, len);
    return cfs_command_decode(got, *copy, len);
}

static void test_every_cut_is_refused(void **state)
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

static void test_damage_is_refused_or_means_itself(void **state)
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

static void test_names_and_enumerators_are_checked(void **state)
{
    struct cfs_command command;

    (void)state;
    command = acquire(CFS_FLOCK);
    strcpy(command.request.name, "a/b");
    assert_refused(&command);
    strcpy(command.request.name, "");
    assert_refused(&command);
    command = acquire(CFS_FLOCK);
    command.request.acquire.mode = 3;
    assert_refused(&command);
    command = acquire(CFS_FLOCK);
    command.request.acquire.kind = 0;
    assert_refused(&command);
    command = acquire(CFS_LOCKFILE);
    command.request.acquire.form = 0;
    assert_refused(&command);
    command = acquire(CFS_LOCKFILE);
    command.request.acquire.mode = CFS_SHARED;
    assert_refused(&command);
    command = request(CFS_OP_SETATTR);
    command.request.setattr.fields = 64;
    assert_refused(&command);
    command.request.setattr.fields = 256 | CFS_SET_SIZE;
    assert_refused(&command);
    command = request(CFS_OP_REMOVE);
    assert_refused(&command);
    command = request(CFS_OP_RELEASE);
    assert_refused(&command);
    command = head(CFS_CMD_DROP_NODE + 1);
    assert_refused(&command);
    command = head(0);
    assert_refused(&command);
}

static void test_the_term_of_a_session_has_bounds(void **state)
{
    struct cfs_command command = head(CFS_CMD_OPEN_SESSION), got;
    const cfs_time bounds[] = {CFS_MS(CFS_SESSION_MS_MIN), CFS_MS(CFS_SESSION_MS_MAX)};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct cfs_writer writer;
        command.session_term = bounds[i];
        writer = encoded(&command);
        assert_int_equal(cfs_command_decode(&got, writer.data, writer.len), 0);
        free(writer.data);
    }
    command.session_term = bounds[0] - 1;
    assert_refused(&command);
    command.session_term = bounds[1] + 1;
    assert_refused(&command);
    command.session_term = 0;
    assert_refused(&command);
}

static void test_the_cluster_has_one_to_five_first_nodes(void **state)
{
    struct cfs_command command = head(CFS_CMD_FILL_NODES), got;
    struct cfs_writer writer;

    (void)state;
    assert_refused(&command);
    for (cfs_node_id id = 1; id <= CFS_MEMBERS_MAX; id++) {
        command.nodes[command.node_count++] = node_info(id, "h");
        writer = encoded(&command);
        assert_int_equal(cfs_command_decode(&got, writer.data, writer.len), 0);
        free(writer.data);
    }
    writer = encoded(&command);
    writer.data[writer.len - CFS_MEMBERS_MAX * (1 + 4 + 1 + 4 + 1) - 1]++; /* how many */
    assert_int_equal(cfs_command_decode(&got, writer.data, writer.len), -1);
    free(writer.data);
}

static void test_a_member_is_a_node(void **state)
{
    struct cfs_command command = head(CFS_CMD_REQUEST);

    (void)state;
    command.request.op = CFS_OP_MEMBER;
    assert_refused(&command); /* none at all */
    command.request.member.info = node_info(CFS_NODE_MAX + 1, "h");
    assert_refused(&command);
    command.request.member.info = node_info(1, "h");
    command.request.member.info.replaces = CFS_NODE_MAX + 1;
    assert_refused(&command);
}

static void test_reads_are_no_commands(void **state)
{
    struct cfs_command command = request(CFS_OP_GET);

    (void)state;
    assert_refused(&command);
    command = request(CFS_OP_LIST);
    assert_refused(&command);
}

static void test_contents_have_a_limit(void **state)
{
    struct cfs_command command = request(CFS_OP_WRITE), got;
    uint8_t *data = calloc(1, CFS_CONTENT_MAX + 1);
    struct cfs_writer writer;

    (void)state;
    memset(command.request.name, 'n', CFS_NAME_MAX);
    command.ack_count = CFS_ACKS_MAX;
    command.request.write = (struct cfs_write){.data = data, .len = CFS_CONTENT_MAX};
    writer = encoded(&command);
    assert_true(writer.len <= CFS_COMMAND_MAX);
    assert_int_equal(cfs_command_decode(&got, writer.data, writer.len), 0);
    free(writer.data);
    command.request.write.len++;
    assert_refused(&command);
    free(data);
}

/* flock and HTTP locks are files, whatever the caller left in the field. */
static void test_the_form_of_locks_that_have_none(void **state)
{
    struct cfs_command command = acquire(CFS_FLOCK), got;
    struct cfs_writer writer;

    (void)state;
    command.request.acquire.form = 0;
    writer = encoded(&command);
    assert_int_equal(cfs_command_decode(&got, writer.data, writer.len), 0);
    assert_int_equal(got.request.acquire.form, CFS_FORM_FILE);
    free(writer.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands_come_out_as_they_went_in),
        cmocka_unit_test(test_a_command_comes_from_a_node),
        cmocka_unit_test(test_only_what_can_be_read_is_valid),
        cmocka_unit_test(test_the_version_stands_first),
        cmocka_unit_test(test_every_cut_is_refused),
        cmocka_unit_test(test_damage_is_refused_or_means_itself),
        cmocka_unit_test(test_names_and_enumerators_are_checked),
        cmocka_unit_test(test_the_term_of_a_session_has_bounds),
        cmocka_unit_test(test_the_cluster_has_one_to_five_first_nodes),
        cmocka_unit_test(test_a_member_is_a_node),
        cmocka_unit_test(test_reads_are_no_commands),
        cmocka_unit_test(test_contents_have_a_limit),
        cmocka_unit_test(test_the_form_of_locks_that_have_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
