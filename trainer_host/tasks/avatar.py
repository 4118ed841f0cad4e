"""Task `avatar`: a command to an avatar, or a line it is about to say, and what face and body do with it."""

from __future__ import annotations

import random
import re

from edge_runtime.avatar.vocabulary import ARKIT, DEFAULTS, HEADS, blendshapes, contradicts
from edge_runtime.tasks.avatar import MAX_CHARS
from trainer_host.tasks import Example, Json, Prompt, Rejected, TaskSpec, no_options
from trainer_host.tasks.avatar_grammar import FACES, LINES, LOOKS, MOVES, say
from trainer_host.tasks.avatar_meaning import check_command, check_line
from trainer_host.tasks.phrases import TEMPLATE, Grouped
from trainer_host.tasks.wording import check_echo, check_length, check_wording, one_line

NAME = "avatar"
SCORED = ("emotion", "gesture", "gaze")  # strength and speed are matters of taste
_PERSONAS = (
    "a teacher", "a shop assistant", "a streamer", "a museum guide", "a game character", "a nurse", "a news reader",
    "a grandparent", "a child", "a sports fan", "a hotel clerk", "a storyteller",
)  # fmt: skip
_TOPICS = (
    "a greeting", "bad news", "a joke", "a lost key", "a birthday", "an exam", "the weather", "a broken machine", "a story for children",
    "a football match", "a recipe", "directions", "a compliment", "a complaint", "a ghost", "a new pet", "a train delay", "a promise",
)  # fmt: skip
_LENGTHS = ((3, 8), (5, 14), (8, 24))
_USUAL = 0.7  # share of lines whose gesture is one that people make with it; the others are told by the face alone
_SYSTEM = (
    "You write lines for an animated character and say what its face and body do. Reply with JSON only. "
    "text: what the character says, or a command that somebody gives to it; nothing else in it. "
    + " ".join(f"{head}: one of {', '.join(labels)}." for head, labels in HEADS.items())
    + " The text alone must make clear why emotion, gesture and gaze fit it."
)
_JUDGE = """You direct an animated character. You get a text, which is either a command to it or a line that it says, and what
its face and body do with it.
Level 5: just what the command asks for, or what a good actor would do with this line.
Level 4: fits well; another choice would be as good.
Level 3: a viewer would wonder about one of emotion, gesture and gaze.
Level 2: one of them is against what the text says, or the command asks for something else.
Level 1: has nothing to do with the text, or the text is no command and no line.
Give the reason in one sentence, then the level."""


