#!/bin/sh
# libheed.so exports the HEED_API functions of include/heed/*.h and nothing else. The comparison
# is first tried on lists that are wrong.
set -u
srcdir=${srcdir:-.}
if [ -n "${SANITIZE_CFLAGS:-}" ]; then
  echo "SKIP: sanitizers export symbols of their own"
  exit 77
fi
library=.libs/libheed.so
if [ ! -e $library ]; then
  echo "SKIP: no $library"
  exit 77
fi

# The functions declared HEED_API in the given headers.
declared() {
  for header; do
    sed '/^[[:space:]]*#/d' "$header" | tr '\n' ' ' |
      sed 's|/\*[^*]*\*\{1,\}\([^/*][^*]*\*\{1,\}\)*/||g' | tr ';' '\n' |
      sed -n 's/.*HEED_API[^(]*[ *]\(heed_[A-Za-z0-9_]*\) *(.*/\1/p'
  done | sort
}

# But for the linker's own names, which it exports where a library that is linked in has them too (Indigo).
exported() {
  ${NM:-nm} -D --defined-only "$1" | awk '{ print $NF }' | sed 's/@.*//' |
    grep -vx -e __bss_start -e _edata -e _end | sort
}

# compare DECLARED EXPORTED: says what is wrong.
compare() {
  bad=0
  for name in $(comm -23 "$1" "$2"); do
    echo "$name: declared HEED_API, not exported"
    bad=1
  done
  for name in $(comm -13 "$1" "$2"); do
    echo "$name: exported, not declared HEED_API in a public header"
    bad=1
  done
  if grep -vE '^heed_[a-z0-9]' "$2"; then
    echo "exported, but not a public name"
    bad=1
  fi
  return $bad
}

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
status=0
printf '%s\n' heed_a heed_b >"$work/good"
printf '%s\n' heed_a >"$work/missing"
printf '%s\n' heed_a heed_b heed_c >"$work/more"
printf '%s\n' heed__x heed_a heed_b >"$work/internal"
printf '%s\n' foreign heed_a heed_b >"$work/foreign"
compare "$work/good" "$work/good" || { echo "equal lists differ" && status=1; }
for wrong in missing more; do
  compare "$work/good" "$work/$wrong" >/dev/null && echo "not noticed: $wrong" && status=1
done
for wrong in internal foreign; do
  compare "$work/$wrong" "$work/$wrong" >/dev/null && echo "not noticed: $wrong" && status=1
done

declared "$srcdir"/include/heed/*.h >"$work/declared"
exported $library >"$work/exported"
if ! grep -q '^heed_version$' "$work/declared" || ! grep -q '^heed_version$' "$work/exported"; then
  echo "heed_version is missing from a list: this test does not see"
  status=1
fi
marks=$(cat "$srcdir"/include/heed/*.h | grep -c '^HEED_API ')
if [ "$marks" != "$(wc -l <"$work/declared" | tr -d ' ')" ]; then
  echo "HEED_API stands $marks times in the headers, but $(wc -l <"$work/declared") names were found"
  status=1
fi
compare "$work/declared" "$work/exported" || status=1
exit $status
