#include <check.h>
#include <dirent.h>
#include <heed/data.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "data/collection.h"
#include "expect.h"

/* A collection made by hand: graphs of 1 to 12 nodes, one of them without any, edges at random,
 * some of them self-loops; features say which node, edge and graph they belong to. */
typedef struct made {
  heed_collection_arrays arrays;
  int64_t graph_ptr[64];
  int64_t edges[2000];
  float x[3000];
  float edge_x[3000];
  int32_t labels[64];
  float values[192];
} made;

static uint32_t draw(uint32_t *state, uint32_t below) {
  *state = *state * 1664525u + 1013904223u;
  return (uint32_t)((uint64_t)(*state >> 8) * below >> 24);
}

static void make(made *m, int graphs, heed_target_kind kind) {
  uint32_t state = 7;
  memset(m, 0, sizeof *m);
  int64_t nodes = 0, edges = 0;
  for (int g = 0; g < graphs; g++) {
    int64_t n = g == 3 ? 0 : 1 + draw(&state, 12), first = nodes;
    nodes += n;
    m->graph_ptr[g + 1] = nodes;
    for (int64_t i = 0; i < n; i++) {
      for (int64_t j = i; j < n; j++) {
        if (draw(&state, i == j ? 9 : 3) != 0) continue;
        bool turned = draw(&state, 2) == 0;
        m->edges[2 * edges] = first + (turned ? j : i);
        m->edges[2 * edges + 1] = first + (turned ? i : j);
        edges++;
      }
    }
    m->labels[g] = g % 11 == 5 ? -1 : (int32_t)draw(&state, 3);
    for (int t = 0; t < 3; t++) m->values[3 * g + t] = draw(&state, 4) == 0 ? NAN : draw(&state, 2);
  }
  ck_assert_int_lt(edges, 1000);
  for (int64_t i = 0; i < 3 * nodes; i++) m->x[i] = (float)i + 1;
  for (int64_t e = 0; e < 2 * edges; e++) m->edge_x[e] = (float)e + 1000;
  m->arrays = (heed_collection_arrays){.n_graphs = graphs,
                                       .graph_ptr = m->graph_ptr,
                                       .features = heed_matrix_view(m->x, nodes, 3),
                                       .n_edges = edges,
                                       .edges = m->edges,
                                       .edge_features = heed_matrix_view(m->edge_x, edges, 2),
                                       .kind = kind,
                                       .labels = m->labels,
                                       .values = heed_matrix_view(m->values, graphs, 3)};
}

START_TEST(arrays_come_back) {
  static const char *const columns[] = {"no", "yes", "maybe"};
  const char *names[40];
  made m;
  make(&m, 40, _i);
  for (int g = 0; g < 40; g++) names[g] = g % 2 == 0 ? "CCO" : "a longer name";
  m.arrays.names = names;
  m.arrays.targets = columns;
  size_t held = heed_memory_held();
  bool passed = false;
  for (int n = 0; !passed; n++) {
    heed_collection *c = NULL;
    heed__alloc_fail_after(n);
    heed_status status = heed_collection_new(&c, &m.arrays);
    heed__alloc_fail_after(-1);
    passed = status == HEED_OK;
    if (!passed) {
      ck_assert_int_eq(status, HEED_NOMEM);
      ck_assert_ptr_null(c);
      ck_assert_uint_eq(heed_memory_held(), held);
      continue;
    }
    int64_t nodes = m.graph_ptr[40];
    ck_assert_int_eq(heed_collection_graphs(c), 40);
    ck_assert_int_eq(heed_collection_nodes(c), nodes);
    ck_assert_int_eq(heed_collection_edge_count(c), m.arrays.n_edges);
    ck_assert_int_eq(heed_collection_features(c), 3);
    ck_assert_int_eq(heed_collection_edge_features(c), 2);
    ck_assert_int_eq(heed_collection_kind(c), _i);
    ck_assert_int_eq(heed_collection_outputs(c), _i == HEED_TARGET_NONE ? 0 : 3);
    ck_assert_mem_eq(heed_collection_graph_ptr(c), m.graph_ptr, 41 * sizeof *m.graph_ptr);
    ck_assert_mem_eq(heed_collection_edges(c), m.edges, (size_t)m.arrays.n_edges * 16);
    ck_assert_mem_eq(heed_collection_node_matrix(c)->data, m.x, (size_t)nodes * 12);
    ck_assert_mem_eq(heed_collection_edge_matrix(c)->data, m.edge_x, (size_t)m.arrays.n_edges * 8);
    ck_assert_int_eq(heed_collection_labels(c) != NULL, _i == HEED_TARGET_CLASS);
    ck_assert_int_eq(heed_collection_values(c) != NULL, _i >= HEED_TARGET_BINARY);
    if (_i == HEED_TARGET_CLASS) {
      ck_assert_mem_eq(heed_collection_labels(c), m.labels, 40 * sizeof *m.labels);
    } else if (_i != HEED_TARGET_NONE) {
      ck_assert_mem_eq(heed_collection_values(c)->data, m.values, 120 * sizeof *m.values);
    }
    ck_assert_str_eq(heed_collection_name(c, 39), "a longer name");
    ck_assert_ptr_null(heed_collection_name(c, 40));
    ck_assert_ptr_null(heed_collection_name(c, -1));
    if (_i != HEED_TARGET_NONE) ck_assert_str_eq(heed_collection_target_name(c, 2), "maybe");
    ck_assert_str_eq(heed_collection_feature_name(c, false, 2), "x2");
    ck_assert_str_eq(heed_collection_feature_name(c, true, 1), "x1");
    ck_assert_int_eq(heed_collection_row(c, 39), 40);
    ck_assert_int_eq(heed_collection_skipped(c), 0);
    ck_assert_int_eq(heed_collection_splits(c), 0);
    heed_collection_free(c);
  }
  ck_assert_uint_eq(heed_memory_held(), held);
}
END_TEST

START_TEST(wrong_arrays_are_refused) {
  made m;
  heed_collection *c;
  heed_status wanted = HEED_RANGE;
  const char *says = NULL;
  make(&m, 40, HEED_TARGET_CLASS);
  switch (_i) {
    case 0:
      m.graph_ptr[7] = m.graph_ptr[6] - 1, says = "graph 6";
      break;
    case 1:
      m.graph_ptr[0] = 1, says = "begins with node 1";
      break;
    case 2:
      m.edges[1] = m.graph_ptr[40] + 5, says = "edge 0";
      break;
    case 3:
      m.edges[20] = -1, says = "edge 10";
      break;
    case 4:
      m.edges[0] = m.graph_ptr[39], m.edges[1] = m.edges[0], says = "edge 1 ";
      break;
    case 5:
      m.labels[9] = -2, says = "graph 9 has label -2";
      break;
    case 6:
      m.x[10] = INFINITY, wanted = HEED_VALUE, says = "row 3";
      break;
    case 7:
      m.edge_x[9] = NAN, wanted = HEED_VALUE, says = "row 4";
      break;
    case 8:
      m.arrays.features.rows--, wanted = HEED_SHAPE, says = "features [";
      break;
    case 9:
      m.arrays.edge_features.rows--, wanted = HEED_SHAPE, says = "features of edges [";
      break;
    case 10:
      m.arrays.kind = HEED_TARGET_BINARY, m.values[4] = 2, says = "graph 1 has 2 in column 1";
      break;
    case 11:
      m.arrays.kind = HEED_TARGET_NUMBER, m.values[4] = INFINITY, says = "inf";
      break;
    case 12:
      m.arrays.kind = HEED_TARGET_NUMBER, m.arrays.values.rows = 39, wanted = HEED_SHAPE,
      says = "39";
      break;
    case 13:
      m.arrays.kind = 9, wanted = HEED_ARGUMENT, says = "kind 9";
      break;
    case 14:
      m.arrays.n_graphs = 0, says = "0 graphs";
      break;
  }
  size_t held = heed_memory_held();
  ck_assert_msg(heed_collection_new(&c, &m.arrays) == wanted, "%s", heed_message());
  ck_assert_msg(strstr(heed_message(), says) != NULL, "%s", heed_message());
  ck_assert_ptr_null(c);
  ck_assert_uint_eq(heed_memory_held(), held);
}
END_TEST

