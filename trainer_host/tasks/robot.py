"""Task `robot`: a command in a home, in words, and the calls of Home Assistant's intents that it means.

By default the teacher only rewords: it gets a sentence of the built-in grammar, whose calls are known, and finds
other words for it. Those must name the same things and values, say the same action, and be such that the device's
own resolver can give exactly these calls. A small model can do that. With the option `mode` = "free" the teacher
sees the home and writes both the sentence and the calls.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Sequence
from typing import cast

from edge_runtime.errors import BadRequest
from edge_runtime.home.inventory import Home, parse_home
from edge_runtime.home.resolve import Call
from edge_runtime.home.words import tokenize
from edge_runtime.tasks.robot import HOME, PACKS, REQUEST_SCHEMA, RESPONSE_SCHEMA, TOKENS, Request, parse_request
from trainer_host.errors import DataError
from trainer_host.tasks import Example, Json, Prompt, Rejected, TaskSpec, canonical
from trainer_host.tasks import robot_free as free
from trainer_host.tasks.phrases import Grouped, enter
from trainer_host.tasks.robot_calls import as_json, read_calls, same_calls
from trainer_host.tasks.robot_forms import forms
from trainer_host.tasks.robot_labels import Labels, carried_over, guessed, one_action
from trainer_host.tasks.robot_meaning import INTENTS, check_actions, check_meaning
from trainer_host.tasks.wording import check_copies, check_echo, check_length, check_wording, one_line, text_of
from trainer_host.teacher.home.generate import Example as Made
from trainer_host.teacher.home.generate import make, templates_of
from trainer_host.teacher.home.homes import generate_home
from trainer_host.teacher.home.say import Scene

_SYSTEM = "You write commands as people say them to their home. Keep every name, room and number."
_TONES = ("polite", "short", "in a hurry", "friendly", "as a question", "relaxed", "formal", "tired")
# Slips are left to the trainer: the resolver that checks a sentence must find its names.
_NOISE = ("neat", "casual", "casual", "voice")
_LONGEST = 18  # words of a sentence that is given to reword; longer ones have asides that a rewording drops
_SPARE = 8  # words more than half as many again that a rewording may have; longer ones ramble
_SHOWN, _TRIED = 3, 9  # ways to say it, besides the sentence; how many are checked to find them
_BARE = 0.85  # share of sentences without such ways that are passed over: with few samples a small teacher is lost
_IN_A_ROOM = 0.65  # share of speakers whose room is known, as in the built-in grammar
_HOMES, _SENTENCES = 50, 40  # tries; about one sentence in three can be reworded safely
_HELD_OUT = 0.1  # share of built-in sentences from templates that the grammar's own datasets hold out

_ANSWER: Json = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "required": ["text"],
    "additionalProperties": False,
}
_OUTPUT: Json = {
    "type": "object",
    "properties": {
        "calls": RESPONSE_SCHEMA["properties"]["calls"],  # type: ignore[index]
        "question": {"type": ["string", "null"]},
    },
    "required": ["calls", "question"],
    "additionalProperties": False,
}


class RobotSpec(TaskSpec):
    """See the module. mode: "reword" or "free"."""

    name = "robot"
    metric = "exact action"
    max_tokens = 120
    temperature = 0.8

    def __init__(self, mode: str = "reword") -> None:
        self._free = mode == "free"
        self.prompt_version = f"robot-{mode}-1"
        self.answer_schema = free.ANSWER if self._free else _ANSWER
        if self._free:
            self.max_tokens = 400
        self.example_schema: Json = {
            "type": "object",
            "properties": {"input": REQUEST_SCHEMA, "output": _OUTPUT},
            "required": ["input", "output"],
            "additionalProperties": False,
        }

    def draw(self, rng: random.Random) -> Json:
        """A home, who speaks where and how; and a sentence with its calls, or what a new one should be about."""
        manner: Json = {"tone": rng.choice(_TONES), "noise": rng.choice(_NOISE), "seed": rng.getrandbits(32)}
        for _ in range(_HOMES):
            inventory = generate_home(rng)
            if self._free:
                drawn = free.draw(inventory, rng)
            else:
                drawn = _draw_sentence(inventory, rng)
            if drawn is not None:
                return {**drawn, **manner}
        raise AssertionError(f"none of {_HOMES} generated homes has a sentence that can be reworded")

    def prompt(self, drawn: Json) -> Prompt:
        """A list of ways to say one command, to be continued; in free mode the home and what it is about."""
        if self._free:
            return free.prompt(drawn)
        ways = [str(drawn["sentence"]), *_texts(drawn["samples"])]
        listed = "\n".join(json.dumps({"text": way}, ensure_ascii=False) for way in ways)
        return Prompt(_SYSTEM, f"{_opening(drawn)}:\n{listed}\nWrite the next one.")

    def verify(self, drawn: Json, answers: list[Json]) -> Example:
        """The sentence with its calls, if it surely means them."""
        answer = answers[0]
        text = one_line(answer.get("text"), "sentence")
        check_wording(text, "sentence")
        request = _request({"text": text, "inventory": drawn["inventory"], "context": {"area": drawn["area"]}})
        if self._free:
            calls = free.calls_of(answer.get("calls"), drawn, request.home)
            check_actions(text, calls, request.home)
            free.check_said(text, calls, request.home)
        else:
            calls = read_calls(drawn["calls"], request.home)
            sentence = str(drawn["sentence"])
            check_copies(text, [sentence, *_texts(drawn["samples"])], "sentence")
            check_echo(text, f"{_SYSTEM} {_opening(drawn)}", "sentence")
            check_length(text, 1, len(tokenize(sentence)) * 3 // 2 + _SPARE, "sentence")
            check_meaning(text, sentence, calls, request.home)
        text = enter(text, str(drawn["noise"]), random.Random(f"robot {drawn['seed']}"))
        labels = self._labels(text, drawn, request, calls)
        if labels is None and len({call.name for call in calls}) == 1:
            raise Rejected(
                "words don't give the calls",
                "A device would not find these calls in the sentence; name things, rooms and values plainly.",
            )
        made: Json = {"text": text, "context": _context(request.here), "inventory": drawn["inventory"]}
        template = drawn.get("template")
        return Grouped(
            made,
            {"calls": as_json(calls), "question": None},
            group=str(template) if template else None,
            meta={} if labels is None else {"labels": labels},
        )

    def _labels(self, text: str, drawn: Json, request: Request, calls: Sequence[Call]) -> Labels | None:
        if self._free:
            return guessed(text, request.home, request.here, calls)
        labels = cast(Labels, drawn["labels"])
        return carried_over(text, str(drawn["sentence"]), labels, request.home, request.here, calls)

    def check(self, example: Example) -> None:
        """Schema, wording, and calls that can be executed in the home; whether the words mean them is the writer's word."""
        if not example.input.keys() <= {"text", "context", "inventory"} or example.output.keys() != {
            "calls",
            "question",
        }:
            raise Rejected("wrong format", "A row holds text, context and inventory, and as output calls and question.")
        text = text_of(example.input.get("text"), "sentence")
        request = _request(example.input)
        if not tokenize(text) or len(tokenize(text)) > TOKENS:
            raise Rejected("too long", f"The sentence must have 1 to {TOKENS} words and marks.")
        check_wording(text, "sentence")
        calls = read_calls(example.output["calls"], request.home)
        question = example.output["question"]
        if question is not None and (not isinstance(question, str) or not question.strip() or calls):
            raise Rejected("wrong format", "The question must be null, or a sentence where there are no calls.")

    def key(self, example: Example) -> str:
        """The home, the room and the words."""
        home = hashlib.sha256(canonical(example.input.get("inventory")).encode("utf-8", "replace")).hexdigest()[:12]
        return f"{home} {_area(example.input) or ''} {' '.join(tokenize(str(example.input['text'])))}"

    def score(self, wanted: Json, got: Json) -> float:
        """1 where the same things are moved in the same way, or where both ask instead."""
        asks = bool(wanted.get("question")) == bool(got.get("question"))
        return float(asks and same_calls(wanted["calls"], got.get("calls")))

    def built_in(self, rng: random.Random) -> Example:
        """A sentence of the home grammar in a new home, with the labels of its words."""
        side = rng.random() < _HELD_OUT
        for _ in range(_HOMES):
            inventory = generate_home(rng)
            home = parse_home(inventory)
            for _ in range(_SENTENCES):
                here = rng.choice(home.areas) if rng.random() < _IN_A_ROOM else None
                made = make(Scene(home, here, rng), home, 0, side, Counter())
                if made is not None and _speaks(made.text):
                    return Grouped(
                        {"text": made.text, "context": _context(made.here), "inventory": inventory},
                        {"calls": made.calls, "question": made.question},
                        group=_template(made),
                        meta={"labels": made.labels, "template": made.template},
                    )
        raise AssertionError(f"none of {_HOMES} generated homes has a sentence")

    def group(self, example: Example) -> str | None:
        """The grammar's template that a sentence, or the one that was reworded, was made from."""
        return example.group if isinstance(example, Grouped) else None

    def difficulty(self, example: Example) -> float:
        """Grows with calls, targets, words, a room that isn't named, and a question back."""
        calls = example.output["calls"]
        assert isinstance(calls, list)
        targets = sum(len(call["targets"]) for call in calls)
        tokens = tokenize(str(example.input["text"]))
        implied = bool(_area(example.input)) and not _names_a_room(tokens, example.input["inventory"])
        hard = 0.15 * max(0, len(calls) - 1) + 0.05 * max(0, targets - 1) + 0.4 * len(tokens) / TOKENS
        return min(1.0, hard + 0.15 * implied + 0.2 * bool(example.output["question"]))


