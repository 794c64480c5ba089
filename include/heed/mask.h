/** @file
 *  Room mask: the set of (query, key) pairs that attend, in compressed rows, and its algebra. */
#ifndef HEED_MASK_H
#define HEED_MASK_H

#include <heed/base.h>
#include <heed/matrix.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Where a pair (or one of the edges behind it) comes from. */
typedef enum heed_origin {
  HEED_ORIGIN_FORWARD = 0,  /**< an edge key -> query, or an undirected edge, first end to second */
  HEED_ORIGIN_BACKWARD = 1, /**< an edge query -> key, or an undirected edge, second end to first */
  HEED_ORIGIN_LOOP = 2,     /**< a self-loop of the graph */
  HEED_ORIGIN_SELF = 3,     /**< a self-loop that was added; its edge id is -1 */
  HEED_ORIGIN_DERIVED = 4   /**< made by algebra (k-hop) or given without a graph; edge id -1 */
} heed_origin;

/** The pairs that attend. Row i lists the keys that query i sees, ascending and distinct.
 *
 *  Plain data: fill it as a view over your own arrays with heed_mask_view(), or let one of the
 *  functions below make one; either way heed_mask_free() ends it and frees only what the mask
 *  owns. Fields are for reading. A full mask stores no pairs: indptr is NULL and pair (i, j) has
 *  the number i * n_keys + j. A mask of runs stores none either: `starts` says where each row's run of
 *  consecutive keys begins and indices is NULL; its pairs are numbered by indptr like any other's.
 *
 *  Edges behind pairs: pair p stands for the edges edge_ids[edge_ptr[p] .. edge_ptr[p + 1]), or,
 *  where edge_ptr is NULL, for the one edge edge_ids[p]; where edge_ids is NULL nothing is known
 *  and every pair counts as HEED_ORIGIN_DERIVED. origins runs beside edge_ids. */
typedef struct heed_mask {
  int64_t n_queries;
  int64_t n_keys;
  int64_t n_pairs;
  const int64_t *indptr;    /**< [n_queries + 1]; NULL in a full mask */
  const int32_t *indices;   /**< [n_pairs]; NULL in a full mask and in one of runs */
  const int32_t *starts;    /**< [n_queries] in a mask of runs: row i sees the keys starts[i], starts[i] + 1, ...;
                                 else NULL */
  const int64_t *edge_ptr;  /**< [n_pairs + 1], or NULL: one edge a pair */
  const int64_t *edge_ids;  /**< [edge_ptr[n_pairs] or n_pairs], or NULL; -1 stands for no edge */
  const uint8_t *origins;   /**< beside edge_ids: a ::heed_origin each */
  void *owned;              /**< private: what heed_mask_free() frees */
} heed_mask;

/** What heed_mask_statistics() counts. */
typedef struct heed_mask_stats {
  int64_t pairs;
  int64_t empty_rows;  /**< queries that see nothing */
  int64_t self_pairs;  /**< pairs (i, i) */
  int64_t min_degree;  /**< fewest keys of a query */
  double median_degree;
  double mean_degree;
  int64_t max_degree;
  double density;      /**< pairs over n_queries * n_keys */
} heed_mask_stats;

/** What becomes of pairs (i, i). */
typedef enum heed_loops {
  HEED_LOOPS_KEEP = 0, /**< as they are */
  HEED_LOOPS_ADD = 1,  /**< every node sees itself; a self-loop that is there keeps its edges */
  HEED_LOOPS_DROP = 2  /**< none */
} heed_loops;

/** A mask over the caller's own arrays, without a copy; they must outlive it. Checked here, once:
 *  indptr starts at 0 and does not fall; the indices of a row ascend strictly and lie in
 *  [0, n_keys).
 *  @return HEED_ARGUMENT, HEED_RANGE or HEED_SHAPE with the row and the numbers */
HEED_API HEED_CHECKED heed_status heed_mask_view(heed_mask *mask, int64_t n_queries,
                                                 int64_t n_keys, const int64_t *indptr,
                                                 const int32_t *indices);

/** The full mask: every query sees every key. Stores nothing.
 *  @return HEED_OVERFLOW if n_queries * n_keys does not fit in 63 bits, HEED_RANGE if a size is
 *  negative or n_keys is above 2^31 - 1 */
