# Tables of molecules with something wrong: file, row and reason; exit 1, and nothing is written.
. "$LIB"
need_indigo
molecules m.csv
bad() { quiet train "$@" --model mlp --epochs 1; }
bad m.csv --smiles formula --target carbons --output out
bad m.csv --target oxygens --output out
bad m.csv --target carbons,carbons --output out
bad m.csv --target note --task regression --output out
bad m.csv --target carbons --task binary --output out
bad m.csv --target carbons --task classes --metric rmse --output out
bad m.csv --preset esol --output out
sed '5s/3/many/' m.csv > cell.csv
bad cell.csv --target carbons --output out
sed '7s/CC/C(C/' m.csv > parse.csv
bad parse.csv --target carbons --output out
sed '9s/$/,more/' m.csv > wide.csv
bad wide.csv --target carbons --output out
head -n 1 m.csv > head.csv
bad head.csv --target carbons --output out
"$HEED" train parse.csv --target carbons --skip-bad --model mlp --epochs 1 --output out > text || echo failed
key skipped < out/results.json
key reason < out/results.json
sed -n '/^left out/,/^$/p' text
key skip_bad < out/results.json
"$HEED" predict parse.csv --model out/model.safetensors
echo "[$?]"
"$HEED" predict parse.csv --skip-bad --model out/model.safetensors --output p.csv > text || echo failed
sed -n '5,7p' p.csv | cut -d, -f1,2
find . -name '*.part'
