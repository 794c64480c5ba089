/* Masks by an expression: read into steps of a stack machine, then run. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "mask/mask.h"
#include "mask/rules.h"

enum { MOST_STEPS = 128, MOST_DEPTH = 32, MOST_NUMBERS = 6 };

/* What a mask is called in messages: so much of a long expression. */
enum { SHOWN = 60 };

typedef enum step_kind {
  STEP_GRAPH,
  STEP_KHOP,    /* first */
  STEP_RULE,    /* rule */
  STEP_NEAREST, /* first */
  STEP_UNION,
  STEP_INTERSECTION,
  STEP_DIFFERENCE,
  STEP_COMPLEMENT
} step_kind;

typedef struct step {
  step_kind kind;
  int column;
  int64_t first;
  bool grid_of_context; /* the rule's axes and shape are the context's */
  heed__rule rule;
} step;

typedef struct parser {
  const char *text;
  const char *at;
  int depth;
  int n_random;
  int n;
  step steps[MOST_STEPS];
} parser;

/* --- Terms --------------------------------------------------------------------------------- */

typedef enum term_kind {
  TERM_GRAPH,
  TERM_FULL,
  TERM_SELF,
  TERM_KHOP,
  TERM_WINDOW,
  TERM_CAUSAL,
  TERM_DILATED,
  TERM_STRIDED,
  TERM_BLOCK,
  TERM_BIPARTITE,
  TERM_GRID,
  TERM_AXES,
  TERM_SHIFT,
  TERM_GLOBAL,
  TERM_RANDOM,
  TERM_NEAREST,
  TERM_QUERIES,
  TERM_KEYS
} term_kind;

static const struct term {
  const char *name;
  term_kind kind;
  const char *usage;
} terms[] = {{"graph", TERM_GRAPH, "graph"},
             {"khop", TERM_KHOP, "khop:K with K at least 1"},
             {"full", TERM_FULL, "full"},
             {"none", TERM_SELF, "none"},
             {"self", TERM_SELF, "self"},
             {"window", TERM_WINDOW, "window:W or window:L,R"},
             {"causal", TERM_CAUSAL, "causal or causal:W"},
             {"dilated", TERM_DILATED, "dilated:W,STEP with STEP at least 1"},
             {"strided", TERM_STRIDED, "strided:S with S at least 1"},
             {"block", TERM_BLOCK, "block:B with B at least 1"},
             {"grid", TERM_GRID, "grid:HxW,R, or grid:R of a source that is a grid"},
             {"axes", TERM_AXES, "axes:HxW,R, or axes:R of a source that is a grid"},
             {"shift", TERM_SHIFT, "shift:D, or shift:HxW,Y,X"},
             {"global", TERM_GLOBAL, "global:G"},
             {"random", TERM_RANDOM, "random:R"},
             {"knn", TERM_NEAREST, "knn:K"},
             {"bipartite", TERM_BIPARTITE, "bipartite:A"},
             {"queries", TERM_QUERIES, "queries:A..B with A not above B"},
             {"keys", TERM_KEYS, "keys:A..B with A not above B"}};

enum { N_TERMS = sizeof terms / sizeof *terms };

static const char all_terms[] =
    "graph, khop:K, full, none, self, window:W, causal, dilated:W,STEP, strided:S, block:B, "
    "grid:HxW,R, axes:HxW,R, shift:D, global:G, random:R, knn:K, bipartite:A, queries:A..B and "
    "keys:A..B";

/* --- Reading ------------------------------------------------------------------------------- */

static int column(const parser *p, const char *at) { return (int)(at - p->text) + 1; }

#define WRONG(p, at, format, ...)                                                          \
  heed__fail(HEED_ARGUMENT, "mask '%.*s%s', column %d: " format, SHOWN, (p)->text,         \
             strlen((p)->text) > SHOWN ? "..." : "", column(p, at), __VA_ARGS__)

static void skip_spaces(parser *p) {
  while (*p->at == ' ' || *p->at == '\t') p->at++;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return c >= 'a' && c <= 'z'; }

/* What stands at `at`, for a message: into text[8]. */
static const char *shown(const char *at, char *text) {
  unsigned char c = (unsigned char)*at;
  if (c == '\0') return "the end";
  snprintf(text, 8, c < 0x20 || c > 0x7e ? "\\x%02x" : "'%c'", c);
  return text;
}

