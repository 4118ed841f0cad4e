"""Runs snippets of Python that nobody has read: many per start of the sandbox, each with its own process and limits."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from trainer_host.errors import TrainerError
from trainer_host.sandbox.isolation import Way, hidden_paths, machine, offered

Status = Literal["ok", "error", "timeout", "memory", "output", "killed"]

MAX_SNIPPETS = 512
MAX_SOURCE = 65536  # characters; what a model writes for a small task is a tenth of that
_START_SECONDS = 30.0  # for the start of the sandbox itself, on a machine that does much else


class NoSandbox(TrainerError):
    """This machine can't isolate a process, so that code that a model wrote isn't run."""


class SandboxFailed(TrainerError):
    """The sandbox itself didn't start or answer. `reason`: a few words."""

    exit_code = 1

    def __init__(self, reason: str) -> None:
        super().__init__(f"The sandbox for code that a model wrote failed ({reason}); try again.")
        self.reason = reason

    def __reduce__(self) -> tuple[type[SandboxFailed], tuple[str]]:  # verifiers run in other processes
        return type(self), (self.reason,)


@dataclass(frozen=True)
class Limits:
    """Of one snippet, and `total_seconds` of a whole batch: snippets that it doesn't reach count as "timeout"."""

    cpu_seconds: int = 1
    wall_seconds: float = 4.0
    total_seconds: float = 10.0
    memory_bytes: int = 256 * 2**20
    output_bytes: int = 16 * 1024


@dataclass(frozen=True)
class Outcome:
    """How a snippet ended.

    status: "ok" (it came to its last line), "error" (it raised; `error` is "KeyError: 'a'", `line` where in the
    snippet), "timeout", "memory", "output" (it wrote more than allowed), "killed" (by a signal, or it left
    early). output: the first 4,096 characters that it wrote to standard output and error.
    """

    status: Status
    error: str = ""
    line: int = 0
    output: str = ""
    seconds: float = 0.0


DEFAULTS = Limits()


def run_python(sources: Sequence[str], limits: Limits = DEFAULTS, way: Way | None = None) -> list[Outcome]:
    """Run each source in a process of its own, all in one sandbox: no files, no network, no other processes.

    A snippet sees the standard library, read-only, and can't start processes or threads. Raises `NoSandbox` where
    the machine offers no isolation, `SandboxFailed` where the sandbox broke. At most `MAX_SNIPPETS` of at most
    `MAX_SOURCE` characters. way: for trying one; by default `find_way`.
    """
    if len(sources) > MAX_SNIPPETS or any(len(source) > MAX_SOURCE for source in sources):
        raise ValueError(f"at most {MAX_SNIPPETS} snippets of {MAX_SOURCE} characters are run at a time")
    if not sources:
        return []
    way = way or find_way()
    job = {
        "sources": [source.encode("utf-8", "replace").decode() for source in sources],  # no half surrogates
        "filter": way.filter.hex(),
        "environment": sorted({*way.environment, "PWD", "LC_CTYPE"}),  # bubblewrap sets PWD, Python LC_CTYPE
        "hidden": hidden_paths(),
        "cpu_seconds": limits.cpu_seconds,
        "wall_seconds": limits.wall_seconds,
        "total_seconds": limits.total_seconds,
        "memory_bytes": limits.memory_bytes,
        "output_bytes": limits.output_bytes,
    }
    return _answer(way, json.dumps(job).encode(), limits.total_seconds + _START_SECONDS)


@functools.cache
def find_way() -> Way:
    """The first way that this machine offers, tried once per process; raises `NoSandbox`."""
    tried: list[str] = []
    for way in offered():
        try:
            [outcome] = run_python(["pass"], way=way)
        except SandboxFailed as cause:
            tried.append(f"{way.name}: {cause.reason}")
            continue
        if outcome.status == "ok":
            return way
        tried.append(f"{way.name}: {outcome.status} {outcome.error}".strip())
    found = "; ".join(tried) or f"no sandbox is known for {sys.platform} {machine()}".strip()
    raise NoSandbox(
        "Code that a model wrote is only run in isolation, and this machine offers none: install bubblewrap "
        f"(Debian, Ubuntu: sudo apt-get install bubblewrap), and in a container allow user namespaces ({found})."
    )


def _answer(way: Way, job: bytes, seconds: float) -> list[Outcome]:
    try:
        done = subprocess.run(way.argv, input=job, capture_output=True, env=way.environment, cwd="/", timeout=seconds)
    except subprocess.TimeoutExpired:
        raise SandboxFailed(f"no answer within {seconds:.0f} seconds") from None
    except OSError as cause:
        raise SandboxFailed(f"{way.argv[0]} can't be started: {cause.strerror}") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise SandboxFailed(said[-1][:200] if said else f"it ended with code {done.returncode}")
    answer = json.loads(done.stdout)
    if "refused" in answer:
        raise SandboxFailed(f"{way.name} doesn't isolate: {answer['refused']}")
    return [Outcome(**ended) for ended in answer["ended"]]
