"""Says things about a home: target phrases, values and whole clauses, each word with its label."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from edge_runtime.home.inventory import Area, Entity, Home
from edge_runtime.home.lexicon import COLORS, EVERYTHING, KIND_WORDS, WHITES, is_kind
from edge_runtime.home.words import is_plural, stem, tokenize
from trainer_host.teacher import phrases


@dataclass(frozen=True)
class Word:
    """One token with its labels. `begin` starts a new span of its slot."""

    text: str
    slot: str = ""
    kind: str = ""  # empty: the clause's own kind
    excluded: bool = False
    begin: bool = False


@dataclass
class Said:
    """A phrase and the entities it means; None where the phrase has no meaning of its own."""

    words: list[Word]
    ids: list[str] | None = None
    ambiguous: bool = False


@dataclass
class Scene:
    """Who speaks where: a home, the area of the microphone, and the source of chance."""

    home: Home
    here: Area | None
    rng: random.Random
    last: list[str] = field(default_factory=list)

    def entities(self, *domains: str) -> list[Entity]:
        return [entity for entity in self.home.entities if entity.domain in domains]


class Unsayable(Exception):
    """This home has nothing that the template could speak of; the sampler draws again."""


KIND_PHRASES: dict[str, tuple[tuple[str, str], ...]] = {
    "light": (("light", "lights"), ("light", "lights"), ("light", "lights"), ("lamp", "lamps"), ("lighting", "lighting"),
              ("bulb", "bulbs"), ("light", "light"), ("light bulb", "light bulbs"), ("lightbulb", "lightbulbs"),
              ("light fixture", "light fixtures"), ("light", "lights")),
    "switch": (("plug", "plugs"), ("outlet", "outlets"), ("switch", "switches"), ("socket", "sockets")),
    "blind": (("blind", "blinds"), ("blinds", "blinds"), ("window blind", "window blinds"), ("roller blind", "roller blinds"),
              ("venetian blind", "venetian blinds"), ("blind", "blinds")),
    "curtain": (("curtain", "curtains"), ("curtains", "curtains"), ("drapes", "drapes"), ("drape", "drapes"),
                ("window curtain", "window curtains"), ("curtain", "curtains")),
    "shade": (("shade", "shades"), ("shades", "shades"), ("window shade", "window shades"), ("roller shade", "roller shades"),
              ("sun shade", "sun shades"), ("shade", "shades")),
    "shutter": (("shutter", "shutters"), ("roller shutter", "shutters")),
    "awning": (("awning", "awnings"),),
    "garage": (("garage door", "garage doors"), ("garage", "garages"), ("garage door", "garage doors"),
               ("garage gate", "garage gates"), ("overhead garage door", "overhead garage doors")),
    "gate": (("gate", "gates"),), "door": (("door", "doors"),), "window": (("window", "windows"), ("skylight", "skylights")),
    "fan": (("fan", "fans"), ("fan", "fans"), ("ventilator", "ventilators"), ("extractor", "extractors"),
            ("extractor fan", "extractor fans"), ("ventilation", "ventilation"), ("fan", "fans")),
    "lock": (("lock", "locks"), ("door", "doors"), ("door lock", "door locks"), ("bolt", "bolts"), ("deadbolt", "deadbolts"),
             ("smart lock", "smart locks"), ("lock", "locks"), ("door", "doors")),
    "tv": (("tv", "tvs"), ("telly", "tellies"), ("television", "televisions"),
           ("tv set", "tv sets"), ("smart tv", "smart tvs")),
    "speaker": (("speaker", "speakers"), ("stereo", "stereos"), ("radio", "radios"), ("music", "music"),
                ("smart speaker", "smart speakers"), ("soundbar", "soundbars"), ("sound system", "sound systems")),
    "media": (("media player", "media players"), ("music", "music"), ("player", "players"), ("receiver", "receivers"),
              ("music player", "music players")),
    "climate": (("thermostat", "thermostats"), ("heating", "heating"), ("ac", "acs"), ("air conditioning", "acs"),
                ("heater", "heaters"), ("heat", "heat"), ("aircon", "aircons"), ("air con", "air con"), ("radiator", "radiators"),
                ("air conditioner", "air conditioners"), ("central heating", "central heating"), ("furnace", "furnaces"),
                ("heating", "heating"), ("thermostat", "thermostats")),
    "vacuum": (("vacuum", "vacuums"), ("robot vacuum", "robot vacuums"), ("hoover", "hoovers"), ("robot", "robots"),
               ("vacuum cleaner", "vacuum cleaners"), ("vac", "vacs"), ("robot hoover", "robot hoovers"),
               ("robovac", "robovacs"), ("cleaning robot", "cleaning robots"), ("sweeper", "sweepers")),
    "mower": (("mower", "mowers"), ("lawn mower", "lawn mowers"), ("robot mower", "robot mowers"), ("lawnmower", "mowers"),
              ("robotic mower", "robotic mowers"), ("grass cutter", "grass cutters"), ("mowing robot", "mowing robots")),
    "valve": (("valve", "valves"), ("water valve", "water valves"), ("sprinkler", "sprinklers"), ("water", "water"),
              ("sprinklers", "sprinklers"), ("irrigation", "irrigation"), ("tap", "taps"), ("faucet", "faucets"),
              ("sprinkler system", "sprinkler systems"), ("water supply", "water supply"), ("stopcock", "stopcocks"),
              ("spigot", "spigots")),
    "sensor": (("sensor", "sensors"),), "todo": (("list", "lists"),),
}  # fmt: skip
DOMAINS_OF_RECIPE = {
    "light": ("light",), "cover": ("cover",), "fan": ("fan",), "lock": ("lock",), "media": ("media_player",),
    "climate": ("climate",), "vacuum": ("vacuum",), "mower": ("lawn_mower",), "valve": ("valve",),
    "scene": ("scene", "script"), "awning": ("cover",), "garage": ("cover",), "todo": ("todo",),
}  # fmt: skip
_KIND_OF_DOMAIN = {
    "light": "light", "switch": "switch", "input_boolean": "switch", "fan": "fan", "lock": "lock", "climate": "climate",
    "vacuum": "vacuum", "lawn_mower": "mower", "valve": "valve", "scene": "scene", "script": "scene", "todo": "todo",
    "sensor": "sensor", "binary_sensor": "sensor",
}  # fmt: skip
_NAME_SWAPS = {
    "light": ("lamp", "lights"), "lamp": ("light",), "lights": ("lamps", "light"), "tv": ("television", "telly"),
    "television": ("tv",), "vacuum": ("hoover", "vacuum cleaner"), "blind": ("shade", "blinds"), "blinds": ("blind", "shades"),
    "curtain": ("drapes", "curtains"), "curtains": ("curtain", "drapes"), "speaker": ("speakers",), "sofa": ("couch",),
    "couch": ("sofa",), "fridge": ("refrigerator",), "thermostat": ("heating",), "ac": ("air conditioner",),
    "coffee": ("espresso",), "mower": ("lawnmower",), "lights.": ("light",),
}  # fmt: skip
_AREA_SWAPS = {
    "living room": ("lounge", "sitting room", "family room"), "lounge": ("living room",), "bathroom": ("bath", "loo", "washroom"),
    "hall": ("hallway", "corridor"), "hallway": ("hall", "corridor"), "office": ("study", "home office"), "study": ("office",),
    "garden": ("yard", "backyard"), "backyard": ("garden", "yard"), "basement": ("cellar",), "attic": ("loft",),
    "master bedroom": ("main bedroom", "bedroom"), "guest room": ("guest bedroom", "spare room"), "toilet": ("loo", "bathroom"),
    "laundry room": ("laundry", "utility room"), "dining room": ("dining area",), "patio": ("terrace",), "terrace": ("patio", "deck"),
    "nursery": ("baby's room",), "kids room": ("children's room",), "entrance": ("entry", "hallway"), "foyer": ("entrance",),
    "wohnzimmer": ("living room",), "küche": ("kitchen",), "schlafzimmer": ("bedroom",), "cuisine": ("kitchen",),
    "home cinema": ("theater", "cinema"), "kitchen": ("kitchen",),
}  # fmt: skip


def literal(text: str, excluded: bool = False) -> list[Word]:
    return [Word(token, excluded=excluded) for token in tokenize(text)]


def tagged(text: str, slot: str, kind: str = "", excluded: bool = False) -> list[Word]:
    return [Word(token, slot, kind, excluded, i == 0) for i, token in enumerate(tokenize(text))]


def kind_of(entity: Entity) -> str:
    """The most telling kind of an entity."""
    if entity.domain == "cover":
        return entity.device_class if entity.device_class in KIND_PHRASES else "cover"
    if entity.domain == "media_player":
        return entity.device_class if entity.device_class in ("tv", "speaker") else "media"
    return _KIND_OF_DOMAIN.get(entity.domain, "any")


def _det(rng: random.Random, *, plural: bool = False) -> str:
    roll = rng.random()
    if roll < 0.62:
        return "the "
    if roll < 0.7:
        return "my "
    return "" if roll < 0.96 else "that " if not plural else "those "


def area_words(scene: Scene, area: Area, *, swap: bool = True) -> list[Word]:
    rng = scene.rng
    name = area.name
    others = {a.name.lower() for a in scene.home.areas}
    options = [s for s in _AREA_SWAPS.get(name.lower(), ()) if s not in others]
    if swap and options and rng.random() < 0.12:
        name = rng.choice(options)
    elif (
        "room" in name.lower().split()
        and len(name.split()) > 1
        and rng.random() < 0.05
        and name.lower().endswith(" room")
    ):
        name = name[:-5]
    return tagged(name, "AREA")


def in_area(scene: Scene, area: Area) -> list[Word]:
    preposition = scene.rng.choices(("in", "of", "at", "on", "from", "inside"), (16, 1, 1, 1, 0.5, 0.5))[0]
    the = scene.rng.choice(("the ", "the ", "the ", "", "my "))
    if area.name.lower().split()[0].endswith(("'s", "s'")):
        the = ""
    return [*literal(f"{preposition} {the}"), *area_words(scene, area)]


def floor_words(scene: Scene, floor: str) -> list[Word]:
    name = floor.lower()
    if name in ("upstairs", "downstairs", "outside", "inside"):
        return tagged(name, "FLOOR")
    if scene.rng.random() < 0.2 and name in (
        "first floor",
        "upper floor",
        "upper level",
        "second floor",
        "obergeschoss",
    ):
        floors = {a.floor.lower() for a in scene.home.areas if a.floor}
        if name != "first floor" or "ground floor" in floors:
            return tagged("upstairs", "FLOOR")
    if scene.rng.random() < 0.2 and name in ("ground floor", "main floor", "lower level", "erdgeschoss"):
        return tagged("downstairs", "FLOOR")
    return [*literal(scene.rng.choice(("on the ", "on the ", "of the ", "on "))), *tagged(floor, "FLOOR")]


def only_covers(scene: Scene, kind: str) -> Scene:
    """The same scene with no other covers than those of a kind."""
    entities = tuple(e for e in scene.home.entities if e.domain != "cover" or e.device_class == kind)
    if not any(e.domain == "cover" for e in entities):
        raise Unsayable
    return Scene(Home(scene.home.areas, entities), scene.here, scene.rng)


# -- target phrases ----------------------------------------------------------------------------------------------


def _by_name(scene: Scene, entity: Entity) -> Said:
    rng = scene.rng
    kind = kind_of(entity)
    names = [entity.name] + (list(entity.aliases) * 2 if entity.aliases else [])
    words = rng.choice(names).split()
    area = scene.home.area(entity.area)
    if rng.random() < 0.13 and words[-1].lower() in _NAME_SWAPS:
        words = [*words[:-1], rng.choice(_NAME_SWAPS[words[-1].lower()])]
    elif rng.random() < 0.1 and words[0].lower() in _NAME_SWAPS and len(words) > 1:
        words = [rng.choice(_NAME_SWAPS[words[0].lower()]), *words[1:]]
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
        words = [*words[:-1], _spell(int(words[-1]))]
        if rng.random() < 0.15:
            words = [*words[:-1], "number", words[-1]]
    name = " ".join(words)
    det = "" if words[0].lower().endswith(("'s", "s'")) or (words[0].istitle() and rng.random() < 0.15) else _det(rng)
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
            words = [*literal(_det(rng, plural=plural)), *area_words(scene, area), *word]
        else:
            quantity = []
            if plural and rng.random() < 0.25:
                quantity = [Word(rng.choice(("all", "both", "all")), "ALL", begin=True)]
                said = Said([], [e.id for e in targets])
            words = [*quantity, *literal(_det(rng, plural=plural)), *word, *in_area(scene, area)]
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
        words = [*literal(_det(rng, plural=plural)), *word]
        if rng.random() < 0.3:
            words += _here(scene)
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
            words = [*lead, *literal(_det(rng, plural=True)), *word, *floor_words(scene, floor)]
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
    return Said([*literal(_det(rng)), *word], said.ids, said.ambiguous)


def _here(scene: Scene) -> list[Word]:
    text = scene.rng.choice(("in here", "here", "in this room", "in here", "in my room" if False else "in the room"))
    return [Word(t, "HERE" if t in ("here", "this", "room") else "", begin=t in ("here", "this")) for t in text.split()] \
        if text != "in the room" else literal(text)  # fmt: skip


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
        return Said([*literal(_det(rng, plural=True)), *names, *word], ids)
    return Said([*literal(_det(rng, plural=True)), *word, *literal("in the"), *names], ids)


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
    spelled = rng.random() < 0.5
    plural = rng.random() < 0.6 and base[-1].isalpha() and not base.endswith("s")
    words = literal(_det(rng) if rng.random() < 0.3 else "")
    for i, (number, entity) in enumerate(chosen):
        said = _spell(int(number)) if spelled and number.isdigit() and int(number) < 100 else number
        if i == 0:
            words += tagged(f"{base}{'s' if plural else ''} {said}", "NAME", kind_of(entity))
        else:
            words += literal("and" if i == len(chosen) - 1 else ",")
            words += tagged(said, "NAME", kind_of(entity))
    return Said(words, [entity.id for _, entity in chosen])


ABSENT_PLACES = ("pool", "sauna", "wine cellar", "bowling alley", "tree house", "dungeon", "helipad", "east wing", "stable",
                 "cinema", "chapel", "greenhouse", "attic", "basement", "gym", "balcony", "garage", "nursery", "boathouse")  # fmt: skip
ABSENT_NAMES = ("espresso machine", "disco ball", "hot tub", "oven", "microwave", "dishwasher", "toaster", "lava lamp", "sauna heater",
                "fish tank", "jacuzzi", "elevator", "doorbell", "robot arm", "popcorn machine", "telescope", "piano", "fireplace",
                "treadmill", "drone", "washing machine", "christmas tree", "printer", "bunk bed lamp", "garden gnome")  # fmt: skip


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


# -- values --------------------------------------------------------------------------------------------------------


def _spell(number: int) -> str:
    from edge_runtime.home.words import TENS, UNITS

    names = {v: k for k, v in {**TENS, **UNITS}.items() if k != "fourty"}
    if number in names:
        return names[number]
    if number == 100:
        return "one hundred"
    return f"{names[number // 10 * 10]} {names[number % 10]}"


def percentage(rng: random.Random) -> str:
    roll = rng.random()
    number = rng.choice(
        (
            5,
            10,
            15,
            20,
            25,
            30,
            33,
            35,
            40,
            45,
            50,
            55,
            60,
            65,
            70,
            75,
            80,
            85,
            90,
            95,
            100,
            rng.randint(1, 99),
        )
    )
    if roll < 0.45:
        return f"{number}%"
    if roll < 0.6:
        return f"{number} percent"
    if roll < 0.72:
        return f"{_spell(number)} percent"
    if roll < 0.8:
        return str(number)
    if roll < 0.83:
        return _spell(number)
    return rng.choice(("half", "a quarter", "three quarters", "full", "maximum", "max", "the maximum", "minimum", "halfway",
                       "the lowest", "the highest", "one third", "a third", "two thirds", "the max", "half way", "full blast",
                       "the lowest level", "the brightest", "medium", "the minimum"))  # fmt: skip


def _temperature(rng: random.Random) -> str:
    number = rng.choice((16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 65, 68, 70, 72))
    roll = rng.random()
    if roll < 0.3:
        return str(number)
    if roll < 0.65:
        return f"{number} degrees"
    if roll < 0.75:
        return f"{number}°"
    if roll < 0.85:
        return f"{_spell(number)} degrees"
    if roll < 0.92:
        return f"{min(number, 26)}.5 degrees"
    return f"{number} degrees {rng.choice(('celsius', 'fahrenheit', 'c'))}"


def _duration(rng: random.Random) -> str:
    number = rng.randint(2, 59)
    roll = rng.random()
    if roll < 0.55:
        return f"{number} {rng.choice(('minutes', 'minutes', 'minute', 'seconds', 'hours', 'min'))}"
    if roll < 0.7:
        return f"{_spell(rng.randint(2, 20))} {rng.choice(('minutes', 'hours', 'seconds'))}"
    return rng.choice(("half an hour", "an hour", "a minute", "an hour and a half", "2 hours and 30 minutes",
                       "one hour and 15 minutes", "a minute and 30 seconds", "a couple of minutes"))  # fmt: skip


def place(scene: Scene, domains: tuple[str, ...], *, only: bool) -> list[Word]:
    """Where: "in the kitchen", "in here" or nothing; with `only`, the bare place ("the kitchen")."""
    rng = scene.rng
    areas = [a for a in scene.home.areas if not domains or any(e.area == a.id for e in scene.entities(*domains))]
    if only:
        if scene.here and rng.random() < 0.25:
            return [Word("this", "HERE", begin=True), Word(rng.choice(("room", "place", "room")), "HERE")]
        if not areas:
            raise Unsayable
        return [*literal(rng.choice(("the ", "the ", "my ", ""))), *area_words(scene, rng.choice(areas))]
    if scene.here and (scene.here in areas or not areas) and rng.random() < 0.55:
        return _here(scene) if rng.random() < 0.65 else []
    if not areas or rng.random() < 0.08:
        return []
    return in_area(scene, rng.choice(areas))


def place_all(scene: Scene) -> list[Word]:
    rng = scene.rng
    roll = rng.random()
    if roll < 0.3:
        return []
    if roll < 0.45:
        return literal(rng.choice(("in the house", "in the entire house", "at home", "in the whole apartment")))
    if roll < 0.6:
        floors = sorted({a.floor for a in scene.home.areas if a.floor})
        if floors:
            return floor_words(scene, rng.choice(floors))
    return in_area(scene, rng.choice(scene.home.areas))


def todo_list(scene: Scene) -> Said:
    rng = scene.rng
    lists = scene.entities("todo")
    if not lists:
        raise Unsayable
    entity = rng.choice(lists)
    shopping = [e for e in lists if {stem(w) for w in tokenize(e.name)} & {"shopping", "grocery", "groceries"}]
    lead = rng.choice(("the ", "my ", "the ", "my ", "our ", ""))
    if len(lists) == 1 and rng.random() < 0.3:
        return Said([*literal(rng.choice(("the ", "my ", "our "))), *tagged("list", "KIND", "todo")], [entity.id])
    if len(shopping) == 1 and rng.random() < 0.2:
        words = tagged(rng.choice(("shopping list", "grocery list", "shopping")), "NAME", "todo")
        return Said([*literal(lead), *words], [shopping[0].id])
    if entity.name.lower().split()[0].endswith("'s"):
        lead = ""
    name = (
        entity.name if entity.name.lower().endswith(("list", "liste")) or rng.random() < 0.4 else f"{entity.name} list"
    )
    return Said([*literal(lead), *tagged(name, "NAME", "todo")], [entity.id])


Filler = Callable[[], list[Word]]


def values(scene: Scene) -> dict[str, Filler]:
    """Fillers of the value slots of own templates."""
    rng = scene.rng
    return {
        "pct": lambda: tagged(percentage(rng), "VALUE"),
        "by": lambda: tagged(rng.choice((f"{rng.choice((5, 10, 15, 20, 25, 30))}%", f"{rng.choice((5, 10, 15, 20, 30))} percent",
                                         f"{_spell(rng.choice((10, 15, 20, 30)))} percent", "20")), "VALUE"),
        "speed": lambda: tagged(rng.choice((percentage(rng), percentage(rng), "low", "medium", "high", "full speed", "the lowest setting",
                                            "high speed", "low speed", "the highest speed", "max speed", "medium speed")), "VALUE"),
        "color": lambda: tagged(rng.choice(COLORS), "COLOR"),
        "white": lambda: tagged(rng.choice((*WHITES, f"{rng.randrange(20, 66) * 100} kelvin", f"{rng.randrange(20, 66) * 100}k")), "WHITE"),
        "temp": lambda: tagged(_temperature(rng), "VALUE"),
        "temp_degrees": lambda: tagged(f"{rng.randint(16, 26)} degrees", "VALUE"),
        "deg": lambda: tagged(rng.choice(("two degrees", "1 degree", "one degree", "3 degrees", "2°", "2 degrees")), "VALUE"),
        "item": lambda: tagged(rng.choice(phrases.ITEMS), "ITEM"),
        "query": lambda: tagged(rng.choice(phrases.QUERIES), "QUERY"),
        "duration": lambda: tagged(_duration(rng), "TIME"),
        "text": lambda: tagged(rng.choice(phrases.TEXTS), "TEXT"),
        "mode": lambda: tagged(rng.choice(("auto", "low", "medium", "high", "on")), "MODE"),
        "state": lambda: literal(rng.choice(("on", "off", "open", "closed", "locked", "unlocked", "running", "playing", "shut", "lit",
                                             "turned on", "turned off", "charging", "muted", "dimmed"))),
        "pron": lambda: [Word(rng.choice(("it", "them", "some", "that")), "PRON", begin=True)],
        "way": lambda: tagged("all the way", "VALUE"),
        "way_up": lambda: tagged("all the way", "VALUE"),
        "full": lambda: tagged(rng.choice(("full", "max", "maximum", "full brightness", "full power", "minimum", "half power")), "VALUE"),
        "task": lambda: tagged(rng.choice((*phrases.TASKS, *phrases.ITEMS[56:74])), "ITEM"),
        "done": lambda: tagged(rng.choice(rng.choice(list(phrases.TASKS.values()))), "ITEM"),
        "list": lambda: todo_list(scene).words,
        "place": lambda: place(scene, (), only=False),
        "place_only": lambda: place(scene, (), only=True),
        "place_all": lambda: place_all(scene),
    }  # fmt: skip


EVERYTHING_DOMAINS = tuple(sorted(EVERYTHING))
