# Molecules by SMILES, by name, by row; with attention that is pooled.
. "$LIB"
need_graphviz
need_indigo
HEED_DOT=dot
export HEED_DOT
"$HEED" draw caffeine --output a.svg
drawn dot
"$HEED" draw 'C#CC(=O)[O-]' --title '<b>&amp;' --output a.svg | tail -n 1
drawn dot
molecules m.csv
"$HEED" draw m.csv --row 3 --output b.svg
"$HEED" draw m.csv --name CCO --output b.svg | grep drawn
"$HEED" draw molecules --name Aspirin --output b.svg
"$HEED" train m.csv --target carbons --model transformer --blocks MSP --hidden 8 --heads 2 --pool-seeds 2 \
  --epochs 2 --batch 2 --output t > text || cat text
"$HEED" draw aspirin --model t/model.safetensors --output c.svg | sed 's/: 0.*/: some/'
drawn dot | grep -e fills -e eda247 -e '"[a-z]' |
  sed 's/: 0[^"]*/: some/;s/fills [0-9]*/fills more/;s/lines [0-9]* color="#eda247"/bands/'
"$HEED" draw m.csv --row 1 --model t/model.safetensors --layer 1 --head 1 --output c.svg |
  grep colour -B 1 | sed 's/: 0.*/: some/'
"$HEED" train m.csv --target carbons --model gat --hidden 8 --heads 2 --epochs 2 --batch 2 --output g \
  > text || cat text
"$HEED" draw CCO --model g/model.safetensors --output c.svg | grep colour | sed 's/: 0.*/: some/'
quiet draw aspirin --model t/model.safetensors --layer 2 --output c.svg
quiet draw karate --model t/model.safetensors --output c.svg
quiet draw nonsuch --output c.svg
quiet draw m.csv --row 600 --output c.svg
quiet draw m.csv --name six --output c.svg
