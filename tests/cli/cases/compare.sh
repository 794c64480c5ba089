# Rows for masks and kernels; kernels agree; skipped ones say why.
. "$LIB"
"$HEED" compare karate --score gatv2 --heads 2 --dim 4 --repeat 2 --json a.json > text
key mask < a.json
key kernel < a.json
for v in $(key largest_relative < a.json); do
  case $v in null) echo none ;; *) awk -v v="$v" 'BEGIN { print (v < 1e-5 ? "small" : v) }' ;; esac
done
# The first mask agrees with itself; full attention gives all its weight to the full mask.
printf "%.4f\n" "$(key agreement < a.json | head -n 1)"
printf "%.4f\n" "$(key full_share < a.json | tail -n 1)"
grep -c '"runs"' a.json
grep -c -e '"entropy"' a.json
for v in $(key entropy_ratio < a.json); do
  awk -v v="$v" 'BEGIN { print (v > 0.5 && v < 1.0001 ? "likely" : v) }'
done
grep -c -e '^kernels' -e '^weights and outputs' text
# Nothing fits in no time.
"$HEED" compare karate --budget 0 --kernels sparse,dense --masks graph --json b.json > text
grep -c 'skipped: two runs would take' b.json
grep full_note b.json | sed -E "s/[0-9.e-]+ s,/# s,/"
