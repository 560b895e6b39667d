#!/usr/bin/env bash
# Prints what a pull of each image costs, compressed, next to the images of
# Tale v0.2.34, and fails where one is over its limit. A registry stores layers
# with gzip, too.
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

with_engine
docker image inspect tale-e2e/tale-{platform,convex,proxy}:e2e >/dev/null 2>&1 || die 'no images: run "make e2e" first'

# size IMAGE: bytes of its compressed layers.
size() { docker save "$1" | nice gzip -6 | wc -c; }
mb() { awk -v bytes="$1" 'BEGIN {printf "%.1f MB", bytes / 1e6}'; }

over=0
row() {
  local service=$1 classic=$2 limit=$3 bytes
  bytes=$(size "tale-e2e/tale-$service:e2e")
  printf '%-10s %10s   classic %4s MB   at most %s\n' "$service" "$(mb "$bytes")" "$classic" "$(mb "$limit")"
  ((bytes <= limit)) || over=1
}

base=$(size tale-e2e/convex-backend)
row platform 320 90000000
row convex 485 $((base + 25000000))
row proxy 88 16000000
echo "(convex on the stand-in base of $(mb "$base"); the real base comes on top of what we add)"
((over == 0)) || die "an image is over its limit"
