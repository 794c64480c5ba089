# Cases beside their floors; nothing here depends on how long anything takes.
. "$LIB"
"$HEED" bench --graph random:n=40,degree=5,full:30,karate --graph window:n=20,width=6 --score dot,gat \
  --heads 2 --size 4 --pass forward,backward,both --kernel sparse,dense --threads 1,2 --repeat 2 \
  --budget 0 --json a.json --figure a.svg > text
figure a.svg
key graph < a.json | uniq -c | sed 's/^ *//'
key pairs < a.json | uniq
for name in score pass kernel heads size repeats; do key $name < a.json | sort | uniq -c | sed 's/^ *//'; done
for name in ms seconds_median seconds_min seconds_max ns_per_pair gflops gbytes floor_ms floor_fraction operations \
  exponentials streamed_bytes peak_extra_bytes; do
  key $name < a.json | awk -v name=$name '$1 > 0 { n++ } END { print name, n }'
done
grep -c -e '^cases' -e '^arithmetic' -e '^memory (GB/s)' text
# A mask of one's own, and as many repeats as a budget allows: three at least.
"$NPZ" make karate gatv2 2 4 own.npz mask
"$HEED" bench --graph own.npz --score gatv2 --pass forward --budget 0 --json - | key '\(pairs\|repeats\)'
# About as many pairs as asked for, and the same for the same seed.
for name in first again; do
  "$HEED" bench --graph power:n=500,pairs=3000 --seed 1 --score gat --pass forward --repeat 1 --budget 0 --json - |
    key pairs > $name
done
awk '{ print ($1 > 2700 && $1 <= 3000 ? "about 3000" : $1) }' first
cmp first again
# The machine.
"$HEED" bench --machine --threads 1 --budget 0 --json b.json --figure b.svg > text
figure b.svg
key level < b.json
for name in vector_gflops product_gflops exponentials stream_gbytes gather_gbytes_32 gather_gbytes_256 \
  gather_gbytes_512 gather_gbytes_2048; do
  key $name < b.json | awk -v name=$name '$1 > 0 { n++ } END { print name, n }'
done
