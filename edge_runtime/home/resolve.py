"""Turns clauses into calls of Home Assistant intents on the entities of one home, or into a question."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

from edge_runtime.home.inventory import Entity, Home
from edge_runtime.home.lexicon import ACTION_DOMAINS, COLORS, EVERYTHING, WHITES, is_kind
from edge_runtime.home.parse import Clause, Span
from edge_runtime.home.refer import Found, Reference, find, references
from edge_runtime.home.words import numbers, percent, similar, stem, tokenize

BRIGHTNESS_STEP = 20  # percentage points of "a bit brighter"; about what wall dimmers move at a press
SPEED_STEP = 25  # most fans have three or four speeds
POSITION_STEP = 20
TEMPERATURE_STEP = 1.0  # degrees; 2 where the thermostat counts in Fahrenheit

_INFORMATIVE = {
    "query": "HassGetState", "weather": "HassGetWeather", "time": "HassGetCurrentTime", "date": "HassGetCurrentDate",
    "temperature": "HassClimateGetTemperature", "nevermind": "HassNevermind", "respond": "HassRespond",
    "timer_start": "HassStartTimer", "timer_cancel": "HassCancelTimer", "timer_pause": "HassPauseTimer",
    "timer_resume": "HassUnpauseTimer", "timer_increase": "HassIncreaseTimer",
    "timer_decrease": "HassDecreaseTimer", "timer_status": "HassTimerStatus", "broadcast": "HassBroadcast",
}  # fmt: skip

Value = str | int | float | list[str]


@dataclass(frozen=True)
class Call:
    """One Home Assistant intent with its arguments, and the ids of the entities it moves."""

    name: str
    arguments: dict[str, Value]
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What a sentence causes. With a `question`, nothing: the person is asked instead."""

    calls: tuple[Call, ...] = ()
    question: str | None = None
    score: float = 1.0


@dataclass
class _Step:
    """Intent and arguments for one entity, before equal ones are merged to one call."""

    intent: str
    arguments: dict[str, Value] = field(default_factory=dict)


def resolve(clauses: list[Clause], home: Home, here: str | None) -> Outcome:
    """Resolve every clause; if one is ambiguous or speaks of something absent, nothing is done at all.

    Args:
        clauses: from `parse.clauses_of`.
        here: id of the area in which the speaker stands, or None.
    """
    calls: list[Call] = []
    last: tuple[Entity, ...] = ()
    score = 1.0
    for clause in clauses:
        if clause.action == "none" or negated(clause):
            continue
        if clause.action in _INFORMATIVE:
            calls.append(_inform(clause, home, here))
            continue
        outcome, last = _act(clause, home, here, last)
        score = min(score, outcome.score)
        if outcome.question:
            return outcome
        calls.extend(outcome.calls)
    return Outcome(tuple(calls), score=score)


_NEGATORS = frozenset({"don't", "dont", "never"})
_COMMANDS = frozenset(
    {
        "turn",
        "switch",
        "open",
        "close",
        "shut",
        "lock",
        "unlock",
        "start",
        "stop",
        "dim",
        "touch",
        "set",
        "change",
        "pause",
    }
    | {"play", "mute", "raise", "lower", "brighten", "activate", "disable", "run", "dare", "you"}
)


def negated(clause: Clause) -> bool:
    """Whether a command is forbidden rather than given ("don't turn off the fridge"): then nothing may be done.

    A plain rule above the model, because doing the opposite of what was said is the worst answer.
    """
    tokens = ["don't" if pair == ("do", "not") else pair[0] for pair in pairwise([*clause.tokens, ""])]
    for i, token in enumerate(tokens[:-1]):
        if token in _NEGATORS and (i == 0 or tokens[i - 1] not in ("why", "you", "i", "we")):
            rest = [word for word in tokens[i + 1 : i + 4] if word not in ("not", "ever", "please")]
            return bool(rest) and rest[0] in _COMMANDS
    return False


