/* Of which version bytes are that this coordfs does not understand: for refusals that name it. All
 * that is kept or sent begins with its version, and only one version of each is understood. */
#ifndef CFS_CORE_FORMAT_H
#define CFS_CORE_FORMAT_H

#include "core/entry.h"

struct cfs_format {
    const char *what;      /* "a session": static */
    unsigned found, known; /* versions; `known` 0: this coordfs knows nothing of the kind */
};

/* True when the bytes are of another version than the one that is understood; false: then they are
 * damaged, or make no sense. */
bool cfs_format_of_head(const uint8_t *head, size_t len, struct cfs_format *format);
bool cfs_format_of_entry(const struct cfs_entry *entry, struct cfs_format *format);
bool cfs_format_of_piece(const uint8_t *key, size_t key_len, const uint8_t *value, size_t value_len,
                         struct cfs_format *format);

/* What people call pieces of that kind, in the plural; NULL: there is no such kind. */
const char *cfs_format_kind(unsigned tag);

#endif
