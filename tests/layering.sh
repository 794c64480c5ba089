#!/bin/sh
# The tower stands: a room includes only itself and rooms before it in ROOMS of Makefile.am, a
# library is used only in the room that owns it, and the command uses public headers only. With
# the tree as it is the test passes; copies with one bad #include each must fail.
set -u
srcdir=${srcdir:-.}

# Prints what is wrong in the tree $1; fails if anything is.
look() {
  rooms=$(sed -n 's/^ROOMS *= *//p' "$1/Makefile.am")
  (cd "$1" && find src include -type f ! -name '*.mk' ! -name '*~' -exec grep -n \
    '^[[:space:]]*#[[:space:]]*include' /dev/null {} +) | awk -v rooms="$rooms" '
    function complain(why) { print file ":" line ": " why; bad = 1 }
    # The floor of a room, from 1; 0 for what is no room.
    function floor_of(room) { return room in floors ? floors[room] : 0 }
    function only(pattern, library, allowed) {
      if (header ~ pattern && index(" " allowed " ", " " here " ") == 0)
        complain("<" header "> in room " here ": " library " belongs to " allowed)
    }
    BEGIN {
      n = split(rooms, names, " ")
      for (i = 1; i <= n; i++) floors[names[i]] = i
      if (n < 2) { print "Makefile.am: no ROOMS"; bad = 1 }
    }
    {
      split($0, part, ":")
      file = part[1]
      line = part[2]
      text = substr($0, length(file) + length(line) + 3)
      if (file == "include/heed.h") next
      if (file ~ /^include\/heed\//) { here = file; sub(/^include\/heed\//, "", here); sub(/\.h$/, "", here) }
      else if (file ~ /^src\//) { split(file, part, "/"); here = part[2] }
      else { complain("not in a room"); next }
      if (here == "version") here = "base"
      if (floor_of(here) == 0) { complain("room " here " is not in ROOMS"); next }
      files++

      header = text
      sub(/^[[:space:]]*#[[:space:]]*include[[:space:]]*["<]/, "", header)
      sub(/[">].*/, "", header)
      quoted = text ~ /include[[:space:]]*"/
      if (quoted) {
        if (header == "config.h") next
        if (header !~ /\//) { complain("\"" header "\": write \"ROOM/" header "\""); next }
        there = header
        sub(/\/.*/, "", there)
        if (file ~ /^include\//) complain("a public header includes the private \"" header "\"")
        else if (floor_of(there) == 0) complain("\"" header "\": " there " is not in ROOMS")
        else if (floor_of(there) > floor_of(here)) complain("\"" header "\" is above room " here)
        else if (here == "cli" && there != "cli") complain("the command uses the private \"" header "\"")
        next
      }
      if (header == "heed.h" && here != "cli") complain("<heed.h> is above room " here)
      if (header ~ /^heed\//) {
        there = header
        sub(/^heed\//, "", there)
        sub(/\.h$/, "", there)
        if (there == "version") there = "base"
        if (floor_of(there) == 0) complain("<" header ">: " there " is not in ROOMS")
        else if (floor_of(there) > floor_of(here)) complain("<" header "> is above room " here)
      }
      only("^Random123/", "Random123", "base")
      only("^(oneapi/|dnnl|(.*/)?cblas|blis)", "the matrix library", "matrix")
      only("^igraph", "igraph", "graph")
      only("^([a-z]*intrin\\.h|arm_)", "SIMD", "attention")
      only("^zip(conf)?\\.h", "libzip", "data")
      only("^(zlib|zconf)\\.h", "zlib", "graph data")
      only("^indigo", "Indigo", "data")
      only("^jansson", "Jansson", "data report")
      only("^argp\\.h", "argp", "cli")
    }
    END {
      if (files == 0) { print "no #include found"; bad = 1 }
      exit bad
    }'
}

copy=$(mktemp -d) || exit 99
trap 'rm -rf "$copy"' EXIT
status=0
look "$srcdir" || status=1

# A bad line in a file of the copy must be found.
must_fail() {
  rm -rf "$copy/tree"
  mkdir "$copy/tree" || exit 99
  cp -R "$srcdir/src" "$srcdir/include" "$srcdir/Makefile.am" "$copy/tree" || exit 99
  chmod -R u+w "$copy/tree"
  echo "$2" >>"$copy/tree/$1"
  if ! look "$copy/tree" | grep -q "^$1:"; then
    echo "not noticed: $2 in $1"
    status=1
  fi
}
must_fail src/base/clock.c '#include "matrix/product.h"'
must_fail src/base/clock.c '#include <heed/graph.h>'
must_fail src/base/clock.c '# include <heed.h>'
must_fail src/base/clock.c '#include "status.h"'
must_fail src/base/clock.c '#include "nowhere/x.h"'
must_fail src/base/clock.c '#include <jansson.h>'
must_fail src/matrix/dense.c '#include <Random123/philox.h>'
must_fail src/graph/graph.c '#include <oneapi/dnnl/dnnl.h>'
must_fail src/graph/graph.c '#include <openblas/cblas.h>'
must_fail src/graph/graph.c '#include <immintrin.h>'
must_fail src/attention/attention.c '#include <igraph.h>'
must_fail src/report/report.c '#include <zip.h>'
must_fail src/report/report.c '#include <zlib.h>'
must_fail src/report/report.c '#include <indigo.h>'
must_fail src/data/data.c '#include <argp.h>'
must_fail src/cli/main.c '#include "base/alloc.h"'
must_fail include/heed/mask.h '#include <heed/attention.h>'
must_fail include/heed/mask.h '#include "base/alloc.h"'
must_fail include/heed/data.h '#include <igraph.h>'
must_fail include/heed/lost.h '#include <stdio.h>'
exit $status
