/* The columns of CFS_ERROR_MAP as tables. */
#include "coordfs/error.h"

#include <assert.h>

struct error_row {
    int number, status;
    const char *word, *sentence;
};

static const struct error_row rows[CFS_ERROR_COUNT] = {
#define X(code, number, status, word, sentence) [code] = {number, status, word, sentence},
    CFS_ERROR_MAP(X)
#undef X
};

static const struct error_row *row(enum cfs_error error)
{
    assert((unsigned)error < CFS_ERROR_COUNT);
    return &rows[error];
}

int cfs_error_errno(enum cfs_error error)
{
    return row(error)->number;
}

int cfs_error_http_status(enum cfs_error error)
{
    return row(error)->status;
}

const char *cfs_error_word(enum cfs_error error)
{
    return row(error)->word;
}

const char *cfs_error_sentence(enum cfs_error error)
{
    return row(error)->sentence;
}
