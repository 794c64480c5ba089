# shellcheck shell=sh
# What the cases share.

# Runs the command, both outputs into one, and says what its exit status was.
try() {
  echo "$ heed${*:+ $*}"
  "$HEED" "$@" 2>&1
  echo "[$?]"
}

# The same where only the exit status and what it says on standard error count.
quiet() {
  echo "$ heed${*:+ $*}"
  # shellcheck disable=SC2069 # standard error on, standard output away
  "$HEED" "$@" 2>&1 > /dev/null
  echo "[$?]"
}

# Masks times, sizes in memory and what else depends on the machine in JSON.
mask_json() {
  sed -E -e 's/("([a-z_]*seconds[a-z_]*|[a-z_]*bytes|threads)": )[0-9.e+-]+/\1#/g' \
    -e 's/("(auto|isa|matrix_library|graph_library|version)": )"[^"]*"/\1"#"/g'
}

# Masks the times of results.json, which are all that may differ between two runs.
mask_times() {
  sed -E 's/"(seconds|ms_per_epoch)": [0-9.e+-]+/"\1": #/g'
}

# The values of a key of JSON on standard input, wherever it is; texts up to a comma.
key() {
  grep -o "\"$1\": [^,}]*" | sed 's/^[^:]*: //'
}

# What is in a folder, but for figures.
files() {
  find "$1" -type f ! -name '*.svg' | sort
}

# Whether a figure was drawn; of a build that draws none nothing is asked.
figure() {
  if [ -s "$1" ] || "$HEED" --version | grep -q 'without gnuplot'; then
    echo "$1"
  else
    echo "$1 is missing"
  fi
}

# A TUDataset folder NAME of N graphs: rings (class 1) and stars (class -1) in turn, of 5 to 8 nodes, with
# node labels that say nothing, edge labels where there is a third word.
tudataset() {
  mkdir -p "$1"
  awk -v n="$2" -v base="$1/$1" -v edges="$3" 'BEGIN {
    for (g = 1; g <= n; g++) {
      size = 5 + int(g / 2) % 4
      for (i = 0; i < size; i++) {
        print g > (base "_graph_indicator.txt")
        print (i * 7 + g) % 3 > (base "_node_labels.txt")
        if (g % 2 == 0 && i == 0) continue
        a = first + 1 + i
        b = first + 1 + (g % 2 ? (i + 1) % size : 0)
        print a ", " b > (base "_A.txt")
        print b ", " a > (base "_A.txt")
        if (edges == "") continue
        print i % 2 > (base "_edge_labels.txt")
        print i % 2 > (base "_edge_labels.txt")
      }
      first += size
      print (g % 2 ? 1 : -1) > (base "_graph_labels.txt")
    }
  }'
}

# Molecules need Indigo. A build without it says so, and a case that needs it ends here: run.sh tells.
need_indigo() {
  printf 'smiles,y\nC,1\nCC,2\nCCC,3\n' > indigo.csv
  if "$HEED" info indigo.csv > indigo.text 2>&1; then return; fi
  if grep -q 'Indigo' indigo.text; then
    echo "built without Indigo: $(cat indigo.text)"
    exit 77
  fi
  cat indigo.text
  exit 1
}

# Forty molecules: alkanes, alcohols, amines and rings of 1 to 10 carbons; how many carbons, and whether there
# is an oxygen, with blanks.
molecules() {
  awk 'BEGIN {
    print "name,smiles,carbons,\"oxygen, any\",note"
    for (n = 1; n <= 10; n++) {
      chain = ""
      for (i = 0; i < n; i++) chain = chain "C"
      printf "alkane %d,%s,%d,0,a\n", n, chain, n
      printf "alcohol %d,%sO,%d,1,\"b, c\"\n", n, chain, n
      printf "amine %d,N%s,%s,%s,\n", n, chain, n == 4 ? "" : n, n == 7 ? "" : 0
      printf "\"ring \"\"%d\"\"\",C1%sC1,%d,0,d\n", n, chain, n + 2
    }
  }' > "$1"
}

# Drawings need a build that may run Graphviz.
need_graphviz() {
  if "$HEED" --version | grep -q 'without Graphviz'; then
    echo 'built without Graphviz'
    exit 77
  fi
}

# What is drawn, out of the script for neato: nodes, lines by style and colour, words, fills.
drawn() {
  echo "nodes $(grep -c '^n[0-9]* \[shape=circle' "$1")"
  grep -o 'penwidth=.* color="[^"]*" style=[a-z]*' "$1" | sed 's/.* color/color/' | sort | uniq -c |
    awk '{ print "lines", $1, $2, $3 }'
  grep -o 'label="[^"].*' "$1" | sed 's/^label=//;s/\];$//' | sort | uniq -c |
    awk '{ $1 = $1 "x"; print }'
  echo "fills $(grep '^n[0-9]* \[shape=circle' "$1" | grep -o 'fillcolor="[^"]*"' | sort -u | wc -l |
    tr -d ' ')"
}
