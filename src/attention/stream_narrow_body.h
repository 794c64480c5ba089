/* The streams of stream_body.h over rows of bfloat16, compiled once an instruction set. */

static void narrow_eight_packed(const heed__problem *problem, const heed__task *task,
                                float *partial, const heed__scratch *scratch) {
  stream_by_score(problem, task, partial, scratch, (shape){PACKED, EIGHT, HALF}, true);
}

static void narrow_eight_whole(const heed__problem *problem, const heed__task *task, float *partial,
                               const heed__scratch *scratch) {
  stream_by_score(problem, task, partial, scratch, (shape){WHOLE, EIGHT, 0}, true);
}

static void narrow_four_packed(const heed__problem *problem, const heed__task *task, float *partial,
                               const heed__scratch *scratch) {
  stream_by_score(problem, task, partial, scratch, (shape){PACKED, FOUR, HALF}, true);
}

static void narrow_four_whole(const heed__problem *problem, const heed__task *task, float *partial,
                              const heed__scratch *scratch) {
  stream_by_score(problem, task, partial, scratch, (shape){WHOLE, FOUR, 0}, true);
}

static void narrow_single(const heed__problem *problem, const heed__task *task, float *partial,
                          const heed__scratch *scratch) {
  stream_by_score(problem, task, partial, scratch, (shape){SINGLE, 1, 0}, true);
}

static void narrow_one_whole(const heed__problem *problem, const heed__task *task, float *partial,
                             const heed__scratch *scratch) {
  stream_by_score(problem, task, partial, scratch, (shape){WHOLE, 1, 0}, true);
}

static void sparse_narrow(const heed__problem *problem, const heed__task *task, float *partial,
                          const heed__scratch *scratch) {
  static const task_function functions[] = {
      [SHAPE_OTHER] = sparse_any_narrow,
      [SHAPE_SINGLE] = narrow_single,
      [SHAPE_ONE_WHOLE] = narrow_one_whole,
      [SHAPE_FOUR_PACKED] = narrow_four_packed,
      [SHAPE_FOUR_WHOLE] = narrow_four_whole,
      [SHAPE_EIGHT_PACKED] = narrow_eight_packed,
      [SHAPE_EIGHT_WHOLE] = narrow_eight_whole,
  };
  functions[stream_shape(problem)](problem, task, partial, scratch);
}
