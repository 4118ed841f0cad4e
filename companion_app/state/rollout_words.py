"""Rollouts and bundles in words: what the screen prints."""

from __future__ import annotations

import re
from datetime import datetime

from companion_app.i18n import N_, ntr, tr
from companion_app.i18n.figures import day
from companion_app.state.bundles import Bundles, Fetch, FetchPhase, HostBundle
from companion_app.state.describe import human_bytes
from companion_app.state.rollout_plan import bounds_words, when_words, where_words
from companion_app.state.training import Rollout, Stage

STATES = {
    "running": (N_("Running"), "accent"),
    "paused": (N_("Paused"), "warn"),
    "done": (N_("Done"), "good"),
    "aborted": (N_("Taken back"), "bad"),
    "replaced": (N_("Replaced"), "plain"),
}
# What most people want, the careful one first; others can be typed.
STAGES = ("1,5%,25%,100%", "1,50%,100%", "100%")
SOAKS = ("10m", "1h", "4h", "1d")
OWN = "own"
_STAGE = re.compile(r"(\d{1,7})(?: devices?)?|(\d{1,3}(?:\.\d{1,2})?) ?%")
_TIME = re.compile(r"(\d{1,4})([smhd])")


def rollout_state(rollout: Rollout) -> tuple[str, str]:
    """A rollout's state as a word and its tone."""
    if rollout.state == "running" and rollout.soaking:
        return tr("Watching"), "accent"
    word, tone = STATES.get(rollout.state, (rollout.state, "plain"))
    return tr(word), tone


def rollout_line(rollout: Rollout) -> str:
    """How far a rollout is."""
    parts = [tr("{done} of {devices} devices run it", done=rollout.done, devices=rollout.devices)]
    if rollout.failed:
        parts.append(ntr("{number} failed", "{number} failed", rollout.failed))
    if rollout.before:
        parts.append(tr("before it was {version}", version=rollout.before))
    return "  ·  ".join(part for part in (*parts, rollout.cause) if part)


def rollout_terms(rollout: Rollout) -> str:
    """Which devices a rollout means, when they switch and what pauses it; empty where it is all devices, at any time."""
    parts = [where_words(rollout.where), when_words(rollout.when)]
    if rollout.most_failures and rollout.least_done and rollout.state in ("running", "paused"):
        parts.append(bounds_words(rollout.most_failures, rollout.least_done))
    said = "  ·  ".join(part for part in parts if part)
    return said[:1].upper() + said[1:]


def stage_title(place: int, stage: Stage) -> str:
    """A stage by its number, from 0, and its size."""
    return tr("Stage {number}: {size}", number=place + 1, size=size_words(stage.name) or stage.name)


def stage_line(stage: Stage) -> str:
    """How far a stage is."""
    line = tr("{done} of {devices}", done=stage.done, devices=stage.devices)
    failed = ntr("{number} failed", "{number} failed", stage.failed) if stage.failed else ""
    return f"{line}  ·  {failed}" if failed else line


def stage_state(rollout: Rollout, place: int) -> tuple[str, str]:
    """What a stage does, as a word and its tone; "" where the rollout's own state says it."""
    if rollout.state == "done" or place < rollout.stage:
        return tr("Done"), "good"
    if rollout.state not in ("running", "paused"):
        return "", "plain"
    if place > rollout.stage:
        return tr("Waiting"), "plain"
    return rollout_state(rollout)


def size_words(text: str) -> str:
    """A stage's size as people say it: "1 device", "5 %", "all"; "" for what is no size."""
    found = _STAGE.fullmatch(text.strip())
    if found is None:
        return ""
    if found[1] is not None:
        return ntr("{number} device", "{number} devices", int(found[1]))
    return tr("all") if float(found[2]) >= 100 else f"{found[2]} %"


def stages_words(text: str) -> str:
    """The stages of a plan as people say them; "" for a text that is no plan."""
    sizes = [size_words(part) for part in text.split(",")]
    return tr(", then ").join(sizes) if all(sizes) else ""


def time_words(text: str) -> str:
    """A time such as "10m" as people say it; "" for what is none."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return ""
    count = int(found[1])
    match found[2]:
        case "s":
            return ntr("{number} second", "{number} seconds", count)
        case "m":
            return ntr("{number} minute", "{number} minutes", count)
        case "h":
            return ntr("{number} hour", "{number} hours", count)
    return ntr("{number} day", "{number} days", count)


def plan_words(stages: str, soak: str) -> str:
    """What will happen, in a sentence; or how to write it."""
    sizes, time = stages_words(stages), time_words(soak)
    if not sizes:
        return tr("Write stages as {example}: numbers of devices, then shares.", example="1,5%,25%,100%")
    return tr("It goes to {stages}. Each stage is watched for {time} before the next begins.", stages=sizes, time=time)


def bundle_line(bundle: HostBundle) -> str:
    """What is known of a bundle, besides its name."""
    made = day(datetime.fromtimestamp(bundle.made)) if bundle.made else ""
    old = "" if bundle.current else tr("from before its last training")
    return "  ·  ".join(part for part in (bundle.task, human_bytes(bundle.bytes), made, old) if part)


def bundles_line(bundles: Bundles) -> str:
    """Why there are no bundles to see; empty where there are some."""
    if not bundles.known:
        return tr("Asking the host …")
    if bundles.older:
        return tr("This host can't hand out bundles; update Enigma there.")
    return "" if bundles.lying else tr("No bundle lies on the host yet; make one of a run.")


def fetch_line(fetch: Fetch | None) -> str:
    """How far a fetch is, in words; empty where none is under way."""
    if fetch is None or not fetch.open:
        return ""
    if fetch.phase is FetchPhase.WAITING:
        return tr("{name} waits for the host: {why}", name=fetch.bundle.name, why=fetch.message)
    if fetch.phase is FetchPhase.CHECKING:
        return tr("All of {name} is here; its hash is compared.", name=fetch.bundle.name)
    sent, all = human_bytes(fetch.got), human_bytes(fetch.bundle.bytes)
    return tr("{name}: {sent} of {all}", name=fetch.bundle.name, sent=sent, all=all)
