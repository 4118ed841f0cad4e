"""Task `router`: a person's message gets the label of the task, or the desk, that should answer it.

The label is drawn before the teacher is asked, and the teacher writes only the text, so that even a small model
can do it. Typing slips and the marks that speech recognition leaves out are added afterwards, by code.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass

from edge_runtime.tasks import text as router_text
from edge_runtime.tasks.router import MAX_CHARS, REQUEST_SCHEMA
from trainer_host.errors import DataError
from trainer_host.tasks import Example, Json, Prompt, Rejected, TaskSpec
from trainer_host.tasks.phrases import NOISE, TEMPLATE, Grouped, enter, fill, fillers, templates
from trainer_host.tasks.router_reading import PACKAGE, drift
from trainer_host.tasks.stop_words import LANGUAGES
from trainer_host.tasks.wording import (
    check_copies,
    check_echo,
    check_length,
    check_wording,
    one_line,
    share_kept,
    text_of,
)

MAX_LABELS = 64
# What each task does, as the teacher is told it.
TASK_LABELS = {
    "chat": "talk, ask about the world, ask for advice or a text",
    "code": "write, explain or fix a computer program",
    "vision": "say what is in a photo that they send",
    "avatar": "make a cartoon character smile, nod, wave or look somewhere",
    "image_gen": "draw or paint a picture",
    "audio_gen": "make a sound, a melody or a spoken recording",
    "video_gen": "make a video or an animation",
    "3d_gen": "make a 3D model or a part to print",
    "game": "choose the next move in a game",
    "robot": "switch a light, a lock or a blind at home, or move a robot",
    "math": "calculate or solve a math problem",
    "router": "sort a message under a label, like spam or billing",
}
_PERSONAS = (
    "a nurse", "a ten-year-old", "a retired teacher", "a taxi driver", "a student", "a farmer", "a lawyer", "a parent",
    "a tourist", "an engineer", "a shop owner", "a musician", "a grandmother", "a football fan", "a cook", "a plumber",
)  # fmt: skip
_TONES = (
    "friendly", "in a hurry", "polite", "annoyed", "cheerful", "unsure", "dry", "curious", "formal", "slangy", "blunt",
)  # fmt: skip
# How a prompt says a length, and the words that a message may then have. The bounds are wide: a small teacher
# doesn't count, and a good message of another length is still a good message.
_LENGTHS = {"Short messages": (2, 20), "Messages": (2, 30), "Long messages": (4, 60)}
_SHOWN = 4  # sample texts in a prompt
# Nats by which another label may fit better, see `router_reading`: little for a teacher, whose text can drift while
# its label can't, and much for a finished row, whose label somebody chose.
_DRIFT, _SURE = 3.0, 12.0
_COPIED = 0.9  # share of word pairs from one sample at which a text is that sample with a word changed
_PLAIN = 0.35  # share of built-in texts without any noise but a capital and a mark

# Labels under which nobody merely states something; there, a sentence like "The answer is 12" is the teacher's own answer.
_ASKED = frozenset({"math", "vision", "code", "router", "image_gen", "video_gen", "3d_gen", "audio_gen"})
_STATES = re.compile(
    r"(?:the|this|that|it|these|they|there|here)\b.*?\b(?:is|are|was|were|equals|has|have|shows)\b", re.I
)
_REQUESTS = re.compile(
    r"\?|\b(?:what|which|how|who|where|why|when|can|could|please|want|need|make|find|calculate|solve|show|tell|give"
    r"|draw|create|write|read|say|sort|fix|count)\b",
    re.IGNORECASE,
)

_SYSTEM = "You write messages as people type them to a computer. Write the message only. Never answer it."
_ANSWER: Json = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "required": ["text"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Options:
    """labels: name -> what people want who get it. own: whether these are a person's, and not the twelve tasks.

    language: ISO 639-1; the built-in grammar speaks English alone.
    """

    labels: Mapping[str, str]
    own: bool
    language: str = "en"


class RouterSpec(TaskSpec):
    """See the module."""

    name = "router"
    prompt_version = "router-1"
    metric = "accuracy"
    answer_schema = _ANSWER
    max_tokens = 120
    temperature = 0.8

    def __init__(self, options: Options) -> None:
        self._options = options
        self._labels = tuple(options.labels)
        self.example_schema: Json = {
            "type": "object",
            "properties": {
                "input": REQUEST_SCHEMA,
                "output": {
                    "type": "object",
                    "properties": {"label": {"type": "string", "enum": list(self._labels)}},
                    "required": ["label"],
                    "additionalProperties": False,
                },
            },
            "required": ["input", "output"],
            "additionalProperties": False,
        }

    def draw(self, rng: random.Random) -> Json:
        """A label, who writes how, and, for the twelve tasks, texts of the built-in grammar for the teacher to vary."""
        label = rng.choice(self._labels)
        samples: list[str] = []
        template = None
        if not self._options.own and self._options.language == "en":
            lines = rng.sample(templates(PACKAGE, f"{label}.txt"), _SHOWN)
            samples = [fill(line, fillers(PACKAGE), rng) for line in lines]
            template = f"{label}: {lines[0]}"
        return {
            "label": label,
            "topic": rng.choice(fillers(PACKAGE)["topic"]),
            "persona": rng.choice(_PERSONAS),
            "tone": rng.choice(_TONES),
            "length": rng.choice(tuple(_LENGTHS)),
            "noise": rng.choice(NOISE),
            "seed": rng.getrandbits(32),
            "samples": samples,
            "template": template,
        }

    def prompt(self, drawn: Json) -> Prompt:
        """Short and concrete: what such people want, what they wrote, and how this one writes."""
        samples = "".join(
            f"\n{json.dumps({'text': sample}, ensure_ascii=False)}" for sample in _strings(drawn["samples"])
        )
        return Prompt(
            _SYSTEM,
            f"{self._opening(drawn)}{':' if samples else '.'}{samples}\nWrite {'the next' if samples else 'a new'} one.",
        )

    def verify(self, drawn: Json, answers: list[Json]) -> Example:
        """The teacher's text, as the drawn person enters it, under the drawn label."""
        label, samples = str(drawn["label"]), _strings(drawn["samples"])
        text = one_line(answers[0].get("text"), "message")
        check_length(text, *_LENGTHS[str(drawn["length"])], "message")
        check_copies(text, samples, "message")
        if any(share_kept(sample, text) >= _COPIED for sample in samples):
            raise Rejected("copied", "The message is one that was given, with a word changed; write another one.")
        check_echo(text, f"{_SYSTEM} {self._opening(drawn)}", "message")
        self._check_text(text, label, _DRIFT)
        if label in _ASKED and _STATES.match(text) and not _REQUESTS.search(text):
            raise Rejected("an answer", "The message states something; write what a person asks or wants done.")
        text = enter(text, str(drawn["noise"]), random.Random(f"router {drawn['seed']}"))
        template = drawn["template"]
        return Grouped({"text": text}, {"label": label}, group=template if isinstance(template, str) else None)

    def check(self, example: Example) -> None:
        """Schema, wording and, for the twelve tasks, that the text doesn't surely belong to another one."""
        label = example.output.get("label")
        if example.input.keys() != {"text"} or example.output.keys() != {"label"}:
            raise Rejected("wrong format", 'A row holds {"text"} as input and {"label"} as output, no more.')
        if not isinstance(label, str) or label not in self._options.labels:
            raise Rejected("unknown label", f"The label must be one of {', '.join(self._labels)}.")
        text = text_of(example.input["text"], "message")
        if len(text) > MAX_CHARS:
            raise Rejected("too long", f"The message has {len(text)} characters; a router reads at most {MAX_CHARS}.")
        self._check_text(text, label, _SURE)

    def key(self, example: Example) -> str:
        """The words, as a router reads them."""
        return " ".join(router_text.words(str(example.input["text"])))

    def score(self, wanted: Json, got: Json) -> float:
        """1 where the label is the right one."""
        return float(wanted["label"] == got.get("label"))

    def built_in(self, rng: random.Random) -> Example:
        """A sentence of the grammar, entered neatly, carelessly or by voice.

        Raises `DataError` for a person's own labels: nobody but a teacher knows what is said under them.
        """
        if self._options.own or self._options.language != "en":
            raise DataError(
                "The built-in grammar knows the twelve tasks in English alone; for labels of your own, "
                "or another language, name a teacher with --provider."
            )
        label = rng.choice(self._labels)
        line = rng.choice(templates(PACKAGE, f"{label}.txt"))
        text = fill(line, fillers(PACKAGE), rng)
        how = "neat" if rng.random() < _PLAIN else rng.choice(NOISE)
        group = f"{label}: {line}"
        return Grouped({"text": enter(text, how, rng)}, {"label": label}, group=group, meta={TEMPLATE: group})

    def stratum(self, example: Example) -> str:
        """The label."""
        return str(example.output["label"])

    def group(self, example: Example) -> str | None:
        """The template that an example was made from, or that its teacher was shown first; None for a person's."""
        return example.group if isinstance(example, Grouped) else None

    def _check_text(self, text: str, label: str, drift_allowed: float) -> None:
        if not router_text.words(text):
            raise Rejected("empty", "The message has no word to go by.")
        check_wording(text, "message", self._options.language)
        if text.strip(' .!?"').lower() in {label.lower(), self._options.labels[label].lower()}:
            raise Rejected("names the label", "The message is the label or its description; write what a person says.")
        if not self._options.own and self._options.language == "en":
            other, nats = drift(text, label)
            if nats > drift_allowed:
                raise Rejected(
                    "other label", f"The message reads like {other}, not like {label}; write one for {label}."
                )

    def _opening(self, drawn: Json) -> str:
        wish = self._options.labels[str(drawn["label"])]
        language = "" if self._options.language == "en" else f" in {LANGUAGES[self._options.language]}"
        head = f"{drawn['length']}{language} from {drawn['persona']}, {drawn['tone']}, about {drawn['topic']}"
        return f"{head}. They are for {drawn['label']}: {wish}" if self._options.own else f"{head}. They want to {wish}"


