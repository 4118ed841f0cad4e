"""What people say beyond the intents package: own sentence templates, in hassil's template language.

They lie in the text files beside this module, a section "[action kind weight]" per meaning and a template per line.
Slots: {r} a phrase for the things meant, {place} where (or nothing: here), {pct} a percentage, {speed} a fan speed,
{color}, {white} a white tone, {temp} degrees, {item} a list entry, {list} a list, {query} something to play,
{duration}, {state}, {text} free words, {by} a change in percent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True)
class Recipe:
    """Templates with one meaning. `kind` is what {r} names, or, without {r}, what the sentence is about."""

    action: str
    kind: str
    templates: tuple[str, ...]
    weight: float = 1.0


_SECTION = re.compile(r"\[(\w+) (\w+) ([\d.]+)\]")


def _load() -> tuple[Recipe, ...]:
    """Every section of every text file, in the order of file names."""
    sections: dict[tuple[str, str], tuple[float, list[str]]] = {}
    files = (file for file in resources.files(__package__).iterdir() if file.name.endswith(".txt"))
    for file in sorted(files, key=lambda file: file.name):
        lines: list[str] = []
        for number, raw in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            line = raw.strip()
            if not line or line.startswith("#"):
                continue
            if line.startswith("[") and (head := _SECTION.fullmatch(line)):
                key = (head[1], head[2])
                weight, lines = sections.get(key, (0.0, []))
                sections[key] = (max(weight, float(head[3])), lines)
            elif not sections:
                raise ValueError(f"{file.name}:{number}: a template stands before the first [section]")
            else:
                lines.append(line)
    return tuple(
        Recipe(action, kind, tuple(dict.fromkeys(lines)), weight)
        for (action, kind), (weight, lines) in sections.items()
    )


RECIPES = _load()

# What people say before they come to the point; it asks for nothing by itself.
PREAMBLES = (
    "dinner's done", "the meeting is over", "i'm home", "we're home", "my parents are staying over tonight",
    "guests are coming", "the movie is starting", "it's bedtime", "the kids are asleep", "i'm off to work",
    "we're going to bed", "i'm in bed already", "i just woke up", "good morning", "good night", "right", "it's late",
    "party's over", "the game is on", "what's he mumbling about", "the cat wants out", "i've got my hands full",
    "i'm on the phone", "the baby just fell asleep", "my hands are dirty", "the guests have left", "it's getting late",
    "we have company", "class is over", "lunch is ready", "time for bed", "i'm working late", "the plumber is here",
    "mum's here", "oh no", "whoops", "i forgot", "sorry", "the dog is barking", "it's friday", "i'm freezing out here",
    "we're having dinner", "nobody's in there", "the delivery is here", "i'm painting", "breakfast is ready", "ouch",
    "the show's about to start", "i'm going out for a run", "the battery is low", "you know what", "listen",
)  # fmt: skip
TASKS = {
    "call the dentist": ("the dentist has been called", "i've called the dentist", "i called the dentist"),
    "fix the sink": ("the sink is fixed", "i fixed the sink", "the sink's been fixed"),
    "water the plants": ("the plants are watered", "the plants have been watered", "i've watered the plants"),
    "pay the rent": ("the rent is paid", "i paid the rent", "the rent's been paid"),
    "wash the car": ("the car is washed", "i washed the car", "the car's clean"),
    "clean the gutters": ("the gutters are clean", "i cleaned the gutters", "gutters are done"),
    "walk the dog": ("the dog's been walked", "i walked the dog", "the dog has had his walk"),
    "book flights": ("the flights are booked", "i've booked the flights", "flights are booked"),
    "paint the fence": ("the fence is painted", "fence is painted", "i've painted the fence"),
    "take out the trash": ("the trash is out", "i took out the trash", "the trash has been taken out"),
    "order printer ink": ("the printer ink is ordered", "printer ink's ordered", "i've ordered printer ink"),
    "feed the chickens": ("the chickens are fed", "i fed the chickens", "chickens have been fed"),
    "empty the dishwasher": ("the dishwasher's empty", "the dishwasher has been emptied", "i emptied the dishwasher"),
    "mend the net": ("the net is mended", "i've mended the net", "net's mended"),
    "change the bed sheets": ("the bed sheets are changed", "sheets are changed", "i changed the sheets"),
    "service the boiler": ("the boiler's been serviced", "the boiler is serviced", "they serviced the boiler"),
    "email the landlord": ("i emailed the landlord", "i've emailed the landlord", "the landlord has been emailed"),
    "check the tire pressure": ("i checked the tire pressure", "tire pressure is checked", "tires are checked"),
    "oil the hinges": ("the hinges are oiled", "i oiled the hinges", "hinges are oiled"),
    "bake a cake": ("the cake is baked", "i baked the cake", "cake's baked"),
    "renew the passport": ("my passport is renewed", "i renewed the passport", "passport's renewed"),
    "pack the suitcase": ("the suitcase is packed", "i packed the suitcase", "suitcase's packed"),
}  # fmt: skip

OPENINGS = (
    "please", "can you", "could you", "would you", "can you please", "could you please", "hey", "ok", "okay", "hi",
    "i'd like you to", "i want you to", "would you mind to", "um", "uh", "so", "alright", "now", "quickly", "hey robot",
    "computer", "be a dear and", "do me a favor and", "i need you to", "go ahead and", "just", "well", "right",
    "will you", "would you kindly", "if you could", "let's", "time to", "you should", "hey assistant", "oh", "right then",
    "jarvis", "excuse me", "it would be great if you could", "i was wondering if you could", "mind", "kindly", "pls",
)  # fmt: skip
CLOSINGS = (
    "please", "now", "thanks", "thank you", "for me", "right now", "would you", "will you", "asap", "if you can",
    "when you get a chance", "ok", "cheers", "for a while", "immediately", "if you don't mind", "pls", "again", "thx",
    "already", "please and thank you", "too", "as well", "for the night", "before i go to bed", "honey", "buddy", "mate",
)  # fmt: skip
FILLERS = ("um", "uh", "like", "you know", "erm", "hmm", "er", "well")
JOINS = (
    "and",
    "and then",
    "then",
    ",",
    ", and",
    "also",
    ", then",
    "and also",
    "after that",
    ", also",
    "plus",
    ". ",
    "; ",
)

ITEMS = (
    "milk", "eggs", "bread", "butter", "apples", "bananas", "toilet paper", "coffee", "olive oil", "dog food",
    "cat litter", "orange juice", "chicken breast", "ground beef", "two lemons", "a dozen eggs", "oat milk", "pasta",
    "tomatoes", "onions", "garlic", "rice", "cheese", "cheddar", "yogurt", "ice cream", "dish soap", "batteries",
    "aa batteries", "light bulbs", "paper towels", "sparkling water", "red wine", "beer", "birthday candles",
    "wrapping paper", "sunscreen", "toothpaste", "shampoo", "flour", "sugar", "baking powder", "maple syrup",
    "call the dentist", "call mom", "pay the rent", "water the plants", "take out the trash", "book flights",
    "fix the sink", "wash the car", "clean the gutters", "buy stamps", "renew passport", "return library books",
    "walk the dog", "finish the report", "change the oil", "mow the lawn", "paint the fence", "feed the cat",
    "schedule a haircut", "order printer ink", "pick up the dry cleaning", "vacuum the stairs", "hummus", "salsa",
    "tortilla chips", "frozen peas", "salmon", "avocados", "lettuce", "cucumber", "peanut butter", "jam", "honey",
    "cereal", "granola bars", "tea bags", "diapers", "baby wipes", "laundry detergent", "sponges", "trash bags",
    "aluminium foil", "screws", "duct tape", "a hammer", "potting soil", "fertilizer", "charcoal", "ketchup",
    "mustard", "soy sauce", "tofu", "spinach", "carrots", "potatoes", "gluten free bread", "lamp oil", "new curtains",
    "door hinges", "window cleaner", "a new lamp", "kitchen roll", "garage remote battery", "fan belt", "water filter",
    "tickets for the concert", "email the landlord", "dentist appointment", "swim goggles", "passport", "phone charger",
)  # fmt: skip
QUERIES = (
    "some jazz", "jazz", "the beatles", "classical music", "lo-fi beats", "my workout playlist", "the news", "pink floyd",
    "bohemian rhapsody", "dark side of the moon", "some music", "rock music", "christmas songs", "my liked songs",
    "the latest episode of serial", "taylor swift", "a podcast about history", "the dinner playlist", "rain sounds",
    "white noise", "bach", "abba gold", "something relaxing", "thriller by michael jackson", "radio one", "bbc radio 4",
    "the lion king", "stranger things", "daft punk", "miles davis", "queen", "the frozen soundtrack", "hotel california",
    "some techno", "country music", "an audiobook", "harry potter audiobook", "discover weekly", "whale sounds",
    "billie eilish", "mozart's requiem", "smooth jazz", "90s hits", "the planet earth documentary", "salsa music",
)  # fmt: skip
TEXTS = (
    "dinner is ready", "we're leaving in ten minutes", "too expensive", "the capital of france", "better tomorrow",
    "the tallest mountain", "on sale", "the meaning of life", "barking again", "the kids are home", "asleep on the couch",
    "water is essential", "my keys", "later today", "the president", "very loud", "quite nice really", "trip",
    "it is late", "happy birthday", "the best one", "almost empty", "my favorite song", "twelve times nine",
    "photosynthesis", "the score of the game", "the plumber comes at nine", "check the oven", "take my pills",
)  # fmt: skip