def _inform(clause: Clause, home: Home, here: str | None) -> Call:
    arguments: dict[str, Value] = {}
    name = _INFORMATIVE[clause.action]
    if name.endswith("Timer") and clause.has("TIME"):
        arguments.update(_duration(clause.words("TIME")))
    if clause.action == "broadcast" and clause.has("TEXT"):
        arguments["message"] = " ".join(clause.words("TEXT"))
    targets: tuple[str, ...] = ()
    if name == "HassGetState":
        refs = references(clause, excluded=False)
        readable = frozenset(entity.domain for entity in home.entities)
        found = [find(ref, clause.kind, home, readable, here) for ref in refs]
        targets = tuple(dict.fromkeys(entity.id for one in found for entity in one.targets))
    return Call(name, arguments, targets)


def _duration(words: list[str]) -> dict[str, Value]:
    """{"minutes": 5, "seconds": 30} from the words of a time span."""
    out: dict[str, Value] = {}
    amount: list[str] = []
    for word in words:
        unit = stem(word)
        if unit in ("hour", "minute", "second", "min", "sec", "hr"):
            key = {"min": "minutes", "sec": "seconds", "hr": "hours"}.get(unit, f"{unit}s")
            found = numbers(amount)
            count = found[-1] if found else (0.5 if "half" in amount else 1.0)
            if "half" in amount and found:
                count += 0.5
            if count % 1 and key in ("hours", "minutes"):
                out[{"hours": "minutes", "minutes": "seconds"}[key]] = round(count % 1 * 60)
            if int(count):
                out[key] = int(count)
            amount = []
        else:
            amount.append(word)
    return out


def _act(clause: Clause, home: Home, here: str | None, last: tuple[Entity, ...]) -> tuple[Outcome, tuple[Entity, ...]]:
    if clause.action in ("cool", "warm"):
        clause = _comfort(clause, home, here)
    allowed = _allowed(clause)
    refs = references(clause, excluded=False)
    found: list[Found] = []
    if not refs and last and clause.kind == "any":
        found = [Found(targets=last)]
    elif not refs:
        refs = [Reference()]
    prefer = _preferred(clause, home)
    if clause.action in ("add", "complete", "remove") and not _items(clause):
        return Outcome(question="Which item do you mean?", score=0.5), last
    implied = _implied_kind(clause, refs, home)
    for ref in refs:
        if ref.pronoun and not ref.heads and last:
            found.append(Found(targets=last))
            continue
        if ref.pronoun and not ref.heads and not ref.places:
            ref = Reference(everything=ref.everything)
        kind = implied
        if clause.action == "add" or clause.action in ("complete", "remove"):
            found.append(_list_for(clause, ref, home))
            continue
        found.append(find(ref, kind, home, allowed, here, prefer))
    targets: dict[str, Entity] = {}
    for one in found:
        if one.choices:
            names = _or([_label(entity, home) for entity in one.choices])
            return Outcome(question=f"Which one do you mean: {names}?", score=one.score), last
        if not one.targets:
            what = one.missing or (clause.kind if clause.kind != "any" else "that")
            return Outcome(question=f"I don't find “{what}” in this home.", score=one.score), last
        targets.update({entity.id: entity for entity in one.targets})
    for ref in references(clause, excluded=True):
        kind = clause.kind
        domains = frozenset(e.domain for e in targets.values())
        out = find(ref, kind, Home(home.areas, tuple(targets.values())), domains, here)
        if out.missing:  # what is not among the targets may still be in the home, and then nothing is to be left out
            out = find(ref, kind, home, frozenset(e.domain for e in home.entities), here)
        gone = out.targets or out.choices
        if not gone:
            words = " ".join(word for span in (*ref.places, *ref.heads) for word in span.words)
            return Outcome(question=f"I don't find “{words}”, which should stay as it is.", score=0.5), last
        for entity in gone:
            targets.pop(entity.id, None)
    chosen = tuple(targets.values())
    calls = _calls(clause, chosen, refs, home)
    if not calls and chosen:
        names = _or([_label(entity, home) for entity in chosen[:3]])
        return Outcome(question=f"I can't do that with {names}.", score=0.5), last
    return Outcome(tuple(calls), score=min((one.score for one in found), default=1.0)), chosen


