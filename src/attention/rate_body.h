/* What the vector units can do at most: multiply-adds that wait for nothing. */

static double multiply_adds(int64_t steps, float *sink) {
  enum { CHAINS = 12 };
  vf x[CHAINS];
  for (int c = 0; c < CHAINS; c++) x[c] = v_all((float)c);
  vf a = v_all(0.999f), b = v_all(0.001f);
  for (int64_t i = 0; i < steps; i++) {
    for (int c = 0; c < CHAINS; c++) x[c] = v_fma(x[c], a, b);
  }
  vf sum = v_zero();
  for (int c = 0; c < CHAINS; c++) sum = v_add(sum, x[c]);
  v_store_first(sink, sum, 1);
  return 2.0 * (double)steps * CHAINS * LANES;
}
