# The machine is measured when asked.
. "$LIB"
"$HEED" info karate --machine --json - > a
grep -c -e vector_gflops -e product_gflops -e gather_gbytes a
