#!/bin/sh
# Runs a command in a network of its own, where the machine allows that. A browser gives up
# requests, sockets and page loads when an interface of the machine comes or goes, as those of
# containers do.
#
#   alone.sh COMMAND…
set -eu
up='ip link set lo up'
for unshared in 'unshare --net' 'unshare --map-root-user --net'; do
  if $unshared sh -c "$up" 2>/dev/null; then
    exec $unshared sh -c "$up"' && exec "$@"' alone "$@"
  fi
done
exec "$@"
