/* Options as mount(8), fstab and systemd hand them over: some are settings of the node, some are
 * for the kernel, some are between mount(8) and systemd. A word that is none of these is an error,
 * so that a misspelt setting is not silently the default. */
#include "fs/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/memory.h"
#include "fs/options_internal.h"

const char cfs_options_usage[] =
    "Usage: coordfs [-f] [-o OPTION[,OPTION...]] DIR   mount on the directory DIR\n"
    "       coordfs --join URL [-o ...] DIR            the same as a new node of the cluster at "
    "URL\n"
    "       coordfs umount [-l] DIR                    unmount; -l: even if files are open\n"
    "       coordfs member list                        the nodes of a running cluster\n"
    "       coordfs member add ID@HOST:PORT            have a node come; --move: it is there, and\n"
    "                                                  has moved to that address; --weight W:\n"
    "                                                  its share of the queues (1)\n"
    "       coordfs member remove ID                   have a node go\n"
    "       coordfs member replace OLD-ID ID@HOST:PORT have a node take the place of another\n"
    "         --no-wait                                       until it is done\n"
    "       coordfs queue ls [--json]                  the names of the queues, one a line\n"
    "       coordfs queue stats [NAME] [--json]        how they stand: a table, or key=value "
    "lines\n"
    "       coordfs queue peek NAME [--json [--max N]] the message whose turn it is, which stays;\n"
    "                                                  status 2: none. --place ready, inflight or\n"
    "                                                  dead: where\n"
    "       coordfs queue purge NAME                   drop all messages but those in flight\n"
    "       coordfs queue kick NAME [COUNT]            dead messages are to be tried again, the\n"
    "                                                  oldest COUNT or all; prints how many\n"
    "       coordfs put KEY [-p]                       stdin is the value from now on, of any "
    "size,\n"
    "                                                  all at once; -p makes directories\n"
    "         --if-absent | --if-version V               only then; status 2: it is not so\n"
    "       coordfs get KEY [--print-version]          the value, to stdout; status 2: none\n"
    "       coordfs put | get DIR/cache/KEY            the same through a mount, as yourself\n"
    "       coordfs backup FILE                        what the cluster holds, into FILE\n"
    "         -o config=FILE | --url URL --secret-file FILE   which cluster, for all of these\n"
    "       coordfs backup --data DIR FILE             what the data directory of a stopped node "
    "holds\n"
    "       coordfs backup --check FILE                whether FILE is whole, and what is in it\n"
    "       coordfs restore FILE... -o config=FILE     the data directory of those settings, as "
    "the\n"
    "                                                  beginning of a new cluster\n"
    "       coordfs --help | --version\n"
    "\n"
    "  -f  stay in the foreground; otherwise the command returns once DIR is mounted\n"
    "  -o  options; a comma in a value is written \\,\n"
    "\n"
    "Options:\n"
    "  config=FILE          read settings from FILE first: a `key = value` a line, # begins a\n"
    "                       comment\n";

const char cfs_options_notes[] =
    "\n"
    "Beside these: ro, nosuid, nodev, noexec, noatime, fsname=NAME and their like, as for "
    "mount(8);\n"
    "nosuid and nodev are the default.\n"
    "\n"
    "Under DIR, one name is one lock:\n"
    "  flock DIR/locks/NAME COMMAND       run COMMAND while no other node does\n"
    "  ls DIR/locks                       what is held\n"
    "  cat DIR/.coordfs/status            the node and its cluster\n"
    "\n"
    "SIGTERM, SIGINT and umount(8) end the node cleanly: it gives back all that it holds.\n";

/* Between mount(8), fstab and systemd; they mean nothing here. A final '=' or '-': a beginning. */
static const char *const ignored[] = {
    "defaults", "rw",    "auto",     "noauto",  "user",     "nouser", "users",
    "owner",    "group", "nofail",   "_netdev", "relatime", "sloppy", "loud",
    "silent",   "user=", "uhelper=", "helper=", "comment=", "x-",     "X-",
};

