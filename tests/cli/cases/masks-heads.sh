# Heads with masks of their own.
. "$LIB"
model='--model transformer --blocks MSM --hidden 8 --heads 4 --epochs 3 --seed 4'
# shellcheck disable=SC2086
"$HEED" train karate $model --mask 'graph*2/full*1/window:2,1|random:2*1' --output out > text || echo failed
key mask < out/results.json
grep '^pairs' text
"$HEED" predict karate --model out/model.safetensors --weights --output p.npz | grep -E '^mask|^pairs'
"$NPZ" show p.npz
"$HEED" predict karate --model out/model.safetensors --mask 'graph' --output q.npz > text || echo failed
"$NPZ" same p.npz q.npz logits 1e-6 > text || echo other
"$HEED" predict karate --model out/model.safetensors --mask 'graph*2/full*1/window:2,1|random:2*1' --output r.npz > text
"$NPZ" same p.npz r.npz logits 0
# shellcheck disable=SC2086
"$HEED" compare karate --train $model --masks 'graph*2/full*2,graph,full' --seeds 0 --output c > text || echo failed
grep -E '^ *(graph|full)' text | awk '{ print $1, $2 }' | sort -u
for mask in 'graph*2/full*3' 'graph*2/full' 'graph*2/' 'graph*0' 'grap*2/full*2' 'full*x' 'full*2x'; do
  # shellcheck disable=SC2086
  quiet train karate $model --mask "$mask" --output out
done
quiet attend karate --heads 6 --mask 'graph*4/full*4'
quiet info karate --masks 'graph*4/full*4,graph*4/full'
quiet info karate --masks 'graph*4/full*5'
quiet compare karate --masks 'graph*4/full*5'

# Attention: every head gives what it gives in a run of its own, weights are 0 where it does not see a pair.
for mask in graph full window:2,1 'graph*1/full*1/window:2,1*2'; do
  "$HEED" attend karate --heads 4 --dim 2 --mask "$mask" --kernel sparse --weights --output "$(echo "$mask" | tr -d '*/,:').npz" \
    > text || echo failed
done
sed -n '/^groups/,/^$/p' text
"$NPZ" show graph1full1window212.npz
"$NPZ" sums graph1full1window212.npz && echo 'sums of one'
"$NPZ" floats graph1full1window212.npz out > all
for mask in graph full window21; do "$NPZ" floats $mask.npz out > $mask; done
# Rows of `out` are node after node, head after head.
close() {
  paste -d ' ' "$1" "$2" | awk '{ for (i = 1; i <= NF / 2; i++) { d = $i - $(i + NF / 2); if (d * d > 1e-10) far = 1 } }
    END { print (far || NR == 0 ? "far apart" : "as alone") }'
}
awk 'NR % 4 == 1' graph > x && awk 'NR % 4 == 1' all > y && close x y
awk 'NR % 4 == 2' full > x && awk 'NR % 4 == 2' all > y && close x y
awk 'NR % 4 == 3 || NR % 4 == 0' window21 > x && awk 'NR % 4 == 3 || NR % 4 == 0' all > y && close x y
"$NPZ" floats full.npz weights | awk '{ print $2 }' > x
"$NPZ" floats graph1full1window212.npz weights | awk '{ print $2 }' > y && close x y
"$NPZ" floats graph1full1window212.npz weights | awk '$1 > 0 { n++ } END { print n }'
# Half the heads over what the others see too: the mean over the heads on an edge.
"$HEED" attend karate --heads 2 --mask 'graph*1/graph*1' --weights --output m.npz --graphml m.xml > text || echo failed
"$HEED" attend karate --heads 2 --mask graph --weights --output n.npz --graphml n.xml > text || echo failed
"$NPZ" same m.npz n.npz weights 1e-6 && "$NPZ" same m.npz n.npz out 1e-6 && echo same
sed 's/\.\([0-9]\{5\}\)[0-9]*/.\1/g' m.xml > m; sed 's/\.\([0-9]\{5\}\)[0-9]*/.\1/g' n.xml | cmp - m && echo 'the same graph'
printf 'a b 0.5\nb c 2\nc d 1\n' > some.ncol
for mask in graph 'graph*1/graph*1'; do
  "$HEED" attend some.ncol --heads 2 --mask "$mask" --edge-weight weight --weights \
    --output "w$(echo "$mask" | tr -d '*/')".npz > text || echo failed