START_TEST(columns_beside_the_features) {
  made m;
  heed_collection *c;
  make(&m, 12, HEED_TARGET_CLASS);
  ck_assert_int_eq(heed_collection_new(&c, &m.arrays), HEED_OK);
  int64_t nodes = heed_collection_nodes(c);
  float *more = calloc((size_t)nodes * 5 + 1, sizeof *more);
  for (int64_t i = 0; i < nodes * 5; i++) more[i] = (float)i;
  heed_matrix columns = {more, nodes, 2, 5}, few = {more, nodes - 1, 2, 5}, none = {more, nodes, 0, 5};
  ck_assert_int_eq(heed_collection_widen(c, &few), HEED_SHAPE);
  ck_assert_int_eq(heed_collection_widen(c, &none), HEED_SHAPE);
  for (int n = 0;; n++) {
    heed__alloc_fail_after(n);
    heed_status status = heed_collection_widen(c, &columns);
    heed__alloc_fail_after(-1);
    if (status == HEED_OK) break;
    ck_assert_int_eq(status, HEED_NOMEM);
    ck_assert_int_eq(heed_collection_features(c), 3);
    ck_assert_ptr_null(heed_collection_feature_name(c, false, 3));
  }
  ck_assert_int_eq(heed_collection_features(c), 5);
  ck_assert_str_eq(heed_collection_feature_name(c, false, 2), "x2");
  ck_assert_str_eq(heed_collection_feature_name(c, false, 4), "encoding1");
  const heed_matrix *x = heed_collection_node_matrix(c);
  for (int64_t i = 0; i < nodes; i++) {
    for (int k = 0; k < 3; k++) ck_assert(x->data[i * x->stride + k] == m.x[i * 3 + k]);
    for (int k = 0; k < 2; k++) ck_assert(x->data[i * x->stride + 3 + k] == more[i * 5 + k]);
  }
  free(more);
  heed_collection_free(c);
}
END_TEST

START_TEST(the_mask_has_every_edge_twice) {
  made m;
  heed_collection *c;
  heed_mask mask;
  make(&m, 40, HEED_TARGET_NONE);
  ck_assert_int_eq(heed_collection_new(&c, &m.arrays), HEED_OK);
  ck_assert_int_eq(heed_collection_mask(c, &mask), HEED_OK);
  ck_assert_int_eq(heed_mask_check(&mask), HEED_OK);
  int64_t wanted = 0, found = 0;
  for (int64_t e = 0; e < m.arrays.n_edges; e++) {
    wanted += m.edges[2 * e] == m.edges[2 * e + 1] ? 1 : 2;
  }
  ck_assert_int_eq(mask.n_pairs, wanted);
  for (int64_t i = 0; i < mask.n_queries; i++) {
    for (int64_t p = mask.indptr[i]; p < mask.indptr[i + 1]; p++) {
      const int64_t *ends = m.edges + 2 * mask.edge_ids[p];
      found += (ends[0] == i && ends[1] == mask.indices[p]) ||
               (ends[1] == i && ends[0] == mask.indices[p]);
    }
  }
  ck_assert_int_eq(found, wanted);
  heed_mask_free(&mask);
  heed_collection_free(c);
}
END_TEST

/* Which keys a query sees, of any kind of mask. */
static bool sees(const heed_mask *mask, int64_t query, int64_t key, int64_t *pair) {
  for (int64_t p = mask->indptr[query]; p < mask->indptr[query + 1]; p++) {
    int64_t at =
        mask->starts != NULL ? mask->starts[query] + p - mask->indptr[query] : mask->indices[p];
    *pair = p;
    if (at == key) return true;
  }
  return false;
}

/* The graphs of a batch against the collection, pair by pair. */
static void check_batch(const heed_collection *c, const heed_mask *all, const heed_batch *batch,
                        const int64_t *graphs, int64_t n) {
  const heed_model_inputs *in = heed_batch_inputs(batch);
  const int64_t *ptr = heed_collection_graph_ptr(c);
  const heed_matrix *x = heed_collection_node_matrix(c), *ex = heed_collection_edge_matrix(c);
  int64_t node = 0, pairs = 0;
  ck_assert_int_eq(in->n_graphs, n);
  ck_assert_ptr_null(in->wanted);
  ck_assert_ptr_null(in->sparse);
  ck_assert_int_eq(in->graph_ptr[0], 0);
  if (all == NULL) {
    ck_assert_ptr_null(in->mask);
    ck_assert_ptr_null(in->edges);
  } else {
    ck_assert_int_eq(heed_mask_check(in->mask), HEED_OK);
    ck_assert_int_eq(in->edges != NULL, all->edge_ids != NULL);
  }
  for (int64_t g = 0; g < n; g++) {
    int64_t first = ptr[graphs[g]], size = ptr[graphs[g] + 1] - first;
    ck_assert_int_eq(in->graph_ptr[g + 1], node + size);
    for (int64_t i = 0; i < size; i++) {
      ck_assert_mem_eq(in->dense->data + (node + i) * in->dense->stride,
                       x->data + (first + i) * x->stride, (size_t)x->cols * sizeof(float));
      if (all == NULL) continue;
      ck_assert_int_eq(in->mask->indptr[node + i + 1] - in->mask->indptr[node + i],
                       all->indptr[first + i + 1] - all->indptr[first + i]);
      for (int64_t j = 0; j < size; j++) {
        int64_t whole, part;
        bool wanted = sees(all, first + i, first + j, &whole);
        ck_assert_int_eq(sees(in->mask, node + i, node + j, &part), wanted);
        pairs += wanted;
        if (!wanted || in->edges == NULL) continue;
        const int64_t *ids;
        const uint8_t *origins;
        int64_t count;
        heed_mask_pair_edges(all, whole, &ids, &origins, &count);
        for (int64_t k = 0; k < ex->cols; k++) {
          ck_assert_float_eq(in->edges->data[part * in->edges->stride + k],
                             ids[0] < 0 ? 0 : ex->data[ids[0] * ex->stride + k]);
        }
      }
    }
    node += size;
  }
  ck_assert_int_eq(in->n_nodes, node);
  ck_assert_int_eq(in->dense->rows, node);
  if (all == NULL) return;
  ck_assert_int_eq(in->mask->n_queries, node);
  ck_assert_int_eq(in->mask->n_keys, node);
  ck_assert_int_eq(in->mask->n_pairs, pairs);
  ck_assert_int_eq(in->mask->indptr[node], pairs);
  if (in->edges != NULL) ck_assert_int_eq(in->edges->rows, pairs);
}

/* 0: the graphs, 1: two hops and self-loops, 2: runs, as full attention within each graph is, 3:
 * none. */
static void mask_of(const heed_collection *c, int which, heed_mask *mask) {
  memset(mask, 0, sizeof *mask);
  if (which == 0) ck_assert_int_eq(heed_collection_mask(c, mask), HEED_OK);
  if (which == 1) {
    heed_mask graph, hops;
    ck_assert_int_eq(heed_collection_mask(c, &graph), HEED_OK);
    ck_assert_int_eq(heed_mask_khop(&hops, &graph, 2), HEED_OK);
    ck_assert_int_eq(heed_mask_self_loops(mask, &hops, HEED_LOOPS_ADD), HEED_OK);
    heed_mask_free(&graph);
    heed_mask_free(&hops);
  }
}

