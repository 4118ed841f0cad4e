"""Phrases for values and places: percentages, temperatures, times, colours, lists and where."""

from __future__ import annotations

import random
from collections.abc import Callable

from edge_runtime.home.lexicon import COLORS, WHITES
from edge_runtime.home.words import stem, tokenize
from trainer_host.teacher.home import phrases
from trainer_host.teacher.home.say import (
    Said,
    Scene,
    Unsayable,
    Word,
    area_words,
    floor_words,
    here_words,
    in_area,
    literal,
    spelled,
    tagged,
)


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
        return f"{spelled(number)} percent"
    if roll < 0.8:
        return str(number)
    if roll < 0.83:
        return spelled(number)
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
        return f"{spelled(number)} degrees"
    if roll < 0.92:
        return f"{min(number, 26)}.5 degrees"
    return f"{number} degrees {rng.choice(('celsius', 'fahrenheit', 'c'))}"


def _duration(rng: random.Random) -> str:
    number = rng.randint(2, 59)
    roll = rng.random()
    if roll < 0.55:
        return f"{number} {rng.choice(('minutes', 'minutes', 'minute', 'seconds', 'hours', 'min'))}"
    if roll < 0.7:
        return f"{spelled(rng.randint(2, 20))} {rng.choice(('minutes', 'hours', 'seconds'))}"
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
        return here_words(scene) if rng.random() < 0.65 else []
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
                                         f"{spelled(rng.choice((10, 15, 20, 30)))} percent", "20")), "VALUE"),
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
