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
quiet attend karate --mask 'graph*4/full*4'
quiet info karate --masks 'graph*4/full*4'
