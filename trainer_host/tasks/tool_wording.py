"""What a tool does, in words: a call as a verb with its object and details, in all forms that a sentence may need."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from edge_runtime.language.tool_parts import words_of
from trainer_host.tasks import Json
from trainer_host.tasks.phrases import fill, fillers, templates
from trainer_host.tasks.tool_schemas import Call, value_words

PACKAGE = "trainer_host.tasks.tool_phrases"
ACTING, TALKING = "acting.txt", "talking.txt"
_ASIDE = 0.25  # share of sentences beside which something else is said
_OTHER_VERB = 0.1  # share that says it with a verb which the tool doesn't have
_CUT = 0.3  # share that leaves out what the object's own words are said of: "on the shopping list"
_LONGEST = 12  # words of a description that are said
_PARTICLES = frozenset(("up", "down", "on", "off", "out", "in", "over", "away", "back"))
_JOINING = frozenset(("to", "on", "in", "at", "of", "for", "from", "with", "by", "into", "that", "which", "when"))
_VERBS = (
    "do", "get", "put on", "turn on", "switch on", "make", "give me", "run", "use", "handle", "take care of", "go for",
)  # fmt: skip
# Past and participle, where they aren't regular.
_IRREGULAR = {
    "be": "was been", "begin": "began begun", "book": "booked booked", "bring": "brought brought", "build": "built built",
    "buy": "bought bought", "choose": "chose chosen", "cut": "cut cut", "do": "did done", "draw": "drew drawn",
    "drive": "drove driven", "eat": "ate eaten", "feed": "fed fed", "find": "found found", "fly": "flew flown",
    "forget": "forgot forgotten", "get": "got got", "give": "gave given", "go": "went gone", "hide": "hid hidden",
    "hold": "held held", "keep": "kept kept", "lay": "laid laid", "leave": "left left", "lend": "lent lent", "let": "let let",
    "light": "lit lit", "lose": "lost lost", "make": "made made", "pay": "paid paid", "put": "put put", "read": "read read",
    "ring": "rang rung", "run": "ran run", "say": "said said", "see": "saw seen", "sell": "sold sold", "send": "sent sent",
    "set": "set set", "show": "showed shown", "shut": "shut shut", "sing": "sang sung", "speak": "spoke spoken",
    "spend": "spent spent", "spread": "spread spread", "sweep": "swept swept", "take": "took taken", "tell": "told told",
    "throw": "threw thrown", "wake": "woke woken", "wind": "wound wound", "write": "wrote written",
}  # fmt: skip
_DOUBLED = frozenset((
    "stop", "plan", "begin", "cut", "get", "let", "put", "run", "set", "shut", "scan", "drop", "plug", "wrap", "dim", "pin",
    "mop", "trim",
))  # fmt: skip
# A first word that is no verb: what is said of the tool is then what it is.
_NO_VERB = frozenset(
    ("a", "an", "the", "this", "that", "all", "any", "some", "tool", "function", "for", "to", "your", "my")
)


@dataclass(frozen=True)
class Said:
    """What a call does. verb: its base form; particle: "down" of "write down"; thing: its object; details: its values."""

    verb: str
    particle: str
    thing: str
    details: str
    before: str = ""  # a value before the object: "hall" of "set the hall lamp"

    def forms(self) -> dict[str, str]:
        """By the names of the places in a sentence; those of the object are missing where there is none."""
        third, doing, did, done = inflected(self.verb)
        verbs = {"what": self.verb, "doing": doing, "did": did, "done": done, "does": third}
        made = {name: _joined(verb, self.particle, self.object, self.details) for name, verb in verbs.items()}
        if self.object:
            was = "were" if re.search(r"[^s]s$", self.object.split(" that ")[0]) else "was"
            done = _joined(done, self.particle)
            made |= {
                "thing": _joined(self.object, self.details),
                "thing_done": _joined(self.object, done, self.details),
                "thing_was_done": _joined(self.object, was, done, self.details),
                "was_thing_done": _joined(was, self.object, done, self.details),
                "thing_should_done": _joined(self.object, "should be", done, self.details),
            }
        return made

    @property
    def object(self) -> str:
        """The object, with a value before its noun where there is one."""
        article, _, noun = self.thing.partition(" ")
        return f"{article} {self.before} {noun}" if self.before and noun else self.thing


def said(rng: random.Random, schema: Json, call: Call) -> Said:
    """A call in words, its values in any order and said in any way; none is left out."""
    verb, particle, thing = _parted(schema, call.name)
    if rng.random() < _OTHER_VERB and thing:
        verb, _, particle = rng.choice(_VERBS).partition(" ")
    words = thing.split()
    cut = next((at for at, word in enumerate(words) if at and word in _JOINING), len(words))
    if rng.random() < _CUT:
        thing = " ".join(words[:cut])
    article, _, noun = thing.partition(" ")
    if noun and article in ("a", "an", "the", "one", "some"):
        thing = f"{rng.choice((article, article, 'the', 'my', 'our', 'that', 'this'))} {noun}"
        if rng.random() < 0.1:
            thing = noun
    parts, before = [], ""
    kinds = Counter(type(value) for value in call.arguments.values())
    parameters = schema.get("parameters")
    listed = parameters.get("properties", {}) if isinstance(parameters, dict) else {}
    for key, value in call.arguments.items():
        chosen = "enum" in listed.get(key, {})
        plain = chosen or (isinstance(value, int | float | str) and kinds[type(value)] == 1)
        if chosen and noun and not before and rng.random() < 0.15:
            before = str(value)
        elif isinstance(value, bool):
            parts.append(_switch(rng, key.replace("_", " "), on=value))
        else:
            parts.append(_value(rng, key.replace("_", " "), value, plain=plain, chosen=chosen))
    rng.shuffle(parts)
    first, between = rng.choice(((" ", " "), (" ", ", "), (", ", ", "), (" ", " and "), (", ", " and "), (": ", ", ")))
    details = (first + between.join(parts)).strip(" ") if parts else ""
    return Said(verb, particle, thing, details, before)


def sentence(rng: random.Random, file: str, what: Said) -> tuple[str, str]:
    """(its template, a sentence of it) that wants what is said, or by `TALKING` doesn't."""
    forms = what.forms()
    while True:
        template = rng.choice(templates(PACKAGE, file))
        if all(name in forms for name in re.findall(r"{(thing\w*|was_thing_done)}", template)):
            return template, entered(rng, file, template, forms)


