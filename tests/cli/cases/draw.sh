# A graph is drawn, plain and with a model's attention; what cannot be drawn is told, and leaves what stood
# there.
. "$LIB"
need_graphviz
HEED_DOT=dot
export HEED_DOT
"$HEED" draw ring:5 --output a.svg
cat a.svg
drawn dot
"$HEED" train karate --model gatv2 --hidden 8 --heads 2 --epochs 3 --output k > text
"$HEED" draw karate --model k/model.safetensors --layer 0 --title 'Two "factions"' --output b.svg |
  sed 's/: 0.*/: some/'
drawn dot | grep -v ' "[0-9]*"' | sed 's/: 0[^"]*/: some/;s/fills [0-9][0-9]/fills many/'
# A pair's weight is one head's or the mean of all; the widest edge has the largest.
"$HEED" draw karate --model k/model.safetensors --layer 0 --head 0 --output c.svg --json c.json > text
grep -o '"edge_width": .*: 0 to' c.json
grep -o '"\(nodes\|edges\)": [0-9]*' c.json
[ "$(grep -c 'penwidth=7.00' dot)" -ge 2 ] && echo 'one as wide as the legend says'
"$HEED" draw karate --model k/model.safetensors --layer 0 --mask none --loops keep --output d.svg |
  grep width
# A recipe gives the graph of the training, unless the seed is another.
sbm=sbm:n=40,blocks=2,in=0.3,out=0.05,features=6
"$HEED" train $sbm --seed 7 --model gat --hidden 8 --epochs 2 --output s > text
"$HEED" info $sbm --seed 7 --json i.json > text
"$HEED" draw $sbm --model s/model.safetensors --output d.svg --json s.json > text
[ "$(key edges < s.json)" = "$(key edges < i.json)" ] && echo 'as trained'
"$HEED" draw $sbm --seed 8 --model s/model.safetensors --output d.svg --json s.json > text
[ "$(key edges < s.json)" = "$(key edges < i.json)" ] || echo 'another'
# The same seed, the same drawing.
"$HEED" draw karate --model k/model.safetensors --layer 0 --head 0 --output e.svg > text
cp dot again
"$HEED" draw karate --model k/model.safetensors --layer 0 --head 0 --output e.svg > text
cmp dot again && echo same
echo old > f.svg
quiet draw karate --model k/model.safetensors --layer 2 --output f.svg
quiet draw karate --model k/model.safetensors --head 2 --layer 0 --output f.svg
quiet draw ring:30 --model k/model.safetensors --output f.svg
quiet draw ring:3000 --output f.svg
quiet draw karate --model nothing.safetensors --output f.svg
"$HEED" train karate --model mlp --hidden 8 --epochs 2 --output m > text
quiet draw karate --model m/model.safetensors --output f.svg
HEED_NEATO=/nonexistent
export HEED_NEATO
quiet draw karate --output f.svg | sed 's/run: .*; install/run: why; install/'
cat f.svg
try draw karate
try draw --output x.svg
try draw karate --output ''
try draw karate --output x.svg --json x.svg
try draw karate --output x.svg --row 1
try draw karate --output x.svg --layer 1
try draw karate --output x.svg --smiles a
try draw molecules --output x.svg
try draw molecules --row 1 --name ethane --output x.svg
try draw molecules --row 0 --output x.svg
