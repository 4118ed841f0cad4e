#!/bin/sh
# Builds a peer on Fast DDS 2.9 (what rmw_fastrtps wraps) and has our node over CycloneDDS speak with it, on loopback.
# Needs Debian's packages; installs them where this user may. VENV says which environment; arguments are pytest's.
set -eu
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
packages="fastddsgen libfastrtps-dev libfastcdr-dev default-jre-headless g++"
if ! command -v fastddsgen >/dev/null 2>&1 || ! command -v g++ >/dev/null 2>&1; then
    [ "$(id -u)" = 0 ] || { echo "First run: sudo apt-get install $packages"; exit 1; }
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
fi
build=${BUILD:-$venv/fastdds}
sources=tests/firmware_bridge/ros2/fastdds
mkdir -p "$build"
if ! [ -x "$build/peer" ] || [ -n "$(find "$sources" -newer "$build/peer" -type f)" ]; then
    cp "$sources/ros.idl" "$sources/peer.cpp" "$build/"
    (cd "$build" && fastddsgen -replace ros.idl >fastddsgen.log && g++ -std=c++17 -O1 -o peer peer.cpp ros.cxx rosPubSubTypes.cxx -lfastrtps -lfastcdr)
fi
peer=$(cd "$build" && pwd)/peer
ENIGMA_FASTDDS_PEER="$peer" exec "$venv/bin/python" -m pytest tests/firmware_bridge/ros2/test_fastdds.py "$@"
