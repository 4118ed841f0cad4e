"""What all tests share: nobody's own keys are used, none gets into somebody's keyring, and long files start first."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
for _name in [name for name in os.environ if name.endswith(("_API_KEY", "_BASE_URL")) or "PASSPHRASE" in name]:
    del os.environ[_name]
# The tests start hundreds of processes, and each would compile our modules anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
if "PYTEST_XDIST_WORKER" in os.environ:
    # There is a process per processor already; torch's own threads would wait for each other in every operator.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell without a terminal starts jobs in the background with Ctrl-C ignored, and so would be all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_WHOLE_WAY = Path(__file__).parent / "end_to_end"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take minutes, so that none of them runs alone at the end; see `make test`.

    First the whole ways, then files with a test marked slow, then by the number of tests, as pytest-xdist does.
    """
    tests = Counter(item.path for item in items)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(
        key=lambda item: (
            _WHOLE_WAY not in item.path.parents,
            item.path not in slow,
            -tests[item.path],
            item.path.as_posix(),
        )
    )