def _strings(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def spec(options: Json) -> RouterSpec:
    """The router for the twelve tasks, or for `labels`, {name: what people want who get it}, in `language`."""
    if extra := sorted(options.keys() - {"labels", "language"}):
        raise DataError(f"The task router has no option '{extra[0][:40]}'; it knows labels and language.")
    language = options.get("language", "en")
    if not isinstance(language, str) or language not in LANGUAGES:
        raise DataError(f"The router's language must be one of {', '.join(LANGUAGES)}.")
    if "labels" not in options:
        return RouterSpec(Options(TASK_LABELS, False, language))
    return RouterSpec(Options(_own_labels(options["labels"]), True, language))


def _own_labels(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not 2 <= len(value) <= MAX_LABELS:
        raise DataError(f"The router's labels must be 2 to {MAX_LABELS} names, each with a description.")
    labels: dict[str, str] = {}
    for name, description in value.items():
        if not isinstance(name, str) or not name.strip() or len(name) > 60 or "\n" in name:
            raise DataError("A router's label must be a name of 1 to 60 characters on one line.")
        if not isinstance(description, str) or not 1 <= len(description.strip()) <= 300:
            raise DataError(f"The label '{name}' needs a description of 1 to 300 characters: who should get it?")
        labels[name.strip()] = " ".join(description.split())
    if len({name.lower() for name in labels}) != len(value):
        raise DataError("Two of the router's labels are the same but for capitals or spaces; name them apart.")
    return labels
