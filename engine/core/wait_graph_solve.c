/* The greatest fixed point of "stuck", and the cycles in it.
 *
 * Everything that could be stuck is assumed to be; then what has a way out is freed, and what that
 * frees, until nothing changes: each edge is looked at once. What remains stuck and lies in a
 * strongly connected component of more than one vertex is on a cycle (Tarjan, "Depth-first search
 * and linear graph algorithms", 1972, with a stack of its own in place of recursion). */
#include "core/wait_graph_internal.h"

#include <assert.h>
#include <stdlib.h>

#include "core/alloc.h"

uint32_t cfs_graph_add_vertex(struct cfs_graph *graph, enum cfs_vertex_rule rule)
{
    assert(graph->vertex_count < UINT32_MAX);
    graph->vertices = cfs_array_room(graph->vertices, graph->vertex_count, &graph->vertex_capacity,
                                     sizeof *graph->vertices);
    graph->vertices[graph->vertex_count] = (struct cfs_vertex){.rule = rule};
    return (uint32_t)graph->vertex_count++;
}

void cfs_graph_add_edge(struct cfs_graph *graph, uint32_t from, uint32_t to)
{
    assert(graph->edge_count < UINT32_MAX);
    graph->edges = cfs_array_room(graph->edges, graph->edge_count, &graph->edge_capacity,
                                  sizeof *graph->edges);
    graph->edges[graph->edge_count++] = (struct cfs_edge){from, to};
}

void cfs_graph_close(struct cfs_graph *graph)
{
    free(graph->vertices);
    free(graph->edges);
    *graph = (struct cfs_graph){0};
}

/* The neighbours of vertex v are ends[first[v]] up to ends[first[v + 1]]. */
struct adjacency {
    uint32_t *first, *ends;
};

static struct adjacency adjacency_of(const struct cfs_graph *graph, bool reversed)
{
    size_t count = graph->vertex_count;
    struct adjacency adjacency = {
        .first = cfs_alloc_zeroed(count + 2, sizeof(uint32_t)),
        .ends = cfs_alloc(graph->edge_count * sizeof(uint32_t)),
    };
    /* One further along than in the end: filling in the ends moves each to its place. */
    uint32_t *at = adjacency.first + 1;

    for (size_t i = 0; i < graph->edge_count; i++)
        at[(reversed ? graph->edges[i].to : graph->edges[i].from) + 1]++;
    for (size_t v = 0; v < count; v++)
        at[v + 1] += at[v];
    for (size_t i = 0; i < graph->edge_count; i++) {
        const struct cfs_edge *edge = &graph->edges[i];
        adjacency.ends[at[reversed ? edge->to : edge->from]++] = reversed ? edge->from : edge->to;
    }
    return adjacency;
}

static void free_adjacency(struct adjacency *adjacency)
{
    free(adjacency->first);
    free(adjacency->ends);
}

/* Vertices freed and not yet followed. Each is pushed at most once. */
struct freed {
    uint32_t *items;
    size_t count;
};

static void set_free(struct cfs_graph *graph, struct freed *freed, uint32_t v)
{
    if (!graph->vertices[v].stuck)
        return;
    graph->vertices[v].stuck = false;
    freed->items[freed->count++] = v;
}

/* `left`: how many of those it depends on are stuck. */
static void follow(struct cfs_graph *graph, const struct adjacency *dependents, struct freed *freed,
                   uint32_t *left)
{
    while (freed->count) {
        uint32_t v = freed->items[--freed->count];
        for (uint32_t i = dependents->first[v]; i < dependents->first[v + 1]; i++) {
            uint32_t dependent = dependents->ends[i];
            left[dependent]--;
            if (!left[dependent] || graph->vertices[dependent].rule == CFS_STUCK_WITH_ALL)
                set_free(graph, freed, dependent);
        }
    }
}

static void find_stuck(struct cfs_graph *graph)
{
    size_t count = graph->vertex_count;
    struct adjacency dependents = adjacency_of(graph, true);
    struct freed freed = {.items = cfs_alloc(count * sizeof(uint32_t))};
    uint32_t *left = cfs_alloc_zeroed(count, sizeof *left);

    for (size_t i = 0; i < graph->edge_count; i++)
        left[graph->edges[i].from]++;
    for (size_t v = 0; v < count; v++)
        graph->vertices[v].stuck = true;
    for (uint32_t v = 0; v < count; v++)
        if (graph->vertices[v].rule == CFS_NEVER_STUCK || !left[v])
            set_free(graph, &freed, v);
    follow(graph, &dependents, &freed, left);
    free(left);
    free(freed.items);
    free_adjacency(&dependents);
}

/* A depth-first search: a path of vertices, each with the edge it is looking at, and the vertices
 * that were met and belong to no finished component. */
struct search {
    struct cfs_graph *graph;
    struct adjacency needs;
    uint32_t *met;  /* when a vertex was first met, from 1; 0: not yet */
    uint32_t *low;  /* the earliest met vertex it can reach; 0: its component is finished */
    uint32_t *edge; /* the next edge to look at */
    uint32_t *path, *open;
    size_t path_len, open_len;
    uint32_t clock;
};

static void enter(struct search *search, uint32_t v)
{
    search->met[v] = search->low[v] = ++search->clock;
    search->edge[v] = search->needs.first[v];
    search->path[search->path_len++] = v;
    search->open[search->open_len++] = v;
}

/* The component of `root` is what was opened since it was met. */
static void finish_component(struct search *search, uint32_t root)
{
    bool cycle = search->open[search->open_len - 1] != root;
    uint32_t v;

    do {
        v = search->open[--search->open_len];
        search->low[v] = 0;
        search->graph->vertices[v].on_cycle = cycle;
    } while (v != root);
}

static void leave(struct search *search, uint32_t v)
{
    uint32_t low = search->low[v];

    search->path_len--;
    if (low == search->met[v])
        finish_component(search, v);
    else if (low < search->low[search->path[search->path_len - 1]])
        search->low[search->path[search->path_len - 1]] = low;
}

/* One step at the end of the path: along an edge, or back. */
static void step(struct search *search)
{
    uint32_t v = search->path[search->path_len - 1], to;

    if (search->edge[v] == search->needs.first[v + 1]) {
        leave(search, v);
        return;
    }
    to = search->needs.ends[search->edge[v]++];
    if (!search->graph->vertices[to].stuck)
        return;
    if (!search->met[to])
        enter(search, to);
    else if (search->low[to] && search->met[to] < search->low[v])
        search->low[v] = search->met[to];
}

static void find_cycles(struct cfs_graph *graph)
{
    size_t count = graph->vertex_count;
    uint32_t *memory = cfs_alloc_zeroed(5 * count, sizeof *memory);
    struct search search = {.graph = graph,
                            .needs = adjacency_of(graph, false),
                            .met = memory,
                            .low = memory + count,
                            .edge = memory + 2 * count,
                            .path = memory + 3 * count,
                            .open = memory + 4 * count};

    for (uint32_t v = 0; v < count; v++) {
        if (!graph->vertices[v].stuck || search.met[v])
            continue;
        enter(&search, v);
        while (search.path_len)
            step(&search);
    }
    free_adjacency(&search.needs);
    free(memory);
}

void cfs_graph_solve(struct cfs_graph *graph)
{
    find_stuck(graph);
    find_cycles(graph);
}
