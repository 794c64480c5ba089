#!/bin/sh
# What `make install` installs is enough: a program builds against it through pkg-config alone and
# runs. Without an argument: installs into a folder of its own (DESTDIR), uninstalls at the end and
# looks for leftovers. With --installed ROOT: takes what `make install DESTDIR=ROOT` put there.
set -u
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
: "${prefix:?}" "${bindir:?}" "${libdir:?}" "${pkgconfigdir:?}"

fail() {
  echo "$*"
  exit 1
}

staged=no
root=${2:-}
if [ "${1:-}" != --installed ]; then
  staged=yes
  root=$work/root
  # The options of the make above us are not for this one, nor is its job server.
  unset MAKEFLAGS MFLAGS MAKELEVEL
  ${MAKE:-make} install "DESTDIR=$root" >"$work/log" 2>&1 || {
    cat "$work/log"
    fail "make install failed"
  }
fi

# In a staged tree heed.pc speaks of the place where it will be.
[ -e "$root$pkgconfigdir/heed.pc" ] || fail "no heed.pc in $root$pkgconfigdir"
mkdir "$work/pc"
sed "s|^\([a-z_]*\)=/|\1=$root/|" "$root$pkgconfigdir/heed.pc" >"$work/pc/heed.pc"
PKG_CONFIG_PATH=$work/pc${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export PKG_CONFIG_PATH

cat >"$work/user.c" <<'END'
#include <heed.h>
#include <stdio.h>

int main(void) {
  float a[4] = {1, 2, 3, 4}, c[4];
  heed_matrix in = heed_matrix_view(a, 2, 2), out = heed_matrix_view(c, 2, 2);
  if (heed_matmul(false, false, 1, &in, &in, 0, &out) != HEED_OK) return 1;
  if (c[0] != 7 || c[1] != 10 || c[2] != 15 || c[3] != 22) return 2;
  igraph_t graph;
  if (igraph_empty(&graph, 3, IGRAPH_UNDIRECTED) != IGRAPH_SUCCESS) return 3;
  igraph_destroy(&graph);
  puts(heed_version());
  return 0;
}
END
pkg_config=${PKG_CONFIG:-pkg-config}
# Flags are lists of words.
# shellcheck disable=SC2046,SC2086
${CC:-cc} ${CFLAGS:-} ${SANITIZE_CFLAGS:-} ${OPENMP_CFLAGS:-} "$work/user.c" -o "$work/user" \
  $($pkg_config --cflags --libs heed) || fail "a program does not build against heed.pc"
LD_LIBRARY_PATH=$root$libdir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
said=$("$work/user") || fail "a program does not run against the installed library: status $?"
[ "$said" = "$($pkg_config --modversion heed)" ] ||
  fail "the library says version $said, heed.pc $($pkg_config --modversion heed)"
"$root$bindir/heed" --version >"$work/version" </dev/null || fail "the installed heed does not run"
grep -q "$said" "$work/version" || fail "heed --version says $(cat "$work/version"), not $said"

if [ $staged = yes ]; then
  ${MAKE:-make} uninstall "DESTDIR=$root" >"$work/log" 2>&1 || {
    cat "$work/log"
    fail "make uninstall failed"
  }
  left=$(find "$root" ! -type d)
  [ -z "$left" ] || fail "make uninstall left: $left"
fi
exit 0
