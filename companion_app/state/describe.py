"""The state in words: what the screens print."""

from __future__ import annotations

from companion_app.i18n import N_, ntr, tr
from companion_app.i18n.figures import number
from companion_app.state.model import Answer, AppState, Device, Phase, Specialist


def status_of(device: Device | None) -> tuple[str, str]:
    """A device's state as a word and its tone."""
    if device is None:
        return "", "plain"
    link = device.link
    if link.phase is Phase.ONLINE:
        return (tr("Ready"), "good") if link.ready else (tr("Not ready"), "warn")
    if link.phase is Phase.WAITING:
        return tr("Offline"), "bad"
    return tr("Connecting"), "plain"


_ROLES = {
    "viewer": N_("may look"),
    "operator": N_("may ask"),
    "releaser": N_("may push"),
    "owner": N_("may do all"),
    "open": N_("open on this machine"),
}
# What hosts measure; a figure that is not here keeps its own name.
_METRICS = {
    "accuracy": N_("Accuracy"),
    "coverage": N_("Coverage"),
    "exact": N_("Exact"),
    "latency_ms": N_("Latency"),
    "precision": N_("Precision"),
    "recall": N_("Recall"),
    "rows": N_("Rows"),
    "size": N_("Size"),
}


def role_words(role: str) -> str:
    """What a pairing of this scope may do."""
    return tr(_ROLES.get(role, _ROLES["operator"]))


def device_line(device: Device) -> str:
    """One line: where a device is, how we may use it, what it runs."""
    count = len(device.link.models)
    models = ntr("{number} specialist", "{number} specialists", count) if device.link.phase is Phase.ONLINE else ""
    role = role_words(device.role)
    where = device.address.removeprefix("http://").removeprefix("https://")
    return "  ·  ".join(part for part in (where, role, models) if part)


def specialist_facts(model: Specialist) -> tuple[tuple[str, str], ...]:
    """What a card lists, as (name, value)."""
    facts = [(tr("Version"), model.version), (tr("Runtime"), model.runtime), (tr("Size"), human_bytes(model.size))]
    facts.append((tr("Precision"), model.precision))
    facts += [(metric_name(name), metric(name, value)) for name, value in model.metrics]
    return tuple((name, value) for name, value in facts if value)


def metric_name(name: str) -> str:
    """A figure's name as a card lists it."""
    known = _METRICS.get(name)
    return tr(known) if known else name.replace("_", " ").capitalize()


def metric(name: str, value: float) -> str:
    """A metric as people write it: shares as percent, the rest as it is."""
    shares = ("accuracy", "exact", "f1", "precision", "recall", "coverage", "hassil", "rate")
    if 0 <= value <= 1 and any(word in name for word in shares):
        return number(value * 100, ".1f") + " %"
    if name.endswith("_ms"):
        return tr("{value:.2f} ms", value=value)
    return number(value, ",.0f") if float(value).is_integer() else number(value, ".3g")


def human_bytes(size: int) -> str:
    """1234567 as "1.2 MB"."""
    if size < 1000:
        return f"{size} B"
    if size < 1_000_000:
        return tr("{value:.0f} kB", value=size / 1000)
    if size < 1_000_000_000:
        return tr("{value:.1f} MB", value=size / 1000000)
    return tr("{value:.1f} GB", value=size / 1000000000)


def latency(answer: Answer) -> str:
    """The two times of an answer."""
    return tr(
        "{ms} ms on the device, {all} ms in all", ms=number(answer.ms, ".1f"), all=number(answer.round_trip_ms, ".0f")
    )


def where_to_ask(state: AppState) -> str:
    """One sentence while nobody can answer; empty when someone can."""
    device = state.device
    if device is None:
        return tr("Pair with a device first; then it can answer.")
    if device.link.phase is Phase.WAITING:
        return device.link.error or tr("{name} is away.", name=device.name)
    if not device.link.models:
        if device.link.phase is Phase.CONNECTING:
            return tr("Connecting to {name}.", name=device.name)
        return tr("{name} has no specialist yet; push a bundle to it.", name=device.name)
    return ""
