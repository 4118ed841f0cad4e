#!/bin/sh
# The whole way without a network: teach, verify, train, gate, sign, push and ask, for router, robot and avatar.
# Where this user may, it runs in a network namespace that has nothing but loopback, which proves it.
#   sh scripts/dry_run.sh [options of `enigma selftest`]
set -eu
if unshare --net true 2>/dev/null; then
    echo "In a network namespace of its own: loopback only."
    exec unshare --net sh -c 'ip link set lo up 2>/dev/null || python3 -c "
import fcntl, socket, struct
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    fcntl.ioctl(s, 0x8914, struct.pack(\"16sh14s\", b\"lo\", 0x49, b\"\"))  # SIOCSIFFLAGS: up, loopback, running
"; exec enigma selftest "$@"' sh "$@"
elif unshare --user --map-root-user --net true 2>/dev/null; then
    echo "In a network namespace of its own: loopback only."
    exec unshare --user --map-root-user --net sh -c 'ip link set lo up && exec enigma selftest "$@"' sh "$@"
fi
echo "This user may not make a network namespace, so nothing proves that no network was used."
exec enigma selftest "$@"
