"""How people ask for bodies, in fewer words: "a sphere with a radius of 1 cm" is a ball with a diameter of 20 mm.

A colour is of the whole body, and code's to remember. What a prompt counts, which kind of thing it names and how large
that is to be (`solid_sizes`) is compared with what a model wrote: a body that has something else is doubted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_runtime.media.prompts import COLOUR_WORDS, NUMBER_WORDS
from edge_runtime.media.reference_notation import LETTERS
from edge_runtime.media.solid import Join, Primitive, Program
from edge_runtime.media.solid_notation import numbered
from edge_runtime.media.solid_sizes import missed
from edge_runtime.media.words import mended, stranger

_KINDS = """ball balls box boxes cube cubes cylinder cylinders cone cones plate plates tube tubes ring rings cup cups stairs
    step steps table tables snowman rocket tower dumbbell frame cross gate bracket capsule dome sphere spheres globe orb
    cuboid block brick pipe hose washer staircase stairway pill hollow half halves plus sign arch arched passage
    opening lid handle roof tip nose hole holes leg legs wall walls floor bar bars arm arms corner corners corner's end
    ends side sides face faces body bodies bell""".split()  # noqa: SIM905
_MEASURES = """mm millimetre millimetres millimeter millimeters cm centimetre centimetres centimeter centimeters metre metres
    meter meters inch inches high height tall wide width deep depth long length thick thickness across diameter diameters
    radius radiuses outer inner outside inside overall gap apart size measuring measures ground lowest point flat upright
    standing solid round square rectangular straight pointed separate closed open top bottom middle middles below
    beneath left lowest higher towards along onto drilled beside joined cylindrical cubic sunk flush reach reaches
    through same without lies lie fourth opposite picture x y z small large big little going down ways axes axis l-shaped shaped three-dimensional model design construct
    build modelled steel printed degrees degree upper lower others sits rim leftmost alike""".split()  # noqa: SIM905
KNOWN = frozenset((*_KINDS, *_MEASURES, *COLOUR_WORDS, *NUMBER_WORDS))
_NUMBER = r"\d+(?:\.\d+)?"
# "one" stays: one on top of the other, one along each axis.
_DIGITS = re.compile(rf"\b(?:{'|'.join(word for word in NUMBER_WORDS if word != 'one')}|one(?= (?:round )?holes?\b))\b")
_SHADE = rf"(?:{'|'.join(COLOUR_WORDS)})"
_PLAIN: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"\s+", " "),
    (rf"(?:,? (?:in|coloured|colored|painted|of colou?r) |\b){_SHADE}(?: colou?red)?\b,? ?", " "),
    (r"\s+", " "),
    (r"(?<=\d)\s*[x×*]\s*(?=\d)", " x "),
    (r"(?<=\d) ?(mm|cm|m)? by (?=\d)", r" \1 x "),
    (rf"\bradius(?: of| is|:)? ({_NUMBER})", lambda found: f"diameter of {_twice(found[1])}"),
    (rf"\b({_NUMBER}) ?(mm|cm|m|inch(?:es)?)?,? (?:in )?radius\b", lambda found: f"{_twice(found[1])} {found[2] or ''} in diameter"),
    (r"\b(?:sphere|globe|orb)(s?)\b", r"ball\1"),
    (r"\b(?:half|upper half) (?:of )?an? ball\b|\bhalf ball\b|\bhemisphere\b", "dome"),
    (r"\b(?:cuboid|block|brick)\b", "box"),
    (r"\b(?:pipe|hose)\b", "tube"),
    (r"\bwasher\b", "ring"),
    (r"\b(?:staircase|stairway)\b", "stairs"),
    (r"\bpill(?: shape)?\b", "capsule"),
    (r"\bplus(?: sign)?\b", "cross"),
    (r"\btall\b|\bin height\b", "high"),
    (rf"\b(\d+) ({_NUMBER}) ?(mm|cm|m)? (holes?)\b", r"\1 \4 of \2 \3"),
    (r"\s+", " "),
)  # fmt: skip
_WORDS = [(re.compile(pattern), plain) for pattern, plain in _PLAIN]
# A count is a digit, or where it is too large for one a letter without a unit.
_COUNTED = re.compile(
    rf"(?:\b([1-9]|1[0-2]|[{LETTERS}])) (?:(?:round|separate|square|pointed|equal|flat|rectangular|drilled|solid|through) )*([a-z]+)"
)
_BELOW = re.compile(rf"(?:(?:^|[\s(])[-−]|\bminus )[{LETTERS}]")  # "ball - 20 mm" has a dash
_NOTHING = re.compile(r"(?<![\w.=])(?<!= )0(?:\.0+)? ?(?:mm|cm|m|inch(?:es)?|x)\b")  # it may stand on z = 0 mm


@dataclass(frozen=True)
class Asked:
    """said: the prompt as a model reads it. numbers: what its letters stand for, millimetres and degrees.

    colours: those that it names, in the spelling of `colours.COLOURS`.
    """

    said: str
    numbers: tuple[float, ...]
    colours: tuple[str, ...]

    @property
    def colour(self) -> str:
        """The body's colour, "" where the prompt names none or more than one."""
        return self.colours[0] if len(self.colours) == 1 else ""


