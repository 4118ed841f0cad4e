"""What a device tells of itself and its specialists, for whoever looks after many: bounded, strict, the same over any way.

Nothing of what was asked or answered is in it. A reader passes over keys that it doesn't know, so a newer device stays in
sight of an older host.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from edge_runtime import strict_json
from edge_runtime.errors import EdgeError
from edge_runtime.update.desired import DEVICE, MOST_TAGS, TAG
from edge_runtime.update.machine import State

Json = dict[str, object]
FORMAT = 1
MOST_BYTES = 64 * 1024  # some 150 specialists; what a host keeps of 10,000 devices then stays under a gigabyte at worst
MOST_SPECIALISTS = 256
MOST_CAUSE = 300  # characters
_MOST_NAME = 100
_MOST_NUMBER = 1e12  # beyond any time, size or duration that a device tells
_SPECIALIST = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_ROLLOUT = re.compile(r"(?:[a-z0-9][a-z0-9-]{0,63})?")
_VERSION = re.compile(r"[0-9A-Za-z.-]{0,96}")
_HASH = re.compile(r"(?:[0-9a-f]{64})?")
_STATES = frozenset(state.value for state in State)
_AGENT = re.compile(r"[a-z][a-z0-9_]{0,31}")


class ReportError(EdgeError):
    """What a device told of itself can't be read."""

    status = 422
    code = "report"


@dataclass(frozen=True)
class Told:
    """One specialist. version, bundle: what serves now, empty where nothing does; bundle is the hash of its payload in hex.

    rollout, state, cause: the release that was under way last, by the id of its rollout (empty where none was), how far it
    came (the value of a `State`), and why it was rolled back or waits. golden: the share of its golden vectors that were answered right; p95_ms:
    milliseconds; memory_mb: megabytes; each None where it wasn't measured. since: when the state began, in seconds since
    1970, 0 where that isn't known.
    """

    version: str = ""
    bundle: str = ""
    state: str = State.IDLE.value
    cause: str = ""
    rollout: str = ""
    golden: float | None = None
    p95_ms: float | None = None
    memory_mb: float | None = None
    since: float = 0.0


@dataclass(frozen=True)
class Report:
    """A device at a moment. at: seconds since 1970 by its own clock. agent: what its updater does, a lower-case word.

    cause: why the updater can't go on, empty where it can. memory_mb: of the whole daemon. runtime: Enigma's version on
    it. left_out: specialists that didn't fit into `MOST_BYTES`. journal: how many lines were ever written into its journal of
    updates, and the hash of the last one in hex, empty before the first; None from a device that is too old to tell.
    """

    device: str
    name: str
    tags: tuple[str, ...]
    at: float
    agent: str = "off"
    specialists: Mapping[str, Told] = field(default_factory=dict)
    cause: str = ""
    memory_mb: float | None = None
    runtime: str = ""
    left_out: int = 0
    journal: tuple[int, str] | None = None


def plain_report(report: Report) -> Json:
    """As JSON, within the bounds: long texts are cut, and of too many specialists those without a rollout left out first."""
    top: Json = {
        "format": FORMAT,
        "device": report.device,
        "name": _shown(report.name, _MOST_NAME),
        "tags": list(report.tags[:MOST_TAGS]),
        "at": report.at,
        "agent": report.agent,
        "cause": _shown(report.cause, MOST_CAUSE),
        "memory_mb": report.memory_mb,
        "runtime": report.runtime,
    }
    if report.journal is not None:
        top["journal"] = {"lines": report.journal[0], "hash": report.journal[1]}
    told: dict[str, Json] = {}
    room = MOST_BYTES - len(strict_json.dumps(top)) - 2048  # the rest for what is added to sign it
    for name, one in sorted(report.specialists.items(), key=lambda item: (not item[1].rollout, item[0])):
        fields = {**dataclasses.asdict(one), "cause": _shown(one.cause, MOST_CAUSE)}
        room -= len(strict_json.dumps({name: fields}))
        if room < 0 or len(told) == MOST_SPECIALISTS:
            break
        told[name] = fields
    left_out = report.left_out + len(report.specialists) - len(told)
    return {**top, "specialists": told, "left_out": left_out}


def write_report(report: Report) -> bytes:
    """As canonical JSON of at most `MOST_BYTES`; raises `ReportError` for what `parse_report` would refuse."""
    content = strict_json.dumps(plain_report(report))
    parse_report(content)
    return content


