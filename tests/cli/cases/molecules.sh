# Molecules in a table: what they are, learning numbers and answers, predicting, splitting by scaffold.
. "$LIB"
need_indigo
molecules m.csv
"$HEED" info m.csv | sed -n '1,/^features/p' | grep -v '^features'
"$HEED" info m.csv --target carbons --target 'oxygen, any' --json - > info.json
for name in graphs features edge_features task repeated known missing; do
  echo $name "$(key $name < info.json | tr '\n' ' ')"
done
printf 'smiles,y\nCCO,1\nCC,2\nOCC,\nC(O)C,4\n' > twice.csv
"$HEED" info twice.csv | grep seen
options="--model transformer --blocks MSP --hidden 16 --heads 2 --batch 8 --lr 0.01"
# shellcheck disable=SC2086
"$HEED" train m.csv --target carbons $options --blocks MM --pooling sum --epochs 80 --seeds 0-1 --output a > text || echo failed
files a
for name in task target metric loss standardize edges split by_seed; do
  echo $name "$(key $name < a/results.json | tr '\n' ' ')"
done
key test_mean < a/results.json | awk '{ print ($1 < 2 ? "learnt" : $1) }'
# The best run has the least validation error; the model predicts in the units of the data.
key val < a/results.json | sort -g | head -n 1 > best
"$HEED" predict m.csv --model a/model.safetensors --output p.csv --json p.json > text || echo failed
key validation < p.json | sed -n '$p' | awk '{ getline best < "best"; d = $1 - best; print (d * d < 1e-8 ? "same" : $1 " " best) }'
head -n 1 p.csv
sed -n '2p;5p;12p' p.csv | cut -d, -f1-3
awk -F, 'NR > 1 && $3 != "" { n++; s += ($4 - $3) ^ 2 } END { print (sqrt(s / n) < 1 ? "close" : s / n) }' p.csv
# Molecules of which nothing is known.
printf 'smiles\nCCCCC\nCCO\n' > new.csv
"$HEED" predict new.csv --model a/model.safetensors --output new-p.csv > text || echo failed
head -n 1 new-p.csv
cut -d, -f1,2 new-p.csv | tail -n 2
# Yes and no; the same from the command that the results name, quotes and all.
# shellcheck disable=SC2086
"$HEED" train m.csv --target 'oxygen, any' $options --metric accuracy --epochs 5 --splits 0-1 --split scaffold --output b > text ||
  echo failed
for name in task target metric loss split; do echo $name "$(key $name < b/results.json | tr '\n' ' ')"; done
command=$(sed -n 's/.*"command": "\(.*\)"$/\1/p' b/results.json)
eval "\"\$HEED\" ${command#heed} --output d" > text || echo failed
mask_times < b/results.json > b.masked
mask_times < d/results.json | cmp - b.masked && echo same
"$HEED" predict m.csv --model b/model.safetensors --output q.csv > text || echo failed
head -n 1 q.csv
# A class a word, and edge sets.
"$HEED" train m.csv --target note --task classes --model gat --layers 1 --epochs 2 --edge-set --output c > text ||
  echo failed
for name in task classes metric edge_set; do echo $name "$(key $name < c/results.json | tail -n 1)"; done
"$HEED" predict m.csv --model c/model.safetensors --output r.csv > text || echo failed
head -n 1 r.csv
sed -n '3p;4p' r.csv | cut -d, -f1-3
# The presets' columns, and the built-in molecules.
sed '1s/carbons/measured log solubility in mols per litre/' m.csv > esol.csv
"$HEED" train esol.csv --preset esol --hidden 16 --heads 2 --epochs 1 --seeds 0-1 --output e > text || echo failed
for name in metric by_seed test; do key $name < e/results.json | grep -c .; done
"$HEED" train molecules --preset esol --hidden 16 --heads 2 --epochs 1 --output f > text || echo failed
key metric < f/results.json | head -n 1
