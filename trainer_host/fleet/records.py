"""What the fleet's database holds, as values: devices, what they told, what happened; and how rows of it are read and written."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row

from edge_runtime.update.desired import Where
from trainer_host.fleet.rollouts import Course, Plan, Release, Stage

if TYPE_CHECKING:
    from edge_runtime.update.report import Report, Told

Json = dict[str, object]


@dataclass(frozen=True)
class Device:
    """A device that reported. seen: when, seconds since 1970; told: by its own clock, at most that. present: whether it is there, as far as is known. via: how
    it reported last, as "lan" or "mqtt". given: tags that it was given here. The rest as in `edge_runtime.update.report.Report`."""

    id: str
    name: str
    tags: tuple[str, ...]
    seen: float
    told: float
    present: bool
    via: str
    runtime: str
    agent: str
    cause: str
    memory_mb: float | None
    given: tuple[str, ...] = ()

    @property
    def all_tags(self) -> frozenset[str]:
        """Its own and those that it was given."""
        return frozenset((*self.tags, *self.given))


@dataclass(frozen=True)
class Standing:
    """What a device told of a specialist, or of a rollout (`about`).

    The fields are those of `edge_runtime.update.report.Told`; at: when it was told, seconds since 1970.
    """

    device: str
    about: str
    version: str
    bundle: str
    state: str
    cause: str
    golden: float | None
    p95_ms: float | None
    memory_mb: float | None
    since: float
    at: float


@dataclass(frozen=True)
class Event:
    """Something that happened. number: from 1 on, none is missing. kind: as "rollout.paused". by: who did it."""

    number: int
    at: float
    kind: str
    by: str
    detail: Json


def row_of(report: Report, now: float, via: str) -> Json:
    """A device's row, of its report. via: how it came, as "lan"."""
    return {
        "device": report.device,
        "name": report.name,
        "tags": list(report.tags),
        "seen": now,
        "told": min(report.at, now),
        "present": True,
        "via": via,
        "runtime": report.runtime,
        "agent": report.agent,
        "cause": report.cause,
        "memory_mb": report.memory_mb,
    }


def facts_of(told: Told) -> Json:
    """What a device told of a specialist, as columns."""
    return {
        "version": told.version,
        "bundle": told.bundle,
        "state": told.state,
        "cause": told.cause,
        "golden": told.golden,
        "p95_ms": told.p95_ms,
        "memory_mb": told.memory_mb,
        "since": told.since,
    }


def device_of(row: Row[Any], given: tuple[str, ...]) -> Device:
    """A device of its row. given: tags that it was given here."""
    return Device(
        id=row.device,
        name=row.name,
        tags=tuple(row.tags),
        seen=row.seen,
        told=row.told,
        present=row.present,
        via=row.via,
        runtime=row.runtime,
        agent=row.agent,
        cause=row.cause,
        memory_mb=row.memory_mb,
        given=given,
    )


def standing_of(row: Row[Any], about: str) -> Standing:
    """What a row says of a specialist or a rollout."""
    fields = [getattr(row, field.name) for field in dataclasses.fields(Standing)[2:]]
    return Standing(row.device, about, *fields)


def course_of(raw: dict[str, Any]) -> Course:
    """As `asdict` wrote it; the database's form says that it did."""
    plan, before = raw["plan"], raw["before"]
    stages = tuple(Stage(**stage) for stage in plan["stages"])
    made = {
        "release": Release(**raw["release"]),
        "before": None if before is None else Release(**before),
        "where": Where(**{key: tuple(value) for key, value in raw["where"].items()}),
        "when": tuple(raw["when"]),
        "named": tuple(raw["named"]),
        "plan": Plan(**{**plan, "stages": stages}),
    }
    return Course(**{**raw, **made})
