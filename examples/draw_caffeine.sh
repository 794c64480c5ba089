#!/bin/sh
# A model learns the boiling points of the molecules that come with Heed, and its attention is drawn on
# caffeine.
#   draw_caffeine.sh [FOLDER]
# writes caffeine.svg and the model there; without a folder it shows that it can, and keeps nothing.
heed=${HEED:-heed}
if [ -x ./heed ]; then heed=./heed; fi # of a build that is not installed
into=$1
if [ -z "$into" ]; then
  into=$(mktemp -d) || exit 1
  trap 'rm -rf "$into"' EXIT
fi
set -e
mkdir -p "$into"

if ! $heed draw caffeine --output "$into/caffeine.svg" > "$into/said" 2>&1; then
  cat "$into/said"
  grep -q -e Indigo -e Graphviz "$into/said" || exit 1
  exit 77 # without one of them there are no molecules, or no drawings
fi
$heed train molecules --target boiling_point_celsius --model transformer --blocks MMP --hidden 32 \
  --epochs 40 --threads 1 --output "$into"
$heed draw caffeine --model "$into/model.safetensors" --output "$into/caffeine.svg"