def _comfort(clause: Clause, home: Home, here: str | None) -> Clause:
    """ "It's too hot in here" as what this home can do about it: a thermostat there, else a fan there, else either."""
    places = [Reference(places=ref.places, here=ref.here) for ref in references(clause, excluded=False)]
    place = next(iter(places), Reference(here=True))
    options = [("down", "climate"), ("on", "fan")] if clause.action == "cool" else [("up", "climate")]
    for anywhere in (False, True):
        for action, kind in options:
            allowed = ACTION_DOMAINS[action] & {"climate", "fan"}
            ref = Reference() if anywhere else replace(place, here=not place.places)
            found = find(ref, kind, home, allowed, here)
            if found.targets or found.choices:
                spans = [] if anywhere else [s for s in clause.spans if s.slot in ("AREA", "FLOOR", "HERE")]
                return Clause(action, kind, spans, clause.tokens, clause.start)
    return Clause("down" if clause.action == "cool" else "up", "climate", clause.spans, clause.tokens, clause.start)


def _implied_kind(clause: Clause, refs: list[Reference], home: Home) -> str:
    """What a clause without a named thing is about: "the sun is in my eyes" is about what covers the windows."""
    if clause.kind != "any" or any(ref.heads for ref in refs):
        return clause.kind
    if clause.action in ("open", "close"):
        return "blind"
    playing = [e for e in home.entities if e.domain == "media_player" and e.state == "playing"]
    if clause.action in ("up", "down") and playing:
        return "media"
    return clause.kind


def _allowed(clause: Clause) -> frozenset[str]:
    allowed = ACTION_DOMAINS[clause.action]
    if clause.has("COLOR") or (clause.has("WHITE") and clause.action == "set"):
        return frozenset({"light"})
    kinds = {span.kind for span in clause.spans if span.slot == "ATTR" and not span.excluded} - {"any"}
    if kinds and clause.action in ("set", "up", "down", "on"):
        domains = {
            "light": "light", "fan": "fan", "media": "media_player", "climate": "climate", "cover": "cover",
            "valve": "valve", "tv": "media_player", "speaker": "media_player", "blind": "cover",
        }  # fmt: skip
        narrowed = frozenset(domains[kind] for kind in kinds if kind in domains)
        if narrowed & allowed:
            return narrowed & allowed
    return allowed


def _preferred(clause: Clause, home: Home) -> frozenset[str]:
    """Ids of the things that an action is about by their state: what plays can be paused, what is on turned down."""
    wanted: frozenset[str] = frozenset()
    if clause.action in ("pause", "next", "previous", "up", "down", "set", "mute", "unmute", "stop"):
        wanted = frozenset({"playing", "cleaning", "mowing"})
    elif clause.action == "resume":
        wanted = frozenset({"paused"})
    return frozenset(e.id for e in home.entities if e.state in wanted)


_TASK_VERBS = frozenset(
    [
        "call",
        "fix",
        "clean",
        "wash",
        "pay",
        "book",
        "water",
        "feed",
        "paint",
        "finish",
        "email",
        "schedule",
        "return",
        "walk",
        "take",
        "renew",
        "order",
        "change",
        "mow",
        "pick",
        "check",
        "repair",
        "write",
        "send",
        "ask",
        "replace",
        "empty",
        "mend",
        "move",
        "bring",
        "clear",
        "sort",
        "print",
        "sharpen",
        "service",
        "oil",
        "sweep",
        "vacuum",
    ]
)
_SHOPPING = frozenset({"shopping", "grocery", "groceries", "einkaufsliste", "provision", "supply", "store", "market"})