def _draw_sentence(inventory: Json, rng: random.Random) -> Json | None:
    """A sentence of the grammar whose words surely mean its calls, and other ways to say it; None where none was found."""
    home = parse_home(inventory)
    for _ in range(_SENTENCES):
        here = rng.choice(home.areas) if rng.random() < _IN_A_ROOM else None
        made = make(Scene(home, here, rng), home, 0, False, Counter())
        if made is None or made.question or not made.calls or len(tokenize(made.text)) > _LONGEST:
            continue
        names = {str(call["name"]) for call in made.calls}
        if len(names) > 1 or not names <= INTENTS or not _speaks(made.text):
            continue
        calls = read_calls(made.calls, home)
        request = Request(made.text, made.here, home)
        if not one_action(made.labels) or not _means(made.text, made, request, calls):
            continue
        others = [way for way in forms(calls[0], home, tokenize(made.text)) if len(calls) == 1]
        ways = [way for way in rng.sample(others, min(len(others), _TRIED)) if _means(way, made, request, calls)]
        if len(ways) < _SHOWN and rng.random() < _BARE:
            continue
        return {
            "inventory": inventory, "area": made.here, "sentence": made.text, "calls": made.calls,
            "labels": made.labels, "samples": ways[:_SHOWN], "template": _template(made),
        }  # fmt: skip
    return None


