# A model predicts what it did in training, from what its file says of the data.
. "$LIB"
"$HEED" train sbm:n=60,blocks=3,in=0.4,out=0.05,features=6 --seed 5 --model transformer --blocks MSM \
  --hidden 8 --heads 2 --epochs 60 --mask khop:2 --loops drop --features row-normalize --splits 2 \
  --output out > text
"$HEED" predict sbm:n=60,blocks=3,in=0.4,out=0.05,features=6 --model out/model.safetensors \
  --output p.npz --weights --json p.json > text
key test < p.json > a
key test < out/results.json | cmp - a && echo same
key validation < p.json > a
key val < out/results.json | cmp - a && echo same
key mask < p.json
"$NPZ" show p.npz
"$NPZ" sums p.npz attention_0 && "$NPZ" sums p.npz attention_2 && echo sums
"$NPZ" print p.npz labels | tr ' ' '\n' | sort -u | grep -c .
grep -o '{"array.*}' p.json
# Another mask, another seed: other predictions.
"$HEED" predict sbm:n=60,blocks=3,in=0.4,out=0.05,features=6 --model out/model.safetensors \
  --mask none --output q.npz > text
"$NPZ" same p.npz q.npz logits 1e-3 > text || echo other
# No labels, no accuracy.
"$HEED" train karate --model gat --hidden 8 --epochs 2 --output k > text
"$HEED" predict ring:34 --model k/model.safetensors --json r.json > text
grep -c accuracy r.json
