/** @file
 *  Room graph: igraph in, mask out. The only header of Heed that includes <igraph.h>.
 *
 *  Functions that fill an `igraph_t` leave it initialised on success only; the caller ends it with
 *  igraph_destroy() or heed_graph_destroy(). While one of them runs, igraph's error, warning and
 *  fatal handlers and its default random generator are Heed's; they are put back before it
 *  returns. They call igraph, which is not thread-safe in every build: one at a time. */
#ifndef HEED_GRAPH_H
#define HEED_GRAPH_H

#include <heed/base.h>
#include <heed/mask.h>
#include <igraph.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Opens a graph by what `source` names:
 *  - a file that exists: heed_graph_read();
 *  - a recipe with a colon, such as "sbm:…", "ba:…", "er:…", "grid:…": heed_graph_generate();
 *  - else a name igraph_famous() knows, such as "Zachary" ("karate" is taken for it; its vertex
 *    attribute "club" says whom the member followed, "Mr. Hi" or "Officer").
 *  @param seed of the generators
 *  @return HEED_IO, HEED_FORMAT, HEED_ARGUMENT, HEED_LIBRARY, HEED_NOMEM */
HEED_API HEED_CHECKED heed_status heed_graph_open(igraph_t *graph, const char *source,
                                                  uint64_t seed);

/** Reads a file in any format igraph reads: GraphML, GML, Pajek, UCINET DL, DIMACS, LGL, NCOL, edge
 *  list, GraphDB; a `.gz` of each is unpacked in memory. The format is `format` ("graphml", "gml",
 *  "pajek", "dl", "dimacs", "lgl", "ncol", "edgelist", "graphdb") or, if NULL, told from the
 *  content and then from the extension (.graphml .xml .gml .net .paj .dl .dimacs .lgl .ncol .edges
 *  .edgelist .txt .el .graphdb). Text formats that do not say are undirected, but for edge lists
 *  and NCOL, see `directed`.
 *  @param directed whether an edge list, NCOL or GraphDB file holds directed edges
 *  @return HEED_IO, HEED_FORMAT (file, line where igraph tells it, reason), HEED_UNSUPPORTED,
 *  HEED_RANGE (a vertex number beyond what the file can hold), HEED_NOMEM */
HEED_API HEED_CHECKED heed_status heed_graph_read(igraph_t *graph, const char *path,
                                                  const char *format, bool directed);

/** Generates a graph. Recipes (parts after the colon are separated by commas, `name=value`):
 *  - "sbm:n=400,blocks=4,in=0.1,out=0.01": stochastic block model of equal blocks, with the vertex
 *    attribute "block" (Holland et al. 1983). With "features=16,noise=2" the vertex attributes x0
 * to x15 are a Gaussian mean of the block, of deviation 1, and Gaussian noise of deviation 2 around
 *    it (without noise=: 1);
 *  - "ba:n=1000,m=3": preferential attachment (Barabasi and Albert 1999);
 *  - "er:n=1000,p=0.01" or "er:n=1000,m=5000": random graph (Erdos and Renyi 1959; Gilbert 1959);
 *  - "grid:20x30" or "grid:8x8x8": lattice, not periodic;
 *  - "star:1000", "ring:1000", "full:100": what they say;
 *  - "dictionary:k=10,graphs=1000": the dictionary lookup of Brody et al. (2022, section 4.1).
 * Every graph has k keys, k queries and a directed edge from every key to every query. The vertex
 *    attributes are "graph", "attribute" (0 to k - 1), "value" (0 to k - 1; -1 of a query) and
 *    "label": the value of the query's key, NaN of a key. No two graphs have the same values.
 *  The same recipe and seed give the same graph with the same version of igraph.
 *  @return HEED_ARGUMENT naming the recipe and the part that is wrong */
HEED_API HEED_CHECKED heed_status heed_graph_generate(igraph_t *graph, const char *recipe,
                                                      uint64_t seed);

/** A graph of n_nodes nodes and the edges[n_edges][2] (from, to), numbered as they come.
 *  @return HEED_RANGE naming the edge if an end is not in [0, n_nodes) */
HEED_API HEED_CHECKED heed_status heed_graph_from_edges(igraph_t *graph, int64_t n_nodes,
                                                        const int64_t *edges, int64_t n_edges,
                                                        bool directed);

/** Ends a graph, as igraph_destroy(). */
HEED_API void heed_graph_destroy(igraph_t *graph);

/** Which edges make pairs. An undirected edge gives both pairs whatever the direction. */
typedef enum heed_direction {
  HEED_DIRECTION_IN = 0,  /**< i attends to its in-neighbours: edge j -> i gives (i, j) */
  HEED_DIRECTION_OUT = 1, /**< i attends to its out-neighbours: edge i -> j gives (i, j) */
  HEED_DIRECTION_ALL = 2  /**< both */
} heed_direction;

