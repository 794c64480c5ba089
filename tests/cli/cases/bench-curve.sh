# Curves, cut short.
. "$LIB"
small="--score dot --pass forward --heads 1 --repeat 1 --budget 0"
# shellcheck disable=SC2086 # words
{
  "$HEED" bench --curve nodes $small --size 2 --most-pairs 40000 --json a.json --figure a.svg > text
  figure a.svg
  key curve < a.json
  key at < a.json
  "$HEED" bench --curve degree $small --size 2 --most-pairs 9000 --json - | key at
  "$HEED" bench --curve size --score gat --pass forward --heads 1 --repeat 1 --budget 0 --json - | key '\(at\|size\)' |
    tail -n 2
  "$HEED" bench --curve heads --score dot --pass forward --size 1 --repeat 1 --budget 0 --json - | key at | tail -n 1
  "$HEED" bench --curve density $small --size 2 --most-pairs 20000 --json c.json > text
}
key kernel < c.json
key at < c.json
key auto < c.json | sed 's/"sparse"/one of them/; s/"dense"/one of them/' | grep one
key loss_percent < c.json | awk '$1 >= 0 { n++ } END { print n }'
grep -c '"crossover"' c.json
grep -c '"worst_loss_percent"' c.json
