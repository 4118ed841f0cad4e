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
    "we just got back", "school's out", "i've just got in", "it's monday", "the soup is on the stove", "what a day",
    "the taxi is here", "i'm late", "tea's ready", "it's bath time", "it's story time", "i'm doing my homework", "oh boy",
    "sorry to bother you", "the exam is tomorrow", "uncle joe is here", "i'm in my pyjamas", "i'm feeding the baby",
    "my sister's visiting", "we've got visitors", "i've burnt my finger", "the bus is coming",
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
    "hoover the stairs": ("the stairs are hoovered", "i hoovered the stairs", "the stairs have been hoovered"),
    "iron the shirts": ("the shirts are ironed", "i've ironed the shirts", "the shirts have been ironed"),
    "book the hotel": ("the hotel is booked", "i booked the hotel", "the hotel's been booked"),
    "sweep the patio": ("the patio is swept", "i've swept the patio", "the patio has been swept"),
    "rake the leaves": ("the leaves are raked", "i raked the leaves", "the leaves have been raked"),
    "pay the gas bill": ("the gas bill is paid", "i paid the gas bill", "the gas bill's been paid"),
    "post the letter": ("the letter is posted", "i posted the letter", "the letter has been posted"),
    "return the parcel": ("the parcel is returned", "i've returned the parcel", "the parcel's been sent back"),
    "feed the fish": ("the fish are fed", "i fed the fish", "the fish have been fed"),
    "clean the oven": ("the oven is clean", "i've cleaned the oven", "the oven's been cleaned"),
    "defrost the freezer": ("the freezer is defrosted", "i defrosted the freezer", "the freezer's been defrosted"),
    "bleed the radiators": ("the radiators are bled", "i bled the radiators", "the radiators have been bled"),
    "change the light bulb": ("the light bulb is changed", "i changed the light bulb", "the light bulb's been changed"),
    "sign the permission slip": ("the permission slip is signed", "i signed the permission slip", "the slip has been signed"),
    "wrap the presents": ("the presents are wrapped", "i've wrapped the presents", "the presents have been wrapped"),
    "fold the laundry": ("the laundry is folded", "i folded the laundry", "the laundry has been folded"),
    "plant the tulips": ("the tulips are planted", "we planted the tulips", "the tulips are in the ground"),
    "hang the pictures": ("the pictures are hung", "i hung the pictures", "the pictures have been hung"),
    "cancel the gym membership": ("the gym membership is cancelled", "i cancelled the gym", "the gym's been cancelled"),
    "submit the report": ("the report is submitted", "i've submitted the report", "the report has been handed in"),
}  # fmt: skip

