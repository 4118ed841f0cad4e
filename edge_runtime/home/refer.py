"""Finds what a phrase refers to: the entities of a home that explain its words best."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise

from edge_runtime.home.inventory import Entity, Home
from edge_runtime.home.lexicon import EVERYTHING, KIND_WORDS, is_kind
from edge_runtime.home.match import SYNONYM_STEMS, stems, synonyms
from edge_runtime.home.parse import Clause, Span
from edge_runtime.home.words import is_plural, similar, stem

_UP = frozenset({"upstairs", "upper", "top"})
_DOWN = frozenset({"downstairs", "lower", "bottom"})
_LOW_FLOORS = frozenset({"ground", "downstairs", "main", "basement", "cellar", "lower", "0"})
_HIGH_FLOORS = frozenset({"upstairs", "upper", "top", "attic", "2", "3", "loft", "1"})
_COVERINGS = frozenset({"cover", "blind", "curtain", "shade", "shutter"})
_GENERIC = frozenset(
    {"ceiling", "robot", "main", "big", "smart", "standing", "little", "front", "wall", "flat", "hoover"}
)
_FILLER = frozenset({"the", "a", "an", "of", "my", "our", "in", "on", "s", "'", "-", "floor", "room", "s'", "and"})


@dataclass(frozen=True)
class Reference:
    """One target phrase: its head (names or kinds), places, and how many things it means."""

    heads: tuple[Span, ...] = ()
    places: tuple[Span, ...] = ()
    everything: bool = False
    here: bool = False
    pronoun: bool = False
    excluded: bool = False

    @property
    def plural(self) -> bool:
        return any(is_plural(span.words[-1]) for span in self.heads if span.slot == "KIND")


@dataclass(frozen=True)
class Found:
    """What a reference means: the targets, or several choices of which one must be picked, or neither."""

    targets: tuple[Entity, ...] = ()
    choices: tuple[Entity, ...] = ()
    missing: str = ""
    score: float = 1.0


@dataclass
class _Group:
    heads: list[Span] = field(default_factory=list)
    places: list[Span] = field(default_factory=list)
    everything: bool = False
    here: bool = False
    pronoun: bool = False
    through: bool = False  # "1 through 4"
    after: bool = False  # a place stood behind the head ("the lamp in the hall")


def references(clause: Clause, *, excluded: bool) -> list[Reference]:
    """Group a clause's spans to target phrases, sharing heads and places as people mean them.

    "kitchen and hall lights" is two places with one head; "the lamp and the fan in the den" two heads with one place.
    """
    spans = [
        span
        for span in clause.spans
        if span.excluded == excluded and span.slot in ("NAME", "KIND", "AREA", "FLOOR", "ALL", "HERE", "PRON")
    ]
    if not spans:
        return []
    groups = [_Group()]
    last_end = spans[0].at
    for span in spans:
        group = groups[-1]
        between = clause.tokens[last_end - clause.start : span.at - clause.start]
        through = any(token in ("through", "thru", "till", "until") for token in between)
        joined = through or any(token in ("and", ",", "&", "plus", "or", "then", "also", "with") for token in between)
        head = span.slot in ("NAME", "KIND")
        if joined and (group.heads or group.places or group.everything or group.pronoun):
            group = _Group(through=through)
            groups.append(group)
        elif head and group.heads and (group.after or group.heads[-1].slot == "KIND" == span.slot):
            # "the hall lamp" + "bedroom fan" without a conjunction, or two kinds in a row
            two_kinds_in_a_row = group.heads[-1].slot == "KIND" == span.slot and not between
            if not two_kinds_in_a_row:
                group = _Group()
                groups.append(group)
        if span.slot in ("AREA", "FLOOR"):
            group.places.append(span)
            group.after = group.after or bool(group.heads)
        elif head:
            group.heads.append(span)
        elif span.slot == "ALL":
            group.everything = True
        elif span.slot == "HERE":
            group.here = True
        else:
            group.pronoun = True
        last_end = span.at + len(span.words)
    _inherit_base(groups)
    return _share(groups, excluded)


def _inherit_base(groups: list[_Group]) -> None:
    """ "desk rows 1 and 2": a bare number takes the words of the name before it."""
    for before, group in list(pairwise(groups)):
        if not before.heads or not group.heads or group.heads[0].slot != "NAME":
            continue
        words = group.heads[0].words
        if not all(stem(word).isdigit() or len(word) == 1 for word in words):
            continue
        base = tuple(w for w in before.heads[-1].words if not stem(w).isdigit() and len(w) > 1)
        first, last = stem(before.heads[-1].words[-1]), stem(words[-1])
        if group.through and first.isdigit() and last.isdigit() and 0 < int(last) - int(first) < 20:
            between = [replace(group.heads[0], words=(*base, str(n))) for n in range(int(first) + 1, int(last))]
            groups.extend(_Group(heads=[span]) for span in between)
        group.heads[0] = replace(group.heads[0], words=(*base, *words))


def _share(groups: list[_Group], excluded: bool) -> list[Reference]:
    for i, group in enumerate(groups):
        if not group.heads and (group.places or group.here):  # "kitchen and hall lights", "lights in the den and hall"
            donors = [*groups[i + 1 :], *reversed(groups[:i])]
            donor = next((o for o in donors if o.heads and all(h.slot == "KIND" for h in o.heads)), None)
            if donor and not group.everything:
                group.heads = list(donor.heads)
                group.everything = donor.everything
        elif group.heads and not group.places and not group.here and not group.everything:
            later = next((other for other in groups[i + 1 :] if other.heads and other.after), None)
            kinds = all(span.slot == "KIND" for span in group.heads)
            if later and kinds:  # "the light and the fan in the kitchen"
                group.places = list(later.places)
            elif kinds and i and groups[i - 1].places and not groups[i - 1].after:  # "the kitchen light and fan"
                group.places = list(groups[i - 1].places)
    for i, group in enumerate(groups):
        if i and groups[i - 1].everything and group.heads and not group.everything and not group.places:
            group.everything = any(is_plural(span.words[-1]) for span in group.heads)
    return [
        Reference(tuple(g.heads), tuple(g.places), g.everything, g.here, g.pronoun, excluded)
        for g in groups
        if g.heads or g.places or g.everything or g.here or g.pronoun
    ]


def areas_named(words: tuple[str, ...], home: Home) -> set[str]:
    """Ids of the areas that a phrase names: exactly, else by all its words, else by a synonym or a slip."""
    phrase = tuple(s for word in words if (s := stem(word)) and s[0].isalnum())
    if not phrase:
        return set()
    names = {area.id: stems(area.name) for area in home.areas}
    exact = {key for key, name in names.items() if name == phrase}
    if exact:
        return exact
    joined = {key for key, name in names.items() if "".join(name) == "".join(phrase)}
    if joined:
        return joined
    core = [word for word in phrase if word not in _FILLER] or list(phrase)
    partial = {key for key, name in names.items() if all(any(similar(w, n) for n in name) for w in core)}
    if partial:
        closest = min(len(names[key]) for key in partial)
        return {key for key in partial if len(names[key]) == closest}
    contained = {key for key, name in names.items() if name and all(any(similar(w, n) for w in phrase) for n in name)}
    if contained:
        return contained
    for group in SYNONYM_STEMS:
        if phrase in group:
            same = {key for key, name in names.items() if name in group}
            if same:
                return same
    return set()


def floors_named(words: tuple[str, ...], home: Home) -> set[str]:
    """Names of the floors that a phrase means, "upstairs" and "downstairs" included."""
    phrase = {stem(word) for word in words} - {"the", "of", "whole", "entire", "level", "storey", "story"}
    core = phrase - {"floor"} or phrase
    floors = home.floors
    exact = {floor for floor in floors if set(stems(floor)) - {"floor"} == core}
    if exact:
        return exact
    partial = {f for f in floors if all(any(similar(w, n) for n in stems(f)) for w in core)}
    if partial:
        return partial
    if core & _UP:
        high = {floor for floor in floors if not set(stems(floor)) & _LOW_FLOORS}
        return high or {floor for floor in floors if set(stems(floor)) & _HIGH_FLOORS}
    if core & (_DOWN | {"ground", "main"}):
        low = {floor for floor in floors if set(stems(floor)) & (_LOW_FLOORS - {"basement", "cellar"})}
        if low:
            return low
        numbered = sorted(f for f in floors if not set(stems(f)) & {"basement", "cellar", "attic", "upper", "top"})
        return set(numbered[:1])
    return set()


def _place_words(entity: Entity, home: Home) -> frozenset[str]:
    """Words that say where an entity is: its area, the floor, and what people call them."""
    area = home.area(entity.area)
    return _words_of_place(area.name, area.floor, len(home.floors) > 1) if area else frozenset()


@lru_cache(maxsize=256)  # the places of some homes
def _words_of_place(area: str, floor: str | None, several_floors: bool) -> frozenset[str]:
    name = stems(area)
    words = {*name, *(word for other in synonyms(name) for word in other)}
    if floor:
        on = set(stems(floor))
        words |= on
        if several_floors:
            words.add("downstair" if on & _LOW_FLOORS else "upstair")
    return frozenset(words)


def _name_fit(span: Span, entity: Entity, home: Home) -> tuple[float, float]:
    """(how much of the phrase the entity explains, how much of the entity's best name the phrase covers), 0..1."""
    return max([_phrase_fit(phrase, entity, home) for phrase in _readings(span.words)])


@lru_cache(maxsize=256)  # asked for every entity of a home
def _readings(words: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The stems of a phrase that could be a name."""
    plain = [s for word in words if (s := stem(word)) and s[0].isalnum()]
    phrase = [w for i, w in enumerate(plain) if w not in ("the", "of", "my", "number") and (w != "a" or i)] or plain
    if len(phrase) > 1 and words[-1] in ("one", "ones"):  # "the port one", but also "row one"
        return tuple(phrase), tuple(phrase[:-1])
    return (tuple(phrase),)


def _phrase_fit(phrase: tuple[str, ...], entity: Entity, home: Home) -> tuple[float, float]:
    best = (0.0, 0.0)
    if not phrase:
        return best
    for name in (entity.name, *entity.aliases):
        own = stems(name)
        if not own:
            continue
        if own == phrase or "".join(own) == "".join(phrase):
            return 1.0, 1.0
        explained, used = 0.0, set()
        for word in phrase:
            if word in own:
                explained += 1.0
                used.add(word)
            elif meant := next((w for w in own if w[0] == word[0] and similar(w, word)), None):
                explained += 0.9
                used.add(meant)
            elif word in _place_words(entity, home):
                explained += 0.9
            elif (kind := KIND_WORDS.get(word)) and is_kind(entity, kind, loose=True):
                explained += 0.85
            elif any(word in stems(text) for text in entity.device_words):
                explained += 0.8
        cover = sum([word in used for word in own]) / len(own)
        best = max(best, (explained / len(phrase), cover))
    return best


def _fits(entity: Entity, reference: Reference, home: Home, *, loose: bool) -> tuple[float, float] | None:
    explained, cover = [], [0.0]
    for span in reference.heads:
        kind = span.slot == "KIND" and span.kind != "any" and is_kind(entity, span.kind, loose=loose)
        if span.slot == "KIND" and not kind and not (loose or span.kind in ("tv", "speaker", "media")):
            return None
        by_name = _name_fit(span, entity, home)
        if kind:
            explained.append(1.0)
            cover.append(by_name[1] if by_name[0] >= 0.85 else 0.0)
        elif span.slot == "KIND":
            if by_name[0] < 0.9 or not by_name[1]:
                return None
            explained.append(0.9)
            cover.append(by_name[1])
        else:
            if by_name[0] < 0.55:
                return None
            explained.append(by_name[0])
            cover.append(by_name[1])
    return (sum(explained) / len(explained) if explained else 1.0), max(cover)


def find(
    reference: Reference,
    kind: str,
    home: Home,
    allowed: frozenset[str],
    here: str | None,
    prefer: frozenset[str] = frozenset(),
) -> Found:
    """The entities that a reference means for an action that can move domains `allowed`.

    Args:
        kind: the clause's kind, for a phrase without a head ("make the den brighter" speaks of lights).
        here: id of the area the speaker stands in.
        prefer: ids to choose among several (the player that plays, when told to pause).
    """
    pool = [entity for entity in home.entities if entity.domain in allowed]
    heads = tuple([_as_name(span, pool) for span in reference.heads])
    if heads != reference.heads:
        reference = replace(reference, heads=heads)
    said = " ".join(word for span in (*reference.places, *reference.heads) for word in span.words)
    areas, floors, unexplained = _places(reference, home)
    if reference.here and here:
        areas.add(here)
    if unexplained and not (areas or floors):
        # the place may be part of an entity's own name ("Grandma's room lamp" in an area of another name)
        reference = replace(
            reference, heads=(*(replace(s, slot="NAME") for s in unexplained), *reference.heads), places=()
        )
    located = [e for e in pool if _in(e, areas, floors, home)] if areas or floors else pool
    if not reference.heads:
        placed = _headless(reference, kind, located, here, bool(areas or floors), prefer, said)
        if placed.missing and reference.places:
            heads = tuple(replace(span, slot="NAME") for span in reference.places)
            named = find(replace(reference, heads=heads, places=()), kind, home, allowed, here, prefer)
            return placed if named.missing else named
        return placed
    for loose in (False, True):
        scored = [(fit, e) for e in located if (fit := _fits(e, reference, home, loose=loose))]
        if not scored and (areas or floors):
            words = tuple(span for span in reference.places)
            moved = replace(reference, heads=(*(replace(s, slot="NAME") for s in words), *reference.heads), places=())
            scored = [
                (fit, e) for e in pool if (fit := _fits(e, moved, home, loose=loose)) and fit[0] >= 0.9 and fit[1] > 0
            ]
        if scored:
            return _choose(reference, kind, scored, home, here, bool(areas or floors), prefer, said)
    generic = _as_only_kind(reference)
    if generic is not None:
        found = find(generic, kind, home, allowed, here, prefer)
        return found if len(found.targets) == 1 else Found(missing=said)
    return Found(missing=said)


def _as_only_kind(reference: Reference) -> Reference | None:
    """ "the ceiling fan" where the only fan bears another name: the phrase as a kind, if nothing else is told by it."""
    heads = []
    for span in reference.heads:
        kind = KIND_WORDS.get(stem(span.words[-1]))
        if (
            span.slot != "NAME"
            or kind in (None, "light", "switch")
            or not {stem(w) for w in span.words[:-1]} <= _GENERIC
        ):
            return None
        heads.append(replace(span, slot="KIND", kind=str(kind), words=span.words[-1:]))
    return replace(reference, heads=tuple(heads)) if heads else None


def _as_name(span: Span, pool: list[Entity]) -> Span:
    """A "kind" that the lexicon does not know, but a name does ("the fusion"), is a name."""
    words = [stem(word) for word in span.words]
    if span.slot != "KIND" or any(word in KIND_WORDS for word in words):
        return span
    named = any(set(words) & set(stems(name)) for e in pool for name in (e.name, *e.aliases, *e.device_words))
    return replace(span, slot="NAME") if named else span


def _places(reference: Reference, home: Home) -> tuple[set[str], set[str], list[Span]]:
    areas: set[str] = set()
    floors: set[str] = set()
    unexplained = []
    for span in reference.places:
        first, second = (areas_named, floors_named) if span.slot == "AREA" else (floors_named, areas_named)
        hit = first(span.words, home)
        if hit:
            (areas if span.slot == "AREA" else floors).update(hit)
            continue
        hit = second(span.words, home)
        if hit:
            (floors if span.slot == "AREA" else areas).update(hit)
        else:
            unexplained.append(span)
    return areas, floors, unexplained


def _in(entity: Entity, areas: set[str], floors: set[str], home: Home) -> bool:
    if areas and floors:  # "the bathroom upstairs"
        return entity.area in areas and home.floor_of(entity) in floors
    return entity.area in areas if areas else home.floor_of(entity) in floors


def _headless(
    reference: Reference, kind: str, located: list[Entity], here: str | None, placed: bool, prefer: frozenset[str],
    said: str,
) -> Found:  # fmt: skip
    if kind == "any":
        if not reference.everything and not placed:
            return Found(missing=said)
        targets = [e for e in located if e.domain in EVERYTHING] or located
        return Found(targets=tuple(targets)) if targets else Found(missing=said)
    targets = [e for e in located if is_kind(e, kind)] or [e for e in located if is_kind(e, kind, loose=True)]
    if not placed and not reference.everything and here:
        targets = [e for e in targets if e.area == here] or targets
    if not targets:
        return Found(missing=said)
    if (
        reference.everything
        or len(targets) == 1
        or kind == "lock"
        or (kind == "light" and (placed or _all_here(targets, here)))
    ):
        return Found(targets=tuple(targets))
    preferred = [e for e in targets if e.id in prefer]
    return Found(targets=tuple(preferred)) if len(preferred) == 1 else Found(choices=tuple(targets))


def _all_here(targets: list[Entity], here: str | None) -> bool:
    return here is not None and all(entity.area == here for entity in targets)


def _choose(
    reference: Reference, kind: str, scored: list[tuple[tuple[float, float], Entity]], home: Home, here: str | None,
    placed: bool, prefer: frozenset[str], said: str,
) -> Found:  # fmt: skip
    best = max(fit[0] for fit, _ in scored)
    scored = [(fit, e) for fit, e in scored if fit[0] >= best - 0.02]
    kinds_only = all(span.slot == "KIND" for span in reference.heads)
    candidates = [e for _, e in scored]
    if len(candidates) == 1:
        return Found(targets=(candidates[0],), score=best)
    if reference.everything:
        return Found(targets=tuple(candidates), score=best)
    if kinds_only:
        if reference.plural:
            if not placed and here:
                candidates = [e for e in candidates if e.area == here] or candidates
            return Found(targets=tuple(candidates), score=best)
        whole = _whole_name(reference, scored, home)
        if len(whole) == 1:
            return Found(targets=(whole[0],), score=best)
        if not placed and here:
            candidates = [e for e in candidates if e.area == here] or candidates
        if len(candidates) == 1:
            return Found(targets=(candidates[0],), score=best)
        generic = {stem(word) for span in reference.heads for word in span.words} <= {"light", "lighting"}
        if not generic:
            said_so = [e for fit, e in scored if e in candidates and fit[1] > 0]
            if len(said_so) == 1:
                return Found(targets=(said_so[0],), score=best)
        light = all(span.kind == "light" for span in reference.heads)
        if light and (placed or _all_here(candidates, here)):
            return Found(targets=tuple(candidates), score=best)
    else:
        most = max(fit[1] for fit, _ in scored)
        fullest = [e for fit, e in scored if fit[1] >= most - 1e-6]
        if most == 1.0 and len(fullest) == 1:
            return Found(targets=(fullest[0],), score=best)
        plural = is_plural(reference.heads[-1].words[-1])
        if plural and not (most == 1.0 and len(fullest) < len(candidates)):
            if not placed and here and any(e.area == here for e in candidates):
                candidates = [e for e in candidates if e.area == here]
            return Found(targets=tuple(candidates), score=best)
        if len(fullest) == 1:
            return Found(targets=(fullest[0],), score=best)
        candidates = fullest
        if not placed and here:
            near = [e for e in candidates if e.area == here]
            if len(near) == 1:
                return Found(targets=(near[0],), score=best)
            candidates = near or candidates
        names = {stems(e.name) for e in candidates}
        if plural or (len(names) == 1 and most == 1.0 and {e.domain for e in candidates} == {"light"} and placed):
            return Found(targets=tuple(candidates), score=best)
    preferred = [e for e in candidates if e.id in prefer]
    if len(preferred) == 1:
        return Found(targets=(preferred[0],), score=best)
    return Found(choices=tuple(candidates), score=best)


def _whole_name(reference: Reference, scored: list[tuple[tuple[float, float], Entity]], home: Home) -> list[Entity]:
    """Entities whose whole name is what was said, place and all ("the kitchen light" when one is called just so)."""
    spans = sorted((*reference.places, *reference.heads), key=lambda span: span.at)
    said = tuple(s for span in spans for word in span.words if (s := stem(word)) and s[0].isalnum())
    return [e for _, e in scored if any(stems(name) == said for name in (e.name, *e.aliases))]
