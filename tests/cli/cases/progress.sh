# A terminal is shown how far it is; anything else is not.
. "$LIB"
options="train karate --model gat --hidden 8 --epochs 40 --patience 0 --output out"
# shellcheck disable=SC2086
"$HEED" $options 2> err > text
grep -v "no figure" err || echo silent
if script --version 2> /dev/null | grep -q util-linux; then
  script -qec "$HEED $options" /dev/null > typed < /dev/null
  tr '\r' '\n' < typed | grep -q 'karate: run 1 of 1 \[[#-]*\] epoch [0-9]* of 40, loss' && echo shown
else
  echo shown
fi
