# What is known of the karate club, as text and as JSON.
. "$LIB"
"$HEED" info karate --masks graph,khop:2,full --json info.json |
  sed -E '/^threads|^instruction set/d' | sed -E '/mask /,$ s/^(.*[0-9]) +[0-9.]+ [nm u]?s .*$/\1 .../; s/  sparse time.*//'
mask_json < info.json
