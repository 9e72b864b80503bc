/* Checked fields, shared by the files command*.c and by saved state. */
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

/* command_queue.c: the requests to queues, without operation and name; and parts of them, as saved
 * queues have them too. What is read may have memory of its own (lengths, ids): `owned` receives
 * it, also when the reader fails. */
void cfs_put_queue_request(struct cfs_writer *writer, const struct cfs_request *request);
void cfs_get_queue_request(struct cfs_reader *reader, struct cfs_request *request, void **owned);
void cfs_put_produce(struct cfs_writer *writer, const struct cfs_produce *produce);
void cfs_get_produce(struct cfs_reader *reader, struct cfs_produce *produce, uint32_t **owned);
void cfs_put_consume(struct cfs_writer *writer, const struct cfs_consume *consume);
void cfs_get_consume(struct cfs_reader *reader, struct cfs_consume *consume);

/* Those `fields` of a queue's settings (enum cfs_queue_config_field), and all of them. */
#define CFS_CONFIG_ALL 31u
void cfs_put_queue_config(struct cfs_writer *writer, uint32_t fields,
                          const struct cfs_queue_config *config);
void cfs_get_queue_config(struct cfs_reader *reader, uint32_t fields,
                          struct cfs_queue_config *config);

/* command_answer_queue.c: what answers say of queues. The arrays are malloc'd. */
void cfs_put_queue_info(struct cfs_writer *writer, const struct cfs_queue_info *info);
void cfs_get_queue_info(struct cfs_reader *reader, struct cfs_queue_info *info);
void cfs_put_messages(struct cfs_writer *writer, const struct cfs_answer *answer);
void cfs_get_messages(struct cfs_reader *reader, struct cfs_answer *answer, void **owned);
void cfs_put_ids(struct cfs_writer *writer, const struct cfs_answer *answer);
void cfs_get_ids(struct cfs_reader *reader, struct cfs_answer *answer, void **owned);

/* command_cache.c: the requests to the cache, without operation and name. */
void cfs_put_cache_request(struct cfs_writer *writer, const struct cfs_request *request);
void cfs_get_cache_request(struct cfs_reader *reader, struct cfs_request *request);
/* A symlink's target, and the lower 12 mode bits. */
const uint8_t *cfs_get_target(struct cfs_reader *reader, uint32_t *len);
uint32_t cfs_get_perm(struct cfs_reader *reader);

/* command_answer_cache.c: what answers say of the cache, if they do. */
bool cfs_answer_is_of_cache(const struct cfs_answer *answer);
void cfs_put_cache_answer(struct cfs_writer *writer, const struct cfs_answer *answer);
void cfs_get_cache_answer(struct cfs_reader *reader, struct cfs_answer *answer, void **owned);

/* Names one after the other, each ended by its NUL; NULL: none. */
const char *cfs_get_names(struct cfs_reader *reader, uint32_t *len);

/* Nothing failed and nothing is left over. */
bool cfs_reader_whole(const struct cfs_reader *reader);

#endif
