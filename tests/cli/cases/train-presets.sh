# Presets, and options beside them.
. "$LIB"
config() {
  echo "$*"
  "$HEED" train "$graph" --threads 1 "$@" --output out > text 2> err || { echo failed; cat err; }
  sed -n '/"config"/,/"direction"/p' out/results.json | sed -e 1d -e '$d' | tr -d '\n '
  echo
}
graph=karate
config --preset gat-cora --epochs 1
config --preset gat-citeseer --epochs 1 --model gatv2
config --epochs 1 --hidden 16 --preset gat-pubmed
config --preset gatv2-pubmed --epochs 1 --mask full --features none
config --preset graph-transformer --epochs 1 --hidden 16 --layers 2
config --preset gat --epochs 1 --hidden 16 --residual=no --pre-norm=no
config --preset nsa --epochs 1 --hidden 16
config --preset nsa --epochs 1 --hidden 16 --layers 5
config --preset nsa --epochs 1 --hidden 16 --blocks SM --mask none
graph=sbm:n=30,blocks=3,in=0.5,out=0.1,features=4
config --preset gat-heterophilous --epochs 1 --hidden 16
config --model transformer --epochs 1 --hidden 16 --layers 3 --schedule cosine --warmup 3 --clip 2.5
config --model mlp --epochs 2 --loss binary-cross-entropy --metric macro-f1 --optimizer adamw
