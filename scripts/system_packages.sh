#!/bin/sh
# Installs, where this user may, the system libraries that a headless window needs (Mesa's software OpenGL), and
# bubblewrap, which isolates code that a model wrote. Without them tests skip with a reason.
set -eu
packages="libgl1 libegl1 libgl1-mesa-dri libegl-mesa0 libmtdev1 bubblewrap"
missing=""
command -v dpkg-query >/dev/null 2>&1 || { echo "Not a Debian system: install Mesa (EGL, GL), mtdev and bubblewrap yourself."; exit 0; }
for package in $packages; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
    echo "For all tests run: sudo apt-get install$missing"
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends $missing >/dev/null
