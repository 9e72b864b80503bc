/* ask NODE LABEL acquire NAME [exclusive|shared] [flock|lockfile|directory|leased] [wait] ...
 * ask NODE LABEL produce QUEUE [wait] [key=N] BODY
 * ask NODE LABEL consume QUEUE [wait] [bound] [leased] [max=N]
 * ask NODE LABEL put INO BODY, and others of the cache (verbs_cache.c) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verbs.h"

static void fill_acquire(struct cfs_acquire *acquire, uint32_t node, char **words, uint32_t count)
{
    bool directory = verb_has(words, count, "directory");
    bool lockfile = directory || verb_has(words, count, "lockfile");
    bool leased = verb_has(words, count, "leased");

    *acquire = (struct cfs_acquire){
        .mode = verb_has(words, count, "shared") ? CFS_SHARED : CFS_EXCLUSIVE,
        .kind = lockfile ? CFS_LOCKFILE
                : leased ? CFS_LEASED
                         : CFS_FLOCK,
        .form = directory ? CFS_FORM_DIRECTORY : CFS_FORM_FILE,
        .wait = verb_has(words, count, "wait"),
        .handle = lockfile || leased ? 0 : verb_option(words, count, "handle", 1),
        .process = {(uint32_t)verb_option(words, count, "pid", 100 * node), 1},
        .uid = (uint32_t)verb_option(words, count, "uid", 0),
        .perm = 0644,
        .ticket = verb_option(words, count, "ticket", 0),
        .ttl_ms = (uint32_t)verb_option(words, count, "ttl", 1000),
        .key = verb_option(words, count, "key", 0),
        .renew = verb_option(words, count, "renew", 0)};
}

static enum cfs_op settling(const char *word)
{
    return strcmp(word, "ack") == 0         ? CFS_OP_ACK
           : strcmp(word, "give-back") == 0 ? CFS_OP_GIVE_BACK
           : strcmp(word, "extend") == 0    ? CFS_OP_EXTEND
                                            : 0;
}

/* `claim` has to outlive the request. */
static int fill_queue(struct cfs_request *request, uint64_t *claim, char **words, uint32_t count)
{
    if (strcmp(words[0], "make") == 0) {
        request->op = CFS_OP_QUEUE_MAKE;
        request->queue_make = (struct cfs_queue_make){.perm = 0666, .exclusive = true};
    } else if (strcmp(words[0], "produce") == 0 && count > 2) {
        request->op = CFS_OP_PRODUCE;
        request->produce = (struct cfs_produce){.data = (const uint8_t *)words[count - 1],
                                                .len = (uint32_t)strlen(words[count - 1]),
                                                .wait = verb_has(words, count, "wait"),
                                                .key = verb_option(words, count, "key", 0)};
    } else if (strcmp(words[0], "consume") == 0) {
        request->op = CFS_OP_CONSUME;
        request->consume =
            (struct cfs_consume){.wait = verb_has(words, count, "wait"),
                                 .bound = verb_has(words, count, "bound"),
                                 .leased = verb_has(words, count, "leased"),
                                 .max = (uint32_t)verb_option(words, count, "max", 1)};
    } else if (settling(words[0])) {
        request->op = settling(words[0]);
        *claim = verb_option(words, count, "claim", 0);
        request->settle = (struct cfs_settle){.place = CFS_INFLIGHT, .ids = claim, .count = 1};
    } else if (strcmp(words[0], "bound") == 0) {
        request->op = CFS_OP_QUEUE_CONFIG;
        request->queue_set.fields = CFS_CONFIG_MAX_MESSAGES;
        request->queue_set.config.max_messages = verb_option(words, count, "messages", 0);
    } else {
        return -1;
    }
    return 0;
}

static int fill(struct cfs_request *request, uint32_t node, char **words, uint32_t count)
{
    uint64_t token = verb_option(words, count, "token", 0);

    if (strcmp(words[0], "acquire") == 0) {
        request->op = CFS_OP_ACQUIRE;
        fill_acquire(&request->acquire, node, words, count);
    } else if (strcmp(words[0], "release") == 0) {
        request->op = CFS_OP_RELEASE;
        request->release =
            (struct cfs_release){.kind = token ? CFS_LEASED : CFS_FLOCK,
                                 .handle = token ? 0 : verb_option(words, count, "handle", 1),
                                 .token = token};
    } else if (strcmp(words[0], "remove") == 0) {
        request->op = CFS_OP_REMOVE;
        request->remove = (struct cfs_remove){
            .form = verb_has(words, count, "directory") ? CFS_FORM_DIRECTORY : CFS_FORM_FILE,
            .uid = (uint32_t)verb_option(words, count, "uid", 0)};
    } else if (strcmp(words[0], "write") == 0 && count > 2) {
        request->op = CFS_OP_WRITE;
        request->write = (struct cfs_write){.token = token,
                                            .data = (const uint8_t *)words[count - 1],
                                            .len = (uint32_t)strlen(words[count - 1])};
    } else if (strcmp(words[0], "get") == 0) {
        request->op = CFS_OP_GET;
    } else if (strcmp(words[0], "member") == 0 && count > 1) {
        request->op = CFS_OP_MEMBER;
        request->member = (struct cfs_member_change){
            .remove = verb_has(words, count, "goes"),
            .info = {.id = (cfs_node_id)strtoul(words[1], NULL, 10),
                     .replaces = (cfs_node_id)verb_option(words, count, "for", 0)}};
    } else if (strcmp(words[0], "list") == 0) {
        request->op = CFS_OP_LIST;
    } else {
        return -1;
    }
    return 0;
}

int verb_ask(struct scene *scene, char **words, uint32_t count)
{
    struct scene_node *node = count > 3 ? verb_node(scene, words[1]) : NULL;
    struct cfs_request request = {0};
    uint64_t claim;

    if (node && verb_fill_cache(&request, words + 3, count - 3) == 0) {
        scene_ask(node, words[2], &request);
        return 0;
    }
    if (!node || (fill(&request, node->id, words + 3, count - 3) != 0 &&
                  fill_queue(&request, &claim, words + 3, count - 3) != 0))
        return -1;
    if (request.op != CFS_OP_LIST && request.op != CFS_OP_MEMBER) {
        if (count < 5)
            return -1;
        snprintf(request.name, sizeof request.name, "%s", words[4]);
    }
    scene_ask(node, words[2], &request);
    return 0;
}
