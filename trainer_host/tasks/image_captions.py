"""Task `image_gen` with a person's own pictures: a teacher that sees writes a caption for each, and compares it with the picture."""

from __future__ import annotations

import random
import re
from pathlib import Path

from edge_runtime.media import reading
from edge_runtime.tasks.image_flow import MAX_PROMPT
from edge_runtime.tasks.text import words
from trainer_host.data.dedup import SCOPE
from trainer_host.errors import DataError
from trainer_host.tasks import JUDGE_PASSES, Example, Json, Prompt, Rejected, TaskSpec
from trainer_host.tasks.vision_pictures import (
    chosen,
    content_of,
    looks,
    picture_name,
    pictures_in,
    png,
    read,
    unchanged,
)

PICTURE = "picture"  # in the output of a row
MAX_WORDS = 14  # of a teacher's caption: a network of this size can't learn from long ones
ASKED_WORDS = (3, 12)

SYSTEM = f"""You write captions of pictures, as JSON. A small network will learn from them to make such pictures of words. A caption has \
{ASKED_WORDS[0]} to {ASKED_WORDS[1]} plain English words in small letters: what the picture is of, its colours, and what makes it differ from \
others of its kind. Only what can be seen; no names of people, no opinion, no "a picture of", no full stop. Like pictures \
have like captions."""
ASKED = "Write the caption of this picture."
SYSTEM_JUDGE = f"""You compare a caption with a picture and answer as JSON: a short reason, and a level.
5: all that the caption says can be seen in the picture, and it says what the picture is of.
4: all that it says can be seen; something that stands out isn't said.
3: a colour, a number, a place or a kind is wrong.
2: it is about something else than the picture's main thing.
1: it has nothing to do with the picture, or it is no caption.
Captions of level {JUDGE_PASSES} and 5 are learnt from."""

_NEEDLESS = re.compile(
    r"^(?:caption: ?)?(?:(?:this is |there is |here is )?(?:an? |the |this )?(?:\w+ )?"
    r"(?:image|picture|photo|photograph|illustration|drawing) (?:of|showing|that shows|shows|depicting|depicts) )?",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"\b(?:i'?m|i am|i can'?t|i cannot|can'?t (?:see|help|assist|identify|describe)|unable to|as an ai|sorry|"
    r"no (?:image|picture) (?:is|was|has)|not (?:visible|provided))\b"
)
_NOTHING = frozenset(
    "a an the of is it this that image picture photo unknown unclear nothing none something object thing caption untitled".split()  # noqa: SIM905
)