def entered(rng: random.Random, file: str, template: str, forms: Mapping[str, str]) -> str:
    """A sentence of a template, sometimes with something else beside it, as people enter it."""
    # Values must come out as they are, so their places are filled at the very end.
    places = {name: f"\x01{name}\x01" for name in forms}
    names = {**fillers(PACKAGE), **{name: (place,) for name, place in places.items()}}
    text = fill(template, names, rng)
    asks = file == TALKING and _asks(text)
    text = _marked(rng, text, asks=asks or (file == ACTING and _asks(text) and rng.random() < 0.8))
    if rng.random() < _ASIDE:
        first, last = _marked(rng, fill("{aside}", names, rng), asks=False), text
        if rng.random() < 0.3:
            first, last = last, first
        text = f"{first if first[-1] in '.!?' else first + rng.choice('.,')} {last}"
    if rng.random() < 0.25:
        text = text.lower()
    for name, place in places.items():
        at = text.find(place)
        first = forms[name]
        if at == 0 and rng.random() < 0.7:
            first = first[:1].upper() + first[1:]
        text = text.replace(place, first, 1).replace(place, forms[name])
    return " ".join(text.split(" ")).strip()


@lru_cache(maxsize=1024)
def inflected(verb: str) -> tuple[str, str, str, str]:
    """(sets, setting, set, set): third person, -ing form, past and participle of a verb's base form."""
    hissing = verb.endswith(("s", "x", "z", "ch", "sh", "o"))
    vowel_y = re.search(r"[aeiou]y$", verb) is not None
    stem = verb[:-1] if verb.endswith("y") and not vowel_y else verb
    third = f"{stem}ies" if stem != verb else f"{verb}{'es' if hissing else 's'}"
    doubled = verb + verb[-1:] if verb in _DOUBLED else verb
    bare = doubled[:-1] if doubled.endswith("e") and not doubled.endswith(("ee", "ye", "oe")) else doubled
    if verb in _IRREGULAR:
        did, done = _IRREGULAR[verb].split()
    else:
        did = done = f"{stem}ied" if stem != verb else f"{verb}d" if verb.endswith("e") else f"{doubled}ed"
    return third, f"{bare}ing", did, done


