# Masks compared on whole graphs.
. "$LIB"
tudataset RINGS 20 edges
"$HEED" compare RINGS --train --model transformer --blocks MSP,MMP --hidden 8 --heads 2 --epochs 2 --folds 4 \
  --splits 0,1 --masks none,graph,full --output out > text || echo failed
files out
figure out/comparison.svg
for name in mask blocks pairs; do key $name < out/results.json | tr '\n' ' '; echo; done
key test_mean < out/results.json | grep -c '^[01]'
sed -n '/^what was learnt/,/^$/p' text | awk '{ print NF }' | tr '\n' ' '
echo
"$HEED" compare RINGS --train --model gat --hidden 8 --heads 2 --epochs 2 --seeds 0-1 --json - > b.json ||
  echo failed
key mask < b.json | tr '\n' ' '
echo
"$HEED" compare RINGS --train --preset proteins --hidden 8 --heads 2 --epochs 1 --splits 0 --masks graph \
  --json - > c.json || echo failed
key blocks < c.json | tr '\n' ' '
echo
