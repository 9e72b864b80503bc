/* The leader's side of a group other than 0 on the bench: node 1 leads it, nodes 2 and 3 follow and
 * ask. Beside it stands node 1's own replica of group 0, of which the test says what it has
 * applied. */
#ifndef TEST_CORE_GUEST_BENCH_H
#define TEST_CORE_GUEST_BENCH_H

#include "core_home_bench.h"

#include "core/group.h"

#define GUEST_GROUP 7u

struct guest_bench {
    struct home_bench hb;
    struct cfs_group root;
    struct cfs_placement placement;
    cfs_node_set away;    /* replicas that do not answer */
    cfs_node_set lagging; /* answer, and have nothing new */
};

/* It serves, its replicas are where they should be, and nobody has a session; effects are cleared.
 */
void guest_bench_open(struct guest_bench *gb);
void guest_bench_close(struct guest_bench *gb);

/* Where the group should be, best first; 0: none. */
void guest_bench_place(struct guest_bench *gb, cfs_node_id first, cfs_node_id second,
                       cfs_node_id third);

/* What group 0 says as of index `at`: `node` has opened session `at`, in place of what it had; it
 * has resumed what it had; its session has ended. */
void guest_bench_session(struct guest_bench *gb, cfs_node_id node, uint64_t at);
void guest_bench_resumed(struct guest_bench *gb, cfs_node_id node, uint64_t at);
void guest_bench_ended(struct guest_bench *gb, cfs_node_id node, uint64_t at);

/* All that was proposed is durable on every replica that answers, and applied. */
void guest_bench_commit(struct guest_bench *gb);

/* Time passes in contact, and the leader looks at everything. */
void guest_bench_look(struct guest_bench *gb, cfs_time duration);

/* Looks until nothing changes any more. */
void guest_bench_come_to_rest(struct guest_bench *gb);

/* How many commands of that kind are in the log; the newest. */
uint32_t guest_bench_count(const struct guest_bench *gb, enum cfs_command_kind kind);
struct cfs_command guest_bench_newest(const struct guest_bench *gb, enum cfs_command_kind kind);

void guest_bench_assert_members(const struct guest_bench *gb, cfs_node_set voters,
                                cfs_node_set outgoing, cfs_node_set learners);

#endif