def _items(clause: Clause) -> list[Span]:
    """The items said, split as they were listed; pronouns name none."""
    out: list[Span] = []
    for span in clause.spans:
        follows = out and out[-1].at + len(out[-1].words) == span.at
        if span.excluded or not (
            span.slot == "ITEM" or (follows and span.slot in ("COLOR", "VALUE", "WHITE", "TEXT", "QUERY"))
        ):
            continue
        if out and out[-1].at + len(out[-1].words) == span.at:
            out[-1] = replace(out[-1], words=(*out[-1].words, *span.words))
        else:
            out.append(span)
    return [span for span in out if span.words not in (("it",), ("them",), ("that",), ("some",), ("this",))]


def _list_for(clause: Clause, ref: Reference, home: Home) -> Found:
    """The list that is meant: by name, else by what stands on it, else by what sort of item it is."""
    lists = [entity for entity in home.entities if entity.domain == "todo"]
    if not lists:
        return Found(missing="list")
    names = [span for span in ref.heads if span.slot == "NAME" or {stem(w) for w in span.words} - {"list", "the"}]
    if names:
        named = find(
            replace(ref, heads=tuple(replace(s, slot="NAME") for s in names)),
            "todo",
            home,
            frozenset({"todo"}),
            None,
        )
        if named.targets:
            return named
        words = {stem(word) for span in ref.heads for word in span.words}
        if words & {"shopping", "grocery", "groceries", "shop"}:
            lists = _named_for(lists, _SHOPPING) or lists
        elif words & {"todo", "task", "chore", "job", "do"}:
            lists = [e for e in lists if e not in _named_for(lists, _SHOPPING)] or lists
        else:
            return Found(missing=" ".join(word for span in ref.heads for word in span.words))
    if len(lists) == 1:
        return Found(targets=(lists[0],))
    items = [span.words for span in _items(clause)]
    if clause.action in ("complete", "remove"):
        holding = [entity for entity in lists if any(item_on(words, entity) for words in items)]
        if len(holding) == 1:
            return Found(targets=(holding[0],))
    shopping = _named_for(lists, _SHOPPING)
    if clause.action == "add" and len(shopping) == 1:
        if not any(words and words[0] in _TASK_VERBS for words in items):
            return Found(targets=(shopping[0],))
        others = [entity for entity in lists if entity not in shopping]
        if len(others) == 1:
            return Found(targets=(others[0],))
    return Found(choices=tuple(lists))


def _named_for(lists: list[Entity], words: frozenset[str]) -> list[Entity]:
    return [e for e in lists if {stem(w) for name in (e.name, *e.aliases) for w in tokenize(name)} & words]


_SMALL = frozenset(
    [
        "the",
        "a",
        "an",
        "my",
        "some",
        "of",
        "to",
        "is",
        "are",
        "been",
        "be",
        "have",
        "has",
        "i",
        "we",
        "it's",
        "it",
        "and",
        "has'nt",
        "was",
        "were",
    ]
)


def _roots(words: tuple[str, ...] | list[str]) -> set[str]:
    """Words without endings, so that "the basil's been watered" meets "water the basil"."""
    roots = set()
    for word in words:
        if word in _SMALL:
            continue
        root = stem(word)
        for tail in ("ing", "ed", "ened"):
            if root.endswith(tail) and len(root) - len(tail) >= 3:
                root = root[: -len(tail)]
                break
        roots.add(root[:-1] if root.endswith("e") and len(root) > 3 else root)
    return roots


def item_on(words: tuple[str, ...], entity: Entity) -> str | None:
    """The open item of a list that the words mean: the one that shares most of their roots."""
    raw = entity.attributes.get("items")
    said = _roots(words)
    best, most = None, 0.0
    for item in raw if isinstance(raw, list) else []:
        if isinstance(item, dict):
            item = item.get("summary", item.get("name"))
        if not isinstance(item, str):
            continue
        roots = _roots(tokenize(item))
        shared = sum(any(similar(a, b) for b in roots) for a in said)
        score = shared / max(1, min(len(said), len(roots)))
        if score > most and score >= 0.5:
            best, most = item, score
    return best


