"""How people ask for motion, in the words of plans: "slides to the left", "spins once", "jump 3 times".

Exact, so it needn't be learnt; and read a second time by `asked`, which says what a prompt asks of whom, so that a
plan that says something else can be doubted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from edge_runtime.media.film_plan import DIRECTIONS, FilmPlan, Motion
from edge_runtime.media.prompts import GROUNDS, NAMES, THINGS, Prompt, Reading, wordings
from edge_runtime.media.words import contrary, forms, stranger

# What is meant where a prompt names a motion and not how much of it.
TIMES, TURN, GROWN, SHRUNK, WAY = 2, 360, 2.0, 0.5, "clockwise"
SIZES = ("small", "large")

_GO = (
    *forms("move"), *forms("slide", "slid"), *forms("travel"), *forms("glide"), *forms("fly", "flies", "flown"),
    *forms("drift"), *forms("roll"), *forms("run", "running"), *forms("walk"), *forms("float"), *forms("shift"),
    *forms("head"), *forms("sail"), *forms("go", "goes", "gone", "going"), *forms("cross", "crosses"),
)  # fmt: skip
_FALL = (*forms("fall", "fallen"), *forms("drop", "dropping"), *forms("sink"), *forms("descend"))
_RISE = (*forms("rise", "risen"), *forms("climb"), *forms("ascend"), *forms("lift"))
_BOUNCE = (*forms("bounce"), *forms("jump"), *forms("hop", "hopping"))
_SWAY = (*forms("sway"), *forms("swing"), *forms("rock"))
_TURN = (*forms("turn"), *forms("rotate"), *forms("spin", "spinning", "spun"), *forms("revolve"))
_GROW = (*forms("grow", "grown"), *forms("expand"), *forms("enlarge"), *forms("swell"))
_SHRINK = (*forms("shrink", "shrunk"),)
_ORBIT = (*forms("orbit"), "circling", "circled")
_STAY = (*forms("stay"), *forms("remain"), *forms("rest"))
_DOUBLE = {"2": forms("double"), "3": forms("triple"), "0.5": ("halve", "halves", "halving")}
_WAIT = forms("wait")
_OTHER_KNOWN = """left right up down upward downward upwards downwards rightward leftward rightwards leftwards top bottom
    side back forth fro clockwise anticlockwise counterclockwise counter-clockwise anti-clockwise degrees degree full half
    quarter turn turns times time time's size double twice third original bigger smaller large larger as becomes become
    becoming gets getting middle centre center round around circle film movie animation animate animated animating video
    clip frame seconds second sec secs long lasts lasting lasted last length background backdrop screen canvas first then
    afterwards while done finished finishes stopped stops still put fixed same not moving motionless nothing else other
    everything none once direction edge towards toward across against waits wait short scene way keeps keep
    resizes bounces circles""".split()  # noqa: SIM905
KNOWN = frozenset(
    (*NAMES, *_GO, *_FALL, *_RISE, *_BOUNCE, *_SWAY, *_TURN, *_GROW, *_SHRINK, *_ORBIT, *_STAY, *_WAIT, *_OTHER_KNOWN)
).union(*_DOUBLE.values())


def _any(words: tuple[str, ...] | list[str]) -> str:
    return f"(?:{'|'.join(sorted(dict.fromkeys(words), key=len, reverse=True))})"


_MIDDLE = r"(?:the )?(?:middle|centre|center)(?: of the (?:picture|film|screen|canvas|image|frame))?"
_CLOCK = r"(?:anti)?clockwise"
_THING_MARK = rf"[{THINGS}]"
_SIZE = r"(?:times (?:its|the) (?:original )?size|times (?:as|that) (?:big|large)(?: as before)?|times (?:bigger|larger)|times)"
# In small letters, numbers as digits; plans write "right", "-90 degrees", "2 times".
_BEFORE = wordings(
    (r"\bfrom (?:the )?left(?: side| edge)? to (?:the )?right(?: side| edge)?\b|\bleft[ -]to[ -]right\b", "right"),
    (r"\bfrom (?:the )?right(?: side| edge)? to (?:the )?left(?: side| edge)?\b|\bright[ -]to[ -]left\b", "left"),
    (r"\bfrom (?:the )?top to (?:the )?bottom\b|\btop to bottom\b", "down"),
    (r"\bfrom (?:the )?bottom to (?:the )?top\b|\bbottom to top\b", "up"),
    (r"\b(?:to|towards?) (?:the |its )?(left|right)(?: side| edge)?\b(?! of)", r"\1"),
    (r"\b(?:to|towards?) the (?:top|upper edge)\b(?! left| right)", "up"),
    (r"\b(?:to|towards?) the (?:bottom|lower edge)\b(?! left| right)", "down"),
    (r"\b(left|right|up|down)wards?\b", r"\1"),
    (r"\b(?:anti|counter)-?clockwise\b", "anticlockwise"),
    (r"\b(?:in|the)? ?(?:a )?(anticlockwise|clockwise) direction\b", r" \1"),
    (r"\b(\d) full turns?\b", lambda found: f"{360 * int(found[1])} degrees"),
    (r"\b(?:a )?full turn\b", "360 degrees"),
    (r"\b(?:a )?half(?: a)? turn\b|\bhalf way round\b", "180 degrees"),
    (r"\b(?:a )?quarter(?: of a)? turn\b", "90 degrees"),
    (r"(\d) ?°", r"\1 degrees"),
    (r"\b(\d+)(?: |-)degrees? (anticlockwise)\b", r"-\1 degrees"),
    (r"\b(\d+)(?: |-)degrees?(?: clockwise)?\b", r"\1 degrees"),
    *((rf"(?:\b{_any((*_GROW, *_SHRINK))} (?:to |by )?)?\b{_any(list(words))}\b(?: (?:its|in|the) (?:original )?size)?", f"grows to {by} times its size") for by, words in _DOUBLE.items()),
    (r"\b(?:half|0\.5)(?: of)? (?:of )?(?:its|the) (?:original )?size\b", "0.5 times its size"),
    (r"\ba third(?: of (?:its|the) (?:original )?size)?\b", "0.33 times its size"),
    (r"\b(?:get|gets|getting|become|becomes|becoming) (?=\d+ times)", "grows to "),
    (r"\b(?:get|gets|getting|become|becomes|becoming) (?:bigger|larger)\b", "grows"),
    (r"\b(?:get|gets|getting|become|becomes|becoming) smaller\b", "shrinks"),
    (r"\b(?:up and down|up & down)\b", ""),
    (rf"\b{_any((*_GO, *_SWAY))} (?:from side to side|from left and right|left and right|back and forth|to and fro)\b", "sways"),
    (r"\b(?:from side to side|back and forth|to and fro)\b", ""),
    (rf"\b{_any((*_GO, *_ORBIT, 'circle', 'circles', 'turns'))} ?,?(?: (?:once|1 times?))?(?: ({_CLOCK}))?(?: (?:once|1 times?))? (?:a)?round {_MIDDLE}(?: ?,? ({_CLOCK}))?",
     lambda found: f"orbits {found[1] or found[2] or WAY}"),
    (rf"\b{_any((*_ORBIT, 'circles', 'circle'))}(?: (?:once|1 times?))? ({_CLOCK})(?: (?:a)?round {_MIDDLE})?", r"orbits \1"),
    (rf"\b{_any(_ORBIT)}(?: (?:a)?round)? {_MIDDLE}", f"orbits {WAY}"),
    (r"\b(?:does not|doesn't|do not|don't|not) (?:move|moving)(?: at all)?\b", "stays"),
    (r"\b(?:stands|keeps|is|stand|keep|standing) (?:perfectly )?(?:still|fixed|motionless)\b", "stays"),
    (rf"\b{_any(_STAY)}(?: (?:put|still|in place|fixed|where it is|as it is|there|motionless|at rest|the same))*", "stays"),
    (rf"\b{_any(_FALL)}(?: down)?\b", "moves down"),
    (rf"\b{_any(_RISE)}(?: up)?\b", "moves up"),
    (rf"\b{_any(_GO)}(?: (?:straight|across|over|along)(?: the (?:picture|screen|canvas|film|frame|image))?)*(?: ?,)?(?= (?:{'|'.join(DIRECTIONS)})\b)", "moves"),
    (rf"\b{_any(_BOUNCE)}\b", "bounces"),
    (rf"\b{_any(_SWAY)}\b", "sways"),
    (r"\b(?:makes|make|making|does|do|doing) (?=-?\d+ degrees)", "turns "),
    (rf"\b{_any([word for word in _TURN if word not in ('turn',)])}\b(?! (?:{'|'.join(('red', 'blue', 'green', 'yellow', 'black', 'white'))}))", "turns"),
    (r"\bturn (?=-?\d+ degrees|once|the\b|a\b|an\b)", "turns "),
    (rf"\b{_any(_GROW)}\b", "grows"),
    (rf"\b{_any(_SHRINK)}\b", "shrinks"),
    (r"\b(\d+(?:\.\d+)?)[ -]?(?:seconds?|secs?|s)\b(?:[ -]long)?", r"\1s"),
    (r"\b(?:little|tiny) (?=[a-z#])", "small "),
    (r"\b(?:big|huge) (?=[a-z#])", "large "),
)  # fmt: skip
_VERBS = "moves|turns|grows|shrinks|bounces|sways|orbits"
# With marks: the verb behind its thing, what it does in one or two words, the background as "on P".
_AFTER = wordings(
    (rf"\b{_any(_GO)} ((?:(?:a|an|the|1|small|large) )*{_THING_MARK})((?: (?:that|which) \w+)?) ({'|'.join(DIRECTIONS)})\b", r"\1\2 moves \3"),
    (rf"\b({_THING_MARK})(?: ,| is)? ({'|'.join(DIRECTIONS)})\b", r"\1 moves \2"),
    (r"\b\d things? ?:? ?", ""),
    (rf"\b({_VERBS}) ((?:(?:a|an|the|1|small|large) )*{_THING_MARK})\b(?! (?:{_VERBS}|stays))", r"\2 \1"),
    (rf"\bmoves(?! (?:{'|'.join(DIRECTIONS)})\b)((?: {_THING_MARK}| a| the)*)", r"goes\1"),
    (rf"\bturns(?: by)?(?: {_CLOCK})? -(\d+) degrees\b", r"turns -\1"),
    (r"\bturns anticlockwise(?: by)? (\d+) degrees\b", r"turns -\1"),
    (r"\bturns(?: clockwise)?(?: by)? (\d+) degrees\b(?: ?,)?(?: clockwise)?", r"turns \1"),
    (r"(?<!turns )(-?\d+) degrees(?: ?,)?(?: clockwise)?(?! ?,? ?anti)", r"turns \1"),
    (r"(?:turns )?(\d+) degrees(?: ?,)? anticlockwise", r"turns -\1"),
    (r"\bturns (\d+) ?, anticlockwise", r"turns -\1"),
    (r"\bturns (\d) times?(?: (anti)?clockwise)?", lambda found: f"turns {'-' if found[2] else ''}{360 * int(found[1])}"),
    (r"\bturns anticlockwise (\d) times", lambda found: f"turns -{360 * int(found[1])}"),
    (r"\bturns clockwise (\d) times", lambda found: f"turns {360 * int(found[1])}"),
    (r"\bturns anticlockwise\b", f"turns -{TURN}"),
    (r"\bturns(?: clockwise)?(?! -?\d)\b", f"turns {TURN}"),
    (rf"\b(?:grows|shrinks)(?: (?:in size|to|by|until it is))* (\d+(?:\.\d+)?) {_SIZE}", r"resizes \1"),
    (r"\bshrinks (?:to|by) half\b", f"resizes {SHRUNK:g}"),
    (r"\bgrows\b(?: in size)?", f"resizes {GROWN:g}"),
    (r"\bshrinks\b(?: in size)?", f"resizes {SHRUNK:g}"),
    (r"\b(bounces|sways) (\d+) times?\b", r"\1 \2"),
    (r"\b(bounces|sways)(?! \d)\b", rf"\1 {TIMES}"),
    (r"\borbits (clockwise|anticlockwise)\b", r"circles \1"),
    (r"\borbits\b", f"circles {WAY}"),
    (rf"\b(?:on|against|over|in front of|with|has) (?:a |an |the )?(?:\w+ )?([{GROUNDS}])(?: (?:background|backdrop|canvas|screen))?\b", r"on \1"),
    (rf"\b(?:on |the )?(?:background|backdrop|screen|canvas)(?: should be| is| in|:| :| =)? ([{GROUNDS}])\b", r"on \1"),
    (rf"(?<!on )\b([{GROUNDS}]) (?:background|backdrop|canvas|screen)\b", r"on \1"),
    (r"\b(?:after that|afterwards|next|and then|, then)\b", "then"),
)  # fmt: skip

_MOTION = re.compile(
    rf"moves (?:{'|'.join(DIRECTIONS)})|bounces \d+|sways \d+|resizes \d+(?:\.\d+)?|turns -?\d+|circles {_CLOCK}|stays"
)
# The length of a film too: "2s" is one number of many.
ACTS = re.compile(rf"(?:{_MOTION.pattern})(?![\w.])|(?<![\w.])\d+(?:\.\d+)?s(?= |$)")
FILM_READING = Reading(_BEFORE, _AFTER, KNOWN, ACTS)
_TOKEN = re.compile(
    rf"(?P<motion>{_MOTION.pattern})|(?P<ground>on [{GROUNDS}])(?= |$)|(?P<length>\d+(?:\.\d+)?s)(?= |$)|(?P<waits>waits? (?:until|for))"
    rf"|(?P<size>small|large)(?= {_THING_MARK})|(?:\d+ )?(?P<thing>{_THING_MARK})(?= |$)|(?P<then>then|before)(?= |$)|(?P<after>after|once|when)(?= |$)"
    r"|(?P<first>first)(?= |$)|(?P<end>[.;!?])(?= |$)|(?P<word>\S+)"
)
# Words that are left where a film asks for what no plan has.
_LEFT = frozenset("goes up down left right degrees clockwise anticlockwise times time size".split())  # noqa: SIM905


@dataclass
class Asked:
    """What a prompt asks for, as far as it is read. motions, sizes: by mark. orders: (mark, mark), the first one before.

    left: words and numbers that nothing was made of.
    """

    marks: list[str] = field(default_factory=list)
    motions: dict[str, list[str]] = field(default_factory=dict)
    sizes: dict[str, str] = field(default_factory=dict)
    orders: list[tuple[str, str]] = field(default_factory=list)
    grounds: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def asked(said: str) -> Asked:
    """What a prompt, read with `FILM_READING`, asks for: each motion of the thing that was named last."""
    found = Asked()
    subject, waiting, size, link, first = "", "", "", "", ""
    for token in _TOKEN.finditer(said):
        kind, text = str(token.lastgroup), token[0]
        match kind:
            case "thing":
                mark = token["thing"]
                if mark not in found.marks:
                    found.marks.append(mark)
                if size:
                    found.sizes[mark] = size
                if waiting:
                    found.motions.setdefault(mark, []).append(waiting)
                if link and subject and subject != mark:
                    found.orders.append((subject, mark) if link == "then" else (mark, subject))
                    link = ""
                elif first and first != mark and link == "then":
                    found.orders.append((first, mark))
                    link = ""
                subject, waiting, size = mark, "", ""
            case "motion":
                if link == "then" and subject:
                    found.left.append("then")  # one thing after another of the same thing: no plan has that
                if subject:
                    found.motions.setdefault(subject, []).append(text)
                else:
                    waiting = text
            case "size":
                size = text
            case "ground":
                found.grounds.append(text[-1])
            case "length":
                found.seconds.append(float(text[:-1]))
            case "then":
                link = "then"
            case "after" | "waits":
                link = "after"
            case "first":
                first = ""
            case "end":
                continue
            case _:
                if text in _LEFT or re.fullmatch(rf"-?\d[\d.]*|[{GROUNDS}]", text):
                    found.left.append(text)
    if link:
        found.left.append(link)
    return found


def motions_said(said: str) -> set[str]:
    """The names of all motions in a prompt, of whatever thing."""
    return {found[0].partition(" ")[0] for found in _MOTION.finditer(said)}


def doubt(plan: FilmPlan, prompt: Prompt) -> str | None:
    """Why a plan is hardly what a prompt asks for, as a sentence; None where both say the same.

    What the prompt leaves open a plan may choose: the background, the length, motions that it doesn't mention.
    """
    read = asked(prompt.plain)
    if strange := stranger(prompt.plain, KNOWN) or contrary(prompt.plain):
        return strange
    if read.left:
        return f"Of the prompt, '{read.left[0]}' isn't in this film."
    marks = {prompt.thing(mark): mark for mark in read.marks}
    if len(plan.actors) != len(marks) or any(prompt.count(mark) != 1 for mark in read.marks):
        return "The film shows more things than the prompt names, or fewer."
    by_number: list[str] = []
    for actor in plan.actors:
        mark = marks.get((actor.kind, actor.colour)) or marks.get((actor.kind, ""))
        if mark is None or mark in by_number:
            return f"The prompt doesn't name the {actor.colour} {actor.kind}."
        by_number.append(mark)
        said = [text(motion) for motion in actor.motions if motion.name != "stays"]
        wanted = [motion for motion in read.motions.get(mark, []) if motion != "stays"]
        if sorted(said) != sorted(wanted):
            return f"The {actor.kind} does something else than the prompt says."
        if actor.size != read.sizes.get(mark, ""):
            return f"The {actor.kind} has another size than the prompt says."
    if sorted((by_number[one], by_number[other]) for one, other in plan.orders) != sorted(set(read.orders)):
        return "The order of the motions isn't the one that the prompt says."
    grounds = {prompt.ground(mark) for mark in read.grounds}
    if grounds != ({plan.background} if plan.background else set()):
        return "The background isn't the one that the prompt says."
    if set(read.seconds) != ({plan.seconds} if plan.seconds else set()):
        return "The film isn't as long as the prompt says."
    return None


def text(motion: Motion) -> str:
    """A motion as a plan writes it."""
    return f"{motion.name} {motion.value}".strip()
