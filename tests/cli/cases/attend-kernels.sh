# Kernels agree; threads do not matter; dropout does, and its seed.
. "$LIB"
graph=sbm:n=80,blocks=4,in=0.3,out=0.02
for score in dot gat gatv2 additive; do
  for mask in graph khop:2 full; do
    for kernel in sparse dense reference; do
      "$HEED" attend $graph --score $score --mask $mask --kernel $kernel --threads 2 --weights \
        --output $kernel.npz > /dev/null
    done
    for array in out weights; do
      "$NPZ" same reference.npz sparse.npz $array 1e-5
      "$NPZ" same reference.npz dense.npz $array 1e-5
    done
    "$HEED" attend $graph --score $score --mask $mask --kernel sparse --threads 1 --weights \
      --output one.npz > /dev/null
    cmp one.npz sparse.npz && echo "$score $mask: same"
  done
done
"$HEED" attend $graph --dropout 0.5 --output a.npz --kernel sparse > /dev/null
"$HEED" attend $graph --dropout 0.5 --output b.npz --kernel sparse > /dev/null
"$HEED" attend $graph --output c.npz --kernel sparse > /dev/null
cmp a.npz b.npz && echo same
cmp -s a.npz c.npz || echo other
