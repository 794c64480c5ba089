# Every option that a subcommand tells of stands in the manual, in a section that is about it, and completes.
top=$(dirname "$LIB")/../..
if ! command -v bash > /dev/null; then
  echo 'the completion needs bash'
  exit 77
fi
for sub in info attend compare train predict draw demo bench; do
  "$HEED" $sub --help | grep -o -e '--[a-z-]*' | grep -v -e '--usage' | sort -u > said
  awk -v sub_="$sub" '
    /^\.S[HS]/ {
      wanted = /Global options|Options of (the graph|a collection|the attention)/ ||
               $0 == ".SS Options of " sub_ || (sub_ == "compare" && /Options of train/)
    }
    wanted { gsub(/\\-/, "-"); gsub(/\\f./, " "); print }' "$top/doc/heed.1" |
    grep -o -e '--[a-z-]*' | sort -u > written
  bash -c '. "$1"; COMP_WORDS=(heed "$2" --); COMP_CWORD=2; _heed; printf "%s\n" "${COMPREPLY[@]}"' \
    bash "$top/src/cli/heed.bash-completion" $sub | sort -u > completed
  comm -23 said written | sed "s/^/$sub: not in the manual: /"
  comm -23 said completed | sed "s/^/$sub: not completed: /"
  comm -13 said completed | sed "s/^/$sub: completed, but none: /"
  grep -q "fBheed.fR .*fB$sub.fR" "$top/doc/heed.1" || echo "$sub: not in the synopsis"
  grep -q "^\.B heed $sub\$" "$top/doc/heed.1" || echo "$sub: not described"
done
