# What bench cannot do: exit 2 for bad usage, 1 for bad graphs.
. "$LIB"
try bench karate
try bench --score nice
try bench --score dot,dot
try bench --heads 0
try bench --size 8,x
try bench --threads 0
try bench --pass sideways
try bench --kernel quick
try bench --storage half
try bench --storage float,bfloat16 --pass both
try bench --storage bfloat16 --kernel dense
try bench --storage bfloat16 --curve density
try bench --graph karate,
try bench --repeat 0
try bench --budget -1
try bench --curve growth
try bench --curve nodes --graph karate
try bench --curve size --size 8
try bench --curve heads --heads 8
try bench --curve density --kernel dense
try bench --most-pairs 5
try bench --machine --score dot
many=$(awk 'BEGIN { for (i = 1; i < 32; i++) printf "%d,", i; print i }')
try bench --graph full:4,full:5,full:6 --heads "$many" --size "$many"
try bench --graph random:n=10,degree=11
try bench --graph random:n=10
try bench --graph window:n=0,width=1
try bench --graph power:n=3,pairs=10
try bench --graph nothing.edges
try bench --curve nodes --most-pairs 5
try bench --graph full:4 --repeat 1 --score dot --figure no/where.svg
ls
