# The same model under several masks, and a transformer's blocks in several orders.
. "$LIB"
rows() {
  for name in mask blocks pairs parameters; do key $name < "$1" | tr '\n' ' '; echo; done
  key test_mean < "$1" | grep -c '^[01]'
  key epochs < "$1" | tr '\n' ' '
  echo
}
"$HEED" compare karate --train --model gat --heads 2 --hidden 8 --epochs 3 --seeds 0-1 --json a.json \
  > text || echo failed
rows a.json | sed 1s/graph//
sed -n '/^what was learnt/,/^$/p' text | grep -c .
"$HEED" compare karate --train --model transformer --layers 3 --heads 2 --hidden 8 --epochs 2 \
  --masks graph,full --output out > text || echo failed
files out
figure out/comparison.svg
figure out/time.svg
rows out/results.json
"$HEED" compare karate --train --preset nsa --heads 2 --hidden 8 --epochs 2 --blocks MS,SSM \
  --masks none --json - > b.json || echo failed
rows b.json
# Communities are seen by the neighbours alone.
"$HEED" compare sbm:n=80,blocks=2,in=0.4,out=0.02,features=4,noise=4 --train --model gat --heads 2 \
  --hidden 16 --dropout 0.2 --attn-dropout 0 --lr 0.01 --epochs 60 --watch loss --masks none,graph \
  --json c.json > text
key test_mean < c.json | awk '{ m[NR] = $1 } END { print (m[2] > m[1] + 0.1 ? "graph" : m[1] " " m[2]) }'
