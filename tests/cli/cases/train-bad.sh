# Bad data and bad folders: exit 1, before anything is trained.
. "$LIB"
bad() { quiet train "$@" --model gat --hidden 8 --epochs 2; }
bad star:20 --output out
bad no-such-file --output out
bad karate --splits 0,10 --output out
bad karate --label nothing --output out
echo > file
bad karate --output file
bad karate --output file/out
bad karate --features row-normalize,x --output out
quiet predict karate --model file
quiet predict karate --model no-such-file
"$HEED" train karate --model gat --hidden 8 --epochs 2 --output out > text
quiet predict star:20 --model out/model.safetensors
quiet predict karate --model out/model.safetensors --output no/p.npz
quiet predict karate --model out/results.json | sed "s/but [0-9]* are/but some are/"
# A checkpoint of another training.
"$HEED" train karate --model gat --hidden 8 --epochs 4 --seed 1 --checkpoint-every 2 --output two > text
files two