def _calls(clause: Clause, targets: tuple[Entity, ...], refs: list[Reference], home: Home) -> list[Call]:
    lit = [e for e in targets if e.domain == "light" and e.state == "on"]
    merged: dict[str, tuple[_Step, list[Entity]]] = {}
    for entity in targets:
        if clause.action == "down" and entity.domain == "light" and lit and entity.state == "off":
            continue  # dimming a room leaves its dark lamps dark
        for step in _steps(clause, entity):
            key = f"{step.intent} {sorted(step.arguments.items(), key=str)!r}"
            merged.setdefault(key, (step, []))[1].append(entity)
    calls = []
    for step, entities in merged.values():
        arguments = {**_scope(entities, refs, home), **step.arguments}
        calls.append(Call(step.intent, arguments, tuple(entity.id for entity in entities)))
    return calls


def _scope(entities: list[Entity], refs: list[Reference], home: Home) -> dict[str, Value]:
    """Home Assistant's own targeting arguments: a name for one entity, else the area and domains they share."""
    if len(entities) == 1:
        return {"name": entities[0].name}
    scope: dict[str, Value] = {"domain": sorted({entity.domain for entity in entities})}
    areas = {entity.area for entity in entities}
    if len(areas) == 1 and (area := home.area(next(iter(areas)))):
        scope["area"] = area.name
    classes = {entity.device_class for entity in entities if entity.device_class}
    if len(classes) == 1 and all(entity.device_class for entity in entities):
        scope["device_class"] = sorted(classes)
    return scope


def _steps(clause: Clause, entity: Entity) -> list[_Step]:
    action, domain = clause.action, entity.domain
    value_words = clause.words("VALUE")
    value = percent(value_words) if value_words else None
    if "way" in value_words and action in ("down", "close", "off"):
        value = 0.0 if domain != "light" else 1.0
    if domain == "todo":
        intent = {
            "add": "HassListAddItem",
            "complete": "HassListCompleteItem",
            "remove": "HassListRemoveItem",
        }
        spans = _items(clause)
        items = [" ".join(span.words) for span in spans]
        if action in ("complete", "remove"):
            items = [item_on(span.words, entity) or " ".join(span.words) for span in spans]
        items = list(dict.fromkeys(items))
        return [_Step(intent[action], {"item": item}) for item in items] if action in intent else []
    if domain == "light" and action in ("set", "on", "up", "down"):
        return _light_steps(clause, entity, value)
    if domain in ("climate", "water_heater") and action in ("set", "up", "down", "on"):
        return _climate_steps(clause, entity)
    if domain == "climate" and action == "mode":
        return [_Step("HassClimateSetFanMode", {"fan_mode": " ".join(clause.words("MODE"))})]
    if domain == "media_player":
        return _media_steps(clause, entity, value)
    if domain == "fan":
        return _fan_steps(clause, entity, value)
    if domain in ("cover", "valve"):
        return _cover_steps(clause, entity, value)
    if domain == "lock":
        intent = {"lock": "HassTurnOn", "unlock": "HassTurnOff", "open": "HassTurnOff", "close": "HassTurnOn"}
        return [_Step(intent[action])] if action in intent else []
    if domain == "vacuum":
        intent = {
            "on": "HassVacuumStart", "start": "HassVacuumStart", "clean": "HassVacuumStart",
            "resume": "HassVacuumStart", "off": "HassVacuumReturnToBase", "dock": "HassVacuumReturnToBase",
            "stop": "HassVacuumReturnToBase", "pause": "HassVacuumPause",
        }  # fmt: skip
        return [_Step(intent[action])] if action in intent else []
    if domain == "lawn_mower":
        intent = {
            "on": "HassLawnMowerStartMowing", "start": "HassLawnMowerStartMowing",
            "resume": "HassLawnMowerStartMowing", "off": "HassLawnMowerDock", "dock": "HassLawnMowerDock",
            "stop": "HassLawnMowerDock", "pause": "HassLawnMowerPause",
        }  # fmt: skip
        return [_Step(intent[action])] if action in intent else []
    intent = {
        "on": "HassTurnOn", "start": "HassTurnOn", "off": "HassTurnOff", "stop": "HassTurnOff", "toggle": "HassToggle",
    }  # fmt: skip
    return [_Step(intent[action])] if action in intent else []