/* A number, with a sign where that is allowed. */
static heed_status read_number(parser *p, const struct term *term, bool any_sign, int64_t *number) {
  const char *at = p->at;
  char text[8];
  bool minus = any_sign && *p->at == '-';
  if (minus) p->at++;
  if (!is_digit(*p->at)) {
    return WRONG(p, p->at, "%s, where a number of %s has to stand", shown(p->at, text), term->usage);
  }
  int64_t value = 0;
  for (; is_digit(*p->at); p->at++) {
    value = value * 10 + (*p->at - '0');
    if (value > INT32_MAX) {
      return WRONG(p, at, "a number of %s goes up to %d", term->usage, INT32_MAX);
    }
  }
  *number = minus ? -value : value;
  return HEED_OK;
}

/* The numbers behind a name: separated by `x` they are a shape, by commas not. A comma belongs to the term only
 * before a number. */
typedef struct numbers {
  int n_shape; /* 0: there was no x */
  int64_t shape[3];
  int n;
  int64_t at[MOST_NUMBERS];
} numbers;

static heed_status read_numbers(parser *p, const struct term *term, numbers *found) {
  bool any_sign = term->kind == TERM_SHIFT;
  *found = (numbers){0};
  for (;;) {
    const char *at = p->at;
    int64_t number;
    HEED__TRY(read_number(p, term, any_sign, &number));
    bool grid = term->kind == TERM_GRID || term->kind == TERM_AXES || term->kind == TERM_SHIFT;
    if (grid && found->n == 0 && (*p->at == 'x' || found->n_shape > 0)) {
      if (found->n_shape == 3) return WRONG(p, at, "a grid has up to 3 axes: %s", term->usage);
      if (number < 1) return WRONG(p, at, "an axis has at least 1 point, not %lld", (long long)number);
      found->shape[found->n_shape++] = number;
      if (*p->at == 'x') {
        p->at++;
        continue;
      }
      if (*p->at != ',') return WRONG(p, p->at, "a grid's shape alone: %s", term->usage);
      p->at++;
      /* From here on numbers; the first of them ends the shape. */
      HEED__TRY(read_number(p, term, any_sign, &number));
    }
    if (found->n == MOST_NUMBERS) return WRONG(p, at, "too many numbers for %s", term->usage);
    found->at[found->n++] = number;
    bool more = *p->at == ',' && (is_digit(p->at[1]) || (any_sign && p->at[1] == '-'));
    if (!more) return HEED_OK;
    p->at++;
  }
}

static heed_status read_range(parser *p, const struct term *term, numbers *found) {
  *found = (numbers){.n = 2};
  HEED__TRY(read_number(p, term, false, &found->at[0]));
  if (p->at[0] != '.' || p->at[1] != '.') {
    return WRONG(p, p->at, "'..' has to stand between the numbers of %s", term->usage);
  }
  p->at += 2;
  return read_number(p, term, false, &found->at[1]);
}

/* How many numbers a term takes. */
static bool right_count(term_kind kind, const numbers *found) {
  switch (kind) {
    case TERM_GRAPH:
    case TERM_FULL:
    case TERM_SELF: return found->n == 0;
    case TERM_CAUSAL: return found->n <= 1;
    case TERM_WINDOW: return found->n == 1 || found->n == 2;
    case TERM_DILATED:
    case TERM_QUERIES:
    case TERM_KEYS: return found->n == 2;
    case TERM_GRID:
    case TERM_AXES: return found->n == 1 || (found->n == 2 && found->n_shape == 0);
    case TERM_SHIFT: return found->n_shape > 0 ? found->n == found->n_shape : found->n >= 1 && found->n <= 3;
    default: return found->n == 1;
  }
}

static void set_shape(heed__rule *rule, int axes, const int64_t *shape) {
  rule->axes = axes;
  for (int a = 0; a < axes; a++) rule->shape[a] = shape[a];
}