class ImageCaptions(TaskSpec):
    """input: {"prompt"}, the caption. output: {"picture"}, the name of a file of the example."""

    name = "image_gen"
    prompt_version = "1"
    metric = "likeness of the made picture's colours"
    answer_schema = reading.strict_object(caption=reading.STRING)
    example_schema = reading.strict_object(
        input=reading.strict_object(prompt={"type": "string", "maxLength": MAX_PROMPT}),
        output=reading.strict_object(picture=reading.STRING),
    )
    max_tokens = 200
    temperature = 0.3

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def draw(self, rng: random.Random) -> Json:
        """See `TaskSpec`: a picture of the folder by its name and hash."""
        return self.draw_at(rng.getrandbits(31), 0)

    def draw_at(self, seed: int, number: int) -> Json:
        """See `TaskSpec`."""
        return chosen(self._folder, seed, number)

    def different(self) -> int:
        """See `TaskSpec`: one for each picture."""
        return pictures_in(self._folder)

    def prompt(self, drawn: Json) -> Prompt:
        """See `TaskSpec`; the picture goes along. Raises `DataError` where it has changed since it was drawn."""
        with unchanged():
            picture = read(content_of(self._folder, drawn))
        return Prompt(SYSTEM, ASKED, (png(picture),))

    def verify(self, drawn: Json, answers: list[Json]) -> Example:
        """See `TaskSpec`: a caption that says something in few words; whether it is true of the picture is a judge's question."""
        from trainer_host.data.pictures import KEPT_SIDE, encoded

        said = reading.text(reading.fields(answers[0], "the answer", ("caption",))["caption"], "caption", MAX_PROMPT)
        caption = read_caption(said)
        photo = Path(str(drawn["picture"])).suffix.lower() != ".png"
        content = encoded(read(content_of(self._folder, drawn), KEPT_SIDE), photo)
        name = picture_name(content, ".jpg" if photo else ".png")
        return Example({"prompt": caption}, {PICTURE: name}, {name: content})

    def check(self, example: Example) -> None:
        """See `TaskSpec`: the caption says something, the picture can be read."""
        check(example)

    def key(self, example: Example) -> str:
        """See `TaskSpec`: one caption may be that of pictures that look otherwise."""
        return key(example)

    def score(self, wanted: Json, got: Json) -> float:
        """See `TaskSpec`: 1 for the picture itself; how near another one comes is told by the student."""
        return float(wanted.get(PICTURE) == got.get(PICTURE))

    def built_in(self, rng: random.Random) -> Example:
        """Raises `DataError`: nobody knows what a person's pictures show."""
        raise DataError(
            "Without a teacher nobody knows what the pictures show; name a --provider, or leave out the option images."
        )

    def group(self, example: Example) -> str | None:
        """See `TaskSpec`: all pictures of a caption stay on one side."""
        return " ".join(words(str(example.input["prompt"])))

    def judge(self, example: Example) -> Prompt | None:
        """See `TaskSpec`: whether the caption is true of the picture, which goes along."""
        picture = read(example.files[str(example.output[PICTURE])])
        return Prompt(SYSTEM_JUDGE, f"Caption: {example.input['prompt']}", (png(picture),))

    def stand_in(self, seed: int, number: int) -> Example:
        """See `TaskSpec`: the picture, with a caption as long as is asked for."""
        return self.verify(self.draw_at(seed, number), [{"caption": " ".join(["colour"] * ASKED_WORDS[1])}])

    def difficulty(self, example: Example) -> float:
        """See `TaskSpec`: longer captions are harder."""
        return min(1.0, len(words(str(example.input["prompt"]))) / MAX_WORDS)

    def render(self, example: Example) -> dict[str, bytes]:
        """See `TaskSpec`: the picture itself."""
        return dict(example.files)


def read_caption(said: str) -> str:
    """A teacher's caption as it is learnt from; raises `Rejected`."""
    caption = " ".join(said.split()).strip("\"'“”` ").rstrip(".!")
    caption = _NEEDLESS.sub("", caption)
    known = words(caption)
    if not known or set(known) <= _NOTHING:
        raise Rejected("no caption", "the caption doesn't say what the picture shows")
    if _REFUSAL.search(caption.lower().replace("\u2019", "'")):
        raise Rejected("declined", "that is no caption; say what can be seen, nobody is to be recognised")
    if len(known) > MAX_WORDS:
        raise Rejected("too long", f"the caption has {len(known)} words; at most {ASKED_WORDS[1]} are wanted")
    return caption


def check(example: Example) -> None:
    """Raises `Rejected` for a row of a picture and its caption that a network can't learn from."""
    output = reading.fields(example.output, "output", (PICTURE,), optional=("group",))
    if not words(reading.text(example.input.get("prompt"), "prompt", MAX_PROMPT)):
        raise Rejected("no caption", "the caption says nothing")
    name = reading.text(output[PICTURE], PICTURE, 200)
    content = example.files.get(name)
    if content is None:
        raise Rejected("no picture", f"the picture '{name[:60]}' isn't there")
    read(content)


def key(example: Example) -> str:
    """Equal for the same picture with the same caption, alike for pictures that look alike and have the same caption."""
    name = str(example.output[PICTURE])
    content = example.files.get(name)
    look = name if content is None else " ".join(looks(read(content)))
    return f"{' '.join(words(str(example.input['prompt'])))}{SCOPE}{look}"
