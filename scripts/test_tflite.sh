#!/bin/sh
# Runs the device's tests with what 32-bit ARM has: tflite-runtime, numpy 1 and no other runtime; see docs/device.md.
# VENV says where the environment goes, PYTHON which Python 3.11 or older makes it; arguments are pytest's.
set -eu
cd "$(dirname "$0")/.."
venv=${VENV:-.venv-tflite}
python=${PYTHON:-python3}
if ! [ -e "$venv/.ready" ] || [ constraints.txt -nt "$venv/.ready" ]; then
    "$python" -c 'import sys; sys.exit(sys.version_info >= (3, 12) and "tflite-runtime ends with Python 3.11; set PYTHON.")'
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
    # The other versions are the usual ones. numpy 1.26 is the last that tflite-runtime lives with.
    grep -v '^numpy==' constraints.txt >"$venv/constraints.txt"
    pip="$venv/bin/python -m pip --quiet --disable-pip-version-check"
    $pip install --constraint "$venv/constraints.txt" "tflite-runtime==2.14.0" "numpy==1.26.4" aiohttp PyNaCl \
        pytest pytest-asyncio pytest-timeout pytest-xdist hypothesis flatbuffers
    # The tests write their models by the format's classes, one file of ai-edge-litert; its runtime must not be here.
    rm -rf "$venv/schema"
    $pip download --no-deps --dest "$venv/schema" --constraint "$venv/constraints.txt" ai-edge-litert
    "$venv/bin/python" - "$venv/schema" <<'PYTHON'
import sys, zipfile
from pathlib import Path

folder = Path(sys.argv[1])
(wheel,) = folder.glob("*.whl")
with zipfile.ZipFile(wheel) as packed:
    packed.extract("ai_edge_litert/schema_py_generated.py", folder)
wheel.unlink()
PYTHON
    touch "$venv/.ready"
fi
export PYTHONPATH="$PWD:$venv/schema"
"$venv/bin/python" - <<'PYTHON'
# Every module of the device must import with numpy 1 (those of other packages, lazily).
import importlib, pkgutil
import edge_runtime
from edge_runtime.engines import available_runtimes

for module in pkgutil.walk_packages(edge_runtime.__path__, "edge_runtime."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
assert available_runtimes() == {"tflite-runtime": "2.14.0"}, available_runtimes()
PYTHON
if [ $# -eq 0 ]; then
    set -- tests/edge_runtime/engines tests/edge_runtime/api tests/edge_runtime/bundle tests/edge_runtime/identity \
        tests/edge_runtime/serving tests/edge_runtime/update tests/edge_runtime/audio tests/edge_runtime/test_*.py
fi
exec "$venv/bin/python" -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile "$@"
