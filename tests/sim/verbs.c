/* One function for each verb, and the table that names them. */
#include "verbs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct scene_node *verb_node(struct scene *scene, const char *word)
{
    unsigned long id = strtoul(word, NULL, 10);

    return id >= 1 && id <= scene->node_count ? &scene->nodes[id - 1] : NULL;
}

uint64_t verb_option(char **words, uint32_t count, const char *key, uint64_t otherwise)
{
    size_t len = strlen(key);

    for (uint32_t i = 0; i < count; i++)
        if (strncmp(words[i], key, len) == 0 && words[i][len] == '=')
            return strtoull(words[i] + len + 1, NULL, 10);
    return otherwise;
}

bool verb_has(char **words, uint32_t count, const char *word)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

static cfs_time milliseconds(const char *word)
{
    return CFS_MS(strtoull(word, NULL, 10));
}

static int do_cluster(struct scene *scene, char **words, uint32_t count)
{
    unsigned long size = count > 1 ? strtoul(words[1], NULL, 10) : 0;
    uint64_t spare = verb_option(words, count, "spare", 0);

    if (size < 1 || size > CFS_MEMBERS_MAX || spare > CFS_MEMBERS_MAX - size || scene->node_count)
        return -1;
    scene->config = (struct cfs_core_config){
        .heartbeat = CFS_MS(verb_option(words, count, "heartbeat", 50)),
        .lease = CFS_MS(verb_option(words, count, "lease", 150)),
        .election = CFS_MS(verb_option(words, count, "election", 200)),
        .session = CFS_MS(verb_option(words, count, "session", 2000)),
        .timeout = CFS_MS(verb_option(words, count, "timeout", 1000)),
        .cache_lease = CFS_MS(verb_option(words, count, "cache", 1000)),
        .checkpoint_bytes = verb_option(words, count, "checkpoint", 0),
        .snapshot_bytes = (uint32_t)verb_option(words, count, "chunk", 4096)};
    scene_cluster(scene, (uint32_t)size, (uint32_t)spare);
    return 0;
}

static int do_run(struct scene *scene, char **words, uint32_t count)
{
    if (count != 2)
        return -1;
    scene_run(scene, milliseconds(words[1]));
    return 0;
}

static int do_advance(struct scene *scene, char **words, uint32_t count)
{
    if (count != 2)
        return -1;
    scene->now += milliseconds(words[1]);
    return 0;
}

static int do_tick(struct scene *scene, char **words, uint32_t count)
{
    struct scene_node *node = count == 2 ? verb_node(scene, words[1]) : NULL;

    if (!node)
        return -1;
    scene_tick(node);
    return 0;
}

static int do_timeout(struct scene *scene, char **words, uint32_t count)
{
    struct scene_node *node = count == 2 ? verb_node(scene, words[1]) : NULL;

    if (!node || !node->core)
        return -1;
    if (cfs_core_deadline(node->core) > scene->now)
        scene->now = cfs_core_deadline(node->core);
    scene_tick(node);
    return 0;
}

static bool travels(const struct scene_letter *letter, unsigned long from, unsigned long to)
{
    return (!from || letter->message.from == from) && (!to || letter->message.to == to);
}

/* What waits from and to those nodes now; what is sent meanwhile stays. */
static int each_letter(struct scene *scene, char **words, uint32_t count,
                       void (*fn)(struct scene *scene, struct scene_letter *letter))
{
    unsigned long from = count == 3 ? strtoul(words[1], NULL, 10) : 0;
    unsigned long to = count == 3 ? strtoul(words[2], NULL, 10) : 0;
    struct scene_letter *letter, *next, *last = scene->letters ? scene->letters->prev : NULL;
    bool done = !last;

    for (letter = scene->letters; !done; letter = next) {
        next = letter->next;
        done = letter == last;
        if (travels(letter, from, to))
            fn(scene, letter);
    }
    return 0;
}

static int do_deliver(struct scene *scene, char **words, uint32_t count)
{
    if (count == 3)
        return each_letter(scene, words, count, scene_deliver);
    scene_deliver_all(scene);
    return count == 1 ? 0 : -1;
}

static int do_drop(struct scene *scene, char **words, uint32_t count)
{
    return each_letter(scene, words, count, scene_drop);
}

static int do_keep(struct scene *scene, char **words, uint32_t count)
{
    return each_letter(scene, words, count, scene_keep);
}

static int do_bring(struct scene *scene, char **words, uint32_t count)
{
    (void)words;
    scene_bring(scene);
    scene_deliver_all(scene);
    return count == 1 ? 0 : -1;
}

static int do_messages(struct scene *scene, char **words, uint32_t count)
{
    struct scene_letter *letter;

    (void)words;
    DL_FOREACH (scene->letters, letter) {
        const struct cfs_message *m = &letter->message;
        scene_say(scene, "%u -> %u: %s of term %" PRIu64, m->from, m->to,
                  cfs_message_type_name(m->type), m->term);
    }
    return count == 1 ? 0 : -1;
}

