# Bad usage: exit 2, with what is allowed.
. "$LIB"
try
try frobnicate
try --frobnicate
try help frobnicate
try attend
try attend karate karate
try attend karate --frobnicate
try attend karate --score nice
try attend karate --heads 0
try attend karate --heads 4x
try attend karate --dim 99999999999999999999
try attend karate --mask khop:0
try attend karate --mask khop
try attend karate --kernel quick
try attend karate --storage half
try attend karate --storage bfloat16 --kernel dense
try attend karate --dropout 1
try attend karate --dropout nan
try attend karate --repeat 0
try attend karate --slope x
try attend karate --scale 0
try attend karate --direction up
try attend karate --loops some
try attend karate --edge-weight :log
try attend karate --output a.npz --graphml a.npz
try attend karate --output a.npz --json a.npz
try attend -
try attend - --input in.npz --graphml a.graphml
try info karate --masks graph,,full
try info karate --masks graph,windows:3
try compare karate --kernels sparse,auto
try compare karate --kernels sparse,sparse
try compare karate --budget -1
try --threads -1 info karate
try info karate --threads 70000
try info karate --seed -1
try --seed 18446744073709551616 info karate
try --json= info karate
ls