/* The step of a term whose numbers are as many as they should. */
static void make_step(parser *p, step *s, term_kind kind, const numbers *found) {
  heed__rule *rule = &s->rule;
  int64_t first = found->at[0], second = found->at[1];
  s->kind = STEP_RULE;
  s->first = first;
  *rule = (heed__rule){.left = first};
  switch (kind) {
    case TERM_GRAPH: s->kind = STEP_GRAPH; return;
    case TERM_KHOP: s->kind = STEP_KHOP; return;
    case TERM_NEAREST: s->kind = STEP_NEAREST; return;
    case TERM_FULL: rule->kind = HEED__RULE_FULL; return;
    case TERM_SELF: rule->kind = HEED__RULE_WINDOW; return;
    case TERM_WINDOW:
      rule->kind = HEED__RULE_WINDOW;
      rule->right = found->n == 1 ? first : second;
      return;
    case TERM_CAUSAL:
      rule->kind = HEED__RULE_WINDOW;
      if (found->n == 0) rule->left = INT32_MAX;
      return;
    case TERM_DILATED:
      rule->kind = HEED__RULE_DILATED;
      rule->right = first;
      rule->step = second;
      return;
    case TERM_STRIDED:
      rule->kind = HEED__RULE_DILATED;
      rule->left = rule->right = INT32_MAX;
      rule->step = first;
      return;
    case TERM_BLOCK: rule->kind = HEED__RULE_BLOCK; return;
    case TERM_BIPARTITE: rule->kind = HEED__RULE_BIPARTITE; return;
    case TERM_GLOBAL: rule->kind = HEED__RULE_GLOBAL; return;
    case TERM_RANDOM:
      rule->kind = HEED__RULE_RANDOM;
      rule->stream = (uint64_t)p->n_random++;
      return;
    case TERM_QUERIES:
    case TERM_KEYS:
      rule->kind = kind == TERM_QUERIES ? HEED__RULE_QUERIES : HEED__RULE_KEYS;
      rule->right = second;
      return;
    case TERM_GRID:
    case TERM_AXES:
      rule->kind = kind == TERM_GRID ? HEED__RULE_BOX : HEED__RULE_AXES;
      set_shape(rule, found->n_shape, found->shape);
      if (found->n == 2) {
        set_shape(rule, 1, found->at);
        rule->left = second;
      }
      s->grid_of_context = rule->axes == 0;
      return;
    case TERM_SHIFT:
      rule->kind = HEED__RULE_SHIFT;
      rule->left = 0;
      set_shape(rule, found->n_shape, found->shape);
      for (int a = 0; a < found->n && a < 3; a++) rule->offset[a] = found->at[a];
      s->grid_of_context = rule->axes == 0 && found->n > 1;
      s->first = found->n;
      return;
  }
}

static heed_status new_step(parser *p, const char *at, step **result) {
  if (p->n == MOST_STEPS) {
    return WRONG(p, at, "more than %d terms and signs", MOST_STEPS);
  }
  *result = p->steps + p->n++;
  **result = (step){.column = column(p, at)};
  return HEED_OK;
}

static heed_status put(parser *p, const char *at, step_kind kind) {
  step *s = NULL;
  HEED__TRY(new_step(p, at, &s));
  s->kind = kind;
  return HEED_OK;
}

static heed_status read_term(parser *p) {
  const char *at = p->at;
  const struct term *term = NULL;
  char text[8];
  while (is_letter(*p->at)) p->at++;
  int length = (int)(p->at - at);
  if (length == 0) {
    return WRONG(p, at, "%s, where a term has to stand: %s; or ! or (", shown(at, text), all_terms);
  }
  for (int t = 0; t < N_TERMS; t++) {
    if (strlen(terms[t].name) == (size_t)length && memcmp(terms[t].name, at, (size_t)length) == 0) {
      term = &terms[t];
    }
  }
  if (term == NULL) {
    return WRONG(p, at, "'%.*s' is no term; there are %s", length > SHOWN ? SHOWN : length, at, all_terms);
  }
  numbers found = {0};
  if (*p->at == ':') {
    p->at++;
    if (term->kind == TERM_GRAPH || term->kind == TERM_FULL || term->kind == TERM_SELF) {
      return WRONG(p, p->at - 1, "%s takes no number", term->usage);
    }
    bool range = term->kind == TERM_QUERIES || term->kind == TERM_KEYS;
    HEED__TRY(range ? read_range(p, term, &found) : read_numbers(p, term, &found));
  }
  bool right = right_count(term->kind, &found);
  bool one = term->kind == TERM_KHOP || term->kind == TERM_STRIDED || term->kind == TERM_BLOCK;
  if (one) right = right && found.at[0] >= 1;
  if (term->kind == TERM_DILATED) right = right && found.at[1] >= 1;
  if (term->kind == TERM_QUERIES || term->kind == TERM_KEYS) right = right && found.at[0] <= found.at[1];
  if (!right) return WRONG(p, at, "it has to be %s", term->usage);
  step *s = NULL;
  HEED__TRY(new_step(p, at, &s));
  make_step(p, s, term->kind, &found);
  return HEED_OK;
}