def _template(made: Made) -> str | None:
    """The first of the sentence's templates: what decides on which side of a split it falls."""
    return next(iter(templates_of(made.template)), None)


def _speaks(text: str) -> bool:
    """Whether a sentence of the grammar passes the rules for wording; a few openings read like a refusal."""
    try:
        check_wording(text, "sentence")
    except Rejected:
        return False
    return True


def _means(text: str, made: Made, request: Request, calls: Sequence[Call]) -> bool:
    """Whether `text` would be accepted for a sentence of the grammar; it itself, too, may say its action in no plain word."""
    try:
        check_meaning(text, made.text, calls, request.home)
    except Rejected:
        return False
    return carried_over(text, made.text, made.labels, request.home, request.here, calls) is not None


def _request(raw: Json) -> Request:
    context = raw.get("context")
    area = context.get("area") if isinstance(context, dict) else None
    try:
        request = parse_request({**raw, "context": {"area": area} if area else {}})
    except BadRequest as cause:
        raise Rejected("wrong format", str(cause)) from None
    if area and request.here is None:
        raise Rejected("wrong format", f"The home has no area with the id {str(area)[:60]!r}.")
    return request


def _context(area: str | None) -> Json:
    return {"area": area} if area else {}


def _area(made: Json) -> str | None:
    context = made.get("context")
    area = context.get("area") if isinstance(context, dict) else None
    return area if isinstance(area, str) else None


def _names_a_room(tokens: Sequence[str], inventory: object) -> bool:
    said = " ".join(tokens)
    home: Home = parse_home(inventory)
    return any(" ".join(tokenize(area.name)) in said for area in home.areas)


def _opening(drawn: Json) -> str:
    return f"Commands for a home that all mean the same, {drawn['tone']}"


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def spec(options: Json) -> RobotSpec:
    """The robot's spec; option `mode`: "reword" (default: the teacher only rewords) or "free" (for big models).

    Option `pack` may only say home-en here: robot-en is written by the built-in teacher alone, see `enigma teach`.
    """
    if extra := sorted(options.keys() - {"mode", "pack"}):
        raise DataError(f"The task robot has no option '{extra[0][:40]}'; it knows mode and pack.")
    mode, pack = options.get("mode", "reword"), options.get("pack", HOME.name)
    if mode not in ("reword", "free"):
        raise DataError("The option mode of the task robot is reword or free.")
    if pack not in PACKS:
        raise DataError(f"The option pack of the task robot is {' or '.join(PACKS)}.")
    if pack != HOME.name:
        raise DataError(
            f"Pack {pack} is written by the built-in teacher, and alone: enigma teach --task robot --option robot.pack={pack}."
        )
    return RobotSpec(str(mode))
