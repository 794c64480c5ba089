# The list of subcommands; `help` and `--help` say the same.
"$HEED" --help > a && "$HEED" help > b && cmp a b
sed -n '1,2p;/^Subcommands/,$p' a
for sub in info attend compare; do
  "$HEED" $sub --help > a && "$HEED" help $sub > b && cmp a b
  sed -n '1p' a
done
"$HEED" attend --help | grep -o -e '--[a-z-]*' | sort -u | tr '\n' ' '
echo
