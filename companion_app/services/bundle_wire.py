"""What a host tells of its bundles and model files, as the app's own data; a host may be newer, so no shape is taken for granted."""

from __future__ import annotations

import re
from collections.abc import Mapping

from companion_app.services.wire import MAX_TIME, as_list, as_number, as_text
from companion_app.state.bundles import HostBundle

MAX_BUNDLES = 500
# As `edge_runtime.bundle.manifest` has them.
_HASH = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}(\.[A-Za-z0-9_-]{1,30}){1,4}")
_VERSION = re.compile(r"\d{1,9}\.\d{1,9}\.\d{1,9}(-[0-9A-Za-z.-]{1,64})?")

Answer = Mapping[str, object]


def bundles_from(answer: Answer) -> tuple[tuple[HostBundle, ...], tuple[str, ...]]:
    """The bundles on the host, the newest first, and its sentences about files that are none."""
    found = tuple(
        HostBundle(
            sha256=as_text(item.get("sha256")),
            specialist=as_text(item.get("specialist")),
            version=as_text(item.get("version")),
            task=as_text(item.get("task")),
            bytes=int(_amount(item.get("bytes"))),
            made=min(_amount(item.get("made")), MAX_TIME),
            published=item.get("published") is True,
        )
        for item in as_list(answer.get("bundles"))[:MAX_BUNDLES]
        # They become names of files here.
        if isinstance(item, dict)
        and _HASH.fullmatch(as_text(item.get("sha256")))
        and _NAME.fullmatch(as_text(item.get("specialist")))
        and _VERSION.fullmatch(as_text(item.get("version")))
    )
    return found, tuple(as_text(one) for one in as_list(answer.get("damaged"))[:MAX_BUNDLES])


def exports_from(answer: Answer) -> tuple[HostBundle, ...]:
    """The model files on the host, the newest first."""
    return tuple(
        HostBundle(
            sha256=as_text(item.get("sha256")),
            specialist=as_text(item.get("run")),
            version="",
            task=as_text(item.get("task")),
            bytes=int(_amount(item.get("bytes"))),
            made=min(_amount(item.get("made")), MAX_TIME),
            model=as_text(item.get("file")),
            current=item.get("current") is True,
        )
        for item in as_list(answer.get("exports"))[:MAX_BUNDLES]
        if isinstance(item, dict)
        and _HASH.fullmatch(as_text(item.get("sha256")))
        and _NAME.fullmatch(as_text(item.get("run")))
        and _MODEL.fullmatch(as_text(item.get("file")))
    )


def _amount(value: object) -> float:
    return max(0.0, as_number(value))
