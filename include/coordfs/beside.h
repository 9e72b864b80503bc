/* Values that are written beside the one that they replace, and renamed. */
#ifndef COORDFS_BESIDE_H
#define COORDFS_BESIDE_H

#include "coordfs/limits.h"

/* A name for what will be `name`: .NAME.coordfs- and 16 random digits, NAME cut off where that has
 * no room. 0, or -1 and errno. */
int cfs_name_beside(char beside[CFS_NAME_MAX + 1], const char *name);

#endif
