"""Generates homes: areas, floors and entities with the odd names that people give them."""

from __future__ import annotations

import random

from edge_runtime.home.inventory import Home, parse_home

AREAS = (
    "Kitchen", "Living Room", "Bedroom", "Master Bedroom", "Guest Room", "Bathroom", "Hall", "Hallway", "Office",
    "Study", "Garage", "Garden", "Basement", "Attic", "Dining Room", "Laundry Room", "Nursery", "Kids Room", "Den",
    "Lounge", "Entrance", "Foyer", "Patio", "Balcony", "Terrace", "Workshop", "Shed", "Pantry", "Library", "Gym",
    "Sunroom", "Conservatory", "Porch", "Driveway", "Backyard", "Front Yard", "Pool", "Sauna", "Closet",
    "Utility Room", "Media Room", "Home Cinema", "Game Room", "Wine Cellar", "Greenhouse", "Barn", "Stable",
    "Boathouse", "Studio", "Reception", "Meeting Room", "Conference Room", "Server Room", "Break Room", "Lobby",
    "Stairs", "Landing", "Upstairs Bathroom", "Powder Room", "Ensuite", "Toilet", "Mudroom", "Craft Room",
    "Music Room", "Playroom", "Loft", "Carport", "Storage", "Cabin", "Galley", "Saloon", "Cockpit", "Wheelhouse",
    "Bedroom 1", "Bedroom 2", "Room 101", "Room 12", "Zone A", "Bay 3", "Dock", "Orchard", "Chicken Coop",
    "Wohnzimmer", "Küche", "Schlafzimmer", "Flur", "Stube", "Salon", "Cuisine", "Chambre", "Cocina", "Dormitorio",
    "Sala", "Genkan", "Tatami Room", "Terrasse", "Garten", "Keller", "Kinderzimmer", "Bad", "Couloir", "Jardin",
    "Emma's Room", "Tom's Room", "Grandma's Room", "Mom's Office", "Dad's Den", "Boys' Room", "Leo's Nursery",
    "Main Bedroom", "Spare Room", "Breakfast Nook", "Reading Corner", "Bar", "Snug", "Annex", "Courtyard",
    "Roof Deck", "Hot Tub", "Tool Shed", "Cloakroom", "Vestibule", "Gallery", "Classroom", "Lab", "Kiosk",
)  # fmt: skip
FLOORS = (
    ("Ground Floor", "First Floor", "Basement"), ("Downstairs", "Upstairs"), ("Main Floor", "Upper Floor", "Attic"),
    ("First Floor", "Second Floor", "Third Floor"), ("ground floor", "first floor"), ("Lower Level", "Upper Level"),
    ("Erdgeschoss", "Obergeschoss"), ("Level 0", "Level 1"), ("Outside", "Inside"), ("Main Deck", "Lower Deck"),
)  # fmt: skip
PEOPLE = (
    "Emma", "Tom", "Grandma", "Mom", "Dad", "Leo", "Anna", "Max", "Lucy", "Jonas", "Priya", "Mei", "Omar", "Sofia",
    "Oma", "Papa", "Kim", "Ravi", "Nora", "Felix", "Ingrid", "Hugo", "Lena", "Yuki", "Carlos", "Amelie",
)  # fmt: skip
PLACES = (
    "Ceiling", "Bedside", "Desk", "Floor", "Table", "Counter", "Island", "Wall", "Corner", "Reading", "Window",
    "Mirror", "Shelf", "Cabinet", "Under Cabinet", "Main", "Left", "Right", "Front", "Back", "Side", "Center", "Night",
    "Accent", "Mood", "Sofa", "Couch", "Bookcase", "Fireplace", "Sink", "Stove", "Vanity", "Closet", "Stair", "Path",
    "Porch", "Dining", "Piano", "Crib", "Bunk", "Aquarium", "Plant", "Art", "TV", "Hearth", "Work", "Entry", "Big",
    "Small", "Old", "New", "Tall", "Short", "North", "South", "East", "West", "Upper", "Lower", "Outer", "Inner",
    "Overhead", "Standing", "Hanging", "Round", "Green", "Blue", "Red", "White", "Black", "Rustic", "Vintage",
)  # fmt: skip
QUIRKY = (
    "Big Bertha", "The Beast", "Sunshine", "Lucky", "Mothership", "Sparky", "Bob", "The Claw", "Moonbeam", "Gandalf",
    "Old Faithful", "Disco", "Batcave", "Hal", "Nebula", "Fluffy", "Firefly", "Captain", "R2", "Dobby", "Zeus",
    "Snowflake", "Gizmo", "Twinkle", "Comet", "Tinker", "Aurora", "Polaris", "Jarvis", "Pixie", "Waldo", "Goliath",
    "Mr. Shiny", "Lady Bug", "Dusty", "Sir Cleans", "Robbie", "Rosie", "Speedy", "Kermit", "Minion", "Yoda",
)  # fmt: skip
NOUNS: dict[str, tuple[str, ...]] = {
    "light": (
        "Light", "Lights", "Lamp", "Lamps", "Spots", "Spotlight", "Bulb", "LED Strip", "Chandelier", "Sconce",
        "Pendant", "Lantern", "Fairy Lights", "String Lights", "Downlights", "Nightlight", "Glow", "Strip", "Backlight",
        "Uplighter", "Floodlight", "Lighting", "Licht", "Lampe", "Leuchte", "Deckenlicht", "Luz", "Lámpara", "Lumière",
        "Torch", "Globe", "Candle", "Dimmer", "Track Lights", "Cove Light", "Light Bar", "Orb", "Tiffany",
    ),
    "switch": (
        "Plug", "Socket", "Outlet", "Switch", "Coffee Machine", "Coffee Maker", "Kettle", "Heater", "Pump", "Printer",
        "Charger", "Christmas Tree", "Fridge", "Freezer", "Router", "Dehumidifier", "Boiler", "Aquarium Filter",
        "Towel Warmer", "Electric Blanket", "Toaster", "Relay", "Steckdose", "Fountain", "Diffuser", "Neon Sign",
        "Washing Machine", "Dishwasher", "Power Strip", "Sewing Machine", "Game Console", "Air Purifier",
    ),
    "cover": ("Blind", "Garage Door", "Blinds", "Curtain", "Curtains", "Shade", "Shades", "Shutter", "Shutters", "Drapes", "Awning",
              "Garage Door", "Gate", "Skylight", "Roller", "Rollo", "Rolladen", "Window", "Screen", "Door", "Venetians",
              "Store", "Persiana", "Jalousie"),
    "fan": ("Fan", "Ceiling Fan", "Exhaust Fan", "Extractor", "Ventilator", "Tower Fan", "Desk Fan", "Air Circulator",
            "Vent", "Hood", "Range Hood", "Bathroom Fan", "Pedestal Fan", "Blower", "Windmill"),
    "lock": ("Lock", "Door Lock", "Smart Lock", "Deadbolt", "Door", "Gate Lock", "Padlock", "Front Door", "Back Door",
             "Side Door", "Safe", "Cellar Door", "Patio Door", "Schloss", "Gun Cabinet", "Mailbox"),
    "media_player": ("TV", "Television", "Speaker", "Speakers", "Soundbar", "Radio", "Stereo", "Sonos", "HomePod",
                     "Echo", "Chromecast", "Receiver", "Projector", "Record Player", "Hi-Fi", "Roku", "Fire TV",
                     "Nest Hub", "Amp", "Jukebox", "Fernseher", "Boombox", "Shield", "Apple TV"),
    "climate": ("Thermostat", "Heating", "AC", "Air Conditioner", "Heat Pump", "Radiator", "Underfloor Heating",
                "Heizung", "Climate", "HVAC", "Mini Split", "Boiler Thermostat"),
    "vacuum": ("Vacuum", "Robot Vacuum", "Roomba", "Roborock", "Hoover", "Robot", "Deebot", "Dustbuster", "Mop",
               "Cleaner", "Staubsauger", "Sweeper"),
    "lawn_mower": ("Mower", "Lawn Mower", "Robot Mower", "Automower", "Grass Cutter", "Worx", "Mähroboter"),
    "valve": ("Valve", "Water Valve", "Sprinkler", "Sprinklers", "Irrigation", "Drip Line", "Main Water", "Gas Valve",
              "Hose", "Faucet", "Lawn Watering", "Water Main", "Tap", "Radiator Valve", "Fill Valve", "Misting System"),
    "todo": ("Shopping List", "To-Do List", "Groceries", "Grocery List", "Chores", "Packing List", "Tasks", "Wish List",
             "Work Tasks", "Errands", "Weekend Projects", "Einkaufsliste", "Party List", "Family List", "Homework",
             "Costco List", "Hardware Store", "Books to Read", "Bucket List", "Meal Plan", "Pharmacy", "Cleaning List"),
    "scene": ("Movie Night", "Good Night", "Relax", "Party", "Romantic Dinner", "Bright", "Reading", "Good Morning",
              "Dinner Time", "Focus", "Cozy", "Away", "Sunset", "Concentrate", "Wake Up", "Date Night", "Game Day"),
    "script": ("Bedtime Routine", "Leaving Home", "Feed the Fish", "Water Plants", "Morning Routine", "Coffee Time",
               "Panic Mode", "Welcome Home", "Bath Time", "Doorbell Chime"),
    "sensor": ("Temperature", "Humidity", "Battery", "Motion", "Door Sensor", "Window Sensor", "CO2", "Smoke Detector",
               "Power Meter", "Leak Sensor", "Illuminance", "Air Quality", "Outdoor Temperature", "Presence"),
}  # fmt: skip
MAKERS: dict[str, tuple[tuple[str, str], ...]] = {
    "light": (("Philips", "Hue White Ambiance"), ("IKEA", "TRADFRI bulb"), ("LIFX", "Mini Color"), ("Shelly", "Dimmer 2"),
              ("Nanoleaf", "Shapes"), ("Govee", "H6159"), ("Yeelight", "Bedside 2"), ("WLED", "Strip"),
              ("Signify", "LCA001"), ("Innr", "RB 285 C"), ("Sengled", "E11"), ("Aqara", "T1")),
    "switch": (("TP-Link", "Kasa HS110"), ("Shelly", "Plus 1PM"), ("Meross", "MSS310"), ("Sonoff", "S31")),
    "cover": (("IKEA", "FYRTUR"), ("Somfy", "RTS"), ("Lutron", "Serena"), ("Aqara", "Roller E1"), ("Chamberlain", "MyQ"),
              ("Velux", "KLF200"), ("SwitchBot", "Curtain 3")),
    "fan": (("Dyson", "Pure Cool"), ("Hunter", "SimpleConnect"), ("Bond", "Bridge"), ("Xiaomi", "Smart Fan 2")),
    "lock": (("Yale", "Assure"), ("August", "Pro"), ("Nuki", "3.0"), ("Schlage", "Encode"), ("Danalock", "V3")),
    "media_player": (("Sonos", "One"), ("Sony", "Bravia"), ("Samsung", "Frame"), ("LG", "OLED C2"), ("Google", "Nest Mini"),
                     ("Apple", "HomePod"), ("Denon", "AVR-X"), ("Bose", "Soundbar 700"), ("Roku", "Ultra")),
    "climate": (("Ecobee", "Lite 3"), ("Nest", "Learning"), ("Tado", "V3"), ("Daikin", "Emura"), ("Honeywell", "T6")),
    "vacuum": (("iRobot", "Roomba j7"), ("Roborock", "S7"), ("Ecovacs", "Deebot T9"), ("Dreame", "L10s")),
    "lawn_mower": (("Husqvarna", "Automower 315"), ("Worx", "Landroid")),
    "valve": (("Orbit", "B-hyve"), ("Rachio", "3"), ("Moen", "Flo"), ("Rain Bird", "ST8"), ("Gardena", "Smart")),
}  # fmt: skip
_SYLLABLES = (
    "ka",
    "lo",
    "mi",
    "zu",
    "ter",
    "van",
    "bri",
    "sol",
    "nor",
    "dex",
    "pli",
    "gor",
    "fen",
    "ash",
    "wyn",
    "tok",
)
_COVER_CLASS = {
    "blind": "blind", "rollo": "blind", "jalousie": "blind", "venetian": "blind", "roller": "blind", "store": "blind",
    "curtain": "curtain", "drape": "curtain", "shade": "shade", "screen": "shade", "shutter": "shutter",
    "rolladen": "shutter", "persiana": "shutter", "awning": "awning", "garage": "garage", "gate": "gate",
    "skylight": "window", "window": "window", "door": "door",
}  # fmt: skip
_OUTDOOR = frozenset({"Garden", "Backyard", "Front Yard", "Driveway", "Orchard", "Patio", "Pool", "Garten", "Jardin"})


