# Bad usage: exit 2, and no folder is made.
. "$LIB"
bad() { try train "$@" --output out; }
bad karate
bad --model gat
try train karate --model gat
bad karate --model cnn
bad karate --preset gat-facebook
bad karate --model gat --blocks MS
bad karate --model transformer --blocks MXS
bad karate --model transformer --blocks MS --layers 3
bad karate --model gat --hidden 30 --heads 8
bad karate --model gat --layers 0
bad karate --model gat --dropout 1
bad karate --model gat --attn-dropout -0.1
bad karate --model gat --lr 0
bad karate --model gat --lr fast
bad karate --model gat --weight-decay -1
bad karate --model gat --epochs 1.5
bad karate --model gat --norm group
bad karate --model gat --residual=maybe
bad karate --model gat --optimizer sgd
bad karate --model gat --watch nothing
bad karate --model gat --metric rmse
bad karate --model gat --loss squared
bad karate --model gat --mask khop:0
bad karate --model gat --seeds 3-1
bad karate --model gat --seeds 0-3,2
bad karate --model gat --seeds 0,
bad karate --model gat --seeds -1
bad karate --model gat --splits 0-99999999
bad karate --model gat --seeds 0-1 --resume
bad karate --model gat --splits all --checkpoint-every 5
try predict karate
try predict karate --model m --weights
try predict karate --model m --output a --json a
try compare karate --model gat
try compare karate --output out
try compare karate --features none
try compare karate --train
try compare karate --train --model mlp
try compare karate --train --model gat --repeat 3
try compare karate --train --model gat --score dot
try compare karate --train --model transformer --blocks MS,,SM
try compare karate --train --model transformer --encoding rotary --reorder rcm
try compare karate --train --model transformer --encodings none,rotary --reorder rcm
many=$(awk 'BEGIN { for (i = 1; i < 32; i++) { for (b = i; b > 0; b = int(b / 2)) printf b % 2 ? "M" : "S"; printf "," } print "S" }')
try compare karate --train --model transformer --masks graph --blocks "$many"
try demo karate
try demo --json -
ls
