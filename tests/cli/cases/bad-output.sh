# Files that cannot be written: exit 1; what was written before is named.
. "$LIB"
quiet attend karate --output no/a.npz
quiet attend karate --graphml no/a.graphml
quiet attend karate --output a.npz --graphml no/a.graphml
quiet attend karate --output a.npz --json no/a.json
quiet info karate --json no/a.json
ls
if [ -w /dev/full ]; then "$HEED" info karate > /dev/full; else "$HEED" info no-such-file; fi 2> err
echo $?