OPENINGS = (
    "please", "can you", "could you", "would you", "can you please", "could you please", "hey", "ok", "okay", "hi",
    "i'd like you to", "i want you to", "would you mind to", "um", "uh", "so", "alright", "now", "quickly", "hey robot",
    "computer", "be a dear and", "do me a favor and", "i need you to", "go ahead and", "just", "well", "right",
    "will you", "would you kindly", "if you could", "let's", "time to", "you should", "hey assistant", "oh", "right then",
    "jarvis", "excuse me", "it would be great if you could", "i was wondering if you could", "mind", "kindly", "pls",
    "could you just", "can you just", "can u", "could ya", "would you be so kind as to", "would you be so good as to",
    "be a love and", "be a star and", "go on and", "i wanna", "do you think you could", "any chance you could", "hello",
    "why don't you", "hey there", "now then", "ah", "okay so", "oi", "alexa", "i'd be grateful if you could", "yo",
)  # fmt: skip
CLOSINGS = (
    "please", "now", "thanks", "thank you", "for me", "right now", "would you", "will you", "asap", "if you can",
    "when you get a chance", "ok", "cheers", "for a while", "immediately", "if you don't mind", "pls", "again", "thx",
    "already", "please and thank you", "too", "as well", "for the night", "before i go to bed", "honey", "buddy", "mate",
    "thanks a lot", "ta", "thanks mate", "love", "darling", "dear", "pretty please", "if possible", "if that's ok",
    "when you're ready", "straight away", "at once", "right away", "real quick", "for now", "would ya", "could you",
    "can you", "for us", "this instant", "for a bit", "if you would", "alright", "yeah",
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
    "blueberries", "strawberries", "mushrooms", "courgettes", "zucchini", "broccoli", "cauliflower", "sweet potatoes",
    "ginger", "chillies", "limes", "grapes", "pears", "mangoes", "a watermelon", "feta", "mozzarella", "sour cream",
    "double cream", "half and half", "bacon", "sausages", "ham", "minced beef", "turkey", "shrimp", "tuna",
    "fish fingers", "frozen pizza", "chickpeas", "kidney beans", "lentils", "noodles", "couscous", "vinegar",
    "black pepper", "sea salt", "cinnamon", "vanilla extract", "dark chocolate", "biscuits", "crisps", "squash",
    "ginger ale", "white wine", "bin bags", "cling film", "washing up liquid", "loo roll", "kitchen towels", "razors",
    "deodorant", "plasters", "cough syrup", "nappies", "cat food", "bird seed", "a birthday card", "glue sticks",
    "milk for the baby",
)  # fmt: skip
QUERIES = (
    "some jazz", "jazz", "the beatles", "classical music", "lo-fi beats", "my workout playlist", "the news", "pink floyd",
    "bohemian rhapsody", "dark side of the moon", "some music", "rock music", "christmas songs", "my liked songs",
    "the latest episode of serial", "taylor swift", "a podcast about history", "the dinner playlist", "rain sounds",
    "white noise", "bach", "abba gold", "something relaxing", "thriller by michael jackson", "radio one", "bbc radio 4",
    "the lion king", "stranger things", "daft punk", "miles davis", "queen", "the frozen soundtrack", "hotel california",
    "some techno", "country music", "an audiobook", "harry potter audiobook", "discover weekly", "whale sounds",
    "billie eilish", "mozart's requiem", "smooth jazz", "90s hits", "the planet earth documentary", "salsa music",
    "elton john", "adele", "coldplay", "the rolling stones", "fleetwood mac", "david bowie", "prince", "beyonce",
    "ed sheeran", "metallica", "ac/dc", "johnny cash", "bob marley", "nina simone", "frank sinatra", "dolly parton",
    "radiohead", "amy winehouse", "kendrick lamar", "bruce springsteen", "abbey road", "rumours by fleetwood mac",
    "back to black", "kind of blue", "the four seasons", "beethoven's ninth", "chopin nocturnes",
    "yesterday by the beatles", "imagine by john lennon", "dancing queen", "stairway to heaven", "wonderwall",
    "hip hop", "reggae", "the blues", "soul music", "heavy metal", "punk rock", "opera", "disco", "bossa nova",
    "folk songs", "indie pop", "drum and bass", "deep house", "80s music", "golden oldies", "nursery rhymes",
    "lullabies", "piano music", "gentle guitar music", "meditation music", "ocean waves", "birdsong",
    "a true crime podcast", "the daily", "desert island discs", "the archers", "the football commentary",
    "classic fm",
)  # fmt: skip
TEXTS = (
    "dinner is ready", "we're leaving in ten minutes", "too expensive", "the capital of france", "better tomorrow",
    "the tallest mountain", "on sale", "the meaning of life", "barking again", "the kids are home", "asleep on the couch",
    "water is essential", "my keys", "later today", "the president", "very loud", "quite nice really", "trip",
    "it is late", "happy birthday", "the best one", "almost empty", "my favorite song", "twelve times nine",
    "photosynthesis", "the score of the game", "the plumber comes at nine", "check the oven", "take my pills",
    "lunch is on the table", "the bus leaves in five minutes", "bedtime in ten minutes", "the pizza has arrived",
    "grandma is here", "the taxi is waiting outside", "breakfast is served", "we need to go now",
    "come down for dinner", "the washing is done", "the guests have arrived", "i'm home", "dad is on his way",
    "the cake is cut", "the match is starting", "everybody put your shoes on", "school starts at nine",
    "somebody let the dog out", "a bit too modern", "hard to find", "made in japan", "older than the house",
    "not worth the money", "good value", "much better now", "a waste of space", "the longest river",
    "the speed of light", "the french revolution", "the boiling point of water", "black holes",
    "the inventor of the telephone", "the square root of nine", "my horoscope", "the stock market",
    "the football results", "the last samurai", "quantum physics", "how magnets work", "the recipe for pancakes",
    "my brother's wedding", "our holiday in spain", "a terrible idea", "a long story", "nothing special",
    "out of stock", "too good to be true", "the talk of the town", "full of surprises", "a good investment",
    "take the bins out", "stretch my legs", "turn the roast", "move the car", "pick up the kids", "drink some water",
    "ring the school", "baste the turkey", "stir the sauce", "check on the baby",
)  # fmt: skip
