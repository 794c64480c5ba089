#!/bin/sh
# Runs test_fetch.py, where there is Python 3 with NumPy.
srcdir=${srcdir:-.}
PYTHON=${PYTHON:-python3}
if ! "$PYTHON" -c 'import sys, numpy; sys.exit(sys.version_info < (3, 8))' 2>/dev/null; then
  echo "skipped: no Python 3.8 or later with NumPy; PYTHON names another one"
  exit 77
fi
HEED=${HEED:-$(pwd)/heed}
export HEED srcdir
exec "$PYTHON" "$srcdir/tests/data/test_fetch.py"
