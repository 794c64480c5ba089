/** @file
 *  Room encoding: where a node is, as numbers that attention can use. Attention itself does not know the
 *  order or the place of its nodes; an encoding tells it.
 *
 *  - Encodings of nodes fill a matrix [N, d] of the caller's, to be added to the features or to stand beside
 *    them: sinusoidal, of a grid, Laplacian, random walk, degree.
 *  - Encodings of pairs, in the order of a mask, go to the logits: a class for every pair, of which a model
 *    learns a bias a head (heed_model_inputs.pair_classes), or features of pairs (heed_model_inputs.edges).
 *    A full mask has the pair i * n_keys + j.
 *
 *  Nodes are in places: `positions` [N] on a line, or `coordinates` [N, axes] on a grid, whole numbers; NULL
 *  stands for the numbers of the nodes, 0 to N - 1 (of a grid: row by row). Nothing depends on the number of
 *  threads. */
#ifndef HEED_ENCODING_H
#define HEED_ENCODING_H

#include <heed/base.h>
#include <heed/mask.h>
#include <heed/matrix.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @name Nodes
 *  @{ */

/** PE(p, 2i) = sin(p / base^(2i / d)), PE(p, 2i + 1) = cos(the same) (Vaswani et al. 2017, section 3.5, where
 *  base is 10000).
 *  @param to [N, d], d at least 1; an odd d ends with a sine
 *  @param positions [N], or NULL
 *  @return HEED_SHAPE without columns, HEED_RANGE for a base that is not finite and above 1 */
HEED_API HEED_CHECKED heed_status heed_encode_sinusoidal(const heed_matrix *to,
                                                         const int32_t *positions, double base);

/** The same of a grid: d / axes columns for each axis, one axis after the other, as is usual for images
 *  (Carion et al. 2020, section 3: rows, then columns).
 *  @param to [N, d], d a multiple of axes
 *  @param coordinates [N, axes], such as heed_grid_coordinates() gives
 *  @param axes 1 to 3
 *  @return as heed_encode_sinusoidal(), HEED_ARGUMENT for axes */
HEED_API HEED_CHECKED heed_status heed_encode_sinusoidal_grid(const heed_matrix *to,
                                                              const int32_t *coordinates, int axes,
                                                              double base);

/** The places of a grid row by row: with sizes {height, width} node y * width + x is at (y, x).
 *  @param sizes [axes], each at least 1
 *  @param coordinates [product of sizes, axes], the caller's
 *  @return HEED_ARGUMENT for axes not 1 to 3, HEED_RANGE for a size below 1 or more than 2^31 - 1 nodes */
HEED_API HEED_CHECKED heed_status heed_grid_coordinates(int axes, const int64_t *sizes,
                                                        int32_t *coordinates);

/** Turns the heads of queries or keys by their positions (Su et al. 2021, equation 34): numbers 2i and 2i + 1
 *  of a head, as a point of the plane, by the angle p base^(-2i / D). The dot product of a query and a key
 *  then depends on their offset alone.
 *  @param x [N, heads * D], changed in place; D even
 *  @param positions [N], or NULL
 *  @param halves number i goes with number i + D / 2 instead, as many published weights have it
 *  @param back turn back: what the gradient needs
 *  @return HEED_SHAPE where heads do not divide the columns or D is odd, HEED_RANGE for a base that is not
 *  finite and above 1 */
HEED_API HEED_CHECKED heed_status heed_encode_rotary(const heed_matrix *x, int32_t heads,
                                                     const int32_t *positions, double base, bool halves,
                                                     bool back);

/** Eigenvectors of the normalised Laplacian (Dwivedi and Bresson 2020, section 2.1): column c is eigenvector c of each connected
 *  component, from heed_mask_laplacian(), times the square root of the component's nodes, so that its mean
 *  square is 1 whatever the size (published ones are without that factor). The largest number of a column of
 *  a component is positive; training is to flip the signs at random (heed_model_flip_columns()).
 *  @param mask of the graph; a pair in either direction counts, (i, i) does not
 *  @param to [N, k]; zeros where a component has no more than c + 1 nodes
 *  @return as heed_mask_laplacian() */
HEED_API HEED_CHECKED heed_status heed_encode_laplacian(const heed_mask *mask, const heed_matrix *to);

/** Column t - 1 is the probability that a random walk is back where it began after t steps, the diagonal of
 *  (D^-1 A)^t (Dwivedi et al. 2022, section 3.2.1), exact to rounding. A step goes from a query to one of its keys, each
 *  as likely. In memory for a few vectors of N a thread; the time is that of k / 2 (k where the mask is not
 *  symmetric) walks over a connected component for each of its nodes.
 *  @param to [N, k], k at least 1; a node that sees nothing has zeros
 *  @return HEED_SHAPE, HEED_NOMEM */
HEED_API HEED_CHECKED heed_status heed_encode_random_walk(const heed_mask *mask,
                                                          const heed_matrix *to);

/** How many other nodes a node sees. With one column its natural logarithm of one more; with more, one-hot, the
 *  last column for that many and above, which a linear layer makes Graphormer's centrality encoding of (Ying
 *  et al. 2021, section 3.1.1).
 *  @param to [N, d], d at least 1
 *  @return HEED_SHAPE */
HEED_API HEED_CHECKED heed_status heed_encode_degree(const heed_mask *mask, const heed_matrix *to);

/** @}
 *  @name Pairs
 *  `classes` and `features` are the caller's, [n_pairs] or [n_pairs, ...] in the order of `mask`, which must be
 *  square: HEED_SHAPE if not.
 *  @{ */

/** Relative positions (Shaw et al. 2018, section 3.2; as a bias Raffel et al. 2020; on a grid Liu et al. 2021): the
 *  offset from query to key, each axis clipped to [-limit, limit]. With w = 2 limit + 1 the class is offset
 *  + limit on a line, and on a grid (dy + limit) w + dx + limit: w^axes classes.
 *  @param coordinates [N, axes]; NULL only with one axis
 *  @param axes 1 to 3
 *  @param limit 0 to 1000, with three axes to 50
 *  @return HEED_ARGUMENT, HEED_RANGE */
HEED_API HEED_CHECKED heed_status heed_pairs_offset(const heed_mask *mask, const int32_t *coordinates,
                                                    int axes, int32_t limit, int32_t *classes);

/** How many classes that are. */
HEED_API int64_t heed_offset_classes(int axes, int32_t limit);

/** Shortest paths (Ying et al. 2021, section 3.1.2): how many steps lead from query i to key j over the pairs of `graph`, from a
 *  query to a key it sees. Class d for d below `limit`, `limit` for that many and more, limit + 1 where there
 *  is no way: limit + 2 classes.
 *  @param mask of the attention, of any form
 *  @param graph square, of as many nodes
 *  @param limit 1 to 1000
 *  @return HEED_SHAPE, HEED_RANGE, HEED_NOMEM */
HEED_API HEED_CHECKED heed_status heed_pairs_distance(const heed_mask *mask, const heed_mask *graph,
                                                      int32_t limit, int32_t *classes);

/** The quadratic encoding (Cordonnier et al. 2020, equation 9): features (|d|^2, d_1, ..., d_axes) with d = place of the key - place of
 *  the query. With the weights of heed_quadratic_weights() as `edge_bias` a head's logits are -alpha |d -
 *  centre|^2 up to a constant of the head, which the softmax does not see: for a large alpha it attends
 *  to the pair at offset `centre` alone, and heads for every offset of a kernel are a convolution.
 *  @param coordinates [N, axes]; NULL only with one axis
 *  @param features [n_pairs, 1 + axes] */
HEED_API HEED_CHECKED heed_status heed_pairs_quadratic(const heed_mask *mask,
                                                       const int32_t *coordinates, int axes,
                                                       float *features);

/** The weights for given centres: of head h (-alpha, 2 alpha centre_1, ...).
 *  @param alpha   [heads]
 *  @param centres [heads, axes]
 *  @param weights [heads, 1 + axes], the shape of `name`.edge_bias.weight, for heed_parameter_import(); the operator's
 *         `edge_bias` is its transpose */
HEED_API void heed_quadratic_weights(int32_t heads, int axes, const float *alpha, const float *centres,
                                     float *weights);

/** @}
 *  @name Encodings by name
 *  @{ */

typedef enum heed_encoding_kind {
  HEED_ENCODING_LAPLACIAN = 0,   /**< laplacian:K, K columns */
  HEED_ENCODING_RANDOM_WALK = 1, /**< random-walk:K, K columns */
  HEED_ENCODING_DEGREE = 2,      /**< degree, one column, or degree:K, one-hot of 0 to K */
  HEED_ENCODING_SINUSOIDAL = 3,  /**< sinusoidal:D or sinusoidal:D:HxW, D columns */
  HEED_ENCODING_LEARNED = 4,     /**< learned: a vector for each position, added in the model */
  HEED_ENCODING_ROTARY = 5,      /**< rotary, or rotary:BASE */
  HEED_ENCODING_RELATIVE = 6,    /**< relative:R or relative:R:HxW, a class of each pair */
  HEED_ENCODING_DISTANCE = 7,    /**< distance:K, a class of each pair */
  HEED_ENCODING_QUADRATIC = 8    /**< quadratic or quadratic:HxW, features of each pair */
} heed_encoding_kind;

enum { HEED_ENCODING_KINDS = 9 };

/** One of them. */
typedef struct heed_encoding {
  heed_encoding_kind kind;
  int32_t size;    /**< K, D, R or BASE; 0: none given */
  int32_t grid[2]; /**< height and width; 0: a line */
} heed_encoding;

/** Several, each kind at most once, in the order of their words. */
typedef struct heed_encodings {
  int n;
  heed_encoding at[HEED_ENCODING_KINDS];
} heed_encodings;

/** Reads "laplacian:8+random-walk:16"; "none" stands for none at all.
 *  @return HEED_ARGUMENT naming the word and what is allowed */
HEED_API HEED_CHECKED heed_status heed_encodings_read(heed_encodings *encodings, const char *text);

/** Writes them so; `text` is null-terminated. @return HEED_RANGE if size is too small (512 is enough) */
HEED_API HEED_CHECKED heed_status heed_encodings_write(const heed_encodings *encodings, char *text,
                                                       size_t size);

/** That one; NULL where it is not among them. */
HEED_API const heed_encoding *heed_encodings_find(const heed_encodings *encodings,
                                                  heed_encoding_kind kind);

/** "laplacian", ... */
HEED_API const char *heed_encoding_name(heed_encoding_kind kind);

/** How many columns beside the features they are (laplacian, random-walk, degree, sinusoidal), and the first of
 *  those of laplacian, its number among them, -1 without. */
HEED_API int64_t heed_encodings_columns(const heed_encodings *encodings, int64_t *laplacian);

/** How many classes of pairs (relative and distance; both: every combination); 0: none. */
HEED_API int64_t heed_encodings_classes(const heed_encodings *encodings);

/** How many features of pairs (quadratic); 0: none. */
HEED_API int64_t heed_encodings_pair_features(const heed_encodings *encodings);

/** Fills their columns.
 *  @param graph the graph they are of; a node that does not see itself counts as such
 *  @param n_graphs, graph_ptr positions begin anew with each graph; 0 and NULL: one graph
 *  @param to [N, heed_encodings_columns()]
 *  @return HEED_SHAPE where a grid has not N places, and as the functions above */
HEED_API HEED_CHECKED heed_status heed_encode_nodes(const heed_encodings *encodings,
                                                    const heed_mask *graph, int64_t n_graphs,
                                                    const int64_t *graph_ptr, const heed_matrix *to);

/** Fills the classes of the pairs of `mask`, distances being those over `graph`.
 *  @param n_graphs, graph_ptr places of a grid begin anew with each graph, none of whose nodes sees another's; 0 and
 *         NULL: one graph
 *  @param classes [n_pairs of mask]
 *  @return HEED_SHAPE where a grid has not as many places as a graph has nodes, and as the functions above */
HEED_API HEED_CHECKED heed_status heed_encode_classes(const heed_encodings *encodings,
                                                      const heed_mask *mask, const heed_mask *graph,
                                                      int64_t n_graphs, const int64_t *graph_ptr,
                                                      int32_t *classes);

/** Fills the features of the pairs of `mask`.
 *  @param n_graphs, graph_ptr as those of heed_encode_classes()
 *  @param features [n_pairs, heed_encodings_pair_features()] */
HEED_API HEED_CHECKED heed_status heed_encode_features(const heed_encodings *encodings,
                                                       const heed_mask *mask, int64_t n_graphs,
                                                       const int64_t *graph_ptr, float *features);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