def _odd_name(rng: random.Random) -> str:
    roll = rng.random()
    if roll < 0.4:
        return rng.choice(QUIRKY)
    if roll < 0.7:
        return "".join(rng.choice(_SYLLABLES) for _ in range(rng.randint(2, 3))).capitalize()
    return f"{rng.choice(('Shelly', 'Tuya', 'ESP', 'WLED', 'Zigbee', 'Node', 'Hue', 'Sonoff'))} " + rng.choice(
        (
            f"{rng.randint(1, 9)}PM ch{rng.randint(1, 4)}",
            f"{rng.randint(10, 99)}",
            f"Plus {rng.randint(1, 4)}",
        )
    )


def _name(rng: random.Random, domain: str, area: str | None, taken: set[str]) -> str:
    nouns = NOUNS[domain]
    for _ in range(30):
        noun = rng.choice(nouns[: max(4, len(nouns) // 3)]) if rng.random() < 0.55 else rng.choice(nouns)
        roll = rng.random()
        if domain in ("todo", "scene", "script"):
            name = noun if roll < 0.85 else f"{rng.choice(PEOPLE)}'s {noun}"
        elif domain in ("vacuum", "lawn_mower"):
            name = noun if roll < 0.5 else _odd_name(rng) if roll < 0.8 else f"{rng.choice(FLOORS)[0]} {noun}"
        elif roll < 0.28 and area:
            name = f"{area} {noun}"
        elif roll < 0.42 and area:
            name = f"{area} {rng.choice(PLACES)} {noun}"
        elif roll < 0.68:
            name = f"{rng.choice(PLACES)} {noun}"
        elif roll < 0.76:
            name = noun
        elif roll < 0.83:
            name = f"{rng.choice(PEOPLE)}'s {noun}"
        elif roll < 0.89:
            name = (
                f"{noun} {rng.randint(1, 4)}" if rng.random() < 0.6 else f"{area or 'Spare'} {noun} {rng.randint(1, 4)}"
            )
        elif roll < 0.94:
            name = _odd_name(rng)
        else:
            maker, model = rng.choice(MAKERS.get(domain, (("Generic", "X1"),)))
            name = f"{maker} {rng.choice((model.split()[0], noun))}"
        if name.lower() not in taken:
            return name
    return f"{rng.choice(nouns)} {rng.randint(5, 99)}"


def _state(rng: random.Random, domain: str) -> tuple[str, dict[str, object]]:
    def pick(*states: str) -> str:
        return rng.choice(states)

    if domain == "light":
        state = pick("on", "off")
        return state, {"brightness": rng.randint(20, 255)} if state == "on" else {}
    if domain == "fan":
        state = pick("on", "off")
        return state, {"percentage": rng.choice((25, 33, 50, 66, 75, 100)) if state == "on" else 0}
    if domain in ("cover", "valve"):
        position = rng.choice((0, 0, 100, 100, rng.randint(1, 99)))
        return ("open" if position else "closed"), {"current_position": position}
    if domain == "lock":
        return pick("locked", "unlocked"), {}
    if domain == "media_player":
        return pick("playing", "paused", "idle", "off"), {
            "volume_level": rng.randint(0, 20) / 20, "is_volume_muted": rng.random() < 0.1
        }  # fmt: skip
    if domain == "climate":
        return pick("heat", "cool", "off"), {
            "temperature": rng.randint(17, 25),
            "current_temperature": rng.randint(15, 29),
        }
    if domain == "vacuum":
        return pick("docked", "cleaning", "docked", "paused"), {}
    if domain == "lawn_mower":
        return pick("docked", "mowing"), {}
    if domain == "todo":
        items = rng.sample(
            ("milk", "eggs", "bread", "call the plumber", "batteries", "paint the fence", "soap"),
            rng.randint(0, 4),
        )
        return str(len(items)), {"items": items}
    if domain == "sensor":
        return str(rng.randint(0, 100)), {}
    return pick("on", "off"), {}


# domain: (chance that a home has any, most of them)
_MIX = {
    "light": (1.0, 14), "switch": (0.7, 4), "cover": (0.85, 7), "fan": (0.7, 4), "lock": (0.75, 4),
    "media_player": (0.9, 4), "climate": (0.65, 2), "vacuum": (0.6, 2), "lawn_mower": (0.2, 1), "valve": (0.5, 3),
    "todo": (0.75, 3), "scene": (0.4, 3), "script": (0.2, 2), "sensor": (0.5, 4),
}  # fmt: skip


def generate_home(rng: random.Random) -> dict[str, object]:
    """One home as a request's `inventory`: 2-12 areas, up to about 45 entities."""
    floors = rng.choice(FLOORS) if rng.random() < 0.5 else ()
    names = rng.sample(AREAS[:40], rng.randint(2, 6)) + rng.sample(AREAS, rng.randint(0, 6))
    names = list(dict.fromkeys(names))
    areas: list[dict[str, object]] = [
        {"id": name.lower().replace(" ", "_").replace("'", ""), "name": name if rng.random() < 0.9 else name.lower(),
         "floor": rng.choice(floors) if floors and rng.random() < 0.9 else None}
        for name in names
    ]  # fmt: skip
    taken: set[str] = set()
    entities: list[dict[str, object]] = []
    rich = rng.random()
    for domain, (chance, most) in _MIX.items():
        if rng.random() > chance:
            continue
        count = max(1, round(rng.random() * most * (0.4 + 0.8 * rich)))
        if domain in ("light", "fan", "cover", "valve", "switch", "media_player") and rng.random() < 0.3:
            entities += _row_of(rng, domain, rng.choice(areas), taken, entities)
            count = max(1, count - 2)
        for _ in range(count):
            area = rng.choice(areas) if domain not in ("todo", "scene", "script") and rng.random() < 0.95 else None
            if domain in ("lawn_mower",):
                area = next((a for a in areas if a["name"] in _OUTDOOR), None)
            area_name = str(area["name"]) if area else None
            name = _name(rng, domain, area_name, taken)
            taken.add(name.lower())
            entities.append(_entity(rng, domain, name, str(area["id"]) if area else None, entities))
    return {"areas": areas, "entities": entities}


def _row_of(
    rng: random.Random, domain: str, area: dict[str, object], taken: set[str], others: list[dict[str, object]]
) -> list[dict[str, object]]:
    """A numbered or lettered row: Desk Row 1, Desk Row 2, ..."""
    noun = rng.choice(NOUNS[domain])
    base = rng.choice((f"{rng.choice(PLACES)} {noun}", noun, f"{area['name']} {noun}", f"{_odd_name(rng)}"))
    marks = "ABCD" if rng.random() < 0.15 else ("01", "02", "03", "04") if rng.random() < 0.1 else "1234"
    row: list[dict[str, object]] = []
    for mark in marks[: rng.randint(2, 4)]:
        name = f"{base} {mark}"
        if name.lower() in taken:
            continue
        taken.add(name.lower())
        row.append(_entity(rng, domain, name, str(area["id"]), [*others, *row]))
    return row


def _entity(
    rng: random.Random, domain: str, name: str, area: str | None, others: list[dict[str, object]]
) -> dict[str, object]:
    state, attributes = _state(rng, domain)
    slug = "".join(c if c.isalnum() and c.isascii() else "_" for c in name.lower()).strip("_")
    entity_id = f"{domain}.{slug}"
    if any(other["id"] == entity_id for other in others):
        entity_id = f"{entity_id}_{len(others)}"
    entity: dict[str, object] = {
        "id": entity_id, "name": name if rng.random() < 0.92 else name.lower(), "area": area, "domain": domain,
        "device_class": None, "aliases": [], "state": state, "attributes": attributes,
    }  # fmt: skip
    words = name.lower().split()
    if domain == "cover" and "garage" in words:
        entity["device_class"] = "garage"
    elif domain == "cover":
        entity["device_class"] = next(
            (kind for word in reversed(words) for key, kind in _COVER_CLASS.items() if key in word),
            rng.choice(("blind", "curtain", None)),
        )
    elif domain == "media_player":
        if any(w in ("tv", "television", "fernseher", "projector", "bravia", "frame") for w in words):
            entity["device_class"] = "tv" if rng.random() < 0.85 else None
        elif rng.random() < 0.7:
            entity["device_class"] = "receiver" if words[-1] in ("receiver", "amp") else "speaker"
    elif domain == "valve":
        entity["device_class"] = "gas" if "gas" in words else "water" if rng.random() < 0.6 else None
    elif domain == "switch" and rng.random() < 0.3:
        entity["device_class"] = "outlet"
    if rng.random() < 0.5 and domain in MAKERS:
        maker, model = rng.choice(MAKERS[domain])
        entity["device"] = {"name": name, "manufacturer": maker, "model": model}
    if rng.random() < 0.12:
        entity["aliases"] = [
            _odd_name(rng) if rng.random() < 0.5 else f"{rng.choice(PLACES)} {rng.choice(NOUNS[domain])}"
        ]
    return entity


def read(home: dict[str, object]) -> Home:
    """The generated inventory as the device reads it."""
    return parse_home(home)
