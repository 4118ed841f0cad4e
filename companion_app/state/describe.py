"""The state in words: what the screens print."""

from __future__ import annotations

from companion_app.state.model import Answer, AppState, Device, Phase, Specialist


def status_of(device: Device | None) -> tuple[str, str]:
    """A device's state as a word and its tone."""
    if device is None:
        return "", "plain"
    link = device.link
    if link.phase is Phase.ONLINE:
        return ("Ready", "good") if link.ready else ("Not ready", "warn")
    if link.phase is Phase.WAITING:
        return "Offline", "bad"
    return "Connecting", "plain"


_ROLES = {
    "viewer": "may look",
    "operator": "may ask",
    "releaser": "may push",
    "owner": "may do all",
    "open": "open on this machine",
}


def device_line(device: Device) -> str:
    """One line: where a device is, how we may use it, what it runs."""
    count = len(device.link.models)
    models = f"{count} specialist{'' if count == 1 else 's'}" if device.link.phase is Phase.ONLINE else ""
    role = _ROLES.get(device.role, "may ask")
    where = device.address.removeprefix("http://").removeprefix("https://")
    return "  ·  ".join(part for part in (where, role, models) if part)


def specialist_facts(model: Specialist) -> tuple[tuple[str, str], ...]:
    """What a card lists, as (name, value)."""
    facts = [("Version", model.version), ("Runtime", model.runtime), ("Size", human_bytes(model.size))]
    facts.append(("Precision", model.precision))
    facts += [(name.replace("_", " ").capitalize(), metric(name, value)) for name, value in model.metrics]
    return tuple((name, value) for name, value in facts if value)


def metric(name: str, value: float) -> str:
    """A metric as people write it: shares as percent, the rest as it is."""
    shares = ("accuracy", "exact", "f1", "precision", "recall", "coverage", "hassil", "rate")
    if 0 <= value <= 1 and any(word in name for word in shares):
        return f"{value * 100:.1f} %"
    if name.endswith("_ms"):
        return f"{value:.2f} ms"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.3g}"


def human_bytes(size: int) -> str:
    """1234567 as "1.2 MB"."""
    if size < 1000:
        return f"{size} B"
    if size < 1_000_000:
        return f"{size / 1000:.0f} kB"
    return f"{size / 1_000_000:.1f} MB"


def latency(answer: Answer) -> str:
    """The two times of an answer."""
    return f"{answer.ms:.1f} ms on the device, {answer.round_trip_ms:.0f} ms in all"


def where_to_ask(state: AppState) -> str:
    """One sentence while nobody can answer; empty when someone can."""
    device = state.device
    if device is None:
        return "Pair with a device first; then it can answer."
    if device.link.phase is Phase.WAITING:
        return device.link.error or f"{device.name} is away."
    if not device.link.models:
        if device.link.phase is Phase.CONNECTING:
            return f"Connecting to {device.name}."
        return f"{device.name} has no specialist yet; push a bundle to it."
    return ""
