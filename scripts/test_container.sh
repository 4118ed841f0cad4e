#!/bin/sh
# Builds the device's container from Debian's packages, with buildah and without a registry, and looks at it: how large it is, who it runs
# as, and that it becomes healthy. Needs root, for mmdebstrap and buildah's chroot. VENV says which environment.
set -eu
cd "$(dirname "$0")/.."
venv=$(cd "${VENV:-.venv}" && pwd)
[ "$(id -u)" = 0 ] || { echo "Run it as root: it unpacks a Debian and builds within it."; exit 1; }
if ! command -v buildah >/dev/null 2>&1 || ! command -v mmdebstrap >/dev/null 2>&1; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends buildah mmdebstrap crun >/dev/null
fi
work=$(mktemp -d)
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs
buildah="buildah --root $work/root --runroot $work/run"
container=
finish() {
    [ -z "$container" ] || $buildah rm "$container" >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM
# In the place of the two images that the file names: Debian with pip to build in, and one that is unpacked only, without a shell, to run.
debian() { # VARIANT TAR PACKAGES
    mmdebstrap --quiet --variant="$1" --include="$3" --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' bookworm "$2"
}
debian minbase "$work/build.tar" python3-pip
debian extract "$work/base.tar" base-files,libc-bin,libstdc++6,libgomp1,python3,ca-certificates,netbase,tzdata
# Nothing of documentation, and no shell: what Debian's own image for Python leaves out.
mkdir "$work/base"
tar -C "$work/base" -xf "$work/base.tar"
rm -rf "$work/base/usr/share/doc" "$work/base/usr/share/man" "$work/base/usr/share/locale" "$work/base/usr/share/perl" \
    "$work/base/usr/lib/x86_64-linux-gnu/perl-base" "$work/base/var/cache" "$work/base/var/lib/apt"
rm -f "$work/base/bin/sh" "$work/base/bin/dash" "$work/base/bin/bash" "$work/base/usr/bin/perl"
mkdir -p "$work/base/tmp" && chmod 1777 "$work/base/tmp"
tar -C "$work/base" -cf "$work/base.tar" .
image() { # TAR NAME
    made=$($buildah from scratch)
    $buildah add -q "$made" "$1" / >/dev/null
    $buildah commit -q "$made" "$2" >/dev/null
    $buildah rm "$made" >/dev/null
}
image "$work/build.tar" enigma-debian
image "$work/base.tar" enigma-base
"$venv/bin/python" -m pip wheel --quiet --wheel-dir "$work/wheels" --constraint constraints.txt 'setuptools>=77' wheel '.[edge,litert]'
$buildah build --quiet --format docker --volume "$work/wheels:/wheels:ro" \
    --build-arg BUILD=localhost/enigma-debian --build-arg BASE=localhost/enigma-base \
    --build-arg PIP="--no-index --find-links /wheels" -f scripts/packaging/Containerfile -t enigma-edge . >/dev/null
container=$($buildah from enigma-edge)
place=$($buildah mount "$container")
ENIGMA_CONTAINER="$container" ENIGMA_CONTAINER_ROOT="$place" ENIGMA_BUILDAH="$buildah" \
    "$venv/bin/python" -m pytest tests/test_container.py "$@"
