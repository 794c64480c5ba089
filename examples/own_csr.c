/* A caller's own CSR arrays as the mask, without a copy: a sentence of six words, each seeing
 * itself and the word before it. */
#include <heed.h>
#include <stdio.h>

enum { WORDS = 6, DIM = 4 };

int main(void) {
  const int64_t indptr[WORDS + 1] = {0, 1, 3, 5, 7, 9, 11};
  const int32_t indices[] = {0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5};
  heed_mask mask;
  if (heed_mask_view(&mask, WORDS, WORDS, indptr, indices) != HEED_OK) {
    fprintf(stderr, "own_csr: %s\n", heed_message());
    return 1;
  }

  float x[WORDS * DIM], out[WORDS * DIM], weights[11];
  heed_random_normal(1, 0, x, WORDS * DIM, 0, 1);
  heed_attention_spec spec = heed_attention_spec_default(1, DIM);
  if (heed_attend(&spec, &mask, &(heed_attention_inputs){.query = x, .key = x},
                  &(heed_attention_outputs){.out = out, .weights = weights}) != HEED_OK) {
    fprintf(stderr, "own_csr: %s\n", heed_message());
    return 1;
  }
  for (int i = 0; i < WORDS; i++) {
    printf("word %d:", i);
    for (int64_t p = indptr[i]; p < indptr[i + 1]; p++) {
      printf("  %d (%.3f)", indices[p], (double)weights[p]);
    }
    printf("\n");
  }

  /* A mask with a key that is not there is refused, with the place. */
  const int32_t wrong[] = {0, 0, 1, 1, 2, 2, 3, 3, 9, 4, 5};
  if (heed_mask_view(&mask, WORDS, WORDS, indptr, wrong) == HEED_OK) return 1;
  printf("refused: %s\n", heed_message());
  return 0;
}
