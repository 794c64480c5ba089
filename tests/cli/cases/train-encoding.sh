# Encodings in training, and again in prediction; words that are none, or that do not fit.
. "$LIB"
try() {
  "$HEED" train "$@" --hidden 8 --heads 2 --epochs 3 --output out > text 2> err || { echo failed; cat err; return; }
  for name in encoding features parameters; do key $name < out/results.json | tail -n 1 | tr '\n' ' '; done
  key order < out/results.json | tr '\n' ' '
  "$HEED" predict "$1" --model out/model.safetensors > text 2> err || { echo failed; cat err; }
  sed -n 's/^accuracy.*/accuracy/p' text | head -n 1
}
for words in none laplacian:3 random-walk:4+degree degree:5 sinusoidal:6 learned rotary:100 relative:2 distance:3 \
  quadratic laplacian:2+distance:3+relative:1+rotary+learned+quadratic+sinusoidal:2; do
  try karate --model transformer --encoding $words
done
for mask in full khop:2; do try karate --model gat --mask $mask --encoding distance:2+quadratic+laplacian:2; done
try sbm:n=30,blocks=2,in=0.4,out=0.1,features=4 --model mlp --residual --encoding laplacian:2+learned
# Within each graph of a collection.
tudataset rings 30
"$HEED" train rings --model transformer --hidden 8 --heads 2 --epochs 3 --output many \
  --encoding laplacian:3+random-walk:4+degree+sinusoidal:2+learned+rotary > text || echo failed
key features < many/results.json | tail -n 1
"$HEED" predict rings --model many/model.safetensors --output many.npz > text || echo failed
"$NPZ" show many.npz | head -n 1
quiet train rings --model transformer --encoding distance:3 --output no
quiet train karate --model transformer --encoding laplace:3 --output no
quiet train karate --model transformer --encoding laplacian:0 --output no
quiet train karate --model transformer --encoding degree+degree --output no
quiet train karate --model transformer --encoding relative:2:3x3 --output no
quiet train karate --model gat --encoding rotary --output no
quiet train karate --model gat --encoding learned --output no
quiet train karate --model mlp --encoding distance:3 --output no
quiet train karate --model transformer --blocks S --encoding distance:3 --output no
quiet train karate --model transformer --hidden 6 --heads 2 --encoding rotary --output no
quiet train karate --model transformer --encoding learned --reorder rcm --output no
quiet compare karate --train --model transformer --heads 2 --hidden 8 --epochs 2 --blocks MS --masks graph,full \
  --encoding distance:2+laplacian:2 --json a.json > text
key parameters < a.json
# Several, each in turn.
"$HEED" compare karate --train --model gat --heads 2 --hidden 8 --epochs 2 --encodings none,laplacian:2,distance:2 \
  --masks graph,full --output both --json b.json > text || echo failed
for name in mask encoding parameters; do key $name < b.json | tr '\n' ' '; echo; done
sed -n '/^what was learnt/,/^$/p' text | grep -c .
figure both/comparison.svg
quiet compare karate --train --model gat --encodings none,laplace
quiet compare karate --train --model gat --encodings none,rotary
quiet compare karate --train --model gat --encodings none --encoding degree
quiet compare karate --train --model transformer --encodings none --blocks MM,MS
quiet compare rings --train --model gat --encodings none
quiet compare karate --encodings none
