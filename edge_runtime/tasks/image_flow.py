"""The other kind of the task `image_gen`: a caption gives a small picture, which a network makes of noise in a few steps.

Where a model writes plans, those are drawn; here the network makes the pixels, and has learnt from captioned pictures
alone (a rectified flow, arXiv 2209.03003). A picture is a sum of a few hundred parts; in each step the network says which way their
shares go, given the noisy ones of before, and these go a part of it. The same caption and seed give the same picture.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np

from edge_runtime.bundle.manifest import Manifest
from edge_runtime.engines import Engine
from edge_runtime.errors import BadRequest, BundleError, EngineError
from edge_runtime.media import Media, optional
from edge_runtime.tasks import Steps, driven
from edge_runtime.tasks.familiar import FILE as FAMILIAR
from edge_runtime.tasks.familiar import familiarity, read_known
from edge_runtime.tasks.text import SCHEME, Features, encode, words

NAME = "image_gen"
# The graph: NOISY float32 [1, parts] and WAY, from there to what it will be; MOMENT float32 [1, MOMENTS], see `moment`; WORDS int32 [1, length],
# see `edge_runtime.tasks.text`; PICTURE float32 [1, side * side * 3] of -1 (black) to 1, of the way's end.
NOISY, MOMENT, WORDS, WAY, PICTURE = "noisy", "moment", "words", "way", "picture"
MOMENTS = 16
SIDES = (32, 64, 96)  # pixels
_MOST = {"parts": 4096, "steps": 16, "length": 1024, "buckets": 2**20}
MAX_PROMPT = 600
MAX_SEED = 2**32 - 1
CONTENT_TYPE = "image/png"
NOTHING = ("",)  # all captions are familiar to the same thing
CELLS = 4  # a side of the sketch
TOLERANCE = 24.0  # of 255, on average over the sketch, between int8 runtimes that round differently
Json = dict[str, object]
FIELDS: Json = {
    "sketch": {
        "type": "array",
        "items": {"type": "array", "items": {"type": "string"}},
        "description": f"of a picture that a network made: the mean colours of {CELLS} by {CELLS} parts, as #rrggbb",
    },
    "familiar": {"type": "number", "minimum": 0, "maximum": 1},
    "unknown": {"type": "array", "items": {"type": "string"}, "description": "words that no caption had"},
}


class Painter:
    """Answers `{"prompt", "seed"}`; another seed gives another picture.

    A caption with a word that no caption of the training had is drawn, and unsure. familiar: so much of the caption's words
    and pairs of words must have been in the training's. known: those, see `familiar`.
    """

    def __init__(
        self,
        side: int,
        parts: int,
        steps: int,
        features: Features,
        familiar: float,
        known: np.ndarray,
        engine: Engine,
    ) -> None:
        self._side, self._parts, self._steps, self._features = side, parts, steps, features
        self._familiar, self._known, self._engine = familiar, known, engine

    def run(self, request: Json) -> Json:
        """Make one picture."""
        return driven(self._engine, self.steps(request))

    def steps(self, request: Json) -> Steps:
        """See `Stepwise`."""
        from edge_runtime.media.pictures import png_of

        prompt, seed = _read(request)
        encoded = encode(prompt, self._features)
        now, made = noise(seed, self._parts), {}
        for step in range(self._steps):
            made = yield {NOISY: now, MOMENT: moment(step / self._steps), WORDS: encoded.ids}
            now = now + _checked(made, WAY, (1, self._parts)) / np.float32(self._steps - step)
        # The last step goes the whole way, so that the picture of its end is the picture.
        pixels = pixels_of(_checked(made, PICTURE, (1, self._side**2 * 3)), self._side)
        unknown = [word for word in dict.fromkeys(words(prompt)) if not familiarity(self._known, word, NOTHING, 0)]
        familiar = familiarity(self._known, prompt, NOTHING, 0)
        problem = _problem(unknown, familiar < self._familiar)
        return {
            "picture": Media(CONTENT_TYPE, png_of(pixels)),
            "sketch": sketch_of(pixels),
            "familiar": round(familiar, 4),
            "unknown": unknown,
            "problem": problem,
            "unsure": problem is not None,
        }


def noise(seed: int, parts: int) -> np.ndarray:
    """float32 [1, parts], standard normal; the same for the same seed in every version of numpy."""
    return np.random.RandomState(seed).standard_normal((1, parts)).astype(np.float32)


def moment(at: float) -> np.ndarray:
    """How far a picture is on its way from noise (0) to itself (1), float32 [1, MOMENTS]: sines and cosines of it."""
    angles = at * np.arange(1, MOMENTS // 2 + 1) * (np.pi / 2)
    return np.concatenate([np.sin(angles), np.cos(angles)]).astype(np.float32)[None]


def pixels_of(values: np.ndarray, side: int) -> np.ndarray:
    """float32 [1, side * side * 3] -> uint8 [side, side, 3]; what is beyond white and black is cut off."""
    plain = np.round((values.reshape(side, side, 3) + 1) * 127.5)
    return np.clip(plain, 0, 255).astype(np.uint8)


def sketch_of(pixels: np.ndarray) -> list[list[str]]:
    """The mean colours of `CELLS` by `CELLS` parts of uint8 [side, side, 3], by rows, as #rrggbb."""
    size = len(pixels) // CELLS
    means = pixels.reshape(CELLS, size, CELLS, size, 3).mean((1, 3)).round().astype(int).tolist()
    return [["#" + "".join(f"{value:02x}" for value in cell) for cell in row] for row in means]


