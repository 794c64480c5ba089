# The demo makes a folder of its own, and says so where it replaces something.
. "$LIB"
mkdir heed-demo
"$HEED" demo --threads 1 > text 2> err || { echo failed; cat err; }
files .
figure heed-demo-2/karate/curves.svg
grep -e '^\$' -e '^Figures' text
"$HEED" demo --output heed-demo-2 | head -n 1
