#!/bin/sh
# Each public header compiles alone, twice over, in C11 and in C++17, without a warning. A header
# that needs another one before it must fail.
set -u
srcdir=${srcdir:-.}
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
warn='-Wall -Wextra -Werror -fsyntax-only'

# The flags are lists of words.
# shellcheck disable=SC2086,SC2317
in_c() {
  printf '#include <%s>\n#include <%s>\nint main(void) { return 0; }\n' "$1" "$1" >"$work/x.c"
  ${CC:-cc} -std=c11 $warn -I"$srcdir/include" -I"$work" ${IGRAPH_CFLAGS:-} "$work/x.c"
}
# shellcheck disable=SC2086,SC2317
in_cxx() {
  printf '#include <%s>\n#include <%s>\nint main() { return 0; }\n' "$1" "$1" >"$work/x.cc"
  ${CXX:-c++} -std=c++17 $warn -I"$srcdir/include" -I"$work" ${IGRAPH_CFLAGS:-} "$work/x.cc"
}

status=0
languages=in_c
echo 'int main() { return 0; }' >"$work/try.cc"
if ${CXX:-c++} -std=c++17 -fsyntax-only "$work/try.cc" >"$work/out" 2>&1; then
  languages="in_c in_cxx"
fi
echo 'static inline size_t heed_bad(void) { return 0; }' >"$work/bad.h"
for language in $languages; do
  for header in heed.h $(cd "$srcdir/include" && ls heed/*.h); do
    if ! $language "$header" >"$work/out" 2>&1; then
      echo "$language: <$header> does not compile alone:"
      cat "$work/out"
      status=1
    fi
  done
  if $language bad.h >"$work/out" 2>&1; then
    echo "$language: a bad header was not noticed"
    status=1
  fi
done
if [ $status = 0 ] && [ "$languages" = in_c ]; then
  echo "SKIP: no C++ compiler; in C all is well"
  exit 77
fi
exit $status
