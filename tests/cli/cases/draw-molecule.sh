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
# An SDF may have its atoms in another order than its SMILES: each keeps the name of its element, with
# columns beside the features too. What was freed is overwritten here, where the C library can.
printf '%s\n' 'one of an SDF' '' '' '  3  2  0  0  0  0            999 V2000' \
  '    0.0    0.0    0.0 N   0  0' '    2.4    0.0    0.0 O   0  0' '    1.2    0.7    0.0 C   0  0' \
  '  1  3  1  0' '  2  3  2  0' 'M  END' '$$$$' > s.sdf
"$HEED" draw s.sdf --row 1 --output c.svg > text || cat text
grep -o '^n[0-9].* label="[A-Z]"' dot | sed 's/ .*label=/ /'
"$HEED" train m.csv --target carbons --model gat --hidden 8 --heads 2 --epochs 2 --batch 2 \
  --encoding laplacian:2+random-walk:99 --output e > text || cat text
GLIBC_TUNABLES=glibc.malloc.tcache_count=0:glibc.malloc.perturb=170 \
  "$HEED" draw s.sdf --row 1 --model e/model.safetensors --output c.svg > text || cat text
grep -o '^n[0-9].* label="[A-Z]"' dot | sed 's/ .*label=/ /'