static heed_status read_sum(parser *p);

/* A term or what stands in parentheses, with any number of `!` before it. */
static heed_status read_factor(parser *p) {
  const char *first = p->at;
  int signs = 0;
  for (skip_spaces(p); *p->at == '!'; skip_spaces(p)) {
    p->at++;
    signs++;
  }
  if (*p->at == '(') {
    const char *open = p->at++;
    if (++p->depth > MOST_DEPTH) return WRONG(p, open, "more than %d parentheses deep", MOST_DEPTH);
    HEED__TRY(read_sum(p));
    if (*p->at == '\0') return WRONG(p, open, "%s that is not closed", "'('");
    p->at++; /* read_sum() ends at nothing else within parentheses */
    p->depth--;
  } else {
    HEED__TRY(read_term(p));
  }
  skip_spaces(p);
  return signs % 2 == 1 ? put(p, first, STEP_COMPLEMENT) : HEED_OK;
}

static heed_status read_product(parser *p) {
  HEED__TRY(read_factor(p));
  while (*p->at == '&') {
    const char *at = p->at++;
    HEED__TRY(read_factor(p));
    HEED__TRY(put(p, at, STEP_INTERSECTION));
  }
  return HEED_OK;
}

/* Ends at the end, or within parentheses at the closing one. */
static heed_status read_sum(parser *p) {
  char text[8];
  HEED__TRY(read_product(p));
  while (*p->at == '|' || *p->at == '+' || *p->at == '-') {
    const char *at = p->at++;
    HEED__TRY(read_product(p));
    HEED__TRY(put(p, at, *at == '-' ? STEP_DIFFERENCE : STEP_UNION));
  }
  if (*p->at == '\0') return HEED_OK;
  if (*p->at == ')') return p->depth > 0 ? HEED_OK : WRONG(p, p->at, "%s without '('", "')'");
  return WRONG(p, p->at, "%s, where |, +, -, &%s or the end may stand", shown(p->at, text),
               p->depth > 0 ? ", )" : "");
}

static heed_status parse(parser *p, const char *text) {
  p->text = p->at = text;
  p->depth = p->n = p->n_random = 0;
  if (text == NULL) return heed__fail(HEED_ARGUMENT, "mask: no expression");
  return read_sum(p);
}

/* --- What it needs ------------------------------------------------------------------------- */

/* Whether edges stand behind pairs after the last step. */
static bool has_edges(const parser *p) {
  bool stack[MOST_STEPS];
  int n = 0;
  for (int s = 0; s < p->n; s++) {
    step_kind kind = p->steps[s].kind;
    if (kind < STEP_UNION) {
      stack[n++] = kind == STEP_GRAPH || kind == STEP_KHOP;
    } else if (kind == STEP_COMPLEMENT) {
      stack[n - 1] = false;
    } else {
      n--;
      if (kind != STEP_DIFFERENCE) stack[n - 1] = stack[n - 1] || stack[n];
    }
  }
  return stack[0];
}

heed_status heed_mask_expression_check(const char *expression, heed_mask_needs *needs) {
  parser p;
  if (needs != NULL) *needs = (heed_mask_needs){0};
  HEED__TRY(parse(&p, expression));
  if (needs == NULL) return HEED_OK;
  for (int s = 0; s < p.n; s++) {
    const step *one = &p.steps[s];
    needs->graph = needs->graph || one->kind == STEP_GRAPH || one->kind == STEP_KHOP;
    needs->features = needs->features || one->kind == STEP_NEAREST;
    needs->grid = needs->grid || one->grid_of_context;
  }
  needs->random = p.n_random > 0;
  needs->edges = has_edges(&p);
  return HEED_OK;
}

/* --- Making -------------------------------------------------------------------------------- */

