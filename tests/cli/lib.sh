# What the cases share.

# Runs the command, both outputs into one, and says what its exit status was.
try() {
  echo "$ heed $*"
  "$HEED" "$@" 2>&1
  echo "[$?]"
}

# The same where only the exit status and what it says on standard error count.
quiet() {
  echo "$ heed $*"
  "$HEED" "$@" 2>&1 > /dev/null
  echo "[$?]"
}

# Masks times, sizes in memory and what else depends on the machine in JSON.
mask_json() {
  sed -E -e 's/("(seconds_[a-z]*|[a-z]*_seconds(_predicted)?|peak_extra_bytes|[a-z]*_bytes)": )[0-9.e+-]+/\1#/' \
    -e 's/("(threads)": )[0-9]+/\1#/' -e 's/("(isa|matrix_library|graph_library|version)": )"[^"]*"/\1"#"/'
}

# The value of a key of JSON on standard input, wherever it is.
key() {
  sed -n "s/^ *\"$1\": \(.*[^,]\),\{0,1\}\$/\1/p"
}
