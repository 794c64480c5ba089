# What `attend` projects by itself it also takes from an archive, to the same bytes; with the mask in
# the archive, with '-' for the graph, and with a bias of zeros.
. "$LIB"
for score in dot gat gatv2 additive; do
  "$HEED" attend karate --score $score --heads 3 --dim 5 --kernel sparse --weights \
    --output own.npz > /dev/null
  "$NPZ" make karate $score 3 5 in.npz
  "$HEED" attend karate --score $score --input in.npz --kernel sparse --weights --output a.npz \
    > /dev/null
  cmp own.npz a.npz && echo "$score: same"
  "$NPZ" make karate $score 3 5 in.npz mask
  "$HEED" attend - --score $score --input in.npz --kernel sparse --weights --output b.npz > /dev/null
  "$NPZ" same own.npz b.npz out 0 && "$NPZ" same own.npz b.npz weights 0 && echo "$score: same"
  "$NPZ" print b.npz edge_id | tr ' ' '\n' | sort -u
  "$NPZ" make karate $score 3 5 in.npz bias
  "$HEED" attend karate --score $score --input in.npz --kernel sparse --output c.npz > /dev/null
  "$NPZ" same own.npz c.npz out 1e-6 && echo "$score: same"
done
# Minus infinity shuts pairs out: the first key of each query gets all.
"$NPZ" make karate dot 1 4 in.npz shut
"$HEED" attend karate --input in.npz --weights --output d.npz > /dev/null
"$NPZ" sums d.npz && "$NPZ" print d.npz weights
# --mask full needs no graph.
"$NPZ" make karate dot 2 4 in.npz
"$HEED" attend - --mask full --input in.npz --output e.npz > /dev/null
"$HEED" attend karate --mask full --heads 2 --dim 4 --output f.npz > /dev/null
"$NPZ" same e.npz f.npz out 1e-5 && echo same
