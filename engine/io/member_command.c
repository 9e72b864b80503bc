/* What an administrator asks of the cluster, step by step: look, ask, wait until it is so. The
 * waiting decides nothing: the cluster goes on whether somebody looks or not. */
#include "coordfs/member.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "core/alloc.h"
#include "io/clock.h"
#include "io/config_value.h"
#include "io/members_client.h"

enum { WAIT_S = 120, LOOK_MS = 200 };

#define CHANGE_TRIES 50 /* a tenth of a second apart */

struct job {
    const struct cfs_member_command *command;
    struct cfs_members_client client;
    struct cfs_members_view view;
    struct cfs_member_change change;
    char said[128]; /* the last line about the node's progress */
};

static int __attribute__((format(printf, 1, 2))) fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("coordfs member: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return 1;
}

/* ---- whom, and what ---- */

static int read_id(const char *text, cfs_node_id *id)
{
    uint64_t number;

    if (cfs_parse_decimal(text, 0, &number) != 0 || number < 1 || number > CFS_NODE_MAX)
        return fail("%s: a node's id is a number from 1 to %u", text, CFS_NODE_MAX);
    *id = (cfs_node_id)number;
    return 0;
}

static int read_node(const char *text, struct cfs_node_info *info)
{
    struct cfs_member member;

    if (cfs_parse_member(text, strlen(text), &member) != 0)
        return fail("%s: expected ID@HOST:PORT, an IPv6 address in brackets", text);
    info->id = member.id;
    info->port = member.port;
    memcpy(info->host, member.host, sizeof member.host);
    return 0;
}

static int read_weight(const char *text, struct cfs_node_info *info)
{
    char *end;
    unsigned long weight = text ? strtoul(text, &end, 10) : 0;

    if (text && (!weight || weight > CFS_WEIGHT_MAX || *end))
        return fail("'%s' is no weight: say a number from 1 to %u", text, CFS_WEIGHT_MAX);
    info->weight = (uint32_t)weight;
    return 0;
}

static int look(struct job *job)
{
    if (cfs_members_ask(&job->client, &job->view) != CFS_MEMBERS_OK)
        return fail("%s", job->client.why);
    return 0;
}

/* ---- list ---- */

static void print_row(const char *node, const char *url, const char *role, const char *state,
                      const char *lag, const char *session, const char *replaces)
{
    printf("%-5s %-28s %-9s %-13s %8s  %-7s  %s\n", node, url, role, state, lag, session, replaces);
}

static void print_node(const struct cfs_members_node *node)
{
    const struct cfs_node_info *info = &node->info;
    char id[16], url[CFS_URL_BYTES] = "-", lag[24] = "-", replaces[16] = "-";

    snprintf(id, sizeof id, "%u", info->id);
    if (info->host[0])
        snprintf(url, sizeof url, strchr(info->host, ':') ? "http://[%s]:%u" : "http://%s:%u",
                 info->host, (unsigned)info->port);
    if (node->lag >= 0)
        snprintf(lag, sizeof lag, "%" PRId64, node->lag);
    if (info->replaces)
        snprintf(replaces, sizeof replaces, "%u", info->replaces);
    print_row(id, url, node->role, node->state, lag, node->session ? "open" : "-", replaces);
}

static int list(struct job *job)
{
    if (look(job) != 0)
        return 1;
    printf("# cluster %016" PRIx64 ", as node %u sees it%s\n", job->view.cluster, job->view.seen_by,
           job->view.changing ? "; the members are changing" : "");
    print_row("NODE", "URL", "ROLE", "STATE", "LAG", "SESSION", "REPLACES");
    for (uint32_t i = 0; i < job->view.count; i++)
        print_node(&job->view.nodes[i]);
    return 0;
}

/* ---- waiting ---- */

static const struct cfs_members_node *subject(const struct job *job)
{
    return cfs_members_find(&job->view, job->change.info.id);
}

static bool has_all_voters(const struct cfs_members_view *view)
{
    uint32_t voters = 0;

    for (uint32_t i = 0; i < view->count; i++)
        voters += strcmp(view->nodes[i].role, "voter") == 0;
    return voters >= CFS_MEMBERS_MAX;
}

static bool takes_part(const struct job *job)
{
    const struct cfs_members_node *node = subject(job);

    if (!node || !node->session || strcmp(node->state, "silent") == 0)
        return false;
    if (job->change.info.replaces && cfs_members_find(&job->view, job->change.info.replaces))
        return false;
    return strcmp(node->role, "voter") == 0 ||
           (strcmp(node->role, "learner") == 0 && has_all_voters(&job->view));
}

static bool is_done(const struct job *job)
{
    return !job->view.changing && (job->change.remove ? !subject(job) : takes_part(job));
}

/* A line whenever there is something else to say. */
static void tell_progress(struct job *job)
{
    const struct cfs_members_node *node = subject(job);
    char line[sizeof job->said];

    if (!node)
        return;
    if (strcmp(node->role, "joining") == 0 || !node->session)
        snprintf(line, sizeof line, "node %u has not come yet", node->info.id);
    else
        snprintf(line, sizeof line, "node %u is a %s", node->info.id, node->role);
    if (job->change.remove || strcmp(line, job->said) == 0)
        return;
    memcpy(job->said, line, sizeof line);
    puts(line);
    fflush(stdout);
}

