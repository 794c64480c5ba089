# What makes weights of scores: attend, compare, train.
. "$LIB"
graph=sbm:n=80,blocks=4,in=0.3,out=0.02
for normalizer in softmax relu sigmoid linear; do
  for mask in graph full; do
    "$HEED" attend $graph --normalizer $normalizer --mask $mask --kernel sparse --output a.npz > text
    "$HEED" attend $graph --normalizer $normalizer --mask $mask --kernel dense --output b.npz > /dev/null
    grep normalizer text | sed 's/  */ /g'
    "$NPZ" same a.npz b.npz out 1e-5 && echo "$normalizer $mask: the same"
    [ $normalizer = softmax ] || "$HEED" attend $graph --mask $mask --output c.npz > /dev/null
    [ $normalizer = softmax ] || cmp -s a.npz c.npz || echo other than softmax
  done
done
"$HEED" compare $graph --normalizer relu --masks graph --kernels sparse,dense --json - | key normalizer
"$HEED" train karate --preset gat --epochs 3 --normalizer sigmoid --json - --output m | key normalizer
"$HEED" predict karate --model m/model.safetensors --weights --output w.npz --json - | key normalizer
