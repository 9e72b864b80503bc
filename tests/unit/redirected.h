/* A descriptor that is a file for a while: what a command reads from it, or has written to it. */
#ifndef CFS_TEST_REDIRECTED_H
#define CFS_TEST_REDIRECTED_H

#include <stdio.h>
#include <unistd.h>

struct redirected {
    FILE *file;
    int fd, kept;
};

static struct redirected redirect(int fd, const char *text)
{
    struct redirected r = {.file = tmpfile(), .fd = fd};

    fflush(stdout);
    fputs(text, r.file);
    rewind(r.file);
    r.kept = dup(fd);
    dup2(fileno(r.file), fd);
    return r;
}

/* Gives what is in the file now. */
static void end_redirected(struct redirected *r, char *text, size_t size)
{
    fflush(stdout);
    dup2(r->kept, r->fd);
    close(r->kept);
    rewind(r->file);
    text[fread(text, 1, size - 1, r->file)] = 0;
    fclose(r->file);
}

#endif