def load(manifest: Manifest, folder: Path, engine: Engine) -> Painter:
    """A specialist as the manifest's options say: `side`, `parts`, `steps`, `length` and `buckets`. The bundle holds `familiar.bin` too.

    Raises `BundleError`, and `NotEquipped` where no picture could be written.
    """
    optional("PIL", "Pictures")
    options = manifest.options
    side, parts, steps, length, buckets = (options.get(name) for name in ("side", *_MOST))
    fits = all(
        isinstance(options.get(name), int) and 0 < cast(int, options[name]) <= most for name, most in _MOST.items()
    )
    if side not in SIDES or not fits:
        raise BundleError(
            f"A bundle of the task {NAME} whose network makes pictures needs the options side (one of {', '.join(map(str, SIDES))}), {', '.join(_MOST)}; "
            "build it again."
        )
    if manifest.tokenizer is None or manifest.tokenizer.scheme != SCHEME or "familiar" not in manifest.thresholds:
        raise BundleError(
            f"A bundle of the task {NAME} whose network makes pictures needs the scheme {SCHEME} and the threshold 'familiar'."
        )
    features = Features(length=cast(int, length), buckets=cast(int, buckets))
    known = read_known(folder / FAMILIAR)
    return Painter(
        cast(int, side), cast(int, parts), cast(int, steps), features, manifest.thresholds["familiar"], known, engine
    )


def agrees(expected: Json, got: Json) -> bool:
    """Whether both pictures have nearly the same colours in the same places, and the same doubt."""
    wanted, given = _colours(expected.get("sketch")), _colours(got.get("sketch"))
    if wanted is None or given is None or wanted.shape != given.shape or expected.get("unsure") != got.get("unsure"):
        return False
    return float(np.abs(wanted - given).mean()) <= TOLERANCE


def _colours(sketch: object) -> np.ndarray | None:
    try:
        rows = cast("list[list[str]]", sketch)
        return np.array([[list(bytes.fromhex(cell[1:])) for cell in row] for row in rows], np.float64)
    except (TypeError, ValueError, AttributeError):
        return None


def _read(request: Json) -> tuple[str, int]:
    if extra := sorted(request.keys() - {"prompt", "text", "seed"}):
        raise BadRequest(f'This specialist reads "prompt" and "seed"; leave out "{extra[0][:40]}".')
    prompt, seed = request.get("prompt", request.get("text")), request.get("seed", 0)
    if not isinstance(prompt, str) or not words(prompt):
        raise BadRequest(f'The task {NAME} needs a "prompt" that says what is to be seen, as in "a red apple".')
    if len(prompt) > MAX_PROMPT:
        raise BadRequest(f'The "prompt" has {len(prompt):,} characters; say it in at most {MAX_PROMPT}.')
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= MAX_SEED:
        raise BadRequest(f'The "seed" must be a whole number from 0 to {MAX_SEED:,}.')
    return prompt, seed


def _checked(made: dict[str, np.ndarray], name: str, shape: tuple[int, ...]) -> np.ndarray:
    value = made.get(name)
    if value is None or value.shape != shape or not np.isfinite(value).all():
        raise EngineError(f"The model gave no usable '{name}' of shape {list(shape)}; build the bundle again.")
    return value


def _problem(unknown: list[str], foreign: bool) -> str | None:
    if unknown:
        return f"No caption that this learnt from had the word '{unknown[0][:40]}'."
    return "The captions that this learnt from said other things with these words." if foreign else None
