# Without gnuplot there are no figures, which is said once and is no failure.
. "$LIB"
HEED_GNUPLOT=/nonexistent
export HEED_GNUPLOT
quiet train karate --model gat --hidden 8 --epochs 3 --output a | sed 's/svg: .*/svg: why/'
ls a
quiet compare karate --train --model gat --hidden 8 --epochs 2 --masks none,graph --output b |
  sed 's/svg: .*/svg: why/'
ls b
