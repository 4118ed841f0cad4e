"""The closed vocabulary of the home language: label sets, what a kind means, which kind an action can move."""

from __future__ import annotations

from edge_runtime.home.inventory import Entity

# What a clause asks for. The device maps an action and a target's domain to one Home Assistant intent.
ACTIONS = (
    "none", "on", "off", "toggle", "open", "close", "stop", "lock", "unlock", "set", "up", "down", "mute", "unmute",
    "next", "previous", "pause", "resume", "play", "add", "complete", "remove", "start", "dock", "clean", "mode",
    "query", "weather", "time", "date", "temperature", "timer_start", "timer_cancel", "timer_pause",
    "timer_resume", "timer_increase", "timer_decrease", "timer_status", "broadcast", "nevermind", "respond",
    "cool", "warm",
)  # fmt: skip

SLOTS = (
    "NAME", "KIND", "AREA", "FLOOR", "ALL", "HERE", "PRON", "ATTR", "VALUE", "COLOR", "WHITE", "ITEM", "QUERY",
    "MODE", "TIME", "TEXT",
)  # fmt: skip
TAGS = ("O", *(f"{prefix}-{slot}" for slot in SLOTS for prefix in ("B", "I")))

KINDS = (
    "any", "light", "switch", "cover", "blind", "curtain", "shade", "shutter", "awning", "garage", "gate", "door",
    "window", "fan", "lock", "media", "tv", "speaker", "climate", "vacuum", "mower", "todo", "valve", "scene",
    "sensor", "timer",
)  # fmt: skip

# Word -> kind, for words that name a sort of thing. Used to label the grammar's literals and to explain names.
KIND_WORDS = {
    "light": "light", "lighting": "light", "lamp": "light", "bulb": "light", "spot": "light", "spotlight": "light",
    "chandelier": "light", "downlight": "light", "sconce": "light", "lantern": "light", "led": "light",
    "nightlight": "light", "uplight": "light", "floodlight": "light", "striplight": "light", "lightbulb": "light",
    "fixture": "light",
    "switch": "switch", "plug": "switch", "outlet": "switch", "socket": "switch",
    "cover": "cover", "blind": "blind", "curtain": "curtain", "drape": "curtain", "shade": "shade",
    "shutter": "shutter", "awning": "awning", "garage": "garage", "gate": "gate", "door": "door", "window": "window",
    "skylight": "window", "roller": "blind", "venetian": "blind",
    "fan": "fan", "ventilator": "fan", "extractor": "fan", "ventilation": "fan",
    "lock": "lock", "deadbolt": "lock", "bolt": "lock",
    "tv": "tv", "telly": "tv", "television": "tv", "speaker": "speaker", "stereo": "speaker", "radio": "speaker",
    "soundbar": "speaker", "music": "media", "song": "media", "track": "media", "movie": "media", "media": "media",
    "receiver": "media", "player": "media", "podcast": "media", "show": "media",
    "thermostat": "climate", "heating": "climate", "heater": "climate", "ac": "climate", "aircon": "climate",
    "conditioner": "climate", "conditioning": "climate", "hvac": "climate", "radiator": "climate", "furnace": "climate",
    "vacuum": "vacuum", "hoover": "vacuum", "roomba": "vacuum", "roborock": "vacuum", "mower": "mower",
    "list": "todo", "todo": "todo", "valve": "valve", "sprinkler": "valve", "irrigation": "valve", "water": "valve",
    "faucet": "valve", "tap": "valve", "stopcock": "valve", "spigot": "valve",
    "scene": "scene", "script": "scene", "routine": "scene", "timer": "timer",
}  # fmt: skip

COVER_CLASS_OF = {
    "blind": {"blind"}, "curtain": {"curtain"}, "shade": {"shade"}, "shutter": {"shutter"}, "awning": {"awning"},
    "garage": {"garage"}, "gate": {"gate"}, "door": {"door"}, "window": {"window"},
}  # fmt: skip
# People call one window covering by another's name; these stand in when no exact class is there.
_WINDOW_COVERINGS = frozenset({"blind", "curtain", "shade", "shutter", None})
_FAMILY = {
    "blind": _WINDOW_COVERINGS, "curtain": _WINDOW_COVERINGS, "shade": _WINDOW_COVERINGS | {"awning"},
    "shutter": _WINDOW_COVERINGS, "door": frozenset({"door", "garage", "gate"}), "window": _WINDOW_COVERINGS,
    "garage": frozenset({"garage", "door", "gate"}), "gate": frozenset({"gate", "garage"}),
    "awning": frozenset({"awning", "shade"}),
}  # fmt: skip

_DOMAINS_OF = {
    "light": {"light"}, "switch": {"switch", "input_boolean"}, "cover": {"cover"}, "fan": {"fan"}, "lock": {"lock"},
    "media": {"media_player"}, "tv": {"media_player"}, "speaker": {"media_player"},
    "climate": {"climate", "water_heater"}, "vacuum": {"vacuum"}, "mower": {"lawn_mower"}, "todo": {"todo"},
    "valve": {"valve"}, "scene": {"scene", "script"}, "sensor": {"sensor", "binary_sensor"},
}  # fmt: skip

# What "turn everything off" means: things that one switches; not doors, locks, heating or lists.
EVERYTHING = frozenset({"light", "switch", "fan", "media_player", "input_boolean"})


