#!/bin/sh
# Runs the fuzz targets for a moment, side by side, from the test files on, in a build folder made with
# --enable-fuzz; srcdir names the sources. One line a target, its log only where it failed.
set -u
: "${srcdir:=.}"
files=$srcdir/tests/files
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$work/npz" "$work/graph" "$work/recipe" "$work/safetensors" "$work/collection" "$work/mask" \
  "$work/found" ||
  exit 1

cp "$files"/*.npz "$work/npz" || exit 1
rm -f "$work/npz/bad-bomb.npz"
cp "$files"/*.safetensors "$work/safetensors" || exit 1

# The first byte is the format's number in fuzz_graph.c; every file goes in as told by its content
# too.
for file in "$files"/good-* "$files"/bad-*; do
  case $file in
    *.npz | *.png | *.safetensors | *.csv | *.csv.gz | *.sdf | *.tsv | *-pairs | *-agree) continue ;;
    *.graphml) byte='\001' ;;
    *.gml) byte='\002' ;;
    *.net) byte='\003' ;;
    *.dl) byte='\004' ;;
    *.dimacs) byte='\005' ;;
    *.lgl) byte='\006' ;;
    *.ncol) byte='\007' ;;
    *.edges) byte='\010' ;;
    *.graphdb) byte='\011' ;;
    *) byte='\000' ;;
  esac
  name=$(basename "$file")
  for first in "$byte" '\000'; do
    # shellcheck disable=SC2059
    { printf "$first" && cat "$file"; } >"$work/graph/$name.${first#?}" || exit 1
  done
done

# The first byte says what it is, and that bad rows are left out, see fuzz_collection.c.
for file in "$files"/*.csv "$files"/*.csv.gz "$files"/*.sdf; do
  first='\004'
  case $file in *.sdf) first='\005' ;; esac
  # shellcheck disable=SC2059
  { printf "$first" && cat "$file"; } >"$work/collection/$(basename "$file")" || exit 1
done
for folder in "$files"/*-pairs "$files"/*-agree; do
  {
    printf '\002'
    for name in graph_indicator graph_labels A node_labels edge_labels; do
      cat "$folder/pairs_$name.txt" 2>/dev/null
      printf '\036'
    done
  } >"$work/collection/$(basename "$folder")"
done

n=0
for recipe in sbm:n=40,blocks=4,in=0.1,out=0.01 ba:n=20,m=3 er:n=30,p=0.1 er:n=10,m=20 grid:3x4 \
  grid:2x3x4 star:7 ring:5 full:6 ring:2 sbm:n=9,blocks=2,in=2,out=-1 er: karate \
  sbm:n=9,blocks=3,in=0.5,out=0.1,features=2,noise=0.5 dictionary:k=3,graphs=6; do
  n=$((n + 1))
  printf %s "$recipe" >"$work/recipe/$n" || exit 1
done

# The first byte divides the nodes into sets, see fuzz_mask.c.
n=0
for mask in 'graph|khop:2' 'window:2,0+global:1' '!(causal&dilated:4,2)-self' 'grid:3x4,1|axes:1' \
  'shift:3x4,0,-1' 'shift:-1' 'knn:2&random:3' 'block:3|strided:2' 'queries:1..2&keys:3..9' \
  '(full-none)|bipartite:3'; do
  for first in '\000' '\003'; do
    n=$((n + 1))
    # shellcheck disable=SC2059
    { printf "$first" && printf %s "$mask"; } >"$work/mask/$n" || exit 1
  done
done

LSAN_OPTIONS=suppressions=$srcdir/tests/lsan.supp:print_suppressions=0
OMP_NUM_THREADS=1
export LSAN_OPTIONS OMP_NUM_THREADS
targets='npz graph recipe safetensors collection mask'
for name in $targets; do
  program=tests/fuzz/fuzz_$name
  if [ ! -x "$program" ]; then
    echo "fuzz_$name: not built; configure with --enable-fuzz"
    exit 1
  fi
done

# All at once: what one leaves of a processor is another's.
for name in $targets; do
  {
    "tests/fuzz/fuzz_$name" -runs=4000 -seed=1 -max_total_time=20 -timeout=20 -rss_limit_mb=2048 \
      -close_fd_mask=1 -artifact_prefix="fuzz-$name-" -max_len=8192 -print_final_stats=1 \
      "$work/$name" >"$work/log-$name" 2>&1
    echo $? >"$work/status-$name"
  } &
done
wait
failed=0
for name in $targets; do
  status=$(cat "$work/status-$name")
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log-$name")
  echo "fuzz_$name: status ${status:-none}, ${runs:-no} runs"
  if [ "${status:-1}" -ne 0 ] || [ "${runs:-0}" -eq 0 ]; then
    failed=1
    tail -n 60 "$work/log-$name"
  fi
done
exit $failed