/* The kernel's and libfuse's. */
static const char *const passed[] = {
    "ro",      "suid",    "nosuid",     "dev",        "nodev",         "exec",         "noexec",
    "atime",   "noatime", "nodiratime", "norelatime", "nostrictatime", "sync",         "async",
    "dirsync", "fsname=", "context=",   "fscontext=", "defcontext=",   "rootcontext=",
};

static bool is_listed(const char *const *list, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(list[i]);
        char last = list[i][len - 1];
        if (strcmp(list[i], word) == 0 ||
            ((last == '=' || last == '-') && strncmp(list[i], word, len) == 0))
            return true;
    }
    return false;
}

/* Cuts the first option off `*rest`, in place; NULL at the end. Backslashes protect commas. */
static char *next_option(char **rest)
{
    char *option = *rest, *in, *out;

    if (!*option)
        return NULL;
    for (in = out = option; *in && *in != ','; in++) {
        if (*in == '\\' && in[1])
            in++;
        *out++ = *in;
    }
    *rest = *in ? in + 1 : in;
    *out = '\0';
    return option;
}

static void pass_on(struct cfs_options *options, const char *word)
{
    char *old = options->mount_options;

    options->mount_options = cfs_fs_format("%s%s%s", old, *old ? "," : "", word);
    free(old);
}

/* `name=value`; a name alone switches on. */
static int set_config(struct cfs_options *options, char *word, char *why, size_t size)
{
    char *value = strchr(word, '=');

    if (value)
        *value++ = '\0';
    return cfs_config_set(&options->config, word, value ? value : "", why, size);
}

static int apply_option(struct cfs_options *options, char *word, char *why, size_t size)
{
    if (!*word || strncmp(word, "config=", strlen("config=")) == 0 ||
        is_listed(ignored, sizeof ignored / sizeof *ignored, word))
        return 0;
    if (is_listed(passed, sizeof passed / sizeof *passed, word)) {
        pass_on(options, word);
        return 0;
    }
    return set_config(options, word, why, size);
}

static int read_config(struct cfs_options *options, const char *list, char *why, size_t size)
{
    char *copy = cfs_fs_strdup(list), *rest = copy, *word;
    int result = 0;

    while (result == 0 && (word = next_option(&rest)))
        if (strncmp(word, "config=", strlen("config=")) == 0)
            result = cfs_config_read(&options->config, word + strlen("config="), why, size);
    free(copy);
    return result;
}

static int apply_list(struct cfs_options *options, const char *list, char *why, size_t size)
{
    char *copy = cfs_fs_strdup(list), *rest = copy, *word;
    int result = 0;

    while (result == 0 && (word = next_option(&rest)))
        result = apply_option(options, word, why, size);
    free(copy);
    return result;
}

int cfs_options_apply(struct cfs_options *options, const char *lists, char *why, size_t size)
{
    if (read_config(options, lists, why, size) != 0)
        return -1;
    return apply_list(options, lists, why, size);
}

int cfs_options_wrong(char *why, size_t size, const char *what, const char *word)
{
    snprintf(why, size, "%s%s; see coordfs --help", what, word);
    return -1;
}

void cfs_options_add_list(char **lists, const char *list)
{
    char *old = *lists;

    *lists = cfs_fs_format("%s%s%s", old, *old ? "," : "", list);
    free(old);
}

static int take_directory(struct cfs_options *options, const char *word, char *why, size_t size)
{
    if (options->directory)
        return cfs_options_wrong(why, size, "one directory is enough: what is ", word);
    options->directory = cfs_fs_strdup(word);
    return 0;
}

