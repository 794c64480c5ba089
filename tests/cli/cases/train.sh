# What a folder gets; the same results from 1 and 2 threads and from the command it names.
. "$LIB"
options="--model gat --layers 2 --hidden 8 --heads 2 --lr 0.01 --epochs 30 --patience 0"
# shellcheck disable=SC2086
"$HEED" train karate $options --seeds 0-2 --splits 0,3 --threads 1 --output new/a > text || echo failed
files new/a
figure new/a/curves.svg
head -n 1 new/a/history.csv
cut -d, -f1-4 new/a/history.csv | sed -n '2p;31p;32p;181p'
wc -l < new/a/history.csv | tr -d ' '
key dataset < new/a/results.json
key metric < new/a/results.json | sort -u
for name in seed split epochs; do key $name < new/a/results.json | tr '\n' ' '; echo; done
for name in test_mean test_std val_mean ms_per_epoch peak_bytes parameters stopped; do
  key $name < new/a/results.json | awk -v n=$name '{ print n, ($1 + 0 > 0 ? "number" : $1) }'
done
sed -n '/^runs/,/^$/p' text | awk '{ print NF }' | tr '\n' ' '
echo
# shellcheck disable=SC2086
"$HEED" train karate $options --seeds 0-2 --splits 0,3 --threads 2 --output b --json c > text
mask_times < new/a/results.json > a.masked
mask_times < b/results.json | cmp - a.masked && echo same
cmp new/a/model.safetensors b/model.safetensors
cmp new/a/history.csv b/history.csv
command=$(sed -n 's/.*"command": "heed \(.*\)"$/\1/p' b/results.json)
# shellcheck disable=SC2086
"$HEED" $command --output d > text
mask_times < d/results.json | cmp - a.masked && echo same
