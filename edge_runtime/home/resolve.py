"""Turns clauses into calls of Home Assistant intents on the entities of one home, or into a question."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from edge_runtime.home.inventory import Entity, Home
from edge_runtime.home.lexicon import ACTION_DOMAINS
from edge_runtime.home.lists import items_said, list_for
from edge_runtime.home.parse import Clause
from edge_runtime.home.refer import Found, Reference, find, references
from edge_runtime.home.steps import Step, Value, steps
from edge_runtime.home.words import numbers, stem

_INFORMATIVE = {
    "query": "HassGetState", "weather": "HassGetWeather", "time": "HassGetCurrentTime", "date": "HassGetCurrentDate",
    "temperature": "HassClimateGetTemperature", "nevermind": "HassNevermind", "respond": "HassRespond",
    "timer_start": "HassStartTimer", "timer_cancel": "HassCancelTimer", "timer_pause": "HassPauseTimer",
    "timer_resume": "HassUnpauseTimer", "timer_increase": "HassIncreaseTimer",
    "timer_decrease": "HassDecreaseTimer", "timer_status": "HassTimerStatus", "broadcast": "HassBroadcast",
}  # fmt: skip


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
_COMMANDS = frozenset({
    "turn", "switch", "open", "close", "shut", "lock", "unlock", "start", "stop", "dim", "touch", "set",
    "change", "pause", "play", "mute", "raise", "lower", "brighten", "activate", "disable", "run", "dare",
    "you",
})  # fmt: skip


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
    if clause.action in ("add", "complete", "remove") and not items_said(clause):
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
            found.append(list_for(clause, ref, home))
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


def _calls(clause: Clause, targets: tuple[Entity, ...], refs: list[Reference], home: Home) -> list[Call]:
    lit = [e for e in targets if e.domain == "light" and e.state == "on"]
    merged: dict[str, tuple[Step, list[Entity]]] = {}
    for entity in targets:
        if clause.action == "down" and entity.domain == "light" and lit and entity.state == "off":
            continue  # dimming a room leaves its dark lamps dark
        for step in steps(clause, entity):
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


def _label(entity: Entity, home: Home) -> str:
    area = home.area(entity.area)
    same = sum(other.name == entity.name for other in home.entities) > 1
    return f"{entity.name} ({area.name})" if area and same else entity.name


def _or(names: list[str]) -> str:
    if len(names) > 4:
        names = [*names[:4], "another"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
