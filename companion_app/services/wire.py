"""What devices answer, as the app's own data; a device may be newer, so no shape is taken for granted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from companion_app.i18n import ntr, tr
from companion_app.i18n.figures import clock, number
from companion_app.state.inventory import Inventory
from companion_app.state.model import Answer, Call, Event, Specialist
from edge_runtime.strict_json import is_number

# Lengths that a card can show; a device can send more, and a person could not read it.
MAX_TEXT = 300
MAX_ITEMS = 64
# Seconds since 1970 up to the year 9999, which is as far as datetime goes; a day less, for it goes by the local time.
MAX_TIME = 253_402_214_399


def specialist_from(item: Mapping[str, object]) -> Specialist:
    """One entry of `models`."""
    metrics = item.get("metrics")
    runtime = as_text(item.get("runtime"))
    version = as_text(item.get("runtime_version"))
    return Specialist(
        name=as_text(item.get("name")),
        task=as_text(item.get("task")),
        version=as_text(item.get("version")),
        runtime=f"{runtime} {version}".strip(),
        precision=as_text(item.get("precision")),
        size=int(as_number(item.get("bytes") or item.get("size"))),
        metrics=tuple(
            (as_text(name), as_number(value))
            for name, value in (metrics.items() if isinstance(metrics, dict) else ())
            if isinstance(value, int | float) and not isinstance(value, bool)
        )[:MAX_ITEMS],
    )


def request_for(task: str, sentence: str, inventory: Inventory, area: str | None) -> dict[str, object]:
    """The request that a task takes for a sentence."""
    if task != "robot":
        return {"text": sentence}
    request: dict[str, object] = {"text": sentence, "inventory": dict(inventory.document)}
    if area is not None:
        request["context"] = {"area": area}
    return request


def answer_from(item: Mapping[str, object], inventory: Inventory, round_trip_ms: float) -> Answer:
    """An answer of `run`, of any task."""
    calls = item.get("calls")
    scores = item.get("scores")
    ranked = sorted(
        ((as_text(name), as_number(score)) for name, score in (scores.items() if isinstance(scores, dict) else ())),
        key=lambda pair: -pair[1],
    )
    question = item.get("question")
    label = item.get("label")
    return Answer(
        confidence=as_number(item.get("confidence")),
        unsure=item.get("unsure") is True,
        ms=as_number(item.get("ms")),
        round_trip_ms=round_trip_ms,
        calls=tuple(_call(call, inventory) for call in as_list(calls)[:MAX_ITEMS] if isinstance(call, dict)),
        question=as_text(question) if isinstance(question, str) and question else None,
        label=as_text(label) if isinstance(label, str) else None,
        scores=tuple(ranked[:3]),
    )


def event_from(item: Mapping[str, object]) -> Event:
    """An event of the device as one line; kinds that this app does not know are listed as they are."""
    kind = as_text(item.get("type"))
    name = f"{as_text(item.get('specialist'))} {as_text(item.get('version'))}".strip()
    message = as_text(item.get("message"))
    if kind == "install":
        text = _install_line(item)
    elif kind == "activated":
        text = tr("{name} now answers, in {runtime}.", name=name, runtime=as_text(item.get("runtime")))
    elif kind == "serving":
        text = tr("{name} answers.", name=name)
    elif kind == "rolled_back":
        text = tr("{name} went back to its previous version ({message}).", name=name, message=message)
    elif kind == "paired":
        text = tr("Paired with {name}, as {role}.", name=as_text(item.get("name")), role=as_text(item.get("role")))
    elif kind == "stopping":
        text = tr("The device is stopping.")
    elif kind == "lost":
        text = ntr(
            "{number} event came too fast and is not shown.",
            "{number} events came too fast and are not shown.",
            int(as_number(item.get("count"))),
        )
    else:
        text = message or kind or tr("Something happened.")
    at = item.get("time")
    known = isinstance(at, int | float) and not isinstance(at, bool) and 0 < at < MAX_TIME
    when = datetime.fromtimestamp(float(at)) if known and isinstance(at, int | float) else datetime.now()
    return Event(at=clock(when, seconds=True), text=text, bad=kind in ("error", "rolled_back"))


def changes_models(item: Mapping[str, object]) -> bool:
    """Whether after this event the device may serve something else than before."""
    return item.get("type") in ("activated", "serving", "rolled_back", "error", "lost", "stopping")


def _install_line(item: Mapping[str, object]) -> str:
    stage = as_text(item.get("stage"))
    if stage == "receiving":
        total = as_number(item.get("total"))
        share = 100 * as_number(item.get("bytes")) / total if total else 0.0
        return tr("Receiving a bundle: {percent} %.", percent=number(share, ".0f"))
    words = {
        "verified": tr("The bundle's signature is good."),
        "unpacked": tr("The bundle is unpacked."),
        "admitted": tr("The bundle passed its golden examples."),
        "activated": tr("The bundle is switched on."),
    }
    return words.get(stage, tr("Installing: {stage}.", stage=stage))


def _call(item: Mapping[str, object], inventory: Inventory) -> Call:
    arguments = item.get("arguments")
    targets = [as_text(target) for target in as_list(item.get("targets"))[:MAX_ITEMS]]
    return Call(
        name=as_text(item.get("name")),
        arguments=tuple(
            (as_text(name), as_text(value))
            for name, value in (arguments.items() if isinstance(arguments, dict) else ())
        )[:MAX_ITEMS],
        targets=tuple((target, inventory.name_of(target)) for target in targets),
    )


def as_list(value: object) -> list[object]:
    """A list, or an empty one."""
    return value if isinstance(value, list) else []


def as_text(value: object) -> str:
    """Anything as a text that a line can show."""
    if isinstance(value, bool):
        return tr("yes") if value else tr("no")
    if isinstance(value, list):
        value = ", ".join(as_text(item) for item in value[:MAX_ITEMS])
    text = "" if value is None else str(value)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def as_number(value: object) -> float:
    """A number, or 0; infinity, as 1e400 is read, is none."""
    return float(value) if is_number(value) else 0.0