done
"$NPZ" same wgraph.npz wgraph1graph1.npz weights 1e-6 && echo 'the same with edge weights'
quiet attend karate --heads 2 --mask 'graph*1/full*1' --reorder rcm
"$NPZ" make karate dot 2 3 in.npz bias
quiet attend karate --mask 'graph*1/full*1' --input in.npz
"$NPZ" make karate dot 2 3 in.npz
quiet attend - --mask 'window:2*1/full*1' --input in.npz
quiet attend - --mask 'window:2*1/graph*1' --input in.npz

# Descriptions and comparisons.
"$HEED" info karate --masks 'graph*4/full*4' | sed -n '/^masks/,/^$/p' | awk '{ print $1, $2 }'
"$HEED" compare karate --masks 'graph*4/full*4,graph,full' --repeat 1 --kernels sparse > text || echo failed
sed -n '/^weights/,/^$/p' text | awk '{ print $1, $2, $3 }'
sed -n '/^weights/,/^$/p' text | awk '
  $1 ~ /^graph\*/ { e = $4; s = $7 }
  $1 == "graph" { g = $4; h = $7 }
  $1 == "full" { f = $4; print (2 * e - g - f < 0.02 && 2 * e - g - f > -0.02 ? "entropy between" : e " " g " " f),
    (2 * s - h - 1 < 0.01 && 2 * s - h - 1 > -0.01 ? "share between" : s " " h) }'

# Collections: training, the same from 1 and 2 threads, and prediction.
tudataset RINGS 24 edges
many='--model transformer --blocks MSM --hidden 8 --heads 4 --epochs 4 --seed 4 --batch 7 --pooling mean'
for threads in 1 2; do
  # shellcheck disable=SC2086
  "$HEED" train RINGS $many --mask 'graph*2/full*1/window:1|self*1' --threads $threads --output g$threads > text || echo failed
done
cmp g1/model.safetensors g2/model.safetensors && cmp g1/history.csv g2/history.csv && echo 'the same model'
key mask < g1/results.json
key edges < g1/results.json | head -n 1
grep '^pairs' text
"$HEED" predict RINGS --model g1/model.safetensors --json p.json --output g.npz > text || echo failed
key test < p.json | sed -n '$p' > a
key test < g1/results.json | sed -n '$p' | cmp - a && echo 'the same test'
grep -E '^mask|^pairs' text
"$HEED" predict RINGS --model g1/model.safetensors --mask graph --output h.npz > text || echo failed
"$NPZ" same g.npz h.npz logits 1e-6 > text || echo other
# Heads that all know of edges take their features.
# shellcheck disable=SC2086
"$HEED" train RINGS $many --mask 'graph*2/khop:2*2' --output e > text || echo failed
key edges < e/results.json | head -n 1
"$HEED" predict RINGS --model e/model.safetensors --output e.npz > text || echo failed
"$HEED" predict RINGS --model e/model.safetensors --mask 'graph*2/full*2' --output f.npz > text || echo failed
"$NPZ" same e.npz f.npz logits 1e-6 > text || echo other
# shellcheck disable=SC2086
quiet train RINGS $many --mask 'graph*2/full*1' --output no
# shellcheck disable=SC2086
"$HEED" compare RINGS --train $many --masks 'graph*2/full*2,graph' --seeds 0 --json c.json > text || echo failed
key pairs < c.json | sort -u | wc -l
"$HEED" info RINGS --masks 'graph*2/full*2' | sed -n '/^masks/,/^$/p' | awk '{ print $1, $2 }'

# Mini-batches of one graph.
graph="sbm:n=300,blocks=3,in=0.08,out=0.004,features=8,noise=2"
small='--model transformer --blocks MM --hidden 16 --heads 4 --lr 0.02 --epochs 30 --label block'
for more in '--clusters 10 --batch-clusters 3' '--fanout 5 --batch 64' '--batch 32'; do
  # shellcheck disable=SC2086
  "$HEED" train "$graph" $small $more --mask 'graph*3/khop:2*1' --output mini > text || cat text
  key test_mean < mini/results.json | awk '{ print ($1 > 0.8 ? "learnt" : $1) }'
done
