# Bad input: exit 1, what is wrong, no new file, and what stood there still there.
. "$LIB"
printf 'old' > old.npz
quiet attend no-such-file --output old.npz
quiet info sbm:n=0x
quiet compare er:n=10
printf '<graphml><graph>' > cut.graphml
quiet info cut.graphml | sed "s/^\(heed: cut.graphml: \).*/\1.../" # libxml says the rest
quiet info karate --features colour
quiet info karate --label colour
for what in nan short strange badmask; do
  "$NPZ" make karate dot 2 4 $what.npz $what
  quiet attend karate --input $what.npz --output old.npz --graphml new.graphml
done
"$NPZ" make karate dot 2 4 good.npz
quiet attend karate --input good.npz --heads 3 --output old.npz
quiet attend karate --input good.npz --score gat --output old.npz
quiet attend karate --input good.npz --score additive --output old.npz
quiet attend - --input good.npz --output old.npz
quiet attend star:5 --input good.npz --output old.npz
"$NPZ" make karate dot 2 4 mask.npz mask
quiet attend karate --mask full --input mask.npz --output old.npz
quiet attend - --loops drop --input mask.npz --output old.npz
head -c 300 good.npz > cut.npz
quiet attend karate --input cut.npz --output old.npz | sed "s/^\(heed: cut.npz: \).*/\1.../"
quiet attend karate --input no.npz --output old.npz
quiet info cut.npz | sed "s/^\(heed: cut.npz: \).*/\1.../"
cat old.npz
echo
ls
