"""Finds token labels for a person's own rows, which carry a sentence and its calls but no labels per word.

The words of a sentence are matched to the names, places and values of its calls; a labelling is kept only if the
device's own resolver turns it back into exactly those calls, so a wrong guess never becomes training data.
"""

from __future__ import annotations

from collections.abc import Iterator

from edge_runtime.home.inventory import Entity, Home, parse_home
from edge_runtime.home.lexicon import ACTIONS, KIND_WORDS, KINDS, TAGS
from edge_runtime.home.match import build_index, stems
from edge_runtime.home.parse import TokenLabels, clauses_of
from edge_runtime.home.resolve import resolve
from edge_runtime.home.words import numbers, stem, tokenize
from edge_runtime.tasks.robot import TOKENS

# The actions that an intent may stand for, likeliest first.
_ACTIONS = {
    "HassTurnOn": ("on", "open", "lock"), "HassTurnOff": ("off", "close", "unlock"), "HassToggle": ("toggle",),
    "HassLightSet": ("set", "up", "down"), "HassSetPosition": ("set", "open", "close"), "HassFanSetSpeed": ("set", "up", "down"),
    "HassSetVolume": ("set",), "HassSetVolumeRelative": ("up", "down"), "HassClimateSetTemperature": ("set", "up", "down"),
    "HassMediaPause": ("pause",), "HassMediaUnpause": ("resume",), "HassMediaNext": ("next",), "HassMediaPrevious": ("previous",),
    "HassMediaPlayerMute": ("mute",), "HassMediaPlayerUnmute": ("unmute",), "HassListAddItem": ("add",),
    "HassListCompleteItem": ("complete",), "HassListRemoveItem": ("remove",), "HassVacuumStart": ("start", "clean"),
    "HassVacuumReturnToBase": ("dock",), "HassVacuumPause": ("pause",), "HassLawnMowerStartMowing": ("start",),
    "HassLawnMowerDock": ("dock",), "HassGetState": ("query",), "HassMediaSearchAndPlay": ("play",),
}  # fmt: skip
_ALL = frozenset({"all", "every", "everything", "both", "each"})


def with_labels(rows: list[dict], homes: dict[int, dict]) -> tuple[list[dict], int]:
    """Rows with `meta.labels`, and how many had to be left out because no labelling gives their calls."""
    out, left_out = [], 0
    parsed: dict[int, Home] = {}
    for row in rows:
        if "labels" in row.get("meta", {}):
            out.append(row)
            continue
        number = row["input"]["home"]
        if number not in parsed:
            parsed[number] = parse_home(homes[number])
        labels = align(row, parsed[number])
        if labels is None:
            left_out += 1
        else:
            out.append({**row, "meta": {**row.get("meta", {}), "labels": labels}})
    return out, left_out


def align(row: dict, home: Home) -> dict[str, list[int]] | None:
    """Labels under which the resolver answers a row's calls, or None."""
    tokens = tokenize(row["input"]["text"])
    calls = row["output"]["calls"]
    if not 0 < len(tokens) <= TOKENS or len({call["name"] for call in calls}) > 1:
        return None
    here = (row["input"].get("context") or {}).get("area")
    entities = {entity.id: entity for entity in home.entities}
    targets = [entities[target] for call in calls for target in call["targets"] if target in entities]
    actions = _ACTIONS.get(calls[0]["name"], ()) if calls else ("none",)
    want = sorted((call["name"], tuple(sorted(call["targets"]))) for call in calls)
    for slots in _labellings(tokens, targets, calls, home):
        for action in actions:
            kind = next(
                (KIND_WORDS.get(stem(t), "any") for t, s in zip(tokens, slots, strict=True) if s == "KIND"),
                "any",
            )
            labels = _table(tokens, slots, action, kind)
            read = TokenLabels(
                [bool(b) for b in labels["begins"]], labels["actions"], labels["tags"],
                [bool(x) for x in labels["excluded"]], labels["kinds"],
            )  # fmt: skip
            outcome = resolve(clauses_of(tokens, read), home, here)
            got = sorted((call.name, tuple(sorted(call.targets))) for call in outcome.calls)
            if got == want and _same_values(calls, outcome.calls):
                return labels
    return None