START_TEST(batches_are_slices) {
  made m;
  heed_collection *c;
  heed_mask mask, *all = _i == 3 ? NULL : &mask;
  int64_t graphs[12], indptr[600];
  int32_t starts[600];
  uint32_t state = 3;
  make(&m, 40, HEED_TARGET_NONE);
  ck_assert_int_eq(heed_collection_new(&c, &m.arrays), HEED_OK);
  mask_of(c, _i, &mask);
  if (_i == 2) {
    indptr[0] = 0;
    for (int g = 0; g < 40; g++) {
      for (int64_t i = m.graph_ptr[g]; i < m.graph_ptr[g + 1]; i++) {
        starts[i] = g == 5 ? 0 : (int32_t)m.graph_ptr[g]; /* graph 5 sees nothing */
        indptr[i + 1] = indptr[i] + (g == 5 ? 0 : m.graph_ptr[g + 1] - m.graph_ptr[g]);
      }
    }
    int64_t n = m.graph_ptr[40];
    mask = (heed_mask){n, n, indptr[n], indptr, NULL, starts, NULL, NULL, NULL, NULL};
  }
  for (int64_t most = 1; most <= 12; most += 11) {
    heed_batch *batch = NULL;
    size_t held = heed_memory_held();
    for (int n = 0;; n++) {
      heed__alloc_fail_after(n);
      heed_status status = heed_batch_new(&batch, c, &(heed_model_inputs){.mask = all}, most);
      heed__alloc_fail_after(-1);
      if (status == HEED_OK) break;
      ck_assert_int_eq(status, HEED_NOMEM);
      ck_assert_uint_eq(heed_memory_held(), held);
    }
    heed_model_capacity room = heed_batch_capacity(batch);
    ck_assert_int_eq(room.n_graphs, most);
    held = heed_memory_held();
    heed__alloc_fail_after(0);
    int64_t most_nodes = 0;
    for (int round = 0; round < 60; round++) {
      int64_t n = round == 0 ? 0 : 1 + draw(&state, (uint32_t)most);
      for (int64_t g = 0; g < n; g++) { /* different ones */
        bool again;
        do {
          graphs[g] = draw(&state, 40);
          again = false;
          for (int64_t h = 0; h < g; h++) again = again || graphs[h] == graphs[g];
        } while (again);
      }
      ck_assert_int_eq(heed_batch_take(batch, graphs, n), HEED_OK);
      check_batch(c, all, batch, graphs, n);
      int64_t nodes = heed_batch_inputs(batch)->n_nodes;
      if (nodes > most_nodes) most_nodes = nodes;
      ck_assert_int_le(nodes, room.n_nodes);
    }
    heed__alloc_fail_after(-1);
    ck_assert_uint_eq(heed_memory_held(), held);
    graphs[0] = 40;
    ck_assert_int_eq(heed_batch_take(batch, graphs, 1), HEED_RANGE);
    ck_assert_int_eq(heed_batch_take(batch, graphs, most + 1), HEED_RANGE);
    if (most == 12) {
      for (int i = 0; i < 12; i++) graphs[i] = 0;
      for (int g = 0; g < 40; g++) { /* the largest one, twelve times */
        if (m.graph_ptr[g + 1] - m.graph_ptr[g] >
            m.graph_ptr[graphs[0] + 1] - m.graph_ptr[graphs[0]]) {
          for (int i = 0; i < 12; i++) graphs[i] = g;
        }
      }
      ck_assert_int_eq(heed_batch_take(batch, graphs, 12), HEED_RANGE);
    }
    /* The largest graphs fill it. */
    int64_t order[40], n = 0, nodes = 0;
    for (int64_t size = 12; size >= 0; size--) {
      for (int g = 0; g < 40; g++) {
        if (m.graph_ptr[g + 1] - m.graph_ptr[g] == size) order[n++] = g;
      }
    }
    for (int i = 0; i < most; i++) nodes += m.graph_ptr[order[i] + 1] - m.graph_ptr[order[i]];
    ck_assert_int_eq(nodes, room.n_nodes);
    ck_assert_int_eq(heed_batch_take(batch, order, most), HEED_OK);
    check_batch(c, all, batch, order, most);
    heed_batch_free(batch);
  }
  if (_i < 2) heed_mask_free(&mask);
  heed_collection_free(c);
}
END_TEST

/* Masks of heads, with classes and features of their pairs, which lie mask after mask. */
START_TEST(batches_of_several_masks) {
  static const int32_t heads[] = {2, 1, 3};
  made m;
  heed_collection *c;
  heed_mask masks[3];
  const heed_mask *of[3];
  int64_t pairs = 0, graphs[5], before[3];
  uint32_t state = 5;
  make(&m, 20, HEED_TARGET_NONE);
  ck_assert_int_eq(heed_collection_new(&c, &m.arrays), HEED_OK);
  mask_of(c, 0, &masks[0]);
  ck_assert_int_eq(heed_mask_blocks(&masks[1], 20, m.graph_ptr, m.graph_ptr), HEED_OK);
  mask_of(c, 1, &masks[2]);
  for (int k = 0; k < 3; k++) {
    of[k] = &masks[k];
    before[k] = pairs;
    pairs += masks[k].n_pairs;
  }
  int32_t *classes = malloc((size_t)pairs * sizeof *classes);
  float *e = malloc((size_t)pairs * 3 * sizeof *e);
  for (int64_t p = 0; p < pairs; p++) {
    classes[p] = (int32_t)p;
    e[3 * p] = (float)p + 0.5f;
    e[3 * p + 1] = (float)-p;
    e[3 * p + 2] = -1e9f; /* beyond the columns */
  }
  heed_matrix edges = {e, pairs, 2, 3};
  heed_model_inputs of_pairs = {.n_head_masks = 3, .head_masks = of, .mask_heads = heads,
                                .pair_classes = classes, .edges = &edges};
  heed_batch *batch = NULL;
  size_t held = heed_memory_held();
  for (int n = 0;; n++) {
    heed__alloc_fail_after(n);
    heed_status status = heed_batch_new(&batch, c, &of_pairs, 5);
    heed__alloc_fail_after(-1);
    if (status == HEED_OK) break;
    ck_assert_int_eq(status, HEED_NOMEM);
    ck_assert_uint_eq(heed_memory_held(), held);
  }
  heed_model_capacity room = heed_batch_capacity(batch);
  ck_assert_int_eq(room.n_head_masks, 3);
  ck_assert_int_eq(room.n_pairs, 0);
  heed__alloc_fail_after(0);
  for (int round = 0; round < 30; round++) {
    int64_t first = draw(&state, 16);
    for (int k = 0; k < 5; k++) graphs[k] = first + k;
    graphs[0] = first + 2; /* not in their order */
    graphs[2] = first;
    ck_assert_int_eq(heed_batch_take(batch, graphs, 5), HEED_OK);
    const heed_model_inputs *in = heed_batch_inputs(batch);
    int64_t at = 0;
    ck_assert_ptr_null(in->mask);
    ck_assert_int_eq(in->n_head_masks, 3);
    for (int k = 0; k < 3; k++) {
      const heed_mask *own = in->head_masks[k];
      ck_assert_int_eq(in->mask_heads[k], heads[k]);
      ck_assert_int_eq(room.mask_heads[k], heads[k]);
      ck_assert_int_le(own->n_pairs, room.head_pairs[k]);
      ck_assert_int_eq(heed_mask_check(own), HEED_OK);
      int64_t there = 0;
      for (int64_t g = 0; g < 5; g++) {
        int64_t start = m.graph_ptr[graphs[g]], size = m.graph_ptr[graphs[g] + 1] - start;
        for (int64_t i = 0; i < size; i++) {
          for (int64_t j = 0; j < size; j++) {
            int64_t whole, part;
            bool wanted = sees(&masks[k], start + i, start + j, &whole);
            ck_assert_int_eq(sees(own, in->graph_ptr[g] + i, in->graph_ptr[g] + j, &part), wanted);
            if (!wanted) continue;
            there++;
            ck_assert_int_eq(in->pair_classes[at + part], before[k] + whole);
            ck_assert_float_eq(in->edges->data[2 * (at + part)], (float)(before[k] + whole) + 0.5f);
            ck_assert_float_eq(in->edges->data[2 * (at + part) + 1], (float)-(before[k] + whole));
          }
        }
      }
      ck_assert_int_eq(own->n_pairs, there);
      at += there;
    }
    ck_assert_int_eq(in->edges->rows, at);
  }
  heed__alloc_fail_after(-1);
  heed_batch_free(batch);
  of_pairs.edges = NULL; /* those of edges, which the blocks know nothing of */
  ck_assert_int_eq(heed_batch_new(&batch, c, &of_pairs, 5), HEED_OK);
  ck_assert_ptr_null(heed_batch_inputs(batch)->edges);
  heed_batch_free(batch);
  heed_model_inputs wrong = of_pairs;
  edges.rows--;
  wrong.edges = &edges;
  ck_assert_int_eq(heed_batch_new(&batch, c, &wrong, 5), HEED_SHAPE);
  wrong = of_pairs;
  wrong.mask = of[0];
  ck_assert_int_eq(heed_batch_new(&batch, c, &wrong, 5), HEED_ARGUMENT);
  wrong.mask = NULL;
  wrong.mask_heads = NULL;
  ck_assert_int_eq(heed_batch_new(&batch, c, &wrong, 5), HEED_ARGUMENT);
  static const int32_t none[] = {2, 0, 3};
  wrong.mask_heads = none;
  ck_assert_int_eq(heed_batch_new(&batch, c, &wrong, 5), HEED_RANGE);
  ck_assert_ptr_nonnull(strstr(heed_message(), "group 1 has 0 heads"));
  wrong = of_pairs;
  of[1] = NULL;
  ck_assert_int_eq(heed_batch_new(&batch, c, &wrong, 5), HEED_ARGUMENT);
  wrong.n_head_masks = HEED_MAX_HEAD_MASKS + 1;
  ck_assert_int_eq(heed_batch_new(&batch, c, &wrong, 5), HEED_RANGE);
  wrong.n_head_masks = -1;
  ck_assert_int_eq(heed_batch_new(&batch, c, &wrong, 5), HEED_RANGE);
  ck_assert_uint_eq(heed_memory_held(), held);
  for (int k = 0; k < 3; k++) heed_mask_free(&masks[k]);
  free(classes);
  free(e);
  heed_collection_free(c);
}
END_TEST

