# A model of whole graphs predicts what it did in training; classes keep their names.
. "$LIB"
tudataset RINGS 20 edges
"$HEED" train RINGS --model transformer --blocks MSP --hidden 8 --heads 2 --epochs 20 --seed 3 \
  --output out > text || echo failed
"$HEED" predict RINGS --model out/model.safetensors --output p.csv --json p.json > text || echo failed
for part in test val; do
  case $part in val) name=validation ;; *) name=$part ;; esac
  key $name < p.json | sed -n '$p' > a
  key $part < out/results.json | sed -n '$p' | cmp - a && echo same
done
head -n 1 p.csv
wc -l < p.csv | tr -d ' '
sed -n '2,3p' p.csv | cut -d, -f1-3
"$HEED" predict RINGS --model out/model.safetensors --output p.npz > text || echo failed
"$NPZ" show p.npz
"$NPZ" print p.npz known_labels
# A split that no training has: nothing is said of it. The text is as long as it was.
"$HEED" train ./////////RINGS --model gat --hidden 8 --epochs 1 --output s > text || echo failed
sed 's,/////////RINGS,RINGS,;s,"heed.split":"0","heed.split":"2147483647",' s/model.safetensors > t.safetensors
"$HEED" predict RINGS --model t.safetensors --json t.json > text || cat text
grep -c '"split"' t.json
# Another mask.
"$HEED" predict RINGS --model out/model.safetensors --mask none --output q.npz > text || echo failed
"$NPZ" same p.npz q.npz logits 1e-3 > text || echo other
# What does not go together.
try predict RINGS --model out/model.safetensors --weights --output w.npz
try predict karate --model out/model.safetensors
"$HEED" train karate --model gat --hidden 8 --epochs 2 --output k > text
try predict RINGS --model k/model.safetensors
tudataset PLAIN 20
try predict PLAIN --model out/model.safetensors
# No labels, no metric: attributes in their place.
mv RINGS/RINGS_graph_labels.txt labels
awk '{ print $1 / 2 }' labels > RINGS/RINGS_graph_attributes.txt
try train RINGS --model mlp --epochs 2 --metric accuracy --output r
"$HEED" train RINGS --model mlp --epochs 2 --output r > text || echo failed
for name in task metric loss standardize; do echo $name "$(key $name < r/results.json | tail -n 1)"; done
[ -e w.npz ] || echo "nothing written"
