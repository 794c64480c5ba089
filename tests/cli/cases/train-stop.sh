# A signal stops cleanly with status 130; --resume then gives what an undisturbed run gives.
. "$LIB"
options="train karate --model gat --hidden 4 --heads 1 --epochs 1200 --patience 0 --threads 1"
# shellcheck disable=SC2086
"$HEED" $options --output whole > text
# shellcheck disable=SC2086
"$HEED" $options --output part --checkpoint-every 10 > text 2> err &
until [ -e part/checkpoint.safetensors ]; do sleep 0.01; done
kill -TERM $!
wait $!
echo $?
grep -v "no figure" err
files part
key stopped < part/results.json
"$HEED" predict karate --model part/model.safetensors > text || echo no model
# shellcheck disable=SC2086
"$HEED" $options --output part --resume > text
echo $?
files part
for folder in whole part; do mask_times < $folder/results.json > $folder.masked; done
cmp whole.masked part.masked
cmp whole/model.safetensors part/model.safetensors
cmp whole/history.csv part/history.csv && echo same
# Another training does not go on from there.
# shellcheck disable=SC2086
"$HEED" $options --output part --checkpoint-every 10 > text 2> err &
until [ -e part/checkpoint.safetensors ]; do sleep 0.01; done
kill -TERM $!
wait $!
echo $?
quiet train karate --model gat --hidden 4 --heads 1 --epochs 1200 --patience 0 --lr 0.5 --resume \
  --output part | sed 's/the fit there has.*/another/'