def _clip(value: float, low: float = 0, high: float = 100) -> int:
    return round(min(max(value, low), high))


def _light_steps(clause: Clause, entity: Entity, value: float | None) -> list[_Step]:
    arguments: dict[str, Value] = {}
    if value is not None and clause.action in ("up", "down") and _by(clause):
        value = _brightness(entity) + (value if clause.action == "up" else -value)
    if value is not None:
        arguments["brightness"] = _clip(value)
    color = next((word for word in clause.words("COLOR") if word in COLORS), None)
    if color:
        arguments["color"] = color
    white = clause.words("WHITE")
    if white:
        kelvin = numbers(white)
        phrase = " ".join(white)
        named = next((WHITES[name] for name in sorted(WHITES, key=len, reverse=True) if name in phrase), None)
        if kelvin and kelvin[0] >= 1000:
            arguments["temperature"] = int(kelvin[0])
        elif named:
            arguments["temperature"] = named
    if arguments:
        return [_Step("HassLightSet", arguments)]
    if clause.action == "on":
        return [_Step("HassTurnOn")]
    if clause.action == "set":
        return []
    step = BRIGHTNESS_STEP if clause.action == "up" else -BRIGHTNESS_STEP
    if entity.state == "off" and clause.action == "up":
        return [_Step("HassTurnOn")]
    return [_Step("HassLightSet", {"brightness": _clip(_brightness(entity) + step, 1)})]


def _by(clause: Clause, *, plain: bool = False) -> bool:
    """Whether the value is a change ("by 20 percent") rather than a goal ("to 20 percent").

    `plain`: what a bare number is taken for ("volume up 20" is a change, "dim the lamp 20 percent" a goal).
    """
    first = next((span for span in clause.spans if span.slot == "VALUE"), None)
    if first is None:
        return False
    before = clause.tokens[max(0, first.at - clause.start - 2) : first.at - clause.start]
    return "by" in before or "another" in before or (plain and "to" not in before and "at" not in before)


def _brightness(entity: Entity) -> float:
    """Brightness in percent; Home Assistant's attribute counts 0-255."""
    raw = entity.number("brightness")
    if raw is None:
        return 60.0 if entity.state == "on" else 0.0
    return raw / 255 * 100


def _climate_steps(clause: Clause, entity: Entity) -> list[_Step]:
    given = numbers(clause.words("VALUE"))
    now = entity.number("temperature")
    if now is None:
        now = entity.number("current_temperature")
    if given and not (clause.action in ("up", "down") and (_by(clause) or given[0] <= 6)):
        return [_Step("HassClimateSetTemperature", {"temperature": given[0]})]
    if clause.action == "on":
        return [_Step("HassTurnOn")]
    if clause.action == "set" or now is None:
        return []
    step = given[0] if given else TEMPERATURE_STEP * (2 if now > 45 else 1)
    return [_Step("HassClimateSetTemperature", {"temperature": now + (step if clause.action == "up" else -step)})]


