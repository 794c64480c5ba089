# The graph comes back with its attention; under a mask that has no such pair an edge gets 0.
. "$LIB"
printf '0 1\n1 2\n2 0\n' > list.txt
list="list.txt --format edgelist --directed --heads 1 --dim 2"
"$HEED" attend $list --graphml a.graphml > /dev/null
grep -c -e 'attr.name="attention' a.graphml
grep -c '<edge' a.graphml
grep -c 'attention_backward">0<' a.graphml
grep -c 'attention_forward">0\.' a.graphml
# Both files, and attributes of an earlier run are replaced or refused, not doubled.
"$HEED" attend karate --output b.npz --graphml b.graphml --weights --mask full > /dev/null
ls
grep -c '<edge' b.graphml
"$HEED" info b.graphml --masks graph --json - | key edges