static int parse_umount(struct cfs_options *options, int argc, char **argv, char *why, size_t size)
{
    options->command = CFS_COMMAND_UMOUNT;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "-l") == 0)
            options->lazy = true;
        else if (argv[i][0] == '-')
            return cfs_options_wrong(why, size, "umount knows no option ", argv[i]);
        else if (take_directory(options, argv[i], why, size) != 0)
            return -1;
    }
    return options->directory
               ? 0
               : cfs_options_wrong(why, size, "which directory is to be unmounted?", "");
}

/* Like -o join=URL. */
static int take_join(char **lists, const char *url, char *why, size_t size)
{
    char *option;

    if (!url)
        return cfs_options_wrong(why, size, "--join needs a URL behind it", "");
    option = cfs_fs_format("join=%s", url);
    cfs_options_add_list(lists, option);
    free(option);
    return 0;
}

/* One word of the line, and its argument if it takes one; moves `*at` past them. */
static int parse_word(struct cfs_options *options, char **lists, char **argv, int *at, char *why,
                      size_t size)
{
    const char *word = argv[(*at)++];

    if (strcmp(word, "-f") == 0) {
        options->config.foreground = true;
    } else if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0) {
        options->command = CFS_COMMAND_HELP;
    } else if (strcmp(word, "-V") == 0 || strcmp(word, "--version") == 0) {
        options->command = CFS_COMMAND_VERSION;
    } else if (strcmp(word, "-o") == 0) {
        if (!argv[*at])
            return cfs_options_wrong(why, size, "-o needs options behind it", "");
        cfs_options_add_list(lists, argv[(*at)++]);
    } else if (strcmp(word, "--join") == 0) {
        return take_join(lists, argv[*at] ? argv[(*at)++] : NULL, why, size);
    } else if (strncmp(word, "-o", 2) == 0) {
        cfs_options_add_list(lists, word + 2);
    } else if (word[0] == '-') {
        return cfs_options_wrong(why, size, "there is no option ", word);
    } else {
        return take_directory(options, word, why, size);
    }
    return 0;
}

static int parse_mount(struct cfs_options *options, int argc, char **argv, char *why, size_t size)
{
    char *lists = cfs_fs_strdup("");
    int result = 0;

    for (int at = 1; result == 0 && at < argc;)
        result = parse_word(options, &lists, argv, &at, why, size);
    if (result == 0 && options->command == CFS_COMMAND_MOUNT && !options->directory)
        result = cfs_options_wrong(why, size, "which directory is to be mounted on?", "");
    if (result == 0 && options->command == CFS_COMMAND_MOUNT) {
        result = cfs_options_apply(options, lists, why, size);
        if (result == 0)
            result = cfs_config_finish(&options->config, why, size);
    }
    free(lists);
    return result;
}

int cfs_options_parse(struct cfs_options *options, int argc, char **argv, char *why, size_t size)
{
    memset(options, 0, sizeof *options);
    cfs_config_init(&options->config);
    options->mount_options = cfs_fs_strdup("nosuid,nodev");
    if (argc > 1 && strcmp(argv[1], "umount") == 0)
        return parse_umount(options, argc, argv, why, size);
    if (argc > 1 && strcmp(argv[1], "member") == 0)
        return cfs_options_parse_member(options, argc, argv, why, size);
    if (argc > 1 && strcmp(argv[1], "queue") == 0)
        return cfs_options_parse_queue(options, argc, argv, why, size);
    if (argc > 1 && (strcmp(argv[1], "put") == 0 || strcmp(argv[1], "get") == 0))
        return cfs_options_parse_value(options, argc, argv, why, size);
    if (argc > 1 && strcmp(argv[1], "backup") == 0)
        return cfs_options_parse_backup(options, argc, argv, why, size);
    if (argc > 1 && strcmp(argv[1], "restore") == 0)
        return cfs_options_parse_restore(options, argc, argv, why, size);
    return parse_mount(options, argc, argv, why, size);
}

void cfs_options_close(struct cfs_options *options)
{
    free(options->directory);
    free(options->mount_options);
    options->directory = options->mount_options = NULL;
}