/* A mask, or the complement of one that nobody has had to write down yet. */
typedef struct value {
  heed_mask mask; /* owns nothing where it is the context's graph */
  bool negated;
} value;

static heed__sets sets_of(const heed_mask_context *context) {
  return (heed__sets){context->n_queries, context->n_keys, context->n_sets, context->set_ptr};
}

static heed_status make_rule(heed_mask *mask, const step *s, const heed_mask_context *context) {
  heed__sets sets = sets_of(context);
  heed__rule rule = s->rule;
  rule.seed = context->seed;
  if (s->grid_of_context) {
    if (context->grid_axes < 1 || context->grid_axes > 3) {
      return heed__fail(HEED_ARGUMENT, "there is no grid here: give its shape, as in grid:28x28,1");
    }
    if (rule.kind == HEED__RULE_SHIFT && s->first != context->grid_axes) {
      return heed__fail(HEED_SHAPE, "a shift by %lld numbers on a grid of %d axes",
                        (long long)s->first, context->grid_axes);
    }
    set_shape(&rule, context->grid_axes, context->grid);
  }
  HEED__TRY(heed__mask_from_rule(mask, &rule, &sets));
  bool loops = context->n_queries == context->n_keys; /* two sets of nodes have none */
  if (rule.kind != HEED__RULE_FULL || !context->drop_loops || !loops) return HEED_OK;
  heed_mask full = *mask, self;
  heed__rule alone = {.kind = HEED__RULE_WINDOW};
  *mask = (heed_mask){0};
  heed_status status = heed__mask_from_rule(&self, &alone, &sets);
  if (status == HEED_OK) status = heed_mask_difference(mask, &full, &self);
  heed_mask_free(&self);
  heed_mask_free(&full);
  return status;
}

static heed_status make_term(heed_mask *mask, const step *s, const heed_mask_context *context) {
  heed__sets sets = sets_of(context);
  *mask = (heed_mask){0};
  if (s->kind == STEP_RULE) return make_rule(mask, s, context);
  if (s->kind == STEP_NEAREST) {
    if (context->features == NULL) return heed__fail(HEED_ARGUMENT, "there are no features here");
    return heed__mask_nearest(mask, context->features, s->first, &sets);
  }
  const heed_mask *graph = context->graph;
  if (graph == NULL) return heed__fail(HEED_ARGUMENT, "there is no graph here");
  if (graph->n_queries != context->n_queries || graph->n_keys != context->n_keys) {
    return heed__fail(HEED_SHAPE, "the graph has %lld queries and %lld keys, not %lld and %lld",
                      (long long)graph->n_queries, (long long)graph->n_keys,
                      (long long)context->n_queries, (long long)context->n_keys);
  }
  if (s->kind == STEP_KHOP) return heed_mask_khop(mask, graph, (int)s->first);
  *mask = *graph;
  mask->owned = NULL;
  return HEED_OK;
}

/* All pairs within sets that are not in the mask; frees it. */
static heed_status complement(heed_mask *mask, const heed_mask_context *context) {
  heed__sets sets = sets_of(context);
  heed__rule rule = {.kind = HEED__RULE_FULL};
  heed_mask all, before = *mask;
  *mask = (heed_mask){0};
  heed_status status = heed__mask_from_rule(&all, &rule, &sets);
  if (status == HEED_OK) status = heed_mask_difference(mask, &all, &before);
  heed_mask_free(&all);
  heed_mask_free(&before);
  return status;
}

/* a = a `kind` b. A complement stays one as long as that is possible: !a & !b = !(a | b), a & !b = a - b, and so
 * on; only beside a mask that knows its edges, which a union keeps, is it written down. */
