"""Cuts the power of a real update at every step, and counts what is intact and what recovers.

    python scripts/power_cuts.py                    # everything, some minutes
    python scripts/power_cuts.py --sample 30        # so many points of each kind, as the tests do

On the real client, from the signed metadata to the pointer of the model that serves, in three ways:

- faults: Debian's strace lets the Nth write, fsync, rename, ... end in SIGKILL, "no space left" or "input/output error",
  for N = 1, 2, ... until nothing is injected any more;
- crashes: strace records one update, and `tests/edge_runtime/update/crash_disk.py` replays every prefix of it on a disk
  that forgets what wasn't synced;
- chains: the process is killed, runs again, and the power goes then, so that of what the first run left unsynced
  nothing may be counted on.

After each, the model must be the old or the new one, whole, and loadable; and the next run must install the new one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from edge_runtime.update import disk_threads
from tests.edge_runtime.update import crash_disk, updating
from tests.edge_runtime.update.updating import Case

T = TypeVar("T")
CALLS = ("write", "fsync", "rename", "openat", "ftruncate", "mkdir", "unlink", "unlinkat")
FAULTS = {"KILL": "signal=KILL", "ENOSPC": "error=ENOSPC", "EIO": "error=EIO"}
CHAINED = 4  # cuts of the second run of a chain, drawn from its few hundred
SECONDS = 60.0  # that one run may take: it takes a tenth of a second
_INJECTED = ("(INJECTED)", "+++ killed by SIGKILL +++")


@dataclass(frozen=True)
class Point:
    """One cut: where, and what came of it. problem: empty where all was intact and recovered."""

    kind: str
    where: str
    served: str
    problem: str


def forked(work: Callable[[], object], log: Path, go: int | None = None) -> int:
    """Start a process that does this, its output in a log; its id. go: a pipe from which it first reads a byte."""
    process = os.fork()
    if process:
        return process
    status = 70
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        if go is not None:
            os.read(go, 1)
        result = work()
        status = result if isinstance(result, int) else 0
    except AssertionError as failed:
        os.write(1, str(failed).encode())
        status = 1
    except BaseException:
        os.write(1, traceback.format_exc().encode())
    finally:
        os._exit(status)


def traced(case: Case, state: Path, options: Iterable[str], log: Path) -> int:
    """One update under strace; the exit status, negative for a signal."""
    ready, go = os.pipe()
    process = forked(lambda: case.update(state), log.with_suffix(".out"), ready)
    os.close(ready)
    strace = subprocess.Popen(["strace", *options, "-o", str(log), "-p", str(process)], stderr=subprocess.DEVNULL)
    status = Path(f"/proc/{process}/status")
    ends = time.monotonic() + SECONDS
    while "TracerPid:\t0\n" in status.read_text():
        assert strace.poll() is None, "strace can't attach to a process of its own user here"
        assert time.monotonic() < ends
        time.sleep(0.0005)
    os.write(go, b"!")
    os.close(go)
    ended = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    strace.wait(SECONDS)
    return ended


def judge(case: Case, state: Path, log: Path) -> tuple[str, str]:
    """(the version that served after the cut, what is wrong). In a process of its own, as after a start."""

    def look() -> None:
        served = case.served(state)  # fails where the model is torn
        os.write(1, f"{served}\n".encode())
        assert served in (case.old, case.new), f"{served} serves"
        status = case.update(state)
        assert status == 0, f"the next run ended with {status}"
        recovered = case.served(state)
        assert recovered == case.new, f"the next run left {recovered}"
        left = case.left_over(state)
        assert not left, f"the next run left {', '.join(left)}"

    status = os.waitstatus_to_exitcode(os.waitpid(forked(look, log), 0)[1])
    served, _, rest = log.read_text(errors="replace").partition("\n")
    return served, "" if status == 0 else f"{served} {rest}".strip() or f"ended with {status}"


def faults(case: Case, folder: Path, call: str, fault: str, numbers: Iterable[int]) -> list[Point]:
    """Inject one fault at the Nth call for each number, until none is injected."""
    found: list[Point] = []
    for number in numbers:
        state = fresh(case, folder)
        log = folder / "strace.log"
        inject = ["-qq", "-e", f"trace=?{call}", "-e", f"inject=?{call}:{FAULTS[fault]}:when={number}"]
        traced(case, state, inject, log)
        if not any(sign in log.read_text(errors="replace") for sign in _INJECTED):
            break
        found.append(Point(f"{call} {fault}", str(number), *judge(case, state, folder / "judge.log")))
    return found


def count_calls(case: Case, folder: Path) -> dict[str, int]:
    """How often one whole update makes each call."""
    log = folder / "strace.log"
    status = traced(case, fresh(case, folder), ["-qq", "-e", "trace=" + ",".join(f"?{c}" for c in CALLS)], log)
    assert status == 0, (folder / "strace.out").read_text()
    names = [line.partition("(")[0] for line in log.read_text(errors="replace").splitlines()]
    return {call: names.count(call) for call in CALLS}


def recorded(case: Case, folder: Path, state: Path) -> list[crash_disk.Call]:
    """What one update changes on the disk."""
    log = folder / "strace.log"
    status = traced(case, state, crash_disk.STRACE, log)
    assert status == 0, (folder / "strace.out").read_text()
    return crash_disk.calls(log, state)


def crashes(case: Case, folder: Path, sample: int | None, draw: random.Random) -> tuple[list[Point], int]:
    """Replay prefixes of one update on a disk that forgets; the points, and how many calls the update made."""
    state = fresh(case, folder)
    made = recorded(case, folder, state)
    disk = crash_disk.CrashDisk(case.base)
    found = cut_after(disk, made, draw)
    assert disk.live() == tree_of(state), "the replay isn't what the process did"
    return judged("crash", case, folder, some(found, sample, draw)), len(made)


def chains(case: Case, folder: Path, sample: int | None, draw: random.Random) -> list[Point]:
    """Kill an update after each of its calls, let it run again, and cut the power of that run."""
    made = recorded(case, folder, fresh(case, folder))
    points: list[Point] = []
    for count in some(list(range(1, len(made) + 1)), sample, draw):
        disk = crash_disk.CrashDisk(case.base)
        for call in made[:count]:
            disk.do(call)
        state = fresh(case, folder)
        shutil.rmtree(state)
        crash_disk.put(disk.live(), state)
        found = cut_after(disk, recorded(case, folder, state), draw)
        told = [(f"killed after {count}, then {where}", tree) for where, tree in some(found, CHAINED, draw)]
        points += judged("kill, then crash", case, folder, told)
    return points


def cut_after(
    disk: crash_disk.CrashDisk, made: Iterable[crash_disk.Call], draw: random.Random
) -> list[tuple[str, crash_disk.Tree]]:
    """(where, what may be on the disk) for a cut after each call, each tree once."""
    trees: dict[object, tuple[str, crash_disk.Tree]] = {}
    for number, call in enumerate(made, 1):
        disk.do(call)
        for tree in disk.after_a_cut(draw):
            trees.setdefault(tuple(sorted(tree.items())), (f"{number} ({call.kind} {call.path})", tree))
    return list(trees.values())


def judged(kind: str, case: Case, folder: Path, found: Iterable[tuple[str, crash_disk.Tree]]) -> list[Point]:
    """What comes of each tree."""
    points = []
    for where, tree in found:
        state = folder / "device"
        shutil.rmtree(state)
        crash_disk.put(tree, state)
        points.append(Point(kind, where, *judge(case, state, folder / "judge.log")))
    return points


def some(found: list[T], sample: int | None, draw: random.Random) -> list[T]:
    """All, or so many of them."""
    return found if sample is None or sample >= len(found) else draw.sample(found, sample)


def fresh(case: Case, folder: Path) -> Path:
    """A copy of the device before the update, at the one path where it lies in all runs."""
    state = folder / "device"
    shutil.rmtree(state, ignore_errors=True)
    shutil.copytree(case.base, state)
    return state


def tree_of(folder: Path) -> crash_disk.Tree:
    """What lies in a folder."""
    return {str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes() for path in folder.rglob("*")}


def in_this_thread() -> None:
    """strace counts the calls of each thread by itself: what the client does in threads is done in its own."""

    def begun(work: Callable[..., object], arguments: tuple[object, ...]) -> Future[object]:
        promise: Future[object] = Future()
        try:
            promise.set_result(work(*arguments))
        except BaseException as error:  # as the thread does
            promise.set_exception(error)
        return promise

    disk_threads._begun = begun  # type: ignore[assignment]


def main() -> int:
    """Run it; 0 where everything was intact and recovered."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sample", type=int, help="so many points of faults, and of crashes, instead of all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default="faults,crashes,chains", help="which of the ways (default: %(default)s)")
    parser.add_argument("--calls", default=",".join(CALLS), help="which system calls fail")
    parser.add_argument("--unsynced", action="store_true", help="leave fsync out, to see that this is found")
    parser.add_argument("--untried", action="store_true", help="leave the process out in which a model is tried first")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    args = parser.parse_args()
    if shutil.which("strace") is None:
        print("strace isn't installed; on Debian: apt-get install strace", file=sys.stderr)
        return 2
    in_this_thread()
    if args.unsynced:
        os.fsync = lambda fd: None
    draw = random.Random(args.seed)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made).resolve()
        case = updating.prepare(folder, not args.untried)
        counts = count_calls(case, folder)
        every = [(c, f, n) for c in args.calls.split(",") for f in FAULTS for n in range(1, counts[c] + 1)]
        points: list[Point] = []
        calls = 0
        kinds = args.kinds.split(",")
        if "faults" in kinds and args.sample is None:
            for call in args.calls.split(","):
                for fault in FAULTS:
                    points += faults(case, folder, call, fault, range(1, 10_000))
        elif "faults" in kinds:
            for call, fault, number in sorted(draw.sample(every, min(args.sample, len(every)))):
                points += faults(case, folder, call, fault, [number])
        if "crashes" in kinds:
            crashed, calls = crashes(case, folder, args.sample, draw)
            points += crashed
        if "chains" in kinds:
            points += chains(case, folder, None if args.sample is None else args.sample // CHAINED, draw)
    report(points, counts, calls, time.monotonic() - began, args.json)
    return 1 if any(point.problem for point in points) else 0


def report(points: list[Point], counts: dict[str, int], calls: int, seconds: float, as_json: bool) -> None:
    """Print the counts, and every point that wasn't survived."""
    kinds = sorted({point.kind for point in points})
    rows = {
        kind: {
            "points": sum(p.kind == kind for p in points),
            "survived": sum(p.kind == kind and not p.problem for p in points),
            "old": sum(p.kind == kind and p.served == updating.OLD for p in points),
            "new": sum(p.kind == kind and p.served == updating.NEW for p in points),
        }
        for kind in kinds
    }
    bad = [f"{point.kind} {point.where}: {point.problem[:2000]}" for point in points if point.problem]
    total = {key: sum(row[key] for row in rows.values()) for key in ("points", "survived", "old", "new")}
    told = {"calls": counts, "recorded": calls, "rows": rows, "total": total, "bad": bad}
    if as_json:
        print(json.dumps(told))
        return
    print(f"{'':18}{'points':>8}{'survived':>10}{'old':>6}{'new':>6}")
    for name, row in {**rows, "all": total}.items():
        print(f"{name:18}{row['points']:8}{row['survived']:10}{row['old']:6}{row['new']:6}")
    print(f"{calls} changing calls of one update replayed; {seconds:.0f} s")
    for line in bad:
        print(line)


if __name__ == "__main__":
    sys.exit(main())
