# Edge weights are added to the logits, or multiply the weights.
. "$LIB"
printf 'a b 1\na c 1\nb c 1\n' > ones.ncol
"$HEED" attend ones.ncol --kernel sparse --output a.npz > /dev/null
"$HEED" attend ones.ncol --kernel sparse --edge-weight weight:log --output b.npz > /dev/null
"$NPZ" same a.npz b.npz out 1e-6 && echo same
printf 'a b 1\na c 3\nb c 1\n' > some.ncol
"$HEED" attend some.ncol --kernel sparse --edge-weight weight --output c.npz > /dev/null
"$NPZ" same a.npz c.npz out 0 > /dev/null || echo other
quiet attend some.ncol --edge-weight wait --output d.npz
quiet attend some.ncol --edge-weight weight --mask full --output d.npz
ls
