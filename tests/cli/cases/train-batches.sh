# Mini-batches of one graph: drawn neighbours, whole parts, the same from 1 and 2 threads, and what makes no sense.
. "$LIB"
graph="sbm:n=400,blocks=3,in=0.08,out=0.004,features=8,noise=2"
options="--model gat --hidden 16 --heads 2 --lr 0.02 --epochs 40 --dropout 0.1 --attn-dropout 0.1 --label block"
while read -r more; do
  echo "$more"
  # shellcheck disable=SC2086
  "$HEED" train "$graph" $options $more --output out > text || cat text
  for name in batch fanout clusters batch_clusters; do
    echo $name "$(key $name < out/results.json)"
  done
  key test_mean < out/results.json | awk '{ print ($1 > 0.85 ? "learnt" : $1) }'
done << END
--fanout 5
--fanout 4,all --batch 64
--batch 50
--clusters 12 --batch-clusters 3
END
# shellcheck disable=SC2086
"$HEED" train "$graph" $options --fanout 4,3 --batch 32 --threads 1 --output one > text || echo failed
# shellcheck disable=SC2086
"$HEED" train "$graph" $options --fanout 4,3 --batch 32 --threads 2 --output two > text || echo failed
cmp one/model.safetensors two/model.safetensors && cmp one/history.csv two/history.csv && echo same
"$HEED" predict "$graph" --model one/model.safetensors --label block > text || cat text
# shellcheck disable=SC2086
bad() { try train star:20 --model gat --layers 2 --label block "$@" --output no; }
bad --fanout ten
bad --fanout 10,
bad --fanout -2
bad --clusters 0
bad --clusters 5 --fanout 3
bad --clusters 5 --batch 3
bad --batch-clusters 3
bad --clusters 3 --batch-clusters 4
quiet train karate --model gat --layers 2 --fanout 3,3,3 --epochs 1 --output no
quiet train karate --model gat --layers 2 --clusters 35 --epochs 1 --output no
tudataset RINGS 8
try train RINGS --model gat --fanout 3 --output no
