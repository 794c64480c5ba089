# The keys that programs rely on.
. "$LIB"
"$HEED" attend karate --kernel sparse --repeat 3 --threads 2 --json - > a
mask_json < a
for k in seconds_median seconds_min peak_extra_bytes; do
  awk -v v="$(key $k < a)" -v k=$k 'BEGIN { print k, (v > 0 ? "positive" : v) }'
done
"$HEED" attend karate --json - > a
grep -c predicted a
key kernel_asked < a
