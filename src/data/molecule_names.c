/* The built-in molecules by name. */
#include <heed/data.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/status.h"
#include "data/molecules.h"

/* The next field of a row of our own file, which quotes only names with commas; past it. */
static const char *field(const char *at, const char **text, size_t *n) {
  bool quoted = *at == '"';
  *text = at + quoted;
  *n = strcspn(*text, quoted ? "\"" : ",\n");
  at = *text + *n + quoted;
  return at + (*at == ',');
}

heed_status heed_molecule_find(const char *name, char *smiles, size_t size) {
  size_t bytes, n;
  const char *text, *all = heed__molecules_csv(&bytes);
  for (const char *at = strchr(all, '\n') + 1; *at != '\0'; at = strchr(at, '\n') + 1) {
    const char *rest = field(at, &text, &n);
    if (strlen(name) != n || strncasecmp(text, name, n) != 0) continue;
    (void)field(rest, &text, &n);
    if (n >= size) {
      return heed__fail(HEED_RANGE, "%s: a SMILES string of %zu bytes, and room for %zu", name, n,
                        size);
    }
    memcpy(smiles, text, n);
    smiles[n] = '\0';
    return HEED_OK;
  }
  return heed__fail(HEED_ARGUMENT, "no built-in molecule is called '%s'", name);
}