static int do_cut(struct scene *scene, char **words, uint32_t count)
{
    unsigned long a = count > 1 ? strtoul(words[1], NULL, 10) : 0;
    unsigned long b = count > 2 ? strtoul(words[2], NULL, 10) : 0;

    if (a < 1 || a > scene->node_count || b > scene->node_count)
        return -1;
    for (uint32_t i = 1; i <= scene->node_count; i++)
        if (!b || i == b)
            scene->cut[a][i] = scene->cut[i][a] = true;
    return 0;
}

static int do_heal(struct scene *scene, char **words, uint32_t count)
{
    (void)words;
    memset(scene->cut, 0, sizeof scene->cut);
    return count == 1 ? 0 : -1;
}

static int do_refuse(struct scene *scene, char **words, uint32_t count)
{
    struct scene_node *node = count == 3 ? verb_node(scene, words[1]) : NULL;
    struct scene_node *peer = count == 3 ? verb_node(scene, words[2]) : NULL;
    struct cfs_event event = {.type = CFS_EV_REFUSED};

    if (!node || !peer)
        return -1;
    event.peer = peer->id;
    scene_step(node, &event);
    return 0;
}

static int do_crash(struct scene *scene, char **words, uint32_t count)
{
    struct scene_node *node = count >= 2 ? verb_node(scene, words[1]) : NULL;

    if (!node)
        return -1;
    scene_crash(node, verb_option(words, count, "keep", 0));
    return 0;
}

static int do_restart(struct scene *scene, char **words, uint32_t count)
{
    struct scene_node *node = count == 2 ? verb_node(scene, words[1]) : NULL;

    if (!node || node->core)
        return -1;
    scene_start(node);
    return 0;
}

static int do_lose_disk(struct scene *scene, char **words, uint32_t count)
{
    struct scene_node *node = count == 2 ? verb_node(scene, words[1]) : NULL;

    if (!node || node->core)
        return -1;
    sim_disk_replace(&node->disk);
    return 0;
}

static int do_disk(struct scene *scene, char **words, uint32_t count)
{
    struct scene_node *node = count == 3 ? verb_node(scene, words[1]) : NULL;

    if (!node || (strcmp(words[2], "slow") != 0 && strcmp(words[2], "fast") != 0))
        return -1;
    node->disk_by_hand = strcmp(words[2], "slow") == 0;
    if (!node->disk_by_hand)
        scene_persist(node, SIZE_MAX);
    return 0;
}

static int do_persist(struct scene *scene, char **words, uint32_t count)
{
    struct scene_node *node = count >= 2 ? verb_node(scene, words[1]) : NULL;

    if (!node)
        return -1;
    scene_persist(node, count == 3 ? strtoul(words[2], NULL, 10) : SIZE_MAX);
    return 0;
}

static int do_cancel(struct scene *scene, char **words, uint32_t count)
{
    struct scene_ask *ask = count == 2 ? scene_find_ask(scene, words[1]) : NULL;
    struct cfs_event event = {.type = CFS_EV_CANCEL};

    if (!ask)
        return -1;
    event.id = ask->id;
    scene_step(&scene->nodes[ask->node - 1], &event);
    return 0;
}

static int do_leave(struct scene *scene, char **words, uint32_t count)
{
    struct scene_node *node = count == 2 ? verb_node(scene, words[1]) : NULL;
    struct cfs_event event = {.type = CFS_EV_LEAVE};

    if (!node)
        return -1;
    scene_step(node, &event);
    return 0;
}

static int do_stuck(struct scene *scene, char **words, uint32_t count)
{
    struct scene_node *node = count == 4 ? verb_node(scene, words[1]) : NULL;
    struct scene_ask *ask = count == 4 ? scene_find_ask(scene, words[3]) : NULL;

    if (!node || !ask || node->stuck_count == SCENE_STUCK_MAX)
        return -1;
    node->stuck[node->stuck_count++] =
        (struct scene_stuck){.handle = strtoull(words[2], NULL, 10), .wait = ask->id};
    return 0;
}

static void say_log(struct scene *scene, const struct scene_node *node,
                    const struct cfs_core_view *view)
{
    char line[512] = "", after[48] = "";
    size_t used = 0;

    if (view->base_index)
        snprintf(after, sizeof after, " after index %" PRIu64, view->base_index);
    for (uint64_t i = view->base_index + 1; i <= view->last_index && used < sizeof line - 24; i++)
        used += (size_t)snprintf(line + used, sizeof line - used, " %" PRIu64,
                                 cfs_core_entry(node->core, 0, i)->term);
    scene_say(scene, "    terms of its log%s:%s", after, line);
}

static const char *amnesia_name(enum cfs_amnesia amnesia)
{
    static const char *const names[] = {
        [CFS_REMEMBERS] = "", [CFS_TORN] = ", torn", [CFS_BLANK] = ", blank"};

    return names[amnesia];
}

