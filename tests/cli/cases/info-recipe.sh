# A generated graph has labels; drop and keep differ from add; directions of an undirected graph
# do not.
. "$LIB"
graph=sbm:n=60,blocks=3,in=0.5,out=0
"$HEED" info $graph --json - > a
for k in nodes directed classes homophily; do key $k < a; done
"$HEED" info ring:10 --loops drop --masks graph,full,khop:2 --json - | key pairs
"$HEED" info ring:10 --loops keep --masks graph,full --json - | key pairs
"$HEED" info ring:10 --masks graph,khop:2 --json - | key pairs
"$HEED" info ring:10 --direction out --masks graph --json - | key pairs
"$HEED" info star:5 --loops drop --masks graph --json - | key max_degree
printf '0 1\n0 2\n3 0\n' > list.txt
for d in in out all; do
  "$HEED" info list.txt --format edgelist --directed --direction $d --loops keep --masks graph \
    --json - > b
  key pairs < b
  key empty_rows < b
done