static int give_up_waiting(const struct job *job)
{
    cfs_node_id id = job->change.info.id;

    if (job->change.remove)
        return fail("node %u is not out yet after %d s: it goes when a majority of the others is "
                    "there; coordfs member list shows who is silent",
                    id, WAIT_S);
    return fail("node %u is not there yet after %d s. The cluster goes on waiting for it: start it "
                "with join=%s in its settings, or take it back by coordfs member remove %u; "
                "coordfs member list shows how far it is",
                id, WAIT_S, job->client.urls[0], id);
}

static int wait_until_done(struct job *job)
{
    cfs_time until = cfs_clock_now() + CFS_SECONDS(WAIT_S);

    while (cfs_clock_now() < until) {
        if (cfs_members_ask(&job->client, &job->view) == CFS_MEMBERS_OK) {
            tell_progress(job);
            if (is_done(job))
                return 0;
        }
        nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
    }
    return give_up_waiting(job);
}

/* ---- changes ---- */

static void tell_end(const struct job *job)
{
    cfs_node_id id = job->change.info.id, old = job->change.info.replaces;
    const struct cfs_members_node *node = subject(job);

    if (job->change.remove)
        printf("node %u is out of the cluster; its daemon ends by itself, and its data directory "
               "is of no use any more\n",
               id);
    else if (old)
        printf("node %u has taken the place of node %u, which is out of the cluster\n", id, old);
    else if (node && strcmp(node->role, "learner") == 0)
        printf("node %u takes part; it has no vote, since %u others have\n", id, CFS_MEMBERS_MAX);
    else
        printf("node %u takes part\n", id);
}

static int follow(struct job *job)
{
    if (job->command->no_wait) {
        printf("the cluster is about it; coordfs member list shows how far it is\n");
        return 0;
    }
    if (wait_until_done(job) != 0)
        return 1;
    tell_end(job);
    return 0;
}

/* A cluster that has only just been made, or is about to have a leader, is asked again. */
static int change(struct job *job)
{
    enum cfs_members_result result;
    int tries = 0;

    while ((result = cfs_members_change(&job->client, &job->change)) == CFS_MEMBERS_LATER &&
           ++tries < CHANGE_TRIES)
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    return result == CFS_MEMBERS_OK ? follow(job) : fail("%s", job->client.why);
}

static bool is_at(const struct cfs_members_node *node, const struct cfs_node_info *info)
{
    return node->info.port == info->port && strcasecmp(node->info.host, info->host) == 0;
}

/* The cluster refuses it too; here one learns what to do instead. */
static int check_id(const struct job *job)
{
    const struct cfs_members_node *node = subject(job);
    const struct cfs_node_info *info = &job->change.info;

    if (job->command->move && !node)
        return fail("there is no node %u that could have moved", info->id);
    if (!node || job->command->move || is_at(node, info))
        return 0;
    return fail("node %u is at %s:%u. Another node needs another id; if it is this one, and has "
                "moved, say --move",
                info->id, node->info.host, (unsigned)node->info.port);
}

static int add(struct job *job)
{
    if (read_node(job->command->node, &job->change.info) != 0 ||
        read_weight(job->command->weight, &job->change.info) != 0 || look(job) != 0 ||
        check_id(job) != 0)
        return 1;
    return change(job);
}

static int replace(struct job *job)
{
    cfs_node_id old = 0;

    if (read_id(job->command->old, &old) != 0 ||
        read_node(job->command->node, &job->change.info) != 0 ||
        read_weight(job->command->weight, &job->change.info) != 0 || look(job) != 0)
        return 1;
    if (old == job->change.info.id)
        return fail("node %u cannot replace itself: who takes its place needs another id", old);
    job->change.info.replaces = old;
    if (check_id(job) != 0)
        return 1;
    if (cfs_members_find(&job->view, old))
        return change(job);
    /* Said again: the old one may be out by now. */
    return subject(job) ? follow(job) : fail("there is no node %u", old);
}

static int remove_node(struct job *job)
{
    job->change.remove = true;
    if (read_id(job->command->node, &job->change.info.id) != 0 || look(job) != 0)
        return 1;
    if (!subject(job))
        return fail("there is no node %u", job->change.info.id);
    return change(job);
}

int cfs_member_run(const struct cfs_member_command *command, const struct cfs_config *config)
{
    static int (*const verbs[])(struct job * job) = {[CFS_MEMBER_LIST] = list,
                                                     [CFS_MEMBER_ADD] = add,
                                                     [CFS_MEMBER_REMOVE] = remove_node,
                                                     [CFS_MEMBER_REPLACE] = replace};
    struct job *job = cfs_alloc_zeroed(1, sizeof *job);
    int status = 1;

    job->command = command;
    job->change.move = command->move;
    if (cfs_members_client_open(&job->client, command->url, config) == 0)
        status = verbs[command->verb](job);
    else
        fail("%s", job->client.why);
    free(job);
    return status;
}