def _parted(schema: Json, name: str) -> tuple[str, str, str]:
    """(verb, particle, object) of what a tool does, by its description, or by its name where that begins with no verb."""
    about = re.split(r"[.;:(\n]", str(schema.get("description") or ""))[0].split()[:_LONGEST]
    if re.match(r"[a-z]+[^su]s (an?|the|one|all|your|some) ", " ".join(about), re.IGNORECASE):
        about[0] = re.sub(r"(?<=ch|sh|ss)es$|(?<=x)es$|s$", "", about[0])  # "Sets a lamp"
    words = about if len(about) > 1 and about[0].lower() not in _NO_VERB else [word.lower() for word in words_of(name)]
    if not words:
        return "use", "", name
    if len(words) == 1 and about and about[0].lower() in _NO_VERB:
        words = ["use", about[0].lower(), *about[1:]]
    verb, *rest = words
    particle = rest.pop(0) if len(rest) > 1 and rest[0].lower() in _PARTICLES else ""
    return verb.lower(), particle, " ".join(rest)


def _value(rng: random.Random, name: str, value: object, *, plain: bool, chosen: bool) -> str:
    """A value with the name of its parameter, or without where it is `plain` which one is meant."""
    text = value_words(value)
    if isinstance(value, str) and not chosen and rng.random() < (0.6 if " " in value else 0.3):
        text = f'"{value}"'
    if not plain or rng.random() < 0.35:
        return rng.choice(
            (f"{name} {text}", f"{name} {text}", f"{text} as the {name}", f"the {name} {text}", f"{name} = {text}",
             f"with the {name} {text}", f"with {name} {text}", f"{name}: {text}", f"and the {name} is {text}")
        )  # fmt: skip
    if isinstance(value, int | float):
        unit = name if rng.random() < 0.7 else rng.choice(("percent", "degrees", "times", "units", "of them"))
        return rng.choice(
            (text, f"to {text}", f"at {text}", f"{text} {unit}", f"{text} {unit}", f"for {text} {unit}", f"with {text}",
             f"of {text} {unit}", f"by {text}", f"with {text} {unit}", f"up to {text}", f"for {text}")
        )  # fmt: skip
    if chosen:
        return rng.choice(
            (text, f"in the {text}", f"at the {text}", f"on the {text}", f"for the {text}", f"the {text}", f"from {text}",
             f"with {text}", f"in {text}", f"to {text}", f"{text} {name}", f"into the {text}")
        )  # fmt: skip
    return rng.choice(
        (text, f"called {text}", f"saying {text}", f"that says {text}", f"named {text}", f"about {text}", f"to {text}",
         f"for {text}", f"with {text}", f"at {text}", f"it says {text}", f"- {text}", f"which is {text}")
    )  # fmt: skip


def _switch(rng: random.Random, name: str, *, on: bool) -> str:
    if on:
        return rng.choice((f"{name} on", f"{name} yes", f"with {name}", f"with {name}", f"and {name}", name))
    return rng.choice((f"{name} off", f"{name} no", f"without {name}", f"no {name}", f"not {name}"))


def _asks(text: str) -> bool:
    return re.match(
        r"(\W*(and|so|but|oh|hey)\W+)?(what|who|whose|which|where|when|why|how|is|isn't|are|were|was|do|does|did|can|can't|could|should"
        r"|shall|would|will|won't|may|might|has|have you|had|am|any idea|any chance)\b",
        text,
    ) is not None  # fmt: skip


def _marked(rng: random.Random, text: str, *, asks: bool) -> str:
    """With a capital and a mark at the end, as most people write."""
    if not text.startswith("\x01") and rng.random() < 0.7:
        text = text[:1].upper() + text[1:]
    if text[-1] in ".!?":
        return text
    end = rng.choice(("?", "?", "?", "")) if asks else rng.choice((".", ".", "!", "", ""))
    return text + end


def _joined(*parts: str) -> str:
    made = " ".join(part for part in parts if part)
    return re.sub(r" ([,:])", r"\1", made)
