# Whole graphs: folds, the same results from 1 and 2 threads and from the command that results.json names.
. "$LIB"
tudataset RINGS 24 edges
options="--model transformer --blocks MSP --hidden 16 --heads 2 --epochs 25 --batch 8 --lr 0.005"
# shellcheck disable=SC2086
"$HEED" train RINGS $options --folds 4 --threads 1 --output a > text || echo failed
files a
sed -n '/^splits/,/^$/p' text
for name in graphs skipped nodes edges features edge_features task classes metric best_epoch; do
  echo $name "$(key $name < a/results.json | sort -u | tr '\n' ' ' | sed 's/[0-9][0-9 ]* $/#/')" |
    sed "s/^best_epoch.*/best_epoch #/"
done
for name in seed split epochs pooling edges batch split; do
  echo $name "$(key $name < a/results.json | tr '\n' ' ')"
done
key test_mean < a/results.json | awk '{ print ($1 > 0.85 ? "learnt" : $1) }'
# shellcheck disable=SC2086
"$HEED" train RINGS $options --folds 4 --threads 2 --output b > text || echo failed
mask_times < a/results.json > a.masked
mask_times < b/results.json | cmp - a.masked && echo same
cmp a/model.safetensors b/model.safetensors
cmp a/history.csv b/history.csv
command=$(sed -n 's/.*"command": "\(.*\)"$/\1/p' b/results.json)
eval "\"\$HEED\" ${command#heed} --output d" > text
mask_times < d/results.json | cmp - a.masked && echo same
# Every seed draws a split of its own; the same seed alone draws the same.
"$HEED" train RINGS --model gat --layers 1 --epochs 3 --seeds 4,7 --output e > text || echo failed
"$HEED" train RINGS --model gat --layers 1 --epochs 3 --seed 7 --output f > text || echo failed
key split < e/results.json | tr '\n' ' '
key by_seed < e/results.json
key test < e/results.json | sed -n '$p' > one
key test < f/results.json | sed -n '$p' | cmp - one && echo same
# Other splits by number, other tasks, other models.
for more in "--split random --splits 0-2 --pooling sum" "--split stratified --metric roc-auc --pooling max" \
  "--folds 5 --splits 1,3 --model mlp" "--edges bias --mask khop:2 --model gatv2" "--edge-set --batch 0" \
  "--mask full --loss binary-cross-entropy --metric macro-f1" "--mask none --loops drop" \
  "--blocks MPS --pool-seeds 3 --pooling none"; do
  echo "$more"
  # shellcheck disable=SC2086
  "$HEED" train RINGS --model transformer --blocks MM --hidden 8 --heads 2 --epochs 2 $more --output g > text ||
    echo failed
  for name in split metric loss pooling edges mask pairs; do
    echo $name "$(key $name < g/results.json | tr '\n' ' ')"
  done
done
