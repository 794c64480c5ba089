/* The streams of stream_body.h over rows of bfloat16, compiled once an instruction set. */

static bool narrow_eight_packed(const heed__problem *problem, const heed__task *task,
                                bool segment, const heed__scratch *scratch, const float *shift,
                                float *largest) {
  return stream_by_score(problem, task, segment, scratch, shift, largest, (shape){PACKED, EIGHT, HALF},
                         true);
}

static bool narrow_eight_exact(const heed__problem *problem, const heed__task *task,
                               bool segment, const heed__scratch *scratch, const float *shift,
                               float *largest) {
  return stream_by_score(problem, task, segment, scratch, shift, largest, (shape){PACKED, EIGHT, LANES},
                         true);
}

static bool narrow_eight_whole(const heed__problem *problem, const heed__task *task,
                               bool segment, const heed__scratch *scratch, const float *shift,
                               float *largest) {
  return stream_by_score(problem, task, segment, scratch, shift, largest, (shape){WHOLE, EIGHT, 0},
                         true);
}

static bool narrow_four_packed(const heed__problem *problem, const heed__task *task,
                               bool segment, const heed__scratch *scratch, const float *shift,
                               float *largest) {
  return stream_by_score(problem, task, segment, scratch, shift, largest, (shape){PACKED, FOUR, HALF},
                         true);
}

static bool narrow_four_whole(const heed__problem *problem, const heed__task *task,
                              bool segment, const heed__scratch *scratch, const float *shift,
                              float *largest) {
  return stream_by_score(problem, task, segment, scratch, shift, largest, (shape){WHOLE, FOUR, 0},
                         true);
}

static bool narrow_single(const heed__problem *problem, const heed__task *task,
                          bool segment, const heed__scratch *scratch, const float *shift,
                          float *largest) {
  return stream_by_score(problem, task, segment, scratch, shift, largest, (shape){SINGLE, 1, 0},
                         true);
}

static bool narrow_one_whole(const heed__problem *problem, const heed__task *task,
                             bool segment, const heed__scratch *scratch, const float *shift,
                             float *largest) {
  return stream_by_score(problem, task, segment, scratch, shift, largest, (shape){WHOLE, 1, 0},
                         true);
}

static void sparse_narrow(const heed__problem *problem, const heed__task *task, float *partial,
                          const heed__scratch *scratch) {
  static const stream_function functions[] = {
      [SHAPE_SINGLE] = narrow_single,
      [SHAPE_ONE_WHOLE] = narrow_one_whole,
      [SHAPE_FOUR_PACKED] = narrow_four_packed,
      [SHAPE_FOUR_WHOLE] = narrow_four_whole,
      [SHAPE_EIGHT_PACKED] = EIGHT > FOUR ? narrow_eight_packed : NULL,
      [SHAPE_EIGHT_EXACT] = EIGHT > FOUR ? narrow_eight_exact : NULL,
      [SHAPE_EIGHT_WHOLE] = EIGHT > FOUR ? narrow_eight_whole : NULL,
  };
  shape_name name = stream_shape(problem);
  if (name == SHAPE_OTHER) {
    sparse_any_narrow(problem, task, partial, scratch);
  } else {
    stream_task(functions[name], problem, task, partial, scratch);
  }
}
