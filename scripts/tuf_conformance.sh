#!/bin/sh
# Runs the official TUF conformance suite, from a checkout of it, against 'enigma-edge tuf-client' of this environment:
#
#     git clone https://github.com/theupdateframework/tuf-conformance
#     sh scripts/tuf_conformance.sh tuf-conformance [arguments for pytest]
#
# The suite brings packages of its own versions, so it gets an environment of its own, in the checkout's folder .enigma.
# It needs the program faketime (Debian: faketime), and the client the package cryptography: the suite's keys are ECDSA.
set -eu
checkout=${1:?"say where the checkout of tuf-conformance lies"}
shift
client=${CLIENT:-$(pwd)/${VENV:-.venv}/bin/enigma-edge}
[ -d "$checkout/tuf_conformance" ] || { echo "$checkout isn't a checkout of tuf-conformance."; exit 2; }
[ -x "$client" ] || { echo "There is no $client; run 'make test' once, or set CLIENT."; exit 2; }
command -v faketime >/dev/null 2>&1 || { echo "The program faketime is missing; sudo apt-get install faketime"; exit 2; }
cd "$checkout"
if [ ! -x .enigma/bin/pytest ]; then
    "${PYTHON:-python3}" -m venv .enigma
    .enigma/bin/python -m pip install --quiet --disable-pip-version-check --editable .
fi
exec .enigma/bin/pytest tuf_conformance --entrypoint "$client tuf-client" "$@"
