/* How the rows of a mask are divided: into tasks of about equal work, and into diagonals that share no key. */
#include "attention/plan.h"
#include "base/alloc.h"
#include "base/status.h"

/* Pairs of which a task has at least some, so that taking it costs next to nothing, and rows, which
 * cost something even when empty. Fixed, for the bits must not depend on the threads. */
enum { TASK_WORK = 2048, ROW_WORK = 4, LEAST_TASK_WORK = 256, TASKS_WANTED = 64 };

static int64_t row_end(const heed_mask *mask, int64_t i) {
  return mask->indptr == NULL ? (i + 1) * mask->n_keys : mask->indptr[i + 1];
}

/* Cuts the rows into tasks of about equal work; a long row becomes segments, unless rows stay whole.
 * Run twice: to count, and with `tasks` and `cuts` to fill in. */
static heed__counts walk_rows(const heed_mask *mask, bool whole_rows, heed__task *tasks,
                              heed__cut *cuts) {
  heed__counts d = {0, 0, 0};
  int64_t work;
  if (__builtin_mul_overflow(mask->n_queries, (int64_t)ROW_WORK, &work) ||
      __builtin_add_overflow(work, mask->n_pairs, &work)) {
    work = INT64_MAX;
  }
  int64_t target = work / TASKS_WANTED;
  target = target < LEAST_TASK_WORK ? LEAST_TASK_WORK : target > TASK_WORK ? TASK_WORK : target;
  /* Rows of a full mask are all alike: where they are many they need not be cut. */
  bool alike = mask->indptr == NULL && mask->n_queries >= 4 * TASKS_WANTED;
  int64_t longest = alike || whole_rows ? INT64_MAX : SEGMENT_PAIRS;
  int64_t i = 0, pair = 0;
  while (i < mask->n_queries) {
    int64_t end = row_end(mask, i);
    if (end - pair > longest) {
      if (cuts != NULL) cuts[d.cuts] = (heed__cut){i, d.tasks, 0};
      int64_t n = 0;
      for (; pair < end; pair += SEGMENT_PAIRS, n++) {
        int64_t segment_end = end - pair < SEGMENT_PAIRS ? end : pair + SEGMENT_PAIRS;
        if (tasks != NULL) {
          tasks[d.tasks] = (heed__task){i, i + 1, pair, segment_end, d.segments};
        }
        d.tasks++;
        d.segments++;
      }
      if (cuts != NULL) cuts[d.cuts].n_tasks = n;
      d.cuts++;
      pair = end;
      i++;
      continue;
    }
    int64_t first = i, first_pair = pair;
    for (int64_t done = 0; i < mask->n_queries && done < target; i++) {
      end = row_end(mask, i);
      if (end - pair > longest) break;
      done += end - pair + ROW_WORK;
      pair = end;
    }
    if (tasks != NULL) tasks[d.tasks] = (heed__task){first, i, first_pair, pair, -1};
    d.tasks++;
  }
  return d;
}

/* The most that walk_rows() can come to within a mask's sizes. A row that is cut has more than
 * SEGMENT_PAIRS pairs, so it has at most one segment more than its share of the pairs. A task of whole
 * rows ends where the rows end, before a row that is cut, or with a target of work done, of which there
 * are 64 and a part at most, or as many as TASK_WORK goes into the work. */
static heed__counts most_counts(const heed_mask *sizes, bool whole_rows) {
  int64_t cuts = whole_rows ? 0 : sizes->n_pairs / (SEGMENT_PAIRS + 1);
  if (cuts > sizes->n_queries) cuts = sizes->n_queries;
  int64_t segments = whole_rows ? 0 : sizes->n_pairs / SEGMENT_PAIRS + cuts;
  int64_t tasks = sizes->n_pairs / TASK_WORK + ROW_WORK * (sizes->n_queries / TASK_WORK + 1) +
                  TASKS_WANTED + 3 + cuts;
  if (tasks > sizes->n_queries) tasks = sizes->n_queries;
  return (heed__counts){tasks + segments, cuts, segments};
}

