/* The cache as its users see it, on whatever node, from a kernel's copy or from the home. Known are
 * only the begin and the end of what they do, and what they are told:
 *
 *   - what a reading says was so at some moment between its begin and its end: names, listings,
 *     attributes and contents, each; nothing older than what anybody was told before it began;
 *   - a change that was answered is there, once, upon the state that its answer names; one that was
 *     refused is nowhere; of one that had no clear end nobody knows;
 *   - of two who make the same name with O_EXCL one does;
 *   - what loses its name does so once, and can be read for long after.
 */
#ifndef SIM_CHECK_CACHE_H
#define SIM_CHECK_CACHE_H

#include "files.h"

struct sim;
struct sim_node;
struct sim_cacher;
struct sim_inode_check;

enum sim_put_state { SIM_PUT_UNCLEAR, SIM_PUT_DONE, SIM_PUT_REFUSED };

/* A change of contents, known by its number. */
struct sim_put {
    cfs_ino ino;
    enum cfs_put_kind kind;
    uint32_t slot; /* where it writes, or the size */
    enum sim_put_state state;
};

struct sim_cache_check {
    uint64_t order; /* of begins and ends */
    struct sim_inode_check *inodes;
    struct sim_put *puts;
    size_t put_count, put_capacity;
};

void sim_cache_check_close(struct sim_cache_check *check);

/* Something begins: its place in the order of begins and ends. */
uint64_t sim_cache_begins(struct sim *sim);

/* A reading ends that began at `begin`: the name in `directory` is that of `ino` (0: there is
 * none); inode `ino` is as seen, also one found by name; the listing; the contents. */
void sim_check_name(struct sim *sim, const struct sim_node *node, uint64_t begin, cfs_ino directory,
                    uint32_t name, cfs_ino ino);
void sim_check_node(struct sim *sim, const struct sim_node *node, uint64_t begin, cfs_ino ino,
                    const struct sim_seen *seen);
void sim_check_list(struct sim *sim, const struct sim_node *node, uint64_t begin, cfs_ino directory,
                    const struct sim_seen *seen);
void sim_check_content(struct sim *sim, const struct sim_node *node, uint64_t begin, cfs_ino ino,
                       const struct sim_seen *seen);

/* There is no such inode, or no contents of it any more. */
void sim_check_gone(struct sim *sim, const struct sim_node *node, cfs_ino ino);

/* A change begins, at `begin`, and ends; not at all if it dies with its node. */
void sim_check_change(struct sim *sim, const struct cfs_request *request, uint64_t begin);
void sim_check_changed(struct sim *sim, const struct sim_node *node,
                       const struct cfs_request *request, uint64_t begin,
                       const struct cfs_answer *answer);

/* The number of a change of contents that is about to begin; and what became of it. */
uint32_t sim_check_put(struct sim *sim, const struct sim_put *put);
void sim_check_put_ended(struct sim *sim, const struct sim_node *node, uint64_t begin,
                         uint32_t number, const struct cfs_answer *answer);

/* What a change makes of a value. */
void sim_put_apply(const struct sim_put *put, uint32_t number, struct sim_value *value);

/* Whether an error says that a change did not happen. */
bool sim_cache_refuses(enum cfs_error error);

#endif
