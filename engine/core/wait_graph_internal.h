/* A graph of who depends on whom, apart from what the vertices stand for. Between wait_graph.c,
 * which builds it, and wait_graph_solve.c, which finds what can never go on. */
#ifndef CFS_CORE_WAIT_GRAPH_INTERNAL_H
#define CFS_CORE_WAIT_GRAPH_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* When a vertex is stuck, given those it depends on. */
enum cfs_vertex_rule {
    CFS_NEVER_STUCK,
    CFS_STUCK_WITH_ANY, /* a wait: it needs every one of its blockers to go away */
    CFS_STUCK_WITH_ALL, /* a hold: it needs one of its waits to end */
};

struct cfs_vertex {
    enum cfs_vertex_rule rule;
    bool stuck;    /* found by cfs_graph_solve, as is the next */
    bool on_cycle; /* stuck, and depends on itself through stuck vertices */
};

struct cfs_edge {
    uint32_t from, to; /* positions among the vertices: from depends on to */
};

struct cfs_graph {
    struct cfs_vertex *vertices;
    size_t vertex_count, vertex_capacity;
    struct cfs_edge *edges;
    size_t edge_count, edge_capacity;
};

/* A new vertex; its position. */
uint32_t cfs_graph_add_vertex(struct cfs_graph *graph, enum cfs_vertex_rule rule);
void cfs_graph_add_edge(struct cfs_graph *graph, uint32_t from, uint32_t to);

/* Sets `stuck` and `on_cycle` of every vertex. Time and memory: a constant per vertex and edge. */
void cfs_graph_solve(struct cfs_graph *graph);

void cfs_graph_close(struct cfs_graph *graph);

#endif