START_TEST(pairs_of_edges_that_are_not_there) {
  made m;
  heed_collection *c;
  heed_mask mask, view;
  heed_batch *batch;
  make(&m, 2, HEED_TARGET_NONE);
  ok(heed_collection_new(&c, &m.arrays));
  ok(heed_collection_mask(c, &mask));
  int64_t n = mask.edge_ptr != NULL ? mask.edge_ptr[mask.n_pairs] : mask.n_pairs;
  int64_t *ids = malloc((size_t)n * sizeof *ids);
  memcpy(ids, mask.edge_ids, (size_t)n * sizeof *ids);
  view = mask;
  view.edge_ids = ids;
  ids[n - 1] = m.arrays.n_edges;
  fails(heed_batch_new(&batch, c, &(heed_model_inputs){.mask = &view}, 1), HEED_RANGE, "of edge");
  ids[n - 1] = -1; /* without one */
  ok(heed_batch_new(&batch, c, &(heed_model_inputs){.mask = &view}, 1));
  heed_batch_free(batch);
  free(ids);
  heed_mask_free(&mask);
  heed_collection_free(c);
}
END_TEST

START_TEST(a_full_mask_is_of_one_graph) {
  made m;
  heed_collection *c;
  heed_mask full;
  heed_batch *batch;
  make(&m, 2, HEED_TARGET_NONE);
  ck_assert_int_eq(heed_collection_new(&c, &m.arrays), HEED_OK);
  ck_assert_int_eq(heed_mask_full(&full, m.graph_ptr[2], m.graph_ptr[2]), HEED_OK);
  ck_assert_int_eq(heed_batch_new(&batch, c, &(heed_model_inputs){.mask = &full}, 1), HEED_SHAPE);
  ck_assert_ptr_nonnull(strstr(heed_message(), "its graph 0"));
  heed_collection_free(c);
  make(&m, 1, HEED_TARGET_NONE);
  ck_assert_int_eq(heed_collection_new(&c, &m.arrays), HEED_OK);
  ck_assert_int_eq(heed_batch_new(&batch, c, &(heed_model_inputs){.mask = &full}, 1), HEED_SHAPE);
  ck_assert_int_eq(heed_batch_new(&batch, c, NULL, 0), HEED_RANGE);
  int64_t n = m.graph_ptr[1], zero = 0;
  ck_assert_int_eq(heed_mask_full(&full, n, n), HEED_OK);
  ck_assert_int_eq(heed_batch_new(&batch, c, &(heed_model_inputs){.mask = &full}, 5), HEED_OK);
  ck_assert_int_eq(heed_batch_capacity(batch).n_graphs, 1);
  ck_assert_int_eq(heed_batch_take(batch, &zero, 1), HEED_OK);
  const heed_mask *mask = heed_batch_inputs(batch)->mask;
  ck_assert_int_eq(mask->n_pairs, n * n);
  for (int64_t i = 0; i < n; i++) {
    ck_assert_int_eq(mask->starts[i], 0);
    ck_assert_int_eq(mask->indptr[i + 1], (i + 1) * n);
  }
  heed_batch_free(batch);
  heed_collection_free(c);
}
END_TEST

/* Disjoint parts that cover all whose target is known. */
static void check_parts(const heed_collection *c, const bool *known, int split, int64_t count[3]) {
  memset(count, 0, 3 * sizeof *count);
  for (int64_t g = 0; g < heed_collection_graphs(c); g++) {
    int in = 0;
    for (int part = 0; part < 3; part++) {
      uint8_t is = heed_collection_split_part(c, split, (heed_part)part)[g];
      ck_assert_int_le(is, 1);
      in += is;
      count[part] += is;
    }
    ck_assert_int_eq(in, known[g]);
  }
}

/* A collection of `graphs` single nodes with these targets. */
static heed_collection *nodes_with(int64_t graphs, heed_target_kind kind, const int32_t *labels,
                                   float *values, int64_t columns) {
  heed_collection *c;
  int64_t *ptr = malloc((size_t)(graphs + 1) * sizeof *ptr);
  float *x = calloc((size_t)graphs, sizeof *x);
  for (int64_t g = 0; g <= graphs; g++) ptr[g] = g;
  heed_collection_arrays arrays = {.n_graphs = graphs,
                                   .graph_ptr = ptr,
                                   .features = heed_matrix_view(x, graphs, 1),
                                   .kind = kind,
                                   .labels = labels,
                                   .values = heed_matrix_view(values, graphs, columns)};
  ck_assert_msg(heed_collection_new(&c, &arrays) == HEED_OK, "%s", heed_message());
  free(ptr);
  free(x);
  return c;
}

enum { MANY = 1000 };
static int32_t labels[MANY];
static float values[2 * MANY];
static bool known[MANY];

static void make_targets(void) {
  uint32_t state = 11;
  for (int g = 0; g < MANY; g++) {
    labels[g] = g % 50 == 7 ? -1 : draw(&state, 10) == 0 ? 2 : g % 3 == 0;
    values[2 * g] = g % 4 == 0 ? NAN : (float)draw(&state, 2);
    values[2 * g + 1] = g % 10 == 0 ? NAN : (float)draw(&state, 2);
  }
}

