"""Tools that nobody has: a model that learnt from many of them reads what a tool is, instead of knowing a few by heart."""

from __future__ import annotations

import random

from trainer_host.tasks import Json

_VERBS = (
    "open", "close", "move", "send", "read", "copy", "print", "count", "find", "show", "hide", "lock", "unlock", "raise",
    "lower", "paint", "wash", "feed", "call", "book", "order", "cancel", "measure", "record", "translate", "delete", "rename",
    "charge", "rotate", "mix", "cut", "fold", "sort", "weigh", "scan", "tune", "water", "clean", "build", "check",
)  # fmt: skip
_NOUNS = (
    "door", "window", "letter", "parcel", "photo", "table", "song", "ticket", "garden", "fence", "bottle", "engine", "map",
    "robot", "camera", "printer", "shelf", "basket", "boat", "bridge", "candle", "carpet", "clock", "coat", "drawer", "drum",
    "fountain", "gate", "hammer", "kettle", "ladder", "mirror", "oven", "piano", "pump", "report", "rope", "screen", "sensor",
    "tank", "tower", "tractor", "trumpet", "valve", "wagon", "wheel", "whistle", "document", "invoice", "meeting",
)  # fmt: skip
_COUNTED = (
    "amount", "count", "depth", "distance", "duration", "height", "hours", "length", "minutes", "number", "percent", "pieces",
    "power", "price", "rounds", "score", "seconds", "size", "speed", "volume", "weight", "width",
)  # fmt: skip
_CHOSEN = {
    "colour": ("red", "green", "blue", "yellow", "black", "white"), "mode": ("slow", "normal", "fast", "silent"),
    "day": ("Monday", "Tuesday", "Thursday", "Saturday"), "floor": ("cellar", "ground floor", "attic"),
    "unit": ("metres", "litres", "grams"), "side": ("left", "right", "back"), "language": ("French", "Polish", "Hindi"),
    "priority": ("low", "high", "urgent"), "format": ("PDF", "JPEG", "plain text"), "shape": ("round", "square", "flat"),
    "material": ("wood", "steel", "glass", "paper"), "place": ("north hall", "south hall", "yard", "workshop"),
}  # fmt: skip
_FREE = ("title", "message", "label", "owner", "reason", "target", "password", "comment", "person", "address", "query")
_SWITCHED = ("repeat", "loud", "secret", "express", "backup", "heated", "fragile", "public", "automatic", "dry")
_AROUND = ("", "", "", " of the house", " in the yard", " for the guests", " at once", " by hand", " on the roof")


def invented(rng: random.Random, count: int) -> list[Json]:
    """`count` tools with up to four parameters each, in the inner part of OpenAI's form; all have different verbs."""
    verbs, nouns = rng.sample(_VERBS, count), rng.choices(_NOUNS, k=count)
    return [_tool(rng, verb, noun) for verb, noun in zip(verbs, nouns, strict=True)]


def _tool(rng: random.Random, verb: str, noun: str) -> Json:
    properties: dict[str, Json] = {}
    for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 4))):
        key, schema = _parameter(rng)
        properties.setdefault(key, schema)
    required = [key for key in properties if rng.random() < 0.6]
    joint = rng.choice(("_", "_", "", "-"))
    name = f"{verb}{noun.capitalize()}" if not joint else f"{verb}{joint}{noun}"
    about = f"{verb.capitalize()} {rng.choice(('a', 'the', 'one'))} {noun}{rng.choice(_AROUND)}{rng.choice(('', '.'))}"
    parameters = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return {"name": name, "description": about, "parameters": parameters}


def _parameter(rng: random.Random) -> tuple[str, Json]:
    kind = rng.choice(("count", "number", "choice", "choice", "list", "text", "switch", "object"))
    if kind in ("count", "number"):
        low = rng.choice((0, 1, 5, 10))
        return rng.choice(_COUNTED), {
            "type": "integer" if kind == "count" else "number",
            "minimum": low,
            "maximum": 100,
        }
    if kind in ("choice", "list"):
        key = rng.choice(sorted(_CHOSEN))
        choices: Json = {"type": "string", "enum": list(rng.sample(_CHOSEN[key], len(_CHOSEN[key])))}
        return key, choices if kind == "choice" else {"type": "array", "items": choices, "minItems": 1, "maxItems": 2}
    if kind == "text":
        return rng.choice(_FREE), {"type": "string"}
    if kind == "switch":
        return rng.choice(_SWITCHED), {"type": "boolean"}
    inner = {key: {"type": "integer", "minimum": 0, "maximum": 59} for key in rng.sample(("hour", "minute"), 2)}
    return "time", {"type": "object", "properties": inner, "required": ["hour"], "additionalProperties": False}