static heed_status combine(value *a, const value *b, step_kind kind,
                           const heed_mask_context *context) {
  heed_mask x = a->mask, y = b->mask, other = {0};
  bool not_x = a->negated, not_y = b->negated, not = false;
  heed_status status = HEED_OK;
  a->mask = (heed_mask){0};
  if (kind == STEP_DIFFERENCE) {
    not_y = !not_y;
    kind = STEP_INTERSECTION;
  }
  if (kind == STEP_UNION && not_x != not_y && (not_x ? y : x).edge_ids != NULL) {
    heed_mask *written = not_x ? &x : &other;
    if (not_y) {
      other = y;
      other.owned = NULL; /* the caller frees b */
    }
    status = complement(written, context);
    if (not_y) y = other;
    not_x = not_y = false;
  }
  if (kind == STEP_UNION) { /* x | y = !(!x & !y) */
    not_x = !not_x;
    not_y = !not_y;
    not = true;
  }
  if (status == HEED_OK && not_x && not_y) {
    status = heed_mask_union(&a->mask, &x, &y);
    not = !not;
  } else if (status == HEED_OK && not_x) {
    status = heed_mask_difference(&a->mask, &y, &x);
  } else if (status == HEED_OK && not_y) {
    status = heed_mask_difference(&a->mask, &x, &y);
  } else if (status == HEED_OK) {
    status = heed_mask_intersection(&a->mask, &x, &y);
  }
  a->negated = not;
  heed_mask_free(&x);
  heed_mask_free(&other);
  return status;
}

static heed_status check_context(const heed_mask_context *context) {
  HEED__TRY(heed__mask_check_sizes(context->n_queries, context->n_keys));
  if (context->n_sets == 0) return HEED_OK;
  if (context->n_sets < 0 || context->set_ptr == NULL || context->set_ptr[0] != 0) {
    return heed__fail(HEED_ARGUMENT, "mask: %lld sets without pointers that begin at 0",
                      (long long)context->n_sets);
  }
  for (int64_t s = 0; s < context->n_sets; s++) {
    if (context->set_ptr[s + 1] >= context->set_ptr[s]) continue;
    return heed__fail(HEED_RANGE, "mask: set %lld ends at %lld, before its start %lld", (long long)s,
                      (long long)context->set_ptr[s + 1], (long long)context->set_ptr[s]);
  }
  int64_t n = context->set_ptr[context->n_sets];
  if (n == context->n_queries && n == context->n_keys) return HEED_OK;
  return heed__fail(HEED_SHAPE, "mask: sets of %lld nodes for %lld queries and %lld keys",
                    (long long)n, (long long)context->n_queries, (long long)context->n_keys);
}

/* What is left of the stack becomes the result: written down, the caller's own, and full or of runs where it
 * can be. */
static heed_status finish(heed_mask *mask, value *last, const heed_mask_context *context) {
  if (last->negated) HEED__TRY(complement(&last->mask, context));
  *mask = last->mask;
  if (mask->owned == NULL && !heed_mask_is_full(mask)) {
    heed_mask view = *mask;
    HEED__TRY(heed__mask_copy(mask, &view));
  }
  HEED__TRY(heed__mask_settle(mask));
  if (!heed__mask_is_runs(mask) || mask->n_queries == 0) return HEED_OK;
  int64_t pairs;
  if (__builtin_mul_overflow(mask->n_queries, mask->n_keys, &pairs) || pairs != mask->n_pairs) {
    return HEED_OK;
  }
  heed_mask_free(mask);
  return heed_mask_full(mask, context->n_queries, context->n_keys);
}

heed_status heed_mask_from_expression(heed_mask *mask, const char *expression,
                                      const heed_mask_context *context) {
  parser p;
  value stack[MOST_STEPS];
  int n = 0;
  *mask = (heed_mask){0};
  HEED__TRY(check_context(context));
  HEED__TRY(parse(&p, expression));
  heed_status status = HEED_OK;
  for (int s = 0; s < p.n && status == HEED_OK; s++) {
    const step *one = &p.steps[s];
    if (one->kind < STEP_UNION) {
      stack[n].negated = false;
      status = make_term(&stack[n++].mask, one, context);
    } else if (one->kind == STEP_COMPLEMENT) {
      stack[n - 1].negated = !stack[n - 1].negated;
    } else {
      n--;
      status = combine(&stack[n - 1], &stack[n], one->kind, context);
      heed_mask_free(&stack[n].mask);
    }
    if (status == HEED_OK || status == HEED_NOMEM) continue;
    status = heed__fail(status, "mask '%.*s%s', column %d: %s", SHOWN, expression,
                        strlen(expression) > SHOWN ? "..." : "", one->column, heed_message());
  }
  if (status == HEED_OK) return finish(mask, &stack[0], context);
  while (n > 0) heed_mask_free(&stack[--n].mask);
  return status;
}
