/* A status to make pages and metrics of: node 1 leads node 2. */
#ifndef TESTS_UNIT_STATUS_WORLD_H
#define TESTS_UNIT_STATUS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/page.h"

/* Without locks. */
struct cfs_status status_of_a_leader(void);

/* What the newest status says of a group. */
struct cfs_group_status *status_group(cfs_group_id group);

/* The page, parsed; new. */
json_t *page_as_json(const char *name, const struct cfs_status *status);

void assert_number(const json_t *object, const char *key, json_int_t expected);

#endif
