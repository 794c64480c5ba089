/* Attention can be a convolution (Cordonnier et al. 2020): with a head for each of the K^2 pixels
 * of a kernel, each attending to the pixel at its own offset, and a linear layer over the heads,
 * which holds the kernel. Once each head's mask says where to look, and the equality is exact; once
 * relative positions do, by the quadratic encoding, and it holds up to rounding. An argument is the
 * size of the image. */
#include <heed.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { K = 3, HEADS = K * K, IN = 4, OUT = 5, PATCH = HEADS * IN };

static void check(heed_status status) {
  if (status == HEED_OK) return;
  fprintf(stderr, "convolution: %s\n", heed_message());
  exit(1);
}

static float *numbers(int64_t n) {
  float *x = calloc((size_t)n, sizeof *x);
  if (x == NULL) exit(1);
  return x;
}

/* The linear layer over the heads of one pixel, or the kernel over the pixel's neighbourhood. */
static void apply(const float *patch, const float *kernel, float *out) {
  for (int o = 0; o < OUT; o++) {
    float sum = 0;
    for (int p = 0; p < PATCH; p++) sum += patch[p] * kernel[o * PATCH + p];
    out[o] = sum;
  }
}

/* The largest difference from the convolution over the pixels inside the border of zeros. */
static double difference(const float *heads, const float *kernel, const float *image,
                         int64_t side) {
  double largest = 0;
  for (int64_t y = 1; y < side - 1; y++) {
    for (int64_t x = 1; x < side - 1; x++) {
      float patch[PATCH], convolved[OUT], attended[OUT];
      for (int64_t h = 0; h < HEADS; h++) {
        const float *pixel = image + ((y + h / K - 1) * side + x + h % K - 1) * IN;
        for (int c = 0; c < IN; c++) patch[h * IN + c] = pixel[c];
      }
      apply(patch, kernel, convolved);
      apply(heads + (y * side + x) * PATCH, kernel, attended);
      for (int o = 0; o < OUT; o++)
        largest = fmax(largest, fabs((double)convolved[o] - (double)attended[o]));
    }
  }
  return largest;
}

int main(int argc, char **argv) {
  int64_t side = 2 + (argc > 1 ? atol(argv[1]) : 10), n = side * side, shape[] = {side, side};
  if (side < 3 || side > 200) return fprintf(stderr, "convolution: a size from 1 to 198\n"), 1;
  float *image = numbers(n * IN), *values = numbers(n * PATCH), *heads = numbers(n * PATCH);
  float *kernel = numbers(OUT * PATCH), *none = numbers(n * HEADS), *one = numbers(n * IN);
  heed_random_normal(1, 0, kernel, OUT * PATCH, 0, 1);
  for (int64_t y = 1; y < side - 1; y++) { /* a border of zeros */
    heed_random_normal(1, (uint64_t)y, image + (y * side + 1) * IN, (side - 2) * IN, 0, 1);
  }
  for (int64_t i = 0; i < n * PATCH; i++) values[i] = image[i / PATCH * IN + i % IN];

  /* A mask of one pixel for each head: a softmax over one pair is 1, whatever the score. */
  for (int h = 0; h < HEADS; h++) {
    heed_mask shift;
    heed_attention_spec spec = heed_attention_spec_default(1, 1);
    spec.value_dim = IN;
    check(heed_mask_shift(&shift, 2, shape, (const int64_t[]){h / K - 1, h % K - 1}));
    check(heed_attend(&spec, &shift,
                      &(heed_attention_inputs){.query = none, .key = none, .value = image},
                      &(heed_attention_outputs){.out = one}));
    for (int64_t i = 0; i < n * IN; i++) heads[i / IN * PATCH + h * IN + i % IN] = one[i];
    heed_mask_free(&shift);
  }
  double exact = difference(heads, kernel, image, side);

  /* Everybody sees everybody, and the logit of a pair at offset d is -alpha |d - centre of the
   * head|^2. */
  heed_mask full, pairs;
  check(heed_mask_full(&full, n, n));
  check(heed_mask_explicit(&pairs, &full));
  int32_t *places = malloc((size_t)n * 2 * sizeof *places);
  float *offsets = numbers(pairs.n_pairs * 3);
  if (places == NULL) return 1;
  check(heed_grid_coordinates(2, shape, places));
  check(heed_pairs_quadratic(&pairs, places, 2, offsets));
  heed_attention_spec spec = heed_attention_spec_default(HEADS, 1);
  spec.value_dim = IN;
  spec.edge_dim = 3;
  printf("%lld x %lld pixels, %d channels to %d, a kernel of %d x %d: %d heads\n",
         (long long)side - 2, (long long)side - 2, IN, OUT, K, K, HEADS);
  printf("a mask of one pixel a head:               largest difference %g\n", exact);
  double relative = 0;
  for (int strength = 5; strength <= 20; strength += 5) {
    float alpha[HEADS], centres[HEADS * 2], weights[HEADS * 3], edge_bias[3 * HEADS];
    for (int h = 0; h < HEADS; h++) {
      alpha[h] = (float)strength;
      centres[2 * h] = (float)(h / K - 1);
      centres[2 * h + 1] = (float)(h % K - 1);
    }
    heed_quadratic_weights(HEADS, 2, alpha, centres, weights);
    for (int i = 0; i < 3 * HEADS; i++) edge_bias[i] = weights[i % HEADS * 3 + i / HEADS];
    const heed_attention_inputs in = {
        .query = none, .key = none, .value = values, .edges = offsets, .edge_bias = edge_bias};
    check(heed_attend(&spec, &pairs, &in, &(heed_attention_outputs){.out = heads}));
    relative = difference(heads, kernel, image, side);
    printf("quadratic relative positions, alpha %2d:   largest difference %g\n", strength,
           relative);
  }
  free(image);
  free(values);
  free(heads);
  free(kernel);
  free(none);
  free(one);
  free(places);
  free(offsets);
  heed_mask_free(&full);
  heed_mask_free(&pairs);
  return exact != 0 || relative > 1e-4;
}