def _media_steps(clause: Clause, entity: Entity, value: float | None) -> list[_Step]:
    action = clause.action
    plain = {
        "on": "HassTurnOn", "off": "HassTurnOff", "toggle": "HassToggle", "pause": "HassMediaPause",
        "stop": "HassMediaPause", "resume": "HassMediaUnpause", "start": "HassMediaUnpause",
        "next": "HassMediaNext", "previous": "HassMediaPrevious", "mute": "HassMediaPlayerMute",
        "unmute": "HassMediaPlayerUnmute",
    }  # fmt: skip
    if action in plain:
        return [_Step(plain[action])]
    if action == "play":
        query = " ".join(clause.words("QUERY"))
        return [_Step("HassMediaSearchAndPlay", {"search_query": query}) if query else _Step("HassMediaUnpause")]
    if action == "set" and value is not None:
        return [_Step("HassSetVolume", {"volume_level": _clip(value)})]
    if action in ("up", "down"):
        if value is not None and not _by(clause, plain=True):
            return [_Step("HassSetVolume", {"volume_level": _clip(value)})]
        if value is not None:
            return [_Step("HassSetVolumeRelative", {"volume_step": _clip(value) * (1 if action == "up" else -1)})]
        return [_Step("HassSetVolumeRelative", {"volume_step": action})]
    return []


def _fan_steps(clause: Clause, entity: Entity, value: float | None) -> list[_Step]:
    action = clause.action
    if action in ("set", "on", "up", "down", "start", "mode") and (value is not None):
        now = entity.number("percentage") or 0.0
        if action in ("up", "down") and _by(clause):
            value = now + (value if action == "up" else -value)
        return [_Step("HassFanSetSpeed", {"percentage": _clip(value)})]
    if action in ("up", "down"):
        now = entity.number("percentage") or (50.0 if entity.state == "on" else 0.0)
        step = entity.number("percentage_step") or SPEED_STEP
        return [_Step("HassFanSetSpeed", {"percentage": _clip(now + (step if action == "up" else -step), 1)})]
    plain = {"on": "HassTurnOn", "start": "HassTurnOn", "off": "HassTurnOff", "stop": "HassTurnOff", "toggle": "HassToggle"}  # fmt: skip
    return [_Step(plain[action])] if action in plain else []


def _cover_steps(clause: Clause, entity: Entity, value: float | None) -> list[_Step]:
    action = clause.action
    if action in ("open", "close", "set", "up", "down", "on", "off") and value is not None:
        now = entity.number("current_position")
        if action in ("open", "close", "up", "down") and _by(clause) and now is not None:
            value = now + (value if action in ("open", "up") else -value)
        elif "way" in clause.words("VALUE") or "completely" in clause.words("VALUE"):
            value = 0.0 if action in ("close", "down", "off") else 100.0
        elif action == "close" and {"fully", "full"} & set(clause.words("VALUE")):
            value = 0.0
        if value >= 100 or (value <= 0 and action in ("close", "down", "off")):
            return [_Step("HassTurnOn" if value >= 100 else "HassTurnOff")]
        return [_Step("HassSetPosition", {"position": _clip(value)})]
    if action in ("up", "down"):
        now = entity.number("current_position")
        step = POSITION_STEP if action == "up" else -POSITION_STEP
        if now is None:
            return [_Step("HassTurnOn" if action == "up" else "HassTurnOff")]
        return [_Step("HassSetPosition", {"position": _clip(now + step)})]
    plain = {
        "on": "HassTurnOn", "open": "HassTurnOn", "start": "HassTurnOn", "off": "HassTurnOff",
        "close": "HassTurnOff", "toggle": "HassToggle",
        "stop": "HassTurnOff" if entity.domain == "valve" else "HassStopMoving",
    }  # fmt: skip
    return [_Step(plain[action])] if action in plain else []


def _label(entity: Entity, home: Home) -> str:
    area = home.area(entity.area)
    same = sum(other.name == entity.name for other in home.entities) > 1
    return f"{entity.name} ({area.name})" if area and same else entity.name


def _or(names: list[str]) -> str:
    if len(names) > 4:
        names = [*names[:4], "another"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


__all__ = ["EVERYTHING", "Call", "Outcome", "is_kind", "resolve"]
