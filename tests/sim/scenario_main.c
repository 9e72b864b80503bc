/* scenario: plays stories written as text. A file is a series of blocks, each some lines of
 * commands, a line "----", and what has to happen; an empty line ends it; '#' begins a comment.
 *
 *   scenario FILE...             plays, compares; 1 when anything differs
 *   scenario --rewrite FILE...   records what happens; commit only differences you understand */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "verbs.h"

struct text {
    char *data;
    size_t len, capacity;
};

struct play {
    const char *path;
    struct scene scene;
    struct text recorded; /* the file as it should be */
    struct text expected; /* of this block */
    unsigned line, block; /* block: the line of its first command */
    bool in_output;
    int failures;
};

static void append(struct text *text, const char *line, const char *end)
{
    size_t len = strlen(line) + strlen(end);

    if (text->len + len + 1 > text->capacity) {
        text->capacity = 2 * (text->capacity + len + 1);
        text->data = cfs_realloc(text->data, text->capacity);
    }
    text->len += (size_t)sprintf(text->data + text->len, "%s%s", line, end);
}

static void show_difference(const struct play *play, const char *happened)
{
    printf("%s:%u: something else happened\n--- expected\n%s--- happened\n%s", play->path,
           play->block, play->expected.len ? play->expected.data : "", happened);
}

/* The block is over: compares, and records. */
static void end_block(struct play *play)
{
    const char *happened = play->scene.out_len ? play->scene.out : "";
    const char *expected = play->expected.len ? play->expected.data : "";

    if (!play->block)
        return;
    if (!play->in_output)
        append(&play->recorded, "----", "\n");
    append(&play->recorded, happened, "");
    if (strcmp(happened, expected) != 0) {
        show_difference(play, happened);
        play->failures++;
    }
    play->scene.out_len = play->expected.len = play->block = 0;
    play->in_output = false;
}

static void command(struct play *play, const char *line)
{
    char words[1024], why[256];

    append(&play->recorded, line, "\n");
    if (line[0] == '#')
        return;
    if (!play->block)
        play->block = play->line;
    snprintf(words, sizeof words, "%s", line);
    if (verbs_do(&play->scene, words, why, sizeof why) == 0)
        return;
    printf("%s:%u: %s\n", play->path, play->line, why);
    play->failures++;
}

static void read_line(struct play *play, const char *line)
{
    play->line++;
    if (!line[0]) {
        end_block(play);
        append(&play->recorded, "", "\n");
    } else if (strcmp(line, "----") == 0 && !play->in_output) {
        append(&play->recorded, line, "\n");
        play->in_output = true;
    } else if (play->in_output) {
        append(&play->expected, line, "\n");
    } else {
        command(play, line);
    }
}

static int rewrite(const struct play *play)
{
    FILE *file = fopen(play->path, "w");
    bool written =
        file && fwrite(play->recorded.data, 1, play->recorded.len, file) == play->recorded.len;

    if (file && fclose(file) == 0 && written)
        return 0;
    perror(play->path);
    return 1;
}

static int play_file(const char *path, bool record)
{
    struct play play = {.path = path};
    FILE *file = fopen(path, "r");
    char line[1024];
    int result;

    if (!file) {
        perror(path);
        return 1;
    }
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        read_line(&play, line);
    }
    end_block(&play);
    fclose(file);
    result = record ? rewrite(&play) : play.failures != 0;
    scene_close(&play.scene);
    free(play.recorded.data);
    free(play.expected.data);
    return result;
}

int main(int argc, char **argv)
{
    bool record = argc > 1 && strcmp(argv[1], "--rewrite") == 0;
    int first = record ? 2 : 1, failed = 0;

    if (argc <= first || strcmp(argv[1], "--help") == 0) {
        printf("usage: scenario [--rewrite] FILE...\nverbs:\n%s", verbs_help());
        return argc <= first ? 2 : 0;
    }
    for (int i = first; i < argc; i++)
        failed |= play_file(argv[i], record);
    return failed;
}
