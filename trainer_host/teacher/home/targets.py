"""Phrases for the things meant: by name, by kind and place, several of them, all but some, and absent ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from edge_runtime.home.inventory import Entity
from edge_runtime.home.lexicon import EVERYTHING, KIND_WORDS, is_kind
from edge_runtime.home.words import is_plural, stem, tokenize
from trainer_host.teacher.home.nouns import ABSENT_NAMES, ABSENT_PLACES, KIND_PHRASES, NAME_SWAPS
from trainer_host.teacher.home.say import (
    Said,
    Scene,
    Unsayable,
    Word,
    area_words,
    determiner,
    floor_words,
    here_words,
    in_area,
    kind_of,
    literal,
    spelled,
    tagged,
)

EVERYTHING_DOMAINS = tuple(sorted(EVERYTHING))


def _by_name(scene: Scene, entity: Entity) -> Said:
    rng = scene.rng
    kind = kind_of(entity)
    names = [entity.name] + (list(entity.aliases) * 2 if entity.aliases else [])
    words = rng.choice(names).split()
    area = scene.home.area(entity.area)
    if rng.random() < 0.13 and words[-1].lower() in NAME_SWAPS:
        words = [*words[:-1], rng.choice(NAME_SWAPS[words[-1].lower()])]
    elif rng.random() < 0.1 and words[0].lower() in NAME_SWAPS and len(words) > 1:
        words = [rng.choice(NAME_SWAPS[words[0].lower()]), *words[1:]]
    area_said = False
    if area and len(words) > 1 and " ".join(words).lower().startswith(area.name.lower() + " ") and rng.random() < 0.3:
        words = words[len(area.name.split()) :]  # "the counter lamp", said in the kitchen
        if not (scene.here and scene.here.id == area.id and rng.random() < 0.6):
            area_said = True
    elif len(words) > 2 and rng.random() < 0.12:
        words = words[1:] if rng.random() < 0.6 else words[:-1]
    elif len(words) == 2 and rng.random() < 0.04:
        words = words[:1]
    elif area and rng.random() < 0.1 and area.name.lower() not in " ".join(words).lower():
        area_said = True
    elif entity.device_words and rng.random() < 0.06:
        maker = entity.device_words[1] if len(entity.device_words) > 1 else entity.device_words[0]
        noun = rng.choice(KIND_PHRASES.get(kind, (("", ""),)))[0]
        words = f"{maker} {noun if rng.random() < 0.6 else ''}".split()
    if words[-1].isdigit() and int(words[-1]) < 100 and rng.random() < 0.4:
        words = [*words[:-1], spelled(int(words[-1]))]
        if rng.random() < 0.15:
            words = [*words[:-1], "number", words[-1]]
    name = " ".join(words)
    det = (
        ""
        if words[0].lower().endswith(("'s", "s'")) or (words[0].istitle() and rng.random() < 0.15)
        else determiner(rng)
    )
    out = literal(det)
    if area_said and area and rng.random() < 0.4:
        out += [*area_words(scene, area), *tagged(name, "NAME", kind)]
    else:
        out += tagged(name, "NAME", kind)
        if area_said and area:
            out += in_area(scene, area)
    return Said(out, [entity.id])


def _kind_word(scene: Scene, kind: str, plural: bool) -> list[Word]:
    singular, many = scene.rng.choice(KIND_PHRASES[kind])
    text = many if plural else singular
    label = KIND_WORDS.get(stem(tokenize(text)[-1]), kind)
    if kind == "lock":
        label = "lock" if text not in ("door", "doors") else "door"
    elif label in ("any", "media") or kind in ("garage", "climate", "valve", "vacuum", "mower"):
        label = kind
    return tagged(text, "KIND", label)


def _of_kind(entities: list[Entity], kind: str) -> list[Entity]:
    return [e for e in entities if is_kind(e, kind)] or [e for e in entities if is_kind(e, kind, loose=True)]


def _meant(word: list[Word], entities: list[Entity], domains: tuple[str, ...]) -> list[Entity]:
    return _of_kind([e for e in entities if e.domain in domains], word[0].kind)


def _quantity(targets: list[Entity], plural: bool, kind: str, placed: bool) -> Said:
    ids = [e.id for e in targets]
    if len(targets) > 1 and not plural and not (kind == "light" and placed):
        return Said([], [], ambiguous=True)
    return Said([], ids)


def _by_kind(scene: Scene, domains: tuple[str, ...], *, where: str) -> Said:
    rng = scene.rng
    pool = scene.entities(*domains)
    sample = rng.choice(pool)
    kind = kind_of(sample)
    if kind not in KIND_PHRASES:
        raise Unsayable
    if where == "area":
        area = scene.home.area(sample.area)
        if area is None:
            raise Unsayable
        local = [e for e in pool if e.area == area.id]
        several = len(_of_kind(local, kind)) > 1
        plural = rng.random() < (0.75 if several else 0.15)
        word = _kind_word(scene, kind, plural)
        targets = _meant(word, local, domains)
        said = _quantity(targets, is_plural(word[-1].text), word[0].kind, True)
        if rng.random() < 0.5:
            words = [*literal(determiner(rng, plural=plural)), *area_words(scene, area), *word]
        else:
            quantity = []
            if plural and rng.random() < 0.25:
                quantity = [Word(rng.choice(("all", "both", "all")), "ALL", begin=True)]
                said = Said([], [e.id for e in targets])
            words = [*quantity, *literal(determiner(rng, plural=plural)), *word, *in_area(scene, area)]
        return Said(words, said.ids, said.ambiguous)
    if where == "here":
        if scene.here is None or sample.area != scene.here.id:
            local = [e for e in pool if scene.here and e.area == scene.here.id]
            if not local:
                raise Unsayable
            kind = kind_of(rng.choice(local))
            if kind not in KIND_PHRASES:
                raise Unsayable
        local = [e for e in pool if scene.here and e.area == scene.here.id]
        plural = rng.random() < (0.7 if len(_of_kind(local, kind)) > 1 else 0.2)
        word = _kind_word(scene, kind, plural)
        targets = _meant(word, local, domains)
        said = _quantity(targets, is_plural(word[-1].text), word[0].kind, True)
        words = [*literal(determiner(rng, plural=plural)), *word]
        if rng.random() < 0.3:
            words += here_words(scene)
        return Said(words, said.ids, said.ambiguous)
    if where == "floor":
        floor = scene.home.floor_of(sample)
        if floor is None:
            raise Unsayable
        local = [e for e in pool if scene.home.floor_of(e) == floor]
        word = _kind_word(scene, kind, True)
        targets = _meant(word, local, domains)
        lead = tagged(rng.choice(("all", "every", "all")), "ALL") if rng.random() < 0.4 else []
        if rng.random() < 0.4:
            name = [w for w in floor_words(scene, floor) if w.slot]
            words = [*lead, *literal("the"), *name, *word]
        else:
            words = [*lead, *literal(determiner(rng, plural=True)), *word, *floor_words(scene, floor)]
        if not lead and not is_plural(word[-1].text) and len(targets) > 1 and word[0].kind != "light":
            raise Unsayable
        return Said(words, [e.id for e in targets])
    if where == "all":
        plural = rng.random() < 0.85
        word = _kind_word(scene, kind, plural)
        targets = _meant(word, pool, domains)
        several_words, single = (
            ("all", "all the", "all of the", "all my", "both", "all"),
            ("every", "each", "every single"),
        )
        quantity_said: str = rng.choice(several_words if plural else single)
        lead_words = [Word(t, "ALL", begin=True) if i == 0 else Word(t) for i, t in enumerate(quantity_said.split())]
        tail = literal(
            rng.choice(
                (
                    "",
                    "",
                    "in the house",
                    "in the whole house",
                    "everywhere",
                    "in the entire home",
                    "throughout the house",
                )
            )
        )
        tail = [replace(w, slot="ALL", begin=w.text == "everywhere") if w.text == "everywhere" else w for w in tail]
        return Said([*lead_words, *word, *tail], [e.id for e in targets])
    # the only one, or an ambiguous one
    word = _kind_word(scene, kind, False)
    targets = _meant(word, pool, domains)
    if len(targets) > 1 and scene.here and [e for e in targets if e.area == scene.here.id]:
        raise Unsayable
    said = _quantity(targets, is_plural(word[-1].text), word[0].kind, False)
    return Said([*literal(determiner(rng)), *word], said.ids, said.ambiguous)


def _several_areas(scene: Scene, domains: tuple[str, ...]) -> Said:
    """ "the kitchen and hall lights" or "the lights in the kitchen and the hall"."""
    rng = scene.rng
    kind = kind_of(rng.choice(scene.entities(*domains)))
    if kind not in KIND_PHRASES:
        raise Unsayable
    word = _kind_word(scene, kind, True)
    if not is_plural(word[-1].text):
        raise Unsayable
    by_area = {
        a: t for a in scene.home.areas
        if (t := _meant(word, [e for e in scene.entities(*domains) if e.area == a.id], domains))
    }  # fmt: skip
    if len(by_area) < 2:
        raise Unsayable
    areas = rng.sample(list(by_area), 2 if rng.random() < 0.8 or len(by_area) < 3 else 3)
    ids = [e.id for a in areas for e in by_area[a]]
    names: list[Word] = []
    first = rng.random() < 0.5
    for i, area in enumerate(areas):
        if i:
            names += literal(" , " if i < len(areas) - 1 else rng.choice((" and ", " and ", " & ")))
            if rng.random() < 0.5 and not first:
                names += literal("the")
        names += area_words(scene, area, swap=False)
    if first:
        return Said([*literal(determiner(rng, plural=True)), *names, *word], ids)
    return Said([*literal(determiner(rng, plural=True)), *word, *literal("in the"), *names], ids)


def _series(scene: Scene, domains: tuple[str, ...]) -> Said:
    """ "floodlights 1 and 2" of a numbered row of things."""
    rng = scene.rng
    rows: dict[str, list[tuple[str, Entity]]] = {}
    for entity in scene.entities(*domains):
        base, _, number = entity.name.rpartition(" ")
        if base and (number.isdigit() or len(number) == 1):
            rows.setdefault(base.lower(), []).append((number.lower(), entity))
    rows = {base: members for base, members in rows.items() if len(members) > 1}
    if not rows:
        raise Unsayable
    base, members = rng.choice(sorted(rows.items(), key=lambda item: item[0]))
    chosen = rng.sample(members, min(len(members), rng.choice((2, 2, 3))))
    in_words = rng.random() < 0.5
    plural = rng.random() < 0.6 and base[-1].isalpha() and not base.endswith("s")
    words = literal(determiner(rng) if rng.random() < 0.3 else "")
    for i, (number, entity) in enumerate(chosen):
        said = spelled(int(number)) if in_words and number.isdigit() and int(number) < 100 else number
        if i == 0:
            words += tagged(f"{base}{'s' if plural else ''} {said}", "NAME", kind_of(entity))
        else:
            words += literal("and" if i == len(chosen) - 1 else ",")
            words += tagged(said, "NAME", kind_of(entity))
    return Said(words, [entity.id for _, entity in chosen])


def _absent(scene: Scene, domains: tuple[str, ...]) -> Said:
    """Something that this home does not have: nothing may happen."""
    rng = scene.rng
    if rng.random() < 0.5:
        return Said([*literal("the"), *tagged(rng.choice(ABSENT_NAMES), "NAME", "any")], [], ambiguous=True)
    kind = kind_of(rng.choice(scene.entities(*domains)))
    if kind not in KIND_PHRASES:
        raise Unsayable
    place_said = tagged(rng.choice(ABSENT_PLACES), "AREA")
    word = _kind_word(scene, kind, rng.random() < 0.6)
    if rng.random() < 0.5:
        return Said([*literal("the"), *place_said, *word], [], ambiguous=True)
    return Said([*literal("the"), *word, *literal("in the"), *place_said], [], ambiguous=True)


def exclusion(scene: Scene, ids: list[str], lead: list[Word]) -> Said:
    """ "except the hall" after a phrase that means `ids`; the ids that stay in."""
    rng = scene.rng
    inside = [e for e in scene.home.entities if e.id in ids]
    if len(inside) < 2:
        raise Unsayable
    keep = rng.random() < 0.3
    if keep:
        joint = rng.choice(
            (
                "but leave",
                "but keep",
                "just leave",
                "but don't touch",
                "and leave",
                "only leave",
                "leaving",
                "but not",
            )
        )
    else:
        joint = rng.choice(("except", "except for", "but not", "but", "other than", "apart from", "besides", "excluding", "bar",
                            "except", "without", "just not", "not", "save for", "with the exception of", "minus", "aside from"))  # fmt: skip
    roll = rng.random()
    if roll < 0.5:
        said = _by_name(scene, rng.choice(inside))
        gone, words = said.ids or [], said.words
        if rng.random() < 0.15 and len(words) > 2 and words[-1].slot == "NAME" and words[-2].slot == "NAME":
            words = [*words[:-1], Word("one")]
    elif roll < 0.6:
        kinds = {kind_of(e) for e in inside} & set(KIND_PHRASES)
        if len(kinds) < 2:
            raise Unsayable
        word = _kind_word(scene, rng.choice(sorted(kinds)), rng.random() < 0.3)
        gone = [e.id for e in _of_kind(inside, word[0].kind)]
        words = [*literal("the"), *word]
    else:
        area = scene.home.area(rng.choice(inside).area)
        if area is None:
            raise Unsayable
        gone = [e.id for e in inside if e.area == area.id]
        words = [*literal(rng.choice(("the ", "the ", "in the ", "the one in the ", "those in the ", "the ones in the "))),
                 *area_words(scene, area, swap=False)]  # fmt: skip
        kind_words = [w for w in lead if w.slot == "KIND"]
        roll = rng.random()
        if roll < 0.25 and kind_words and words[0].text == "the" and len(words) <= 3:
            words += [replace(w, begin=i == 0) for i, w in enumerate(kind_words)]
        elif roll < 0.4 and words[0].text == "the":
            words += literal(rng.choice(("one", "ones")))
    if rng.random() < 0.15:
        other = rng.choice(inside)
        if other.id not in gone:
            words = [
                *words,
                *literal(rng.choice(("and the", "or the", "and"))),
                *tagged(other.name, "NAME", kind_of(other)),
            ]
            gone = [*gone, other.id]
    left = [i for i in ids if i not in gone]
    if not left:
        raise Unsayable
    words = [replace(w, excluded=True) for w in words]
    tail = (
        literal(rng.choice(("on", "alone", "as is", "be", "out of it", "running", "the way it is")))
        if keep and joint != "but not"
        else []
    )
    comma = literal(",") if rng.random() < 0.15 else []
    return Said([*comma, *literal(joint), *words, *tail], left)


def _except(scene: Scene, domains: tuple[str, ...]) -> Said:
    rng = scene.rng
    base = _by_kind(scene, domains, where=rng.choices(("all", "area", "floor"), (6, 3, 2))[0])
    if not base.ids or len(base.ids) < 2:
        raise Unsayable
    tail = exclusion(scene, base.ids, base.words)
    lead = base.words
    if not any(w.slot == "ALL" for w in lead) and rng.random() < 0.5:
        lead = [Word("all", "ALL", begin=True), *lead]
    return Said([*lead, *tail.words], tail.ids)


def target(scene: Scene, domains: tuple[str, ...]) -> Said:
    """A phrase for things of these domains, and what it means in this home."""
    rng = scene.rng
    pool = scene.entities(*domains)
    if not pool:
        raise Unsayable
    only_names = domains in (("scene", "script"), ("todo",))
    roll = 0.0 if only_names else rng.random()
    if roll < 0.34:
        return _by_name(scene, rng.choice(pool))
    modes: tuple[tuple[float, Callable[[], Said]], ...] = (
        (0.53, lambda: _by_kind(scene, domains, where="area")),
        (0.62, lambda: _by_kind(scene, domains, where="here")),
        (0.67, lambda: _by_kind(scene, domains, where="")),
        (0.72, lambda: _by_kind(scene, domains, where="floor")),
        (0.77, lambda: _by_kind(scene, domains, where="all")),
        (0.80, lambda: _several_areas(scene, domains)),
        (0.89, lambda: _except(scene, domains)),
        (0.92, lambda: _series(scene, domains)),
        (0.945, lambda: _absent(scene, domains)),
        (1.0, lambda: _pair(scene, domains, pool)),
    )
    mode = next(mode for limit, mode in modes if roll < limit)
    for _ in range(6):  # rarer forms need luck: without new tries they would all but vanish
        try:
            return mode()
        except Unsayable:
            continue
    raise Unsayable


def _pair(scene: Scene, domains: tuple[str, ...], pool: list[Entity]) -> Said:
    """ "the sofa lamp and the hall light"."""
    rng = scene.rng
    first = _by_name(scene, rng.choice(pool)) if rng.random() < 0.6 else _by_kind(scene, domains, where="area")
    second = _by_name(scene, rng.choice(pool)) if rng.random() < 0.6 else _by_kind(scene, domains, where="area")
    if first.ambiguous or second.ambiguous:
        raise Unsayable
    between = literal(rng.choice((" and ", " and ", " and also ", " as well as ", " plus ", " , ")))
    ids = list(dict.fromkeys([*(first.ids or []), *(second.ids or [])]))
    return Said([*first.words, *between, *second.words], ids)


def switchable(scene: Scene) -> tuple[str, ...]:
    """A domain that can be switched, lights most often; rarely two together ("the lights and the tv")."""
    rng = scene.rng
    present = [d for d in ("light", "switch", "fan", "media_player", "climate") if scene.entities(d)]
    weights = {"light": 10, "switch": 3, "fan": 3, "media_player": 3, "climate": 1}
    if not present:
        raise Unsayable
    return (rng.choices(present, [weights[d] for d in present])[0],)
