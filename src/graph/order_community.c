/* Communities within communities, each kept together: nodes are merged, those of small degree first,
 * into the neighbour that gains the most modularity, and laid out as the tree that this makes (Arai
 * et al. 2016, "Rabbit Order", here on one thread and so deterministic). */
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "graph/order.h"

/* The neighbours of a group, and how many pairs lead to each. */
typedef struct bond {
  int32_t to;
  int32_t pairs;
} bond;

typedef struct forest {
  const heed_mask *mask;
  int64_t n;
  double total;         /* of degree */
  int32_t *group;       /* a node that the node was merged into, or itself */
  int32_t *last_child;  /* merged into it; -1: none */
  int32_t *sibling;     /* merged into the same one before; -1: none */
  double *degree;       /* of the whole group */
  int64_t *first;       /* where the links of a group that waits to be read begin... */
  int32_t *count;       /* ...and how many; 0 once they were read */
  int32_t *among;       /* [n] pairs to each group from that of now, 0 elsewhere */
  int32_t *met;         /* [n] the groups with pairs */
  bond *links;
  int64_t used;
  int64_t room;
} forest;

static int32_t group_of(int32_t *group, int32_t i) {
  while (group[i] != i) {
    group[i] = group[group[i]];
    i = group[i];
  }
  return i;
}

static void meet(forest *f, int32_t node, int32_t of, int32_t pairs, int32_t *n_met) {
  int32_t group = group_of(f->group, of);
  if (group == node) return;
  int32_t *among = &f->among[group];
  if (*among == 0) f->met[(*n_met)++] = group;
  if (__builtin_add_overflow(*among, pairs, among)) *among = INT32_MAX;
}

/* All neighbours of the group of `node`: its own pairs, and the links of what was merged into it. */
static int32_t gather(forest *f, int32_t node) {
  int32_t n_met = 0;
  for (int64_t p = f->mask->indptr[node]; p < f->mask->indptr[node + 1]; p++) {
    meet(f, node, f->mask->indices[p], 1, &n_met);
  }
  for (int32_t c = f->last_child[node]; c >= 0; c = f->sibling[c]) {
    for (int64_t k = f->first[c]; k < f->first[c] + f->count[c]; k++) {
      meet(f, node, f->links[k].to, f->links[k].pairs, &n_met);
    }
    f->count[c] = 0;
  }
  return n_met;
}

/* The neighbour whose gain is the largest, -1 if none gains. */
static int32_t best_neighbour(const forest *f, int32_t node, int32_t n_met) {
  int32_t best = -1;
  double most = 0;
  for (int32_t k = 0; k < n_met; k++) {
    int32_t to = f->met[k];
    double gain = f->among[to] - f->degree[node] * f->degree[to] / f->total;
    if (gain > most) {
      most = gain;
      best = to;
    }
  }
  return best;
}

/* Makes room by moving the links that nobody has read yet together. They lie in the order in which
 * nodes were visited, of which there were `visited`. */
static void pack(forest *f, const int64_t *visits, int64_t visited) {
  int64_t put = 0;
  for (int64_t v = 0; v < visited; v++) {
    int64_t node = visits[v];
    if (f->count[node] == 0) continue;
    memmove(f->links + put, f->links + f->first[node], (size_t)f->count[node] * sizeof *f->links);
    f->first[node] = put;
    put += f->count[node];
  }
  f->used = put;
}

static heed_status keep_links(forest *f, const int64_t *visits, int64_t visited, int32_t n_met) {
  int64_t node = visits[visited];
  if (f->used + n_met > f->room) pack(f, visits, visited);
  if (f->used + n_met > f->room - f->room / 4) {
    int64_t room = 2 * (f->used + n_met);
    bond *links = heed__realloc(f->links, (size_t)room, sizeof *links);
    if (links == NULL) return HEED_NOMEM;
    f->links = links;
    f->room = room;
  }
  f->first[node] = f->used;
  f->count[node] = n_met;
  for (int32_t k = 0; k < n_met; k++) {
    f->links[f->used++] = (bond){f->met[k], f->among[f->met[k]]};
  }
  return HEED_OK;
}

static heed_status merge_all(forest *f, const int64_t *visits) {
  heed_status status = HEED_OK;
  for (int64_t v = 0; v < f->n && status == HEED_OK; v++) {
    int32_t node = (int32_t)visits[v];
    int32_t n_met = gather(f, node);
    int32_t into = best_neighbour(f, node, n_met);
    if (into >= 0) {
      status = keep_links(f, visits, v, n_met);
      f->group[node] = into;
      f->degree[into] += f->degree[node];
      f->sibling[node] = f->last_child[into];
      f->last_child[into] = node;
    }
    for (int32_t k = 0; k < n_met; k++) f->among[f->met[k]] = 0;
  }
  return status;
}

/* The trees one after the other, a node before what was merged into it, the latest first; `stack` is
 * scratch. */
static void lay_out(const forest *f, int32_t *stack, int64_t *nodes) {
  int64_t put = 0;
  for (int64_t root = 0; root < f->n; root++) {
    if (f->group[root] != root) continue;
    int64_t depth = 0;
    stack[depth++] = (int32_t)root;
    while (depth > 0) {
      int32_t node = stack[--depth];
      nodes[put++] = node;
      /* A node and the sibling after it in the list wait at once, never more of one list. */
      if (f->group[node] != node && f->sibling[node] >= 0) stack[depth++] = f->sibling[node];
      if (f->last_child[node] >= 0) stack[depth++] = f->last_child[node];
    }
  }
}

static heed_status start(forest *f, const heed_mask *mask, int64_t *visits) {
  size_t n = (size_t)mask->n_queries;
  *f = (forest){.mask = mask, .n = mask->n_queries, .room = mask->n_pairs / 4 + 1024};
  f->group = heed__alloc(n, sizeof *f->group);
  f->last_child = heed__alloc(n, sizeof *f->last_child);
  f->sibling = heed__alloc(n, sizeof *f->sibling);
  f->degree = heed__alloc(n, sizeof *f->degree);
  f->first = heed__alloc(n, sizeof *f->first);
  f->count = heed__alloc_zero(n, sizeof *f->count);
  f->among = heed__alloc_zero(n, sizeof *f->among);
  f->met = heed__alloc(n, sizeof *f->met);
  f->links = heed__alloc((size_t)f->room, sizeof *f->links);
  if (f->group == NULL || f->last_child == NULL || f->sibling == NULL || f->degree == NULL ||
      f->first == NULL || f->count == NULL || f->among == NULL || f->met == NULL ||
      f->links == NULL) {
    return HEED_NOMEM;
  }
  for (int64_t i = 0; i < f->n; i++) {
    f->group[i] = (int32_t)i;
    f->last_child[i] = f->sibling[i] = -1;
    f->degree[i] = (double)(mask->indptr[i + 1] - mask->indptr[i]);
    f->total += f->degree[i];
  }
  return heed__order_by_row(mask, false, visits);
}

heed_status heed__order_community(const heed_mask *mask, int64_t *nodes) {
  forest f;
  heed_status status = start(&f, mask, nodes);
  if (status == HEED_OK) status = merge_all(&f, nodes);
  if (status == HEED_OK) lay_out(&f, f.met, nodes);
  heed__free(f.links);
  heed__free(f.met);
  heed__free(f.among);
  heed__free(f.count);
  heed__free(f.first);
  heed__free(f.degree);
  heed__free(f.sibling);
  heed__free(f.last_child);
  heed__free(f.group);
  return status;
}
