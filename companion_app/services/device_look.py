"""How a device is, asked of it: heat, versions, live figures, pipelines, updates. What it can't say is left out."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Mapping
from typing import TypeVar

from companion_app.services.wire import as_list, as_number, as_text
from companion_app.state.fleet import (
    Coming,
    Detail,
    Figures,
    PairedWith,
    PipelineTold,
    Updates,
    Version,
    Vitals,
)
from edge_runtime.client import DeviceClient, Forbidden, NotFound, Overloaded, Unauthorized
from edge_runtime.strict_json import is_number

T = TypeVar("T")
# An update is news for hours; what serves, and how fast, changes in front of a person.
ASK_UPDATES_EVERY = 6
MAX_ITEMS = 256
_BUCKET = re.compile(r'enigma_specialist_seconds_bucket\{specialist="([^"]{1,64})",le="([^"]+)"\} (\S+)')
_COUNT = re.compile(r'enigma_specialist_seconds_count\{specialist="([^"]{1,64})"\} (\S+)')
_MEMORY = re.compile(r'enigma_model_memory_bytes\{specialist="([^"]{1,64})"\} (\S+)')


class DeviceLook:
    """Looks at one device again and again."""

    def __init__(self, client: DeviceClient) -> None:
        self._client = client
        self._latest = Detail()
        self._buckets: dict[str, dict[float, float]] = {}
        self._looks = 0

    async def look(self, whole: bool) -> Detail:
        """How it is now. whole: also what only the device's own screen shows. Raises EdgeError where it can't be reached."""
        answer = await _told(self._client.status())
        status = answer or {}
        updates = self._latest.updates
        if answer is not None and (whole or self._looks % ASK_UPDATES_EVERY == 0):
            answer = await _told(self._client.updates())
            updates = None if answer is None else updates_from(answer)
        self._looks += 1
        figures, versions = self._latest.figures, self._latest.versions
        if whole:
            text = await _told(self._client.metrics())
            figures = self._figures(text or "")
            answer = await _told(self._client.versions())
            versions = None if answer is None else versions_from(answer)
        self._latest = Detail(
            vitals=vitals_from(status) if status else None,
            figures=figures,
            versions=versions,
            pipelines=pipelines_from(status) if status else None,
            updates=updates,
            paired=paired_from(status),
            certificate=self._client.certificate or "",
        )
        return self._latest

    def _figures(self, text: str) -> Mapping[str, Figures]:
        """Each specialist's figures; the middle answer is one of those since the look before, where there were any."""
        seen: dict[str, dict[float, float]] = {}
        for name, bound, count in _BUCKET.findall(text):
            seen.setdefault(name, {})[_float(bound)] = _float(count)
        memory = {name: int(_float(held)) for name, held in _MEMORY.findall(text)}
        answered = {name: int(_float(count)) for name, count in _COUNT.findall(text)}
        found: dict[str, Figures] = {}
        for name in [*memory, *(name for name in answered if name not in memory)][:MAX_ITEMS]:
            now, before = seen.get(name, {}), self._buckets.get(name, {})
            new = {bound: count - before.get(bound, 0.0) for bound, count in now.items()}
            if min(new.values(), default=0.0) < 0:  # the device was started again, and counts anew
                new = now
            known = self._latest.figures.get(name)
            p50 = middle(new)
            if p50 is None and known is not None:
                p50 = known.p50_ms
            found[name] = Figures(p50, answered.get(name, 0), memory.get(name, 0))
        self._buckets = seen
        return found


def middle(buckets: Mapping[float, float]) -> float | None:
    """Milliseconds within which half was answered, by a line within its bucket, as Prometheus' histogram_quantile draws it.

    buckets: how many took at most so many seconds, cumulative, with infinity. None where nothing was counted.
    """
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0.0
    if total <= 0:
        return None
    low, under = 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= total / 2:
            if bound == float("inf"):
                return 1000 * low
            share = (total / 2 - under) / (buckets[bound] - under)
            return 1000 * (low + (bound - low) * share)
        low, under = bound, buckets[bound]
    return None


def vitals_from(status: Mapping[str, object]) -> Vitals:
    """The figures of a device's status."""
    governor = _mapping(status.get("governor"))
    return Vitals(
        version=as_text(status.get("version")),
        started=as_number(status.get("started")),
        celsius=_number(governor.get("celsius")),
        battery=_number(governor.get("battery_percent")),
        memory=int(as_number(status.get("rss_bytes"))),
        free=int(as_number(status.get("free_bytes"))),
        load=as_text(governor.get("state")) or "free",
        reasons=tuple(as_text(one) for one in as_list(governor.get("reasons"))[:8]),
    )


def pipelines_from(status: Mapping[str, object]) -> tuple[PipelineTold, ...]:
    """The pipelines of a device's status."""
    listed = [_mapping(one) for one in as_list(status.get("pipelines"))[:MAX_ITEMS]]
    return tuple(
        PipelineTold(
            as_text(one.get("name")),
            as_text(one.get("state")),
            as_text(one.get("last_error")),
            int(as_number(one.get("out"))),
        )
        for one in listed
        if one.get("name")
    )


def paired_from(status: Mapping[str, object]) -> tuple[PairedWith, ...]:
    """Who is paired with a device."""
    listed = [_mapping(one) for one in as_list(status.get("paired"))[:MAX_ITEMS]]
    return tuple(
        PairedWith(as_text(one.get("name")), as_text(one.get("scope")), as_text(one.get("created"))[:10])
        for one in listed
    )


def versions_from(answer: Mapping[str, object]) -> Mapping[str, tuple[Version, ...]]:
    """The answer of /v1/versions."""
    return {
        name: tuple(
            Version(as_text(one.get("bundle")), as_text(one.get("version")), one.get("active") is True)
            for one in map(_mapping, as_list(listed)[:MAX_ITEMS])
            if one.get("bundle")
        )
        for name, listed in _mapping(answer.get("specialists")).items()
    }


def updates_from(answer: Mapping[str, object]) -> Updates:
    """The answer of /v1/updates: what is under way, was taken back, or is held up."""
    coming = []
    for name, told in _mapping(answer.get("specialists")).items():
        one = _mapping(told)
        state, cause = as_text(one.get("state")), as_text(one.get("cause"))
        if state not in ("idle", "committed") or cause:
            coming.append(Coming(name[:64], state, cause))
    agent = as_text(answer.get("agent"))
    return Updates(agent not in ("", "off"), as_text(answer.get("cause")), tuple(coming[:MAX_ITEMS]))


async def _told(call: Awaitable[T]) -> T | None:
    """What a device answers; None where it is too old to know the question, may not say it to us, or is too busy."""
    try:
        return await call
    except (NotFound, Forbidden, Unauthorized, Overloaded):
        return None


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> float | None:
    return float(value) if is_number(value) else None


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