class AvatarSpec(TaskSpec):
    """See `TaskSpec`. input {"text"}; output a choice per head and ARKit's blendshapes for it."""

    name = NAME
    prompt_version = "avatar-2"
    metric = "exact match of emotion, gesture and gaze"
    max_tokens = 160
    temperature = 1.0

    def __init__(self) -> None:
        choices: Json = {head: {"type": "string", "enum": list(labels)} for head, labels in HEADS.items()}
        text: Json = {"type": "string", "minLength": 1, "maxLength": 300}
        self.answer_schema: Json = {
            "type": "object",
            "properties": {"text": text, **choices},
            "required": ["text", *choices],
            "additionalProperties": False,
        }
        coefficient = {"type": "number", "minimum": 0, "maximum": 1}
        shapes: Json = {
            "type": "object",
            "properties": {name: coefficient for name in ARKIT},
            "additionalProperties": False,
        }
        self.example_schema: Json = {
            "type": "object",
            "properties": {
                "input": {
                    "type": "object",
                    "properties": {"text": {**text, "maxLength": MAX_CHARS}},
                    "required": ["text"],
                },
                "output": {
                    "type": "object",
                    "properties": {**choices, "blendshapes": shapes},
                    "required": list(choices),
                },
            },
            "required": ["input", "output"],
        }

    def draw(self, rng: random.Random) -> Json:
        """Command or line, who and about what, how long, and the emotion, gesture and gaze that it must have."""
        kind = rng.choice(("command", "line", "line"))
        timing = DEFAULTS["timing"] if rng.random() < 0.6 else rng.choice(HEADS["timing"])
        wanted = {head: rng.choice(HEADS[head]) for head in ("emotion", "intensity", "gesture", "gaze")}
        if kind == "line":
            # Nobody salutes in disgust: a line that must go with any four of these can't be written.
            if rng.random() < _USUAL:
                wanted = dict(zip(("emotion", "intensity", "gesture", "gaze"), rng.choice(tuple(LINES)), strict=True))
            else:
                wanted |= {"gesture": DEFAULTS["gesture"], "gaze": DEFAULTS["gaze"]}
        wanted["timing"] = timing
        least, most = rng.choice(_LENGTHS)
        return {
            "kind": kind,
            "persona": rng.choice(_PERSONAS),
            "topic": rng.choice(_TOPICS),
            "words": [least, most],
            **wanted,
        }

    def prompt(self, drawn: Json) -> Prompt:
        """What is wanted, as a short order."""
        least, most = _bounds(drawn)
        choice = ", ".join(f"{head} {drawn[head]}" for head in HEADS)
        if drawn["kind"] == "command":
            face = FACES[str(drawn["emotion"])][0]
            move = MOVES.get(str(drawn["gesture"]), ("",))[0]
            look = LOOKS[str(drawn["gaze"])][0]
            hints = ", ".join(part for part in (face, move, look) if part)
            what = f"a command of a user to the character, in your own words ({hints})"
        else:
            what = f"a line that the character says as {drawn['persona']}, about {drawn['topic']}"
        return Prompt(_SYSTEM, f"Write {what}, {least} to {most} words. It goes with {choice}.")

    def verify(self, drawn: Json, answers: list[Json]) -> Example:
        """The teacher's text and choices, which must be those that were drawn."""
        answer = answers[0]
        choice = {head: answer.get(head) for head in HEADS}
        _check_choice(choice)
        for head in SCORED:
            if choice[head] != drawn[head]:
                raise Rejected("other choice", f"The {head} must be {drawn[head]}, not {choice[head]}.")
        text = one_line(answer.get("text"), "text")
        least, most = _bounds(drawn)
        check_length(text, min(least, 2), most * 2, "text")
        check_echo(text, self.prompt(drawn).user, "text")
        faces = blendshapes(str(choice["emotion"]), str(choice["intensity"]), str(choice["gaze"]))
        example = Example({"text": text}, {**choice, "blendshapes": faces})
        self.check(example)
        if drawn["kind"] == "command":
            check_command(text, choice)
        else:
            check_line(text)
        return example

    def check(self, example: Example) -> None:
        """Closed vocabularies, coefficients in range, no face that contradicts its emotion, a text that is one."""
        if example.input.keys() != {"text"} or not set(HEADS) <= example.output.keys() <= {*HEADS, "blendshapes"}:
            raise Rejected("wrong format", f'A row holds {{"text"}} and {", ".join(HEADS)}, and may hold blendshapes.')
        _check_choice(example.output)
        shapes = example.output.get("blendshapes", {})
        if not isinstance(shapes, dict):
            raise Rejected("wrong format", "The blendshapes must be an object of ARKit names and numbers.")
        for name, value in shapes.items():
            if name not in ARKIT:
                raise Rejected("unknown blendshape", f"'{str(name)[:40]}' isn't one of ARKit's 52 blendshapes.")
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise Rejected("out of range", f"{name} must be from 0 to 1.")
        if (why := contradicts(str(example.output["emotion"]), shapes)) is not None:
            raise Rejected("contradiction", f"The face shows {why}.")
        text = one_line(example.input["text"], "text")
        if len(text) > MAX_CHARS:
            raise Rejected("too long", f"The text has {len(text)} characters; an avatar reads at most {MAX_CHARS}.")
        check_wording(text, "text")
        if named := re.search(r"\b(?:\w+_\w+|blendshapes?)\b", text):
            raise Rejected("template leak", f"The text holds {named[0]!r}; write what is said.")

    def judge(self, example: Example) -> Prompt:
        """Whether face, body and eyes fit what is said, which no rule can tell."""
        chosen = ", ".join(f"{head} {example.output[head]}" for head in HEADS)
        return Prompt(_JUDGE, f"Text: {example.input['text']}\nThe character: {chosen}")

    def key(self, example: Example) -> str:
        """The text."""
        return str(example.input["text"])

    def score(self, wanted: Json, got: Json) -> float:
        """1 where emotion, gesture and gaze are all right, else 0."""
        return float(all(wanted.get(head) == got.get(head) for head in SCORED))

    def stratum(self, example: Example) -> str:
        """The emotion."""
        return str(example.output["emotion"])

    def group(self, example: Example) -> str | None:
        """The frame of a built-in command."""
        return example.group if isinstance(example, Grouped) else None

    def built_in(self, rng: random.Random) -> Example:
        """A command or a line of the built-in language."""
        said = say(rng)
        choice: Json = dict(said.choice)
        faces = blendshapes(said.choice["emotion"], said.choice["intensity"], said.choice["gaze"])
        made: Json = {} if said.template is None else {TEMPLATE: said.template}
        return Grouped({"text": said.text}, {**choice, "blendshapes": faces}, group=said.template, meta=made)

    def difficulty(self, example: Example) -> float:
        """By how many heads differ from what is usual, and by the text's length."""
        unusual = sum(example.output[head] != usual for head, usual in DEFAULTS.items())
        return min(1.0, 0.15 * unusual + len(str(example.input["text"])) / 400)


def _check_choice(choice: Json) -> None:
    for head, labels in HEADS.items():
        if (value := choice[head]) not in labels:
            raise Rejected(f"unknown {head}", f"The {head} must be one of {', '.join(labels)}, not {str(value)[:40]}.")


def spec(options: Json) -> AvatarSpec:
    """The task; it has no options."""
    no_options(NAME, options)
    return AvatarSpec()


def _bounds(drawn: Json) -> tuple[int, int]:
    bounds = drawn["words"]
    assert isinstance(bounds, list)
    return int(bounds[0]), int(bounds[1])
