# Bags of words give the same bits whether they come dense or sparse, divided by their sums or not.
. "$LIB"
"$NPZ" words dense.npz sparse.npz
for features in none row-normalize; do
  for form in dense sparse; do
    "$HEED" train $form.npz --model gat --hidden 8 --heads 2 --lr 0.01 --epochs 40 \
      --features $features --output $form > text
  done
  cmp dense/history.csv sparse/history.csv && echo same
  "$HEED" predict sparse.npz --model dense/model.safetensors --json p.json > text
  key test < p.json > a
  key test < dense/results.json | cmp - a && echo same
  cp dense/history.csv $features.csv
done
cmp -s none.csv row-normalize.csv || echo other