/** The mask of a graph. Edges that give the same pair are merged, and the pair keeps the ids of
 *  all of them, ascending. Every pair knows its edge ids and origins.
 *  @return HEED_RANGE above 2^31 - 1 nodes, HEED_NOMEM */
HEED_API HEED_CHECKED heed_status heed_mask_from_graph(heed_mask *mask, const igraph_t *graph,
                                                       heed_direction direction,
                                                       heed_loops loops);

/** Orders of nodes that bring together what attention reads together. */
typedef enum heed_order {
  HEED_ORDER_NONE = 0,      /**< as they are */
  HEED_ORDER_DEGREE = 1,    /**< those that most queries see come first */
  HEED_ORDER_RCM = 2,       /**< reverse Cuthill-McKee (Cuthill and McKee 1969; George and Liu 1979) */
  HEED_ORDER_METIS = 3,     /**< parts of 2,048 nodes with few pairs between them, by METIS (Karypis
                                 and Kumar 1998) */
  HEED_ORDER_COMMUNITY = 4, /**< communities within communities (Arai et al. 2016) */
  HEED_ORDER_AUTO = 5       /**< whatever heed_mask_order_auto() finds */
} heed_order;

/** An order of the nodes of a square mask: the node at place p is nodes[p]. heed_mask_permute() with it
 *  for queries and keys gives the mask, heed_rows_gather() the arrays in that order; the results go
 *  back by heed_rows_scatter(). Pairs count in both directions. The order depends on the mask alone,
 *  except that METIS's may be another in another version of METIS.
 *  @param nodes [n_queries], the caller's
 *  @return HEED_SHAPE if the mask is not square, HEED_UNSUPPORTED for METIS in a build without it,
 *  HEED_ARGUMENT for AUTO, HEED_NOMEM, HEED_LIBRARY */
HEED_API HEED_CHECKED heed_status heed_mask_order(const heed_mask *mask, heed_order order,
                                                  int64_t *nodes);

/** The order that should pay, for `passes` forward passes (a backward pass counts as two) that each
 *  read `row_bytes` of a key, keys and values together: COMMUNITY, or NONE where the rows of all keys fit
 *  a cache, where there are too few passes for the time that making the order takes, or where the order
 *  that was made brings too little together. The rule (tests/bench/README.md has the measurements) does
 *  not look at the machine, so that the same call gives the same order everywhere. Never fails for want
 *  of a square mask: NONE.
 *  @param nodes [n_queries], the caller's: the order, ascending numbers for NONE
 *  @param order NONE or COMMUNITY */
HEED_API HEED_CHECKED heed_status heed_mask_order_auto(const heed_mask *mask, size_t row_bytes,
                                                       double passes, int64_t *nodes,
                                                       heed_order *order);

/** Whether this build can order by METIS. */
HEED_API bool heed_order_has_metis(void);

/** Parts of a square mask of about equal numbers of nodes, with few pairs between parts: by METIS (Karypis and
 *  Kumar 1998) from `seed`, or, in a build without it, stretches of the order COMMUNITY. Pairs count in both
 *  directions; of a full mask, one of runs or one without pairs the parts are stretches of nodes as they
 *  are. A part may be empty where there are hardly more nodes than parts. The same mask, parts and seed give the same parts, except that
 *  METIS's may be others in another version of METIS.
 *  @param parts from 1 to the number of nodes, or 1 for a mask without nodes
 *  @param part [n_queries], the caller's: the part of each node, 0 to parts - 1
 *  @return HEED_SHAPE if the mask is not square, HEED_RANGE for such a number of parts, HEED_OVERFLOW for more
 *  pairs than METIS can take, HEED_NOMEM, HEED_LIBRARY */
HEED_API HEED_CHECKED heed_status heed_mask_partition(const heed_mask *mask, int32_t parts, uint64_t seed,
                                                      int32_t *part);

/** Names as the command line has them: "none", "degree", "rcm", "metis", "community", "auto". */
HEED_API const char *heed_order_name(heed_order order);

/** The order of that name.
 *  @return HEED_ARGUMENT, with the names there are */
HEED_API HEED_CHECKED heed_status heed_order_from_name(const char *name, heed_order *order);

