"""Checks a device's journal of updates: that its lines are a chain, and that nothing was cut off since this host last asked.

Lines that weren't changed are bound to each other by hashes; where they end is signed by the device's key. What was cut off at
the end, or written anew from some line on, can only be seen by whoever kept where it ended before: this host does, in
HOME/device-journals.json. Whoever owns the device's key can sign any journal, but none in which what this host has seen fits.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from edge_runtime.errors import BadRequest
from edge_runtime.identity.pin import read_pin
from edge_runtime.update.journal import START, hash_of
from edge_runtime.update.journal_head import Head, read_head
from trainer_host.data.dataset import Json
from trainer_host.errors import TrainerError
from trainer_host.release.devices import Device, client_of
from trainer_host.workspace import Workspace, storage_errors, write_atomic

FILE = "device-journals.json"
MOST_PAGES = 50  # of 200 lines: more than a device keeps
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Checked:
    """lines: the newest first; head: where the journal ends; known: where it ended when this host last asked, None at first.

    problem: what is wrong, as a sentence, empty where nothing is. gap: lines after the known end that the device doesn't keep
    any more, so that it can't be shown that what follows goes on from there.
    """

    lines: list[Json]
    head: Head
    known: Head | None
    problem: str = ""
    gap: int = 0


def check_device(workspace: Workspace, device: Device, known: tuple[int, str] | None = None) -> Checked:
    """Ask a device for its journal, check it, and keep where it ends now if nothing is wrong.

    known: (lines, hash of the last one) that was kept elsewhere, in place of what this host kept. Raises `EdgeError` where the
    device can't be asked, or didn't sign; `TrainerError` where what was kept is damaged.
    """
    path = workspace.home / FILE
    kept = _read(path)
    before = kept.get(device.id) if known is None else Head(device.id, *known, 0.0)
    lines, head = asyncio.run(_fetch(device, 0 if before is None else before.count))
    problem, gap = check_lines(lines, head, before)
    if not problem:
        with storage_errors(workspace.home):
            content = {id_: asdict(each) for id_, each in sorted({**kept, device.id: head}.items())}
            write_atomic(path, json.dumps(content, indent=1).encode() + b"\n", 0o600)
    return Checked(lines, head, before, problem, gap)


def check_lines(lines: list[Json], head: Head, known: Head | None) -> tuple[str, int]:
    """(what is wrong with lines, the newest first, as a sentence; lines that are lacking after the known end)."""
    number, last = head.count - 1, head.hash
    for line in lines:
        if line.get("n") != number or line.get("hash") != last or _hash_of(line) != last:
            return f"Line {number + 1} of the journal isn't the one that was written, or is lacking.", 0
        if known is not None and number == known.count - 1 and last != known.hash:
            return f"Line {number + 1} of the journal is another one than on {_day(known)}: it was written anew.", 0
        number, last = number - 1, str(line.get("prev"))
    if not lines and head.count:
        return f"The device shows no line of its journal, and says that there are {head.count}.", 0
    if number < 0 and last != START:
        return "The first line of the journal says that there was one before it.", 0
    if known is None or known.count == 0:
        return "", 0
    if head.count < known.count:
        return (
            f"The journal has {head.count} lines and had {known.count} on {_day(known)}: lines at its end were cut off.",
            0,
        )
    if number + 1 == known.count and last != known.hash:
        return f"Line {known.count + 1} of the journal doesn't go on from the one before it: it was written anew.", 0
    return "", max(0, number + 1 - known.count)


async def _fetch(device: Device, down_to: int) -> tuple[list[Json], Head]:
    """All lines from number `down_to` on that the device keeps, at least the newest ones; and the signed head."""
    public = ""
    with contextlib.suppress(BadRequest):
        public = read_pin(device.certificate).device
    async with client_of(device) as client:
        told = await client.update_journal()
        head = read_head(told.get("signed"), device.id, public)
        lines = page = _lines(told)
        for _ in range(MOST_PAGES):
            if not page or _number(page[-1]) <= max(0, down_to - 1):
                break
            page = _lines(await client.update_journal(before=_number(page[-1])))
            lines = lines + page
    return lines, head


def _lines(told: Json) -> list[Json]:
    found = told.get("journal")
    return [line for line in found if isinstance(line, dict)] if isinstance(found, list) else []


def _hash_of(line: Json) -> str:
    try:
        return hash_of(line)
    except ValueError:  # what no device writes, as NaN
        return ""


def _number(line: Json) -> int:
    number = line.get("n")
    return number if isinstance(number, int) else 0


def _day(head: Head) -> str:
    from datetime import UTC, datetime

    return "the day that you kept" if not head.at else f"{datetime.fromtimestamp(head.at, UTC):%Y-%m-%d %H:%M} UTC"


def _read(path: Path) -> dict[str, Head]:
    with storage_errors(path.parent):
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return {}
    try:
        found = {id_: Head(**fields) for id_, fields in json.loads(raw).items()}
        if all(isinstance(head.count, int) and _HASH.fullmatch(head.hash) for head in found.values()):
            return found
    except (ValueError, TypeError, AttributeError):
        pass
    raise TrainerError(
        f"{path} is damaged; restore it from a copy. Without it nobody can tell whether a device's journal was cut off."
    )