HEED_API HEED_CHECKED heed_status heed_mask_full(heed_mask *mask, int64_t n_queries,
                                                 int64_t n_keys);

/** A mask of runs: row i sees the keys [starts[i], starts[i] + counts[i]). O(n_queries) memory; kernels run it
 *  like a full mask where they can.
 *  @param starts, counts [n_queries], the caller's, copied
 *  @return HEED_RANGE with the row and the numbers, HEED_OVERFLOW, HEED_NOMEM */
HEED_API HEED_CHECKED heed_status heed_mask_runs(heed_mask *mask, int64_t n_queries, int64_t n_keys,
                                                 const int32_t *starts, const int32_t *counts);

/** Blocks on the diagonal, as a mask of runs: queries query_ptr[b] .. query_ptr[b + 1]) see the keys
 *  key_ptr[b] .. key_ptr[b + 1]): full attention within each graph of a batch, or of its seeds to its nodes.
 *  @param query_ptr, key_ptr [blocks + 1], from 0 to n_queries and n_keys, not falling
 *  @return as heed_mask_runs() */
HEED_API HEED_CHECKED heed_status heed_mask_blocks(heed_mask *mask, int64_t blocks,
                                                   const int64_t *query_ptr, const int64_t *key_ptr);

/** Causal within each sequence of a batch, as a mask of runs: node i of ptr[b] .. ptr[b + 1]) sees the nodes from
 *  ptr[b] to i.
 *  @param ptr [blocks + 1], from 0, not falling
 *  @return as heed_mask_runs() */
HEED_API HEED_CHECKED heed_status heed_mask_causal_blocks(heed_mask *mask, int64_t blocks,
                                                          const int64_t *ptr);

/** A window, as a mask of runs: node i sees the nodes from i - left to i + right that there are. right 0 is causal
 *  (a left of n - 1 or more then sees all that came before).
 *  @return HEED_RANGE for a negative number */
HEED_API HEED_CHECKED heed_status heed_mask_window(heed_mask *mask, int64_t n, int64_t left,
                                                   int64_t right);

/** The same within each sequence of a batch: node i of ptr[b] .. ptr[b + 1]) sees those of i - left to i + right that are
 *  there.
 *  @param ptr [blocks + 1], from 0, not falling
 *  @return as heed_mask_runs() */
HEED_API HEED_CHECKED heed_status heed_mask_window_blocks(heed_mask *mask, int64_t blocks,
                                                          const int64_t *ptr, int64_t left,
                                                          int64_t right);

/** @name Masks by a formula
 *  (i, j) is in the mask where the formula says so; i is the query, j the key. Those that are a run of
 *  consecutive keys in every row (causal, block, global, bipartite, shift, and the others where their
 *  numbers make them so) are made as masks of runs, which store no pairs. doc/masks.md has a picture
 *  of each.
 *  All return HEED_RANGE for a negative number or a size that is too large, HEED_NOMEM, HEED_OVERFLOW.
 *  @{ */

/** j <= i: what came before, and oneself (Vaswani et al. 2017, section 3.2.3). heed_mask_window() with a
 *  left of w and a right of 0 is causal and looks back w. */
HEED_API HEED_CHECKED heed_status heed_mask_causal(heed_mask *mask, int64_t n);

/** floor(i / size) = floor(j / size): equal blocks, the last as long as what is left (Qiu et al. 2020).
 *  @param size at least 1 */
HEED_API HEED_CHECKED heed_status heed_mask_block(heed_mask *mask, int64_t n, int64_t size);

/** i - left <= j <= i + right and (i - j) mod step = 0: every step-th of a window (Beltagy et al. 2020,
 *  section 3.1: w keys a side with a dilation d are left = right = w d, step = d).
 *  @param step at least 1 */
HEED_API HEED_CHECKED heed_status heed_mask_dilated(heed_mask *mask, int64_t n, int64_t left,
                                                    int64_t right, int64_t step);

/** (i - j) mod stride = 0, and j <= i if causal (Child et al. 2019, section 4.3, the second head of
 *  strided attention; the first is a causal window of the stride).
 *  @param stride at least 1 */