START_TEST(splits_at_random) {
  int64_t count[3];
  make_targets();
  for (int g = 0; g < MANY; g++) known[g] = g % 20 != 0;
  heed_collection *c = nodes_with(MANY, HEED_TARGET_BINARY, NULL, values, 2);
  const heed_collection_split_options options = {HEED_SPLIT_RANDOM, 5, 3, 0.8, 0.1};
  size_t held = heed_memory_held();
  for (int n = 0;; n++) {
    heed__alloc_fail_after(n);
    heed_status status = heed_collection_split(c, &options);
    heed__alloc_fail_after(-1);
    if (status == HEED_OK) break;
    ck_assert_int_eq(status, HEED_NOMEM);
    ck_assert_uint_eq(heed_memory_held(), held);
    ck_assert_int_eq(heed_collection_splits(c), 0);
  }
  ck_assert_int_eq(heed_collection_splits(c), 3);
  uint8_t first[MANY], other[MANY];
  for (int s = 0; s < 3; s++) {
    check_parts(c, known, s, count);
    ck_assert_int_eq(count[0], 760);
    ck_assert_int_eq(count[1], 95);
    ck_assert_int_eq(count[2], 95);
    memcpy(s == 0 ? first : other, heed_collection_split_part(c, s, HEED_PART_TEST), MANY);
    if (s > 0) ck_assert_mem_ne(first, other, MANY);
  }
  ck_assert_ptr_null(heed_collection_split_part(c, 3, HEED_PART_TEST));
  ck_assert_ptr_null(heed_collection_split_part(c, -1, HEED_PART_TEST));
  /* The same seed, the same split; another seed, another one. */
  ck_assert_int_eq(heed_collection_split(c, &options), HEED_OK);
  ck_assert_mem_eq(first, heed_collection_split_part(c, 0, HEED_PART_TEST), MANY);
  heed_collection_split_options seeded = options;
  seeded.seed = 6;
  ck_assert_int_eq(heed_collection_split(c, &seeded), HEED_OK);
  ck_assert_mem_ne(first, heed_collection_split_part(c, 0, HEED_PART_TEST), MANY);
  /* What is refused leaves the splits that there are. */
  seeded.train = 0.95;
  ck_assert_int_eq(heed_collection_split(c, &seeded), HEED_ARGUMENT);
  seeded = options;
  seeded.kind = HEED_SPLIT_STRATIFIED;
  ck_assert_int_eq(heed_collection_split(c, &seeded), HEED_ARGUMENT);
  seeded.kind = HEED_SPLIT_SCAFFOLD;
  ck_assert_int_eq(heed_collection_split(c, &seeded), HEED_ARGUMENT);
  seeded.kind = HEED_SPLIT_FOLDS;
  seeded.splits = 2;
  ck_assert_int_eq(heed_collection_split(c, &seeded), HEED_ARGUMENT);
  seeded.splits = 951;
  ck_assert_int_eq(heed_collection_split(c, &seeded), HEED_ARGUMENT);
  seeded.splits = 0;
  ck_assert_int_eq(heed_collection_split(c, &seeded), HEED_ARGUMENT);
  ck_assert_int_eq(heed_collection_splits(c), 3);
  heed_collection_free(c);
}
END_TEST

/* How many graphs of a class are in a part. */
static int64_t of_class(const heed_collection *c, int split, heed_part part, int32_t class) {
  int64_t n = 0;
  for (int g = 0; g < MANY; g++) {
    int32_t here = heed_collection_labels(c) != NULL ? labels[g]
                   : isnan(values[g])                ? -1
                                                     : (int32_t)values[g];
    n += here == class && heed_collection_split_part(c, split, part)[g];
  }
  return n;
}

START_TEST(splits_by_class) {
  int64_t count[3];
  make_targets();
  heed_collection *c = _i == 0 ? nodes_with(MANY, HEED_TARGET_CLASS, labels, NULL, 0)
                               : nodes_with(MANY, HEED_TARGET_BINARY, NULL, values, 1);
  for (int g = 0; g < MANY; g++) known[g] = _i == 0 ? labels[g] >= 0 : !isnan(values[g]);
  heed_collection_split_options options = {HEED_SPLIT_STRATIFIED, 1, 2, 0.6, 0.2};
  ck_assert_int_eq(heed_collection_split(c, &options), HEED_OK);
  for (int s = 0; s < 2; s++) {
    check_parts(c, known, s, count);
    for (int32_t class = 0; class < 3 - _i; class ++) {
      int64_t part[3], all = 0;
      for (int p = 0; p < 3; p++) all += part[p] = of_class(c, s, (heed_part)p, class);
      ck_assert_double_le(fabs((double)part[0] - 0.6 * (double)all), 0.5);
      ck_assert_double_le(fabs((double)part[1] - 0.2 * (double)all), 1);
    }
  }
  options = (heed_collection_split_options){.kind = HEED_SPLIT_FOLDS, .seed = 3, .splits = 10};
  ck_assert_int_eq(heed_collection_split(c, &options), HEED_OK);
  ck_assert_int_eq(heed_collection_splits(c), 10);
  int tested[MANY] = {0};
  int64_t known_ones = 0;
  for (int g = 0; g < MANY; g++) known_ones += known[g];
  for (int s = 0; s < 10; s++) {
    check_parts(c, known, s, count);
    const uint8_t *test = heed_collection_split_part(c, s, HEED_PART_TEST);
    for (int g = 0; g < MANY; g++) tested[g] += test[g];
    ck_assert_mem_eq(heed_collection_split_part(c, s, HEED_PART_VALIDATION),
                     heed_collection_split_part(c, (s + 1) % 10, HEED_PART_TEST), MANY);
    ck_assert_int_ge(count[2], known_ones / 10);
    ck_assert_int_le(count[2], known_ones / 10 + 1);
    for (int32_t class = 0; class < 3 - _i; class ++) {
      int64_t here = of_class(c, s, HEED_PART_TEST, class);
      int64_t first = of_class(c, 0, HEED_PART_TEST, class);
      ck_assert_int_le(llabs(here - first), 1);
    }
  }
  for (int g = 0; g < MANY; g++) ck_assert_int_eq(tested[g], known[g]);
  heed_collection_free(c);
}
END_TEST

START_TEST(kinds_of_splits_have_names) {
  heed_collection_split_kind kind;
  for (int k = 0; k <= HEED_SPLIT_SCAFFOLD_FOLDS; k++) {
    const char *name = heed_collection_split_name((heed_collection_split_kind)k);
    ck_assert_int_eq(heed_collection_split_from_name(name, &kind), HEED_OK);
    ck_assert_int_eq(kind, k);
  }
  ck_assert_int_eq(heed_collection_split_from_name("Scaffold", &kind), HEED_ARGUMENT);
}
END_TEST

/* A folder of its own in which a TUDataset is written, file by file. */
static char folder[64];