def parse_report(raw: bytes) -> Report:
    """Read what `write_report` wrote; raises `ReportError` with a sentence that names the place."""
    if len(raw) > MOST_BYTES:
        raise ReportError(f"The device's report has {len(raw):,} bytes; at most {MOST_BYTES:,} are read.")
    return report_of(strict_json.loads_object(raw, "The device's report", ReportError))


def report_of(top: Json) -> Report:
    """Read what `plain_report` made; raises `ReportError`."""
    if top.get("format") != FORMAT or isinstance(top.get("format"), bool):
        raise ReportError(f"The format of the device's report isn't {FORMAT}; update Enigma here.")
    tags, raw = top.get("tags"), top.get("specialists")
    if not isinstance(tags, list) or len(tags) > MOST_TAGS:
        raise ReportError(f"The device's report: 'tags' must be a list of at most {MOST_TAGS}.")
    if not all(isinstance(tag, str) and TAG.fullmatch(tag) for tag in tags):
        raise ReportError("The device's report: 'tags' holds a text that is no tag.")
    if not isinstance(raw, dict) or len(raw) > MOST_SPECIALISTS:
        raise ReportError(f"The device's report: 'specialists' must be an object of at most {MOST_SPECIALISTS}.")
    left_out = top.get("left_out", 0)
    if isinstance(left_out, bool) or not isinstance(left_out, int) or not 0 <= left_out <= 10**6:
        raise ReportError("The device's report: 'left_out' must be a whole number.")
    return Report(
        device=_match(top, "device", DEVICE),
        name=_text(top, "name", _MOST_NAME),
        tags=tuple(tags),
        at=_number(top, "at", _MOST_NUMBER) or 0.0,
        agent=_match(top, "agent", _AGENT),
        specialists={name: _told(name, fields) for name, fields in raw.items()},
        cause=_text(top, "cause", MOST_CAUSE),
        memory_mb=_number(top, "memory_mb", _MOST_NUMBER),
        runtime=_match(top, "runtime", _VERSION),
        left_out=left_out,
        journal=_journal(top.get("journal")),
    )


def _journal(raw: object) -> tuple[int, str] | None:
    if raw is None:
        return None
    lines = raw.get("lines") if isinstance(raw, dict) else None
    if not isinstance(raw, dict) or isinstance(lines, bool) or not isinstance(lines, int) or not 0 <= lines <= 10**12:
        raise ReportError("The device's report: 'journal' must say how many lines there are.")
    return lines, _match(raw, "hash", _HASH)


def _told(name: str, raw: object) -> Told:
    if not _SPECIALIST.fullmatch(name) or not isinstance(raw, dict):
        raise ReportError("The device's report: 'specialists' holds what is no specialist.")
    state = raw.get("state")
    if not isinstance(state, str) or state not in _STATES:
        raise ReportError(f"The device's report: {name} is in a state that this version doesn't know.")
    return Told(
        version=_match(raw, "version", _VERSION),
        bundle=_match(raw, "bundle", _HASH),
        state=state,
        cause=_text(raw, "cause", MOST_CAUSE),
        rollout=_match(raw, "rollout", _ROLLOUT),
        golden=_number(raw, "golden", 1.0),
        p95_ms=_number(raw, "p95_ms", _MOST_NUMBER),
        memory_mb=_number(raw, "memory_mb", _MOST_NUMBER),
        since=_number(raw, "since", _MOST_NUMBER) or 0.0,
    )


def _match(fields: Json, key: str, pattern: re.Pattern[str]) -> str:
    value = fields.get(key)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ReportError(f"The device's report: '{key}' isn't one that a host can use.")
    return value


def _text(fields: Json, key: str, most: int) -> str:
    # It is shown in terminals and web pages, so nothing in it may steer one.
    value = fields.get(key)
    if not isinstance(value, str) or len(value) > most or not (value.isprintable() or not value):
        raise ReportError(f"The device's report: '{key}' must be a text of at most {most} printable characters.")
    return value


def _number(fields: Json, key: str, most: float) -> float | None:
    value = fields.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise ReportError(f"The device's report: '{key}' must be a number from 0 to {most:g}.")
    return float(value)


def _shown(text: str, most: int) -> str:
    """Cut, and of printable characters alone: a cause may quote a file or a peer."""
    return "".join(char if char.isprintable() else " " for char in text[:most])
