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
# Of pairs too: with whole graphs at once and in batches, and again in prediction.
for words in relative:2 distance:3 quadratic distance:2+relative:1+quadratic+laplacian:2+rotary; do
  for mask in graph full 'graph*1/full*1'; do
    "$HEED" train rings --model transformer --hidden 8 --heads 2 --epochs 3 --batch 7 --mask "$mask" --encoding $words \
      --output many > text || echo failed
    key parameters < many/results.json | tail -n 1 | tr '\n' ' '
    "$HEED" predict rings --model many/model.safetensors --json p.json > text || echo failed
    key test < p.json | sed -n '$p' > a
    key test < many/results.json | sed -n '$p' | cmp - a && echo same
  done
done
"$HEED" compare rings --train --model gat --hidden 8 --heads 2 --epochs 2 --masks graph,full --encoding distance:2 \
  --json a.json > text || echo failed
key parameters < a.json
tudataset edged 20 edges
quiet train edged --model transformer --encoding quadratic --output no
quiet train edged --model transformer --encoding quadratic --edges add --output no
quiet train edged --model transformer --hidden 8 --heads 2 --epochs 1 --encoding quadratic --edges none --output e
quiet predict edged --model e/model.safetensors
quiet train edged --model transformer --hidden 8 --heads 2 --epochs 1 --encoding relative:2+distance:2 --output e
quiet predict edged --model e/model.safetensors
quiet train rings --model transformer --encoding relative:2:2x3 --output no
quiet train rings --model transformer --encoding quadratic:2x3 --output no
quiet train rings --model mlp --encoding distance:3 --output no
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
for more in '--fanout 3,3' '--clusters 4' '--batch 3'; do
  # shellcheck disable=SC2086
  "$HEED" train karate --model transformer --hidden 8 --heads 2 --epochs 2 $more --output out \
    --encoding laplacian:2+degree+distance:2+relative:2+quadratic+rotary+learned > text || echo failed
done
# One batch of all is the whole graph.
"$HEED" train karate --model gat --hidden 8 --heads 2 --epochs 5 --dropout 0 --attn-dropout 0 --encoding distance:2+quadratic \
  --output one > text || echo failed
"$HEED" train karate --model gat --hidden 8 --heads 2 --epochs 5 --dropout 0 --attn-dropout 0 --encoding distance:2+quadratic \
  --fanout all --batch 0 --output two > text || echo failed
cut -d, -f5 one/history.csv | cut -c1-6 > a
cut -d, -f5 two/history.csv | cut -c1-6 | cmp - a && echo 'the same losses'
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
