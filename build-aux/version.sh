#!/bin/sh
# Prints the version written in include/heed/version.h; works without git and without a build.
header=$(dirname "$0")/../include/heed/version.h
sed -n 's/^#define HEED_VERSION_\(MAJOR\|MINOR\|PATCH\) \([0-9]*\)$/\2/p' "$header" |
  tr '\n' '.' | sed 's/\.$//' | tr -d '\n'