heed__counts heed__divide_count(const heed_mask *mask) { return walk_rows(mask, false, NULL, NULL); }

heed_status heed__divide_again(heed__division *division, const heed_mask *mask, bool whole_rows,
                               const heed__counts *most) {
  heed__counts d = walk_rows(mask, whole_rows, NULL, NULL);
  if (d.tasks > most->tasks || d.cuts > most->cuts || d.segments > most->segments) {
    return heed__fail(HEED_SHAPE,
                      "a mask of %lld queries and %lld pairs needs %lld tasks, %lld are reserved",
                      (long long)mask->n_queries, (long long)mask->n_pairs, (long long)d.tasks,
                      (long long)most->tasks);
  }
  division->n_tasks = d.tasks;
  division->n_cuts = d.cuts;
  division->n_segments = d.segments;
  (void)walk_rows(mask, whole_rows, division->tasks, division->cuts);
  return HEED_OK;
}

heed_status heed__divide_most(heed__division *division, const heed_mask *sizes, bool whole_rows,
                              heed__counts *most) {
  *most = most_counts(sizes, whole_rows);
  division->n_segments = most->segments;
  division->tasks = heed__alloc((size_t)most->tasks, sizeof *division->tasks);
  division->cuts = heed__alloc((size_t)most->cuts, sizeof *division->cuts);
  return division->tasks == NULL || division->cuts == NULL ? HEED_NOMEM : HEED_OK;
}

heed_status heed__divide(heed__division *division, const heed_mask *mask) {
  heed__counts d = heed__divide_count(mask);
  division->n_tasks = d.tasks;
  division->n_cuts = d.cuts;
  division->n_segments = d.segments;
  division->tasks = heed__alloc((size_t)d.tasks, sizeof *division->tasks);
  division->cuts = heed__alloc((size_t)d.cuts, sizeof *division->cuts);
  if (division->tasks == NULL || division->cuts == NULL) return HEED_NOMEM;
  (void)walk_rows(mask, false, division->tasks, division->cuts);
  return HEED_OK;
}

void heed__division_free(heed__division *division) {
  heed__free(division->tasks);
  heed__free(division->cuts);
}

int64_t heed__diagonals_most(const heed_mask *mask) {
  return mask->indptr != NULL ? mask->n_queries : mask->n_queries > 0;
}

/* A stack: a row that sees a key before the end of the last diagonal joins it, and others with it. */
int64_t heed__cut_diagonals(const heed_mask *mask, heed__diagonal *to) {
  int64_t n = 0;
  if (mask->indptr == NULL) {
    if (mask->n_queries > 0) to[n++] = (heed__diagonal){0, 0, (int32_t)mask->n_keys};
  }
  for (int64_t i = 0; mask->indptr != NULL && i < mask->n_queries; i++) {
    int64_t p = mask->indptr[i], end = mask->indptr[i + 1];
    int32_t last = n > 0 ? to[n - 1].end_key : 0; /* a row that sees nothing */
    heed__diagonal row = {i, last, last};
    if (end > p && mask->starts != NULL) {
      row = (heed__diagonal){i, mask->starts[i], (int32_t)(mask->starts[i] + (end - p))};
    } else if (end > p) {
      row = (heed__diagonal){i, mask->indices[p], mask->indices[end - 1] + 1};
    }
    while (n > 0 && row.first_key < to[n - 1].end_key) {
      n--;
      row.first_row = to[n].first_row;
      if (to[n].first_key < row.first_key) row.first_key = to[n].first_key;
      if (to[n].end_key > row.end_key) row.end_key = to[n].end_key;
    }
    to[n++] = row;
  }
  to[n] = (heed__diagonal){mask->n_queries, 0, 0};
  return n;
}
