#include "io/page.h"

#include <stdlib.h>
#include <string.h>

static const struct page {
    const char *name;
    json_t *(*describe)(const struct cfs_status *status);
    void (*put)(FILE *out, json_t *page);
} pages[] = {
    {"status", cfs_page_status, cfs_page_put_status},
    {"nodes", cfs_page_nodes, cfs_page_put_nodes},
    {"locks", cfs_page_locks, cfs_page_put_locks},
    {"waits", cfs_page_waits, cfs_page_put_waits},
    {"queues", cfs_page_queues, cfs_page_put_queues},
    {"ring", cfs_page_ring, cfs_page_put_ring},
    {"cache", cfs_page_cache, cfs_page_put_cache},
};

#define PAGE_COUNT (sizeof pages / sizeof *pages)

static const struct page *find(const char *name)
{
    for (size_t i = 0; i < PAGE_COUNT; i++)
        if (strcmp(pages[i].name, name) == 0)
            return &pages[i];
    return NULL;
}

char *cfs_page_make(const char *name, bool json, const struct cfs_status *status)
{
    const struct page *page = find(name);
    char *text = NULL;
    size_t size;
    FILE *out = page ? open_memstream(&text, &size) : NULL;
    json_t *root;

    if (!out)
        return NULL;
    root = page->describe(status);
    if (json) {
        json_dumpf(root, out, JSON_INDENT(2));
        fputc('\n', out);
    } else {
        page->put(out, root);
    }
    json_decref(root);
    fclose(out);
    return text;
}

const char *cfs_page_word(const json_t *value, char room[CFS_PAGE_WORD_BYTES])
{
    if (json_is_string(value))
        return json_string_value(value);
    if (json_is_boolean(value))
        return json_is_true(value) ? "yes" : "no";
    if (!json_is_integer(value))
        return "-";
    snprintf(room, CFS_PAGE_WORD_BYTES, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    return room;
}

static bool is_escaped(unsigned char byte)
{
    return byte <= ' ' || byte == '\\' || byte == 127;
}

/* Columns on a terminal, as far as UTF-8 is one per character. */
static size_t width_of(const char *word)
{
    size_t width = 0;

    for (; *word; word++)
        width += is_escaped((unsigned char)*word) ? 4 : (*word & 0xc0) != 0x80;
    return width;
}

static void put_word(FILE *out, const char *word)
{
    for (; *word; word++)
        if (is_escaped((unsigned char)*word))
            fprintf(out, "\\%03o", (unsigned)(unsigned char)*word);
        else
            fputc(*word, out);
}

/* Row 0 is the heading. */
static const char *cell(const json_t *rows, size_t row, const char *key,
                        char room[CFS_PAGE_WORD_BYTES])
{
    return row ? cfs_page_word(json_object_get(json_array_get(rows, row - 1), key), room) : key;
}

static size_t column_width(const json_t *rows, const char *key)
{
    char room[CFS_PAGE_WORD_BYTES];
    size_t widest = 0;

    for (size_t row = 0; row <= json_array_size(rows); row++) {
        size_t width = width_of(cell(rows, row, key, room));

        widest = width > widest ? width : widest;
    }
    return widest;
}

static void put_cell(FILE *out, const char *word, size_t width, bool right, bool last)
{
    int blanks = (int)(width - width_of(word));

    if (right)
        fprintf(out, "%*s", blanks, "");
    put_word(out, word);
    if (!right && !last)
        fprintf(out, "%*s", blanks, "");
    fputs(last ? "\n" : "  ", out);
}

enum { COLUMNS_MAX = 10 };

void cfs_page_put_table(FILE *out, const json_t *rows, const struct cfs_page_column *columns,
                        size_t count)
{
    size_t widths[COLUMNS_MAX];
    char room[CFS_PAGE_WORD_BYTES];

    assert(count <= COLUMNS_MAX);
    for (size_t i = 0; i < count; i++)
        widths[i] = column_width(rows, columns[i].key);
    for (size_t row = 0; row <= json_array_size(rows); row++)
        for (size_t i = 0; i < count; i++)
            put_cell(out, cell(rows, row, columns[i].key, room), widths[i], columns[i].right,
                     i + 1 == count);
}

void cfs_page_put_rest(FILE *out, json_int_t total, size_t shown)
{
    if (total > (json_int_t)shown)
        fprintf(out, "# and %" JSON_INTEGER_FORMAT " more\n", total - (json_int_t)shown);
}
