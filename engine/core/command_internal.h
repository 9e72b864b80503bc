/* Checked fields, shared by command.c and command_answer.c. */
#ifndef CFS_CORE_COMMAND_INTERNAL_H
#define CFS_CORE_COMMAND_INTERNAL_H

#include "core/command.h"

/* The first byte of a command and of an answer. */
#define CFS_COMMAND_VERSION 1u

/* A byte from `first` to `last`; anything else fails the reader. */
uint8_t cfs_get_enum(struct cfs_reader *reader, unsigned first, unsigned last);
bool cfs_get_bool(struct cfs_reader *reader);

void cfs_put_process(struct cfs_writer *writer, struct cfs_process process);
struct cfs_process cfs_get_process(struct cfs_reader *reader);

/* An acquire of any kind, as commands and saved claims carry it. */
void cfs_put_acquire(struct cfs_writer *writer, const struct cfs_acquire *acquire);
void cfs_get_acquire(struct cfs_reader *reader, struct cfs_acquire *acquire);

/* Nothing failed and nothing is left over. */
bool cfs_reader_whole(const struct cfs_reader *reader);

#endif
