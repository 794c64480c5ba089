# Bad usage of collections: exit 2, and nothing is written.
. "$LIB"
tudataset RINGS 12
bad() { try train "$@" --output out; }
bad RINGS --model transformer --blocks MPMP
bad RINGS --model transformer --blocks SPM
bad RINGS --model transformer --blocks MPP
bad RINGS --model transformer --blocks MSP --pooling mean
bad RINGS --model transformer --pooling none
bad RINGS --preset proteins --layers 3
bad RINGS --model gat --pooling median
bad RINGS --model gat --folds 1
bad RINGS --model gat --folds 5 --split random
bad RINGS --model gat --split halves
bad RINGS --model gat --task numbers
bad RINGS --model gat --target ''
bad RINGS --model gat --edges sum
bad RINGS --model gat --batch -1
bad RINGS --model gat --metric rsme
bad RINGS --model gat --reorder rcm
bad RINGS --model gat --direction out
bad RINGS --model gat --features row-normalize
bad RINGS --preset gat-cora
bad RINGS --model gat --folds 5 --resume
bad karate --model gat --pooling sum
bad karate --model gat --folds 5
bad karate --model gat --target club
bad karate --model gat --skip-bad
bad karate --model transformer --blocks MSP
bad karate --preset esol
try compare RINGS
try compare RINGS --train --model transformer --blocks MP,PM
try compare RINGS --train --model gat --reorder rcm
try attend RINGS
try info RINGS --machine
try info karate --smiles smiles
# Good usage that the data refuses: exit 1.
bad RINGS --model gat --split scaffold
bad RINGS --model gat --metric rmse
bad RINGS --model gat --loss squared
bad RINGS --model gat --edges add
bad RINGS --model gat --folds 5 --splits 5
bad RINGS --model gat --format csv
bad NOTHING/ --model gat
mkdir empty
bad empty --model gat
ls
