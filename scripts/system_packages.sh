#!/bin/sh
# Installs, where this user may, what tests need of the system: two fonts and Mesa (a window without a screen), bubblewrap (isolates
# code that a model wrote), espeak-ng and flite (speech), alsa-utils (a microphone), age and gnome-keyring (keys), strace
# and faketime (power cuts, clocks), mosquitto (a broker), PostgreSQL (a fleet's database), gcc-avr, libsimavr and avrdude
# (a board's firmware and a simulated board), arduino-core-avr (its boot loader's source), at-spi2-core and pyatspi (the
# bus of screen readers, and a client of it). Without them tests skip.
set -eu
packages="fonts-droid-fallback fonts-lohit-deva libgl1 libegl1 libgl1-mesa-dri libegl-mesa0 libmtdev1 bubblewrap age espeak-ng flite alsa-utils gnome-keyring dbus"
packages="$packages at-spi2-core python3-pyatspi"
packages="$packages strace faketime mosquitto gcc make gcc-avr avr-libc libsimavr-dev libelf-dev avrdude arduino-core-avr"
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || packages="$packages postgresql"
missing=""
command -v dpkg-query >/dev/null 2>&1 || { echo "Not a Debian system: install Mesa (EGL, GL), mtdev, bubblewrap, age and espeak-ng yourself."; exit 0; }
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
