# Keys and values as bfloat16: near the floats, but not they; the floor of bench gathers fewer bytes.
. "$LIB"
graph=sbm:n=80,blocks=4,in=0.3,out=0.02
for score in dot gat gatv2 additive; do
  for mask in graph full; do
    "$HEED" attend $graph --score $score --mask $mask --kernel sparse --output float.npz > /dev/null
    "$HEED" attend $graph --score $score --mask $mask --storage bfloat16 --output bfloat16.npz > text
    grep -E '^(kernel|keys and values as|dense would take) ' text | sed 's/  */ /g'
    "$NPZ" same float.npz bfloat16.npz out 3e-2 && echo "$score $mask: near"
    cmp -s float.npz bfloat16.npz || echo other
  done
done
"$HEED" attend $graph --kernel sparse --storage float --json - | key storage
"$HEED" bench --graph random:n=40,degree=5 --score dot,gat,gatv2 --storage float,bfloat16 --repeat 1 \
  --budget 0 --json a.json > text
for name in pass storage gathered_bytes streamed_bytes; do echo $name $(key $name < a.json); done
grep -c 'storage' text
