#!/bin/sh
# Runs the command's cases: tests/cli/cases/NAME.sh, each in a folder of its own, with $HEED, the
# command, and $NPZ, the helper. What it says must be NAME.out and NAME.err, its exit status what
# NAME.status holds; a file that is not there stands for nothing said, and for 0. Status 77 stands for a
# case that this build cannot run; the last thing it says is why.
# Usage: run.sh [--update] [NAME...]; with --update what comes out becomes what is expected.
srcdir=${srcdir:-.}
cases=$(cd "$srcdir/tests/cli/cases" && pwd) || exit 99
HEED=${HEED:-$(pwd)/heed}
NPZ=${NPZ:-$(pwd)/tests/cli/npz}
LIB=$(cd "$srcdir/tests/cli" && pwd)/lib.sh
export HEED NPZ LIB
LC_ALL=C
export LC_ALL
unset ARGP_HELP_FMT POSIXLY_CORRECT HEED_ISA

update=no
if [ "$1" = --update ]; then
  update=yes
  shift
fi
if [ $# -eq 0 ]; then
  set -- "$cases"/*.sh
fi

folder=$(mktemp -d) || exit 99
trap 'rm -rf "$folder"' EXIT
trap 'exit 99' HUP INT TERM
failed=0

# A gnuplot that is always there: what the real one draws is tests/report's business.
printf '#!/bin/sh\ncat > /dev/null\necho "<svg/>"\n' > "$folder/gnuplot"
chmod +x "$folder/gnuplot"
HEED_GNUPLOT=$folder/gnuplot
export HEED_GNUPLOT
# A neato likewise, which keeps what it is to draw where HEED_DOT says.
printf '#!/bin/sh\ncat > "${HEED_DOT:-/dev/null}"\necho "<svg/>"\n' > "$folder/neato"
chmod +x "$folder/neato"
HEED_NEATO=$folder/neato
export HEED_NEATO
without_figures=no
if "$HEED" --version | grep -q 'without gnuplot'; then without_figures=yes; fi

# expect KIND: what came out against what is expected.
expect() {
  if [ $update = yes ]; then
    if [ -s "$folder/$1" ]; then cp "$folder/$1" "$cases/$name.$1"; else rm -f "$cases/$name.$1"; fi
    return 0
  fi
  if [ -f "$cases/$name.$1" ]; then wanted=$cases/$name.$1; else wanted=/dev/null; fi
  diff -u "$wanted" "$folder/$1"
}

for case in "$@"; do
  name=$(basename "$case" .sh)
  rm -rf "$folder/work"
  mkdir "$folder/work" || exit 99
  (cd "$folder/work" && exec sh "$cases/$name.sh") > "$folder/out" 2> "$folder/err" < /dev/null
  status=$?
  if [ $status -eq 77 ]; then
    echo "skipped: $name: $(tail -n 1 "$folder/out")"
    continue
  fi
  if [ $without_figures = yes ]; then
    sed '/^heed: no figure /d' "$folder/err" > "$folder/kept"
    mv "$folder/kept" "$folder/err"
  fi
  : > "$folder/status"
  [ $status -eq 0 ] || echo $status > "$folder/status"
  bad=
  for kind in out err status; do
    expect $kind || bad="$bad $kind"
  done
  if [ -z "$bad" ]; then
    echo "ok: $name"
  else
    echo "FAILED: $name: not the expected$bad"
    failed=$((failed + 1))
  fi
done
[ $failed -eq 0 ] || echo "$failed of $# cases failed"
[ $failed -eq 0 ]
