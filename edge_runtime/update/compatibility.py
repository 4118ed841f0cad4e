"""Whether a bundle fits this device, told from what its signed target says, before a byte of it is fetched."""

from __future__ import annotations

import functools
import hashlib
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_runtime import strict_json
from edge_runtime.config import Config
from edge_runtime.engines import ONNX, available_runtimes
from edge_runtime.engines.opsets import highest_opset
from edge_runtime.errors import UnknownTask
from edge_runtime.tasks import task_module

Json = Mapping[str, object]
# What `uname -m` says of the same machine on other systems.
_SAME_MACHINE = {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64", "armv8l": "armv7l"}
_MOST_NAMES = 64  # of runtimes, of their versions and of machines in one target
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Here:
    """This device. runtimes: installed and allowed, name -> version; memory_mb: that models may have, 0 unknown.

    opset: called where a target asks for it, gives the highest ONNX opset that is read here, 0 without onnxruntime.
    schema: gives the hash of a task's I/O schema, "" for a task that this version doesn't know.
    """

    machine: str
    runtimes: Mapping[str, str]
    memory_mb: float
    opset: Callable[[], int]
    schema: Callable[[str], str]


def this_device(config: Config) -> Here:
    """What this device is, by its configuration and what is installed."""
    have = available_runtimes()
    allowed = {name: have[name] for name in config.models.runtimes if name in have}
    return Here(machine_name(platform.machine()), allowed, _memory_mb(config), highest_opset, schema_of)


def misfits(custom: Json, here: Here) -> list[str]:
    """Why a bundle can't run here, a sentence for each reason; empty where it can.

    custom: of the signed target, with "task" and "requires" (see docs/updates.md). What this version doesn't know, or
    can't read, is a reason too: what the signer required must not be passed over.
    """
    requires, task = custom.get("requires", {}), custom.get("task")
    if not isinstance(requires, dict) or not isinstance(task, str):
        return ["The target doesn't say what it requires as it should; publish it again."]
    found: list[str] = []
    for key, value in requires.items():
        check = _CHECKS.get(key)
        if check is None:
            found.append(f"The bundle requires '{key[:40]}', which this version doesn't know; update Enigma on it.")
            continue
        try:
            why = check(value, here, task)
        except _Unreadable:
            why = f"The target's requirement '{key}' can't be read; publish it again."
        if why:
            found.append(why)
    if not here.schema(task):
        found.append(f"This device doesn't know the task '{task[:40]}'; update Enigma on it.")
    return found


def new_enough(here: str, scored: Sequence[str]) -> bool:
    """Whether a runtime's version is of no older major one than one that a model was scored in."""
    return _major(here) >= min(map(_major, scored))


def schema_hash(io: Json) -> str:
    """What a target's "schema" is: the SHA-256 (hex) of the canonical JSON of a manifest's `io`."""
    return hashlib.sha256(strict_json.dumps(dict(io))).hexdigest()


@functools.cache
def schema_of(task: str) -> str:
    """The hash of the I/O schema that this version has for a task, "" where it doesn't know it."""
    try:
        module = task_module(task)
    except UnknownTask:
        return ""
    return schema_hash({"request": module.REQUEST_SCHEMA, "response": module.RESPONSE_SCHEMA})


def machine_name(told: str) -> str:
    """One name for each kind of machine, as Linux says it."""
    name = told.lower()
    return _SAME_MACHINE.get(name, name)


class _Unreadable(Exception):
    """A requirement isn't of the type it should be."""


def _runtimes(value: object, here: Here, task: str) -> str:
    if not isinstance(value, dict) or len(value) > _MOST_NAMES:
        raise _Unreadable
    wanted = {str(name): _texts(versions) for name, versions in value.items()}
    if not wanted or any(
        name in here.runtimes and versions and new_enough(here.runtimes[name], versions)
        for name, versions in wanted.items()
    ):
        return ""
    scored = ", ".join(f"{name[:40]} {' or '.join(v[:20] for v in versions[:3])}" for name, versions in wanted.items())
    usable = ", ".join(f"{name} {version}" for name, version in here.runtimes.items()) or "no runtime"
    return f"The bundle was scored in {scored[:200]}, and this device may use {usable}; install one of those."


def _machines(value: object, here: Here, task: str) -> str:
    wanted = {machine_name(name) for name in _texts(value)}
    if not wanted or here.machine in wanted:
        return ""
    return f"The bundle is for {', '.join(sorted(wanted))[:100]}, and this device is {here.machine}."


def _memory(value: object, here: Here, task: str) -> str:
    wanted = _amount(value)
    if not here.memory_mb or wanted <= here.memory_mb:
        return ""
    return f"The bundle needs {wanted:.0f} MB of memory, and models may have {here.memory_mb:.0f} MB on this device."


def _opset(value: object, here: Here, task: str) -> str:
    wanted = _amount(value)
    if not wanted or ONNX not in here.runtimes:  # "runtimes" says whether it must be there
        return ""
    have = here.opset()
    return "" if wanted <= have else f"The model has ONNX opset {wanted:.0f}, and onnxruntime reads up to {have} here."


def _schema(value: object, here: Here, task: str) -> str:
    if not isinstance(value, str) or (value and not _HASH.fullmatch(value)):
        raise _Unreadable
    known = here.schema(task)
    if not value or not known or value == known:  # an unknown task is told of by itself
        return ""
    return (
        f"The task '{task[:40]}' takes or gives other fields here than in the bundle; update Enigma on the older side."
    )


_CHECKS: Mapping[str, Callable[[object, Here, str], str]] = {
    "runtimes": _runtimes,
    "machines": _machines,
    "memory_mb": _memory,
    "opset": _opset,
    "schema": _schema,
}


def _texts(value: object) -> list[str]:
    if not isinstance(value, list) or len(value) > _MOST_NAMES or not all(isinstance(item, str) for item in value):
        raise _Unreadable
    return value


def _amount(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise _Unreadable
    return value


def _major(version: str) -> int:
    head = version.split(".", 1)[0]
    return int(head) if head.isascii() and head.isdigit() else 0


def _memory_mb(config: Config) -> float:
    """The least of the machine's memory, its control group's and what the configuration lets models have."""
    bounds = [float(config.models.memory_mb)] if config.models.memory_mb else []
    for path, unit in (("/proc/meminfo", 1 / 1024), ("/sys/fs/cgroup/memory.max", 1 / 2**20)):
        try:
            text = Path(path).read_text(encoding="ascii", errors="replace")
        except OSError:
            continue
        found = re.match(r"(?:MemTotal:\s*)?(\d+)", text)
        if found:
            bounds.append(int(found[1]) * unit)
    return min(bounds, default=0.0)
