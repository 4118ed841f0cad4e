"""What all tests share: nobody's own keys are used, none gets into somebody's keyring, long files start first, and a
clock that needn't be waited for."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Examples take long where the machine is busy, and are the same in each run; `--hypothesis-profile default` draws new ones.
settings.register_profile("same", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("same")

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
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # the same of a terminal that is closed, under nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

_TESTS = Path(__file__).parent
_WHOLE_WAY = _TESTS / "end_to_end"
# Few tests, but ten seconds of a processor and more: longest first, as `pytest --durations 60` shows them.
_LONG = (
    "trainer_host/students/test_game.py",
    "trainer_host/data/test_augment.py",
    "trainer_host/test_quickstart.py",
    "trainer_host/students/test_avatar.py",
    "firmware_bridge/robot/test_conformance.py",
    "companion_app/test_teaching_flow.py",
    "trainer_host/commands/test_chat.py",
    "trainer_host/commands/test_serve.py",
    "trainer_host/students/test_router.py",
    "companion_app/test_train_whole.py",
    "companion_app/test_teaching_window.py",
    "companion_app/test_window.py",
    "companion_app/test_robot.py",
    "companion_app/test_keyboard.py",
    "trainer_host/students/test_vision.py",
    "edge_runtime/update/test_hung_disk.py",
    "trainer_host/teacher/local/test_answers.py",
    "trainer_host/teacher/test_vault_transfer.py",
    "trainer_host/commands/test_sweep.py",
    "trainer_host/sandbox/test_attacks.py",
    "trainer_host/teacher/batch/test_killed.py",
    "firmware_bridge/robot/test_serve.py",
    "trainer_host/students/language/test_base.py",
    "trainer_host/students/test_wake_word.py",
)
_LONG_SECONDS = 900  # before a test of theirs is ended: a machine that does much else needs many times as long
_YOUNG = 10_000  # objects after which the collector looks through them; Python's 700 are for small programs


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: a sixth of a worker's time it waits for what it started."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Spare the garbage collector what all modules and tests are made of: they stay, and are millions of objects."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
        gc.set_threshold(_YOUNG)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long, so that none of them runs alone at the end; see `make test`.

    First the whole ways, then files with a test marked slow, then those above, then by the number of tests, as pytest-xdist
    does. Tests that take long are given longer.
    """
    tests = Counter(item.path for item in items)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    place = {_TESTS / name: number for number, name in enumerate(_LONG)}
    items.sort(
        key=lambda item: (
            _WHOLE_WAY not in item.path.parents,
            item.path not in slow,
            place.get(item.path, len(_LONG)),
            -tests[item.path],
            item.path.as_posix(),
        )
    )
    for item in items:
        longer = _WHOLE_WAY in item.path.parents or item.path in slow or item.path in place
        if longer and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(_LONG_SECONDS))


@pytest.fixture
async def leap(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the event loop's clock on by so many seconds: deadlines in between are over, and nobody waits for them."""
    loop, ahead = asyncio.get_running_loop(), 0.0
    clock = loop.time

    def leap(seconds: float) -> None:
        nonlocal ahead
        ahead += seconds

    monkeypatch.setattr(loop, "time", lambda: clock() + ahead)
    return leap


@pytest.fixture
async def simulated_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[], float]:
    """The event loop's clock, simulated: it stands while anything can be done, and leaps to the next timer otherwise.

    For tests whose tasks wait for each other and for the clock alone: sockets, threads and processes don't know of it.
    """
    loop = asyncio.get_running_loop()
    selector = loop._selector  # type: ignore[attr-defined]
    now, look = 0.0, selector.select

    def select(timeout: float | None = None) -> object:
        nonlocal now
        ready = look(None if timeout is None else 0)
        if timeout and not ready:
            now += timeout
        return ready

    monkeypatch.setattr(loop, "time", lambda: now)
    monkeypatch.setattr(selector, "select", select)
    return loop.time
