# Global options before and after the subcommand; the last one counts; a seed changes the graph.
. "$LIB"
graph=er:n=50,p=0.1
"$HEED" --seed 7 --threads 2 --json a info $graph --masks graph > text
"$HEED" info --seed 7 $graph --masks graph --threads 2 --json b > text
"$HEED" --seed 3 info $graph --masks graph --json c --seed=7 -t 2 > text
"$HEED" -s 8 -t 2 info $graph --masks graph -j d > text
for file in a b c d; do mask_json < $file > $file.masked; done
cmp a.masked b.masked && cmp a.masked c.masked && echo same
cmp -s a.masked d.masked || echo other
# A build without OpenMP has one thread, whatever is asked for.
if "$HEED" --version | grep -q 'threads: *OpenMP$'; then threads=2; else threads=1; fi
[ "$(key threads < a)" = $threads ] && echo threads
# "-" is standard output, and nothing else goes there.
"$HEED" info $graph --seed 7 --masks graph -t 2 --json - | mask_json | cmp - a.masked && echo same