HEED_API HEED_CHECKED heed_status heed_mask_strided(heed_mask *mask, int64_t n, int64_t stride,
                                                    bool causal);

/** Neighbourhoods on a grid. */
typedef enum heed_grid {
  HEED_GRID_BOX = 0,  /**< max over the axes of |i_a - j_a| <= radius: what a convolution sees (Parmar et al.
                           2018 attend to such blocks of an image) */
  HEED_GRID_AXES = 1  /**< |i_a - j_a| <= radius along one axis a, the same place in the others (Ho et al. 2019:
                           axial attention, there with the whole axis) */
} heed_grid;

/** Nodes are the points of a grid of 1, 2 or 3 axes, row-major: node (y W + x) of [H, W], or
 *  ((z H + y) W + x) of [Z, H, W]. Each sees its neighbourhood; there is no wrapping at the borders.
 *  @param shape [axes]: how many points each axis has, at least 1 */
HEED_API HEED_CHECKED heed_status heed_mask_grid(heed_mask *mask, int axes, const int64_t *shape,
                                                 int64_t radius, heed_grid neighbourhood);

/** j = i + offset, point by point on a grid as of heed_mask_grid(): each node sees the one node that far
 *  away, or none beyond the border. One for each place of a kernel makes attention a convolution
 *  (Cordonnier et al. 2020, theorem 1). A mask of runs.
 *  @param shape, offset [axes] */
HEED_API HEED_CHECKED heed_status heed_mask_shift(heed_mask *mask, int axes, const int64_t *shape,
                                                  const int64_t *offset);

/** i < nodes or j < nodes: the first see all and are seen by all (Beltagy et al. 2020: global attention;
 *  Gilmer et al. 2017: a virtual node), the others see nothing else. */
HEED_API HEED_CHECKED heed_status heed_mask_global(heed_mask *mask, int64_t n, int64_t nodes);

/** Every query sees `keys` keys drawn at random, each set of them as likely as any other, or all if there are
 *  no more (Zaheer et al. 2020, section 2: r random keys). Row i is a function of (seed, i, n_keys, keys)
 *  alone. A query may draw itself. */
HEED_API HEED_CHECKED heed_status heed_mask_random(heed_mask *mask, int64_t n_queries, int64_t n_keys,
                                                   int64_t keys, uint64_t seed);

/** Every node sees the k others (all, if there are no more) whose features are nearest by Euclidean distance,
 *  summed in double; of equally near ones those with the lower numbers (Wang et al. 2019, section 3.1; as
 *  attention Zhao et al. 2021). Not itself: unite with heed_mask_shift() by 0, or self-loops. Exact; time
 *  O(n^2 F), memory O(n k).
 *  @param features [n, F], finite; F 0 makes all equally near
 *  @return HEED_VALUE with the row and column of what is not finite */
HEED_API HEED_CHECKED heed_status heed_mask_nearest(heed_mask *mask, const heed_matrix *features,
                                                    int64_t k);

/** (i < first) != (j < first): two sets, each node sees all of the other set and none of its own. A part of it
 *  is its intersection with another mask; only one direction, heed_mask_runs(); queries of one set and keys of
 *  another, as in cross-attention, heed_mask_full() and, in part, heed_mask_pairs(). */
HEED_API HEED_CHECKED heed_status heed_mask_bipartite(heed_mask *mask, int64_t n, int64_t first);

/** The pairs (queries[p], keys[p]), in any order; a pair that comes again counts once.
 *  @param queries, keys [n_pairs], the caller's, copied
 *  @return HEED_RANGE with the place of a number outside [0, n_queries) or [0, n_keys) */
HEED_API HEED_CHECKED heed_status heed_mask_pairs(heed_mask *mask, int64_t n_queries, int64_t n_keys,
                                                  int64_t n_pairs, const int64_t *queries,
                                                  const int64_t *keys);

/** @} */

/** Frees what the mask owns and clears it. NULL and a cleared mask are fine. */
HEED_API void heed_mask_free(heed_mask *mask);

/** Whether it is a full mask as heed_mask_full() makes it. */
HEED_API bool heed_mask_is_full(const heed_mask *mask);

/** Checks all that the comment of ::heed_mask promises; O(pairs).
 *  @return as heed_mask_view() */