static void make_folder(void) {
  strcpy(folder, "/tmp/heed-test-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void) {
  DIR *listing = opendir(folder);
  ck_assert_ptr_nonnull(listing);
  char path[400];
  for (struct dirent *entry; (entry = readdir(listing)) != NULL;) {
    if (entry->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    unlink(path);
  }
  closedir(listing);
  ck_assert_int_eq(rmdir(folder), 0);
}

static void put(const char *name, const char *text) {
  char path[200];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_int_ne(fputs(text, file), EOF);
  fclose(file);
}

/* Two graphs, a path 1-2-3 and an edge 4-5, and a node 6 of the first. */
static void put_small(void) {
  put("X_A.txt", "1, 2\n2, 1\r\n2,3\n3 , 2\n5, 4\n4, 5\n");
  put("X_graph_indicator.txt", "1\n1\n1\n2\n2\n1\n\n");
  put("X_graph_labels.txt", "7\n-1\n");
}

static heed_status open_folder(heed_collection **c, heed_target_kind kind) {
  const heed_collection_options options = {.kind = kind};
  return heed_collection_open(c, folder, &options);
}

START_TEST(folders_of_text_files) {
  heed_collection *c;
  put_small();
  ck_assert_msg(open_folder(&c, HEED_TARGET_NONE) == HEED_OK, "%s", heed_message());
  static const int64_t ptr[] = {0, 4, 6}, edges[] = {0, 1, 1, 2, 4, 5};
  ck_assert_int_eq(heed_collection_graphs(c), 2);
  ck_assert_mem_eq(heed_collection_graph_ptr(c), ptr, sizeof ptr);
  ck_assert_int_eq(heed_collection_edge_count(c), 3);
  ck_assert_mem_eq(heed_collection_edges(c), edges, sizeof edges);
  ck_assert_int_eq(heed_collection_kind(c), HEED_TARGET_CLASS);
  ck_assert_int_eq(heed_collection_labels(c)[0], 1);
  ck_assert_int_eq(heed_collection_labels(c)[1], 0);
  ck_assert_str_eq(heed_collection_target_name(c, 0), "-1");
  ck_assert_str_eq(heed_collection_target_name(c, 1), "7");
  ck_assert_str_eq(heed_collection_name(c, 1), "2");
  ck_assert_int_eq(heed_collection_features(c), 16);
  ck_assert_ptr_null(heed_collection_edge_matrix(c));
  static const int degrees[] = {1, 2, 1, 0, 1, 1};
  for (int i = 0; i < 6; i++) {
    for (int k = 0; k < 16; k++) {
      ck_assert_float_eq(heed_collection_node_matrix(c)->data[16 * i + k], k == degrees[i]);
    }
  }
  ck_assert_str_eq(heed_collection_feature_name(c, false, 15), "degree>=15");
  heed_collection_free(c);
  /* Everything there can be. */
  put("X_node_labels.txt", "3,0\n-2,0\n3,1\n3,0\n-2,1\n-2,0\n");
  put("X_node_attributes.txt", "0.5,1\n1.5,2\n2.5,3\n3.5,4\n4.5,5\n-5.5e-1,6\n");
  put("X_edge_labels.txt", "1\n1\n2\n2\n0\n0\n");
  put("X_edge_attributes.txt", ".5\n.5\n.25\n.25\n-1\n-1\n");
  put("X_graph_attributes.txt", "0.5\n1e3\n");
  ck_assert_msg(open_folder(&c, HEED_TARGET_NUMBER) == HEED_OK, "%s", heed_message());
  static const float x[6][6] = {{0, 1, 1, 0, .5f, 1},  {1, 0, 1, 0, 1.5f, 2},
                                {0, 1, 0, 1, 2.5f, 3}, {1, 0, 1, 0, -.55f, 6},
                                {0, 1, 1, 0, 3.5f, 4}, {1, 0, 0, 1, 4.5f, 5}};
  static const float edge_x[3][4] = {{0, 1, 0, .5f}, {0, 0, 1, .25f}, {1, 0, 0, -1}};
  ck_assert_int_eq(heed_collection_features(c), 6);
  ck_assert_mem_eq(heed_collection_node_matrix(c)->data, x, sizeof x);
  ck_assert_int_eq(heed_collection_edge_features(c), 4);
  ck_assert_mem_eq(heed_collection_edge_matrix(c)->data, edge_x, sizeof edge_x);
  ck_assert_str_eq(heed_collection_feature_name(c, false, 0), "label0=-2");
  ck_assert_str_eq(heed_collection_feature_name(c, false, 5), "attribute1");
  ck_assert_str_eq(heed_collection_feature_name(c, true, 2), "label=2");
  ck_assert_int_eq(heed_collection_kind(c), HEED_TARGET_NUMBER);
  ck_assert_float_eq(heed_collection_values(c)->data[1], 1000);
  heed_collection_free(c);
  /* What any allocation that fails leaves. */
  for (int n = 0, passed = 0; !passed; n++) {
    size_t held = heed_memory_held();
    heed__alloc_fail_after(n);
    heed_status status = open_folder(&c, HEED_TARGET_CLASS);
    heed__alloc_fail_after(-1);
    ck_assert(status == HEED_OK || status == HEED_NOMEM);
    passed = status == HEED_OK;
    heed_collection_free(c);
    ck_assert_uint_eq(heed_memory_held(), held);
  }
}
END_TEST

static const struct {
  const char *name, *text;
  heed_status status;
  const char *says;
} bad_texts[] = {
    {"X_A.txt", "1, 2\n2, x\n", HEED_FORMAT, "X_A.txt: row 2: 'x'"},
    {"X_A.txt", "1, 2\n2\n", HEED_SHAPE, "X_A.txt: row 2 has 1 numbers, row 1 has 2"},
    {"X_A.txt", "1, 2, 3\n", HEED_SHAPE, "X_A.txt: row 1 has 3 numbers, not 2"},
    {"X_A.txt", "1, 2\n\n2, 1\n", HEED_FORMAT, "X_A.txt: row 2 is empty"},
    {"X_A.txt", "1, 2\n2, 7\n", HEED_RANGE, "X_A.txt: row 2: node 7 of 6"},
    {"X_A.txt", "1, 2\n0, 1\n", HEED_RANGE, "X_A.txt: row 2: node 0 of 6"},
    {"X_A.txt", "1, 2\n2, 4\n", HEED_FORMAT,
     "X_A.txt: row 2: node 2 is of graph 1, node 4 of graph 2"},
    {"X_A.txt", "1, 2\n2, 1.5\n", HEED_FORMAT, "row 2: '1.5' where a whole number"},
    {"X_A.txt", "1, 2\n2, 1e30\n", HEED_FORMAT, "row 2: '1e30'"},
    {"X_A.txt", "\n\n", HEED_FORMAT, "X_A.txt: there is nothing in it"},
    {"X_A.txt", "", HEED_FORMAT, "X_A.txt: the file is empty"},
    {"X_graph_indicator.txt", "1\n1\n1\n2\n3\n1\n", HEED_RANGE, "row 5: graph 3 of 2"},
    {"X_graph_indicator.txt", "1\n1\n1\n2\n0\n1\n", HEED_RANGE, "row 5: graph 0 of 2"},
    {"X_graph_indicator.txt", "1\n1\n1\n2\n2\n", HEED_SHAPE, "X_node_labels.txt has 6 rows"},
    {"X_graph_labels.txt", "1\n2\n3\n", HEED_FORMAT, "row 3: no node is of graph 3"},
    {"X_graph_labels.txt", "1\n0.5\n", HEED_FORMAT, "X_graph_labels.txt: row 2: '0.5'"},
    {"X_node_labels.txt", "1\n2\n", HEED_SHAPE, "has 2 rows"},
    {"X_node_attributes.txt", "1\n2\nnan\n4\n5\n6\n", HEED_FORMAT, "row 3: 'nan'"},
    {"X_node_attributes.txt", "1\n2\n1e99\n4\n5\n6\n", HEED_FORMAT, "row 3: '1e99'"},
    {"X_edge_labels.txt", "1\n2\n", HEED_SHAPE, "X_edge_labels.txt has 2 rows"},
    {"X_edge_labels.txt", "1\n1\n1\n2\n1\n1\n", HEED_FORMAT,
     "X_edge_labels.txt: rows 3 and 4 are of the same edge, but have the labels 1 and 2"},
    {"X_edge_attributes.txt", "1\n1\n1\n1\n1\n1.5\n", HEED_FORMAT, "rows 5 and 6"},
    {"Y_A.txt", "1, 2\n", HEED_FORMAT, "several files"},
};

START_TEST(bad_folders_are_refused) {
  heed_collection *c;
  put_small();
  put("X_node_labels.txt", "1\n1\n1\n1\n1\n2\n");
  put(bad_texts[_i].name, bad_texts[_i].text);
  size_t held = heed_memory_held();
  ck_assert_msg(open_folder(&c, HEED_TARGET_NONE) == bad_texts[_i].status, "%s", heed_message());
  ck_assert_msg(strstr(heed_message(), bad_texts[_i].says) != NULL, "%s", heed_message());
  ck_assert_ptr_null(c);
  ck_assert_uint_eq(heed_memory_held(), held);
}
END_TEST

START_TEST(graphs_without_nodes_can_be_left_out) {
  heed_collection *c;
  const heed_collection_options options = {.skip_bad = true};
  put_small();
  put("X_graph_indicator.txt", "1\n1\n1\n3\n3\n1\n");
  put("X_graph_labels.txt", "0\n1\n2\n");
  ck_assert_msg(heed_collection_open(&c, folder, &options) == HEED_OK, "%s", heed_message());
  ck_assert_int_eq(heed_collection_graphs(c), 2);
  ck_assert_int_eq(heed_collection_row(c, 1), 3);
  ck_assert_str_eq(heed_collection_name(c, 1), "3");
  ck_assert_int_eq(heed_collection_outputs(c), 2);
  ck_assert_int_eq(heed_collection_skipped(c), 1);
  ck_assert_ptr_nonnull(strstr(heed_collection_skip(c, 0), "row 2: no node is of graph 2"));
  heed_collection_free(c);
  ck_assert_int_eq(heed_collection_open(&c, "/tmp", NULL), HEED_FORMAT);
  ck_assert_int_eq(heed_collection_open(&c, "no-such-folder", NULL), HEED_UNSUPPORTED);
  const heed_collection_options csb = {.format = "csb"};
  ck_assert_int_eq(heed_collection_open(&c, folder, &csb), HEED_ARGUMENT);
}
END_TEST

static const struct {
  const char *name;
  heed_status status;
  const char *says;
  bool can_skip;
} bad_sources[] = {
    {"bad-pairs", HEED_RANGE, "bad-pairs/pairs_A.txt: row 3: node 5 of 4", false},
    {"bad-agree", HEED_FORMAT, "bad-agree/pairs_edge_labels.txt: rows 1 and 2", false},
    {"bad-missing.tsv", HEED_IO, "bad-missing.tsv: row 2: ", true},
    {"bad-graph.tsv", HEED_FORMAT, "bad-graph.tsv: row 2: ", true},
    {"bad-file.tsv", HEED_FORMAT, "bad-file.tsv: row 2: no file", true},
    {"bad-nothing.tsv", HEED_FORMAT, "no graph in the list", false},
};

START_TEST(bad_sources_are_refused) {
  heed_collection *c;
  char path[1000];
  heed_collection_options options = {.format = NULL};
  size_t held = heed_memory_held();
  snprintf(path, sizeof path, TEST_FILES "%s", bad_sources[_i].name);
  ck_assert_msg(heed_collection_open(&c, path, &options) == bad_sources[_i].status, "%s",
                heed_message());
  ck_assert_msg(strstr(heed_message(), bad_sources[_i].says) != NULL, "%s", heed_message());
  ck_assert_ptr_null(c);
  options.skip_bad = true;
  ck_assert_int_eq(heed_collection_open(&c, path, &options) == HEED_OK, bad_sources[_i].can_skip);
  if (c != NULL) {
    ck_assert_int_eq(heed_collection_graphs(c), 1);
    ck_assert_int_eq(heed_collection_skipped(c), 1);
    ck_assert_ptr_nonnull(strstr(heed_collection_skip(c, 0), bad_sources[_i].says));
  }
  heed_collection_free(c);
  ck_assert_uint_eq(heed_memory_held(), held);
}
END_TEST

START_TEST(lists_of_graphs) {
  static const int32_t wanted[] = {0, 0, 1, -1};
  static const int64_t ptr[] = {0, 4, 8, 12, 16}, rows[] = {1, 2, 4, 5};
  heed_collection *c;
  for (int n = 0, passed = 0; !passed; n++) {
    size_t held = heed_memory_held();
    heed__alloc_fail_after(n);
    heed_status status = heed_collection_open(&c, TEST_FILES "good-graphs.tsv", NULL);
    heed__alloc_fail_after(-1);
    ck_assert_msg(status == HEED_OK || status == HEED_NOMEM, "%s", heed_message());
    passed = status == HEED_OK;
    if (!passed) {
      ck_assert_ptr_null(c);
      ck_assert_uint_eq(heed_memory_held(), held);
    }
  }
  ck_assert_int_eq(heed_collection_graphs(c), 4);
  ck_assert_mem_eq(heed_collection_graph_ptr(c), ptr, sizeof ptr);
  ck_assert_int_eq(heed_collection_edge_count(c), 16);
  ck_assert_mem_eq(heed_collection_labels(c), wanted, sizeof wanted);
  ck_assert_str_eq(heed_collection_target_name(c, 0), "ring");
  ck_assert_str_eq(heed_collection_target_name(c, 1), "square");
  for (int g = 0; g < 4; g++) {
    ck_assert_int_eq(heed_collection_row(c, g), rows[g]);
    /* a-b, b-c, c-d, a-c */
    static const int64_t edges[] = {0, 1, 0, 2, 1, 2, 2, 3};
    static const int degrees[] = {2, 2, 3, 1};
    for (int i = 0; i < 8; i++)
      ck_assert_int_eq(heed_collection_edges(c)[8 * g + i] - 4 * g, edges[i]);
    for (int i = 0; i < 4; i++) {
      ck_assert_float_eq(heed_collection_node_matrix(c)->data[16 * (4 * g + i) + degrees[i]], 1);
    }
  }
  ck_assert_str_eq(heed_collection_name(c, 2), "good-square.edges");
  heed_collection_free(c);
  const heed_collection_options by_attribute = {.features = "x", .skip_bad = true};
  ck_assert_msg(heed_collection_open(&c, TEST_FILES "good-graphs.tsv", &by_attribute) == HEED_OK,
                "%s", heed_message());
  ck_assert_int_eq(heed_collection_features(c), 1);
  ck_assert_str_eq(heed_collection_feature_name(c, false, 0), "x");
  ck_assert_int_ge(heed_collection_skipped(c), 1); /* an edge list has no attributes */
  heed_collection_free(c);
  const heed_collection_options numbers = {.kind = HEED_TARGET_NUMBER};
  ck_assert_int_eq(heed_collection_open(&c, TEST_FILES "good-graphs.tsv", &numbers), HEED_FORMAT);
  ck_assert_ptr_nonnull(strstr(heed_message(), "row 1: 'ring' where a number"));
  ck_assert_msg(heed_collection_open(&c, TEST_FILES "good-pairs", NULL) == HEED_OK, "%s",
                heed_message());
  ck_assert_int_eq(heed_collection_edge_count(c), 2);
  heed_collection_free(c);
}
END_TEST

/* What is wrong in a row that is left out is nobody's business: neither its label nor its being one. */
START_TEST(rows_left_out_have_no_labels) {
  heed_collection *c;
  char path[100];
  heed_collection_options options = {.kind = HEED_TARGET_NUMBER};
  snprintf(path, sizeof path, "%s/list.tsv", folder);
  put("a.edges", "0 1\n1 2\n");
  put("list.tsv", "a.edges\t1.5\nb.edges\tfive\na.edges\tthree\na.edges\na.edges\t-2\n");
  fails(heed_collection_open(&c, path, &options), HEED_FORMAT, "row 2: 'five' where a number");
  options.skip_bad = true;
  ok(heed_collection_open(&c, path, &options));
  ck_assert_int_eq(heed_collection_graphs(c), 3);
  ck_assert_int_eq(heed_collection_skipped(c), 2);
  ck_assert_ptr_nonnull(strstr(heed_collection_skip(c, 1), "row 3: 'three' where a number"));
  const heed_matrix *numbers = heed_collection_values(c);
  ck_assert_float_eq(numbers->data[0], 1.5f);
  ck_assert_float_nan(numbers->data[numbers->stride]);
  ck_assert_float_eq(numbers->data[2 * numbers->stride], -2);
  heed_collection_free(c);
  put("list.tsv", "a.edges\nb.edges\tfive\n");
  options.kind = HEED_TARGET_NONE;
  ok(heed_collection_open(&c, path, &options));
  ck_assert_int_eq(heed_collection_kind(c), HEED_TARGET_NONE);
  heed_collection_free(c);
}
END_TEST

/* Edges that share an end, by trying all. */
START_TEST(edges_become_nodes) {
  made m;
  heed_collection *c, *lines;
  make(&m, 40, HEED_TARGET_CLASS);
  ck_assert_int_eq(heed_collection_new(&c, &m.arrays), HEED_OK);
  const heed_collection_split_options folds = {HEED_SPLIT_FOLDS, 1, 4, 0, 0};
  ck_assert_int_eq(heed_collection_split(c, &folds), HEED_OK);
  ck_assert_msg(heed_collection_line_graphs(&lines, c) == HEED_OK, "%s", heed_message());
  ck_assert_int_eq(heed_collection_graphs(lines), 40);
  ck_assert_int_eq(heed_collection_features(lines), 8);
  ck_assert_int_eq(heed_collection_edge_features(lines), 3);
  ck_assert_mem_eq(heed_collection_labels(lines), m.labels, sizeof(int32_t) * 40);
  ck_assert_int_eq(heed_collection_splits(lines), 4);
  ck_assert_mem_eq(heed_collection_split_part(lines, 3, HEED_PART_TEST),
                   heed_collection_split_part(c, 3, HEED_PART_TEST), 40);
  const int64_t *ptr = heed_collection_graph_ptr(lines), *ends = heed_collection_edges(lines);
  const heed_matrix *x = heed_collection_node_matrix(lines),
                    *ex = heed_collection_edge_matrix(lines);
  int64_t first = 0, pairs = 0;
  for (int g = 0; g < 40; g++) {
    int64_t n = 0;
    while (first + n < m.arrays.n_edges && m.edges[2 * (first + n)] < m.graph_ptr[g + 1]) n++;
    ck_assert_int_eq(ptr[g + 1] - ptr[g], n > 0 ? n : 1);
    for (int k = 0; n == 0 && k < 8; k++) ck_assert_float_eq(x->data[8 * ptr[g] + k], 0);
    for (int64_t e = 0; e < n; e++) {
      const int64_t *a = m.edges + 2 * (first + e);
      const float *row = x->data + 8 * (ptr[g] + e);
      for (int k = 0; k < 3; k++) {
        ck_assert_float_eq(row[k], m.x[3 * a[0] + k] + m.x[3 * a[1] + k]);
        ck_assert_float_eq(row[3 + k], fabsf(m.x[3 * a[0] + k] - m.x[3 * a[1] + k]));
      }
      ck_assert_mem_eq(row + 6, m.edge_x + 2 * (first + e), 8);
      for (int64_t f = 0; f < e; f++) {
        const int64_t *b = m.edges + 2 * (first + f);
        if (a[0] != b[0] && a[0] != b[1] && a[1] != b[0] && a[1] != b[1]) continue;
        ck_assert_int_lt(pairs, heed_collection_edge_count(lines));
        ck_assert_int_eq(ends[2 * pairs], ptr[g] + f);
        ck_assert_int_eq(ends[2 * pairs + 1], ptr[g] + e);
        const float *shared = ex->data + 3 * pairs;
        int64_t node = (int64_t)(shared[0] - 1) / 3;
        ck_assert(node == a[0] || node == a[1]);
        ck_assert(node == b[0] || node == b[1]);
        ck_assert_mem_eq(shared, m.x + 3 * node, 12);
        pairs++;
      }
    }
    first += n;
  }
  ck_assert_int_eq(pairs, heed_collection_edge_count(lines));
  heed_collection_free(lines);
  heed_collection_free(c);
}
END_TEST

START_TEST(sources_are_told_apart) {
  static const char *const are[] = {"molecules", "x.csv",      "x.CSV.gz",
                                    "x.sdf",     "a/x.sdf.gz", "x.tsv"};
  static const char *const are_not[] = {"karate", "x.npz", "x.graphml", "csv", ".csvx", "sbm:n=10"};
  for (int i = 0; i < 6; i++) {
    ck_assert(heed_collection_is(are[i]));
    ck_assert(!heed_collection_is(are_not[i]));
  }
  ck_assert(heed_collection_is(folder));
}
END_TEST

START_TEST(numbers_in_files) {
  static const struct {
    const char *text;
    double value;
  } good[] = {{"0", 0},           {"-0.77", -0.77},
              {"+3", 3},          {"1e3", 1000},
              {"1E-3", 1e-3},     {".5", .5},
              {"5.", 5},          {"12345678901234567890123", 12345678901234567890123.},
              {"1e-310", 1e-310}, {"0.1", 0.1},
              {"-1.5e+2", -150},  {"0.000000000000000000000000001", 1e-27}};
  static const char *const bad[] = {"",    "-",    ".",   "e5", "1e", "1e+",  "nan",
                                    "inf", "0x10", "1,5", "1 ", " 1", "1.2.3"};
  double value;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    ck_assert(heed__data_number(good[i].text, strlen(good[i].text), &value));
    ck_assert_msg(fabs(value - good[i].value) <= fabs(good[i].value) * 1e-15, "%s", good[i].text);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    ck_assert_msg(!heed__data_number(bad[i], strlen(bad[i]), &value), "%s", bad[i]);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("collection");
  TCase *made_by_hand = tcase_create("made by hand");
  tcase_add_loop_test(made_by_hand, arrays_come_back, 0, 4);
  tcase_add_loop_test(made_by_hand, wrong_arrays_are_refused, 0, 15);
  tcase_add_test(made_by_hand, columns_beside_the_features);
  tcase_add_test(made_by_hand, the_mask_has_every_edge_twice);
  tcase_add_loop_test(made_by_hand, batches_are_slices, 0, 4);
  tcase_add_test(made_by_hand, batches_of_several_masks);
  tcase_add_test(made_by_hand, pairs_of_edges_that_are_not_there);
  tcase_add_test(made_by_hand, a_full_mask_is_of_one_graph);
  tcase_add_test(made_by_hand, edges_become_nodes);
  suite_add_tcase(suite, made_by_hand);
  TCase *splits = tcase_create("splits");
  tcase_add_test(splits, splits_at_random);
  tcase_add_loop_test(splits, splits_by_class, 0, 2);
  tcase_add_test(splits, kinds_of_splits_have_names);
  suite_add_tcase(suite, splits);
  TCase *folders = tcase_create("folders");
  tcase_add_checked_fixture(folders, make_folder, remove_folder);
  tcase_add_test(folders, folders_of_text_files);
  tcase_add_loop_test(folders, bad_folders_are_refused, 0, sizeof bad_texts / sizeof *bad_texts);
  tcase_add_test(folders, graphs_without_nodes_can_be_left_out);
  tcase_add_test(folders, sources_are_told_apart);
  tcase_add_loop_test(folders, bad_sources_are_refused, 0,
                      sizeof bad_sources / sizeof *bad_sources);
  tcase_add_test(folders, lists_of_graphs);
  tcase_add_test(folders, rows_left_out_have_no_labels);
  tcase_add_test(folders, numbers_in_files);
  suite_add_tcase(suite, folders);
  return run_suite(suite);
}
