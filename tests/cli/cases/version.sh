# The version, then the libraries; after a subcommand too.
"$HEED" --version > a && "$HEED" info --version > b && cmp a b
sed -E '1s/[0-9]+\.[0-9]+\.[0-9]+$/#/; s/: .*//' a
grep -c ': *[^ ]' a
HEED_ISA=portable "$HEED" --version | tail -n 1