HEED_API HEED_CHECKED heed_status heed_mask_check(const heed_mask *mask);

/** The edges behind pair p: their ids (-1: none) and origins, `*count` of each, at least 1. The
 *  arrays belong to the mask; where nothing is known they are a constant -1 and DERIVED. */
HEED_API void heed_mask_pair_edges(const heed_mask *mask, int64_t pair, const int64_t **ids,
                                   const uint8_t **origins, int64_t *count);

/** The transpose: key j sees query i. `pairs`, if not NULL, is an array of the caller's
 *  [n_pairs] that gets, for each pair of the result, its number in `mask`. Edges come along, with
 *  FORWARD and BACKWARD exchanged. */
HEED_API HEED_CHECKED heed_status heed_mask_transpose(heed_mask *result, const heed_mask *mask,
                                                      int64_t *pairs);

/** The pairs that are in `a` or in `b`, with the edges of both: by id where both have the pair, the
 *  same edge once; an entry without an edge (id -1) stays only where no edge stands behind a pair.
 *  Of masks that store no pairs, a mask that stores none where every row is a run.
 *  @return HEED_SHAPE if the sizes differ */
HEED_API HEED_CHECKED heed_status heed_mask_union(heed_mask *result, const heed_mask *a,
                                                  const heed_mask *b);

/** The pairs that are in `a` and in `b`, with the edges of both as in heed_mask_union(). Of masks of runs, and
 *  of those and full ones, a mask of runs.
 *  @return HEED_SHAPE if the sizes differ */
HEED_API HEED_CHECKED heed_status heed_mask_intersection(heed_mask *result, const heed_mask *a,
                                                         const heed_mask *b);

/** The pairs of `a` that are not in `b`, with the edges of `a`. Of masks that store no pairs, a mask of runs where
 *  every row is one.
 *  @return HEED_SHAPE if the sizes differ */
HEED_API HEED_CHECKED heed_status heed_mask_difference(heed_mask *result, const heed_mask *a,
                                                       const heed_mask *b);

/** The pairs that are not in `mask`. Stores them, unless every row is a run: n_queries * n_keys less its own.
 *  @return HEED_NOMEM, HEED_OVERFLOW */
HEED_API HEED_CHECKED heed_status heed_mask_complement(heed_mask *result, const heed_mask *mask);

/** The mask with its pairs (i, i) treated as `loops` says. An added pair is SELF; the others of a
 *  mask that knew nothing of edges are then DERIVED.
 *  @return HEED_SHAPE if the mask is not square; HEED_ARGUMENT if `loops` is none of them */
HEED_API HEED_CHECKED heed_status heed_mask_self_loops(heed_mask *result, const heed_mask *mask,
                                                       heed_loops loops);

/** The pairs (i, j), j other than i, where a path of 1 to k pairs leads from query i to key j, and
 *  the pairs (i, i) that `mask` itself has. Pairs of `mask` keep their edges, longer ones are
 *  DERIVED. Needs memory for the result and O(n_keys) a thread.
 *  @param k at least 1
 *  @return HEED_SHAPE if the mask is not square; HEED_ARGUMENT if k is below 1 */
HEED_API HEED_CHECKED heed_status heed_mask_khop(heed_mask *result, const heed_mask *mask, int k);

/** Every stored pair of a full mask written out, or a copy of any other.
 *  @return HEED_NOMEM, or HEED_OVERFLOW if the pairs do not fit */
HEED_API HEED_CHECKED heed_status heed_mask_explicit(heed_mask *result, const heed_mask *mask);

/** The mask with its queries and keys in another order: row i of the result is row queries[i] of
 *  `mask`, and its key j is key keys[j]. NULL leaves an order as it is. `pairs`, if not NULL, is an
 *  array of the caller's [n_pairs] that gets, for each pair of the result, its number in `mask`:
 *  heed_rows_scatter() puts what belongs to pairs, such as weights, back into the order of `mask` by
 *  it, heed_rows_gather() brings a bias along. Edges come along. Rows stay ascending, so that sums
 *  over a row have another order: results agree to rounding.
 *  @param queries [n_queries], each once
 *  @param keys    [n_keys], each once
 *  @return HEED_RANGE or HEED_ARGUMENT for an order that is none, with the place */
