"""The other kind of the task `video_gen`: a picture and actions give the frames that follow, one for each action.

Frames of games and other small worlds are made of cells that recur: a network reads which of the known cells stands where and says which
stands there after an action, or that it stays (tokens of frames, as in IRIS, arXiv 2209.00588). A frame is put together of cells
again, so errors of pixels don't add up when a frame is the next one's picture.

A person's own recording is learnt in cells of one pixel: the known ones are its colours, the commonest first. What moves there goes on
as it went, so the network sees the frames before too, and what was done then.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np

from edge_runtime.bundle.manifest import Manifest
from edge_runtime.engines import Engine
from edge_runtime.errors import BadRequest, BundleError, EngineError
from edge_runtime.media import Media, Rejected, optional, read_media
from edge_runtime.tasks import Steps, driven

NAME = "video_gen"
# The graph: CELLS int32 [1, frames * down * across], which known cell stands where, the oldest frame first; ACTION float32
# [1, frames * actions], 1 for the one that is done after each frame, none where that isn't known; NEXT float32 [1, down * across, known + 1],
# logits of what stands there next: 0 for what stays, else one more than the known cell's number.
CELLS, ACTION, NEXT = "cells", "action", "next"
FILE = "cells.bin"  # in a bundle: uint8 [known, cell, cell, 3], RGB
MAX_FRAMES = 16
MAX_CELL, MAX_ACROSS, MAX_KNOWN, MAX_ACTIONS = 32, 32, 1024, 32
MAX_PIXELS, MAX_COLOURS, MAX_BEFORE = (
    64,
    32,
    3,
)  # where cells are single pixels: a side of a frame, colours, and frames before it
MAX_READ = 512  # pixels a side of a picture whose colours are looked at one by one
BLOCK = 8  # pixels of the cells that changes are told by
FPS = 4
STRANGE = 4.0  # of 255, on average over a cell that none of the known ones stands for
STRANGE_COLOUR, FEW_STRANGE = (
    24.0,
    0.01,
)  # of 255, for a pixel; and the share of such pixels that a known picture may have
ALIKE = 0.75  # of the frames that two runtimes must agree in
TYPES = ("image/png", "image/jpeg", "image/apng")
CONTENT_TYPE = "image/apng"
UNKNOWN = "The picture has parts like none that this learnt from."
FEW = "One picture doesn't show how things move; send those before it, too."
Json = dict[str, object]
REQUEST_FIELDS: Json = {
    "image": {
        "description": "of next frames: PNG, JPEG or animated PNG, base64 or a data: URL",
        "contentMediaType": TYPES[0],
    },
    "before": {
        "type": "array",
        "items": {"description": "PNG or JPEG, base64 or a data: URL", "contentMediaType": TYPES[0]},
        "maxItems": MAX_BEFORE,
        "description": "of next frames of a world in which things move: the frames before, the oldest first",
    },
    "done": {
        "type": "array",
        "items": {"type": "string"},
        "maxItems": MAX_BEFORE,
        "description": "of next frames: what was done after each of the frames before",
    },
    "action": {"type": "string", "description": "of one next frame: what is done"},
    "actions": {
        "type": "array",
        "items": {"type": "string"},
        "minItems": 1,
        "maxItems": MAX_FRAMES,
        "description": "of several next frames: what is done, one after the other",
    },
}
FIELDS: Json = {
    "changes": {
        "type": "array",
        "items": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
        "description": "of next frames: row and column of the cells (of 8 by 8 pixels where those are single ones) that each action changed",
    },
}


class Foreteller:
    """Answers `{"image", "action"}` or `{"image", "actions"}`. least: an answer whose frames are less sure is unsure.

    frames: how many the network sees, the last of which is the request's "image"; the others are in "before".
    """

    def __init__(
        self,
        known: np.ndarray,
        down: int,
        across: int,
        actions: tuple[str, ...],
        least: float,
        engine: Engine,
        frames: int = 1,
    ) -> None:
        self._known, self._down, self._across, self._frames = known, down, across, frames
        self._actions, self._least, self._engine = actions, least, engine

    def run(self, request: Json) -> Json:
        """Say what comes after one picture."""
        return driven(self._engine, self.steps(request))

    def steps(self, request: Json) -> Steps:
        """See `Stepwise`."""
        from edge_runtime.media.apng import write_apng

        seen, done, actions, problem = self._read(request)
        cells = seen[-1]
        frames, changes, sure = [], [], 1.0
        for action in actions:
            done = [*done, one_hot(action, len(self._actions))][-self._frames :]
            made = yield {CELLS: np.concatenate(seen)[None].astype(np.int32), ACTION: np.concatenate(done, 1)}
            logits = made.get(NEXT)
            if logits is None or logits.shape != (1, len(cells), len(self._known) + 1) or not np.isfinite(logits).all():
                raise EngineError(f"The model gave no usable '{NEXT}'; build the bundle again.")
            chosen = logits[0].argmax(1)
            sure = min(sure, sureness(chances(logits[0]), chosen, self._known.shape[1] == 1))
            changed = np.flatnonzero((chosen > 0) & (chosen - 1 != cells))
            cells = np.where(chosen > 0, chosen - 1, cells)
            seen = [*seen, cells][-self._frames :]
            frames.append(picture_of(cells, self._known, self._down, self._across))
            changes.append(self._places(changed))
        return {
            "film": Media(CONTENT_TYPE, write_apng(frames, FPS)),
            "frames": len(frames),
            "changes": changes,
            "confidence": round(sure, 4),
            "problem": problem,
            "unsure": problem is not None or sure < self._least,
        }

    def _read(self, request: Json) -> tuple[list[np.ndarray], list[np.ndarray], list[int], str | None]:
        """The cells of each frame, what was done after each but the last, the actions' numbers, and why it is unsure."""
        if extra := sorted(request.keys() - {"image", "before", "done", "action", "actions"}):
            raise BadRequest(f'This specialist reads "image" and "action" or "actions"; leave out "{extra[0][:40]}".')
        asked = request.get("actions", [request["action"]] if "action" in request else None)
        if "action" in request and "actions" in request:
            raise BadRequest('Say either "action" or "actions".')
        if not isinstance(asked, list) or not 1 <= len(asked) <= MAX_FRAMES:
            raise BadRequest(f'The request needs an "action", or "actions", a list of 1 to {MAX_FRAMES}.')
        before, done = request.get("before", []), request.get("done", [])
        if not isinstance(before, list) or len(before) > MAX_BEFORE:
            raise BadRequest(f'"before" is a list of at most {MAX_BEFORE} pictures.')
        if not isinstance(done, list) or (done and len(done) != len(before)):
            raise BadRequest('"done" is a list of what was done after each of the pictures "before".')
        numbers = [self._number(action) for action in asked]
        told = [one_hot(self._number(action), len(self._actions)) for action in done]
        side = MAX_READ if self._known.shape[1] == 1 else 4096
        unknown = np.zeros((1, len(self._actions)), np.float32)
        pictures: list[np.ndarray] = []
        past = [unknown] * self._frames
        for number, given in enumerate([*before, request.get("image")]):
            shown = pixels_of(given, "before" if number < len(before) else "image", side)
            pictures += shown
            # What was done between the frames of a film isn't known.
            past += [unknown] * (len(shown) - 1) + ([told[number] if told else unknown] if number < len(before) else [])
        pictures = pictures[-self._frames :]
        cells, strange = zip(*(self._cells(picture) for picture in pictures), strict=True)
        lacking = self._frames - len(pictures)
        problem = UNKNOWN if any(strange) else FEW if lacking else None
        return [cells[0]] * lacking + list(cells), past[-self._frames :], numbers, problem

    def _number(self, action: object) -> int:
        if action not in self._actions:
            raise BadRequest(f"The actions here are {', '.join(self._actions)}, not '{str(action)[:40]}'.")
        return self._actions.index(str(action))

    def _cells(self, pixels: np.ndarray) -> tuple[np.ndarray, bool]:
        """Which known cell stands where in a picture of any size, and whether some are like none of those."""
        size = self._known.shape[1]
        if size == 1:
            colours, far = cells_in(pixels, self._known)
            places = pooled(colours.reshape(pixels.shape[:2]), self._down, self._across)
            return places.reshape(-1), float((far > STRANGE_COLOUR).mean()) > FEW_STRANGE
        from edge_runtime.media.pictures import scaled

        cells, far = cells_in(scaled(pixels, self._across * size, self._down * size), self._known)
        return cells, bool(far.max() > STRANGE)

    def _places(self, changed: np.ndarray) -> list[list[int]]:
        rows, columns = changed // self._across, changed % self._across
        if self._known.shape[1] > 1:
            return [[int(row), int(column)] for row, column in zip(rows, columns, strict=True)]
        return [[row, column] for row, column in sorted(set(zip((rows // BLOCK).tolist(), (columns // BLOCK).tolist(), strict=True)))]  # fmt: skip


def pixels_of(given: object, where: str, most_side: int) -> list[np.ndarray]:
    """A request's picture, or the last frames of its animated PNG, uint8 [height, width, 3] each, at most `most_side` pixels a side.

    Raises `BadRequest`.
    """
    from edge_runtime.media.pictures import MAX_FILE_BYTES, read_last_frames

    media = read_media(given, where, TYPES, MAX_FILE_BYTES)
    try:
        return [np.asarray(picture) for picture in read_last_frames(media.content, most_side, MAX_BEFORE + 1)]
    except Rejected as cause:
        raise BadRequest(f"{cause.detail[0].upper()}{cause.detail[1:]}.") from None


def pooled(colours: np.ndarray, down: int, across: int) -> np.ndarray:
    """Numbers of colours, the commonest first, int64 [height, width] -> [down, across]: of each part the rarest one.

    So that a ball of a few pixels stays what it is, where a mean would blend it with what is behind it.
    """
    height, width = colours.shape
    if height < down or width < across:
        return colours[np.arange(down) * height // down][:, np.arange(across) * width // across]
    rows = np.maximum.reduceat(colours, np.arange(down) * height // down, axis=0)
    made: np.ndarray = np.maximum.reduceat(rows, np.arange(across) * width // across, axis=1)
    return made


def cells_of(pixels: np.ndarray, size: int) -> np.ndarray:
    """uint8 [height, width, 3] -> uint8 [cells, size * size * 3], by rows."""
    down, across = pixels.shape[0] // size, pixels.shape[1] // size
    parts = pixels.reshape(down, size, across, size, 3).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(parts).reshape(down * across, -1)


def cells_in(pixels: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each cell, which known one is nearest, int64 [cells], and how far it is, of 255 on average, float32 [cells]."""
    own = cells_of(pixels, known.shape[1]).astype(np.float32)
    others = known.reshape(len(known), -1).astype(np.float32)
    square = (own**2).sum(1)[:, None] - 2 * own @ others.T + (others**2).sum(1)[None]
    nearest = square.argmin(1)
    return nearest, np.abs(own - others[nearest]).mean(1)


def picture_of(cells: np.ndarray, known: np.ndarray, down: int, across: int) -> np.ndarray:
    """The picture that cells make, uint8 [height, width, 3]."""
    size = known.shape[1]
    parts = known[cells].reshape(down, across, size, size, 3).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(parts).reshape(down * size, across * size, 3)


def one_hot(action: int, count: int) -> np.ndarray:
    """float32 [1, count], 1 at the action."""
    made = np.zeros((1, count), np.float32)
    made[0, action] = 1
    return made


def load(manifest: Manifest, folder: Path, engine: Engine) -> Foreteller:
    """A specialist as the manifest's options say: `cell`, `across` and `down`; `frames` where it sees several; its
    labels are the actions. The bundle holds `cells.bin` too.

    Raises `BundleError`, and `NotEquipped` where no picture could be read.
    """
    optional("PIL", "Films")
    options = {"frames": 1, **manifest.options}
    cell, across, down, frames = (options.get(name) for name in ("cell", "across", "down", "frames"))
    side = MAX_PIXELS if cell == 1 else MAX_ACROSS
    most = {"cell": MAX_CELL, "across": side, "down": side, "frames": MAX_BEFORE + 1}
    fits = all(isinstance(options.get(key), int) and 0 < cast(int, options[key]) <= most[key] for key in most)
    if not fits or not 1 <= len(manifest.labels) <= MAX_ACTIONS or "unsure" not in manifest.thresholds:
        raise BundleError(
            f"A bundle of the task {NAME} whose network makes next frames needs the options cell, across and down, 1 to {MAX_ACTIONS} "
            "labels (its actions) and the threshold 'unsure'; build it again."
        )
    size = cast(int, cell) ** 2 * 3
    try:
        content = (folder / FILE).read_bytes()
    except OSError:
        content = b""
    if not content or len(content) % size or len(content) // size > MAX_KNOWN:
        raise BundleError(f"{FILE} of the bundle is missing or damaged; build it again.")
    known = np.frombuffer(content, np.uint8).reshape(-1, cast(int, cell), cast(int, cell), 3)
    least = manifest.thresholds["unsure"]
    return Foreteller(known, cast(int, down), cast(int, across), manifest.labels, least, engine, cast(int, frames))


def agrees(expected: Json, got: Json) -> bool:
    """Whether most frames change in the same cells, but for a quarter of those: int8 runtimes round differently."""
    wanted, given = expected.get("changes"), got.get("changes")
    if not isinstance(wanted, list) or not isinstance(given, list) or len(wanted) != len(given):
        return False
    same = sum(_alike(one, other) for one, other in zip(wanted, given, strict=True))
    return same >= ALIKE * len(wanted)


def _alike(one: list[list[int]], other: list[list[int]]) -> bool:
    ours, theirs = ({tuple(place) for place in places} for places in (one, other))
    return len(ours & theirs) >= ALIKE * len(ours | theirs)


def sureness(chances: np.ndarray, chosen: np.ndarray, pixels: bool) -> float:
    """How sure a frame is, 0 to 1: as its least sure cell; of pixels, of which some at an edge always may be either, on average those that change.

    chances: float32 [cells, known + 1]; chosen: int64 [cells].
    """
    of = chances[np.arange(len(chosen)), chosen]
    if not pixels:
        return float(of.min())
    return float(of[chosen > 0].mean()) if (chosen > 0).any() else 1.0


def chances(logits: np.ndarray) -> np.ndarray:
    """Logits -> chances, float32 [cells, known + 1]."""
    away = np.exp(logits - logits.max(1, keepdims=True))
    made: np.ndarray = away / away.sum(1, keepdims=True)
    return made