def is_kind(entity: Entity, kind: str, *, loose: bool = False) -> bool:
    """Whether an entity is of a kind; `loose` admits what people take for it (a curtain for a blind)."""
    if kind == "any":
        return True
    if kind in COVER_CLASS_OF:
        if entity.domain == "cover":
            classes = _FAMILY[kind] if loose else COVER_CLASS_OF[kind]
            return entity.device_class in classes
        return loose and kind in ("door", "gate", "garage", "window") and entity.domain == "lock"
    if kind not in _DOMAINS_OF:
        return False
    if entity.domain not in _DOMAINS_OF[kind]:
        return loose and kind == "light" and entity.domain in ("switch", "input_boolean") and _named(entity, kind)
    if kind not in ("tv", "speaker"):
        return True
    if loose:
        return {entity.device_class, kind} != {"tv", "speaker"}
    return entity.device_class == kind if entity.device_class else _named(entity, kind)


def _named(entity: Entity, kind: str) -> bool:
    from edge_runtime.home.words import stem, tokenize

    return any(KIND_WORDS.get(stem(word)) == kind for word in tokenize(entity.name))


SWITCHED = frozenset({
    "light", "switch", "fan", "media_player", "input_boolean", "scene", "script", "climate", "humidifier", "siren",
    "cover", "valve", "vacuum", "lawn_mower", "automation", "group", "remote", "water_heater", "button",
    "input_button",
})  # fmt: skip

# Which domains each action can move.
ACTION_DOMAINS: dict[str, frozenset[str]] = {
    "on": SWITCHED,
    "off": SWITCHED - {"scene", "script", "button", "input_button"},
    "toggle": frozenset({"light", "switch", "fan", "media_player", "input_boolean", "cover"}),
    "open": frozenset({"cover", "valve", "lock"}),
    "close": frozenset({"cover", "valve"}),
    "stop": frozenset({"cover", "valve", "vacuum", "lawn_mower", "media_player", "fan"}),
    "lock": frozenset({"lock"}),
    "unlock": frozenset({"lock"}),
    "set": frozenset({"light", "fan", "cover", "valve", "media_player", "climate", "water_heater"}),
    "up": frozenset({"light", "fan", "media_player", "climate", "cover"}),
    "down": frozenset({"light", "fan", "media_player", "climate", "cover"}),
    "mute": frozenset({"media_player"}),
    "unmute": frozenset({"media_player"}),
    "next": frozenset({"media_player"}),
    "previous": frozenset({"media_player"}),
    "pause": frozenset({"media_player", "vacuum", "lawn_mower"}),
    "resume": frozenset({"media_player", "vacuum", "lawn_mower"}),
    "play": frozenset({"media_player"}),
    "add": frozenset({"todo"}),
    "complete": frozenset({"todo"}),
    "remove": frozenset({"todo"}),
    "start": frozenset({"vacuum", "lawn_mower", "script", "scene", "media_player", "fan", "switch", "valve"}),
    "dock": frozenset({"vacuum", "lawn_mower"}),
    "clean": frozenset({"vacuum"}),
    "mode": frozenset({"climate", "fan"}),
    "cool": frozenset({"climate", "fan"}),
    "warm": frozenset({"climate"}),
}

COLORS = (
    "white", "black", "red", "orange", "yellow", "green", "blue", "purple", "brown", "pink", "turquoise", "cyan",
    "magenta", "violet", "teal", "lavender", "gold", "lime", "indigo", "amber", "coral", "crimson",
)  # fmt: skip

# Named whites in kelvin; the first four are the intents package's own.
WHITES = {
    "candle light": 1900, "candlelight": 1900, "warm white": 2700, "cold white": 4000, "cool white": 4000,
    "daylight": 6500, "day light": 6500, "soft white": 2700, "neutral white": 4000, "natural white": 4000,
    "bright white": 5000, "warm": 2700, "cool": 4000, "cold": 4000, "warmer": 2700, "cooler": 4000,
}  # fmt: skip

AREA_SYNONYMS = tuple(
    frozenset(group.split("|"))
    for group in (
        "living room|lounge|sitting room|front room|family room|livingroom|parlour|parlor|wohnzimmer|salon|sala|stube",
        "bathroom|bath|washroom|restroom|loo|toilet|wc|powder room|bad|salle de bain|baño|lavatory|head",
        "hall|hallway|corridor|entry|entrance|entryway|foyer|flur|genkan|vestibule|landing",
        "study|office|home office|den|workroom|library",
        "garden|yard|backyard|back yard|garten|lawn|outside|outdoors|jardin",
        "basement|cellar|keller|downstairs",
        "attic|loft|dachboden",
        "terrace|patio|deck|balcony|veranda|porch|terrasse",
        "nursery|kids room|kid's room|children's room|childrens room|baby's room|baby room|kinderzimmer|playroom",
        "kitchen|galley|küche|cocina|cuisine|kitchenette",
        "bedroom|master bedroom|main bedroom|primary bedroom|schlafzimmer|chambre|dormitorio|master",
        "laundry|laundry room|utility room|utility|scullery",
        "garage|carport|car port",
        "dining room|dining area|esszimmer|comedor",
        "guest room|guest bedroom|spare room|spare bedroom|gästezimmer",
        "cinema|home cinema|theater|theatre|home theater|media room|tv room",
        "workshop|shed|barn|workbench",
        "pantry|larder|storage|storeroom|closet",
    )
)