HEED_API HEED_CHECKED heed_status heed_mask_permute(heed_mask *result, const heed_mask *mask,
                                                    const int64_t *queries, const int64_t *keys,
                                                    int64_t *pairs);

/** The share of pairs, read row by row in the order `queries` (NULL: as they are), whose key was among the `window` pairs before: how many
 *  rows of keys a cache of `window` rows would hold already (Denning 1968, the working set). A
 *  measure of an order that does not depend on the machine; O(pairs).
 *  @param share 0 for a mask without pairs
 *  @return HEED_ARGUMENT if `window` is below 1, HEED_NOMEM */
HEED_API HEED_CHECKED heed_status heed_mask_reuse(const heed_mask *mask, const int64_t *queries,
                                                  int64_t window, double *share);

/** @name Masks by an expression
 *
 *  As of the option --mask: terms, and what is made of them.
 *
 *      graph              the graph's pairs                    khop:K         a path of 1 to K of them
 *      full               all pairs                            none, self     each node itself alone
 *      window:W           |i - j| <= W                         window:L,R     i - L <= j <= i + R
 *      causal             j <= i                               causal:W       i - W <= j <= i
 *      dilated:W,STEP     a window's every STEP-th             strided:S      (i - j) mod S = 0
 *      block:B            equal blocks of B                    bipartite:A    the first A and the others
 *      grid:HxW,R         a box of radius R on a grid          axes:HxW,R     R along each axis of it
 *      shift:D            j = i + D                            shift:HxW,Y,X  the same on a grid
 *      global:G           the first G see all, are seen        random:R       R keys at random
 *      knn:K              the K nearest by features
 *      queries:A..B       all pairs of the queries A to B      keys:A..B      all pairs of the keys A to B
 *
 *  Grids have one to three axes (N, HxW or ZxHxW); where the context has a grid, "grid:R", "axes:R" and
 *  "shift:Y,X" take that one. `|` and `+` unite, `&` intersects, `-` takes away, `!` is the complement. `!`
 *  binds tightest, then `&`, then `|`, `+` and `-` from left to right; parentheses change that.
 *  Spaces may stand between words.
 *  @{ */

/** What an expression asks for. */
typedef struct heed_mask_needs {
  bool graph;     /**< graph or khop */
  bool features;  /**< knn */
  bool grid;      /**< a grid without a shape of its own */
  bool random;    /**< depends on the seed */
  bool edges;     /**< pairs of the result may have edges of the graph behind them */
} heed_mask_needs;

/** What an expression is about. Nothing here is changed or kept. */
typedef struct heed_mask_context {
  int64_t n_queries;
  int64_t n_keys;              /**< other than n_queries: only full, queries, keys, random and a graph of that size */
  const heed_mask *graph;      /**< [n_queries x n_keys] with the self-loops it is to have, or NULL */
  const heed_matrix *features; /**< [n_queries, F], or NULL */
  int grid_axes;               /**< 0: no grid */
  int64_t grid[3];             /**< [grid_axes] */
  int64_t n_sets;              /**< node sets that see nothing of each other, such as the graphs of a collection;
                                    every formula holds within each, from its first node on. 0: one set */
  const int64_t *set_ptr;      /**< [n_sets + 1]: set s has the nodes set_ptr[s] .. set_ptr[s + 1]) */
  bool drop_loops;             /**< `full` is to be without the pairs (i, i); where n_queries is not n_keys
                                    there are none, and this says nothing */
  uint64_t seed;               /**< of random: each such term of an expression draws numbers of its own,
                                    but two expressions of one seed draw alike */
} heed_mask_context;

/** The mask that an expression describes. What can be a mask of runs, or full, is.
 *  @return HEED_ARGUMENT, with the column and what may stand there, for a text that is no expression, or that
 *  needs what the context has not; HEED_RANGE, HEED_SHAPE with the numbers; HEED_NOMEM, HEED_OVERFLOW */
HEED_API HEED_CHECKED heed_status heed_mask_from_expression(heed_mask *mask, const char *expression,
                                                            const heed_mask_context *context);

/** Reads an expression without making anything; `needs` may be NULL.
 *  @return HEED_ARGUMENT, HEED_RANGE as heed_mask_from_expression() */