static int do_show(struct scene *scene, char **words, uint32_t count)
{
    struct scene_node *node = count == 2 ? verb_node(scene, words[1]) : NULL;
    struct cfs_core_view view;

    if (!node)
        return -1;
    if (!node->core) {
        scene_say(scene, "%u does not run", node->id);
        return 0;
    }
    cfs_core_view(node->core, 0, &view);
    scene_say(scene,
              "%u is %s in term %" PRIu64 ", leader %u, commit %" PRIu64 ", applied %" PRIu64
              "%s%s%s, session %" PRIu64 ", %u held, %u waiting",
              node->id, view.role, view.term, view.leader, view.commit, view.applied,
              view.serving ? ", serving" : "", amnesia_name(view.amnesia),
              view.installing ? ", installing" : "", view.session, view.held, view.waiting);
    say_log(scene, node, &view);
    return 0;
}

static int do_members(struct scene *scene, char **words, uint32_t count)
{
    struct scene_node *node = count == 2 ? verb_node(scene, words[1]) : NULL;
    struct cfs_member_view members[CFS_NODE_MAX];
    uint32_t found = node && node->core ? cfs_core_members(node->core, 0, members) : 0;
    char line[256] = "";
    size_t used = 0;

    if (!node)
        return -1;
    for (uint32_t i = 0; i < found && used < sizeof line - 24; i++)
        used += (size_t)snprintf(line + used, sizeof line - used, "%s %u %s", i ? "," : "",
                                 members[i].node, members[i].role);
    scene_say(scene, "%u knows of%s", node->id, found ? line : " nobody");
    return 0;
}

static const struct verb {
    const char *name;
    int (*fn)(struct scene *scene, char **words, uint32_t count);
    const char *help;
} verbs[] = {
    {"cluster", do_cluster,
     "cluster N [heartbeat=MS] [lease=MS] [election=MS] [session=MS] [timeout=MS] "
     "[cache=MS] [checkpoint=BYTES] [chunk=BYTES] [spare=COUNT]"},
    {"run", do_run, "run MS: time passes as in a perfect world"},
    {"advance", do_advance, "advance MS: the clocks move, and nothing else"},
    {"tick", do_tick, "tick N: the node looks at its clock"},
    {"timeout", do_timeout,
     "timeout N: time moves to this node's next timer, which it alone notices"},
    {"deliver", do_deliver,
     "deliver [FROM TO]: all messages until none is left, or those that wait on a link"},
    {"drop", do_drop, "drop [FROM TO]: messages that wait are lost"},
    {"keep", do_keep, "keep [FROM TO]: copies of messages that wait are put aside"},
    {"bring", do_bring, "bring: those copies arrive after all"},
    {"messages", do_messages, "messages: shows what waits"},
    {"cut", do_cut, "cut A [B]: no message between A and B, or A and all others"},
    {"heal", do_heal, "heal: all links work"},
    {"refuse", do_refuse, "refuse N PEER: N's connection to PEER is refused"},
    {"crash", do_crash, "crash N [keep=COUNT]: loses what is not durable, but for COUNT records"},
    {"restart", do_restart, "restart N: also the first time, if it is a spare one"},
    {"lose-disk", do_lose_disk,
     "lose-disk N: its disk is a new one, which it knows; after a crash"},
    {"disk", do_disk, "disk N slow|fast: records become durable by `persist` only, or at once"},
    {"persist", do_persist, "persist N [COUNT]"},
    {"ask", verb_ask,
     "ask N LABEL acquire|release|remove|write|get|list [NAME] [words] [key=value], or "
     "ask N LABEL member ID [for=OTHER] | member ID goes, or "
     "ask N LABEL lookup|file|unlink NAME | fetch INO | put INO [laundered] BODY"},
    {"cancel", do_cancel, "cancel LABEL: its process gives up"},
    {"stuck", do_stuck, "stuck N HANDLE LABEL: who has HANDLE open waits for request LABEL"},
    {"leave", do_leave, "leave N: a clean unmount"},
    {"show", do_show, "show N"},
    {"members", do_members, "members N: who takes part, as far as N knows"},
};

const char *verbs_help(void)
{
    static char text[4096];
    size_t used = 0;

    for (size_t i = 0; i < sizeof verbs / sizeof *verbs && used < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "  %s\n", verbs[i].help);
    return text;
}

int verbs_do(struct scene *scene, char *line, char *why, size_t size)
{
    char *words[VERB_WORDS_MAX], *rest = line, *word;
    uint32_t count = 0;

    while (count < VERB_WORDS_MAX && (word = strtok_r(count ? NULL : line, " \t", &rest)))
        words[count++] = word;
    if (!count)
        return 0;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(verbs[i].name, words[0]) != 0)
            continue;
        if (verbs[i].fn(scene, words, count) == 0)
            return 0;
        snprintf(why, size, "this makes no sense; %s", verbs[i].help);
        return -1;
    }
    snprintf(why, size, "there is no verb \"%s\"", words[0]);
    return -1;
}