/** The first eigenvectors of the symmetric normalised Laplacian I - D^-1/2 A D^-1/2 of each connected component by
 *  itself, by ascending eigenvalue, the first one, which tells nothing (eigenvalue 0), left out. A[i, j] is 1
 *  where (i, j) or (j, i) is a pair, A[i, i] is 0. Through ARPACK (Lehoucq et al. 1998), with a start vector
 *  that depends on the place of a node in its component alone; small components densely, through LAPACK.
 *  Of each column in each component the number of largest magnitude, the first where there are several, is
 *  positive; columns of one component are orthonormal. Vectors of an eigenvalue that occurs several times
 *  are some basis of theirs.
 *  @param mask square; a full one is written out
 *  @param k    at most 1024
 *  @param vectors [n, k], the caller's, the next row `stride` numbers later; a component of m nodes has m - 1,
 *         the other columns are 0
 *  @param values NULL, or [n, k]: the eigenvalues, for every node those of its component; 0 where there are none
 *  @return HEED_SHAPE, HEED_RANGE, HEED_NOMEM, HEED_LIBRARY */
HEED_API HEED_CHECKED heed_status heed_mask_laplacian(const heed_mask *mask, int32_t k, double *vectors,
                                                      int64_t stride, double *values);

/** How an edge weight becomes a bias of the logit. */
typedef enum heed_bias_kind {
  HEED_BIAS_WEIGHT = 0,    /**< the weight itself; 0 for a pair without an edge */
  HEED_BIAS_LOG_WEIGHT = 1 /**< its logarithm, so that exp(logit) is multiplied by the weight; weight
                                1 for a pair without an edge; weights must not be negative */
} heed_bias_kind;

/** bias[n_pairs], the caller's, from the numeric edge attribute `attribute`; merged edges add their
 *  weights.
 *  @return HEED_ARGUMENT if there is no such numeric attribute or the mask does not know its edges,
 *  HEED_VALUE if a weight is not finite (naming the edge), HEED_RANGE if negative for a logarithm
 */
HEED_API HEED_CHECKED heed_status heed_graph_bias(const igraph_t *graph, const heed_mask *mask,
                                                  const char *attribute, heed_bias_kind kind,
                                                  float *bias);

/** What heed_graph_summarise() tells. Degrees count in- and out-edges both; a loop counts twice. */
typedef struct heed_graph_summary {
  int64_t nodes;
  int64_t edges;
  bool directed;
  int64_t loops;       /**< self-loops */
  int64_t multi_edges; /**< edges beyond the first between the same ends */
  int64_t components;  /**< weakly connected */
  int64_t min_degree;
  double median_degree;
  double mean_degree;
  int64_t max_degree;
  int64_t isolated;
  double density;      /**< edges over possible ones without loops; 0 below two nodes */
} heed_graph_summary;

/** Describes a graph. */
HEED_API HEED_CHECKED heed_status heed_graph_summarise(const igraph_t *graph,
                                                       heed_graph_summary *summary);

/** Share of edges (loops left out) whose ends have the same label; edges with a label below 0 at
 *  either end do not count; NaN where no edge counts (Zhu et al. 2020, edge homophily).
 *  @param labels [nodes] */
HEED_API HEED_CHECKED heed_status heed_graph_homophily(const igraph_t *graph,
                                                       const int32_t *labels, double *homophily);

/** One column of numbers out of a numeric or boolean vertex attribute into x[n * stride], n nodes.
 *  @return HEED_ARGUMENT if there is none of that name (naming those there are), HEED_VALUE if a
 *  number is not finite (naming the vertex) */
HEED_API HEED_CHECKED heed_status heed_graph_feature(const igraph_t *graph, const char *attribute,
                                                     float *x, int64_t stride);

/** Labels out of a vertex attribute: its distinct values are numbered in ascending order (numbers
 *  by value, strings by bytes); an empty string or NaN gives -1.
 *  @param labels [nodes], the caller's
 *  @param n_classes number of distinct values */
HEED_API HEED_CHECKED heed_status heed_graph_labels(const igraph_t *graph, const char *attribute,
                                                    int32_t *labels, int32_t *n_classes);

/** Places of the nodes in the plane for a drawing, in no unit: as far apart as they are in the graph
 *  (Kamada and Kawai 1989) or, above 500 nodes, by springs (Fruchterman and Reingold 1991).
 *  @param xy [nodes, 2], the caller's
 *  @return HEED_NOMEM, HEED_LIBRARY */
HEED_API HEED_CHECKED heed_status heed_graph_layout(const igraph_t *graph, uint64_t seed,
                                                    double *xy);

/** Writes GraphML beside `path` and renames it: the graph with its attributes, and for each of
 *  `n_columns` a numeric edge attribute `names[c]` with values columns[c][edges].
 *  @return HEED_IO, and whatever stood at `path` is still there */
HEED_API HEED_CHECKED heed_status heed_graph_write_graphml(const igraph_t *graph, const char *path,
                                                           int n_columns,
                                                           const char *const *names,
                                                           const double *const *columns);

/** The igraph this library runs with, such as "0.10.2". */
HEED_API const char *heed_graph_library(void);

#ifdef __cplusplus
}
#endif

#endif