HEED_API HEED_CHECKED heed_status heed_mask_expression_check(const char *expression,
                                                             heed_mask_needs *needs);

/** @} */

/** Counts; O(pairs). All zero for a mask without queries. */
HEED_API HEED_CHECKED heed_status heed_mask_statistics(const heed_mask *mask,
                                                       heed_mask_stats *stats);

/** @name Batches of a large graph
 *  Some rows of a mask that is too large to be attended to at once, with their keys renumbered: drawn
 *  neighbours of some target nodes (Hamilton et al. 2017), or all pairs among some nodes (Chiang et al. 2019).
 *  @{ */

/** Most fan-outs of a sampler: steps of attention. */
enum { HEED_MAX_HOPS = 16 };

/** A batch: some nodes of a mask and a mask over them. Its arrays belong to the sampler and stand until its
 *  next call. Node r of the batch is node nodes[r] of the mask that the sampler is of; heed_mask_pair_edges()
 *  of that mask with pairs[p] gives the edges behind pair p of the batch. */
typedef struct heed_sample {
  int64_t n_nodes;
  int64_t n_targets;    /**< the first nodes, in the order in which they were given */
  const int32_t *nodes; /**< [n_nodes], each once; those of a hop ascending, hop after hop */
  heed_mask mask;       /**< [n_nodes x n_nodes]; knows nothing of edges */
  const int64_t *pairs; /**< [mask.n_pairs] their numbers in the whole mask */
  int hops;             /**< fan-outs of the sampler; of heed_sampler_induce() 0 */
  int64_t ends[HEED_MAX_HOPS + 1]; /**< how many nodes 0, 1, ..., hops steps reach from the targets */
} heed_sample;

/** Draws batches. Opaque. */
typedef struct heed_sampler heed_sampler;

/** A sampler of a square mask, which must outlive it, of any kind. It holds 4 bytes a node of the mask, and what
 *  its largest batch so far took.
 *
 *  A node that is first reached after h steps (a target: 0) is looked at once in a batch: its row keeps
 *  fanouts[h] of its pairs, drawn uniformly and without replacement, or all where it has no more. A pair (i, i)
 *  of the mask is not among those drawn and always stays; nodes that the last step reaches keep it alone. One
 *  sample of a row does for a batch: every layer that reads row i reads it for the same target, or on a
 *  path to one, and sees a uniform sample of the row, so that each layer's mean over pairs is as unbiased as if
 *  it had drawn its own, while a node is expanded and gathered once. What a model of as many masked layers as there are fan-outs gives for the targets depends
 *  on this batch alone.
 *  @param fanouts [hops], each at least 0, or -1: all
 *  @param hops 0 to HEED_MAX_HOPS; 0: for heed_sampler_induce() alone
 *  @return HEED_SHAPE if the mask is not square, HEED_RANGE with the fan-out, HEED_NOMEM */
HEED_API HEED_CHECKED heed_status heed_sampler_new(heed_sampler **sampler, const heed_mask *mask,
                                                   const int32_t *fanouts, int hops, uint64_t seed);

/** Ends it; NULL is fine. */
HEED_API void heed_sampler_free(heed_sampler *sampler);

/** The batch of the targets [n]. What is drawn for a row depends on (seed, epoch, batch, node) alone: neither on
 *  the number of threads nor on batches before. With fan-outs of -1 the rows are all pairs that the targets
 *  depend on. Memory grows to that of the largest batch and no further.
 *  @return HEED_RANGE for a target there is none of, HEED_ARGUMENT for one given twice or a sampler without
 *  fan-outs, HEED_NOMEM; there is no batch then, and the sampler still serves */
HEED_API HEED_CHECKED heed_status heed_sampler_take(heed_sampler *sampler, const int64_t *targets, int64_t n,
                                                    uint64_t epoch, uint64_t batch, heed_sample *sample);

/** The batch of the nodes [n] and all pairs among them, in that order of nodes.
 *  @return as heed_sampler_take() */
HEED_API HEED_CHECKED heed_status heed_sampler_induce(heed_sampler *sampler, const int64_t *nodes, int64_t n,
                                                      heed_sample *sample);

/** Bytes it holds. */
HEED_API size_t heed_sampler_bytes(const heed_sampler *sampler);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
