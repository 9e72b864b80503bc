/* This process: what the kernel says about it, and how it uses memory. */
#ifndef CFS_IO_PROCESS_H
#define CFS_IO_PROCESS_H

#include <stdint.h>

/* Resident memory, of files mapped too; 0 when /proc cannot tell. */
uint64_t cfs_process_resident_bytes(void);

/* From now on memory of large buffers goes back to the kernel when they are freed. By itself
 * malloc(3) soon keeps it, and small things that live long end up in between. */
void cfs_process_return_memory(void);

#endif
