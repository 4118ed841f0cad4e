"""The nouns that people use: words for kinds, other words for names and rooms, things that a home lacks."""

from __future__ import annotations

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
KIND_OF_DOMAIN = {
    "light": "light", "switch": "switch", "input_boolean": "switch", "fan": "fan", "lock": "lock", "climate": "climate",
    "vacuum": "vacuum", "lawn_mower": "mower", "valve": "valve", "scene": "scene", "script": "scene", "todo": "todo",
    "sensor": "sensor", "binary_sensor": "sensor",
}  # fmt: skip
NAME_SWAPS = {
    "light": ("lamp", "lights"), "lamp": ("light",), "lights": ("lamps", "light"), "tv": ("television", "telly"),
    "television": ("tv",), "vacuum": ("hoover", "vacuum cleaner"), "blind": ("shade", "blinds"), "blinds": ("blind", "shades"),
    "curtain": ("drapes", "curtains"), "curtains": ("curtain", "drapes"), "speaker": ("speakers",), "sofa": ("couch",),
    "couch": ("sofa",), "fridge": ("refrigerator",), "thermostat": ("heating",), "ac": ("air conditioner",),
    "coffee": ("espresso",), "mower": ("lawnmower",), "lights.": ("light",),
}  # fmt: skip
AREA_SWAPS = {
    "living room": ("lounge", "sitting room", "family room"), "lounge": ("living room",), "bathroom": ("bath", "loo", "washroom"),
    "hall": ("hallway", "corridor"), "hallway": ("hall", "corridor"), "office": ("study", "home office"), "study": ("office",),
    "garden": ("yard", "backyard"), "backyard": ("garden", "yard"), "basement": ("cellar",), "attic": ("loft",),
    "master bedroom": ("main bedroom", "bedroom"), "guest room": ("guest bedroom", "spare room"), "toilet": ("loo", "bathroom"),
    "laundry room": ("laundry", "utility room"), "dining room": ("dining area",), "patio": ("terrace",), "terrace": ("patio", "deck"),
    "nursery": ("baby's room",), "kids room": ("children's room",), "entrance": ("entry", "hallway"), "foyer": ("entrance",),
    "wohnzimmer": ("living room",), "küche": ("kitchen",), "schlafzimmer": ("bedroom",), "cuisine": ("kitchen",),
    "home cinema": ("theater", "cinema"), "kitchen": ("kitchen",),
}  # fmt: skip
ABSENT_PLACES = ("pool", "sauna", "wine cellar", "bowling alley", "tree house", "dungeon", "helipad", "east wing", "stable",
                 "cinema", "chapel", "greenhouse", "attic", "basement", "gym", "balcony", "garage", "nursery", "boathouse")  # fmt: skip
ABSENT_NAMES = ("espresso machine", "disco ball", "hot tub", "oven", "microwave", "dishwasher", "toaster", "lava lamp", "sauna heater",
                "fish tank", "jacuzzi", "elevator", "doorbell", "robot arm", "popcorn machine", "telescope", "piano", "fireplace",
                "treadmill", "drone", "washing machine", "christmas tree", "printer", "bunk bed lamp", "garden gnome")  # fmt: skip