def asked(prompt: str) -> Asked:
    """Read a prompt: in small letters, slips mended, numbers as letters."""
    plain = mended(prompt, KNOWN).lower()
    plain = _DIGITS.sub(lambda found: NUMBER_WORDS[found[0]], plain)
    shades = [COLOUR_WORDS[word] for word in re.findall(rf"\b{_SHADE}\b", plain)]
    for pattern, words in _WORDS:
        plain = pattern.sub(words, plain)
    said, numbers = numbered(plain.strip())
    return Asked(re.sub(r"([.,;:!?])(?=\s|$)", r" \1", said), numbers, tuple(dict.fromkeys(shades)))


def doubt(program: Program, size: Sequence[float], read: Asked) -> str | None:
    """Why a body is hardly what a prompt asks for, as a sentence; None where nothing speaks against it.

    size: of the body's box along x, y and z.
    """
    if len(read.colours) > 1:
        return "The prompt names several colours; a body has one."
    shapes = Counter(part.shape for part in program.parts if isinstance(part, Primitive))
    joins = Counter(part.join for part in program.parts if isinstance(part, Join))
    if _BELOW.search(read.said) or _NOTHING.search(read.said):
        return "Measures of a body are more than 0 mm."
    for counted in _COUNTED.finditer(read.said):
        number, noun = counted.groups()
        count = read.numbers[LETTERS.index(number)] if number in LETTERS else int(number)
        have = _have(noun, shapes, joins)
        if have is not None and have != count:
            return f"The prompt asks for {count:g} {noun}, and this body has {have}."
    fits = [name for name, family in FAMILIES.items() if family.made(shapes, joins)]
    named = [name for name, family in FAMILIES.items() if family.said(read.said)]
    if not named:
        return "What the prompt names isn't known here."
    if named[0] not in fits:
        made = f", and this body is made like a {fits[0]}" if fits else ""
        return f"The prompt asks for a {named[0]}{made}."
    if strange := stranger(read.said, KNOWN):
        return strange
    return missed(program, size, named[0], read.said, read.numbers)


@dataclass(frozen=True)
class Family:
    """A kind of body. words: of which its prompt has one."""

    words: str
    parts: Callable[[Counter[str], Counter[str]], bool]

    def said(self, prompt: str) -> bool:
        """Whether a prompt asks for it."""
        return re.search(rf"\b(?:{self.words})\b", prompt) is not None

    def made(self, shapes: Counter[str], joins: Counter[str]) -> bool:
        """Whether it is of such shapes and joins."""
        return self.parts(shapes, joins)


def _of(join: str, **shapes: int) -> Callable[[Counter[str], Counter[str]], bool]:
    return lambda have, joins: have == Counter(shapes) and joins == Counter([join] if join else [])


def _either(*of: Callable[[Counter[str], Counter[str]], bool]) -> Callable[[Counter[str], Counter[str]], bool]:
    return lambda have, joins: any(one(have, joins) for one in of)


def _many(join: str, shape: str, least: int) -> Callable[[Counter[str], Counter[str]], bool]:
    return lambda have, joins: set(have) == {shape} and have[shape] >= least and joins == Counter([join])


def _plate(have: Counter[str], joins: Counter[str]) -> bool:
    return have["box"] == 1 and have["cylinder"] >= 1 and have.total() == 1 + have["cylinder"] and joins == Counter(["difference"])  # fmt: skip


# What is said in more words stands first: "hollow cube" before "cube".
FAMILIES: dict[str, Family] = {
    "gate": Family("gate|passage|arch", _of("difference", box=2, cylinder=1)),
    "picture frame": Family("frame", _of("difference", box=2)),
    "cube with three holes": Family("cube\\b.*\\bholes?", _of("difference", box=1, cylinder=3)),
    "plate": Family("plate", _plate),
    "hollow body": Family("hollow", _either(_of("difference", box=2), _of("difference", sphere=2))),
    "cup": Family("cup|without a lid|open box", _either(_of("difference", box=2), _of("difference", cylinder=2))),
    "table": Family("table", _of("union", box=5)),
    "stairs": Family("stairs|steps?", _many("union", "box", 2)),
    "bracket": Family("bracket", _of("union", box=2)),
    "cross": Family("cross", _of("union", box=2)),
    "snowman": Family("snowman", _many("union", "sphere", 2)),
    "dumbbell": Family("dumbbell", _of("union", sphere=2, cylinder=1)),
    "capsule": Family("capsule", _of("union", sphere=2, cylinder=1)),
    "rocket": Family("rocket|tower", _of("union", cylinder=1, cone=1)),
    "dome": Family("dome", _of("intersection", sphere=1, box=1)),
    "pair": Family("2 (?:separate )?(?:cubes|balls)", _either(_of("union", box=2), _of("union", sphere=2))),
    "tube": Family("tube|ring", _of("difference", cylinder=2)),
    "cone": Family("cone", _of("", cone=1)),
    "cylinder": Family("cylinder", _of("", cylinder=1)),
    "ball": Family("ball", _of("", sphere=1)),
    "box": Family("box|cube", _of("", box=1)),
}


def _have(noun: str, shapes: Counter[str], joins: Counter[str]) -> int | None:
    """How many of what a noun names a program has; None for what can't be told by its parts."""
    match noun:
        case "step" | "steps":
            return shapes["box"] if joins["union"] else 0
        case "hole" | "holes":
            return shapes["cylinder"] if joins["difference"] else 0
        case "ball" | "balls":
            return shapes["sphere"]
        case "cube" | "cubes":
            return shapes["box"]
        case "leg" | "legs":
            return shapes["box"] - 1 if joins["union"] else 0
        case _:
            return None


def _twice(number: str) -> str:
    return f"{2 * float(number):g}"
