"""How people ask for pictures, in the words of plans: "in the upper left corner", "on top of", "side by side in a row".

Exact, so it needn't be learnt; and read a second time by `asked`, which says what a prompt asks of what, so that a
plan that says something else can be doubted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from edge_runtime.media.picture_plan import ARRANGED, CANVASES, PLACES, RELATIONS, SIZES, Plan
from edge_runtime.media.prompts import GROUNDS, NAMES, THINGS, Prompt, Reading, wordings
from edge_runtime.media.words import contrary, stranger

_OTHER_KNOWN = """left right top bottom upper lower middle centre center centred centered corner side above below under
    underneath beneath over inside within bigger larger smaller greater higher lower wide tall high format landscape
    portrait canvas square row rows column columns vertical horizontal line beside background backdrop says saying say
    reads read reading word words text written writes label labelled stand stands standing arranged lined nothing else
    everything leave leaves only them than white-on-black placed centred sits sitting lies lying hangs floating 1:1
    vertically horizontally stacked aligned middle lettering caption sign""".split()  # noqa: SIM905
KNOWN = frozenset((*NAMES, *_OTHER_KNOWN))
_MARK = rf"[{THINGS}]"
_OF_PICTURE = r"(?: (?:of|in) (?:the |an? )?(?:picture|image|canvas|page|frame|screen))?"
_BEFORE = wordings(
    (r"\bin (?:a )?(?:wide|landscape) (?:format|canvas)\b|\bon a canvas that is wider than high\b|\b(?:as|in) (?:a )?landscape\b|\bwide (?=picture|image|canvas|format)|\blandscape(?= picture| image| format| canvas|[,:])", "wide "),
    (r"\bin (?:a )?(?:tall|portrait) (?:format|canvas)\b|\bon a canvas that is higher than wide\b|\b(?:as|in) (?:a )?portrait\b|\btall (?=picture|image|canvas|format)|\bportrait(?= picture| image| format| canvas|[,:])", "tall "),
    (r"\bon a canvas as wide as high\b|\b(?:in the format )?1:1(?!\d)|\b(?:on|with) a square canvas\b|\bsquare (?=picture|image|format|canvas)", "canvas square "),
    (r"\b(?:to the|on the|at the|to)? ?(left|right)(?:[ -]hand)?(?: side)? (?:of|from)\b(?! the (?:picture|image|canvas|page))", r" \1 of"),
    (r"\b(?:in|at|on|into) (?:the )?(?:very )?(?:middle|centre|center)\b" + _OF_PICTURE + "|, ?cent(?:re|er)e?d\\b|\\bcent(?:re|er)e?d\\b", " middle"),
    (r"\b(?:in|at|on|into) (?:the )?(?:top|upper)[ -](left|right)(?:[ -]hand)?(?: corner| side)?\b" + _OF_PICTURE, r"top \1"),
    (r"\b(?:in|at|on|into) (?:the )?(?:bottom|lower)[ -](left|right)(?:[ -]hand)?(?: corner| side)?\b" + _OF_PICTURE, r"bottom \1"),
    (r"\b(?:in|at|on) (?:the )?(left|right)[ -](?:top|upper) corner\b" + _OF_PICTURE, r"top \1"),
    (r"\b(?:in|at|on) (?:the )?(left|right)[ -](?:bottom|lower) corner\b" + _OF_PICTURE, r"bottom \1"),
    (r"\b(?:on|at|in|to) the (left|right)(?:[ -]hand)?(?: (?:side|edge|half))?\b(?! of)" + _OF_PICTURE, r"\1"),
    (r"\b(?:on|at|in|to) the (left|right)(?:[ -]hand)?(?: (?:side|edge|half))? of the (?:picture|image|canvas|page|frame)", r"\1"),
    (r"\b(?:at|near|in) the (top|bottom)(?: edge| half)?\b(?! of (?!the (?:picture|image|canvas|page)))" + _OF_PICTURE, r"\1"),
    (r"\b(?:directly |right |just )?(?:higher up than|on top of|over|higher than)\b", "above"),
    (r"\b(?:directly |right |just )?(?:lower down than|lower than|under(?:neath)?|beneath)\b", "below"),
    (r"\bwithin\b|\bin the inside of\b|\binside of\b", "inside"),
    (r"\b(?:larger|greater) than\b", "bigger than"),
    (r"\b(?:(?:stand|are|standing|stacked|arranged|placed|lined up|that are) )?(?:vertically )?(?:1 below the other|1 above the other|in (?:a|1) (?:vertical )?column)\b", "column"),
    (r"\b(?:(?:stand|are|standing|arranged|placed|lined up|that are) )?(?:side by side |next to each other )?in (?:a|1) (?:horizontal )?row\b", "row"),
    (r"\ba column of (?=\d|some)", "column : "),
    (r"\b(?:a )?row of (?=\d|some)", "row : "),
    (r"\b(?:little|tiny) (?=[a-z#])", "small "),
    (r"\b(?:big|huge) (?=[a-z#])", "large "),
)  # fmt: skip
_AFTER = wordings(
    (rf"\b(?:on|against|with|has|have|over|above) (?:an? |the )?([{GROUNDS}])(?: (?:background|backdrop|canvas))?\b", r"on \1"),
    (rf"\b(?:on |the |with )?(?:background|backdrop|canvas)(?: (?:should be|is|are|in)| ?[:=])? ([{GROUNDS}])\b", r"on \1"),
    (rf"(?<!on )\b(?:an? )?([{GROUNDS}]) (?:background|backdrop|canvas)\b", r"on \1"),
    (r"\b(?:says|say|saying|reads|reading|writes|write|written|word|words|text|label|labelled|caption|lettering|sign)(?: ?:)?(?= \[)", "says"),
)  # fmt: skip
# Longer ones first: "left of" begins with "left". Canvases stay words: where they stand doesn't tell that they are.
ACTS = re.compile(rf"\b(?:{'|'.join((*RELATIONS, *PLACES, *ARRANGED, *SIZES))})(?= |$)")
PICTURE_READING = Reading(_BEFORE, _AFTER, KNOWN, ACTS)
_MADE_OF = re.compile(rf"\b({_MARK}) (?:made )?of (?:\d+ )?{_MARK}\b")
_OPPOSITE = {"right of": "left of", "below": "above"}
_TOKEN = re.compile(
    rf"(?P<relation>{'|'.join(RELATIONS)})(?= )|(?P<ground>on [{GROUNDS}])(?= |$)|(?P<canvas>canvas square|wide|tall)(?= |$)"
    rf"|(?:(?P<many>\d+) )?(?P<size>{'|'.join(SIZES)})(?= {_MARK})|(?P<place>{'|'.join((*PLACES, *ARRANGED))})(?= |$)"
    rf"|(?:(?P<count>\d+) )?(?P<thing>{_MARK})(?= |$)|(?P<quote>\[\d\])|(?P<it>it)(?= |$)|(?P<end>[.;!?])(?= |$)|(?P<word>\S+)"
)


@dataclass
class Asked:
    """What a prompt asks for, as far as it is read. traits: (mark, trait); relations: (mark, how, mark).

    left: words and numbers that nothing was made of.
    """

    marks: list[str] = field(default_factory=list)
    traits: set[tuple[str, str]] = field(default_factory=set)
    relations: set[tuple[str, str, str]] = field(default_factory=set)
    grounds: set[str] = field(default_factory=set)
    canvases: set[str] = field(default_factory=set)
    quotes: set[str] = field(default_factory=set)
    left: list[str] = field(default_factory=list)


def asked(prompt: Prompt) -> Asked:
    """What a prompt, read with `PICTURE_READING`, asks for: a place is of the thing that was named last."""
    found = Asked()
    subject, size, many, relation = "", "", "", ""
    waiting: list[str] = []  # places that came before their thing
    for token in _TOKEN.finditer(prompt.plain):
        text = token[0]
        match str(token.lastgroup):
            case "thing":
                mark = token["thing"]
                count, many = token["count"] or many, ""
                if count and mark in found.marks and int(count) != prompt.count(mark):
                    found.left.append(count)
                if mark not in found.marks:
                    found.marks.append(mark)
                found.traits |= {(mark, trait) for trait in (*waiting, *([size] if size else ()))}
                if relation and subject.startswith("["):
                    found.left += [relation] if relation != "below" else []  # words stand below all things
                elif relation and subject:
                    found.relations.add(_plain(subject, relation, mark))
                subject, size, relation = mark, "", ""
                waiting.clear()
            case "relation":
                relation = text
                if not subject:
                    found.left.append(text)
            case "size":
                size, many = token["size"], token["many"] or ""
            case "place":
                if subject in found.marks:
                    found.traits.add((subject, text))
                else:
                    waiting.append(text)
            case "ground":
                found.grounds.add(text[-1])
            case "canvas":
                found.canvases.add(text.removeprefix("canvas "))
            case "quote":
                found.quotes.add(text)
                found.left += [relation] if relation not in ("", "above") else []
                subject, relation = subject if relation else text, ""
            case "it" if relation == "above" and found.quotes:
                relation = ""
            case "end":
                subject = relation = ""
            case _:
                if re.fullmatch(rf"-?\d[\d.]*|[{GROUNDS}]|corners?", text):
                    found.left.append(text)
    if relation or waiting:
        found.left.append(relation or waiting[0])
    return found


def doubt(plan: Plan, prompt: Prompt) -> str | None:
    """Why a plan is hardly what a prompt asks for, as a sentence; None where both say the same."""
    if strange := stranger(prompt.plain, KNOWN) or contrary(prompt.plain):
        return strange
    if made := _MADE_OF.search(prompt.plain):
        return f"A {prompt.things[THINGS.index(made[1])][0]} made of other things can't be drawn here."
    read = asked(prompt)
    if read.left:
        return f"Of the prompt, '{read.left[0]}' isn't in this picture."
    marks = {prompt.thing(mark): mark for mark in read.marks}
    by_number: list[str] = []
    traits: set[tuple[str, str]] = set()
    for group in plan.groups:
        mark = marks.get((group.kind, group.colour)) or marks.get((group.kind, ""))
        if mark is None or mark in by_number:
            return f"The prompt doesn't name the {group.colour} {group.kind}."
        if group.count != prompt.count(mark):
            return f"The prompt asks for {prompt.count(mark)} x {group.kind}, and the picture shows {group.count}."
        by_number.append(mark)
        traits |= {(mark, trait) for trait in group.traits}
    if len(by_number) < len(marks):
        return "The prompt names more things than the picture shows."
    relations = {_plain(by_number[one], how, by_number[other]) for one, how, other in plan.relations}
    if traits != read.traits or relations != read.relations:
        return "The things have other sizes or places than the prompt says."
    if {prompt.ground(mark) for mark in read.grounds} != ({plan.background} if plan.background else set()):
        return "The background isn't the one that the prompt says."
    if read.canvases != ({plan.canvas} if plan.canvas else set()) or not read.canvases <= set(CANVASES):
        return "The canvas isn't the one that the prompt says."
    if {prompt.quote(mark) for mark in read.quotes} != set(plan.words):
        return "The words aren't those that the prompt says."
    return None


def _plain(one: str, how: str, other: str) -> tuple[str, str, str]:
    """The same with "left of" or "above"."""
    return (other, _OPPOSITE[how], one) if how in _OPPOSITE else (one, how, other)
