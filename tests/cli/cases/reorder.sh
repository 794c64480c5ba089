# Another order of nodes within gives the same numbers, in the caller's order.
. "$LIB"
orders="degree rcm community auto"
if "$HEED" --version | grep -q 'with METIS'; then orders="$orders metis"; fi
close() { "$NPZ" same "$1" "$2" "$3" "$4" > diff 2>&1 || { echo "$5: $3 differs" && cat diff; }; }

# Weights with the pairs and edges that they belong to, for every score and several masks.
graph="sbm:n=300,blocks=6,in=0.2,out=0.01 --weights --heads 2 --dim 4"
for more in "--score dot" "--score gat --mask khop:2" "--score gatv2 --loops drop" "--mask full"; do
  # shellcheck disable=SC2086
  "$HEED" attend $graph $more --reorder none --output a.npz > /dev/null
  for order in $orders; do
    # shellcheck disable=SC2086
    "$HEED" attend $graph $more --reorder "$order" --output b.npz > /dev/null ||
      echo "failed: $more $order"
    for array in out weights; do close a.npz b.npz $array 1e-5 "$more $order"; done
    for array in indptr indices edge_id; do
      "$NPZ" print a.npz $array > a && "$NPZ" print b.npz $array | cmp - a
    done
  done
done
"$HEED" attend grid:20x20 --reorder rcm --json - | key order
"$HEED" attend grid:20x20 --reorder auto --repeat 20 --json - | key order
"$HEED" attend grid:20x20 --reorder rcm --mask full --json - | key order
"$HEED" attend grid:20x20 --reorder rcm | grep -c -e 'order of nodes' -e 'time to make it'
"$HEED" attend grid:20x20 | grep -c order

# A mask and a bias of the input; a bias that shuts pairs out; edge weights that merged edges add.
for what in bias shut; do
  "$NPZ" make karate dot 2 4 in.npz mask $what
  "$HEED" attend - --input in.npz --weights --reorder none --output a.npz > /dev/null
  "$HEED" attend - --input in.npz --weights --reorder rcm --output b.npz > /dev/null
  for array in out weights; do close a.npz b.npz $array 1e-6 $what; done
done
"$HEED" attend karate --graphml a.xml --reorder none > /dev/null
"$HEED" attend karate --graphml b.xml --reorder degree > /dev/null
wc -l < a.xml > a && wc -l < b.xml | cmp - a && echo graphml

# The kernels agree under an order; the reference is computed without one.
"$HEED" compare grid:20x20 --masks graph --reorder community --repeat 1 --json a > /dev/null
key order < a | tr '\n' ' ' && echo
key largest_difference < a | awk '$1 != "null" && $1 > 1e-5 { print "differs", $1 }'

# One epoch without dropout, and what it then says of every node.
recipe="--model gat --layers 2 --hidden 8 --heads 2 --dropout 0 --attn-dropout 0 --epochs 1"
data="sbm:n=300,blocks=3,in=0.1,out=0.01,features=8 --label block"
for order in none degree rcm community; do
  # shellcheck disable=SC2086
  "$HEED" train $data $recipe --splits 0-1 --reorder $order --output t-$order > /dev/null
  # shellcheck disable=SC2086
  "$HEED" predict $data --model t-$order/model.safetensors --output $order.npz > /dev/null
  for array in logits probabilities; do close none.npz $order.npz $array 1e-4 "train $order"; done
  cut -d, -f1-4 t-$order/history.csv > epochs-$order && cmp epochs-none epochs-$order
done
key order < t-rcm/results.json
grep -o -e '--reorder [a-z]*' t-rcm/results.json
# Bags of words and one-hot targets move along.
"$NPZ" words dense.npz sparse.npz
for words in dense sparse; do
  for order in none degree; do
    "$HEED" train $words.npz --model gat --layers 1 --hidden 4 --heads 2 --dropout 0 \
      --attn-dropout 0 --epochs 2 --loss binary-cross-entropy --metric accuracy \
      --reorder $order --output w-$order > /dev/null
    "$HEED" predict $words.npz --model w-$order/model.safetensors --output w-$order.npz > /dev/null
  done
  close w-none.npz w-degree.npz logits 1e-4 $words
done
"$HEED" compare $data $recipe --train --masks graph,none --reorder rcm --json a > /dev/null
key order < a | tr '\n' ' ' && echo
"$HEED" train $data --model mlp --epochs 1 --reorder rcm --output mlp > /dev/null && echo mlp

# What is no order.
for order in '' RCM 'rcm ' none,rcm 9; do quiet attend karate --reorder "$order"; done
quiet train karate --output x --reorder best
quiet compare karate --reorder best
quiet attend karate --reorder
quiet predict karate --reorder rcm
