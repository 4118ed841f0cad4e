"""Doubles a dataset by variations that keep the answer: as people type and speak, and as cameras see.

Only training rows get twins. A twin carries the row's answer by construction, says in `meta` what was done to it, and
is left out where it would ask (nearly) what a held-out row asks.
"""

from __future__ import annotations

import io
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from trainer_host.data.dataset import Dataset, Json, Row
from trainer_host.errors import DataError, TrainerError
from trainer_host.tasks import file_name
from trainer_host.teacher.home.noise import slip

# The text of a row that may be said in other ways without changing what is wanted.
TEXT_FIELDS: dict[str, str] = {"router": "text", "avatar": "text"}
CONVERSATIONS = ("chat",)
PICTURES = ("vision",)
_MOST_SIDE = 768  # pixels of a picture that is varied

_FILLERS = ("um", "uh", "er", "well", "so", "like", "please", "hey", "okay")
_HEARD = {
    "to": "too", "too": "to", "two": "to", "for": "four", "four": "for", "your": "you're", "you're": "your", "there": "their",
    "their": "there", "its": "it's", "it's": "its", "are": "our", "no": "know", "by": "buy", "hear": "here", "here": "hear",
    "write": "right", "right": "write", "week": "weak", "would": "wood", "weather": "whether", "I'm": "im", "don't": "dont",
    "can't": "cant", "what's": "whats", "that's": "thats", "let's": "lets", "going": "gonna",
}  # fmt: skip

Vary = Callable[[str, random.Random], str]


def slips(text: str, rng: random.Random) -> str:
    """A typing slip in one or two words of four letters or more; see trainer_host.teacher.home.noise."""
    words = text.split(" ")
    places = [i for i, word in enumerate(words) if len(word) > 3 and word.isalpha() and word.isascii()]
    for i in rng.sample(places, min(len(places), rng.choice((1, 1, 2)))):
        words[i] = slip(words[i], rng)
    return " ".join(words)


def plain(text: str, rng: random.Random) -> str:
    """Lower case, without punctuation, as a transcript or a hurried thumb has it."""
    bare = re.sub(r"(?<!\d)[.,!?;:]+(?!\d)", "", text).lower()
    return bare if bare != text else bare.upper()


def spoken(text: str, rng: random.Random) -> str:
    """With a filler where a person would breathe."""
    words = text.split(" ")
    words.insert(rng.choice((0, 0, rng.randrange(len(words) + 1))), rng.choice(_FILLERS))
    return " ".join(words)


def misheard(text: str, rng: random.Random) -> str:
    """With a word that sounds the same, as speech recognition writes it."""
    words = text.split(" ")
    places = [i for i, word in enumerate(words) if word.strip(".,!?") in _HEARD]
    if not places:
        return slips(text, rng)
    at = rng.choice(places)
    core = words[at].strip(".,!?")
    words[at] = words[at].replace(core, _HEARD[core], 1)
    return " ".join(words)


TEXT: dict[str, Vary] = {"slips": slips, "plain": plain, "spoken": spoken, "misheard": misheard}


def can_augment(task: str) -> bool:
    """Whether rows of this task can be varied without a teacher."""
    return task in TEXT_FIELDS or task in CONVERSATIONS or task in PICTURES


def twin_of(
    dataset: Dataset, row: Row, rng: random.Random, files: dict[str, bytes], kind: str | None = None
) -> tuple[Row, dict[str, bytes]]:
    """A variation of a training row, and the files that it names; raises `DataError` for a task without one.

    kind: one of `TEXT` for texts; None draws one.
    """
    task = dataset.task
    if task in PICTURES:
        return _other_picture(row, rng, files)
    how = kind or rng.choice(sorted(TEXT))
    about = {**row.meta, "augmented": how}
    if task in TEXT_FIELDS:
        name = TEXT_FIELDS[task]
        text = TEXT[how](str(row.input[name]), rng)
        return replace(row, input={**row.input, name: text}, meta=about), {}
    if task in CONVERSATIONS:
        messages = row.input["messages"]
        assert isinstance(messages, list)
        last: Json = messages[-1]
        words = next(key for key in ("content", "text") if key in last)
        said = {**last, words: TEXT[how](str(last[words]), rng)}
        return replace(row, input={**row.input, "messages": [*messages[:-1], said]}, meta=about), {}
    raise DataError(f"Rows of the task {task} can't be varied without changing their answer.")


def _other_picture(row: Row, rng: random.Random, files: dict[str, bytes]) -> tuple[Row, dict[str, bytes]]:
    """Mirrored, brighter or darker, or with a sensor's noise; boxes go along."""
    try:
        from PIL import Image, ImageEnhance, ImageOps
    except ImportError:
        raise TrainerError("Varying pictures needs Pillow; install Enigma with the extra 'tasks'.") from None
    from edge_runtime.media.pictures import read_picture

    name = str(row.input["image"])
    picture = read_picture(files[name], _MOST_SIDE)
    objects = row.output["objects"]
    assert isinstance(objects, list)
    how = rng.choice(("mirrored", "brighter", "darker", "noisy"))
    if how == "mirrored":
        picture = ImageOps.mirror(picture)
        objects = [{**item, "box": _mirrored(item["box"])} for item in objects]
    elif how == "noisy":
        import numpy as np

        pixels = np.asarray(picture, dtype=np.float32)
        grain = np.random.default_rng(rng.getrandbits(32)).normal(0.0, 10.0, pixels.shape)
        picture = Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8))
    else:
        picture = ImageEnhance.Brightness(picture).enhance(rng.uniform(1.2, 1.6) if how == "brighter" else rng.uniform(0.5, 0.8))  # fmt: skip
    out = io.BytesIO()
    picture.save(out, format="PNG")
    fresh = file_name(out.getvalue(), ".png")
    twin = Row({**row.input, "image": fresh}, {**row.output, "objects": objects}, {**row.meta, "augmented": how})
    return twin, {fresh: out.getvalue()}


def _mirrored(box: list[float]) -> list[float]:
    left, top, right, bottom = box
    return [1 - right, top, 1 - left, bottom]


def counted(rows: list[Row]) -> dict[str, int]:
    """How many rows were varied, by how."""
    return dict(sorted(Counter(str(row.meta["augmented"]) for row in rows if "augmented" in row.meta).items()))