def _same_values(calls: list[dict], got: tuple) -> bool:
    def values(arguments: dict) -> dict:
        return {k: v for k, v in arguments.items() if k not in ("name", "area", "floor", "domain", "device_class")}

    return sorted(map(str, (values(c["arguments"]) for c in calls))) == sorted(
        map(str, (values(c.arguments) for c in got))
    )


def _labellings(tokens: list[str], targets: list[Entity], calls: list[dict], home: Home) -> Iterator[list[str]]:
    """Slots per token: names before places, then the other way round."""
    base = [""] * len(tokens)
    words = [stem(token) for token in tokens]
    texts = {str(call["arguments"].get(key, "")) for call in calls for key in ("item", "search_query")} - {""}
    for text in texts:
        _mark(
            base,
            words,
            [stem(t) for t in tokenize(text)],
            "ITEM" if calls[0]["name"].startswith("HassList") else "QUERY",
        )
    wanted = {float(v) for call in calls for v in call["arguments"].values() if isinstance(v, int | float)}
    for i, token in enumerate(tokens):
        if not base[i] and token in _ALL:
            base[i] = "ALL"
        elif not base[i] and wanted and numbers([token]) and numbers([token])[0] in wanted:
            base[i] = "VALUE"
    colors = {str(call["arguments"].get("color")) for call in calls}
    base = ["COLOR" if not slot and token in colors else slot for token, slot in zip(tokens, base, strict=True)]
    index = build_index(home)
    names = [stems(name) for entity in targets for name in (entity.name, *entity.aliases)]
    areas = [stems(area.name) for area in home.areas if any(e.area == area.id for e in targets)]
    floors = [stems(area.floor) for area in home.areas if area.floor]
    for order in (("NAME", "AREA", "KIND"), ("AREA", "KIND", "NAME"), ("KIND", "AREA", "NAME")):
        slots = list(base)
        for step in order:
            phrases = {"NAME": names, "AREA": areas, "KIND": []}[step]
            for phrase in sorted(phrases, key=len, reverse=True):
                _mark(slots, words, list(phrase), step)
            if step == "KIND":
                slots = ["KIND" if not s and w in KIND_WORDS else s for s, w in zip(slots, words, strict=True)]
            if step == "NAME":
                own = {word for name in names for word in name}
                slots = [
                    "NAME" if not s and w in own and w in index.name_words and w not in KIND_WORDS else s
                    for s, w in zip(slots, words, strict=True)
                ]
        for floor in floors:
            _mark(slots, words, list(floor), "FLOOR")
        yield slots


def _mark(slots: list[str], words: list[str], phrase: list[str], slot: str) -> None:
    size = len(phrase)
    for i in range(len(words) - size + 1 if size else 0):
        if words[i : i + size] == phrase and not any(slots[i : i + size]):
            slots[i : i + size] = [slot] * size


def _table(tokens: list[str], slots: list[str], action: str, kind: str) -> dict[str, list[int]]:
    tags, before = [], ""
    for slot in slots:
        tags.append(TAGS.index("O" if not slot else f"{'I' if slot == before else 'B'}-{slot}"))
        before = slot
    kinds = [
        KINDS.index(KIND_WORDS.get(stem(token), kind) if slot == "KIND" else kind)
        for token, slot in zip(tokens, slots, strict=True)
    ]
    n = len(tokens)
    return {
        "begins": [int(i == 0) for i in range(n)], "actions": [ACTIONS.index(action)] * n, "tags": tags,
        "excluded": [0] * n, "kinds": kinds,
    }  # fmt: skip
