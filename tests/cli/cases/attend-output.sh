# What is in the archive; the weights sum to 1; edges are those of the graph.
. "$LIB"
"$HEED" attend karate --output a.npz > /dev/null && "$NPZ" show a.npz
"$HEED" attend karate --heads 2 --dim 4 --output b.npz --weights > /dev/null
"$NPZ" show b.npz && "$NPZ" sums b.npz
printf '0 1\n1 2\n2 0\n0 1\n2 2\n' > list.txt
list="list.txt --format edgelist --directed --heads 1 --dim 2 --weights"
"$HEED" attend $list --output c.npz > /dev/null
"$NPZ" show c.npz
for array in indptr indices edge_id edge_ptr edge_ids; do "$NPZ" print c.npz $array; done
"$HEED" attend $list --loops drop --direction out --output c.npz > /dev/null
for array in indptr indices edge_id; do "$NPZ" print c.npz $array; done
for mask in khop:2 full; do
  "$HEED" attend $list --mask $mask --output c.npz > /dev/null
  "$NPZ" sums c.npz
  for array in indptr indices edge_id; do "$NPZ" print c.npz $array; done
done
