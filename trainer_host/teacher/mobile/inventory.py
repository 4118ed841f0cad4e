"""Inventories of robots that aren't there: places at spots of a small drawn map, and the things and people in them."""

from __future__ import annotations

import random

Json = dict[str, object]
# Where a robot of 18 cm can stand in the bridge's room `flat`, metres; the last one is in its no-go zone.
SPOTS = (
    (0.8, 0.8), (1.8, 1.3), (2.8, 1.8), (3.8, 0.8), (4.8, 1.3), (5.3, 0.8), (6.3, 1.8), (0.8, 3.3), (1.3, 4.3),
    (1.8, 3.3), (3.8, 3.3), (4.8, 2.8), (4.8, 4.3), (5.8, 3.8), (6.4, 0.5),
)  # fmt: skip
DOCK = (0.5, 0.5)
_PLACES = (
    "kitchen", "living room", "bedroom", "bathroom", "hallway", "office", "study", "garage", "dining room", "laundry room",
    "library", "nursery", "guest room", "basement", "balcony", "terrace", "pantry", "attic", "entrance", "front door",
    "back door", "window", "sofa", "couch", "table", "dinner table", "desk", "workbench", "bookshelf", "fridge", "sink",
    "stairs", "elevator", "reception", "lobby", "cafeteria", "meeting room", "conference room", "lab", "warehouse",
    "loading bay", "storage room", "server room", "packing station", "assembly line", "charging corner", "tool cabinet",
    "exit", "waiting room", "ward", "pharmacy", "nurses station", "classroom", "gym", "stage", "greenhouse", "shed",
    "barn", "stable", "aisle", "shelf", "counter", "printer", "copy room", "print room", "mail room", "break room",
    "coat rack", "fireplace", "piano", "bed", "armchair", "recycling bins", "checkpoint", "gate", "parking lot",
)  # fmt: skip
_NUMBERED = (
    "room",
    "aisle",
    "shelf",
    "station",
    "bay",
    "meeting room",
    "bench",
    "table",
    "rack",
    "zone",
    "checkpoint",
    "lab",
)
_PEOPLE = (
    "anna", "ben", "carla", "david", "emma", "grandma", "grandpa", "mum", "dad", "the dog", "the cat", "the guard", "the visitor",
    "the nurse", "the doctor", "mr. lee", "maria", "tom", "sofia", "omar", "yuki", "the forklift", "the child", "the postman",
)  # fmt: skip
_COLOURS = (
    "red",
    "blue",
    "green",
    "yellow",
    "black",
    "white",
    "orange",
    "small",
    "big",
    "old",
    "new",
    "wooden",
    "metal",
    "round",
)
_THINGS = (
    "ball", "cup", "mug", "book", "box", "bottle", "bag", "keys", "phone", "remote", "pillow", "blanket", "plate", "bowl",
    "toolbox", "hammer", "screwdriver", "drill", "wrench", "parcel", "package", "letter", "newspaper", "laptop", "tablet",
    "charger", "glasses", "shoes", "slippers", "jacket", "umbrella", "hat", "towel", "basket", "tray", "medicine", "pills",
    "first aid kit", "water bottle", "coffee", "tea", "sandwich", "apple", "banana", "snack", "toy", "teddy bear", "doll",
    "toy car", "cube", "cylinder", "crate", "pallet", "folder", "binder", "stapler", "pen", "notebook", "scissors", "tape",
    "flashlight", "bucket", "mop", "broom", "watering can", "flower pot", "vase", "camera", "battery pack", "sample",
    "test tube", "microscope", "spare part", "gear", "bolt", "cable", "paint can", "brush", "ladder", "suitcase", "backpack",
)  # fmt: skip
_WHOSE = ("anna's", "ben's", "tom's", "maria's", "dad's", "mum's", "omar's")
FAR = 0.03  # share of inventories with a place that can't be reached: its sentences are refused when they are executed


def draw(rng: random.Random) -> Json:
    """An inventory: 4 to 7 areas, each with `at` on the map, and 3 to 10 entities; with `robot`, the spot where it begins."""
    names = set(rng.sample(_PLACES, rng.randint(3, 6)))
    if rng.random() < 0.35:
        base = rng.choice(_NUMBERED)
        names |= {f"{base} {mark}" for mark in rng.sample(("1", "2", "3", "4", "a", "b", "c", "12"), rng.randint(2, 3))}
    if rng.random() < 0.2:
        names.add(f"{rng.choice(_WHOSE)} {rng.choice(('desk', 'room', 'office', 'bed'))}")
    chosen = sorted(names)
    rng.shuffle(chosen)
    chosen = chosen[:7]
    spots = rng.sample(SPOTS[:-1], len(chosen))
    if rng.random() < FAR:
        spots[-1] = SPOTS[-1]
    areas = [
        {"id": f"place.{i}", "name": name, "at": list(spot)}
        for i, (name, spot) in enumerate(zip(chosen, spots, strict=True))
    ]
    entities: list[Json] = []
    things: set[str] = set()
    for _ in range(rng.randint(3, 9)):
        name = rng.choice(_THINGS)
        roll = rng.random()
        if roll < 0.5:
            name = f"{rng.choice(_COLOURS)} {name}"
        elif roll < 0.6:
            name = f"{rng.choice(_WHOSE)} {name}"
        things.add(name)
    for i, name in enumerate(sorted(things)):
        where = rng.choice(areas)["id"] if rng.random() < 0.8 else None
        entities.append({"id": f"thing.{i}", "name": name, "domain": "thing", "area": where})
    for i, name in enumerate(rng.sample(_PEOPLE, rng.choice((0, 1, 1, 2)))):
        entities.append({"id": f"person.{i}", "name": name.removeprefix("the "), "domain": "person"})
    return {"areas": areas, "entities": entities, "robot": rng.choice(areas)["id"]}
