/* What the kernel says about this process. */
#ifndef CFS_IO_PROCESS_H
#define CFS_IO_PROCESS_H

#include <stdint.h>

/* Resident memory, of files mapped too; 0 when /proc cannot tell. */
uint64_t cfs_process_resident_bytes(void);

#endif
