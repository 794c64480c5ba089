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
