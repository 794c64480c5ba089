# Masks by expressions, wherever a mask is taken.
. "$LIB"
rows() { sed -n '/^masks/,/^threads/p' | awk 'NF > 3 { print $1, $2, $5, $7 }' | grep -v '^mask pairs'; }
"$HEED" info karate --masks \
  'full,window:2,1,causal,causal:3,dilated:6,3,strided:5,block:10,global:2,random:4,bipartite:30,shift:-1,!graph,keys:0..3,full-self' | rows
"$HEED" info karate --masks 'window:2+global:1+random:3,graph|khop:2,graph&!window:3,(graph|window:1)-self' | rows
# Self-loops are the graph's business, and as drop that of full.
"$HEED" info karate --loops drop --masks 'graph,full,window:2,self,none|graph' | rows
# A grid is known from the source; its nodes go row by row, the first side fastest.
"$HEED" info grid:5x7 --masks 'grid:1,axes:1,grid:7x5,1,shift:1,0,shift:7x5,1,0,graph' | rows
for mask in 'window:3 |' 'grid:1' 'knn:2' 'shift:6x6,1,0' 'window:2,0,full' 'graph)'; do
  quiet attend karate --mask "$mask" --repeat 1
done
# Runs are written out with the weights, and compared like any.
"$HEED" attend karate --mask 'window:1,0|global:1' --weights --output a.npz > text && "$NPZ" show a.npz
"$NPZ" print a.npz indices | cut -d' ' -f1-12
"$HEED" attend karate --mask 'causal' --heads 2 --kernel sparse --output b.npz > text
"$HEED" attend karate --mask 'full&!(!causal)' --heads 2 --kernel dense --output c.npz > text
"$NPZ" same b.npz c.npz out 1e-5
"$HEED" compare karate --masks 'full,window:3,graph&window:3' --kernels sparse --repeat 1 --json - |
  key full_share | cut -c1-8
# Training keeps the mask with the model, its seed too.
"$HEED" train karate --model gat --hidden 8 --heads 2 --layers 2 --epochs 3 --seed 4 --mask 'graph|random:2' \
  --output out > text && key mask < out/results.json
"$HEED" predict karate --model out/model.safetensors --weights --output p.npz | grep '^mask'
"$HEED" predict karate --model out/model.safetensors --weights --seed 9 --output q.npz > text
"$NPZ" same p.npz q.npz logits 0
"$HEED" predict karate --model out/model.safetensors --mask 'window:2' --weights --output r.npz > text &&
  "$NPZ" show r.npz
# Of a collection, within each graph.
tudataset RINGS 20
"$HEED" info RINGS --masks 'full,window:1,causal,global:1|window:1,random:2,knn:2,!self,bipartite:2' |
  sed -n '/^masks/,/^threads/p' | awk 'NF > 3 { print $1, $2, $3, $NF }' | grep -v '^mask pairs'
"$HEED" train RINGS --model transformer --blocks MM --hidden 8 --heads 2 --epochs 2 --mask 'window:2|knn:1' \
  --output w > text && key mask < w/results.json
"$HEED" predict RINGS --model w/model.safetensors --output w.npz | grep '^mask'
try compare RINGS --train --masks 'window:1,0|windows'
